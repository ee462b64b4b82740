//! Gemini CLI, seen with version 0.61.0.

mod call;
mod policy;
mod reader;

pub(super) use call::gemini;
