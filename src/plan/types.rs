//! The compiled workflow: checked, immutable, serialisable (a run pins the plan it started with).
//!
//! Knows nothing of files or runs. Made only by `compile/`. All texts are kept as written, with the names they
//! read resolved, so that the scheduler can build exactly the scope that a text needs.
//!
//! Invariants: every [`StepIx`] is in range; needs point at siblings (steps with the same parent); children come
//! after their parent in `steps`; the needs of siblings have no cycle.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    base::{Digest, Sandbox},
    definition::Permissions,
    definition::workflow::{Join, OnFailure, OnLimit, OnMax, Workspace},
    plan::{
        estimate::PlanEstimate,
        isolated::MergeWork,
        models::ModelChain,
        policy::{GateFail, PlanCache, PlanGate, RecoveryPolicy, RetryPolicy},
        sandbox::PlanSandbox,
        text::{Text, ValueText},
        told::{Activated, PlanMemory, PlanSecret, PlanSecretUse, PlanServer, PlanSkill, PlanTrust, ProseWork},
    },
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
    /// Model tiers: tier, then runtime (or `any`) to the models that are tried one after the other.
    pub models: BTreeMap<String, BTreeMap<String, ModelChain>>,
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
    /// The MCP servers that agents get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<PlanServer>,
    /// The secrets that steps get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<PlanSecret>,
    /// The folder of the workflow's file, relative to the project root or absolute; recordings are looked up beside it.
    pub folder: String,
    /// The memory files of the project that agents are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<PlanMemory>,
    /// The commands of a definition that run only where a person trusts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<PlanTrust>,
    /// By whose word the steps that say `danger: true` work without limits; without it none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
    /// How far programs are confined where their steps say nothing of it, and no step less than `floor`.
    #[serde(default, skip_serializing_if = "PlanSandbox::is_default")]
    pub sandbox: PlanSandbox,
    /// What its agents are expected to spend; absent where nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<PlanEstimate>,
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
    /// Secrets in that environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<PlanSecretUse>,
    /// More words for a command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Text>,
    /// Paths or globs it writes, texts with `{{ }}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Text>,
    /// Replaces the attempt's own summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Text>,
    /// Whether the same work of an earlier run may be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<PlanCache>,
    /// How far its programs are confined, as it says or the nearest container around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// Whether it is done in a worktree of its own; for a fan-out, each of its items.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub isolated: bool,
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

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// An agent works.
    Agent(AgentWork),
    /// A command runs.
    Run {
        /// The command.
        command: Command,
        /// Where.
        workspace: Workspace,
        /// Whether what it prints is kept as the text of its result, for a prompt that reads it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keeps_text: bool,
    },
    /// A person approves.
    Approve {
        /// The question.
        text: Text,
    },
    /// A person fills in the step's `output`.
    Ask {
        /// The question.
        text: Text,
    },
    /// Time passes.
    Sleep {
        /// Milliseconds.
        delay_ms: u64,
    },
    /// A signal comes.
    Await {
        /// Its name.
        signal: String,
    },
    /// A signal is sent.
    Emit {
        /// Its name.
        signal: String,
    },
    /// The files are kept under a name.
    Checkpoint {
        /// The name.
        name: String,
    },
    /// What was done in a worktree comes back. Made by the compiler, never written by people.
    Merge(MergeWork),
    /// The run ends.
    Stop {
        /// As a success.
        succeed: bool,
        /// Why.
        text: Text,
    },
    /// Children start at once.
    Parallel {
        /// The children.
        children: Vec<StepIx>,
        /// How many at once.
        max_parallel: Option<u32>,
    },
    /// The children run once for each item.
    Each(EachWork),
    /// The children run until a condition holds.
    Loop {
        /// Iterations at most.
        max: u32,
        /// Ends the loop when true; reads children by bare id.
        until: Option<Text>,
        /// What the last iteration without success means.
        on_max: OnMax,
        /// The children.
        children: Vec<StepIx>,
    },
    /// Another workflow runs; the step's `with` are its inputs.
    Call {
        /// Its name.
        workflow: String,
        /// Its inputs.
        inputs: Vec<PlanInput>,
        /// Its steps.
        children: Vec<StepIx>,
        /// Its outputs: the value of this step.
        outputs: Vec<(String, ValueText)>,
    },
}

/// An agent's work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentWork {
    /// Index in [`Plan::agents`]; the default agent where absent.
    pub agent: Option<u32>,
    /// The prompt; empty where the agent's own body is the whole order.
    pub prompt: Text,
    /// The runtime asked for by the step or the agent.
    pub runtime: Option<String>,
    /// The model or tier asked for.
    pub model: Option<String>,
    /// Tools it may use; `None` inherits all.
    pub tools: Option<Vec<String>>,
    /// Where its context starts.
    pub context: PlanContext,
    /// Tokens of context.
    pub context_budget: u64,
    /// Indices in [`Plan::skills`].
    pub skills: Vec<u32>,
    /// Where it works.
    pub workspace: Workspace,
    /// Those of `skills` that nobody named, and why they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub activated: Vec<Activated>,
    /// Indices in [`Plan::memory`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<u32>,
    /// Indices in [`Plan::servers`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<u32>,
    /// What a command that is prose asks for when its order is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prose: Option<ProseWork>,
    /// Rules that narrow what `tools` give; whole tools that they take away are gone from there already.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub permissions: Permissions,
    /// Everything, with no question asked, where a person has said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub danger: bool,
    /// Code blocks with a path in its answer become files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answer_files: bool,
}

/// A fan-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EachWork {
    /// Gives the list.
    pub items: Text,
    /// The item's name in the children.
    pub binding: String,
    /// Names each item; the index, from 0, where absent.
    pub key: Option<Text>,
    /// Items at once; without a bound of its own where absent.
    pub max_parallel: Option<u32>,
    /// Items at most.
    pub max_items: u32,
    /// Items that go into one session, one after the other; each into its own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// The children.
    pub children: Vec<StepIx>,
}

/// Where an agent's context starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanContext {
    /// Nothing but the order.
    Fresh,
    /// The summary and outputs of a step.
    Fork(StepIx),
    /// The session of a step goes on.
    Share(StepIx),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A text for `sh -eu -c` (no shell where the text has no shell syntax).
    Shell(String),
    /// Program and arguments.
    Argv(Vec<String>),
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
