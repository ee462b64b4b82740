//! Agents, skills, commands and named gates as their files say them.

use crate::{
    base::{Digest, Passage, Spanned},
    definition::{
        arguments::Arguments,
        meta::Meta,
        origin::Origin,
        permissions::Permissions,
        server::ServerUse,
        tools::ToolPolicy,
        workflow::{Gate, Workflow},
    },
};

/// An agent: who works, with which tools, on what.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its identifier: lower case, hyphens.
    pub name: String,
    /// When to use it.
    pub description: String,
    /// Tools it may use.
    pub tools: ToolPolicy,
    /// Rules that narrow what the tools give.
    pub permissions: Permissions,
    /// A model or a tier.
    pub model: Option<String>,
    /// The runtime it wants.
    pub runtime: Option<String>,
    /// Skills that are always loaded.
    pub skills: Vec<String>,
    /// MCP servers that it asks for.
    pub servers: Vec<ServerUse>,
    /// Rules the order repeats.
    pub constraints: Vec<String>,
    /// What it can do, for people and planners.
    pub capabilities: Vec<String>,
    /// Tokens of context.
    pub context_budget: Option<u64>,
    /// What other tools say about it, and keys that nobody knows.
    pub meta: Meta,
    /// The system prompt.
    pub body: Passage,
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
    /// Globs of files that make it apply (`paths:`, `globs:`).
    pub globs: Vec<String>,
    /// Tools the skill narrows to.
    pub allowed_tools: ToolPolicy,
    /// What other tools say about it, and keys that nobody knows.
    pub meta: Meta,
    /// The text.
    pub body: Passage,
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
    /// What other tools say about it, and keys that nobody knows.
    pub meta: Meta,
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
        text: Spanned<Passage>,
        /// How its placeholders are read.
        arguments: Arguments,
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
    /// The digests of the files that it takes texts and schemas from, byte for byte.
    pub reads: Vec<Digest>,
    /// Its file.
    pub origin: Origin,
}
