//! `orch show`.

use clap::Args;
use serde_json::json;

use crate::{
    base::render::to_json,
    cli::{
        clean::{clean, one_line},
        failure::Failure,
        list::KindArg,
        session::Session,
        style::{BOLD, DIM, paint},
    },
    service::{POLICY_VERSION, Project, Refusal, Shown, find_policy, show},
};

/// Arguments of `orch show`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch show new-project\n  orch show code-reviewer --kind agent\n  orch show policy"
)]
pub struct ShowArgs {
    /// The name of a definition, or the path of a workflow's file
    pub name: String,
    /// Where two kinds share a name: which one
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindArg>,
}

/// What the policies of the user and of the project say together, and who says it.
fn policy(session: &mut Session, project: &Project) -> Result<u8, Failure> {
    let found = find_policy(project);
    if found.is_broken() {
        session.out.talk(&crate::base::render::render_all(&found.diagnostics, true));
        return Err(Refusal::new(10, "E0591", "the policy has faults", "correct them, and look again").into());
    }
    if session.global.json {
        session.out.json(&json!({
            "version": POLICY_VERSION,
            "files": found.files,
            "protected": found.policy.protected,
            "max_changed_files": found.policy.max_changed_files,
            "hosts": found.policy.hosts,
            "classes": found.classes(),
            "commands": found.policy.commands,
        }))?;
        return Ok(0);
    }
    let from = |from: &str| paint(DIM, &format!("({})", one_line(from)));
    let mut text = format!("{}\n", paint(BOLD, "What is done with each class of danger at L3; L4 never passes"));
    for line in found.classes() {
        let (class, rule) = (line.class.word(), line.rule.word());
        text.push_str(&format!("  {class:<13}{rule:<6} {} {}\n", line.meaning, from(&line.from)));
    }
    for said in &found.policy.protected {
        text.push_str(&format!("protected: {} {}\n", one_line(&said.value), from(&said.from)));
    }
    if let Some(most) = &found.policy.max_changed_files {
        text.push_str(&format!("at most {} changed files in one attempt {}\n", most.value, from(&most.from)));
    }
    for hosts in &found.policy.hosts {
        text.push_str(&format!("hosts: {} {}\n", one_line(&hosts.value.join(", ")), from(&hosts.from)));
    }
    for said in &found.policy.commands {
        text.push_str(&format!("agreed: {} {}\n", one_line(&said.value), from(&said.from)));
    }
    session.out.data(&text)?;
    Ok(0)
}

pub(super) fn run(session: &mut Session, args: &ShowArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    if args.name == "policy" && args.kind.is_none() {
        return policy(session, &project);
    }
    let shown = show(&project, &args.name, args.kind.map(KindArg::word))?;
    if session.global.json {
        let value = match &shown {
            Shown::Runnable { kind, runnable, .. } => json!({
                "kind": kind,
                "name": runnable.name,
                "description": runnable.plan.description,
                "path": runnable.path,
                "inputs": runnable.plan.inputs,
                "steps": runnable.plan.steps,
                "warnings": runnable.warnings.iter().map(to_json).collect::<Vec<_>>(),
            }),
            Shown::Text { listed, text } => json!({ "definition": listed, "text": text }),
        };
        session.out.json(&value)?;
        return Ok(0);
    }
    let text = match &shown {
        Shown::Runnable { kind, runnable, drawing } => {
            let path = one_line(&runnable.path.display().to_string());
            format!("{} {}\n\n{drawing}", paint(BOLD, kind), paint(DIM, &path))
        }
        Shown::Text { listed, text } => {
            let path = one_line(&listed.path.display().to_string());
            format!(
                "{} {} {}\n\n{}\n",
                paint(BOLD, listed.kind),
                one_line(&listed.name),
                paint(DIM, &path),
                clean(text).trim_end()
            )
        }
    };
    session.out.data(&text)?;
    Ok(0)
}
