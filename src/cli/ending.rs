//! The final block of a run: how it ended, what it cost, what failed and why, and what to type next.

use std::fmt::Write as _;

use crate::{
    base::render_duration,
    cli::{
        clean::{clean, one_line, wrap},
        exit::Exit,
        report::{Report, SettledStep, Wait, count_words, quote},
        style::{BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    driver::What,
    scheduler::{Cause, CauseKind, Spent, StepState},
};

/// Failed steps told in full; the others are counted.
const FAILED_MAX: usize = 10;
/// Lines of evidence of each.
const EVIDENCE_LINES_MAX: usize = 10;

/// What the report cannot know from the events.
pub struct Ending<'a> {
    /// The last lines that a failed step has printed; none where nothing was kept.
    pub last_lines: &'a dyn Fn(&str) -> Vec<String>,
    /// More proof, one line each: the folder, the hash of the tree.
    pub proof: Vec<String>,
    /// A command for after a success.
    pub next: Option<String>,
}

/// The final block: of a run that has ended, or of one that waits.
pub(super) fn block(report: &Report, ending: &Ending<'_>) -> String {
    let rule = paint(DIM, &"─".repeat(12));
    let mut text = format!("{rule}\n");
    match &report.ended {
        Some(What::RunEnded { status, cause, exit_code, spent, .. }) => {
            ended(&mut text, report, ending, status, cause.as_ref(), *exit_code, spent);
        }
        Some(_) | None => parked(&mut text, report),
    }
    text
}

fn ended(
    text: &mut String,
    report: &Report,
    ending: &Ending<'_>,
    status: &str,
    cause: Option<&Cause>,
    exit_code: u8,
    spent: &Spent,
) {
    let (word, style) = match status {
        "succeeded" => ("PASSED", GOOD),
        "cancelled" => ("CANCELLED", DOUBT),
        _ => ("FAILED", BAD),
    };
    head(text, report, &paint(style, &format!("{word:>8}")), Some(spent));
    if exit_code == 0 {
        if report.gates_passed > 0 {
            let before = match report.gates_failed {
                0 => String::new(),
                failed => format!(", {failed} failed on the way"),
            };
            let _ =
                writeln!(text, "   proof: {} gate{} passed{before}", report.gates_passed, plural(report.gates_passed));
        }
        for line in &ending.proof {
            let _ = writeln!(text, "          {}", clean(line).replace('\n', " "));
        }
        let next = ending.next.clone().unwrap_or_else(|| format!("orch status {}", report.run));
        let _ = writeln!(text, "    {} {next}", paint(BOLD, "next:"));
        return;
    }
    failures(text, report, ending, cause);
    if let Some(exit) = Exit::of(exit_code) {
        let _ = writeln!(text, "    exit: {exit_code} ({})", exit.meaning());
    }
    next(text, &after_end(report, cause));
}

fn parked(text: &mut String, report: &Report) {
    head(text, report, &paint(DOUBT, " WAITING"), None);
    let mut commands = Vec::new();
    for wait in &report.waits {
        match wait {
            Wait::Question { step, form } => {
                let _ = writeln!(text, "     for  a decision about {}", one_line(step));
                let fields = if *form { " --set FIELD=VALUE" } else { "" };
                commands.push(format!("orch approve {} {}{fields}", report.run, quote(step)));
                commands.push(format!("orch reject {} {} --comment WHY", report.run, quote(step)));
            }
            Wait::Outcome(step) => {
                let _ = writeln!(text, "     for  word of how {} ended: retry, done or failed", one_line(step));
                commands.push(format!("orch resume {} --step {} --as retry", report.run, quote(step)));
            }
            Wait::Budget(reason) => {
                let _ = writeln!(text, "     for  a larger budget: {}", one_line(reason));
                commands.push(format!("orch resume {} --budget {}", report.run, raise(reason)));
            }
        }
    }
    if report.waits.is_empty() {
        let _ = writeln!(text, "     for  a new owner: this run was interrupted");
    }
    if report.waits.iter().any(|wait| matches!(wait, Wait::Question { .. })) || commands.is_empty() {
        commands.push(format!("orch resume {}", report.run));
    }
    next(text, &commands);
}

/// `  FAILED [ 1m 32s]  3 passed, 1 failed · 12.4k tokens · $0.31 · 4 agents`.
fn head(text: &mut String, report: &Report, word: &str, spent: Option<&Spent>) {
    let time = render_duration(report.last.since(report.started));
    let states = [
        (StepState::Succeeded, "passed"),
        (StepState::Failed, "failed"),
        (StepState::Skipped, "skipped"),
        (StepState::Cancelled, "cancelled"),
    ];
    let mut counts: Vec<_> = states
        .iter()
        .map(|(state, word)| (report.count(*state), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if !report.waits.is_empty() && report.ended.is_none() {
        counts.push(format!("{} waiting", report.waits.len()));
    }
    let mut words = vec![if counts.is_empty() { "nothing ran".to_owned() } else { counts.join(", ") }];
    if let Some(spent) = spent {
        let tokens = spent.usage.tokens();
        if tokens > 0 {
            words.push(format!("{} tokens", count_words(tokens)));
        }
        if spent.usage.usd_micros > 0 {
            words.push(format!("${}.{:02}", spent.usage.usd_micros / 1_000_000, spent.usage.usd_micros / 10_000 % 100));
        }
        if spent.agents > 0 {
            words.push(format!("{} agent{}", spent.agents, plural(usize::try_from(spent.agents).unwrap_or(2))));
        }
    }
    let _ = writeln!(text, "{word} [{time:>8}] {}", words.join(" · "));
}

fn failures(text: &mut String, report: &Report, ending: &Ending<'_>, cause: Option<&Cause>) {
    let failed = failed_steps(report);
    for step in failed.iter().take(FAILED_MAX) {
        failure(text, report, ending, step);
    }
    if failed.len() > FAILED_MAX {
        let _ =
            writeln!(text, "          and {} more failed steps: orch status {}", failed.len() - FAILED_MAX, report.run);
    }
    let told = cause.is_none_or(|cause| {
        failed.iter().any(|step| cause.step.as_ref().is_some_and(|path| path.as_str() == step.step))
    });
    if let (false, Some(cause)) = (told, cause) {
        indented(text, report, "          ", &cause.reason, EVIDENCE_LINES_MAX);
    }
}

/// Failed steps that do work, then containers that failed by themselves.
fn failed_steps(report: &Report) -> Vec<&SettledStep> {
    let is_failed = |step: &&SettledStep| step.state == StepState::Failed;
    let leaves: Vec<_> = report.steps.iter().filter(is_failed).filter(|step| !step.container).collect();
    let holds_failed = |container: &SettledStep| {
        leaves.iter().any(|leaf| {
            leaf.step.strip_prefix(container.step.as_str()).is_some_and(|rest| rest.starts_with(['/', '[', '#']))
        })
    };
    let containers = report.steps.iter().filter(is_failed).filter(|step| step.container && !holds_failed(step));
    leaves.iter().copied().chain(containers).collect()
}

fn failure(text: &mut String, report: &Report, ending: &Ending<'_>, step: &SettledStep) {
    let _ = writeln!(text, "    {} {}", paint(BAD, "FAIL"), one_line(&step.step));
    indented(text, report, "         ", &step.reason, EVIDENCE_LINES_MAX);
    let lines = (ending.last_lines)(&step.step);
    if !lines.is_empty() {
        let _ = writeln!(text, "         {}", paint(DIM, "last lines:"));
        let from = lines.len().saturating_sub(EVIDENCE_LINES_MAX);
        for line in &lines[from..] {
            indented(text, report, "         │ ", line, 3);
        }
    }
}

fn indented(text: &mut String, report: &Report, before: &str, what: &str, lines_max: usize) {
    let room = report.look.width.saturating_sub(before.chars().count());
    let what = clean(what);
    for line in wrap(what.trim_end(), room).iter().take(lines_max) {
        let _ = writeln!(text, "{}", format!("{before}{line}").trim_end());
    }
}

fn after_end(report: &Report, cause: Option<&Cause>) -> Vec<String> {
    let run = &report.run;
    let mut commands = Vec::new();
    if let Some(step) = failed_steps(report).first().filter(|step| !step.container) {
        commands.push(format!("orch logs {run} {}", quote(&step.step)));
    }
    match cause.map(|cause| cause.kind) {
        Some(CauseKind::Missing) => commands.insert(0, "orch doctor".to_owned()),
        Some(
            CauseKind::Step
            | CauseKind::Gate
            | CauseKind::Rejected
            | CauseKind::Budget
            | CauseKind::TimedOut
            | CauseKind::Unavailable
            | CauseKind::Stopped
            | CauseKind::Cancelled
            | CauseKind::Evaluation,
        )
        | None => {}
    }
    commands.push(format!("orch retry {run} --failed"));
    commands
}

/// A part of `--budget` that doubles what is used up, told from the words of the reason.
fn raise(reason: &str) -> String {
    let amount = |after: &str| {
        let digits: String = after.chars().take_while(|c| c.is_ascii_digit()).collect();
        digits.parse::<u64>().unwrap_or(1).saturating_mul(2).max(1)
    };
    let after = reason.split_once("the budget of ").map_or("", |(_, after)| after);
    match after.strip_prefix('$') {
        Some(dollars) => format!("usd={}", amount(dollars)),
        None if after.contains("token") => format!("tokens={}", amount(after)),
        None if after.contains("agent") => format!("agents={}", amount(after)),
        None => format!("time={}s", amount(after)),
    }
}

fn next(text: &mut String, commands: &[String]) {
    for (place, command) in commands.iter().enumerate() {
        let before = if place == 0 { paint(BOLD, "next:") } else { "     ".to_owned() };
        let _ = writeln!(text, "    {before} {command}");
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
