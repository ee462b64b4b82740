//! Short schemas: `{ clean: boolean, "note?": string, issues: [string] }` to JSON Schema.

use serde_json::{Map, Value, json};

use crate::{
    base::{Code, Span, Spanned, codes::definition as codes, did_you_mean},
    definition::load::{
        names::check_id,
        node::{Entry, Kind, Node},
        reader::Reader,
        yaml,
    },
};

/// The longest type in one text, in bytes.
const TYPE_BYTES_MAX: usize = 200;
const TYPES: [&str; 5] = ["string", "integer", "number", "boolean", "any"];
/// Names of types in other languages.
const FOREIGN: [(&str, &str); 10] = [
    ("str", "string"),
    ("text", "string"),
    ("int", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("bool", "boolean"),
    ("object", "{ field: string }"),
    ("map", "{ field: string }"),
    ("list", "[string]"),
    ("array", "[string]"),
];

impl Reader<'_, '_> {
    /// The schema of an `output:`: short, full, or a file with a full one. It is an object at the top.
    pub fn output(&mut self, entry: Option<&Entry<'_>>) -> Option<Spanned<Value>> {
        let entry = entry?;
        let schema = self.schema_value(&entry.key, &entry.value)?;
        let object = schema.get("type").is_some_and(|kind| kind == "object") || schema.get("properties").is_some();
        if !object {
            self.not_object(&entry.key, &entry.value);
            return None;
        }
        if let Some(place) = field_result(&entry.value) {
            self.faults.error(
                codes::FIELD_RESULT,
                place,
                "an output field may not be called `result`",
                "`step.result` is the envelope of the step",
                "rename it, for example `outcome`",
            );
            return None;
        }
        Some(Spanned::new(schema, entry.value.span))
    }

    fn not_object(&mut self, key: &str, node: &Node<'_>) {
        let written = self.source.text.get(node.span.start..node.span.end).unwrap_or_default();
        let short = written.len() <= 60 && !written.contains('\n');
        let field = if node.as_list().is_some() { "items" } else { "value" };
        let help = match short {
            true => format!("give it a field: `{key}: {{ {field}: {written} }}`"),
            false => format!("give it a field: `{key}: {{ {field}: … }}`"),
        };
        let cause = "expressions name fields of the output, so it has fields at the top";
        self.faults.error(codes::OUTPUT_NOT_OBJECT, node.span, format!("`{key}` is not an object"), cause, help);
    }

    /// A schema of any type: short, full (a mapping with `$schema`) or a file.
    fn schema_value(&mut self, key: &str, node: &Node<'_>) -> Option<Value> {
        if let Some(text) = node.as_text() {
            if looks_like_type(text) {
                return self.short(node);
            }
            return self.schema_file(key, &Spanned::new(text.to_owned(), node.span));
        }
        if node.as_map().is_some_and(|entries| entries.iter().any(|entry| entry.key == "$schema")) {
            return Some(node.to_json());
        }
        self.short(node)
    }

    fn schema_file(&mut self, key: &str, name: &Spanned<String>) -> Option<Value> {
        if !name.value.contains(['.', '/']) {
            self.unknown_type(name.span, &name.value, codes::BAD_SCHEMA);
            return None;
        }
        let source = self.file(name)?;
        let mut faults = crate::definition::load::faults::Faults::new(&source);
        let schema = yaml::parse(&source, 0..source.text.len(), &mut faults).map(|node| node.to_json());
        match schema {
            Some(schema @ Value::Object(_)) if !faults.failed() => Some(schema),
            schema => {
                let cause = match faults.into_sorted().first() {
                    Some(fault) => {
                        let place = source.position(fault.span.start);
                        format!("{}:{}:{}: {}", source.path.display(), place.line, place.column, fault.message)
                    }
                    None if schema.is_some() => "the file holds no mapping".to_owned(),
                    None => "the file cannot be read".to_owned(),
                };
                let help = "the file must hold one JSON Schema, as JSON or YAML";
                self.faults.error(
                    codes::BAD_SCHEMA,
                    name.span,
                    format!("the file of `{key}` is no schema"),
                    cause,
                    help,
                );
                None
            }
        }
    }

    /// A short schema.
    pub fn short(&mut self, node: &Node<'_>) -> Option<Value> {
        match node.kind() {
            Kind::Scalar { text, .. } if !node.is_nothing() => self.short_text(text, node.span),
            Kind::List(items) => match items.as_slice() {
                [one] => Some(json!({ "type": "array", "items": self.short(one)? })),
                items => {
                    let cause = format!("{} types in the brackets", items.len());
                    let help = "write `[string]`; a choice of types is `string | integer`";
                    self.faults.error(codes::BAD_SCHEMA, node.span, "a list has one type", cause, help);
                    None
                }
            },
            Kind::Map(entries) => self.short_object(entries),
            Kind::Broken => None,
            Kind::Scalar { .. } | Kind::Shared(_) => {
                let help = "write a type: string, integer, number, boolean, any, [T], { field: T }";
                self.faults.error(codes::BAD_SCHEMA, node.span, "a type is missing", "nothing stands here", help);
                None
            }
        }
    }

    fn short_object(&mut self, entries: &[Entry<'_>]) -> Option<Value> {
        let (mut properties, mut required, mut whole) = (Map::new(), Vec::new(), true);
        for entry in entries {
            let name = entry.key.strip_suffix('?').unwrap_or(&entry.key);
            let field = Spanned::new(name.to_owned(), entry.key_span);
            whole &= check_id(&field, "a field", false, self.faults);
            if name == entry.key {
                required.push(Value::String(name.to_owned()));
            }
            if properties.contains_key(name) {
                let help = "keep one of them";
                self.faults.error(
                    codes::DUPLICATE_KEY,
                    entry.key_span,
                    format!("the field `{name}` is there twice"),
                    "second time here",
                    help,
                );
                whole = false;
            }
            match self.short(&entry.value) {
                Some(schema) => drop(properties.insert(name.to_owned(), schema)),
                None => whole = false,
            }
        }
        whole.then(|| {
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        })
    }

    /// `string`, `[string]`, `string | integer`.
    fn short_text(&mut self, text: &str, span: Span) -> Option<Value> {
        // Brackets nest in here, so a long text could exhaust the stack.
        if text.len() > TYPE_BYTES_MAX {
            self.unknown_type(span, text, codes::BAD_SCHEMA);
            return None;
        }
        let parts: Vec<&str> = split_choice(text);
        let mut choices = Vec::new();
        for part in parts {
            choices.push(self.short_word(part.trim(), span)?);
        }
        let simple: Option<Vec<Value>> = choices
            .iter()
            .map(|choice| choice.as_object().filter(|all| all.len() == 1)?.get("type").cloned())
            .collect();
        match (choices.len(), simple) {
            (1, _) => choices.pop(),
            (_, Some(types)) => Some(json!({ "type": types })),
            (_, None) => Some(json!({ "anyOf": choices })),
        }
    }

    fn short_word(&mut self, word: &str, span: Span) -> Option<Value> {
        if let Some(inner) = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Some(json!({ "type": "array", "items": self.short_text(inner, span)? }));
        }
        if word == "any" {
            return Some(json!({}));
        }
        if TYPES.contains(&word) {
            return Some(json!({ "type": word }));
        }
        self.unknown_type(span, word, codes::BAD_SCHEMA);
        None
    }

    fn unknown_type(&mut self, span: Span, word: &str, code: Code) {
        let shown: String = word.chars().take(40).collect();
        let lower = word.to_lowercase();
        let foreign = FOREIGN.iter().find(|(name, _)| *name == lower).map(|(_, ours)| *ours);
        let help = match foreign.or_else(|| did_you_mean(word, TYPES)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "types are string, integer, number, boolean, any, [T], { field: T }, `a | b`".to_owned(),
        };
        self.faults.error(code, span, format!("`{shown}` is not a type"), "not a type of the short schema", help);
    }
}

/// Whether a text is meant as a type and not as the path of a file.
fn looks_like_type(text: &str) -> bool {
    let first = text.trim().trim_start_matches('[');
    let word: String = first.chars().take_while(char::is_ascii_alphanumeric).collect();
    text.contains('|')
        || text.starts_with('[')
        || (TYPES.contains(&word.as_str()) && first.trim_end_matches(']').trim() == word)
}

/// Splits at `|` outside brackets.
fn split_choice(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '|' && depth == 0
    })
    .collect()
}

/// The place of a field called `result` at the top of an output.
fn field_result(node: &Node<'_>) -> Option<Span> {
    let entries = node.as_map()?;
    let full = entries
        .iter()
        .find(|entry| entry.key == "$schema")
        .map(|_| entries.iter().find(|entry| entry.key == "properties"));
    let fields = match full {
        Some(properties) => properties?.value.as_map()?,
        None => entries,
    };
    fields
        .iter()
        .find(|entry| entry.key.strip_suffix('?').unwrap_or(&entry.key) == "result")
        .map(|entry| entry.key_span)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        base::Source,
        definition::load::{faults::Faults, files::Folder},
    };

    fn read(text: &str) -> Result<Value, String> {
        let source = Source::new("x.yaml", text);
        let mut faults = Faults::new(&source);
        let node = yaml::parse(&source, 0..text.len(), &mut faults).ok_or("no yaml")?;
        let folder = Folder::disk(Path::new("/"), Path::new("/"));
        let mut reader =
            Reader { source: &source, faults: &mut faults, folder: &folder, steps: 0, secrets: Vec::new() };
        let value = reader.short(&node);
        value.ok_or_else(|| faults.into_sorted().into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn the_forms_of_the_design() {
        let value = read(
            "{ clean: boolean, issues: [string], \"note?\": 'string | integer', x: any, d: [{ a: '[number] | string' }] }",
        );
        assert_eq!(
            value,
            Ok(json!({
                "type": "object",
                "properties": {
                    "clean": { "type": "boolean" },
                    "issues": { "type": "array", "items": { "type": "string" } },
                    "note": { "type": ["string", "integer"] },
                    "x": {},
                    "d": { "type": "array", "items": {
                        "type": "object",
                        "properties": { "a": { "anyOf": [{ "type": "array", "items": { "type": "number" } }, { "type": "string" }] } },
                        "required": ["a"],
                        "additionalProperties": false,
                    } },
                },
                "required": ["clean", "issues", "x", "d"],
                "additionalProperties": false,
            }))
        );
    }

    #[test]
    fn faults() {
        assert_eq!(read("strnig"), Err("`strnig` is not a type".to_owned()));
        assert_eq!(read("[a, b]"), Err("a list has one type".to_owned()));
        assert_eq!(read("{ a: }"), Err("a type is missing".to_owned()));
        assert_eq!(read("{ a-b: string, c: strin }"), Err("`a-b` cannot be a field; `strin` is not a type".to_owned()));
        assert_eq!(read("{ a: string, 'a?': string }"), Err("the field `a` is there twice".to_owned()));
    }
}
