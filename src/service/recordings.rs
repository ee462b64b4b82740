//! Finds the recordings that may answer for a plan: those beside its workflow, then those built into the binary.

use std::{fs, path::Path};

use crate::{
    definition::load::{shipped_recordings, yaml_files},
    plan::{Plan, Work},
    runtime::Replay,
    scheduler::Scheduler,
};

/// The bytes of one recording that is read.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What can be replayed for a plan. A recording of the project shadows a shipped one for the same inputs.
#[must_use]
pub fn recordings(root: &Path, plan: &Plan) -> Replay {
    let mut texts: Vec<(String, String)> = Vec::new();
    let beside = root.join(&plan.folder).join("recordings");
    for folder in [beside, root.join("workflows/recordings")] {
        for path in yaml_files(&folder) {
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let small = path.metadata().is_ok_and(|found| found.len() <= BYTES_MAX);
            if let Ok(text) = fs::read_to_string(&path)
                && small
                && !texts.iter().any(|(other, _)| *other == shown)
            {
                texts.push((shown, text));
            }
        }
    }
    let shipped = shipped_recordings().into_iter().map(|(path, text)| (path, text.to_owned()));
    texts.extend(shipped);
    // Parsing costs more than looking for the name, and most projects have recordings of other workflows too.
    texts.retain(|(_, text)| text.contains(plan.name.as_str()));
    Replay::parse(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())))
}

/// Lets recordings answer for all agents of a plan, also for those that name a runtime.
pub fn answer_all(plan: &mut Plan) {
    for step in &mut plan.steps {
        if let Work::Agent(agent) = &mut step.work {
            agent.runtime = None;
        }
        if let Some(fixer) = &mut step.on_gate_fail.fixer {
            fixer.runtime = None;
        }
    }
}

/// Whether an agent of the run is replayed from a recording.
#[must_use]
pub fn is_replayed(scheduler: &Scheduler) -> bool {
    let default = scheduler.default_runtime();
    scheduler.plan().steps.iter().any(|step| {
        let own = match &step.work {
            Work::Agent(agent) => Some(agent),
            _ => None,
        };
        let mut agents = own.into_iter().chain(step.on_gate_fail.fixer.as_ref());
        agents.any(|agent| agent.runtime.as_deref().or(default) == Some(Replay::NAME))
    })
}
