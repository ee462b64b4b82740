//! A run as a graph and as a timeline: a frame for the script, which asks for the picture once and then follows events.

use serde_json::json;

use crate::http::{
    ask::{Answer, Ask},
    pages::{
        shell::{Page, draw},
        tabs::tabs,
    },
    problem::Problem,
};

pub(in crate::http) fn graph(ask: &Ask<'_>) -> Result<Answer, Problem> {
    page(ask, "graph", "Graph")
}

pub(in crate::http) fn timeline(ask: &Ask<'_>) -> Result<Answer, Problem> {
    page(ask, "timeline", "Timeline")
}

fn page(ask: &Ask<'_>, view: &'static str, name: &str) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let summary = ask.app.place_of(&run)?.summary(&run)?;
    let (workflow, status) = summary.map(|summary| (summary.workflow, summary.status)).unwrap_or_default();
    let values = json!({
        "run": run, "workflow": workflow, "status": status, "tabs": tabs(run.as_str(), view, None)?,
    });
    draw(ask, &Page { view, title: format!("{name} of {workflow} {run}"), live: None }, &values)
}
