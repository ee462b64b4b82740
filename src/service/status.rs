//! Where a run stands, why it waits, and which command moves it: the same facts for text and JSON.

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{RunId, Timestamp, Verdict},
    driver::{CacheUse, Loaded, cache_use, end_word, exit_code, gate_words, status_word},
    journal::Owner,
    plan::Work,
    scheduler::{AttemptEnd, AttemptId, Cause, CauseKind, Purpose, Scheduler, Spent, StepState, StepView, WaitingFor},
    service::{refusal::Refusal, runs::Runs},
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
    /// The run that it is a fork of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<ForkStatus>,
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
    /// Runtimes that take nothing for a while. The run goes on by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<Parked>,
    /// Commands that move it, the likeliest first; each works as it stands.
    pub next: Vec<String>,
    /// The command that goes on after a decision, where no process drives the run.
    pub then: Option<String>,
    /// What was spent.
    pub spent: Spent,
    /// What the step cache was to it; absent where it was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheUse>,
    /// The outputs of a run that succeeded.
    pub outputs: serde_json::Map<String, Value>,
    /// All steps that exist so far.
    pub steps: Vec<StepStatus>,
}

/// What a run is a fork of.
#[derive(Debug, Clone, Serialize)]
pub struct ForkStatus {
    /// The other run.
    pub run: String,
    /// The step from which on everything is done again.
    pub from: String,
}

/// A runtime that takes nothing for a while.
#[derive(Debug, Clone, Serialize)]
pub struct Parked {
    /// Which.
    pub runtime: String,
    /// When it is asked again.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Attempts that stand in line for it.
    pub waiting: usize,
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
    /// Whether it is about files, which `orch diff RUN STEP` shows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reviewed: bool,
    /// The digest of what is shown; a decision may name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether it can be pushed back with comments.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pushback: bool,
    /// The schema of the fields that must be filled in, where it is a form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
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
    /// By whose word it worked without limits, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
}

impl Runs {
    /// Where a run stands; a run without an owner as its next owner would find it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn standing(&self, run: &RunId) -> Result<Status, Refusal> {
        let owner = self.owner(run)?;
        let loaded = if owner.is_some() { self.load(run, |_, _, _| {})? } else { self.as_restarted(run)? };
        Ok(status(&loaded, owner))
    }
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
        next: next(&id, word, &waiting, loaded),
        then: (owner.is_none() && waiting.iter().any(|one| matches!(one, WaitingFor::Decision { .. })))
            .then(|| format!("orch resume {id}")),
        workflow: loaded.summary.workflow.clone(),
        fork_of: scheduler.fork_of().map(|fork| ForkStatus { run: fork.run.to_string(), from: fork.from.clone() }),
        status: word.to_owned(),
        started: loaded.summary.started,
        ended: scheduler.ended().map(|end| end.at),
        exit_code: scheduler.ended().map(exit_code),
        cause: scheduler.ended().and_then(|end| end.cause.clone()),
        owner: owner.map(|owner| owner.pid),
        waiting_for: waiting.iter().map(|one| waiting_status(scheduler, one)).collect(),
        parked: parked(scheduler),
        spent: scheduler.spent(),
        cache: cache_use(scheduler),
        outputs: scheduler.ended().map(|end| end.outputs.clone()).unwrap_or_default(),
        steps: scheduler.views().iter().map(step_status).collect(),
        id,
    }
}

fn parked(scheduler: &Scheduler) -> Vec<Parked> {
    let held = scheduler.paces().into_iter().filter(|_| scheduler.ended().is_none());
    let parked = held.filter_map(|pace| {
        Some(Parked { until: pace.until?, runtime: pace.runtime, reason: pace.reason, waiting: pace.waiting })
    });
    parked.collect()
}

fn waiting_status(scheduler: &Scheduler, waiting: &WaitingFor) -> Waiting {
    let plain = |kind: &'static str, step: Option<String>, about: String| Waiting {
        kind,
        step,
        about,
        reviewed: false,
        subject: None,
        pushback: false,
        form: None,
    };
    match waiting {
        WaitingFor::Decision { attempt, step, shown, subject } => {
            let planned = scheduler.plan_step(attempt.instance).1;
            Waiting {
                reviewed: scheduler.question(attempt.instance).is_some_and(|question| question.review.is_some()),
                subject: Some(subject.as_str().to_owned()),
                pushback: scheduler.no_pushback(attempt.instance).is_none(),
                form: planned.output.clone().filter(|_| matches!(planned.work, Work::Ask { .. })),
                ..plain("decision", Some(step.as_str().to_owned()), shown.clone())
            }
        }
        WaitingFor::Outcome { step, .. } => plain(
            "outcome",
            Some(step.as_str().to_owned()),
            "it started, and orch ended before it did: nobody knows whether it was done".to_owned(),
        ),
        WaitingFor::Budget { reason } => plain("budget", None, reason.clone()),
    }
}

/// The commands that move a run, the likeliest first.
fn next(id: &str, word: &str, waiting: &[WaitingFor], loaded: &Loaded) -> Vec<String> {
    let scheduler = &loaded.scheduler;
    let mut next = Vec::new();
    for one in waiting {
        match one {
            WaitingFor::Decision { attempt, step, .. } => {
                let step = quote(step.as_str());
                next.push(format!("orch approve {id} {step}{}", fields(scheduler, *attempt)));
                next.push(format!("orch reject {id} {step} --comment WHY"));
                if scheduler.no_pushback(attempt.instance).is_none() {
                    next.push(format!("orch pushback {id} {step} --comment 'PATH:LINE: WHAT'"));
                }
            }
            WaitingFor::Outcome { step, .. } => {
                let step = quote(step.as_str());
                for answer in ["retry", "done", "failed"] {
                    next.push(format!("orch resume {id} --step {step} --as {answer}"));
                }
            }
            WaitingFor::Budget { .. } => next.push(format!("orch resume {id} --budget {}", raised(scheduler))),
        }
    }
    match word {
        "interrupted" => next.push(format!("orch resume {id}")),
        "running" => next.push(format!("orch watch {id}")),
        "failed" | "cancelled" => after_end(&mut next, id, loaded),
        _ => {}
    }
    next
}

/// What helps after an end that is no success depends on why it ended so.
fn after_end(next: &mut Vec<String>, id: &str, loaded: &Loaded) {
    let Some(end) = loaded.scheduler.ended() else { return };
    let retry = format!("orch retry {id} --failed");
    let cause = end.cause.as_ref();
    if let Some(step) = cause.and_then(|cause| cause.step.as_ref()).filter(|step| has_begun(loaded, step.as_str())) {
        next.push(format!("orch logs {id} {}", quote(step.as_str())));
    }
    match cause.map(|cause| cause.kind) {
        Some(CauseKind::Budget) => next.push(format!("{retry} --budget {}", raised(&loaded.scheduler))),
        Some(CauseKind::Missing) => {
            next.insert(0, "orch doctor".to_owned());
            next.push(retry);
        }
        // The run keeps its plan: only a new run sees what was corrected.
        Some(CauseKind::Evaluation | CauseKind::Stopped) => {
            next.push(format!("orch show {}", quote(&loaded.summary.workflow)));
        }
        Some(
            CauseKind::Step
            | CauseKind::Gate
            | CauseKind::Rejected
            | CauseKind::TimedOut
            | CauseKind::Unavailable
            | CauseKind::Cancelled,
        )
        | None => next.push(retry),
    }
}

fn has_begun(loaded: &Loaded, step: &str) -> bool {
    loaded.scheduler.views().iter().any(|view| view.path.as_str() == step && !view.history.is_empty())
}

fn quote(word: &str) -> String {
    shell_words::quote(word).into_owned()
}

/// ` --set NAME=VALUE` for every field of a form, each with a value that the form takes.
fn fields(scheduler: &Scheduler, attempt: AttemptId) -> String {
    let step = scheduler.plan_step(attempt.instance).1;
    let (Work::Ask { .. }, Some(schema)) = (&step.work, &step.output) else { return String::new() };
    let properties = schema["properties"].as_object();
    let wanted = |name: &str| {
        schema["required"].as_array().is_none_or(|required| required.iter().any(|other| other.as_str() == Some(name)))
    };
    let field = |(name, schema): (&String, &Value)| {
        format!(
            " --set {}",
            quote(&format!("{name}={}", sample(schema).map_or("TEXT".to_owned(), |it| it.to_string())))
        )
    };
    properties.into_iter().flatten().filter(|(name, _)| wanted(name)).map(field).collect()
}

/// A value that fits a simple schema; `None` stands for any text.
fn sample(schema: &Value) -> Option<Value> {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return Some(first.clone());
    }
    match schema["type"].as_str()? {
        "integer" | "number" => Some(schema.get("minimum").cloned().unwrap_or_else(|| 1.into())),
        "boolean" => Some(true.into()),
        "array" => Some(Value::Array(vec![])),
        "object" => Some(Value::Object(serde_json::Map::new())),
        _ => None,
    }
}

/// A budget that would let the run go on: twice what was spent.
fn raised(scheduler: &Scheduler) -> String {
    let spent = scheduler.spent();
    let reason = match scheduler.ended() {
        Some(end) => end.cause.as_ref().map_or("", |cause| cause.reason.as_str()),
        None => scheduler.budget_reason().unwrap_or_default(),
    };
    if reason.contains("token") {
        format!("tokens={}", (spent.usage.tokens() * 2).max(1000))
    } else if reason.contains("agent") {
        format!("agents={}", (spent.agents * 2).max(2))
    } else if reason.contains('$') {
        format!("usd={}", (spent.usage.usd_micros * 2).div_ceil(1_000_000).max(1))
    } else {
        format!("time={}s", (spent.busy_ms * 2 / 1000).max(60))
    }
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
                danger: record.danger.as_deref().map(str::to_owned),
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
        Purpose::Take => "take".to_owned(),
    }
}
