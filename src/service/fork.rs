//! `orch retry RUN --from STEP`: a new run of the same plan that takes over what another run has done before a step.
//!
//! The other run stays as it is. Everything that is taken over is written into the new run's journal together with its
//! beginning, so that a crash leaves either the whole fork or none.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Map, Value};

use crate::{
    base::RunId,
    plan::{Meaning, Plan, PlanGate, PlanStep, StepIx, Text, Work},
    runtime::Replay,
    scheduler::{Event, Fork, ForkFault, Scheduler},
    service::{owned::Owned, refusal::Refusal, runs::Runs},
};

/// Files that are named at most.
const NAMED_MAX: usize = 10;

/// A run that is a fork, and what a person should know of it.
pub struct Forked {
    /// The new run.
    pub owned: Owned,
    /// Steps that are taken over, by path.
    pub kept: Vec<String>,
    /// Steps that are done again of those that were done before.
    pub again: Vec<String>,
    /// What may not be as it looks.
    pub doubts: Vec<String>,
}

impl Runs {
    /// Makes a run that does `from` and all that waits for it again, with `changed` inputs, and takes the rest from a run
    /// that nobody drives.
    ///
    /// # Errors
    /// A run that is owned or cannot be read, a step that is not there or cannot begin, and all that would keep a run of
    /// the plan from starting.
    pub fn fork(
        &self,
        run: &RunId,
        from: &str,
        changed: Map<String, Value>,
        replay: Replay,
    ) -> Result<Forked, Refusal> {
        // Held until the new run is written down: what is taken over must not move meanwhile.
        let _lock = self.take(run)?;
        let old = self.load(run, |_, _, _| {})?.scheduler;
        let plan = old.plan();
        let names: BTreeSet<&str> = changed.keys().map(String::as_str).collect();
        let also = asked_about(plan, &names);
        let fork = old.fork(from, &also).map_err(|fault| refused(run, &fault))?;
        let mut doubts = stale(&old, &fork, &names);
        doubts.extend(workspace(&self.root, &old, &fork));
        let mut inputs = old.inputs().cloned().unwrap_or_default();
        inputs.extend(changed);
        let mut before = vec![Event::Forked { parent: run.clone(), from: from.to_owned() }];
        before.extend(fork.kept.iter().map(|(path, kept)| {
            let (step, kept) = (path.as_str().to_owned(), Box::new(kept.clone()));
            Event::Kept { step, kept }
        }));
        let owned = self.start_after(plan, inputs, replay, before, None)?;
        let kept = fork.kept.iter().filter(|(_, kept)| kept.settled.is_some()).map(|(path, _)| path.to_string());
        let again = fork.again.iter().map(ToString::to_string);
        Ok(Forked { owned, kept: kept.collect(), again: again.collect(), doubts })
    }
}

fn refused(run: &RunId, fault: &ForkFault) -> Refusal {
    let message = format!("run {run} cannot be forked: {fault}");
    match fault {
        ForkFault::NoStep(_) => Refusal::new(11, "E0314", message, format!("`orch status {run}` lists its steps")),
        ForkFault::NotDone { need, .. } => {
            let need = shell_words::quote(need.as_str());
            Refusal::new(2, "E0334", message, format!("begin there: `orch retry {run} --from {need}`"))
        }
    }
}

/// The questions to people whose text reads a changed input: an answer counts only for what was shown.
fn asked_about(plan: &Plan, names: &BTreeSet<&str>) -> BTreeSet<StepIx> {
    let is_question = |step: &PlanStep| {
        let own = match &step.work {
            Work::Approve { text } | Work::Ask { text } => Some(text),
            _ => None,
        };
        let gates = step.gates.iter().filter_map(|gate| match gate {
            PlanGate::Approve { text, .. } => Some(text),
            _ => None,
        });
        own.into_iter().chain(gates).any(|text| reads(text, names))
    };
    let places = plan.steps.iter().enumerate().filter(|(_, step)| is_question(step));
    places.map(|(place, _)| StepIx(u32::try_from(place).unwrap_or(u32::MAX))).collect()
}

/// Whether a text reads one of the run's inputs of these names. A text that takes all inputs at once reads each.
fn reads(text: &Text, names: &BTreeSet<&str>) -> bool {
    let reads_inputs = text.reads.iter().any(|read| matches!(read.means, Meaning::Inputs(None)));
    reads_inputs && (names.iter().any(|name| is_named(&text.text, name)) || !text.text.contains("inputs."))
}

/// Whether `inputs.NAME` stands in a text as a whole name.
fn is_named(text: &str, name: &str) -> bool {
    let wanted = format!("inputs.{name}");
    text.match_indices(&wanted).any(|(place, _)| {
        let next = text[place + wanted.len()..].chars().next();
        !next.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

/// The steps that are taken over although they have read what is changed now.
fn stale(old: &Scheduler, fork: &Fork, names: &BTreeSet<&str>) -> Vec<String> {
    if names.is_empty() {
        return Vec::new();
    }
    let mut stale = Vec::new();
    for instance in old.instances() {
        let path = old.path(instance);
        let step = old.plan_step(instance).1;
        let is_kept = fork.kept.get(&path).is_some_and(|kept| kept.settled.is_some());
        if is_kept && step_reads(step, names) && !stale.contains(&path) {
            stale.push(path);
        }
    }
    let words = |path| format!("`{path}` is taken over although it read an input that is another one now");
    stale.into_iter().map(words).collect()
}

fn step_reads(step: &PlanStep, names: &BTreeSet<&str>) -> bool {
    let own = match &step.work {
        Work::Agent(agent) => Some(&agent.prompt),
        // A command may read every input from its environment.
        Work::Run { .. } => None,
        Work::Approve { text } | Work::Ask { text } => Some(text),
        _ => None,
    };
    let with = step.args.iter().chain(&step.files).chain(&step.when);
    own.into_iter().chain(with).any(|text| reads(text, names)) || runs_with(step, names)
}

/// Whether the text of a command names the variable of an input.
fn runs_with(step: &PlanStep, names: &BTreeSet<&str>) -> bool {
    let Work::Run { command, .. } = &step.work else { return false };
    let text = format!("{command:?}");
    names.iter().any(|name| text.contains(&format!("ORCH_INPUT_{}", name.to_uppercase())))
}

/// What can be said of the files: the journal knows which were changed, and not what they held.
fn workspace(root: &Path, old: &Scheduler, fork: &Fork) -> Vec<String> {
    let (mut gone, mut left) = (BTreeSet::new(), BTreeSet::new());
    for instance in old.instances() {
        let is_kept = fork.kept.get(&old.path(instance)).is_some_and(|kept| kept.settled.is_some());
        for path in old.envelope(instance).iter().flat_map(|envelope| &envelope.files_changed) {
            let is_there = root.join(path).symlink_metadata().is_ok();
            match (is_kept, is_there) {
                (true, false) => gone.insert(path.clone()),
                (false, true) => left.insert(path.clone()),
                (true, true) | (false, false) => false,
            };
        }
    }
    let mut doubts = vec![
        "the workspace is as it is now: the journal does not keep what files held before, so look whether they are \
         what the steps before had left"
            .to_owned(),
    ];
    if !gone.is_empty() {
        doubts.push(format!("changed by a step that is taken over, and not there now: {}", named(&gone)));
    }
    if !left.is_empty() {
        doubts.push(format!("changed by a step that is done again, and still there: {}", named(&left)));
    }
    doubts
}

fn named(paths: &BTreeSet<String>) -> String {
    let more = paths.len().saturating_sub(NAMED_MAX);
    let shown: Vec<_> = paths.iter().take(NAMED_MAX).map(|path| format!("`{path}`")).collect();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_named_as_a_whole() {
        for (text, name, expected) in [
            ("{{ inputs.what }}", "what", true),
            ("{{ inputs.whatever }}", "what", false),
            ("{{ inputs.whatever }} {{ inputs.what|upper }}", "what", true),
            ("what", "what", false),
        ] {
            assert_eq!(is_named(text, name), expected, "{text}");
        }
    }
}
