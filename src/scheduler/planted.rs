//! Faults that can be switched on, one at a time, to prove that the simulation sees them.
//!
//! In a build without debug assertions, as every shipped one, each switch is constantly off and the compiler removes it.

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Bug {
    SlotOffByOne,
    SlotNotReleased,
    UsageNotCharged,
    BudgetUnchecked,
    RetryOffByOne,
    GateErrorPasses,
    GateSkipped,
    LateReportTaken,
    DecisionForOldAttempt,
    DecisionWithoutSubject,
    CancelLost,
    CancelWeakened,
    ManualRetried,
    RestartForgetsRunning,
    NeedCountedTwice,
    SkipSpreadsNever,
    FailedNeedIgnored,
    LoopOneMore,
    ItemsUnbounded,
    DrainStartsNew,
    TimerForgotten,
    OutcomeChanges,
    OutstandingForgetsStart,
    ReplayUsesClock,
    RoomUnchecked,
    HoldNotEaten,
    HoldNotGivenBack,
    LimitStopsNobody,
    SpenderSpared,
    DeferredLosesPlace,
    DeferredCountsAgent,
    DeferredKeepsSlot,
    HoldIgnored,
    PaceIgnored,
    RepairsUnbounded,
    BatchSideBySide,
    BatchBorrows,
    MemoryBlamed,
    MemoryCountsAgent,
    MergesBeside,
    MergeUntaken,
    MergeOrderIgnored,
    ConflictTaken,
    PushbacksUnbounded,
    OutdatedCounts,
    QuestionLeftOpen,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 46] = [
        Self::SlotOffByOne,
        Self::SlotNotReleased,
        Self::UsageNotCharged,
        Self::BudgetUnchecked,
        Self::RetryOffByOne,
        Self::GateErrorPasses,
        Self::GateSkipped,
        Self::LateReportTaken,
        Self::DecisionForOldAttempt,
        Self::DecisionWithoutSubject,
        Self::CancelLost,
        Self::CancelWeakened,
        Self::ManualRetried,
        Self::RestartForgetsRunning,
        Self::NeedCountedTwice,
        Self::SkipSpreadsNever,
        Self::FailedNeedIgnored,
        Self::LoopOneMore,
        Self::ItemsUnbounded,
        Self::DrainStartsNew,
        Self::TimerForgotten,
        Self::OutcomeChanges,
        Self::OutstandingForgetsStart,
        Self::ReplayUsesClock,
        Self::RoomUnchecked,
        Self::HoldNotEaten,
        Self::HoldNotGivenBack,
        Self::LimitStopsNobody,
        Self::SpenderSpared,
        Self::DeferredLosesPlace,
        Self::DeferredCountsAgent,
        Self::DeferredKeepsSlot,
        Self::HoldIgnored,
        Self::PaceIgnored,
        Self::RepairsUnbounded,
        Self::BatchSideBySide,
        Self::BatchBorrows,
        Self::MemoryBlamed,
        Self::MemoryCountsAgent,
        Self::MergesBeside,
        Self::MergeUntaken,
        Self::MergeOrderIgnored,
        Self::ConflictTaken,
        Self::PushbacksUnbounded,
        Self::OutdatedCounts,
        Self::QuestionLeftOpen,
    ];
}

#[cfg(debug_assertions)]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Switches one fault on for this thread, or all off.
    pub fn plant(bug: Option<Bug>) {
        ON.with(|on| on.set(bug));
    }

    /// A number that differs at each call, as a clock or a random number would.
    pub(in crate::scheduler) fn drift() -> u64 {
        thread_local! {
            static CALLS: Cell<u64> = const { Cell::new(0) };
        }
        CALLS.with(|calls| calls.replace(calls.get() + 1))
    }

    pub(in crate::scheduler) fn on(bug: Bug) -> bool {
        ON.with(|on| on.get() == Some(bug))
    }
}

#[cfg(debug_assertions)]
pub use switch::plant;
#[cfg(debug_assertions)]
pub(in crate::scheduler) use switch::{drift, on};

#[cfg(not(debug_assertions))]
pub(in crate::scheduler) const fn on(_: Bug) -> bool {
    false
}

#[cfg(not(debug_assertions))]
pub(in crate::scheduler) const fn drift() -> u64 {
    0
}
