//! A template and a bare expression: parsed, checked, and known by what they read and what they may cost.
//!
//! Knows nothing of files or steps. A [`Template`] or [`Expression`] that exists is free of syntax errors and uses
//! allowed names only.

use std::ops::Range;

use minijinja::{
    machinery::{self, ast},
    syntax::SyntaxConfig,
};

use crate::{
    base::Span,
    template::{Reference, cost::Cost, engine, reference, scan},
};

/// A fault in a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// The offending bytes of the text.
    pub span: Span,
    /// How to fix it; empty where the message says it all.
    pub help: String,
}

/// A text with `{{ }}`, `{% if %}`, `{% for %}` and `{% set %}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    whole: Option<Expression>,
    references: Vec<Reference>,
    cost: Option<Cost>,
}

/// A bare expression, as in `when`, `until`, `each`, `check` and `expect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    text: String,
    references: Vec<Reference>,
    cost: Option<Cost>,
}

impl Template {
    /// Parses and checks a text of at most [`super::TEXT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// The first fault: bad syntax, a statement, filter, test or function that is not allowed, or too deep nesting.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let syntax = engine::syntax();
        let scan = scan::scan(text, false, &syntax)?;
        let tree =
            machinery::parse(text, engine::NAME, syntax).map_err(|error| TemplateError::from_engine(text, &error))?;
        let children = match &tree {
            ast::Stmt::Template(template) => template.children.as_slice(),
            _ => std::slice::from_ref(&tree),
        };
        let whole = match scan.whole {
            // The parts inside were checked with the text, so only the few faults of a cut remain.
            Some(inner) => Some(Expression::parse(&text[inner.clone()]).map_err(|error| error.shifted(inner.start))?),
            None => None,
        };
        Ok(Self {
            text: text.to_owned(),
            whole,
            references: reference::of_template(children),
            cost: Cost::of_template(children),
        })
    }

    /// The names this text reads from outside, each time that it does, in the order of the text.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The text as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing in the text can need more memory than a fixed multiple of its inputs.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.cost.is_some()
    }

    /// The expression, if the text is exactly one `{{ }}`; its value keeps its type.
    #[must_use]
    pub fn as_expression(&self) -> Option<&Expression> {
        self.whole.as_ref()
    }

    pub(super) fn cost(&self) -> Option<Cost> {
        self.cost
    }
}

impl Expression {
    /// Parses and checks a bare expression of at most [`super::TEXT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// The first fault: bad syntax, a filter, test or function that is not allowed, or too deep nesting.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let trimmed = text.trim();
        if let Some(inner) = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            let start = text.find("{{").unwrap_or_default();
            return Err(TemplateError {
                message: "an expression takes no `{{ }}`".to_owned(),
                span: Span::new(start..start + trimmed.len()),
                help: format!("write `{}`", inner.trim()),
            });
        }
        if trimmed.is_empty() {
            return Err(TemplateError {
                message: "the expression is empty".to_owned(),
                span: Span::new(0..text.len()),
                help: "write a value or a comparison, for example `review.issues | length == 0`".to_owned(),
            });
        }
        scan::scan(text, true, &SyntaxConfig::default())?;
        let tree = machinery::parse_expr(text).map_err(|error| TemplateError::from_engine(text, &error))?;
        Ok(Self {
            text: text.to_owned(),
            references: reference::of_expression(&tree),
            cost: Cost::of_expression(&tree),
        })
    }

    /// The names this expression reads from outside; see [`Template::references`].
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The text as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing in it can need more memory than a fixed multiple of its inputs.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.cost.is_some()
    }

    pub(super) fn cost(&self) -> Option<Cost> {
        self.cost
    }
}

impl TemplateError {
    pub(super) fn from_engine(text: &str, error: &minijinja::Error) -> Self {
        let range = clamp(text, error.range().unwrap_or(0..text.len()));
        let rest = &text[range.start..];
        let help = if rest.starts_with("&&") || rest.starts_with("||") || rest.starts_with('!') {
            "write `and`, `or` and `not`"
        } else if rest.starts_with('=') && !rest.starts_with("==") {
            "compare with `==`"
        } else {
            ""
        };
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Self { message, span: Span::new(range), help: help.to_owned() }
    }

    fn shifted(mut self, by: usize) -> Self {
        self.span = Span::new(self.span.start + by..self.span.end + by);
        self
    }
}

/// The nearest range that lies within `text` and cuts no character.
pub(super) fn clamp(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start);
    let end = text.ceil_char_boundary(range.end.max(start));
    start..end
}
