//! Where runs stand: read once from the journal, then followed, so that asking often costs little.
//!
//! Knows nobody who asks. Bounded: so many states are kept; the others are read again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    base::RunId,
    driver::{Loaded, RunEvent, follow_records, narrate, opening, unread},
    journal::Journal,
    service::{
        refusal::Refusal,
        runs::Runs,
        serve::{
            stream::Position,
            timeline::{Timeline, timeline},
        },
        status::{Status, status},
    },
};

/// States that are kept.
const KEPT_MAX: usize = 256;

/// Where a run stands, and by what a change of that is seen.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The last record and the owner: another pair is another state.
    pub tag: (u64, Option<u32>),
    /// Where it stands.
    pub status: Arc<Status>,
    /// How it went.
    pub timeline: Arc<Timeline>,
}

#[derive(Debug, Default)]
pub(super) struct States {
    kept: Mutex<BTreeMap<RunId, Standing>>,
}

impl States {
    /// Where a run stands now.
    pub(super) fn standing(&self, runs: &Runs, run: &RunId) -> Result<Standing, Refusal> {
        let owner = runs.owner(run)?;
        let seq = runs.journal().last_seq(run)?.unwrap_or_default();
        let tag = (seq, owner.map(|owner| owner.pid));
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned();
        if let Some(kept) = kept.filter(|kept| kept.tag == tag) {
            return Ok(kept);
        }
        let loaded = if owner.is_some() { runs.load(run, |_, _, _| {})? } else { runs.as_restarted(run)? };
        // It may have moved on while it was read.
        let standing = Standing {
            tag: (loaded.seq, tag.1),
            status: Arc::new(status(&loaded, owner)),
            timeline: Arc::new(timeline(&loaded)),
        };
        self.keep(run, standing.clone());
        Ok(standing)
    }

    fn keep(&self, run: &RunId, standing: Standing) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX && !kept.contains_key(run) {
            // Any will do: what is asked for often comes back at once.
            let out = kept.keys().nth(usize::try_from(standing.tag.0).unwrap_or(0) % KEPT_MAX).cloned();
            out.and_then(|out| kept.remove(&out));
        }
        kept.insert(run.clone(), standing);
    }
}

/// Brings a state up to what the journal says, and tells each event with its place.
pub(super) fn catch_up(
    journal: &dyn Journal,
    loaded: &mut Loaded,
    mut tell: impl FnMut(Position, RunEvent),
) -> Result<(), Refusal> {
    let mut has_begun = loaded.scheduler.run_id().is_some();
    follow_records(journal, loaded, |scheduler, record, notices| {
        let begins = !std::mem::replace(&mut has_begun, scheduler.run_id().is_some()) && has_begun;
        let begun = begins.then(|| opening(scheduler, record.at, false)).flatten();
        let told = notices.iter().filter_map(|notice| narrate(scheduler, record.at, notice));
        for (index, event) in (0..).zip(begun.into_iter().chain(told)) {
            tell(Position { seq: record.seq, index }, event);
        }
    })?;
    if let Some(summary) = journal.run(&loaded.summary.run)? {
        loaded.summary = summary;
    }
    Ok(())
}

/// All events of a run after a place, from its journal.
pub(super) fn told_after(runs: &Runs, run: &RunId, after: Position) -> Result<Vec<(Position, RunEvent)>, Refusal> {
    let journal = runs.journal();
    let mut loaded = unread(journal.as_ref(), run)?;
    let mut told = Vec::new();
    catch_up(journal.as_ref(), &mut loaded, |place, event| {
        if place > after {
            told.push((place, event));
        }
    })?;
    Ok(told)
}
