//! What was started, decided, trusted and refused, and whether the log of it is whole.

use serde_json::{Value, json};

use crate::{
    http::{
        api::{
            audit::{look, wanted},
            runs::{limit, places},
        },
        ask::{Answer, Ask},
        pages::{
            cost::names,
            shell::{Page, draw, in_query},
        },
        problem::Problem,
    },
    service::{AuditLine, serve::Place},
};

/// Entries of a page.
const PAGE: u64 = 50;
/// Characters of the rest of an entry.
const REST_MAX: usize = 600;
const PERIODS: [&str; 5] = ["all", "day", "week", "month", "quarter"];

pub(in crate::http) fn audit(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (wanted, limit) = (wanted(ask), limit(ask, PAGE));
    let mut projects = Vec::new();
    for place in places(ask)? {
        let (verified, page) = look(place, &wanted, limit)?;
        let mut value = json!({ "name": place.name() });
        match verified {
            Ok(found) => {
                value["badge"] = json!(if found.is_good() { "whole" } else { "changed" });
                value["found"] = json!(found);
            }
            Err(refusal) => {
                value["badge"] = json!("none");
                value["why"] = json!(format!("{}; {}", refusal.message, refusal.help));
            }
        }
        match page {
            Ok(page) => {
                value["entries"] = json!(page.entries.iter().map(entry).collect::<Vec<_>>());
                value["next"] = json!(page.next.map(|next| older(ask, place, next)));
            }
            Err(refusal) => value["why"] = json!(format!("{}; {}", refusal.message, refusal.help)),
        }
        projects.push(value);
    }
    let text = |name: &str| ask.text(name).unwrap_or_default();
    let values = json!({
        "projects": projects, "names": names(ask), "project": text("project"), "by": text("by"), "kind": text("kind"),
        "about": text("about"), "run": text("run"), "period": ask.text("period").unwrap_or("all"), "periods": PERIODS,
        "is_older": ask.count("before").is_some(),
    });
    draw(ask, &Page { view: "audit", title: "Audit".to_owned(), live: None }, &values)
}

fn entry(line: &AuditLine) -> Value {
    let rest = if line.what.is_null() { String::new() } else { line.what.to_string() };
    let is_cut = rest.chars().nth(REST_MAX).is_some();
    let rest: String = rest.chars().take(REST_MAX).collect();
    json!({
        "n": line.n, "at": line.at, "kind": line.kind, "run": line.run, "about": line.about, "by": line.by,
        "rest": if is_cut { format!("{rest}…") } else { rest },
    })
}

/// The address of the entries behind the last one, with the same filters.
fn older(ask: &Ask<'_>, place: &Place, before: u64) -> String {
    let fields = ["by", "kind", "about", "run", "period"].iter().filter_map(|name| {
        let text = ask.text(name).filter(|text| !text.is_empty())?;
        Some(format!("&{name}={}", in_query(text)))
    });
    format!("/audit?project={}&before={before}{}", in_query(place.name()), fields.collect::<String>())
}
