//! What an agent said and did, read back from what its attempt has left: the log of its program or its conversation.
//!
//! Total and bounded: a line that nobody knows is shown as it is, and a log of any length costs the same.

use std::{io::Read as _, path::Path};

use serde::Serialize;
use serde_json::Value;

use crate::{
    runtime::{Reader, Seen},
    service::{
        logs::open_kept,
        serve::agent::{cut, read},
    },
};

/// Bytes of a log that are read: its beginning.
const LOG_MAX: u64 = 8 << 20;
/// The longest conversation that is read, in bytes.
const CONVERSATION_MAX: u64 = 16 << 20;
/// Things that are told.
const TOLD_MAX: usize = 1_000;
/// The longest details of one thing, in bytes.
const DETAIL_MAX: usize = 16 << 10;
/// Where programs write what a tool is given, and what came of it.
const GIVEN: &[&str] = &["input", "rawInput", "arguments", "args", "parameters", "command"];
const CAME: &[&str] = &["tool_use_result", "aggregated_output", "rawOutput", "output", "content", "result"];

/// One thing that was said or done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// `text tool tool_ended tool_failed denied retried warning asked`.
    pub kind: &'static str,
    /// In a line: the tool and what it was used on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What was said; or the arguments or the result of a tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

fn told(kind: &'static str, title: impl Into<String>, text: impl Into<String>) -> Told {
    Told { kind, title: title.into(), text: text.into() }
}

/// What a log tells, and whether there was more. Without a reader, or where the reader knows no line of it, it is a text.
pub(super) fn heard(path: &Path, reader: Option<Box<dyn Reader>>) -> (Vec<Told>, bool) {
    let mut bytes = Vec::new();
    let Ok(Some(file)) = open_kept(path) else { return (Vec::new(), false) };
    if file.take(LOG_MAX + 1).read_to_end(&mut bytes).is_err() {
        return (Vec::new(), false);
    }
    let mut is_cut = bytes.len() as u64 > LOG_MAX;
    bytes.truncate(usize::try_from(LOG_MAX).unwrap_or(usize::MAX));
    let mut all: Vec<Told> = Vec::new();
    if let Some(mut reader) = reader {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if all.len() >= TOLD_MAX {
                is_cut = true;
                break;
            }
            let seen = reader.line(line, true);
            let raw: Option<Value> = serde_json::from_slice(line).ok();
            // Where a line tells more than one thing, its details belong to none of them.
            let is_alone =
                seen.iter().filter(|one| matches!(one, Seen::ToolStarted(..) | Seen::ToolEnded(..))).count() == 1;
            for one in seen {
                // One line may tell of any number of things.
                if all.len() >= TOLD_MAX {
                    is_cut = true;
                    break;
                }
                add(&mut all, one, raw.as_ref().filter(|_| is_alone));
            }
        }
    }
    if all.is_empty() && !bytes.is_empty() {
        all.push(told("text", "", cut(String::from_utf8_lossy(&bytes).into_owned())));
    }
    (all, is_cut)
}

fn add(all: &mut Vec<Told>, seen: Seen, raw: Option<&Value>) {
    let detail = |names: &[&str]| raw.map(|raw| find(raw, names, 0).unwrap_or(raw)).map(shown).unwrap_or_default();
    let one = match seen {
        // A text may come in pieces.
        Seen::Text(text) => match all.last_mut() {
            Some(last) if last.kind == "text" && last.text.len() + text.len() < DETAIL_MAX => {
                last.text.push_str(&text);
                return;
            }
            _ => told("text", "", cut(text)),
        },
        Seen::ToolStarted(tool, on) => told("tool", format!("{tool} {on}").trim_end(), detail(GIVEN)),
        Seen::ToolEnded(tool, true) => told("tool_ended", tool, detail(CAME)),
        Seen::ToolEnded(tool, false) => told("tool_failed", tool, detail(CAME)),
        Seen::Denied(what) => told("denied", what, ""),
        Seen::Retried(why) => told("retried", why, ""),
        Seen::Warning(what) => told("warning", what, ""),
        Seen::Session(_) | Seen::Spent(..) | Seen::LastWord => return,
    };
    all.push(one);
}

/// The first value under one of these names, from the outside in.
fn find<'v>(value: &'v Value, names: &[&str], depth: usize) -> Option<&'v Value> {
    if depth > 8 {
        return None;
    }
    let inner: Vec<&Value> = match value {
        Value::Object(map) => {
            // What holds other parts is no detail of its own.
            let is_detail = |found: &&Value| !matches!(found, Value::Array(items) if items.iter().any(|item| item.get("type").is_some_and(|kind| kind != "text")));
            if let Some(found) = names.iter().find_map(|name| map.get(*name).filter(is_detail)) {
                return Some(found);
            }
            map.values().collect()
        }
        Value::Array(items) => items.iter().collect(),
        _ => return None,
    };
    inner.into_iter().find_map(|inner| find(inner, names, depth + 1))
}

/// A value for people: texts as they are.
fn shown(value: &Value) -> String {
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    };
    if text.len() > DETAIL_MAX {
        let end = (0..=DETAIL_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push_str("\n… the rest is in the log");
    }
    text
}

/// A conversation with a model service, where one is kept.
pub(super) fn conversation(folder: &Path, session: &str) -> Option<(Vec<Told>, bool)> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if session.is_empty() || session.len() > 64 || !session.chars().all(is_plain) {
        return None;
    }
    let bytes = read(&folder.join(format!("conversation-{session}.json")), CONVERSATION_MAX)?;
    let kept: Value = serde_json::from_slice(&bytes).ok()?;
    let mut all = Vec::new();
    for message in kept["messages"].as_array()? {
        let is_user = message["by"] == "user";
        for part in message["parts"].as_array().into_iter().flatten() {
            if all.len() >= TOLD_MAX {
                return Some((all, true));
            }
            all.extend(part_of(part, is_user));
        }
    }
    Some((all, false))
}

fn part_of(part: &Value, is_user: bool) -> Option<Told> {
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(text) = part["text"].as_str() {
        return Some(told(if is_user { "asked" } else { "text" }, "", cut(text.to_owned())));
    }
    if let Some(call) = part.get("call") {
        return Some(told("tool", words(&call["name"]), shown(&call["input"])));
    }
    let result = part.get("result")?;
    let kind = if result["is_ok"] == true { "tool_ended" } else { "tool_failed" };
    Some(told(kind, words(&result["name"]), shown(&result["text"])))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_conversation_is_told_with_its_tools() {
        let folder = tempfile::tempdir().unwrap();
        let kept = json!({ "conversation": 1, "session": "s-1", "messages": [
            { "by": "user", "parts": [{ "text": "do <it>" }] },
            { "by": "agent", "parts": [{ "text": "yes" }, { "call": { "id": "1", "name": "read", "input": { "path": "a" } } }] },
            { "by": "user", "parts": [{ "result": { "id": "1", "name": "read", "text": "gone", "is_ok": false } }] },
        ] });
        fs::write(folder.path().join("conversation-s-1.json"), kept.to_string()).unwrap();
        let (all, is_cut) = conversation(folder.path(), "s-1").unwrap();
        assert_eq!(all.iter().map(|one| one.kind).collect::<Vec<_>>(), ["asked", "text", "tool", "tool_failed"]);
        assert!(!is_cut && all[2].text.contains("\"path\": \"a\""), "{all:?}");
        assert_eq!(conversation(folder.path(), "../s-1"), None);
    }

    #[test]
    fn details_are_found_and_bounded() {
        let line = json!({ "type": "user", "message": { "content": [{ "type": "tool_result", "content": "done" }] } });
        assert_eq!(find(&line, CAME, 0).map(shown), Some("done".to_owned()));
        assert!(shown(&json!("x".repeat(5 * DETAIL_MAX))).len() < 2 * DETAIL_MAX);
        let mut deep = json!("x");
        for _ in 0..50 {
            deep = json!({ "a": deep });
        }
        assert_eq!(find(&deep, CAME, 0), None);
    }

    #[test]
    fn a_log_that_nobody_reads_is_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout.log");
        fs::write(&path, "<b>hello</b>\n").unwrap();
        let (all, is_cut) = heard(&path, None);
        assert_eq!((all, is_cut), (vec![told("text", "", "<b>hello</b>\n")], false));
        assert_eq!(heard(&folder.path().join("none"), None), (Vec::new(), false));
    }
}
