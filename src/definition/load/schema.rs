//! The JSON Schemas of definition files, made from the key tables: for editors (`yaml-language-server`) and `orch schema`.

use serde_json::{Map, Value, json};

use crate::definition::load::{
    cases::{CASE, CASE_FILE, CASE_FORMS, DEFAULT, EXPECT, PUSHBACK, STUB},
    keys::{DIALECT, NAMED_GATE, TABLES, Table, WORKFLOW},
    markdown_keys::{AGENT, COMMAND, FORMS, SKILL},
    policy::{POLICY, POLICY_FORMS, class_words},
};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schemas of all kinds of definition files: name and schema.
#[must_use]
pub fn definition_schemas() -> Vec<(&'static str, Value)> {
    let about = "The frontmatter of";
    vec![
        (
            "agent",
            frontmatter(&AGENT, &format!("{about} an agent: agents/NAME.md. The text below it is the system prompt.")),
        ),
        ("cases", cases_schema()),
        (
            "command",
            frontmatter(
                &COMMAND,
                &format!("{about} a slash command: commands/NAME.md. The text below it is the prompt."),
            ),
        ),
        ("gate", gate_schema()),
        (
            "skill",
            frontmatter(
                &SKILL,
                &format!("{about} a skill: skills/NAME/SKILL.md. The text below it is what is loaded."),
            ),
        ),
        ("policy", policy_schema()),
        ("workflow", workflow_schema()),
    ]
}

/// The draft-07 schema of a workflow file in YAML, in either dialect.
fn workflow_schema() -> Value {
    let mut definitions = language();
    definitions.insert("workflow".to_owned(), object(&WORKFLOW));
    definitions.insert("dialect".to_owned(), object(&DIALECT));
    json!({
        "$schema": DRAFT,
        "title": "orch workflow",
        "description": "A workflow of orch, or a file of workflows in the second dialect.",
        "if": { "required": ["workflows"] },
        "then": { "$ref": "#/definitions/dialect" },
        "else": { "$ref": "#/definitions/workflow" },
        "definitions": definitions,
    })
}

/// The draft-07 schema of a named gate's file.
fn gate_schema() -> Value {
    let mut schema = object(&NAMED_GATE);
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!("orch gate");
    schema["description"] = json!("A gate of the library: gates/NAME.yaml. Steps use it by its name.");
    schema["definitions"] = Value::Object(reachable(&schema, language()));
    schema
}

/// The draft-07 schema of a file of cases for `orch test`.
fn cases_schema() -> Value {
    let mut schema = object(&CASE_FILE);
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!("orch cases");
    schema["description"] = json!("Cases of a workflow, for `orch test`: workflows/tests/NAME.yaml.");
    schema["oneOf"] = json!([{ "required": ["workflow"] }, { "required": ["command"] }]);
    let mut definitions = forms(CASE_FORMS);
    for table in [&CASE, &DEFAULT, &STUB, &PUSHBACK, &EXPECT] {
        definitions.insert(table.name.to_owned(), object(table));
    }
    // Where nothing is compared, nothing is tested.
    definitions["expect"]["minProperties"] = json!(1);
    schema["definitions"] = Value::Object(definitions);
    schema
}

/// The draft-07 schema of a policy.
fn policy_schema() -> Value {
    let mut schema = object(&POLICY);
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!("orch policy");
    schema["description"] =
        json!("What agents and commands may do: policy.yaml of a project, ~/.config/orch/policy.yaml of a user.");
    let mut definitions = forms(POLICY_FORMS);
    let word = json!({ "enum": class_words() });
    let classes = json!({ "anyOf": [word, { "type": "array", "maxItems": 500, "items": word }] });
    definitions.insert("classes".to_owned(), classes);
    schema["definitions"] = Value::Object(definitions);
    schema
}

/// Those of the definitions that a schema leads to.
fn reachable(schema: &Value, mut definitions: Map<String, Value>) -> Map<String, Value> {
    let mut found = Map::new();
    let mut texts = vec![schema.to_string()];
    while let Some(text) = texts.pop() {
        for name in text.split("\"#/definitions/").skip(1).filter_map(|rest| rest.split('"').next()) {
            if let Some(definition) = definitions.remove(name) {
                texts.push(definition.to_string());
                found.insert(name.to_owned(), definition);
            }
        }
    }
    found.sort_keys();
    found
}

/// The draft-07 schema of a frontmatter. Keys of other tools may stand beside ours.
fn frontmatter(table: &Table, description: &str) -> Value {
    let mut schema = object(table);
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!(format!("orch {}", table.name));
    schema["description"] = json!(description);
    schema["additionalProperties"] = json!(true);
    schema["definitions"] = Value::Object(forms(FORMS));
    schema
}

/// Definitions that several keys share.
fn forms(forms: &[(&str, &str)]) -> Map<String, Value> {
    let parsed = forms.iter().map(|(name, text)| {
        let mut form: Value = serde_json::from_str(text).expect("a test parses every form of the tables");
        texts_as_written(&mut form);
        ((*name).to_owned(), form)
    });
    parsed.collect()
}

/// The definitions that all parts of the workflow language share.
fn language() -> Map<String, Value> {
    let mut definitions = Map::new();
    for table in TABLES {
        definitions.insert(table.name.to_owned(), object(table));
    }
    for (name, schema) in [
        ("id", json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$" })),
        ("name", json!({ "type": ["string", "boolean"], "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,62}$" })),
        ("duration", json!({ "type": "string", "pattern": "^ *([0-9]+(ms|s|m|min|h|d) *)+$" })),
        (
            "count",
            json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?[kM]?$" }] }),
        ),
        (
            "texts",
            json!({ "anyOf": [{ "$ref": "#/definitions/text" }, { "type": "array", "items": { "$ref": "#/definitions/text" } }] }),
        ),
        ("text", json!({ "type": ["string", "number", "boolean"], "minLength": 1 })),
        (
            "ids",
            json!({ "anyOf": [{ "$ref": "#/definitions/id" }, { "type": "array", "items": { "$ref": "#/definitions/id" } }] }),
        ),
        (
            "command",
            json!({ "anyOf": [{ "type": ["string", "boolean", "number"] }, { "type": "array", "minItems": 1, "items": { "type": ["string", "boolean", "number"] } }] }),
        ),
        ("on_failure", json!({ "enum": ["drain", "fail_fast", "continue"] })),
        ("steps", json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/step" } })),
        ("tasks", json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/task" } })),
        (
            "gates",
            json!({ "type": "array", "minItems": 1, "items": { "anyOf": [{ "$ref": "#/definitions/name" }, { "$ref": "#/definitions/gate" }] } }),
        ),
        (
            "some_texts",
            json!({ "anyOf": [{ "$ref": "#/definitions/text" }, { "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/text" } }] }),
        ),
        ("type_text", type_text()),
        ("short_type", short_type()),
        ("fields", fields(json!({ "pattern": FIELD }))),
        (
            "output",
            json!({ "anyOf": [
                { "type": "string", "pattern": "[./]" },
                { "type": "object", "required": ["$schema"] },
                { "allOf": [fields(json!({ "pattern": FIELD, "not": { "pattern": "^result\\??$" } }))] },
            ] }),
        ),
    ] {
        definitions.insert(name.to_owned(), schema);
    }
    definitions
}

/// A field of the short schema; `?` behind it makes it optional.
const FIELD: &str = "^[a-z][a-z0-9_]{0,62}\\??$";

fn fields(names: Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": names,
        "additionalProperties": { "$ref": "#/definitions/short_type" },
    })
}

/// A type of the short schema in one text.
fn type_text() -> Value {
    let word = r"\[*(string|integer|number|boolean|any)\]*";
    json!({ "type": "string", "pattern": format!(r"^ *{word} *(\| *{word} *)*$") })
}

/// A type of the short schema.
fn short_type() -> Value {
    json!({ "anyOf": [
        { "$ref": "#/definitions/type_text" },
        { "type": "array", "minItems": 1, "maxItems": 1, "items": { "$ref": "#/definitions/short_type" } },
        { "$ref": "#/definitions/fields" },
    ] })
}

/// Where a text is wanted, numbers and booleans count as what is written, but an empty text is none.
fn texts_as_written(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("type").is_some_and(|kind| kind == "string") && !map.contains_key("pattern") {
                map.insert("type".to_owned(), json!(["string", "number", "boolean"]));
                map.insert("minLength".to_owned(), json!(1));
            }
            map.values_mut().for_each(texts_as_written);
        }
        Value::Array(items) => items.iter_mut().for_each(texts_as_written),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object(table: &Table) -> Value {
    let mut properties = Map::new();
    for key in table.keys {
        let mut schema: Value = serde_json::from_str(key.schema).expect("a test parses every schema of the tables");
        texts_as_written(&mut schema);
        // Beside a `$ref`, draft-07 reads nothing else.
        let reference = schema.as_object_mut().and_then(|object| object.remove("$ref"));
        if let Some(reference) = reference {
            schema["allOf"] = json!([{ "$ref": reference }]);
        }
        schema["description"] = Value::String(key.doc.to_owned());
        properties.insert(key.name.to_owned(), schema);
    }
    let mut object = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !table.required.is_empty() {
        object["required"] = json!(table.required);
    }
    object
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;
    use crate::definition::load::unsupported::ALL;

    #[test]
    fn the_files_are_what_the_tables_say() {
        for (name, schema) in definition_schemas() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
            let made = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                std::fs::write(&path, &made).unwrap();
            }
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(written == made, "schemas/{name}.schema.json is old: run with UPDATE_FIXTURES=1");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for (name, schema) in definition_schemas() {
            let text = schema.to_string();
            for target in text.split("\"#/definitions/").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(schema["definitions"].get(target).is_some(), "{name}: {target}");
            }
        }
    }

    #[test]
    fn unsupported_parts_are_marked_and_nothing_else() {
        let file: Value = serde_json::from_str(include_str!("../../../schemas/workflow.schema.json")).unwrap();
        let mut marked = BTreeSet::new();
        for (table, definition) in file["definitions"].as_object().unwrap() {
            for (key, schema) in definition["properties"].as_object().into_iter().flatten() {
                if schema.get("x-unsupported").is_some() {
                    marked.insert((table.clone(), key.clone(), None));
                }
                for choice in schema["anyOf"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|choice| choice.get("x-unsupported").is_some())
                {
                    marked.insert((table.clone(), key.clone(), choice["const"].as_str().map(str::to_owned)));
                }
            }
        }
        let listed: BTreeSet<_> =
            ALL.iter().map(|one| (one.table.to_owned(), one.key.to_owned(), one.value.map(str::to_owned))).collect();
        assert_eq!(marked, listed);
    }
}
