//! One project that a server keeps open: definitions read again when they change, runs found, decided and looked at.
//!
//! Every caller is somebody: what is decided stands in the journal under that name. Knows no connection and no role.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::{
    base::{Digest, RunId, Usage},
    config::{Environment, Flags},
    driver::RunEvent,
    journal::{RunQuery, RunSummary, Store},
    scheduler::Strength,
    service::{
        decisions::{Delivered, Verdict},
        defined::mark_of,
        doctor::{Health, doctor},
        fault::Fault,
        notices::Notifier,
        project::{Opening, Project},
        refusal::Refusal,
        runs::Runs,
        serve::{
            hooks::HookSecrets,
            lookout::{Counted, Counter, Lookout},
            starting::MARK,
            states::{Standing, States, told_after},
            stream::{Position, Stream},
            tallies::{Tallies, Tally},
            workers::Workers,
        },
    },
};

/// For how long nobody looks at the definitions again, only to see whether they have changed.
const LOOK_LIFE: Duration = Duration::from_millis(500);

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Runs, the latest first.
    pub runs: Vec<RunSummary>,
    /// Whether there are more behind the last.
    pub more: bool,
}

struct Opened {
    project: Project,
    /// When the settings were last changed.
    settings: Vec<Option<SystemTime>>,
}

/// One open project.
pub struct Place {
    name: String,
    epoch: String,
    pub(super) root: PathBuf,
    pub(super) environment: Environment,
    program: PathBuf,
    opened: Mutex<Opened>,
    store: Arc<Store>,
    reader: Mutex<Arc<Runs>>,
    states: States,
    lookout: Lookout,
    tallies: Tallies,
    /// What the definitions were when somebody looked last.
    shelf: Mutex<Option<(Instant, Digest)>>,
    pub(super) stream: Arc<Stream>,
    pub(super) workers: Arc<Workers>,
    pub(super) wake: Arc<tokio::sync::Notify>,
    count: Counter,
    pub(super) hook_secrets: HookSecrets,
    notifier: Mutex<Option<Arc<Notifier>>>,
    /// Whether the questions that were there before this process were told.
    has_reminded: AtomicBool,
    /// Runs that nobody drives and that are left as they are, each with the place of its last record then.
    left: Mutex<BTreeMap<RunId, u64>>,
}

impl Place {
    /// Opens the project at `root`. `count` is told every event once.
    ///
    /// # Errors
    /// When it cannot be opened, or its settings have faults.
    pub fn open(
        root: &Path,
        environment: &Environment,
        program: PathBuf,
        workers: Arc<Workers>,
        count: impl Fn(Counted<'_>) + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let project = Project::open(root, Opening::Search, environment, &Flags::new())?;
        let root = project.root().canonicalize().unwrap_or_else(|_| project.root().to_owned());
        let store = Arc::new(Store::open(&root).map_err(Refusal::from)?);
        let reader = Runs::of(Arc::clone(&store), &root, project.run_settings(program.clone()));
        let notifier = Some(Arc::new(reader.notifier()));
        let name = root.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned());
        let settings = stamps(&root, environment);
        tracing::info!(target: "system", project = name, root = %root.display(), "a project is open");
        Ok(Self {
            name,
            epoch: crate::service::decided::mark()?,
            root,
            environment: environment.clone(),
            program,
            opened: Mutex::new(Opened { project, settings }),
            store,
            reader: Mutex::new(Arc::new(reader)),
            states: States::default(),
            lookout: Lookout::default(),
            tallies: Tallies::default(),
            shelf: Mutex::default(),
            stream: Arc::default(),
            workers,
            wake: Arc::default(),
            count: Box::new(count),
            hook_secrets: HookSecrets::default(),
            notifier: Mutex::new(notifier),
            has_reminded: AtomicBool::new(false),
            left: Mutex::default(),
        })
    }

    /// Its name: that of its folder, unless the server gives it another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it another name, where two folders have the same.
    #[must_use]
    pub fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// By which the numbers of its stream are told from those of another process.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Free bytes on the disk of its store.
    #[must_use]
    pub fn disk_free(&self) -> Option<u64> {
        crate::service::preflight::free_bytes(&self.root)
    }

    /// Its events.
    #[must_use]
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Its runs, for looking only.
    #[must_use]
    pub fn runs(&self) -> Arc<Runs> {
        Arc::clone(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its runs, for somebody who decides.
    pub(super) fn runs_of(&self, who: &str) -> Runs {
        let mut settings = self.runs().settings.clone();
        who.clone_into(&mut settings.who);
        Runs::of(Arc::clone(&self.store), &self.root, settings)
    }

    /// Does something with the definitions as they are now.
    ///
    /// # Errors
    /// When the settings have changed and have faults now.
    pub fn with<T>(&self, ask: impl FnOnce(&Project) -> T) -> Result<T, Fault> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.root, &self.environment);
        if now == opened.settings {
            opened.project.reload();
        } else {
            opened.project = Project::open(&self.root, Opening::Search, &self.environment, &Flags::new())?;
            opened.settings = now;
            tracing::info!(target: "system", project = self.name, "the settings have changed and are read again");
            let settings = opened.project.run_settings(self.program.clone());
            let reader = Arc::new(Runs::of(Arc::clone(&self.store), &self.root, settings));
            *self.notifier.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(reader.notifier()));
            *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = reader;
        }
        Ok(ask(&opened.project))
    }

    /// What the doctor says of it. The project is opened for this alone: programs that take their time hold up no run.
    ///
    /// # Errors
    /// When the settings have faults.
    pub fn health(&self) -> Result<Health, Fault> {
        let project = Project::open(&self.root, Opening::Search, &self.environment, &Flags::new())?;
        Ok(doctor(Ok(&project), &self.environment, &self.program))
    }

    /// Ends a run.
    ///
    /// # Errors
    /// As `orch cancel`.
    pub fn cancel(&self, who: &str, run: &RunId, strength: Strength) -> Result<Delivered, Refusal> {
        let delivered = self.runs_of(who).cancel(run, strength);
        self.wake.notify_one();
        delivered
    }

    /// Delivers a person's decision, and goes on with the run where nobody drives it.
    ///
    /// # Errors
    /// As `orch approve`, `reject` and `pushback`.
    pub fn decide(&self, who: &str, run: &RunId, verdict: Verdict) -> Result<Delivered, Fault> {
        let runs = self.runs_of(who);
        let delivered = runs.decide(run, verdict)?;
        self.wake.notify_one();
        if delivered == Delivered::Written {
            match self.take_up(runs, run, Vec::new()) {
                // Whoever has taken it in this moment goes on with it, or has already ended it.
                Err(Fault::Refused(refusal)) if matches!(refusal.id, "E0402" | "E0304") => {}
                taken => taken?,
            }
        }
        Ok(delivered)
    }

    /// Takes the files back; see `Runs::roll_back`.
    ///
    /// # Errors
    /// As there.
    pub fn roll_back(
        &self,
        who: &str,
        run: &RunId,
        target: &crate::service::Target,
        paths: &[PathBuf],
        is_rehearsal: bool,
    ) -> Result<crate::service::RolledBack, Refusal> {
        self.runs_of(who).roll_back(run, target, paths, is_rehearsal)
    }

    /// Runs of the list.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self, wanted: &RunQuery, limit: usize) -> Result<Page, Refusal> {
        let mut runs = self.runs().find_runs(wanted, limit + 1)?;
        let more = runs.len() > limit;
        runs.truncate(limit);
        Ok(Page { runs, more })
    }

    /// Whether it has that run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has(&self, run: &RunId) -> Result<bool, Refusal> {
        Ok(self.store.journal().run(run)?.is_some())
    }

    /// Where a run stands.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn standing(&self, run: &RunId) -> Result<Standing, Refusal> {
        self.states.standing(&self.runs(), run)
    }

    /// What a run comes to.
    pub(super) fn tally(&self, run: &RunSummary) -> Result<Arc<Tally>, Refusal> {
        self.tallies.of(&self.runs(), run)
    }

    /// What a run has spent so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn spent(&self, run: &RunSummary) -> Result<Usage, Refusal> {
        match run.ended {
            Some(_) => Ok(self.tally(run)?.total),
            None => Ok(self.standing(&run.run)?.status.spent.usage),
        }
    }

    /// By which a change of its definitions is seen; the settings are a part of it.
    #[must_use]
    pub fn definitions_mark(&self) -> Digest {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, mark)) = shelf.as_ref().filter(|(at, _)| at.elapsed() < LOOK_LIFE) {
            return mark.clone();
        }
        // Settings with faults are a state too.
        let mark = self.with(mark_of).unwrap_or_else(|fault| Digest::of(fault.to_string().as_bytes()));
        *shelf = Some((Instant::now(), mark.clone()));
        mark
    }

    /// All events of a run after a place in its journal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn told_after(&self, run: &RunId, after: Position) -> Result<Vec<(Position, RunEvent)>, Refusal> {
        told_after(&self.runs(), run, after)
    }

    /// Goes on with the runs that an earlier server was driving when it ended. Gives how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn adopt(&self) -> Result<usize, Refusal> {
        let live = RunQuery { live: true, ..RunQuery::default() };
        let mut adopted = 0;
        for run in self.store.journal().find_runs(&live, usize::MAX)? {
            adopted += usize::from(self.go_on(&run.run)?);
        }
        Ok(adopted)
    }

    /// Takes up a run that is this server's and that nobody drives, where something else than a person can move it. Where
    /// only a person can, whosever it is, people are told: its owner has died and could not.
    fn go_on(&self, run: &RunId) -> Result<bool, Refusal> {
        let reader = self.runs();
        if self.workers.has(run) || reader.owner(run)?.is_some() {
            return Ok(false);
        }
        let restarted = reader.as_restarted(run)?;
        let is_stuck = restarted.scheduler.ended().is_none() && !restarted.scheduler.is_moving();
        if is_stuck && let Some(notifier) = self.notifier() {
            notifier.remind(run);
        }
        if is_stuck || !reader.folder(run)?.join(MARK).exists() {
            self.left().insert(run.clone(), restarted.seq);
            return Ok(false);
        }
        let who = reader.who().to_owned();
        match self.take_up(self.runs_of(&who), run, Vec::new()) {
            Ok(()) => Ok(true),
            Err(Fault::Refused(refusal)) if matches!(refusal.id, "E0402" | "E0304") => Ok(false),
            Err(fault) => {
                tracing::warn!(target: "system", run = %run, "cannot be gone on with: {fault}");
                Ok(false)
            }
        }
    }

    /// Looks once whether something was written, tells it, and goes on with what somebody has moved.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn look(&self) -> Result<(), Refusal> {
        let notifier = self.notifier();
        let count = |counted: Counted<'_>| {
            if let (Counted::Event(event), Some(notifier)) = (counted, &notifier) {
                notifier.tell(event);
            }
            (self.count)(counted);
        };
        let Some(alive) = self.lookout.look(&self.runs(), &self.stream, &count)? else { return Ok(()) };
        if !self.has_reminded.swap(true, Ordering::Relaxed)
            && let Some(notifier) = &notifier
        {
            alive.iter().filter(|one| one.waits).for_each(|one| notifier.remind(&one.run));
        }
        // Whoever moves a run writes that down.
        self.left().retain(|run, seq| alive.iter().any(|one| one.run == *run && one.seq == *seq));
        for one in alive.iter().filter(|one| !one.waits) {
            if !self.left().contains_key(&one.run) {
                self.go_on(&one.run)?;
            }
        }
        Ok(())
    }

    fn left(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, u64>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notifier(&self) -> Option<Arc<Notifier>> {
        self.notifier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells people what is left to be told, not for long.
    pub fn end(&self) {
        if let Err(refusal) = self.look() {
            tracing::warn!(target: "system", "{refusal}");
        }
        let notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(notifier) = notifier.and_then(Arc::into_inner) {
            notifier.end();
        }
    }

    /// Waits until something of it may have happened, at most so long.
    pub async fn woken(&self, patience: Duration) {
        tokio::time::timeout(patience, self.wake.notified()).await.ok();
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("name", &self.name).field("root", &self.root).finish_non_exhaustive()
    }
}

/// When the files of settings were last changed.
fn stamps(root: &Path, environment: &Environment) -> Vec<Option<SystemTime>> {
    let files = [Some(root.join("orch.toml")), environment.user_file()];
    files.into_iter().map(|file| file?.metadata().ok()?.modified().ok()).collect()
}
