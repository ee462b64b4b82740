//! Every shipped workflow with a sample, as a user tries it: `orch init --sample NAME`, and then the command that it
//! prints. The agents are replayed; commands, gates and compilers are real. A row is a workflow; see `rows.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "shipped_workflows/harness.rs"]
mod harness;
#[path = "shipped_workflows/operations.rs"]
mod operations;
#[path = "shipped_workflows/rows.rs"]
mod rows;
