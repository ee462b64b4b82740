//! Takes secrets out of a stream that comes in pieces, wherever the borders of the pieces are.
//!
//! Invariants: what is handed on is what the whole would be, however it was cut; what is kept back is bounded.

use std::{fmt, sync::Arc};

use crate::guard::redact::finder::{Finder, Hit, Label, Open, WORD_BYTES_MAX, is_word};

/// One stream. What may be the beginning of a secret is kept back until it is known, and no more than that.
#[derive(Clone)]
pub struct StreamRedactor {
    finder: Arc<Finder>,
    /// What was kept back.
    carry: Vec<u8>,
    /// So much of its beginning belongs to what was shown as redacted already.
    covered: usize,
    /// The byte before it.
    before: Option<u8>,
    open: Option<Open>,
    in_word: bool,
}

impl fmt::Debug for StreamRedactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamRedactor")
    }
}

impl StreamRedactor {
    pub(super) fn new(finder: Arc<Finder>) -> Self {
        Self { finder, carry: Vec::new(), covered: 0, before: None, open: None, in_word: false }
    }

    /// Takes the next bytes and hands on what is known to be clean.
    pub fn push(&mut self, bytes: &[u8], mut hand_on: impl FnMut(&[u8])) {
        if bytes.is_empty() {
            return;
        }
        if self.carry.is_empty() {
            self.look(bytes, false, &mut hand_on);
            return;
        }
        let mut whole = std::mem::take(&mut self.carry);
        whole.extend_from_slice(bytes);
        // A word that comes byte by byte is looked at once, when it is there.
        if self.in_word && whole.len() < WORD_BYTES_MAX && bytes.iter().all(|byte| is_word(*byte)) {
            self.carry = whole;
            return;
        }
        self.look(&whole, false, &mut hand_on);
    }

    /// Hands on what was kept back: nothing follows.
    pub fn finish(&mut self, mut hand_on: impl FnMut(&[u8])) {
        let whole = std::mem::take(&mut self.carry);
        self.look(&whole, true, &mut hand_on);
    }

    fn look(&mut self, bytes: &[u8], at_end: bool, hand_on: &mut impl FnMut(&[u8])) {
        let scan = self.finder.scan(bytes, self.before, self.open, at_end);
        let hold = scan.hold;
        let mut hits = scan.hits;
        if self.covered > 0 {
            hits.insert(0, Hit { start: 0, end: self.covered, label: Label::More });
        }
        let mut done = 0;
        for hit in hits.iter().take_while(|hit| hit.start < hold) {
            // What overlaps is shown as one, by the name of the first.
            if hit.start >= done {
                hand_on(&bytes[done..hit.start]);
                hand_on(self.finder.shown(hit.label).as_bytes());
            }
            done = done.max(hit.end);
        }
        if done < hold {
            hand_on(&bytes[done..hold]);
        }
        // What goes on is covered also where nothing of it could be handed on yet.
        let goes_on = hits.iter().filter(|hit| hit.label == Label::More).map(|hit| hit.end).max();
        self.covered = done.max(goes_on.unwrap_or_default()).saturating_sub(hold);
        if hold > 0 {
            self.before = Some(bytes[hold - 1]);
        }
        // What begins in what is kept back is found again.
        let open = scan.open.filter(|region| region.goes_on || region.start < hold);
        self.open = open.map(|region| match region.open {
            Open::Word => Open::Word,
            Open::Block(left) => Open::Block(left + region.end.saturating_sub(hold)),
        });
        self.in_word = scan.in_word;
        self.carry.clear();
        self.carry.extend_from_slice(&bytes[hold..]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use proptest::prelude::*;

    use crate::guard::Redactor;

    const LONG: &str = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0";

    fn redactor() -> Redactor {
        let secrets = [
            ("A", "abcdefgh"),
            ("B", "fgh+ijk lm"),
            ("C", "aaaaaaaa"),
            ("D", "p\u{e4}ss'w\"o/rd"),
            ("E", "abcdefghij"),
        ];
        Redactor::new(secrets.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn cut(redactor: &Redactor, text: &[u8], places: &[usize]) -> String {
        let mut out = Vec::new();
        let mut stream = redactor.stream();
        let mut from = 0;
        for place in places {
            stream.push(&text[from..*place], |bytes| out.extend_from_slice(bytes));
            from = *place;
        }
        stream.push(&text[from..], |bytes| out.extend_from_slice(bytes));
        stream.finish(|bytes| out.extend_from_slice(bytes));
        String::from_utf8(out).unwrap()
    }

    fn block(body: &str) -> String {
        format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----")
    }

    #[test]
    fn every_cut_gives_what_the_whole_gives() {
        let redactor = redactor();
        for (text, expected) in [
            ("x abcdefgh y".to_owned(), "x [redacted:A] y"),
            ("x abcdefghij y".to_owned(), "x [redacted:A] y"),
            // Neither leaves a piece of the other.
            ("x abcdefgh+ijk lm y".to_owned(), "x [redacted:A] y"),
            ("abcdefg".to_owned(), "abcdefg"),
            ("aaaaaaaaaaaaaaaaaaab".to_owned(), "[redacted:C]b"),
            ("p\u{e4}ss'w\"o/rd".to_owned(), "[redacted:D]"),
            (format!("task-1 sk-{LONG}, sk-short"), "task-1 [redacted:key], sk-short"),
            (format!("xghp_{LONG} ghp_{LONG}"), &format!("xghp_{LONG} [redacted:key]")),
            (format!("a {} b.", block("MIIEow/+=\nabc")), "a [redacted:key] b."),
            (format!("{}{}", block("MII"), block("MII")), "[redacted:key][redacted:key]"),
            ("-----BEGIN PRIVATE KEY-----\\nMII\", x".to_owned(), "[redacted:key]\", x"),
            (
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----".to_owned(),
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
            ),
            ("----------BEGIN -----BEGIN ".to_owned(), "----------BEGIN -----BEGIN "),
        ] {
            let bytes = text.as_bytes();
            assert_eq!(cut(&redactor, bytes, &[]), expected);
            for one in 0..=bytes.len() {
                assert_eq!(cut(&redactor, bytes, &[one]), expected, "cut at {one}");
                for other in one..=bytes.len() {
                    assert_eq!(cut(&redactor, bytes, &[one, other]), expected, "cut at {one} and {other}");
                }
            }
            let all: Vec<usize> = (0..bytes.len()).collect();
            assert_eq!(cut(&redactor, bytes, &all), expected, "byte by byte");
        }
    }

    #[test]
    fn what_cannot_be_a_secret_is_handed_on_at_once() {
        let mut stream = redactor().stream();
        let mut out = Vec::new();
        stream.push(b"Compiling orch v0.1.0 (/work)\nprogress 10 of 12", |bytes| out.extend_from_slice(bytes));
        assert!(out.ends_with(b"progress 10 of 12"));
        stream.push(b" abcdef", |bytes| out.extend_from_slice(bytes));
        assert!(out.ends_with(b"12 "), "{}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn what_is_kept_back_is_bounded() {
        let mut stream = redactor().stream();
        let mut shown = 0usize;
        stream.push(b"sk-", |bytes| shown += bytes.len());
        for _ in 0..100 {
            stream.push(&[b'a'; 5000], |bytes| shown += bytes.len());
            assert!(stream.carry.len() < 2 * super::WORD_BYTES_MAX, "{}", stream.carry.len());
        }
        stream.push(b" end", |bytes| shown += bytes.len());
        stream.finish(|bytes| shown += bytes.len());
        assert_eq!(shown, "[redacted:key] end".len());
    }

    proptest! {
        #[test]
        fn no_cut_changes_anything(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "abcdefgh", "abcdef", "gh+ijk lm", "fgh+i", "aaaaaa", "aaaaaaaaaa", "sk-", "ghp_", "a1B2c3D4e5F6g7H8i9J0",
                " ", "\n", "-----BEGIN ", "PRIVATE KEY-----", "-----END ", "-----", "eyJhbGciOi.", "YWJjZGVmZ2g=", "p%C3%A4ss", "x",
            ]), 0..12),
            places in proptest::collection::vec(0usize..400, 0..8),
        ) {
            let redactor = redactor();
            let text = parts.concat();
            let mut places: Vec<usize> = places.into_iter().map(|place| place % (text.len() + 1)).collect();
            places.sort_unstable();
            prop_assert_eq!(cut(&redactor, text.as_bytes(), &places), cut(&redactor, text.as_bytes(), &[]));
        }
    }
}
