//! Merges: one at a time, in their order, taken only when nothing speaks against it, and never left out.

use orch::{
    base::Verdict,
    definition::workflow::ThenFail,
    plan::{MergeWork, PlanStep, Work},
    scheduler::{InstanceId, Scheduler},
};

use super::{Checked, Last, Oracle, Seen};

impl Oracle {
    /// Something begins for a merge: no other one goes on, and none that is listed before it may still come.
    pub(super) fn merges(&mut self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        let Work::Merge(merge) = &scheduler.plan_step(instance).1.work else { return Ok(()) };
        let path = scheduler.path(instance);
        let beside = self.merging.filter(|other| *other != instance);
        hold!(beside.is_none(), "{path} merges while {:?} does", beside.map(|other| scheduler.path(other)));
        if self.merging.replace(instance).is_some() {
            return Ok(());
        }
        let Some(rank) = merge.rank else { return Ok(()) };
        for other in scheduler.instances() {
            let Work::Merge(MergeWork { rank: Some(before), .. }) = scheduler.plan_step(other).1.work else { continue };
            let (own, its) = (&self.seen[instance.index()], &self.seen[other.index()]);
            let first = match own.container == its.container && own.container.is_some() {
                true if own.frame == its.frame => before < rank,
                // Later openings of a container have nothing to do with earlier ones, which have ended.
                true => item(scheduler, other) < item(scheduler, instance) && before == rank,
                false => false,
            };
            hold!(!first || its.settled.is_some(), "{path} merges before {}", scheduler.path(other));
        }
        Ok(())
    }
}

/// The place of an item, which its path says.
fn item(scheduler: &Scheduler, instance: InstanceId) -> Option<usize> {
    let path = scheduler.path(instance);
    let (before, _) = path.as_str().rsplit_once("]/")?;
    before.rsplit_once('[')?.1.parse().ok()
}

/// Whether the last outcome lets a merge be taken: all gates have passed, or a person takes it as it is.
pub(super) fn may_take(seen: &Seen, last: Last, step: &PlanStep) -> bool {
    let passed = seen.gates.iter().all(|gate| *gate == Some(Verdict::Pass));
    let overruled = step.on_gate_fail.then == ThenFail::Ask && seen.overruled;
    match last {
        Last::WorkDone | Last::Approved => passed && seen.proposed,
        Last::GivenUp => overruled,
        Last::Lost(orch::scheduler::Purpose::Take) => passed || overruled,
        _ => false,
    }
}
