//! A value that fits a schema, for steps without a stub: the same one every time.

use serde_json::{Map, Value, json};

/// Levels of a schema that are followed.
const DEPTH_MAX: usize = 20;
/// Items and characters that are made where a schema asks for a least number.
const LEAST_MAX: usize = 1_000;

/// A value for a schema: required keys only, one item a list, the first of the words that are allowed.
///
/// What a schema says beyond types, words and least sizes (a pattern, say) is not followed; then the value does not fit and
/// the step fails with that reason.
pub(super) fn sample(schema: &Value) -> Value {
    below(schema, 0)
}

fn below(schema: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(value) = schema.get("const").or_else(|| schema.get("default")) {
        return value.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    for any in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[any].as_array().and_then(|schemas| schemas.first()) {
            return below(first, depth + 1);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array().and_then(|kinds| kinds.first()?.as_str()));
    let least = |key: &str| usize::try_from(schema[key].as_u64().unwrap_or(0)).unwrap_or(LEAST_MAX).min(LEAST_MAX);
    match kind {
        Some("object") => {
            let properties = schema["properties"].as_object();
            let required = schema["required"].as_array();
            let wanted =
                |name: &str| required.is_none_or(|names| names.iter().any(|other| other.as_str() == Some(name)));
            let fields = properties.into_iter().flatten().filter(|(name, _)| wanted(name));
            let fields = fields.map(|(name, schema)| (name.clone(), below(schema, depth + 1)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Some("array") => Value::Array(vec![below(&schema["items"], depth + 1); least("minItems").max(1)]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => {
            schema.get("minimum").or_else(|| schema.get("maximum")).cloned().unwrap_or(json!(1))
        }
        Some("null") => Value::Null,
        _ => {
            let mut text = "sample".to_owned();
            while text.len() < least("minLength") {
                text.push('x');
            }
            Value::String(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::schema_faults;

    #[test]
    fn what_is_made_fits() {
        for schema in [
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "array", "minItems": 3, "items": { "type": "integer", "minimum": 4 } } }, "additionalProperties": false }),
            json!({ "type": "string", "minLength": 20 }),
            json!({ "enum": ["x", "y"] }),
            json!({ "anyOf": [{ "type": "boolean" }, { "type": "null" }] }),
            json!({ "type": "object", "properties": { "n": { "type": ["number", "null"], "maximum": 0.5 } } }),
        ] {
            assert_eq!(schema_faults(&schema, &sample(&schema)), Ok(Vec::new()), "{schema}");
        }
    }
}
