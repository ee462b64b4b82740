//! What a confined step cannot do, tried for real: every attempt is made once without a sandbox, to show that it would
//! work, and once inside. Needs `python3` for the calls that no shell makes, and says loudly where it is not there.
//!
//! This file: in namespaces of our own.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

#[path = "sandbox/world.rs"]
mod world;

/// What `orch` must leave out.
const WITHOUT: &str = "bubblewrap";
/// What `orch doctor` says where this way works.
const WORKS: &str = "own namespaces work";

include!("sandbox/cases.rs");
