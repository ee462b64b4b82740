//! The settings of a process, typed, with the origin of each value.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use figment::Figment;

use crate::{
    base::{
        Diagnostic, Prices, SandboxMode, Severity, Source, Span,
        codes::use_::{BAD_VALUE, CONTRADICTION, UNKNOWN_RUNTIME},
        did_you_mean,
    },
    config::{
        channels::{self, Channel},
        checks::OwnCheck,
        environment::{Environment, FILE_NAME},
        file,
        form::Setting,
        hooks::Hook,
        keys::{KEYS, Key, variable_name},
        layer::{FilePlace, Flags, Layer},
        log::{self, Log},
        origin::Origin,
        prices,
        runtime::{Runtime, built_in, is_built_in},
    },
    definition::{Choices, MemoryFamily, Server, workflow::OnLimit},
    driver::OnApproval,
    runtime::{Policy, Workers},
};

/// What containers are made from and by.
#[derive(Debug, Clone)]
pub struct Container {
    /// The image.
    pub image: Option<String>,
    /// The engine; `None` where any will do.
    pub engine: Option<String>,
    /// The most memory of one.
    pub memory_bytes: u64,
    /// The most processes in one.
    pub processes: u64,
}

/// Everything that can be set, defaults filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts at once over a whole run, 1 to 100; the cores of the machine where nobody says.
    pub parallel: u32,
    /// The runtime where neither step nor agent names one.
    pub runtime: Option<String>,
    /// Declared runtimes by name.
    pub runtimes: BTreeMap<String, Runtime>,
    /// What happens when a person is asked and nobody is there.
    pub on_approval: OnApproval,
    /// Extra attempts after a transient failure.
    pub retries: u32,
    /// What agents are told that nobody named.
    pub choices: Choices,
    /// How far programs are confined whose step says nothing of it; `None` where that depends on the run.
    pub sandbox: Option<SandboxMode>,
    /// What containers are made from and by.
    pub container: Container,
    /// How much `orch` says about itself.
    pub log_level: LogLevel,
    /// How it says it, and where it is kept.
    pub log: Log,
    /// When the output has colours.
    pub color: ColorChoice,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much may be kept.
    pub limits: Limits,
    /// What a run may spend where its workflow does not say.
    pub budget: Budget,
    /// What models cost.
    pub prices: Prices,
    /// MCP servers by name.
    pub servers: BTreeMap<String, Arc<Server>>,
    /// Where people are told what runs need of them, by name.
    pub channels: BTreeMap<String, Channel>,
    /// Channels of the project that are not used, as the user has one of the same name.
    pub overruled: Vec<Channel>,
    /// What other systems may start, by name.
    pub hooks: BTreeMap<String, Hook>,
    /// What the user has looked at, by name.
    pub checks: BTreeMap<String, OwnCheck>,
    /// How many agents of a runtime work at once.
    pub workers: Workers,
    /// How failures of a runtime's service are met.
    pub resilience: Resilience,
    /// How often things are looked at.
    pub intervals: Intervals,
    /// The work of earlier runs.
    pub cache: Cache,
    origins: BTreeMap<&'static str, (Setting, Origin)>,
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// An agent's attempt.
    pub agent: Duration,
    /// A command step's attempt.
    pub command: Duration,
    /// A command gate.
    pub gate: Duration,
    /// Silence of an attempt.
    pub idle: Duration,
}

/// How much may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes kept of each output stream of an attempt.
    pub output_bytes: u64,
    /// Free bytes on the disk below which nothing new starts.
    pub disk_floor_bytes: u64,
}

/// What a run may spend where its workflow does not say. `None` sets no limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// US dollars.
    pub usd: Option<f64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// Working time.
    pub time: Option<Duration>,
    /// Starts of agents.
    pub agents: u64,
    /// What happens at a limit.
    pub on_limit: OnLimit,
}

/// How the work of earlier runs is kept and taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Whether `cache:` of steps is followed.
    pub is_on: bool,
    /// Whether work is kept on the disk, for other processes.
    pub keeps_files: bool,
    /// Bytes on the disk.
    pub bytes_max: u64,
    /// Bytes in the memory of a process.
    pub memory_bytes: u64,
    /// How long work may be taken where its step does not say.
    pub ttl: Duration,
}

/// How often things are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// Decisions of other processes.
    pub inbox: Duration,
    /// A sign of life where there is no terminal.
    pub heartbeat: Duration,
}

/// How failures of a runtime's service are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resilience {
    /// Failures in a row after which nothing is tried for a while.
    pub failures: u32,
    /// How long.
    pub open: Duration,
    /// How long after a quota is used up, where nobody says when it resets.
    pub probe: Duration,
    /// Starts of one runtime in a minute.
    pub starts: u32,
}

/// How much `orch` says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What is doubtful.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

/// When the output has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` or `CLICOLOR` say otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Settings {
    /// A key's value, as a person would write it, and where it came from; `None` for a key without a value.
    #[must_use]
    pub fn value_of(&self, path: &str) -> Option<(String, &Origin)> {
        self.origins.get(path).map(|(setting, origin)| (setting.words(), origin))
    }

    /// How hard runtimes may be used.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let Resilience { failures, open, probe, starts } = self.resilience;
        Policy { failures, open, probe, starts_per_minute: starts, workers: self.workers.clone() }
    }

    /// Whether anybody has set the key.
    #[must_use]
    pub fn is_set(&self, path: &str) -> bool {
        self.origins.get(path).is_some_and(|(_, origin)| *origin != Origin::Default)
    }

    /// Whether agents can run on a runtime of that name.
    #[must_use]
    pub fn knows_runtime(&self, name: &str) -> bool {
        is_built_in(name) || self.runtimes.contains_key(name)
    }
}

/// Loads the settings of a project.
///
/// # Errors
/// All faults of all layers at once, each with its place.
pub fn load(environment: &Environment, root: &Path, flags: &Flags) -> Result<Settings, Vec<Diagnostic>> {
    let user = environment.user_file().and_then(|path| {
        let folder = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        file::read(&path, &FilePlace { shown: path.clone(), folder, is_project: false })
    });
    let place = FilePlace { shown: FILE_NAME.into(), folder: root.to_path_buf(), is_project: true };
    let project = file::read(&root.join(FILE_NAME), &place);
    let mut layers = vec![Layer::defaults(), prices::built_in()];
    layers.extend(user);
    layers.extend(project);
    layers.push(Layer::environment(environment));
    layers.push(Layer::flags(flags));
    let mut faults: Vec<_> = layers.iter().flat_map(|layer| layer.faults.iter().cloned()).collect();
    let settings = merge(&layers, environment);
    check(&settings, &layers, &mut faults);
    if faults.iter().any(|fault| fault.severity == Severity::Error) { Err(faults) } else { Ok(settings) }
}

fn merge(layers: &[Layer], environment: &Environment) -> Settings {
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
    let mut origins = BTreeMap::new();
    for Key { path, .. } in KEYS {
        // The layer that figment took the value from is known by its name; the entry there has the place.
        let name = figment.find_metadata(path).map(|metadata| metadata.name.as_ref());
        let layer = layers.iter().rev().find(|layer| Some(layer.name.as_str()) == name);
        if let Some(entry) = layer.and_then(|layer| layer.entry(path)) {
            origins.insert(*path, (entry.setting.clone(), entry.origin.clone()));
        }
    }
    let values = Values(&origins);
    let (channels, overruled) = channels::merged(layers);
    let cores = environment.cores().clamp(1, 100);
    Settings {
        parallel: values.count("parallel").map_or(cores, narrow),
        runtime: values.word("runtime").map(str::to_owned),
        runtimes: layers.iter().flat_map(|layer| &layer.runtimes).cloned().collect(),
        on_approval: match values.word("on_approval") {
            Some("fail") => OnApproval::Fail,
            Some("approve") => OnApproval::Approve,
            Some(_) | None => OnApproval::Wait,
        },
        retries: values.count("retries").map_or(2, narrow),
        choices: Choices {
            activates_skills: values.word("skills") != Some("named"),
            memory: families(values.word("memory").unwrap_or_default()),
        },
        sandbox: values.word("sandbox").and_then(SandboxMode::of),
        container: container(&values),
        log_level: log_level(values.word("log_level")),
        log: Log::of(&values),
        color: match values.word("color") {
            Some("always") => ColorChoice::Always,
            Some("never") => ColorChoice::Never,
            Some(_) | None => ColorChoice::Auto,
        },
        timeouts: Timeouts {
            agent: values.duration("timeouts.agent"),
            command: values.duration("timeouts.command"),
            gate: values.duration("timeouts.gate"),
            idle: values.duration("timeouts.idle"),
        },
        limits: Limits {
            output_bytes: values.count("limits.output").unwrap_or_default(),
            disk_floor_bytes: values.count("limits.disk_floor").unwrap_or_default(),
        },
        budget: Budget {
            usd: values.money("budget.usd"),
            tokens: values.count("budget.tokens"),
            time: values.maybe_duration("budget.time"),
            agents: values.count("budget.agents").unwrap_or(crate::plan::defaults::AGENTS_MAX),
            on_limit: if values.word("budget.on_limit") == Some("stop") { OnLimit::Stop } else { OnLimit::Pause },
        },
        prices: prices::merged(layers),
        servers: servers(layers),
        channels,
        overruled,
        checks: layers.iter().flat_map(|layer| &layer.checks).map(|one| (one.name.clone(), one.clone())).collect(),
        hooks: layers.iter().flat_map(|layer| &layer.hooks).map(|hook| (hook.name.clone(), hook.clone())).collect(),
        workers: workers(&values),
        resilience: resilience(&values),
        intervals: Intervals {
            inbox: values.duration("intervals.inbox"),
            heartbeat: values.duration("intervals.heartbeat"),
        },
        cache: cache(&values),
        origins,
    }
}

fn servers(layers: &[Layer]) -> BTreeMap<String, Arc<Server>> {
    let servers = layers.iter().flat_map(|layer| &layer.servers);
    servers.map(|server| (server.name.clone(), Arc::new(server.clone()))).collect()
}

fn cache(values: &Values<'_>) -> Cache {
    Cache {
        is_on: values.word("cache.steps") != Some("off"),
        keeps_files: values.word("cache.files") != Some("off"),
        bytes_max: values.count("cache.size").unwrap_or_default(),
        memory_bytes: values.count("cache.memory").unwrap_or_default(),
        ttl: values.duration("cache.ttl"),
    }
}

fn workers(values: &Values<'_>) -> Workers {
    let most = values.number("workers.most");
    let is_default = values.0.get("workers.most").is_none_or(|(_, origin)| *origin == Origin::Default);
    Workers {
        start: values.number("workers.start"),
        // Who wants so many attempts at once wants no fewer agents.
        most: if is_default { most.max(values.number("parallel")) } else { most },
        queue: values.number("workers.queue"),
        load: f64::from(values.number("workers.load")),
        memory_bytes: values.count("workers.memory").unwrap_or_default(),
    }
}

fn resilience(values: &Values<'_>) -> Resilience {
    Resilience {
        failures: values.number("resilience.failures"),
        open: values.duration("resilience.open"),
        probe: values.duration("resilience.probe"),
        starts: values.number("resilience.starts"),
    }
}

/// The merged values by their type. A key always has the type that its form reads.
pub(super) struct Values<'a>(&'a BTreeMap<&'static str, (Setting, Origin)>);

impl Values<'_> {
    pub fn count(&self, path: &str) -> Option<u64> {
        match self.0.get(path) {
            Some((Setting::Count(count), _)) => Some(*count),
            Some(_) | None => None,
        }
    }

    pub fn number(&self, path: &str) -> u32 {
        self.count(path).map_or(0, narrow)
    }

    fn money(&self, path: &str) -> Option<f64> {
        match self.0.get(path) {
            Some((Setting::Money(amount), _)) => Some(*amount),
            Some(_) | None => None,
        }
    }

    pub fn word(&self, path: &str) -> Option<&str> {
        match self.0.get(path) {
            Some((Setting::Word(word), _)) => Some(word),
            Some(_) | None => None,
        }
    }

    fn maybe_duration(&self, path: &str) -> Option<Duration> {
        match self.0.get(path) {
            Some((Setting::Duration(duration), _)) => Some(*duration),
            Some(_) | None => None,
        }
    }

    pub fn duration(&self, path: &str) -> Duration {
        self.maybe_duration(path).expect("the table gives this duration a default")
    }
}

fn container(values: &Values) -> Container {
    Container {
        image: values.word("container.image").map(str::to_owned),
        engine: values.word("container.engine").filter(|word| *word != "auto").map(str::to_owned),
        memory_bytes: values.count("container.memory").unwrap_or_default(),
        processes: values.count("container.processes").unwrap_or_default(),
    }
}

/// The families that a list of file names means.
fn families(names: &str) -> Vec<MemoryFamily> {
    let family = |name: &str| MemoryFamily::ALL.into_iter().find(|family| family.file() == name);
    names.split(',').filter_map(family).collect()
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn log_level(word: Option<&str>) -> LogLevel {
    match word {
        Some("off") => LogLevel::Off,
        Some("error") => LogLevel::Error,
        Some("info") => LogLevel::Info,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        Some(_) | None => LogLevel::Warn,
    }
}

/// Rules that join keys. They look at merged values, so the fault points at the nearest layer that takes part.
fn check(settings: &Settings, layers: &[Layer], faults: &mut Vec<Diagnostic>) {
    if let Some(name) = &settings.runtime
        && !settings.knows_runtime(name)
    {
        let declared = settings.runtimes.keys().map(String::as_str);
        let known: Vec<&str> = declared.chain(built_in().map(|name| -> &str { name })).collect();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                format!("declare it: [runtimes.{name}] with command = [\"./agent.sh\"]; known: {}", known.join(", "))
            }
        };
        let (source, span) = place_of(layers, "runtime");
        let fault = Diagnostic::error(UNKNOWN_RUNTIME, &source, span, format!("there is no runtime `{name}`"));
        faults.push(fault.cause("no [runtimes] table has this name").help(help));
    }
    let all = layers.iter().flat_map(|layer| &layer.entries);
    for entry in all.filter(|entry| log::KEPT.contains(&entry.path) && matches!(entry.origin, Origin::Project { .. })) {
        // A repository that is only looked at must not have files written, or taken away, as it likes.
        let message = format!("a project may not say `{}`", entry.path);
        let fault = Diagnostic::error(BAD_VALUE, &entry.source, entry.span, message);
        let cause = "where your log is written and how much of it is kept is not for a repository to say";
        let variable = variable_name(entry.path);
        let help = format!("write it into your own ~/.config/orch/orch.toml, or set {variable}");
        faults.push(fault.cause(cause).help(help));
    }
    let timeouts = &settings.timeouts;
    for (path, longest) in [("timeouts.agent", timeouts.agent), ("timeouts.command", timeouts.command)] {
        // A default may be overtaken by a shorter timeout without a word; two things that people wrote may not.
        if settings.is_set(path) && settings.is_set("timeouts.idle") && timeouts.idle > longest {
            let (source, span) = place_of(layers, "timeouts.idle");
            let message = format!("`timeouts.idle` is longer than `{path}`");
            let fault = Diagnostic::error(CONTRADICTION, &source, span, message);
            faults.push(fault.cause("it could never be reached").help(format!("make it shorter, or `{path}` longer")));
        }
    }
    if settings.is_set("budget.time")
        && settings.budget.time.is_some_and(|time| time < timeouts.idle)
        && settings.is_set("timeouts.idle")
    {
        let (source, span) = place_of(layers, "budget.time");
        let fault = Diagnostic::error(CONTRADICTION, &source, span, "`budget.time` is shorter than `timeouts.idle`");
        faults
            .push(fault.cause("one silent attempt would use it up").help("make it longer, or `timeouts.idle` shorter"));
    }
}

fn place_of(layers: &[Layer], path: &str) -> (Arc<Source>, Span) {
    layers
        .iter()
        .rev()
        .find_map(|layer| layer.entry(path))
        .map_or_else(|| (Source::new("settings", ""), Span::default()), |entry| (entry.source.clone(), entry.span))
}
