//! What watchers are told, as one versioned event form for the terminal, `--json` and later the API.
//!
//! A pure function of the scheduler's state and its notices: whoever replays the journal tells the same story, so
//! `orch watch` in another process shows every line from the beginning.

use serde::Serialize;

use crate::{
    base::{Digest, RunId, Timestamp, Usage, Verdict},
    driver::{
        outcome::{exit_code, status_word},
        reuse::{CacheUse, cache_use},
    },
    plan::{PlanGate, Work},
    runtime::Seen,
    scheduler::{AttemptEnd, AttemptId, Cause, InstanceId, Notice, Purpose, Scheduler, Spent, StepState},
};

/// The version of the event form; `schemas/event.schema.json`.
pub const RUN_EVENT_VERSION: u16 = 1;

/// One thing that happened in a run, for watchers.
#[derive(Debug, Clone, Serialize)]
pub struct RunEvent {
    /// [`RUN_EVENT_VERSION`].
    pub v: u16,
    /// When, in milliseconds since 1970 UTC.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum What {
    /// The run has begun, or goes on under a new owner.
    RunStarted {
        /// The workflow.
        workflow: String,
        /// Steps in the plan that do something; containers are not counted.
        steps: usize,
        /// Whether it goes on after an interruption.
        resumed: bool,
    },
    /// An attempt has begun.
    AttemptStarted {
        /// The step's path.
        step: String,
        /// The attempt.
        attempt: String,
        /// What for, in words: `work`, `gate 1: cargo test -q`, `fix`.
        purpose: String,
        /// The runtime, for agents.
        runtime: Option<String>,
        /// By whose word it works without limits, where it does.
        #[serde(skip_serializing_if = "Option::is_none")]
        danger: Option<String>,
    },
    /// An attempt has ended.
    AttemptFinished {
        /// The step's path.
        step: String,
        /// The attempt.
        attempt: String,
        /// What for.
        purpose: String,
        /// How: `succeeded failed stopped lost pass fail error`.
        end: &'static str,
        /// Why; empty where all went well.
        reason: String,
        /// How long, in milliseconds.
        duration_ms: u64,
    },
    /// An agent says or does something. Only who watches the owner's own screen is told: it stands in no journal, and
    /// the whole is in the attempt's log.
    AgentActivity {
        /// The step's path.
        step: String,
        /// The attempt.
        attempt: String,
        /// What: `text tool tool_failed denied retried warning`.
        activity: &'static str,
        /// In words, as the agent's program put it; untrusted.
        text: String,
    },
    /// A failed attempt will be tried again.
    Retrying {
        /// The step's path.
        step: String,
        /// In so many milliseconds.
        delay_ms: u64,
        /// Why.
        reason: String,
    },
    /// The evidence of a failed gate goes back to an agent.
    Feedback {
        /// The step's path.
        step: String,
        /// What it is told.
        text: String,
    },
    /// What was taken from an earlier run has failed a gate, and is done now.
    Redone {
        /// The step's path.
        step: String,
    },
    /// A person is asked.
    Asking {
        /// The step's path.
        step: String,
        /// The attempt.
        attempt: String,
        /// What is shown.
        shown: String,
        /// The digest of what is shown; a decision names it.
        subject: Digest,
        /// Whether fields must be filled in.
        form: bool,
    },
    /// A person must say how an attempt ended.
    Unknown {
        /// The step's path.
        step: String,
    },
    /// A step has settled.
    StepSettled {
        /// The step's path.
        step: String,
        /// Whether it holds other steps.
        container: bool,
        /// How.
        state: StepState,
        /// Why it failed; empty otherwise.
        reason: String,
        /// What it brought back, in a sentence.
        summary: String,
        /// From the start of its first attempt, in milliseconds.
        duration_ms: u64,
        /// Tries of its work.
        attempts: usize,
        /// Tokens.
        tokens: u64,
        /// The attempt of an earlier run that did this work, `RUN/ATTEMPT`; absent where it was done now.
        #[serde(skip_serializing_if = "Option::is_none")]
        reused: Option<String>,
        /// What it had cost that attempt, and did not cost now.
        #[serde(skip_serializing_if = "Usage::is_zero")]
        saved: Usage,
    },
    /// A runtime takes nothing for a while, and whoever needs it waits. The run goes on by itself.
    Held {
        /// Which runtime.
        runtime: String,
        /// When it is asked again.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// A budget is used up.
    BudgetReached {
        /// Which.
        reason: String,
    },
    /// Most of a budget is used up.
    BudgetNear {
        /// Which, and how much of it.
        reason: String,
    },
    /// The run has ended.
    RunEnded {
        /// `succeeded`, `failed` or `cancelled`.
        status: &'static str,
        /// Why, where it is not a success.
        cause: Option<Cause>,
        /// The exit code.
        exit_code: u8,
        /// What was spent.
        spent: Spent,
        /// What the step cache was to it; absent where it was nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        cache: Option<CacheUse>,
        /// The outputs.
        outputs: serde_json::Map<String, serde_json::Value>,
    },
}

/// Tells one notice. `None` for a run that has not begun.
#[must_use]
pub fn narrate(scheduler: &Scheduler, at: Timestamp, notice: &Notice) -> Option<RunEvent> {
    let run = scheduler.run_id()?.clone();
    let what = match notice {
        Notice::Starting { attempt, purpose } => What::AttemptStarted {
            step: path(scheduler, attempt.instance),
            attempt: attempt.to_string(),
            purpose: purpose_words(scheduler, attempt.instance, *purpose),
            runtime: scheduler.runtime_of(attempt.instance, *purpose).map(str::to_owned),
            danger: scheduler
                .view(attempt.instance)
                .history
                .last()
                .and_then(|record| record.danger.as_deref().map(str::to_owned)),
        },
        Notice::Ended { attempt, purpose } => finished(scheduler, *attempt, *purpose),
        Notice::Retrying { instance, delay_ms } => What::Retrying {
            step: path(scheduler, *instance),
            delay_ms: *delay_ms,
            reason: last_reason(scheduler, *instance),
        },
        Notice::Feedback { instance } => What::Feedback {
            step: path(scheduler, *instance),
            text: scheduler.thread(*instance, Purpose::Work).feedback.unwrap_or_default().to_owned(),
        },
        Notice::Redone { instance } => What::Redone { step: path(scheduler, *instance) },
        Notice::Asking { attempt } => What::Asking {
            step: path(scheduler, attempt.instance),
            attempt: attempt.to_string(),
            shown: scheduler.question(attempt.instance).map(|question| question.shown.clone()).unwrap_or_default(),
            subject: scheduler.question(attempt.instance)?.subject.clone(),
            form: matches!(scheduler.plan_step(attempt.instance).1.work, Work::Ask { .. }),
        },
        Notice::Unknown { instance } => What::Unknown { step: path(scheduler, *instance) },
        Notice::Settled { instance } => settled(scheduler, at, *instance),
        Notice::Held { runtime } => {
            let pace = scheduler.paces().into_iter().find(|pace| pace.runtime == *runtime)?;
            What::Held { runtime: pace.runtime, until: pace.until?, reason: pace.reason }
        }
        Notice::BudgetReached => {
            What::BudgetReached { reason: scheduler.budget_reason().unwrap_or_default().to_owned() }
        }
        Notice::BudgetNear => What::BudgetNear { reason: scheduler.near_limit().unwrap_or_default() },
        Notice::RunEnded => {
            let end = scheduler.ended()?;
            What::RunEnded {
                status: status_word(end.settled),
                cause: end.cause.clone(),
                exit_code: exit_code(end),
                spent: scheduler.spent(),
                cache: cache_use(scheduler),
                outputs: end.outputs.clone(),
            }
        }
    };
    Some(RunEvent { v: RUN_EVENT_VERSION, at, run, what })
}

/// Tells what an agent does while it works; `None` for what nobody needs to be told.
#[must_use]
pub fn overheard(scheduler: &Scheduler, at: Timestamp, attempt: AttemptId, seen: Seen) -> Option<RunEvent> {
    let (activity, text) = match seen {
        Seen::Text(text) => ("text", text),
        Seen::ToolStarted(tool, on) => ("tool", format!("{tool} {on}").trim_end().to_owned()),
        Seen::ToolEnded(tool, false) => ("tool_failed", tool),
        Seen::Denied(what) => ("denied", what),
        Seen::Retried(why) => ("retried", why),
        Seen::Warning(what) => ("warning", what),
        Seen::ToolEnded(_, true) | Seen::Session(_) | Seen::Spent(..) | Seen::LastWord => return None,
    };
    if !scheduler.is_live(attempt) {
        return None;
    }
    let step = path(scheduler, attempt.instance);
    let what = What::AgentActivity { step, attempt: attempt.to_string(), activity, text };
    Some(RunEvent { v: RUN_EVENT_VERSION, at, run: scheduler.run_id()?.clone(), what })
}

/// Tells that a run begins, or goes on under a new owner. `None` for a run that has not begun.
#[must_use]
pub fn opening(scheduler: &Scheduler, at: Timestamp, resumed: bool) -> Option<RunEvent> {
    let plan = scheduler.plan();
    let what = What::RunStarted {
        workflow: plan.name.clone(),
        steps: plan.steps.iter().filter(|step| !step.work.is_container()).count(),
        resumed,
    };
    Some(RunEvent { v: RUN_EVENT_VERSION, at, run: scheduler.run_id()?.clone(), what })
}

fn path(scheduler: &Scheduler, instance: InstanceId) -> String {
    scheduler.path(instance).as_str().to_owned()
}

fn last_reason(scheduler: &Scheduler, instance: InstanceId) -> String {
    scheduler.view(instance).history.last().map(|record| record.reason.to_string()).unwrap_or_default()
}

fn finished(scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> What {
    let view = scheduler.view(attempt.instance);
    let record = view.history.iter().rev().find(|record| record.number == attempt.number);
    What::AttemptFinished {
        step: path(scheduler, attempt.instance),
        attempt: attempt.to_string(),
        purpose: purpose_words(scheduler, attempt.instance, purpose),
        end: record.map_or("lost", |record| end_word(record.end)),
        reason: record.map(|record| record.reason.to_string()).unwrap_or_default(),
        duration_ms: record.map_or(0, |record| {
            let ended = record.ended.unwrap_or(record.started);
            ended.0.saturating_sub(record.started.0)
        }),
    }
}

fn settled(scheduler: &Scheduler, at: Timestamp, instance: InstanceId) -> What {
    let view = scheduler.view(instance);
    let began = view.history.first().map_or(at, |record| record.started);
    What::StepSettled {
        step: view.path.as_str().to_owned(),
        container: view.step.work.is_container(),
        state: view.state,
        reason: view.cause.map(|cause| cause.reason.clone()).unwrap_or_default(),
        summary: view.summary.to_owned(),
        duration_ms: at.0.saturating_sub(began.0),
        attempts: view.history.iter().filter(|record| record.purpose == Purpose::Work).count(),
        tokens: scheduler.envelope(instance).map_or(0, |envelope| envelope.usage.tokens()),
        reused: scheduler.envelope(instance).and_then(|envelope| envelope.reused.clone()),
        saved: scheduler.envelope(instance).map(|envelope| envelope.saved).unwrap_or_default(),
    }
}

/// An attempt's end in one word.
#[must_use]
pub fn end_word(end: AttemptEnd) -> &'static str {
    match end {
        AttemptEnd::Live => "running",
        AttemptEnd::Succeeded => "succeeded",
        AttemptEnd::Failed => "failed",
        AttemptEnd::Judged(Verdict::Pass) => "pass",
        AttemptEnd::Judged(Verdict::Fail) => "fail",
        AttemptEnd::Judged(Verdict::Error) => "error",
        AttemptEnd::Stopped => "stopped",
        AttemptEnd::Lost => "lost",
    }
}

/// What an attempt is for, in words.
#[must_use]
pub fn purpose_words(scheduler: &Scheduler, instance: InstanceId, purpose: Purpose) -> String {
    let step = scheduler.plan_step(instance).1;
    match purpose {
        Purpose::Work if matches!(step.work, Work::Approve { .. } | Work::Ask { .. }) => "question".to_owned(),
        Purpose::Work => "work".to_owned(),
        Purpose::Fix => "fix".to_owned(),
        Purpose::Reconcile => "reconcile".to_owned(),
        Purpose::Override => "override".to_owned(),
        Purpose::Take => "take".to_owned(),
        Purpose::Gate(place) => {
            let name = step.gates.get(usize::from(place)).map_or_else(String::new, gate_words);
            format!("gate {}: {name}", place + 1)
        }
    }
}

/// A gate in words: its command, its expression, or its kind.
#[must_use]
pub fn gate_words(gate: &PlanGate) -> String {
    match gate {
        // Of a long script of a named gate, its name says more than its first line.
        PlanGate::Run { command: crate::plan::Command::Shell(text), from: Some(from), .. }
            if text.trim().lines().nth(1).is_some() =>
        {
            from.clone()
        }
        PlanGate::Run { command: crate::plan::Command::Shell(text), .. } => {
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
        PlanGate::Run { command: crate::plan::Command::Argv(words), .. } => words.join(" "),
        PlanGate::Check { expression, .. } => expression.text.trim().to_owned(),
        PlanGate::Schema { .. } => "schema".to_owned(),
        PlanGate::Files { paths, .. } => format!("files {}", paths.join(" ")),
        PlanGate::Changed { .. } => "changed".to_owned(),
        PlanGate::Secrets { .. } => "secrets".to_owned(),
        PlanGate::Judge { judge, .. } => match &judge.file {
            Some(file) => format!("judge {file}"),
            None => "judge".to_owned(),
        },
        PlanGate::Approve { .. } => "approve".to_owned(),
    }
}
