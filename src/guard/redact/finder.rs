//! Finds known values in all their forms, and keys by their shape, in one pass over some bytes.
//!
//! Unaware of streams: it is told what it sees and whether more may come, and says from where on it cannot decide yet.

use std::sync::OnceLock;

use regex::bytes::Regex;
use regex_syntax::{ParserBuilder, hir::literal::Extractor};

use crate::guard::{
    SHAPES,
    redact::{
        forms::forms_of,
        key_block::{self, KeyBlock},
        patterns::Patterns,
    },
};

/// The longest word that may turn out to be a key, in bytes.
pub(super) const WORD_BYTES_MAX: usize = 64 * 1024;
/// Beginnings of keys in one word that are looked at; a word of more of them is taken for one.
const TRIES_MAX: usize = 64;

/// What a key begins with, and how the whole looks.
struct ShapeForm {
    literals: Vec<Vec<u8>>,
    /// It stands at the beginning of a word.
    at_word: bool,
    pattern: &'static str,
    regex: OnceLock<Regex>,
}

/// What a pattern belongs to.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Value(usize),
    Shape(usize),
    Block,
    /// It is found by who looks through a block; here it only counts as what may be coming.
    None,
}

/// What was found. Of what begins at one place, the first of this order gives the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// More of what was found before.
    More,
    /// A private key in its block, which is known by its first line.
    Block,
    /// The secret at this place.
    Value(usize),
    /// A key by its shape.
    Key,
}

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub start: usize,
    pub end: usize,
    pub label: Label,
}

/// What goes on behind the bytes that were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// A word that is a key.
    Word,
    /// A private key in its block; so many bytes may follow.
    Block(usize),
}

/// What is open at the end of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub start: usize,
    pub end: usize,
    pub open: Open,
    /// It was open before these bytes.
    pub goes_on: bool,
}

/// What is known of some bytes.
#[derive(Debug)]
pub(super) struct Scan {
    /// By their beginnings; they may overlap.
    pub hits: Vec<Hit>,
    /// From here on it depends on what follows.
    pub hold: usize,
    /// The hold waits for the end of a word.
    pub in_word: bool,
    pub open: Option<Region>,
}

/// Knows what to look for.
pub(super) struct Finder {
    patterns: Patterns<Mark>,
    labels: Vec<String>,
}

impl Finder {
    /// A finder of these values, each with what is shown in its place.
    pub(super) fn new(values: &[(String, String)], has_shapes: bool) -> Self {
        let mut patterns = Vec::new();
        let mut labels = Vec::new();
        for (name, value) in values {
            let forms = forms_of(value).into_iter();
            patterns.extend(forms.map(|form| (form.into_bytes(), Mark::Value(labels.len()))));
            labels.push(format!("[redacted:{name}]"));
        }
        for (place, shape) in shapes().iter().enumerate().filter(|_| has_shapes) {
            let mark = |literal: &[u8]| if literal == key_block::BEGIN { Mark::Block } else { Mark::Shape(place) };
            patterns.extend(shape.literals.iter().map(|literal| (literal.clone(), mark(literal))));
        }
        if has_shapes {
            patterns.push((key_block::END.to_vec(), Mark::None));
        }
        Self { patterns: Patterns::new(patterns), labels }
    }

    /// What stands in the place of a hit.
    pub(super) fn shown(&self, label: Label) -> &str {
        match label {
            Label::Value(place) => &self.labels[place],
            Label::Key | Label::Block => "[redacted:key]",
            Label::More => "",
        }
    }

    /// Looks through some bytes; `before` is the byte before them, `open` what was open there.
    pub(super) fn scan(&self, bytes: &[u8], before: Option<u8>, open: Option<Open>, at_end: bool) -> Scan {
        let mut look = Look::new(bytes, before, at_end);
        match open {
            Some(Open::Word) => {
                let end = look.word_end(0);
                look.hit(0, end, Label::More);
                if end == bytes.len() {
                    look.scan.open = Some(Region { start: 0, end, open: Open::Word, goes_on: true });
                }
            }
            Some(Open::Block(left)) => look.block(KeyBlock::go_on(bytes, 0, left, at_end), 0, Label::More),
            None => {}
        }
        self.patterns.find(bytes, |start, end, mark| match mark {
            Mark::Value(place) => look.hit(start, end, Label::Value(place)),
            Mark::Shape(place) => look.shape(&shapes()[place], start),
            Mark::Block if look.is_covered(start) => {}
            Mark::Block => look.block(KeyBlock::begin(bytes, start, at_end), start, Label::Block),
            Mark::None => {}
        });
        if !at_end {
            let partial = self.patterns.partial_suffix(bytes);
            if partial < look.scan.hold {
                (look.scan.hold, look.scan.in_word) = (partial, false);
            }
        }
        look.scan.hits.sort_by_key(|hit| (hit.start, hit.label));
        look.scan
    }
}

/// A look at some bytes in progress.
struct Look<'a> {
    bytes: &'a [u8],
    before: Option<u8>,
    at_end: bool,
    /// The word that was looked at last: its end, and how often.
    word: (usize, usize),
    /// Everything before this belongs to a key.
    keys_until: usize,
    scan: Scan,
}

impl<'a> Look<'a> {
    fn new(bytes: &'a [u8], before: Option<u8>, at_end: bool) -> Self {
        let scan = Scan { hits: Vec::new(), hold: bytes.len(), in_word: false, open: None };
        Self { bytes, before, at_end, word: (0, 0), keys_until: 0, scan }
    }

    fn hit(&mut self, start: usize, end: usize, label: Label) {
        if end > start {
            self.scan.hits.push(Hit { start, end, label });
            if !matches!(label, Label::Value(_)) {
                self.keys_until = self.keys_until.max(end);
            }
        }
    }

    fn is_covered(&self, place: usize) -> bool {
        place < self.keys_until
    }

    fn word_end(&self, from: usize) -> usize {
        self.bytes[from..].iter().position(|byte| !is_word(*byte)).map_or(self.bytes.len(), |length| from + length)
    }

    /// Looks whether a key of that shape begins here.
    fn shape(&mut self, shape: &ShapeForm, start: usize) {
        let before = if start == 0 { self.before } else { Some(self.bytes[start - 1]) };
        let is_inside = shape.at_word && before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_inside || self.is_covered(start) {
            return;
        }
        if start >= self.word.0 {
            self.word = (self.word_end(start), 0);
        }
        let end = self.word.0;
        let is_open = end == self.bytes.len() && !self.at_end;
        if is_open && end - start < WORD_BYTES_MAX {
            if start < self.scan.hold {
                (self.scan.hold, self.scan.in_word) = (start, true);
            }
            return;
        }
        self.word.1 += 1;
        let found = shape.regex().find(&self.bytes[start..end]).map(|found| start + found.end());
        let found = found.or_else(|| (self.word.1 > TRIES_MAX).then_some(end));
        if let Some(found) = found {
            self.hit(start, found, Label::Key);
            if is_open && found == end {
                self.scan.open = Some(Region { start, end, open: Open::Word, goes_on: false });
            }
        }
    }

    fn block(&mut self, block: KeyBlock, start: usize, label: Label) {
        match block {
            KeyBlock::None => {}
            KeyBlock::Undecided => (self.scan.hold, self.scan.in_word) = (self.scan.hold.min(start), false),
            KeyBlock::Until { end, hold, left } => {
                self.hit(start, end, label);
                if let Some(left) = left {
                    let goes_on = label == Label::More;
                    self.scan.open = Some(Region { start, end, open: Open::Block(left), goes_on });
                }
                if let Some(hold) = hold.filter(|hold| *hold < self.scan.hold) {
                    (self.scan.hold, self.scan.in_word) = (hold, false);
                }
            }
        }
    }
}

impl ShapeForm {
    fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| {
            Regex::new(&format!("^(?-u:{})", self.pattern)).expect("the shapes are constants, and a test compiles them")
        })
    }
}

/// The bytes of which keys are made, other than the blocks of private keys.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'=' | b'.' | b':')
}

/// The table of shapes with what each begins with.
fn shapes() -> &'static [ShapeForm] {
    static ALL: OnceLock<Vec<ShapeForm>> = OnceLock::new();
    ALL.get_or_init(|| {
        let form = |pattern: &'static str| {
            let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
            let begins = parsed.ok().map(|parsed| Extractor::new().extract(&parsed));
            let literals = begins.as_ref().and_then(|begins| begins.literals()).unwrap_or_default();
            let literals = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
            ShapeForm { literals, at_word: pattern.starts_with(r"\b"), pattern, regex: OnceLock::new() }
        };
        SHAPES.iter().map(|shape| form(shape.pattern)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_begins_with_letters_of_its_own() {
        for shape in shapes() {
            let bare = shape.literals.iter().all(|literal| literal.len() >= 2);
            assert!(bare && !shape.literals.is_empty(), "{}: {:?}", shape.pattern, shape.literals);
            assert!(
                shape.literals.iter().any(|literal| literal == key_block::BEGIN) || shape.regex().as_str().len() > 4
            );
        }
    }

    #[test]
    fn a_word_full_of_beginnings_costs_no_time() {
        let text = "eyJ-".repeat(WORD_BYTES_MAX / 2);
        let scan = Finder::new(&[], true).scan(text.as_bytes(), None, None, true);
        assert_eq!(scan.hits.len(), 1);
        assert!(scan.hits[0].end == text.len());
    }
}
