//! Links that begin a session of the dashboard, for admins: the one that `orch serve` prints works once, and not for long.

use axum::http::StatusCode;
use serde_json::json;

use crate::{
    base::Timestamp,
    http::{
        access::LINK_LIFE,
        ask::{Answer, Ask},
        problem::Problem,
    },
    service::{Role, now},
};

pub(in crate::http) fn make(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (who, role) = (&ask.caller.who, ask.caller.role.unwrap_or(Role::Viewer));
    let link = ask.app.link(who, role).ok_or_else(|| {
        let help = "open one of them, or ask again in ten minutes";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "E0620", "too many links wait to be opened", help)
    })?;
    tracing::info!(target: "security", by = who, role = role.word(), "a link that begins a session was made");
    let until = Timestamp(now().0 + u64::try_from(LINK_LIFE.as_millis()).unwrap_or(u64::MAX));
    Ok(Answer::json(&json!({ "link": link, "until": until }))?.status(StatusCode::CREATED))
}
