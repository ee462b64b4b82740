//! The spanned tree that every definition's YAML is read into.
//!
//! Scalars keep their text as written (`1.10`, `no`, `0755`), so that a reader decides by what it expects.
//! Aliases share what they stand for; `weight` and `depth` count them as if they were written out.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use serde_json::{Map, Number, Value};

use crate::base::Span;

/// One value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    /// Its place; of an alias, the place of the alias.
    pub span: Span,
    pub(super) weight: u32,
    pub(super) depth: u8,
    pub(super) kind: Kind<'a>,
}

/// One `key: value`.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// The key's text.
    pub key: Cow<'a, str>,
    /// The key's place.
    pub key_span: Span,
    /// The value.
    pub value: Node<'a>,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Kind<'a> {
    /// A text; `plain` where it has no quotes and may therefore be a number, a boolean or nothing.
    Scalar { text: Cow<'a, str>, plain: bool },
    /// A list.
    List(Vec<Node<'a>>),
    /// A mapping; its keys are unique.
    Map(Vec<Entry<'a>>),
    /// The value of an anchor.
    Shared(Rc<Node<'a>>),
    /// A value with a fault that is reported already; readers stay silent about it.
    Broken,
}

impl<'a> Node<'a> {
    /// A text that is not in the file as such.
    pub fn text(text: impl Into<Cow<'a, str>>, span: Span) -> Self {
        Self { span, weight: 1, depth: 1, kind: Kind::Scalar { text: text.into(), plain: false } }
    }

    /// A word without quotes, which may be a number or a boolean.
    pub fn word(text: impl Into<Cow<'a, str>>, span: Span) -> Self {
        Self { span, weight: 1, depth: 1, kind: Kind::Scalar { text: text.into(), plain: true } }
    }

    /// A list made of other values.
    pub fn list(items: Vec<Self>, span: Span) -> Self {
        Self { span, weight: 1, depth: 1, kind: Kind::List(items) }
    }

    /// A mapping made of other values.
    pub fn map(entries: Vec<Entry<'a>>, span: Span) -> Self {
        Self { span, weight: 1, depth: 1, kind: Kind::Map(entries) }
    }

    /// The same value without ties to the text that it was read from, and with its places moved. Values that aliases share
    /// stay shared.
    pub fn moved(&self, back: &dyn Fn(usize) -> usize) -> Node<'static> {
        self.moved_once(back, &mut HashMap::new())
    }

    fn moved_once(
        &self,
        back: &dyn Fn(usize) -> usize,
        seen: &mut HashMap<*const Self, Rc<Node<'static>>>,
    ) -> Node<'static> {
        let move_span = |span: Span| {
            let start = back(span.start);
            Span::new(start..back(span.end).max(start))
        };
        let kind = match &self.kind {
            Kind::Scalar { text, plain } => Kind::Scalar { text: Cow::Owned(text.to_string()), plain: *plain },
            Kind::List(items) => Kind::List(items.iter().map(|item| item.moved_once(back, seen)).collect()),
            Kind::Map(entries) => {
                let entry = |entry: &Entry<'a>| Entry {
                    key: Cow::Owned(entry.key.to_string()),
                    key_span: move_span(entry.key_span),
                    value: entry.value.moved_once(back, seen),
                };
                Kind::Map(entries.iter().map(entry).collect())
            }
            Kind::Shared(shared) => Kind::Shared(match seen.get(&Rc::as_ptr(shared)) {
                Some(known) => Rc::clone(known),
                None => {
                    let moved = Rc::new(shared.moved_once(back, seen));
                    seen.insert(Rc::as_ptr(shared), Rc::clone(&moved));
                    moved
                }
            }),
            Kind::Broken => Kind::Broken,
        };
        Node { span: move_span(self.span), weight: self.weight, depth: self.depth, kind }
    }

    /// The value behind any alias.
    pub fn kind(&self) -> &Kind<'a> {
        let mut node = self;
        while let Kind::Shared(shared) = &node.kind {
            node = shared;
        }
        &node.kind
    }

    /// The text of a scalar that is not nothing.
    pub fn as_text(&self) -> Option<&str> {
        match self.kind() {
            Kind::Scalar { text, plain } if !(*plain && is_null(text)) => Some(text),
            Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) | Kind::Shared(_) | Kind::Broken => None,
        }
    }

    /// The text of a scalar without quotes.
    pub fn as_word(&self) -> Option<&str> {
        match self.kind() {
            Kind::Scalar { text, plain: true } if !is_null(text) => Some(text),
            Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) | Kind::Shared(_) | Kind::Broken => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Kind::List(items) = self.kind() { Some(items) } else { None }
    }

    /// The entries of a mapping.
    pub fn as_map(&self) -> Option<&[Entry<'a>]> {
        if let Kind::Map(entries) = self.kind() { Some(entries) } else { None }
    }

    /// Whether nothing stands here.
    pub fn is_nothing(&self) -> bool {
        matches!(self.kind(), Kind::Scalar { text, plain: true } if is_null(text))
    }

    /// Whether a fault in here is reported already.
    pub fn is_broken(&self) -> bool {
        matches!(self.kind(), Kind::Broken)
    }

    /// What stands here, for people.
    pub fn describe(&self) -> &'static str {
        match self.kind() {
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
            Kind::Scalar { text, plain: true } if is_null(text) => "nothing",
            Kind::Scalar { text, plain: true } => match scalar(text) {
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => "a text",
            },
            Kind::Scalar { plain: false, .. } | Kind::Shared(_) | Kind::Broken => "a text",
        }
    }

    /// The value as JSON: without quotes, `true false null` and what JSON would call a number are what they look like;
    /// all else is a text.
    pub fn to_json(&self) -> Value {
        match self.kind() {
            Kind::Scalar { text, plain: true } => scalar(text),
            Kind::Scalar { text, plain: false } => Value::String(text.to_string()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.to_string(), entry.value.to_json())).collect::<Map<_, _>>(),
            ),
            Kind::Shared(_) | Kind::Broken => Value::Null,
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn scalar(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        text if is_null(text) => return Value::Null,
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// What JSON would call a number. A whole number beyond 64 bits stays a text: a float would change its digits.
fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let number: Number = serde_json::from_str(text).ok()?;
    let whole = !text.contains(['.', 'e', 'E']);
    (!whole || number.is_i64() || number.is_u64()).then_some(number)
}
