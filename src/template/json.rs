//! Values of the engine to JSON and back, exactly, within limits.
//!
//! Knows nothing of templates.

use minijinja::{Error, ErrorKind, Value, value::ValueKind};
use serde_json::{Map, Value as Json};

use crate::template::{OUTPUT_BYTES_MAX, RenderError, VALUES_BYTES_MAX};

/// How deep values may nest; the same as in JSON that is read.
const DEPTH_MAX: usize = 128;
/// What a value weighs besides its text, in bytes.
const VALUE_BYTES: usize = 32;

/// What an element of a result counts besides its text; keeps the memory for a result of many small ones in proportion.
const ELEMENT_BYTES: usize = 16;

/// Gives the engine a value of ours; a string in it stays a string, whatever it holds.
pub(super) fn to_engine(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_engine).collect::<Vec<_>>()),
        Json::Object(map) => Value::from_pairs(map.iter().map(|(key, value)| (key.as_str(), to_engine(value)))),
    }
}

/// The memory that values may take in the engine, in bytes.
pub(super) fn weight<'v>(values: impl IntoIterator<Item = &'v Json>) -> Result<usize, RenderError> {
    let mut total = 0;
    for value in values {
        add_weight(value, 0, &mut total)?;
    }
    Ok(total)
}

fn add_weight(value: &Json, depth: usize, total: &mut usize) -> Result<(), RenderError> {
    if depth > DEPTH_MAX {
        return Err(RenderError::Limit { message: format!("the values nest deeper than {DEPTH_MAX}") });
    }
    *total += VALUE_BYTES;
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
        Json::String(text) => *total += text.len(),
        Json::Array(items) => items.iter().try_for_each(|item| add_weight(item, depth + 1, total))?,
        Json::Object(map) => {
            for (key, item) in map {
                *total += key.len() + VALUE_BYTES;
                add_weight(item, depth + 1, total)?;
            }
        }
    }
    if *total > VALUES_BYTES_MAX {
        let limit = VALUES_BYTES_MAX / (1024 * 1024);
        return Err(RenderError::Limit {
            message: format!("the values that the text reads take more than {limit} MB"),
        });
    }
    Ok(())
}

/// A value of the engine as JSON, of at most [`OUTPUT_BYTES_MAX`] bytes, each element counting [`ELEMENT_BYTES`].
pub(super) fn from_engine(value: &Value) -> Result<Json, Error> {
    let mut left = OUTPUT_BYTES_MAX;
    convert(value, 0, &mut left)
}

fn convert(value: &Value, depth: usize, left: &mut usize) -> Result<Json, Error> {
    if depth > DEPTH_MAX {
        return Err(invalid(format!("the value nests deeper than {DEPTH_MAX}")));
    }
    spend(ELEMENT_BYTES, left)?;
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => number(value)?,
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            spend(text.len(), left)?;
            Json::String(text.to_owned())
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()? {
                items.push(convert(&item, depth + 1, left)?);
            }
            Json::Array(items)
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter()? {
                let name = text(&key)?;
                spend(name.len(), left)?;
                map.insert(name, convert(&value.get_item(&key)?, depth + 1, left)?);
            }
            Json::Object(map)
        }
        kind => return Err(invalid(format!("{kind} is no JSON value"))),
    })
}

fn number(value: &Value) -> Result<Json, Error> {
    let number = serde_json::to_value(value).map_err(|error| invalid(error.to_string()))?;
    // An infinite or undefined float turns into null without a word.
    if number.is_null() { Err(invalid(format!("{value} is no number that JSON has"))) } else { Ok(number) }
}

/// What a value looks like in text: a string as it is, everything else as JSON.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Ok(from_engine(value)?.to_string()),
    }
}

fn spend(bytes: usize, left: &mut usize) -> Result<(), Error> {
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(invalid(format!("the value takes more than {OUTPUT_BYTES_MAX} bytes"))),
    }
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
