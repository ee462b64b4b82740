//! Reads `[runtimes.NAME]`: a command of the user's own, an agent of the Agent Client Protocol, or what the user wants of a program that `orch` knows.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use toml_edit::{Item, TableLike};

use crate::{
    config::{
        file::{Reader, key_span},
        form::is_name,
        origin::Origin,
    },
    runtime::{
        AcpSettings, CustomSettings, OutputForm, PROGRAMS,
        service::{SERVICES, ServiceKind},
    },
};

/// Runtimes of `orch` itself, which nobody may declare anew.
const RESERVED: &[&str] = &["replay"];
/// What a command as an agent may say of itself.
const COMMAND_KEYS: &[&str] = &["command", "protocol", "output", "env", "sessions", "model", "usage", "reads_memory"];
/// What may be said of a program that `orch` knows.
const PROGRAM_KEYS: &[&str] = &["program", "env", "model", "home", "danger", "command", "protocol"];
/// What may be said of a model service.
const SERVICE_KEYS: &[&str] = &["service", "base_url", "key_env", "model", "max_tokens", "command", "protocol"];
/// Tokens that one answer may have.
const MAX_TOKENS: std::ops::RangeInclusive<i64> = 256..=1_000_000;

/// A declared runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// What stands behind its name.
    pub form: RuntimeForm,
    /// Where the file that declares it lies; relative programs start there.
    pub folder: PathBuf,
    /// The file and line.
    pub origin: Origin,
}

/// What stands behind a runtime's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeForm {
    /// A command, and how to talk to it.
    Command(CustomSettings),
    /// A command that speaks the Agent Client Protocol.
    Acp(AcpSettings),
    /// A program that `orch` knows by this name.
    Program(ProgramWishes),
    /// A model service.
    Service(ServiceWishes),
}

/// What a user wants of a model service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceWishes {
    /// Which one: a name of `SERVICES`.
    pub service: String,
    /// Where it is, where that is not the usual place.
    pub base_url: Option<String>,
    /// The variable that holds its key, where that is not the usual one.
    pub key_env: Option<String>,
    /// The model where nobody names one.
    pub model: Option<String>,
    /// Tokens of one answer.
    pub max_tokens: Option<u32>,
}

impl RuntimeForm {
    /// As a person would say it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Command(settings) => settings.command.join(" "),
            Self::Acp(settings) => format!("acp {}", settings.command.join(" ")),
            Self::Program(wishes) => wishes.program.clone().unwrap_or_else(|| "the program of that name".to_owned()),
            Self::Service(wishes) => format!("service {}", wishes.service),
        }
    }
}

/// What a user wants of a program that `orch` knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramWishes {
    /// The program, where it is not the one on the `PATH`.
    pub program: Option<String>,
    /// Environment on top of what it gets anyway.
    pub env: BTreeMap<String, String>,
    /// The model where nobody names one.
    pub model: Option<String>,
    /// Whether each attempt gets an empty home of its own.
    pub isolated_home: bool,
    /// Whether steps that say `danger: true` may work without limits; only the user's own file may say so.
    pub danger: bool,
}

/// Whether a name is that of a runtime that needs no declaration.
#[must_use]
pub fn is_built_in(name: &str) -> bool {
    built_in().any(|known| known == name)
}

/// The names of all runtimes that need no declaration.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    let services = SERVICES.iter().filter(|kind| kind.needs_key()).map(|kind| kind.name);
    RESERVED.iter().copied().chain(PROGRAMS.iter().map(|kind| kind.name)).chain(services)
}

/// The keys of a runtime's table.
pub(super) fn keys_of(name: &str) -> &'static [&'static str] {
    match () {
        () if is_program(name) => PROGRAM_KEYS,
        () if ServiceKind::named(name).is_some() => SERVICE_KEYS,
        () => COMMAND_KEYS,
    }
}

fn is_program(name: &str) -> bool {
    PROGRAMS.iter().any(|kind| kind.name == name)
}

impl Reader<'_> {
    pub(super) fn runtimes(&mut self, runtimes: &dyn TableLike) {
        for (name, item) in runtimes.iter() {
            let at = key_span(runtimes, name);
            if RESERVED.contains(&name) {
                self.refuse(at, &format!("runtimes.{name}"), "this runtime is built in", "take another name");
            } else if !is_name(name) {
                self.refuse(at, "runtimes", "this cannot be a runtime's name", "use letters, digits, `_`, `-` and `.`");
            } else if let Some(table) = item.as_table_like() {
                self.runtime(name, at, table);
            } else {
                let help = format!("write a table: [runtimes.{name}] and below it command = [\"./agent.sh\"]");
                self.refuse(at, &format!("runtimes.{name}"), "this is no table", &help);
            }
        }
    }

    fn runtime(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) {
        let before = self.layer.faults.len();
        let is_service = table.contains_key("service") || ServiceKind::named(name).is_some();
        let form = match () {
            () if table.contains_key("protocol") => RuntimeForm::Acp(self.acp(name, at.clone(), table)),
            () if table.contains_key("command") => RuntimeForm::Command(self.own_command(name, at.clone(), table)),
            () if is_program(name) => RuntimeForm::Program(self.program(name, table)),
            () if is_service => RuntimeForm::Service(self.service(name, at.clone(), table)),
            () => RuntimeForm::Command(self.own_command(name, at.clone(), table)),
        };
        if self.layer.faults.len() == before {
            let origin = self.place.origin(self.source.position(at.start).line);
            let runtime = Runtime { form, folder: self.place.folder.clone(), origin };
            self.layer.runtimes.push((name.to_owned(), runtime));
        }
    }

    fn program(&mut self, name: &str, table: &dyn TableLike) -> ProgramWishes {
        let mut wishes = ProgramWishes::default();
        for (key, item) in table.iter() {
            let path = format!("runtimes.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            match key {
                "program" => wishes.program = self.word(&path, place, item),
                "model" => wishes.model = self.word(&path, place, item),
                "env" => wishes.env = self.variables(&path, place, item),
                "danger" if self.place.is_project => {
                    let help = "write it in your own ~/.config/orch/orch.toml, or run with `--allow-danger`";
                    self.refuse(place, &path, "a project cannot allow work without limits", help);
                }
                "danger" => wishes.danger = self.truth(&path, place, item),
                "home" => match item.as_str() {
                    Some("shared") => wishes.isolated_home = false,
                    Some("isolated") => wishes.isolated_home = true,
                    Some(_) | None => {
                        self.refuse(place, &path, "this home is not known", "write \"shared\" or \"isolated\"");
                    }
                },
                _ => self.unknown(key_span(table, key), &format!("runtimes.{name}"), key),
            }
        }
        wishes
    }

    fn service(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) -> ServiceWishes {
        let mut wishes = ServiceWishes { service: name.to_owned(), ..ServiceWishes::default() };
        for (key, item) in table.iter() {
            let path = format!("runtimes.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            match key {
                "service" => match item.as_str().filter(|word| ServiceKind::named(word).is_some()) {
                    Some(word) => word.clone_into(&mut wishes.service),
                    None => {
                        let names: Vec<_> = SERVICES.iter().map(|kind| format!("\"{}\"", kind.name)).collect();
                        self.refuse(place, &path, "this service is not known", &format!("write {}", names.join(", ")));
                    }
                },
                "base_url" => wishes.base_url = self.word(&path, place, item),
                "key_env" => wishes.key_env = self.word(&path, place, item),
                "model" => wishes.model = self.word(&path, place, item),
                "max_tokens" => match item.as_integer().filter(|count| MAX_TOKENS.contains(count)) {
                    Some(count) => wishes.max_tokens = u32::try_from(count).ok(),
                    None => {
                        let help = format!("write a whole number from {} to {}", MAX_TOKENS.start(), MAX_TOKENS.end());
                        self.refuse(place, &path, "this is no number of tokens", &help);
                    }
                },
                _ => self.unknown(key_span(table, key), "runtimes.openai", key),
            }
        }
        let needs_url = ServiceKind::named(&wishes.service).is_some_and(|kind| kind.base_url.is_empty());
        if needs_url && wishes.base_url.is_none() {
            let help = "add where it is: base_url = \"http://localhost:11434/v1\"";
            self.refuse(at, &format!("runtimes.{name}"), "it has no `base_url`", help);
        }
        wishes
    }

    fn acp(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) -> AcpSettings {
        let mut settings = AcpSettings::default();
        for (key, item) in table.iter() {
            let path = format!("runtimes.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            match key {
                "protocol" if item.as_str() == Some("acp") => {}
                "protocol" => self.refuse(place, &path, "this protocol is not known", "write \"acp\", or leave it out"),
                "command" => settings.command = self.command(&path, place, item),
                "env" => settings.env = self.variables(&path, place, item),
                "model" => settings.model = self.word(&path, place, item),
                "usage" => match item.as_str() {
                    Some("turn") => settings.counts_session = false,
                    Some("session") => settings.counts_session = true,
                    Some(_) | None => {
                        self.refuse(place, &path, "this way to count is not known", "write \"turn\" or \"session\"");
                    }
                },
                "reads_memory" => settings.reads_memory = self.truth(&path, place, item),
                "output" | "sessions" => {
                    let help =
                        "leave it out: the protocol says how the agent answers, and the agent whether it has sessions";
                    self.refuse(place, &path, "an agent that speaks a protocol has no such setting", help);
                }
                _ => self.unknown(key_span(table, key), &format!("runtimes.{name}"), key),
            }
        }
        if !table.contains_key("command") {
            let help = "add the program and its arguments: command = [\"goose\", \"acp\"]";
            self.refuse(at, &format!("runtimes.{name}"), "it has no `command`", help);
        }
        settings
    }

    fn own_command(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) -> CustomSettings {
        let mut settings = CustomSettings {
            command: Vec::new(),
            output: OutputForm::default(),
            env: BTreeMap::new(),
            sessions: false,
            reads_memory: false,
        };
        for (key, item) in table.iter() {
            let path = format!("runtimes.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            match key {
                "command" => settings.command = self.command(&path, place, item),
                "output" => match item.as_str() {
                    Some("text") => settings.output = OutputForm::Text,
                    Some("json") => settings.output = OutputForm::Json,
                    Some(_) | None => self.refuse(place, &path, "this form is not known", "write \"text\" or \"json\""),
                },
                "env" => settings.env = self.variables(&path, place, item),
                "sessions" => settings.sessions = self.truth(&path, place, item),
                "model" | "usage" => {
                    let help =
                        "leave it out, or add protocol = \"acp\" where the command speaks the Agent Client Protocol";
                    self.refuse(place, &path, "a command has no such setting", help);
                }
                "reads_memory" => settings.reads_memory = self.truth(&path, place, item),
                _ => self.unknown(key_span(table, key), &format!("runtimes.{name}"), key),
            }
        }
        if !table.contains_key("command") {
            let help = "add the program and its arguments: command = [\"./agent.sh\"]";
            self.refuse(at, &format!("runtimes.{name}"), "it has no `command`", help);
        }
        settings
    }

    fn truth(&mut self, path: &str, at: Range<usize>, item: &Item) -> bool {
        item.as_bool().unwrap_or_else(|| {
            self.refuse(at, path, "this is neither true nor false", "write true or false");
            false
        })
    }

    pub(super) fn word(&mut self, path: &str, at: Range<usize>, item: &Item) -> Option<String> {
        let word = item.as_str().map(str::trim).filter(|word| !word.is_empty() && !word.contains('\0'));
        if word.is_none() {
            self.refuse(at, path, "this is no text", "write a text in quotes");
        }
        word.map(str::to_owned)
    }

    pub(super) fn command(&mut self, path: &str, at: Range<usize>, item: &Item) -> Vec<String> {
        let help = "write a list of texts: [\"./agent.sh\", \"--fast\"]";
        let Some(list) = item.as_array() else {
            self.refuse(at, path, "this is no list", help);
            return Vec::new();
        };
        let words: Vec<_> = list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
        if words.len() != list.len() || words.first().is_none_or(|program| program.trim().is_empty()) {
            self.refuse(at, path, "this names no program", help);
        }
        words
    }

    pub(super) fn variables(&mut self, path: &str, at: Range<usize>, item: &Item) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        let Some(table) = item.as_table_like() else {
            self.refuse(at, path, "this is no table", "write { NAME = \"value\" }");
            return variables;
        };
        for (name, value) in table.iter() {
            match value.as_str() {
                Some(text) if !name.is_empty() && !name.contains(['=', '\0']) && !text.contains('\0') => {
                    variables.insert(name.to_owned(), text.to_owned());
                }
                Some(_) | None => {
                    let place = value.span().unwrap_or_else(|| key_span(table, name));
                    self.refuse(place, &format!("{path}.{name}"), "this is no variable", "write NAME = \"value\"");
                }
            }
        }
        variables
    }
}
