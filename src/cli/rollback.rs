//! `orch rollback` and `orch gc`: what checkpoints are good for.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        clean::one_line,
        failure::Failure,
        session::Session,
        style::{DIM, GOOD, paint},
    },
    service::{ROLLBACK_VERSION, RolledBack, Runs, Target},
};

/// Files that are named.
const SHOWN_MAX: usize = 200;

/// Arguments of `orch rollback`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch rollback 7f3k --dry-run\n  orch rollback 7f3k --to design\n  \
    orch rollback 7f3k -- src/lib.rs docs\n  orch rollback 7f3k --undo\n\n\
    The project's files become what they were before the run, or when a step had finished; what git ignores, the branch and\n\
    the index stay as they are. What was there is kept: `--undo` brings it back.")]
pub struct RollbackArgs {
    /// The run, or the beginning of its id
    pub run: String,
    /// Only these files and folders, from the project's folder
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// To when this step had finished, or to the `checkpoint:` of this name [default: before the run]
    #[arg(long, value_name = "STEP", conflicts_with = "undo")]
    pub to: Option<String>,
    /// Only say what it would do
    #[arg(long)]
    pub dry_run: bool,
    /// Back to the state before the last rollback of this run
    #[arg(long)]
    pub undo: bool,
}

/// Arguments of `orch gc`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch gc --dry-run\n  orch gc\n\n\
    Removes workspaces that nobody works in and whose work is merged. It never removes work that is kept nowhere else, and\n\
    says why it keeps what it keeps.")]
pub struct GcArgs {
    /// Only say what it would do
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) fn run(session: &mut Session, args: &RollbackArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let run = runs.find(Some(&args.run))?;
    let target = match &args.to {
        _ if args.undo => Target::Undo,
        Some(name) => Target::Named(name.clone()),
        None => Target::Start,
    };
    let done = runs.roll_back(&run, &target, &args.paths, args.dry_run)?;
    if session.global.json {
        session.out.json(&done)?;
    } else {
        session.out.data(&text(&done))?;
    }
    Ok(0)
}

fn text(done: &RolledBack) -> String {
    let mut text = String::new();
    for file in done.files.iter().take(SHOWN_MAX) {
        let word = match file.kind {
            crate::service::RollbackKind::Added => "brings back",
            crate::service::RollbackKind::Modified => "takes back",
            crate::service::RollbackKind::Deleted => "removes",
        };
        let _ = writeln!(text, "{word:>12} {}", one_line(&file.path));
    }
    if done.files.len() > SHOWN_MAX {
        let _ = writeln!(text, "{:>12} {} more", "and", done.files.len() - SHOWN_MAX);
    }
    for path in &done.left_out {
        let _ = writeln!(text, "{:>12} {} {}", "leaves", one_line(path), paint(DIM, "(a repository of its own)"));
    }
    let count = done.files.len();
    let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    let to = one_line(&done.to);
    let _ = match (count, done.done) {
        (0, _) => writeln!(text, "{} nothing differs from {to}", paint(GOOD, "ROLLBACK")),
        (_, false) => writeln!(text, "{} {files} would change, to {to}; nothing was done", paint(GOOD, "ROLLBACK")),
        (_, true) => {
            writeln!(
                text,
                "{} {files}, to {to}; back again: orch rollback {} --undo",
                paint(GOOD, "ROLLBACK"),
                done.run
            )
        }
    };
    text
}

pub(super) fn gc(session: &mut Session, args: &GcArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let lines = runs.collect(args.dry_run)?;
    if session.global.json {
        session.out.json(&json!({ "version": ROLLBACK_VERSION, "done": !args.dry_run, "workspaces": lines }))?;
        return Ok(0);
    }
    let mut text = String::new();
    for line in &lines {
        let folder = one_line(&line.folder);
        let _ = match &line.kept {
            Some(why) => writeln!(text, "{:>12} {folder}: {}", "keeps", one_line(why)),
            None => writeln!(text, "{:>12} {folder}", if args.dry_run { "would go" } else { "removed" }),
        };
    }
    let gone = lines.iter().filter(|line| line.kept.is_none()).count();
    let word = if args.dry_run { "would go" } else { "removed" };
    let _ = writeln!(text, "{} {gone} of {} workspaces {word}", paint(GOOD, "GC"), lines.len());
    session.out.data(&text)?;
    Ok(0)
}
