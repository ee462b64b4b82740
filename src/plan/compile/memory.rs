//! Pins the memory files and the rules that each agent is told. Knows no runtimes: a run leaves out what a runtime reads by itself.

use std::collections::HashMap;

use globset::GlobBuilder;

use crate::{
    definition::{Dialect, Library, MemoryFamily, Rule, RuleKind},
    plan::{
        compile::skills::{files_in, plain_text},
        told::PlanMemory,
        types::{Plan, Work},
    },
};

/// Gives each agent step the memory files of the tool that its agent was written for; `own` is the tool of the
/// definition that is run, which speaks for steps without an agent.
pub(super) fn pin(library: &Library, plan: &mut Plan, own: Dialect) {
    let nothing = library.memory.is_empty() && library.rules.is_empty();
    let mut pins = Pins { memory: Vec::new(), places: HashMap::new() };
    let dialects: Vec<Dialect> = plan
        .agents
        .iter()
        .map(|agent| library.agents.get(&agent.name).map_or(own, |agent| agent.origin.dialect))
        .collect();
    for step in &mut plan.steps {
        let mut files: Vec<String> = step.files.iter().map(|file| file.text.clone()).collect();
        let agent = match &mut step.work {
            Work::Agent(agent) => {
                files.extend(files_in(&plain_text(&agent.prompt.text)));
                Some(agent)
            }
            _ => None,
        };
        for work in agent.into_iter().chain(step.on_gate_fail.fixer.as_mut()) {
            work.memory.clear();
            // An empty list in the settings is a no to all of it.
            if nothing || library.choices.memory.is_empty() {
                continue;
            }
            let dialect = work.agent.and_then(|place| dialects.get(place as usize)).copied().unwrap_or(own);
            let families = MemoryFamily::of(dialect).map_or_else(|| library.choices.memory.clone(), |one| vec![one]);
            for memory in families.iter().flat_map(|family| library.memory.iter().filter(|one| one.family == *family)) {
                work.memory.push(pins.place(&memory.path.display().to_string(), &memory.text));
            }
            for rule in library.rules.iter().filter(|rule| applies(rule, dialect, &families, &files)) {
                work.memory.push(pins.place(&rule.origin.path.display().to_string(), &rule.body));
            }
        }
    }
    plan.memory = pins.memory;
}

/// Whether a rule is for this tool and for these files. A rule of no file and no `always` waits for a person.
fn applies(rule: &Rule, dialect: Dialect, families: &[MemoryFamily], files: &[String]) -> bool {
    let is_its_tool = match MemoryFamily::of(dialect) {
        Some(_) => rule.origin.dialect == dialect,
        // An agent of no other tool hears the rules of the tools whose memory it is told.
        None => match rule.origin.dialect {
            Dialect::ClaudeCode => families.contains(&MemoryFamily::Claude),
            Dialect::Gemini => families.contains(&MemoryFamily::Gemini),
            _ => false,
        },
    };
    if rule.kind != RuleKind::Rule || !is_its_tool || rule.body.trim().is_empty() {
        return false;
    }
    let mut globs = rule.globs.iter().filter_map(|glob| GlobBuilder::new(glob).literal_separator(true).build().ok());
    rule.always
        || globs.any(|glob| {
            let glob = glob.compile_matcher();
            files.iter().any(|file| glob.is_match(file))
        })
}

/// The texts that are told, each once.
struct Pins {
    memory: Vec<PlanMemory>,
    places: HashMap<String, u32>,
}

impl Pins {
    fn place(&mut self, path: &str, text: &str) -> u32 {
        *self.places.entry(path.to_owned()).or_insert_with(|| {
            self.memory.push(PlanMemory { path: path.to_owned(), text: text.to_owned() });
            u32::try_from(self.memory.len() - 1).unwrap_or(u32::MAX)
        })
    }
}
