//! Which tools an agent, a skill or a command may use, in one vocabulary for all dialects.

use crate::definition::permissions::INHERITED;

/// The vocabulary: the tools of Claude Code, sorted.
pub const TOOLS: &[&str] = &[
    "Agent",
    "AskUserQuestion",
    "Bash",
    "BashOutput",
    "CronCreate",
    "CronDelete",
    "CronList",
    "Edit",
    "EnterPlanMode",
    "EnterWorktree",
    "ExitPlanMode",
    "ExitWorktree",
    "Glob",
    "Grep",
    "KillShell",
    "LSP",
    "ListMcpResourcesTool",
    "Monitor",
    "NotebookEdit",
    "PowerShell",
    "Read",
    "ReadMcpResourceTool",
    "SendMessage",
    "Skill",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "TeamCreate",
    "TeamDelete",
    "TodoWrite",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
    "Workflow",
    "Write",
];

/// How a name of a tool was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolStatus {
    /// As Claude Code writes it.
    Exact,
    /// Another spelling of capitals.
    CaseFixed,
    /// The word of another tool or of an older version.
    Alias,
    /// Nobody knows it; kept as it is.
    Unknown,
}

/// One tool, such as `Read`, `Bash(git *)` or `mcp__server__tool`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRule {
    /// The tool's name in our vocabulary; the written one where it is unknown.
    pub name: String,
    /// What stands in parentheses.
    pub specifier: Option<String>,
    /// As it was written.
    pub raw: String,
    /// How the name was recognised.
    pub status: ToolStatus,
}

/// What the list of tools means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ToolMode {
    /// Nothing is said: all that the session has.
    #[default]
    Inherit,
    /// All, said so.
    All,
    /// None.
    None,
    /// Those in the list.
    List,
}

/// Which tools may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolPolicy {
    /// What the list means.
    pub mode: ToolMode,
    /// Allowed, in the order of the file.
    pub allow: Vec<ToolRule>,
    /// Taken away first.
    pub deny: Vec<ToolRule>,
}

impl ToolPolicy {
    /// Exactly these tools, by their names in our vocabulary; `None` for all.
    #[must_use]
    pub fn of(names: Option<&[&str]>) -> Self {
        let Some(names) = names else { return Self::default() };
        let rule = |name: &&str| ToolRule {
            name: (*name).to_owned(),
            specifier: None,
            raw: (*name).to_owned(),
            status: ToolStatus::Exact,
        };
        let mode = if names.is_empty() { ToolMode::None } else { ToolMode::List };
        Self { mode, allow: names.iter().map(rule).collect(), deny: Vec::new() }
    }

    /// The names (with specifiers) that remain; `None` for all.
    #[must_use]
    pub fn allowed(&self) -> Option<Vec<String>> {
        match self.mode {
            // Where some are taken away, what remains is named: nobody downstream may forget to take them away.
            ToolMode::Inherit | ToolMode::All if self.deny.iter().any(|rule| rule.specifier.is_none()) => {
                Some(INHERITED.iter().filter(|tool| !self.takes_away(tool)).map(|tool| (*tool).to_owned()).collect())
            }
            ToolMode::Inherit | ToolMode::All => None,
            ToolMode::None => Some(Vec::new()),
            ToolMode::List => {
                Some(self.allow.iter().filter(|rule| !self.takes_away(&rule.name)).map(ToolRule::shown).collect())
            }
        }
    }
}

impl ToolPolicy {
    /// Whether a tool of this name is taken away.
    #[must_use]
    pub fn takes_away(&self, tool: &str) -> bool {
        self.deny.iter().any(|denied| denied.specifier.is_none() && denied.name == tool)
    }
}

impl ToolRule {
    /// The rule in our vocabulary.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.specifier {
            Some(specifier) => format!("{}({specifier})", self.name),
            None => self.name.clone(),
        }
    }
}
