//! Reads a run back from its journal: the same events through the same scheduler, without acting.

use std::sync::Arc;

use crate::{
    base::{RunId, Timestamp},
    driver::record::{RecordError, decode},
    journal::{Journal, Record, RunSummary, StoreError},
    plan::{PLAN_VERSION, Plan},
    scheduler::{Action, Notice, Scheduler},
};

/// A run as its journal tells it.
#[derive(Debug)]
pub struct Loaded {
    /// Its line in the list of runs.
    pub summary: RunSummary,
    /// Its state.
    pub scheduler: Scheduler,
    /// The place of its last record.
    pub seq: u64,
    /// The time of its last record.
    pub last: Timestamp,
}

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such run.
    #[error("find run {0}")]
    NotFound(RunId),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The pinned plan cannot be read.
    #[error("read the pinned plan of run {run}: {reason}")]
    Plan {
        /// The run.
        run: RunId,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a run. `watch` is called for each notice, in order, with the state just after it.
///
/// # Errors
/// When the run is not there, or its journal or its plan cannot be read.
pub fn load(
    journal: &dyn Journal,
    run: &RunId,
    mut watch: impl FnMut(&Scheduler, Timestamp, &Notice),
) -> Result<Loaded, LoadError> {
    let mut loaded = unread(journal, run)?;
    follow(journal, &mut loaded, &mut watch)?;
    Ok(loaded)
}

/// A run before its first record.
///
/// # Errors
/// When the run is not there, or its plan cannot be read.
pub fn unread(journal: &dyn Journal, run: &RunId) -> Result<Loaded, LoadError> {
    let (summary, plan) = plan_of(journal, run)?;
    Ok(Loaded { summary, scheduler: Scheduler::new(Arc::new(plan)), seq: 0, last: Timestamp::default() })
}

/// A run's line in the list, and the plan that it is pinned to.
pub(super) fn plan_of(journal: &dyn Journal, run: &RunId) -> Result<(RunSummary, Plan), LoadError> {
    let summary = journal.run(run)?.ok_or_else(|| LoadError::NotFound(run.clone()))?;
    let body = journal.plan_body(run)?.ok_or_else(|| LoadError::NotFound(run.clone()))?;
    let plan: Plan = serde_json::from_slice(&body)
        .map_err(|error| LoadError::Plan { run: run.clone(), reason: error.to_string() })?;
    if plan.version > PLAN_VERSION {
        let reason = format!("its form has version {}, this orch reads up to {PLAN_VERSION}", plan.version);
        return Err(LoadError::Plan { run: run.clone(), reason });
    }
    Ok((summary, plan))
}

/// Reads what has been written since.
///
/// # Errors
/// When the journal cannot be read.
pub fn follow(
    journal: &dyn Journal,
    loaded: &mut Loaded,
    mut watch: impl FnMut(&Scheduler, Timestamp, &Notice),
) -> Result<(), LoadError> {
    follow_records(journal, loaded, |scheduler, record, notices| {
        notices.iter().for_each(|notice| watch(scheduler, record.at, notice));
    })
}

/// The same, record by record: with the state just after it, and with all that it has to tell.
///
/// # Errors
/// As [`follow`].
pub fn follow_records(
    journal: &dyn Journal,
    loaded: &mut Loaded,
    mut watch: impl FnMut(&Scheduler, &Record, &[Notice]),
) -> Result<(), LoadError> {
    let run = loaded.summary.run.clone();
    for record in journal.read(&run, loaded.seq + 1)? {
        let record = record?;
        let event = decode(&record)?;
        loaded.seq = record.seq;
        loaded.last = record.at;
        let actions = loaded.scheduler.step(record.at, event);
        let notices = actions.into_iter().filter_map(|action| match action {
            Action::Notice(notice) => Some(notice),
            _ => None,
        });
        watch(&loaded.scheduler, &record, &notices.collect::<Vec<_>>());
    }
    Ok(())
}
