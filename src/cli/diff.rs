//! `orch diff`: what a run, or one step of it, has changed.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;

use crate::{
    cli::{
        clean::{clean, one_line},
        failure::Failure,
        session::Session,
        style::{BAD, DOUBT, GOOD, paint},
    },
    service::{Changes, Extent, FileChange, Runs},
};

/// Files that are named.
const SHOWN_MAX: usize = 1_000;
/// Signs of the bar beside a file.
const BAR: u64 = 40;

/// Arguments of `orch diff`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch diff\n  orch diff 7f3k --stat\n  orch diff 7f3k build/code\n  \
    orch diff 7f3k --to design\n  orch diff 7f3k build/code -- src | git apply -R\n\n\
    Of a run: from the state before it to the files as they are now, or as they were when a step had finished. Of a step:\n\
    what it has changed, from the state before it; where it asks a person, exactly what that person is asked about.")]
pub struct DiffArgs {
    /// The run, or the beginning of its id [default: the latest]
    pub run: Option<String>,
    /// Only what this step has changed
    #[arg(value_name = "STEP", conflicts_with = "to")]
    pub step: Option<String>,
    /// Only these files and folders, from the project's folder
    #[arg(value_name = "PATH", last = true)]
    pub paths: Vec<PathBuf>,
    /// Up to when this step had finished, or up to the `checkpoint:` of this name [default: now]
    #[arg(long, value_name = "STEP")]
    pub to: Option<String>,
    /// Only the files, with the number of lines of each
    #[arg(long, conflicts_with_all = ["patch", "name_only"])]
    pub stat: bool,
    /// The text of all changes; the default
    #[arg(long)]
    pub patch: bool,
    /// Only the names of the files
    #[arg(long, conflicts_with = "patch")]
    pub name_only: bool,
}

pub(super) fn run(session: &mut Session, args: &DiffArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let run = runs.find(args.run.as_deref())?;
    let extent = match (&args.step, &args.to) {
        (Some(step), _) => Extent::Step(step.clone()),
        (None, Some(name)) => Extent::UpTo(name.clone()),
        (None, None) => Extent::Run,
    };
    let changes = runs.changes(&run, &extent, &args.paths)?;
    if session.global.json {
        let mut value = serde_json::to_value(&changes).map_err(|error| Failure::bug(&error))?;
        if !args.stat && !args.name_only {
            value["patch"] = String::from_utf8_lossy(&changes.patch).into();
        }
        session.out.json(&value)?;
        return Ok(0);
    }
    for note in &changes.notes {
        session.out.talk(&format!("{} {}\n", paint(DOUBT, "note:"), clean(note)));
    }
    if args.name_only {
        session
            .out
            .data(&changes.files.iter().fold(String::new(), |text, file| text + &one_line(&file.path) + "\n"))?;
    } else if args.stat {
        session.out.data(&stat(&changes))?;
    } else if session.out.is_terminal() {
        session.out.data(&clean(&String::from_utf8_lossy(&changes.patch)))?;
    } else {
        session.out.bytes(&changes.patch)?;
    }
    Ok(0)
}

/// Each file with its lines, and the sum.
fn stat(changes: &Changes) -> String {
    let mut text = String::new();
    let wide = changes.files.iter().take(SHOWN_MAX).map(|file| one_line(&file.path).chars().count()).max().unwrap_or(0);
    let most = changes.files.iter().map(lines).max().unwrap_or(0).max(BAR);
    for file in changes.files.iter().take(SHOWN_MAX) {
        let path = one_line(&file.path);
        let _ = match (file.added, file.removed) {
            (Some(added), Some(removed)) => {
                let bar = |count: u64| usize::try_from((count * BAR).div_ceil(most)).unwrap_or(0);
                let (plus, minus) = ("+".repeat(bar(added)), "-".repeat(bar(removed)));
                writeln!(text, " {path:wide$} | {:>5} {}{}", lines(file), paint(GOOD, &plus), paint(BAD, &minus))
            }
            _ => writeln!(text, " {path:wide$} |  no text"),
        };
    }
    if changes.files.len() > SHOWN_MAX {
        let _ = writeln!(text, " and {} more", changes.files.len() - SHOWN_MAX);
    }
    let sum = |count: fn(&FileChange) -> Option<u64>| changes.files.iter().filter_map(count).sum::<u64>();
    let files = if changes.files.len() == 1 { "file" } else { "files" };
    let (added, removed) = (sum(|file| file.added), sum(|file| file.removed));
    let _ = writeln!(text, " {} {files}, +{added} -{removed}", changes.files.len());
    text
}

fn lines(file: &FileChange) -> u64 {
    file.added.unwrap_or(0) + file.removed.unwrap_or(0)
}
