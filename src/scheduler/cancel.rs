//! Stopping: a failed body drains, a cancel spreads, time runs out, budgets end.
//!
//! A stop only ever gets stronger. What has not begun settles at once; what runs is told to stop and still reports.

use std::sync::Arc;

use crate::scheduler::{
    action::{CauseKind, Settled},
    core::{Scheduler, Timer},
    event::{InstanceId, Purpose, Strength},
    planted::{self, Bug},
    state::{AttemptEnd, FrameId, Phase},
};

impl Scheduler {
    /// Nothing new starts in a frame; with a strength, what runs is stopped too.
    pub(super) fn drain(&mut self, frame: FrameId, stop: Option<Strength>) {
        let mut frames = vec![frame];
        while let Some(frame) = frames.pop() {
            self.frame_mut(frame).draining = true;
            for instance in self.members(frame) {
                self.drain_instance(instance, stop);
                if self.at(instance).phase == Phase::Open {
                    self.drain_items(instance);
                    frames.extend(self.at(instance).frames.iter().copied());
                    self.close_idle_fan_out(instance);
                }
            }
        }
    }

    fn drain_instance(&mut self, instance: InstanceId, stop: Option<Strength>) {
        match self.at(instance).phase {
            Phase::Waiting if planted::on(Bug::DrainStartsNew) => {}
            Phase::Waiting | Phase::Held | Phase::Sleeping { .. } | Phase::Listening | Phase::BackingOff { .. } => {
                self.settle(instance, Settled::Cancelled);
            }
            Phase::Evaluating => self.settle(instance, Settled::Cancelled),
            Phase::Queued(Purpose::Gate(_) | Purpose::Take) if stop.is_none() => {}
            Phase::Queued(_) => self.settle(instance, Settled::Cancelled),
            Phase::Starting(_) | Phase::Running(_) if self.is_question(instance) => {
                // Nobody else would close it: a question reports nothing.
                if self.is_asked(instance) && !planted::on(Bug::QuestionLeftOpen) {
                    self.end_record(instance, AttemptEnd::Stopped, Arc::from(""));
                }
                self.settle(instance, Settled::Cancelled);
            }
            Phase::Starting(_) | Phase::Running(_) => {
                if let Some(strength) = stop {
                    self.send_stop(instance, strength);
                }
            }
            Phase::Unknown(_) if stop.is_some() => self.settle(instance, Settled::Cancelled),
            Phase::Settled(Settled::Succeeded) if planted::on(Bug::OutcomeChanges) => {
                self.at_mut(instance).phase = Phase::Settled(Settled::Cancelled);
            }
            Phase::Unknown(_) | Phase::Open | Phase::Settled(_) => {}
        }
    }

    /// A fan-out that drains with no item open ends now: nobody else would end it.
    fn close_idle_fan_out(&mut self, instance: InstanceId) {
        let idle = self.at(instance).fan_out.as_ref().is_some_and(|fan_out| fan_out.open == 0);
        if idle {
            self.container_cancelled(instance);
        }
    }

    /// Somebody wants the run to end.
    pub(super) fn cancel(&mut self, strength: Strength) {
        if self.ended.is_some() || self.run.is_none() {
            return;
        }
        let strength = self.cancelling.map_or(strength, |before| before.max(strength));
        self.cancelling = Some(strength);
        self.paused = None;
        if self.sites.remove(&crate::scheduler::Site::RunOutputs) {
            return self.cancelled_at_the_end();
        }
        self.drain(FrameId(0), Some(strength));
    }

    /// Time has passed: does everything that is due.
    pub(super) fn time_reached(&mut self) {
        while let Some((due, timer)) = self.timers.first().copied().filter(|(due, _)| *due <= self.now) {
            self.timers.remove(&(due, timer));
            match timer {
                Timer::Wake(instance) => self.wake(instance, due),
                Timer::Container(instance) => self.container_overdue(instance),
                Timer::Overdue(attempt) => self.overdue(attempt),
                Timer::Budget => self.watch_budget(),
            }
        }
    }

    /// A person has said how an attempt ended.
    pub(super) fn answered(&mut self, instance: InstanceId, answer: crate::scheduler::Answer, by: &str) {
        if !self.exists(instance) {
            return;
        }
        let Phase::Unknown(purpose) = self.at(instance).phase else { return };
        match answer {
            crate::scheduler::Answer::Retry => {
                self.queue(instance, purpose, crate::scheduler::limiter::Line::Begun);
            }
            crate::scheduler::Answer::Done => {
                let envelope = crate::base::Envelope {
                    summary: format!("{by} says that it was done"),
                    ..crate::base::Envelope::default()
                };
                match purpose {
                    Purpose::Fix => self.start_work(instance),
                    Purpose::Work | Purpose::Gate(_) | Purpose::Reconcile | Purpose::Override | Purpose::Take => {
                        self.at_mut(instance).envelope = Some(Box::new(envelope));
                        self.work_done(instance);
                    }
                }
            }
            crate::scheduler::Answer::Failed => {
                let cause = self.cause(instance, CauseKind::Step, format!("{by} says that it failed"));
                self.fail(instance, cause);
            }
        }
    }
}
