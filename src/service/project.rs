//! A project as a command sees it: its root, its settings, and its definitions where they are asked for.
//!
//! Invariant: opening reads the settings only; definitions are read on first use, so that commands which need none
//! stay quick.

use std::{
    cell::{OnceCell, RefCell},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::{self, Environment, Flags, Settings},
    definition::{
        Library,
        load::{Loader, Watched, load_memory, load_servers, project_root},
    },
    guard::Redactor,
    plan::PlanSandbox,
    service::{
        cached::CacheSettings, container::ContainerWish, danger::Danger, fault::Fault, filling, given::of_process,
        guards::Guards, nested, notices::Notices, refusal::Refusal, run_settings::RunSettings, runtimes,
        sandbox::SandboxWish, secrets::SecretValues, servers::ServerValues, state::check_state, taping, traces::Traces,
        trust::TrustGate,
    },
};

/// How the root is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The nearest folder upwards that looks like a project.
    Search,
    /// The folder itself, which is made where it is not there.
    Make,
}

/// An open project.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    settings: Settings,
    environment: Environment,
    loader: RefCell<Loader>,
    library: OnceCell<Library>,
}

impl Project {
    /// Opens the project at or around `start`.
    ///
    /// # Errors
    /// When the folder is not there or cannot be made; all faults of the settings at once.
    pub fn open(start: &Path, opening: Opening, environment: &Environment, flags: &Flags) -> Result<Self, Fault> {
        let start = environment.folder().join(start);
        let root = match opening {
            Opening::Search => {
                if !start.is_dir() {
                    let message = format!("there is no folder {}", start.display());
                    return Err(Refusal::new(11, "E0519", message, "correct the path after `-C`").into());
                }
                project_root(&start)
            }
            Opening::Make => {
                let made = std::fs::create_dir_all(&start).and_then(|()| start.canonicalize());
                made.map_err(|error| {
                    let message = format!("the folder {} cannot be made: {error}", start.display());
                    Refusal::new(1, "E0517", message, "correct the path after `-C`, or its permissions").retryable()
                })?
            }
        };
        check_state(&root)?;
        let settings = config::load(environment, &root, flags).map_err(Fault::Diagnosed)?;
        let loader = Loader::new(&root).user(environment.user_folders()).threads(environment.cores());
        let loader = RefCell::new(loader);
        Ok(Self { root, settings, environment: environment.clone(), loader, library: OnceCell::new() })
    }

    /// The root folder, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the process was given.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// All definitions, read now if nobody has asked before. What their files leave open, the settings fill in.
    #[must_use]
    pub fn library(&self) -> &Library {
        self.library.get_or_init(|| {
            let mut library = self.loader.borrow_mut().load();
            filling::fill_library(&self.settings, &mut library);
            library.choices = self.settings.choices.clone();
            library.servers = load_servers(&self.root);
            library.servers.extend(self.settings.servers.iter().map(|(name, one)| (name.clone(), Arc::clone(one))));
            library.memory = load_memory(&self.root, self.environment.home().as_deref());
            library
        })
    }

    /// Takes secrets of this machine and of the settings out of what `orch` says about itself.
    #[must_use]
    pub fn log_redactor(&self) -> Redactor {
        taping::machine(self)
    }

    /// Forgets the definitions, so that the next look reads them again: only files that have changed are opened.
    pub fn reload(&mut self) {
        self.library = OnceCell::new();
    }

    /// Puts a text in the place of what a file of the project holds, or takes it away again, and reloads.
    pub fn overlay(&mut self, path: PathBuf, text: Option<Arc<str>>) {
        self.loader.get_mut().overlay(path, text);
        self.reload();
    }

    /// The folders that definitions were found in, to be watched.
    #[must_use]
    pub fn definition_folders(&self) -> Vec<PathBuf> {
        let _ = self.library();
        self.loader.borrow().folders().to_vec()
    }

    /// Everything on the disk that the definitions depend on, whether it is there or not.
    #[must_use]
    pub fn watched(&self) -> Watched {
        let _ = self.library();
        self.loader.borrow().watched().clone()
    }

    /// How the step cache is used.
    #[must_use]
    pub fn cache_settings(&self) -> CacheSettings {
        let cache = &self.settings.cache;
        CacheSettings {
            is_on: cache.is_on,
            keeps_files: cache.keeps_files,
            bytes_max: cache.bytes_max,
            memory_bytes: cache.memory_bytes,
            ttl_ms: u64::try_from(cache.ttl.as_millis()).unwrap_or(u64::MAX),
            seal_file: self.environment.seal_file(),
        }
    }

    /// What runs need to know; `program` is this program's own file.
    #[must_use]
    pub fn run_settings(&self, program: PathBuf) -> RunSettings {
        let machine = taping::machine(self);
        let who = ["USER", "LOGNAME"].iter().find_map(|name| self.environment.variable(name));
        RunSettings {
            parallel: self.settings.parallel,
            runtime: runtimes::named(self),
            found: runtimes::found(self),
            runtimes: runtimes::declared(self),
            env: self.environment.child_variables(),
            stream_bytes_max: self.settings.limits.output_bytes,
            disk_floor_bytes: self.settings.limits.disk_floor_bytes,
            who: who.map_or_else(
                || format!("user {}", rustix::process::getuid().as_raw()),
                |who| who.to_string_lossy().into_owned(),
            ),
            inbox: self.settings.intervals.inbox,
            heartbeat: self.settings.intervals.heartbeat,
            chain: nested::chain(self.environment.variable(nested::VARIABLE)),
            prices: Arc::new(self.settings.prices.clone()),
            policy: self.settings.policy(),
            resilience: of_process(&self.environment),
            cache: self.cache_settings(),
            traces: Traces::of(&self.environment),
            trace_parent: config::trace_parent(&self.environment),
            danger: Danger { is_allowed: false, runtimes: runtimes::dangerous(self) },
            sandbox: SandboxWish {
                modes: self.settings.sandbox.map(|standard| PlanSandbox { standard, ..PlanSandbox::default() }),
                own: self.environment.state_folder().into_iter().collect(),
                container: ContainerWish {
                    engine: self.settings.container.engine.clone(),
                    image: self.settings.container.image.clone(),
                    memory_bytes: self.settings.container.memory_bytes,
                    processes: self.settings.container.processes,
                    ..ContainerWish::default()
                }
                .on(&self.environment),
            },
            notices: Notices::of(self, &machine, &program),
            program,
            redactor: Arc::new(taping::redactor(self)),
            machine,
            secrets: SecretValues::of_project(&self.root, &self.environment),
            trust: TrustGate { folder: self.environment.trust_folder(), allowed: Vec::new(), guards: Guards::of(self) },
            servers: ServerValues::of_project(&self.root, &self.environment),
        }
    }
}

/// Whether this process may do everything on this machine.
pub(super) fn is_root() -> bool {
    user_id() == 0
}

/// The number of the user that this process works as.
pub(super) fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}
