//! Everything that must be well, as a table of named checks: each with how it stands, since when, and what to do.
//!
//! A new check is a line of `CHECKS`, or of the doctor's.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    base::Timestamp,
    http::{
        api::decisions::waiting,
        app::App,
        ask::{Answer, Ask},
        problem::Problem,
    },
    service::{
        RunQuery, State,
        serve::{Busy, MachineFigures, Place},
    },
};

/// Runs that are asked for what they wait for.
const RUNS_MAX: usize = 1_000;

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

/// What a check has seen.
pub(in crate::http) struct Seen {
    pub state: State,
    pub what: String,
    /// What to do; empty where nothing is wrong.
    pub fix: String,
}

impl Seen {
    fn ok(what: impl Into<String>) -> Self {
        Self { state: State::Ok, what: what.into(), fix: String::new() }
    }

    fn not(state: State, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state, what: what.into(), fix: fix.into() }
    }
}

/// What the checks of the server itself look at.
struct Looked<'a> {
    app: &'a App,
    busy: Busy,
    machine: MachineFigures,
}

/// How one of them looks; none where there is nothing to see.
type Look = fn(&Looked<'_>) -> Option<Seen>;

/// The checks of the server itself. What a machine does not tell is not checked.
const CHECKS: &[(&str, Look)] = &[
    ("ready", |looked| {
        let fix = "wait until it has begun; if it ends, start it again";
        Some(if looked.app.is_ready() {
            Seen::ok("takes work")
        } else {
            Seen::not(State::Fail, "begins or ends, and takes no work", fix)
        })
    }),
    ("workers", |looked| {
        let Busy { driving, slots, queued, .. } = looked.busy;
        let used = looked.app.workers().used_share() * 100.0;
        let what = format!("{driving} of {slots} at work, {used:.0} % of the time since the start");
        let fix = "more at once: `orch serve --runs NUMBER`";
        Some(if driving >= slots && queued > 0 { Seen::not(State::Warn, what, fix) } else { Seen::ok(what) })
    }),
    ("queue", |looked| {
        let Busy { queued, queue_max, .. } = looked.busy;
        let what = format!("{queued} runs wait in line, {queue_max} may");
        let fix = "wait, end some with `orch cancel RUN`, or set `orch serve --runs` and `--queue` higher";
        Some(match queued {
            _ if queued >= queue_max => Seen::not(State::Fail, what, fix),
            _ if queued * 5 >= queue_max * 4 => Seen::not(State::Warn, what, fix),
            _ => Seen::ok(what),
        })
    }),
    ("cpu", |looked| {
        let MachineFigures { cores, load, .. } = looked.machine;
        if cores == 0 {
            return None;
        }
        let what = format!("{load:.1} programs want to work, on {cores} processors");
        #[expect(clippy::cast_precision_loss, reason = "processors are few")]
        let is_high = load > 2.0 * cores as f64;
        let fix = "fewer runs at once: `orch serve --runs NUMBER`";
        Some(if is_high { Seen::not(State::Warn, what, fix) } else { Seen::ok(what) })
    }),
    ("memory", |looked| {
        let MachineFigures { memory_bytes: all, memory_free_bytes: free, process_memory_bytes: own, .. } =
            looked.machine;
        if all == 0 {
            return None;
        }
        let what = format!("{} of {} free; orch has {}", megabytes(free), megabytes(all), megabytes(own));
        let fix = "end what needs much, or `orch serve --runs` with less";
        Some(if free < all / 10 { Seen::not(State::Warn, what, fix) } else { Seen::ok(what) })
    }),
];

/// One line of the table, with the time since which it stands so. Of several checks of one name, `nth` says which it is.
fn line(app: &App, project: Option<&str>, (name, nth): (&str, usize), seen: &Seen) -> Value {
    let since = app.since(&format!("{}\n{name}\n{nth}", project.unwrap_or_default()), seen.state);
    json!({
        "name": name, "project": project, "status": seen.state, "what": seen.what, "since": since, "do": seen.fix,
    })
}

/// All that was looked at.
pub(in crate::http) struct Found {
    pub is_well: bool,
    pub body: Value,
}

/// Looks at everything.
pub(in crate::http) fn look(ask: &Ask<'_>) -> Result<Found, Problem> {
    let app = ask.app;
    let looked = Looked { app, busy: app.workers().busy(), machine: app.metrics().machine(app) };
    let own = CHECKS.iter().filter_map(|(name, check)| Some((*name, check(&looked)?)));
    let mut checks: Vec<Value> = own.map(|(name, seen)| line(app, None, (name, 0), &seen)).collect();
    let projects = app.looked(|| checked(ask))?;
    for project in projects.as_array().into_iter().flatten() {
        checks.extend(of_project(app, project));
    }
    let (mut decisions, mut parked) = (Vec::new(), Vec::new());
    for place in app.places() {
        let held = held(place)?;
        checks.push(line(app, Some(place.name()), ("breakers", 0), &breakers(&held)));
        parked.extend(held);
        let mut open = waiting([place])?;
        open.iter_mut().for_each(with_choices);
        decisions.push(json!({ "project": place.name(), "waiting": open }));
    }
    let is_well = checks.iter().all(|check| check["status"] != "fail");
    let body = json!({
        "well": is_well, "version": env!("CARGO_PKG_VERSION"), "uptime_s": app.uptime_s(), "workers": looked.busy,
        "machine": looked.machine, "checks": checks, "projects": projects, "parked": parked, "decisions": decisions,
    });
    Ok(Found { is_well, body })
}

pub(in crate::http) fn health(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let found = look(ask)?;
    let status = if found.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(Answer::json(&found.body)?.status(status))
}

/// What the doctor has said of a project, as lines of the table.
fn of_project(app: &App, project: &Value) -> Vec<Value> {
    let name = project["project"].as_str();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(fault) = project.get("fault") {
        let seen = Seen::not(State::Fail, text(&fault["detail"]), text(&fault["help"]));
        return vec![line(app, name, ("settings", 0), &seen)];
    }
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let lines = project["checks"].as_array().into_iter().flatten().map(|check| {
        let state = match check["state"].as_str() {
            Some("ok") => State::Ok,
            Some("warn") => State::Warn,
            _ => State::Fail,
        };
        let own = text(&check["name"]);
        let nth = met.entry(own.clone()).and_modify(|nth| *nth += 1).or_default();
        line(app, name, (&own, *nth), &Seen::not(state, text(&check["detail"]), text(&check["fix"])))
    });
    lines.collect()
}

/// The doctor's checks of each project.
fn checked(ask: &Ask<'_>) -> Result<Value, Problem> {
    let mut projects = Vec::new();
    for place in ask.app.places() {
        projects.push(match place.health() {
            Ok(health) => json!({ "project": place.name(), "well": health.is_well(), "checks": health.checks }),
            Err(fault) => {
                json!({ "project": place.name(), "well": false, "fault": Problem::from(fault).to_json() })
            }
        });
    }
    Ok(Value::Array(projects))
}

/// Runtimes that take nothing for a while, with the run that has met it.
fn held(place: &Place) -> Result<Vec<Value>, Problem> {
    let live = RunQuery { live: true, ..RunQuery::default() };
    let mut held = Vec::new();
    for run in place.list(&live, RUNS_MAX)?.runs {
        for one in &place.standing(&run.run)?.status.parked {
            let mut value = serde_json::to_value(one).unwrap_or_default();
            value["run"] = json!(run.run);
            value["project"] = json!(place.name());
            held.push(value);
        }
    }
    Ok(held)
}

fn breakers(held: &[Value]) -> Seen {
    let words = held.iter().map(|one| {
        let until = one["until"].as_u64().map_or_else(String::new, |until| format!(" until {}", Timestamp(until)));
        format!("{} takes nothing{until}: {}", one["runtime"].as_str().unwrap_or_default(), one["reason"])
    });
    let mut words: Vec<_> = words.collect();
    words.sort();
    words.dedup();
    match words.is_empty() {
        true => Seen::ok("every runtime takes work"),
        false => {
            Seen::not(State::Warn, words.join("; "), "nothing: runs go on by themselves; `orch status RUN` says when")
        }
    }
}

/// What somebody may say to each thing that waits.
fn with_choices(question: &mut Value) {
    for one in question["waiting_for"].as_array_mut().into_iter().flatten() {
        let mut choices = match one["kind"].as_str() {
            Some("decision") => vec!["approve", "reject"],
            Some("outcome") => vec!["retry", "done", "failed"],
            _ => vec!["resume with a larger budget"],
        };
        if one["pushback"] == true {
            choices.push("pushback");
        }
        one["choices"] = json!(choices);
    }
}
