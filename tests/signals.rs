//! What a person who keeps `orch` running sees of it: its log, its traces, its doors.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "serve/client.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod client;
#[path = "signals/collector.rs"]
mod collector;
#[path = "signals/doors.rs"]
mod doors;
#[path = "signals/logs.rs"]
mod logs;
mod support;
#[path = "signals/traces.rs"]
mod traces;
