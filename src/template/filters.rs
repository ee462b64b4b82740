//! Filters of ours: those that turn values into text do it as JSON, as the rest of a text does.
//!
//! Knows nothing of templates.

use minijinja::{
    Error, Value,
    value::{Kwargs, ValueKind},
};

use crate::template::json::{from_engine, invalid, text};

/// A value as JSON, on one line or with an indent of so many blanks.
pub(super) fn to_json(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let json = from_engine(value)?;
    let Some(indent) = indent else { return Ok(json.to_string()) };
    if indent > 8 {
        return Err(invalid("an indent of more than 8".to_owned()));
    }
    let blanks = " ".repeat(indent);
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
    serde::Serialize::serialize(&json, &mut serializer).map_err(|error| invalid(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))
}

/// A value as it would stand in a text.
pub(super) fn string(value: &Value) -> Result<String, Error> {
    text(value)
}

/// Items with a separator between them, each as it would stand in a text.
pub(super) fn join(value: &Value, separator: Option<String>, options: Kwargs) -> Result<String, Error> {
    let attribute: Option<String> = options.get("attribute")?;
    options.assert_all_used()?;
    let separator = separator.unwrap_or_default();
    let mut joined = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        if index > 0 {
            joined.push_str(&separator);
        }
        let item = match &attribute {
            Some(attribute) => item.get_attr(attribute)?,
            None => item,
        };
        joined.push_str(&text(&item)?);
    }
    Ok(joined)
}

/// The keys of a mapping, in its order.
pub(super) fn keys(value: &Value) -> Result<Vec<Value>, Error> {
    if value.kind() != ValueKind::Map {
        return Err(invalid(format!("{} has no keys", value.kind())));
    }
    Ok(value.try_iter()?.collect())
}

/// The values of a mapping, in its order.
pub(super) fn values(value: &Value) -> Result<Vec<Value>, Error> {
    keys(value)?.iter().map(|key| value.get_item(key)).collect()
}

/// The words of a text as a shell cuts it; a text with a quote that is not closed is cut at its blanks.
pub(super) fn words(text: &str) -> Vec<String> {
    shell_words::split(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_owned).collect())
}
