//! Fills in what definitions leave open from the settings: timeouts, retries, and the budget of a run.
//!
//! Invariant: what a definition says is never changed, and a setting that nobody has set changes nothing, so that the
//! same files give the same plan everywhere.

use crate::{
    config::Settings,
    definition::{
        Command, CommandBody, Library,
        workflow::{Budget, Gate, Retry, RetryOn, Step, StepKind, Workflow},
    },
    plan::{Plan, Work},
};

/// The settings that a step or a gate takes.
const PATHS: [&str; 5] = ["timeouts.agent", "timeouts.command", "timeouts.idle", "timeouts.gate", "retries"];

/// Fills in every workflow and gate.
pub(super) fn fill_library(settings: &Settings, library: &mut Library) {
    if !PATHS.iter().any(|path| settings.is_set(path)) {
        return;
    }
    library.workflows.replace(|entry| {
        let mut entry = entry.clone();
        fill_workflow(settings, &mut entry.workflow);
        Some(entry)
    });
    library.commands.replace(|command| {
        let CommandBody::Inline(workflow) = &command.body else { return None };
        let mut workflow = workflow.clone();
        fill_workflow(settings, &mut workflow);
        Some(Command { body: CommandBody::Inline(workflow), ..command.clone() })
    });
    library.gates.replace(|gate| {
        let mut gate = gate.clone();
        gate.checks.iter_mut().for_each(|check| fill_gate(settings, &mut check.value));
        Some(gate)
    });
}

/// Fills in the steps of one workflow.
pub(super) fn fill_workflow(settings: &Settings, workflow: &mut Workflow) {
    workflow.steps.iter_mut().for_each(|step| fill_step(settings, step));
}

/// Fills in the budget of the workflow that a run starts.
pub(super) fn fill_budget(settings: &Settings, budget: &mut Budget) {
    let given = &settings.budget;
    budget.usd = budget.usd.or(given.usd);
    budget.tokens = budget.tokens.or(given.tokens);
    budget.time = budget.time.or(given.time);
    if settings.is_set("budget.agents") {
        budget.agents = budget.agents.or(Some(given.agents));
    }
    if settings.is_set("budget.on_limit") {
        budget.on_limit = budget.on_limit.or(Some(given.on_limit));
    }
}

/// Fills in the plan of a command that is prose: it says nothing of times, so all of them are open.
pub(super) fn fill_prose(settings: &Settings, plan: &mut Plan) {
    let budget = &settings.budget;
    plan.budget.usd_micros = budget.usd.map(usd_micros);
    plan.budget.tokens = budget.tokens;
    plan.budget.time_ms = budget.time.map(millis);
    plan.budget.agents = budget.agents;
    plan.budget.on_limit = budget.on_limit;
    for step in &mut plan.steps {
        if matches!(step.work, Work::Agent(_)) {
            step.timeout_ms = Some(millis(settings.timeouts.agent));
            step.idle_timeout_ms = Some(millis(settings.timeouts.idle));
            step.retry.tries = settings.retries;
        }
    }
}

fn fill_step(settings: &Settings, step: &mut Step) {
    let timeouts = &settings.timeouts;
    let times = match &mut step.kind {
        StepKind::Agent { .. } => Some(("timeouts.agent", timeouts.agent)),
        StepKind::Run(_) => Some(("timeouts.command", timeouts.command)),
        StepKind::Parallel { steps, .. } | StepKind::Each { steps, .. } | StepKind::Loop { steps, .. } => {
            steps.iter_mut().for_each(|step| fill_step(settings, step));
            None
        }
        StepKind::Approve { .. }
        | StepKind::Ask { .. }
        | StepKind::Wait(_)
        | StepKind::Emit { .. }
        | StepKind::Checkpoint { .. }
        | StepKind::Stop { .. }
        | StepKind::Workflow { .. } => None,
    };
    if let Some((path, timeout)) = times {
        if settings.is_set(path) {
            step.timeout = step.timeout.or(Some(timeout));
        }
        if settings.is_set("timeouts.idle") {
            step.idle_timeout = step.idle_timeout.or(Some(timeouts.idle));
        }
        if settings.is_set("retries") && step.retry.is_none() {
            let retry = Retry { tries: settings.retries, delay: None, max_delay: None, on: RetryOn::Transient };
            step.retry = Some(crate::base::Spanned::new(retry, step.id.span));
        }
    }
    step.gate.iter_mut().for_each(|gate| fill_gate(settings, &mut gate.value));
}

fn fill_gate(settings: &Settings, gate: &mut Gate) {
    match gate {
        Gate::Run { timeout, .. } if settings.is_set("timeouts.gate") => {
            *timeout = timeout.or(Some(settings.timeouts.gate));
        }
        Gate::Run { .. }
        | Gate::Check(_)
        | Gate::Schema { .. }
        | Gate::Files { .. }
        | Gate::Changed { .. }
        | Gate::Secrets { .. }
        | Gate::Judge(_)
        | Gate::Approve { .. }
        | Gate::Named(_) => {}
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the settings bound the amount")]
fn usd_micros(usd: f64) -> u64 {
    (usd * 1_000_000.0).round() as u64
}
