//! The ordered, durable records of runs, and the store around them.
//!
//! The journal does not know what an event means: the body of a record, the
//! pinned plan and a decision are bytes that the driver writes and reads.
//!
//! Invariants:
//! - The records of a run are numbered from 1 without gaps.
//! - An append is all or nothing: its records, the summary and the decisions it
//!   consumes become durable together, and only then is it acknowledged.
//! - A decision is consumed at most once.
//! - After a failed write nothing more is written by this process.
//! - Bytes that changed on disk are reported, never returned.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `contract` | `trait Journal`, what goes in, the acknowledgement |
//! | `record` | records, summaries, decisions |
//! | `fault` | what can go wrong with a store |
//! | `memory`, `sqlite` | the two journals |
//! | `store` | `.orch/state/`: the database, run folders, artifacts |
//! | `lock` | the one live owner of a run |
//! | `artifacts` | kept files, named by their digest |

mod artifacts;
mod contract;
mod fault;
mod folder;
mod lock;
mod memory;
mod record;
mod sqlite;
mod store;

pub use artifacts::{ARTIFACT_BYTES_MAX, ArtifactError, Artifacts};
pub use contract::{Ack, Append, AppendError, Journal, NewRun, RECORD_BYTES_MAX, Records};
pub use fault::{Cause, StoreError};
pub use lock::{LockError, Owner, RunLock, owner};
pub use memory::Memory;
pub use record::{Decision, DecisionId, NewRecord, Record, RunQuery, RunSummary};
pub use sqlite::{Sqlite, take_commit_times};
pub use store::Store;
