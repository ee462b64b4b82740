//! What must be done: the only thing that a driver learns from the scheduler, besides read-only views.

use serde::{Deserialize, Serialize};

use crate::{
    base::StepPath,
    scheduler::event::{AttemptId, InstanceId, Purpose, Site, Strength},
};

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Evaluate an expression and report [`crate::scheduler::Event::Evaluated`].
    Evaluate {
        /// Which.
        site: Site,
    },
    /// Write `Started`, then begin the attempt, then report `Finished`.
    Start {
        /// Which.
        attempt: AttemptId,
        /// What for.
        purpose: Purpose,
    },
    /// Stop an attempt; it still reports `Finished`.
    Stop {
        /// Which.
        attempt: AttemptId,
        /// How hard.
        strength: Strength,
    },
    /// Tell watchers.
    Notice(Notice),
}

/// What watchers are told. Says what changed; the details are in the snapshot.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An attempt waits for nothing more and begins.
    Starting {
        /// Which.
        attempt: AttemptId,
        /// What for.
        purpose: Purpose,
    },
    /// An attempt has ended.
    Ended {
        /// Which.
        attempt: AttemptId,
        /// What for.
        purpose: Purpose,
    },
    /// An attempt will be tried again.
    Retrying {
        /// Whose.
        instance: InstanceId,
        /// Milliseconds from now.
        delay_ms: u64,
    },
    /// A gate failed and its evidence goes back.
    Feedback {
        /// Whose.
        instance: InstanceId,
    },
    /// A person has pushed it back, and it is worked on once more.
    PushedBack {
        /// Whose.
        instance: InstanceId,
    },
    /// What a question was about has changed since it was put; it is put anew.
    Outdated {
        /// Whose.
        instance: InstanceId,
    },
    /// Work that an earlier run did has failed a gate, and is done now.
    Redone {
        /// Whose.
        instance: InstanceId,
    },
    /// A person is asked.
    Asking {
        /// The question.
        attempt: AttemptId,
    },
    /// A person must say how an attempt ended.
    Unknown {
        /// Whose.
        instance: InstanceId,
    },
    /// A step has settled.
    Settled {
        /// Which.
        instance: InstanceId,
    },
    /// A runtime takes nothing for a while, and whoever needs it waits.
    Held {
        /// Which runtime.
        runtime: String,
    },
    /// A budget is used up.
    BudgetReached,
    /// Most of a budget is used up; told once.
    BudgetNear,
    /// The run has ended.
    RunEnded,
}

/// How a step has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// Done and proven.
    Succeeded,
    /// Not done.
    Failed,
    /// Its `when` was false, or what it reads was skipped.
    Skipped,
    /// It was not reached, or it was stopped.
    Cancelled,
}

/// Why a step failed or a run ended as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The kind; decides the exit code.
    pub kind: CauseKind,
    /// The step where it began.
    pub step: Option<StepPath>,
    /// What happened, one line.
    pub reason: String,
}

/// The kind of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A step failed.
    Step,
    /// A gate failed or could not be judged.
    Gate,
    /// A person said no.
    Rejected,
    /// A budget is used up.
    Budget,
    /// Something took too long.
    TimedOut,
    /// An agent's program is not there or not logged in.
    Missing,
    /// A quota is used up, or a service is down.
    Unavailable,
    /// A `stop` step ended the run as a failure.
    Stopped,
    /// Somebody cancelled.
    Cancelled,
    /// An expression or a text could not be evaluated.
    Evaluation,
}
