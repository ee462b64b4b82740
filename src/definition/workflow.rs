//! A workflow as its file says it: parsed, typed and placed, but not checked against anything else.
//!
//! Every value that a diagnostic may point at carries its span. The compiler turns a [`Workflow`] into a `Plan`;
//! nothing else reads this type.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    base::{Digest, Sandbox, Source, Span, Spanned},
    definition::{
        merging::Merge,
        permissions::Permissions,
        secrets::{SecretDeclared, SecretUse},
    },
};

pub use crate::definition::{
    failing::{OnGateFail, Recovery, Retry, RetryOn, RunCommandText, ThenFail},
    gate::{AllowedSecret, Gate, Judge},
};

/// One workflow document.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The text that all spans point into.
    pub source: Arc<Source>,
    /// The folder that relative paths in the definition start from.
    pub folder: PathBuf,
    /// The name; the file's stem where the document has none.
    pub name: Spanned<String>,
    /// One line for `orch list`.
    pub description: String,
    /// What a run is given.
    pub inputs: Vec<Input>,
    /// Model tiers: tier, then runtime (or `any`) to model name.
    pub models: Vec<ModelTier>,
    /// What a run may spend.
    pub budget: Budget,
    /// How much may run at once.
    pub limits: Limits,
    /// What a failure does to the steps beside it; `drain` where absent.
    pub on_failure: Option<OnFailure>,
    /// Where values are that nobody may read.
    pub secrets: Vec<SecretDeclared>,
    /// The steps in their written order.
    pub steps: Vec<Step>,
    /// What the run returns: name to text or value.
    pub outputs: Vec<(Spanned<String>, Spanned<Value>)>,
    /// The digests of the files that it takes texts and schemas from, byte for byte.
    pub reads: Vec<Digest>,
}

/// One declared input.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name.
    pub name: Spanned<String>,
    /// JSON Schema of the value (already expanded from the short form).
    pub schema: Value,
    /// Whether a run must give it.
    pub required: bool,
    /// Whether it takes the words after the workflow's name.
    pub positional: bool,
    /// The value where the run gives none.
    pub default: Option<Spanned<Value>>,
    /// One line of help.
    pub description: String,
}

/// A model tier such as `strategic`.
#[derive(Debug, Clone)]
pub struct ModelTier {
    /// Its name.
    pub name: Spanned<String>,
    /// Runtime (or `any`) to the models that are tried one after the other; never an empty list.
    pub models: Vec<(Spanned<String>, Vec<Spanned<String>>)>,
}

/// What a run may spend; absent parts take the defaults.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// US dollars.
    pub usd: Option<f64>,
    /// Tokens, input and output together.
    pub tokens: Option<u64>,
    /// Wall time.
    pub time: Option<Duration>,
    /// Starts of agents.
    pub agents: Option<u64>,
    /// What happens at the limit.
    pub on_limit: Option<OnLimit>,
}

/// What happens when a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// The run parks until a person raises the limit.
    Pause,
    /// The run ends.
    Stop,
}

/// How much may run at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Attempts over the whole run.
    pub parallel: Option<u32>,
    /// Attempts on one runtime.
    pub per_runtime: Vec<(Spanned<String>, u32)>,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its id; made from the kind and the place where the file gives none.
    pub id: Spanned<String>,
    /// The whole step.
    pub span: Span,
    /// What it does.
    pub kind: StepKind,
    /// Replaces the implied edge from the step above.
    pub needs: Option<Vec<Spanned<String>>>,
    /// How many needs must be there.
    pub join: Option<Spanned<Join>>,
    /// Runs only if this is true; otherwise it is skipped.
    pub when: Option<Spanned<String>>,
    /// Checks that must pass before anything downstream.
    pub gate: Vec<Spanned<Gate>>,
    /// What a failed gate leads to.
    pub on_gate_fail: Option<Spanned<OnGateFail>>,
    /// How often a failed attempt is tried again.
    pub retry: Option<Spanned<Retry>>,
    /// The longest an attempt may take.
    pub timeout: Option<Duration>,
    /// The longest an attempt may be silent.
    pub idle_timeout: Option<Duration>,
    /// What to do with an attempt that has no outcome after a crash.
    pub recovery: Option<Spanned<Recovery>>,
    /// Whether the run may go on when it fails.
    pub optional: bool,
    /// For containers: what a failure does to the steps beside it.
    pub on_failure: Option<OnFailure>,
    /// A model or a tier.
    pub model: Option<Spanned<String>>,
    /// The runtime.
    pub runtime: Option<Spanned<String>>,
    /// Tools the agent may use; replaces the agent's own list.
    pub tools: Option<Vec<Spanned<String>>>,
    /// Rules that narrow what the tools give.
    pub permissions: Option<Permissions>,
    /// `danger: true`: everything, with no question asked; the place of the key.
    pub danger: Option<Span>,
    /// How far its attempts are confined.
    pub sandbox: Option<Sandbox>,
    /// Where the agent's context starts.
    pub context: Option<Spanned<Context>>,
    /// Tokens of context.
    pub context_budget: Option<u64>,
    /// Skills to load, these and no others; where absent, those that apply to the step.
    pub skills: Option<Vec<Spanned<String>>>,
    /// Where it works.
    pub workspace: Option<Spanned<Workspace>>,
    /// How what it does in a worktree comes back.
    pub merge: Option<Spanned<Merge>>,
    /// JSON Schema of its output (short form already expanded).
    pub output: Option<Spanned<Value>>,
    /// Values for a called workflow, a prompt's `with.X`, or a form.
    pub with: Vec<(Spanned<String>, Spanned<Value>)>,
    /// Environment of a command or an agent.
    pub env: Vec<(Spanned<String>, Spanned<Value>)>,
    /// More words for a `run:` list or command, each a text with `{{ }}`.
    pub args: Vec<Spanned<String>>,
    /// Paths or globs it writes.
    pub files: Vec<Spanned<String>>,
    /// `files_from: answer`: code blocks with a path in the agent's answer become files.
    pub answer_files: bool,
    /// A text that names each item of an `each`.
    pub key: Option<Spanned<String>>,
    /// A text that replaces the attempt's own summary.
    pub summary: Option<Spanned<String>>,
    /// Whether the same work of an earlier run may be taken.
    pub cache: Option<Spanned<Cache>>,
    /// Secrets that its attempts get.
    pub secrets: Vec<SecretUse>,
}

/// When the work of an earlier run is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    /// A text that says it in place of the project's files.
    pub key: Option<Spanned<String>>,
    /// How long it may be taken.
    pub ttl: Option<Duration>,
}

impl Step {
    /// A step that says nothing but what it does; its place is that of its id.
    #[must_use]
    pub fn new(id: Spanned<String>, kind: StepKind) -> Self {
        Self {
            span: id.span,
            id,
            kind,
            needs: None,
            join: None,
            when: None,
            gate: Vec::new(),
            on_gate_fail: None,
            retry: None,
            timeout: None,
            idle_timeout: None,
            recovery: None,
            optional: false,
            on_failure: None,
            model: None,
            runtime: None,
            tools: None,
            permissions: None,
            danger: None,
            sandbox: None,
            context: None,
            context_budget: None,
            skills: None,
            workspace: None,
            merge: None,
            output: None,
            with: Vec::new(),
            env: Vec::new(),
            args: Vec::new(),
            files: Vec::new(),
            answer_files: false,
            key: None,
            summary: None,
            cache: None,
            secrets: Vec::new(),
        }
    }
}

/// What a step does. One kind key a step.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// An agent works. One of `agent` and `prompt` is there.
    Agent {
        /// The agent's name; the default agent where absent.
        agent: Option<Spanned<String>>,
        /// The text of `prompt:` or of the file of `prompt_file:` (whose own source is then kept).
        prompt: Option<Prompt>,
    },
    /// A command runs.
    Run(RunCommand),
    /// A person approves.
    Approve {
        /// The question, a text with `{{ }}`.
        text: Spanned<String>,
    },
    /// A person fills in a form whose fields are the step's `output`.
    Ask {
        /// The question, a text with `{{ }}`.
        text: Spanned<String>,
    },
    /// Time passes, or a signal comes.
    Wait(Wait),
    /// A signal is sent to the `wait` steps of this run.
    Emit {
        /// Its name.
        signal: Spanned<String>,
    },
    /// The files are kept as they are, under a name.
    Checkpoint {
        /// The name.
        name: Spanned<String>,
    },
    /// The run ends here.
    Stop {
        /// Whether as a success.
        succeed: bool,
        /// Why, a text with `{{ }}`.
        text: Spanned<String>,
    },
    /// Children start at once.
    Parallel {
        /// The children.
        steps: Vec<Step>,
        /// How many at once.
        max_parallel: Option<u32>,
    },
    /// The children run once for each item.
    Each {
        /// A bare expression that gives a list.
        items: Spanned<String>,
        /// The item's name in the children; `item` where absent.
        binding: Option<Spanned<String>>,
        /// Items at once.
        max_parallel: Option<u32>,
        /// Items at most.
        max_items: Option<u32>,
        /// Items that go into one session, one after the other.
        batch: Option<u32>,
        /// The children.
        steps: Vec<Step>,
    },
    /// The children run until a condition holds.
    Loop {
        /// Iterations at most.
        max: u32,
        /// A bare expression; the loop ends when it is true.
        until: Option<Spanned<String>>,
        /// What the last iteration without success means.
        on_max: OnMax,
        /// The children.
        steps: Vec<Step>,
    },
    /// Another workflow runs here, with the values of `with`.
    Workflow {
        /// Its name.
        name: Spanned<String>,
    },
}

impl StepKind {
    /// The steps inside of a container.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::Parallel { steps, .. } | Self::Each { steps, .. } | Self::Loop { steps, .. } => steps,
            Self::Agent { .. }
            | Self::Run(_)
            | Self::Approve { .. }
            | Self::Ask { .. }
            | Self::Wait(_)
            | Self::Emit { .. }
            | Self::Checkpoint { .. }
            | Self::Stop { .. }
            | Self::Workflow { .. } => &[],
        }
    }
}

/// The text of a prompt.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The text with `{{ }}`.
    pub text: Spanned<String>,
    /// The file it came from, if it came from a `prompt_file:`; spans of the text then point into this source.
    pub file: Option<Arc<Source>>,
}

/// A command.
#[derive(Debug, Clone)]
pub enum RunCommand {
    /// A text for `sh -eu -c`.
    Shell(Spanned<String>),
    /// A list: program and arguments, no shell.
    Argv(Vec<Spanned<String>>),
}

/// What a `wait` step waits for.
#[derive(Debug, Clone)]
pub enum Wait {
    /// A length of time.
    For(Duration),
    /// A signal of this run.
    Signal(Spanned<String>),
}

/// How many of the needs must be satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Every one.
    All,
    /// The first.
    Any,
    /// This many.
    AtLeast(u32),
}

/// What a failed child does to its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Running steps finish, nothing new starts.
    Drain,
    /// Running steps are stopped, nothing new starts.
    FailFast,
    /// Everything that does not need the failed step goes on.
    Continue,
}

/// What a loop that used all its iterations means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMax {
    /// The loop fails.
    #[default]
    Fail,
    /// The loop succeeds with its last iteration.
    Continue,
}

/// Where an agent's context starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// Nothing but the order.
    Fresh,
    /// The summary and outputs of a step, within the budget.
    Fork(Spanned<String>),
    /// The session of a step goes on.
    Share(Spanned<String>),
}

/// Where a step works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workspace {
    /// The project's own folder.
    Shared,
    /// Its own git worktree.
    Worktree,
    /// An empty folder of its own.
    Scratch,
}
