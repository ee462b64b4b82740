//! The immutable graph that a workflow compiles to, and its drawings.

pub mod compile;
pub mod draw;
pub mod graph;
mod policy;
mod text;
pub mod truth;
mod types;
mod work;

pub use compile::{Compiled, compile, compile_command};
pub use types::*;
