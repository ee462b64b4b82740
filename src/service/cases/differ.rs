//! Compares what a case expects with how its run has ended.

use serde_json::Value;

use crate::{
    definition::cases::{Case, Stands, Verdict},
    plan::Plan,
    scheduler::StepState,
    service::{
        cases::{
            drive::Ended,
            names::{Named, named, static_path},
            report::Difference,
        },
        status::{Status, StepStatus, status},
    },
};

/// The longest value that is shown, in characters.
const SHOWN_MAX: usize = 200;

/// All that is not as expected, the most telling first: how the run ends, then steps, gates, attempts and outputs.
pub(super) fn differences(plan: &Plan, case: &Case, ended: &Ended) -> Vec<Difference> {
    let status = status(&ended.loaded, None);
    let (expect, mut found) = (&case.expect, Vec::new());
    if let Some(outcome) = expect.outcome.filter(|outcome| outcome.word() != status.status) {
        found.push(difference("outcome", outcome.word(), &status.status, why(&status)));
    }
    if let Some(exit) = expect.exit.filter(|exit| *exit != u32::from(ended.exit)) {
        found.push(difference("exit", &exit.to_string(), &ended.exit.to_string(), why(&status)));
    }
    for (key, stands) in &expect.steps {
        let steps = of(&status, &key.value);
        if let Some(other) = steps.iter().find(|step| !is(*stands, step.status)) {
            found.push(difference(&format!("steps.{}", other.id), stands.word(), other.status.word(), reason(other)));
        } else if steps.is_empty() {
            // What was never begun has no place in the run.
            if !matches!(stands, Stands::Skipped | Stands::Cancelled) {
                found.push(difference(&format!("steps.{}", key.value), stands.word(), "not reached", why(&status)));
            }
        }
    }
    for (key, verdict) in &expect.gates {
        found.extend(gate(plan, &status, &key.value, *verdict));
    }
    for (key, attempts) in &expect.attempts {
        let steps = of(&status, &key.value);
        let is = |path: &&String| **path == *key.value || static_path(path) == key.value;
        let all = ended.tries.iter().filter(is).count();
        if u32::try_from(all).ok() != Some(*attempts) {
            let evidence = steps.iter().map(|step| reason(step)).find(|text| !text.is_empty()).unwrap_or_default();
            found.push(difference(
                &format!("attempts.{}", key.value),
                &attempts.to_string(),
                &all.to_string(),
                evidence,
            ));
        }
    }
    for (name, value) in &expect.outputs {
        let other = status.outputs.get(name);
        if other != Some(value) {
            let other = other.map_or("nothing".to_owned(), Value::to_string);
            found.push(difference(&format!("outputs.{name}"), &value.to_string(), &other, why(&status)));
        }
    }
    found
}

/// The steps that a path stands for: exactly that one, or all items and rounds of it.
fn of<'s>(status: &'s Status, path: &str) -> Vec<&'s StepStatus> {
    let exact: Vec<_> = status.steps.iter().filter(|step| step.id == path).collect();
    if exact.is_empty() { status.steps.iter().filter(|step| static_path(&step.id) == path).collect() } else { exact }
}

fn is(stands: Stands, state: StepState) -> bool {
    match stands {
        Stands::Succeeded => state == StepState::Succeeded,
        Stands::Failed => state == StepState::Failed,
        Stands::Skipped => state == StepState::Skipped,
        Stands::Cancelled => state == StepState::Cancelled,
        Stands::Waiting => {
            matches!(state, StepState::Waiting | StepState::Asking | StepState::Sleeping | StepState::Unknown)
        }
    }
}

/// The verdict of a step's gates together: all must pass; or of the one that is named.
fn gate(plan: &Plan, status: &Status, key: &str, verdict: Verdict) -> Option<Difference> {
    let (path, place) = match named(plan, &static_path(key))? {
        Named::Gate(_, place) => (key.rsplit_once('/').map_or(key, |(path, _)| path), Some(place)),
        Named::Step(_) | Named::Fixer(_) => (key, None),
    };
    let about = format!("gates.{key}");
    let steps = of(status, path);
    let judged: Vec<_> = steps
        .iter()
        .flat_map(|step| step.gates.iter().enumerate())
        .filter(|(number, _)| place.is_none_or(|place| place == *number))
        .map(|(_, gate)| gate)
        .collect();
    let other = match verdict {
        Verdict::Pass => judged.iter().find(|gate| gate.verdict != "pass"),
        Verdict::Fail | Verdict::Error if judged.iter().any(|gate| gate.verdict == verdict.word()) => None,
        Verdict::Fail | Verdict::Error => judged.last(),
    };
    match other {
        Some(gate) => {
            let evidence = if gate.reason.is_empty() { gate.gate.clone() } else { gate.reason.clone() };
            Some(difference(&about, verdict.word(), gate.verdict, evidence))
        }
        None if judged.is_empty() => Some(difference(&about, verdict.word(), "not reached", why(status))),
        None => None,
    }
}

fn why(status: &Status) -> String {
    let Some(cause) = &status.cause else {
        return status.waiting_for.iter().map(|one| one.about.as_str()).collect::<Vec<_>>().join("; ");
    };
    match &cause.step {
        Some(step) => format!("{}: {}", step.as_str(), cause.reason),
        None => cause.reason.clone(),
    }
}

fn reason(step: &StepStatus) -> String {
    if step.reason.is_empty() { step.summary.clone() } else { step.reason.clone() }
}

fn difference(about: &str, expected: &str, found: &str, evidence: String) -> Difference {
    Difference { about: about.to_owned(), expected: shown(expected), found: shown(found), evidence: shown(&evidence) }
}

fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
