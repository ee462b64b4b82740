//! An agent that speaks the Agent Client Protocol, as `orch.toml` declares it, and what such agents can do.

use std::collections::BTreeMap;

use crate::runtime::adapter::Capabilities;

/// An agent that speaks the Agent Client Protocol, as `[runtimes.NAME]` of `orch.toml` declares it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcpSettings {
    /// Program and arguments. A relative program with a slash is looked for beside `orch.toml`.
    pub command: Vec<String>,
    /// Environment on top of the allow-list.
    pub env: BTreeMap<String, String>,
    /// The model where neither step nor agent names one.
    pub model: Option<String>,
    /// Whether the tokens that it reports at the end of a turn are those of the whole session, earlier attempts included.
    pub counts_session: bool,
    /// Whether it reads the memory files of the project by itself, so that they are not told twice.
    pub reads_memory: bool,
}

impl AcpSettings {
    /// What such an agent can do. It asks before it writes if it asks at all, so nothing can be promised of its rights; what
    /// it does without asking fails the attempt. Whether it reports tokens is its own choice.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            streams: true,
            models: true,
            mcp: true,
            reads_memory: self.reads_memory,
            ..Capabilities::default()
        }
    }
}
