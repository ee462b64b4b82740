//! Workspaces, checkpoints, merges and rollback with real git.
//!
//! `ORCH_STORM=500 ORCH_CASES=1000 ORCH_SIZES=1 cargo test --test workspaces -- --nocapture` are the figures that the
//! project promises; `ORCH_SEED` repeats one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects, and measures aloud")]

mod basics;
mod collecting;
mod hostile;
mod killed;
mod merges;
mod openings;
mod rollbacks;
mod sizes;
mod storm;
mod world;
