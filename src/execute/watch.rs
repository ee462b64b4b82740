//! What watches over attempts: the risk classifier before a tool is used, the policy after files were changed, and the
//! audit log before anything starts. Knows nothing of steps.

use std::{path::Path, sync::Arc};

use serde_json::json;

use crate::{
    base::{Digest, Evidence, FailureClass, Outcome},
    definition::policy::{Level, PolicyRule},
    execute::{
        assignment::{Assignment, CommandText, Place},
        executor::failed,
    },
    guard::{
        audit::{AuditLog, Entry},
        risk::{Assessment, RiskContext, assess_read, assess_shell, assess_write, rule_on},
    },
    runtime::service::{Refusal, ToolUse},
};

/// What an executor asks. The default asks nothing and writes nothing.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// What commands and paths are judged against.
    pub risk: Option<Arc<RiskContext>>,
    /// Where starts and refusals are written.
    pub audit: Option<Arc<AuditLog>>,
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
            | Assignment::GateChanged { .. } => return,
        };
        self.write(place, "attempt", json!({ "start": what, "argv": digest.as_str() }));
    }

    /// Whether an agent may use a tool as it wants to.
    pub(super) fn tool(&self, tool: &ToolUse, place: &Place) -> Result<(), Refusal> {
        let Some(risk) = &self.risk else { return Ok(()) };
        let here = risk.at(&place.workspace.to_string_lossy());
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let (about, assessment) = match tool {
            ToolUse::Run { command, .. } => (command.clone(), assess_shell(command, &here)),
            ToolUse::Write { path: to, .. } | ToolUse::Edit { path: to, .. } => {
                (path(to), assess_write(&path(to), &here))
            }
            ToolUse::Read { path: from, .. } => (path(from), assess_read(&path(from), &here)),
            ToolUse::List { .. } | ToolUse::Search { .. } => return Ok(()),
        };
        let ruled = rule_on(&assessment, &here);
        let Some(finding) = ruled.finding.filter(|_| ruled.rule > PolicyRule::Allow) else {
            self.keep(&assessment, &about, place);
            return Ok(());
        };
        let (level, class) = (finding.level.word(), finding.class.word());
        self.write(
            place,
            "risk",
            json!({ "rule": ruled.rule.word(), "level": level, "class": class, "by": finding.rule,
            "from": ruled.from, "tool": about }),
        );
        let instead =
            if finding.instead.is_empty() { String::new() } else { format!(". Instead: {}", finding.instead) };
        let asked = if ruled.rule == PolicyRule::Ask { ", and nobody is here to agree to it" } else { "" };
        Err(Refusal::Denied(format!("{} ({class}, {level}){asked}{instead}", finding.reason)))
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
        let entry = Entry { kind, run: Some(place.run.clone()), about: Some(place.attempt.clone()), by: None, what };
        if let Err(error) = log.append(&entry) {
            tracing::warn!(%error, "the audit log lacks an entry");
        }
    }
}
