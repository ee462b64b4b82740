//! What the readers of all agent programs need to read events that are lines of JSON. Knows no program.

use serde_json::Value;

/// The longest text of one line that is told of a tool, in characters.
const LINE_CHARS_MAX: usize = 200;

/// One event; nothing where the line holds none.
pub(super) fn event(line: &[u8], is_whole: bool) -> Option<Value> {
    let line = line.trim_ascii();
    if !is_whole || line.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(line).ok()
}

/// A text field; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A counting field; 0 where there is none.
pub(super) fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// A text as one short line without control characters.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(LINE_CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned();
    if text.chars().nth(LINE_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}
