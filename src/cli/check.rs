//! `orch check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{
    base::{
        Severity,
        render::{annotations, render_all, sarif, to_json},
        visible,
    },
    cli::{
        exit::Exit,
        failure::{Failure, counts},
        session::Session,
        style::{BAD, GOOD, paint},
    },
    service::{Checked, Mended, Project, check, check_and_lint, mend, mend_all},
};

/// Arguments of `orch check`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch check\n  orch check workflows/release.yaml\n  orch check --strict --format sarif > orch.sarif\n  orch check --lint --strict\n  orch check --diff\n  orch check --fix"
)]
pub struct CheckArgs {
    /// Files or folders [default: all definitions of the project]
    pub paths: Vec<PathBuf>,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
    /// Judge the words of agents, skills and commands as well: no text, no output, names that nobody has, …
    #[arg(long)]
    pub lint: bool,
    /// How to print what is found; `--json` is the same as `--format json`
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: CheckFormat,
    /// Mend what can be mended without changing what it means, and show each change
    #[arg(long)]
    pub fix: bool,
    /// Show what `--fix` would change; write nothing
    #[arg(long, conflicts_with = "fix")]
    pub diff: bool,
}

/// How to print what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Text with the lines and carets
    Human,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code hosts and editors
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

pub(super) fn run(session: &mut Session, args: &CheckArgs) -> Result<u8, Failure> {
    let mut project = session.project()?;
    let mut mended = if args.fix { mend_all(&mut project, &args.paths)? } else { Vec::new() };
    let checked = if args.lint { check_and_lint(&project, &args.paths)? } else { check(&project, &args.paths)? };
    if args.diff {
        mended = mend(&project, &checked.diagnostics, false)?;
    }
    let (errors, warnings) = (checked.count(Severity::Error), checked.count(Severity::Warning));
    let is_bad = errors > 0 || args.strict && warnings > 0;
    match if session.global.json { CheckFormat::Json } else { args.format } {
        CheckFormat::Json => session.out.json(&json!({
            "version": 1,
            "files": checked.files,
            "errors": errors,
            "warnings": warnings,
            "diagnostics": checked.diagnostics.iter().map(to_json).collect::<Vec<_>>(),
            "changes": mended.iter().map(change_json).collect::<Vec<_>>(),
        }))?,
        CheckFormat::Sarif => session.out.json(&sarif(&checked.diagnostics, env!("CARGO_PKG_VERSION")))?,
        CheckFormat::Github => session.out.data(&annotations(&checked.diagnostics, &prefix(&project)))?,
        CheckFormat::Human => {
            show_changes(session, &mended, args.fix)?;
            show(session, &checked, is_bad)?;
        }
    }
    Ok(if is_bad { Exit::Invalid.code() } else { Exit::Success.code() })
}

fn show(session: &mut Session, checked: &Checked, is_bad: bool) -> Result<(), Failure> {
    if !checked.diagnostics.is_empty() {
        session.out.data(&render_all(&checked.diagnostics, true))?;
        session.out.data("\n")?;
    }
    if !session.global.quiet {
        let verdict = if is_bad { paint(BAD, "FAIL") } else { paint(GOOD, "PASS") };
        let files = format!("{} file{}", checked.files, if checked.files == 1 { "" } else { "s" });
        session.out.data(&format!("{verdict} {files} checked: {}\n", counts(&checked.diagnostics)))?;
    }
    Ok(())
}

fn show_changes(session: &mut Session, mended: &[Mended], written: bool) -> Result<(), Failure> {
    for change in mended {
        session.out.data(&coloured(&change.diff))?;
        session.out.data("\n")?;
    }
    if !mended.is_empty() && !session.global.quiet {
        let fixes: usize = mended.iter().map(|change| change.fixes).sum();
        let what = if written { "mended" } else { "`orch check --fix` would mend" };
        session.out.data(&format!("{what} {fixes} fault{}\n\n", if fixes == 1 { "" } else { "s" }))?;
    }
    Ok(())
}

/// A diff with its lines in the colours of what they do.
fn coloured(diff: &str) -> String {
    let mut text = String::with_capacity(diff.len());
    for line in diff.split_inclusive('\n') {
        let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
        match body.as_bytes().first() {
            Some(b'+') => text.push_str(&paint(GOOD, &plain(body))),
            Some(b'-') => text.push_str(&paint(BAD, &plain(body))),
            _ => text.push_str(&plain(body)),
        }
        text.push_str(end);
    }
    text
}

/// A line of a file that may hold anything; tabs stay.
fn plain(line: &str) -> String {
    line.split('\t').map(visible).collect::<Vec<_>>().join("\t")
}

fn change_json(change: &Mended) -> serde_json::Value {
    json!({ "path": change.path, "fixes": change.fixes, "diff": change.diff })
}

/// The project's folder inside its repository, with a slash at the end: code hosts count paths from the repository.
fn prefix(project: &Project) -> String {
    let repository = project.root().ancestors().find(|folder| folder.join(".git").exists());
    let inside = repository.and_then(|repository| project.root().strip_prefix(repository).ok());
    match inside {
        Some(inside) if !inside.as_os_str().is_empty() => format!("{}/", inside.display()),
        Some(_) | None => String::new(),
    }
}
