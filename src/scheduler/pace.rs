//! The speed of a runtime, as the driver tells it: attempts that do not begin yet, how many at once, and none before when.
//!
//! Knows no service and no limit of its own: what is told is kept, and the limiter keeps to it.

use std::sync::Arc;

use crate::{
    base::{Outcome, Timestamp},
    plan::ModelChain,
    scheduler::{
        action::{Notice, Settled},
        core::Scheduler,
        event::{AttemptId, InstanceId, Purpose},
        planted::{self, Bug},
        state::Phase,
    },
};

/// A wait shorter than this, in milliseconds, is told to nobody.
const TOLD_FROM_MS: u64 = 1_000;

/// Pauses that are kept of a run; later ones are only felt.
const PAUSES_MAX: usize = 1_000;

/// A time in which a runtime took nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Which runtime.
    pub runtime: String,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// How fast a runtime may be used, and who uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Which runtime.
    pub runtime: String,
    /// Attempts at once, besides the bounds of the plan; as many as the run may where absent.
    pub slots: Option<u32>,
    /// Nothing begins on it before this; absent where that time has come.
    pub until: Option<Timestamp>,
    /// Why; empty where it goes at full speed.
    pub reason: String,
    /// Attempts that stand in line.
    pub waiting: usize,
    /// Attempts that have a slot.
    pub in_use: u32,
}

impl Scheduler {
    /// An attempt that was asked for does not begin.
    pub(super) fn deferred(&mut self, attempt: AttemptId, until: Timestamp, reason: &str) {
        let instance = attempt.instance;
        if !self.exists(instance) || self.at(instance).attempts != attempt.number {
            return;
        }
        let (Phase::Starting(purpose), Some(slot)) = (self.at(instance).phase, self.at(instance).slot) else { return };
        if self.at(instance).stop_sent.is_some() {
            return self.stopped_attempt(instance, purpose, Outcome::Lost);
        }
        if planted::on(Bug::DeferredKeepsSlot) {
            self.at_mut(instance).slot = None;
        }
        self.give_slot_back(instance);
        if self.runtime_of(instance, purpose).is_some() && !planted::on(Bug::DeferredCountsAgent) {
            self.ledger.uncount_agent();
        }
        // At least a moment, or it would be granted again in this very step.
        self.hold(slot.class, until.max(Timestamp(self.now.0 + 1)), reason);
        if self.refuses(instance, purpose) {
            return self.settle(instance, Settled::Cancelled);
        }
        self.at_mut(instance).phase = Phase::Queued(purpose);
        self.limiter.wait_again(slot, instance, purpose);
    }

    /// A runtime has another speed from now on.
    pub(super) fn paced(&mut self, runtime: &str, slots: Option<u32>, until: Option<Timestamp>, reason: &str) {
        if runtime.is_empty() || self.run.is_none() {
            return;
        }
        let bound = self.plan.limits.per_runtime.get(runtime).copied();
        let class = self.limiter.class(runtime, bound);
        let tempo = self.limiter.tempo(class);
        tempo.slots = slots.map(|slots| slots.max(1));
        let before = std::mem::take(&mut tempo.until);
        tempo.reason = Arc::from(reason);
        // What is said now counts, and what was said before no more.
        let last = until.unwrap_or_default().max(self.now);
        if let Some(pause) = self.pauses.iter_mut().rev().find(|pause| pause.runtime == runtime) {
            pause.until = pause.until.min(last);
        }
        if let Some(until) = until {
            self.limiter.tempo(class).until = before.min(until);
            self.hold(class, until, reason);
        }
    }

    /// Nothing of a class is granted before that time.
    fn hold(&mut self, class: u16, until: Timestamp, reason: &str) {
        let now = self.now;
        let tempo = self.limiter.tempo(class);
        let before = tempo.until.max(now);
        if until <= tempo.until {
            return;
        }
        tempo.until = until;
        tempo.reason = Arc::from(reason);
        self.note_pause(class, until, reason);
        if until.0 >= before.0 + TOLD_FROM_MS && self.ended.is_none() {
            let runtime = self.limiter.name(class).to_owned();
            self.notice(Notice::Held { runtime });
        }
    }

    fn note_pause(&mut self, class: u16, until: Timestamp, reason: &str) {
        let (runtime, from, has_room) = (self.limiter.name(class), self.now, self.pauses.len() < PAUSES_MAX);
        match self.pauses.iter_mut().rev().find(|pause| pause.runtime == runtime) {
            Some(pause) if pause.until >= from => (pause.until, pause.reason) = (until, reason.to_owned()),
            _ if has_room => {
                self.pauses.push(Pause { runtime: runtime.to_owned(), from, until, reason: reason.to_owned() });
            }
            _ => {}
        }
    }

    /// The times in which a runtime took nothing, in their order.
    #[must_use]
    pub fn pauses(&self) -> &[Pause] {
        &self.pauses
    }

    /// Since when nothing but room is missing for the next attempt of a step.
    #[must_use]
    pub fn ready_since(&self, instance: InstanceId) -> Option<Timestamp> {
        self.at(instance).ready
    }

    /// How fast each runtime may be used, of those that this run has asked for so far.
    #[must_use]
    pub fn paces(&self) -> Vec<Pace> {
        let paces = self.limiter.speeds().map(|(runtime, tempo, waiting, in_use)| Pace {
            runtime: runtime.to_owned(),
            slots: tempo.slots,
            until: Some(tempo.until).filter(|until| *until > self.now),
            reason: tempo.reason.to_string(),
            waiting,
            in_use,
        });
        paces.collect()
    }

    /// How many attempts on a runtime have a slot or stand in line for one.
    #[must_use]
    pub fn demand(&self, runtime: &str) -> usize {
        self.limiter
            .speeds()
            .find(|(name, ..)| *name == runtime)
            .map_or(0, |(_, _, waiting, in_use)| waiting + in_use as usize)
    }

    /// How many attempts may run at once.
    #[must_use]
    pub fn parallel(&self) -> u32 {
        self.limiter.parallel()
    }

    /// The models that an agent may take on its runtime, the first choice first; empty where none is named.
    #[must_use]
    pub fn models(&self, instance: InstanceId, purpose: Purpose) -> Vec<&str> {
        let agent = self.agent_work(instance, purpose);
        let Some(model) = agent.and_then(|agent| agent.model.as_deref()) else { return Vec::new() };
        let runtime = self.runtime_of(instance, purpose).unwrap_or_default();
        let tier = self.plan.models.get(model);
        let chain = tier.and_then(|tier| tier.get(runtime).or_else(|| tier.get("any")));
        chain.map_or_else(|| vec![model], |chain: &ModelChain| chain.models().collect())
    }

    /// The model that the next attempt takes, if one is named.
    #[must_use]
    pub fn model(&self, instance: InstanceId, purpose: Purpose) -> Option<&str> {
        let models = self.models(instance, purpose);
        let place = if purpose == Purpose::Work { self.at(instance).model as usize } else { 0 };
        models.get(place).or(models.last()).copied()
    }

    /// Whether there is a further model to fall back to.
    #[must_use]
    pub fn has_next_model(&self, instance: InstanceId, purpose: Purpose) -> bool {
        purpose == Purpose::Work && self.at(instance).model as usize + 1 < self.models(instance, purpose).len()
    }
}
