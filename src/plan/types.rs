//! The compiled workflow: checked, immutable, serialisable (a run pins the plan it started with).
//!
//! Knows nothing of files or runs. Made only by `compile/`. All texts are kept as written, with the names they
//! read resolved, so that the scheduler can build exactly the scope that a text needs.
//!
//! Invariants: every [`StepIx`] is in range; needs point at siblings (steps with the same parent); children come
//! after their parent in `steps`; the needs of siblings have no cycle.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    base::Digest,
    definition::workflow::{Join, OnFailure, OnLimit},
};

pub use crate::plan::{
    policy::{GateFail, PlanGate, RecoveryPolicy, RetryPolicy},
    text::{Meaning, Read, Text, ValueText},
    work::{AgentWork, Command, EachWork, PlanContext, Work},
};

/// The version of the stored form of a plan.
pub const PLAN_VERSION: u16 = 1;

/// The place of a step in [`Plan::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIx(pub u32);

impl StepIx {
    /// As an index of `Plan::steps`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A compiled workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`] of the writer.
    pub version: u16,
    /// The workflow's name.
    pub name: String,
    /// One line.
    pub description: String,
    /// The digest of everything that the plan was made from.
    pub digest: Digest,
    /// What a run is given.
    pub inputs: Vec<PlanInput>,
    /// Model tiers: tier, then runtime (or `any`) to model.
    pub models: BTreeMap<String, BTreeMap<String, String>>,
    /// What a run may spend, defaults filled in.
    pub budget: Budget,
    /// How much may run at once.
    pub limits: Limits,
    /// What a failure does to the top-level steps.
    pub on_failure: OnFailure,
    /// All steps of all depths; parents before children.
    pub steps: Vec<PlanStep>,
    /// The top-level steps in their written order.
    pub roots: Vec<StepIx>,
    /// What the run returns.
    pub outputs: Vec<(String, ValueText)>,
    /// The agents that steps name.
    pub agents: Vec<PlanAgent>,
    /// The skills that steps load.
    pub skills: Vec<PlanSkill>,
    /// The folder of the workflow's file, relative to the project root or absolute; recordings are looked up beside it.
    pub folder: String,
}

/// One declared input of a plan or of a called workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanInput {
    /// Its name.
    pub name: String,
    /// JSON Schema.
    pub schema: Value,
    /// Whether a run must give it.
    pub required: bool,
    /// Whether it takes the words after the workflow's name.
    pub positional: bool,
    /// The value where the run gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// One line of help.
    pub description: String,
}

/// What a run may spend. `None` is without a limit only for money and tokens of runtimes that report none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Micro-dollars (10⁻⁶ US dollars).
    pub usd_micros: Option<u64>,
    /// Tokens, input and output together.
    pub tokens: Option<u64>,
    /// Wall time of the run in milliseconds, waiting for people not counted.
    pub time_ms: Option<u64>,
    /// Starts of agents.
    pub agents: u64,
    /// What happens at a limit.
    pub on_limit: OnLimit,
}

/// How much may run at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Attempts over the whole run; the machine's cores where absent.
    pub parallel: Option<u32>,
    /// Attempts on one runtime.
    pub per_runtime: BTreeMap<String, u32>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Its id.
    pub id: String,
    /// Its static path: `quality/review`.
    pub path: String,
    /// The container it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<StepIx>,
    /// The line of its definition, from 1.
    pub line: u32,
    /// What it does.
    pub work: Work,
    /// The siblings it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// How many of them must be satisfied.
    #[serde(default = "join_all", skip_serializing_if = "is_join_all")]
    pub join: Join,
    /// Skipped unless this is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Text>,
    /// Checks before anything downstream, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<PlanGate>,
    /// What a failed gate leads to.
    #[serde(default, skip_serializing_if = "GateFail::is_default")]
    pub on_gate_fail: GateFail,
    /// How often a failed attempt is tried again.
    #[serde(default, skip_serializing_if = "RetryPolicy::is_default")]
    pub retry: RetryPolicy,
    /// The longest an attempt (for a container: the whole) may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The longest an attempt may be silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// What to do with an attempt without outcome after a crash.
    pub recovery: RecoveryPolicy,
    /// Whether the run may go on when it fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// For containers: what a failed child does to its siblings.
    #[serde(default = "drain", skip_serializing_if = "is_drain")]
    pub on_failure: OnFailure,
    /// JSON Schema of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Values for a called workflow or a prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<(String, ValueText)>,
    /// Environment of the attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, ValueText)>,
    /// More words for a command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Text>,
    /// Paths or globs it writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Replaces the attempt's own summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Text>,
}

fn join_all() -> Join {
    Join::All
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_join_all(join: &Join) -> bool {
    *join == Join::All
}

fn drain() -> OnFailure {
    OnFailure::Drain
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_drain(policy: &OnFailure) -> bool {
    *policy == OnFailure::Drain
}

/// An edge to a sibling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The sibling.
    pub step: StepIx,
    /// Where the edge comes from. An edge that is both declared and inferred is declared.
    pub edge: EdgeKind,
    /// Whether a text reads a value of that sibling without an `is defined` guard: only then does a skip spread.
    pub reads: bool,
}

/// Where an edge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// The step above in the list.
    Implied,
    /// `needs:`.
    Declared,
    /// A text, a `context:` or an expression reads it.
    Inferred,
}

/// An agent as a run pins it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanAgent {
    /// Its name.
    pub name: String,
    /// When to use it.
    pub description: String,
    /// The system prompt.
    pub body: String,
    /// Rules the order repeats.
    pub constraints: Vec<String>,
    /// Its file.
    pub path: String,
}

/// A skill as a run pins it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanSkill {
    /// Its name.
    pub name: String,
    /// The text.
    pub body: String,
}

/// The defaults of DESIGN's "Defaults" sentence, each held by a test.
pub mod defaults {
    use super::Duration;

    /// The longest an agent's attempt may take.
    pub const AGENT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
    /// The longest a command or a gate may take.
    pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(10 * 60);
    /// The longest an attempt may be silent and idle.
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
    /// Items of a fan-out.
    pub const ITEMS_MAX: u32 = 100;
    /// Iterations of a loop.
    pub const LOOP_MAX: u32 = 3;
    /// Starts of agents in a run.
    pub const AGENTS_MAX: u64 = 100;
    /// Steps in a definition.
    pub const STEPS_MAX: usize = 20_000;
    /// Tokens of forked context.
    pub const CONTEXT_BUDGET: u64 = 20_000;
}

impl Plan {
    /// The step at `ix`.
    #[must_use]
    pub fn step(&self, ix: StepIx) -> &PlanStep {
        &self.steps[ix.index()]
    }

    /// The steps beside each other in a container, or at the top.
    #[must_use]
    pub fn body(&self, container: Option<StepIx>) -> &[StepIx] {
        container.map_or(&self.roots, |ix| self.step(ix).work.children())
    }
}
