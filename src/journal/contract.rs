//! What every journal promises, whatever keeps it.
//!
//! Calls that write return at once with an [`Ack`]; several may be in flight,
//! of one run or of many, and they are applied in the order they were made.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{Decision, DecisionId, NewRecord, Record, RunQuery, RunSummary, StoreError};
use crate::base::RunId;

/// The largest body of a record, a decision or a plan, in bytes.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The records of a run, in order, read as they are asked for.
///
/// It ends at the record that was last when the read began. After an error it ends.
pub type Records = Box<dyn Iterator<Item = Result<Record, StoreError>> + Send>;

/// Ordered, durable records of runs.
pub trait Journal: Send + Sync {
    /// Adds a run with its pinned plan and its first records, all or nothing.
    fn create_run(&self, new: NewRun) -> Ack;

    /// Adds records to a run, all or nothing.
    fn append(&self, append: Append) -> Ack;

    /// Reads the records of a run from `from_seq` on (0 and 1 both mean the first).
    fn read(&self, run: &RunId, from_seq: u64) -> Result<Records, StoreError>;

    /// The last record's place; 0 when there is none yet, `None` when there is no such run.
    fn last_seq(&self, run: &RunId) -> Result<Option<u64>, StoreError>;

    /// The latest `limit` runs, the one that began last first.
    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, StoreError> {
        self.find_runs(&RunQuery::default(), limit)
    }

    /// The latest `limit` runs that fit, the one that began last first.
    fn find_runs(&self, wanted: &RunQuery, limit: usize) -> Result<Vec<RunSummary>, StoreError>;

    /// A mark that moves with every commit, whoever makes it. Cheap enough to be asked every few milliseconds.
    fn mark(&self) -> Result<u64, StoreError>;

    /// One run's summary.
    fn run(&self, run: &RunId) -> Result<Option<RunSummary>, StoreError>;

    /// The plan that the run was started with.
    fn plan_body(&self, run: &RunId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Leaves a decision for the owner of a run; it is durable when this returns.
    ///
    /// Blocks for one commit, so async code calls it where blocking is allowed.
    fn leave_decision(&self, run: &RunId, body: Vec<u8>) -> Result<DecisionId, AppendError>;

    /// The decisions after `after` that no append has consumed, oldest first.
    ///
    /// Cheap enough to be called every few milliseconds.
    fn decisions_after(&self, run: &RunId, after: DecisionId) -> Result<Vec<Decision>, StoreError>;
}

/// A run to be created.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The first summary; it names the run.
    pub summary: RunSummary,
    /// The plan's sources, opaque here.
    pub plan_body: Vec<u8>,
    /// The first records; they get the places from 1.
    pub records: Vec<NewRecord>,
}

/// Records to be added to a run.
#[derive(Debug, Clone)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// The last place the caller knows of; the first new record gets the next one.
    pub expected: u64,
    /// The new records, in order.
    pub records: Vec<NewRecord>,
    /// The summary from now on, if it changes.
    pub summary: Option<RunSummary>,
    /// The decisions that these records apply.
    pub consumed: Vec<DecisionId>,
}

impl Append {
    /// Records alone; add the rest with the methods below.
    #[must_use]
    pub fn new(run: RunId, expected: u64, records: Vec<NewRecord>) -> Self {
        Self { run, expected, records, summary: None, consumed: Vec::new() }
    }

    /// Changes the run's summary in the same commit.
    #[must_use]
    pub fn summary(mut self, summary: RunSummary) -> Self {
        self.summary = Some(summary);
        self
    }

    /// Marks decisions as applied in the same commit.
    #[must_use]
    pub fn consumed(mut self, consumed: Vec<DecisionId>) -> Self {
        self.consumed = consumed;
        self
    }
}

/// Why an append was refused or failed. Nothing of it was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Someone else has written, or the caller has lost count.
    #[error("append after record {expected}: the last record is {found}")]
    Conflict {
        /// What the caller took for the last place.
        expected: u64,
        /// The last place.
        found: u64,
    },
    /// The run is there already.
    #[error("create run {run}: the store has a run with this id")]
    RunExists {
        /// The run.
        run: RunId,
    },
    /// The decision was consumed before, or is not of this run.
    #[error("consume decision {decision}: it is not waiting for this run")]
    DecisionGone {
        /// The decision.
        decision: DecisionId,
    },
    /// The summary names another run.
    #[error("append to run {run}: the summary is of run {named}")]
    WrongSummary {
        /// The run of the append.
        run: RunId,
        /// The run in the summary.
        named: RunId,
    },
    /// A body is larger than [`RECORD_BYTES_MAX`].
    #[error("append a body of {bytes} bytes: the limit is {bytes_max} bytes")]
    TooLarge {
        /// The body's size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks what no journal needs its data for.
pub(super) fn check_append(append: &Append) -> Result<(), AppendError> {
    check_bodies(append.records.iter().map(|record| record.body.len()))?;
    match &append.summary {
        Some(summary) if summary.run != append.run => {
            Err(AppendError::WrongSummary { run: append.run.clone(), named: summary.run.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks sizes in bytes against the limit.
pub(super) fn check_bodies(sizes: impl IntoIterator<Item = usize>) -> Result<(), AppendError> {
    match sizes.into_iter().find(|bytes| *bytes > RECORD_BYTES_MAX) {
        Some(bytes) => Err(AppendError::TooLarge { bytes, bytes_max: RECORD_BYTES_MAX }),
        None => Ok(()),
    }
}

/// The promise that an append is durable: await it, or [`wait`](Ack::wait) for it.
///
/// It gives the run's last place after the append. Dropping it does not undo the append.
#[derive(Debug)]
pub struct Ack(oneshot::Receiver<Result<u64, AppendError>>);

impl Ack {
    /// An acknowledgement and the end that gives it.
    pub(super) fn pair() -> (oneshot::Sender<Result<u64, AppendError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// One that is known already.
    pub(super) fn ready(result: Result<u64, AppendError>) -> Self {
        let (sender, ack) = Self::pair();
        // The receiver is held by `ack`, so it cannot be gone.
        sender.send(result).ok();
        ack
    }

    /// Blocks this thread until the append is durable or refused.
    ///
    /// # Panics
    /// Inside an async task, where blocking would stop other tasks: await it there.
    pub fn wait(self) -> Result<u64, AppendError> {
        self.0.blocking_recv().unwrap_or(Err(AppendError::Store(StoreError::Closed)))
    }
}

impl Future for Ack {
    type Output = Result<u64, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|received| received.unwrap_or(Err(AppendError::Store(StoreError::Closed))))
    }
}
