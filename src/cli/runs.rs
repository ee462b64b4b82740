//! `orch runs`, `orch status`, `orch inbox`: where runs stand.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    base::{Timestamp, dollars, render_duration},
    cli::{
        args::{InboxArgs, RunsArgs, StatusArgs},
        clean::{clean, one_line},
        ending::cache_words,
        failure::Failure,
        session::Session,
        style::{ASK, BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    scheduler::StepState,
    service::{Extent, RunQuery, Runs, Status},
};

/// The most steps that a status prints as text.
const STEPS_MAX: usize = 200;

fn runs(session: &mut Session) -> Result<Runs, Failure> {
    let project = session.project()?;
    Ok(Runs::open(project.root(), project.run_settings(session.program.clone()))?)
}

pub(super) fn list(session: &mut Session, args: &RunsArgs) -> Result<u8, Failure> {
    let runs = runs(session)?;
    let wanted = RunQuery { status: args.status.clone(), workflow: args.workflow.clone(), ..RunQuery::default() };
    let lines = runs.find_runs(&wanted, args.limit as usize)?;
    if session.global.json {
        let lines: Vec<_> = lines
            .iter()
            .map(|run| {
                json!({
                    "v": 1,
                    "id": run.run,
                    "workflow": run.workflow,
                    "status": run.status,
                    "started": run.started,
                    "ended": run.ended,
                    "waiting_for": run.waiting_for,
                    "exit_code": run.exit_code,
                })
            })
            .collect();
        session.out.json(&lines)?;
        return Ok(0);
    }
    let mut text = String::new();
    for run in &lines {
        let took = run.ended.map_or_else(String::new, |ended| render_duration(ended.since(run.started)));
        let _ = writeln!(
            text,
            "{}  {}  {:<24} {:>9}  {}",
            run.run,
            paint(word_style(&run.status), &format!("{:<11}", one_line(&run.status))),
            one_line(&run.workflow),
            took,
            paint(DIM, &minute(run.started)),
        );
        if let Some(waiting) = &run.waiting_for {
            let _ = writeln!(text, "          waits for {}", one_line(waiting));
        }
    }
    if lines.is_empty() {
        session.out.talk("no runs yet; start one: orch run NAME\n");
    }
    session.out.data(&text)?;
    Ok(0)
}

fn minute(at: Timestamp) -> String {
    at.to_string().chars().take(16).collect::<String>().replace('T', " ")
}

fn word_style(word: &str) -> anstyle::Style {
    match word {
        "succeeded" => GOOD,
        "failed" | "cancelled" => BAD,
        "waiting" => ASK,
        "interrupted" => DOUBT,
        _ => BOLD,
    }
}

pub(super) fn show(session: &mut Session, args: &StatusArgs) -> Result<u8, Failure> {
    let runs = runs(session)?;
    let run = runs.find(args.run.as_deref())?;
    let now = runs.standing(&run)?;
    if session.global.json {
        session.out.json(&now)?;
    } else {
        session.out.data(&status_text(&now))?;
    }
    Ok(0)
}

/// A status as text.
pub(super) fn status_text(status: &Status) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "run {}  {}  {}",
        status.id,
        one_line(&status.workflow),
        paint(word_style(&status.status), &one_line(&status.status))
    );
    if let Some(fork) = &status.fork_of {
        let _ = writeln!(text, "fork of run {}, from {}", fork.run, one_line(&fork.from));
    }
    if let Some(cause) = &status.cause {
        let at = cause.step.as_ref().map_or_else(String::new, |step| format!(" at {}", one_line(step.as_str())));
        let _ = writeln!(text, "why: {}{at}", one_line(&cause.reason));
    }
    if let Some(owner) = status.owner {
        let _ = writeln!(text, "driven by process {owner}");
    }
    for step in status.steps.iter().take(STEPS_MAX) {
        let _ = writeln!(text, "  {} {}{}", state(step.status), one_line(&step.id), gates(step));
        if !step.reason.is_empty() {
            let _ = writeln!(text, "             {}", one_line(&step.reason));
        }
        if let Some(word) = step.history.iter().rev().find_map(|attempt| attempt.danger.as_deref()) {
            let _ = writeln!(text, "             DANGER: it worked without limits, by the word of {}", one_line(word));
        }
    }
    if status.steps.len() > STEPS_MAX {
        let _ = writeln!(text, "  … {} more steps; `--json` has all", status.steps.len() - STEPS_MAX);
    }
    for waiting in &status.waiting_for {
        let at = one_line(waiting.step.as_deref().unwrap_or("the run"));
        let _ = writeln!(text, "waits for: {} about {at}", one_line(waiting.kind));
        for line in clean(&waiting.about).lines().take(12) {
            let _ = writeln!(text, "    {line}");
        }
    }
    for parked in &status.parked {
        let (runtime, reason) = (one_line(&parked.runtime), one_line(&parked.reason));
        let _ = writeln!(text, "parked: {runtime} until {}: {reason}", parked.until);
        if status.owner.is_some() && parked.waiting > 0 {
            let _ = writeln!(text, "    {} waiting; it goes on by itself, at the latest then", parked.waiting);
        }
    }
    if let Some(cache) = &status.cache {
        let _ = writeln!(text, "cache: {}", cache_words(cache));
    }
    let spent = &status.spent;
    if spent.agents > 0 {
        let _ = writeln!(
            text,
            "spent: {} agent starts, {} tokens, {}{}",
            spent.agents,
            spent.usage.tokens(),
            dollars(spent.usage.usd_micros),
            if spent.usage.guessed_usd_micros > 0 { " (estimated: `orch cost` says why)" } else { "" }
        );
    }
    for (place, next) in status.next.iter().enumerate() {
        let _ = writeln!(text, "{} {}", if place == 0 { "next:" } else { "  or:" }, one_line(next));
    }
    if let Some(then) = &status.then {
        let _ = writeln!(text, "then: {}", one_line(then));
    }
    text
}

fn state(state: StepState) -> String {
    let style = match state {
        StepState::Succeeded => GOOD,
        StepState::Failed | StepState::Cancelled => BAD,
        StepState::Asking => ASK,
        StepState::Unknown | StepState::Sleeping => DOUBT,
        StepState::Waiting | StepState::Skipped => DIM,
        StepState::Running => BOLD,
    };
    paint(style, &format!("{:>10}", state.word()))
}

fn gates(step: &crate::service::StepStatus) -> String {
    let mut text = String::new();
    for gate in step.gates.iter().filter(|gate| gate.verdict != "none") {
        let before = match gate.failed_before {
            0 => String::new(),
            1 => ", failed once before".to_owned(),
            times => format!(", failed {times} times before"),
        };
        let _ = write!(text, "\n             gate `{}`: {}{before}", one_line(&gate.gate), gate.verdict);
    }
    text
}

pub(super) fn inbox(session: &mut Session, args: &InboxArgs) -> Result<u8, Failure> {
    let runs = runs(session)?;
    let mut waiting = Vec::new();
    for run in runs.find_runs(&RunQuery { live: true, ..RunQuery::default() }, usize::MAX)? {
        let now = runs.standing(&run.run)?;
        if !now.waiting_for.is_empty() {
            waiting.push(now);
        }
    }
    if session.global.json {
        let lines: Vec<_> = waiting
            .iter()
            .map(|now| json!({ "v": 1, "id": now.id, "workflow": now.workflow, "waiting_for": now.waiting_for, "next": now.next }))
            .collect();
        session.out.json(&lines)?;
        return Ok(0);
    }
    if waiting.is_empty() {
        session.out.talk("nothing waits for you\n");
    }
    for now in &waiting {
        let mut lines = status_text(now);
        // The inbox is about what is asked; the steps are in `orch status`.
        lines = lines.lines().filter(|line| !line.starts_with("  ") || line.starts_with("    ")).fold(
            String::new(),
            |mut kept, line| {
                let _ = writeln!(kept, "{line}");
                kept
            },
        );
        session.out.data(&lines)?;
        if args.show {
            show_files(session, &runs, now)?;
        }
    }
    Ok(0)
}

/// All that has changed of what a run asks about.
fn show_files(session: &mut Session, runs: &Runs, now: &Status) -> Result<(), Failure> {
    let run = runs.find(Some(&now.id))?;
    for step in now.waiting_for.iter().filter(|waiting| waiting.reviewed).filter_map(|waiting| waiting.step.as_ref()) {
        let changes = runs.changes(&run, &Extent::Step(step.clone()), &[])?;
        session.out.data(&format!("\n{}\n{}", one_line(step), clean(&String::from_utf8_lossy(&changes.patch))))?;
    }
    Ok(())
}
