//! `orch plan`.

use clap::{Args, ValueEnum};

use crate::{
    base::render::render_all,
    cli::{exit::Exit, failure::Failure, session::Session},
    plan::draw,
    service::{check_abilities, find_runnable},
};

/// Arguments of `orch plan`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch plan new-project\n  orch plan workflows/release.yaml --format mermaid > plan.mmd\n  \
    orch plan /review --json"
)]
pub struct PlanArgs {
    /// A workflow, a /command, or the path of a file
    pub name: String,
    /// How to draw it
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    pub format: PlanFormat,
    /// End with 12 instead of 0 where there is work to do
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// How to draw a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// A tree for the terminal
    Tree,
    /// A Mermaid flowchart
    Mermaid,
    /// Graphviz
    Dot,
    /// A picture
    Svg,
}

pub(super) fn run(session: &mut Session, args: &PlanArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runnable = find_runnable(&project, &args.name)?;
    if !runnable.warnings.is_empty() && !session.global.quiet && !session.global.json {
        session.out.talk(&format!("{}\n", render_all(&runnable.warnings, true)));
    }
    check_abilities(&project, &runnable.plan)?;
    if session.global.json {
        session.out.json(&runnable.plan)?;
    } else {
        let mut text = match args.format {
            PlanFormat::Tree => draw::tree(&runnable.plan),
            PlanFormat::Mermaid => draw::mermaid(&runnable.plan),
            PlanFormat::Dot => draw::dot(&runnable.plan),
            PlanFormat::Svg => draw::svg(&runnable.plan),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        session.out.data(&text)?;
    }
    let has_work = !runnable.plan.steps.is_empty();
    Ok(if args.detailed_exitcode && has_work { Exit::WorkToDo.code() } else { Exit::Success.code() })
}
