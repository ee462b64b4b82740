//! Agents that speak the Agent Client Protocol (version 1, JSON-RPC on standard input and output), seen with Gemini CLI
//! 0.61.0, Copilot CLI 1.0.102 and opencode 1.18.33.
//!
//! What it can do is known in every build; the conversation is only in one with the feature `acp`.

#[cfg(not(feature = "acp"))]
mod absent;
#[cfg(feature = "acp")]
mod agent;
#[cfg(feature = "acp")]
mod entry;
#[cfg(feature = "acp")]
mod permission;
mod settings;
#[cfg(feature = "acp")]
mod spent;
#[cfg(feature = "acp")]
mod talk;
#[cfg(feature = "acp")]
mod tools;
#[cfg(feature = "acp")]
mod wire;

#[cfg(not(feature = "acp"))]
pub(in crate::runtime) use absent::acp;
#[cfg(feature = "acp")]
pub(in crate::runtime) use agent::acp;
pub use settings::{ACP_IS_BUILT_IN, AcpSettings};
