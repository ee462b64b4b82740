//! All definitions that a project can use, by kind and name, nearest first.
//!
//! Built once by `load/`, then read-only; a copy of a library shares all definitions with it. Names are looked up
//! without regard to case, with space, `_` and `-` alike.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    base::Diagnostic,
    definition::{
        activation::Activation,
        added::Added,
        agent::{Agent, Command, NamedGate, Skill},
        memory::{Choices, Memory},
        origin::Origin,
        rule::{Manifest, Rule},
        server::Server,
        workflow::Workflow,
    },
};

/// Definitions of one kind: the winner for each name, what it shadows, and other names that find one of them.
#[derive(Debug)]
pub struct Shelf<T> {
    inner: Arc<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    by_name: BTreeMap<String, Vec<Arc<T>>>,
    aliases: HashMap<String, Arc<T>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { inner: Arc::new(Inner { by_name: BTreeMap::new(), aliases: HashMap::new() }) }
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> Clone for Inner<T> {
    fn clone(&self) -> Self {
        Self { by_name: self.by_name.clone(), aliases: self.aliases.clone() }
    }
}

/// The form of a name that look-ups compare: lower case, runs of space, `_` and `-` as one `-`.
#[must_use]
pub fn normal_name(name: &str) -> String {
    let name = name.trim();
    let is_normal = |(place, byte): (usize, u8)| {
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b':' | b'/' | b'.')
            || (byte == b'-' && place > 0 && place + 1 < name.len() && name.as_bytes()[place - 1] != b'-')
    };
    if name.bytes().enumerate().all(is_normal) {
        return name.to_owned();
    }
    let words = name.to_lowercase();
    words.split([' ', '_', '-']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

impl<T> Shelf<T> {
    /// Adds a definition behind those of the same name that are nearer. Call in order of precedence.
    pub fn push(&mut self, name: &str, definition: impl Into<Arc<T>>) {
        self.push_with(name, [], definition);
    }

    /// Adds a definition that other names find as well, where no nearer one has them.
    pub fn push_with<'a>(
        &mut self,
        name: &str,
        aliases: impl IntoIterator<Item = &'a str>,
        definition: impl Into<Arc<T>>,
    ) {
        let definition = definition.into();
        let inner = Arc::make_mut(&mut self.inner);
        for alias in aliases {
            inner.aliases.entry(normal_name(alias)).or_insert_with(|| Arc::clone(&definition));
        }
        inner.by_name.entry(normal_name(name)).or_default().push(definition);
    }

    /// The nearest definition of that name: its identifier, else an alias (`plugin:name`, the path or its stem), with
    /// or without `@agent-` or `@` before it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.get_shared(name).map(|found| &**found)
    }

    /// The same, shared.
    #[must_use]
    pub fn get_shared(&self, name: &str) -> Option<&Arc<T>> {
        let find = |name: &str| {
            let name = normal_name(name);
            let named = self.inner.by_name.get(&name).and_then(|all| all.first());
            named.or_else(|| self.inner.aliases.get(&name))
        };
        let mention = name.trim().strip_prefix('@');
        find(name)
            .or_else(|| mention.and_then(|name| name.strip_prefix("agent-")).and_then(find))
            .or_else(|| mention.and_then(find))
    }

    /// All names, sorted, in their normal form.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.by_name.keys().map(String::as_str)
    }

    /// The winners, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.inner.by_name.values().filter_map(|all| all.first()).map(|one| &**one)
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.by_name.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.by_name.is_empty()
    }

    /// The definitions of each name, nearest first.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Arc<T>]> {
        self.inner.by_name.values().map(Vec::as_slice)
    }

    /// Every definition with the one that shadows it, if any.
    pub fn all(&self) -> impl Iterator<Item = (&T, Option<&T>)> {
        let shelves = self.inner.by_name.values();
        shelves.flat_map(|all| {
            all.iter().enumerate().map(|(place, one)| (&**one, all.first().filter(|_| place > 0).map(|one| &**one)))
        })
    }
}

impl<T: Clone> Shelf<T> {
    /// Changes every definition for which there is something to change: `change` gives the new one.
    pub fn replace(&mut self, change: impl Fn(&T) -> Option<T>) {
        let inner = Arc::make_mut(&mut self.inner);
        let mut changed: HashMap<*const T, Arc<T>> = HashMap::new();
        for one in inner.by_name.values_mut().flatten() {
            if let Some(new) = change(one) {
                let new = Arc::new(new);
                changed.insert(Arc::as_ptr(one), Arc::clone(&new));
                *one = new;
            }
        }
        if !changed.is_empty() {
            for one in inner.aliases.values_mut() {
                if let Some(new) = changed.get(&Arc::as_ptr(one)) {
                    *one = Arc::clone(new);
                }
            }
        }
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
    /// MCP servers by name; those of the project's settings before those of other tools' files.
    pub servers: BTreeMap<String, Arc<Server>>,
    /// What the settings say about what agents are told.
    pub choices: Choices,
    /// Rules and output styles of other tools.
    pub rules: Shelf<Rule>,
    /// Files of other tools that are recorded and not run, in the order of scopes and paths.
    pub manifests: Vec<Manifest>,
    /// What `orch add` took in, by scope and name.
    pub added: Vec<Added>,
    /// Which skills apply to what.
    pub activation: Activation,
    /// Faults found while loading, in the order of files and places. A file with an error is not in a shelf.
    pub diagnostics: Vec<Diagnostic>,
}

impl Library {
    /// The skills that apply to a text and to files without being named, nearest scope first, the strongest reason
    /// first, each with why.
    #[must_use]
    pub fn activated(&self, text: &str, files: &[String]) -> Vec<(&Skill, String)> {
        let found = self.activation.matches(&self.skills, text, files);
        found.into_iter().filter_map(|(name, why)| Some((self.skills.get(name)?, why))).collect()
    }
}
