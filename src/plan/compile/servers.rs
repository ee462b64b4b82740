//! The MCP servers that a step gets: those that its agent asks for, and those whose tools it names.
//!
//! Closed world: no other server is there. Nothing is started here and no variable is read. A server that may have come
//! with a repository makes the plan one that needs trust.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    base::{Hasher, Source, Span, Spanned},
    definition::{Agent, Scope, Server, ServerForm, ServerUse, variables_of},
    plan::{
        compile::{
            compiler::Compiler,
            entry::Compiled,
            faults::{self, Place, suggest},
        },
        told::{PlanServer, PlanTrust},
    },
};

impl<'a> Compiler<'a> {
    /// The servers of an agent's step, pinned, each once.
    pub(super) fn servers(
        &mut self,
        agent: Option<&'a Agent>,
        tools: Option<&[String]>,
        source: &'a Arc<Source>,
        agent_name: Option<&Spanned<String>>,
    ) -> Vec<u32> {
        let library = self.library;
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        for used in agent.iter().flat_map(|agent| &agent.servers) {
            let origin = agent.map(|agent| &agent.origin);
            let (server, place) = match used {
                ServerUse::Declared(server) => (Some(server), Place { source: &server.source, span: server.span }),
                ServerUse::Named(name) => {
                    let file = origin.map_or(source, |origin| &origin.source);
                    (library.servers.get(&name.value), Place { source: file, span: name.span })
                }
            };
            let name = used.name();
            if !names.insert(name.to_owned()) || agent.is_some_and(|agent| is_denied(agent, name)) {
                continue;
            }
            match server {
                Some(server) => {
                    // What ships with the binary is its own.
                    let is_shipped = origin.is_some_and(|origin| origin.scope == Scope::Builtin);
                    let is_shipped = is_shipped && matches!(used, ServerUse::Declared(_));
                    self.check_denied(agent, tools, name, place);
                    found.extend(self.pinned(server, place, is_shipped));
                }
                None => {
                    let fault = place.error(faults::UNKNOWN_SERVER, format!("there is no MCP server `{name}`"));
                    let fault = fault.cause("declared in no file that is read");
                    self.faults.push(fault.help(self.known_servers(name)));
                }
            }
        }
        let span = agent_name.map_or(Span::default(), |name| name.span);
        for name in tools.into_iter().flatten().filter_map(|tool| server_of(tool)) {
            if !names.insert(name.to_owned()) || agent.is_some_and(|agent| is_denied(agent, name)) {
                continue;
            }
            let place = Place { source, span };
            match library.servers.get(name) {
                Some(server) => {
                    self.check_denied(agent, tools, name, place);
                    found.extend(self.pinned(server, place, false));
                }
                None => {
                    let message = format!("tools of the MCP server `{name}` are allowed, and nothing declares it");
                    let fault = place.error(faults::UNKNOWN_SERVER, message).cause("the step works without them");
                    self.faults.push(fault.help(self.known_servers(name)).warning());
                }
            }
        }
        found
    }

    /// A server whose tools are there but for some that are taken away: not every program can keep that.
    fn check_denied(&mut self, agent: Option<&Agent>, tools: Option<&[String]>, name: &str, place: Place<'_>) {
        let prefix = format!("mcp__{name}__");
        let denied = agent.iter().flat_map(|agent| &agent.tools.deny).find(|rule| rule.name.starts_with(&prefix));
        let mut named = tools.into_iter().flatten().filter(|tool| server_of(tool) == Some(name)).peekable();
        let is_narrow =
            named.peek().is_some() && named.all(|tool| tool.strip_prefix(&prefix).is_some_and(|one| one != "*"));
        if let Some(rule) = denied.filter(|_| !is_narrow) {
            let message = format!("`{}` is taken away from the tools of the MCP server `{name}`", rule.name);
            let fault =
                place.error(faults::SERVER_FORM, message).cause("not every program can keep one tool of a server away");
            self.faults.push(fault.help(format!("name the tools that it may use: `tools: {prefix}TOOL`")));
        }
    }

    fn known_servers(&self, name: &str) -> String {
        let none = "declare it in .mcp.json, or in orch.toml: [mcp.NAME] command = [\"PROGRAM\"]";
        suggest(name, self.library.servers.keys().map(String::as_str), "MCP servers", none)
    }

    /// A server in the plan. One that cannot be handed on is a fault.
    fn pinned(&mut self, server: &Server, place: Place<'_>, is_shipped: bool) -> Option<u32> {
        let name = &server.name;
        let path = server.source.path.display();
        let mut refuse = |message: String, cause: String, help: &str| {
            self.faults.push(place.error(faults::SERVER_FORM, message).cause(cause).help(help));
            None
        };
        let (command, env) = match &server.form {
            ServerForm::Program { command, env } => (command, env),
            ServerForm::Remote => {
                let message = format!("the MCP server `{name}` is reached by an address, which is not supported");
                let help = "only servers that are programs are handed to agents; put a program in front of it that speaks \
                            over its standard input and output";
                return refuse(message, format!("declared in {path} with a URL"), help);
            }
            ServerForm::Unusable(why) => {
                let message = format!("the MCP server `{name}` cannot be used: {why}");
                return refuse(message, format!("declared in {path}"), "correct its declaration");
            }
        };
        if !is_server_name(name) {
            let message = format!("an MCP server cannot be called `{}`", name.escape_debug());
            let help = "use letters, digits, `_` and `-`, and no two `_` beside each other";
            return refuse(message, format!("declared in {path}"), help);
        }
        if let Some(variable) = command.iter().flat_map(|word| variables_of(word)).next() {
            let message = format!("the command of the MCP server `{name}` reads the variable `{variable}`");
            let cause = "arguments are seen by every process of the machine".to_owned();
            return refuse(message, cause, "let the server read it from its `env`");
        }
        let pinned = PlanServer {
            name: name.clone(),
            command: command.clone(),
            env: env.keys().cloned().collect(),
            path: path.to_string(),
            digest: server.digest(),
            needs_trust: !server.is_own && !is_shipped,
        };
        let known = self.pins.servers.iter().position(|other| *other == pinned).unwrap_or_else(|| {
            self.pins.servers.push(pinned);
            self.pins.servers.len() - 1
        });
        u32::try_from(known).ok()
    }
}

/// The server that a tool belongs to: `mcp__db__query`, `mcp__db`.
fn server_of(tool: &str) -> Option<&str> {
    let rest = tool.trim().strip_prefix("mcp__")?;
    let name = rest.split("__").next().unwrap_or(rest);
    let name = name.split('(').next().unwrap_or(name).trim();
    (!name.is_empty() && name != "*").then_some(name)
}

/// Whether an agent's file takes a whole server away.
fn is_denied(agent: &Agent, name: &str) -> bool {
    let whole = ["mcp__*".to_owned(), format!("mcp__{name}"), format!("mcp__{name}__*")];
    agent.tools.deny.iter().any(|rule| whole.contains(&rule.name))
}

/// Whether every program that takes servers can spell its tools.
fn is_server_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && !name.contains("__")
}

/// What a person has to trust before a run of this plan: commands of the definition itself, and servers that may have come
/// with a repository. It is the whole plan that is trusted, with every byte of the files that it was made from: each prompt,
/// schema and command counts.
pub(super) fn trust(compiled: &Compiled, (name, path): (&str, &str), mut commands: Vec<String>) -> Option<PlanTrust> {
    let plan = &compiled.plan;
    commands.extend(plan.servers.iter().filter(|server| server.needs_trust).map(shown));
    if commands.is_empty() {
        return None;
    }
    let mut hasher = Hasher::default();
    for digest in std::iter::once(&plan.digest).chain(&compiled.made_from.digests) {
        hasher.update(digest.as_str().as_bytes());
    }
    let (name, path, skills) = (name.to_owned(), path.to_owned(), compiled.made_from.skills.clone());
    Some(PlanTrust { name, path, digest: hasher.finish(), commands, skills })
}

/// A server's command as a person would type it, and what it is.
fn shown(server: &PlanServer) -> String {
    let env = if server.env.is_empty() { String::new() } else { format!(", gets {}", server.env.join(" ")) };
    format!("{} # MCP server {} of {}{env}", shell_words(&server.command), server.name, server.path)
}

/// Words as a person would type them.
pub(super) fn shell_words(words: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte))
    };
    let quote = |word: &String| {
        if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_name_their_server() {
        let cases = [
            ("mcp__db__query", Some("db")),
            ("mcp__db", Some("db")),
            ("mcp__db__*", Some("db")),
            ("mcp__*", None),
            ("mcp__", None),
            ("Read", None),
        ];
        for (tool, server) in cases {
            assert_eq!(server_of(tool), server, "{tool}");
        }
    }

    #[test]
    fn names_are_those_that_every_program_takes() {
        assert!(["db", "my-db_2"].iter().all(|name| is_server_name(name)));
        assert!(["", "a__b", "a b", "a.b", "../x", &"x".repeat(65)].iter().all(|name| !is_server_name(name)));
    }
}
