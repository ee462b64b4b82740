//! Reads an `orch.toml`: every key is known, every value is within its bounds, or there is a diagnostic.

use std::{fs, io::Read as _, ops::Range, path::Path, sync::Arc};

use toml_edit::{ImDocument, TableLike, Value as Toml};

use crate::{
    base::{
        Diagnostic, Source, Span,
        codes::use_::{BAD_SYNTAX, BAD_VALUE, UNKNOWN_KEY, UNREADABLE_SETTINGS},
        did_you_mean,
    },
    config::{
        channels::CHANNEL_KEYS,
        checks::CHECK_KEYS,
        form::Form,
        hooks::HOOK_KEYS,
        keys::{self, KEYS},
        layer::{Entry, FilePlace, Layer},
        prices::PRICE_KEYS,
        runtime::keys_of,
        servers::SERVER_KEYS,
    },
    definition::load::within,
};

/// A settings file may have this many bytes.
const BYTES_MAX: u64 = 1_000_000;

/// Reads the file at `path`, or `None` where there is none.
pub(super) fn read(path: &Path, place: &FilePlace) -> Option<Layer> {
    let mut layer = Layer { name: place.shown.display().to_string(), ..Layer::default() };
    match text_of(path, place.is_project) {
        Ok(Some(text)) => {
            parse(&mut layer, text, place);
            Some(layer)
        }
        Ok(None) => None,
        Err(reason) => {
            let source = Source::new(place.shown.clone(), "");
            let fault = Diagnostic::error(UNREADABLE_SETTINGS, &source, Span::default(), "the settings cannot be read");
            layer.faults.push(fault.cause(reason).help("correct its permissions, or move it away"));
            Some(layer)
        }
    }
}

fn text_of(path: &Path, is_project: bool) -> Result<Option<String>, String> {
    // A repository may bring a link along; the user's own may lead wherever he likes.
    let real = match path.parent() {
        Some(root) if is_project => within(root, path),
        Some(_) | None => Ok(path.to_path_buf()),
    };
    let file = match real.and_then(fs::File::open) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("it is not a plain file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(format!("it is larger than {BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "it is not UTF-8 text".to_owned())
}

pub(super) fn parse(layer: &mut Layer, text: String, place: &FilePlace) {
    let source = Source::new(place.shown.clone(), text);
    let document = match ImDocument::parse(source.text.as_str()) {
        Ok(document) => document,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let cause = error.message().lines().map(str::trim).collect::<Vec<_>>().join("; ");
            let fault = Diagnostic::error(BAD_SYNTAX, &source, Span::new(span), "the settings are not TOML");
            layer
                .faults
                .push(fault.cause(cause).help("texts stand in quotes, tables in [brackets]; see https://toml.io"));
            return;
        }
    };
    let mut reader = Reader { layer, source: &source, place };
    reader.table("", document.as_table());
}

pub(super) struct Reader<'a> {
    pub(super) layer: &'a mut Layer,
    pub(super) source: &'a Arc<Source>,
    pub(super) place: &'a FilePlace,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let at = key_span(table, name);
            if let Some(key) = keys::find(&path) {
                match item.as_value() {
                    Some(value) => self.value(key.path, key.form, value),
                    None => self.refuse(at, &path, "this is a table", &format!("write {}", key.form.expected())),
                }
            } else if path == "runtimes" {
                match item.as_table_like() {
                    Some(runtimes) => self.runtimes(runtimes),
                    None => self.refuse(at, &path, "this is no table", "write a table for each: [runtimes.NAME]"),
                }
            } else if path == "prices" {
                match item.as_table_like() {
                    Some(prices) => self.prices(prices),
                    None => self.refuse(at, &path, "this is no table", "write a table for each: [prices.\"MODEL\"]"),
                }
            } else if path == "mcp" {
                match item.as_table_like() {
                    Some(servers) => self.servers(servers),
                    None => self.refuse(at, &path, "this is no table", "write a table for each: [mcp.NAME]"),
                }
            } else if path == "notify" {
                match item.as_table_like() {
                    Some(channels) => self.channels(channels),
                    None => self.refuse(at, &path, "this is no table", "write a table for each: [notify.NAME]"),
                }
            } else if path == "hooks" {
                match item.as_table_like() {
                    Some(hooks) => self.hooks(at, hooks),
                    None => self.refuse(at, &path, "this is no table", "write a table for each: [hooks.NAME]"),
                }
            } else if path == "health" {
                match item.as_table_like() {
                    Some(checks) => self.checks(at, checks),
                    None => self.refuse(at, &path, "this is no table", "write a table for each: [health.NAME]"),
                }
            } else if prefix.is_empty() && is_section(&path) {
                match item.as_table_like() {
                    Some(inner) => self.table(&path, inner),
                    None => self.refuse(at, &path, "this is no table", &format!("write a table: [{path}]")),
                }
            } else {
                self.unknown(at, prefix, name);
            }
        }
    }

    fn value(&mut self, path: &'static str, form: Form, value: &Toml) {
        let span = Span::new(value.span().unwrap_or(0..0));
        match form.read_toml(value) {
            Ok(setting) => {
                let origin = self.place.origin(self.source.position(span.start).line);
                self.layer.entries.push(Entry { path, setting, origin, source: Arc::clone(self.source), span });
            }
            Err(refusal) => self.refuse(span.start..span.end, path, &refusal.cause, &refusal.help),
        }
    }

    pub(super) fn refuse(&mut self, at: Range<usize>, path: &str, cause: &str, help: &str) {
        let fault =
            Diagnostic::error(BAD_VALUE, self.source, Span::new(at), format!("`{path}` cannot be used as it is"));
        self.layer.faults.push(fault.cause(cause).help(help));
    }

    pub(super) fn unknown(&mut self, at: Range<usize>, prefix: &str, name: &str) {
        let known = names_in(prefix);
        let help = match did_you_mean(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let place = if prefix.is_empty() { String::new() } else { format!(" in `{prefix}`") };
        let message = format!("there is no setting `{}`{place}", name.escape_debug());
        let fault = Diagnostic::error(UNKNOWN_KEY, self.source, Span::new(at), message);
        self.layer.faults.push(fault.cause("this key is not known").help(help));
    }
}

/// The names that may stand in the table at `prefix`.
fn names_in(prefix: &str) -> Vec<String> {
    if let Some(name) = prefix.strip_prefix("runtimes.") {
        return keys_of(name).iter().map(|&key| key.to_owned()).collect();
    }
    if prefix.starts_with("mcp.") {
        return SERVER_KEYS.iter().map(|&key| key.to_owned()).collect();
    }
    if prefix.starts_with("notify.") {
        return CHANNEL_KEYS.iter().map(|&key| key.to_owned()).collect();
    }
    if prefix.starts_with("health.") {
        return CHECK_KEYS.iter().map(|&key| key.to_owned()).collect();
    }
    if prefix.starts_with("hooks.") {
        return HOOK_KEYS.iter().map(|&key| key.to_owned()).collect();
    }
    if prefix.starts_with("prices.") {
        return PRICE_KEYS.iter().map(|&key| key.to_owned()).collect();
    }
    let mut names: Vec<String> = Vec::new();
    for key in KEYS {
        let rest = if prefix.is_empty() {
            Some(key.path)
        } else {
            key.path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'))
        };
        let Some(first) = rest.and_then(|rest| rest.split('.').next()) else { continue };
        if !names.iter().any(|name| name == first) {
            names.push(first.to_owned());
        }
    }
    if prefix.is_empty() {
        names.extend(["runtimes", "prices", "mcp", "notify", "health", "hooks"].map(str::to_owned));
    }
    names
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.path.split_once('.').is_some_and(|(head, _)| head == name))
}

pub(super) fn key_span(table: &dyn TableLike, name: &str) -> Range<usize> {
    table.key(name).and_then(toml_edit::Key::span).unwrap_or(0..0)
}
