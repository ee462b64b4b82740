//! What an editor asks about definitions: faults, what can be written here, what a word means, where it is defined.
//!
//! Knows definitions and text; nothing of the protocol that an editor speaks.

mod complete;
mod cursor;
mod desk;
mod grammar;
mod lookup;
mod outline;

pub use complete::{Completion, CompletionKind};
pub use desk::{Action, Desk};
pub use lookup::{Hover, Target};
