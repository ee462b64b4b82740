//! `orch plan`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    base::render::render_all,
    cli::{
        clean::{one_line, width},
        exit::Exit,
        failure::Failure,
        session::Session,
    },
    config::Flags,
    plan::draw,
    service::{Foreseen, Would, check_abilities, find_runnable, foresee},
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
    /// Ask whether this runtime can do it, for agents that name none
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
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

/// A plan, and what a run of it would take from the step cache.
#[derive(Serialize)]
struct Shown<'a, P> {
    #[serde(flatten)]
    plan: &'a P,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    step_cache: &'a [Foreseen],
}

/// One line for each step with `cache:`.
fn cache_lines(foreseen: &[Foreseen]) -> String {
    let paths: Vec<String> = foreseen.iter().map(|one| one_line(&one.step)).collect();
    let wide = paths.iter().map(|path| width(path)).max().unwrap_or(0);
    let line = |(one, path): (&Foreseen, &String)| {
        let words = match &one.would {
            Would::Taken { from } => format!("would be taken from run {}", from.split('/').next().unwrap_or_default()),
            Would::Done => "would be done: no work that is kept fits".to_owned(),
            Would::Depends { on } => format!("depends on {}", one_line(on)),
        };
        format!("cache  {path}{}  {words}\n", " ".repeat(wide - width(path)))
    };
    foreseen.iter().zip(&paths).map(line).collect()
}

pub(super) fn run(session: &mut Session, args: &PlanArgs) -> Result<u8, Failure> {
    let flags = Flags::new().with("runtime", "--runtime", args.runtime.as_deref());
    let project = session.project_with(flags)?;
    let runnable = find_runnable(&project, &args.name)?;
    if !runnable.warnings.is_empty() && !session.global.quiet && !session.global.json {
        session.out.talk(&format!("{}\n", render_all(&runnable.warnings, true)));
    }
    check_abilities(&project, &runnable.plan)?;
    let foreseen = foresee(&project, &runnable.plan, session.program.clone());
    if session.global.json {
        session.out.json(&Shown { plan: &runnable.plan, step_cache: &foreseen })?;
    } else {
        let mut text = match args.format {
            PlanFormat::Tree => format!("{}{}", draw::tree(&runnable.plan), cache_lines(&foreseen)),
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
