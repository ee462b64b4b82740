//! When a step may begin, said a second time and as simply as possible.

use orch::{
    base::{Failure, FailureClass},
    definition::workflow::{Join, RetryOn},
    plan::{Plan, PlanStep, StepIx, Work},
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

/// How often a step was tried again, by what had gone wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Again {
    pub tries: u32,
    pub repairs: u32,
    pub restarts: u32,
    pub stalls: u32,
}

impl Again {
    /// Counts a failure; false where no other try may follow.
    pub fn counts(&mut self, failure: &Failure, step: &PlanStep) -> bool {
        let any = step.retry.on == RetryOn::Any;
        let is_agent = matches!(step.work, Work::Agent(_));
        let (own, most) = match failure.class {
            FailureClass::Invalid => {
                self.repairs += 1;
                return self.repairs <= 2;
            }
            FailureClass::Transient { .. } | FailureClass::Quota { .. } => (0, 0),
            FailureClass::Recoverable => {
                self.restarts += 1;
                (self.restarts, 1)
            }
            FailureClass::TimedOut if any => (0, 0),
            FailureClass::TimedOut if is_agent => {
                self.stalls += 1;
                (self.stalls, 1)
            }
            FailureClass::Permanent if any => (0, 0),
            // The plans of this world name one model at most.
            FailureClass::TimedOut | FailureClass::Permanent | FailureClass::Model | FailureClass::Missing => {
                return false;
            }
        };
        self.tries += 1;
        own <= most && self.tries <= step.retry.tries
    }

    /// A gate sends the work back: all but fresh sessions is counted anew.
    pub fn new_round(&mut self) {
        *self = Self { restarts: self.restarts, ..Self::default() };
    }
}
