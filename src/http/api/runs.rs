//! Runs: list, start, look, cancel, resume, retry, roll back, cost.

use axum::http::{HeaderName, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    base::RunId,
    http::{
        api::audit::since,
        ask::{Answer, Ask, run_id},
        problem::Problem,
        spec,
    },
    scheduler::{Answer as Outcome, Strength},
    service::{
        BudgetWish, COST_VERSION, RunQuery, RunSummary, Target,
        serve::{Asked, Place, SpentBy, Started, spending},
    },
};

/// Runs of a page where nobody says.
const PAGE: u64 = 50;
/// Runs whose costs are listed at most.
const COSTS_MAX: usize = 200;

/// A run as lists show it.
pub(in crate::http) fn line(place: &Place, run: &RunSummary) -> Value {
    json!({
        "id": run.run, "project": place.name(), "workflow": run.workflow, "status": run.status,
        "started": run.started, "ended": run.ended, "waiting_for": run.waiting_for, "exit_code": run.exit_code,
    })
}

/// The projects that a request is about.
pub(in crate::http) fn places<'a>(ask: &'a Ask<'_>) -> Result<Vec<&'a std::sync::Arc<Place>>, Problem> {
    match ask.text("project").filter(|name| !name.is_empty()) {
        Some(name) => Ok(vec![ask.app.place(Some(name))?]),
        None => Ok(ask.app.places().iter().collect()),
    }
}

pub(in crate::http) fn limit(ask: &Ask<'_>, standard: u64) -> usize {
    usize::try_from(ask.count("limit").unwrap_or(standard)).unwrap_or(usize::MAX)
}

/// Where each project's part of the list goes on: `NAME.RUN` would not do, as names may hold anything; so the runs alone.
fn cursors(ask: &Ask<'_>) -> Result<Vec<RunId>, Problem> {
    let text = ask.text("cursor").unwrap_or_default();
    text.split('-').filter(|part| !part.is_empty()).map(run_id).collect()
}

/// A page of the list, and where the next one begins.
pub(in crate::http) type RunPage<'a> = (Vec<(&'a std::sync::Arc<Place>, RunSummary)>, Option<String>);

/// The page that a request asks for.
pub(in crate::http) fn page_of<'a>(ask: &'a Ask<'_>) -> Result<RunPage<'a>, Problem> {
    let (limit, cursors, places) = (limit(ask, PAGE), cursors(ask)?, places(ask)?);
    let mut found = Vec::new();
    let mut more = false;
    for place in places {
        let mut after = None;
        for cursor in &cursors {
            if place.has(cursor)? {
                after = Some(cursor.clone());
            }
        }
        // A project of which the page before had shown nothing begins at its first run.
        let wanted = RunQuery {
            status: ask.text("status").filter(|word| !word.is_empty()).map(str::to_owned),
            workflow: ask.text("workflow").filter(|word| !word.is_empty()).map(str::to_owned),
            live: false,
            after,
        };
        let page = place.list(&wanted, limit)?;
        more |= page.more;
        found.extend(page.runs.into_iter().map(|run| (place, run)));
    }
    found.sort_by_key(|(_, run)| std::cmp::Reverse(run.started));
    more |= found.len() > limit;
    found.truncate(limit);
    let next = more.then(|| next(&found, &cursors));
    Ok((found, next))
}

pub(in crate::http) fn list(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (found, next) = page_of(ask)?;
    let runs: Vec<_> = found.iter().map(|(place, run)| line(place, run)).collect();
    Answer::json(&json!({ "runs": runs, "next": next }))
}

/// The last run of each project on the page; of projects without one, where they stood before.
fn next(found: &[(&std::sync::Arc<Place>, RunSummary)], before: &[RunId]) -> String {
    let mut last: Vec<(&str, &RunId)> = Vec::new();
    for (place, run) in found {
        last.retain(|(name, _)| *name != place.name());
        last.push((place.name(), &run.run));
    }
    let moved: Vec<_> = found.iter().map(|(place, _)| place).collect();
    let kept = before.iter().filter(|run| !moved.iter().any(|place| place.has(run).unwrap_or_default()));
    let all: Vec<_> = last.iter().map(|(_, run)| run.as_str()).chain(kept.map(RunId::as_str)).collect();
    all.join("-")
}

pub(in crate::http) fn show(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let standing = ask.app.place_of(&run)?.standing(&run)?;
    let tag = format!("{}-{}", standing.tag.0, standing.tag.1.unwrap_or_default());
    Ok(Answer::json(&*standing.status)?.tagged(ask, &tag))
}

fn text_of(max: u64) -> Value {
    json!({ "type": "string", "maxLength": max })
}

fn budget() -> Value {
    let count = json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000_000_000_u64 });
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "usd": { "type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000 },
            "tokens": count, "agents": count,
            "time_s": { "type": "integer", "minimum": 1, "maximum": 31_536_000 },
        },
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the schema bounds it")]
fn budget_of(body: &Value) -> BudgetWish {
    let given = &body["budget"];
    BudgetWish {
        usd_micros: given["usd"].as_f64().map(|usd| (usd * 1_000_000.0).round() as u64),
        tokens: given["tokens"].as_u64(),
        time_ms: given["time_s"].as_u64().map(|seconds| seconds * 1_000),
        agents: given["agents"].as_u64(),
    }
}

/// What starts a run, for every route that does.
pub(in crate::http) fn start_schema(own: &[(&str, Value)], required: &[&str]) -> Value {
    let mut properties: Map<String, Value> =
        own.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    properties.insert("project".to_owned(), spec::project());
    properties.insert("inputs".to_owned(), json!({ "type": "object", "maxProperties": 100 }));
    properties.insert("budget".to_owned(), budget());
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

pub(in crate::http) fn start_body() -> Value {
    let words = json!({ "type": "array", "items": text_of(100_000), "maxItems": 100 });
    start_schema(&[("name", spec::name()), ("words", words)], &["name"])
}

pub(in crate::http) fn start(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let words = ask.body["words"].as_array().into_iter().flatten().filter_map(Value::as_str);
    begin(ask, ask.said("name").unwrap_or_default(), words.map(str::to_owned).collect())
}

/// Starts what is named, in the project that the body names.
pub(in crate::http) fn begin(ask: &Ask<'_>, name: &str, words: Vec<String>) -> Result<Answer, Problem> {
    let place = ask.app.place(ask.said("project"))?;
    let asked = Asked {
        name: name.to_owned(),
        words,
        inputs: ask.body["inputs"].as_object().cloned().unwrap_or_default(),
        budget: budget_of(&ask.body),
        run: same_run(ask)?,
        trace_parent: ask.header(&HeaderName::from_static("traceparent")).map(str::to_owned),
    };
    let started = place.start(&ask.caller.who, &asked)?;
    accepted(place, &started)
}

/// That a run was taken, and where it is found.
pub(in crate::http) fn accepted(place: &Place, started: &Started) -> Result<Answer, Problem> {
    let (run, url) = (&started.run, format!("/api/v1/runs/{}", started.run));
    let body = json!({
        "run": run, "project": place.name(), "status_url": url, "next": format!("orch watch {run}"),
        "replayed": started.existed,
    });
    let answer = Answer::json(&body)?.status(StatusCode::ACCEPTED).with(header::LOCATION, &url);
    Ok(if started.existed { answer.with(HeaderName::from_static("idempotent-replayed"), "true") } else { answer })
}

/// The id of the run that an idempotency key stands for: the same caller and the same key are the same run, whatever
/// happens to this process in between.
fn same_run(ask: &Ask<'_>) -> Result<Option<RunId>, Problem> {
    let Some(key) = ask.headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= 200);
    let key = key.ok_or_else(|| Problem::field("header `Idempotency-Key` takes 1 to 200 plain characters"))?;
    Ok(Some(RunId::of_text(&format!("{}\n{}\n{key}", ask.caller.who, ask.said("project").unwrap_or_default()))))
}

/// That something was done to a run, and what moves it now.
pub(in crate::http) fn done(ask: &Ask<'_>, run: &RunId, done: &str) -> Result<Answer, Problem> {
    let standing = ask.app.place_of(run)?.standing(run)?;
    let status = &standing.status;
    Answer::json(&json!({ "run": run, "done": done, "status": status.status, "next": status.next }))
}

pub(in crate::http) fn cancel_body() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": { "hard": { "type": "boolean" } } })
}

pub(in crate::http) fn cancel(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let strength = if ask.body["hard"] == true { Strength::Hard } else { Strength::Gentle };
    ask.app.place_of(&run)?.cancel(&ask.caller.who, &run, strength)?;
    done(ask, &run, "cancelled")
}

pub(in crate::http) fn resume_body() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "step": spec::step(), "as": { "enum": ["retry", "done", "failed"] }, "budget": budget(),
        },
        "dependentRequired": { "step": ["as"], "as": ["step"] },
    })
}

/// The answer to an unknown outcome.
pub(in crate::http) fn outcome(word: &str) -> Option<Outcome> {
    Some(match word {
        "retry" => Outcome::Retry,
        "done" => Outcome::Done,
        "failed" => Outcome::Failed,
        _ => return None,
    })
}

pub(in crate::http) fn resume(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let step = ask.said("step").zip(ask.said("as").and_then(outcome));
    ask.app.place_of(&run)?.resume(&ask.caller.who, &run, step, budget_of(&ask.body))?;
    done(ask, &run, "resumed")
}

pub(in crate::http) fn retry_body() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": { "budget": budget() } })
}

pub(in crate::http) fn retry(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    ask.app.place_of(&run)?.retry(&ask.caller.who, &run, budget_of(&ask.body))?;
    done(ask, &run, "tried again")
}

pub(in crate::http) fn rollback_body() -> Value {
    let path = json!({ "type": "string", "minLength": 1, "maxLength": 4_096, "pattern": r"^[^\u0000]+$" });
    json!({
        "type": "object", "additionalProperties": false, "required": ["preview"],
        "properties": {
            "to": { "type": "string", "minLength": 1, "maxLength": 500 },
            "paths": { "type": "array", "items": path, "maxItems": 1_000 },
            "preview": { "type": "boolean" },
        },
    })
}

pub(in crate::http) fn rollback(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let target = ask.said("to").map_or(Target::Start, |name| Target::Named(name.to_owned()));
    let paths = ask.body["paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let paths: Vec<_> = paths.map(std::path::PathBuf::from).collect();
    let is_rehearsal = ask.body["preview"] == true;
    Answer::json(&ask.app.place_of(&run)?.roll_back(&ask.caller.who, &run, &target, &paths, is_rehearsal)?)
}

pub(in crate::http) fn cost(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    Answer::json(&ask.app.place_of(&run)?.runs().cost(&run)?)
}

pub(in crate::http) fn burn(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    Answer::json(&ask.app.place_of(&run)?.runs().burn(&run)?)
}

pub(in crate::http) fn costs(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (limit, by) = (limit(ask, PAGE).min(COSTS_MAX), ask.text("by").unwrap_or("day"));
    let since = since(ask, "all");
    let mut projects = Vec::new();
    for place in places(ask)? {
        let (lines, is_cut): (Vec<Value>, bool) = if by == "run" {
            let page = place.list(&RunQuery::default(), limit)?;
            let runs = page.runs.iter().filter(|run| since.is_none_or(|since| run.started >= since));
            let of = |run: &RunSummary| serde_json::to_value(place.runs().cost(&run.run).ok()?).ok();
            (runs.filter_map(of).collect(), page.more)
        } else {
            let all = spending(place, since)?;
            let lines = match by {
                "workflow" => all.workflows,
                "agent" => all.by_agent,
                "model" => all.models,
                _ => all.days,
            };
            let of = |line: SpentBy| json!({ "v": COST_VERSION, by: line.name, "runs": line.runs, "agents": line.agents, "total": line.usage });
            (lines.into_iter().take(limit).map(of).collect(), all.is_cut)
        };
        projects.push(json!({ "project": place.name(), "lines": lines, "is_cut": is_cut }));
    }
    Answer::json(&json!({ "projects": projects }))
}
