//! The schemas of single fields: what a text, a count or a word may be. Every input of every route is one of these.

use serde_json::{Value, json};

/// A field of a path or a query.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it takes.
    pub schema: fn() -> Value,
    /// What it is for.
    pub about: &'static str,
}

/// A field that may be absent.
pub const fn may(name: &'static str, schema: fn() -> Value, about: &'static str) -> Param {
    Param { name, required: false, schema, about }
}

/// A field that must be there.
pub const fn must(name: &'static str, schema: fn() -> Value, about: &'static str) -> Param {
    Param { name, required: true, schema, about }
}

/// The id of a run.
pub fn run() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-hjkmnp-tv-z]{8}$" })
}

/// The path of a step: `build[KEY]/code`.
pub fn step() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 500, "pattern": r"^[^\u0000-\u001f\u007f]+$" })
}

/// The id of an attempt.
pub fn attempt() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{1,9}-[0-9]{1,5}$" })
}

/// The name of a project.
pub fn project() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f/\\]+$" })
}

/// The name of a definition, with or without a slash before it.
pub fn name() -> Value {
    json!({ "type": "string", "maxLength": 200, "pattern": r"^/?[A-Za-z0-9][A-Za-z0-9._:-]*$" })
}

/// A word to look for.
pub fn search() -> Value {
    json!({ "type": "string", "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f]*$" })
}

/// The status of a run.
pub fn status() -> Value {
    json!({ "enum": ["running", "waiting", "interrupted", "succeeded", "failed", "cancelled"] })
}

/// The status of a run, or none: as a form sends it.
pub fn some_status() -> Value {
    json!({ "enum": ["", "running", "waiting", "interrupted", "succeeded", "failed", "cancelled"] })
}

/// How many of a page.
pub fn limit() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 })
}

/// Where a page begins: as the page before said it.
pub fn cursor() -> Value {
    json!({ "type": "string", "maxLength": 200, "pattern": "^[0-9A-Za-z._-]+$" })
}

/// A place in a file, in bytes or lines.
pub fn offset() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": 1_000_000_000_000_u64, "default": 0 })
}

/// Bytes of a part of a file.
pub fn length() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 1_048_576, "default": 65_536 })
}

/// Lines of a part of a file.
pub fn lines() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 2_000, "default": 500 })
}

/// One of the streams of an attempt.
pub fn stream() -> Value {
    json!({ "enum": ["stdout", "stderr", "answer"], "default": "stdout" })
}

/// A switch.
pub fn switch() -> Value {
    json!({ "type": "boolean", "default": false })
}

/// What costs are counted by.
pub fn by() -> Value {
    json!({ "enum": ["day", "run"], "default": "day" })
}

/// A file in the folder of an attempt.
pub fn file_name() -> Value {
    json!({ "type": "string", "maxLength": 100, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" })
}

/// The id of a key.
pub fn key_id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{12}$" })
}

/// The place of an event in a stream.
pub fn event_id() -> Value {
    json!({ "type": "string", "maxLength": 60, "pattern": "^[0-9a-f.-]+$" })
}
