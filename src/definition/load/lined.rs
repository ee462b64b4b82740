//! Values of a YAML text with their lines, for files that are no definitions of `orch`: what `orch import` reads.
//!
//! Knows nothing of what the keys mean.

use std::{ops::Range, sync::Arc};

use serde_json::Value;

use crate::{
    base::{Diagnostic, Source},
    definition::load::{
        faults::Faults,
        frontmatter::{Split, split},
        node::Node,
        yaml,
    },
};

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub struct Lined {
    /// The line, from 1.
    pub line: usize,
    /// The value.
    pub kind: LinedKind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum LinedKind {
    /// A text, a number, a boolean or nothing.
    Scalar(Value),
    /// A list.
    List(Vec<Lined>),
    /// A mapping: key, the key's line, value.
    Map(Vec<(String, usize, Lined)>),
}

impl Lined {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, ..)| name == key).map(|(_, _, value)| value)
    }

    /// The entries of a mapping; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[(String, usize, Self)] {
        if let LinedKind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// The items of a list; a single value counts as a list of one.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            LinedKind::List(items) => items,
            LinedKind::Scalar(Value::Null) => &[],
            LinedKind::Scalar(_) | LinedKind::Map(_) => std::slice::from_ref(self),
        }
    }

    /// The text of a scalar, also of a number or a boolean.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match &self.kind {
            LinedKind::Scalar(Value::String(text)) => Some(text.clone()),
            LinedKind::Scalar(Value::Null) | LinedKind::List(_) | LinedKind::Map(_) => None,
            LinedKind::Scalar(other) => Some(other.to_string()),
        }
    }

    /// The value without its lines.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.kind {
            LinedKind::Scalar(value) => value.clone(),
            LinedKind::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            LinedKind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, _, value)| (key.clone(), value.value())).collect())
            }
        }
    }
}

/// Reads a whole text as one YAML document.
///
/// # Errors
/// All faults that make it unreadable.
pub fn lined(source: &Arc<Source>) -> Result<Lined, Vec<Diagnostic>> {
    range(source, 0..source.text.len())
}

/// The frontmatter of a Markdown text, where it can be read, and the range of its body.
#[must_use]
pub fn lined_frontmatter(source: &Arc<Source>) -> (Option<Result<Lined, Vec<Diagnostic>>>, Range<usize>) {
    match split(&source.text) {
        Split::Found { yaml, body } => (Some(range(source, yaml)), body),
        Split::None | Split::Unclosed => (None, 0..source.text.len()),
    }
}

fn range(source: &Arc<Source>, range: Range<usize>) -> Result<Lined, Vec<Diagnostic>> {
    let mut faults = Faults::new(source);
    match yaml::parse(source, range, &mut faults) {
        Some(node) if !faults.failed() => Ok(convert(&node, &Lines::of(&source.text))),
        Some(_) | None => Err(faults.into_sorted()),
    }
}

/// Where lines begin, so that many places cost no search each.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset).max(1)
    }
}

fn convert(node: &Node<'_>, lines: &Lines) -> Lined {
    let line = lines.line(node.span.start);
    let kind = if let Some(items) = node.as_list() {
        LinedKind::List(items.iter().map(|item| convert(item, lines)).collect())
    } else if let Some(entries) = node.as_map() {
        let entries = entries
            .iter()
            .map(|entry| (entry.key.to_string(), lines.line(entry.key_span.start), convert(&entry.value, lines)));
        LinedKind::Map(entries.collect())
    } else {
        LinedKind::Scalar(node.to_json())
    };
    Lined { line, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let source = Source::new("x.yaml", "a: 1\nb:\n  - x\n  - c: y\n");
        let root = lined(&source).unwrap();
        assert_eq!(root.get("a").unwrap().text().as_deref(), Some("1"));
        let second = &root.get("b").unwrap().items()[1];
        assert_eq!((second.line, second.entries()[0].1), (4, 4));
        assert!(lined(&Source::new("x.yaml", "a: [")).is_err());
    }

    #[test]
    fn a_frontmatter_that_cannot_be_read_still_has_a_body() {
        let source = Source::new("x.md", "---\na: [\n---\nbody\n");
        let (keys, body) = lined_frontmatter(&source);
        assert!(keys.unwrap().is_err());
        assert_eq!(&source.text[body], "body\n");
    }
}
