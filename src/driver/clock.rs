//! The driver's clock: wall time at the start, monotonic time from there, so that a jump of the wall clock moves no
//! timer.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::Timestamp;

/// A clock that never goes backwards.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Timestamp,
    start: Instant,
}

impl Clock {
    /// A clock that starts at the machine's time, but not before `floor` (the last record of a resumed run).
    #[must_use]
    pub fn start(floor: Timestamp) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).max(floor);
        Self { wall, start: Instant::now() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.wall.plus(self.start.elapsed())
    }

    /// How long until `at`.
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Duration {
        at.since(self.now())
    }
}
