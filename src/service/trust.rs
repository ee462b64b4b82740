//! Which definitions hold commands, which of them are trusted, and the door before every run.
//!
//! Invariant: a plan that needs trust starts only if the digest of everything its commands come from is the one that a
//! person has seen, kept outside of the project, or given on the command line in full.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    base::{Digest, Timestamp},
    definition::{CommandBody, Scope},
    driver::Clock,
    guard::{TrustStore, audit::Entry},
    plan::{Plan, PlanTrust},
    service::{
        closure::{Closure, closure},
        fault::Fault,
        find::{Found, compile_found, find},
        guards::Guards,
        notices::channel_item,
        project::Project,
        refusal::Refusal,
    },
};

/// The version of the JSON form of a list of items.
pub const TRUST_VERSION: u16 = 1;

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
    /// Settings of the project that steer agent programs, and so belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
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
        let (item, fault) = self.item(root, plan, trust);
        if let Some(fault) = fault {
            let message = format!("`{}` cannot be trusted: {fault}", item.name);
            let help = "take away what does not belong there, or move it out of the project's settings";
            return Err(Refusal::new(40, "E0366", message, help));
        }
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
        plan.trust.as_ref().map(|trust| self.item(root, plan, trust).0.state)
    }

    /// What a person is asked about, and why nobody can be asked.
    fn item(&self, root: &Path, plan: &Plan, trust: &PlanTrust) -> (TrustItem, Option<String>) {
        let Closure { digest, files, settings, fault } = closure(root, plan, trust);
        let grant = self.folder.as_ref().and_then(|folder| TrustStore::new(folder, root).grant(&trust.path));
        let state = match &grant {
            Some(grant) if grant.digest == digest && fault.is_none() => TrustState::Trusted,
            Some(_) => TrustState::Changed,
            None => TrustState::Untrusted,
        };
        let item = TrustItem {
            name: trust.name.clone(),
            path: trust.path.clone(),
            state,
            digest,
            commands: trust.commands.clone(),
            files,
            settings,
            before: grant.filter(|_| state == TrustState::Changed).map(|grant| grant.commands),
        };
        (item, fault)
    }
}

/// The definitions that hold commands: the one called `name`, or all.
///
/// # Errors
/// When there is none of that name, it has faults, or it holds no command.
pub fn trust_items(project: &Project, name: Option<&str>) -> Result<Vec<TrustItem>, Fault> {
    let gate = TrustGate { folder: project.environment().trust_folder(), ..TrustGate::default() };
    let item = |plan: &Plan| plan.trust.as_ref().map(|trust| gate.item(project.root(), plan, trust).0);
    if let Some(name) = name {
        let channel = name.strip_prefix("notify.").and_then(|name| project.settings().channels.get(name));
        if let Some(channel) = channel.filter(|channel| !channel.is_own) {
            return Ok(vec![channel_item(channel, project.root(), project.environment())]);
        }
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
    let of_project = project.settings().channels.values().filter(|channel| !channel.is_own);
    let channels = of_project.map(|channel| channel_item(channel, project.root(), project.environment()));
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
    Ok(plans.filter_map(|compiled| item(&compiled.plan)).chain(channels).collect())
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
