//! Memory files: what people tell every agent of a project, in files of their own.

use std::path::PathBuf;

use crate::{base::Digest, definition::Dialect};

/// Which tool reads a memory file by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryFamily {
    /// `AGENTS.md`, as Codex and many others read it.
    Agents,
    /// `CLAUDE.md`.
    Claude,
    /// `GEMINI.md`.
    Gemini,
}

impl MemoryFamily {
    /// All families.
    pub const ALL: [Self; 3] = [Self::Agents, Self::Claude, Self::Gemini];

    /// The name of its files.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Agents => "AGENTS.md",
            Self::Claude => "CLAUDE.md",
            Self::Gemini => "GEMINI.md",
        }
    }

    /// The family that the tool of a definition reads; `None` where the settings decide.
    #[must_use]
    pub fn of(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::ClaudeCode => Some(Self::Claude),
            Dialect::Gemini => Some(Self::Gemini),
            Dialect::Codex | Dialect::Copilot | Dialect::OpenCode | Dialect::Cursor => Some(Self::Agents),
            Dialect::Orch | Dialect::AgentSkills | Dialect::SpecKit | Dialect::Kiro => None,
        }
    }
}

/// One memory file, or a file that one imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Who reads it.
    pub family: MemoryFamily,
    /// The path as shown to people.
    pub path: PathBuf,
    /// Its text, comments taken out where its tool does so.
    pub text: String,
    /// The digest of the file's bytes.
    pub digest: Digest,
}

/// What the settings say about what agents are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// Whether skills are loaded that nobody named.
    pub activates_skills: bool,
    /// The memory files for agents whose definition belongs to no other tool; with none, nobody is told any.
    pub memory: Vec<MemoryFamily>,
}

impl Default for Choices {
    fn default() -> Self {
        Self { activates_skills: true, memory: vec![MemoryFamily::Agents] }
    }
}
