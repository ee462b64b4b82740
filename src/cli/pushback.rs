//! `orch pushback`: comments of a person go back to the agent that did the work.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    cli::{decide::deliver, failure::Failure, session::Session, values::text_of},
    service::{Refusal, Runs, Said},
};

/// The longest file of comments, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// Arguments of `orch pushback`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch pushback 7f3k build --comment \"src/a.rs:12: use a constant\"\n  \
    orch pushback 7f3k build --comment \"src/a.rs:3-9:old: keep this check\" --comment \"tests are missing\"\n  \
    orch pushback 7f3k build --file comments.json\n\n\
    A comment is PATH:LINE: TEXT, PATH:LINE-LINE: TEXT, PATH: TEXT, or TEXT about all of it; `:old` behind the lines means\n\
    those before the change. In a file: [{\"path\": \"src/a.rs\", \"line\": 3, \"to\": 9, \"side\": \"old\", \"comment\": \"…\"}].\n\
    The agent goes on in its session, all gates judge its work again, and you are asked again. It takes no `tries`; a step\n\
    can be pushed back ten times.")]
pub struct PushbackArgs {
    /// The run, or the beginning of its id
    pub run: String,
    /// The step's path; needed where the run asks more than one thing
    pub step: Option<String>,
    /// What is to be changed, and where; may be repeated
    #[arg(long = "comment", value_name = "COMMENT", required_unless_present = "file")]
    pub comments: Vec<String>,
    /// A JSON file of comments
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

pub(super) fn run(session: &mut Session, args: &PushbackArgs) -> Result<u8, Failure> {
    let said = args.file.as_deref().map(read).transpose()?.unwrap_or_default();
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let run = runs.find(Some(&args.run))?;
    let decision = runs.pushback(&run, args.step.as_deref(), &args.comments, &said)?;
    deliver(session, &runs, &run, args.step.as_deref(), decision, "pushed back")
}

fn read(path: &Path) -> Result<Vec<Said>, Refusal> {
    let refused = |why: String| {
        let help = "a list: [{\"path\": \"src/a.rs\", \"line\": 3, \"comment\": \"…\"}]";
        Refusal::new(2, "E0363", format!("{}: {why}", path.display()), help)
    };
    let text = text_of(path, FILE_MAX).map_err(refused)?;
    serde_json::from_str(&text).map_err(|error| refused(error.to_string()))
}
