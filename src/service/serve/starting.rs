//! Runs of a project that begin, or go on, in a server: written down once, then driven as soon as there is room.
//!
//! The same request is one run however often it comes. Knows no connection and no role.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    base::RunId,
    scheduler::{Answer, Event},
    service::{
        budget_wish::BudgetWish, fault::Fault, find::find_runnable, inputs::gather_inputs, recordings::recordings,
        refusal::Refusal, runs::Runs, serve::place::Place,
    },
};

/// By this file in a run's folder the next server knows that it is its to go on with.
pub(super) const MARK: &str = "served";
/// How long a run may take to be written down that somebody else begins.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// The trace that the request is a part of.
    pub trace_parent: Option<String>,
}

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub run: RunId,
    /// Whether the same request had begun it before.
    pub existed: bool,
}

impl Place {
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
        let mut runs = self.runs_of(who);
        runs.settings.trace_parent.clone_from(&asked.trace_parent);
        let runs = Arc::new(runs);
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
            std::thread::sleep(Duration::from_millis(5));
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

    pub(super) fn take_up(&self, runs: Runs, run: &RunId, then: Vec<Event>) -> Result<(), Fault> {
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
}
