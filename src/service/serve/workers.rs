//! Drives runs in this process, so many at once; the others wait in line, written down.
//!
//! A run that only a person can move holds no place: it is given free, and taken up again when somebody has spoken.
//! Knows no connection.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, Semaphore, mpsc};

use crate::{
    base::RunId,
    driver::{Finish, OnApproval, RunEvent, What},
    scheduler::Event,
    service::{
        owned::Owned,
        refusal::Refusal,
        runs::{DriveOptions, Runs},
        serve::stream::Stream,
        traces::{LAST_WORD, Traced},
    },
};

/// How busy a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Busy {
    /// Runs that are driven here now.
    pub driving: usize,
    /// Runs that may be driven at once.
    pub slots: usize,
    /// Runs that wait in line.
    pub queued: usize,
    /// Runs that may wait in line.
    pub queue_max: usize,
}

/// The runs that this process drives.
#[derive(Debug)]
pub struct Workers {
    slots: Semaphore,
    slots_max: usize,
    queue_max: usize,
    queued: AtomicUsize,
    /// Runs that are free again, and whose last spans are being sent.
    sending: AtomicUsize,
    /// The runs that are driven or wait in line.
    runs: Mutex<BTreeSet<RunId>>,
    /// How long places were taken, all together, and since when so many are.
    used: Mutex<Used>,
    /// How long runs have waited in line, for whoever counts.
    waits: Mutex<Vec<Duration>>,
}

/// How much of the places was used.
#[derive(Debug)]
struct Used {
    start: Instant,
    last: Instant,
    driving: u32,
    sum: Duration,
}

impl Used {
    fn new() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, driving: 0, sum: Duration::ZERO }
    }

    /// So many are driven from now on.
    fn pass(&mut self, now: Instant, driving: u32) {
        self.sum += now.saturating_duration_since(self.last) * self.driving;
        (self.last, self.driving) = (now, driving);
    }
}

/// Waits that are kept until somebody counts them.
const WAITS_MAX: usize = 10_000;

impl Workers {
    /// Room for `slots` runs at once, and for `queue_max` that wait.
    #[must_use]
    pub fn new(slots: usize, queue_max: usize) -> Self {
        Self {
            slots: Semaphore::new(slots),
            slots_max: slots,
            queue_max,
            queued: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            runs: Mutex::default(),
            used: Mutex::new(Used::new()),
            waits: Mutex::default(),
        }
    }

    /// How busy it is.
    #[must_use]
    pub fn busy(&self) -> Busy {
        Busy {
            driving: self.driving() as usize,
            slots: self.slots_max,
            queued: self.queued.load(Ordering::Relaxed),
            queue_max: self.queue_max,
        }
    }

    /// Refuses more where too many wait, or where this process is about to end.
    ///
    /// # Errors
    /// Then; trying again later may help.
    pub fn check_room(&self) -> Result<(), Refusal> {
        if self.slots.is_closed() {
            let message = "this server is about to end and takes no more work";
            return Err(Refusal::new(75, "E0601", message, "ask again when it is back").retryable());
        }
        let queued = self.queued.load(Ordering::Relaxed);
        if queued < self.queue_max {
            return Ok(());
        }
        let message = format!("{queued} runs wait in line already, and more are not taken");
        Err(Refusal::new(75, "E0600", message, "ask again when some have ended; `orch serve --queue` sets how many")
            .retryable())
    }

    /// Drives a run as soon as there is a place for it.
    pub(super) fn submit(self: &Arc<Self>, runs: Arc<Runs>, owned: Owned, stream: Arc<Stream>, wake: Arc<Notify>) {
        let run = owned.run().clone();
        self.runs().insert(run.clone());
        self.queued.fetch_add(1, Ordering::Relaxed);
        let workers = Arc::clone(self);
        tokio::spawn(async move {
            let held = Held { workers: &workers, run: &run, wake: &wake };
            let start = Instant::now();
            let place = workers.slots.acquire().await;
            workers.note_wait(start.elapsed());
            workers.queued.fetch_sub(1, Ordering::Relaxed);
            let mut traced = None;
            if place.is_ok() {
                let driven = Driven::begin(&workers);
                traced = drive(&runs, owned, &stream, &wake).await;
                workers.sending.fetch_add(1, Ordering::Relaxed);
                drop(driven);
            }
            drop(held);
            // A collector that hangs costs nobody a place.
            if place.is_ok() {
                drop(place);
                if let Some(traced) = traced {
                    traced.end().await;
                }
                workers.sending.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are driven.
    fn driving(&self) -> u32 {
        self.used().driving
    }

    /// How much of the time of all places was used since the start: from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "places are few")]
    pub fn used_share(&self) -> f64 {
        let mut used = self.used();
        let (now, driving) = (Instant::now(), used.driving);
        used.pass(now, driving);
        let whole = now.saturating_duration_since(used.start).as_secs_f64() * self.slots_max.max(1) as f64;
        if whole > 0.0 { (used.sum.as_secs_f64() / whole).min(1.0) } else { 0.0 }
    }

    fn note_wait(&self, wait: Duration) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.len() < WAITS_MAX {
            waits.push(wait);
        }
    }

    /// How long runs have waited in line since somebody asked last.
    #[must_use]
    pub fn take_waits(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.waits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a run is driven here or waits in line.
    pub(super) fn has(&self, run: &RunId) -> bool {
        self.runs().contains(run)
    }

    fn runs(&self) -> std::sync::MutexGuard<'_, BTreeSet<RunId>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing more, and waits for what is driven, at most so long, then for the last spans, as long as any process.
    ///
    /// What is still going on then is broken off with this process: the next one finds it interrupted, and goes on with it.
    pub async fn end(&self, patience: Duration) {
        self.slots.close();
        let late = tokio::time::Instant::now() + patience;
        while self.driving() > 0 && tokio::time::Instant::now() < late {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let late = tokio::time::Instant::now() + LAST_WORD;
        while self.sending.load(Ordering::Relaxed) > 0 && tokio::time::Instant::now() < late {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A run that is in line or driven here, until it is let go of, however its drive ends.
struct Held<'a> {
    workers: &'a Workers,
    run: &'a RunId,
    wake: &'a Notify,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.workers.runs().remove(self.run);
        self.wake.notify_one();
    }
}

/// A place that is used, until it is let go of, however the drive ends.
struct Driven<'a>(&'a Workers);

impl<'a> Driven<'a> {
    fn begin(workers: &'a Workers) -> Self {
        let mut used = workers.used();
        let driving = used.driving.saturating_add(1);
        used.pass(Instant::now(), driving);
        drop(used);
        Self(workers)
    }
}

impl Drop for Driven<'_> {
    fn drop(&mut self) {
        let mut used = self.0.used();
        let driving = used.driving.saturating_sub(1);
        used.pass(Instant::now(), driving);
    }
}

/// Drives a run to its end, or until only a person can move it. Gives what is left to be sent of it.
async fn drive(runs: &Runs, owned: Owned, stream: &Stream, wake: &Notify) -> Option<Traced> {
    // What people say comes by the journal; the way in stays open, as nobody else uses it.
    let (_way_in, inputs) = mpsc::unbounded_channel::<Event>();
    let run = owned.run().clone();
    let (watchers, mut events) = mpsc::unbounded_channel::<RunEvent>();
    let options = DriveOptions { on_approval: OnApproval::Wait, park: true };
    let driving = runs.drive_and_leave(owned, options, watchers, inputs);
    let mut driving = std::pin::pin!(driving);
    let finish = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => match event.what {
                // What stands in no journal is told here; all else when it is read there.
                What::AgentActivity { .. } => stream.tell(&event, None),
                _ => wake.notify_one(),
            },
            finish = &mut driving => break finish,
        }
    };
    let (finish, traced) = match finish {
        Ok((finish, traced)) => (finish, Some(traced)),
        Err(refusal) => (Err(refusal), None),
    };
    match finish {
        Ok(Finish::Ended(_)) => tracing::info!(target: "worker", run = %run, "ended"),
        Ok(Finish::Parked(_)) => tracing::info!(target: "worker", run = %run, "waits for a person"),
        Err(refusal) => {
            tracing::error!(target: "worker", run = %run, code = refusal.id, "{}; {}", refusal.message, refusal.help);
        }
    }
    traced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_for_as_long_as_runs_are_driven() {
        let mut used = Used::new();
        let at = |seconds: u64| used.start + Duration::from_secs(seconds);
        let (one, two, end) = (at(10), at(20), at(40));
        used.pass(one, 1);
        used.pass(two, 3);
        used.pass(end, 0);
        assert_eq!(used.sum, Duration::from_secs(10 + 3 * 20));
    }

    #[test]
    fn a_drive_that_panics_gives_its_place_back() {
        let workers = Workers::new(2, 10);
        let run = RunId::from_random([7; 5]);
        workers.runs().insert(run.clone());
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let wake = Notify::new();
            let _held = Held { workers: &workers, run: &run, wake: &wake };
            let _driven = Driven::begin(&workers);
            assert_eq!((workers.busy().driving, workers.has(&run)), (1, true));
            panic!("a bug");
        }));
        assert!(broken.is_err());
        assert_eq!((workers.busy().driving, workers.has(&run)), (0, false));
    }
}
