//! What the log says of a run: its beginning and end, each attempt, and what holds it up. One line an event.
//!
//! Knows no place where logs go. What is told was cleaned of the run's secrets before it came here.

use crate::driver::narrate::{RunEvent, What};

/// Says one event under the word of its category: `task` what a run does, `worker` what is done for it.
pub(super) fn log(event: &RunEvent) {
    let run = event.run.as_str();
    match &event.what {
        What::RunStarted { workflow, steps, resumed } => {
            let message = if *resumed { "a run is taken up" } else { "a run has begun" };
            tracing::info!(target: "task", run, workflow, steps, "{message}");
        }
        What::AttemptStarted { step, attempt, purpose, runtime, .. } => {
            let runtime = runtime.as_deref();
            tracing::info!(target: "worker", run, step, attempt, purpose, runtime, "an attempt has begun");
        }
        What::AttemptFinished { step, attempt, purpose, end, reason, duration_ms } => {
            finished(run, (step, attempt, purpose), (end, reason, *duration_ms));
        }
        What::Retrying { step, delay_ms, reason } => {
            tracing::warn!(target: "worker", run, step, delay_ms, why = reason, "an attempt will be made again");
        }
        What::Held { runtime, until, reason } => {
            let until = until.to_string();
            tracing::warn!(target: "worker", run, runtime, until, why = reason, "a runtime takes nothing for a while");
        }
        What::Asking { step, attempt, .. } => tracing::info!(target: "task", run, step, attempt, "a person is asked"),
        What::Unknown { step } => {
            tracing::warn!(target: "task", run, step, "a person must say how an attempt ended");
        }
        What::BudgetReached { reason } => tracing::warn!(target: "task", run, why = reason, "a budget is used up"),
        What::BudgetNear { reason } => {
            tracing::warn!(target: "task", run, why = reason, "most of a budget is used up");
        }
        What::StepSettled { step, container: false, state, duration_ms, attempts, tokens, .. } => {
            let state = state.word();
            tracing::info!(target: "task", run, step, state, duration_ms, attempts, tokens, "a step has settled");
        }
        What::RunEnded { status, cause, exit_code, spent, .. } => {
            let (why, tokens) = (cause.as_ref().map(|cause| cause.reason.as_str()), spent.usage.tokens());
            let (usd_micros, agents) = (spent.usage.usd_micros, spent.agents);
            tracing::info!(target: "task", run, status, exit_code, why, agents, tokens, usd_micros, "a run has ended");
        }
        // Agents' own words are in the logs of their attempts; the rest of a run's story is in its journal.
        What::AgentActivity { .. }
        | What::Feedback { .. }
        | What::PushedBack { .. }
        | What::Outdated { .. }
        | What::Redone { .. }
        | What::StepSettled { container: true, .. } => {}
    }
}

fn finished(run: &str, (step, attempt, purpose): (&str, &str, &str), (end, why, duration_ms): (&str, &str, u64)) {
    let is_fault = matches!(end, "failed" | "lost" | "error");
    let message = "an attempt has ended";
    if is_fault {
        tracing::warn!(target: "worker", run, step, attempt, purpose, outcome = end, why, duration_ms, "{message}");
    } else {
        tracing::info!(target: "worker", run, step, attempt, purpose, outcome = end, duration_ms, "{message}");
    }
}
