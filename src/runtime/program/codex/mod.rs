//! Codex, seen with version 0.169.0.

mod call;
mod reader;

pub(super) use call::codex;
