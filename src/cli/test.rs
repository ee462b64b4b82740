//! `orch test`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;

use crate::{
    cli::{
        clean::one_line,
        exit::Exit,
        failure::Failure,
        junit::junit,
        session::Session,
        style::{BAD, DIM, GOOD, paint},
    },
    service::{CaseResult, Refusal, test},
};

/// Arguments of `orch test`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch test\n  orch test fix-bug\n  orch test workflows/tests/book.yaml --junit report.xml\n\n\
    Cases stand in workflows/tests/NAME.yaml. Agents and commands are replaced by the answers of the case;\n\
    nothing of the project runs or changes."
)]
pub struct TestArgs {
    /// Workflows, /commands, or files and folders of cases [default: all cases of the project]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Write the results as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

pub(super) fn run(session: &mut Session, args: &TestArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let (json, quiet, verbose) = (session.global.json, session.global.quiet, session.global.verbose > 0);
    let program = session.program.clone();
    // A closed output does not end the cases: the report may still be written.
    let mut closed = None;
    let out = &mut session.out;
    let report = test(&project, &args.names, program, |case| {
        let is_hidden = json || quiet && case.passed;
        if !is_hidden && closed.is_none() {
            closed = out.data(&line(case, verbose)).err();
        }
    })?;
    if let Some(path) = &args.junit {
        let path = session.environment.folder().join(path);
        // A pipe on the disk, to which nobody listens, would be waited for without an end.
        let is_pipe = path.metadata().is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type()));
        let written = if is_pipe && !path.starts_with("/dev") {
            Err(std::io::Error::other("it is a pipe"))
        } else {
            std::fs::write(&path, junit(&report))
        };
        written.map_err(|error| {
            let message = format!("{} cannot be written: {error}", path.display());
            Refusal::new(1, "E0577", message, "correct the path after `--junit`").retryable()
        })?;
    }
    if let Some(failure) = closed {
        return Err(failure);
    }
    if json {
        session.out.json(&report)?;
    } else if !quiet {
        let verdict = if report.failed == 0 { paint(GOOD, "PASS") } else { paint(BAD, "FAIL") };
        session.out.data(&format!("{verdict} {} passed, {} failed\n", report.passed, report.failed))?;
    }
    Ok(if report.failed == 0 { Exit::Success.code() } else { Exit::Failed.code() })
}

/// One case; of a failed one what differs first, or all with `-v`.
fn line(case: &CaseResult, verbose: bool) -> String {
    let word = if case.passed { paint(GOOD, "PASS") } else { paint(BAD, "FAIL") };
    let place = paint(DIM, &format!("{}:{}", one_line(&case.file), case.line));
    let mut text = format!("{word} {}: {}  {place}\n", one_line(&case.subject), one_line(&case.name));
    let shown = if verbose { case.differences.len() } else { 1 };
    for one in case.differences.iter().take(shown) {
        let (about, expected, found) = (one_line(&one.about), one_line(&one.expected), one_line(&one.found));
        let _ = writeln!(text, "     {about}: expected {expected}, found {found}");
        if !one.evidence.is_empty() {
            let _ = writeln!(text, "     {}", paint(DIM, &one_line(&one.evidence)));
        }
    }
    if case.differences.len() > shown {
        let _ = writeln!(text, "     and {} more: `-v` shows them", case.differences.len() - shown);
    }
    text
}
