//! The list of runs, and the inbox.

use serde_json::{Value, json};

use crate::{
    base::{Timestamp, Usage, render_duration},
    http::{
        api::{
            decisions::waiting,
            runs::{line, page_of},
        },
        ask::{Answer, Ask},
        pages::{
            charts::money,
            cost::names,
            shell::{Page, draw, in_query},
        },
        problem::Problem,
    },
    service::{RunSummary, now, serve::Place},
};

const STATUSES: [&str; 6] = ["running", "waiting", "interrupted", "succeeded", "failed", "cancelled"];

/// Runs of a page that are shown with what they have cost.
const COSTS_MAX: usize = 100;

/// How long ago, in words.
pub(super) fn ago(at: Timestamp) -> String {
    let seconds = now().0.saturating_sub(at.0) / 1_000;
    match seconds {
        0..60 => "now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => at.to_string().chars().take(10).collect(),
    }
}

/// How long something took, or has taken by now.
pub(super) fn took(from: Timestamp, to: Option<Timestamp>) -> String {
    render_duration(to.unwrap_or_else(now).since(from))
}

pub(in crate::http) fn runs(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (found, next) = page_of(ask)?;
    let mut runs = Vec::new();
    for (place, run) in &found {
        let mut value = line(place, run);
        value["began"] = json!(run.started.to_string());
        value["began_words"] = json!(ago(run.started));
        value["took"] = json!(took(run.started, run.ended));
        value["reason"] = json!(if run.ended.is_none() { reason(place, run)? } else { None });
        // A long page is for looking at many runs, not for reading all of their journals.
        let spent = if found.len() <= COSTS_MAX { place.spent(run)? } else { Usage::default() };
        value["cost"] = json!((spent != Usage::default()).then(|| money(&spent)));
        runs.push(value);
    }
    let text = |name: &str| ask.text(name).unwrap_or_default();
    let first = format!(
        "/?project={}&status={}&workflow={}",
        in_query(text("project")),
        text("status"),
        in_query(text("workflow"))
    );
    let limit = ask.count("limit").map_or_else(String::new, |limit| format!("&limit={limit}"));
    let values = json!({
        "runs": runs, "next": next.map(|next| format!("{first}{limit}&cursor={next}")), "first": format!("{first}{limit}"),
        "statuses": STATUSES, "status": text("status"), "workflow": text("workflow"), "project": text("project"),
        "names": names(ask), "is_older": ask.text("cursor").is_some(),
    });
    let project = in_query(text("project"));
    let live = ask.text("cursor").is_none().then(|| format!("/api/v1/events?project={project}"));
    draw(ask, &Page { view: "runs", title: "Runs".to_owned(), live }, &values)
}

/// Why a run that has not ended does not go on, in a few words.
fn reason(place: &Place, run: &RunSummary) -> Result<Option<String>, Problem> {
    let standing = place.standing(&run.run)?;
    let status = &standing.status;
    if let Some(one) = status.waiting_for.first() {
        let step = one.step.as_deref().map_or_else(String::new, |step| format!(" at {step}"));
        let more = match status.waiting_for.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        return Ok(Some(match one.kind {
            "decision" => format!("waits for a decision{step}{more}"),
            "outcome" => format!("nobody knows how it ended{step}{more}"),
            _ => format!("a budget is used up: {}{more}", one.about),
        }));
    }
    if let Some(one) = status.parked.first() {
        return Ok(Some(format!("{} takes nothing until {}: {}", one.runtime, one.until, one.reason)));
    }
    let has_begun = status.steps.iter().any(|step| step.started.is_some());
    Ok(match status.status.as_str() {
        "interrupted" => Some(format!("nobody drives it: orch resume {}", run.run)),
        "running" if !has_begun => Some("waits in line".to_owned()),
        _ => None,
    })
}

pub(in crate::http) fn inbox(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let mut all = Vec::new();
    for question in waiting(ask.app.places())? {
        for one in question["waiting_for"].as_array().into_iter().flatten() {
            let mut one: Value = one.clone();
            one["step_query"] = json!(one["step"].as_str().map(in_query));
            one["run"] = question["run"].clone();
            one["workflow"] = question["workflow"].clone();
            one["next"] = question["next"].clone();
            all.push(one);
        }
    }
    let page = Page { view: "inbox", title: "Inbox".to_owned(), live: Some("/api/v1/events".to_owned()) };
    draw(ask, &page, &json!({ "waiting": all }))
}
