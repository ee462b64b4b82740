//! The table of agent programs that `orch` knows: their names, what they inherit, and who adapts them.

use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

use crate::runtime::{
    adapter::Adapter,
    program::{claude, codex},
};

/// An agent program that `orch` knows.
#[derive(Debug, Clone, Copy)]
pub struct ProgramKind {
    /// The runtime's name.
    pub name: &'static str,
    /// The program that is looked for on the `PATH`.
    pub binary: &'static str,
    /// Variables of the user's environment that it gets on top of the allow-list: its keys and its addresses.
    pub variables: &'static [&'static str],
    /// Those of them that hold a key: one that is set counts as a login.
    pub keys: &'static [&'static str],
    /// Files in the user's home that a login leaves, relative to it.
    pub logins: &'static [&'static str],
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
    ProgramKind { name: "claude", binary: "claude", variables: CLAUDE, keys: CLAUDE_KEYS, logins: &[".claude/.credentials.json"], make: claude::claude },
    ProgramKind { name: "codex", binary: "codex", variables: CODEX, keys: CODEX_KEYS, logins: &[".codex/auth.json"], make: codex::codex },
];

const CLAUDE: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
];
const CODEX: &[&str] = &["OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_HOME", "OPENAI_BASE_URL"];
const CLAUDE_KEYS: &[&str] = &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];
const CODEX_KEYS: &[&str] = &["OPENAI_API_KEY", "CODEX_API_KEY"];
