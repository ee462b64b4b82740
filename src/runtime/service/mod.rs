//! Model services: an agent on the interface of a model, without any agent program.
//!
//! One file a wire format: a conversation becomes the body of a request, and the events of the answer become parts of
//! it. Nothing here opens a connection, reads a file or knows a clock; the executor does. What nobody knows in an event
//! is skipped, because services add fields every week; what is missing at the end is a fault, never a success.

mod adapter;
mod anthropic;
mod chat;
mod conversation;
mod draft;
mod events;
mod fault;
mod gemini;
mod responses;
mod settings;
mod submit;
mod talk;
mod tools;
mod wire;

pub use adapter::{Service, ServiceCall};
pub use conversation::{
    Answer, Ask, CONVERSATION_VERSION, Conversation, Message, Part, Speaker, Stop, ToolCall, ToolSpec,
};
pub use events::Events;
pub use fault::{Fault, retry_after_ms};
pub use settings::{Format, SERVICES, Secret, ServiceKind, ServiceSettings};
pub use talk::{Next, Talk, ToolDone};
pub use tools::{Refusal, ToolUse, Toolset};
pub use wire::{Reading, Request, request};
