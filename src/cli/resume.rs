//! `orch resume` and `orch retry`: go on with a run that nobody drives.

use serde_json::Map;

use crate::{
    base::RunId,
    cli::{
        args::{ApprovalArg, OutcomeArg, ResumeArgs, RetryArgs, WatchArgs},
        cache::ReuseArgs,
        clean::one_line,
        drive::drive,
        failure::Failure,
        session::Session,
        watch,
    },
    config::Flags,
    driver::exit_code,
    scheduler::Answer,
    service::{Forked, Project, Refusal, Runs, gather_inputs, recordings},
};

/// Steps that are named of a fork.
const STEPS_SHOWN: usize = 12;

fn open(
    session: &mut Session,
    parallel: Option<u32>,
    on_approval: Option<ApprovalArg>,
    reuse: ReuseArgs,
) -> Result<(Project, Runs), Failure> {
    let flags = Flags::new().with("parallel", "--parallel", parallel).with(
        "on_approval",
        "--on-approval",
        on_approval.map(ApprovalArg::word),
    );
    let project = session.project_with(flags)?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    Ok((project, runs.caching(reuse.wish())))
}

pub(super) fn run(session: &mut Session, args: &ResumeArgs) -> Result<u8, Failure> {
    let (project, runs) = open(session, args.parallel, args.on_approval, args.reuse)?;
    let run = runs.find(args.run.as_deref())?;
    let loaded = runs.load(&run, |_, _, _| {})?;
    if args.outcome.is_none() && loaded.scheduler.ended().is_some_and(|end| exit_code(end) == 0) {
        // A script that answers and resumes must not fail because the answer was the last thing to do.
        return watch::run(session, &WatchArgs { run: Some(run.to_string()) });
    }
    let mut then = Vec::new();
    match (&args.step, args.outcome) {
        (Some(step), Some(outcome)) => {
            // Before the new owner has taken over, what was lost still counts as running.
            let restarted = runs.as_restarted(&run)?;
            let instance = runs.unknown(&restarted, step)?;
            let answer = match outcome {
                OutcomeArg::Retry => Answer::Retry,
                OutcomeArg::Done => Answer::Done,
                OutcomeArg::Failed => Answer::Failed,
            };
            then.push(runs.answer(instance, answer));
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            let help = format!("orch resume {run} --step STEP --as retry|done|failed");
            return Err(Refusal::new(2, "E0520", "`--step` and `--as` belong together", help).into());
        }
    }
    then.extend(args.budget.and_then(|budget| budget.event()));
    let replay = recordings(project.root(), loaded.scheduler.plan());
    let owned = runs.resume(&run, replay, then)?;
    drive(session, &runs, owned, project.settings().on_approval, project.root())
}

/// What a fork takes over, what it does again, and what a person should look at.
fn forked_text(run: &RunId, from: &str, forked: &Forked) -> String {
    let new = forked.owned.run();
    let mut text = format!("run {new} is a fork of run {run}, from {}\n", one_line(from));
    let mut list = |word: &str, paths: &[String]| {
        let more = paths.len().saturating_sub(STEPS_SHOWN);
        let mut shown = paths.iter().take(STEPS_SHOWN).map(|path| one_line(path)).collect::<Vec<_>>().join(", ");
        if more > 0 {
            shown.push_str(&format!(" and {more} more"));
        }
        if !paths.is_empty() {
            text.push_str(&format!("{word:>8}: {shown}\n"));
        }
    };
    list("kept", &forked.kept);
    list("again", &forked.again);
    for doubt in &forked.doubts {
        text.push_str(&format!("    note: {}\n", one_line(doubt)));
    }
    text
}

pub(super) fn retry(session: &mut Session, args: &RetryArgs) -> Result<u8, Failure> {
    let (project, runs) = open(session, args.parallel, args.on_approval, args.reuse)?;
    let run = runs.find(args.run.as_deref())?;
    let loaded = runs.load(&run, |_, _, _| {})?;
    let replay = recordings(project.root(), loaded.scheduler.plan());
    if let Some(from) = &args.from {
        let pairs: Vec<_> = args.with.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
        let changed = gather_inputs(&loaded.scheduler.plan().inputs, &[], &pairs, Map::new())?;
        let forked = runs.fork(&run, from, changed, replay)?;
        if !session.global.json {
            session.out.talk(&forked_text(&run, from, &forked));
        }
        return drive(session, &runs, forked.owned, project.settings().on_approval, project.root());
    }
    let owned = runs.retry(&run, replay, args.budget.and_then(|budget| budget.event()))?;
    drive(session, &runs, owned, project.settings().on_approval, project.root())
}
