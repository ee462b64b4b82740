//! MCP servers: what an agent's file asks for, and what the project's own files of other tools declare.
//!
//! Only reads. A declaration that cannot be used is kept with the reason, which is told to whoever asks for that server.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::Value;

use crate::{
    base::{Source, Span, Spanned},
    definition::{
        Server, ServerForm, ServerUse,
        load::{
            bytes, json,
            node::{Kind, Node},
            values::Values,
        },
    },
};

/// Files of a project that declare servers, the nearest first.
pub const SERVER_FILES: &[&str] =
    &[".mcp.json", ".gemini/settings.json", ".cursor/mcp.json", ".vscode/mcp.json", "opencode.json", "opencode.jsonc"];
/// The keys below which they may stand.
const KEYS: &[&str] = &["mcpServers", "servers", "mcp"];
/// Servers of one file, words of one command, variables of one server.
const COUNT_MAX: usize = 200;

/// The servers that files of the project declare, by name. Where two declare the same, the first file counts.
#[must_use]
pub fn load_servers(root: &Path) -> BTreeMap<String, Arc<Server>> {
    let mut found = BTreeMap::new();
    for name in SERVER_FILES {
        let path = root.join(name);
        // Not a plain file, or one that cannot be read: its faults are told where manifests are.
        let Some(text) = path.is_file().then(|| bytes::read_within(root, &path, Path::new(name)).ok()).flatten() else {
            continue;
        };
        let Ok(value) = json::parse(&text.source) else { continue };
        let inner = KEYS.iter().find_map(|key| value.get(key).and_then(Value::as_object));
        // Claude Code takes the file without the outer key as well.
        let inner = inner.or_else(|| value.as_object().filter(|_| *name == ".mcp.json"));
        for (server, config) in inner.into_iter().flatten().take(COUNT_MAX).filter(|(_, config)| config.is_object()) {
            let span = place(&text.source, server);
            let declared = || Arc::new(declared_server(server, config, &text.source, span));
            found.entry(server.clone()).or_insert_with(declared);
        }
    }
    found
}

/// Where a JSON text names a server.
fn place(source: &Source, name: &str) -> Span {
    let quoted = format!("\"{name}\"");
    source.text.find(&quoted).map_or(Span::default(), |start| Span::new(start..start + quoted.len()))
}

/// A server from its configuration in any of the tools' forms.
pub(super) fn declared_server(name: &str, config: &Value, source: &Arc<Source>, span: Span) -> Server {
    let form = form(config).unwrap_or_else(ServerForm::Unusable);
    Server { name: name.to_owned(), form, source: Arc::clone(source), span, is_own: false }
}

fn form(config: &Value) -> Result<ServerForm, String> {
    let is_off = config["disabled"] == true || config["enabled"] == false;
    if is_off {
        return Err("it is switched off in its file".to_owned());
    }
    if ["url", "httpUrl"].iter().any(|key| config.get(key).is_some()) {
        return Ok(ServerForm::Remote);
    }
    let words = |value: &Value| -> Option<Vec<String>> {
        let words = value.as_array()?;
        let words: Option<Vec<_>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
        words.filter(|words| words.len() <= COUNT_MAX)
    };
    let mut command = match &config["command"] {
        Value::String(program) => vec![program.clone()],
        Value::Array(_) => words(&config["command"]).ok_or("its `command` is no list of texts")?,
        _ => return Err("it has no `command`".to_owned()),
    };
    match &config["args"] {
        Value::Null => {}
        args => command.extend(words(args).ok_or("its `args` are no list of texts")?),
    }
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        return Err("its `command` names no program".to_owned());
    }
    let mut env = BTreeMap::new();
    let variables = ["env", "environment"].iter().find_map(|key| config.get(key)).unwrap_or(&Value::Null);
    for (name, value) in variables.as_object().into_iter().flatten().take(COUNT_MAX) {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(format!("its variable `{name}` is no text")),
        };
        env.insert(name.clone(), value);
    }
    let text = command.iter().chain(env.keys()).chain(env.values());
    if text.into_iter().any(|text| text.contains('\0')) || env.keys().any(|name| name.is_empty() || name.contains('='))
    {
        return Err("a word or a variable of it cannot be given to a program".to_owned());
    }
    Ok(ServerForm::Program { command, env })
}

impl Values<'_, '_, '_> {
    /// The servers that an agent asks for: names, declarations, or both in one list.
    pub fn servers(&mut self, source: &Arc<Source>) -> Vec<ServerUse> {
        let key = ["mcpServers", "mcp-servers", "mcp_servers"].into_iter().find(|key| self.parts.get(key).is_some());
        let Some(entry) = self.entry(key.unwrap_or("mcpServers")) else { return Vec::new() };
        let mut uses = Vec::new();
        match entry.value.kind() {
            Kind::List(items) => {
                for item in items {
                    match item.kind() {
                        Kind::Map(_) => maps(item, source, &mut uses),
                        Kind::Scalar { .. } => uses.extend(item.as_text().map(|name| named(name, item.span))),
                        Kind::List(_) | Kind::Shared(_) | Kind::Broken => self.ignored(entry, "names of MCP servers"),
                    }
                }
            }
            Kind::Map(_) => maps(&entry.value, source, &mut uses),
            Kind::Scalar { .. } => {
                uses.extend(self.words_of(entry, true).iter().map(|name| named(name, entry.value.span)));
            }
            Kind::Shared(_) | Kind::Broken => {}
        }
        uses.truncate(COUNT_MAX);
        uses
    }
}

fn named(name: &str, span: Span) -> ServerUse {
    ServerUse::Named(Spanned::new(name.trim().to_owned(), span))
}

/// `name: configuration` for each server; a name without one is only a name.
fn maps(node: &Node<'_>, source: &Arc<Source>, uses: &mut Vec<ServerUse>) {
    for entry in node.as_map().into_iter().flatten() {
        uses.push(match entry.value.kind() {
            Kind::Map(_) => {
                let config = entry.value.to_json();
                ServerUse::Declared(Arc::new(declared_server(&entry.key, &config, source, entry.key_span)))
            }
            Kind::Scalar { .. } | Kind::List(_) | Kind::Shared(_) | Kind::Broken => named(&entry.key, entry.key_span),
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_tool_writes_the_same_server() {
        let expected = ServerForm::Program {
            command: vec!["npx".into(), "-y".into(), "x".into()],
            env: BTreeMap::from([("A".to_owned(), "${B}".to_owned())]),
        };
        let plain = json!({ "command": "npx", "args": ["-y", "x"], "env": { "A": "${B}" } });
        let opencode = json!({ "type": "local", "command": ["npx", "-y", "x"], "environment": { "A": "${B}" } });
        assert_eq!(form(&plain).unwrap(), expected);
        assert_eq!(form(&opencode).unwrap(), expected);
        assert_eq!(form(&json!({ "type": "http", "url": "https://x" })).unwrap(), ServerForm::Remote);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (config, words) in [
            (json!({}), "no `command`"),
            (json!({ "command": " " }), "no program"),
            (json!({ "command": [1] }), "no list of texts"),
            (json!({ "command": "x", "args": "y" }), "`args`"),
            (json!({ "command": "x", "env": { "A": [] } }), "`A`"),
            (json!({ "command": "x", "env": { "A=B": "1" } }), "cannot be given"),
            (json!({ "command": "x", "disabled": true }), "switched off"),
            (json!({ "command": "x\u{0}" }), "cannot be given"),
        ] {
            assert!(form(&config).unwrap_err().contains(words), "{config}");
        }
    }

    #[test]
    fn the_nearest_file_counts_and_broken_ones_cost_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".mcp.json", "{ \"mcpServers\": { \"a\": { \"command\": \"one\" }, }, // all\n}");
        write(".cursor/mcp.json", r#"{ "mcpServers": { "a": { "command": "two" }, "b": { "command": "three" } } }"#);
        write(".vscode/mcp.json", "{ broken");
        write("opencode.json", r#"{ "mcp": { "c": { "type": "remote", "url": "http://x" } } }"#);
        let found = load_servers(folder.path());
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(found["a"].form, ServerForm::Program { command: vec!["one".into()], env: BTreeMap::new() });
        assert_eq!(found["c"].form, ServerForm::Remote);
        assert_eq!(&found["a"].source.text[found["a"].span.start..found["a"].span.end], "\"a\"");
        assert!(!found["a"].is_own);
    }
}
