//! What a JSON Schema says about a path, as far as it can be said without a value.
//!
//! Knows nothing of steps. Invariant: only what the schema surely refuses is a fault; unions, references and open
//! mappings are not judged.

use serde_json::Value;

/// The fields of the envelope, `step.result.X`.
pub(super) const ENVELOPE: [&str; 7] =
    ["status", "summary", "files_changed", "tests_passing", "next_steps", "attempts", "text"];

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Known<'s> {
    /// A value with this schema.
    Schema(&'s Value),
    /// The schema does not say.
    Nothing,
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoField {
    /// How many parts of the path are good.
    pub(super) good: usize,
    /// What the value there is.
    pub(super) is: String,
    /// The fields it has.
    pub(super) fields: Vec<String>,
}

/// The only type that a schema allows, if it is one.
pub(super) fn only_type(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) if names.len() == 1 => names[0].as_str(),
        _ => None,
    }
}

/// Whether the schema surely refuses every list.
pub(super) fn refuses_lists(schema: &Value) -> bool {
    only_type(schema).is_some_and(|name| name != "array")
}

/// The schema of the elements of a list.
pub(super) fn elements(schema: &Value) -> Option<&Value> {
    schema.get("items").filter(|items| items.is_object())
}

/// Follows field names into a schema.
pub(super) fn follow<'s>(schema: &'s Value, path: &[String]) -> Result<Known<'s>, NoField> {
    let mut at = schema;
    for (good, name) in path.iter().enumerate() {
        let properties = at.get("properties").and_then(Value::as_object);
        if let Some(inner) = properties.and_then(|fields| fields.get(name)) {
            at = inner;
            continue;
        }
        if let Some(kind) = only_type(at).filter(|kind| *kind != "object") {
            let is = match kind {
                "array" => "a list".to_owned(),
                "null" => "null".to_owned(),
                "integer" => "an integer".to_owned(),
                kind => format!("a {kind}"),
            };
            return Err(NoField { good, is, fields: Vec::new() });
        }
        let open = at.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false))
            || ["patternProperties", "anyOf", "oneOf", "allOf", "$ref", "if"].iter().any(|key| at.get(key).is_some());
        let Some(fields) = properties.filter(|_| !open) else { return Ok(Known::Nothing) };
        let fields = fields.keys().cloned().collect();
        return Err(NoField { good, is: "a mapping".to_owned(), fields });
    }
    Ok(Known::Schema(at))
}

/// What is wrong with a value, if anything; a schema that cannot be used is not the value's fault.
pub(super) fn refuses(schema: &Value, value: &Value) -> Option<String> {
    let validator = jsonschema::validator_for(schema).ok()?;
    validator.validate(value).err().map(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn only_sure_faults_are_faults() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "files": {"type": "array", "items": {"type": "string"}},
                "any": {},
                "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": true},
                "either": {"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "null"}]},
            },
            "additionalProperties": false,
        });
        assert_eq!(follow(&schema, &path("name")), Ok(Known::Schema(&json!({"type": "string"}))));
        for fine in ["any.thing", "open.thing", "either.b"] {
            assert_eq!(follow(&schema, &path(fine)), Ok(Known::Nothing), "{fine}");
        }
        let fault = follow(&schema, &path("nam")).unwrap_err();
        assert_eq!((fault.good, fault.fields.len()), (0, 5));
        assert_eq!(follow(&schema, &path("files.x")).unwrap_err().is, "a list");
        assert_eq!(follow(&schema, &path("name.x")).unwrap_err().good, 1);
    }

    #[test]
    fn lists() {
        assert!(refuses_lists(&json!({"type": "string"})));
        assert!(!refuses_lists(&json!({"type": ["array", "null"]})));
        assert!(!refuses_lists(&json!({})));
    }
}
