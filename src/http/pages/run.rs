//! One run: why it waits, its steps with their times, what can be done; and the log of an attempt.

use serde_json::{Value, json};

use crate::{
    base::{Timestamp, dollars},
    http::{
        ask::{Answer, Ask},
        pages::{
            runs::took,
            shell::{Page, draw, in_query},
            tabs::tabs,
        },
        problem::Problem,
    },
    scheduler::StepState,
    service::{AttemptStatus, Status, StepStatus, Waiting, now, serve::Position},
};

/// Steps that are drawn; of a larger run those that matter most.
const STEPS_MAX: usize = 400;
/// Attempts of a step that are drawn.
const ATTEMPTS_MAX: usize = 20;
/// What an attempt has said, and the files that hold it.
const STREAMS: [(&str, &str); 3] = [("stdout", "stdout.log"), ("stderr", "stderr.log"), ("answer", "answer.txt")];

pub(in crate::http) fn run(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let id = ask.run()?;
    let place = ask.app.place_of(&id)?;
    let standing = place.standing(&id)?;
    let status = &*standing.status;
    let end = status.ended.unwrap_or_else(now);
    let shown = shown(&status.steps);
    let steps: Vec<_> = shown.iter().map(|step| step_of(step, status.started, end)).collect();
    let outputs = status.outputs.iter().map(|(name, value)| {
        let text =
            value.as_str().map_or_else(|| serde_json::to_string_pretty(value).unwrap_or_default(), str::to_owned);
        json!({ "name": name, "value": text })
    });
    let parked =
        status.parked.iter().map(|one| format!("{} takes nothing until {}: {}", one.runtime, one.until, one.reason));
    let values = json!({
        "now": {
            "id": status.id, "workflow": status.workflow, "status": status.status, "cause": status.cause, "next": status.next,
        },
        "tabs": tabs(&status.id, "run", None)?,
        "cause_anchor": status.cause.as_ref().and_then(|cause| Some(anchor(cause.step.as_ref()?.as_str()))),
        "took": took(status.started, status.ended),
        "cost": (status.spent.agents > 0).then(|| dollars(status.spent.usage.usd_micros)),
        "counts": counts(status),
        "waiting": status.waiting_for.iter().map(|one| waiting(one, status)).collect::<Vec<_>>(),
        "parked": parked.collect::<Vec<_>>(),
        "steps": steps,
        "outputs": outputs.collect::<Vec<_>>(),
        "is_live": status.ended.is_none(),
        "can_retry": status.ended.is_some() && status.status != "succeeded",
    });
    // Ids are plain characters; what follows is only what the page does not show yet.
    let live =
        status.ended.is_none().then(|| format!("/api/v1/runs/{id}/events?after={}", Position::behind(standing.tag.0)));
    draw(ask, &Page { view: "run", title: format!("{} {id}", status.workflow), live }, &values)
}

/// How many steps stand how.
fn counts(status: &Status) -> String {
    let count = |state: StepState| status.steps.iter().filter(|step| !step.container && step.status == state).count();
    let words = [StepState::Succeeded, StepState::Failed, StepState::Running, StepState::Asking, StepState::Waiting];
    let words = words.map(|state| (count(state), state.word()));
    let words: Vec<_> =
        words.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    words.join(", ")
}

/// All steps of a small run; of a large one first those that failed, wait, or go on.
fn shown(steps: &[StepStatus]) -> Vec<&StepStatus> {
    if steps.len() <= STEPS_MAX {
        return steps.iter().collect();
    }
    let matters =
        |step: &&StepStatus| !matches!(step.status, StepState::Succeeded | StepState::Waiting | StepState::Skipped);
    let mut shown: Vec<_> = steps.iter().filter(matters).take(STEPS_MAX).collect();
    let rest = STEPS_MAX - shown.len();
    shown.extend(steps.iter().filter(|step| !matters(step)).take(rest));
    shown
}

fn waiting(one: &Waiting, status: &Status) -> Value {
    let mut value = serde_json::to_value(one).unwrap_or_default();
    let form = one.form.as_ref();
    let required = form.and_then(|form| form["required"].as_array());
    let fields = form.and_then(|form| form["properties"].as_object()).into_iter().flatten().map(|(name, schema)| {
        json!({
            "name": name, "kind": schema["type"].as_str().unwrap_or("string"), "choices": schema["enum"],
            "required": required.is_none_or(|all| all.iter().any(|other| other == name)),
        })
    });
    value["fields"] = json!(fields.collect::<Vec<_>>());
    value["next"] = json!(status.next);
    value["step_query"] = json!(one.step.as_deref().map(in_query));
    value
}

fn step_of(step: &StepStatus, start: Timestamp, end: Timestamp) -> Value {
    let attempts = &step.history[step.history.len().saturating_sub(ATTEMPTS_MAX)..];
    let before = &step.history[..step.history.len() - attempts.len()];
    let mut works = before.iter().filter(|attempt| attempt.purpose == "work").count();
    let links = attempts.iter().map(|attempt| {
        works += usize::from(attempt.purpose == "work");
        let name = if attempt.purpose == "work" { format!("log {works}") } else { attempt.purpose.clone() };
        json!({ "id": attempt.id, "name": name, "title": format!("{}: {} {}", attempt.purpose, attempt.end, attempt.reason) })
    });
    // What a person has said to a question that is the step itself.
    let said = step.history.last().filter(|attempt| attempt.purpose == "work" && step.reason.is_empty());
    json!({
        "said": said.map(|attempt| &attempt.reason),
        "id": step.id, "query": in_query(&step.id), "name": step.id.rsplit('/').next(), "anchor": anchor(&step.id),
        "depth": step.id.matches('/').count().min(4), "status": step.status.word(), "summary": step.summary,
        "reason": step.reason, "gates": step.gates.iter().filter(|gate| gate.verdict != "none").collect::<Vec<_>>(),
        "took": step.started.map(|from| took(from, step.ended)), "attempts": links.collect::<Vec<_>>(),
        "agent": attempts.iter().rev().find(|attempt| attempt.purpose == "work").map(|attempt| attempt.id.as_str()),
        "changed": step.status == StepState::Succeeded && !step.container,
        "lane_height": 10 * attempts.len().max(1),
        "bars": attempts.iter().enumerate().map(|(lane, attempt)| bar(attempt, lane, start, end)).collect::<Vec<_>>(),
    })
}

/// The place of a step on the page of its run.
fn anchor(step: &str) -> String {
    format!("s-{}", in_query(step).replace('%', "-"))
}

/// The bar of an attempt on a line of a thousand units.
fn bar(attempt: &AttemptStatus, lane: usize, start: Timestamp, end: Timestamp) -> Value {
    let whole = end.0.saturating_sub(start.0).max(1);
    let at = |time: Timestamp| time.0.saturating_sub(start.0).min(whole) * 1_000 / whole;
    let (from, to) = (at(attempt.started), at(attempt.ended.unwrap_or(end)));
    let kind = match attempt.end {
        "succeeded" | "pass" => "good",
        "failed" | "fail" | "error" | "lost" => "bad",
        "stopped" => "wait",
        _ => "work",
    };
    json!({
        "x": from, "y": lane * 10 + 1, "width": (to - from).max(4), "kind": kind,
        "title": format!("{}: {}, {}", attempt.purpose, attempt.end, took(attempt.started, attempt.ended)),
    })
}

pub(in crate::http) fn log(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let standing = ask.app.place_of(&run)?.standing(&run)?;
    let attempt = ask.text("attempt").unwrap_or_default();
    let stream = ask.text("stream").unwrap_or("stdout");
    let step = standing.status.steps.iter().find(|step| step.history.iter().any(|one| one.id == attempt));
    let file = STREAMS.iter().find(|(name, _)| *name == stream).map(|(_, file)| file);
    let values = json!({
        "run": run, "attempt": attempt, "tabs": tabs(run.as_str(), "log", Some(attempt))?, "stream": stream, "file": file,
        "step": step.map(|step| &step.id), "streams": STREAMS.map(|(name, _)| name),
    });
    draw(ask, &Page { view: "log", title: format!("Log {run} {attempt}"), live: None }, &values)
}
