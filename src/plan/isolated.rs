//! Work in a worktree of its own, and the step that brings it back.
//!
//! What is isolated is a *unit*: a step (with all that is in it), or one item of a fan-out. The compiler puts a merge step
//! behind each: `STEP@merge` beside a step, `@merge` at the end of an item. So a merge is a step like any other: it waits
//! for its unit, has gates, tries, an agent that mends, a person who decides, and whoever needs the unit waits for it.

use serde::{Deserialize, Serialize};

use crate::{
    definition::{merging::MergeStrategy, workflow::ThenFail},
    plan::{
        policy::PlanGate,
        types::{Plan, PlanStep, StepIx, Work},
    },
};

/// What a merge step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeWork {
    /// The step beside it whose work it brings back; the item that it stands in where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<StepIx>,
    /// As which commits.
    pub strategy: MergeStrategy,
    /// Its place among the merges that come one after the other as they are listed; none where each comes when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
}

impl Plan {
    /// The step whose result a need stands for: what is merged, for a merge.
    #[must_use]
    pub fn source(&self, need: StepIx) -> StepIx {
        match &self.step(need).work {
            Work::Merge(MergeWork { of: Some(of), .. }) => *of,
            _ => need,
        }
    }

    /// Whether runs keep checkpoints: where an agent may write, where work is isolated, or where a step says so. Plans of
    /// commands alone do not pay for it.
    #[must_use]
    pub fn keeps_checkpoints(&self) -> bool {
        self.steps.iter().any(|step| match &step.work {
            Work::Agent(agent) => !agent.reads_only(),
            Work::Checkpoint { .. } | Work::Merge(_) => true,
            // Whoever is asked about a step's work is shown what it has changed.
            work if !matches!(work, Work::Approve { .. } | Work::Ask { .. })
                && (asks_about_work(step) || step.judges().next().is_some()) =>
            {
                true
            }
            _ => step.on_gate_fail.fixer.as_ref().is_some_and(|agent| !agent.reads_only()),
        })
    }
}

/// Whether a person may be asked about what the step has done.
#[must_use]
pub fn asks_about_work(step: &PlanStep) -> bool {
    let asks = step.gates.iter().any(|gate| matches!(gate, PlanGate::Approve { .. }));
    asks || (!step.gates.is_empty() && step.on_gate_fail.then == ThenFail::Ask)
}
