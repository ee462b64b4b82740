//! Agent programs: one file a program, each with its command line and the reader of its events.
//!
//! Their formats and their lies are those that were seen with the versions named in each file. Programs change every
//! day, so an event or a field that nobody knows is skipped, never an error.

mod claude;
#[cfg(test)]
mod closed_world;
mod codex;
mod copilot;
mod gemini;
mod json;
mod launch;
mod opencode;
mod rights;
mod strict;
mod subject;
mod transcript;

use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

use crate::runtime::adapter::Adapter;

/// An agent program that `orch` knows.
#[derive(Clone, Copy)]
pub struct ProgramKind {
    /// The runtime's name.
    pub name: &'static str,
    /// The program that is looked for on the `PATH`.
    pub binary: &'static str,
    /// Variables of the user's environment that it gets on top of the allow-list: its keys and its addresses.
    pub variables: &'static [&'static str],
    /// Makes the adapter.
    pub make: fn(ProgramSettings) -> Arc<dyn Adapter>,
}

/// How an agent program is started, as the settings and the machine say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramSettings {
    /// The program: a name or a path.
    pub program: OsString,
    /// Environment on top of the allow-list, the inherited [`ProgramKind::variables`] included.
    pub env: BTreeMap<OsString, OsString>,
    /// The model where neither step nor agent names one.
    pub model: Option<String>,
    /// Whether each attempt gets an empty home of its own; else the user's is shared, where the logins are.
    pub isolated_home: bool,
}

/// All agent programs that `orch` knows, in the order in which they are looked for.
#[rustfmt::skip]
pub const PROGRAMS: &[ProgramKind] = &[
    ProgramKind { name: "claude", binary: "claude", variables: CLAUDE, make: claude::claude },
    ProgramKind { name: "codex", binary: "codex", variables: CODEX, make: codex::codex },
    ProgramKind { name: "gemini", binary: "gemini", variables: GEMINI, make: gemini::gemini },
    ProgramKind { name: "copilot", binary: "copilot", variables: COPILOT, make: copilot::copilot },
    ProgramKind { name: "opencode", binary: "opencode", variables: OPENCODE, make: opencode::opencode },
];

const CLAUDE: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
];
const CODEX: &[&str] = &["OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_HOME", "OPENAI_BASE_URL"];
const GEMINI: &[&str] = &[
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_GENAI_USE_VERTEXAI",
];
const COPILOT: &[&str] = &[
    "COPILOT_GH_HOST",
    "COPILOT_GITHUB_TOKEN",
    "COPILOT_HOME",
    "COPILOT_MODEL",
    "COPILOT_OFFLINE",
    "COPILOT_PROVIDER_API_KEY",
    "COPILOT_PROVIDER_BASE_URL",
    "COPILOT_PROVIDER_BEARER_TOKEN",
    "COPILOT_PROVIDER_HEADERS",
    "COPILOT_PROVIDER_TYPE",
    "COPILOT_PROVIDER_WIRE_API",
    "GH_HOST",
    "GH_TOKEN",
    "GITHUB_TOKEN",
];
const OPENCODE: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "OPENAI_API_KEY",
    "OPENCODE_API_KEY",
    "OPENROUTER_API_KEY",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
];
