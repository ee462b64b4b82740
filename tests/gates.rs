//! Each gate of the library judges small projects through `orch run`: pass, fail and error, with the sentence that says why.
//!
//! A project sees only the programs that its test gives it, so that a machine with more tools changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

#[path = "gates/accessibility.rs"]
mod accessibility;
#[path = "gates/language.rs"]
mod language;
#[path = "gates/performance.rs"]
mod performance;
#[path = "gates/pipeline.rs"]
mod pipeline;
#[path = "gates/quality.rs"]
mod quality;
#[path = "gates/secrets.rs"]
mod secrets;
#[path = "gates/security.rs"]
mod security;
#[path = "gates/table.rs"]
mod table;
#[path = "gates/testing.rs"]
mod testing;
#[path = "gates/world.rs"]
mod world;
