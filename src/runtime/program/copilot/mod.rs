//! GitHub Copilot CLI, seen with version 1.0.102.

mod call;
mod reader;

pub(super) use call::copilot;
