//! Child processes: every one lives in a tree that dies with its attempt and with `orch`.
//!
//! One *keeper* process (`orch __keeper`) starts and reaps all children. It is a
//! session leader without a terminal and the sub-reaper of all descendants, so
//! that nothing can leave it: a daemon that changes its session and closes its
//! pipes is adopted by the keeper and killed. When the engine ends for any
//! reason, the keeper's socket reaches its end and the keeper kills all. When the
//! keeper is killed, the engine adopts and kills all.
//!
//! Does not know: steps, plans, what an output means, when to try again.
//!
//! Invariants:
//! - When a [`Report`] is handed out, no process that belongs to the attempt is alive.
//! - A stop only gets stronger.
//! - Memory for a stream is bounded, whatever the child writes; what is dropped is counted exactly.
//! - Every child of the engine is a keeper or comes from one; anything else that the
//!   engine adopts is killed once a keeper is lost.

mod attempt;
mod capture;
mod clock;
mod command;
mod confine;
mod env;
mod idle;
mod keeper;
mod lines;
mod log_file;
mod message;
mod report;
mod stop;
mod stream;
mod sweep;
mod table;
mod words;

pub use attempt::leaked_processes;
pub use command::{Command, Limits, LogPaths};
pub use confine::{
    Confinement, Container, Doorway, Probe, SANDBOX_ARGUMENT, probe, probe_all, serve as serve_confined, surroundings,
    sweep_containers,
};
pub(in crate::execute) use confine::{Holding, is_complaint};
pub use env::allow_list_env;
pub use keeper::{KEEPER_ARGUMENT, Keeper, KeeperError, serve};
pub use lines::{Heard, Listener, Tap};
pub use report::{Captured, End, Report};
pub use stop::{StopReason, StopSource, StopToken};
pub use sweep::sweep;
pub use words::{argv_of, words};
