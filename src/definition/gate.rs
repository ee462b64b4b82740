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
    /// A person must agree.
    Approve {
        /// The question, a text with `{{ }}`.
        text: Spanned<String>,
    },
    /// A gate of the library.
    Named(Spanned<String>),
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
