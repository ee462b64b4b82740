//! Claude Code, seen with version 2.1.329.

mod call;
mod reader;

pub(super) use call::claude;
