//! The faults of one file, collected while it is read.

use std::sync::Arc;

use crate::base::{Code, Diagnostic, Severity, Source, Span, codes::definition as codes};

/// Faults that are kept for one file; the rest is counted.
const FAULTS_MAX: usize = 100;

/// Collects faults. Every reader of a file writes into the same one.
#[derive(Debug)]
pub(super) struct Faults {
    source: Arc<Source>,
    found: Vec<Diagnostic>,
    dropped: usize,
    failed: bool,
}

impl Faults {
    /// No faults yet.
    pub fn new(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), found: Vec::new(), dropped: 0, failed: false }
    }

    /// The file being read.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Adds an error: what is wrong, why, and how to fix it.
    pub fn error(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Diagnostic::error(code, &self.source, span, message).cause(cause).help(help));
    }

    /// Adds a diagnostic.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        self.failed |= diagnostic.severity == Severity::Error;
        if self.found.len() < FAULTS_MAX {
            self.found.push(diagnostic);
        } else {
            self.dropped += 1;
        }
    }

    /// Counts an error that would not be shown.
    pub fn skip(&mut self) {
        self.failed = true;
        self.dropped += 1;
    }

    /// Takes over what another reader of the same file found.
    pub fn absorb(&mut self, other: Self) {
        other.found.into_iter().for_each(|fault| self.add(fault));
        self.dropped += other.dropped;
        self.failed |= other.failed;
    }

    /// Whether a code was reported.
    pub fn has(&self, code: Code) -> bool {
        self.found.iter().any(|fault| fault.code == code)
    }

    /// The worst of them so far.
    pub fn worst(&self) -> Option<Severity> {
        self.found.iter().map(|fault| fault.severity).max()
    }

    /// Counts a warning that would not be shown.
    pub fn skip_warning(&mut self) {
        self.dropped += 1;
    }

    /// The first error.
    pub fn first_error(&self) -> Option<&Diagnostic> {
        self.found.iter().find(|fault| fault.severity == Severity::Error)
    }

    /// All that was found, in the order of finding.
    pub fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }

    /// How many there are; tells a reader whether a part that it read had any.
    pub fn count(&self) -> usize {
        self.found.len() + self.dropped
    }

    /// Whether more faults would only be counted, so that looking for good advice is a waste.
    pub fn is_full(&self) -> bool {
        self.found.len() >= FAULTS_MAX
    }

    /// Whether there is an error, so that the file cannot be used.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// All faults in the order of their places.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|fault| (fault.span.start, fault.span.end, fault.code));
        if self.dropped > 0 {
            let message = format!("{} more faults are not shown", self.dropped);
            let rest = Diagnostic::error(codes::TOO_MANY_FAULTS, &self.source, Span::default(), message)
                .cause(format!("the first {FAULTS_MAX} faults of a file are shown"))
                .help("mend those and check again");
            self.found.push(if self.failed { rest } else { rest.warning() });
        }
        self.found
    }
}
