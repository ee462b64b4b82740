//! Renders templates and evaluates expressions.
//!
//! Knows nothing of processes: memory is bounded only where `is_bounded` says so and the inputs are small
//! (`fits_in_process`); everything else goes through `execute::render`. Rendering is pure and happens once: a value
//! that looks like a template stays text.

use std::collections::BTreeSet;

use minijinja::{ErrorKind, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::{
    base::Span,
    template::{
        Expression, FUEL, OUTPUT_BYTES_MAX, Reference, Template,
        cost::Cost,
        engine::{self, Capped},
        json, text,
    },
};

/// Why a text could not be rendered or an expression not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RenderError {
    /// A name that the text reads is not there.
    #[error("`{path}` is not defined")]
    Undefined {
        /// The name with its attributes, up to the first that is missing.
        path: String,
        /// Where the text reads it.
        #[serde(with = "StoredSpan")]
        span: Span,
    },
    /// An operation on values that do not allow it.
    #[error("{message}")]
    Failed {
        /// What went wrong.
        message: String,
        /// Where in the text.
        #[serde(with = "StoredSpan")]
        span: Span,
    },
    /// A limit was reached.
    #[error("{message}")]
    Limit {
        /// Which one.
        message: String,
    },
    /// A condition gave something else than true or false.
    #[error("expected true or false, got {got}")]
    NotBoolean {
        /// The value, shortened, as JSON.
        got: String,
    },
    /// The rendering was ended from outside.
    #[error("template used more than 256 MB or 2 s")]
    OutOfResources,
    /// The process that renders could not be used.
    #[error("the renderer did not work: {cause}")]
    Unavailable {
        /// Why.
        cause: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Span")]
struct StoredSpan {
    start: usize,
    end: usize,
}

impl Template {
    /// Fills in the text. A name that is missing is an error; strings appear as they are, other values as JSON.
    ///
    /// # Errors
    /// A missing name, an operation that fails, or a limit. A text that is not [`Template::fits_in_process`] may take
    /// the whole process down.
    pub fn render(&self, values: &Map<String, Json>) -> Result<String, RenderError> {
        let context = context(self.references(), values)?;
        let environment = engine::environment();
        let explain = |error| explain(&error, self.text(), self.references());
        let template = environment.template_from_str(self.text()).map_err(explain)?;
        let mut capped = Capped::default();
        match template.render_captured_to(context, &mut capped).map(|_| ()) {
            Ok(()) => {
                String::from_utf8(capped.bytes).map_err(|error| RenderError::Unavailable { cause: error.to_string() })
            }
            Err(_) if capped.full => Err(RenderError::Limit {
                message: format!("the rendered text is longer than {} MB", OUTPUT_BYTES_MAX / (1024 * 1024)),
            }),
            Err(error) => Err(explain(error)),
        }
    }

    /// Like [`Template::render`], but a text that is exactly one `{{ }}` gives its value with its type.
    ///
    /// # Errors
    /// See [`Template::render`].
    pub fn render_value(&self, values: &Map<String, Json>) -> Result<Json, RenderError> {
        match self.as_expression() {
            Some(expression) => expression.evaluate(values),
            None => self.render(values).map(Json::String),
        }
    }

    /// Whether a rendering with these values takes little memory and time for certain.
    ///
    /// # Errors
    /// Values that are too large or nest too deep.
    pub fn fits_in_process(&self, values: &Map<String, Json>) -> Result<bool, RenderError> {
        fits(self.cost(), self.text(), self.references(), values)
    }
}

impl Expression {
    /// The value of the expression.
    ///
    /// # Errors
    /// See [`Template::render`].
    pub fn evaluate(&self, values: &Map<String, Json>) -> Result<Json, RenderError> {
        let context = context(self.references(), values)?;
        let environment = engine::environment();
        let explain = |error| explain(&error, self.text(), self.references());
        let expression = environment.compile_expression(self.text()).map_err(explain)?;
        let value = expression.eval(context).map_err(explain)?;
        json::from_engine(&value).map_err(explain)
    }

    /// The value of a condition; anything but true or false is an error.
    ///
    /// # Errors
    /// See [`Template::render`]; also a value of another type.
    pub fn evaluate_bool(&self, values: &Map<String, Json>) -> Result<bool, RenderError> {
        RenderError::require_bool(&self.evaluate(values)?)
    }

    /// Whether an evaluation with these values takes little memory and time for certain.
    ///
    /// # Errors
    /// Values that are too large or nest too deep.
    pub fn fits_in_process(&self, values: &Map<String, Json>) -> Result<bool, RenderError> {
        fits(self.cost(), self.text(), self.references(), values)
    }
}

impl RenderError {
    /// Takes true or false and nothing else.
    ///
    /// # Errors
    /// Any other value, which the error names.
    pub fn require_bool(value: &Json) -> Result<bool, RenderError> {
        match value {
            Json::Bool(value) => Ok(*value),
            Json::Null | Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => {
                let kind = match value {
                    Json::Null => "",
                    Json::Bool(_) => "the boolean ",
                    Json::Number(_) => "the number ",
                    Json::String(_) => "the string ",
                    Json::Array(_) => "the list ",
                    Json::Object(_) => "the mapping ",
                };
                let text = value.to_string();
                let shown = &text[..text.floor_char_boundary(60)];
                let dots = if shown.len() < text.len() { " …" } else { "" };
                Err(RenderError::NotBoolean { got: format!("{kind}{shown}{dots}") })
            }
        }
    }
}

/// The values that the text reads, if they are not too much.
fn context(references: &[Reference], values: &Map<String, Json>) -> Result<Value, RenderError> {
    let read = read(references, values);
    json::weight(read.iter().map(|(_, value)| *value))?;
    Ok(Value::from_pairs(read.into_iter().map(|(name, value)| (name, json::to_engine(value)))))
}

/// The roots among the values that the text reads, each once.
fn read<'v>(references: &'v [Reference], values: &'v Map<String, Json>) -> Vec<(&'v str, &'v Json)> {
    let roots: BTreeSet<&str> =
        references.iter().filter_map(|reference| reference.path.first()).map(String::as_str).collect();
    roots.into_iter().filter_map(|root| values.get(root).map(|value| (root, value))).collect()
}

fn fits(
    cost: Option<Cost>,
    text: &str,
    references: &[Reference],
    values: &Map<String, Json>,
) -> Result<bool, RenderError> {
    let weight = json::weight(read(references, values).into_iter().map(|(_, value)| value))?;
    Ok(cost.is_some_and(|cost| cost.fits(weight + text.len())))
}

fn explain(error: &minijinja::Error, text: &str, references: &[Reference]) -> RenderError {
    let range = text::clamp(text, error.range().unwrap_or(0..text.len()));
    match error.kind() {
        ErrorKind::UndefinedError => {
            // The engine's range may start at a dot in the middle of a name.
            let overlaps = |span: Span| span.start < range.end && range.start < span.end;
            let span = references.iter().map(|reference| reference.span).find(|&span| overlaps(span));
            let span = span.unwrap_or_else(|| Span::new(range));
            let path = missing(error).map_or_else(|| text[span.start..span.end].trim().to_owned(), str::to_owned);
            RenderError::Undefined { path, span }
        }
        ErrorKind::OutOfFuel => {
            RenderError::Limit { message: format!("the template took more than {FUEL} instructions") }
        }
        kind => {
            let message = error.detail().map_or_else(|| kind.to_string(), str::to_owned);
            RenderError::Failed { message, span: Span::new(range) }
        }
    }
}

/// The name up to the first part that is missing, as the engine describes it where it can.
fn missing(error: &minijinja::Error) -> Option<&str> {
    let path = error.detail()?.split('`').nth(1)?;
    (!path.contains("(...)")).then_some(path)
}
