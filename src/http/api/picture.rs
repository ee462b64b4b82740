//! A run as pictures and as tables: its graph, its times, its attempts, what it brought back.

use serde_json::Value;

use crate::http::{
    ask::{Answer, Ask},
    problem::Problem,
};

/// The picture of the plan: the same for every state of the run, so that it is asked for once.
pub(in crate::http) fn graph(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let graph = ask.app.place_of(&run)?.graph(&run, ask.text("toggled").unwrap_or_default())?;
    Ok(Answer::json(&graph)?.tagged(ask, &graph.tag()))
}

pub(in crate::http) fn timeline(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let standing = ask.app.place_of(&run)?.standing(&run)?;
    let tag = format!("{}-{}", standing.tag.0, standing.tag.1.unwrap_or_default());
    Ok(Answer::json(&*standing.timeline)?.tagged(ask, &tag))
}

/// What an attempt was asked and what it did, as JSON.
pub(in crate::http) fn attempt_of(ask: &Ask<'_>) -> Result<Value, Problem> {
    let (run, attempt) = (ask.run()?, ask.text("attempt").unwrap_or_default());
    let found = ask.app.place_of(&run)?.agent(&run, attempt)?;
    let found = found.ok_or_else(|| {
        Problem::missing(format!("run {run} has no attempt {attempt}"), format!("GET /api/v1/runs/{run}/steps"))
    })?;
    Ok(serde_json::to_value(&found).unwrap_or_default())
}

pub(in crate::http) fn agent(ask: &Ask<'_>) -> Result<Answer, Problem> {
    Answer::json(&attempt_of(ask)?)
}

pub(in crate::http) fn outputs(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    Answer::json(&ask.app.place_of(&run)?.lineage(&run)?)
}
