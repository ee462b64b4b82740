//! What `orch dev` says: lines for people, and one JSON object a line for programs.
//!
//! A pure function of reports. No line depends on colour alone.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    base::{
        Timestamp,
        render::{render_all, to_json},
    },
    cli::{
        clean::one_line,
        failure::counts,
        style::{BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    service::dev::{Change, ChangedStep, DEV_VERSION, Edge, News, PlanDiff, Report},
};

/// The column at which names begin.
const COLUMN: usize = 18;

/// The lines of a report.
pub(super) fn lines(report: &Report, is_first: bool) -> String {
    let mut text = String::new();
    if !report.fresh.is_empty() {
        let _ = writeln!(text, "{}", render_all(&report.fresh, true).trim_end());
    }
    let verdict = if report.is_good() { paint(GOOD, "  ok") } else { paint(BAD, "FAIL") };
    let mut words = vec![counts(&report.diagnostics)];
    if report.mended > 0 {
        words.push(format!("{} mended", report.mended));
    }
    if is_first {
        words.push(format!("{} plan{}", report.plans.len(), if report.plans.len() == 1 { "" } else { "s" }));
    }
    if report.settings {
        words.push("the settings have changed".to_owned());
    }
    if report.answers {
        words.push("what answers for agents has changed".to_owned());
    }
    let took = report.took.as_millis();
    let time = paint(DIM, &format!("{} {took:>4} ms", clock(report.at)));
    let _ = writeln!(text, "{time} {verdict} {}", words.join(" · "));
    if let Some(missing) = &report.missing {
        let _ = writeln!(text, "{:COLUMN$}{} {}", "", paint(BAD, missing.id), one_line(&missing.message));
    }
    let news = report.changes.iter().filter(|change| !(is_first && change.news == News::New));
    for change in news {
        change_lines(&mut text, change);
    }
    text
}

/// The time of day, UTC.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

fn change_lines(text: &mut String, change: &Change) {
    let name = paint(BOLD, &one_line(&change.name));
    let mut line = |words: String| {
        let _ = writeln!(text, "{:COLUMN$}{words}", "");
    };
    match &change.news {
        News::New => line(format!("{} {name}", paint(GOOD, "+"))),
        News::Gone => line(format!("{} {name} is gone", paint(BAD, "-"))),
        News::Stays => line(format!("{} {name}: the plan of {} stays", paint(DOUBT, "!"), clock(change.since))),
        News::Changed(diff) if diff.is_empty() => line(format!("  {name}: only lines have moved")),
        News::Changed(diff) => {
            line(format!("{} {name}", paint(DOUBT, "~")));
            for words in diff_lines(diff) {
                line(format!("  {words}"));
            }
        }
    }
}

fn diff_lines(diff: &PlanDiff) -> Vec<String> {
    let mut lines = Vec::new();
    if !diff.workflow.is_empty() {
        lines.push(format!("{} workflow: {}", paint(DOUBT, "~"), diff.workflow.join(", ")));
    }
    lines.extend(diff.added.iter().map(|step| format!("{} {}", paint(GOOD, "+"), one_line(step))));
    lines.extend(diff.removed.iter().map(|step| format!("{} {}", paint(BAD, "-"), one_line(step))));
    let changed = |ChangedStep { step, parts }: &ChangedStep| {
        format!("{} {}: {}", paint(DOUBT, "~"), one_line(step), parts.join(", "))
    };
    lines.extend(diff.changed.iter().map(changed));
    let edge = |sign: String, Edge { from, to, edge }: &Edge| {
        let kind = format!("{edge:?}").to_lowercase();
        format!("{sign} {} → {} ({kind})", one_line(from), one_line(to))
    };
    lines.extend(diff.edges_added.iter().map(|one| edge(paint(GOOD, "+"), one)));
    lines.extend(diff.edges_removed.iter().map(|one| edge(paint(BAD, "-"), one)));
    lines
}

/// A report for programs.
pub(super) fn state_json(report: &Report) -> Value {
    let change = |change: &Change| {
        let (news, diff) = match &change.news {
            News::New => ("new", Value::Null),
            News::Changed(diff) => ("changed", json!(diff)),
            News::Stays => ("stays", Value::Null),
            News::Gone => ("gone", Value::Null),
        };
        json!({ "name": change.name, "news": news, "since": change.since, "diff": diff })
    };
    json!({
        "v": DEV_VERSION,
        "at": report.at,
        "type": "dev_state",
        "took_ms": u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        "good": report.is_good(),
        "plans": report.plans,
        "changes": report.changes.iter().map(change).collect::<Vec<_>>(),
        "settings_changed": report.settings,
        "answers_changed": report.answers,
        "diagnostics": report.diagnostics.iter().map(to_json).collect::<Vec<_>>(),
        "missing": report.missing.as_ref().map(|missing| json!({
            "id": missing.id, "message": missing.message, "help": missing.help,
        })),
    })
}

/// What is watched, for programs.
pub(super) fn watching_json(at: Timestamp, folders: usize, polls: Option<&str>) -> Value {
    json!({ "v": DEV_VERSION, "at": at, "type": "dev_watching", "folders": folders, "polls": polls })
}

/// What is watched, for people.
pub(super) fn watching_line(folders: usize, polls: Option<&str>) -> String {
    match polls {
        None => format!("watching {folders} folders\n"),
        Some(reason) => {
            let note = paint(DOUBT, "the system cannot tell of changes:");
            format!("{note} {}; looking once a second\n", one_line(reason))
        }
    }
}
