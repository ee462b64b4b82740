//! The table of agent programs that `orch` knows: their names, what they inherit, and who adapts them.

use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

use crate::runtime::{
    adapter::Adapter,
    program::{claude, codex, copilot, gemini, opencode},
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
    /// Its lasting names for a large, a medium and a small model, where it has any.
    pub sizes: Option<[&'static str; 3]>,
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
    /// The program's own names for a large, a medium and a small model.
    pub sizes: Option<[&'static str; 3]>,
    /// Whether each attempt gets an empty home of its own; else the user's is shared, where the logins are.
    pub isolated_home: bool,
}

/// Sizes that a workflow names where it does not know the runtime (`models: { tactical: { any: medium } }`).
const SIZES: [&str; 3] = ["large", "medium", "small"];

impl ProgramSettings {
    /// The model for what an order asks for. A size becomes the program's own name for it; where it has none, its user's
    /// choice or its own default answers.
    pub(in crate::runtime::program) fn model<'a>(&'a self, wanted: Option<&'a str>) -> Option<&'a str> {
        let size = wanted.and_then(|wanted| SIZES.iter().position(|size| *size == wanted));
        let wanted = match size {
            Some(place) => self.sizes.map(|sizes| sizes[place]),
            None => wanted,
        };
        wanted.or(self.model.as_deref())
    }
}

/// All agent programs that `orch` knows, in the order in which they are looked for.
pub const PROGRAMS: &[ProgramKind] = &[
    ProgramKind {
        name: "claude",
        binary: "claude",
        variables: CLAUDE,
        keys: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
        logins: &[".claude/.credentials.json"],
        sizes: Some(["opus", "sonnet", "haiku"]),
        make: claude::claude,
    },
    ProgramKind {
        name: "codex",
        binary: "codex",
        variables: CODEX,
        keys: &["OPENAI_API_KEY", "CODEX_API_KEY"],
        logins: &[".codex/auth.json"],
        sizes: None,
        make: codex::codex,
    },
    ProgramKind {
        name: "gemini",
        binary: "gemini",
        variables: GEMINI,
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"],
        logins: &[".gemini/oauth_creds.json"],
        sizes: None,
        make: gemini::gemini,
    },
    ProgramKind {
        name: "copilot",
        binary: "copilot",
        variables: COPILOT,
        keys: &["COPILOT_GITHUB_TOKEN", "COPILOT_PROVIDER_API_KEY", "GH_TOKEN", "GITHUB_TOKEN"],
        logins: &[".copilot/config.json"],
        sizes: None,
        make: copilot::copilot,
    },
    ProgramKind {
        name: "opencode",
        binary: "opencode",
        variables: OPENCODE,
        keys: &["OPENCODE_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"],
        logins: &[".local/share/opencode/auth.json"],
        sizes: None,
        make: opencode::opencode,
    },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_the_programs_own_name_or_its_default() {
        let settings = |model: Option<&str>, sizes| ProgramSettings {
            model: model.map(str::to_owned),
            sizes,
            ..ProgramSettings::default()
        };
        let names = Some(["opus", "sonnet", "haiku"]);
        for (model, sizes, wanted, expected) in [
            (None, names, Some("medium"), Some("sonnet")),
            (Some("mine"), names, Some("large"), Some("opus")),
            (Some("mine"), None, Some("large"), Some("mine")),
            (None, None, Some("small"), None),
            (Some("mine"), None, Some("gpt-5.5"), Some("gpt-5.5")),
            (Some("mine"), None, None, Some("mine")),
        ] {
            assert_eq!(settings(model, sizes).model(wanted), expected, "{wanted:?}");
        }
    }
}
