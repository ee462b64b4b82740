//! The immutable graph that a workflow compiles to, and its drawings.

mod types;

pub use types::*;
