//! How far an attempt is confined: the words of the definition. Knows nothing of a machine.

use serde::{Deserialize, Serialize};

/// How far. The order is from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Not at all.
    Off,
    /// It writes in its workspace, in its own temporary folder and where the step says so.
    WorkspaceWrite,
    /// It writes in its own temporary folder only.
    ReadOnly,
    /// In a container.
    Container,
}

impl SandboxMode {
    /// All of them, as the definition spells them.
    pub const ALL: [(&'static str, Self); 4] = [
        ("off", Self::Off),
        ("workspace-write", Self::WorkspaceWrite),
        ("read-only", Self::ReadOnly),
        ("container", Self::Container),
    ];

    /// As the definition spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::WorkspaceWrite => "workspace-write",
            Self::ReadOnly => "read-only",
            Self::Container => "container",
        }
    }

    /// The mode of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, mode)| mode)
    }
}

/// Whom an attempt may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nobody but itself.
    None,
    /// Only these hosts, through a proxy.
    Hosts(Vec<String>),
    /// Everybody.
    #[default]
    Any,
}

/// What a step says of its sandbox; what it leaves open is the run's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// How far it is confined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SandboxMode>,
    /// Whom it may reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Where else it may write: absolute, from the home (`~/`), or from its workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
}
