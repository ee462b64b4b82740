//! Follows a run while it is driven, and sends what is new once.
//!
//! What a collector has taken is noted in the run's folder, so that the next owner sends the rest and no more. Only a crash
//! between the taking and the note sends a span again, under the same id.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _, Write as _},
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
/// How often it is looked whether an earlier owner of a run has sent what it had.
const TURN: Duration = Duration::from_millis(50);
/// How long the end of a process may wait for a collector.
pub(in crate::service) const LAST_WORD: Duration = Duration::from_secs(5);
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
                sent: Sent::of(folder.join(SENT)),
                waiting: Vec::new(),
                is_broken: false,
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
    /// Whether the journal could not be read: what cannot be read once is not looked at again.
    is_broken: bool,
}

async fn follow(traces: Arc<Traces>, mut follower: Follower, mut ended: oneshot::Receiver<()>) {
    // Made while the run begins: it may read many certificates.
    let making = Arc::clone(&traces);
    tokio::task::spawn_blocking(move || making.collector().is_some()).await.ok();
    let (mut paused_until, mut late) = (None, None);
    loop {
        if late.is_some() {
            tokio::time::sleep(TURN).await;
        } else {
            tokio::select! {
                _ = &mut ended => late = Some(tokio::time::Instant::now() + LAST_WORD),
                () = tokio::time::sleep(BEAT) => {}
            }
        }
        let is_last = late.is_some();
        let looked = tokio::task::spawn_blocking(move || {
            follower.look();
            follower
        });
        let Ok(looked) = looked.await else { return };
        follower = looked;
        if !follower.sent.is_ours() {
            // An earlier owner of this run still sends; only then it is known what is left.
            match late {
                Some(late) if tokio::time::Instant::now() > late => return,
                Some(_) | None => continue,
            }
        }
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
        if self.sent.open() {
            let keys = &self.sent.keys;
            self.waiting.retain(|span| !keys.contains(&span.key));
        }
        if self.is_broken {
            return;
        }
        let (teller, loaded) = (&mut self.teller, &mut self.loaded);
        let before = loaded.seq;
        let read = follow_records(self.journal.as_ref(), loaded, |scheduler, record, notices| {
            teller.take(scheduler, record.at, notices);
        });
        if let Err(error) = read {
            let run = &loaded.summary.run;
            tracing::warn!(target: "system", run = %run, %error, "a run cannot be traced any further");
            self.is_broken = true;
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

/// Which spans of a run were taken. One sender at a time has it: an owner that has given its run free may still be sending.
struct Sent {
    path: PathBuf,
    keys: BTreeSet<String>,
    note: Note,
}

/// The file in which it is noted.
enum Note {
    /// Another sender has it.
    Taken,
    Ours(fs::File),
    /// It cannot be had at all: this sender knows what it has sent, the next will not.
    Lost,
}

impl Sent {
    fn of(path: PathBuf) -> Self {
        Self { path, keys: BTreeSet::new(), note: Note::Taken }
    }

    fn is_ours(&self) -> bool {
        !matches!(self.note, Note::Taken)
    }

    /// Takes the file, and reads what stands there. Whether it was taken just now.
    fn open(&mut self) -> bool {
        if self.is_ours() {
            return false;
        }
        match self.taken() {
            Ok(Some((file, keys))) => (self.note, self.keys) = (Note::Ours(file), keys),
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(target: "system", %error, "it cannot be noted which spans were sent");
                self.note = Note::Lost;
            }
        }
        true
    }

    fn taken(&self) -> io::Result<Option<(fs::File, BTreeSet<String>)>> {
        let mut file = fs::OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // A line that a crash has cut is none.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(Some((file, whole.lines().map(str::to_owned).collect())))
    }

    fn note(&mut self, keys: Vec<String>) {
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        if let Note::Ours(file) = &mut self.note
            && let Err(error) = file.write_all(text.as_bytes())
        {
            tracing::warn!(target: "system", %error, "it cannot be noted which spans were sent");
        }
        self.keys.extend(keys);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use super::*;
    use crate::{
        base::{RunId, Timestamp},
        definition::load::Loader,
        journal::{Memory, NewRun},
        scheduler::Scheduler,
    };

    const FLOW: &str = "name: w\nsteps: [{ id: one, run: 'true', recovery: retry }]\n";

    fn follower(journal: Arc<Memory>, folder: &Path) -> Follower {
        fs::create_dir_all(folder.join("workflows")).unwrap();
        fs::write(folder.join("workflows/w.yaml"), FLOW).unwrap();
        let library = Loader::new(folder).load();
        let plan = crate::plan::compile(&library, &library.workflows.get("w").unwrap().workflow).unwrap().plan;
        let scheduler = Scheduler::new(Arc::new(plan));
        let loaded = Loaded { summary: summary(), scheduler, seq: 0, last: Timestamp::default() };
        let trace = Trace::of(&loaded.summary.run, Timestamp::default(), None);
        let teller = Teller::new(trace.clone());
        let sent = Sent::of(folder.join(SENT));
        Follower { journal, loaded, teller, trace, sent, waiting: Vec::new(), is_broken: false }
    }

    fn summary() -> RunSummary {
        RunSummary {
            run: RunId::of_text("a run"),
            workflow: "w".to_owned(),
            status: "running".to_owned(),
            started: Timestamp::default(),
            ended: None,
            waiting_for: None,
            exit_code: None,
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_looked_at_again() {
        let (folder, journal) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let mut follower = follower(Arc::clone(&journal), folder.path());
        follower.look();
        assert!(follower.is_broken, "there is no such run");
        // Whatever is written later: a second look would read it.
        let event = crate::scheduler::Event::Restarted { parallel: 1 };
        let records = vec![crate::driver::encode(Timestamp::default(), &event)];
        journal.create_run(NewRun { summary: summary(), plan_body: Vec::new(), records }).wait().unwrap();
        follower.look();
        assert_eq!(follower.loaded.seq, 0);
    }

    #[test]
    fn one_sender_at_a_time_says_what_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SENT);
        let (mut first, mut second) = (Sent::of(path.clone()), Sent::of(path));
        assert!(first.open() && !first.open() && first.is_ours());
        assert!(!second.open() && !second.is_ours());
        first.note(vec!["a".to_owned()]);
        drop(first);
        assert!(second.open() && second.is_ours());
        assert!(second.keys.contains("a"));
    }

    #[test]
    fn a_line_that_a_crash_has_cut_names_no_span() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SENT);
        let keys = || {
            let mut sent = Sent::of(path.clone());
            assert!(sent.open());
            sent.keys.clone()
        };
        fs::write(&path, "run 0\nattempt 3-1\nattempt 3-1").unwrap();
        assert_eq!(keys(), BTreeSet::from(["run 0".to_owned(), "attempt 3-1".to_owned()]));
        fs::write(&path, "run 0\nattempt 1").unwrap();
        assert_eq!(keys(), BTreeSet::from(["run 0".to_owned()]), "it may have been 12-1");
    }
}
