//! Where a run stands, why it waits, and which command moves it: the same facts for text and JSON.

use serde::Serialize;

use crate::{
    base::{Timestamp, Verdict},
    driver::{Loaded, end_word, exit_code, gate_words, status_word},
    journal::Owner,
    scheduler::{AttemptEnd, Cause, Purpose, Scheduler, Spent, StepState, StepView, WaitingFor},
};

/// The version of the JSON form; `schemas/status.schema.json`.
pub const STATUS_VERSION: u16 = 1;

/// A run as `orch status` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// [`STATUS_VERSION`].
    pub v: u16,
    /// The run's id.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// `running waiting interrupted succeeded failed cancelled`.
    pub status: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The exit code of its end.
    pub exit_code: Option<u8>,
    /// Why it failed.
    pub cause: Option<Cause>,
    /// The process that drives it.
    pub owner: Option<u32>,
    /// What it waits for.
    pub waiting_for: Vec<Waiting>,
    /// Commands that move it, the likeliest first.
    pub next: Vec<String>,
    /// What was spent.
    pub spent: Spent,
    /// The outputs of a run that succeeded.
    pub outputs: serde_json::Map<String, serde_json::Value>,
    /// All steps that exist so far.
    pub steps: Vec<StepStatus>,
}

/// One thing that a run waits for.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// `decision`, `outcome`, `budget`.
    pub kind: &'static str,
    /// Where.
    pub step: Option<String>,
    /// What is asked, or what is used up.
    pub about: String,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct StepStatus {
    /// Its path.
    pub id: String,
    /// Where it stands.
    pub status: StepState,
    /// Whether it holds other steps.
    pub container: bool,
    /// Tries of its work.
    pub attempts: usize,
    /// Its gates with their latest verdicts.
    pub gates: Vec<GateStatus>,
    /// Why it failed.
    pub reason: String,
    /// What it brought back.
    pub summary: String,
    /// When its first attempt began.
    pub started: Option<Timestamp>,
    /// When its last attempt ended.
    pub ended: Option<Timestamp>,
    /// Every attempt.
    pub history: Vec<AttemptStatus>,
}

/// One gate.
#[derive(Debug, Clone, Serialize)]
pub struct GateStatus {
    /// Its command, expression or kind.
    pub gate: String,
    /// `pass fail error running`, or `none` before it was judged.
    pub verdict: &'static str,
    /// How often it failed before.
    pub failed_before: usize,
    /// Why it does not pass.
    pub reason: String,
}

/// One attempt.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptStatus {
    /// Its folder under the run's `attempts/`.
    pub id: String,
    /// `work`, `gate N`, `fix`, `reconcile`, `override`.
    pub purpose: String,
    /// How it ended.
    pub end: &'static str,
    /// Why.
    pub reason: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// Makes the status of a run from its journal.
#[must_use]
pub fn status(loaded: &Loaded, owner: Option<Owner>) -> Status {
    let scheduler = &loaded.scheduler;
    let id = loaded.summary.run.to_string();
    let waiting = scheduler.waiting_for();
    let word = match scheduler.ended() {
        Some(end) => status_word(end.settled),
        None if owner.is_none() && waiting.is_empty() => "interrupted",
        None if !waiting.is_empty() && (owner.is_none() || !scheduler.is_moving()) => "waiting",
        None => "running",
    };
    Status {
        v: STATUS_VERSION,
        next: next(&id, word, owner.is_some(), &waiting, scheduler),
        workflow: loaded.summary.workflow.clone(),
        status: word.to_owned(),
        started: loaded.summary.started,
        ended: scheduler.ended().map(|end| end.at),
        exit_code: scheduler.ended().map(exit_code),
        cause: scheduler.ended().and_then(|end| end.cause.clone()),
        owner: owner.map(|owner| owner.pid),
        waiting_for: waiting.iter().map(waiting_status).collect(),
        spent: scheduler.spent(),
        outputs: scheduler.ended().map(|end| end.outputs.clone()).unwrap_or_default(),
        steps: scheduler.views().iter().map(step_status).collect(),
        id,
    }
}

fn waiting_status(waiting: &WaitingFor) -> Waiting {
    match waiting {
        WaitingFor::Decision { step, shown, .. } => {
            Waiting { kind: "decision", step: Some(step.as_str().to_owned()), about: shown.clone() }
        }
        WaitingFor::Outcome { step, .. } => Waiting {
            kind: "outcome",
            step: Some(step.as_str().to_owned()),
            about: "it started, and orch ended before it did: nobody knows whether it was done".to_owned(),
        },
        WaitingFor::Budget { reason } => Waiting { kind: "budget", step: None, about: reason.clone() },
    }
}

/// The commands that move a run, the likeliest first.
#[must_use]
pub fn next(id: &str, word: &str, owned: bool, waiting: &[WaitingFor], scheduler: &Scheduler) -> Vec<String> {
    let mut next = Vec::new();
    let mut budget = false;
    for one in waiting {
        match one {
            WaitingFor::Decision { step, .. } => {
                let form = scheduler
                    .views()
                    .into_iter()
                    .any(|view| view.path == *step && matches!(view.step.work, crate::plan::Work::Ask { .. }));
                let set = if form { " --set FIELD=VALUE" } else { "" };
                next.push(format!("orch approve {id} '{step}'{set}"));
                next.push(format!("orch reject {id} '{step}' --comment 'WHY'"));
            }
            WaitingFor::Outcome { step, .. } => {
                next.push(format!("orch resume {id} --step '{step}' --as retry"));
                next.push(format!("orch resume {id} --step '{step}' --as done"));
            }
            WaitingFor::Budget { .. } => budget = true,
        }
    }
    if budget {
        next.push(format!("orch resume {id} --budget {}", raised(scheduler)));
    }
    match word {
        "interrupted" => next.push(format!("orch resume {id}")),
        "waiting" if !owned && !budget => next.push(format!("orch resume {id}")),
        "running" => next.push(format!("orch watch {id}")),
        "failed" | "cancelled" => {
            if let Some(step) = failed_step(scheduler) {
                next.push(format!("orch logs {id} '{step}'"));
            }
            next.push(format!("orch retry {id} --failed"));
        }
        _ => {}
    }
    next
}

/// A budget that would let the run go on: twice what was spent.
fn raised(scheduler: &Scheduler) -> String {
    let spent = scheduler.spent();
    let reason = scheduler.budget_reason().unwrap_or_default();
    if reason.contains("token") {
        format!("tokens={}", (spent.usage.tokens() * 2).max(1000))
    } else if reason.contains("agent") {
        format!("agents={}", (spent.agents * 2).max(2))
    } else if reason.contains('$') {
        format!("usd={}", (spent.usage.usd_micros * 2 / 1_000_000).max(1))
    } else {
        format!("time={}s", (spent.busy_ms * 2 / 1000).max(60))
    }
}

/// The step where the failure began.
fn failed_step(scheduler: &Scheduler) -> Option<String> {
    let cause = scheduler.ended()?.cause.as_ref()?;
    cause.step.as_ref().map(|step| step.as_str().to_owned())
}

fn step_status(view: &StepView<'_>) -> StepStatus {
    StepStatus {
        id: view.path.as_str().to_owned(),
        status: view.state,
        container: view.step.work.is_container(),
        attempts: view.history.iter().filter(|record| record.purpose == Purpose::Work).count(),
        gates: view.step.gates.iter().enumerate().map(|(place, gate)| gate_status(view, place, gate)).collect(),
        reason: view.cause.map(|cause| cause.reason.clone()).unwrap_or_default(),
        summary: view.summary.to_owned(),
        started: view.history.first().map(|record| record.started),
        ended: view.history.last().and_then(|record| record.ended),
        history: view
            .history
            .iter()
            .map(|record| AttemptStatus {
                id: format!("{}-{}", view.instance.0, record.number),
                purpose: purpose_word(record.purpose),
                end: end_word(record.end),
                reason: record.reason.to_string(),
                started: record.started,
                ended: record.ended,
            })
            .collect(),
    }
}

fn gate_status(view: &StepView<'_>, place: usize, gate: &crate::plan::PlanGate) -> GateStatus {
    let judged: Vec<_> = view
        .history
        .iter()
        .filter(|record| matches!(record.purpose, Purpose::Gate(other) if usize::from(other) == place))
        .collect();
    let last = judged.last();
    GateStatus {
        gate: gate_words(gate),
        verdict: last.map_or("none", |record| end_word(record.end)),
        failed_before: judged
            .iter()
            .rev()
            .skip(1)
            .filter(|record| record.end == AttemptEnd::Judged(Verdict::Fail))
            .count(),
        reason: last.map(|record| record.reason.to_string()).unwrap_or_default(),
    }
}

fn purpose_word(purpose: Purpose) -> String {
    match purpose {
        Purpose::Work => "work".to_owned(),
        Purpose::Gate(place) => format!("gate {}", place + 1),
        Purpose::Fix => "fix".to_owned(),
        Purpose::Reconcile => "reconcile".to_owned(),
        Purpose::Override => "override".to_owned(),
    }
}
