//! Agent programs: one file a program, each with its command line and the reader of its events.
//!
//! Their formats and their lies are those that were seen with the versions named in each file. Programs change every
//! day, so an event or a field that nobody knows is skipped, never an error.

mod acp;
mod claude;
#[cfg(test)]
mod closed_world;
mod codex;
mod copilot;
mod gemini;
pub mod hook;
mod json;
mod kind;
mod launch;
mod opencode;
mod rights;
mod strict;
mod subject;
mod transcript;

pub use acp::AcpSettings;
pub(super) use acp::acp;
pub use kind::{PROGRAMS, ProgramKind, ProgramSettings};
pub(super) use transcript::{DENIED, Ending, Transcript};
