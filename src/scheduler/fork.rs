//! Forks: a run that takes over what another one has done, up to some steps, and does those and all behind them again.
//!
//! What is taken over stands in the new run's own journal before its beginning, so the run needs no other one to be
//! replayed. Rules that always hold: nothing is taken over of a step that is done again, or of anything that waits for
//! one; what is taken over had settled, with its gates; it is taken over once, so a later round does it anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    base::{Envelope, RunId, StepPath, Usage},
    plan::{StepIx, Work},
    scheduler::{
        action::{CauseKind, Settled},
        core::Scheduler,
        event::{InstanceId, Purpose},
        state::{AttemptEnd, FrameId},
    },
};

/// What a fork takes over of one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// How it had settled; absent for a container in which something is done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// What it had brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Box<Envelope>>,
    /// Why it had failed; only of a step that may.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Attempts at its work.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Of a fan-out: each key with its item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Value>>,
    /// Of a called workflow: its inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Map<String, Value>>,
    /// Of a loop: the iteration that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a run is a fork of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkOf {
    /// The other run.
    pub run: RunId,
    /// The step from which on everything is done again.
    pub from: String,
}

/// What a fork takes over and what it does again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fork {
    /// What is taken over, by path.
    pub kept: BTreeMap<StepPath, Kept>,
    /// The steps that are done again of those that were there, by path.
    pub again: Vec<StepPath>,
}

/// Why there is no fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkFault {
    /// The run has no such step.
    #[error("the run has no step `{0}`")]
    NoStep(String),
    /// Something that the step waits for is not done.
    #[error("`{step}` waits for `{need}`, which was not done")]
    NotDone {
        /// The step.
        step: StepPath,
        /// What it waits for.
        need: StepPath,
    },
}

/// What is done again, and the containers in which something is.
#[derive(Default)]
struct Again {
    steps: BTreeSet<InstanceId>,
    within: BTreeSet<InstanceId>,
    /// The iteration in which a loop is gone on with.
    iterations: BTreeMap<InstanceId, FrameId>,
}

impl Scheduler {
    /// What a fork of this run takes over that begins again at `from`: a path in the run, or of the plan for all that
    /// have it. The steps in `also` are done again too, wherever they are.
    ///
    /// # Errors
    /// A step that is not there, or cannot begin with what was done.
    pub fn fork(&self, from: &str, also: &BTreeSet<StepIx>) -> Result<Fork, ForkFault> {
        let all = self.reachable();
        let is_meant = |instance: &InstanceId| {
            let path = self.path(*instance);
            path.as_str() == from || self.step_of(*instance).path == from
        };
        let targets: Vec<InstanceId> = all.iter().copied().filter(is_meant).collect();
        if targets.is_empty() {
            return Err(ForkFault::NoStep(from.to_owned()));
        }
        let mut again = Again::default();
        let others = all.iter().copied().filter(|instance| also.contains(&self.at(*instance).step));
        for instance in targets.iter().copied().chain(others) {
            self.again(instance, &mut again);
        }
        let mut fork = Fork::default();
        if !self.frames.is_empty() {
            self.keep_frame(FrameId(0), &again, &mut fork);
        }
        for target in targets {
            self.check_needs(target, &again, &fork)?;
        }
        Ok(fork)
    }

    /// All instances that count: those of the latest opening of each body, and of a loop all iterations of that.
    fn reachable(&self) -> Vec<InstanceId> {
        let mut found = Vec::new();
        let mut frames: Vec<FrameId> = if self.frames.is_empty() { Vec::new() } else { vec![FrameId(0)] };
        while let Some(frame) = frames.pop() {
            for instance in self.members(frame) {
                found.push(instance);
                frames.extend(self.openings(instance));
            }
        }
        found.sort();
        found
    }

    /// The frames of a container's latest opening; of a loop every iteration, the first one first.
    fn openings(&self, instance: InstanceId) -> Vec<FrameId> {
        let at = self.at(instance);
        if !matches!(self.step_of(instance).work, Work::Loop { .. }) {
            return at.frames.clone();
        }
        let Some(last) = at.frames.last() else { return Vec::new() };
        let mut latest = BTreeMap::new();
        for place in 0..=last.0 {
            let frame = self.frame(FrameId(place));
            // A loop that began anew has opened its first iterations again, and those count.
            if frame.container == Some(instance) && frame.iteration <= self.frame(*last).iteration {
                latest.insert(frame.iteration, FrameId(place));
            }
        }
        latest.into_values().collect()
    }

    /// Marks a step, all that waits for it, and the containers around it.
    fn again(&self, instance: InstanceId, again: &mut Again) {
        let mut todo = vec![instance];
        while let Some(instance) = todo.pop() {
            if !again.steps.insert(instance) {
                continue;
            }
            let mut inside = instance;
            loop {
                todo.extend(self.dependents_of(inside));
                let frame = self.at(inside).frame;
                let Some(container) = self.frame(frame).container else { break };
                let earlier = again.iterations.get(&container).is_none_or(|other| *other > frame);
                if earlier {
                    again.iterations.insert(container, frame);
                }
                if !again.within.insert(container) {
                    break;
                }
                inside = container;
            }
        }
    }

    fn dependents_of(&self, instance: InstanceId) -> Vec<InstanceId> {
        let (frame, step) = (self.at(instance).frame, self.at(instance).step);
        let places = self.shape.dependents(step);
        places.map(|place| self.sibling(frame, self.shape.dependent(place).step)).collect()
    }

    /// Takes over what is left of a frame.
    fn keep_frame(&self, frame: FrameId, again: &Again, fork: &mut Fork) {
        for instance in self.members(frame) {
            if again.steps.contains(&instance) {
                fork.again.push(self.path(instance));
                continue;
            }
            let is_whole = !again.within.contains(&instance) && self.is_done(instance);
            let step = self.step_of(instance);
            // A signal that was sent is sent again, because nobody hears the old one; one that was skipped stays so.
            let sends = matches!(step.work, Work::Emit { .. } | Work::Stop { .. });
            let is_kept = is_whole && (!sends || self.at(instance).settled() == Some(Settled::Skipped));
            let is_open = step.work.is_container() && !self.at(instance).frames.is_empty();
            if !is_kept && (!is_open || is_whole) {
                continue;
            }
            fork.kept.insert(self.path(instance), self.kept(instance, is_whole, again));
            match (&step.work, again.iterations.get(&instance)) {
                (Work::Loop { .. }, Some(from)) => self.keep_frame(*from, again, fork),
                _ => self.at(instance).frames.iter().for_each(|frame| self.keep_frame(*frame, again, fork)),
            }
        }
    }

    /// Whether a step has settled in a way that others could go on from.
    fn is_done(&self, instance: InstanceId) -> bool {
        match self.at(instance).settled() {
            Some(Settled::Succeeded | Settled::Skipped) => true,
            Some(Settled::Failed) => self.step_of(instance).optional,
            Some(Settled::Cancelled) | None => false,
        }
    }

    fn kept(&self, instance: InstanceId, is_whole: bool, again: &Again) -> Kept {
        let at = self.at(instance);
        let mut kept = Kept {
            settled: at.settled().filter(|_| is_whole),
            attempts: self.work_attempts(instance),
            reason: at.cause.as_ref().filter(|_| is_whole).map(|cause| cause.reason.clone()).unwrap_or_default(),
            ..Kept::default()
        };
        if kept.settled == Some(Settled::Succeeded) {
            kept.envelope = at.envelope.clone().map(|envelope| self.referring(instance, envelope));
        }
        match &self.step_of(instance).work {
            Work::Each(_) => {
                let items = at.fan_out.as_ref().map(|fan_out| &fan_out.items);
                kept.items = items.map(|items| items.iter().map(|(key, item)| json!([key, item])).collect());
            }
            Work::Call { .. } => {
                let frame = at.frames.first().map(|frame| self.frame(*frame));
                kept.inputs = frame.and_then(|frame| frame.inputs.as_deref().cloned());
            }
            Work::Loop { .. } => {
                let frame = again.iterations.get(&instance).or(at.frames.last());
                kept.iteration = frame.map(|frame| self.frame(*frame).iteration);
            }
            _ => {}
        }
        kept
    }

    /// An envelope that costs nothing and names the attempt that brought it back.
    fn referring(&self, instance: InstanceId, mut envelope: Box<Envelope>) -> Box<Envelope> {
        let proven = |record: &&crate::scheduler::AttemptRecord| {
            record.purpose == Purpose::Work && record.end == AttemptEnd::Succeeded
        };
        let attempt = self.at(instance).history.iter().rev().find(proven).map(|record| record.number);
        if envelope.reused.is_none()
            && let (Some(run), Some(number)) = (self.run_id(), attempt)
        {
            envelope.reused = Some(format!("{run}/{}-{number}", instance.0));
        }
        envelope.usage = Usage::default();
        (envelope.leaked, envelope.dropped_bytes) = (0, 0);
        envelope
    }

    /// Everything that a step waits for must be there, in its own body and around it.
    fn check_needs(&self, target: InstanceId, again: &Again, fork: &Fork) -> Result<(), ForkFault> {
        let mut todo = vec![target];
        let mut seen = BTreeSet::new();
        while let Some(instance) = todo.pop() {
            if !seen.insert(instance) {
                continue;
            }
            let frame = self.at(instance).frame;
            todo.extend(self.frame(frame).container);
            for need in &self.step_of(instance).needs {
                let need = self.sibling(frame, need.step);
                let path = self.path(need);
                let is_emit = matches!(self.step_of(need).work, Work::Emit { .. });
                let is_there = fork.kept.get(&path).is_some_and(|kept| kept.settled.is_some());
                let comes_again = again.steps.contains(&need) || again.within.contains(&need) || is_emit;
                if !is_there && !comes_again {
                    return Err(ForkFault::NotDone { step: self.path(target), need: path });
                }
                todo.push(need);
            }
        }
        Ok(())
    }

    /// Takes back what a step of another run has brought back, where this run is a fork and has not done so yet.
    pub(super) fn remember(&mut self, instance: InstanceId) {
        if !self.keeping.is_empty() {
            let path = self.path(instance);
            self.at_mut(instance).kept = self.keeping.remove(&path).map(Box::new);
        }
    }

    /// A step whose needs are there and of which another run has done something.
    pub(super) fn begin_kept(&mut self, instance: InstanceId) {
        let Some(kept) = self.at(instance).kept.as_deref() else { return };
        let (settled, reason) = (kept.settled, kept.reason.clone());
        match settled {
            Some(Settled::Skipped) => self.settle(instance, Settled::Skipped),
            Some(Settled::Failed) => {
                let cause = self.cause(instance, CauseKind::Step, reason);
                self.fail(instance, cause);
            }
            Some(Settled::Succeeded) if !self.step_of(instance).work.is_container() => {
                self.finish_kept(instance);
            }
            // Its `when` was true; what was done inside is taken over there.
            Some(Settled::Succeeded | Settled::Cancelled) | None => self.admit(instance),
        }
    }

    /// Ends a step as another run has ended it, gates included. False where it is not taken over whole.
    pub(super) fn finish_kept(&mut self, instance: InstanceId) -> bool {
        let kept = self.at(instance).kept.as_deref().filter(|kept| kept.settled == Some(Settled::Succeeded));
        let Some(envelope) = kept.map(|kept| kept.envelope.clone()) else { return false };
        self.stop_container_timer(instance);
        let at = self.at_mut(instance);
        at.session = envelope.as_ref().and_then(|envelope| envelope.session.as_deref().map(std::sync::Arc::from));
        at.envelope = envelope;
        self.succeeded(instance);
        true
    }

    /// Attempts at the work of a step, those of the run that it was taken over from included.
    pub(super) fn work_attempts(&self, instance: InstanceId) -> u32 {
        let at = self.at(instance);
        let own = at.history.iter().filter(|record| record.purpose == Purpose::Work).count();
        at.kept.as_ref().map_or(0, |kept| kept.attempts) + u32::try_from(own).unwrap_or(u32::MAX)
    }

    /// What the run is a fork of.
    #[must_use]
    pub fn fork_of(&self) -> Option<&ForkOf> {
        self.fork_of.as_ref()
    }
}
