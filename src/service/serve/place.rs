//! One project that a server keeps open: definitions read again when they change, runs started, moved and looked at.
//!
//! Every caller is somebody: what is decided stands in the journal under that name. Knows no connection and no role.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use serde_json::{Map, Value};

use crate::{
    base::RunId,
    config::{Environment, Flags},
    driver::RunEvent,
    journal::{RunQuery, RunSummary, Store},
    scheduler::{Answer, Event, Strength},
    service::{
        budget_wish::BudgetWish,
        decisions::{Delivered, Verdict},
        fault::Fault,
        find::find_runnable,
        inputs::gather_inputs,
        project::{Opening, Project},
        recordings::recordings,
        refusal::Refusal,
        runs::Runs,
        serve::{
            lookout::{Counted, Counter, Lookout},
            states::{Standing, States, told_after},
            stream::{Place as StreamPlace, Stream},
            workers::Workers,
        },
    },
};

/// By this file in a run's folder the next server knows that it is its to go on with.
const MARK: &str = "served";
/// How long a run may take to be written down that somebody else begins.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// What somebody asks to be run.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The workflow or command.
    pub name: String,
    /// Words for its positional inputs.
    pub words: Vec<String>,
    /// Its inputs by name.
    pub inputs: Map<String, Value>,
    /// A smaller budget than its own.
    pub budget: BudgetWish,
    /// The run's id, where the caller wants the same request to be one run however often it comes.
    pub run: Option<RunId>,
}

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub run: RunId,
    /// Whether the same request had begun it before.
    pub existed: bool,
}

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
    root: PathBuf,
    environment: Environment,
    program: PathBuf,
    opened: Mutex<Opened>,
    store: Arc<Store>,
    reader: Mutex<Arc<Runs>>,
    states: States,
    lookout: Lookout,
    stream: Arc<Stream>,
    workers: Arc<Workers>,
    wake: Arc<tokio::sync::Notify>,
    count: Counter,
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
        let name = root.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned());
        let settings = stamps(&root, environment);
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
            stream: Arc::default(),
            workers,
            wake: Arc::default(),
            count: Box::new(count),
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

    /// This program's own file.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
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
    fn runs_of(&self, who: &str) -> Runs {
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
            let settings = opened.project.run_settings(self.program.clone());
            let reader = Arc::new(Runs::of(Arc::clone(&self.store), &self.root, settings));
            *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = reader;
        }
        Ok(ask(&opened.project))
    }

    /// Writes a run down and has it driven here, as soon as there is a place for it.
    ///
    /// # Errors
    /// All that `orch run` refuses; where too much waits in line; where the same id was asked for with something else.
    pub fn start(&self, who: &str, asked: &Asked) -> Result<Started, Fault> {
        if let Some(started) = self.existing(asked)? {
            return Ok(started);
        }
        self.workers.check_room()?;
        let (plan, inputs, replay) = self.with(|project| {
            let mut plan = find_runnable(project, &asked.name)?.plan;
            asked.budget.narrow(&mut plan);
            let inputs = gather_inputs(&plan.inputs, &asked.words, &[], asked.inputs.clone())?;
            let replay = recordings(project.root(), &plan);
            Ok::<_, Fault>((plan, inputs, replay))
        })??;
        let runs = Arc::new(self.runs_of(who));
        let owned = match runs.start_as(&plan, inputs, replay, asked.run.clone()) {
            // The same request has come twice at the same time: the other one begins it.
            Err(refusal) if asked.run.is_some() && matches!(refusal.id, "E0402" | "E0406") => {
                return self.wait_for_existing(asked)?.ok_or_else(|| refusal.into());
            }
            owned => owned?,
        };
        let run = owned.run().clone();
        self.submit(runs, owned)?;
        Ok(Started { run, existed: false })
    }

    fn wait_for_existing(&self, asked: &Asked) -> Result<Option<Started>, Fault> {
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(started) = self.existing(asked)? {
                return Ok(Some(started));
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(None)
    }

    /// The run that the same request has begun before.
    fn existing(&self, asked: &Asked) -> Result<Option<Started>, Fault> {
        let Some(run) = &asked.run else { return Ok(None) };
        let reader = self.runs();
        if reader.journal().run(run).map_err(Refusal::from)?.is_none() {
            return Ok(None);
        }
        let loaded = reader.load(run, |_, _, _| {})?;
        let plan = loaded.scheduler.plan();
        let inputs = gather_inputs(&plan.inputs, &asked.words, &[], asked.inputs.clone());
        let inputs = inputs.ok().and_then(|inputs| crate::driver::complete_inputs(&plan.inputs, inputs).ok());
        let named = asked.name.trim_start_matches('/');
        if plan.name.trim_start_matches('/') == named && inputs.as_ref() == loaded.scheduler.inputs() {
            return Ok(Some(Started { run: run.clone(), existed: true }));
        }
        let message = "this idempotency key was used for another request";
        Err(Refusal::new(2, "E0602", message, format!("use a new key; the first request made run {run}")).into())
    }

    fn submit(&self, runs: Arc<Runs>, owned: crate::service::Owned) -> Result<(), Refusal> {
        let mark = runs.folder(owned.run())?.join(MARK);
        if let Err(error) = std::fs::write(&mark, "") {
            tracing::warn!(target: "system", "{} cannot be written: {error}", mark.display());
        }
        self.workers.submit(runs, owned, Arc::clone(&self.stream), Arc::clone(&self.wake));
        self.wake.notify_one();
        Ok(())
    }

    /// Goes on with a run that nobody drives, with what somebody says of it.
    ///
    /// # Errors
    /// As `orch resume`.
    pub fn resume(&self, who: &str, run: &RunId, step: Option<(&str, Answer)>, raise: BudgetWish) -> Result<(), Fault> {
        let runs = self.runs_of(who);
        let mut then = Vec::new();
        if let Some((step, answer)) = step {
            let instance = runs.unknown(&runs.as_restarted(run)?, step)?;
            then.push(runs.answer(instance, answer));
        }
        then.extend(raise.event());
        self.take_up(runs, run, then)
    }

    fn take_up(&self, runs: Runs, run: &RunId, then: Vec<Event>) -> Result<(), Fault> {
        self.workers.check_room()?;
        let replay = recordings(&self.root, runs.load(run, |_, _, _| {})?.scheduler.plan());
        let owned = runs.resume(run, replay, then)?;
        Ok(self.submit(Arc::new(runs), owned)?)
    }

    /// Runs what failed in an ended run again.
    ///
    /// # Errors
    /// As `orch retry`.
    pub fn retry(&self, who: &str, run: &RunId, raise: BudgetWish) -> Result<(), Fault> {
        self.workers.check_room()?;
        let runs = self.runs_of(who);
        let replay = recordings(&self.root, runs.load(run, |_, _, _| {})?.scheduler.plan());
        let owned = runs.retry(run, replay, raise.event())?;
        Ok(self.submit(Arc::new(runs), owned)?)
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

    /// All events of a run after a place in its journal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn told_after(&self, run: &RunId, after: StreamPlace) -> Result<Vec<(StreamPlace, RunEvent)>, Refusal> {
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

    /// Takes up a run that is this server's and that nobody drives, where something else than a person can move it.
    fn go_on(&self, run: &RunId) -> Result<bool, Refusal> {
        let reader = self.runs();
        if self.workers.has(run) || !reader.folder(run)?.join(MARK).exists() || reader.owner(run)?.is_some() {
            return Ok(false);
        }
        let restarted = reader.as_restarted(run)?;
        if restarted.scheduler.ended().is_none() && !restarted.scheduler.is_moving() {
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
        let Some(alive) = self.lookout.look(&self.runs(), &self.stream, &self.count)? else { return Ok(()) };
        for one in alive.iter().filter(|one| !one.waits) {
            self.go_on(&one.run)?;
        }
        Ok(())
    }

    /// Waits until something of it may have happened, at most so long.
    pub async fn woken(&self, patience: std::time::Duration) {
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
