//! Reads what an agent says of its work: `schemas/result.schema.json`.
//!
//! What cannot be read is a fault with its place, never a guess. An agent may hand in the whole envelope (it has a
//! `status`) or only the step's output.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Envelope, Usage, schema_faults};

/// The longest text kept in an envelope, in bytes; the whole is in the log.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest answer that files are taken from, in bytes.
const WHOLE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest summary, in characters.
const SUMMARY_CHARS_MAX: usize = 500;
/// The longest summary that is taken from a text, in characters.
const FIRST_LINE_CHARS_MAX: usize = 200;

/// Why a result is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultFault {
    /// It cannot be read, or it is not what was asked for.
    #[error("{0}")]
    Invalid(String),
    /// It was read, and it says that the work was not done.
    #[error("the agent says that it failed: {0}")]
    Failed(String),
}

/// The envelope as an agent writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    status: Status,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    output: Value,
    #[serde(default)]
    text: String,
    #[serde(default)]
    files_changed: Vec<String>,
    #[serde(default)]
    tests_passing: Option<bool>,
    #[serde(default)]
    next_steps: Vec<String>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    usage: WrittenUsage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Succeeded,
    Failed,
}

/// What an agent says that it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenUsage {
    #[serde(skip_serializing_if = "is_zero")]
    input_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    output_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_read_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    usd_micros: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl WrittenUsage {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Usage> for WrittenUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            // What was guessed is nobody's report.
            usd_micros: usage.usd_micros.saturating_sub(usage.guessed_usd_micros),
        }
    }
}

impl From<WrittenUsage> for Usage {
    fn from(written: WrittenUsage) -> Self {
        Self {
            input_tokens: written.input_tokens,
            output_tokens: written.output_tokens,
            cache_read_tokens: written.cache_read_tokens,
            cache_write_tokens: written.cache_write_tokens,
            usd_micros: written.usd_micros,
            guessed_usd_micros: 0,
        }
    }
}

/// Reads a result and checks its output against the schema that the order asked for.
///
/// # Errors
/// A result that cannot be read or is not valid, with all its faults; one that says that the work failed.
pub fn read_result(value: Value, expected: Option<&Value>) -> Result<Envelope, ResultFault> {
    let envelope = if is_envelope(&value, expected) {
        let written: Written = serde_json::from_value(value)
            .map_err(|error| ResultFault::Invalid(format!("the result is not an envelope: {error}")))?;
        match written.status {
            Status::Failed => {
                let said = [&written.summary, &written.text].into_iter().find(|text| !text.trim().is_empty());
                return Err(ResultFault::Failed(said.map_or("it does not say why".into(), |text| first_line(text))));
            }
            Status::Succeeded => Envelope {
                summary: written.summary,
                output: written.output,
                text: written.text,
                files_changed: written.files_changed,
                tests_passing: written.tests_passing,
                next_steps: written.next_steps,
                session: written.session,
                usage: written.usage.into(),
                leaked: 0,
                dropped_bytes: 0,
                attached: Vec::new(),
                reused: None,
                checkpoint: None,
                whole_text: None,
                saved: Usage::default(),
            },
        }
    } else {
        let said = value.get("summary").and_then(Value::as_str).unwrap_or_default().to_owned();
        Envelope { summary: said, output: value, ..Envelope::default() }
    };
    checked(envelope, expected)
}

/// An envelope of an answer in prose.
#[must_use]
pub fn text_result(text: &str) -> Envelope {
    tidy(Envelope { text: text.trim().to_owned(), ..Envelope::default() })
}

/// Puts an envelope in order and checks its output against the schema that the order asked for.
///
/// # Errors
/// An output that is not valid, with all its faults.
pub fn checked(envelope: Envelope, expected: Option<&Value>) -> Result<Envelope, ResultFault> {
    let envelope = tidy(envelope);
    let Some(schema) = expected else {
        return match &envelope.output {
            Value::Null | Value::Object(_) => Ok(envelope),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(ResultFault::Invalid("the output is not a JSON object".into()))
            }
        };
    };
    if envelope.output.is_null() {
        return Err(ResultFault::Invalid("the result has no output, and the step declares one".into()));
    }
    let faults = schema_faults(schema, &envelope.output).map_err(|error| ResultFault::Invalid(error.to_string()))?;
    if faults.is_empty() {
        return Ok(envelope);
    }
    Err(ResultFault::Invalid(format!("the output is not what the step declares: {}", faults.join("; "))))
}

/// Shortens what is too long and fills in a summary from the text.
fn tidy(mut envelope: Envelope) -> Envelope {
    if envelope.text.len() > TEXT_BYTES_MAX {
        envelope.whole_text = (envelope.text.len() <= WHOLE_BYTES_MAX).then(|| envelope.text.as_str().into());
        envelope.text.truncate(envelope.text.floor_char_boundary(TEXT_BYTES_MAX));
    }
    envelope.summary = envelope.summary.trim().chars().take(SUMMARY_CHARS_MAX).collect();
    if envelope.summary.is_empty() {
        envelope.summary = first_line(&envelope.text);
    }
    envelope
}

/// The first line that says something, shortened.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut short: String = line.chars().take(FIRST_LINE_CHARS_MAX).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// Whether a value is the envelope and not only the output: it has a `status`, and that is not a field that the step
/// itself declares.
fn is_envelope(value: &Value, expected: Option<&Value>) -> bool {
    let declares = |field: &str| expected.is_some_and(|schema| schema["properties"].get(field).is_some());
    value.get("status").is_some() && (!declares("status") || (value.get("output").is_some() && !declares("output")))
}

/// The last JSON object in a text: the text itself, its last fenced block, its last line, or what ends with its last
/// closing brace. Takes time linear in the text.
#[must_use]
pub fn last_object(text: &str) -> Option<Value> {
    let object = |text: &str| serde_json::from_str::<Value>(text.trim()).ok().filter(Value::is_object);
    object(text).or_else(|| object(last_fenced(text)?)).or_else(|| {
        let end = text.rfind('}')?;
        let line = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
        object(&text[line..=end]).or_else(|| object(&text[opening(&text[..=end])?..=end]))
    })
}

/// The inside of the last ``` block; nothing if text with a brace follows, because then that is the answer.
fn last_fenced(text: &str) -> Option<&str> {
    let close = text.rfind("```")?;
    if text[close..].contains('}') {
        return None;
    }
    let open = text[..close].rfind("```")? + 3;
    let start = text[open..close].find('\n').map_or(open, |newline| open + newline + 1);
    text.get(start..close)
}

/// The brace that opens what the last brace of `text` closes. Braces in strings count too: where they do not match,
/// nothing is found.
fn opening(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.bytes().enumerate().rev().find_map(|(place, byte)| {
        match byte {
            b'}' => depth += 1,
            b'{' => depth = depth.saturating_sub(1),
            _ => return None,
        }
        (depth == 0).then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invalid(result: Result<Envelope, ResultFault>) -> String {
        match result {
            Err(ResultFault::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_envelope_and_a_bare_output_are_read() {
        let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
        let whole =
            json!({ "status": "succeeded", "summary": "done", "output": { "n": 1 }, "usage": { "input_tokens": 5 } });
        let envelope = read_result(whole, Some(&schema)).unwrap();
        assert_eq!((envelope.summary.as_str(), &envelope.output), ("done", &json!({ "n": 1 })));
        assert_eq!(envelope.usage.input_tokens, 5);
        let bare = read_result(json!({ "n": 2, "summary": "two" }), Some(&schema)).unwrap();
        assert_eq!((bare.summary.as_str(), &bare.output["n"]), ("two", &json!(2)));
    }

    #[test]
    fn a_declared_status_is_an_output() {
        let schema = json!({ "type": "object", "properties": { "status": { "type": "string" } } });
        let bare = read_result(json!({ "status": "green" }), Some(&schema)).unwrap();
        assert_eq!(bare.output, json!({ "status": "green" }));
        let whole = json!({ "status": "succeeded", "output": { "status": "green" } });
        assert_eq!(read_result(whole, Some(&schema)).unwrap().output, json!({ "status": "green" }));
    }

    #[test]
    fn nothing_is_guessed() {
        let schema = json!({ "type": "object", "required": ["a", "b"], "properties": { "a": { "type": "string" } } });
        let reason = invalid(read_result(json!({ "a": 1 }), Some(&schema)));
        assert!(reason.contains("/a: 1 is not of type") && reason.contains("\"b\" is a required"), "{reason}");
        let reason = invalid(read_result(json!({ "status": "succeeded", "sumary": "x" }), None));
        assert!(reason.contains("unknown field `sumary`"), "{reason}");
        let reason = invalid(read_result(json!({ "status": "ok" }), None));
        assert!(reason.contains("`succeeded` or `failed`"), "{reason}");
        let reason = invalid(read_result(json!({ "status": "succeeded" }), Some(&schema)));
        assert!(reason.contains("no output"), "{reason}");
        invalid(read_result(json!([1]), None));
        let said = read_result(json!({ "status": "failed", "summary": "no disk" }), None).unwrap_err();
        assert_eq!(said, ResultFault::Failed("no disk".into()));
    }

    #[test]
    fn the_last_object_is_found() {
        for (text, expected) in [
            (r#"{"a": 1}"#, Some(json!({ "a": 1 }))),
            ("Here it is:\n```json\n{\"a\": {\"b\": \"}\"}}\n```\nBye", Some(json!({ "a": { "b": "}" } }))),
            ("{\"a\": 1}\n{\"a\": 2}\n", Some(json!({ "a": 2 }))),
            ("I wrote fn main() { }\n{\n  \"a\": [ { \"x\": 1 } ]\n}\n", Some(json!({ "a": [{ "x": 1 }] }))),
            ("The answer is {\"a\": 1}.", Some(json!({ "a": 1 }))),
            ("```rust\nfn main() {}\n```\n{\"a\": 1}", Some(json!({ "a": 1 }))),
            ("{\"a\": \"}{\"} trailing", Some(json!({ "a": "}{" }))),
            ("{\n\"a\": \"}{{\"} trailing", None),
            ("fn main() { 1 }", None),
            ("[1, 2]", None),
            ("{\"a\": 1", None),
            ("", None),
            ("}", None),
        ] {
            assert_eq!(last_object(text), expected, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let envelope = text_result(&format!("\n  {}\n{}", "é".repeat(300), "x".repeat(70_000)));
        assert!(envelope.text.len() <= TEXT_BYTES_MAX);
        assert_eq!(envelope.summary.chars().count(), FIRST_LINE_CHARS_MAX + 1);
    }
}
