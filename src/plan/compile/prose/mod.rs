//! Commands that are prose, as their home tool would run them.
//!
//! `tokens` cuts the text at the placeholders of its tool; `shell` makes a command
//! of an injection; `translate` makes template text, `build` a workflow with one agent step, `lint` says what the author
//! may not have meant. Invariant: what is given to a command is always a value, never template text and never shell text.

mod build;
mod lint;
mod shell;
mod tokens;
mod translate;

pub(super) use build::{Subject, compile_prose};
