//! A journal that lives as long as its value: for simulations and dry runs.
//!
//! Keeps every rule of the contract but durability.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Ack, Append, AppendError, Decision, DecisionId, Journal, NewRecord, NewRun, Record, Records, RunQuery, RunSummary,
    StoreError,
    contract::{check_append, check_bodies},
};
use crate::base::RunId;

/// The journal in memory.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<RunId, Run>,
    decisions_left: u64,
}

#[derive(Debug)]
struct Run {
    summary: RunSummary,
    /// How many runs were there before; breaks ties of the start time.
    number: usize,
    plan_body: Vec<u8>,
    records: Vec<Record>,
    inbox: Vec<Decision>,
}

impl Run {
    fn last_seq(&self) -> u64 {
        self.records.last().map_or(0, |record| record.seq)
    }

    fn push(&mut self, records: Vec<NewRecord>) {
        for new in records {
            let NewRecord { at, version, body } = new;
            self.records.push(Record { seq: self.last_seq() + 1, at, version, body });
        }
    }
}

impl Memory {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No change below can panic half way, so a poisoned lock still holds whole appends.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn create_run(&mut self, new: NewRun) -> Result<u64, AppendError> {
        let NewRun { summary, plan_body, records } = new;
        check_bodies(records.iter().map(|record| record.body.len()).chain([plan_body.len()]))?;
        if self.runs.contains_key(&summary.run) {
            return Err(AppendError::RunExists { run: summary.run });
        }
        let id = summary.run.clone();
        let number = self.runs.len();
        let mut run = Run { summary, number, plan_body, records: Vec::new(), inbox: Vec::new() };
        run.push(records);
        let last = run.last_seq();
        self.runs.insert(id, run);
        Ok(last)
    }

    fn append(&mut self, append: Append) -> Result<u64, AppendError> {
        check_append(&append)?;
        let Append { run, expected, records, summary, consumed } = append;
        let Some(kept) = self.runs.get_mut(&run) else { return Err(StoreError::UnknownRun { run }.into()) };
        let found = kept.last_seq();
        if expected != found {
            return Err(AppendError::Conflict { expected, found });
        }
        let mut inbox = kept.inbox.clone();
        for decision in consumed {
            let Some(place) = inbox.iter().position(|left| left.id == decision) else {
                return Err(AppendError::DecisionGone { decision });
            };
            inbox.remove(place);
        }
        kept.inbox = inbox;
        kept.push(records);
        if let Some(summary) = summary {
            kept.summary = summary;
        }
        Ok(kept.last_seq())
    }
}

impl Journal for Memory {
    fn create_run(&self, new: NewRun) -> Ack {
        Ack::ready(self.state().create_run(new))
    }

    fn append(&self, append: Append) -> Ack {
        Ack::ready(self.state().append(append))
    }

    fn read(&self, run: &RunId, from_seq: u64) -> Result<Records, StoreError> {
        let state = self.state();
        let kept = state.runs.get(run).ok_or_else(|| StoreError::UnknownRun { run: run.clone() })?;
        let skip = usize::try_from(from_seq.saturating_sub(1)).unwrap_or(usize::MAX);
        let records: Vec<Record> = kept.records.iter().skip(skip).cloned().collect();
        Ok(Box::new(records.into_iter().map(Ok)))
    }

    fn last_seq(&self, run: &RunId) -> Result<Option<u64>, StoreError> {
        Ok(self.state().runs.get(run).map(Run::last_seq))
    }

    fn find_runs(&self, wanted: &RunQuery, limit: usize) -> Result<Vec<RunSummary>, StoreError> {
        let state = self.state();
        let mut kept: Vec<&Run> = state.runs.values().collect();
        kept.sort_by_key(|run| std::cmp::Reverse((run.summary.started, run.number)));
        let mut runs: Vec<_> = kept.into_iter().map(|run| run.summary.clone()).collect();
        if let Some(after) = &wanted.after {
            let place = runs.iter().position(|run| run.run == *after).map_or(runs.len(), |place| place + 1);
            runs.drain(..place);
        }
        runs.retain(|run| {
            wanted.status.as_ref().is_none_or(|status| *status == run.status)
                && wanted.workflow.as_ref().is_none_or(|workflow| *workflow == run.workflow)
                && (!wanted.live || run.ended.is_none())
        });
        runs.truncate(limit);
        Ok(runs)
    }

    fn mark(&self) -> Result<u64, StoreError> {
        let state = self.state();
        Ok(state.runs.values().map(|run| run.last_seq() + 1).sum::<u64>() + state.decisions_left)
    }

    fn run(&self, run: &RunId) -> Result<Option<RunSummary>, StoreError> {
        Ok(self.state().runs.get(run).map(|kept| kept.summary.clone()))
    }

    fn plan_body(&self, run: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().runs.get(run).map(|kept| kept.plan_body.clone()))
    }

    fn leave_decision(&self, run: &RunId, body: Vec<u8>) -> Result<DecisionId, AppendError> {
        check_bodies([body.len()])?;
        let mut state = self.state();
        let id = DecisionId(state.decisions_left + 1);
        let Some(kept) = state.runs.get_mut(run) else {
            return Err(StoreError::UnknownRun { run: run.clone() }.into());
        };
        kept.inbox.push(Decision { id, body });
        state.decisions_left = id.0;
        Ok(id)
    }

    fn decisions_after(&self, run: &RunId, after: DecisionId) -> Result<Vec<Decision>, StoreError> {
        let state = self.state();
        let kept = state.runs.get(run).ok_or_else(|| StoreError::UnknownRun { run: run.clone() })?;
        Ok(kept.inbox.iter().filter(|decision| decision.id > after).cloned().collect())
    }
}
