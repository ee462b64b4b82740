//! The order envelope: everything an agent is told for one attempt; `schemas/order.schema.json`.
//!
//! An order is data. It holds rendered text only, never a template, and it is stored in the attempt's folder before
//! a program begins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{
    base::{Attached, Usage},
    definition::Permissions,
};

/// What an agent is told for one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The workflow's name.
    pub workflow: String,
    /// The step's path in the run: `build[parser]/code`; `quality@fix` for the agent of `on_gate_fail`.
    pub step: String,
    /// How many times this path has brought back a result in this run, plus one. A lost attempt does not count.
    pub attempt: u32,
    /// Which message of the session this is, from 1.
    pub turn: u32,
    /// Who works.
    pub agent: OrderAgent,
    /// What to do: the rendered prompt.
    pub task: String,
    /// What the whole run is for: its inputs as text.
    pub requirements: String,
    /// Rules to keep.
    pub constraints: Vec<String>,
    /// What the agent should know, already cut to the budget.
    pub context: String,
    /// Files that hold what did not fit.
    pub context_files: Vec<String>,
    /// JSON Schema of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_output: Option<Value>,
    /// What a gate or a person found wrong with the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// The session to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Whether the session is only where a new one begins: it stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forks: bool,
    /// What the session has been charged so far. Some programs count from its beginning.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub session_usage: Usage,
    /// The model, if one was asked for; a tier is already resolved for the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tools it may use; `None` inherits all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Rules that narrow what the tools give.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub permissions: Permissions,
    /// Paths or globs it may write, where the step declares them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Code blocks with a path in its answer become files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answer_files: bool,
    /// What it may do.
    #[serde(default)]
    pub access: Access,
    /// MCP servers that it gets; nothing else is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<McpServer>,
    /// Files that the prompt names and that are told with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<Attached>,
    /// The run's inputs; a recording answers only for the inputs it was made with.
    pub inputs: serde_json::Map<String, Value>,
}

/// How an agent without tools writes files.
const ANSWER_FILES: &str = "Answer with every file that you make or change, whole, each in a fenced code block of its own with \
    its path behind the language, from the workspace's folder:\n\n```rust src/lib.rs\n…\n```\n\nWhat stands there becomes the file, \
    byte by byte. Use a longer fence where the file holds fences. A code block without a path is only read.";

/// What an agent may do in its workspace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Look, and change nothing.
    Read,
    /// Change files in the workspace, and run the commands that its tools name.
    #[default]
    Edit,
    /// Everything, with no question asked: the step says `danger: true`.
    Full,
}

/// A server of the Model Context Protocol that speaks over standard input and output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServer {
    /// Its name, as tools name it.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment on top of the allow-list. Stored forms of an order have the names only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "names_only")]
    pub env: BTreeMap<String, String>,
}

/// The values may be secrets, and an order is kept.
fn names_only<S: Serializer>(env: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(env.keys().map(|name| (name, "")))
}

/// Who works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderAgent {
    /// The agent's name.
    pub name: String,
    /// Its system prompt, skills included.
    pub instructions: String,
}

impl Order {
    /// The whole order as one prompt text for runtimes that take a single message.
    #[must_use]
    pub fn prompt(&self) -> String {
        self.text(true)
    }

    /// The order as a prompt text without the role, for runtimes that are told the role in another way.
    #[must_use]
    pub fn message(&self) -> String {
        self.text(false)
    }

    fn text(&self, with_role: bool) -> String {
        let mut text = String::new();
        let mut section = |title: &str, body: &str| {
            if !body.trim().is_empty() {
                text.push_str(&format!("# {title}\n\n{}\n\n", body.trim()));
            }
        };
        section("Role", if with_role { &self.agent.instructions } else { "" });
        section("Task", &self.task);
        section("What the run is for", &self.requirements);
        section("Constraints", &self.constraints.iter().map(|rule| format!("- {rule}\n")).collect::<String>());
        section("Context", &self.context);
        section("Files to read", &self.context_files.iter().map(|file| format!("- {file}\n")).collect::<String>());
        section("Files to write", if self.answer_files { ANSWER_FILES } else { "" });
        if let Some(schema) = &self.expected_output {
            section("Answer", &format!("End with one JSON object that is valid for this schema:\n\n{schema:#}"));
        }
        section("What was wrong with the last attempt", self.feedback.as_deref().unwrap_or_default());
        text
    }
}
