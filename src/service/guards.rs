//! What stands before a run and beside it: the policy, the risk classifier and the audit log.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use serde_json::json;

use crate::{
    base::{Digest, RunId, Timestamp},
    definition::{SecretSource, load::is_shipped_script, policy::PolicyRule},
    driver::Clock,
    execute::Watch,
    guard::{
        audit::{AuditError, AuditKey, AuditLog, Entry, Head},
        risk::{Finding, RiskContext, Ruled, assess_argv, assess_shell, rule_on},
    },
    plan::{Command, Plan, PlanGate, RecoveryPolicy, Work},
    service::{policy::find_policy, project::Project, refusal::Refusal},
};

/// How many refused commands a message names.
const NAMED_MAX: usize = 5;
/// Steps that an entry of the audit log names.
const UNCONFINED_MAX: usize = 20;

/// The guards of one project's runs. The default stands for none.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    risk: Option<Arc<RiskContext>>,
    /// Why no policy holds, where its files cannot be read.
    fault: Option<String>,
    /// Where the log is, and where its key.
    places: Option<(PathBuf, PathBuf)>,
    audit: Arc<OnceLock<Arc<AuditLog>>>,
    /// Where the log stood when a run was left.
    head: Arc<Mutex<Option<Head>>>,
}

/// A command that a person is asked about.
#[derive(Debug, Clone)]
pub struct AskedCommand {
    /// Where it stands in the plan.
    pub place: String,
    /// The command itself, whole.
    pub command: String,
    /// What it would do, its class and its level.
    pub why: String,
    /// What `--trust` takes: this command in this project.
    pub digest: Digest,
}

/// A command of a plan that the policy does not let pass as it is.
struct Judged {
    place: String,
    text: String,
    ruled: Ruled,
    digest: Digest,
    /// By whose word it passes all the same.
    agreed: Option<&'static str>,
}

/// Now.
pub(super) fn now() -> Timestamp {
    Clock::start(Timestamp::default()).now()
}

impl Guards {
    /// The guards of a project as its files stand now.
    #[must_use]
    pub fn of(project: &Project) -> Self {
        let found = find_policy(project);
        let user = project.environment().trust_folder().and_then(|folder| folder.parent().map(PathBuf::from));
        let home = project.environment().home().unwrap_or_default();
        let state = user.clone().unwrap_or_default();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (is_broken, policy) = (found.is_broken(), found.policy);
        let risk = RiskContext::new(&text(project.root()), &text(&home), &text(&state), policy);
        let places = user.map(|user| (project.root().join(".orch/state/audit"), user));
        let broken = "the policy has faults, so nothing may start".to_owned();
        match risk {
            Ok(risk) => {
                let fault = is_broken.then_some(broken);
                Self { risk: Some(Arc::new(risk)), fault, places, audit: Arc::default(), head: Arc::default() }
            }
            Err(reason) => {
                Self { risk: None, fault: Some(reason), places, audit: Arc::default(), head: Arc::default() }
            }
        }
    }

    /// The audit log, opened where it is not yet; nothing where the user has no folder for its key.
    ///
    /// # Errors
    /// When there should be one and it cannot be used; exit 31.
    pub fn audit(&self) -> Result<Option<Arc<AuditLog>>, Refusal> {
        let Some((folder, keys)) = &self.places else { return Ok(None) };
        if let Some(log) = self.audit.get() {
            return Ok(Some(Arc::clone(log)));
        }
        let help = "correct the permissions of .orch/state/audit and of ~/.local/state/orch; nothing was started";
        let refused = |why: String| Refusal::new(31, "E0592", format!("the audit log cannot be used: {why}"), help);
        let key = AuditKey::open(keys).map_err(|error| refused(format!("its key: {error}")))?;
        let log = AuditLog::open(folder, key, now).map_err(|error| refused(error.to_string()))?;
        Ok(Some(Arc::clone(self.audit.get_or_init(|| Arc::new(log)))))
    }

    /// Writes something down, where there is a log.
    ///
    /// # Errors
    /// When it cannot be written; exit 31.
    pub fn write(&self, entry: &Entry) -> Result<(), Refusal> {
        let Some(log) = self.audit()? else { return Ok(()) };
        let help = "correct the log's permissions, or free some space; `orch audit verify` looks at it";
        log.append(entry).map_err(|error| match &error {
            AuditError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Refusal::new(33, "E0403", error.to_string(), "free some space; nothing was started").retryable()
            }
            AuditError::Io { .. } | AuditError::Damaged { .. } => Refusal::new(31, "E0592", error.to_string(), help),
        })?;
        Ok(())
    }

    /// What executors ask.
    ///
    /// # Errors
    /// A policy with faults, a log that cannot be used.
    pub(super) fn watch(&self, orch: &Path) -> Result<Watch, Refusal> {
        self.sound()?;
        Ok(Watch { risk: self.risk.clone(), audit: self.audit()?, redactor: None, hook: Some(orch.to_owned()) })
    }

    fn sound(&self) -> Result<(), Refusal> {
        match &self.fault {
            Some(fault) => Err(Refusal::new(10, "E0591", fault.clone(), "`orch check` shows them with their places")),
            None => Ok(()),
        }
    }

    /// Lets a plan pass whose commands the policy allows, or of which a person has agreed to each that it asks about.
    ///
    /// # Errors
    /// All commands that may not run, at once; exit 42.
    pub(super) fn check(&self, plan: &Plan, allowed: &[String]) -> Result<(), Refusal> {
        self.sound()?;
        let judged = self.judged(plan, allowed);
        for one in &judged {
            let rule = one.agreed.unwrap_or(one.ruled.rule.word());
            let finding = one.ruled.finding.as_ref();
            let what = json!({ "rule": rule, "level": finding.map(|one| one.level.word()),
                "class": finding.map(|one| one.class.word()), "command": one.digest.as_str(), "from": one.ruled.from });
            let about = Some(one.place.clone());
            self.write(&Entry { kind: "risk", about, what, ..Entry::default() })?;
        }
        let refused: Vec<Judged> = judged.into_iter().filter(|one| one.agreed.is_none()).collect();
        if refused.is_empty() { Ok(()) } else { Err(blocked(&refused)) }
    }

    /// What a person would have to agree to before this plan may start; nothing where something in it is denied anyway.
    pub(super) fn asks(&self, plan: &Plan, allowed: &[String]) -> Vec<AskedCommand> {
        let refused: Vec<Judged> = self.judged(plan, allowed).into_iter().filter(|one| one.agreed.is_none()).collect();
        if self.fault.is_some() || refused.iter().any(|one| one.ruled.rule == PolicyRule::Deny) {
            return Vec::new();
        }
        let asked = refused.into_iter().map(|one| AskedCommand {
            why: one.ruled.finding.as_ref().map(why).unwrap_or_default(),
            place: one.place,
            command: one.text,
            digest: one.digest,
        });
        asked.collect()
    }

    /// Every command of a plan that does not simply pass.
    fn judged(&self, plan: &Plan, allowed: &[String]) -> Vec<Judged> {
        let Some(risk) = &self.risk else { return Vec::new() };
        let judged = commands(plan).into_iter().filter_map(|(place, command)| {
            let (text, ruled) = judged(command, risk);
            let digest = command_digest(risk, &text);
            let is_said = || allowed.iter().any(|given| given == digest.as_str()) || risk.policy().is_agreed(&text);
            let agreed = match ruled.rule {
                PolicyRule::Allow => return None,
                PolicyRule::Deny => None,
                // What is shipped was read by those who ship it; a class that a policy names is asked about all the same.
                PolicyRule::Ask if ruled.from == "default" && is_shipped_script(&text) => Some("shipped"),
                PolicyRule::Ask => is_said().then_some("agreed"),
            };
            Some(Judged { place, text, ruled, digest, agreed })
        });
        judged.collect()
    }

    /// Writes down that a run starts, and under which policy.
    ///
    /// # Errors
    /// When it cannot be written; exit 31.
    pub(super) fn begin(&self, run: &RunId, plan: &Plan, open: &[&str], who: &str) -> Result<(), Refusal> {
        let policy = self.risk.as_ref().map(|risk| serde_json::to_vec(risk.policy()).unwrap_or_default());
        let policy = policy.map(|bytes| Digest::of(&bytes).as_str().to_owned());
        let plan_digest = Digest::of(&serde_json::to_vec(plan).unwrap_or_default());
        let what = json!({ "workflow": plan.name, "plan": plan_digest.as_str(), "policy": policy });
        let by = Some(who.to_owned());
        self.write(&Entry { kind: "run", run: Some(run.to_string()), about: Some("started".to_owned()), by, what })?;
        self.unconfined(run, open, who)
    }

    /// Notes that agents of a run work with all rights of the user, where there are such steps.
    fn unconfined(&self, run: &RunId, steps: &[&str], who: &str) -> Result<(), Refusal> {
        if steps.is_empty() {
            return Ok(());
        }
        let (run, by, about) = (Some(run.to_string()), Some(who.to_owned()), Some("off".to_owned()));
        let what = json!({ "steps": steps.iter().take(UNCONFINED_MAX).collect::<Vec<_>>(), "count": steps.len() });
        self.write(&Entry { kind: "sandbox", run, about, by, what })
    }

    /// Signs where the log stands when this process leaves a run.
    pub(super) fn end(&self, run: &RunId, how: &str) {
        let Ok(Some(log)) = self.audit() else { return };
        let (run, about) = (Some(run.to_string()), Some(how.to_owned()));
        let written = log.append(&Entry { kind: "run", run, about, ..Entry::default() });
        match written.and_then(|_| log.checkpoint()) {
            Ok(head) => *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head),
            Err(error) => tracing::warn!(%error, "the audit log lacks an entry"),
        }
    }

    /// Where the audit log stood when this process left a run; nothing where there is no log.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Every command that a plan may start by itself, and where it stands.
pub(super) fn commands(plan: &Plan) -> Vec<(String, Command)> {
    let mut all = Vec::new();
    for secret in &plan.secrets {
        if let SecretSource::Command(words) = &secret.source {
            all.push((format!("the secret `{}`", secret.name), Command::Argv(words.clone())));
        }
    }
    for step in &plan.steps {
        if let Work::Run { command, .. } = &step.work {
            all.push((format!("the step `{}`", step.path), command.clone()));
        }
        for (place, gate) in step.gates.iter().enumerate() {
            if let PlanGate::Run { command, .. } = gate {
                all.push((format!("gate {} of `{}`", place + 1, step.path), command.clone()));
            }
        }
        if let RecoveryPolicy::Reconcile(text) = &step.recovery {
            all.push((format!("the recovery of `{}`", step.path), Command::Shell(text.clone())));
        }
    }
    all
}

fn judged(command: Command, risk: &RiskContext) -> (String, Ruled) {
    match command {
        Command::Shell(text) => {
            let ruled = rule_on(&assess_shell(&text, risk), risk);
            (text, ruled)
        }
        Command::Argv(words) => {
            let ruled = rule_on(&assess_argv(&words, risk), risk);
            (shell_words::join(&words), ruled)
        }
    }
}

/// What a person agrees to: exactly this command in exactly this project.
fn command_digest(risk: &RiskContext, text: &str) -> Digest {
    Digest::of(format!("{}\0{text}", risk.root()).as_bytes())
}

fn why(finding: &Finding) -> String {
    format!("{} ({}, {})", finding.reason, finding.class.word(), finding.level.word())
}

fn blocked(refused: &[Judged]) -> Refusal {
    let line = |one: &Judged| {
        let command: String = one.text.lines().next().unwrap_or_default().chars().take(80).collect();
        let why = one.ruled.finding.as_ref().map(why);
        why.map_or_else(
            || format!("{} runs `{command}`", one.place),
            |why| format!("{} runs `{command}`: {why}", one.place),
        )
    };
    let mut lines: Vec<String> = refused.iter().take(NAMED_MAX).map(line).collect();
    if refused.len() > NAMED_MAX {
        lines.push(format!("and {} more", refused.len() - NAMED_MAX));
    }
    let denied = refused.iter().find(|one| one.ruled.rule == PolicyRule::Deny);
    let help = match denied {
        Some(Judged { ruled, .. }) => {
            let instead = ruled.finding.as_ref().map(|one| one.instead.as_str()).filter(|text| !text.is_empty());
            let says = if ruled.from == "default" {
                "no policy allows this".to_owned()
            } else {
                format!("{} denies it", ruled.from)
            };
            format!("{says}; instead: {}", instead.unwrap_or("leave it out"))
        }
        None => {
            let digests: Vec<String> = refused.iter().map(|one| format!("--trust {}", one.digest.as_str())).collect();
            format!(
                "a person agrees to exactly this for one run with {}, or for ever under `commands:` in ~/.config/orch/policy.yaml",
                digests.join(" ")
            )
        }
    };
    Refusal::new(42, "E0590", format!("blocked before the start: {}", lines.join("; ")), help)
}
