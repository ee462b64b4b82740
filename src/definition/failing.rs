//! What a definition says of work that fails, gates that fail, and attempts that nobody knows the end of.

use std::time::Duration;

use crate::base::Spanned;

/// What a failed gate leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnGateFail {
    /// Send the evidence back to the same agent session.
    pub feedback: bool,
    /// An agent that gets the evidence instead; then the step runs again.
    pub agent: Option<Spanned<String>>,
    /// Extra attempts.
    pub tries: u32,
    /// What happens after the last.
    pub then: ThenFail,
}

/// What happens when the tries of a gate are used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThenFail {
    /// The step fails.
    #[default]
    Fail,
    /// A person decides: approve takes the step as it is, reject fails it.
    Ask,
    /// The step counts as succeeded and the verdict stays on record.
    Continue,
}

/// How often, when and after what a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Extra attempts.
    pub tries: u32,
    /// The first delay; doubles each time, with full jitter.
    pub delay: Option<Duration>,
    /// The longest delay.
    pub max_delay: Option<Duration>,
    /// Only transient failures, or any.
    pub on: RetryOn,
}

/// Which failures are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// Those that may go away by themselves.
    Transient,
    /// All.
    Any,
}

/// What to do with an attempt that started and has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Run it again.
    Retry,
    /// Run it again with the same `$ORCH_KEY`.
    Idempotent,
    /// A person says what happened.
    Manual,
    /// A command says: exit 0 it was done, exit 1 do it again, anything else ask a person.
    Reconcile(RunCommandText),
}

/// The command of a `reconcile`, a text for the shell.
pub type RunCommandText = String;
