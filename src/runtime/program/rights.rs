//! What an order allows, in words that belong to no program: each adapter spells them in its own way.
//!
//! The world is closed: what is not named is not there. A tool that is narrowed in a way that not every program can keep
//! is not given at all, because a wider right is worse than none. Knows no program.

use std::collections::BTreeSet;

use crate::{
    definition::{Narrowed, read_rule},
    runtime::order::{Access, Order},
};

/// Something that an agent may do with a built-in tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// Read files and list folders.
    Read,
    /// Find files by their names.
    Find,
    /// Find text in files.
    Search,
    /// Make and change files in the workspace.
    Edit,
    /// Fetch a page.
    Fetch,
    /// Ask a search engine.
    Web,
    /// Keep a list of what is to be done.
    Todo,
}

/// What an agent has that declares no tools: all but agents of its own making, which nobody could count.
const INHERITED: [Right; 7] =
    [Right::Read, Right::Find, Right::Search, Right::Edit, Right::Fetch, Right::Web, Right::Todo];

/// Commands that an agent may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commands {
    /// Every command.
    All,
    /// These and no other; none where there is none.
    These(Vec<Command>),
}

/// A command that an agent may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// Its first words, or all of them.
    pub words: String,
    /// Whether more words may follow.
    pub is_open: bool,
}

/// All that an order allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    /// Everything, with no question asked; the rest is empty then.
    pub all: bool,
    /// What may be done with built-in tools.
    pub tools: BTreeSet<Right>,
    /// What may be run.
    pub commands: Commands,
    /// Commands that may not be run, whatever else is said.
    pub no_commands: Vec<Command>,
    /// Tools of MCP servers: the server, and the tool or all of its tools.
    pub mcp: Vec<(String, Option<String>)>,
    /// Tools of MCP servers that may not be used, whatever else is said.
    pub no_mcp: Vec<(String, Option<String>)>,
}

impl Rights {
    /// What this order allows.
    pub fn of(order: &Order) -> Self {
        let mut rights = Self {
            all: false,
            tools: BTreeSet::new(),
            commands: Commands::These(Vec::new()),
            no_commands: Vec::new(),
            mcp: Vec::new(),
            no_mcp: Vec::new(),
        };
        match &order.tools {
            Some(tools) if !tools.iter().any(|tool| tool.trim() == "*") => {
                tools.iter().for_each(|tool| rights.grant(tool));
            }
            _ if order.access == Access::Full => rights.all = true,
            _ => {
                rights.tools.extend(INHERITED);
                rights.commands = Commands::All;
            }
        }
        if order.access == Access::Read {
            rights.tools.remove(&Right::Edit);
            rights.commands = Commands::These(Vec::new());
        }
        for server in &order.mcp_servers {
            // A server that was declared and that no tool names is there as a whole.
            if !rights.all && !rights.mcp.iter().any(|(name, _)| *name == server.name) {
                rights.mcp.push((server.name.clone(), None));
            }
        }
        order.permissions.partial(order.tools.as_deref()).for_each(|rule| rights.deny(rule));
        rights
    }

    fn deny(&mut self, rule: &str) {
        if let Some(tool) = server_tool(rule) {
            self.no_mcp.push(tool);
        } else if let Ok((_, Narrowed::Command { words, is_open })) = read_rule(rule) {
            self.no_commands.push(Command { words: words.to_owned(), is_open });
        }
    }

    /// Whether this is allowed.
    pub fn has(&self, right: Right) -> bool {
        self.all || self.tools.contains(&right)
    }

    /// Whether any command may be run.
    pub fn runs_commands(&self) -> bool {
        self.all || !matches!(&self.commands, Commands::These(commands) if commands.is_empty())
    }

    fn grant(&mut self, tool: &str) {
        let (name, narrowed) = split(tool.trim());
        let rights: &[Right] = match name.to_ascii_lowercase().as_str() {
            "bash" => return self.grant_commands(narrowed.unwrap_or("*")),
            _ if name.starts_with("mcp__") => return self.grant_mcp(name),
            _ if narrowed.is_some() => return,
            "read" | "ls" | "notebookread" => &[Right::Read],
            "glob" => &[Right::Find],
            "grep" => &[Right::Search],
            "edit" | "multiedit" | "write" | "notebookedit" => &[Right::Edit],
            "webfetch" => &[Right::Fetch],
            "websearch" => &[Right::Web],
            "todowrite" | "todoread" => &[Right::Todo],
            _ => return,
        };
        self.tools.extend(rights);
    }

    fn grant_commands(&mut self, pattern: &str) {
        let Commands::These(commands) = &mut self.commands else { return };
        let pattern = pattern.trim();
        let open = pattern.strip_suffix(":*").or_else(|| pattern.strip_suffix(" *")).map(str::trim);
        let words = open.unwrap_or(pattern);
        if words == "*" {
            self.commands = Commands::All;
        } else if !words.is_empty() && !words.contains(|letter: char| letter == '*' || letter.is_control()) {
            commands.push(Command { words: words.to_owned(), is_open: open.is_some() });
        }
    }

    fn grant_mcp(&mut self, name: &str) {
        self.mcp.extend(server_tool(name));
    }
}

/// A server and its tool, or all of its tools.
fn server_tool(name: &str) -> Option<(String, Option<String>)> {
    let mut parts = name.strip_prefix("mcp__")?.splitn(2, "__");
    let server = parts.next().filter(|server| !server.is_empty())?;
    let tool = parts.next().filter(|tool| !tool.is_empty() && *tool != "*");
    Some((server.to_owned(), tool.map(str::to_owned)))
}

/// `Bash(git log *)` as its name and what stands in parentheses.
fn split(tool: &str) -> (&str, Option<&str>) {
    match tool.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')').unwrap_or(rest))),
        None => (tool, None),
    }
}
