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
}
