//! Follows a run while it is driven, and sends what is new once.
//!
//! What a collector has taken is noted in the run's folder, so that the next owner sends the rest and no more. Only a crash
//! between the taking and the note sends a span again, under the same id.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    config::{Environment, Telemetry},
    driver::{Loaded, Trace, TraceParent, follow_records, unread},
    journal::{Journal, RunSummary},
    service::traces::{
        otlp::Collector,
        spans::{Span, Teller},
    },
};

/// The file in a run's folder that names the trace which the run is a part of.
const PARENT: &str = "traceparent";
/// The file that names the spans which were taken.
const SENT: &str = "spans.sent";
/// How often something new is looked for.
const BEAT: Duration = Duration::from_millis(500);
/// How long nothing is sent after a collector has taken nothing.
const PAUSE: Duration = Duration::from_secs(5);
/// How long the end of a process may wait for a collector.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Spans of one request.
const BATCH: usize = 512;
/// Spans that wait for a collector; the oldest go first.
const WAITING_MAX: usize = 20_000;

/// Where the traces of a process go.
#[derive(Debug)]
pub struct Traces {
    telemetry: Telemetry,
    collector: OnceLock<Option<Collector>>,
}

impl Traces {
    /// What the environment says; nothing where it names no collector.
    #[must_use]
    pub fn of(environment: &Environment) -> Option<Arc<Self>> {
        let telemetry = Telemetry::of(environment)?;
        Some(Arc::new(Self { telemetry, collector: OnceLock::new() }))
    }

    fn collector(&self) -> Option<&Collector> {
        let make = || {
            self.telemetry.faults.iter().for_each(|fault| tracing::warn!(target: "system", "{fault}"));
            Collector::new(&self.telemetry)
                .map_err(|why| tracing::warn!(target: "system", why, "no traces are sent"))
                .ok()
        };
        self.collector.get_or_init(make).as_ref()
    }
}

/// Notes of which trace a run is a part, where somebody says so.
pub(in crate::service) fn begin(folder: &Path, parent: Option<&str>) {
    let Some(parent) = parent.and_then(TraceParent::parse) else { return };
    if let Err(error) = fs::write(folder.join(PARENT), parent.to_string()) {
        tracing::warn!(target: "system", %error, "a run does not know of which trace it is a part");
    }
}

/// The trace of a run; nothing where nobody wants to know.
fn trace_of(traces: Option<&Arc<Traces>>, folder: &Path, run: &RunSummary) -> Option<Trace> {
    let parent = fs::read_to_string(folder.join(PARENT)).ok().and_then(|text| TraceParent::parse(text.trim()));
    let mut trace = Trace::of(&run.run, run.started, parent);
    match traces {
        Some(traces) => trace.sampled = traces.telemetry.keeps(trace.id, parent.map(|parent| parent.sampled)),
        // Nothing is sent, so nobody else's decision is changed; programs still learn of which trace they are a part.
        None => parent.map(|_| ())?,
    }
    Some(trace)
}

/// A run that is driven, for tracing systems.
pub(in crate::service) struct Traced {
    /// Its trace, for its programs.
    pub trace: Option<Trace>,
    task: Option<JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

impl Traced {
    /// Begins to follow a run, where its trace is kept.
    pub fn begin(traces: Option<&Arc<Traces>>, journal: Arc<dyn Journal>, folder: &Path, run: &RunSummary) -> Self {
        let trace = trace_of(traces, folder, run);
        let kept = traces.zip(trace.as_ref().filter(|trace| trace.sampled));
        let started = kept.and_then(|(traces, trace)| {
            let follower = Follower {
                loaded: unread(journal.as_ref(), &run.run)
                    .map_err(|error| tracing::warn!(target: "system", run = %run.run, %error, "a run cannot be traced"))
                    .ok()?,
                teller: Teller::new(trace.clone()),
                trace: trace.clone(),
                journal,
                sent: Sent::open(folder.join(SENT)),
                waiting: Vec::new(),
            };
            let (end, ended) = oneshot::channel();
            Some((tokio::spawn(follow(Arc::clone(traces), follower, ended)), end))
        });
        let (task, end) = started.unzip();
        Self { trace, task, end }
    }

    /// Sends what is left, and waits for that a moment.
    pub async fn end(mut self) {
        drop(self.end.take());
        let Some(mut task) = self.task.take() else { return };
        if tokio::time::timeout(LAST_WORD, &mut task).await.is_err() {
            tracing::warn!(target: "system", "the collector takes too long: the last spans of a run are not sent");
            task.abort();
        }
    }
}

struct Follower {
    journal: Arc<dyn Journal>,
    loaded: Loaded,
    teller: Teller,
    trace: Trace,
    sent: Sent,
    waiting: Vec<Span>,
}

async fn follow(traces: Arc<Traces>, mut follower: Follower, mut ended: oneshot::Receiver<()>) {
    // Made while the run begins: it may read many certificates.
    let making = Arc::clone(&traces);
    tokio::task::spawn_blocking(move || making.collector().is_some()).await.ok();
    let mut paused_until = None;
    loop {
        let is_last = tokio::select! {
            _ = &mut ended => true,
            () = tokio::time::sleep(BEAT) => false,
        };
        let looked = tokio::task::spawn_blocking(move || {
            follower.look();
            follower
        });
        let Ok(looked) = looked.await else { return };
        follower = looked;
        let is_paused = paused_until.is_some_and(|until| tokio::time::Instant::now() < until);
        if (is_last || !is_paused)
            && let Some(collector) = traces.collector()
            && let Err(why) = follower.send(collector).await
        {
            if paused_until.is_none() {
                let run = follower.trace_words();
                tracing::warn!(target: "system", run, why, "the collector takes no spans; they are tried again");
            }
            paused_until = Some(tokio::time::Instant::now() + PAUSE);
        }
        if is_last {
            return;
        }
    }
}

impl Follower {
    /// Reads what was written, and makes spans of it.
    fn look(&mut self) {
        let (teller, loaded) = (&mut self.teller, &mut self.loaded);
        let before = loaded.seq;
        let read = follow_records(self.journal.as_ref(), loaded, |scheduler, record, notices| {
            teller.take(scheduler, record.at, notices);
        });
        if let Err(error) = read {
            tracing::warn!(target: "system", %error, "a run cannot be traced any further");
        }
        if loaded.seq > before {
            let ready = teller.ready(loaded);
            self.waiting.extend(ready.into_iter().filter(|span| !self.sent.keys.contains(&span.key)));
            let over = self.waiting.len().saturating_sub(WAITING_MAX);
            self.waiting.drain(..over);
        }
    }

    async fn send(&mut self, collector: &Collector) -> Result<(), String> {
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(BATCH);
            collector.send(&self.trace, &self.waiting[..count]).await?;
            let taken: Vec<_> = self.waiting.drain(..count).map(|span| span.key).collect();
            self.sent.note(taken);
        }
        Ok(())
    }

    fn trace_words(&self) -> String {
        self.loaded.summary.run.to_string()
    }
}

/// Which spans of a run were taken.
struct Sent {
    path: PathBuf,
    keys: BTreeSet<String>,
}

impl Sent {
    fn open(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        // A line that a crash has cut is none.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Self { keys: whole.lines().map(str::to_owned).collect(), path }
    }

    fn note(&mut self, keys: Vec<String>) {
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        let opened = fs::OpenOptions::new().append(true).create(true).open(&self.path);
        if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            tracing::warn!(target: "system", %error, "it cannot be noted which spans were sent");
        }
        self.keys.extend(keys);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_crash_has_cut_names_no_span() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SENT);
        fs::write(&path, "run 0\nattempt 3-1\nattempt 3-1").unwrap();
        let mut sent = Sent::open(path.clone());
        assert_eq!(sent.keys, BTreeSet::from(["run 0".to_owned(), "attempt 3-1".to_owned()]));
        fs::write(&path, "run 0\nattempt 1").unwrap();
        assert_eq!(Sent::open(path.clone()).keys, BTreeSet::from(["run 0".to_owned()]), "it may have been 12-1");
        fs::remove_file(&path).unwrap();
        sent.note(vec!["attempt 4-1".to_owned()]);
        assert_eq!(Sent::open(path).keys, BTreeSet::from(["attempt 4-1".to_owned()]));
    }
}
