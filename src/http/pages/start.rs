//! What can be run, each with a form made from its inputs.

use serde_json::json;

use crate::{
    http::{
        ask::{Answer, Ask},
        pages::shell::{Page, draw},
        problem::Problem,
    },
    service::offers,
};

/// Offers of each project.
const OFFERS_MAX: usize = 60;

pub(in crate::http) fn start(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let matching = ask.text("match").unwrap_or_default();
    let mut all = Vec::new();
    for place in ask.app.places() {
        let (offered, _) = place.with(|project| offers(project, matching, OFFERS_MAX))?;
        for offer in offered {
            let is_only = offer.name == matching;
            let mut value = serde_json::to_value(offer).unwrap_or_default();
            value["project"] = json!(place.name());
            value["open"] = json!(is_only);
            all.push(value);
        }
    }
    let page = Page { view: "start", title: "Start".to_owned(), live: None };
    draw(ask, &page, &json!({ "offers": all, "match": matching }))
}
