//! Agent programs: one file a program, each with its command line and the reader of its events.
//!
//! Their formats and their lies are those that were seen with the versions named in each file. Programs change every
//! day, so an event or a field that nobody knows is skipped, never an error.

mod claude;
mod codex;
mod json;
mod kind;
mod launch;
mod strict;
mod transcript;

pub use kind::{PROGRAMS, ProgramKind, ProgramSettings};
