//! What people write: agents, skills, commands, workflows and gates, and the [`Library`] that holds them.
//!
//! `load/` is the only reader of definition files. Nothing here knows plans or runs.

mod activation;
mod added;
mod agent;
mod arguments;
pub mod cases;
mod failing;
mod gate;
pub mod import;
mod library;
pub mod load;
mod memory;
pub mod merging;
mod meta;
mod origin;
mod permissions;
pub mod policy;
mod rule;
mod secrets;
mod server;
mod stems;
mod tools;
pub mod workflow;

pub use activation::Activation;
pub use added::{Added, LOCK_VERSION, Pin};
pub use agent::{Agent, Command, CommandBody, NamedGate, Skill};
pub use arguments::{Arguments, Base, Style};
pub use library::{Library, Shelf, WorkflowEntry, normal_name};
pub use memory::{Choices, Memory, MemoryFamily};
pub use meta::{Extra, Meta};
pub use origin::{Dialect, Origin, Scope};
pub use permissions::{INHERITED, Narrowed, Permissions, parts as rule_parts, read_rule};
pub use rule::{Manifest, ManifestKind, Rule, RuleKind};
pub use secrets::{SecretDeclared, SecretSource, SecretUse};
pub use server::{Server, ServerForm, ServerUse, expand, variables_of};
pub use tools::{TOOLS, ToolMode, ToolPolicy, ToolRule, ToolStatus};
