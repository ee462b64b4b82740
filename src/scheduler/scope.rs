//! The values that a text may read, and nothing else: exactly the names that the plan resolved for it.

use serde_json::{Map, Value, json};

use crate::{
    base::Envelope,
    plan::{Meaning, Read, StepIx, Work},
    scheduler::{
        action::Settled,
        core::Scheduler,
        event::InstanceId,
        state::{Frame, FrameId},
    },
};

impl Scheduler {
    /// The scope of a text of `reader`, or of the run itself.
    ///
    /// A name whose step has no value (skipped, failed, not finished) is left out; strict rendering then says so.
    #[must_use]
    pub fn scope(&self, reader: Option<InstanceId>, reads: &[Read]) -> Map<String, Value> {
        let mut scope = Map::new();
        for read in reads {
            if let Some(value) = self.meaning(reader, read.means) {
                scope.insert(read.name.clone(), value);
            }
        }
        scope
    }

    fn meaning(&self, reader: Option<InstanceId>, means: Meaning) -> Option<Value> {
        match means {
            Meaning::Inputs(call) => {
                let frame = self.frame_of_body(reader, call)?;
                self.frame(frame).inputs.as_ref().map(|inputs| Value::Object(inputs.as_ref().clone()))
            }
            Meaning::Models => serde_json::to_value(&self.plan.models).ok(),
            Meaning::Step(step) => {
                let parent = self.plan.step(step).parent;
                let fan_out = reader.filter(|reader| Some(self.at(*reader).step) == parent);
                match fan_out {
                    Some(each) if matches!(self.step_of(each).work, Work::Each(_)) => {
                        let frames = self.in_item_order(each);
                        Some(frames.iter().filter_map(|frame| self.value(self.sibling(*frame, step))).collect())
                    }
                    _ => self.value(self.sibling(self.frame_of_body(reader, parent)?, step)),
                }
            }
            Meaning::Item(each) => self.frame_of(reader, each)?.item.as_ref().map(|item| item.value.as_ref().clone()),
            Meaning::Index(each) => self.frame_of(reader, each)?.item.as_ref().map(|item| json!(item.index)),
            Meaning::Iteration(container) => self.frame_of(reader, container).map(|frame| json!(frame.iteration)),
            Meaning::This => reader.map(|reader| self.leaf_value(reader)),
            Meaning::Result => Some(self.envelope_value(reader?)),
            Meaning::With | Meaning::Command => None,
        }
    }

    fn frame_of(&self, reader: Option<InstanceId>, container: StepIx) -> Option<&Frame> {
        self.frame_of_body(reader, Some(container)).map(|frame| self.frame(frame))
    }

    /// The frame of a container's body that a reader stands in, or for the container itself its latest one.
    fn frame_of_body(&self, reader: Option<InstanceId>, container: Option<StepIx>) -> Option<FrameId> {
        let Some(container) = container else { return Some(FrameId(0)) };
        let reader = reader?;
        if self.at(reader).step == container {
            return self.at(reader).frames.last().copied();
        }
        let mut frame = self.at(reader).frame;
        loop {
            let owner = self.frame(frame).container?;
            if self.at(owner).step == container {
                return Some(frame);
            }
            frame = self.at(owner).frame;
        }
    }

    fn in_item_order(&self, each: InstanceId) -> Vec<FrameId> {
        let mut frames = self.at(each).frames.clone();
        frames.sort_by_key(|frame| self.frame(*frame).item.as_ref().map(|item| item.index));
        frames
    }

    /// The value of a step that succeeded: its output's fields and its envelope under `result`.
    #[must_use]
    pub fn value(&self, instance: InstanceId) -> Option<Value> {
        if self.at(instance).settled() != Some(Settled::Succeeded) {
            return None;
        }
        Some(match &self.step_of(instance).work {
            Work::Parallel { .. } | Work::Loop { .. } => {
                let mut value = match self.at(instance).frames.last() {
                    Some(frame) => self.frame_value(*frame),
                    None => Map::new(),
                };
                value.insert("result".to_owned(), self.envelope_value(instance));
                Value::Object(value)
            }
            Work::Each(_) => {
                self.in_item_order(instance).into_iter().map(|frame| Value::Object(self.frame_value(frame))).collect()
            }
            Work::Call { .. }
            | Work::Agent(_)
            | Work::Run { .. }
            | Work::Approve { .. }
            | Work::Ask { .. }
            | Work::Sleep { .. }
            | Work::Await { .. }
            | Work::Emit { .. }
            | Work::Checkpoint { .. }
            | Work::Stop { .. } => self.leaf_value(instance),
            // Nobody has written it, so it is no part of what a container brings back.
            Work::Merge(_) => return None,
        })
    }

    fn frame_value(&self, frame: FrameId) -> Map<String, Value> {
        let mut value = Map::new();
        for child in self.members(frame) {
            if let Some(child_value) = self.value(child) {
                value.insert(self.step_of(child).id.clone(), child_value);
            }
        }
        value
    }

    fn leaf_value(&self, instance: InstanceId) -> Value {
        let output = self.at(instance).envelope.as_ref().map(|envelope| &envelope.output);
        let mut value = match output {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        value.insert("result".to_owned(), self.envelope_value(instance));
        Value::Object(value)
    }

    /// What `step.result` is.
    fn envelope_value(&self, instance: InstanceId) -> Value {
        let at = self.at(instance);
        let empty = Envelope::default();
        let envelope = at.envelope.as_deref().unwrap_or(&empty);
        json!({
            "status": if at.settled() == Some(Settled::Failed) { "failed" } else { "succeeded" },
            "summary": envelope.summary,
            "files_changed": envelope.files_changed,
            "tests_passing": envelope.tests_passing,
            "next_steps": envelope.next_steps,
            "attempts": self.work_attempts(instance),
            "text": envelope.text,
        })
    }

    /// The envelope that an attempt of a step brought back.
    #[must_use]
    pub fn envelope(&self, instance: InstanceId) -> Option<&Envelope> {
        self.at(instance).envelope.as_deref()
    }

    /// The instance of `step` that a reader's texts mean, for `context: fork:` and `share:`.
    #[must_use]
    pub fn nearest(&self, reader: InstanceId, step: StepIx) -> Option<InstanceId> {
        let frame = self.frame_of_body(Some(reader), self.plan.step(step).parent)?;
        Some(self.sibling(frame, step))
    }
}
