//! How often work was taken and how often it was not, and what that saved.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::{
    base::Usage,
    scheduler::{Purpose, Scheduler},
};

static HITS: AtomicU64 = AtomicU64::new(0);
static MISSES: AtomicU64 = AtomicU64::new(0);

/// Look-ups of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CacheCounts {
    /// Work that was taken.
    pub hits: u64,
    /// Work that was looked for and had to be done.
    pub misses: u64,
}

/// What the step cache was to one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheUse {
    /// Steps whose work was taken.
    pub hits: u64,
    /// Steps with `cache:` that did their work.
    pub misses: u64,
    /// What the work that was taken had cost.
    pub saved: Usage,
}

/// What this process has looked up, for whoever exports it.
#[must_use]
pub fn cache_counts() -> CacheCounts {
    CacheCounts { hits: HITS.load(Ordering::Relaxed), misses: MISSES.load(Ordering::Relaxed) }
}

/// Counts one look-up.
pub(super) fn count(is_hit: bool) {
    if is_hit { &HITS } else { &MISSES }.fetch_add(1, Ordering::Relaxed);
}

/// What the step cache was to a run, as its journal tells it; `None` where it was nothing.
#[must_use]
pub fn cache_use(scheduler: &Scheduler) -> Option<CacheUse> {
    let mut used = CacheUse::default();
    for instance in scheduler.instances() {
        let envelope = scheduler.envelope(instance);
        if let Some(envelope) = envelope.filter(|envelope| envelope.reused.is_some()) {
            used.hits += 1;
            used.saved.add(envelope.saved);
        } else if scheduler.plan_step(instance).1.cache.is_some() {
            let has_worked = scheduler.view(instance).history.iter().any(|record| record.purpose == Purpose::Work);
            used.misses += u64::from(has_worked);
        }
    }
    (used != CacheUse::default()).then_some(used)
}
