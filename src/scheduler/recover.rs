//! A new owner, and a second chance.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    base::{Envelope, Outcome, Verdict},
    plan::truth::NeedCounts,
    scheduler::{
        action::Settled,
        core::{Scheduler, Timer},
        event::{InstanceId, Purpose},
        limiter::Limiter,
        planted::{self, Bug},
        state::{AttemptEnd, FrameId, Instance, Phase},
    },
};

impl Scheduler {
    /// The old process is gone and with it every attempt that it ran. What was only asked for stays asked for.
    pub(super) fn restarted(&mut self, parallel: u32) {
        self.limiter.set_parallel(parallel);
        self.ledger.skip_to(self.now);
        if planted::on(Bug::RestartForgetsRunning) {
            return;
        }
        for place in 0..self.instances.len() {
            let instance = InstanceId(u32::try_from(place).unwrap_or(u32::MAX));
            let (purpose, begun) = match self.at(instance).phase {
                Phase::Running(purpose) => (purpose, true),
                Phase::Starting(purpose) if self.at(instance).stop_sent.is_some() => (purpose, false),
                _ => continue,
            };
            if self.is_asked(instance) {
                continue;
            }
            let attempt = self.current(instance);
            let due = self.at(instance).due;
            self.timers.remove(&(due, Timer::Overdue(attempt)));
            if begun {
                self.end_record(instance, AttemptEnd::Lost, Arc::from("orch ended before it did"));
            }
            if self.at(instance).stop_sent.is_some() {
                self.give_slot_back(instance);
                self.stopped_attempt(instance, purpose, Outcome::Lost);
            } else {
                self.lost(instance, purpose);
            }
        }
        self.queue_surplus();
    }

    /// The new process may have fewer slots than were granted: what has not begun stands in line again.
    fn queue_surplus(&mut self) {
        for place in (0..self.instances.len()).rev() {
            if !self.limiter.is_overfull() {
                return;
            }
            let instance = InstanceId(u32::try_from(place).unwrap_or(u32::MAX));
            if let (Phase::Starting(purpose), Some(_)) = (self.at(instance).phase, self.at(instance).slot) {
                self.give_slot_back(instance);
                if self.runtime_of(instance, purpose).is_some() {
                    self.ledger.uncount_agent();
                }
                self.queue(instance, purpose, crate::scheduler::limiter::Line::Begun);
            }
        }
    }

    /// The command of `recovery: { reconcile }` has judged: pass, it was done; fail, run it again; else ask a person.
    pub(super) fn reconciled(&mut self, instance: InstanceId, outcome: Outcome) {
        let verdict = match outcome {
            Outcome::Judged(judged) => judged.verdict,
            Outcome::Lost => return self.lost(instance, Purpose::Reconcile),
            Outcome::Succeeded(_) | Outcome::Failed(_) | Outcome::Stopped => Verdict::Error,
        };
        match verdict {
            Verdict::Pass => {
                let summary = "it was done before the crash, says the reconcile command".to_owned();
                self.at_mut(instance).envelope = Some(Box::new(Envelope { summary, ..Envelope::default() }));
                self.work_done(instance);
            }
            Verdict::Fail => self.queue(instance, Purpose::Work, crate::scheduler::limiter::Line::Begun),
            Verdict::Error => self.ask_outcome(instance, Purpose::Work),
        }
    }

    /// Failed and cancelled steps of an ended run are to run again; what succeeded stays.
    pub(super) fn retry_requested(&mut self) {
        let again = self.ended.as_ref().is_some_and(|end| end.settled != Settled::Succeeded);
        if !again {
            return;
        }
        self.ended = None;
        self.cancelling = None;
        self.stopped = None;
        self.paused = None;
        self.over_budget = None;
        self.short.clear();
        self.merging = None;
        self.to_merge.clear();
        self.merge_due = false;
        self.listeners.clear();
        let classes = std::mem::take(&mut self.limiter);
        self.limiter = Limiter::renewed(&classes);
        self.reopen(FrameId(0));
    }

    pub(super) fn reopen(&mut self, frame: FrameId) {
        let state = self.frame_mut(frame);
        state.draining = false;
        state.cause = None;
        state.cancelled = 0;
        state.held.clear();
        let mut waiting = Vec::new();
        let mut nested = Vec::new();
        for instance in self.members(frame) {
            if self.is_left(instance) {
                self.frame_mut(frame).unsettled += 1;
                if self.half_done(instance) {
                    nested.push(instance);
                } else {
                    waiting.push(instance);
                }
            }
        }
        for instance in &waiting {
            self.renew(*instance);
        }
        for instance in nested {
            self.at_mut(instance).phase = Phase::Waiting;
            self.at_mut(instance).reopens = true;
            self.admit(instance);
        }
        for instance in waiting {
            if self.at(instance).counts.total == 0 {
                self.todo.push_back(crate::scheduler::core::Todo::Begin(instance));
            } else {
                self.decide(instance);
            }
        }
        if self.frame(frame).unsettled == 0 {
            self.frame_done(frame);
        }
    }

    /// Whether a container has a body in which something is left to do.
    fn half_done(&self, instance: InstanceId) -> bool {
        self.at(instance).frames.iter().any(|frame| self.has_left(*frame))
            || self.at(instance).fan_out.as_ref().is_some_and(|fan_out| fan_out.next < fan_out.items.len())
    }

    /// Makes an instance new, with its history and its numbers kept, and counts its settled needs again.
    fn renew(&mut self, instance: InstanceId) {
        let old = self.at(instance).clone();
        let mut new = Instance::new(old.step, old.frame, old.counts.total);
        new.attempts = old.attempts;
        new.history = old.history;
        new.session = old.session;
        *self.at_mut(instance) = new;
        self.recount(instance);
    }

    fn recount(&mut self, instance: InstanceId) {
        let plan = Arc::clone(&self.plan);
        let step = plan.step(self.at(instance).step);
        let frame = self.at(instance).frame;
        let mut counts = NeedCounts { total: self.at(instance).counts.total, ..NeedCounts::default() };
        let mut reads_missing = false;
        for need in &step.needs {
            let other = self.sibling(frame, need.step);
            let optional = plan.step(need.step).optional;
            match self.at(other).settled() {
                None => continue,
                Some(Settled::Succeeded) => counts.succeeded += 1,
                Some(Settled::Skipped) => counts.skipped += 1,
                Some(Settled::Failed) if optional => counts.optional_failed += 1,
                // They are being made new in this same pass.
                Some(Settled::Failed | Settled::Cancelled) => continue,
            }
            reads_missing |= need.reads && self.at(other).settled() != Some(Settled::Succeeded);
        }
        let at = self.at_mut(instance);
        at.counts = counts;
        at.reads_missing = reads_missing;
    }

    pub(super) fn reopen_container(&mut self, instance: InstanceId) {
        let at = self.at_mut(instance);
        at.cause = None;
        at.work_tries = 0;
        at.gate_tries = 0;
        at.phase = Phase::Open;
        let frames = at.frames.clone();
        let left: VecDeque<_> = frames.into_iter().filter(|frame| self.has_left(*frame)).collect();
        if let Some(fan_out) = self.at_mut(instance).fan_out.as_mut() {
            fan_out.draining = false;
            fan_out.cause = None;
            fan_out.cancelled = 0;
            fan_out.open = 0;
            fan_out.again = left;
            if let Some(batches) = &mut fan_out.batches {
                batches.renew();
            }
            return self.items_go_on(instance);
        }
        for frame in left {
            self.reopen(frame);
        }
    }

    fn has_left(&self, frame: FrameId) -> bool {
        self.members(frame).any(|child| self.is_left(child))
    }

    /// Whether a second chance runs this step again. An optional step that failed had its chance.
    fn is_left(&self, instance: InstanceId) -> bool {
        match self.at(instance).settled() {
            Some(Settled::Cancelled) => true,
            Some(Settled::Failed) => !self.step_of(instance).optional,
            Some(Settled::Succeeded | Settled::Skipped) | None => false,
        }
    }
}
