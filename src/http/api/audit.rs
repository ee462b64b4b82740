//! The audit log: whether it is whole, and what stands in it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    base::Timestamp,
    http::{
        api::runs::{limit, places},
        ask::{Answer, Ask},
        problem::Problem,
    },
    service::{AuditFolder, AuditPage, AuditQuery, AuditVerified, Refusal, now, serve::Place},
};

/// Entries of a page where nobody says.
const PAGE: u64 = 50;

/// When a period of the query began; none where all of the past is meant.
pub(in crate::http) fn since(ask: &Ask<'_>, standard: &str) -> Option<Timestamp> {
    let days = match ask.text("period").unwrap_or(standard) {
        "day" => 1,
        "week" => 7,
        "month" => 30,
        "quarter" => 90,
        _ => return None,
    };
    let length = Duration::from_secs(days * 86_400);
    Some(Timestamp(now().0.saturating_sub(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))))
}

/// The entries that a request asks for.
pub(in crate::http) fn wanted(ask: &Ask<'_>) -> AuditQuery {
    let text = |name: &str| ask.text(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    AuditQuery {
        by: text("by"),
        kind: text("kind"),
        about: text("about"),
        run: text("run"),
        since: since(ask, "all"),
        before: ask.count("before"),
    }
}

/// The verification and the entries of one project's log.
pub(in crate::http) type Looked = (Result<AuditVerified, Refusal>, Result<AuditPage, Refusal>);

/// Looks at the log of a project; nobody else has to wait for it.
pub(in crate::http) fn look(place: &Place, wanted: &AuditQuery, limit: usize) -> Result<Looked, Problem> {
    let folder = place.with(AuditFolder::of)??;
    Ok((folder.verify(None), folder.entries(wanted, limit)))
}

pub(in crate::http) fn audit(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (wanted, limit) = (wanted(ask), limit(ask, PAGE));
    let mut projects = Vec::new();
    for place in places(ask)? {
        let (verified, page) = look(place, &wanted, limit)?;
        let mut line = match verified {
            Ok(found) => json!({
                "whole": found.is_good(), "entries": found.head.count, "head": found.head.head, "signed": found.signed,
                "dropped": found.dropped, "faults": found.faults,
            }),
            Err(refusal) => json!({ "whole": false, "problem": Problem::from(refusal).to_json() }),
        };
        line["project"] = json!(place.name());
        let page = page.unwrap_or_default();
        (line["listed"], line["next"]) = (json!(page.entries), page.next.map_or(Value::Null, Value::from));
        projects.push(line);
    }
    Answer::json(&json!({ "projects": projects }))
}
