//! The immutable graph that a workflow compiles to, and its drawings.

pub mod compile;
pub mod draw;
pub mod graph;
pub mod truth;
mod types;

pub use compile::{Compiled, compile, compile_command};
pub use types::*;
