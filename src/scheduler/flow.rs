//! Dataflow: frames open, needs are counted down, steps begin, frames finish.
//!
//! One step down per settled need, never a scan over all steps.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    base::StepPath,
    definition::workflow::OnFailure,
    plan::{
        Work,
        truth::{Readiness, decide},
    },
    scheduler::{
        action::{Cause, CauseKind, Settled},
        core::{RunEnd, Scheduler, Todo},
        event::{Evaluation, InstanceId, Site, Strength},
        planted::{self, Bug},
        state::{Frame, FrameId, Instance, Item, Phase},
    },
};

/// What makes one opening of a body different from another.
#[derive(Default)]
pub(super) struct Opening {
    pub path: Option<StepPath>,
    pub item: Option<Item>,
    pub iteration: u32,
    pub inputs: Option<Arc<Map<String, Value>>>,
}

impl Scheduler {
    pub(super) fn open_root(&mut self, inputs: Map<String, Value>) {
        let opening = Opening { inputs: Some(Arc::new(inputs)), ..Opening::default() };
        self.open(None, opening);
        if self.plan.roots.is_empty() {
            self.frame_done(FrameId(0));
        }
    }

    /// Opens a body: makes the instances and begins those that need nothing.
    pub(super) fn open(&mut self, container: Option<InstanceId>, opening: Opening) -> FrameId {
        let plan = Arc::clone(&self.plan);
        let body = plan.body(container.map(|instance| self.at(instance).step));
        let id = FrameId(u32::try_from(self.frames.len()).unwrap_or(u32::MAX));
        let first = u32::try_from(self.instances.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let max_active = match container.map(|instance| &plan.step(self.at(instance).step).work) {
            Some(Work::Parallel { max_parallel, .. }) => max_parallel.unwrap_or(u32::MAX).max(1),
            _ => u32::MAX,
        };
        let path = opening.path.or_else(|| container.map(|instance| self.path(instance)));
        let draining = container.is_some_and(|instance| self.frame(self.at(instance).frame).draining);
        self.frames.push(Frame {
            container,
            first,
            len,
            path: path.unwrap_or_else(|| StepPath::new("")),
            item: opening.item,
            iteration: opening.iteration,
            inputs: opening.inputs,
            unsettled: len,
            cancelled: 0,
            cause: None,
            draining,
            active: 0,
            max_active,
            held: VecDeque::new(),
        });
        for step in body {
            let needs = u32::try_from(plan.step(*step).needs.len()).unwrap_or(u32::MAX);
            self.instances.push(Instance::new(*step, id, needs));
        }
        for (instance, step) in self.members(id).zip(body) {
            self.remember(instance);
            if plan.step(*step).needs.is_empty() {
                self.todo.push_back(Todo::Begin(instance));
            }
        }
        id
    }

    /// A step whose needs are there: evaluates `when`, waits for its frame, or starts.
    pub(super) fn begin(&mut self, instance: InstanceId) {
        if self.at(instance).phase != Phase::Waiting {
            return;
        }
        let draining = self.frame(self.at(instance).frame).draining && !planted::on(Bug::DrainStartsNew);
        if draining || self.ended.is_some() {
            self.settle(instance, Settled::Cancelled);
        } else if self.at(instance).kept.is_some() {
            self.begin_kept(instance);
        } else if self.step_of(instance).when.is_some() {
            self.evaluate(instance, Site::When(instance));
        } else {
            self.admit(instance);
        }
    }

    /// Lets a step start if its frame has room for one more.
    pub(super) fn admit(&mut self, instance: InstanceId) {
        let frame = self.at(instance).frame;
        if self.is_merge(instance) {
            // It waits for others, who may need the room.
            return self.start_work(instance);
        }
        let room = self.frame(frame).active < self.frame(frame).max_active || planted::on(Bug::ItemsUnbounded);
        if room {
            self.frame_mut(frame).active += 1;
            self.at_mut(instance).counted = true;
            self.start_work(instance);
        } else {
            let now = self.now;
            let at = self.at_mut(instance);
            (at.phase, at.ready) = (Phase::Held, Some(now));
            self.frame_mut(frame).held.push_back(instance);
        }
    }

    /// Tells the dependents and the frame of a settled step.
    pub(super) fn propagate(&mut self, instance: InstanceId) {
        let Some(settled) = self.at(instance).settled() else { return };
        let (frame, step) = (self.at(instance).frame, self.at(instance).step);
        let optional = self.plan.step(step).optional;
        self.leave_frame(instance, settled, optional);
        for place in self.shape.dependents(step) {
            let dependent = self.shape.dependent(place);
            self.count_down(self.sibling(frame, dependent.step), dependent.reads, settled, optional);
        }
        if self.frame(frame).unsettled == 0 {
            self.frame_done(frame);
        }
    }

    fn leave_frame(&mut self, instance: InstanceId, settled: Settled, optional: bool) {
        let frame = self.at(instance).frame;
        let counted = std::mem::take(&mut self.at_mut(instance).counted);
        let cause = self.at(instance).cause.clone();
        let state = self.frame_mut(frame);
        state.unsettled -= 1;
        if counted {
            state.active -= 1;
        }
        match settled {
            Settled::Failed if !optional && !planted::on(Bug::FailedNeedIgnored) => {
                if state.cause.is_none() {
                    state.cause = cause;
                }
                self.child_failed(frame);
            }
            Settled::Cancelled => state.cancelled += 1,
            Settled::Failed | Settled::Succeeded | Settled::Skipped => {}
        }
        while self.frame(frame).active < self.frame(frame).max_active {
            let Some(next) = self.frame_mut(frame).held.pop_front() else { break };
            if self.at(next).phase == Phase::Held {
                self.admit(next);
            }
        }
    }

    /// The failure policy of a body.
    fn child_failed(&mut self, frame: FrameId) {
        let container = self.frame(frame).container;
        let policy = container.map_or(self.plan.on_failure, |instance| self.step_of(instance).on_failure);
        match policy {
            OnFailure::Continue => {}
            OnFailure::Drain => self.drain(frame, None),
            OnFailure::FailFast => self.drain(frame, Some(Strength::Gentle)),
        }
        if let Some(container) = container
            && policy != OnFailure::Continue
        {
            self.other_items(container, policy);
        }
    }

    fn count_down(&mut self, instance: InstanceId, reads: bool, settled: Settled, optional: bool) {
        let at = self.at_mut(instance);
        let counts = &mut at.counts;
        let no_value = match settled {
            Settled::Succeeded => {
                counts.succeeded += if planted::on(Bug::NeedCountedTwice) { 2 } else { 1 };
                false
            }
            Settled::Skipped => {
                counts.skipped += 1;
                true
            }
            Settled::Failed if optional || planted::on(Bug::FailedNeedIgnored) => {
                counts.optional_failed += 1;
                true
            }
            Settled::Failed => {
                counts.failed += 1;
                true
            }
            Settled::Cancelled => {
                counts.cancelled += 1;
                true
            }
        };
        at.reads_missing |= no_value && reads && !planted::on(Bug::SkipSpreadsNever);
        if at.phase != Phase::Waiting {
            return;
        }
        self.decide(instance);
    }

    /// Asks the truth table what a waiting step does now.
    pub(super) fn decide(&mut self, instance: InstanceId) {
        let at = self.at(instance);
        match decide(self.plan.step(at.step).join, &at.counts, at.reads_missing) {
            Readiness::Wait => {}
            Readiness::Run => self.todo.push_back(Todo::Begin(instance)),
            Readiness::Skip => self.settle(instance, Settled::Skipped),
            Readiness::Cancel => self.settle(instance, Settled::Cancelled),
        }
    }

    /// Every step of a frame has settled.
    pub(super) fn frame_done(&mut self, frame: FrameId) {
        let Some(container) = self.frame(frame).container else { return self.root_done() };
        if self.at(container).phase != Phase::Open {
            return;
        }
        let plan = Arc::clone(&self.plan);
        match &plan.step(self.at(container).step).work {
            Work::Each(each) => self.item_done(container, frame, each.max_parallel),
            Work::Loop { .. } | Work::Parallel { .. } | Work::Call { .. } => {
                let state = self.frame(frame);
                if self.at(container).cause.is_some() {
                    self.container_cancelled(container);
                } else if let Some(cause) = state.cause.clone() {
                    self.container_failed(container, cause);
                } else if state.cancelled > 0 {
                    self.container_cancelled(container);
                } else {
                    self.body_done(container, &plan.step(self.at(container).step).work);
                }
            }
            Work::Agent(_)
            | Work::Run { .. }
            | Work::Approve { .. }
            | Work::Ask { .. }
            | Work::Sleep { .. }
            | Work::Await { .. }
            | Work::Emit { .. }
            | Work::Checkpoint { .. }
            | Work::Merge(_)
            | Work::Stop { .. } => {}
        }
    }

    fn body_done(&mut self, container: InstanceId, work: &Work) {
        if self.finish_kept(container) {
            return;
        }
        match work {
            Work::Loop { until: Some(_), .. } => self.evaluate(container, Site::Until(container)),
            Work::Loop { max, .. } => self.iteration_done(container, None, *max),
            Work::Call { .. } => self.evaluate(container, Site::CallOutputs(container)),
            _ => self.work_done(container),
        }
    }

    pub(super) fn container_cancelled(&mut self, container: InstanceId) {
        self.stop_container_timer(container);
        match self.at(container).cause.clone() {
            Some(cause) if cause.kind == CauseKind::TimedOut => self.fail(container, cause),
            _ => self.settle(container, Settled::Cancelled),
        }
    }

    /// The top level has settled: outputs, or the end.
    fn root_done(&mut self) {
        if self.ended.is_some() || self.sites.contains(&Site::RunOutputs) {
            return;
        }
        let root = self.frame(FrameId(0));
        let (cause, cancelled) = (root.cause.clone(), root.cancelled > 0);
        if let Some((succeed, text)) = self.stopped.clone() {
            let step = cause.filter(|cause| cause.kind == CauseKind::Stopped).and_then(|cause| cause.step);
            let cause = Cause { kind: CauseKind::Stopped, step, reason: text };
            return if succeed {
                self.end(Settled::Succeeded, None, Map::new())
            } else {
                self.end(Settled::Failed, Some(cause), Map::new())
            };
        }
        if let Some(reason) = self.over_budget.clone() {
            return self.end(Settled::Failed, Some(Cause { kind: CauseKind::Budget, step: None, reason }), Map::new());
        }
        if self.cancelling.is_some() {
            let cause = Cause { kind: CauseKind::Cancelled, step: None, reason: "cancelled".to_owned() };
            return self.end(Settled::Cancelled, Some(cause), Map::new());
        }
        match cause {
            Some(cause) => self.end(Settled::Failed, Some(*cause), Map::new()),
            None if cancelled => {
                let reason = "a step was not reached".to_owned();
                self.end(Settled::Failed, Some(Cause { kind: CauseKind::Step, step: None, reason }), Map::new());
            }
            None if self.plan.outputs.is_empty() => self.end(Settled::Succeeded, None, Map::new()),
            None => {
                self.sites.insert(Site::RunOutputs);
                self.actions.push(crate::scheduler::Action::Evaluate { site: Site::RunOutputs });
            }
        }
    }

    pub(super) fn run_outputs(&mut self, result: Evaluation) {
        match result {
            Evaluation::Value(Value::Object(outputs)) => self.end(Settled::Succeeded, None, outputs),
            Evaluation::Value(other) => {
                let reason = format!("the run's outputs are no object: {other}");
                self.end(Settled::Failed, Some(Cause { kind: CauseKind::Evaluation, step: None, reason }), Map::new());
            }
            Evaluation::Fault(reason) => {
                self.end(Settled::Failed, Some(Cause { kind: CauseKind::Evaluation, step: None, reason }), Map::new());
            }
        }
    }

    /// Steps that wait for a signal which nobody is left to send fail, so that no run waits for ever.
    pub(super) fn fail_deaf_listeners(&mut self) {
        if self.listeners.is_empty() || self.is_moving() || self.ended.is_some() || !self.waiting_for().is_empty() {
            return;
        }
        for (signal, listeners) in std::mem::take(&mut self.listeners) {
            for listener in listeners {
                if self.at(listener).phase == Phase::Listening {
                    let reason = format!("no step is left that could send the signal `{signal}`");
                    let cause = self.cause(listener, CauseKind::Step, reason);
                    self.fail(listener, cause);
                }
            }
        }
    }

    /// A cancel that comes while the outputs are being evaluated.
    pub(super) fn cancelled_at_the_end(&mut self) {
        let cause = Cause { kind: CauseKind::Cancelled, step: None, reason: "cancelled".to_owned() };
        self.end(Settled::Cancelled, Some(cause), Map::new());
    }

    fn end(&mut self, settled: Settled, cause: Option<Cause>, outputs: Map<String, Value>) {
        self.timers.clear();
        self.ended = Some(RunEnd { settled, cause, outputs, at: self.now });
        self.notice(crate::scheduler::Notice::RunEnded);
    }
}
