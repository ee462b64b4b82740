//! Runs: start, resume, retry, drive, look.
//!
//! A run has one owner at a time, by a lock. What people say to a run is in `decisions`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::{
    base::{RunId, Timestamp, random},
    driver::{
        Assigner, Clock, Confine, DriveError, Finish, Input, Loaded, LocalDriver, OnApproval, Reuse, RunEvent, Scope,
        Setup, complete_inputs, encode, exit_code, load, narrate, opening, status_word,
    },
    execute::{
        ANSWER, Executor,
        process::{Keeper, sweep},
        render::Renderer,
        workspace::Spaces,
    },
    journal::{Journal, NewRun, Owner, RunLock, RunSummary, Store, owner},
    plan::Plan,
    runtime::{Adapter, Capabilities, Replay},
    scheduler::{Action, Event, Notice, Scheduler},
    service::{
        abilities,
        cached::{self, CacheWish},
        costs, danger,
        decisions::summary_of,
        given::{nonce, pacer},
        nested,
        owned::{Owned, how},
        preflight,
        project::is_root,
        refusal::Refusal,
        run_settings::RunSettings,
        sandbox,
        traces::{self, Traced},
    },
};

/// How a run is driven.
#[derive(Debug, Clone, Copy)]
pub struct DriveOptions {
    /// What to do when a person is asked.
    pub on_approval: OnApproval,
    /// Whether to return when only a person can move the run.
    pub park: bool,
}

/// The runs of a project.
pub struct Runs {
    pub(super) store: Arc<Store>,
    pub(super) root: PathBuf,
    pub(super) settings: RunSettings,
    pub(super) reuse: Option<Reuse>,
}

impl Runs {
    /// Opens the store of the project at `root`.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn open(root: &Path, settings: RunSettings) -> Result<Self, Refusal> {
        let store = Store::open(root).map_err(|error| nested::inner_state(root, error))?;
        Ok(Self::of(Arc::new(store), root, settings))
    }

    /// The runs of a store that is open already.
    pub(super) fn of(store: Arc<Store>, root: &Path, settings: RunSettings) -> Self {
        let reuse = CacheWish::Use.reuse(&settings.cache);
        Self { store, root: root.to_owned(), settings, reuse }
    }

    /// Keeps the work of all agents and commands; with `reads`, what was done before is not done again.
    #[must_use]
    pub fn reusing(mut self, reads: bool) -> Self {
        self.reuse = Some(Reuse { scope: Scope::All, reads, ttl_ms: self.settings.cache.ttl_ms });
        self
    }

    /// Uses the cache of steps with `cache:` as a person wishes.
    #[must_use]
    pub fn caching(mut self, wish: CacheWish) -> Self {
        self.reuse = wish.reuse(&self.settings.cache);
        self
    }

    /// The store's journal.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        self.store.journal()
    }

    /// The longest silence of a run that is shown without a terminal.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.settings.heartbeat
    }

    /// Who decides, for the record.
    #[must_use]
    pub fn who(&self) -> &str {
        &self.settings.who
    }

    /// The folder of a run.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, run: &RunId) -> Result<PathBuf, Refusal> {
        Ok(self.store.run_folder(run)?)
    }

    /// The live owner of a run.
    ///
    /// # Errors
    /// When the lock cannot be looked at.
    pub fn owner(&self, run: &RunId) -> Result<Option<Owner>, Refusal> {
        Ok(owner(&self.store.run_folder(run)?)?)
    }

    /// A run as its journal tells it; `watch` is called for everything that happened.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(&self, run: &RunId, watch: impl FnMut(&Scheduler, Timestamp, &Notice)) -> Result<Loaded, Refusal> {
        Ok(load(self.store.journal().as_ref(), run, watch)?)
    }

    /// A run without an owner as its next owner would find it: attempts of the old owner are over, known or not.
    ///
    /// Nothing is written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn as_restarted(&self, run: &RunId) -> Result<Loaded, Refusal> {
        let mut loaded = self.load(run, |_, _, _| {})?;
        if loaded.scheduler.ended().is_none() {
            let parallel = self.settings.parallel;
            let _: Vec<Action> = loaded.scheduler.step(loaded.last, Event::Restarted { parallel });
        }
        Ok(loaded)
    }

    /// Makes a run of a plan: checks inputs, runtimes, programs and disk, then writes the run down.
    ///
    /// # Errors
    /// Everything that would make the run fail before its first step, all at once.
    pub fn start(&self, plan: &Plan, inputs: Map<String, Value>, replay: Replay) -> Result<Owned, Refusal> {
        self.start_as(plan, inputs, replay, None)
    }

    /// The same with an id that somebody else has chosen.
    pub(super) fn start_as(
        &self,
        plan: &Plan,
        inputs: Map<String, Value>,
        replay: Replay,
        id: Option<RunId>,
    ) -> Result<Owned, Refusal> {
        self.start_after(plan, inputs, replay, Vec::new(), id)
    }

    /// The same, after events that come before the beginning of a run.
    pub(super) fn start_after(
        &self,
        plan: &Plan,
        inputs: Map<String, Value>,
        replay: Replay,
        before: Vec<Event>,
        id: Option<RunId>,
    ) -> Result<Owned, Refusal> {
        self.settings.trust.check(&self.root, plan)?;
        self.settings.trust.guards.check(plan, &self.settings.trust.allowed)?;
        nested::check(&self.settings.chain, &plan.name)?;
        let inputs = complete_inputs(&plan.inputs, inputs).map_err(|faults| {
            Refusal::new(2, "E0501", faults, format!("`orch show {}` lists the inputs", plan.name))
        })?;
        let runtime = preflight::runtimes(plan, &self.settings, &replay)?;
        abilities::check(plan, Some(&runtime), |name| self.capabilities(name))?;
        let user = (self.settings.who.as_str(), is_root());
        let danger = danger::check(plan, &self.settings.danger, user, &runtime, |name| self.capabilities(name))?;
        let mut plan = plan.clone();
        let old = (!before.is_empty()).then_some(plan.sandbox);
        let is_live = |name: &str| name != Replay::NAME && self.capabilities(name).is_none_or(|can| !can.replays);
        plan.sandbox = self.settings.sandbox.of(&plan, old, &runtime, is_live);
        sandbox::check(&plan, &self.settings.sandbox.container, &self.settings.program)?;
        sandbox::upstream(&plan, &self.settings.env)?;
        preflight::programs(&plan, &self.settings.env, &self.root)?;
        self.settings.servers.of(&plan)?;
        let secrets = self.secrets(&plan)?;
        secrets.check(&plan, &inputs)?;
        self.check_disk()?;
        let (chance, seed) = chance()?;
        let id = id.unwrap_or(chance);
        let now = Clock::start(Timestamp::default()).now();
        let folder = self.store.run_folder(&id)?;
        let lock = RunLock::acquire(&folder, now)?;
        traces::begin(&folder, self.settings.trace_parent.as_deref());
        let summary = RunSummary {
            run: id.clone(),
            workflow: plan.name.clone(),
            status: "running".to_owned(),
            started: now,
            ended: None,
            waiting_for: None,
            exit_code: None,
        };
        let open = sandbox::open_steps(&plan, |name| is_live(name.unwrap_or(&runtime)));
        self.settings.trust.guards.begin(&id, &plan, &open, &self.settings.who)?;
        // The run keeps what it was expected to spend: what is held free for its agents must not change under it.
        plan.danger = danger;
        plan.estimate = costs::expected(&plan, &self.settings.prices, Some(&runtime));
        let plan_body = serde_json::to_vec(&plan).map_err(|error| {
            Refusal::new(70, "E0303", format!("the plan cannot be written: {error}"), "report this as a bug")
        })?;
        let parallel = self.parallel(&plan);
        let replayed = vec![Replay::NAME.to_owned()];
        let begin = Event::RunStarted { run: id.clone(), inputs, seed, parallel, runtime, replayed };
        // Together with the run itself: a run without its beginning could never go on.
        let events: Vec<Event> = before.into_iter().chain([begin]).collect();
        let records: Vec<_> = events.iter().map(|event| encode(now, event)).collect();
        let scheduler = Scheduler::new(Arc::new(plan));
        let mut begun = Loaded { summary, scheduler, seq: records.len() as u64, last: now };
        for event in events {
            let _: Vec<Action> = begun.scheduler.step(now, event);
        }
        let summary = summary_of(&begun);
        self.store.journal().create_run(NewRun { summary, plan_body, records }).wait()?;
        let mut told = Vec::new();
        let loaded = self.load(&id, |scheduler, at, notice| told.extend(narrate(scheduler, at, notice)))?;
        told.splice(0..0, opening(&loaded.scheduler, now, false));
        Ok(Owned { lock, loaded, first: Vec::new(), parallel, told, replay, secrets: Some(secrets) })
    }

    /// Takes a run over: after a crash, after a wait, or with answers and raised budgets.
    ///
    /// # Errors
    /// When it is owned, ended, or cannot be read.
    pub fn resume(&self, run: &RunId, replay: Replay, then: Vec<Event>) -> Result<Owned, Refusal> {
        let lock = self.take(run)?;
        let loaded = self.load(run, |_, _, _| {})?;
        if let Some(end) = loaded.scheduler.ended() {
            let again = if exit_code(end) == 0 {
                format!("nothing is left to do; `orch status {run}` shows it")
            } else {
                format!("`orch retry {run} --failed` runs the failed steps again")
            };
            return Err(Refusal::new(2, "E0304", format!("run {run} has ended: {}", status_word(end.settled)), again));
        }
        self.check_disk()?;
        Ok(self.owned_again(lock, loaded, then, replay))
    }

    /// Runs the failed and cancelled steps of an ended run again, with `raised` budgets where one was used up.
    ///
    /// # Errors
    /// When it is owned, has not ended, has succeeded, or cannot be read.
    pub fn retry(&self, run: &RunId, replay: Replay, raised: Option<Event>) -> Result<Owned, Refusal> {
        let lock = self.take(run)?;
        let loaded = self.load(run, |_, _, _| {})?;
        // The death of its owner may have been the end of the run, before anybody could write that down.
        match self.as_restarted(run)?.scheduler.ended() {
            None => {
                return Err(Refusal::new(
                    2,
                    "E0305",
                    format!("run {run} has not ended"),
                    format!("`orch resume {run}` goes on with it"),
                ));
            }
            Some(end) if exit_code(end) == 0 => {
                return Err(Refusal::new(
                    2,
                    "E0304",
                    format!("run {run} has succeeded"),
                    format!("nothing is left to do; `orch status {run}` shows it"),
                ));
            }
            Some(_) => {}
        }
        self.check_disk()?;
        let then = raised.into_iter().chain([Event::RetryRequested]).collect();
        Ok(self.owned_again(lock, loaded, then, replay))
    }

    fn owned_again(&self, lock: RunLock, loaded: Loaded, then: Vec<Event>, replay: Replay) -> Owned {
        let parallel = self.parallel(loaded.scheduler.plan());
        self.forget_answers(&loaded);
        let mut first = vec![Event::Restarted { parallel }];
        first.extend(then);
        Owned { lock, loaded, first, parallel, told: Vec::new(), replay, secrets: None }
    }

    fn parallel(&self, plan: &Plan) -> u32 {
        plan.limits.parallel.unwrap_or(self.settings.parallel).min(self.settings.parallel.max(1))
    }

    /// Takes the lock; an owner that is just dying gets a moment. Then ends what an earlier owner left running.
    pub(super) fn take(&self, run: &RunId) -> Result<RunLock, Refusal> {
        let folder = self.store.run_folder(run)?;
        let clock = Clock::start(Timestamp::default());
        let lock = RunLock::acquire(&folder, clock.now()).map_err(|error| {
            let mut refusal = Refusal::from(error);
            refusal.help = refusal.help.replace("RUN", run.as_str());
            refusal
        })?;
        let swept = sweep(run.as_str()) + self.settings.sandbox.container.sweep(run);
        if swept > 0 {
            tracing::warn!(run = %run, swept, "ended processes that an earlier owner left");
        }
        Ok(lock)
    }

    /// The folders of attempts that died with their owner.
    fn left_behind(&self, loaded: &Loaded) -> Vec<PathBuf> {
        let Ok(folder) = self.store.run_folder(&loaded.summary.run) else { return Vec::new() };
        let attempts = loaded.scheduler.working().into_iter();
        attempts.map(|attempt| folder.join("attempts").join(attempt.to_string())).filter(|path| path.is_dir()).collect()
    }

    /// Who died in the middle of an attempt has taken no secret out of its answer, and nobody will read that any more. Done
    /// before anything else, by whoever takes the run over: not everyone who does knows the values that would be taken out.
    pub(super) fn forget_answers(&self, loaded: &Loaded) {
        for entry in self.left_behind(loaded).iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
            // What stands beside it under its name is a part of it, or a draft.
            if entry.file_name().as_encoded_bytes().starts_with(ANSWER.as_bytes())
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                let path = entry.path();
                tracing::warn!(%error, path = %path.display(), "an answer that nobody reads could not be removed");
            }
        }
    }

    fn check_disk(&self) -> Result<(), Refusal> {
        preflight::disk(self.store.state_folder(), self.settings.disk_floor_bytes)
    }

    fn keeper(&self) -> Result<Keeper, Refusal> {
        Keeper::start(&self.settings.program).map_err(|error| {
            Refusal::new(
                70,
                "E0306",
                format!("the keeper of processes cannot be started: {error}"),
                "is the program's own file still there? `orch resume RUN` goes on when it is",
            )
        })
    }

    /// Drives a run that this process owns until it ends or parks, and waits a moment until its spans are sent.
    ///
    /// # Errors
    /// When the store fails, or the keeper cannot be started.
    pub async fn drive(
        &self,
        owned: Owned,
        options: DriveOptions,
        watchers: mpsc::UnboundedSender<RunEvent>,
        inputs: mpsc::UnboundedReceiver<Event>,
    ) -> Result<Finish, Refusal> {
        let (finish, traced) = self.drive_and_leave(owned, options, watchers, inputs).await?;
        traced.end().await;
        finish
    }

    /// The same without the wait: the run is free, and its last spans are the caller's to send.
    pub(super) async fn drive_and_leave(
        &self,
        owned: Owned,
        options: DriveOptions,
        watchers: mpsc::UnboundedSender<RunEvent>,
        mut inputs: mpsc::UnboundedReceiver<Event>,
    ) -> Result<(Result<Finish, Refusal>, Traced), Refusal> {
        let Owned { lock, loaded, first, parallel: _, told, replay, secrets } = owned;
        let run = loaded.summary.run.clone();
        let secrets = secrets.map_or_else(|| self.secrets(loaded.scheduler.plan()), Ok)?;
        let keeping =
            sandbox::check(loaded.scheduler.plan(), &self.settings.sandbox.container, &self.settings.program)?;
        let keeper = self.keeper()?;
        let adapters = self.adapters(replay);
        let reads_memory = names(&adapters, |can| can.reads_memory);
        let forks = names(&adapters, |can| can.forks && !can.replays);
        let pacer = pacer(&self.settings, &adapters);
        let executor = Executor::new(keeper.clone(), Renderer::new(self.settings.program.clone()), adapters)
            .priced(Arc::clone(&self.settings.prices))
            .watched(self.settings.trust.guards.watch(&self.settings.program)?)
            .hushed(&secrets.redactor)
            .taped(self.taper(&run, loaded.scheduler.plan(), &secrets)?);
        executor.mend_all(self.left_behind(&loaded)).await;
        let baseline = self.baseline(&executor, &loaded).await?;
        let folder = self.store.run_folder(&run)?;
        let traced = Traced::begin(self.settings.traces.as_ref(), self.store.journal(), &folder, &loaded.summary);
        let assigner = Assigner {
            renderer: Arc::new(Renderer::new(self.settings.program.clone())),
            root: self.root.clone(),
            folder,
            trace: traced.trace.clone(),
            env: nested::told(self.settings.env.clone(), &self.settings.chain, &loaded.summary.workflow),
            stream_bytes_max: self.settings.stream_bytes_max,
            baseline,
            reads_memory,
            forks,
            servers: self.settings.servers.of(loaded.scheduler.plan())?,
            secrets: secrets.values,
            nonce: nonce(&run),
            confine: keeping.map(|keeping| self.confine(keeping)),
            audit: self.settings.trust.guards.audit()?,
        };
        let setup = Setup {
            journal: self.store.journal(),
            executor,
            assigner,
            on_approval: options.on_approval,
            park: options.park,
            inbox: self.settings.inbox,
            watchers,
            pacer,
            spaces: self.spaces(&run),
            has_space: self.has_space(),
            redactor: secrets.redactor,
            recall: cached::recall(&self.settings.cache, &self.root, loaded.scheduler.plan(), self.reuse),
        };
        told.into_iter().for_each(|event| setup.tell(event));
        let driver = LocalDriver::new(setup, loaded);
        let sender = driver.sender();
        let forward = tokio::spawn(async move {
            while let Some(event) = inputs.recv().await
                && sender.send(Input::Event(event)).is_ok()
            {}
        });
        let finish = driver.drive(first).await;
        forward.abort();
        keeper.shutdown().await;
        Ok((self.left(lock, &run, finish), traced))
    }

    /// What every sandbox of a run has in common.
    fn confine(&self, sandbox::Keeping { method, engine }: sandbox::Keeping) -> Confine {
        let own = self.settings.sandbox.own.iter().cloned();
        Confine { method, engine, own: own.chain([self.store.state_folder().to_owned()]).collect() }
    }

    /// Where the attempts of a run work that work apart.
    pub(super) fn spaces(&self, run: &RunId) -> Arc<Spaces> {
        let state = self.store.state_folder().to_owned();
        Arc::new(Spaces::new(self.root.clone(), state, self.settings.env.clone(), run.clone()))
    }

    /// Looks whether there is space for more work.
    fn has_space(&self) -> Box<dyn Fn() -> bool + Send> {
        let (state, floor) = (self.store.state_folder().to_owned(), self.settings.disk_floor_bytes);
        Box::new(move || preflight::disk(&state, floor).is_ok())
    }

    /// Gives a run free, and signs where the audit log stands then.
    fn left(&self, lock: RunLock, run: &RunId, finish: Result<Finish, DriveError>) -> Result<Finish, Refusal> {
        drop(lock);
        self.settings.trust.guards.end(run, how(&finish));
        Ok(finish?)
    }
}

/// That the system has no random numbers.
pub(super) fn no_chance(error: &std::io::Error) -> Refusal {
    Refusal::new(70, "E0302", error.to_string(), "try again")
}

/// An id and a seed that nobody could have known.
fn chance() -> Result<(RunId, u64), Refusal> {
    let bytes = random::<16>().map_err(|error| no_chance(&error))?;
    let seed = u64::from_le_bytes(std::array::from_fn(|place| bytes[8 + place]));
    Ok((RunId::from_random([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]]), seed))
}

/// Those of the runtimes that can do something.
pub(super) fn names(adapters: &[Arc<dyn Adapter>], can: impl Fn(Capabilities) -> bool) -> BTreeSet<String> {
    adapters.iter().filter(|adapter| can(adapter.capabilities())).map(|adapter| adapter.name().to_owned()).collect()
}
