//! The names that a workflow gives: its steps with their fields, its inputs, its tiers.
//!
//! Taken from the last state of the file that could be read, so that names are known while a line is being written.

use serde_json::Value;

use crate::{
    base::Span,
    definition::workflow::{Step, StepKind, Workflow},
};

/// The envelope of every step.
const ENVELOPE: [&str; 7] = ["status", "summary", "files_changed", "tests_passing", "next_steps", "attempts", "text"];

/// A step as others refer to it.
#[derive(Debug, Clone)]
pub(super) struct StepName {
    pub id: String,
    pub id_span: Span,
    pub what: String,
    pub fields: Vec<String>,
    pub children: Vec<StepName>,
}

/// The names of one workflow.
#[derive(Debug, Clone, Default)]
pub(super) struct Outline {
    pub steps: Vec<StepName>,
    pub inputs: Vec<(String, String, Span)>,
    pub tiers: Vec<String>,
}

impl Outline {
    pub fn of(workflow: &Workflow) -> Self {
        let inputs = workflow.inputs.iter();
        Self {
            steps: workflow.steps.iter().map(step_name).collect(),
            inputs: inputs
                .map(|input| (input.name.value.clone(), input.description.clone(), input.name.span))
                .collect(),
            tiers: workflow.models.iter().map(|tier| tier.name.value.clone()).collect(),
        }
    }

    /// All steps, however deep.
    pub fn all(&self) -> Vec<&StepName> {
        let mut open: Vec<&StepName> = self.steps.iter().rev().collect();
        let mut all = Vec::new();
        while let Some(step) = open.pop() {
            all.push(step);
            open.extend(step.children.iter().rev());
        }
        all
    }

    /// The step of that id, the outermost first.
    pub fn step(&self, id: &str) -> Option<&StepName> {
        self.all().into_iter().find(|step| step.id == id)
    }

    /// The names that may follow a path in an expression, with a word about each.
    pub fn after(&self, path: &[String]) -> Vec<(String, String)> {
        let plain = |names: &[&str], what: &str| -> Vec<(String, String)> {
            names.iter().map(|name| ((*name).to_owned(), what.to_owned())).collect()
        };
        let Some((first, rest)) = path.split_first() else {
            let mut names: Vec<(String, String)> =
                self.all().iter().map(|step| (step.id.clone(), step.what.clone())).collect();
            names.extend(plain(&["inputs"], "the inputs of the run"));
            names.extend(plain(&["this"], "the step's own output, in its gate"));
            names.extend(plain(&["item", "index", "iteration"], "where the step runs many times"));
            return names;
        };
        match (first.as_str(), rest) {
            ("inputs", []) => self.inputs.iter().map(|(name, about, _)| (name.clone(), about.clone())).collect(),
            ("models", []) => self.tiers.iter().map(|tier| (tier.clone(), "a tier".to_owned())).collect(),
            _ => self.after_step(first, rest).unwrap_or_default(),
        }
    }

    fn after_step(&self, first: &str, rest: &[String]) -> Option<Vec<(String, String)>> {
        let mut step = self.step(first)?;
        for name in rest {
            if name == "result" {
                let about = "of the step's envelope".to_owned();
                return Some(ENVELOPE.iter().map(|field| ((*field).to_owned(), about.clone())).collect());
            }
            step = step.children.iter().find(|child| child.id == *name)?;
        }
        let fields = step.fields.iter().map(|field| (field.clone(), format!("a field of {}", step.id)));
        let children = step.children.iter().map(|child| (child.id.clone(), child.what.clone()));
        let envelope = ("result".to_owned(), "the step's envelope".to_owned());
        Some(fields.chain(children).chain([envelope]).collect())
    }
}

fn step_name(step: &Step) -> StepName {
    let (what, children): (String, &[Step]) = match &step.kind {
        StepKind::Agent { agent, .. } => {
            (agent.as_ref().map_or_else(|| "an agent".to_owned(), |agent| format!("agent {}", agent.value)), &[])
        }
        StepKind::Run(_) => ("a command".to_owned(), &[]),
        StepKind::Approve { .. } => ("a question with yes or no".to_owned(), &[]),
        StepKind::Ask { .. } => ("a form".to_owned(), &[]),
        StepKind::Wait(_) => ("a wait".to_owned(), &[]),
        StepKind::Emit { .. } => ("a signal".to_owned(), &[]),
        StepKind::Checkpoint { .. } => ("a checkpoint".to_owned(), &[]),
        StepKind::Stop { .. } => ("the end of the run".to_owned(), &[]),
        StepKind::Workflow { name } => (format!("workflow {}", name.value), &[]),
        StepKind::Parallel { steps, .. } => ("steps at once".to_owned(), steps),
        StepKind::Each { steps, .. } => ("steps for each item".to_owned(), steps),
        StepKind::Loop { steps, .. } => ("steps until a condition holds".to_owned(), steps),
    };
    let fields = step.output.as_ref().and_then(|output| output.value["properties"].as_object());
    StepName {
        id: step.id.value.clone(),
        id_span: step.id.span,
        what,
        fields: fields
            .map(|fields: &serde_json::Map<String, Value>| fields.keys().cloned().collect())
            .unwrap_or_default(),
        children: children.iter().map(step_name).collect(),
    }
}
