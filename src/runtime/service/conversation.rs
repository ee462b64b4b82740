//! A conversation with a model, whatever the wire format: what was said, which tools were called, what came of them.
//!
//! Invariant: in a stored conversation every call of a tool has its result, so that it can always go on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{base::Usage, runtime::service::settings::Format};

/// The version of the stored form.
pub const CONVERSATION_VERSION: u32 = 1;

/// A conversation as it is stored beside its attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// [`CONVERSATION_VERSION`].
    pub conversation: u32,
    /// Its id.
    pub session: String,
    /// The format of the parts that only one service understands.
    pub format: Format,
    /// What was said.
    pub messages: Vec<Message>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// Whoever gives the order; and the tools.
    User,
    /// The model.
    Agent,
}

/// What one of them says in one turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who.
    pub by: Speaker,
    /// What.
    pub parts: Vec<Part>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A text.
    Text(String),
    /// The model calls a tool.
    Call(ToolCall),
    /// What came of a call.
    Result {
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
        /// What is told.
        text: String,
        /// Whether it did what was asked.
        is_ok: bool,
    },
    /// What only the service itself can read, and wants back: thoughts and their signatures.
    Thought(Value),
}

/// The call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Its id in the conversation.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments; a text where they were no JSON.
    pub input: Value,
    /// What the service signed the call with, and wants back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments, an object.
    pub schema: Value,
}

/// Everything that one request asks.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The model.
    pub model: &'a str,
    /// The system prompt.
    pub system: &'a str,
    /// What was said so far.
    pub messages: &'a [Message],
    /// The tools.
    pub tools: &'a [ToolSpec],
    /// Tokens of the answer.
    pub max_tokens: u32,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What it says.
    pub parts: Vec<Part>,
    /// What it cost.
    pub usage: Usage,
    /// The model that answered, where it is told.
    pub model: Option<String>,
    /// Why it ended.
    pub stop: Stop,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is said.
    Done,
    /// Its tokens were used up.
    Length,
    /// The model's context is full.
    Context,
    /// The service refused, with its word for why.
    Refused(String),
    /// A word that nobody knows; it proves nothing.
    Unknown(String),
}

impl Message {
    /// A text of the user.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self { by: Speaker::User, parts: vec![Part::Text(text.into())] }
    }
}

impl ToolCall {
    /// The arguments as every service takes them back: an object.
    pub(super) fn object(&self) -> Value {
        if self.input.is_object() { self.input.clone() } else { serde_json::json!({ "text": self.input }) }
    }
}
