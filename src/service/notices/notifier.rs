//! The line of notices: takes what happens in runs, tells each thing once by each channel that is meant, and tries again
//! where that may help.
//!
//! Invariants: taking a notice never waits and never fails a run; the line is bounded, and so is how often one channel
//! speaks; a notice that was told by any process is told by no other, and one that was not may be told by the next. Whatever
//! became of it is written down. Works on a thread of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write as _,
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};

use crate::{
    base::RunId,
    config::Channel,
    driver::RunEvent,
    execute::process::{StopReason, StopSource, StopToken},
    guard::audit::Entry,
    service::{
        notices::{
            channels::Inner,
            once::Once,
            send::{NotSent, Sender},
            words::{Notice, Told, is_meant},
        },
        runs::Runs,
        status::status,
        trust::TrustState,
    },
};

/// Things that wait to be told.
const LINE_MAX: usize = 256;
/// Notices of one channel a minute; the others are counted.
const RATE: usize = 30;
/// How long it is waited before each further try.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8)];
/// The longest time that an answer may ask to wait.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a run that is over waits for its notices to go out.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits after that, until it is written down what was not told.
const LAST_WORD: Duration = Duration::from_millis(500);
/// How long, and how often, it is waited until the journal has what was told.
const JOURNAL_PAUSE: Duration = Duration::from_millis(60);
const JOURNAL_LOOKS: u32 = 12;

enum Work {
    Tell(Box<Notice>),
    /// A notice whose journal was looked at so often.
    Again(Box<Notice>, u32),
    Remind(RunId),
}

/// Takes notices for one project; those of a project without channels lead nowhere.
pub struct Notifier(Option<Line>);

struct Line {
    line: mpsc::Sender<Work>,
    stop: StopSource,
    over: Mutex<std_mpsc::Receiver<()>>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}

impl Runs {
    /// What tells people of these runs.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        Notifier(self.settings.notices.inner().and_then(|inner| self.line(Arc::clone(inner))))
    }

    fn line(&self, inner: Arc<Inner>) -> Option<Line> {
        let runs = Self::of(Arc::clone(&self.store), &self.root, self.settings.clone());
        let (line, works) = mpsc::channel(LINE_MAX);
        let (done, over) = std_mpsc::channel();
        let stop = StopSource::new();
        let token = stop.token();
        let thread = std::thread::Builder::new().name("notices".to_owned());
        let started = thread.spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    runtime.block_on(Teller::new(inner, runs, token).work(works));
                    // A program that is asked for a value may still be at it, and nobody wants that value any more.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::warn!(target: "system", "no notices: {error}"),
            }
            done.send(()).ok();
        });
        match started {
            Ok(_) => Some(Line { line, stop, over: Mutex::new(over) }),
            Err(error) => {
                tracing::warn!(target: "system", "no notices: {error}");
                None
            }
        }
    }
}

impl Notifier {
    /// Takes what has happened, if it is anything that people are told.
    pub fn tell(&self, event: &RunEvent) {
        if let Some(notice) = self.0.as_ref().and_then(|_| Notice::of(event)) {
            self.put(Work::Tell(Box::new(notice)));
        }
    }

    /// Tells what a run waits with, where nobody has told it yet.
    pub fn remind(&self, run: &RunId) {
        self.put(Work::Remind(run.clone()));
    }

    fn put(&self, work: Work) {
        if self.0.as_ref().is_some_and(|line| line.line.try_send(work).is_err()) {
            tracing::warn!(target: "system", "more notices than can be told: one is left out");
        }
    }

    /// Waits until everything was told, not for long. What was not is written down, and left to the next process.
    pub fn end(self) {
        let Some(Line { line, stop, over }) = self.0 else { return };
        drop(line);
        let over = over.into_inner().unwrap_or_else(PoisonError::into_inner);
        if over.recv_timeout(PATIENCE).is_err() {
            tracing::warn!(target: "system", "some notices could not be told in time; `orch doctor` looks at channels");
            stop.stop(StopReason::Hard);
            over.recv_timeout(LAST_WORD).ok();
        }
    }
}

/// What is being sent or waited for; some of it is looked at again.
type Going = JoinSet<Option<Work>>;

/// Tells.
struct Teller {
    inner: Arc<Inner>,
    runs: Runs,
    once: Option<Arc<Once>>,
    sender: Arc<Sender>,
    stop: StopToken,
    /// When each channel has spoken in the last minute, and how often it was held back since.
    spoken: BTreeMap<String, (VecDeque<Instant>, usize)>,
}

impl Teller {
    fn new(inner: Arc<Inner>, runs: Runs, stop: StopToken) -> Self {
        let once = inner.once().map(Arc::new);
        Self { inner, runs, once, sender: Arc::default(), stop, spoken: BTreeMap::new() }
    }

    async fn work(mut self, mut works: mpsc::Receiver<Work>) {
        let mut going = JoinSet::new();
        loop {
            tokio::select! {
                work = works.recv() => match work {
                    Some(work) => self.take(work, &mut going),
                    None => break,
                },
                Some(done) = going.join_next() => self.again(done, &mut going),
            }
        }
        while let Some(done) = going.join_next().await {
            self.again(done, &mut going);
        }
        if let Ok(sender) = Arc::try_unwrap(self.sender) {
            sender.end().await;
        }
    }

    fn again(&mut self, done: Result<Option<Work>, JoinError>, going: &mut Going) {
        if let Ok(Some(work)) = done {
            self.take(work, going);
        }
    }

    fn take(&mut self, work: Work, going: &mut Going) {
        let run = match &work {
            Work::Tell(notice) | Work::Again(notice, _) => &notice.run,
            Work::Remind(run) => run,
        };
        let now = match &work {
            // Nobody may have come yet to write down how its last owner has left it.
            Work::Remind(run) => self.runs.standing(run),
            Work::Tell(_) | Work::Again(..) => {
                self.runs.load(run, |_, _, _| {}).and_then(|loaded| Ok(status(&loaded, self.runs.owner(run)?)))
            }
        };
        let now = match now {
            Ok(now) => now,
            Err(refusal) => {
                tracing::warn!(target: "system", run = %run, code = refusal.id, "no notice: {}", refusal.message);
                return;
            }
        };
        let (notices, looks) = match work {
            Work::Tell(notice) => (vec![*notice], 0),
            Work::Again(notice, looks) => (vec![*notice], looks),
            Work::Remind(run) => (Notice::questions(&run, &now), JOURNAL_LOOKS),
        };
        for mut notice in notices {
            let is_there = notice.complete(&now);
            if !is_there && looks < JOURNAL_LOOKS {
                // Who drives the run is told a moment before others can read it.
                going.spawn(async move {
                    tokio::time::sleep(JOURNAL_PAUSE).await;
                    Some(Work::Again(Box::new(notice), looks + 1))
                });
            } else if is_there || notice.subject.is_none() {
                self.tell(&notice, going);
            }
        }
    }

    fn tell(&mut self, notice: &Notice, going: &mut Going) {
        let inner = Arc::clone(&self.inner);
        for channel in &inner.channels {
            let is_wanted = (channel.events.is_empty() || channel.events.contains(&notice.kind))
                && is_meant(&channel.workflows, notice.workflow.trim_start_matches('/'))
                && is_meant(&channel.projects, &inner.project);
            if !is_wanted || inner.state(channel) != TrustState::Trusted {
                continue;
            }
            let thing = format!("{}\n{}\n{}", inner.root.display(), channel.name, notice.key());
            if !self.is_first(&thing) {
                continue;
            }
            let Some(held) = self.may_speak(&channel.name) else {
                tracing::warn!(target: "system", channel = channel.name, "more than {RATE} notices a minute: one is held back");
                continue;
            };
            let mut told = match notice.told(channel, &inner.project) {
                Ok(told) => told,
                Err(why) => {
                    note(&inner, channel, notice, Err(&why));
                    continue;
                }
            };
            if held > 0 {
                told.text.push_str(&format!("\n({held} earlier notices were held back)"));
                told.payload["text"] = json!(told.text);
            }
            let (sender, inner, once) = (Arc::clone(&self.sender), Arc::clone(&inner), self.once.clone());
            let (channel, notice, mut stop) = (channel.clone(), notice.clone(), self.stop.clone());
            going.spawn(async move {
                let mine = Mine { once, thing: Some(thing) };
                let sent = tokio::select! {
                    biased;
                    _ = stop.stronger_than(None) => Err(NotSent::cut_off()),
                    sent = persist(&sender, &inner, &channel, &told) => sent,
                };
                mine.end(sent.as_ref().err().is_none_or(|not| not.again.is_none()));
                note(&inner, &channel, &notice, sent.as_ref().copied().map_err(|not| not.why.as_str()));
                None
            });
        }
    }

    fn is_first(&self, thing: &str) -> bool {
        let Some(once) = &self.once else { return true };
        once.take(thing, "").unwrap_or_else(|error| {
            tracing::warn!(target: "system", "a notice may be told twice: {error}");
            true
        })
    }

    /// Whether a channel may speak again, and how often it was held back before.
    fn may_speak(&mut self, channel: &str) -> Option<usize> {
        let (spoken, held) = self.spoken.entry(channel.to_owned()).or_default();
        while spoken.front().is_some_and(|at| at.elapsed() > Duration::from_secs(60)) {
            spoken.pop_front();
        }
        if spoken.len() >= RATE {
            *held += 1;
            return None;
        }
        spoken.push_back(Instant::now());
        Some(std::mem::take(held))
    }
}

/// A notice that this process is telling: where that is broken off, or may go well later, another one may tell it.
struct Mine {
    once: Option<Arc<Once>>,
    thing: Option<String>,
}

impl Mine {
    fn end(mut self, is_settled: bool) {
        self.thing = self.thing.take().filter(|_| !is_settled);
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        if let (Some(once), Some(thing)) = (&self.once, &self.thing) {
            once.give_back(thing);
        }
    }
}

/// Sends, and tries again where that may help. A fault says whether it still may, later.
pub(super) async fn persist(
    sender: &Sender,
    inner: &Arc<Inner>,
    channel: &Channel,
    told: &Told,
) -> Result<(), NotSent> {
    let mut pauses = PAUSES.iter();
    loop {
        let sent = sender.send(inner, channel, told).await;
        let again = sent.as_ref().err().and_then(|not| not.again).zip(pauses.next());
        let Some((after, pause)) = again else { return sent };
        tokio::time::sleep(after.min(PAUSE_MAX).max(*pause)).await;
    }
}

/// Writes down how it went: for the log, for the audit, and for `orch doctor`.
fn note(inner: &Inner, channel: &Channel, notice: &Notice, sent: Result<(), &str>) {
    let why = sent.err().map(|why| inner.machine.text(why));
    match &why {
        Some(why) => {
            tracing::warn!(target: "system", channel = channel.name, run = %notice.run, "a notice was not sent: {why}");
        }
        None => tracing::info!(target: "system", channel = channel.name, run = %notice.run, "a notice was sent"),
    }
    let entry = Entry {
        kind: "notice",
        run: Some(notice.run.to_string()),
        about: Some(channel.name.clone()),
        by: None,
        what: json!({ "event": notice.kind.word(), "by": channel.via.word(), "sent": why.is_none(), "why": why }),
    };
    if let Err(refusal) = inner.guards.write(&entry) {
        tracing::warn!(target: "system", "{refusal}");
    }
    let Some(folder) = inner.folder() else { return };
    let line = json!({ "at": crate::service::now(), "run": notice.run, "why": why });
    let path = folder.join(last_file(inner, channel));
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::File::create(&path))
        .and_then(|mut file| file.write_all(line.to_string().as_bytes()));
    if let Err(error) = written {
        tracing::warn!(target: "system", "{} cannot be written: {error}", path.display());
    }
}

/// The file that says how a channel has fared last.
pub(super) fn last_file(inner: &Inner, channel: &Channel) -> String {
    let digest = crate::base::Digest::of(format!("{}\n{}", inner.root.display(), channel.name).as_bytes());
    format!("last-{}.json", digest.short().replace(':', "-"))
}
