//! What other tools keep beside agents, skills and commands: rules, output styles, and files that are only recorded.

use std::path::PathBuf;

use crate::{
    base::Passage,
    definition::{
        meta::Meta,
        origin::{Dialect, Origin, Scope},
    },
};

/// What a [`Rule`] is for its home tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Instructions for some files, or for all.
    Rule,
    /// A way of writing that a person chooses.
    OutputStyle,
}

/// Instructions that belong to files or to a whole session, not to an agent.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its identifier: `name:`, else the path inside its folder.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it is for its home tool.
    pub kind: RuleKind,
    /// The files that it applies to (`paths`, `globs`, `applyTo`).
    pub globs: Vec<String>,
    /// Whether it applies without a matching file.
    pub always: bool,
    /// What other tools say about it, and keys that nobody knows.
    pub meta: Meta,
    /// The instructions.
    pub body: Passage,
    /// Its file.
    pub origin: Origin,
}

/// A file of another tool that `orch` records and does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestKind {
    /// Commands that a tool runs at moments of its session.
    Hooks,
    /// Servers with tools.
    Mcp,
    /// What a plugin is.
    Plugin,
    /// Which plugins a repository offers.
    Marketplace,
    /// What a Gemini extension is.
    Extension,
}

impl ManifestKind {
    /// The word in lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hooks => "hooks",
            Self::Mcp => "mcp",
            Self::Plugin => "plugin",
            Self::Marketplace => "marketplace",
            Self::Extension => "extension",
        }
    }
}

/// One such file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is.
    pub kind: ManifestKind,
    /// The name that it gives, else that of its folder.
    pub name: String,
    /// What it says about itself.
    pub description: String,
    /// The path as shown to people.
    pub path: PathBuf,
    /// Where it was found.
    pub scope: Scope,
    /// The tool that it was written for.
    pub dialect: Dialect,
    /// The plugin or added repository that it belongs to.
    pub plugin: Option<String>,
}
