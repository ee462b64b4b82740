//! Which agents cannot write: they may be run again after a crash, and programs are told to hold them to it.

use crate::plan::types::AgentWork;

impl AgentWork {
    /// Whether none of its tools can write. No list at all inherits every tool.
    #[must_use]
    pub fn tools_only_read(&self) -> bool {
        read_only(self.tools.as_deref())
    }

    /// Whether no file changes by its work: neither by its tools nor by what it answers.
    #[must_use]
    pub fn reads_only(&self) -> bool {
        self.tools_only_read() && !self.answer_files
    }

    /// Whether its work may be done twice without asking. Nobody knows what a server writes.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        self.reads_only() && self.servers.is_empty()
    }
}

/// Tools that cannot write. An agent whose tools are all among these may be run again after a crash.
pub(super) const READ_ONLY_TOOLS: [&str; 8] =
    ["Read", "Glob", "Grep", "LS", "WebSearch", "WebFetch", "NotebookRead", "TodoWrite"];

/// Whether these tools cannot write.
fn read_only(tools: Option<&[String]>) -> bool {
    tools.is_some_and(|tools| {
        tools.iter().all(|tool| READ_ONLY_TOOLS.iter().any(|known| known.eq_ignore_ascii_case(tool.trim())))
    })
}
