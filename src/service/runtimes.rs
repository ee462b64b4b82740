//! Which runtimes there are for a project, what each can do, and which one works where nobody names one.
//!
//! A real runtime that nobody has named is never used before a person has said yes once; the yes is kept in the user's
//! own state folder, where no project can write it.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    config::{Environment, ProgramWishes, Runtime, RuntimeForm, ServiceWishes},
    runtime::{
        AcpSettings, Capabilities, CustomSettings, Declared, PROGRAMS, ProgramKind, ProgramSettings, Replay,
        service::{SERVICES, Secret, ServiceKind},
    },
    service::project::Project,
};

/// How long a program may take to say its version.
const VERSION_TIME: Duration = Duration::from_secs(10);
/// The longest version that is shown, in characters.
const VERSION_CHARS_MAX: usize = 80;

/// A program that was found and that nobody has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRuntime {
    /// The runtime's name.
    pub name: String,
    /// Whether the user has said once that it may be used.
    pub is_agreed: bool,
}

/// One runtime, for people.
#[derive(Debug, Clone, Serialize)]
pub struct RuntimeLine {
    /// Its name.
    pub name: String,
    /// `program`, `service`, `command`, `acp` or `replay`.
    pub kind: &'static str,
    /// Whether its program is there, or the key of its service; `replay` always is, `acp` only in a build with it.
    pub is_there: bool,
    /// Where its program is, or what was looked for; for a service its address.
    pub program: String,
    /// What the program says of its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `key NAME`, `login PATH`, or absent where neither was seen; whether it is valid, only a test says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Whether agents that name no runtime run on it.
    pub is_standard: bool,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// All runtimes that steps of the project may name, ready to be started.
pub(super) fn declared(project: &Project) -> Vec<(String, Declared)> {
    let settings = project.settings();
    let own = settings.runtimes.iter().map(|(name, runtime)| {
        let declared = match &runtime.form {
            RuntimeForm::Command(settings) => {
                let command = with_folder(&settings.command, &runtime.folder);
                Declared::Custom(CustomSettings { command, ..settings.clone() })
            }
            RuntimeForm::Acp(settings) => {
                let command = with_folder(&settings.command, &runtime.folder);
                Declared::Acp(AcpSettings { command, ..settings.clone() })
            }
            RuntimeForm::Program(wishes) => known(project, name, wishes, &runtime.folder),
            RuntimeForm::Service(wishes) => service(project.environment(), wishes),
        };
        (name.clone(), declared)
    });
    let known = PROGRAMS.iter().filter(|kind| !settings.runtimes.contains_key(kind.name)).map(|kind| {
        let nothing = ProgramWishes::default();
        (kind.name.to_owned(), known(project, kind.name, &nothing, project.root()))
    });
    let services = SERVICES.iter().filter(|kind| kind.needs_key() && !settings.runtimes.contains_key(kind.name));
    let services = services.map(|kind| {
        let wishes = ServiceWishes { service: kind.name.to_owned(), ..ServiceWishes::default() };
        (kind.name.to_owned(), service(project.environment(), &wishes))
    });
    own.chain(known).chain(services).collect()
}

/// The runtimes for which the user's own settings allow work without limits, and where.
pub(super) fn dangerous(project: &Project) -> std::collections::BTreeMap<String, String> {
    let settings = project.settings();
    let is_said = |runtime: &Runtime| matches!(&runtime.form, RuntimeForm::Program(wishes) if wishes.danger);
    let said = settings.runtimes.iter().filter(|(_, runtime)| is_said(runtime));
    said.map(|(name, runtime)| (name.clone(), runtime.origin.to_string())).collect()
}

/// A command with its program made absolute where it is a relative path.
fn with_folder(command: &[String], folder: &Path) -> Vec<String> {
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut() {
        *program = beside(program, folder);
    }
    command
}

/// A relative program lies beside the file that declares it, which may be the user's.
fn beside(program: &str, folder: &Path) -> String {
    if program.contains('/') && Path::new(program).is_relative() {
        return folder.join(program).to_string_lossy().into_owned();
    }
    program.to_owned()
}

fn known(project: &Project, name: &str, wishes: &ProgramWishes, folder: &Path) -> Declared {
    let kind = PROGRAMS.iter().find(|kind| kind.name == name).expect("the settings know the same names");
    let environment = project.environment();
    let inherited = kind.variables.iter().filter_map(|name| Some(((*name).into(), environment.variable(name)?.into())));
    let own = wishes.env.iter().map(|(name, value)| (name.into(), value.into()));
    let program = wishes.program.as_deref().unwrap_or(kind.binary);
    let settings = ProgramSettings {
        program: beside(program, folder).into(),
        env: inherited.chain(own).collect(),
        model: wishes.model.clone(),
        sizes: kind.sizes,
        isolated_home: wishes.isolated_home,
    };
    Declared::Program(kind, settings)
}

fn service(environment: &Environment, wishes: &ServiceWishes) -> Declared {
    let kind = ServiceKind::named(&wishes.service).expect("the settings know the same names");
    let variable = |name: &str| environment.variable(name).map(|value| value.to_string_lossy().into_owned());
    let mut settings = kind.settings(variable);
    if let Some(url) = &wishes.base_url {
        settings.base_url.clone_from(url);
    }
    if let Some(name) = &wishes.key_env {
        settings.key = variable(name).map(Secret::new);
        settings.key_name.clone_from(name);
    }
    settings.model.clone_from(&wishes.model);
    settings.max_tokens = wishes.max_tokens.unwrap_or(settings.max_tokens);
    Declared::Service(Box::new(settings), kind.needs_key() || wishes.key_env.is_some())
}

/// The runtime that somebody has named for agents that name none: by a setting, or by declaring only one.
pub(super) fn named(project: &Project) -> Option<String> {
    let settings = project.settings();
    let alone = || if settings.runtimes.len() == 1 { settings.runtimes.keys().next() } else { None };
    settings.runtime.as_ref().or_else(alone).cloned()
}

/// The first known program that is there, where nobody has declared any runtime.
pub(super) fn found(project: &Project) -> Option<FoundRuntime> {
    if !project.settings().runtimes.is_empty() {
        return None;
    }
    let environment = project.environment();
    let kind = PROGRAMS.iter().find(|kind| environment.find_program(kind.binary).is_some())?;
    Some(FoundRuntime {
        name: kind.name.to_owned(),
        is_agreed: agreed(environment).iter().any(|name| name == kind.name),
    })
}

fn agreed(environment: &Environment) -> Vec<String> {
    let text = environment.agreed_file().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Keeps that the user lets agents run on a runtime that was found.
///
/// # Errors
/// When it cannot be kept.
pub fn agree(environment: &Environment, name: &str) -> io::Result<()> {
    let Some(path) = environment.agreed_file() else { return Ok(()) };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
    writeln!(file, "{name}")
}

/// All runtimes of a project, the standard one first. With `asks`, known programs on the `PATH` are asked for their version;
/// a program that a project's file names is never started for a list.
#[must_use]
pub fn list_runtimes(project: &Project, asks: bool) -> Vec<RuntimeLine> {
    let standard = named(project).or_else(|| found(project).filter(|found| found.is_agreed).map(|found| found.name));
    let all = declared(project);
    let line = |(name, declared): &(String, Declared)| line(project, name, declared, standard.as_deref(), asks);
    let mut lines: Vec<RuntimeLine> = all.iter().map(line).collect();
    lines.push(RuntimeLine {
        name: Replay::NAME.to_owned(),
        kind: "replay",
        is_there: true,
        program: "built in".to_owned(),
        version: None,
        login: None,
        is_standard: standard.as_deref().is_none_or(|name| name == Replay::NAME),
        capabilities: crate::runtime::Adapter::capabilities(&Replay::default()),
    });
    lines.sort_by_key(|line| (!line.is_standard, !line.is_there));
    lines
}

fn line(project: &Project, name: &str, declared: &Declared, standard: Option<&str>, asks: bool) -> RuntimeLine {
    let wanted = declared.program();
    let path =
        if wanted.contains('/') { Some(PathBuf::from(&wanted)) } else { project.environment().find_program(&wanted) };
    let path = path.filter(|path| nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok());
    let (kind, version, login) = match declared {
        Declared::Custom(_) => ("command", None, None),
        Declared::Acp(_) => ("acp", None, None),
        Declared::Service(settings, _) => {
            ("service", None, settings.key.as_ref().map(|_| format!("key {}", settings.key_name)))
        }
        Declared::Program(kind, settings) => {
            let asked = path.as_ref().filter(|_| asks && !wanted.contains('/'));
            let version = asked.and_then(|path| version(path, &project.environment().child_variables()));
            ("program", version, login(project.environment(), kind, settings))
        }
    };
    RuntimeLine {
        name: name.to_owned(),
        kind,
        is_there: match declared {
            Declared::Service(settings, needs_key) => settings.key.is_some() || !needs_key,
            Declared::Custom(_) | Declared::Acp(_) | Declared::Program(..) => path.is_some(),
        },
        program: match declared {
            Declared::Service(settings, _) => settings.base_url.clone(),
            Declared::Custom(_) | Declared::Acp(_) | Declared::Program(..) => {
                path.map_or(wanted, |path| path.display().to_string())
            }
        },
        version,
        login,
        is_standard: standard == Some(name),
        capabilities: declared.adapter(name, project.root()).capabilities(),
    }
}

/// What a program says to `--version`; its first line.
fn version(program: &Path, env: &[(std::ffi::OsString, std::ffi::OsString)]) -> Option<String> {
    let mut child = Command::new(program)
        .arg("--version")
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let late = Instant::now() + VERSION_TIME;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > late {
            // It is asked again next time.
            drop(child.kill());
            drop(child.wait());
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut text = Vec::new();
    child.stdout.take()?.take(4096).read_to_end(&mut text).ok()?;
    let line = String::from_utf8_lossy(&text).lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
    Some(line.chars().filter(|letter| !letter.is_control()).take(VERSION_CHARS_MAX).collect())
}

/// Where a login was seen: a key in the environment, or a file in the home.
fn login(environment: &Environment, kind: &ProgramKind, settings: &ProgramSettings) -> Option<String> {
    let key = kind.keys.iter().find(|key| settings.env.keys().any(|name| name == **key));
    if let Some(key) = key {
        return Some(format!("key {key}"));
    }
    let home = environment.home()?;
    let file = kind.logins.iter().find(|file| home.join(file).is_file())?;
    Some(format!("login ~/{file}"))
}
