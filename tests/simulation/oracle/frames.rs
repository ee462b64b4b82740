//! Bodies open and steps begin: needs, drains, bounds of loops, items and children.

use std::collections::BTreeSet;

use orch::{
    definition::workflow::OnFailure,
    plan::{StepIx, Work},
    scheduler::{InstanceId, Scheduler, Settled},
};

use super::{Checked, Frame, Oracle, Seen};
use crate::truth;

impl Oracle {
    /// Takes in instances that are new, and looks whether they may be there.
    pub(super) fn adopt(&mut self, scheduler: &Scheduler) -> Checked {
        let mut new: Vec<_> = scheduler.instances().skip(self.seen.len()).collect();
        new.reverse();
        while let Some(first) = new.pop() {
            let container = scheduler.container(first);
            let plan = scheduler.plan();
            let body = plan.body(container.map(|container| self.seen[container.index()].step));
            let mut members = BTreeSet::new();
            for (place, step) in body.iter().enumerate() {
                let instance = InstanceId(first.0 + place as u32);
                if place > 0 {
                    new.pop();
                }
                members.insert(instance);
                let made = plan.step(*step);
                hold!(scheduler.plan_step(instance).0 == *step, "instances of a frame are not in the body's order");
                self.seen.push(Seen::new(*step, container, first, made));
            }
            self.frames.insert(first, Frame { container, failed_at: None, unsettled: members });
            self.new_frames.insert(first);
        }
        Ok(())
    }

    /// Looks whether the frame of a step may be there, as soon as that step does anything.
    pub(super) fn enter(&mut self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        let frame = self.seen[instance.index()].frame;
        if let Some(container) = self.frames[&frame].container {
            self.enter(scheduler, container)?;
            self.revive(container);
        }
        match (self.new_frames.remove(&frame), self.frames[&frame].container) {
            (true, Some(container)) => self.opened(scheduler, container, frame),
            _ => Ok(()),
        }
    }

    pub(super) fn opened(&mut self, scheduler: &Scheduler, container: InstanceId, frame: InstanceId) -> Checked {
        self.begins(scheduler, container)?;
        let path = scheduler.path(container);
        let step = scheduler.plan_step(container).1;
        self.seen[container.index()].openings.push(frame);
        match &step.work {
            Work::Loop { max, .. } => {
                let first = scheduler.path(frame);
                let rest = first.as_str().strip_prefix(&format!("{path}#")).unwrap_or("0");
                let iteration: u32 = rest.split('/').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
                hold!(iteration >= 1 && iteration <= *max, "{path} opens iteration {iteration} of at most {max}");
                let seen = &mut self.seen[container.index()];
                hold!(iteration == 1 || seen.until.take() != Some(true), "{path} goes on although `until` holds");
            }
            Work::Each(each) => {
                let seen = &self.seen[container.index()];
                let open: Vec<_> =
                    seen.openings.iter().filter(|frame| !self.frames[frame].unsettled.is_empty()).collect();
                let bound = each.max_parallel.unwrap_or(u32::MAX) as usize;
                hold!(open.len() <= bound, "{path} has {} items open of {bound}", open.len());
                hold!(seen.items <= each.max_items as usize, "{path} takes {} items", seen.items);
                hold!(seen.openings.len() <= seen.items, "{path} opens more items than there are");
                let failed =
                    seen.openings.iter().any(|frame| self.frames[frame].failed_at.is_some_and(|at| at < self.clock));
                hold!(!failed || step.on_failure == OnFailure::Continue, "{path} opens an item after one failed");
            }
            _ => {}
        }
        Ok(())
    }

    /// A step begins: its needs have settled, its body does not drain, and its container has room.
    pub(super) fn begins(&mut self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        self.enter(scheduler, instance)?;
        self.revive(instance);
        if let Some(container) = self.seen[instance.index()].container {
            self.begins(scheduler, container)?;
        }
        if std::mem::replace(&mut self.seen[instance.index()].begun, true) {
            return Ok(());
        }
        let (seen, path) = (&self.seen[instance.index()], scheduler.path(instance));
        let step = scheduler.plan_step(instance).1;
        hold!(!self.is_ending(), "{path} begins after the run was to end");
        hold!(step.when.is_none() || seen.when == Some(true), "{path} begins although `when` is not true");
        let ready = truth::may_begin(scheduler.plan(), step, |need| self.sibling_settled(scheduler, instance, need));
        // A container that goes on in a second life began when its needs had allowed it.
        hold!(ready || seen.went_on, "{path} begins before its needs allow it");
        hold!(!self.is_drained(scheduler, instance), "{path} begins in a body that drains");
        let container = seen.container.map(|container| scheduler.plan_step(container).1);
        if let Some(Work::Parallel { max_parallel: Some(bound), .. }) = container.map(|step| &step.work) {
            let members = self.frames[&seen.frame].unsettled.iter();
            let is_merge = |member: &InstanceId| matches!(scheduler.plan_step(*member).1.work, Work::Merge(_));
            let active = members.filter(|member| self.seen[member.index()].begun && !is_merge(member)).count();
            hold!(active <= *bound as usize, "{path} is one of {active} where {bound} may run");
        }
        Ok(())
    }

    /// Whether a body around a step drains, since an earlier event.
    pub(super) fn is_drained(&self, scheduler: &Scheduler, instance: InstanceId) -> bool {
        let mut frame = Some(self.seen[instance.index()].frame);
        while let Some(inner) = frame {
            let at = &self.frames[&inner];
            let policy = match at.container {
                None => scheduler.plan().on_failure,
                Some(container) => scheduler.plan_step(container).1.on_failure,
            };
            if policy != OnFailure::Continue && at.failed_at.is_some_and(|at| at < self.clock) {
                return true;
            }
            frame = at.container.map(|container| self.seen[container.index()].frame);
        }
        false
    }

    pub(super) fn sibling_settled(&self, scheduler: &Scheduler, instance: InstanceId, need: StepIx) -> Option<Settled> {
        let seen = &self.seen[instance.index()];
        let body = scheduler.plan().body(seen.container.map(|container| self.seen[container.index()].step));
        let place = body.iter().position(|step| *step == need)?;
        self.seen[seen.frame.index() + place].settled.map(|(settled, _)| settled)
    }

    /// After a person has asked for a retry, a step that failed or was cancelled may go on.
    pub(super) fn revive(&mut self, instance: InstanceId) {
        let lives = self.lives;
        let seen = &mut self.seen[instance.index()];
        let again = matches!(seen.settled, Some((Settled::Failed | Settled::Cancelled, life)) if life < lives);
        if again {
            let frame = seen.frame;
            *seen = Seen {
                attempts: seen.attempts,
                went_on: seen.begun && !seen.openings.is_empty(),
                openings: std::mem::take(&mut seen.openings),
                items: seen.items,
                when: seen.when,
                gates: vec![None; seen.gates.len()],
                ..Seen::empty(seen.step, seen.container, seen.frame)
            };
            if let Some(frame) = self.frames.get_mut(&frame) {
                frame.unsettled.insert(instance);
                frame.failed_at = None;
            }
        }
    }
}
