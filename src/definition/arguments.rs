//! How the placeholders of a prose command are read: each tool has its own way.

use crate::definition::Dialect;

/// The number of the first word after a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Base {
    /// `$0`, as in Claude Code.
    #[default]
    Zero,
    /// `$1`, as in Codex and opencode.
    One,
}

/// Which words stand for values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// `$ARGUMENTS`, `$0`, `$name`, as in Claude Code.
    #[default]
    Claude,
    /// `$ARGUMENTS`, `$1` … `$9`, `$$` for a dollar, as in Codex prompts.
    Codex,
    /// `$ARGUMENTS`, `$1`; the highest number takes the rest, as in opencode.
    OpenCode,
    /// `{{args}}`, `!{cmd}`, `@{path}`, as in Gemini CLI.
    Gemini,
    /// `${input:name}`, as in Copilot prompts.
    Copilot,
}

/// The arguments of a prose command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Which words stand for values.
    pub style: Style,
    /// The number of the first word.
    pub base: Base,
    /// Names for words (`arguments:`), in order.
    pub named: Vec<String>,
}

impl Arguments {
    /// As the tool reads them that the file was written for.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        let (style, base) = match dialect {
            Dialect::Codex => (Style::Codex, Base::One),
            Dialect::OpenCode => (Style::OpenCode, Base::One),
            Dialect::Gemini => (Style::Gemini, Base::Zero),
            Dialect::Copilot => (Style::Copilot, Base::Zero),
            Dialect::Orch
            | Dialect::ClaudeCode
            | Dialect::AgentSkills
            | Dialect::Cursor
            | Dialect::SpecKit
            | Dialect::Kiro => (Style::Claude, Base::Zero),
        };
        Self { style, base, named: Vec::new() }
    }
}
