//! opencode, seen with version 1.18.33.

mod call;
mod edits;
mod reader;

pub(super) use call::opencode;
