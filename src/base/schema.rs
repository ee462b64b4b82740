//! Values against JSON Schemas. The only module that names `jsonschema`.
//!
//! Reads no file and no network: a `$ref` to another document is a fault of the schema. Patterns run on an engine
//! that takes linear time, so that a hostile value cannot stall a run.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Faults named of one value; more would hide the first.
const FAULTS_MAX: usize = 20;
/// The longest text of one fault, in bytes; the library repeats the value in it.
const FAULT_BYTES_MAX: usize = 300;
/// Compiled schemas kept; a run has few, so a full table starts anew.
const COMPILED_MAX: usize = 512;

/// A schema that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema is not valid: {reason}")]
pub struct SchemaError {
    reason: String,
}

/// What is wrong with `value`, each with its place, at most 20; none if it is valid.
///
/// # Errors
/// When the schema itself is not valid.
pub fn schema_faults(schema: &Value, value: &Value) -> Result<Vec<String>, SchemaError> {
    let validator = compiled(schema)?;
    if validator.is_valid(value) {
        return Ok(Vec::new());
    }
    let mut errors = validator.iter_errors(value);
    let mut faults: Vec<String> = errors
        .by_ref()
        .take(FAULTS_MAX)
        .map(|error| {
            let place = error.instance_path().to_string();
            let text = cut(&error.to_string());
            if place.is_empty() { text } else { format!("{place}: {text}") }
        })
        .collect();
    let more = errors.count();
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    Ok(faults)
}

/// Compiling takes longer than validating, and every attempt of a step has the same schema.
fn compiled(schema: &Value) -> Result<Arc<Validator>, SchemaError> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let text = schema.to_string();
    let known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner).get(&text).cloned();
    if let Some(validator) = known {
        return Ok(validator);
    }
    let validator = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| SchemaError { reason: cut(&error.to_string()) })?;
    let validator = Arc::new(validator);
    let mut table = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if table.len() >= COMPILED_MAX {
        table.clear();
    }
    table.insert(text, Arc::clone(&validator));
    Ok(validator)
}

fn cut(text: &str) -> String {
    if text.len() <= FAULT_BYTES_MAX {
        return text.to_owned();
    }
    // The end says what was expected, the beginning what was found.
    let head = &text[..text.floor_char_boundary(FAULT_BYTES_MAX / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - FAULT_BYTES_MAX / 2)..];
    format!("{head} … {tail}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_has_its_place() {
        let schema = json!({
            "type": "object", "required": ["a", "b"], "additionalProperties": false,
            "properties": { "a": { "type": "array", "items": { "type": "string" } }, "b": { "type": "boolean" } },
        });
        assert_eq!(schema_faults(&schema, &json!({ "a": ["x"], "b": true })), Ok(vec![]));
        let faults = schema_faults(&schema, &json!({ "a": ["x", 7], "c": 1 })).unwrap();
        assert_eq!(faults.len(), 3, "{faults:?}");
        for part in ["/a/1: 7 is not of type", "\"b\" is a required property", "'c' was unexpected"] {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:?}");
        }
    }

    #[test]
    fn faults_are_bounded() {
        let schema = json!({ "type": "array", "items": { "type": "string" } });
        let faults = schema_faults(&schema, &json!(vec![json!({ "x": "y".repeat(10_000) }); 50])).unwrap();
        assert_eq!(faults.len(), FAULTS_MAX + 1);
        assert_eq!(faults[FAULTS_MAX], "and 30 more");
        assert!(faults.iter().all(|fault| fault.len() < FAULT_BYTES_MAX + 30));
    }

    #[test]
    fn a_bad_schema_and_a_foreign_one_are_errors() {
        for schema in [
            json!({ "type": "strang" }),
            json!({ "$ref": "http://127.0.0.1:1/schema.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "type": "string", "pattern": "(a)\\1" }),
        ] {
            assert!(schema_faults(&schema, &json!("x")).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_pattern_takes_linear_time() {
        let schema = json!({ "type": "string", "pattern": "^(a+)+$" });
        assert_eq!(schema_faults(&schema, &json!(format!("{}b", "a".repeat(50_000)))).unwrap().len(), 1);
    }
}
