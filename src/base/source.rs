//! Source text and places in it.

use std::{ops::Range, path::PathBuf, sync::Arc};

/// The text of one definition file, shared by everything that points into it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it was read, as shown to people: relative to the project root where possible.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

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
        Arc::new(Self { path: path.into(), text: text.into() })
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
