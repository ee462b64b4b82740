//! What runs cost: before, as an estimate, and after, by step, agent, model and runtime.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    base::{Price, Prices, RunId, Timestamp, Usage},
    driver::{CacheUse, Loaded, cache_use, status_word},
    plan::{Plan, PlanEstimate, estimate},
    runtime::Replay,
    scheduler::{Purpose, Scheduler, StepView},
    service::{preflight, project::Project, recordings::recordings, refusal::Refusal, runs::Runs, runtimes},
};

/// The version of the JSON form; `schemas/cost.schema.json`.
pub const COST_VERSION: u16 = 1;
/// Runs that are looked at for the totals of days.
const RUNS_MAX: usize = 10_000;

/// What one run has cost.
#[derive(Debug, Clone, Serialize)]
pub struct RunCost {
    /// [`COST_VERSION`].
    pub v: u16,
    /// The run's id.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// `running succeeded failed cancelled`.
    pub status: String,
    /// When it began.
    pub started: Timestamp,
    /// All of it.
    pub total: Usage,
    /// Starts of agents.
    pub agents: u64,
    /// What the step cache was to it; absent where it was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheUse>,
    /// Each step, agent and model; the dearest first.
    pub lines: Vec<CostLine>,
}

/// What one step has spent on one model.
#[derive(Debug, Clone, Serialize)]
pub struct CostLine {
    /// The step's path; `STEP@fix` for the agent of `on_gate_fail`.
    pub step: String,
    /// The agent.
    pub agent: String,
    /// The model; the runtime's own choice where nobody tells.
    pub model: Option<String>,
    /// The runtime.
    pub runtime: String,
    /// Attempts that have spent something.
    pub attempts: u64,
    /// What.
    pub usage: Usage,
    /// Its part of the money of the run, else of its tokens: from 0 to 1.
    pub share: f64,
}

/// What the runs of one day have cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayCost {
    /// [`COST_VERSION`].
    pub v: u16,
    /// The day on which they began, `2026-11-21`, UTC.
    pub day: String,
    /// How many.
    pub runs: u64,
    /// Starts of agents.
    pub agents: u64,
    /// All of it.
    pub total: Usage,
}

/// Estimates a plan with the prices of the project; none where it has no agents.
pub(super) fn estimated(project: &Project, plan: &Plan) -> Option<PlanEstimate> {
    let settings = project.settings();
    let replay = recordings(project.root(), plan);
    let (named, found) = (runtimes::named(project), runtimes::found(project));
    let runtime = preflight::default_runtime(plan, named.as_deref(), found.as_ref(), &replay);
    expected(plan, &settings.prices, runtime.as_deref())
}

/// Estimates a plan. What is replayed costs nothing.
pub(super) fn expected(plan: &Plan, prices: &Prices, runtime: Option<&str>) -> Option<PlanEstimate> {
    let mut prices = prices.clone();
    prices.set(Replay::NAME, Price::default());
    let estimate = estimate(plan, &prices, runtime);
    (!estimate.steps.is_empty()).then_some(estimate)
}

/// What a run has cost so far.
#[must_use]
pub fn cost(loaded: &Loaded) -> RunCost {
    let scheduler = &loaded.scheduler;
    let spent = scheduler.spent();
    let mut lines: BTreeMap<_, (u64, Usage)> = BTreeMap::new();
    for instance in scheduler.instances() {
        let view = scheduler.view(instance);
        for record in view.history.iter().filter(|record| !record.costs.is_empty()) {
            let runtime = scheduler.runtime_of(instance, record.purpose).unwrap_or_default().to_owned();
            let (agent, asked) = agent(scheduler, &view, record.purpose, &runtime);
            let step = scheduler.agent_path(instance, record.purpose).as_str().to_owned();
            for cost in &record.costs {
                let model = cost.model.as_deref().map(str::to_owned).or_else(|| asked.clone());
                let line = lines.entry((step.clone(), agent.clone(), model, runtime.clone())).or_default();
                line.0 += 1;
                line.1.add(cost.usage);
            }
        }
    }
    let line = |((step, agent, model, runtime), (attempts, usage))| CostLine {
        share: share(&usage, &spent.usage),
        step,
        agent,
        model,
        runtime,
        attempts,
        usage,
    };
    let mut lines: Vec<_> = lines.into_iter().map(line).collect();
    lines.sort_by_key(|line| std::cmp::Reverse((line.usage.usd_micros, line.usage.tokens())));
    RunCost {
        v: COST_VERSION,
        id: loaded.summary.run.to_string(),
        workflow: loaded.summary.workflow.clone(),
        status: scheduler.ended().map_or("running", |end| status_word(end.settled)).to_owned(),
        started: loaded.summary.started,
        total: spent.usage,
        agents: spent.agents,
        cache: cache_use(scheduler),
        lines,
    }
}

/// The name of the agent of an attempt, and the model that it was asked to take.
fn agent(scheduler: &Scheduler, view: &StepView<'_>, purpose: Purpose, runtime: &str) -> (String, Option<String>) {
    let work = scheduler.agent_work(view.instance, purpose);
    let plan = scheduler.plan();
    let name = work.and_then(|work| work.agent).and_then(|place| plan.agents.get(place as usize));
    let model = work.and_then(|work| work.model.as_deref()).map(|model| plan.model_for(model, runtime).to_owned());
    (name.map_or_else(|| "default".to_owned(), |agent| agent.name.clone()), model)
}

fn share(part: &Usage, all: &Usage) -> f64 {
    let (part, all) =
        if all.usd_micros > 0 { (part.usd_micros, all.usd_micros) } else { (part.tokens(), all.tokens()) };
    #[expect(clippy::cast_precision_loss, reason = "a share is shown in percent")]
    let share = if all == 0 { 0.0 } else { part as f64 / all as f64 };
    (share * 10_000.0).round() / 10_000.0
}

impl Runs {
    /// What a run has cost so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn cost(&self, run: &RunId) -> Result<RunCost, Refusal> {
        Ok(cost(&self.load(run, |_, _, _| {})?))
    }

    /// What the runs of the project have cost, by the day on which they began, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn costs(&self) -> Result<Vec<DayCost>, Refusal> {
        let mut days: Vec<DayCost> = Vec::new();
        for run in self.list(RUNS_MAX)? {
            let spent = self.load(&run.run, |_, _, _| {})?.scheduler.spent();
            let day: String = run.started.to_string().chars().take(10).collect();
            match days.iter_mut().find(|known| known.day == day) {
                Some(known) => {
                    known.runs += 1;
                    known.agents += spent.agents;
                    known.total.add(spent.usage);
                }
                None => {
                    days.push(DayCost { v: COST_VERSION, day, runs: 1, agents: spent.agents, total: spent.usage });
                }
            }
        }
        days.sort_by(|a, b| b.day.cmp(&a.day));
        Ok(days)
    }
}
