//! Agents that speak the Agent Client Protocol (version 1, JSON-RPC on standard input and output), seen with Gemini CLI
//! 0.61.0, Copilot CLI 1.0.102 and opencode 1.18.33.

mod agent;
mod entry;
mod permission;
mod settings;
mod spent;
mod talk;
mod tools;
mod wire;

pub(in crate::runtime) use agent::acp;
pub use settings::AcpSettings;
