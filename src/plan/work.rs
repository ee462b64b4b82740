//! What a step does, as a plan pins it.
//!
//! Knows nothing of gates, edges or runs. Invariant: the children of a container come after it in the plan.

use serde::{Deserialize, Serialize};

use crate::{
    definition::workflow::{OnMax, Workspace},
    plan::{PlanInput, StepIx, Text, ValueText},
};

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

impl Work {
    /// The steps inside, for containers.
    #[must_use]
    pub fn children(&self) -> &[StepIx] {
        match self {
            Self::Parallel { children, .. } | Self::Loop { children, .. } | Self::Call { children, .. } => children,
            Self::Each(each) => &each.children,
            Self::Agent(_)
            | Self::Run { .. }
            | Self::Approve { .. }
            | Self::Ask { .. }
            | Self::Sleep { .. }
            | Self::Await { .. }
            | Self::Emit { .. }
            | Self::Stop { .. } => &[],
        }
    }

    /// Whether it holds other steps.
    #[must_use]
    pub fn is_container(&self) -> bool {
        matches!(self, Self::Parallel { .. } | Self::Loop { .. } | Self::Call { .. } | Self::Each(_))
    }
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
