//! Reads the text of a command as a POSIX shell and bash would cut it, without running anything.
//!
//! A reader of its own, because it must be total and bounded on hostile text, and must rather see one command too many
//! than one too few. What it cannot read is a fault, never an empty command.

mod blocks;
mod reader;
mod tree;
mod word;

pub(super) use reader::{ShellFault, read};
pub(super) use tree::{Command, Piece, Pipeline, Redirect, RedirectKind, Simple, Word};
