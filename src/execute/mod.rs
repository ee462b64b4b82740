//! One attempt from order to outcome: process tree, gate checks, artifacts. Unaware of the graph.

mod agent;
mod answer;
mod answer_files;
mod assignment;
mod changed;
mod confined;
mod evidence;
mod executor;
mod gate;
mod globs;
mod hushed;
mod leaks;
mod meter;
pub mod process;
mod proxy;
mod put_back;
mod recorded;
pub mod render;
mod service;
mod taping;
mod traces;
mod tree;
mod upstream;
mod watch;
pub mod workspace;

pub use assignment::{ANSWER, Assignment, CommandText, Live, Place};
pub use changed::{Baseline, BaselineError};
pub use confined::{Confined, Engine};
pub use executor::{Executor, tree_digest};
pub use leaks::{Excuse, Search};
pub use put_back::{Wanted, put_back};
pub use taping::Taper;
pub use traces::{Change, FileKind, FileState, FindAdapter, Fit, Footprint, States, Traces, content, reused};
pub use tree::TreeFault;
pub use upstream::upstream_fault;
pub use watch::Watch;
