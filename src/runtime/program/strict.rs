//! Which schemas a service takes as strict ones: every field required, nothing extra. A service refuses the others
//! with an error, so that only `orch` can hold an answer to them.

use serde_json::{Map, Value};

/// Words of a strict schema; any other may be refused.
const WORDS: [&str; 19] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "properties",
    "required",
    "title",
    "type",
];
/// How deep a schema is looked at.
const DEPTH_MAX: usize = 32;

/// Whether a schema of an answer is strict. The answer itself is an object.
pub(super) fn is_strict(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object") && schema.get("anyOf").is_none() && strict(schema, 0)
}

fn strict(schema: &Value, depth: usize) -> bool {
    let Some(words) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return false };
    let all = |key: &str| match words.get(key) {
        None => true,
        Some(Value::Object(parts)) => parts.values().all(|part| strict(part, depth + 1)),
        Some(Value::Array(parts)) => parts.iter().all(|part| strict(part, depth + 1)),
        Some(_) => false,
    };
    words.keys().all(|word| WORDS.contains(&word.as_str()))
        && all("properties")
        && all("$defs")
        && all("anyOf")
        && words.get("items").is_none_or(|items| strict(items, depth + 1))
        && (!is_object(words) || is_closed(words))
}

fn is_object(words: &Map<String, Value>) -> bool {
    let kind = words.get("type");
    words.contains_key("properties")
        || kind.and_then(Value::as_str) == Some("object")
        || kind.and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(|kind| kind == "object"))
}

/// Whether every field is required and nothing else is allowed.
fn is_closed(words: &Map<String, Value>) -> bool {
    let Some(fields) = words.get("properties").and_then(Value::as_object) else { return false };
    let required = words.get("required").and_then(Value::as_array);
    words.get("additionalProperties") == Some(&Value::Bool(false))
        && fields.keys().all(|field| required.is_some_and(|names| names.iter().any(|name| name == field)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_closed_objects_are_strict() {
        let good = json!({
            "type": "object", "required": ["a", "b"], "additionalProperties": false,
            "properties": { "a": { "type": ["string", "null"] }, "b": { "type": "array", "items": { "enum": [1, 2] } } }
        });
        assert!(is_strict(&good));
        let mut optional = good.clone();
        optional["required"] = json!(["a"]);
        let mut open = good.clone();
        open["additionalProperties"] = json!(true);
        let mut odd = good.clone();
        odd["properties"]["a"]["not"] = json!({});
        let mut nested = good.clone();
        nested["properties"]["b"]["items"] = json!({ "type": "object", "properties": {} });
        for schema in
            [optional, open, odd, nested, json!({ "type": "object" }), json!(true), json!({ "type": "string" })]
        {
            assert!(!is_strict(&schema), "{schema}");
        }
    }
}
