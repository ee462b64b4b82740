//! The public table of error codes: `orch explain CODE` prints it, the documentation is made from it.
//!
//! Families: `E01xx` definition files, `E02xx` compiling, `E03xx` running, `E04xx` store, `E05xx` configuration and use, `E06xx` the server.
//! `tests/tidy.rs` holds that every code which the sources name stands here, and that every one here is named.

pub mod definition;
pub mod plan;
pub mod run;
pub mod serve;
pub mod store;
mod table;
pub mod use_;

pub use table::{CodeInfo, all, find};
