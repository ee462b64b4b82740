//! The schemas of what is answered: those that the command line prints too, and those that only the API has.

use serde_json::{Map, Value, json};

use crate::service::schema;

/// An object with these properties; all others may come later.
fn object(properties: &[(&str, Value)]) -> Value {
    let map: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": map, "required": required })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn maybe(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn list_of(name: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } })
}

fn anything() -> Value {
    json!({ "type": "object" })
}

/// The schema of a name; the table names no other.
pub(in crate::http) fn component(name: &str) -> Option<Value> {
    let printed = |name: &str| {
        let mut value: Value = serde_json::from_str(schema(name).ok()?).ok()?;
        let place = format!("#/components/schemas/{name}/");
        moved(&mut value, &place);
        let map = value.as_object_mut()?;
        map.remove("$schema");
        map.remove("$id");
        Some(value)
    };
    Some(match name {
        "status" | "event" => return printed(name),
        "problem" => object(&[
            ("type", text()),
            ("title", text()),
            ("status", number()),
            ("detail", text()),
            ("help", text()),
            ("code", text()),
            ("exit_code", number()),
            ("retryable", json!({ "type": "boolean" })),
        ]),
        "run" => object(&[
            ("id", text()),
            ("project", text()),
            ("workflow", text()),
            ("status", text()),
            ("started", number()),
            ("ended", maybe("integer")),
            ("waiting_for", maybe("string")),
            ("exit_code", maybe("integer")),
        ]),
        "runs" => object(&[("runs", list_of("run")), ("next", maybe("string"))]),
        "started" => object(&[("run", text()), ("project", text()), ("status_url", text()), ("next", text())]),
        "done" => object(&[("run", text()), ("done", text()), ("next", json!({ "type": "array", "items": text() }))]),
        "steps" => object(&[("steps", json!({ "type": "array", "items": anything() })), ("next", maybe("integer"))]),
        "definitions" => {
            object(&[("definitions", json!({ "type": "array", "items": anything() })), ("left_out", number())])
        }
        "inbox" => object(&[("waiting", json!({ "type": "array", "items": anything() }))]),
        "lines" => object(&[
            ("attempt", text()),
            ("stream", text()),
            ("from", number()),
            ("total", number()),
            ("bytes", number()),
            ("lines", json!({ "type": "array", "items": text() })),
        ]),
        "artifacts" => object(&[("artifacts", json!({ "type": "array", "items": anything() }))]),
        "keys" => object(&[("keys", json!({ "type": "array", "items": anything() }))]),
        "object" => anything(),
        _ => return None,
    })
}

/// Points references inside of a schema at where it stands in the document.
fn moved(value: &mut Value, place: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if let Some(inner) = text.strip_prefix("#/") {
                            *text = format!("{place}{inner}");
                        }
                    }
                    other => moved(other, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, place)),
        _ => {}
    }
}
