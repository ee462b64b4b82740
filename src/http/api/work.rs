//! Work as other systems hand it in: a task, a requirement; and what is being worked on.

use serde_json::{Value, json};

use crate::{
    http::{
        api::runs::{begin, limit, places, start_schema},
        ask::{Answer, Ask},
        problem::Problem,
        spec,
    },
    service::{RunQuery, offers},
};

/// The workflow that takes a task where nobody names one.
const STANDARD: &str = "new-project";
/// Runs whose steps are listed.
const RUNS_MAX: usize = 200;

fn task() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 100_000 })
}

pub(in crate::http) fn orchestrate_body() -> Value {
    start_schema(&[("task", task()), ("workflow", spec::name())], &["task"])
}

pub(in crate::http) fn orchestrate(ask: &Ask<'_>) -> Result<Answer, Problem> {
    hand_in(ask, "task")
}

pub(in crate::http) fn requirements_body() -> Value {
    start_schema(&[("requirement", task()), ("workflow", spec::name())], &["requirement"])
}

pub(in crate::http) fn requirements(ask: &Ask<'_>) -> Result<Answer, Problem> {
    hand_in(ask, "requirement")
}

/// Starts the workflow with the text as its first word.
fn hand_in(ask: &Ask<'_>, field: &str) -> Result<Answer, Problem> {
    let name = match ask.said("workflow") {
        Some(name) => name.to_owned(),
        None => standard(ask)?,
    };
    begin(ask, &name, vec![ask.said(field).unwrap_or_default().to_owned()])
}

/// The only workflow of the project that takes a word; else the one that comes with `orch`.
fn standard(ask: &Ask<'_>) -> Result<String, Problem> {
    let place = ask.app.place(ask.said("project"))?;
    let (offered, _) = place.with(|project| offers(project, STANDARD, 10))?;
    let found = offered.into_iter().map(|offer| offer.name).find(|name| name.trim_start_matches('/') == STANDARD);
    found.ok_or_else(|| Problem::field(format!("`workflow` is missing, and this project has no `{STANDARD}`")))
}

pub(in crate::http) fn tasks(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let limit = limit(ask, 200);
    let live = RunQuery { live: true, ..RunQuery::default() };
    let mut tasks = Vec::new();
    for place in places(ask)? {
        for run in place.list(&live, RUNS_MAX)?.runs {
            let standing = place.standing(&run.run)?;
            for step in standing.status.steps.iter().filter(|step| !step.container) {
                tasks.push(json!({
                    "project": place.name(), "run": run.run, "workflow": run.workflow, "step": step.id,
                    "status": step.status, "attempts": step.attempts, "started": step.started, "ended": step.ended,
                }));
            }
        }
    }
    let left_out = tasks.len().saturating_sub(limit);
    tasks.truncate(limit);
    Answer::json(&json!({ "tasks": tasks, "left_out": left_out }))
}
