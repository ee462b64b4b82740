//! The final block of a run: how it ended, what it cost, what failed and why, and what to type next.

use std::fmt::Write as _;

use crate::{
    base::{dollars, render_duration},
    cli::{
        clean::{clean, one_line, wrap},
        exit::Exit,
        report::{Report, SettledStep},
        report_words::{count_words, saved_words},
        style::{BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    driver::What,
    scheduler::{Cause, Spent, StepState},
    service::CacheUse,
};

/// Failed steps told in full; the others are counted.
const FAILED_MAX: usize = 10;
/// Lines of evidence of each.
const EVIDENCE_LINES_MAX: usize = 10;

/// What the report cannot know from the events.
pub struct Ending<'a> {
    /// The last lines that a failed step has printed; none where nothing was kept.
    pub last_lines: &'a dyn Fn(&str) -> Vec<String>,
    /// More proof, each with its label of at most eight characters: the folder, the hash of the tree.
    pub proof: Vec<(&'static str, String)>,
    /// What the run waits for, in words, one each; empty where it has ended.
    pub waits: Vec<String>,
    /// Commands that help now, the likeliest first.
    pub next: Vec<String>,
    /// The command that goes on after a decision.
    pub then: Option<String>,
    /// The exit code of this process.
    pub code: u8,
}

/// The final block: of a run that has ended, or of one that waits.
pub(super) fn block(report: &Report, ending: &Ending<'_>) -> String {
    let rule = paint(DIM, &"─".repeat(12));
    let mut text = format!("{rule}\n");
    match &report.ended {
        Some(What::RunEnded { status, cause, spent, cache, .. }) => {
            ended(&mut text, report, ending, (status, cause.as_ref()), (spent, cache.as_ref()));
        }
        Some(_) | None => parked(&mut text, report, ending),
    }
    text
}

fn ended(
    text: &mut String,
    report: &Report,
    ending: &Ending<'_>,
    (status, cause): (&str, Option<&Cause>),
    (spent, cache): (&Spent, Option<&CacheUse>),
) {
    let (word, style) = match status {
        "succeeded" => ("PASSED", GOOD),
        "cancelled" => ("CANCELLED", DOUBT),
        _ => ("FAILED", BAD),
    };
    head(text, report, ending, &paint(style, &format!("{word:>8}")), Some(spent));
    if let Some(cache) = cache {
        let _ = writeln!(text, "   cache: {}", cache_words(cache));
    }
    dangers(text, report);
    if ending.code == 0 {
        if report.gates_passed > 0 {
            let before = match report.gates_failed {
                0 => String::new(),
                failed => format!(", {failed} failed on the way"),
            };
            let _ =
                writeln!(text, "   proof: {} gate{} passed{before}", report.gates_passed, plural(report.gates_passed));
        }
        for (label, line) in &ending.proof {
            let _ = writeln!(text, "{label:>8}: {}", clean(line).replace('\n', " "));
        }
        next(text, ending);
        return;
    }
    failures(text, report, ending, cause);
    if let Some(exit) = Exit::of(ending.code) {
        let _ = writeln!(text, "    exit: {} ({})", ending.code, exit.meaning());
    }
    next(text, ending);
}

/// `2 hits, 1 miss, saved $0.12`.
pub(super) fn cache_words(cache: &CacheUse) -> String {
    let CacheUse { hits, misses, saved } = cache;
    let saved = saved_words(saved).map(|saved| format!(", saved {saved}")).unwrap_or_default();
    let (one, other) = (if *hits == 1 { "" } else { "s" }, if *misses == 1 { "" } else { "es" });
    format!("{hits} hit{one}, {misses} miss{other}{saved}")
}

fn parked(text: &mut String, report: &Report, ending: &Ending<'_>) {
    head(text, report, ending, &paint(DOUBT, " WAITING"), None);
    dangers(text, report);
    for wait in &ending.waits {
        indented(text, report, "     for  ", wait, 1);
    }
    if ending.waits.is_empty() {
        let _ = writeln!(text, "     for  a new owner: this run was interrupted");
    }
    next(text, ending);
}

/// `  FAILED [ 1m 32s]  3 passed, 1 failed · 12.4k tokens · $0.31 · 4 agents`.
fn head(text: &mut String, report: &Report, ending: &Ending<'_>, word: &str, spent: Option<&Spent>) {
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
    if !ending.waits.is_empty() {
        counts.push(format!("{} waiting", ending.waits.len()));
    }
    let mut words = vec![if counts.is_empty() { "nothing ran".to_owned() } else { counts.join(", ") }];
    if let Some(spent) = spent {
        let tokens = spent.usage.tokens();
        if tokens > 0 {
            words.push(format!("{} tokens", count_words(tokens)));
        }
        if spent.usage.usd_micros > 0 {
            let guessed = if spent.usage.guessed_usd_micros > 0 { " estimated" } else { "" };
            words.push(format!("{}{guessed}", dollars(spent.usage.usd_micros)));
        }
        if spent.agents > 0 {
            words.push(format!("{} agent{}", spent.agents, plural(usize::try_from(spent.agents).unwrap_or(2))));
        }
    }
    let _ = writeln!(text, "{word} [{time:>8}] {}", words.join(" · "));
}

/// What worked without limits.
fn dangers(text: &mut String, report: &Report) {
    for said in report.dangers.iter().take(FAILED_MAX) {
        let _ = writeln!(text, "{}: {said}", paint(BAD, "  DANGER"));
    }
    if report.dangers.len() > FAILED_MAX {
        let _ = writeln!(text, "          and {} more: orch status {}", report.dangers.len() - FAILED_MAX, report.run);
    }
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

fn next(text: &mut String, ending: &Ending<'_>) {
    for (place, command) in ending.next.iter().enumerate() {
        let before = if place == 0 { paint(BOLD, "next:") } else { "  or:".to_owned() };
        let _ = writeln!(text, "    {before} {command}");
    }
    if let Some(command) = &ending.then {
        let _ = writeln!(text, "    then: {command}");
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
