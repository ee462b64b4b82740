//! Looks for keys in files: values that are known secrets, and what looks like a key of a known service.
//!
//! Unaware of which files are looked at and of what follows. Invariant: what is found never holds the value itself.

use std::{collections::BTreeSet, fmt};

use regex::bytes::{Regex, RegexBuilder};

use crate::{
    base::Digest,
    guard::{
        redact::Redactor,
        shapes::{SHAPES, any_shape},
    },
};

/// Finds of one file.
const FINDS_MAX: usize = 100;
/// The memory of one compiled expression, in bytes: known values may be many.
const EXPRESSION_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What finds keys.
pub struct Leaks {
    shapes: Regex,
    /// Every form of every known value; nothing where none is known.
    known: Option<Regex>,
    redactor: Redactor,
}

/// One key in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The line it begins in, from 1.
    pub line: usize,
    /// What it is: `GitHub token`, or `the value of $API_KEY`.
    pub kind: String,
    /// The digest of a key of a service. A known value may be short enough to be guessed, so it has none.
    pub digest: Option<Digest>,
}

impl fmt::Debug for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The expression holds the secrets.
        f.write_str("Leaks")
    }
}

impl Leaks {
    /// Looks for what this redactor would take out.
    ///
    /// # Errors
    /// More known values than can be looked for.
    pub fn new(redactor: &Redactor) -> Result<Self, String> {
        let forms: Vec<String> = redactor.forms().map(|(form, _)| regex::escape(form)).collect();
        let build = |text: &str| {
            let built = RegexBuilder::new(text).unicode(false).size_limit(EXPRESSION_BYTES_MAX).build();
            // The fault of the expression would show the values.
            built.map_err(|_| "there are too many known secrets to look for".to_owned())
        };
        let known = if forms.is_empty() { None } else { Some(build(&forms.join("|"))?) };
        Ok(Self { shapes: build(&any_shape(true))?, known, redactor: redactor.clone() })
    }

    /// The keys in some bytes, in the order of their lines; the first hundred of them.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<Leak> {
        let mut found = BTreeSet::new();
        let line = |at: usize| 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        for hit in self.known.iter().flat_map(|known| known.find_iter(bytes)).take(FINDS_MAX) {
            let name = self.redactor.forms().find(|(form, _)| form.as_bytes() == hit.as_bytes()).map(|(_, name)| name);
            let kind = format!("the value of ${}", name.unwrap_or_default());
            found.insert(Leak { line: line(hit.start()), kind, digest: None });
        }
        for hit in self.shapes.captures_iter(bytes).take(FINDS_MAX) {
            let Some(whole) = hit.get(0) else { continue };
            // What is known by its name is not told twice.
            if self.known.as_ref().is_some_and(|known| known.is_match(whole.as_bytes())) {
                continue;
            }
            let shape = SHAPES.iter().enumerate().find(|(place, _)| hit.get(place + 1).is_some());
            let kind = shape.map_or("key", |(_, shape)| shape.kind).to_owned();
            found.insert(Leak { line: line(whole.start()), kind, digest: Some(Digest::of(whole.as_bytes())) });
        }
        found.into_iter().take(FINDS_MAX).collect()
    }

    /// A text that may be shown.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        self.redactor.text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";

    #[test]
    fn keys_are_found_with_their_line_and_never_with_their_value() {
        let redactor = Redactor::new([("DB_PASSWORD".to_owned(), "hunter2horse".to_owned())]);
        let leaks = Leaks::new(&redactor).unwrap();
        let text = format!("one\n\"{TOKEN}\"\n\npassword: hunter2horse\nhex 68756e74657232686f727365\n\u{0}\u{ff}\n");
        let found = leaks.find(text.as_bytes());
        let told: Vec<_> = found.iter().map(|leak| (leak.line, leak.kind.as_str())).collect();
        assert_eq!(told, [(2, "GitHub token"), (4, "the value of $DB_PASSWORD"), (5, "the value of $DB_PASSWORD")]);
        assert_eq!(found[0].digest, Some(Digest::of(TOKEN.as_bytes())));
        let all = format!("{found:?} {leaks:?}");
        assert!(!all.contains("hunter2") && !all.contains(TOKEN), "{all}");
        assert!(leaks.find(b"nothing to see\n").is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_are_looked_through_and_finds_are_bounded() {
        let leaks = Leaks::new(&Redactor::default()).unwrap();
        let mut bytes = vec![0xff, 0, 0xc3];
        bytes.extend(b" AKIAIOSFODNN7EXAMPLE\0\xfe");
        assert_eq!(leaks.find(&bytes)[0].kind, "AWS key");
        let many = format!("{TOKEN}\n").repeat(10_000);
        assert_eq!(leaks.find(many.as_bytes()).len(), FINDS_MAX);
    }
}
