//! The script and the style of the dashboard, built into the binary.

use axum::http::header;

use crate::{
    base::Digest,
    http::{
        ask::{Answer, Ask},
        problem::Problem,
    },
};

const SCRIPT: &str = include_str!("assets/app.js");
const STYLE: &str = include_str!("assets/app.css");

/// By which browsers see that they have changed.
pub(super) fn version() -> String {
    let digest = Digest::of(format!("{SCRIPT}{STYLE}").as_bytes());
    digest.as_str().chars().take(12).collect()
}

pub(in crate::http) fn asset(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let answer = match ask.part("file") {
        "app.js" => Answer::bytes("text/javascript; charset=utf-8", SCRIPT),
        "app.css" => Answer::bytes("text/css; charset=utf-8", STYLE),
        _ => return Err(Problem::missing("there is no such file", "load the page again")),
    };
    Ok(answer.with(header::CACHE_CONTROL, "private, max-age=3600").tagged(ask, &version()))
}
