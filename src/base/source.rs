//! Source text and places in it.

use std::{
    fmt,
    ops::{Deref, Range},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use crate::base::Digest;

/// The text of one definition file, shared by everything that points into it.
pub struct Source {
    /// Where it was read, as shown to people: relative to the project root where possible.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    digest: OnceLock<Digest>,
}

/// Whether somebody has asked for the digest makes no difference.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).field("text", &self.text).finish()
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.text) == (&other.path, &other.text)
    }
}

impl Eq for Source {}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Source {
    /// A source with its path.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), digest: OnceLock::new() })
    }

    /// A source whose text is not what its file holds, byte for byte; the digest is that of the file.
    pub fn decoded(path: impl Into<PathBuf>, text: impl Into<String>, digest: Digest) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), digest: digest.into() })
    }

    /// The digest of the file's bytes. Few sources are ever asked for it, so it is made then.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| Digest::of(self.text.as_bytes()))
    }

    /// The line and column of a byte offset; offsets past the end give the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        // Counting bytes is fast on lines of a megabyte; a character is a byte that does not go on an earlier one.
        let newlines = before.bytes().filter(|byte| *byte == b'\n').count();
        let characters = before.as_bytes()[line_start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        Position { line: newlines + 1, column: characters + 1 }
    }
}

/// A range of bytes in a [`Source`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The span of `range`.
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A part of a source that shares its text instead of copying it; reads as a `&str`.
#[derive(Clone)]
pub struct Passage {
    source: Arc<Source>,
    span: Span,
}

impl Passage {
    /// The part of `source` at `span`; a span that is no place in it gives an empty one.
    #[must_use]
    pub fn new(source: &Arc<Source>, span: Span) -> Self {
        Self { source: Arc::clone(source), span }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.source.text.get(self.span.start..self.span.end).unwrap_or_default()
    }
}

impl Deref for Passage {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Passage {
    /// A text that stands in no file as such, on its own.
    fn from(text: String) -> Self {
        let span = Span::new(0..text.len());
        Self { source: Source::new("", text), span }
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value and the place it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place in the definition's source.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Changes the value, keeps the place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), span: self.span }
    }
}
