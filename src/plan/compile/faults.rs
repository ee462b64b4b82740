//! Collects the faults of one compilation, and places them exactly.
//!
//! Knows nothing of names or graphs. Invariant: a fault is reported once, however often its workflow is called.

use std::{collections::HashSet, sync::Arc};

pub(super) use crate::base::codes::plan::*;
use crate::base::{Code, Diagnostic, Severity, Source, Span, did_you_mean};

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) span: Span,
}

impl Place<'_> {
    /// An error at this place.
    pub(super) fn error(self, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.source, self.span, message)
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    all: Vec<Diagnostic>,
    seen: HashSet<(usize, Span, Code, String)>,
}

impl Faults {
    /// Adds a fault unless it is there.
    pub(super) fn push(&mut self, fault: Diagnostic) {
        let source = Arc::as_ptr(&fault.source) as usize;
        if self.seen.insert((source, fault.span, fault.code, fault.message.clone())) {
            self.all.push(fault);
        }
    }

    /// Whether an error is among them.
    pub(super) fn has_errors(&self) -> bool {
        self.all.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Whether there are so many that searching for suggestions would only cost time.
    pub(super) fn many(&self) -> bool {
        self.all.len() > 200
    }

    /// All faults in the order of files and places; faults of `first` come first.
    pub(super) fn finish(mut self, first: &Arc<Source>) -> Vec<Diagnostic> {
        self.all.sort_by(|one, other| {
            let key =
                |fault: &Diagnostic| (!Arc::ptr_eq(&fault.source, first), fault.source.path.clone(), fault.span.start);
            key(one).cmp(&key(other))
        });
        self.all
    }
}

/// "did you mean" if a candidate is near, else a list of all, else what to do where there is none.
pub(super) fn suggest<'s>(word: &str, candidates: impl IntoIterator<Item = &'s str>, kind: &str, none: &str) -> String {
    let all: Vec<&str> = candidates.into_iter().collect();
    // One slip in a word of two letters makes any word of it.
    if let Some(near) = did_you_mean(word, all.iter().copied()).filter(|_| word.chars().count() > 2) {
        return format!("did you mean `{near}`?");
    }
    if all.is_empty() {
        return none.to_owned();
    }
    let shown: Vec<String> = all.iter().take(12).map(|name| format!("`{name}`")).collect();
    let more = all.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{kind}: {}{rest}", shown.join(", "))
}

/// The place in the file of some bytes of a text: found in the scalar's own bytes, where quotes, escapes and
/// indentation may have moved it; the whole scalar where it cannot be told.
pub(super) fn place_in<'a>(scalar: Place<'a>, text: &str, inner: Span) -> Place<'a> {
    let Some(raw) = scalar.source.text.get(scalar.span.start..scalar.span.end) else { return scalar };
    let Some(snippet) = text.get(inner.start..inner.end).filter(|snippet| !snippet.is_empty()) else { return scalar };
    // The same words may stand there more than once: take the one with as many before it.
    let before = text.get(..inner.start).map_or(0, |before| before.matches(snippet).count());
    let same = text.matches(snippet).count() == raw.matches(snippet).count();
    match raw.match_indices(snippet).nth(before) {
        Some((offset, _)) if same => {
            let start = scalar.span.start + offset;
            Place { source: scalar.source, span: Span::new(start..start + snippet.len()) }
        }
        Some(_) | None => scalar,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_block_scalar_is_exact() {
        let source = Source::new("x", "prompt: |\n  say {{ a.b }}\n  and {{ a.b }}\n");
        let scalar = Place { source: &source, span: Span::new(8..source.text.len()) };
        let text = "say {{ a.b }}\nand {{ a.b }}\n";
        let second = text.rfind("a.b").unwrap();
        let place = place_in(scalar, text, Span::new(second..second + 3));
        assert_eq!(source.position(place.span.start).line, 3);
        assert_eq!(&source.text[place.span.start..place.span.end], "a.b");
    }

    #[test]
    fn a_place_that_cannot_be_told_is_the_whole_scalar() {
        let source = Source::new("x", r#"prompt: "say {{ a\u002eb }}""#);
        let scalar = Place { source: &source, span: Span::new(8..source.text.len()) };
        assert_eq!(place_in(scalar, "say {{ a.b }}", Span::new(7..10)).span, scalar.span);
    }

    #[test]
    fn a_fault_is_kept_once() {
        let source = Source::new("x", "abc");
        let mut faults = Faults::default();
        for _ in 0..2 {
            faults.push(Diagnostic::error(CYCLE, &source, Span::new(0..1), "the same"));
        }
        faults.push(Diagnostic::error(CYCLE, &source, Span::new(0..1), "another").warning());
        assert!(faults.has_errors());
        assert_eq!(faults.finish(&source).len(), 2);
    }
}
