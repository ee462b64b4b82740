//! The one timer of a running command, armed for whatever comes first.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep};

/// A sleep that is moved, not made anew. It may wake early, never late.
#[derive(Debug)]
pub(super) struct Clock {
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    pub(super) fn new(first: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(first)) }
    }

    /// Arms the clock for the earliest of `times`; with none it sleeps for a day.
    pub(super) fn arm(&mut self, times: impl IntoIterator<Item = Instant>) {
        let next = times.into_iter().min().unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
        if next != self.sleep.deadline() {
            self.sleep.as_mut().reset(next);
        }
    }

    pub(super) async fn ring(&mut self) {
        self.sleep.as_mut().await;
    }
}
