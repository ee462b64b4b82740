//! Remembers what definitions have compiled to, so that an edit costs what it changes.
//!
//! Invariants: what is remembered is what compiling anew would give; in doubt it is compiled anew. A definition is the
//! same as long as the loader hands out the very same source; what a compilation reads besides its own file is looked at
//! here: other workflows that it calls, agents that it pins, and everything that may apply to any step.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    base::{Diagnostic, Source},
    definition::{Choices, CommandBody, Library, Memory, Origin, Server},
    plan::{Compiled, Work},
    service::{compile_all::compile_all, find::Found, project::Project},
};

/// What one definition compiles to.
pub(super) type Outcome = Result<Arc<Compiled>, Arc<Vec<Diagnostic>>>;

/// The results of the last look.
#[derive(Debug, Default)]
pub(super) struct Memo {
    kept: BTreeMap<Key, Kept>,
    agents: Sources,
    workflows: Sources,
    /// Whatever may apply to any step.
    rest: Rest,
}

/// The kind, the name and the file.
type Key = (u8, String, PathBuf);

/// The sources of a shelf, by name and file.
#[derive(Debug, Default)]
struct Sources(Vec<(String, Arc<Source>)>);

#[derive(Debug, Default)]
struct Rest {
    sources: Sources,
    memory: Vec<Memory>,
    choices: Option<Choices>,
    servers: BTreeMap<String, Arc<Server>>,
}

#[derive(Debug)]
struct Kept {
    source: Arc<Source>,
    outcome: Outcome,
    /// It is made of another workflow as well.
    calls: bool,
}

impl Memo {
    /// What these compile to, in their order; forgets all others.
    pub fn compile(&mut self, project: &Project, all: &[Found<'_>]) -> Vec<Outcome> {
        let stale = self.look(project.library());
        let mut before = std::mem::take(&mut self.kept);
        let keys: Vec<Key> = all.iter().map(key).collect();
        let is_fresh =
            |kept: &Kept, found: &Found<'_>| Arc::ptr_eq(&kept.source, &origin(found).source) && stale.spares(kept);
        let known: Vec<Option<Kept>> =
            all.iter().zip(&keys).map(|(found, key)| before.remove(key).filter(|kept| is_fresh(kept, found))).collect();
        let missing: Vec<&Found<'_>> =
            all.iter().zip(&known).filter(|(_, kept)| kept.is_none()).map(|(found, _)| found).collect();
        let mut made = compile_all(project, &missing).into_iter();
        let mut outcomes = Vec::with_capacity(all.len());
        for ((found, key), kept) in all.iter().zip(keys).zip(known) {
            let kept = kept.unwrap_or_else(|| {
                let outcome: Outcome =
                    made.next().expect("one for each that is missing").map(Arc::new).map_err(Arc::new);
                Kept { source: Arc::clone(&origin(found).source), calls: calls(found, &outcome), outcome }
            });
            outcomes.push(kept.outcome.clone());
            self.kept.insert(key, kept);
        }
        outcomes
    }

    /// Compares the library with that of the last look.
    fn look(&mut self, library: &Library) -> Stale {
        let agents = Sources::of(library.agents.iter().map(|agent| (&agent.name, &agent.origin)));
        let workflows = Sources::of(library.workflows.iter().map(|entry| (&entry.workflow.name.value, &entry.origin)));
        let skills = library.skills.iter().map(|skill| (&skill.name, &skill.origin));
        let gates = library.gates.iter().map(|gate| (&gate.name, &gate.origin));
        let rules = library.rules.iter().map(|rule| (&rule.name, &rule.origin));
        let rest = Rest {
            sources: Sources::of(skills.chain(gates).chain(rules)),
            memory: library.memory.clone(),
            choices: Some(library.choices.clone()),
            servers: library.servers.clone(),
        };
        let stale = Stale {
            all: !rest.is_same(&self.rest) || !agents.has_same_names(&self.agents),
            agents: agents.changed(&self.agents),
            workflows: !workflows.is_same(&self.workflows),
        };
        (self.agents, self.workflows, self.rest) = (agents, workflows, rest);
        stale
    }
}

/// What of the last look does not count any more.
struct Stale {
    all: bool,
    agents: BTreeSet<String>,
    workflows: bool,
}

impl Stale {
    /// Whether a result still holds, as far as others than its own file are concerned.
    fn spares(&self, kept: &Kept) -> bool {
        if self.all || (self.workflows && kept.calls) {
            return false;
        }
        match &kept.outcome {
            Ok(compiled) => !compiled.plan.agents.iter().any(|agent| self.agents.contains(&agent.name)),
            // What was missing may be there now.
            Err(_) => self.agents.is_empty() && !self.workflows,
        }
    }
}

impl Sources {
    fn of<'a>(all: impl Iterator<Item = (&'a String, &'a Origin)>) -> Self {
        Self(all.map(|(name, origin)| (name.clone(), Arc::clone(&origin.source))).collect())
    }

    fn has_same_names(&self, other: &Self) -> bool {
        self.0.iter().map(|(name, _)| name).eq(other.0.iter().map(|(name, _)| name))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.has_same_names(other) && self.changed(other).is_empty()
    }

    /// The names whose source is another one, where the names are the same.
    fn changed(&self, other: &Self) -> BTreeSet<String> {
        let pairs = self.0.iter().zip(&other.0);
        pairs.filter(|((_, one), (_, two))| !Arc::ptr_eq(one, two)).map(|((name, _), _)| name.clone()).collect()
    }
}

impl Rest {
    fn is_same(&self, other: &Self) -> bool {
        self.sources.is_same(&other.sources)
            && (&self.memory, &self.choices, &self.servers) == (&other.memory, &other.choices, &other.servers)
    }
}

fn origin<'a>(found: &'a Found<'_>) -> &'a Origin {
    match found {
        Found::Workflow(entry) => &entry.origin,
        Found::Command(command) => &command.origin,
        Found::Skill(skill) => &skill.origin,
        Found::File(entry) => &entry.origin,
    }
}

fn key(found: &Found<'_>) -> Key {
    let (kind, name) = match found {
        Found::Workflow(entry) => (0, &entry.workflow.name.value),
        Found::Command(command) => (1, &command.name),
        Found::Skill(skill) => (2, &skill.name),
        Found::File(entry) => (3, &entry.workflow.name.value),
    };
    (kind, name.clone(), origin(found).path.clone())
}

/// Whether a definition is made of another workflow as well.
fn calls(found: &Found<'_>, outcome: &Outcome) -> bool {
    let names_one = matches!(found, Found::Command(command) if matches!(command.body, CommandBody::Workflow(_)));
    names_one
        || outcome.as_ref().is_ok_and(|made| made.plan.steps.iter().any(|step| matches!(step.work, Work::Call { .. })))
}
