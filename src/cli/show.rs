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
    service::{Shown, show},
};

/// Arguments of `orch show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch show new-project\n  orch show code-reviewer --kind agent")]
pub struct ShowArgs {
    /// The name of a definition, or the path of a workflow's file
    pub name: String,
    /// Where two kinds share a name: which one
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindArg>,
}

pub(super) fn run(session: &mut Session, args: &ShowArgs) -> Result<u8, Failure> {
    let project = session.project()?;
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
