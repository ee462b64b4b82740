//! Keeps a profile: what a confined command is started through, and what is looked at before and after it.
//!
//! The keeper starts `orch __sandbox` in place of the command. That process is alone and single-threaded, so it can
//! enter namespaces, arrange mounts, give up rights and then become the command, with the same pid: nothing else of
//! the keeper's work changes. Where another program makes the namespaces, the helper stays beside it and ends as the
//! command ended.
//!
//! `view` says what the command finds; `mounts`, `bubblewrap` and `container` make it so.
//!
//! Does not know: steps, plans, why a command is confined.
//!
//! Invariants:
//! - A command is never started with less than its profile asks for: every failure on the way ends the helper.
//! - The helper's own environment is empty but for cookies, so that nothing of a step steers it before it is confined.

mod bubblewrap;
mod calls;
mod confinement;
mod container;
mod doorway;
mod enter;
mod held;
mod loopback;
mod mounts;
mod probe;
mod relay;
mod rules;
mod surroundings;
mod view;

pub use confinement::Confinement;
use confinement::Fault;
pub use container::{Container, sweep_containers};
pub use doorway::Doorway;
pub(super) use enter::command;
pub(in crate::execute) use enter::is_complaint;
pub use enter::{SANDBOX_ARGUMENT, serve};
pub(in crate::execute) use held::Holding;
pub use probe::{Probe, probe, probe_all};
pub use surroundings::surroundings;
