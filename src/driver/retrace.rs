//! Goes through a run's journal once more, record by record, and checks that each is one that the scheduler had asked
//! for. Nothing is done and nothing is written.
//!
//! What a driver writes down follows from what the scheduler asks: an attempt begins because it was asked for, once, and
//! ends because it had begun. A journal in which that does not hold was not written by a driver, or not from this plan.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    base::{RunId, Timestamp},
    driver::{
        load::{LoadError, Loaded, load, plan_of},
        record::{decode, encode},
    },
    journal::{Journal, Record},
    scheduler::{Action, AttemptId, EVENT_VERSION, Event, InstanceId, Scheduler, Site},
};

/// Why a journal cannot be gone through.
#[derive(Debug, thiserror::Error)]
pub enum RetraceError {
    /// It cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A record is not one that could stand there.
    #[error("record {seq} does not fit: {reason}")]
    Misfit {
        /// Its place.
        seq: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// What has been asked for and has begun, as far as the journal tells.
#[derive(Default)]
struct Ledger {
    asked: BTreeSet<AttemptId>,
    sites: BTreeSet<Site>,
    begun: BTreeSet<AttemptId>,
    ended: BTreeSet<AttemptId>,
    is_running: bool,
    last: Timestamp,
}

/// Goes through the journal of a run, up to `until`; `watch` sees the state after each record, what it was and what it
/// led to.
///
/// # Errors
/// A journal that cannot be read, and the first record that does not fit.
pub fn retrace(
    journal: &dyn Journal,
    run: &RunId,
    until: Option<u64>,
    mut watch: impl FnMut(&Scheduler, &Record, &Event, &[Action]),
) -> Result<Loaded, RetraceError> {
    let (summary, plan) = plan_of(journal, run)?;
    let mut loaded = Loaded { summary, scheduler: Scheduler::new(Arc::new(plan)), seq: 0, last: Timestamp::default() };
    let mut ledger = Ledger::default();
    for record in journal.read(run, 1).map_err(LoadError::from)? {
        let record = record.map_err(LoadError::from)?;
        if until.is_some_and(|until| record.seq > until) {
            return Ok(loaded);
        }
        let misfit = |reason: String| RetraceError::Misfit { seq: record.seq, reason };
        let event = decode(&record).map_err(LoadError::from)?;
        if record.seq != loaded.seq + 1 {
            return Err(misfit(format!("the one before it is {}", loaded.seq)));
        }
        if record.version == EVENT_VERSION && encode(record.at, &event).body != record.body {
            return Err(misfit("it is not written as this version writes it".to_owned()));
        }
        ledger.check(&loaded.scheduler, &record, &event).map_err(misfit)?;
        let actions = loaded.scheduler.step(record.at, event.clone());
        ledger.note(&loaded.scheduler, &event, &actions);
        (loaded.seq, loaded.last) = (record.seq, record.at);
        watch(&loaded.scheduler, &record, &event, &actions);
    }
    // The same records once more: a state that is another one now depends on something that no journal holds.
    let again = load(journal, run, |_, _, _| {})?;
    let is_same = again.seq != loaded.seq || again.scheduler == loaded.scheduler;
    if !is_same {
        return Err(RetraceError::Misfit { seq: loaded.seq, reason: "two readings end in two states".to_owned() });
    }
    Ok(loaded)
}

impl Ledger {
    fn check(&mut self, scheduler: &Scheduler, record: &Record, event: &Event) -> Result<(), String> {
        if record.at < self.last {
            return Err(format!("it was written at {}, before the one before it", record.at));
        }
        self.last = record.at;
        let is_opening = matches!(event, Event::Forked { .. } | Event::Kept { .. } | Event::RunStarted { .. });
        if is_opening == self.is_running {
            return Err(if is_opening { "the run has begun before" } else { "the run has not begun" }.to_owned());
        }
        let last = scheduler.instances().next_back();
        let exists = |instance: InstanceId| last.is_some_and(|last| instance <= last);
        match event {
            Event::Evaluated { site, .. } if !self.sites.remove(site) => {
                Err(format!("nobody had asked for a value: {site:?}"))
            }
            Event::Started { attempt, .. } | Event::Deferred { attempt, .. } if !self.asked.remove(attempt) => {
                let step = if exists(attempt.instance) {
                    scheduler.path(attempt.instance).to_string()
                } else {
                    "?".to_owned()
                };
                Err(format!("attempt {attempt} of `{step}` begins, and nobody had asked for it"))
            }
            Event::Finished { attempt, .. } if !self.begun.contains(attempt) => {
                Err(format!("attempt {attempt} ends, and had not begun"))
            }
            Event::Finished { attempt, .. } if !self.ended.insert(*attempt) => {
                Err(format!("attempt {attempt} ends a second time"))
            }
            Event::Spent { attempt, .. }
            | Event::SessionKnown { attempt, .. }
            | Event::Decided { attempt, .. }
            | Event::Outdated { attempt, .. }
                if !self.begun.contains(attempt) =>
            {
                Err(format!("it is about attempt {attempt}, which had not begun"))
            }
            Event::Answered { instance, .. } if !exists(*instance) => {
                Err(format!("it is about step {}, which is not there", instance.0))
            }
            _ => Ok(()),
        }
    }

    fn note(&mut self, scheduler: &Scheduler, event: &Event, actions: &[Action]) {
        match event {
            Event::RunStarted { .. } => self.is_running = true,
            Event::Started { attempt, .. } => {
                self.begun.insert(*attempt);
            }
            _ => {}
        }
        // A new owner does what is outstanding, whoever had asked for it first.
        let outstanding = if matches!(event, Event::Restarted { .. }) { scheduler.outstanding() } else { Vec::new() };
        for action in actions.iter().chain(&outstanding) {
            match action {
                Action::Start { attempt, .. } => {
                    self.asked.insert(*attempt);
                }
                Action::Evaluate { site } => {
                    self.sites.insert(*site);
                }
                Action::Stop { .. } | Action::Notice(_) => {}
            }
        }
    }
}
