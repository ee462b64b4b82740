//! One layer of settings: what it says, where, and what is wrong with it.

use std::{path::PathBuf, sync::Arc};

use figment::{
    Error, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use crate::{
    base::{Diagnostic, Price, Source, Span, codes::use_::BAD_VALUE, codes::use_::UNKNOWN_KEY, did_you_mean},
    config::{
        channels::Channel,
        checks::OwnCheck,
        environment::Environment,
        form::Setting,
        hooks::Hook,
        keys::{self, KEYS, variable_name},
        origin::Origin,
        runtime::Runtime,
    },
    definition::Server,
};

/// One value of a layer and its place.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub path: &'static str,
    pub setting: Setting,
    pub origin: Origin,
    pub source: Arc<Source>,
    pub span: Span,
}

/// What one layer says.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    /// The name under which figment keeps it.
    pub name: String,
    pub entries: Vec<Entry>,
    pub runtimes: Vec<(String, Runtime)>,
    pub prices: Vec<(String, Price)>,
    pub servers: Vec<Server>,
    pub channels: Vec<Channel>,
    pub hooks: Vec<Hook>,
    pub checks: Vec<OwnCheck>,
    pub faults: Vec<Diagnostic>,
}

impl Layer {
    /// The entry at a path.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// The built-in values.
    pub fn defaults() -> Self {
        let entries = KEYS.iter().filter_map(|key| {
            let text = key.default?;
            let setting = key.form.read_text(text).expect("the table's own defaults are within their bounds");
            let source = Source::new("built in", format!("{} = {text}", key.path));
            Some(Entry { path: key.path, setting, origin: Origin::Default, source, span: Span::default() })
        });
        Self { name: "default".to_owned(), entries: entries.collect(), ..Self::default() }
    }

    /// What variables say. A variable that is a slip of the fingers away from a setting is a fault.
    pub fn environment(environment: &Environment) -> Self {
        let mut layer = Self { name: "environment".to_owned(), ..Self::default() };
        let names: Vec<_> = KEYS.iter().map(|key| (variable_name(key.path), key)).collect();
        for (name, value) in environment.variables() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("ORCH_")) else { continue };
            let text = value.to_string_lossy();
            if let Some((_, key)) = names.iter().find(|(other, _)| other == name) {
                // An empty variable is how shells unset one for a single command.
                if !text.is_empty() {
                    layer.take(key.path, "environment", &format!("{name}="), &text, Origin::Variable(name.to_owned()));
                }
            } else if !is_ours(name)
                && let Some(near) = did_you_mean(name, names.iter().map(|(name, _)| name.as_str()))
            {
                let source = Source::new("environment", format!("{name}={text}"));
                let fault = Diagnostic::error(
                    UNKNOWN_KEY,
                    &source,
                    Span::new(0..name.len()),
                    format!("there is no setting `{name}`"),
                );
                layer
                    .faults
                    .push(fault.cause("not a variable that orch reads").help(format!("did you mean `{near}`?")));
            }
        }
        layer
    }

    /// What flags say.
    pub fn flags(flags: &Flags) -> Self {
        let mut layer = Self { name: "flags".to_owned(), ..Self::default() };
        for (path, flag, text) in &flags.given {
            layer.take(path, "command line", &format!("{flag} "), text, Origin::Flag(flag.clone()));
        }
        layer
    }

    fn take(&mut self, path: &'static str, place: &str, before: &str, text: &str, origin: Origin) {
        let Some(key) = keys::find(path) else { return };
        let source = Source::new(place, format!("{before}{text}"));
        let span = Span::new(before.len()..before.len() + text.len());
        match key.form.read_text(text) {
            Ok(setting) => self.entries.push(Entry { path, setting, origin, source, span }),
            Err(refusal) => {
                let message = format!("`{path}` cannot be `{}`", text.escape_debug());
                let fault = Diagnostic::error(BAD_VALUE, &source, span, message);
                self.faults.push(fault.cause(refusal.cause).help(refusal.help));
            }
        }
    }
}

/// Variables that `orch` itself sets for its children, so that an `orch` inside a step does not stumble over them.
fn is_ours(name: &str) -> bool {
    const OURS: &[&str] =
        &["ORCH_RUN", "ORCH_STEP", "ORCH_ATTEMPT", "ORCH_OUTPUT", "ORCH_KEY", "ORCH_ORDER", "ORCH_CHAIN"];
    OURS.contains(&name) || name.starts_with("ORCH_INPUT_")
}

/// Settings that the command line gives.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    given: Vec<(&'static str, String, String)>,
}

impl Flags {
    /// No flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a flag's value for the key at `path`, if there is one. An unknown path is left out.
    #[must_use]
    pub fn with(mut self, path: &'static str, flag: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.given.push((path, flag.to_owned(), value.to_string()));
        }
        self
    }
}

/// What a file's runtimes need to be found.
#[derive(Debug, Clone)]
pub(super) struct FilePlace {
    /// Shown to people.
    pub shown: PathBuf,
    /// Where it lies.
    pub folder: PathBuf,
    /// Whether it is the project's.
    pub is_project: bool,
}

impl FilePlace {
    /// The origin of something on that line.
    pub fn origin(&self, line: usize) -> Origin {
        let path = self.shown.clone();
        if self.is_project { Origin::Project { path, line } } else { Origin::User { path, line } }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut dict = Dict::new();
        for entry in &self.entries {
            let value = match &entry.setting {
                Setting::Count(count) => Value::from(*count),
                Setting::Duration(duration) => Value::from(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
                Setting::Money(amount) => Value::from(*amount),
                Setting::Word(word) => Value::from(word.as_str()),
            };
            insert(&mut dict, entry.path, value);
        }
        Ok(Profile::Default.collect(dict))
    }
}

fn insert(dict: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            dict.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = dict.entry(head.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
