//! Items that go into one session: one after the other, of one batch only, no more than it holds, and after no failure.

use orch::{
    plan::Work,
    scheduler::{AttemptId, InstanceId, Purpose, Scheduler, Settled},
};

use super::{Checked, Oracle};

impl Oracle {
    /// The batch of an item's step, by its container, the step and the batch's number; the paths of items say their place.
    fn batch_of(&self, scheduler: &Scheduler, instance: InstanceId) -> Option<(InstanceId, u32, usize, usize)> {
        let seen = &self.seen[instance.index()];
        let container = seen.container?;
        let Work::Each(each) = &scheduler.plan_step(container).1.work else { return None };
        let size = each.batch.filter(|size| *size > 1)? as usize;
        let path = scheduler.path(instance);
        let rest = path.as_str().strip_prefix(scheduler.path(container).as_str())?;
        let item: usize = rest.strip_prefix('[')?.split(']').next()?.parse().ok()?;
        Some((container, seen.step.0, item / size, size))
    }

    /// An agent of a batched item begins: nobody else of its batch works, and the session that it goes on with is free.
    pub(super) fn goes_into_batch(&mut self, scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> Checked {
        let path = scheduler.path(attempt.instance);
        let continued = scheduler.continued(attempt.instance, purpose);
        let Some(own @ (container, _, batch, size)) = self.batch_of(scheduler, attempt.instance) else {
            hold!(continued.is_none(), "{path} goes on with a session and is in no batch");
            return Ok(());
        };
        let frame = self.seen[attempt.instance.index()].frame;
        for other in self.live.keys().filter(|other| self.seen[other.instance.index()].frame != frame) {
            let beside = self.batch_of(scheduler, other.instance);
            let beside = beside.is_some_and(|(at, _, of, _)| (at, of) == (container, batch));
            hold!(!beside, "{path} begins while {} of its batch works", scheduler.path(other.instance));
        }
        let Some(session) = continued else { return Ok(()) };
        let has_it = |other: &InstanceId| scheduler.thread(*other, Purpose::Work).session == Some(session);
        let users: Vec<_> = scheduler.instances().filter(has_it).filter(|other| *other != attempt.instance).collect();
        hold!(!users.is_empty() && users.len() < size, "{path} would be one of {} in its session", users.len() + 1);
        for user in users {
            let other = scheduler.path(user);
            hold!(self.batch_of(scheduler, user) == Some(own), "{path} goes on with the session of {other}");
            let settled = self.seen[user.index()].settled.map(|(settled, _)| settled);
            hold!(
                settled == Some(Settled::Succeeded),
                "{path} goes on with the session of {other}, which is {settled:?}"
            );
            let works = self.live.keys().any(|live| live.instance == user);
            hold!(!works, "{path} goes on with the session in which {other} works");
        }
        self.continued += 1;
        Ok(())
    }
}
