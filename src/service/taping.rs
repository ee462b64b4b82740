//! `orch run --record`: where a recording goes, what is taken out of it, and how it is put together when the run ends.
//!
//! Turns are kept in the run's folder as soon as they end, so that a run which parks or is killed is recorded by whoever
//! goes on with it. The recording itself is written once, whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    base::{Digest, RunId},
    config::{Environment, RuntimeForm},
    definition::SecretSource,
    driver::{Loaded, status_word},
    execute::Taper,
    guard::{Redactor, write_whole},
    plan::Plan,
    runtime::{Tape, TapeFault, TapeHead, TapedTurn},
    service::{owned::Owned, project::Project, refusal::Refusal, runs::Runs, secrets::RunSecrets},
};

/// Where the turns of a run are kept, in its folder.
const FOLDER: &str = "recording";
/// What is to become of them, in that folder.
const TARGET: &str = "target.json";
/// Parts of a variable's name that say that its value is a secret.
const SECRET_WORDS: &[&str] = &[
    "KEY",
    "APIKEY",
    "TOKEN",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "CREDENTIAL",
    "CREDENTIALS",
];

/// Where a run is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTarget {
    /// The file.
    path: PathBuf,
    /// Whether it may take the place of another one.
    force: bool,
    /// The digest of what this run has written there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written: Option<Digest>,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The file, relative to the project where it lies there.
    pub path: PathBuf,
    /// Turns in it; `None` while the run waits and nothing is written yet.
    pub turns: Option<usize>,
    /// What it does not hold, or what may not be as it was.
    pub doubts: Vec<String>,
    /// The words that replay it, or what must be done before it can be.
    pub replay: String,
}

impl RecordTarget {
    /// The file that a word names: a name, a path of a file or a folder, or nothing for the workflow's own name.
    ///
    /// # Errors
    /// When there is a file, and it may not be replaced.
    pub fn named(project: &Project, plan: &Plan, word: &str, force: bool) -> Result<Self, Refusal> {
        let root = project.root();
        let beside = root.join(&plan.folder);
        // What is shipped or lies in the user's own folder is recorded in the project.
        let beside = if beside.is_dir() && beside.starts_with(root) { beside } else { root.join("workflows") };
        let own = format!("{}.yaml", plan.name.replace(['/', ' '], "-"));
        let near = project.environment().folder().join(word);
        let path = match word {
            "" => beside.join("recordings").join(own),
            word if word.ends_with('/') || (word.contains('/') && near.is_dir()) => near.join(own),
            word if word.contains('/') || word.ends_with(".yaml") => near,
            word => beside.join("recordings").join(format!("{word}.yaml")),
        };
        if path.exists() && !force {
            let message = format!("the recording {} is there already", path.display());
            return Err(Refusal::new(2, "E0330", message, "give another name, or `--force` to replace it"));
        }
        Ok(Self { path, force, written: None })
    }
}

/// What no recording may hold: secrets of the environment and of the settings, folders and the name of this machine.
pub(super) fn redactor(project: &Project) -> Redactor {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let redactor = Redactor::new(named(project)).host(host.trim()).folder(&project.root().to_string_lossy(), ".");
    with_home(redactor, project.environment())
}

/// What nothing that is kept may hold. Of what nobody has declared, only values that stand in no text by chance.
pub(super) fn machine(project: &Project) -> Redactor {
    Redactor::new(named(project).into_iter().filter(|(_, value)| is_telling(value)))
}

/// Whether a value is no word of ordinary texts.
fn is_telling(value: &str) -> bool {
    let kinds = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit];
    let kinds = kinds.iter().filter(|kind| value.bytes().any(|byte| kind(&byte))).count();
    value.len() >= 20 || (value.len() >= 10 && kinds >= 2)
}

/// Secrets by their names, of the environment and of the settings.
fn named(project: &Project) -> Vec<(String, String)> {
    let environment = project.environment();
    let mut named: Vec<(String, String)> = environment
        .variables()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let mut keys = Vec::new();
    for runtime in project.settings().runtimes.values() {
        match &runtime.form {
            RuntimeForm::Command(settings) => named.extend(settings.env.clone()),
            RuntimeForm::Acp(settings) => named.extend(settings.env.clone()),
            RuntimeForm::Program(wishes) => named.extend(wishes.env.clone()),
            RuntimeForm::Service(wishes) => keys.extend(wishes.key_env.clone()),
        }
    }
    for source in project.settings().channels.values().flat_map(|channel| channel.via.secrets()) {
        if let SecretSource::Env(name) = source {
            keys.push(name.clone());
        }
    }
    for hook in project.settings().hooks.values() {
        if let SecretSource::Env(name) = &hook.secret {
            keys.push(name.clone());
        }
    }
    // A path is where something lies, not what is secret: `SSH_KEY=/home/…`.
    let is_value = |value: &str| !value.starts_with('/');
    named.retain(|(name, value)| keys.contains(name) || (is_secret(name) && is_value(value)));
    named
}

fn with_home(redactor: Redactor, environment: &Environment) -> Redactor {
    match environment.home() {
        Some(home) => redactor.folder(&home.to_string_lossy(), "~"),
        None => redactor,
    }
}

/// Whether a variable of this name holds a secret.
fn is_secret(name: &str) -> bool {
    name.to_uppercase().split('_').any(|word| SECRET_WORDS.contains(&word))
}

impl Runs {
    /// Records a run from its first attempt on.
    ///
    /// # Errors
    /// When the run's folder cannot be written.
    pub fn record(&self, owned: &Owned, target: &RecordTarget) -> Result<(), Refusal> {
        let folder = self.folder(owned.run())?.join(FOLDER);
        let made = fs::create_dir_all(&folder).and_then(|()| write_target(&folder, target));
        made.map_err(|error| cannot(&folder, &error))
    }

    /// What records a run, where somebody has asked for it.
    pub(super) fn taper(&self, run: &RunId, plan: &Plan, secrets: &RunSecrets) -> Result<Option<Arc<Taper>>, Refusal> {
        let folder = self.folder(run)?.join(FOLDER);
        if !folder.join(TARGET).is_file() {
            return Ok(None);
        }
        let values = plan.secrets.iter().zip(secrets.values.iter());
        let values = values.map(|(secret, value)| (secret.name.clone(), value.reveal().to_owned()));
        let redactor = Arc::new(self.settings.redactor.knowing(values));
        let taper = Taper::new(folder.clone(), redactor).map_err(|error| cannot(&folder, &error))?;
        Ok(Some(Arc::new(taper)))
    }

    /// Writes the recording of a run that has ended; of one that waits it says where it will be. `None` where nobody has
    /// asked for a recording.
    ///
    /// # Errors
    /// When it cannot be written, or somebody else has made a file of that name meanwhile.
    pub fn recorded(&self, run: &RunId) -> Result<Option<Recorded>, Refusal> {
        let folder = self.folder(run)?.join(FOLDER);
        let Ok(text) = fs::read(folder.join(TARGET)) else { return Ok(None) };
        let mut target: RecordTarget =
            serde_json::from_slice(&text).map_err(|error| cannot(&folder.join(TARGET), &error))?;
        let loaded = self.load(run, |_, _, _| {})?;
        let inputs = loaded.scheduler.inputs().cloned().unwrap_or_default();
        let shown = target.path.strip_prefix(&self.root).unwrap_or(&target.path).to_owned();
        let Some(end) = loaded.scheduler.ended() else {
            let replay = format!("the recording goes on with `orch resume {run}`");
            return Ok(Some(Recorded { path: shown, turns: None, doubts: Vec::new(), replay }));
        };
        let taped = turns(&folder)?;
        let note = format!("Recorded from a run that has {}.", status_word(end.settled));
        let head = TapeHead { workflow: loaded.scheduler.plan().name.clone(), inputs: inputs.clone(), note };
        let missing = missing(&loaded, &taped);
        let tape = Tape::of(head, taped, missing, &self.settings.redactor).map_err(|fault| unusable(&shown, &fault))?;
        target.put(&tape.text).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let message = format!("{} was made by somebody else while the run was recorded", shown.display());
                let help = format!("move it away; its turns are kept, and `orch resume {run}` writes them");
                Refusal::new(2, "E0330", message, help)
            }
            _ => cannot(&target.path, &error),
        })?;
        write_target(&folder, &target).map_err(|error| cannot(&folder, &error))?;
        let replay = replay_words(&self.root, &loaded, &target.path, &inputs);
        Ok(Some(Recorded { path: shown, turns: Some(tape.turns), doubts: tape.doubts, replay }))
    }
}

impl RecordTarget {
    /// Writes the recording; never over a file that this run did not write, unless that was allowed.
    fn put(&mut self, text: &str) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        if !self.force
            && let Ok(there) = fs::read(&self.path)
            && Some(Digest::of(&there)) != self.written
        {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        write_whole(&self.path, text.as_bytes())?;
        self.written = Some(Digest::of(text.as_bytes()));
        Ok(())
    }
}

fn write_target(folder: &Path, target: &RecordTarget) -> io::Result<()> {
    write_whole(&folder.join(TARGET), &serde_json::to_vec(target)?)
}

/// The turns that were kept, in the order in which they ended.
fn turns(folder: &Path) -> Result<Vec<TapedTurn>, Refusal> {
    let entries = fs::read_dir(folder).map_err(|error| cannot(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let is_number = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.parse::<u64>().is_ok());
        is_number && path.extension().is_some_and(|ending| ending == "json")
    });
    paths.sort();
    let read = |path: &PathBuf| {
        let bytes = fs::read(path).map_err(|error| cannot(path, &error))?;
        TapedTurn::parse(&path.display().to_string(), &bytes).map_err(|fault| unusable(path, &fault))
    };
    paths.iter().map(read).collect()
}

/// The turns that the journal knows and nobody has kept.
fn missing(loaded: &Loaded, taped: &[TapedTurn]) -> Vec<String> {
    let mut missing = Vec::new();
    for (step, returned) in loaded.scheduler.returned() {
        for attempt in 1..=returned {
            if !taped.iter().any(|turn| turn.is_of(step.as_str(), attempt)) {
                missing.push(format!("step `{step}`, attempt {attempt} was not recorded"));
            }
        }
    }
    missing
}

/// The words that replay a recording.
fn replay_words(root: &Path, loaded: &Loaded, path: &Path, inputs: &Map<String, Value>) -> String {
    let plan = loaded.scheduler.plan();
    let folders = [root.join(&plan.folder).join("recordings"), root.join("workflows/recordings")];
    if !path.parent().is_some_and(|parent| folders.iter().any(|folder| parent == folder)) {
        return format!("move it to workflows/recordings/: `orch run {} --runtime replay` looks there", plan.name);
    }
    let given = inputs.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if shell_words::quote(&value) == value {
            return format!(" -i {name}={value}");
        }
        format!(" -i {}", shell_words::quote(&format!("{name}={value}")))
    });
    format!("orch run {}{} --runtime replay", shell_words::quote(&plan.name), given.collect::<String>())
}

fn cannot(path: &Path, error: &dyn std::fmt::Display) -> Refusal {
    let message = format!("the recording cannot be written: {}: {error}", path.display());
    Refusal::new(1, "E0331", message, "the run itself is not touched by this; look at the folder and its disk")
        .retryable()
}

fn unusable(path: &Path, fault: &TapeFault) -> Refusal {
    let message = format!("{} cannot be written: {fault}", path.display());
    Refusal::new(1, "E0331", message, "the run itself is not touched by this; its turns are kept in its folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for (name, expected) in [
            ("ANTHROPIC_API_KEY", true),
            ("GITHUB_TOKEN", true),
            ("db_password", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("MONKEY", false),
            ("KEYBOARD", false),
            ("PATH", false),
            ("PWD", false),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }
}
