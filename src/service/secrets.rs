//! The values of the secrets that a plan names, and what takes them out of everything that is kept.
//!
//! Invariant: a value is in no plan, no journal and no file. It is read by whoever is about to own a run, and by every
//! later owner anew.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::Read,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use nix::fcntl::OFlag;
use serde_json::{Map, Value};

use crate::{
    config::Environment,
    definition::SecretSource,
    guard::{Redactor, SECRET_BYTES_MIN, Secret},
    plan::Plan,
    service::{project::user_id, refusal::Refusal, runs::Runs},
};

/// The longest value, in bytes: a key of 16,384 bits has 13,000.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// How long a program may take that prints a value: a person may have to unlock its store.
const COMMAND_TIME: Duration = Duration::from_secs(120);
/// What programs that open stores of secrets need beyond what every child sees.
const STORE_VARIABLES: &[&str] = &[
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_DIR",
];

/// Where values are looked for. The default is for tests of a workflow: every secret has a value that is none.
#[derive(Debug, Clone, Default)]
pub struct SecretValues {
    place: Option<(PathBuf, Environment)>,
}

/// The values of one run.
#[derive(Debug, Clone)]
pub struct RunSecrets {
    /// In the plan's order.
    pub(super) values: Arc<[Secret]>,
    /// Takes these out, and what the machine itself knows.
    pub(super) redactor: Redactor,
}

/// A value, or why there is none.
struct Fault {
    kind: Kind,
    text: String,
}

/// The kinds; where there is more than one, the first gives the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Missing,
    Open,
    Short,
}

impl SecretValues {
    /// In the environment of this process, in files, and in what programs print.
    pub(super) fn of_project(root: &Path, environment: &Environment) -> Self {
        Self { place: Some((root.to_owned(), environment.clone())) }
    }

    /// The values of a plan, and `machine` with them.
    ///
    /// # Errors
    /// All values that are not there or are open to others, at once; exit 43.
    pub(super) fn of(&self, plan: &Plan, machine: &Redactor) -> Result<RunSecrets, Refusal> {
        let mut values = Vec::new();
        let mut faults: Vec<Fault> = Vec::new();
        for secret in &plan.secrets {
            let found = match &self.place {
                None => Ok(Secret::new(format!("no-value-of-{}", secret.name))),
                Some((root, environment)) => read(&secret.name, &secret.source, root, environment),
            };
            match found {
                Ok(value) => values.push(value),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(refused(&faults));
        }
        let named = plan.secrets.iter().zip(&values);
        let redactor = machine.knowing(named.map(|(secret, value)| (secret.name.clone(), value.reveal().to_owned())));
        Ok(RunSecrets { values: values.into(), redactor })
    }
}

impl Runs {
    /// The values of a plan's secrets, read now.
    pub(super) fn secrets(&self, plan: &Plan) -> Result<RunSecrets, Refusal> {
        self.settings.secrets.of(plan, &self.settings.machine)
    }
}

impl RunSecrets {
    /// Lets a run begin whose inputs and whose plan hold no value: both are written down.
    ///
    /// # Errors
    /// With exit 2, naming where.
    pub(super) fn check(&self, plan: &Plan, inputs: &Map<String, Value>) -> Result<(), Refusal> {
        let known = self.redactor.values_only();
        let told = |name: &String, value: &Value| {
            let clean = known.value(value);
            if clean != *value {
                return Some(format!("the input `{name}` holds {}", named(&clean)));
            }
            (self.redactor.value(value) != *value).then(|| format!("the input `{name}` looks like a key"))
        };
        let mut faults: Vec<String> = inputs.iter().filter_map(|(name, value)| told(name, value)).collect();
        for step in &plan.steps {
            let text = serde_json::to_value(step).unwrap_or_default();
            let clean = known.value(&text);
            if clean != text {
                faults.push(format!("the definition of the step `{}` holds {}", step.path, named(&clean)));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let help = "what a definition says and what a run is given is kept; declare it: `secrets: { NAME: { env: VARIABLE } }`, and \
                    `secrets: [NAME]` on the step whose command needs it";
        Err(Refusal::new(2, "E0352", faults.join("; "), help))
    }
}

/// Which secret was taken out of a value.
fn named(clean: &Value) -> String {
    let text = clean.to_string();
    let name =
        text.split_once("[redacted:").and_then(|(_, rest)| rest.split_once(']')).map(|(name, _)| name.to_owned());
    name.map_or_else(|| "a secret".to_owned(), |name| format!("the value of the secret `{name}`"))
}

fn refused(faults: &[Fault]) -> Refusal {
    let texts: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
    let text = texts.join("; ");
    match faults.iter().map(|fault| fault.kind).min() {
        Some(Kind::Open) => Refusal::new(43, "E0351", text, "let nobody else read it: `chmod 600 FILE`"),
        Some(Kind::Short) => {
            let help = "take a longer one; a word that stands in ordinary texts cannot be kept out of them";
            Refusal::new(43, "E0353", text, help)
        }
        Some(Kind::Missing) | None => {
            let help = "put the value where the definition says it is, then run again; nothing was started";
            Refusal::new(43, "E0350", text, help)
        }
    }
}

/// The value at a place that settings name.
///
/// # Errors
/// Why there is none, in words.
pub(super) fn secret_value(
    name: &str,
    source: &SecretSource,
    root: &Path,
    environment: &Environment,
) -> Result<Secret, String> {
    read(name, source, root, environment).map_err(|fault| fault.text)
}

fn read(name: &str, source: &SecretSource, root: &Path, environment: &Environment) -> Result<Secret, Fault> {
    let missing = |why: String| Fault { kind: Kind::Missing, text: format!("the secret `{name}` is not there: {why}") };
    let text = match source {
        SecretSource::Env(variable) => {
            let value = environment.variable(variable);
            let value = value.ok_or_else(|| missing(format!("the variable `{variable}` is not set")))?;
            value.to_str().ok_or_else(|| missing(format!("the variable `{variable}` is no text")))?.to_owned()
        }
        SecretSource::File(path) => file(name, path, root, environment)?,
        SecretSource::Command(words) => {
            let shown = words.first().map(String::as_str).unwrap_or_default();
            printed(words, root, environment).map_err(|why| missing(format!("the command `{shown}` {why}")))?
        }
    };
    let value = text.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(missing("its value is empty".to_owned()));
    }
    if value.contains('\0') {
        return Err(missing("its value holds a character that no environment can hold".to_owned()));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(missing(format!("its value is longer than {} KB", VALUE_BYTES_MAX / 1024)));
    }
    if value.trim().len() < SECRET_BYTES_MIN {
        let text = format!("the secret `{name}` is shorter than {SECRET_BYTES_MIN} bytes");
        return Err(Fault { kind: Kind::Short, text });
    }
    Ok(Secret::new(value.to_owned()))
}

fn file(name: &str, path: &str, root: &Path, environment: &Environment) -> Result<String, Fault> {
    let missing = |why: String| Fault { kind: Kind::Missing, text: format!("the secret `{name}` is not there: {why}") };
    let full = match path.strip_prefix("~/") {
        Some(rest) => environment.home().ok_or_else(|| missing("there is no home folder".to_owned()))?.join(rest),
        None => root.join(path),
    };
    let cannot = |error: std::io::Error| missing(format!("the file {path}: {error}"));
    // A pipe must not be waited for.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&full).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    if !about.is_file() {
        return Err(missing(format!("{path} is no file")));
    }
    let mode = about.permissions().mode() & 0o777;
    // What is root's own is mounted for this process, and its mode says who may read it there.
    let is_other = about.uid() != user_id() && about.uid() != 0;
    if mode & 0o077 != 0 || is_other {
        let why = if is_other { "it belongs to somebody else".to_owned() } else { format!("its mode is {mode:o}") };
        return Err(Fault {
            kind: Kind::Open,
            text: format!("others may read the file {path} of the secret `{name}`: {why}"),
        });
    }
    let mut bytes = Vec::new();
    file.take(VALUE_BYTES_MAX as u64 + 64).read_to_end(&mut bytes).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|_| missing(format!("the file {path} is no text")))
}

/// What a program prints on its standard output. What it complains about is shown to nobody: it may hold the value.
fn printed(words: &[String], root: &Path, environment: &Environment) -> Result<String, String> {
    let [program, arguments @ ..] = words else { return Err("is empty".to_owned()) };
    let own =
        STORE_VARIABLES.iter().filter_map(|name| Some((OsString::from(name), environment.variable(name)?.to_owned())));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root).env_clear().envs(environment.child_variables()).envs(own);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let Some(output) = child.stdout.take() else { return Err("has no output".to_owned()) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(VALUE_BYTES_MAX as u64 + 64).read_to_end(&mut bytes);
        drop(sender.send(read.map(|_| bytes)));
    });
    let read = receiver.recv_timeout(COMMAND_TIME);
    if !matches!(read, Ok(Ok(_))) {
        drop(child.kill());
    }
    let status = child.wait().map_err(|error| format!("cannot be waited for: {error}"))?;
    let bytes = match read {
        Ok(read) => read.map_err(|error| format!("cannot be read: {error}"))?,
        Err(_) => return Err(format!("has printed nothing for {} seconds", COMMAND_TIME.as_secs())),
    };
    if !status.success() {
        return Err(format!("has failed: {status}"));
    }
    String::from_utf8(bytes).map_err(|_| "has printed no text".to_owned())
}
