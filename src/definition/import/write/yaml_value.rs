//! Values as YAML that people would write: plain where that is safe, blocks for long texts, quotes for the rest.

use serde_json::Value;

/// The longest value in one line.
const LINE_CHARS_MAX: usize = 100;

/// Whether YAML takes the character as it is.
pub(super) fn is_printable(c: char) -> bool {
    let in_range =
        matches!(c, '\t' | '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    // Line separators of Unicode end a line for some readers.
    in_range && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A text in double quotes.
pub(super) fn quoted(text: &str) -> String {
    let json = Value::String(text.to_owned()).to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_printable(c) && c != '\t' {
            out.push(c);
        } else {
            out.push_str(&format!("\\U{:08x}", u32::from(c)));
        }
    }
    out
}

/// A text on one line: plain where nobody could read it as anything else.
pub(super) fn scalar(text: &str) -> String {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 && ["ms", "s", "m", "h", "d"].contains(&&text[digits..]) {
        return text.to_owned();
    }
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_ ./-".contains(&byte))
        && !text.ends_with(' ')
        && text.len() <= LINE_CHARS_MAX
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// Whether a text can stand as a block with `|`.
fn fits_block(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    text.chars().all(is_printable)
        && !first.is_empty()
        && !first.starts_with([' ', '\t'])
        && (text.contains('\n') || text.chars().count() > LINE_CHARS_MAX)
}

/// `key: value` with its line end; `care` of 2 and more quotes every long text.
pub(super) fn entry(key: &str, value: &Value, indent: usize, care: u8) -> String {
    format!("{:indent$}{key}:{}", "", after_mark(value, indent, care))
}

/// What stands behind `key:` or `-`, with its line end.
fn after_mark(value: &Value, indent: usize, care: u8) -> String {
    match value {
        Value::String(text) if care < 2 && fits_block(text) => {
            let mut out = String::from(if text.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in text.trim_end_matches('\n').split('\n') {
                if !line.is_empty() {
                    out.push_str(&format!("{:width$}{line}", "", width = indent + 2));
                }
                out.push('\n');
            }
            out
        }
        Value::String(text) => format!(" {}\n", scalar(text)),
        Value::Array(items) => match flow(value) {
            Some(line) => format!(" {line}\n"),
            None => {
                let lines = items
                    .iter()
                    .map(|item| format!("{:width$}-{}", "", after_mark(item, indent + 2, care), width = indent + 2));
                format!("\n{}", lines.collect::<String>())
            }
        },
        Value::Object(entries) => match flow(value) {
            Some(line) => format!(" {line}\n"),
            None => {
                let lines = entries.iter().map(|(key, value)| entry(&scalar(key), value, indent + 2, care));
                format!("\n{}", lines.collect::<String>())
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => format!(" {value}\n"),
    }
}

/// A collection on one line, if it is short and has no long texts.
fn flow(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) if text.contains('\n') => return None,
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Option<Vec<_>>>()?.join(", ")),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let parts = entries.iter().map(|(key, value)| Some(format!("{}: {}", scalar(key), flow(value)?)));
            format!("{{ {} }}", parts.collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    (text.chars().count() <= LINE_CHARS_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::load::value_of;

    #[test]
    fn every_value_is_read_as_it_was() {
        let values = [
            json!("plain words"),
            json!("yes"),
            json!("a: b # c"),
            json!("\u{7}\t\u{2028}\u{85}\""),
            json!("two\n  lines\n\n: end\n"),
            json!("two\nlines"),
            json!("  leading\nspaces"),
            json!("x".repeat(300)),
            json!(["a", 1, true, null, { "b": ["two\nlines", {}] }, []]),
            json!({ "a b": { "c": "x".repeat(120) }, "d": [[1], ["two\nlines"]], "1": 2 }),
        ];
        for value in values {
            for care in [0, 2] {
                let text = entry("key", &value, 0, care);
                let read = value_of(std::path::Path::new("x.yaml"), &text);
                assert_eq!(read, Ok(json!({ "key": value })), "{text}");
            }
        }
    }
}
