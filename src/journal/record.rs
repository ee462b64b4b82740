//! What the journal keeps: records, summaries of runs, decisions left for an owner.
//!
//! Does not know what is in a body.

use std::fmt;

use crate::base::{RunId, Timestamp};

/// One durable record of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The place in the run's journal: from 1, without gaps.
    pub seq: u64,
    /// When the writer made it.
    pub at: Timestamp,
    /// The version of the body's form.
    pub version: u16,
    /// The driver's bytes.
    pub body: Vec<u8>,
}

/// A record that has no place yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// When the writer made it.
    pub at: Timestamp,
    /// The version of the body's form.
    pub version: u16,
    /// The driver's bytes, at most [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX).
    pub body: Vec<u8>,
}

/// One line about a run, for lists; it changes together with the records that change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Which run.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The status as lists show it.
    pub status: String,
    /// When the run began.
    pub started: Timestamp,
    /// When it ended, if it did.
    pub ended: Option<Timestamp>,
    /// What a parked run waits for.
    pub waiting_for: Option<String>,
    /// The exit code that the run's end gives.
    pub exit_code: Option<u8>,
}

/// Which runs of a list are wanted; all where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only runs with this status.
    pub status: Option<String>,
    /// Only runs of this workflow.
    pub workflow: Option<String>,
    /// Only runs that have not ended.
    pub live: bool,
    /// Only what stands behind this run in the list; nothing where there is no such run.
    pub after: Option<RunId>,
}

/// The place of a decision in the store's inbox; later decisions have larger ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId(pub u64);

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What another process left for the owner of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its place in the inbox.
    pub id: DecisionId,
    /// The driver's bytes.
    pub body: Vec<u8>,
}
