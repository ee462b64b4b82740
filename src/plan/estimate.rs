//! What the agents of a plan are expected to spend: said in `orch plan`, held free before an agent begins.
//!
//! A guess from what is known before a run: the texts that an agent is told, the context it may be given, and an answer
//! of usual length. Knows no price but those that it is given.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    base::{Prices, Usage},
    definition::workflow::RetryOn,
    plan::{
        defaults,
        types::{AgentWork, Plan, PlanContext, PlanStep, StepIx, Work},
    },
};

/// Bytes of text that are one token, roughly, in English and in code.
const BYTES_A_TOKEN: usize = 4;
/// Models without a price that are named.
const UNPRICED_MAX: usize = 20;

/// What the agents of a plan are expected to spend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEstimate {
    /// Each agent, in the order of steps: the step's own, those that judge, the agent of `on_gate_fail`.
    pub steps: Vec<StepEstimate>,
    /// Where every agent begins once, and every list has one item.
    pub typical: Expected,
    /// Where everything is tried as often as it may be and lists have as many items as they may. The limit on starts
    /// of agents is taken into account.
    pub worst: Expected,
    /// Models without a price, counted as the dearest known one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<String>,
}

/// Tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Starts of agents.
    pub starts: u64,
    /// Tokens.
    pub tokens: u64,
    /// Micro-dollars.
    pub usd_micros: u64,
}

/// What one attempt of an agent is expected to spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEstimate {
    /// Whose.
    pub step: StepIx,
    /// Whether it is the agent of `on_gate_fail`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fix: bool,
    /// The gate that it judges in, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<u16>,
    /// The model that the price is for: as asked for, else the runtime's name.
    pub model: String,
    /// Tokens that it reads.
    pub input_tokens: u64,
    /// Tokens that it writes.
    pub output_tokens: u64,
    /// Micro-dollars.
    pub usd_micros: u64,
    /// Whether the price is not known and the dearest one was taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guessed: bool,
    /// How often it begins at most.
    pub starts: u64,
}

impl StepEstimate {
    /// All tokens together.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl Plan {
    /// What the agent of a step is expected to spend in an attempt: its own, the one that mends, or the one that judges in
    /// a gate.
    #[must_use]
    pub fn estimate_of(&self, step: StepIx, fix: bool, gate: Option<u16>) -> Option<&StepEstimate> {
        let steps = &self.estimate.as_ref()?.steps;
        let key = |estimate: &StepEstimate| (estimate.step, estimate.fix, estimate.gate);
        let place = steps.binary_search_by_key(&(step, fix, gate), key).ok()?;
        steps.get(place)
    }
}

/// Estimates a plan. `runtime` is the runtime of agents that name none.
#[must_use]
pub fn estimate(plan: &Plan, prices: &Prices, runtime: Option<&str>) -> PlanEstimate {
    let mut estimate = PlanEstimate::default();
    // Parents come before children, so that what is around a step is known.
    let mut most: Vec<u64> = Vec::with_capacity(plan.steps.len());
    for (place, step) in plan.steps.iter().enumerate() {
        let around = step.parent.map_or(1, |parent| most[parent.index()]);
        let rounds = 1 + u64::from(step.on_gate_fail.tries);
        // A container is only opened again where its step says so for any failure.
        let again = !step.work.is_container() || step.retry.on == RetryOn::Any;
        let tries = if again { 1 + u64::from(step.retry.tries) } else { 1 };
        let works = around.saturating_mul(rounds).saturating_mul(tries);
        most.push(works.saturating_mul(inside(&step.work)));
        let ix = StepIx(u32::try_from(place).unwrap_or(u32::MAX));
        let fixes = around.saturating_mul(u64::from(step.on_gate_fail.tries));
        let own = if let Work::Agent(agent) = &step.work { Some((agent, false, None, works)) } else { None };
        let judges = step.judges().map(|(place, judge)| {
            let asked = around.saturating_mul(rounds).saturating_mul(u64::from(judge.judges));
            (&judge.agent, false, Some(place), asked)
        });
        let fixer = step.on_gate_fail.fixer.as_ref().map(|agent| (agent, true, None, fixes));
        for (agent, fix, gate, starts) in own.into_iter().chain(judges).chain(fixer) {
            let one = attempt(plan, prices, runtime, (step, agent, gate));
            estimate.steps.push(StepEstimate { step: ix, fix, gate, starts, ..one });
        }
    }
    sum(&mut estimate, plan);
    estimate
}

/// How often the body of a container runs at most each time that the container does.
fn inside(work: &Work) -> u64 {
    match work {
        Work::Loop { max, .. } => u64::from(*max),
        // A list that is written down has its length.
        Work::Each(each) => serde_json::from_str::<Vec<Value>>(&each.items.text)
            .map_or(u64::from(each.max_items), |items| items.len() as u64),
        _ => 1,
    }
}

fn attempt(
    plan: &Plan,
    prices: &Prices,
    runtime: Option<&str>,
    (step, agent, gate): (&PlanStep, &AgentWork, Option<u16>),
) -> StepEstimate {
    let runtime = agent.runtime.as_deref().or(runtime);
    let asked = agent.model.as_deref().map(|model| plan.model_for(model, runtime.unwrap_or("any")));
    let usage = Usage {
        input_tokens: told(plan, (step, agent, gate)),
        output_tokens: defaults::ANSWER_TOKENS,
        ..Usage::default()
    };
    let names = [asked, runtime];
    let costs = prices.cost(names.into_iter().flatten(), &usage);
    StepEstimate {
        step: StepIx(0),
        fix: false,
        gate: None,
        model: asked.or(runtime).unwrap_or("the default runtime").to_owned(),
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        usd_micros: costs.usd_micros,
        guessed: costs.guessed,
        starts: 0,
    }
}

/// Tokens that an agent is told: its order, and as much context as it may get where there is any.
fn told(plan: &Plan, (step, agent, gate): (&PlanStep, &AgentWork, Option<u16>)) -> u64 {
    let judge = gate.and_then(|place| step.judge_at(place));
    let own = agent.agent.and_then(|place| plan.agents.get(place as usize));
    let role = own.map_or(0, |own| own.body.len() + own.constraints.iter().map(String::len).sum::<usize>());
    let skills = agent.skills.iter().filter_map(|place| plan.skills.get(*place as usize));
    let skills: usize = skills.map(|skill| skill.body.len()).sum();
    let schema = step.output.as_ref().map_or(0, |schema| schema.to_string().len());
    let rubric = judge.map_or(0, |judge| judge.rubric.len());
    let texts = agent.prompt.text.len() + role + skills + schema + rubric;
    let has_context =
        judge.is_some() || !step.needs.is_empty() || !agent.memory.is_empty() || agent.context != PlanContext::Fresh;
    let context = if has_context { agent.context_budget } else { 0 };
    (texts.div_ceil(BYTES_A_TOKEN) as u64).saturating_add(context)
}

fn sum(estimate: &mut PlanEstimate, plan: &Plan) {
    let starts_max = plan.budget.agents;
    let mut dearest = Expected::default();
    for step in &estimate.steps {
        dearest.tokens = dearest.tokens.max(step.tokens());
        dearest.usd_micros = dearest.usd_micros.max(step.usd_micros);
        if !step.fix {
            let judge = step.gate.and_then(|place| plan.step(step.step).judge_at(place));
            estimate.typical.add(step, judge.map_or(1, |judge| u64::from(judge.judges)));
        }
        estimate.worst.add(step, step.starts);
        if step.guessed && !estimate.unpriced.contains(&step.model) && estimate.unpriced.len() < UNPRICED_MAX {
            estimate.unpriced.push(step.model.clone());
        }
    }
    for expected in [&mut estimate.typical, &mut estimate.worst] {
        expected.starts = expected.starts.min(starts_max);
        expected.tokens = expected.tokens.min(dearest.tokens.saturating_mul(starts_max));
        expected.usd_micros = expected.usd_micros.min(dearest.usd_micros.saturating_mul(starts_max));
    }
}

impl Expected {
    fn add(&mut self, step: &StepEstimate, times: u64) {
        self.starts = self.starts.saturating_add(times);
        self.tokens = self.tokens.saturating_add(step.tokens().saturating_mul(times));
        self.usd_micros = self.usd_micros.saturating_add(step.usd_micros.saturating_mul(times));
    }
}
