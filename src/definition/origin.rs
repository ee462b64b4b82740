//! Where a definition came from: its place, its tool, its text.

use std::{path::PathBuf, sync::Arc};

use crate::base::{Digest, Source, Span};

/// Where a definition was found. The order is the precedence: an earlier scope shadows a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The project's own folders.
    Project,
    /// The same folders under `.orch/`.
    DotOrch,
    /// The folders of other tools in the project.
    Dialect,
    /// What `orch add` took into the project.
    Added,
    /// The user's folders.
    User,
    /// The folders of other tools in the user's home.
    UserDialect,
    /// What `orch add --user` took in.
    UserAdded,
    /// The library built into the binary.
    Builtin,
}

/// The tool that a file was written for. It decides which keys mean what, and how arguments are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// `orch` itself.
    Orch,
    /// Claude Code.
    ClaudeCode,
    /// The open skill standard (agentskills.io).
    AgentSkills,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// GitHub Copilot and VS Code.
    Copilot,
    /// opencode.
    OpenCode,
    /// Cursor.
    Cursor,
    /// spec-kit templates.
    SpecKit,
    /// Kiro.
    Kiro,
}

impl Dialect {
    /// The tool's name as people write it.
    #[must_use]
    pub fn tool(self) -> &'static str {
        match self {
            Self::Orch => "orch",
            Self::ClaudeCode => "Claude Code",
            Self::AgentSkills => "Agent Skills",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Copilot => "Copilot",
            Self::OpenCode => "opencode",
            Self::Cursor => "Cursor",
            Self::SpecKit => "spec-kit",
            Self::Kiro => "Kiro",
        }
    }
}

/// What every definition file has.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Where it was found.
    pub scope: Scope,
    /// The tool that it was written for.
    pub dialect: Dialect,
    /// The plugin or added repository that it belongs to.
    pub plugin: Option<String>,
    /// The path as shown to people; `builtin:agents/x.md` for the library in the binary.
    pub path: PathBuf,
    /// The file's text.
    pub source: Arc<Source>,
    /// Where its frontmatter stands, without the lines that open and close it; empty where there is none.
    pub frontmatter: Span,
}

impl Origin {
    /// The digest of the file's bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.source.digest()
    }
}
