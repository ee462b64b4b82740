//! Drives runs in this process, so many at once; the others wait in line, written down.
//!
//! A run that only a person can move holds no place: it is given free, and taken up again when somebody has spoken.
//! Knows no connection.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
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
    driving: AtomicUsize,
    /// The ways to the runs that are driven or wait in line.
    inputs: Mutex<BTreeMap<RunId, mpsc::UnboundedSender<Event>>>,
    /// How long runs have waited in line, for whoever counts.
    waits: Mutex<Vec<Duration>>,
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
            driving: AtomicUsize::new(0),
            inputs: Mutex::default(),
            waits: Mutex::default(),
        }
    }

    /// How busy it is.
    #[must_use]
    pub fn busy(&self) -> Busy {
        Busy {
            driving: self.driving.load(Ordering::Relaxed),
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
        let (sender, inputs) = mpsc::unbounded_channel();
        self.lines().insert(run.clone(), sender);
        self.queued.fetch_add(1, Ordering::Relaxed);
        let workers = Arc::clone(self);
        tokio::spawn(async move {
            let start = std::time::Instant::now();
            let place = workers.slots.acquire().await;
            workers.note_wait(start.elapsed());
            workers.queued.fetch_sub(1, Ordering::Relaxed);
            if place.is_ok() {
                workers.driving.fetch_add(1, Ordering::Relaxed);
                drive(&runs, owned, inputs, &stream, &wake).await;
                workers.driving.fetch_sub(1, Ordering::Relaxed);
            }
            workers.lines().remove(&run);
            wake.notify_one();
        });
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
        self.lines().contains_key(run)
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, mpsc::UnboundedSender<Event>>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing more, and waits for what is driven, at most so long.
    ///
    /// What is still going on then is broken off with this process: the next one finds it interrupted, and goes on with it.
    pub async fn end(&self, patience: Duration) {
        self.slots.close();
        let late = tokio::time::Instant::now() + patience;
        while self.driving.load(Ordering::Relaxed) > 0 && tokio::time::Instant::now() < late {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Drives a run to its end, or until only a person can move it.
async fn drive(runs: &Runs, owned: Owned, inputs: mpsc::UnboundedReceiver<Event>, stream: &Stream, wake: &Notify) {
    let run = owned.run().clone();
    let (watchers, mut events) = mpsc::unbounded_channel::<RunEvent>();
    let options = DriveOptions { on_approval: OnApproval::Wait, park: true };
    let driving = runs.drive(owned, options, watchers, inputs);
    let mut driving = std::pin::pin!(driving);
    let finish = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => match event.what {
                // What stands in no journal is told here; all else when it is read there.
                What::AgentActivity { .. } => stream.tell(&event, None),
                _ => wake.notify_one(),
            },
            finish = poll(&mut driving) => break finish,
        }
    };
    match finish {
        Ok(Finish::Ended(_)) => tracing::info!(target: "worker", run = %run, "ended"),
        Ok(Finish::Parked(_)) => tracing::info!(target: "worker", run = %run, "waits for a person"),
        Err(refusal) => {
            tracing::error!(target: "worker", run = %run, code = refusal.id, "{}; {}", refusal.message, refusal.help);
        }
    }
}

/// The future itself: `select!` takes it by reference.
async fn poll<T>(future: &mut std::pin::Pin<&mut impl Future<Output = T>>) -> T {
    future.as_mut().await
}
