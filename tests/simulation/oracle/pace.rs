//! Runtimes that take nothing for a while: who was put back comes first but for the budget's own line, and nobody comes
//! before the time.

use orch::{
    base::Timestamp,
    scheduler::{AttemptId, InstanceId, Purpose, Scheduler},
};

use super::{Checked, Oracle};

/// How fast a runtime may be used.
#[derive(Debug, Default)]
pub(super) struct Tempo {
    slots: Option<u32>,
    until: Timestamp,
    /// First attempts that were put back, in the order in which they had been let through.
    put_back: Vec<(u64, InstanceId)>,
}

impl Oracle {
    /// An attempt was put back.
    pub(super) fn deferred(&mut self, scheduler: &Scheduler, attempt: AttemptId, until: Timestamp) -> bool {
        let Some(live) = self.live.get(&attempt).filter(|live| !live.started && live.slotted) else { return false };
        let (purpose, runtime, turn, stopped) = (live.purpose, live.runtime.clone(), live.turn, live.stop.is_some());
        self.live.remove(&attempt);
        if stopped {
            return true;
        }
        let is_first = self.is_first(attempt, purpose) && !self.needs_budget(scheduler, attempt.instance, purpose);
        let seen = &mut self.seen[attempt.instance.index()];
        seen.deferred += 1;
        // It keeps the place of the first time, however often it is put back.
        let turn = *seen.turn.get_or_insert(turn);
        seen.work_starts -= u32::from(purpose == Purpose::Work);
        let Some(runtime) = runtime else { return true };
        self.agents -= 1;
        let tempo = self.tempo.entry(runtime).or_default();
        tempo.until = tempo.until.max(until).max(Timestamp(self.last.0 + 1));
        if is_first && scheduler.view(attempt.instance).state == orch::scheduler::StepState::Waiting {
            tempo.put_back.push((turn, attempt.instance));
            tempo.put_back.sort();
        }
        true
    }

    pub(super) fn paced(&mut self, runtime: &str, slots: Option<u32>, until: Option<Timestamp>) {
        let tempo = self.tempo.entry(runtime.to_owned()).or_default();
        tempo.slots = slots;
        tempo.until = until.unwrap_or_default();
    }

    /// Whether an attempt is its step's first one, but for those that were put back.
    fn is_first(&self, attempt: AttemptId, purpose: Purpose) -> bool {
        purpose == Purpose::Work && attempt.number == self.seen[attempt.instance.index()].deferred + 1
    }

    /// Whether an attempt stands in line for a part of the budget too: who was put back gave its part away and stands in
    /// that line again, behind those who waited there.
    fn needs_budget(&self, scheduler: &Scheduler, instance: InstanceId, purpose: Purpose) -> bool {
        (self.limits.usd_micros.is_some() || self.limits.tokens.is_some())
            && super::budget::wanted(scheduler, instance, purpose) != (0, 0)
    }

    /// Whether a runtime that was held may be used again.
    pub(super) fn is_released_between(&self, before: Timestamp, now: Timestamp) -> bool {
        self.tempo.values().any(|tempo| tempo.until > before && tempo.until <= now)
    }

    /// The steps of an ended run begin anew, and nobody stands anywhere.
    pub(super) fn lines_are_empty(&mut self) {
        self.tempo.values_mut().for_each(|tempo| tempo.put_back.clear());
    }

    /// Whether an attempt may begin on a runtime now.
    pub(super) fn keeps_pace(
        &mut self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        purpose: Purpose,
        runtime: &str,
    ) -> Checked {
        let (now, path) = (self.last, scheduler.path(attempt.instance));
        let on = self.live.values().filter(|live| live.runtime.as_deref() == Some(runtime)).count();
        let is_first = self.is_first(attempt, purpose);
        let settled = |instance: InstanceId| self.seen[instance.index()].settled.is_some();
        let Some(tempo) = self.tempo.get(runtime) else { return Ok(()) };
        hold!(tempo.until <= now, "{path} starts on {runtime}, which is held until {:?}", tempo.until);
        let most = tempo.slots.map_or(usize::MAX, |slots| slots.max(1) as usize);
        hold!(on < most, "{path} starts on {runtime} beside {on} others where {most} may");
        let by_budget = self.needs_budget(scheduler, attempt.instance, purpose);
        if is_first && !by_budget {
            let next = tempo.put_back.iter().find(|(_, instance)| !settled(*instance));
            let before = next.filter(|(_, instance)| *instance != attempt.instance);
            hold!(before.is_none(), "{path} starts before {before:?}, which was put back");
        }
        if let Some(tempo) = self.tempo.get_mut(runtime) {
            tempo.put_back.retain(|(_, instance)| *instance != attempt.instance);
        }
        Ok(())
    }
}
