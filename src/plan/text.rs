//! Texts of a plan, kept as written, with the names that they read and what those stand for.
//!
//! Knows nothing of values: a text is filled in when its step begins.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::types::StepIx;

/// A text and what it reads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Text {
    /// As written: with `{{ }}`, or a bare expression, as its place demands.
    pub text: String,
    /// The outside names it reads, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Read>,
}

/// A name in a text and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The name as the text writes it.
    pub name: String,
    /// What it means there.
    pub means: Meaning,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// The inputs of the run, or of the called workflow that the step stands in.
    Inputs(Option<StepIx>),
    /// The model tiers.
    Models,
    /// The value of a step: its nearest instance around or beside the reader.
    Step(StepIx),
    /// The current item of that `each`.
    Item(StepIx),
    /// The current index, from 0, of that `each`.
    Index(StepIx),
    /// The current iteration, from 1, of that `loop`.
    Iteration(StepIx),
    /// In a gate: the step's own output.
    This,
    /// In a summary: the step's own envelope.
    Result,
    /// In a prompt: the step's own `with` values.
    With,
    /// In `expect`: `output`, `stdout` and `exit` of the gate's command.
    Command,
}

/// A value whose texts may hold `{{ }}`; a text that is exactly one `{{ }}` keeps its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueText {
    /// The value as written.
    pub value: Value,
    /// The outside names its texts read, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Read>,
}
