//! What can be run: names, inputs, plans, trust.

use serde_json::json;

use crate::{
    base::render::to_json,
    http::{
        api::runs::{limit, places},
        ask::{Answer, Ask},
        problem::Problem,
    },
    service::{check_abilities, find_runnable, offers, outline},
};

/// Warnings that are sent.
const WARNINGS_MAX: usize = 50;

pub(in crate::http) fn list(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (limit, matching) = (limit(ask, 100), ask.text("match").unwrap_or_default());
    let (mut all, mut left_out) = (Vec::new(), 0);
    for place in places(ask)? {
        let (offered, left) = place.with(|project| offers(project, matching, limit))?;
        left_out += left;
        for offer in offered {
            let mut value = serde_json::to_value(offer).unwrap_or_default();
            value["project"] = json!(place.name());
            all.push(value);
        }
    }
    Answer::json(&json!({ "definitions": all, "left_out": left_out }))
}

pub(in crate::http) fn show(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let place = ask.app.place(ask.text("project"))?;
    let name = ask.part("name");
    let found = place.with(|project| {
        let runnable = find_runnable(project, name)?;
        check_abilities(project, &runnable.plan)?;
        Ok::<_, crate::service::Fault>(json!({
            "name": runnable.name,
            "project": place.name(),
            "path": runnable.path,
            "description": runnable.plan.description,
            "plan": outline(project, &runnable.plan),
            "warnings": runnable.warnings.iter().take(WARNINGS_MAX).map(to_json).collect::<Vec<_>>(),
        }))
    })??;
    Answer::json(&found)
}
