//! How a run's end reads from outside: a status word and an exit code (BARS section 3.3 is the public table).

use crate::scheduler::{CauseKind, RunEnd, Settled, WaitingFor};

/// `succeeded`, `failed` or `cancelled`.
#[must_use]
pub fn status_word(settled: Settled) -> &'static str {
    match settled {
        Settled::Succeeded | Settled::Skipped => "succeeded",
        Settled::Failed => "failed",
        Settled::Cancelled => "cancelled",
    }
}

/// The exit code of a run that has ended.
#[must_use]
pub fn exit_code(end: &RunEnd) -> u8 {
    if end.settled == Settled::Succeeded {
        return 0;
    }
    match end.cause.as_ref().map(|cause| cause.kind) {
        Some(CauseKind::Gate) => 22,
        Some(CauseKind::Rejected) => 21,
        Some(CauseKind::Budget) => 23,
        Some(CauseKind::TimedOut) => 24,
        Some(CauseKind::Missing) => 43,
        Some(CauseKind::Unavailable) => 75,
        Some(CauseKind::Cancelled) => 130,
        Some(CauseKind::Step | CauseKind::Stopped | CauseKind::Evaluation) | None => 1,
    }
}

/// The exit code of a run that is parked: an unknown outcome weighs more than a question, a question more than money.
#[must_use]
pub fn parked_exit_code(waiting: &[WaitingFor]) -> u8 {
    let weight = |waiting: &WaitingFor| match waiting {
        WaitingFor::Outcome { .. } => 30,
        WaitingFor::Decision { .. } => 20,
        WaitingFor::Budget { .. } => 23,
    };
    let codes: Vec<u8> = waiting.iter().map(weight).collect();
    [30, 20, 23].into_iter().find(|code| codes.contains(code)).unwrap_or(20)
}

/// What a parked run waits for, one line.
#[must_use]
pub fn waiting_words(waiting: &[WaitingFor]) -> String {
    let words = waiting.iter().map(|one| match one {
        WaitingFor::Decision { step, .. } => format!("a decision about {step}"),
        WaitingFor::Outcome { step, .. } => format!("word of how {step} ended"),
        WaitingFor::Budget { reason } => reason.clone(),
    });
    words.collect::<Vec<_>>().join("; ")
}
