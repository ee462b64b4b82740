//! Gates as their files say them: what must hold before anything downstream.

use std::time::Duration;

use serde_json::Value;

use crate::{base::Spanned, definition::workflow::RunCommand};

/// A check.
#[derive(Debug, Clone)]
pub enum Gate {
    /// A command must exit with 0 and, with `expect`, make the expression true.
    Run {
        /// The command.
        command: RunCommand,
        /// A bare expression over `output` (JSON in `$ORCH_OUTPUT`), `stdout` (text) and `exit`.
        expect: Option<Spanned<String>>,
        /// The longest it may take.
        timeout: Option<Duration>,
    },
    /// A bare expression must be true.
    Check(Spanned<String>),
    /// The step's output (or the value of an expression) must be valid.
    Schema {
        /// JSON Schema.
        schema: Spanned<Value>,
    },
    /// Files must be there.
    Files {
        /// Paths or globs, each of which must match at least one file.
        paths: Vec<Spanned<String>>,
    },
    /// The change of the working tree must stay within bounds.
    Changed {
        /// Files changed at most.
        max_files: Option<u32>,
        /// Globs of which every changed file must match one.
        allow: Vec<Spanned<String>>,
        /// Globs of which no changed file may match one.
        deny: Vec<Spanned<String>>,
    },
    /// No key may stand in what has changed.
    Secrets {
        /// Globs of the files that are looked through; all where empty.
        paths: Vec<Spanned<String>>,
        /// Whether files that have not changed are looked through as well.
        all: bool,
        /// What only looks like a key.
        allow: Vec<AllowedSecret>,
    },
    /// Agents that have not done the work score it.
    Judge(Box<Judge>),
    /// A person must agree.
    Approve {
        /// The question, a text with `{{ }}`.
        text: Spanned<String>,
    },
    /// A gate of the library.
    Named(Spanned<String>),
}

/// Who scores what was done, and by what.
#[derive(Debug, Clone)]
pub struct Judge {
    /// What is looked at: the text itself, or that of the file.
    pub rubric: Spanned<String>,
    /// The name of the file, where it came from one.
    pub file: Option<String>,
    /// The lowest score that passes, from 0 to 1.
    pub min: f64,
    /// How many judge; the middle score counts.
    pub judges: u32,
    /// The agent that judges; a plain one where absent.
    pub agent: Option<Spanned<String>>,
    /// The model or tier.
    pub model: Option<Spanned<String>>,
    /// The runtime.
    pub runtime: Option<Spanned<String>>,
    /// The longest one of them may take.
    pub timeout: Option<Duration>,
}

/// What only looks like a key, for a `secrets` gate.
#[derive(Debug, Clone)]
pub struct AllowedSecret {
    /// A glob of files; any file where absent.
    pub path: Option<Spanned<String>>,
    /// The first digits of the digest of one key; any key where absent.
    pub digest: Option<Spanned<String>>,
    /// Why it is no secret.
    pub why: String,
}
