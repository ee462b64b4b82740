//! Whether an agent may do what it asks for. Knows no message but the options of a question.
//!
//! Invariants: what cannot be judged is refused; nothing is ever allowed or refused for more than this once.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    guard::contained_path,
    runtime::{
        order::Order,
        program::{
            acp::tools::{PATHS_MAX, Tool},
            json::{one_line, text},
            rights::{Command, Commands, Right, Rights},
        },
    },
};

/// Kinds of tools that change something, so that their use is judged although nobody has asked.
const CHANGES: [&str; 4] = ["edit", "delete", "move", "execute"];
/// Letters that make more than one command of a text.
const SHELL: [char; 13] = [';', '&', '|', '<', '>', '$', '`', '(', ')', '\n', '\r', '\\', '{'];

/// Who decides in the place of a person.
#[derive(Debug)]
pub(super) struct Judge {
    rights: Rights,
    /// The workspace, as it was named and without links.
    roots: Vec<PathBuf>,
    /// Files outside that the order names.
    named: Vec<PathBuf>,
}

impl Judge {
    pub fn new(order: &Order) -> Self {
        let named = order.context_files.iter().map(PathBuf::from).filter(|path| path.is_absolute()).collect();
        Self { rights: Rights::of(order), roots: Vec::new(), named }
    }

    /// Where the agent works.
    pub fn in_workspace(&mut self, workspace: &Path) {
        self.roots = vec![workspace.to_owned()];
        self.roots.extend(workspace.canonicalize().ok().filter(|real| real != workspace));
    }

    /// Whether the agent may use this tool, for which it asks; else why not.
    pub fn asked(&self, tool: &Tool) -> Result<(), String> {
        if self.rights.all {
            return Ok(());
        }
        if tool.kinds.is_empty() {
            return self.unknown(tool);
        }
        tool.kinds.iter().try_for_each(|kind| self.kind(kind, tool))
    }

    /// Whether the agent may have used this tool, for which it has not asked; else why not.
    pub fn used(&self, tool: &Tool) -> Result<(), String> {
        if self.rights.all {
            return Ok(());
        }
        for kind in tool.kinds.iter().filter(|kind| CHANGES.contains(&kind.as_str())) {
            // Where it worked is not always told; then only what it may do at all counts.
            let is_vague = kind != "execute" && tool.paths.is_empty() && self.rights.has(Right::Edit);
            if !is_vague {
                self.kind(kind, tool)?;
            }
        }
        Ok(())
    }

    fn kind(&self, kind: &str, tool: &Tool) -> Result<(), String> {
        match kind {
            "read" => self.needs(&[Right::Read]).and_then(|()| self.readable(tool)),
            "search" => self.needs(&[Right::Read, Right::Find, Right::Search]).and_then(|()| self.readable(tool)),
            "edit" | "delete" | "move" => self.needs(&[Right::Edit]).and_then(|()| self.writable(tool)),
            "execute" => self.command(tool),
            "fetch" => self.needs(&[Right::Fetch, Right::Web]),
            "think" => Ok(()),
            _ => self.unknown(tool),
        }
    }

    fn needs(&self, any: &[Right]) -> Result<(), String> {
        let holds = any.iter().any(|right| self.rights.has(*right));
        if holds { Ok(()) } else { Err("this agent was not given that".into()) }
    }

    fn readable(&self, tool: &Tool) -> Result<(), String> {
        tool.paths.iter().filter(|path| !self.named.contains(path)).try_for_each(|path| match self.inside(path) {
            Some(inside) if inside.as_os_str().is_empty() => Ok(()),
            _ => self.contained(path),
        })
    }

    fn writable(&self, tool: &Tool) -> Result<(), String> {
        if tool.paths.is_empty() || tool.paths.len() > PATHS_MAX {
            return Err("it does not say which files".into());
        }
        tool.paths.iter().try_for_each(|path| self.contained(path))
    }

    /// The path in the workspace; nothing where it leads elsewhere.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        if path.is_relative() {
            return Some(path.strip_prefix(".").unwrap_or(path).to_owned());
        }
        self.roots.iter().find_map(|root| path.strip_prefix(root).ok()).map(Path::to_owned)
    }

    fn contained(&self, path: &Path) -> Result<(), String> {
        let outside = || format!("`{}` is not in the workspace", one_line(&path.display().to_string()));
        let (Some(inside), Some(root)) = (self.inside(path), self.roots.first()) else { return Err(outside()) };
        contained_path(root, &inside).map(drop).map_err(|fault| one_line(&fault.to_string()))
    }

    fn command(&self, tool: &Tool) -> Result<(), String> {
        let Commands::These(commands) = &self.rights.commands else { return Ok(()) };
        let refused = || "the command is none of those that this agent was given".to_owned();
        let Some(wanted) = tool.command.as_deref().map(str::trim) else { return Err(refused()) };
        let fits = |command: &Command| match wanted.strip_prefix(&command.words) {
            Some(rest) => rest.is_empty() || (command.is_open && rest.starts_with(' ')),
            None => false,
        };
        if !wanted.contains(SHELL) && commands.iter().any(fits) { Ok(()) } else { Err(refused()) }
    }

    /// A tool of no kind may still be one of a server that the order names, by the names that agents give those.
    fn unknown(&self, tool: &Tool) -> Result<(), String> {
        let title = tool.title.as_str();
        let is_given = tool.command.is_none()
            && self.rights.mcp.iter().any(|(server, only)| {
                let marks =
                    [format!("mcp__{server}__"), format!("mcp_{server}_"), format!("{server}-"), format!("{server}_")];
                let told = marks.iter().find_map(|mark| title.strip_prefix(mark.as_str()));
                let told = told.or_else(|| title.strip_suffix(&format!(" ({server} MCP Server)")));
                told.is_some_and(|told| only.as_deref().is_none_or(|only| told == only))
            });
        if is_given { Ok(()) } else { Err("nobody knows what kind of tool that is".into()) }
    }
}

/// The answer to a question: the option that allows this once or refuses this once, else that nobody has chosen. The
/// second word says whether it was allowed.
pub(super) fn chosen(params: &Value, may: bool) -> (Value, bool) {
    let option = |kind: &str| {
        let options = params["options"].as_array().into_iter().flatten();
        options.filter(|option| text(option, "kind") == kind).find_map(|option| option.get("optionId")?.as_str())
    };
    match option(if may { "allow_once" } else { "reject_once" }).filter(|id| id.len() <= 1_000) {
        Some(id) => (json!({ "outcome": { "outcome": "selected", "optionId": id } }), may),
        None if may => chosen(params, false),
        None => (json!({ "outcome": { "outcome": "cancelled" } }), false),
    }
}
