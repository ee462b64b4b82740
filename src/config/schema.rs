//! The JSON Schema of `orch.toml`, made from the table of keys. `schemas/config.schema.json` is its printed form.

use serde_json::{Map, Value, json};

use crate::{
    config::{
        channels::NoticeKind,
        form::Form,
        keys::{KEYS, Key},
    },
    runtime::{PROGRAMS, service::SERVICES},
};

/// The schema of a settings file.
#[must_use]
pub fn schema() -> Value {
    let mut properties = Map::new();
    for key in KEYS {
        match key.path.split_once('.') {
            None => {
                properties.insert(key.path.to_owned(), of(key));
            }
            Some((section, name)) => {
                let table = properties
                    .entry(section)
                    .or_insert_with(|| json!({ "type": "object", "additionalProperties": false, "properties": {} }));
                table["properties"][name] = of(key);
            }
        }
    }
    properties.insert("runtimes".to_owned(), runtimes());
    properties.insert("prices".to_owned(), prices());
    properties.insert("mcp".to_owned(), servers());
    properties.insert("notify".to_owned(), channels());
    properties.insert("hooks".to_owned(), hooks());
    properties.insert("health".to_owned(), checks());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://orch.run/schemas/config.schema.json",
        "title": "orch.toml",
        "description": "Settings of orch: defaults < ~/.config/orch/orch.toml < ./orch.toml < ORCH_ variables < flags.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn of(key: &Key) -> Value {
    let mut schema = match key.form {
        Form::Count { min, max } => json!({ "oneOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?[kM]?$" },
        ] }),
        Form::Bytes { min, max } => json!({ "oneOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?[kMG]?$" },
        ] }),
        Form::Duration { .. } => json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|min|h|d) *)+$" }),
        Form::Money => json!({ "type": ["number", "string"], "minimum": 0, "maximum": 1_000_000 }),
        Form::Word(words) => json!({ "enum": words }),
        Form::Words(words) => json!({ "oneOf": [
            { "type": "array", "items": { "enum": words }, "uniqueItems": true },
            { "type": "string" },
        ] }),
        Form::Image => json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_./:@-]{0,254}$" }),
        Form::File => json!({ "type": "string", "pattern": "^/.*[^/]$" }),
        Form::Name => json!({ "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,63}$" }),
    };
    schema["description"] = json!(key.help);
    if let Some(default) = key.default {
        schema["default"] = match (key.form, default.parse::<u64>()) {
            (Form::Count { .. } | Form::Bytes { .. }, Ok(number)) => json!(number),
            (Form::Words(_), _) => json!(default.split(',').map(str::trim).collect::<Vec<_>>()),
            _ => json!(default),
        };
    }
    schema
}

fn runtimes() -> Value {
    let mut properties = Map::new();
    for kind in PROGRAMS {
        let mut schema = json!({ "oneOf": [program(), command(), acp()] });
        schema["description"] = json!(format!("The program `{}`, or a command in its place.", kind.binary));
        properties.insert(kind.name.to_owned(), schema);
    }
    for kind in SERVICES {
        let mut schema = json!({ "oneOf": [service(), command(), acp()] });
        schema["description"] = json!(format!("The model service `{}`, or a command in its place.", kind.name));
        properties.insert(kind.name.to_owned(), schema);
    }
    let mut other = service();
    other["required"] = json!(["service"]);
    json!({
        "type": "object",
        "description": "Programs, model services and commands that agents run on, by name.",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,63}$", "not": { "enum": ["replay"] } },
        "properties": properties,
        "additionalProperties": { "oneOf": [command(), acp(), other] },
    })
}

fn secret() -> Value {
    let words = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
    json!({
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
        "properties": { "env": { "type": "string" }, "file": { "type": "string" }, "command": words },
        "description": "Where the value is: a variable, a file that nobody else may read, or what a program prints.",
    })
}

fn texts(about: &str) -> Value {
    let list = json!({ "type": "array", "items": { "type": "string" } });
    json!({ "oneOf": [{ "type": "string" }, list], "description": about })
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn channels() -> Value {
    let events = NoticeKind::ALL.map(NoticeKind::word);
    let url =
        json!({ "oneOf": [{ "type": "string" }, secret()], "description": "The address; of Slack only where it is." });
    let words = json!({ "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "Program and arguments." });
    let properties = json!({
        "via": { "enum": ["slack", "email", "webhook", "desktop", "command"], "description": "How people are told." },
        "events": { "type": "array", "items": { "enum": events }, "description": "About what; all where absent." },
        "workflows": texts("Of which workflows; one `*` in a name stands for anything."),
        "projects": texts("Of which projects, by the name of their folder."),
        "title": text("A template in place of the usual title."),
        "text": text("A template in place of the usual text."),
        "dashboard": text("Where the dashboard is, for links."),
        "allow": texts("Hosts that are reached although they are not of the open network: HOST:PORT."),
        "url": url,
        "secret": secret(),
        "server": text("The mail server, HOST:PORT."),
        "tls": { "enum": ["starttls", "tls", "none"], "default": "starttls", "description": "How it is spoken to." },
        "from": text("From whom a mail is."),
        "to": texts("To whom a mail goes."),
        "user": text("As whom the mail server is asked."),
        "password": secret(),
        "command": words,
        "time": { "type": "string", "default": "30s", "description": "How long the command may take." },
    });
    json!({
        "type": "object",
        "description": "Where people are told what runs need of them, by name.",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,63}$" },
        "additionalProperties": {
            "type": "object", "additionalProperties": false, "required": ["via"], "properties": properties,
        },
    })
}

fn hooks() -> Value {
    let inputs = json!({
        "type": "object", "additionalProperties": { "type": "string", "pattern": "^(/.*)?$" },
        "description": "Inputs, each with its place in the payload as a JSON pointer.",
    });
    let properties = json!({
        "kind": { "enum": ["generic", "github"], "default": "generic", "description": "How deliveries are signed." },
        "secret": secret(),
        "workflow": text("What is started."),
        "project": text("In which project of the server."),
        "events": texts("Which events of GitHub count: pull_request, or pull_request.opened."),
        "inputs": inputs,
        "rate": {
            "type": "integer", "minimum": 1, "maximum": 10_000, "default": 60, "description": "Deliveries a minute.",
        },
    });
    json!({
        "type": "object",
        "description": "What other systems may start by a signed request; only in the user's own file.",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,63}$" },
        "additionalProperties": {
            "type": "object", "additionalProperties": false, "required": ["secret", "workflow"], "properties": properties,
        },
    })
}

fn checks() -> Value {
    let properties = json!({
        "command": texts("Program and arguments; it runs beside this file, with the project in ORCH_PROJECT. 0 is well."),
        "time": { "type": "string", "default": "10s", "description": "How long it may take: 1s to 60s." },
        "severity": { "enum": ["fail", "warn"], "default": "fail", "description": "How bad it is where it is not well." },
        "fix": text("What to do then."),
        "projects": texts("Of which projects, by the name of their folder; one `*` in a name stands for anything."),
    });
    json!({
        "type": "object", "maxProperties": 20,
        "description": "What `orch doctor` and the server's health look at as well; only in the user's own file.",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,63}$" },
        "additionalProperties": {
            "type": "object", "additionalProperties": false, "required": ["command"], "properties": properties,
        },
    })
}

fn servers() -> Value {
    let mut env = env();
    env["additionalProperties"]["pattern"] = json!("\\$");
    env["description"] = json!("Variables that it gets, by reference: NAME = \"${NAME}\".");
    json!({
        "type": "object",
        "description": "MCP servers that agents may ask for by name.",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,63}$" },
        "additionalProperties": {
            "type": "object", "additionalProperties": false, "required": ["command"],
            "properties": {
                "command": {
                    "type": "array", "minItems": 1, "items": { "type": "string" },
                    "description": "Program and arguments.",
                },
                "env": env,
            },
        },
    })
}

fn env() -> Value {
    json!({
        "type": "object", "additionalProperties": { "type": "string" },
        "description": "Variables on top of those that it sees anyway.",
    })
}

fn service() -> Value {
    let names: Vec<_> = SERVICES.iter().map(|kind| kind.name).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "service": { "enum": names, "description": "Which service; the runtime's own name where absent." },
            "base_url": { "type": "string", "description": "Where it is, where that is not the usual place." },
            "key_env": { "type": "string", "description": "The variable that holds its key." },
            "model": { "type": "string", "description": "The model where neither step nor agent names one." },
            "max_tokens": {
                "type": "integer", "minimum": 256, "maximum": 1_000_000, "description": "Tokens of one answer.",
            },
        },
    })
}

fn program() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "program": { "type": "string", "description": "The program, where it is not the one on the PATH." },
            "model": { "type": "string", "description": "The model where neither step nor agent names one." },
            "home": {
                "enum": ["shared", "isolated"], "default": "shared",
                "description": "Whether an attempt works in the user's home, where the logins are, or in an empty one.",
            },
            "danger": {
                "type": "boolean", "default": false,
                "description": "Whether steps that say `danger: true` may work without limits; only in the user's own file.",
            },
            "env": env(),
        },
    })
}

fn command() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["command"],
        "properties": {
            "command": {
                "type": "array", "minItems": 1, "items": { "type": "string" },
                "description": "Program and arguments; a relative program with a slash is looked for beside orch.toml.",
            },
            "output": { "enum": ["text", "json"], "default": "text", "description": "What it says on standard output." },
            "env": env(),
            "sessions": {
                "type": "boolean", "default": false,
                "description": "Whether it can go on with the session that the order names.",
            },
            "reads_memory": {
                "type": "boolean", "default": false,
                "description": "Whether it reads the project's memory files by itself, so that they are not told twice.",
            },
        },
    })
}

fn acp() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["protocol", "command"],
        "properties": {
            "protocol": {
                "const": "acp",
                "description": "It speaks the Agent Client Protocol on its standard input and output.",
            },
            "command": command()["properties"]["command"],
            "env": env(),
            "model": { "type": "string", "description": "The model where neither step nor agent names one." },
            "usage": {
                "enum": ["turn", "session"], "default": "turn",
                "description": "Whether the tokens that it reports are those of one turn or of the whole session.",
            },
            "reads_memory": command()["properties"]["reads_memory"],
        },
    })
}

fn prices() -> Value {
    let dollars =
        |description: &str| json!({ "type": "number", "minimum": 0, "maximum": 10_000, "description": description });
    json!({
        "type": "object",
        "description": "What models cost, by the beginnings of their names, in dollars for a million tokens.",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "required": ["input", "output"],
            "properties": {
                "input": dollars("Tokens read."),
                "output": dollars("Tokens written."),
                "cache_read": dollars("Tokens read from a cache; as `input` where absent."),
                "cache_write": dollars("Tokens written to a cache; as `input` where absent."),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_file_is_this_schema() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/config.schema.json");
        let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let ours = schema();
        let text = serde_json::to_string_pretty(&ours).unwrap();
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, text + "\n").unwrap();
            return;
        }
        assert_eq!(file, ours, "{} should be:\n{text}", path.display());
    }
}
