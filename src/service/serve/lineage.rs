//! What the steps of a run brought back: whether it is what they promise, which attempt made it, and who reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{RunId, schema_faults},
    driver::Loaded,
    plan::{Plan, StepIx},
    scheduler::{AttemptEnd, Purpose, StepView},
    service::{
        refusal::Refusal,
        runs::Runs,
        serve::{agent::cut, place::Place},
    },
};

/// Steps that are told.
const STEPS_MAX: usize = 500;
/// Readers of one value that are told.
const READERS_MAX: usize = 50;

/// What a run and its steps brought back.
#[derive(Debug, Clone, Serialize)]
pub struct Lineage {
    /// The outputs of the run, as far as they are known.
    pub outputs: Vec<RunOutput>,
    /// Steps that brought back something, or that others read.
    pub steps: Vec<StepOutput>,
    /// Steps that are not among them.
    pub left_out: usize,
}

/// One output of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunOutput {
    /// Its name.
    pub name: String,
    /// Its value as text; absent while the run goes on, and where it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The steps that it is made from, by their paths in the plan.
    pub from: Vec<String>,
}

/// What one step brought back.
#[derive(Debug, Clone, Serialize)]
pub struct StepOutput {
    /// Its path in the run.
    pub step: String,
    /// Where it stands.
    pub state: &'static str,
    /// The attempt that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The attempt of an earlier run that made it, `RUN/ATTEMPT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused: Option<String>,
    /// What it is, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Whether it was held to a schema: `fits`, `faulty`, `none`, or `open` where there is nothing yet.
    pub schema: &'static str,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The schema, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub promised: String,
    /// The steps that it reads, by their paths in the plan.
    pub reads: Vec<String>,
    /// The steps that read it, by their paths in the plan.
    pub read_by: Vec<String>,
    /// Files that it changed.
    pub files: usize,
}

impl Place {
    /// What the steps of a run brought back.
    ///
    /// # Errors
    /// When the run cannot be read.
    pub fn lineage(&self, run: &RunId) -> Result<Lineage, Refusal> {
        lineage(&self.runs(), run)
    }
}

fn lineage(runs: &Runs, run: &RunId) -> Result<Lineage, Refusal> {
    let loaded = runs.load(run, |_, _, _| {})?;
    let scheduler = &loaded.scheduler;
    let plan = scheduler.plan();
    let reads: Vec<BTreeSet<StepIx>> =
        plan.steps.iter().map(|step| read_in(&serde_json::to_value(step).unwrap_or_default())).collect();
    let mut readers: BTreeMap<StepIx, Vec<StepIx>> = BTreeMap::new();
    for (place, read) in reads.iter().enumerate() {
        let reader = StepIx(u32::try_from(place).unwrap_or(u32::MAX));
        read.iter().for_each(|ix| readers.entry(*ix).or_default().push(reader));
    }
    let ways = Ways { plan, reads: &reads, readers: &readers };
    let all = scheduler.views();
    let told = all.iter().filter_map(|view| ways.step(&loaded, view));
    let mut steps: Vec<StepOutput> = told.take(STEPS_MAX + 1).collect();
    let is_more = steps.len() > STEPS_MAX;
    steps.truncate(STEPS_MAX);
    let left_out = if is_more { all.len() - STEPS_MAX } else { 0 };
    Ok(Lineage { outputs: outputs(&loaded), steps, left_out })
}

fn outputs(loaded: &Loaded) -> Vec<RunOutput> {
    let plan = loaded.scheduler.plan();
    let values = loaded.scheduler.ended().map(|end| &end.outputs);
    let output = |(name, text): &(String, crate::plan::ValueText)| {
        let read = read_in(&serde_json::to_value(text).unwrap_or_default());
        RunOutput {
            name: name.clone(),
            value: values.and_then(|values| values.get(name)).map(text_of),
            from: paths(plan, read.iter()),
        }
    };
    plan.outputs.iter().map(output).collect()
}

fn paths<'s>(plan: &Plan, steps: impl Iterator<Item = &'s StepIx>) -> Vec<String> {
    steps.take(READERS_MAX).map(|ix| plan.step(*ix).path.clone()).collect()
}

fn text_of(value: &Value) -> String {
    cut(value.as_str().map_or_else(|| format!("{value:#}"), str::to_owned))
}

/// Every step whose value is read anywhere in a part of a plan, or whose session it goes on with.
fn read_in(value: &Value) -> BTreeSet<StepIx> {
    let mut found = BTreeSet::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                let means = map.get("means").map(|means| &means["step"]);
                let context =
                    map.get("context").and_then(|context| context.get("fork").or_else(|| context.get("share")));
                let steps = means.into_iter().chain(context).filter_map(Value::as_u64);
                found.extend(steps.filter_map(|ix| u32::try_from(ix).ok()).map(StepIx));
                // What somebody wrote there may look like anything.
                let is_written = |name: &str| matches!(name, "value" | "output" | "text" | "means");
                open.extend(map.iter().filter(|(name, _)| !is_written(name)).map(|(_, value)| value));
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// Who reads what in a plan.
struct Ways<'p> {
    plan: &'p Plan,
    reads: &'p [BTreeSet<StepIx>],
    readers: &'p BTreeMap<StepIx, Vec<StepIx>>,
}

impl Ways<'_> {
    /// One step, where there is something to tell of it.
    fn step(&self, loaded: &Loaded, view: &StepView<'_>) -> Option<StepOutput> {
        let scheduler = &loaded.scheduler;
        let ix = scheduler.plan_step(view.instance).0;
        let envelope = scheduler.envelope(view.instance);
        let output = envelope.map(|envelope| &envelope.output).filter(|output| !output.is_null());
        let read_by = self.readers.get(&ix).map(|readers| paths(self.plan, readers.iter())).unwrap_or_default();
        if output.is_none() && read_by.is_empty() && view.step.output.is_none() {
            return None;
        }
        let text = envelope.map(|envelope| if envelope.text.is_empty() { &envelope.summary } else { &envelope.text });
        let (schema, faults) = match (&view.step.output, output) {
            (None, _) => ("none", Vec::new()),
            (Some(_), None) => ("open", Vec::new()),
            (Some(schema), Some(output)) => match schema_faults(schema, output) {
                Ok(faults) if faults.is_empty() => ("fits", faults),
                Ok(faults) => ("faulty", faults),
                Err(error) => ("faulty", vec![error.to_string()]),
            },
        };
        let made = view.history.iter().rev().find(|record| {
            record.end == AttemptEnd::Succeeded && matches!(record.purpose, Purpose::Work | Purpose::Fix)
        });
        Some(StepOutput {
            step: view.path.as_str().to_owned(),
            state: view.state.word(),
            attempt: made.map(|record| format!("{}-{}", view.instance.0, record.number)),
            reused: envelope.and_then(|envelope| envelope.reused.clone()),
            value: output.map(text_of).or_else(|| text.cloned().map(cut)).unwrap_or_default(),
            schema,
            faults: faults.into_iter().take(20).collect(),
            promised: view.step.output.as_ref().map(|schema| cut(format!("{schema:#}"))).unwrap_or_default(),
            reads: paths(self.plan, self.reads[ix.index()].iter()),
            read_by,
            files: envelope.map_or(0, |envelope| envelope.files_changed.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_are_found_wherever_they_stand() {
        let step = json!({
            "work": { "kind": "agent", "context": { "fork": 3 }, "prompt": { "text": "x", "reads": [{ "name": "a", "means": { "step": 1 } }] } },
            "gates": [{ "expression": { "reads": [{ "name": "b", "means": "this" }, { "name": "c", "means": { "step": 7 } }] } }],
            "with": [["n", { "value": { "means": { "step": 9 } }, "reads": [] }]],
        });
        assert_eq!(read_in(&step), BTreeSet::from([StepIx(1), StepIx(3), StepIx(7)]));
    }
}
