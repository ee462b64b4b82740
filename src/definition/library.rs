//! All definitions that a project can use, by kind and name, nearest first.
//!
//! Built once by `load/`, then read-only. Names are looked up without regard to case, with space, `_` and `-` alike.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    base::Diagnostic,
    definition::{
        agent::{Agent, Command, NamedGate, Skill},
        memory::{Choices, Memory},
        origin::Origin,
        workflow::Workflow,
    },
};

/// Definitions of one kind: the winner for each name, and what it shadows.
#[derive(Debug, Clone)]
pub struct Shelf<T> {
    by_name: BTreeMap<String, Vec<T>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new() }
    }
}

/// The form of a name that look-ups compare: lower case, runs of space, `_` and `-` as one `-`.
#[must_use]
pub fn normal_name(name: &str) -> String {
    let words = name.trim().to_lowercase();
    words.split([' ', '_', '-']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

impl<T> Shelf<T> {
    /// Adds a definition behind those of the same name that are nearer. Call in order of precedence.
    pub fn push(&mut self, name: &str, definition: T) {
        self.by_name.entry(normal_name(name)).or_default().push(definition);
    }

    /// The nearest definition of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.by_name.get(&normal_name(name)).and_then(|all| all.first())
    }

    /// All names, sorted, in their normal form.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The winners, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.by_name.values().filter_map(|all| all.first())
    }

    /// Every definition, to fill in what its file leaves open.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.by_name.values_mut().flatten()
    }

    /// Every definition with the one that shadows it, if any.
    pub fn all(&self) -> impl Iterator<Item = (&T, Option<&T>)> {
        self.by_name
            .values()
            .flat_map(|all| all.iter().enumerate().map(|(place, one)| (one, all.first().filter(|_| place > 0))))
    }
}

/// A workflow and its file.
#[derive(Debug, Clone)]
pub struct WorkflowEntry {
    /// The workflow.
    pub workflow: Workflow,
    /// Its file.
    pub origin: Origin,
}

/// All definitions of a project.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The project's root.
    pub root: PathBuf,
    /// Agents.
    pub agents: Shelf<Agent>,
    /// Skills.
    pub skills: Shelf<Skill>,
    /// Slash commands.
    pub commands: Shelf<Command>,
    /// Workflows.
    pub workflows: Shelf<WorkflowEntry>,
    /// Named gates.
    pub gates: Shelf<NamedGate>,
    /// Memory files, in the order in which they are told.
    pub memory: Vec<Memory>,
    /// What the settings say about what agents are told.
    pub choices: Choices,
    /// Faults found while loading, in the order of files and places. A file with an error is not in a shelf.
    pub diagnostics: Vec<Diagnostic>,
}
