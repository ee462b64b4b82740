//! The ways between the pages of one run.

use serde_json::{Value, json};

use crate::http::{pages::shell::part, problem::Problem};

/// The tabs of a run, drawn; of an attempt, where one is looked at, its own as well.
pub(super) fn tabs(run: &str, here: &str, attempt: Option<&str>) -> Result<String, Problem> {
    let of_run = [
        ("run", "Overview", String::new()),
        ("graph", "Graph", "/graph".to_owned()),
        ("timeline", "Timeline", "/timeline".to_owned()),
        ("outputs", "Outputs", "/outputs".to_owned()),
        ("diff", "Changes", "/diff".to_owned()),
    ];
    let of_attempt = attempt
        .filter(|id| !id.is_empty())
        .map(|id| [("agent", "Agent", format!("/agent?attempt={id}")), ("log", "Log", format!("/log?attempt={id}"))]);
    let all = of_run.into_iter().chain(of_attempt.into_iter().flatten());
    let tab = |(view, name, to): (&str, &str, String)| json!({ "name": name, "to": format!("/runs/{run}{to}"), "here": view == here });
    part("tabs", &json!({ "tabs": all.map(tab).collect::<Vec<Value>>() }))
}
