//! A log line, and its two forms: JSON for programs, and columns for people.

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use tracing::Level;

use crate::{
    base::Timestamp,
    cli::{
        clean::one_line,
        style::{BOLD, DIM, paint},
    },
    service::Redactor,
};

/// Bytes of a message or of the text of a field; the rest of what somebody sent is not worth a disk.
const TEXT_MAX: usize = 4_096;
/// Fields of a line besides those that every line may have.
const FIELDS_MAX: usize = 32;
/// What a line is about, in the order in which people read it.
const CORRELATION: &[&str] = &["project", "run", "step", "attempt", "request"];
/// The categories.
const CATEGORIES: &[&str] = &["system", "worker", "task", "api", "security"];

/// One thing that has happened.
#[derive(Debug)]
pub(super) struct Line {
    pub at: Timestamp,
    pub level: Level,
    pub category: &'static str,
    pub target: String,
    pub message: String,
    pub fields: Map<String, Value>,
}

/// What part of the program speaks: by the word that it says itself, else by the room that it is in.
pub(super) fn category(target: &str, module: Option<&str>) -> &'static str {
    if let Some(said) = CATEGORIES.iter().find(|category| **category == target) {
        return said;
    }
    let room = module.unwrap_or(target).strip_prefix("orch::").and_then(|rest| rest.split("::").next());
    match room {
        Some("http") => "api",
        Some("driver" | "execute" | "runtime" | "scheduler") => "worker",
        Some("guard") => "security",
        _ => "system",
    }
}

impl Line {
    /// Takes secrets out, and cuts what is too long.
    pub fn clean(&mut self, redactor: &Redactor) {
        self.message = short(&redactor.said(&self.message));
        let fields = std::mem::take(&mut self.fields).into_iter().take(FIELDS_MAX);
        let text = |text: &str| short(&redactor.said(text));
        self.fields = fields
            .map(|(name, value)| match value {
                Value::String(said) => (name, Value::String(text(&said))),
                Value::Number(_) | Value::Bool(_) | Value::Null => (name, value),
                other => (name, Value::String(text(&other.to_string()))),
            })
            .collect();
    }

    /// One JSON object, and the end of the line.
    pub fn json(&self) -> String {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
        put("timestamp", self.at.to_string().into());
        put("level", self.level.as_str().to_lowercase().into());
        put("category", self.category.into());
        put("target", self.target.clone().into());
        put("message", self.message.clone().into());
        for name in CORRELATION {
            if let Some(value) = self.fields.get(*name) {
                put(name, value.clone());
            }
        }
        for (name, value) in &self.fields {
            // What every line has is never what somebody else says it is.
            all.entry(name).or_insert_with(|| value.clone());
        }
        let mut text = Value::Object(all).to_string();
        text.push('\n');
        text
    }

    /// Columns, and the end of the line.
    pub fn pretty(&self, colours: bool) -> String {
        let paint = |style: Style, text: &str| if colours { paint(style, text).clone() } else { text.to_owned() };
        let level = match self.level {
            Level::ERROR => AnsiColor::Red.on_default().bold(),
            Level::WARN => AnsiColor::Yellow.on_default(),
            Level::INFO => AnsiColor::Green.on_default(),
            _ => DIM,
        };
        let mut text = format!(
            "{} {} {} {}",
            paint(DIM, &self.at.to_string()),
            paint(level, &format!("{:5}", self.level.as_str())),
            paint(DIM, &format!("{:8}", self.category)),
            paint(BOLD, &one_line(&self.message))
        );
        let known = CORRELATION.iter().filter_map(|name| Some((*name, self.fields.get(*name)?)));
        let others = self.fields.iter().filter(|(name, _)| !CORRELATION.contains(&name.as_str()));
        for (name, value) in known.chain(others.map(|(name, value)| (name.as_str(), value))) {
            let shown = value.as_str().map_or_else(|| value.to_string(), one_line);
            text.push_str(&format!(" {}{shown}", paint(DIM, &format!("{name}="))));
        }
        text.push('\n');
        text
    }
}

fn short(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    let end = (0..=TEXT_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", &text[..end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn line(message: &str, fields: &[(&str, &str)]) -> Line {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        Line {
            at: Timestamp(951_827_696_789),
            level: Level::WARN,
            category: "task",
            target: "orch::service".to_owned(),
            message: message.to_owned(),
            fields: fields.collect(),
        }
    }

    #[test]
    fn json_has_what_collectors_look_for_and_fields_cannot_pretend_to_be_it() {
        let line = line("a \"b\"\nc\u{1b}[2J", &[("level", "forged"), ("code", "E1"), ("run", "abcd1234")]);
        let text = line.json();
        assert_eq!(text.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["timestamp", "level", "category", "target", "message", "run", "code"]);
        assert_eq!(value["timestamp"], "2000-02-29T12:34:56.789Z");
        assert_eq!((value["level"].as_str(), value["message"].as_str()), (Some("warn"), Some("a \"b\"\nc\u{1b}[2J")));
    }

    #[test]
    fn people_see_one_line_that_steers_no_terminal() {
        let text = line("a\nb\u{1b}[2J", &[("why", "x\ny"), ("run", "abcd1234")]).pretty(false);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(text.starts_with("2000-02-29T12:34:56.789Z WARN  task     a"), "{text:?}");
        assert!(text.find("run=abcd1234") < text.find("why="), "{text:?}");
    }

    #[test]
    fn secrets_are_taken_out_and_what_is_long_is_cut() {
        let redactor = Redactor::new([("TOKEN".to_owned(), "hunter2-hunter2".to_owned())]);
        let mut line = line(&format!("said hunter2-hunter2 {}", "é".repeat(TEXT_MAX)), &[("why", "hunter2-hunter2")]);
        line.fields.insert("deep".to_owned(), serde_json::json!({ "x": ["hunter2-hunter2"] }));
        line.clean(&redactor);
        let text = line.json();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(line.message.len() <= TEXT_MAX + 3, "{}", line.message.len());
    }

    #[test]
    fn every_line_has_one_of_five_categories() {
        assert_eq!(category("security", Some("orch::http::server")), "security");
        assert_eq!(category("orch::http::server", None), "api");
        assert_eq!(category("orch::driver::spaces", None), "worker");
        assert_eq!(category("orch::service::cached", None), "system");
        assert_eq!(category("hyper::proto", Some("hyper::proto")), "system");
    }
}
