//! Checks what comes in against the table: the path, the query and the body, all faults at once.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::http::{
    problem::Problem,
    routes::{Route, routes},
    spec::Param,
};

/// Faults that are named.
const FAULTS_MAX: usize = 20;

/// The compiled schemas of all routes, by the route's name.
pub(in crate::http) struct Checks {
    params: BTreeMap<&'static str, (Validator, Validator)>,
    bodies: BTreeMap<&'static str, Validator>,
}

/// A schema as a validator; one that cannot be compiled lets nothing pass.
fn compiled(schema: &Value) -> Validator {
    jsonschema::validator_for(schema)
        .or_else(|_| jsonschema::validator_for(&json!(false)))
        .expect("`false` is a schema")
}

fn object_of(params: &[Param]) -> Value {
    let properties: Map<String, Value> = params.iter().map(|param| (param.name.to_owned(), (param.schema)())).collect();
    let required: Vec<_> = params.iter().filter(|param| param.required).map(|param| param.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

impl Checks {
    pub fn new() -> Self {
        let params =
            routes().map(|route| (route.name, (compiled(&object_of(route.parts)), compiled(&object_of(route.query)))));
        let bodies = routes().filter_map(|route| Some((route.name, compiled(&(route.body?)()))));
        Self { params: params.collect(), bodies: bodies.collect() }
    }

    /// The query as values; every fault of the path and of it.
    pub fn query(
        &self,
        route: &Route,
        parts: &BTreeMap<String, String>,
        given: Vec<(String, String)>,
    ) -> Result<Map<String, Value>, Problem> {
        let Some((path, query)) = self.params.get(route.name) else { return Err(Problem::field("no such route")) };
        let mut faults = Vec::new();
        let values: Map<String, Value> = parts.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
        note(path, &Value::Object(values), "path", &mut faults);
        let mut values = Map::new();
        for (name, text) in given {
            let value =
                route.query.iter().find(|param| param.name == name).map_or(json!(text), |param| read(param, &text));
            if values.insert(name.clone(), value).is_some() {
                faults.push(format!("query `{name}` is given twice"));
            }
        }
        let values = Value::Object(values);
        note(query, &values, "query", &mut faults);
        match values {
            Value::Object(values) if faults.is_empty() => Ok(values),
            _ => Err(Problem::field(faults.join("; "))),
        }
    }

    /// Every fault of a body.
    pub fn body(&self, route: &Route, body: &Value) -> Result<(), Problem> {
        let Some(validator) = self.bodies.get(route.name) else { return Ok(()) };
        let mut faults = Vec::new();
        note(validator, body, "body", &mut faults);
        if faults.is_empty() { Ok(()) } else { Err(Problem::field(faults.join("; "))) }
    }
}

/// A text of a query as the value that its schema takes.
fn read(param: &Param, text: &str) -> Value {
    match (param.schema)()["type"].as_str() {
        // Only as a number is written: no sign, no blanks.
        Some("integer") if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<u64>().map_or(json!(text), |number| json!(number))
        }
        Some("boolean") => match text {
            "true" => json!(true),
            "false" => json!(false),
            _ => json!(text),
        },
        _ => json!(text),
    }
}

fn note(validator: &Validator, value: &Value, place: &str, faults: &mut Vec<String>) {
    for error in validator.iter_errors(value).take(FAULTS_MAX) {
        let at = error.instance_path().to_string();
        let at = if at.is_empty() { place.to_owned() } else { format!("{place} {}", at.trim_start_matches('/')) };
        let mut why = error.masked().to_string();
        why.truncate(why.floor_char_boundary(300));
        faults.push(format!("{at}: {why}"));
    }
}
