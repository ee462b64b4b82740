//! `orch logs`: what attempts have printed, from the run's folder.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use crate::{
    cli::{
        args::LogsArgs,
        clean::clean,
        failure::Failure,
        session::Session,
        style::{DIM, paint},
    },
    service::{Refusal, Runs, StepStatus, status},
};

/// The most of one file that is printed without `--tail`, in bytes: its end.
const FILE_MAX: u64 = 4 * 1024 * 1024;

pub(super) fn run(session: &mut Session, args: &LogsArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let run = runs.find(args.run.as_deref())?;
    let owner = runs.owner(&run)?;
    let now = status(&runs.load(&run, |_, _, _| {})?, owner);
    let attempts = runs.folder(&run)?.join("attempts");
    let wanted = |step: &&StepStatus| {
        args.step.as_ref().is_none_or(|path| step.id == *path || step.id.starts_with(&format!("{path}/")))
    };
    let steps: Vec<_> = now.steps.iter().filter(wanted).collect();
    if steps.is_empty() {
        let message = format!("run {run} has no step `{}`", args.step.as_deref().unwrap_or_default());
        return Err(Refusal::new(11, "E0314", message, format!("`orch status {run}` lists the steps")).into());
    }
    let mut printed = false;
    for step in steps {
        for (place, attempt) in step.history.iter().enumerate() {
            let number = u32::try_from(place + 1).unwrap_or(u32::MAX);
            let bad = matches!(attempt.end, "failed" | "fail" | "error" | "lost" | "stopped");
            if args.attempt.is_some_and(|wanted| wanted != number) || (args.failed && !bad) {
                continue;
            }
            let mut head = format!("{} · attempt {number} · {} · {}", step.id, attempt.purpose, attempt.end);
            if !attempt.reason.is_empty() {
                head.push_str(&format!(" · {}", attempt.reason));
            }
            session.out.data(&format!("{}\n", paint(DIM, &format!("── {}", clean(&head)))))?;
            printed = true;
            for name in ["stdout.log", "stderr.log", "answer.txt"] {
                if let Some(text) = end_of(&attempts.join(&attempt.id).join(name), args.tail) {
                    session.out.data(&clean(&text))?;
                }
            }
        }
    }
    if !printed {
        session.out.talk("nothing was printed\n");
    }
    Ok(0)
}

/// The end of a file; `None` where there is none.
pub(super) fn end_of(path: &Path, lines: Option<usize>) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(FILE_MAX))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if size > FILE_MAX {
        text.insert_str(0, &format!("… {} bytes before this are in {}\n", size - FILE_MAX, path.display()));
    }
    if let Some(wanted) = lines {
        let all: Vec<_> = text.lines().collect();
        text = all[all.len().saturating_sub(wanted)..].iter().map(|line| format!("{line}\n")).collect();
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}
