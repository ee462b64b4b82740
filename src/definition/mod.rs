//! What people write: agents, skills, commands, workflows and gates, and the [`Library`] that holds them.
//!
//! `load/` is the only reader of definition files. Nothing here knows plans or runs.

mod agent;
mod library;
pub mod load;
pub mod workflow;

pub use agent::{Agent, Command, CommandBody, NamedGate, Origin, Scope, Skill};
pub use library::{Library, Shelf, WorkflowEntry, normal_name};
