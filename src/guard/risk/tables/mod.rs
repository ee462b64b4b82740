//! The rules about programs, as tables: the judge and the documentation read the same rows.

mod local;
mod matching;
mod remote;
mod row;
mod system;

pub(super) use matching::{Asked, positionals};
pub use row::{RuleRow, rows};
