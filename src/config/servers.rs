//! Reads `[mcp.NAME]`: MCP servers that agents may ask for by name.

use std::{ops::Range, sync::Arc};

use toml_edit::TableLike;

use crate::{
    base::Span,
    config::{
        file::{Reader, key_span},
        form::is_name,
    },
    definition::{Server, ServerForm, variables_of},
};

/// What may be said of a server.
pub(super) const SERVER_KEYS: &[&str] = &["command", "env"];

impl Reader<'_> {
    pub(super) fn servers(&mut self, servers: &dyn TableLike) {
        for (name, item) in servers.iter() {
            let at = key_span(servers, name);
            if !is_name(name) {
                self.refuse(at, "mcp", "this cannot be a server's name", "use letters, digits, `_` and `-`");
            } else if let Some(table) = item.as_table_like() {
                self.server(name, at, table);
            } else {
                let help = format!("write a table: [mcp.{name}] and below it command = [\"PROGRAM\"]");
                self.refuse(at, &format!("mcp.{name}"), "this is no table", &help);
            }
        }
    }

    fn server(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) {
        let before = self.layer.faults.len();
        let (mut command, mut env) = Default::default();
        for (key, item) in table.iter() {
            let path = format!("mcp.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            match key {
                "command" => command = self.command(&path, place, item),
                "env" => env = self.variables(&path, place, item),
                "url" => {
                    let help = "put a program in front of it that speaks over its standard input and output";
                    self.refuse(place, &path, "servers that are reached by an address are not supported", help);
                }
                _ => self.unknown(key_span(table, key), &format!("mcp.{name}"), key),
            }
        }
        for (variable, value) in &env {
            if variables_of(value).is_empty() {
                // A file of settings is shared and committed.
                let help = format!("write {variable} = \"${{{variable}}}\" and set the variable {variable}");
                let path = format!("mcp.{name}.env.{variable}");
                self.refuse(at.clone(), &path, "a value would stand in the file in clear", &help);
            }
        }
        if !table.contains_key("command") {
            let help = "add the program and its arguments: command = [\"./server.sh\"]";
            self.refuse(at.clone(), &format!("mcp.{name}"), "it has no `command`", help);
        }
        if self.layer.faults.len() == before {
            self.layer.servers.push(Server {
                name: name.to_owned(),
                form: ServerForm::Program { command, env },
                source: Arc::clone(self.source),
                span: Span::new(at),
                is_own: !self.place.is_project,
            });
        }
    }
}
