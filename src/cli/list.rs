//! `orch list`.

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        clean::{fit, one_line, width},
        failure::Failure,
        session::Session,
        style::{BOLD, DIM, paint},
    },
    service::{Listed, list},
};

/// Arguments of `orch list`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch list\n  orch list --kind agent\n  orch list --all --json")]
pub struct ListArgs {
    /// Also those that another definition of the same name shadows
    #[arg(long)]
    pub all: bool,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindArg>,
}

/// A kind of definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// Workflows
    Workflow,
    /// Slash commands
    Command,
    /// Agents
    Agent,
    /// Skills
    Skill,
    /// Gates
    Gate,
}

impl KindArg {
    /// The word in lists.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Command => "command",
            Self::Agent => "agent",
            Self::Skill => "skill",
            Self::Gate => "gate",
        }
    }
}

pub(super) fn run(session: &mut Session, args: &ListArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let mut lines = list(&project, args.all);
    lines.retain(|line| args.kind.is_none_or(|kind| kind.word() == line.kind));
    let faulty = project.library().diagnostics.iter().any(|fault| fault.severity == crate::base::Severity::Error);
    if session.global.json {
        session.out.json(&lines)?;
    } else {
        session.out.data(&text(&lines))?;
    }
    if faulty {
        session.out.talk("some definitions have faults and are not in the list: `orch check` shows them\n");
    }
    Ok(0)
}

fn text(lines: &[Listed]) -> String {
    let mut text = String::new();
    let mut kind = "";
    let names: Vec<_> = lines.iter().map(title).collect();
    let column = names.iter().map(|name| width(name)).filter(|wide| *wide <= 30).max().unwrap_or(0);
    for (line, name) in lines.iter().zip(&names) {
        if line.kind != kind {
            let gap = if kind.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{}\n", paint(BOLD, heading(line.kind))));
            kind = line.kind;
        }
        let pad = " ".repeat(column.saturating_sub(width(name)));
        let mut note = one_line(&line.description);
        if let Some(winner) = &line.shadowed_by {
            note = format!("shadowed by {}", one_line(&winner.display().to_string()));
        }
        let room = 78_usize.saturating_sub(column.max(width(name)) + 4);
        let note = fit(&note, room);
        let line = if note.is_empty() { format!("  {name}") } else { format!("  {name}{pad}  {}", paint(DIM, &note)) };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The name and what to type after it.
fn title(line: &Listed) -> String {
    let slash = if line.kind == "command" { "/" } else { "" };
    one_line(&format!("{slash}{} {}", line.name, line.arguments))
}

fn heading(kind: &str) -> &'static str {
    match kind {
        "workflow" => "Workflows: orch run NAME",
        "command" => "Commands: orch run /NAME",
        "agent" => "Agents",
        "skill" => "Skills",
        _ => "Gates",
    }
}
