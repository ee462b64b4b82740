//! `orch replay`: tells a run from its journal, and checks that the journal fits.

use std::fmt::Write as _;

use clap::Args;

use crate::{
    cli::{
        clean::one_line,
        failure::Failure,
        runs::status_text,
        session::Session,
        style::{DIM, GOOD, paint},
    },
    service::{Runs, StoryLine, status},
};

/// Arguments of `orch replay`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch replay 7f3k\n  orch replay 7f3k --at 12\n  orch replay 7f3k --json\n\n\
    Nothing runs and nothing changes. To play a recording as a run: `orch run NAME --runtime replay`.")]
pub struct ReplayArgs {
    /// The run, or the beginning of its id [default: the latest]
    pub run: Option<String>,
    /// Show where the run stood after this record of its journal
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    pub at: Option<u64>,
}

pub(super) fn run(session: &mut Session, args: &ReplayArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let run = runs.find(args.run.as_deref())?;
    let json = session.global.json;
    let verbose = session.global.verbose > 0;
    // A closed output does not end the check.
    let mut closed = None;
    let out = &mut session.out;
    let loaded = runs.story(&run, args.at, |line| {
        let is_told = args.at.is_none() && closed.is_none() && (json || !session.global.quiet);
        if is_told {
            let told = if json { out.json_line(&line) } else { out.data(&text(&line, verbose)) };
            closed = told.err();
        }
    });
    let loaded = loaded?;
    if let Some(failure) = closed {
        return Err(failure);
    }
    if args.at.is_some() {
        let then = status(&loaded, None);
        if json {
            session.out.json(&then)?;
        } else {
            session.out.data(&status_text(&then))?;
        }
    } else if !json && !session.global.quiet {
        let records = loaded.seq;
        let plural = if records == 1 { "" } else { "s" };
        session.out.data(&format!("{} {records} record{plural} fit, run {run}\n", paint(GOOD, "REPLAYED")))?;
    }
    Ok(0)
}

/// One record; what came of it with `-v`, and always what has settled.
fn text(line: &StoryLine, verbose: bool) -> String {
    let time: String = line.at.to_string().chars().skip(11).take(12).collect();
    let mut text = format!("{:>5}  {}  {}\n", line.seq, paint(DIM, &time), one_line(&line.text));
    for then in line.then.iter().filter(|then| verbose || !then.starts_with("asks ")) {
        let _ = writeln!(text, "{:>21}  {} {}", "", paint(DIM, "→"), one_line(then));
    }
    text
}
