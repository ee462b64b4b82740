//! When a step may begin, said a second time and as simply as possible.

use orch::{
    base::{Failure, FailureClass},
    definition::workflow::{Join, RetryOn},
    plan::{Plan, PlanStep, StepIx},
    scheduler::Settled,
};

#[derive(PartialEq)]
enum Ready {
    Yes,
    Skip,
    No,
}

fn ready(plan: &Plan, step: &PlanStep, outcome: impl Fn(StepIx) -> Option<Settled>) -> Ready {
    let needs: Vec<_> = step.needs.iter().map(|need| (*need, outcome(need.step))).collect();
    let succeeded = needs.iter().filter(|(_, settled)| *settled == Some(Settled::Succeeded)).count();
    let fine = needs.iter().filter(|(need, settled)| match settled {
        Some(Settled::Succeeded | Settled::Skipped) => true,
        Some(Settled::Failed) => plan.step(need.step).optional,
        Some(Settled::Cancelled) | None => false,
    });
    let fine = fine.count();
    let all_settled = needs.iter().all(|(_, settled)| settled.is_some());
    let unread = needs.iter().any(|(need, settled)| need.reads && *settled != Some(Settled::Succeeded));
    let wanted = match step.join {
        Join::All => needs.len(),
        Join::Any => 1.min(needs.len()),
        Join::AtLeast(n) => n as usize,
    };
    let enough = step.join != Join::All && succeeded >= wanted;
    if enough || (all_settled && fine >= wanted && !unread) {
        Ready::Yes
    } else if all_settled && fine >= wanted {
        Ready::Skip
    } else {
        Ready::No
    }
}

/// Whether the needs of a step let it begin.
pub fn may_begin(plan: &Plan, step: &PlanStep, outcome: impl Fn(StepIx) -> Option<Settled>) -> bool {
    ready(plan, step, outcome) == Ready::Yes
}

/// Whether the needs of a step have it skipped.
pub fn may_skip(plan: &Plan, step: &PlanStep, outcome: impl Fn(StepIx) -> Option<Settled>) -> bool {
    ready(plan, step, outcome) == Ready::Skip
}

/// Whether a failure may be followed by another try.
pub fn retryable(failure: &Failure, step: &PlanStep) -> bool {
    match failure.class {
        FailureClass::Transient { .. }
        | FailureClass::Quota { .. }
        | FailureClass::Recoverable
        | FailureClass::Invalid => true,
        FailureClass::TimedOut | FailureClass::Permanent => step.retry.on == RetryOn::Any,
        FailureClass::Missing => false,
    }
}
