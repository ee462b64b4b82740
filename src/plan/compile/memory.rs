//! Pins the memory files that each agent is told. Knows no runtimes: a run leaves out what a runtime reads by itself.

use crate::{
    definition::{Dialect, Library, MemoryFamily},
    plan::{
        told::PlanMemory,
        types::{Plan, Work},
    },
};

/// Gives each agent step the memory files of the tool that its agent was written for; `own` is the tool of the
/// definition that is run, which speaks for steps without an agent.
pub(super) fn pin(library: &Library, plan: &mut Plan, own: Dialect) {
    plan.memory.clear();
    if library.memory.is_empty() || library.choices.memory.is_empty() {
        return;
    }
    let mut places: Vec<Option<u32>> = vec![None; library.memory.len()];
    let dialects: Vec<Dialect> = plan
        .agents
        .iter()
        .map(|agent| library.agents.get(&agent.name).map_or(own, |agent| agent.origin.dialect))
        .collect();
    for step in &mut plan.steps {
        let agent = match &mut step.work {
            Work::Agent(agent) => Some(agent),
            _ => None,
        };
        for work in agent.into_iter().chain(step.on_gate_fail.fixer.as_mut()) {
            let dialect = work.agent.and_then(|place| dialects.get(place as usize)).copied().unwrap_or(own);
            let families = match MemoryFamily::of(dialect) {
                Some(family) => vec![family],
                None => library.choices.memory.clone(),
            };
            work.memory.clear();
            for family in families {
                for (memory, place) in library.memory.iter().zip(&mut places).filter(|(one, _)| one.family == family) {
                    let place = *place.get_or_insert_with(|| {
                        let path = memory.path.display().to_string();
                        plan.memory.push(PlanMemory { path, text: memory.text.clone() });
                        u32::try_from(plan.memory.len() - 1).unwrap_or(u32::MAX)
                    });
                    work.memory.push(place);
                }
            }
        }
    }
}
