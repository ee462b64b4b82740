//! Paths: whatever is named on the command line, in a definition, by an agent, by an archive or in what is stored, nothing is
//! read, written or deleted outside of what the user himself has named.
//!
//! `ORCH_PATHS=full` tries every name in every place, which takes minutes; else each place gets some of them, and each name
//! some of the places. `ORCH_RACE=100000` makes the race longer.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects, and tells its figures")]

mod corpus;
mod flags;
mod keys;
mod race;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod world;
