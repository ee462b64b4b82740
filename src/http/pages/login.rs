//! Begins a session: a link that works once, as `orch serve` prints it.

use axum::http::{StatusCode, header};

use crate::http::{
    access::COOKIE,
    ask::{Answer, Ask},
    problem::Problem,
};

pub(in crate::http) fn login(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let Some(code) = ask.text("once") else {
        let text = "Open the link that <code>orch serve</code> has printed. It works once; <code>orch serve --link</code> prints another.";
        return Ok(Answer::html(page(text)));
    };
    let Some(cookie) = ask.app.access().sessions.begin_by_link(code) else {
        tracing::warn!(target: "security", "a link that begins a session was used again, is too old, or is none");
        let text = "This link was used already, or is too old: <code>orch serve --link</code> prints another.";
        return Ok(Answer::html(page(text)).status(StatusCode::UNAUTHORIZED));
    };
    if let Some(session) = ask.app.access().sessions.find(&cookie) {
        tracing::info!(target: "security", who = session.who, role = session.role.word(), "a session begins");
    }
    let secure = if ask.app.serving().is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200{secure}");
    Ok(Answer::to("/").with(header::SET_COOKIE, &cookie))
}

fn page(text: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>orch</title><main><h1>orch</h1><p>{text}</p></main></html>"
    )
}
