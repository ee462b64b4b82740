//! The OpenAPI document, made from the table of routes.

use serde_json::{Map, Value, json};

use crate::{
    http::{
        routes::{Answers, Route, routes},
        spec::{Param, component},
    },
    service::Scope,
};

/// The document: OpenAPI 3.1 of all routes of programs.
#[must_use]
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut names = vec!["problem"];
    for route in routes().filter(|route| !matches!(route.answers, Answers::Page)) {
        if let Answers::Json(name) = route.answers {
            names.push(name);
        }
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        path[route.method.word().to_lowercase()] = operation(route);
    }
    let mut components: Map<String, Value> = Map::new();
    for name in names.into_iter().chain(["run", "event"]) {
        if let Some(schema) = component(name) {
            components.insert(name.to_owned(), schema);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "orch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs teams of coding agents: start, watch, decide. Times are milliseconds since 1970 UTC; \
                what fails answers problem details with a code that `orch explain` knows.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "signature": {
                    "type": "apiKey", "in": "header", "name": "X-Orch-Signature",
                    "description": "sha256=HMAC-SHA256 of `TIME.DELIVERY.BODY` with the hook's secret; TIME is \
                        X-Orch-Timestamp, DELIVERY is X-Orch-Delivery. Hooks of the kind github: X-Hub-Signature-256",
                },
                "key": { "type": "http", "scheme": "bearer", "description": "`orch keys add`, or a JWT" },
            },
            "schemas": components,
        },
    })
}

fn operation(route: &Route) -> Value {
    let params = route.parts.iter().map(|param| parameter(param, "path"));
    let params: Vec<_> = params.chain(route.query.iter().map(|param| parameter(param, "query"))).collect();
    let mut value = json!({
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag()],
        "x-scope": route.scope,
        "parameters": params,
        "responses": responses(route),
    });
    if route.scope == Scope::Public {
        value["security"] = json!([]);
    }
    if route.scope == Scope::Signed {
        value["security"] = json!([{ "signature": [] }]);
    }
    if let Some(body) = route.body {
        value["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": body() } } });
    }
    value
}

fn parameter(param: &Param, place: &str) -> Value {
    json!({
        "name": param.name, "in": place, "required": param.required, "description": param.about,
        "schema": (param.schema)(),
    })
}

fn responses(route: &Route) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    let content = match route.answers {
        Answers::Json(name) => {
            json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } })
        }
        Answers::Text(kind) => json!({ kind: { "schema": { "type": "string" } } }),
        // What a schema of a stream describes, the stream or its events, is said by OpenAPI 3.2 only.
        Answers::Events => {
            json!({ "text/event-stream": { "x-event-schema": { "$ref": "#/components/schemas/event" } } })
        }
        Answers::Page | Answers::Nothing => json!({}),
    };
    let status = route.status.to_string();
    responses.insert(status, json!({ "description": route.summary, "content": content }));
    let problem = |about: &str| {
        json!({
            "description": about,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/problem" } } },
        })
    };
    responses.insert("default".to_owned(), problem("why it was not done"));
    // Said before a route is looked for, and without a word.
    responses.insert("431".to_owned(), json!({ "description": "the head of the request is longer than 16 KB" }));
    for (status, about) in [
        ("400", "a field is not as it should be"),
        ("401", "nobody is named"),
        ("403", "not allowed"),
        ("429", "too often"),
    ] {
        if route.scope != Scope::Public {
            responses.insert(status.to_owned(), problem(about));
        }
    }
    Value::Object(responses)
}
