//! A fault in a definition: a code, the place, the cause and the fix.
//!
//! Knows nothing of terminals: drawing is in `base::render`.

use std::{fmt, sync::Arc};

use crate::base::{Source, Span};

/// A stable error code such as `E0107`; `orch explain CODE` tells its story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How bad it is. Only errors stop a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Something was assumed.
    Warning,
    /// The definition cannot be used.
    Error,
}

/// A second place that explains a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where, in the same source.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// What another tool does with the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The tool's name as people write it, such as `Claude Code`.
    pub tool: &'static str,
    /// What it does, after "TOOL: "; lower case, no full stop.
    pub effect: String,
}

/// One replacement in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

/// A change of the file that removes the fault without changing what `orch` reads in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, an imperative: "quote the value".
    pub title: String,
    /// The replacements; they do not overlap.
    pub edits: Vec<Edit>,
}

/// One fault, complete enough for the terminal, JSON and an editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one line, lower case, no full stop.
    pub message: String,
    /// The file.
    pub source: Arc<Source>,
    /// The offending text.
    pub span: Span,
    /// Why it is wrong, written beside the caret.
    pub cause: String,
    /// More places.
    pub labels: Vec<Label>,
    /// How to fix it.
    pub help: String,
    /// What `orch` reads here all the same; empty where it reads nothing.
    pub assumed: String,
    /// What other tools do with the same text, where that differs.
    pub elsewhere: Vec<Elsewhere>,
    /// The change that `orch check --fix` makes.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error with a place; add the rest with the methods below.
    #[must_use]
    pub fn error(code: Code, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            source: Arc::clone(source),
            span,
            cause: String::new(),
            labels: Vec::new(),
            help: String::new(),
            assumed: String::new(),
            elsewhere: Vec::new(),
            fix: None,
        }
    }

    /// Says why, beside the caret.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Says how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Points at one more place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Makes it a piece of information.
    #[must_use]
    pub fn info(mut self) -> Self {
        self.severity = Severity::Info;
        self
    }

    /// Says what `orch` reads here all the same.
    #[must_use]
    pub fn assumed(mut self, assumed: impl Into<String>) -> Self {
        self.assumed = assumed.into();
        self
    }

    /// Says what another tool does with the same text.
    #[must_use]
    pub fn elsewhere(mut self, tool: &'static str, effect: impl Into<String>) -> Self {
        self.elsewhere.push(Elsewhere { tool, effect: effect.into() });
        self
    }

    /// Adds a replacement to the change that mends it; the first call names the change.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        let fix = self.fix.get_or_insert_with(|| Fix { title: title.into(), edits: Vec::new() });
        fix.edits.push(Edit { span, text: text.into() });
        self
    }
}
