//! The script and the style of the dashboard, built into the binary.

use axum::http::header;

use crate::{
    base::Digest,
    http::{
        ask::{Answer, Ask},
        problem::Problem,
    },
};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Every file: its name, its kind, its text.
const ASSETS: &[(&str, &str, &str)] = &[
    ("app.css", STYLE, include_str!("assets/app.css")),
    ("boards.css", STYLE, include_str!("assets/boards.css")),
    ("picture.css", STYLE, include_str!("assets/picture.css")),
    ("base.js", SCRIPT, include_str!("assets/base.js")),
    ("live.js", SCRIPT, include_str!("assets/live.js")),
    ("decide.js", SCRIPT, include_str!("assets/decide.js")),
    ("diff.js", SCRIPT, include_str!("assets/diff.js")),
    ("ansi.js", SCRIPT, include_str!("assets/ansi.js")),
    ("log.js", SCRIPT, include_str!("assets/log.js")),
    ("tree.js", SCRIPT, include_str!("assets/tree.js")),
    ("graph.js", SCRIPT, include_str!("assets/graph.js")),
    ("timeline.js", SCRIPT, include_str!("assets/timeline.js")),
];

/// The scripts that a page of this view runs, in order: each of them uses what those before it have.
pub(super) fn scripts(view: &str) -> Vec<&'static str> {
    let always = ["base.js", "live.js", "decide.js"];
    let own: &[&str] = match view {
        "diff" => &["diff.js"],
        "log" => &["ansi.js", "log.js"],
        "graph" => &["tree.js", "graph.js"],
        "timeline" => &["tree.js", "timeline.js"],
        _ => &[],
    };
    always.iter().chain(own).copied().collect()
}

/// By which browsers see that one of them has changed.
pub(super) fn version() -> String {
    let all: String = ASSETS.iter().map(|(_, _, text)| *text).collect();
    Digest::of(all.as_bytes()).as_str().chars().take(12).collect()
}

pub(in crate::http) fn asset(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let found = ASSETS.iter().find(|(name, ..)| *name == ask.part("file"));
    let (_, kind, text) = found.ok_or_else(|| Problem::missing("there is no such file", "load the page again"))?;
    Ok(Answer::bytes(kind, *text).with(header::CACHE_CONTROL, "private, max-age=3600").tagged(ask, &version()))
}
