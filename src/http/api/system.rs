//! The server itself: whether it is alive and ready, how busy it is, what it counts.

use axum::http::StatusCode;
use serde_json::json;

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
    service::{RunQuery, serve::figures},
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
    let workers = ask.app.workers();
    let body = json!({ "projects": projects, "workers": workers.busy(), "workers_used": workers.used_share() });
    Answer::json(&body)
}
