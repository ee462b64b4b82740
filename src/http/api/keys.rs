//! The keys of the server, for admins.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    base::Timestamp,
    http::{
        ask::{Answer, Ask},
        problem::Problem,
    },
    service::{Role, api_keys, keys_fault, now},
};

const DAY_MS: u64 = 86_400_000;

pub(in crate::http) fn list(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let keys = api_keys(ask.app.environment())?.all().map_err(|error| keys_fault(&error))?;
    let line = |key: &crate::service::ApiKey| {
        json!({
            "id": key.id, "name": key.name, "role": key.role, "created": key.created, "expires": key.expires,
            "rate": key.rate,
        })
    };
    Answer::json(&json!({ "keys": keys.iter().map(line).collect::<Vec<_>>() }))
}

pub(in crate::http) fn make_body() -> Value {
    let roles: Vec<_> = Role::ALL.iter().map(|role| role.word()).collect();
    json!({
        "type": "object", "additionalProperties": false, "required": ["name", "role"],
        "properties": {
            "name": { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,99}$" },
            "role": { "enum": roles },
            "expires_days": { "type": "integer", "minimum": 1, "maximum": 3_650 },
            "rate": { "type": "integer", "minimum": 1, "maximum": 1_000_000 },
        },
    })
}

pub(in crate::http) fn make(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let now = now();
    let role = ask.said("role").and_then(Role::of).unwrap_or(Role::Viewer);
    let expires = ask.body["expires_days"].as_u64().map(|days| Timestamp(now.0 + days * DAY_MS));
    let rate = ask.body["rate"].as_u64().and_then(|rate| u32::try_from(rate).ok());
    let keys = api_keys(ask.app.environment())?;
    let made = keys.make(ask.said("name").unwrap_or_default(), role, now, expires, rate);
    let (key, whole) = made.map_err(|error| keys_fault(&error))?;
    let (id, name, role) = (&key.id, &key.name, key.role.word());
    tracing::info!(target: "security", by = ask.caller.who, id, name, role, "a key was made");
    let body = json!({ "id": key.id, "name": key.name, "role": key.role, "expires": key.expires, "key": whole });
    Ok(Answer::json(&body)?.status(StatusCode::CREATED))
}

pub(in crate::http) fn revoke(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let id = ask.part("id");
    if api_keys(ask.app.environment())?.revoke(id).map_err(|error| keys_fault(&error))? {
        tracing::info!(target: "security", by = ask.caller.who, id, "a key was revoked");
        return Ok(Answer::bytes("text/plain; charset=utf-8", "").status(StatusCode::NO_CONTENT));
    }
    Err(Problem::missing(format!("there is no key `{id}`"), "GET /api/v1/keys lists them"))
}
