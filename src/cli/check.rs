//! `orch check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{
    base::{
        Severity,
        render::{render_all, to_json},
    },
    cli::{
        exit::Exit,
        failure::{Failure, counts},
        session::Session,
        style::{BAD, GOOD, paint},
    },
    service::check,
};

/// Arguments of `orch check`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch check\n  orch check workflows/release.yaml\n  orch check --strict --format json"
)]
pub struct CheckArgs {
    /// Files or folders [default: all definitions of the project]
    pub paths: Vec<PathBuf>,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
    /// How to print what is found; `--json` is the same as `--format json`
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: CheckFormat,
}

/// How to print what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Text with the lines and carets
    Human,
    /// One JSON object
    Json,
}

pub(super) fn run(session: &mut Session, args: &CheckArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let checked = check(&project, &args.paths)?;
    let (errors, warnings) = (checked.count(Severity::Error), checked.count(Severity::Warning));
    let is_bad = errors > 0 || args.strict && warnings > 0;
    if session.global.json || args.format == CheckFormat::Json {
        session.out.json(&json!({
            "version": 1,
            "files": checked.files,
            "errors": errors,
            "warnings": warnings,
            "diagnostics": checked.diagnostics.iter().map(to_json).collect::<Vec<_>>(),
        }))?;
    } else {
        if !checked.diagnostics.is_empty() {
            session.out.data(&render_all(&checked.diagnostics, true))?;
            session.out.data("\n")?;
        }
        if !session.global.quiet {
            let verdict = if is_bad { paint(BAD, "FAIL") } else { paint(GOOD, "PASS") };
            let files = format!("{} file{}", checked.files, if checked.files == 1 { "" } else { "s" });
            session.out.data(&format!("{verdict} {files} checked: {}\n", counts(&checked.diagnostics)))?;
        }
    }
    Ok(if is_bad { Exit::Invalid.code() } else { Exit::Success.code() })
}
