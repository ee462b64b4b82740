//! Deliveries of other systems. The door has checked who has signed them.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    http::{
        api::runs::accepted,
        ask::{Answer, Ask},
        problem::Problem,
    },
    service::serve::Marks,
};

/// Any object: what counts in it, the hook says.
pub(in crate::http) fn delivery_body() -> Value {
    json!({ "type": "object" })
}

/// What a request says of itself. A mark that stands there twice does not count.
pub(in crate::http) fn marks(headers: &HeaderMap) -> Marks<'_> {
    let one = |name: &str| {
        let mut all = headers.get_all(name).iter();
        let first = all.next().filter(|_| all.next().is_none())?;
        first.to_str().ok()
    };
    let is_github = headers.contains_key("x-hub-signature-256");
    if is_github {
        let (signature, delivery) = (one("x-hub-signature-256"), one("x-github-delivery"));
        return Marks { signature, delivery, time: None, event: one("x-github-event") };
    }
    let (signature, delivery) = (one("x-orch-signature"), one("x-orch-delivery"));
    Marks { signature, delivery, time: one("x-orch-timestamp"), event: None }
}

pub(in crate::http) fn deliver(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let Some(signed) = ask.signed else {
        return Err(crate::http::access::not_signed());
    };
    if !signed.is_wanted(&ask.body) {
        return Answer::json(&json!({ "ignored": true }));
    }
    let place = ask.app.place(signed.hook.project.as_deref())?;
    let started = place.deliver(signed, &ask.body)?;
    accepted(place, &started)
}
