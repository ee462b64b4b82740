//! What an attempt is told to do, and where. Everything in it is rendered: no template, no reference to a step.

use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    execute::{
        changed::Baseline,
        confined::Confined,
        hushed,
        leaks::Search,
        process::{Limits, LogPaths, argv_of, words},
    },
    guard::{Redactor, Secret},
    runtime::{Order, Seen},
};

/// Where an attempt works and where its traces go.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where commands start and agents write.
    pub workspace: PathBuf,
    /// Its own folder: `order.json`, `output.json`, `stdout.log`, `stderr.log`. Made only when there is something to keep.
    pub attempt_dir: PathBuf,
    /// The environment that every command gets: the allow-list, nothing else.
    pub env: Vec<(OsString, OsString)>,
    /// What else its own programs get: the secrets of its step. Nobody is told of them but the programs.
    pub secrets: Vec<(String, Secret)>,
    /// The run's id.
    pub run: String,
    /// The attempt's id, unique in the run.
    pub attempt: String,
    /// Who hears what an agent does while it works.
    pub live: Live,
    /// How its programs are confined; not at all where absent.
    pub sandbox: Option<Arc<Confined>>,
}

/// Hears what an agent does while it works. The default hears nothing.
#[derive(Clone, Default)]
pub struct Live(Option<Arc<dyn Fn(Seen) + Send + Sync>>);

impl Live {
    /// Calls this for everything that is seen; it must not wait.
    #[must_use]
    pub fn new(hear: impl Fn(Seen) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// The same, which hears no secrets.
    pub(super) fn hushed(&self, redactor: &Redactor) -> Self {
        let (Some(hear), redactor) = (self.0.clone(), redactor.clone()) else { return Self::default() };
        Self(Some(Arc::new(move |seen| hear(hushed::seen(&redactor, seen)))))
    }

    /// Tells.
    pub(super) fn tell(&self, seen: Seen) {
        if let Some(hear) = &self.0 {
            hear(seen);
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

/// The file in an attempt's folder that `$ORCH_OUTPUT` names.
pub const ANSWER: &str = "output.json";

impl Place {
    /// Where the output of the attempt's command is kept.
    #[must_use]
    pub fn logs(&self) -> LogPaths {
        LogPaths { stdout: self.attempt_dir.join("stdout.log"), stderr: self.attempt_dir.join("stderr.log") }
    }

    /// What `$ORCH_OUTPUT` names.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.attempt_dir.join(ANSWER)
    }

    /// What `$ORCH_ORDER` names.
    #[must_use]
    pub fn order(&self) -> PathBuf {
        self.attempt_dir.join("order.json")
    }
}

/// A command as the definition writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandText {
    /// For `sh -eu -c`; no shell where the text has no shell syntax.
    Shell(String),
    /// Program and arguments.
    Argv(Vec<String>),
}

impl CommandText {
    /// Program and arguments.
    #[must_use]
    pub fn alone(&self) -> Vec<String> {
        match self {
            Self::Argv(argv) => argv.clone(),
            Self::Shell(text) => argv_of(text),
        }
    }

    /// Program and arguments, with more arguments behind; in a text for the shell those are `$1`, `$2` and so on.
    ///
    /// # Errors
    /// More arguments for a text for the shell that uses none: they are never lost, and never become commands.
    pub fn argv(&self, more: &[String]) -> Result<Vec<String>, String> {
        let mut argv = self.alone();
        if let Self::Shell(text) = self
            && !more.is_empty()
            && words(text).is_none()
        {
            if !uses_arguments(text) {
                let help = "use them as \"$1\" or \"$@\", or write the command as a list of words";
                return Err(format!("`args` are given, but the shell text does not use them: {help}"));
            }
            // The word after the text is `$0`.
            argv.push("sh".to_owned());
        }
        argv.extend_from_slice(more);
        Ok(argv)
    }
}

/// Whether a text for the shell reads its arguments.
fn uses_arguments(text: &str) -> bool {
    text.split('$').skip(1).any(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '@' | '*' | '#'))
    })
}

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Assignment {
    /// An agent works.
    Agent {
        /// What it is told.
        order: Box<Order>,
        /// On which runtime.
        runtime: String,
        /// How long it may take.
        limits: Limits,
    },
    /// A command works.
    Run {
        /// The command.
        command: CommandText,
        /// More arguments.
        args: Vec<String>,
        /// Environment on top of the place's.
        env: Vec<(String, String)>,
        /// JSON Schema of what it must write to `$ORCH_OUTPUT`; without one there is no such variable.
        expected_output: Option<Value>,
        /// Whether what it prints is the text of its result.
        keeps_text: bool,
        /// How long it may take.
        limits: Limits,
    },
    /// A gate: the command ends with exit code 0.
    GateRun {
        /// The command.
        command: CommandText,
        /// An expression over `output`, `stdout` and `exit` that must be true as well.
        expect: Option<String>,
        /// Environment on top of the place's.
        env: Vec<(String, String)>,
        /// How long it may take.
        limits: Limits,
    },
    /// A gate: the expression is true.
    GateCheck {
        /// The expression.
        expression: String,
        /// What its names stand for.
        scope: Map<String, Value>,
    },
    /// A gate: the value is valid.
    GateSchema {
        /// JSON Schema.
        schema: Value,
        /// The value.
        value: Value,
    },
    /// A gate: for every path or glob there is a file.
    GateFiles {
        /// Paths or globs, relative to the workspace.
        paths: Vec<String>,
    },
    /// A gate: what changed since the baseline is within bounds.
    GateChanged {
        /// Files at most.
        max_files: Option<u32>,
        /// If any, every changed file matches one of these.
        allow: Vec<String>,
        /// No changed file matches one of these.
        deny: Vec<String>,
        /// What was there before.
        baseline: Arc<Baseline>,
    },
    /// A gate: no key stands in what changed since the baseline.
    GateSecrets {
        /// Where is looked, and what is allowed.
        search: Box<Search>,
        /// What was there before.
        baseline: Arc<Baseline>,
    },
    /// A command says how a lost attempt ended. Judged: pass is done, fail is to be run again, error is unknown.
    Reconcile {
        /// The command: exit code 0 is done, 1 is to be run again.
        command: CommandText,
        /// Environment on top of the place's.
        env: Vec<(String, String)>,
        /// How long it may take.
        limits: Limits,
    },
}
