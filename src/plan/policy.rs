//! What stands around a step's work: gates, retries, recovery, whether it may be taken from memory.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    definition::workflow::{RetryOn, ThenFail},
    plan::{AgentWork, Command, PlanStep, Text, Work},
};

/// A check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PlanGate {
    /// A command.
    Run {
        /// The command.
        command: Command,
        /// Over `output`, `stdout` and `exit`.
        expect: Option<Text>,
        /// The longest it may take.
        timeout_ms: u64,
        /// The named gate it came from; `outer > inner` where one contains the other.
        from: Option<String>,
    },
    /// An expression.
    Check {
        /// The expression; `this` is the step's own output.
        expression: Text,
        /// The named gate it came from.
        from: Option<String>,
    },
    /// The output is valid.
    Schema {
        /// JSON Schema.
        schema: Value,
        /// The named gate it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// Files are there.
    Files {
        /// Paths or globs.
        paths: Vec<String>,
        /// The named gate it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// The change is within bounds.
    Changed {
        /// Files at most.
        max_files: Option<u32>,
        /// Every file matches one of these.
        allow: Vec<String>,
        /// No file matches one of these.
        deny: Vec<String>,
        /// The named gate it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// No key stands in what has changed.
    Secrets {
        /// Globs of the files that are looked through; all where empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<String>,
        /// Whether files that have not changed are looked through as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
        /// What only looks like a key.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allow: Vec<AllowedLeak>,
        /// The named gate it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// Agents that have not done the work score it.
    Judge {
        /// Who, and by what.
        judge: Box<JudgeWork>,
        /// The named gate it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// A person agrees.
    Approve {
        /// The question.
        text: Text,
        /// The named gate it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
}

/// Who scores what was done, and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeWork {
    /// What is looked at.
    pub rubric: String,
    /// The name of the file that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The lowest score that passes.
    pub min: f64,
    /// How many judge, one after the other; the middle score counts.
    pub judges: u32,
    /// The agent that each of them is; its tools only look.
    pub agent: AgentWork,
    /// The longest one of them may take.
    pub timeout_ms: u64,
}

impl PlanGate {
    /// Who judges, where agents do.
    #[must_use]
    pub fn judge(&self) -> Option<&JudgeWork> {
        if let Self::Judge { judge, .. } = self { Some(judge) } else { None }
    }
}

impl PlanStep {
    /// The agents that judge, with the places of their gates.
    pub fn judges(&self) -> impl Iterator<Item = (u16, &JudgeWork)> {
        (0..).zip(&self.gates).filter_map(|(place, gate)| Some((place, gate.judge()?)))
    }

    /// Every agent of the step: its own, the one that mends, those that judge.
    pub fn agents(&self) -> impl Iterator<Item = &AgentWork> {
        let own = if let Work::Agent(agent) = &self.work { Some(agent) } else { None };
        let judges = self.judges().map(|(_, judge)| &judge.agent);
        own.into_iter().chain(self.on_gate_fail.fixer.as_ref()).chain(judges)
    }

    /// Who judges in the gate of that place, where agents do.
    #[must_use]
    pub fn judge_at(&self, place: u16) -> Option<&JudgeWork> {
        self.gates.get(usize::from(place))?.judge()
    }
}

/// What only looks like a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedLeak {
    /// A glob of files; any file where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The first digits of the digest of one key; any key where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it is no secret.
    pub why: String,
}

/// When the work of an earlier run is the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanCache {
    /// A text that says it in place of the project's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// How long it may be taken, where the step says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// What a failed gate leads to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GateFail {
    /// The evidence goes back to the same session.
    pub feedback: bool,
    /// An agent that gets the evidence; then the step runs again.
    pub fixer: Option<AgentWork>,
    /// Extra attempts.
    pub tries: u32,
    /// After the last.
    pub then: ThenFail,
}

impl GateFail {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How often a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Extra attempts.
    pub tries: u32,
    /// The first delay; doubles each time, with full jitter.
    pub delay_ms: u64,
    /// The longest delay.
    pub max_delay_ms: u64,
    /// Which failures.
    pub on: RetryOn,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { tries: 2, delay_ms: 1_000, max_delay_ms: 60_000, on: RetryOn::Transient }
    }
}

impl RetryPolicy {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What to do with an attempt that has no outcome after a crash. Final: every default is resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryPolicy {
    /// Run it again.
    Retry,
    /// Run it again with the same `$ORCH_KEY`.
    Idempotent,
    /// A person says what happened.
    Manual,
    /// A command says: exit 0 done, exit 1 run it again, else ask a person.
    Reconcile(String),
    /// An agent without read-only tools: manual, but `Retry` where the runtime only replays recordings.
    Agent,
}
