//! Steps settle and the run ends; what must hold after each event.

use orch::{
    base::Verdict,
    definition::workflow::ThenFail,
    plan::Work,
    scheduler::{AttemptEnd, CauseKind, Event, InstanceId, Purpose, Scheduler, Settled, Strength},
};

use super::{Checked, Last, Oracle, settled};
use crate::truth;

impl Oracle {
    pub(super) fn settles(&mut self, scheduler: &Scheduler, event: &Event, instance: InstanceId) -> Checked {
        self.enter(scheduler, instance)?;
        self.revive(instance);
        let path = scheduler.path(instance);
        let before = self.seen[instance.index()].settled;
        hold!(before.is_none(), "{path} settles again after {before:?}");
        let Some(settled) = settled(scheduler, instance) else {
            return Err(format!("{path} has settled and is {:?}", scheduler.view(instance).state));
        };
        let live = self.live.iter().find(|(attempt, _)| attempt.instance == instance);
        if let Some((attempt, live)) = live {
            let dropped = live.asked.is_some() || !live.started || matches!(event, Event::TimeReached);
            hold!(dropped, "{path} settles while {attempt} lives");
            let attempt = *attempt;
            self.live.remove(&attempt);
        }
        let is_over = scheduler.view(instance).history.iter().all(|record| record.end != AttemptEnd::Live);
        hold!(is_over, "{path} settles with an attempt that has not ended");
        self.unknown.remove(&instance);
        self.merging = self.merging.filter(|merging| *merging != instance);
        match settled {
            Settled::Succeeded => {
                if !self.seen[instance.index()].begun {
                    self.begins(scheduler, instance)?;
                }
                self.proven(scheduler, instance)?;
            }
            Settled::Failed => hold!(scheduler.view(instance).cause.is_some(), "{path} fails for no reason"),
            Settled::Skipped => {
                let seen = &self.seen[instance.index()];
                hold!(!seen.begun, "{path} is skipped after it began");
                let step = scheduler.plan_step(instance).1;
                let spreads =
                    truth::may_skip(scheduler.plan(), step, |need| self.sibling_settled(scheduler, instance, need));
                hold!(seen.when == Some(false) || spreads, "{path} is skipped for no reason");
            }
            Settled::Cancelled => {}
        }
        let lives = self.lives;
        let seen = &mut self.seen[instance.index()];
        seen.settled = Some((settled, lives));
        let optional = scheduler.plan_step(instance).1.optional;
        let clock = self.clock;
        if let Some(frame) = self.frames.get_mut(&seen.frame) {
            frame.unsettled.remove(&instance);
            if settled == Settled::Failed && !optional {
                frame.failed_at = frame.failed_at.or(Some(clock));
            }
        }
        Ok(())
    }

    /// A success is proven: the work reported it, all gates passed, all children succeeded.
    pub(super) fn proven(&self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        let (path, seen) = (scheduler.path(instance), &self.seen[instance.index()]);
        let step = scheduler.plan_step(instance).1;
        let excused = matches!(
            (seen.last, step.on_gate_fail.then),
            (Last::GivenUp, ThenFail::Ask)
                | (
                    Last::GateFailed | Last::GateError | Last::FixFailed | Last::Lost(Purpose::Gate(_)),
                    ThenFail::Continue
                )
        );
        let excused = excused || (matches!(step.work, Work::Merge(_)) && seen.last == Last::Taken);
        let passed = seen.gates.iter().all(|verdict| *verdict == Some(Verdict::Pass));
        hold!(passed || excused, "{path} succeeds with the gates {:?}", seen.gates);
        let worked = match &step.work {
            Work::Agent(_) | Work::Run { .. } | Work::Approve { .. } | Work::Ask { .. } => {
                excused || matches!(seen.last, Last::WorkDone | Last::Approved)
            }
            // An item or a branch is not done before the project has its work.
            Work::Merge(_) => seen.last == Last::Taken,
            _ => true,
        };
        hold!(worked, "{path} succeeds after {:?}", seen.last);
        let frames = match step.work {
            Work::Each(_) => seen.openings.as_slice(),
            _ => seen.openings.last().map_or(&[][..], std::slice::from_ref),
        };
        for frame in frames {
            hold!(self.frames[frame].unsettled.is_empty(), "{path} succeeds before its children end");
            for place in 0..scheduler.plan().body(Some(seen.step)).len() {
                self.counts_as_done(scheduler, InstanceId(frame.0 + place as u32))?;
            }
        }
        Ok(())
    }

    pub(super) fn counts_as_done(&self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        let settled = self.seen[instance.index()].settled.map(|(settled, _)| settled);
        let optional = scheduler.plan_step(instance).1.optional;
        let done = match settled {
            Some(Settled::Succeeded | Settled::Skipped) => true,
            Some(Settled::Failed) => optional,
            Some(Settled::Cancelled) | None => false,
        };
        hold!(done, "a success although {} is {settled:?}", scheduler.path(instance));
        Ok(())
    }

    pub(super) fn ends(&mut self, scheduler: &Scheduler) -> Checked {
        self.ended = true;
        let Some(end) = scheduler.ended() else { return Err("the run has ended and has not".to_owned()) };
        self.succeeded = end.settled == Settled::Succeeded;
        hold!(self.live.is_empty(), "the run ends while {:?} live", self.live.keys());
        hold!((end.settled == Settled::Succeeded) == end.cause.is_none(), "the end has the wrong cause");
        if self.stopped {
            return Ok(());
        }
        let budget = end.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::Budget);
        let cancelled = end.settled == Settled::Cancelled || budget;
        hold!(self.cancelled.is_none() || cancelled, "a cancelled run ends {:?}", end.settled);
        if end.settled == Settled::Succeeded {
            for place in 0..scheduler.plan().roots.len() {
                self.counts_as_done(scheduler, InstanceId(place as u32))?;
            }
        }
        Ok(())
    }

    pub(super) fn is_ending(&self) -> bool {
        self.cancelled.is_some() || self.stopped
    }

    /// What must hold after each event.
    pub(super) fn after(&mut self, scheduler: &Scheduler, event: &Event) -> Checked {
        let spent = scheduler.spent();
        hold!(spent.usage == self.spent, "charged {:?} of {:?}", spent.usage, self.spent);
        hold!(spent.agents == self.agents, "counted {} agents of {}", spent.agents, self.agents);
        hold!(spent.busy_ms == self.busy_ms, "counted {} ms of {}", spent.busy_ms, self.busy_ms);
        let in_use = self.live.values().filter(|live| live.slotted).count();
        hold!(in_use <= self.parallel as usize, "{in_use} attempts hold slots where {} may", self.parallel);
        if let Some(strength) = scheduler.cancelling() {
            self.cancelled = Some(self.cancelled.map_or(strength, |before| before.max(strength)));
        }
        if self.is_ending() && !self.ended {
            let wanted = self.cancelled.unwrap_or(Strength::Gentle);
            for (attempt, live) in &self.live {
                hold!(live.stop.is_some_and(|stop| stop >= wanted), "{attempt} is not stopped as {wanted:?} demands");
            }
        }
        self.budgets(scheduler)?;
        if let Event::Restarted { .. } = event {
            self.scan(scheduler)?;
            for instance in scheduler.instances() {
                let last = scheduler.view(instance).history.last();
                let live = last.is_some_and(|record| record.end == AttemptEnd::Live);
                let asked = last.is_some_and(|record| scheduler.asks_person(instance, record.purpose));
                hold!(!live || asked, "{} still runs after a restart", scheduler.path(instance));
            }
        }
        Ok(())
    }

    /// Compares all steps with the model, and looks whether whoever waits has a way to go on.
    pub fn scan(&mut self, scheduler: &Scheduler) -> Checked {
        let wakeup = scheduler.next_wakeup();
        for instance in scheduler.instances() {
            let (now, known) = (settled(scheduler, instance), self.seen[instance.index()].settled);
            let renewed = matches!(known, Some((Settled::Failed | Settled::Cancelled, life)) if life < self.lives);
            let same = now == known.map(|(settled, _)| settled) || (now.is_none() && renewed);
            hold!(same, "{} was {known:?} and is {now:?}", scheduler.path(instance));
            if let Some(wakes) = scheduler.view(instance).wakes {
                let woken = wakeup.is_some_and(|at| at <= wakes);
                hold!(woken, "{} sleeps and nobody wakes it", scheduler.path(instance));
            }
        }
        Ok(())
    }
}
