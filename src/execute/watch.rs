//! What watches over attempts: the risk classifier before a tool is used, the policy after files were changed, and the
//! audit log before anything starts. Knows nothing of steps.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use crate::{
    base::{Digest, Evidence, FailureClass, Outcome},
    definition::policy::{Level, PolicyRule},
    execute::{
        assignment::{Assignment, CommandText, Place},
        executor::failed,
        tree::open_plain,
    },
    guard::{
        Redactor,
        audit::{AuditLog, Entry},
        risk::{Assessment, RiskContext, ToolIntent, ToolRuling, rule_on_tool},
    },
    runtime::{
        hook::{HookContext, HookNote},
        service::{Refusal, ToolUse},
    },
};

/// Where hooks note what they refused, in the attempt's folder.
const NOTES: &str = "refused.jsonl";
/// Bytes of notes that are read.
const NOTES_BYTES_MAX: u64 = 256 * 1024;
/// Notes that are written to the audit log.
const NOTES_MAX: usize = 100;

/// What an executor asks. The default asks nothing and writes nothing.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// What commands and paths are judged against.
    pub risk: Option<Arc<RiskContext>>,
    /// Where starts and refusals are written.
    pub audit: Option<Arc<AuditLog>>,
    /// Takes secrets out of what is written there.
    pub redactor: Option<Redactor>,
    /// The `orch` that agent programs call before they use a tool.
    pub hook: Option<PathBuf>,
}

impl Watch {
    /// Writes down that an attempt starts, and with what.
    pub(super) fn starts(&self, assignment: &Assignment, place: &Place) {
        let of = |command: &CommandText, args: &[String]| {
            let argv = command.argv(args).unwrap_or_else(|_| command.alone());
            ("command", Digest::of(argv.join("\0").as_bytes()))
        };
        let (what, digest) = match assignment {
            Assignment::Run { command, args, .. } => of(command, args),
            Assignment::GateRun { command, .. } | Assignment::Reconcile { command, .. } => of(command, &[]),
            Assignment::Agent { order, runtime, .. } => {
                let bytes = serde_json::to_vec(order).unwrap_or_default();
                return self.write(
                    place,
                    "attempt",
                    json!({ "agent": order.agent.name, "runtime": runtime,
                    "order": Digest::of(&bytes).as_str() }),
                );
            }
            Assignment::GateCheck { .. }
            | Assignment::GateSchema { .. }
            | Assignment::GateFiles { .. }
            | Assignment::GateChanged { .. }
            | Assignment::GateSecrets { .. } => return,
        };
        self.write(place, "attempt", json!({ "start": what, "argv": digest.as_str() }));
    }

    /// The lists of hosts of the policy: one that is spoken to stands in each of them.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &Vec<String>> {
        self.risk.iter().flat_map(|risk| risk.policy().hosts.iter().map(|said| &said.value))
    }

    /// Writes down that an attempt was kept from a host.
    pub(super) fn kept_from(&self, why: &str, place: &Place) {
        self.write(place, "network", json!({ "rule": "deny", "why": why }));
    }

    /// Whether an agent may use a tool as it wants to.
    pub(super) fn tool(&self, tool: &ToolUse, place: &Place) -> Result<(), Refusal> {
        let Some(risk) = &self.risk else { return Ok(()) };
        let here = risk.at(&place.workspace.to_string_lossy());
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let intent = match tool {
            ToolUse::Run { command, .. } => ToolIntent::Run(command.clone()),
            ToolUse::Write { path: to, .. } | ToolUse::Edit { path: to, .. } => ToolIntent::Write(path(to)),
            ToolUse::Read { path: from, .. } => ToolIntent::Read(path(from)),
            ToolUse::List { .. } | ToolUse::Search { .. } => return Ok(()),
        };
        let ruling = rule_on_tool(intent, &here);
        self.ruled(&ruling, place);
        ruling.refusal().map_or(Ok(()), |why| Err(Refusal::Denied(why)))
    }

    /// Whether a file of an agent's answer may be written; else why not.
    pub(super) fn writes(&self, path: &Path, place: &Place) -> Result<(), String> {
        let Some(risk) = &self.risk else { return Ok(()) };
        let text = path.to_string_lossy();
        if let Some(from) = risk.protected_by(&text) {
            return Err(format!("{from} protects it"));
        }
        let here = risk.at(&place.workspace.to_string_lossy());
        let ruling = rule_on_tool(ToolIntent::Write(text.into_owned()), &here);
        self.ruled(&ruling, place);
        ruling.refusal().map_or(Ok(()), Err)
    }

    /// Writes down what was said to an agent that wanted to use a tool.
    fn ruled(&self, ruling: &ToolRuling, place: &Place) {
        let Some(finding) = ruling.ruled.finding.as_ref().filter(|_| ruling.ruled.rule > PolicyRule::Allow) else {
            return self.keep(&ruling.assessment, &ruling.about, place);
        };
        let (level, class) = (finding.level.word(), finding.class.word());
        let rule = if ruling.is_agreed { "agreed" } else { ruling.ruled.rule.word() };
        self.write(
            place,
            "risk",
            json!({ "rule": rule, "level": level, "class": class, "by": finding.rule, "from": ruling.ruled.from,
                "tool": ruling.about }),
        );
    }

    /// The command that a program with hooks calls before it uses a tool.
    ///
    /// # Errors
    /// When what it would have to say is too long, so that nothing could be judged.
    pub(super) fn hook(&self, place: &Place) -> Result<Option<String>, String> {
        let (Some(risk), Some(orch)) = (&self.risk, &self.hook) else { return Ok(None) };
        let context = HookContext::new(&risk.at(&place.workspace.to_string_lossy()), place.attempt_dir.join(NOTES));
        let too_long = || "the policy is too long for the hooks of agent programs: shorten its lists".to_owned();
        context.command(orch).map(Some).ok_or_else(too_long)
    }

    /// Writes down what programs were refused. The notes lie where the agent may write, so they prove nothing by their absence.
    pub(super) fn hooked(&self, place: &Place) {
        if self.hook.is_none() {
            return;
        }
        let Ok(file) = open_plain(&place.attempt_dir.join(NOTES)) else { return };
        let mut text = String::new();
        file.take(NOTES_BYTES_MAX).read_to_string(&mut text).ok();
        for note in text.lines().filter_map(|line| serde_json::from_str::<HookNote>(line).ok()).take(NOTES_MAX) {
            let HookNote { rule, level, class, tool } = note;
            self.write(
                place,
                "risk",
                json!({ "rule": rule, "level": level, "class": class, "by": "hook", "tool": tool }),
            );
        }
    }

    /// What passes without a word is written down all the same where it is more than reading.
    fn keep(&self, assessment: &Assessment, about: &str, place: &Place) {
        if let Some(worst) = assessment.findings.first().filter(|worst| worst.level >= Level::L2) {
            let (level, class) = (worst.level.word(), worst.class.word());
            self.write(place, "risk", json!({ "rule": "allow", "level": level, "class": class, "tool": about }));
        }
    }

    /// An agent that has changed more than the policy allows has failed, whatever it says.
    pub(super) fn changed(&self, outcome: Outcome, place: &Place) -> Outcome {
        let (Some(risk), Outcome::Succeeded(envelope)) = (&self.risk, &outcome) else { return outcome };
        let files = &envelope.files_changed;
        let most = risk.policy().max_changed_files.as_ref().filter(|most| files.len() > most.value as usize);
        let protected = files.iter().find_map(|file| Some((file, risk.protected_by(file)?)));
        let reason = match (protected, most) {
            (Some((file, from)), _) => format!("the agent has changed `{file}`, which {from} protects"),
            (None, Some(most)) => {
                let count = files.len();
                format!("the agent has changed {count} files, {} allows {}", most.from, most.value)
            }
            (None, None) => return outcome,
        };
        self.write(place, "risk", json!({ "rule": "deny", "changed": reason }));
        let mut failure = failed(FailureClass::Permanent, reason, Evidence::default());
        (failure.session, failure.usage) = (envelope.session.clone(), envelope.usage);
        Outcome::Failed(failure)
    }

    fn write(&self, place: &Place, kind: &'static str, what: serde_json::Value) {
        let Some(log) = &self.audit else { return };
        let what = self.redactor.as_ref().map_or_else(|| what.clone(), |redactor| redactor.value(&what));
        let entry = Entry { kind, run: Some(place.run.clone()), about: Some(place.attempt.clone()), by: None, what };
        if let Err(error) = log.append(&entry) {
            tracing::warn!(%error, "the audit log lacks an entry");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::{
        base::Envelope,
        definition::policy::{Policy, Said},
        execute::assignment::Live,
        guard::audit::AuditKey,
    };

    fn place(workspace: &str) -> Place {
        Place {
            secrets: Vec::new(),
            sandbox: None,
            workspace: workspace.into(),
            attempt_dir: workspace.into(),
            env: Vec::new(),
            run: "7f3k2".into(),
            attempt: "7f3k2/0-1".into(),
            live: Live::default(),
        }
    }

    fn watch(folder: &Path) -> Watch {
        let said = |value: &str| Said { value: value.to_owned(), from: "policy.yaml".to_owned() };
        let policy = Policy {
            protected: vec![said("db/**")],
            max_changed_files: Some(Said { value: 2, from: "policy.yaml".to_owned() }),
            commands: vec![said("git push origin main"), said("rm -rf /")],
            ..Policy::default()
        };
        let risk = RiskContext::new("/elsewhere", "/home/me", "/home/me/.local/state/orch", policy).unwrap();
        let log = AuditLog::open(&folder.join("audit"), AuditKey::open(folder).unwrap(), || crate::base::Timestamp(1));
        Watch { risk: Some(Arc::new(risk)), audit: Some(Arc::new(log.unwrap())), redactor: None, hook: None }
    }

    #[test]
    fn a_tool_is_judged_in_its_own_workspace_and_refusals_are_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let (watch, place) = (watch(folder.path()), place("/home/me/project"));
        let run = |command: &str| {
            watch.tool(&ToolUse::Run { command: command.to_owned(), seconds: 1 }, &place).map_err(|refusal| {
                match refusal {
                    Refusal::Denied(text) | Refusal::Wrong(text) => text,
                }
            })
        };
        run("cargo test && touch /home/me/project/a").unwrap();
        let refused = run("git push").unwrap_err();
        for part in ["publish, L3", "nobody is here", "Instead: "] {
            assert!(refused.contains(part), "{refused}");
        }
        run("rm -rf /home/me/project").unwrap_err();
        // The user has agreed to one command, letter for letter; nobody can agree to what never passes.
        run("git push origin main").unwrap();
        run("git push origin main --force").unwrap_err();
        run("rm -rf /").unwrap_err();
        let write = |path: &str| {
            let tool = ToolUse::Write { path: path.into(), content: String::new() };
            watch.tool(&tool, &place)
        };
        assert!(write("src/a.rs").is_ok());
        assert!(write("db/a.sql").is_err() && write(".git/hooks/pre-push").is_err() && write("policy.yaml").is_err());
        let read = ToolUse::Read { path: ".env".into(), offset: 1, limit: 9 };
        assert!(watch.tool(&read, &place).is_err());
        let log = std::fs::read_to_string(AuditLog::file(&folder.path().join("audit"))).unwrap();
        assert_eq!(log.matches("\"rule\":\"deny\"").count(), 4, "{log}");
        assert_eq!(log.matches("\"rule\":\"ask\"").count(), 4, "{log}");
        // Without guards nothing is asked.
        assert!(Watch::default().tool(&read, &place).is_ok());
    }

    #[test]
    fn an_agent_that_changed_too_much_has_failed() {
        let folder = tempfile::tempdir().unwrap();
        let (watch, place) = (watch(folder.path()), place("/home/me/project"));
        let ended = |files: &[&str]| {
            let files_changed = files.iter().map(|file| (*file).to_owned()).collect();
            let envelope = Envelope { files_changed, session: Some("s".to_owned()), ..Envelope::default() };
            watch.changed(Outcome::Succeeded(Box::new(envelope)), &place)
        };
        assert!(matches!(ended(&["a", "b"]), Outcome::Succeeded(_)));
        let Outcome::Failed(failure) = ended(&["a", "b", "c"]) else { panic!("three files are too many") };
        assert!(failure.reason.contains("3 files, policy.yaml allows 2"), "{}", failure.reason);
        assert_eq!(failure.session.as_deref(), Some("s"));
        let Outcome::Failed(failure) = ended(&["db/x"]) else { panic!("db is protected") };
        assert!(failure.reason.contains("`db/x`"), "{}", failure.reason);
    }
}
