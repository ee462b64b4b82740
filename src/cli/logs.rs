//! `orch logs`: what attempts have printed, from the run's folder.

use crate::{
    cli::{
        args::LogsArgs,
        clean::{clean, one_line},
        failure::Failure,
        session::Session,
        style::{DIM, paint},
    },
    service::{Runs, STREAMS, StepStatus, end_of, no_step, status},
};

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
        return Err(no_step(&run, args.step.as_deref().unwrap_or_default()).into());
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
            session.out.data(&format!("{}\n", paint(DIM, &format!("── {}", one_line(&head)))))?;
            printed = true;
            for name in STREAMS {
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
