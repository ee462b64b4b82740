//! The immutable graph that a workflow compiles to, and its drawings.

pub mod truth;
mod types;

pub use types::*;
