//! Definitions that other tools keep in TOML: commands of Gemini CLI and agents of Codex.
//!
//! A key of the wrong type costs that key, not the file.

use std::{borrow::Cow, ops::Range, sync::Arc};

use serde_json::Value;
use toml_edit::{ImDocument, Item, Table, TableLike};

use crate::{
    base::{Diagnostic, Passage, Source, Span, Spanned, codes::definition as codes},
    definition::{
        Agent, Arguments, Base, Command, CommandBody, Extra, Meta, Origin, ServerUse, Style, ToolPolicy,
        load::{
            faults::Faults,
            node::{Entry, Node},
            permissions::agent_permissions,
            servers::declared_server,
        },
        normal_name,
    },
};

/// Reads a command: `prompt` and `description`.
pub(super) fn command(origin: &Origin, name: &str, faults: &mut Faults) -> Option<Command> {
    let document = parse(&origin.source, faults)?;
    let table = document.as_table();
    let text = text(table, "prompt", faults).or_else(|| {
        missing("prompt", "a command without it has nothing to say", faults);
        None
    })?;
    let description = self::text(table, "description", faults).map(|text| text.value);
    Some(Command {
        name: name.to_owned(),
        description: description.unwrap_or_else(|| first_line(&text.value)),
        argument_hint: None,
        meta: meta(table, name, &["prompt", "description"]),
        body: CommandBody::Prose {
            text: text.map(Passage::from),
            arguments: Arguments { style: Style::Gemini, base: Base::Zero, named: Vec::new() },
            agent: None,
            model: None,
        },
        origin: origin.clone(),
    })
}

/// Reads an agent: `name`, `description` and `developer_instructions`.
pub(super) fn agent(origin: &Origin, stem: &str, faults: &mut Faults) -> Option<Agent> {
    let document = parse(&origin.source, faults)?;
    let table = document.as_table();
    let name = text(table, "name", faults).map_or_else(|| stem.to_owned(), |name| name.value);
    let body = text(table, "developer_instructions", faults).map(|text| text.value.trim().to_owned());
    let description = text(table, "description", faults).map(|text| text.value);
    let body = body.unwrap_or_default();
    let meta = meta(table, &name, &["name", "description", "developer_instructions", "model", "mcp_servers"]);
    let mut tools = ToolPolicy::default();
    let permissions = agent_permissions(&meta, &mut tools, faults);
    Some(Agent {
        name: normal_name(&name.replace([':', '/'], " ")),
        description: description.unwrap_or_else(|| first_line(&body)),
        tools,
        permissions,
        model: text(table, "model", faults).map(|model| model.value),
        runtime: None,
        skills: Vec::new(),
        servers: servers(table, &origin.source),
        constraints: Vec::new(),
        capabilities: Vec::new(),
        context_budget: None,
        meta,
        body: body.into(),
        origin: origin.clone(),
    })
}

/// The MCP servers that the file declares.
fn servers(table: &Table, source: &Arc<Source>) -> Vec<ServerUse> {
    let declared = table.get("mcp_servers").and_then(Item::as_table_like);
    let server = |(name, item): (&str, &Item)| {
        let span = declared.and_then(|table| table.key(name)).and_then(toml_edit::Key::span).unwrap_or(0..0);
        ServerUse::Declared(Arc::new(declared_server(name, &json(item), source, Span::new(span))))
    };
    declared.into_iter().flat_map(|table| table.iter()).map(server).collect()
}

/// Reads the document. Where an escape is none, its text is read again as it stands, which is what was meant.
fn parse(source: &Arc<Source>, faults: &mut Faults) -> Option<ImDocument<String>> {
    let error = match ImDocument::parse(source.text.clone()) {
        Ok(document) => return Some(document),
        Err(error) => error,
    };
    let place = error.span().map_or(Span::default(), Span::new);
    if let Cow::Owned(text) = literal(&source.text)
        && let Ok(document) = ImDocument::parse(text)
    {
        let fault = Diagnostic::error(codes::TOML_ESCAPE, source, place, "a backslash begins no escape of TOML")
            .cause("TOML knows `\\n`, `\\t`, `\\\"`, `\\\\` and a few more")
            .help("write `'''` instead of `\"\"\"`, or two backslashes")
            .assumed("the texts as they stand, backslashes and all")
            .elsewhere("Gemini CLI", "does not load it")
            .warning();
        faults.add(fault);
        return Some(document);
    }
    let message = error.message().lines().next().unwrap_or("it breaks a rule of TOML").to_owned();
    faults.error(
        codes::TOML_SYNTAX,
        place,
        "this file is not TOML",
        message,
        "correct the marked place; long texts stand between `'''` lines",
    );
    None
}

/// The keys of a frontmatter between `+++` lines, which starts at byte `base` of its source. `None` if it is not TOML.
pub(super) fn keys(text: &str, base: usize) -> Option<Vec<Entry<'static>>> {
    let document =
        ImDocument::parse(text.to_owned()).or_else(|_| ImDocument::parse(literal(text).into_owned())).ok()?;
    Some(entries(document.as_table(), base))
}

fn entries(table: &dyn TableLike, base: usize) -> Vec<Entry<'static>> {
    let span = |range: Option<Range<usize>>| {
        let range = range.unwrap_or(0..0);
        Span::new(base + range.start..base + range.end)
    };
    let entry = |(key, item): (&str, &Item)| Entry {
        key: Cow::Owned(key.to_owned()),
        key_span: span(table.key(key).and_then(toml_edit::Key::span)),
        value: node(item, base),
    };
    table.iter().map(entry).collect()
}

fn node(item: &Item, base: usize) -> Node<'static> {
    let range = item.span().unwrap_or(0..0);
    let span = Span::new(base + range.start..base + range.end);
    if let Some(text) = item.as_str() {
        return Node::text(text.to_owned(), span);
    }
    if let Some(table) = item.as_table_like() {
        return Node::map(entries(table, base), span);
    }
    if let Some(items) = item.as_array() {
        return Node::list(items.iter().map(|value| node(&Item::Value(value.clone()), base)).collect(), span);
    }
    if let Item::ArrayOfTables(tables) = item {
        return Node::list(tables.iter().map(|table| Node::map(entries(table, base), span)).collect(), span);
    }
    match json(item) {
        // A date is a text.
        Value::String(text) => Node::text(text, span),
        other => Node::word(other.to_string(), span),
    }
}

/// The text with `'` for each `"` that opens or closes a text with a bad escape, so that all places stay.
fn literal(text: &str) -> Cow<'_, str> {
    let mut out = text.as_bytes().to_vec();
    let bytes = text.as_bytes();
    let mut changed = false;
    let mut at = 0;
    while at < bytes.len() {
        if !text.is_char_boundary(at) {
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let quotes = match bytes[at] {
            b'#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            b'\'' => {
                let quotes = if rest.starts_with("'''") { "'''" } else { "'" };
                let after = rest[quotes.len()..].find(quotes);
                at += after.map_or(rest.len(), |end| end + 2 * quotes.len());
                continue;
            }
            b'"' if rest.starts_with("\"\"\"") => 3,
            b'"' => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        let Some(length) = closing(&bytes[at + quotes..], quotes) else { break };
        let inner = &text[at + quotes..at + quotes + length];
        let literal_quotes = if quotes == 3 { "'''" } else { "'" };
        if has_bad_escape(inner) && !inner.contains(literal_quotes) {
            let end = at + quotes + length;
            out[at..at + quotes].fill(b'\'');
            out[end..end + quotes].fill(b'\'');
            changed = true;
        }
        at += length + 2 * quotes;
    }
    match String::from_utf8(out) {
        Ok(out) if changed => Cow::Owned(out),
        _ => Cow::Borrowed(text),
    }
}

/// The length of a text up to its closing quotes.
fn closing(bytes: &[u8], quotes: usize) -> Option<usize> {
    let mut at = 0;
    while at + quotes <= bytes.len() {
        if bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at..at + quotes].iter().all(|byte| *byte == b'"') {
            return Some(at);
        } else if quotes == 1 && bytes[at] == b'\n' {
            return None;
        } else {
            at += 1;
        }
    }
    None
}

fn has_bad_escape(text: &str) -> bool {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\'
            && !matches!(letters.next(), Some('b' | 't' | 'n' | 'f' | 'r' | '"' | '\\' | 'u' | 'U' | '\n' | '\r' | ' '))
        {
            return true;
        }
    }
    false
}

/// A text of the table; another type is reported and counts as absent.
fn text(table: &Table, key: &str, faults: &mut Faults) -> Option<Spanned<String>> {
    let item = table.get(key)?;
    let span = Span::new(item.span().unwrap_or(0..0));
    if let Some(text) = item.as_str() {
        return Some(Spanned::new(text.to_owned(), inner(span, faults.source())));
    }
    let fault = Diagnostic::error(codes::WRONG_TYPE, faults.source(), span, format!("`{key}` is not a text"))
        .cause(format!("found {}", item.type_name()))
        .help(format!("write `{key} = \"…\"`"))
        .assumed("nothing")
        .warning();
    faults.add(fault);
    None
}

/// The place of a text without its quotes.
fn inner(span: Span, source: &Source) -> Span {
    let written = source.text.get(span.start..span.end).unwrap_or_default();
    let quotes = if written.starts_with("\"\"\"") || written.starts_with("'''") { 3 } else { 1 };
    if written.len() < 2 * quotes {
        return span;
    }
    Span::new(span.start + quotes..span.end - quotes)
}

fn missing(key: &str, cause: &str, faults: &mut Faults) {
    let message = format!("`{key}` is missing");
    faults.error(codes::MISSING_KEY, Span::default(), message, cause, format!("add `{key} = \"…\"`"));
}

/// The keys that `orch` does not use.
fn meta(table: &Table, name: &str, known: &[&str]) -> Meta {
    let extra = table.iter().filter(|(key, _)| !known.contains(key)).map(|(key, item)| {
        let key_span = table.key(key).and_then(toml_edit::Key::span).unwrap_or(0..0);
        let span = item.span().unwrap_or(key_span.clone());
        Extra { key: key.to_owned(), value: json(item), key_span: Span::new(key_span), span: Span::new(span) }
    });
    Meta { display_name: name.to_owned(), extra: extra.collect(), ..Meta::default() }
}

fn json(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => value_json(value),
        Item::Table(table) => table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect(),
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|table| table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect::<Value>())
            .collect(),
    }
}

fn value_json(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(word) => Value::from(*word.value()),
        toml_edit::Value::Datetime(time) => Value::from(time.value().to_string()),
        toml_edit::Value::Array(items) => items.iter().map(value_json).collect(),
        toml_edit::Value::InlineTable(table) => {
            table.iter().map(|(key, value)| (key.to_owned(), value_json(value))).collect()
        }
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(|line| line.trim_start_matches('#').trim()).find(|line| !line.is_empty());
    line.unwrap_or_default().chars().take(200).collect()
}
