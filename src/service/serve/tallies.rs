//! What a run comes to: when its steps worked and waited, and what it has spent. Of an ended run that is made once and kept.
//!
//! Bounded by what is in it, so that a few runs of many steps push out many of few.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    base::{RunId, Timestamp, Usage},
    driver::Loaded,
    journal::RunSummary,
    scheduler::Purpose,
    service::{
        costs::{CostLine, cost},
        refusal::Refusal,
        runs::Runs,
    },
};

/// Spans and lines of all runs that are kept.
const WEIGHT_MAX: usize = 300_000;

/// Who was at it in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// A command or an agent.
    Work,
    /// A person was asked.
    Person,
}

/// A time in which something went on.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub step: String,
    /// Under which path its agent works where that is not the step's own: `STEP@fix`, `STEP@gateN`.
    pub beside: Option<String>,
    /// Whether it is the step's own work, and no gate nor anything else beside it.
    pub is_own: bool,
    pub from: u64,
    pub to: u64,
    pub at: At,
}

/// What one run comes to.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// When it ended, or when it was looked at.
    pub end: Timestamp,
    pub spans: Vec<Span>,
    pub lines: Vec<CostLine>,
    pub total: Usage,
    pub agents: u64,
}

impl Tally {
    fn of(loaded: &Loaded) -> Self {
        let cost = cost(loaded);
        let mut spans = Vec::new();
        for view in loaded.scheduler.views().iter().filter(|view| !view.step.work.is_container()) {
            for record in view.history.iter().filter(|record| record.purpose != Purpose::Override) {
                let asks = loaded.scheduler.asks_person(view.instance, record.purpose);
                let (from, to) = (record.started.0, record.ended.unwrap_or(loaded.last).0);
                let path = loaded.scheduler.agent_path(view.instance, record.purpose);
                spans.push(Span {
                    step: view.path.as_str().to_owned(),
                    beside: (path != view.path).then(|| path.as_str().to_owned()),
                    is_own: record.purpose == Purpose::Work,
                    from,
                    to: to.max(from),
                    at: if asks { At::Person } else { At::Work },
                });
            }
        }
        let end = loaded.summary.ended.unwrap_or(loaded.last);
        Self { end, spans, lines: cost.lines, total: cost.total, agents: cost.agents }
    }

    /// What the agent has done that works under this path.
    pub fn work_of<'t>(&'t self, path: &'t str) -> impl Iterator<Item = &'t Span> {
        let is_its = move |span: &&Span| span.beside.as_deref().unwrap_or(&span.step) == path;
        self.spans.iter().filter(|span| span.at == At::Work).filter(is_its)
    }

    fn weight(&self) -> usize {
        1 + self.spans.len() + self.lines.len()
    }
}

#[derive(Debug, Default)]
struct Kept {
    runs: BTreeMap<RunId, Arc<Tally>>,
    order: VecDeque<RunId>,
    weight: usize,
}

impl Kept {
    fn put(&mut self, run: &RunId, tally: &Arc<Tally>) {
        match self.runs.insert(run.clone(), Arc::clone(tally)) {
            Some(old) => self.weight -= old.weight(),
            None => self.order.push_back(run.clone()),
        }
        self.weight += tally.weight();
        while self.weight > WEIGHT_MAX
            && let Some(out) = self.order.pop_front()
        {
            self.weight -= self.runs.remove(&out).map_or(0, |out| out.weight());
        }
    }
}

/// What ended runs of a project come to.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<Kept>);

impl Tallies {
    /// What a run comes to. One that has ended is read once, and again only when it has gone on since.
    pub(super) fn of(&self, runs: &Runs, summary: &RunSummary) -> Result<Arc<Tally>, Refusal> {
        let kept = self.kept().runs.get(&summary.run).cloned();
        if let Some(kept) = kept.filter(|kept| summary.ended == Some(kept.end)) {
            return Ok(kept);
        }
        let loaded = runs.load(&summary.run, |_, _, _| {})?;
        let tally = Arc::new(Tally::of(&loaded));
        if loaded.summary.ended.is_some() {
            self.kept().put(&summary.run, &tally);
        }
        Ok(tally)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(spans: usize) -> Arc<Tally> {
        let span = Span { step: "a".to_owned(), beside: None, is_own: true, from: 0, to: 1, at: At::Work };
        let end = Timestamp::default();
        Arc::new(Tally { end, spans: vec![span; spans], lines: Vec::new(), total: Usage::default(), agents: 0 })
    }

    #[test]
    fn large_runs_push_older_ones_out() {
        let mut kept = Kept::default();
        let run = |number: u8| RunId::from_random([number; 5]);
        kept.put(&run(1), &tally(1));
        kept.put(&run(2), &tally(WEIGHT_MAX / 2));
        kept.put(&run(2), &tally(WEIGHT_MAX / 2));
        assert_eq!((kept.runs.len(), kept.weight), (2, WEIGHT_MAX / 2 + 3));
        kept.put(&run(3), &tally(WEIGHT_MAX / 2));
        assert_eq!(kept.runs.keys().collect::<Vec<_>>(), [&run(3)]);
        assert_eq!(kept.weight, WEIGHT_MAX / 2 + 1);
        kept.put(&run(4), &tally(2 * WEIGHT_MAX));
        assert_eq!((kept.runs.len(), kept.weight, kept.order.len()), (0, 0, 0), "one that is too large is not kept");
    }
}
