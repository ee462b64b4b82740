//! The dashboard in a real Chromium: what people see, hear, type and wait for. Skips aloud where there is none.
//!
//! `ORCH_PICTURES=DIR` keeps pictures of all screens; `ORCH_AXE=FILE` names axe-core, without which its test skips.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod browser;
#[path = "../serve/client.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod client;
mod graph;
mod hostile;
mod keys;
mod logs;
mod payloads;
mod screens;
mod stage;
mod steady;
mod story;
#[path = "../support/mod.rs"]
mod support;
