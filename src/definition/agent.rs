//! Agents, skills, commands and named gates as their files say them.

use std::{path::PathBuf, sync::Arc};

use serde_json::Value;

use crate::{
    base::{Digest, Source, Spanned},
    definition::workflow::{Gate, Workflow},
};

/// Where a definition came from. The order is the precedence: an earlier scope shadows a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The project's own folders.
    Project,
    /// The same folders under `.orch/`.
    DotOrch,
    /// The folders of other tools in the project.
    Dialect,
    /// The user's folders.
    User,
    /// The library built into the binary.
    Builtin,
}

/// What every definition file has.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Where it was found.
    pub scope: Scope,
    /// The path as shown to people; `builtin:agents/x.md` for the library in the binary.
    pub path: PathBuf,
    /// The file's text.
    pub source: Arc<Source>,
    /// The digest of the file's bytes.
    pub digest: Digest,
}

/// An agent: who works, with which tools, on what.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its identifier: lower case, hyphens.
    pub name: String,
    /// When to use it.
    pub description: String,
    /// Tools it may use; `None` inherits all.
    pub tools: Option<Vec<String>>,
    /// A model or a tier.
    pub model: Option<String>,
    /// The runtime it wants.
    pub runtime: Option<String>,
    /// Skills that are always loaded.
    pub skills: Vec<String>,
    /// Rules the order repeats.
    pub constraints: Vec<String>,
    /// What it can do, for people and planners.
    pub capabilities: Vec<String>,
    /// Tokens of context.
    pub context_budget: Option<u64>,
    /// Keys that `orch` does not know, kept as they were.
    pub extra: serde_json::Map<String, Value>,
    /// The system prompt.
    pub body: String,
    /// Its file.
    pub origin: Origin,
}

/// A skill: knowledge that is loaded when it applies.
#[derive(Debug, Clone)]
pub struct Skill {
    /// Its identifier: the folder's name.
    pub name: String,
    /// When it applies.
    pub description: String,
    /// Keywords or globs.
    pub triggers: Vec<String>,
    /// Tools the skill narrows to.
    pub allowed_tools: Option<Vec<String>>,
    /// Keys that `orch` does not know, kept as they were.
    pub extra: serde_json::Map<String, Value>,
    /// The text.
    pub body: String,
    /// Its file.
    pub origin: Origin,
}

/// A slash command.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its identifier: the path under `commands/` with `:` between folders.
    pub name: String,
    /// One line.
    pub description: String,
    /// What to type after it.
    pub argument_hint: Option<String>,
    /// What it runs.
    pub body: CommandBody,
    /// Keys that `orch` does not know, kept as they were.
    pub extra: serde_json::Map<String, Value>,
    /// Its file.
    pub origin: Origin,
}

/// What a command runs.
#[derive(Debug, Clone)]
pub enum CommandBody {
    /// A workflow by name.
    Workflow(Spanned<String>),
    /// Steps in the frontmatter or a literate workflow.
    Inline(Box<Workflow>),
    /// Plain prose: one agent step.
    Prose {
        /// The text, with `$ARGUMENTS` and the like.
        text: Spanned<String>,
        /// The agent that does it.
        agent: Option<String>,
        /// The model.
        model: Option<String>,
    },
}

/// A gate of the library: a name for a list of checks.
#[derive(Debug, Clone)]
pub struct NamedGate {
    /// Its identifier.
    pub name: String,
    /// What it proves.
    pub description: String,
    /// The checks, in order.
    pub checks: Vec<Spanned<Gate>>,
    /// Its file.
    pub origin: Origin,
}
