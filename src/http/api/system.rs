//! The server itself: whether it is alive, ready and well, how busy it is, what it counts.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    http::{
        api::{
            decisions::waiting,
            runs::{limit, places},
        },
        ask::{Answer, Ask},
        problem::Problem,
        spec,
    },
    service::{RunQuery, audit_head, doctor, serve::figures, verify_audit},
};

pub(in crate::http) fn live(_: &Ask<'_>) -> Result<Answer, Problem> {
    Answer::json(&json!({ "status": "ok" }))
}

pub(in crate::http) fn ready(ask: &Ask<'_>) -> Result<Answer, Problem> {
    if ask.app.is_ready() {
        return Answer::json(&json!({ "status": "ready" }));
    }
    let help = "GET /api/v1/health says what is wrong";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "E0620", "the server is not ready", help))
}

/// Everything that must be well: the doctor's checks of each project, the workers, the queue, the open decisions.
pub(in crate::http) fn health(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let busy = ask.app.workers().busy();
    let projects = ask.app.looked(|| checked(ask))?;
    let all_well = projects.as_array().is_some_and(|all| all.iter().all(|one| one["well"] == true));
    let is_well = ask.app.is_ready() && busy.queued < busy.queue_max && all_well;
    let mut decisions = Vec::new();
    for place in ask.app.places() {
        decisions.push(json!({ "project": place.name(), "waiting": waiting([place])? }));
    }
    let body = json!({
        "well": is_well, "version": env!("CARGO_PKG_VERSION"), "uptime_s": ask.app.uptime_s(), "workers": busy,
        "projects": projects, "decisions": decisions,
    });
    Ok(Answer::json(&body)?.status(if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }))
}

/// The doctor's checks of each project.
fn checked(ask: &Ask<'_>) -> Result<Value, Problem> {
    let mut projects = Vec::new();
    for place in ask.app.places() {
        let checked = place.with(|project| doctor(Ok(project), ask.app.environment(), place.program()));
        projects.push(match checked {
            Ok(health) => json!({ "project": place.name(), "well": health.is_well(), "checks": health.checks }),
            Err(fault) => {
                json!({ "project": place.name(), "well": false, "fault": Problem::from(fault).to_json() })
            }
        });
    }
    Ok(Value::Array(projects))
}

pub(in crate::http) fn openapi(_: &Ask<'_>) -> Result<Answer, Problem> {
    Answer::json(&spec::openapi())
}

pub(in crate::http) fn projects(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let line =
        |place: &std::sync::Arc<crate::service::serve::Place>| json!({ "name": place.name(), "folder": place.root() });
    Answer::json(&json!({ "projects": ask.app.places().iter().map(line).collect::<Vec<_>>() }))
}

pub(in crate::http) fn status(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let live = RunQuery { live: true, ..RunQuery::default() };
    let mut projects = Vec::new();
    for place in ask.app.places() {
        let running = place.list(&live, 10_000)?.runs;
        let count = |word: &str| running.iter().filter(|run| run.status == word).count();
        projects.push(json!({
            "project": place.name(), "running": count("running"), "waiting": count("waiting"),
            "interrupted": count("interrupted"), "decisions": waiting([place])?.len(),
        }));
    }
    Answer::json(&json!({
        "version": env!("CARGO_PKG_VERSION"), "uptime_s": ask.app.uptime_s(), "ready": ask.app.is_ready(),
        "workers": ask.app.workers().busy(), "projects": projects,
    }))
}

pub(in crate::http) fn prometheus(ask: &Ask<'_>) -> Result<Answer, Problem> {
    Ok(Answer::bytes("text/plain; version=0.0.4; charset=utf-8", ask.app.metrics().text(ask.app)))
}

pub(in crate::http) fn analytics(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let limit = limit(ask, 100);
    let mut projects = Vec::new();
    for place in places(ask)? {
        projects.push(json!({ "project": place.name(), "figures": figures(place, limit)? }));
    }
    Answer::json(&json!({ "projects": projects, "workers": ask.app.workers().busy() }))
}

pub(in crate::http) fn audit(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let mut projects = Vec::new();
    for place in places(ask)? {
        let checked = place.with(|project| (verify_audit(project, None), audit_head(project)))?;
        let line = match checked {
            (Ok(_), Ok(head)) => {
                json!({ "project": place.name(), "whole": true, "entries": head.count, "head": head.head })
            }
            (Err(refusal), _) | (_, Err(refusal)) => {
                json!({ "project": place.name(), "whole": false, "problem": Problem::from(refusal).to_json() })
            }
        };
        projects.push(line);
    }
    Answer::json(&json!({ "projects": projects }))
}
