//! Sees what any process has written into a project's journal, and tells it: to the stream, and to whoever counts.
//!
//! Invariants: of each run every event is told once while this process lives; what was there before it is told to nobody.
//! Costs one small question where nothing has been written.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    base::{RunId, Usage},
    driver::{Loaded, RunEvent, unread},
    journal::RunQuery,
    service::{
        costs::cost,
        refusal::Refusal,
        runs::Runs,
        serve::{
            states::catch_up,
            stream::{Position, Stream},
        },
    },
};

/// Runs of one page of the list.
const PAGE: usize = 200;
/// Ended runs whose last place is remembered, in case somebody tries them again.
const ENDED_MAX: usize = 4_096;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub enum Counted<'a> {
    /// Something has happened.
    Event(&'a RunEvent),
    /// What a run that has ended has spent on one runtime.
    Spent {
        /// The runtime.
        runtime: &'a str,
        /// What.
        usage: Usage,
    },
}

/// Who counts it.
pub(super) type Counter = Box<dyn Fn(Counted<'_>) + Send + Sync>;

#[derive(Default)]
struct Seen {
    mark: Option<u64>,
    newest: Option<RunId>,
    live: BTreeMap<RunId, Loaded>,
    /// How far ended runs were told.
    ended: BTreeMap<RunId, u64>,
}

/// What has been seen of a project's journal.
#[derive(Default)]
pub(super) struct Lookout {
    seen: Mutex<Seen>,
}

/// How a run stands that somebody may have to take up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alive {
    pub run: RunId,
    /// The place of its last record.
    pub seq: u64,
    /// Whether only a person can move it.
    pub waits: bool,
}

impl Lookout {
    /// Looks whether something was written, and tells it. Gives the runs that have not ended; `None` where nothing was.
    pub fn look(
        &self,
        runs: &Runs,
        stream: &Stream,
        count: &dyn Fn(Counted<'_>),
    ) -> Result<Option<Vec<Alive>>, Refusal> {
        let journal = runs.journal();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = journal.mark()?;
        if seen.mark == Some(mark) {
            return Ok(None);
        }
        let is_first = seen.mark.is_none();
        for run in fresh(runs, &mut seen)? {
            if seen.live.contains_key(&run) || seen.ended.get(&run) == Some(&u64::MAX) {
                continue;
            }
            let loaded = unread(journal.as_ref(), &run).map_err(Refusal::from).and_then(|mut loaded| {
                if is_first {
                    catch_up(journal.as_ref(), &mut loaded, |_, _| {})?;
                }
                Ok(loaded)
            });
            match loaded {
                Ok(loaded) => drop(seen.live.insert(run, loaded)),
                Err(refusal) => unreadable(&mut seen.ended, &run, &refusal),
            }
        }
        let Seen { live, ended, .. } = &mut *seen;
        live.retain(|run, loaded| {
            let told = ended.get(run).copied().unwrap_or_default();
            let read = catch_up(journal.as_ref(), loaded, |place: Position, event| {
                if place.seq > told {
                    count(Counted::Event(&event));
                    stream.tell(&event, Some(place));
                }
            });
            if let Err(refusal) = &read {
                unreadable(ended, run, refusal);
            }
            read.is_ok()
        });
        live.retain(|run, loaded| {
            if loaded.scheduler.ended().is_some() {
                if loaded.seq > ended.get(run).copied().unwrap_or_default() && !is_first {
                    spent(loaded, count);
                }
                if ended.len() >= ENDED_MAX {
                    ended.pop_first();
                }
                ended.insert(run.clone(), loaded.seq);
            }
            loaded.scheduler.ended().is_none()
        });
        let alive = live.iter().map(|(run, loaded)| {
            let scheduler = &loaded.scheduler;
            Alive {
                run: run.clone(),
                seq: loaded.seq,
                waits: !scheduler.waiting_for().is_empty() && !scheduler.is_moving(),
            }
        });
        let alive = alive.collect();
        // Last: whatever failed above is looked at again.
        seen.mark = Some(mark);
        Ok(Some(alive))
    }
}

/// Counts what a run has spent on each runtime.
fn spent(loaded: &Loaded, count: &dyn Fn(Counted<'_>)) {
    for line in cost(loaded).lines {
        count(Counted::Spent { runtime: &line.runtime, usage: line.usage });
    }
}

/// One run that cannot be read must not keep the others from being told.
fn unreadable(ended: &mut BTreeMap<RunId, u64>, run: &RunId, refusal: &Refusal) {
    tracing::warn!(target: "system", run = %run, code = refusal.id, "cannot be followed: {}", refusal.message);
    ended.insert(run.clone(), u64::MAX);
}

/// Runs that may have something to tell: those that go on, and those that are new, even where they have ended already.
fn fresh(runs: &Runs, seen: &mut Seen) -> Result<Vec<RunId>, Refusal> {
    let journal = runs.journal();
    let live = RunQuery { live: true, ..RunQuery::default() };
    let mut found: Vec<RunId> = journal.find_runs(&live, usize::MAX)?.into_iter().map(|run| run.run).collect();
    let newest = journal.runs(1)?.into_iter().next().map(|run| run.run);
    let mut after = None;
    // The first look tells nothing of the past.
    while seen.mark.is_some() && newest != seen.newest {
        let page = journal.find_runs(&RunQuery { after: after.clone(), ..RunQuery::default() }, PAGE)?;
        let count = page.len();
        let new = page.into_iter().map(|run| run.run).take_while(|run| Some(run) != seen.newest.as_ref());
        let new: Vec<_> = new.collect();
        let is_done = new.len() < PAGE.min(count) || count < PAGE;
        after = new.last().cloned().or(after);
        found.extend(new.into_iter().filter(|run| !seen.ended.contains_key(run)));
        if is_done {
            break;
        }
    }
    seen.newest = newest.or_else(|| seen.newest.take());
    Ok(found)
}
