//! The durable journal: one embedded SQLite database for all runs of a project.
//!
//! The only place that names SQLite; none of its types leave this folder.
//!
//! Invariants:
//! - Only the writer thread writes, in immediate transactions with `synchronous=FULL`;
//!   it acknowledges after the commit.
//! - Whatever other processes may have changed is read inside the transaction that relies on it.
//! - Every row carries a checksum over its own bytes and the place it belongs to.

mod batch;
mod fault;
mod inbox;
mod journal;
mod log;
mod read;
mod rows;
mod schema;
mod writer;

pub use journal::Sqlite;
pub use writer::take_commit_times;
