//! Finds the recordings that may answer for a plan: those beside its workflow, then those built into the binary.

use std::{borrow::Cow, fs, path::Path};

use crate::{
    definition::load::{shipped_recordings, within, yaml_files},
    plan::{Plan, PlanGate, PlanStep, Work},
    runtime::Replay,
    scheduler::Scheduler,
};

/// The bytes of one recording that is read.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What can be replayed for a plan. A recording of the project shadows a shipped one for the same inputs.
#[must_use]
pub fn recordings(root: &Path, plan: &Plan) -> Replay {
    let mut texts: Vec<(String, Cow<'static, str>)> = Vec::new();
    let beside = root.join(&plan.folder).join("recordings");
    for folder in [beside, root.join("workflows/recordings")] {
        for path in yaml_files(&folder) {
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let small = path.metadata().is_ok_and(|found| found.len() <= BYTES_MAX);
            if let Ok(text) = within(root, &path).and_then(fs::read_to_string)
                && small
                && !texts.iter().any(|(other, _)| *other == shown)
            {
                texts.push((shown, text.into()));
            }
        }
    }
    texts.extend(shipped_recordings().into_iter().map(|(path, text)| (path, text.into())));
    texts.retain(|(_, text)| may_be_of(text, plan.name.as_str()));
    Replay::parse(texts)
}

/// Whether a recording may be one of this workflow. Looked at before it is read, which costs far more: most are of others.
fn may_be_of(text: &str, workflow: &str) -> bool {
    let named = text.lines().find_map(|line| line.strip_prefix("workflow: "));
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match named.map(str::trim_end) {
        Some(name) if is_plain(name) => name == workflow,
        // Written in another way: only reading tells.
        _ => text.contains(workflow),
    }
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
        for gate in &mut step.gates {
            if let PlanGate::Judge { judge, .. } = gate {
                judge.agent.runtime = None;
            }
        }
    }
}

/// Whether an agent of the run is replayed from a recording.
#[must_use]
pub fn is_replayed(scheduler: &Scheduler) -> bool {
    let default = scheduler.default_runtime();
    let mut agents = scheduler.plan().steps.iter().flat_map(PlanStep::agents);
    agents.any(|agent| agent.runtime.as_deref().or(default) == Some(Replay::NAME))
}

#[cfg(test)]
mod tests {
    use super::may_be_of;

    #[test]
    fn only_recordings_of_other_workflows_are_left_out() {
        for (line, may_be) in [
            ("workflow: fix-bug", true),
            ("workflow: fix-bug  ", true),
            ("workflow: fix", false),
            ("workflow: \"fix-bug\"", true),
            ("workflow: fix-bug # mine", true),
            ("workflow:\n  fix-bug", true),
            ("{workflow: fix-bug}", true),
            ("workflow: other # not fix", false),
        ] {
            let text = format!("recording: 1\n{line}\ninputs: {{}}\n");
            assert_eq!(may_be_of(&text, "fix-bug"), may_be, "{line}");
        }
    }
}
