//! Merges: one at a time in the whole run, in their order, and taken only after their gates.
//!
//! A merge step proposes (its work), is judged by its gates, and is taken. A proposal that conflicts is like a gate that has
//! failed: it goes to an agent while there are tries, then a person decides or the step fails. From its first attempt until
//! it settles nobody else merges, so what its gates have seen is what the project gets. What waits holds no slot and no
//! room in its body.

use crate::{
    base::{Judgement, Outcome, StepPath},
    plan::{MergeWork, Work},
    scheduler::{
        action::CauseKind,
        core::Scheduler,
        event::{InstanceId, Purpose},
        limiter::Line,
        planted::{self, Bug},
        state::{FrameId, Phase},
    },
};

impl Scheduler {
    /// The unit that a step works in, if its work is isolated: its path, and a number that tells it from an earlier one.
    #[must_use]
    pub fn unit(&self, instance: InstanceId) -> Option<(StepPath, u32)> {
        let mut here = instance;
        loop {
            let step = self.step_of(here);
            let is_fan_out = matches!(step.work, Work::Each(_));
            if step.isolated && !is_fan_out {
                return Some((self.path(here), here.0));
            }
            let frame = self.frame(self.at(here).frame);
            let container = frame.container?;
            let around = self.step_of(container);
            if around.isolated && matches!(around.work, Work::Each(_)) {
                return Some((frame.path.clone(), frame.first));
            }
            here = container;
        }
    }

    /// The unit that a merge step brings back.
    #[must_use]
    pub fn merged_unit(&self, instance: InstanceId) -> Option<(StepPath, u32)> {
        match &self.step_of(instance).work {
            Work::Merge(MergeWork { of: Some(of), .. }) => self.unit(self.sibling(self.at(instance).frame, *of)),
            Work::Merge(_) => self.unit(instance),
            _ => None,
        }
    }

    pub(super) fn is_merge(&self, instance: InstanceId) -> bool {
        matches!(self.step_of(instance).work, Work::Merge(_))
    }

    /// Whether a merge has no proposal that could be taken.
    #[must_use]
    pub fn is_in_conflict(&self, instance: InstanceId) -> bool {
        self.is_merge(instance) && self.at(instance).envelope.is_none()
    }

    /// Stands a merge in line, or goes on with the one whose turn it is.
    pub(super) fn stand_for_merge(&mut self, instance: InstanceId) {
        if self.merging == Some(instance) || planted::on(Bug::MergesBeside) {
            return self.try_merge(instance);
        }
        let now = self.now;
        let at = self.at_mut(instance);
        (at.phase, at.ready) = (Phase::Held, Some(now));
        self.to_merge.push_back(instance);
        self.merge_due = true;
    }

    /// Proposes the merge, once more.
    pub(super) fn try_merge(&mut self, instance: InstanceId) {
        self.queue(instance, Purpose::Work, Line::Begun);
    }

    /// A merge has settled: whoever waits for its end, or for its turn, may go on.
    pub(super) fn merge_over(&mut self, instance: InstanceId) {
        if !self.is_merge(instance) {
            return;
        }
        if self.merging == Some(instance) {
            self.merging = None;
        }
        self.merge_due = true;
    }

    /// Begins the next merge, if one may begin.
    pub(super) fn next_merge(&mut self) -> bool {
        if self.merging.is_some() || !std::mem::take(&mut self.merge_due) {
            return false;
        }
        let mut waiting = std::mem::take(&mut self.to_merge);
        waiting.retain(|one| self.at(*one).phase == Phase::Held);
        let place = waiting.iter().position(|one| planted::on(Bug::MergeOrderIgnored) || !self.is_behind(*one));
        let next = place.and_then(|place| waiting.remove(place));
        self.to_merge = waiting;
        let Some(next) = next else { return false };
        self.merging = Some(next);
        self.try_merge(next);
        true
    }

    /// Whether a merge that comes as listed waits for one before it that may still come.
    fn is_behind(&self, instance: InstanceId) -> bool {
        let Work::Merge(MergeWork { rank: Some(rank), .. }) = self.step_of(instance).work else { return false };
        let own = (self.item_place(self.at(instance).frame), rank);
        let mut frames = vec![self.at(instance).frame];
        if let Some(container) = self.container(instance)
            && matches!(self.step_of(container).work, Work::Each(_))
        {
            frames.clone_from(&self.at(container).frames);
        }
        frames.into_iter().any(|frame| {
            let place = self.item_place(frame);
            place <= own.0
                && self.members(frame).any(|other| match self.step_of(other).work {
                    Work::Merge(MergeWork { rank: Some(rank), .. }) => {
                        (place, rank) < own && self.at(other).settled().is_none()
                    }
                    _ => false,
                })
        })
    }

    fn item_place(&self, frame: FrameId) -> usize {
        self.frame(frame).item.as_ref().map_or(0, |item| item.index)
    }

    /// The proposal conflicts with what is there.
    pub(super) fn conflicts(&mut self, instance: InstanceId, judged: Judgement) {
        if planted::on(Bug::ConflictTaken) {
            return self.work_done(instance);
        }
        let policy = &self.step_of(instance).on_gate_fail;
        let is_left = self.at(instance).gate_tries < policy.tries && policy.fixer.is_some();
        let draining = self.frame(self.at(instance).frame).draining;
        self.at_mut(instance).envelope = None;
        if is_left && !draining {
            return self.sent_back(instance, judged.reason);
        }
        self.gate_given_up(instance, CauseKind::Gate, judged.reason);
    }

    /// The project has the merge, or could not get it.
    pub(super) fn taken(&mut self, instance: InstanceId, outcome: Outcome) {
        match outcome {
            Outcome::Succeeded(envelope) => {
                self.at_mut(instance).envelope = Some(envelope);
                self.succeeded(instance);
            }
            // Somebody has changed the same files meanwhile: it is proposed anew, on top of that.
            Outcome::Failed(failure) => {
                self.at_mut(instance).envelope = None;
                self.work_failed(instance, *failure);
            }
            Outcome::Stopped | Outcome::Lost => self.lost(instance, Purpose::Take),
            Outcome::Judged(judged) => {
                let cause = self.cause(instance, CauseKind::Step, judged.reason);
                self.fail(instance, cause);
            }
        }
    }
}
