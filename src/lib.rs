//! `orch` runs teams of coding agents the way a build tool runs compilers.
//!
//! This file is the map. A room may import only rooms above it in this list;
//! `tests/tidy.rs` reads the sources and fails otherwise.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`base`] | ids, time, values and digests, source text with spans, diagnostics |
//! | [`definition`] | agents, skills, commands, workflows, gates; the `Library`; `load/` is the only reader of definition files |
//! | [`template`] | strict, pure rendering; which names a text reads; forked context |
//! | [`plan`] | the immutable graph; `compile/` makes it from a workflow; drawings |
//! | [`scheduler`] | the pure core: events in, actions out |
//! | [`journal`] | ordered records of a run; memory and embedded database |
//! | [`guard`] | secrets and redaction |
//! | [`runtime`] | `trait Adapter` and its implementations |
//! | [`execute`] | one attempt from order to outcome; unaware of the graph |
//! | [`driver`] | the loop that feeds the scheduler and performs its actions |
//! | [`config`] | defaults < file < environment < flags |
//! | [`service`] | what a user can ask for |
//! | [`http`] | the server: API, live events, dashboard |
//! | [`cli`] | one file a subcommand; terminal reports; exit codes |

pub mod base;
pub mod cli;
pub mod config;
pub mod definition;
pub mod driver;
pub mod execute;
pub mod guard;
pub mod http;
pub mod journal;
pub mod plan;
pub mod runtime;
pub mod scheduler;
pub mod service;
pub mod template;
