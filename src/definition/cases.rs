//! Cases of workflows as people write them: what the agents and commands answer, and what must come of it.
//!
//! Knows no workflow: whether a step that a case names is there is for `service::cases` to say.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Map, Value};

use crate::base::{Source, Span, Spanned};

/// A file of cases.
#[derive(Debug, Clone)]
pub struct CaseFile {
    /// Its path, as shown to people.
    pub path: PathBuf,
    /// Its text.
    pub source: Arc<Source>,
    /// What is run: the name of a workflow, or `/NAME` of a command.
    pub target: Spanned<String>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: Spanned<String>,
    /// The inputs of the run, and where they stand.
    pub inputs: Spanned<Map<String, Value>>,
    /// What the steps and gates answer, in their order; the last answer stays.
    pub stubs: Vec<(Spanned<String>, Vec<Stub>)>,
    /// Whether agents without a stub succeed.
    pub agents: bool,
    /// Whether `run` steps without a stub succeed.
    pub commands: bool,
    /// What a person says where nothing else is written, in order; the last answer stays.
    pub approvals: Vec<Approval>,
    /// What a person says of single steps, in order; the last answer stays.
    pub approvals_of: ApprovalsOf,
    /// What must come of it.
    pub expect: Expect,
}

/// What a step or a gate answers once.
#[derive(Debug, Clone, Default)]
pub struct Stub {
    /// Its place.
    pub span: Span,
    /// The verdict of a gate; of a step, whether it succeeds.
    pub verdict: Option<Verdict>,
    /// The output.
    pub output: Option<Value>,
    /// The whole answer of an agent.
    pub text: Option<String>,
    /// The summary of an agent.
    pub summary: Option<String>,
    /// The files that are written: path and text.
    pub writes: Option<Vec<(Spanned<String>, String)>>,
    /// Why an agent fails.
    pub fail: Option<String>,
    /// The exit code of a command.
    pub exit: Option<u32>,
    /// What a command prints.
    pub stdout: Option<String>,
    /// The keys that are written.
    pub keys: Vec<Spanned<String>>,
}

/// A gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Pass,
    /// No.
    Fail,
    /// It cannot be judged.
    Error,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Yes.
    Approve,
    /// No.
    Reject,
    /// Nothing: the run waits.
    Wait,
    /// Comments, with which the work goes back to its agent.
    Pushback(Vec<String>),
}

/// What a person says of single steps: the step, and the answers in order.
pub type ApprovalsOf = Vec<(Spanned<String>, Vec<Approval>)>;

/// Where a step must stand at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Done and proven.
    Succeeded,
    /// Not done.
    Failed,
    /// Not needed.
    Skipped,
    /// Not reached, or stopped.
    Cancelled,
    /// It waits for a person or for other steps.
    Waiting,
}

/// How a run must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// All is done.
    Succeeded,
    /// Something failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Only a person can move it.
    Waiting,
}

/// What must come of a case. What is not written is not compared.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// How the run ends.
    pub outcome: Option<Ends>,
    /// The exit code of the run.
    pub exit: Option<u32>,
    /// Where steps stand.
    pub steps: Vec<(Spanned<String>, Stands)>,
    /// The last verdicts of gates.
    pub gates: Vec<(Spanned<String>, Verdict)>,
    /// How often steps were tried.
    pub attempts: Vec<(Spanned<String>, u32)>,
    /// Outputs of the run; others may stand beside them.
    pub outputs: Map<String, Value>,
}

impl Verdict {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }
}

impl Stands {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Waiting => "waiting",
        }
    }
}

impl Ends {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Waiting => "waiting",
        }
    }
}
