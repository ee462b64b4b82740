//! Gathers hints of changes until it is quiet: 10 ms after the last one, at most 100 ms after the first.
//!
//! Bounded: a flood of hints is one hint. Knows no files.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// So long nothing must happen.
const QUIET: Duration = Duration::from_millis(10);
/// So long a first hint waits at most, however busy the disk is.
const PATIENCE: Duration = Duration::from_millis(100);
/// Folders remembered as gone; with more all are looked at.
const GONE_MAX: usize = 1_000;

/// What has been told since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gathered {
    /// When the first and the last hint came.
    times: Option<(Instant, Instant)>,
    /// Paths that were deleted or renamed: what was watched there is not watched any more.
    pub gone: Vec<PathBuf>,
    /// Hints were lost, so everything may have changed.
    pub is_lost: bool,
    /// Folders or links have come or gone, so others may have to be watched.
    pub is_shape: bool,
    /// Why the system cannot tell of changes any more.
    pub broken: Option<String>,
}

impl Gathered {
    /// Notes a hint.
    fn note(&mut self, now: Instant) {
        let first = self.times.map_or(now, |(first, _)| first);
        self.times = Some((first, now));
    }

    /// When it is time to look; `None` where there is nothing to look at.
    fn due(&self) -> Option<Instant> {
        self.times.map(|(first, last)| (last + QUIET).min(first + PATIENCE))
    }

    /// When the first hint came.
    pub fn first(&self) -> Option<Instant> {
        self.times.map(|(first, _)| first)
    }
}

/// Where the watching thread leaves hints. Clones share everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    gathered: Arc<Mutex<Gathered>>,
    bell: Arc<Notify>,
}

impl Hints {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has changed.
    pub fn changed(&self) {
        self.lock().note(Instant::now());
        self.bell.notify_one();
    }

    /// Something is not at this path any more.
    pub fn gone(&self, path: PathBuf) {
        let mut gathered = self.lock();
        gathered.note(Instant::now());
        if gathered.gone.len() < GONE_MAX {
            gathered.gone.push(path);
        } else {
            gathered.is_lost = true;
        }
        drop(gathered);
        self.bell.notify_one();
    }

    /// A folder or a link has come or changed.
    pub fn shape(&self) {
        self.lock().is_shape = true;
        self.changed();
    }

    /// Hints were lost.
    pub fn lost(&self) {
        self.lock().is_lost = true;
        self.changed();
    }

    /// No more hints will come.
    pub fn broken(&self, reason: String) {
        self.lock().broken = Some(reason);
        self.changed();
    }

    /// Returns when there is something to look at and it is quiet. Nothing is lost when the wait is given up.
    pub async fn quiet(&self) {
        loop {
            let due = self.lock().due();
            match due {
                None => self.bell.notified().await,
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::time::sleep_until(due.into()).await,
            }
        }
    }

    /// Takes what was gathered; what comes from now on belongs to the next look.
    pub fn take(&self) -> Gathered {
        std::mem::take(&mut self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_after_the_last_hint_but_never_long_after_the_first() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut gathered = Gathered::default();
        assert_eq!(gathered.due(), None);
        gathered.note(at(0));
        assert_eq!(gathered.due(), Some(at(10)));
        gathered.note(at(7));
        assert_eq!(gathered.due(), Some(at(17)));
        for ms in 8..200 {
            gathered.note(at(ms));
        }
        assert_eq!(gathered.due(), Some(at(100)));
        assert_eq!(gathered.first(), Some(at(0)));
    }

    #[test]
    fn a_flood_of_renames_is_bounded() {
        let hints = Hints::default();
        for number in 0..=GONE_MAX {
            hints.gone(PathBuf::from(format!("/{number}")));
        }
        let gathered = hints.take();
        assert!(gathered.is_lost && gathered.gone.len() == GONE_MAX);
        assert_eq!(hints.take(), Gathered::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let hints = Hints::default();
        hints.changed();
        assert!(tokio::time::timeout(Duration::ZERO, hints.quiet()).await.is_err());
        hints.quiet().await;
        assert!(hints.take().first().is_some());
    }
}
