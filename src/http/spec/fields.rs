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

/// The name of a hook.
pub fn hook() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,63}$" })
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

/// Groups of a plan by their places in it: `12.15`.
pub fn toggled() -> Value {
    json!({ "type": "string", "maxLength": 1_500, "pattern": r"^([0-9]{1,6}(\.[0-9]{1,6}){0,199})?$" })
}

/// What costs are counted by.
pub fn by() -> Value {
    json!({ "enum": ["day", "run", "workflow", "agent", "model"], "default": "day" })
}

/// The last time up to now.
pub fn period() -> Value {
    json!({ "enum": ["day", "week", "month", "quarter", "all"] })
}

/// The name of a project, or none: as a form sends it.
pub fn some_project() -> Value {
    json!({ "type": "string", "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f/\\]*$" })
}

/// The id of a run, or none: as a form sends it.
pub fn some_run() -> Value {
    json!({ "type": "string", "pattern": "^([0-9a-hjkmnp-tv-z]{8})?$" })
}

/// The kind of a definition.
pub fn kind() -> Value {
    json!({ "enum": ["workflow", "command", "agent", "skill", "gate"] })
}

/// The kind of a definition, or none: as a form sends it.
pub fn some_kind() -> Value {
    json!({ "enum": ["", "workflow", "command", "agent", "skill", "gate"] })
}

/// The kind of an entry of the audit log, or none.
pub fn some_word() -> Value {
    json!({ "type": "string", "maxLength": 40, "pattern": "^[a-z_]*$" })
}

/// The number of an entry.
pub fn number() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000_000_000_u64 })
}

/// A file in the folder of an attempt.
pub fn file_name() -> Value {
    json!({ "type": "string", "maxLength": 100, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" })
}

/// The id of a key.
pub fn key_id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{12}$" })
}

/// What a page of definitions has seen.
pub fn seen_mark() -> Value {
    json!({ "type": "string", "maxLength": 2_200, "pattern": "^[0-9a-f.-]+$" })
}

/// The place of an event in the stream of one run.
pub fn run_event_id() -> Value {
    json!({ "type": "string", "maxLength": 29, "pattern": "^[0-9]{1,18}\\.[0-9]{1,10}$" })
}

/// The place of an event in the stream of all runs: a mark of the process, and a number for each project.
pub fn event_id() -> Value {
    json!({ "type": "string", "maxLength": 2_000, "pattern": "^[0-9a-f]{1,16}(-[0-9]{1,18}){1,100}$" })
}
