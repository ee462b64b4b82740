//! Makes a plan from a workflow: resolve names, check, lower.
//!
//! Reads no files and no clock; the [`crate::definition::Library`] is all it knows of the project. The steps:
//! `draft` lays out all steps with called workflows in place; `lower` turns each into a step of the plan and resolves
//! its texts through `texts`, `scope` and `schema`; `wire` makes needs of the edges; `order` refuses cycles;
//! `conflicts` refuses what would go wrong in a run; `isolate` puts the merges behind what is isolated.

mod checks;
mod command;
mod compiler;
mod conflicts;
mod draft;
mod entry;
mod faults;
mod gates;
mod isolate;
mod judges;
mod lower;
mod memory;
mod order;
mod overlap;
mod prose;
mod reference;
mod schema;
mod scope;
mod secrets;
mod servers;
mod skills;
mod texts;
mod wire;

pub use command::{compile_command, skill_command};
pub use entry::{Compiled, MadeFrom, compile};
pub use skills::activated_skills;
