//! `orch mcp`: a server of the Model Context Protocol, spoken over standard input and output.
//!
//! Written by hand and not with the official crate: what a hostile client may send has to be bounded here (the length of a
//! line, what waits, what is cancelled), all that is served is seven tools, and the official crate would bring twenty others
//! into every build.

mod calls;
mod input;
mod protocol;
mod server;
mod tools;

pub use server::McpArgs;
pub(in crate::cli) use server::run;
