//! Words and numbers of the report, each as people read it. Knows no run.

use crate::{
    base::{Timestamp, Usage, dollars, render_duration},
    cli::clean::one_line,
};

/// `$0.12`, or tokens where nobody put a price on them; `None` for nothing.
pub(super) fn saved_words(saved: &Usage) -> Option<String> {
    match (saved.usd_micros, saved.tokens()) {
        (0, 0) => None,
        (0, tokens) => Some(format!("{} tok", count_words(tokens))),
        (usd_micros, _) => Some(dollars(usd_micros)),
    }
}

/// `12.4k`, `3.1M`.
pub(super) fn count_words(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{}.{}k", count / 1_000, count / 100 % 10),
        _ => format!("{}.{}M", count / 1_000_000, count / 100_000 % 10),
    }
}

/// `until 15:00:00 UTC (45m)`.
pub(super) fn until_words(now: Timestamp, until: Timestamp) -> String {
    let hour = until.to_string();
    format!("until {} UTC ({})", hour.get(11..19).unwrap_or_default(), render_duration(until.since(now)))
}

/// A step's path as one word of a shell.
pub(super) fn quote(step: &str) -> String {
    shell_words::quote(&one_line(step)).into_owned()
}

pub(super) fn gate_words(gate: &str, reason: &str) -> String {
    let reason = one_line(reason);
    if reason.is_empty() || gate.is_empty() { format!("{gate}{reason}") } else { format!("{gate}: {reason}") }
}

pub(super) fn first_of(text: &str, otherwise: &str) -> String {
    let line = one_line(text);
    if line.is_empty() { otherwise.to_owned() } else { line }
}

pub(super) fn join(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("  ")
}
