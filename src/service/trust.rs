//! Which definitions hold commands, which of them are trusted, and the door before every run.
//!
//! Invariant: a plan that needs trust starts only if the digest of everything its commands come from is the one that a
//! person has seen, kept outside of the project, or given on the command line in full.

use std::{
    fs::{File, Metadata},
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    base::{Digest, Hasher, Timestamp},
    definition::{CommandBody, Scope},
    driver::Clock,
    guard::{TrustStore, audit::Entry, contained_path},
    plan::{Plan, PlanTrust},
    service::{
        fault::Fault,
        find::{Found, compile_found, find},
        guards::Guards,
        project::Project,
        refusal::Refusal,
    },
};

/// The version of the JSON form of a list of items.
pub const TRUST_VERSION: u16 = 1;

/// Files that belong to what is trusted: as many, and of each as much.
const FILES_MAX: usize = 200;
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Which definitions may run their commands.
#[derive(Debug, Clone, Default)]
pub struct TrustGate {
    /// Where the user's grants are; without it nothing is trusted.
    pub folder: Option<PathBuf>,
    /// Digests that are trusted for this one command.
    pub allowed: Vec<String>,
    /// What stands before and beside the run itself.
    pub guards: Guards,
}

/// Whether something is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustState {
    /// As it stands.
    Trusted,
    /// It was, before it changed.
    Changed,
    /// Never.
    Untrusted,
}

/// A definition that holds commands.
#[derive(Debug, Clone, Serialize)]
pub struct TrustItem {
    /// What to type to run it.
    pub name: String,
    /// Its file.
    pub path: String,
    /// Whether it is trusted.
    pub state: TrustState,
    /// The digest of the file and of what its commands run.
    pub digest: Digest,
    /// The commands that would run.
    pub commands: Vec<String>,
    /// Files beside the definition that belong to it.
    pub files: Vec<String>,
    /// Where it has changed: the commands that were trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<String>>,
}

impl TrustGate {
    /// Lets a plan pass that needs no trust or has it.
    ///
    /// # Errors
    /// With exit 40 where it has none, or has lost it by a change.
    pub fn check(&self, root: &Path, plan: &Plan) -> Result<(), Refusal> {
        let Some(trust) = &plan.trust else { return Ok(()) };
        let item = self.item(root, trust);
        if item.state == TrustState::Trusted || self.allowed.iter().any(|digest| digest == item.digest.as_str()) {
            return Ok(());
        }
        let count = item.commands.len();
        let is_danger = item.commands.iter().any(|command| command.contains("works without limits"));
        let is_secret = item.commands.iter().any(|command| command.starts_with("# the secret "));
        let what = match count {
            _ if is_danger => "steps that work without limits".to_owned(),
            _ if is_secret => "secrets for its steps".to_owned(),
            1 => "a command".to_owned(),
            _ => format!("{count} commands"),
        };
        let why = match item.state {
            TrustState::Changed => "has changed since it was trusted",
            TrustState::Untrusted | TrustState::Trusted => "is not trusted",
        };
        let message = format!("`{}` holds {what} and {why}: {}", item.name, item.path);
        let help = format!("`orch trust {}` shows what would run, and asks", item.name);
        Err(Refusal::new(40, "E0560", message, help))
    }

    /// Whether the commands of a plan are trusted; nothing where none need it.
    #[must_use]
    pub fn state(&self, root: &Path, plan: &Plan) -> Option<TrustState> {
        plan.trust.as_ref().map(|trust| self.item(root, trust).state)
    }

    fn item(&self, root: &Path, trust: &PlanTrust) -> TrustItem {
        let (digest, files) = closure(root, trust);
        let grant = self.folder.as_ref().and_then(|folder| TrustStore::new(folder, root).grant(&trust.path));
        let state = match &grant {
            Some(grant) if grant.digest == digest => TrustState::Trusted,
            Some(_) => TrustState::Changed,
            None => TrustState::Untrusted,
        };
        TrustItem {
            name: trust.name.clone(),
            path: trust.path.clone(),
            state,
            digest,
            commands: trust.commands.clone(),
            files,
            before: grant.filter(|_| state == TrustState::Changed).map(|grant| grant.commands),
        }
    }
}

/// The digest of a definition with the files that its commands name, and those files: a script that is run is a part
/// of what is trusted. A skill is trusted with its whole folder.
fn closure(root: &Path, trust: &PlanTrust) -> (Digest, Vec<String>) {
    let mut files: Vec<PathBuf> = Vec::new();
    let definition = Path::new(&trust.path);
    if definition.file_name().is_some_and(|name| name.eq_ignore_ascii_case("SKILL.md"))
        && let Some(folder) = definition.parent()
    {
        below(root, folder, &mut files);
    }
    files.extend(trust.commands.iter().flat_map(|command| scripts(root, command)).take(FILES_MAX));
    files.retain(|file| file != definition);
    files.sort();
    files.dedup();
    let mut hasher = Hasher::default();
    hasher.update(trust.digest.as_str().as_bytes());
    // What a template makes of the same file may change with this program.
    trust.commands.iter().for_each(|command| hasher.update(Digest::of(command.as_bytes()).as_str().as_bytes()));
    for file in &files {
        hasher.update(Digest::of(file.as_os_str().as_encoded_bytes()).as_str().as_bytes());
        hasher.update(content(&root.join(file)).as_str().as_bytes());
    }
    (hasher.finish(), files.iter().map(|file| file.display().to_string()).collect())
}

/// The files of the project that a command runs, as far as its text shows them: what stands where a program stands or
/// behind an interpreter, and what may be executed. What a command only reads may change without a question.
fn scripts(root: &Path, command: &str) -> Vec<PathBuf> {
    const INTERPRETERS: &[&str] =
        &[".", "bash", "bun", "deno", "node", "perl", "php", "python", "python3", "ruby", "sh", "source", "zsh"];
    let mut found = Vec::new();
    for part in command.split(['\n', ';', '|', '&', '(', ')', '`']) {
        let mut runs_next = true;
        for word in part.split(|letter: char| letter.is_whitespace() || "\"'$<>=".contains(letter)) {
            if word.is_empty() || word.starts_with('-') {
                continue;
            }
            let path = word.trim_start_matches("{PWD}/").trim_start_matches("./");
            let there = contained_path(root, Path::new(path)).ok().and_then(|place| place.symlink_metadata().ok());
            let is_program = |file: &Metadata| file.is_file() && (runs_next || file.permissions().mode() & 0o111 != 0);
            if there.is_some_and(|file| is_program(&file)) {
                found.push(PathBuf::from(path));
            }
            runs_next = INTERPRETERS.contains(&word) || (runs_next && word == "env");
        }
    }
    found
}

/// The plain files below a folder; links are not followed.
fn below(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
        let mut names: Vec<_> = entries.flatten().take(FILES_MAX * 2).collect();
        names.sort_by_key(std::fs::DirEntry::file_name);
        for entry in names {
            let inside = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && open.len() < FILES_MAX => open.push(inside),
                Ok(kind) if kind.is_file() && files.len() < FILES_MAX => files.push(inside),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn content(path: &Path) -> Digest {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
    }
    Digest::of(&bytes)
}

/// The definitions that hold commands: the one called `name`, or all.
///
/// # Errors
/// When there is none of that name, it has faults, or it holds no command.
pub fn trust_items(project: &Project, name: Option<&str>) -> Result<Vec<TrustItem>, Fault> {
    let gate = TrustGate { folder: project.environment().trust_folder(), ..TrustGate::default() };
    let item = |plan: &Plan| plan.trust.as_ref().map(|trust| gate.item(project.root(), trust));
    if let Some(name) = name {
        let asked = if name.contains('.') || name.starts_with('/') { name.to_owned() } else { format!("/{name}") };
        let mut compiled = compile_found(project, &find(project, &asked)?).map_err(Fault::Diagnosed)?;
        if compiled.plan.trust.is_none() {
            // A workflow and a command may share a name, and only one of them may need trust.
            compiled = compile_found(project, &find(project, name)?).map_err(Fault::Diagnosed)?;
        }
        return match item(&compiled.plan) {
            Some(item) => Ok(vec![item]),
            None => {
                let message = format!("`{name}` holds no command that needs trust");
                Err(Refusal::new(2, "E0563", message, "`orch trust --list` names all that do").into())
            }
        };
    }
    let library = project.library();
    let asks = !library.servers.is_empty() || library.agents.iter().any(|agent| !agent.servers.is_empty());
    let prose = |command: &&crate::definition::Command| matches!(command.body, CommandBody::Prose { .. });
    let commands = library.commands.iter().filter(prose).map(Found::Command);
    let skills = library.skills.iter().filter(|skill| skill.body.contains('!')).map(Found::Skill);
    let may_ask = |text: &str| asks || text.contains("danger") || text.contains("secrets");
    let workflows = library.workflows.iter().filter(|entry| may_ask(&entry.workflow.source.text)).map(Found::Workflow);
    let own = commands.chain(skills).filter(|found| match found {
        Found::Command(command) => command.origin.scope != Scope::Builtin,
        Found::Skill(skill) => skill.origin.scope != Scope::Builtin,
        Found::Workflow(_) | Found::File(_) => false,
    });
    // One with faults can be neither run nor trusted; `orch check` shows them.
    let plans = workflows.chain(own).filter_map(|found| compile_found(project, &found).ok());
    Ok(plans.filter_map(|compiled| item(&compiled.plan)).collect())
}

/// Trusts an item as it stands.
///
/// # Errors
/// When that cannot be kept.
pub fn trust(project: &Project, item: &TrustItem) -> Result<(), Refusal> {
    let now = Clock::start(Timestamp::default()).now();
    let store = store(project)?;
    // Written down first: what is trusted without a trace cannot be found later.
    let what = serde_json::json!({ "said": "trust", "digest": item.digest.as_str() });
    Guards::of(project).write(&Entry { kind: "trust", about: Some(item.path.clone()), what, ..Entry::default() })?;
    store.give(&item.path, item.digest.clone(), item.commands.clone(), now).map_err(|error| not_kept(&error))
}

/// Forgets what was trusted of a file. Whether there was something.
///
/// # Errors
/// When that cannot be written.
pub fn revoke_trust(project: &Project, path: &str) -> Result<bool, Refusal> {
    let what = serde_json::json!({ "said": "revoke" });
    Guards::of(project).write(&Entry { kind: "trust", about: Some(path.to_owned()), what, ..Entry::default() })?;
    store(project)?.revoke(path).map_err(|error| not_kept(&error))
}

fn store(project: &Project) -> Result<TrustStore, Refusal> {
    let Some(folder) = project.environment().trust_folder() else {
        let help = "set HOME or XDG_STATE_HOME to a folder of yours";
        return Err(Refusal::new(1, "E0562", "there is no folder to keep trust in", help));
    };
    Ok(TrustStore::new(&folder, project.root()))
}

fn not_kept(error: &std::io::Error) -> Refusal {
    let help = "correct the permissions of ~/.local/state/orch/trust and try again";
    Refusal::new(1, "E0562", format!("trust cannot be kept: {error}"), help).retryable()
}
