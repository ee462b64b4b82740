//! The list of runs, and the inbox.

use serde_json::{Value, json};

use crate::{
    base::{Timestamp, render_duration},
    http::{
        api::{
            decisions::waiting,
            runs::{line, page_of},
        },
        ask::{Answer, Ask},
        pages::shell::{Page, draw, in_query},
        problem::Problem,
    },
    service::now,
};

const STATUSES: [&str; 6] = ["running", "waiting", "interrupted", "succeeded", "failed", "cancelled"];

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
    let runs = found.iter().map(|(place, run)| {
        let mut value = line(place, run);
        value["began"] = json!(run.started.to_string());
        value["began_words"] = json!(ago(run.started));
        value["took"] = json!(took(run.started, run.ended));
        value
    });
    let (status, workflow) = (ask.text("status").unwrap_or_default(), ask.text("workflow").unwrap_or_default());
    let next = next.map(|next| format!("/?status={status}&workflow={}&cursor={next}", in_query(workflow)));
    let values = json!({
        "runs": runs.collect::<Vec<_>>(), "next": next, "statuses": STATUSES, "status": status, "workflow": workflow,
    });
    let live = ask.text("cursor").is_none().then(|| "/api/v1/events".to_owned());
    draw(ask, &Page { view: "runs", title: "Runs".to_owned(), live }, &values)
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
