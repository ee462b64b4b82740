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
#[command(
    after_help = "Examples:\n  orch list\n  orch list --kind agent\n  orch list --source\n  orch list --all --json"
)]
pub struct ListArgs {
    /// Also what another definition of the same name shadows, what its author hides, and what is only recorded
    #[arg(long)]
    pub all: bool,
    /// Show where each comes from: its file, its plugin, and the repository that `orch add` took in
    #[arg(long)]
    pub source: bool,
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
    /// Rules and output styles of other tools; with `--all`
    Rule,
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
            Self::Rule => "rule",
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
        session.out.data(&text(&lines, args.source))?;
    }
    if faulty {
        session.out.talk("some definitions have faults and are not in the list: `orch check` shows them\n");
    }
    Ok(0)
}

fn text(lines: &[Listed], source: bool) -> String {
    let mut text = String::new();
    let mut kind = "";
    let names: Vec<_> = lines.iter().map(title).collect();
    let column = names.iter().map(|name| width(name)).filter(|wide| *wide <= 30).max().unwrap_or(0);
    for (line, name) in lines.iter().zip(&names) {
        if heading(line) != kind {
            let gap = if kind.is_empty() { "" } else { "\n" };
            kind = heading(line);
            text.push_str(&format!("{gap}{}\n", paint(BOLD, kind)));
        }
        let pad = " ".repeat(column.saturating_sub(width(name)));
        let mut note = match &line.shadowed_by {
            Some(winner) => format!("shadowed by {}", winner.display()),
            None if source => line.place(),
            None => line.description.clone(),
        };
        if let Some(tag) = line.tag() {
            note = format!("[{tag}] {note}");
        }
        let note = one_line(note.trim_end());
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

fn heading(line: &Listed) -> &'static str {
    match line.kind {
        "workflow" => "Workflows: orch run NAME",
        "command" => "Commands: orch run /NAME",
        "agent" => "Agents",
        "skill" => "Skills",
        "gate" => "Gates",
        "rule" => "Rules and output styles",
        _ => "Not run by orch",
    }
}
