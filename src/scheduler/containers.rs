//! Containers: parallel, fan-out, loop and called workflow; and what evaluated expressions lead to.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    base::{Envelope, Failure, FailureClass},
    definition::workflow::{OnFailure, OnMax},
    plan::Work,
    scheduler::{
        action::{Cause, CauseKind, Settled},
        batch::Batches,
        core::{Scheduler, Timer},
        event::{Evaluation, InstanceId, Site, Strength},
        flow::Opening,
        planted::{self, Bug},
        state::{FanOut, FrameId, Item, Phase},
    },
};

impl Scheduler {
    /// Opens a container: at once, or after its list or its inputs have been evaluated.
    pub(super) fn open_container(&mut self, instance: InstanceId) {
        let plan = Arc::clone(&self.plan);
        let step = plan.step(self.at(instance).step);
        self.start_container_timer(instance);
        let at = self.at_mut(instance);
        if std::mem::take(&mut at.reopens) {
            return self.reopen_container(instance);
        }
        at.frames.clear();
        at.fan_out = None;
        // Taken over once: what opens again after this is evaluated anew.
        let kept = at.kept.as_mut();
        let kept = kept.map(|kept| (kept.items.take(), kept.inputs.take(), kept.iteration.take()));
        let (items, inputs, iteration) = kept.unwrap_or_default();
        match &step.work {
            Work::Parallel { children, .. } => {
                self.at_mut(instance).phase = Phase::Open;
                let frame = self.open(Some(instance), Opening::default());
                self.at_mut(instance).frames.push(frame);
                if children.is_empty() {
                    self.frame_done(frame);
                }
            }
            Work::Each(_) => match items {
                Some(items) => self.items(instance, items),
                None => self.evaluate(instance, Site::Items(instance)),
            },
            Work::Call { .. } => match inputs {
                Some(inputs) => self.open_call(instance, inputs),
                None => self.evaluate(instance, Site::CallInputs(instance)),
            },
            Work::Loop { .. } => self.open_iteration(instance, iteration.unwrap_or(1)),
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

    fn open_iteration(&mut self, instance: InstanceId, iteration: u32) {
        self.at_mut(instance).phase = Phase::Open;
        let path = Some(self.path(instance).iteration(iteration));
        let frame = self.open(Some(instance), Opening { path, iteration, ..Opening::default() });
        self.at_mut(instance).frames = vec![frame];
        if self.frame(frame).len == 0 {
            self.frame_done(frame);
        }
    }

    /// An iteration has succeeded: stop, go on, or give up.
    pub(super) fn iteration_done(&mut self, instance: InstanceId, until: Option<bool>, max: u32) {
        let iteration = self.at(instance).frames.last().map_or(0, |frame| self.frame(*frame).iteration);
        let max = max + u32::from(planted::on(Bug::LoopOneMore));
        if until == Some(true) {
            self.work_done(instance);
        } else if iteration < max {
            self.open_iteration(instance, iteration + 1);
        } else if until.is_none() || self.on_max(instance) == OnMax::Continue {
            self.work_done(instance);
        } else {
            let reason = format!("the loop's condition did not hold after {iteration} iterations");
            let cause = self.cause(instance, CauseKind::Step, reason);
            self.container_failed(instance, cause);
        }
    }

    fn on_max(&self, instance: InstanceId) -> OnMax {
        match &self.step_of(instance).work {
            Work::Loop { on_max, .. } => *on_max,
            _ => OnMax::Fail,
        }
    }

    /// A child failed, or the container itself: another try if the step says so, else the end.
    pub(super) fn container_failed(&mut self, instance: InstanceId, cause: Box<Cause>) {
        self.stop_container_timer(instance);
        if let Some(own) = self.at(instance).cause.clone() {
            return self.fail(instance, own);
        }
        let policy = &self.step_of(instance).retry;
        let again = policy.on == crate::definition::workflow::RetryOn::Any
            && self.at(instance).work_tries < policy.tries
            && !self.frame(self.at(instance).frame).draining;
        if again {
            let reason = cause.reason;
            let failure = Failure {
                class: FailureClass::Permanent,
                reason,
                evidence: crate::base::Evidence::default(),
                session: None,
                usage: crate::base::Usage::default(),
            };
            self.work_failed(instance, failure);
        } else {
            self.fail(instance, cause);
        }
    }

    fn start_container_timer(&mut self, instance: InstanceId) {
        if let Some(timeout_ms) = self.step_of(instance).timeout_ms {
            let due = self.now.plus(Duration::from_millis(timeout_ms));
            self.timers.insert((due, Timer::Container(instance)));
            self.at_mut(instance).due = due;
        }
    }

    pub(super) fn stop_container_timer(&mut self, instance: InstanceId) {
        let due = self.at(instance).due;
        self.timers.remove(&(due, Timer::Container(instance)));
    }

    /// A container has taken too long: its children are stopped, then it fails.
    pub(super) fn container_overdue(&mut self, instance: InstanceId) {
        if self.at(instance).settled().is_some() {
            return;
        }
        let cause = self.cause(instance, CauseKind::TimedOut, "the step took longer than its timeout");
        self.at_mut(instance).cause = Some(cause.clone());
        match self.at(instance).phase {
            Phase::Open => {
                for frame in self.at(instance).frames.clone() {
                    self.drain(frame, Some(Strength::Gentle));
                }
                self.drain_items(instance);
                self.items_progress(instance, None);
            }
            Phase::Running(_) | Phase::Starting(_) => self.send_stop(instance, Strength::Gentle),
            _ => self.fail(instance, cause),
        }
    }

    /// Begins as many items as may run.
    fn items_progress(&mut self, instance: InstanceId, max_parallel: Option<u32>) {
        let bound = if planted::on(Bug::ItemsUnbounded) { u32::MAX } else { max_parallel.unwrap_or(u32::MAX).max(1) };
        loop {
            let Some(fan_out) = self.at(instance).fan_out.as_ref() else { return };
            if fan_out.draining || fan_out.open >= bound {
                break;
            }
            if let Some(frame) = self.next_left_item(instance) {
                self.reopen(frame);
                continue;
            }
            let Some(fan_out) = self.at(instance).fan_out.as_ref() else { return };
            let next = match &fan_out.batches {
                Some(batches) => batches.next(),
                None => Some(fan_out.next).filter(|next| *next < fan_out.items.len()),
            };
            let Some(index) = next else { break };
            let (key, value) = fan_out.items[index].clone();
            let path = Some(self.path(instance).item(&key));
            if let Some(fan_out) = self.at_mut(instance).fan_out.as_mut() {
                fan_out.next += 1;
                fan_out.open += 1;
                if let Some(batches) = &mut fan_out.batches {
                    batches.opens(index);
                }
            }
            let item = Some(Item { index, value });
            let frame = self.open(Some(instance), Opening { path, item, ..Opening::default() });
            self.at_mut(instance).frames.push(frame);
            if self.frame(frame).len == 0 {
                self.item_done(instance, frame, max_parallel);
            }
        }
        self.items_end(instance);
    }

    fn next_left_item(&mut self, instance: InstanceId) -> Option<FrameId> {
        let fan_out = self.at(instance).fan_out.as_ref()?;
        let item = |frame: &FrameId| self.frame(*frame).item.as_ref().map_or(0, |item| item.index);
        let is_busy = |frame: &FrameId| fan_out.batches.as_ref().is_some_and(|batches| batches.is_busy(item(frame)));
        let place = fan_out.again.iter().position(|frame| !is_busy(frame))?;
        let item = item(&fan_out.again[place]);
        let fan_out = self.at_mut(instance).fan_out.as_mut()?;
        fan_out.open += 1;
        if let Some(batches) = &mut fan_out.batches {
            batches.opens(item);
        }
        fan_out.again.remove(place)
    }

    /// Goes on with the items of a reopened fan-out; nothing for other containers.
    pub(super) fn items_go_on(&mut self, instance: InstanceId) {
        let plan = Arc::clone(&self.plan);
        if let Work::Each(each) = &plan.step(self.at(instance).step).work {
            self.items_progress(instance, each.max_parallel);
        }
    }

    fn items_end(&mut self, instance: InstanceId) {
        if self.at(instance).phase != Phase::Open {
            return;
        }
        let Some(fan_out) = self.at(instance).fan_out.as_ref() else { return };
        let left = fan_out.next < fan_out.items.len() || !fan_out.again.is_empty();
        if fan_out.open > 0 || (left && !fan_out.draining) {
            return;
        }
        if self.at(instance).cause.is_some() {
            return self.container_cancelled(instance);
        }
        match (fan_out.cause.clone(), fan_out.cancelled > 0 || left) {
            (Some(cause), _) => self.container_failed(instance, cause),
            (None, true) => self.container_cancelled(instance),
            (None, false) => self.work_done(instance),
        }
    }

    /// All steps of one item have settled.
    pub(super) fn item_done(&mut self, instance: InstanceId, frame: FrameId, max_parallel: Option<u32>) {
        let (cause, cancelled) = (self.frame(frame).cause.clone(), self.frame(frame).cancelled > 0);
        let failed = cause.is_some();
        self.batch_goes_on(instance, frame, !failed && !cancelled);
        let Some(fan_out) = self.at_mut(instance).fan_out.as_mut() else { return };
        fan_out.open -= 1;
        fan_out.cancelled += u32::from(cancelled && !failed);
        if fan_out.cause.is_none() {
            fan_out.cause = cause;
        }
        self.items_progress(instance, max_parallel);
    }

    /// A step of one item has failed: no new item begins, though that item may not have ended.
    pub(super) fn other_items(&mut self, instance: InstanceId, policy: OnFailure) {
        if self.at(instance).fan_out.is_none() {
            return;
        }
        self.drain_items(instance);
        if policy == OnFailure::FailFast {
            for other in self.at(instance).frames.clone() {
                self.drain(other, Some(Strength::Gentle));
            }
        }
    }

    pub(super) fn drain_items(&mut self, instance: InstanceId) {
        if let Some(fan_out) = self.at_mut(instance).fan_out.as_mut() {
            fan_out.draining = true;
        }
    }

    /// An expression has a value.
    pub(super) fn evaluated(&mut self, site: Site, result: Evaluation) {
        let instance = match site {
            Site::RunOutputs => return self.run_outputs(result),
            Site::When(instance)
            | Site::Items(instance)
            | Site::Until(instance)
            | Site::CallInputs(instance)
            | Site::CallOutputs(instance)
            | Site::StopText(instance) => instance,
        };
        if !self.exists(instance) || self.at(instance).phase != Phase::Evaluating {
            return;
        }
        let value = match result {
            Evaluation::Value(value) => value,
            Evaluation::Fault(reason) => return self.evaluation_failed(instance, reason),
        };
        match (site, value) {
            (Site::When(_), Value::Bool(true)) => {
                self.at_mut(instance).phase = Phase::Waiting;
                self.admit(instance);
            }
            (Site::When(_), Value::Bool(false)) => self.settle(instance, Settled::Skipped),
            (Site::Items(_), Value::Array(items)) => self.items(instance, items),
            (Site::Until(_), Value::Bool(done)) => {
                self.at_mut(instance).phase = Phase::Open;
                let max = match &self.step_of(instance).work {
                    Work::Loop { max, .. } => *max,
                    _ => 0,
                };
                self.iteration_done(instance, Some(done), max);
            }
            (Site::CallInputs(_), Value::Object(inputs)) => self.open_call(instance, inputs),
            (Site::CallOutputs(_), Value::Object(outputs)) => {
                let envelope = Envelope { output: Value::Object(outputs), ..Envelope::default() };
                self.at_mut(instance).envelope = Some(Box::new(envelope));
                self.work_done(instance);
            }
            (Site::StopText(_), Value::String(text)) => self.stop_run(instance, text),
            (_, other) => {
                let reason = format!("an expression gave a value of the wrong type: {other}");
                self.evaluation_failed(instance, reason);
            }
        }
    }

    fn evaluation_failed(&mut self, instance: InstanceId, reason: String) {
        self.stop_container_timer(instance);
        let cause = self.cause(instance, CauseKind::Evaluation, reason);
        self.fail(instance, cause);
    }

    fn open_call(&mut self, instance: InstanceId, inputs: Map<String, Value>) {
        self.at_mut(instance).phase = Phase::Open;
        let opening = Opening { inputs: Some(Arc::new(inputs)), ..Opening::default() };
        let frame = self.open(Some(instance), opening);
        self.at_mut(instance).frames.push(frame);
        if self.frame(frame).len == 0 {
            self.frame_done(frame);
        }
    }

    /// Takes a list of `[key, item]`.
    fn items(&mut self, instance: InstanceId, pairs: Vec<Value>) {
        let plan = Arc::clone(&self.plan);
        let Work::Each(each) = &plan.step(self.at(instance).step).work else { return };
        if pairs.len() > each.max_items as usize {
            let reason =
                format!("{} items, but `max_items` allows {}: raise it if you mean it", pairs.len(), each.max_items);
            return self.evaluation_failed(instance, reason);
        }
        let mut seen = BTreeSet::new();
        let mut items = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let Value::Array(mut pair) = pair else { continue };
            let (Some(item), Some(Value::String(key))) = (pair.pop(), pair.pop()) else { continue };
            if !seen.insert(key.clone()) {
                return self.evaluation_failed(instance, format!("two items have the key `{key}`"));
            }
            items.push((key, Arc::new(item)));
        }
        let at = self.at_mut(instance);
        at.fan_out = Some(Box::new(FanOut { batches: Batches::of(each, items.len()), items, ..FanOut::default() }));
        at.phase = Phase::Open;
        self.items_progress(instance, each.max_parallel);
    }

    /// A `stop` step ends the run.
    fn stop_run(&mut self, instance: InstanceId, text: String) {
        let succeed = matches!(self.step_of(instance).work, Work::Stop { succeed: true, .. });
        if self.stopped.is_none() {
            self.stopped = Some((succeed, text.clone()));
        }
        let envelope = Envelope { summary: text.clone(), ..Envelope::default() };
        self.at_mut(instance).envelope = Some(Box::new(envelope));
        if succeed {
            self.settle(instance, Settled::Succeeded);
        } else {
            // A failed step, so that a retry of the run comes here again and cannot end well without it.
            let cause = self.cause(instance, CauseKind::Stopped, text);
            self.fail(instance, cause);
        }
        self.drain(FrameId(0), Some(Strength::Gentle));
    }
}
