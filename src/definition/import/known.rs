//! The names that an import may use, and how a name that the source writes is found among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::did_you_mean,
    definition::{Agent, Library, normal_name},
};

/// Tools that change nothing.
pub(super) const READING: [&str; 8] =
    ["Read", "Glob", "Grep", "LS", "WebSearch", "WebFetch", "NotebookRead", "TodoWrite"];

fn cannot_write(agent: &Agent) -> bool {
    let is_reading = |tool: &String| READING.iter().any(|known| known.eq_ignore_ascii_case(tool));
    agent.tools.allowed().is_some_and(|tools| tools.iter().all(is_reading))
}

/// What is there, by name.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Agents.
    pub agents: BTreeSet<String>,
    /// Those of them that cannot write.
    pub readers: BTreeSet<String>,
    /// Gates of the library.
    pub gates: BTreeSet<String>,
    /// Skills.
    pub skills: BTreeSet<String>,
    /// Texts of prose commands, which workflows of other runners name.
    pub commands: BTreeMap<String, String>,
}

/// What a name of the source means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// This agent.
    Agent(String),
    /// The agent that runs where none is named.
    Default,
    /// Nobody; perhaps this one was meant.
    Nobody(Option<String>),
}

impl Known {
    /// The names of a library.
    #[must_use]
    pub fn of(library: &Library) -> Self {
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Self {
            agents: names(library.agents.names().collect()),
            readers: names(
                library.agents.names().filter(|name| library.agents.get(name).is_some_and(cannot_write)).collect(),
            ),
            gates: names(library.gates.names().collect()),
            skills: names(library.skills.names().collect()),
            commands: BTreeMap::new(),
        }
    }

    /// Whether an agent has that name, however it is written.
    pub(super) fn is_agent(&self, name: &str) -> bool {
        self.agents.contains(&normal_name(name))
    }

    /// The agent behind a name: as it is, without the name of its plugin, or nobody.
    pub(super) fn agent(&self, name: &str) -> Found {
        let normal = normal_name(name);
        if self.agents.contains(&normal) {
            return Found::Agent(normal);
        }
        if let Some((_, last)) = name.rsplit_once(':')
            && self.is_agent(last)
        {
            return Found::Agent(normal_name(last));
        }
        if ["general-purpose", "agent"].contains(&normal.as_str()) {
            return Found::Default;
        }
        Found::Nobody(self.nearest(&normal))
    }

    /// A slip of the fingers, else the first that shares the first word, else the last one.
    fn nearest(&self, name: &str) -> Option<String> {
        let all = || self.agents.iter().map(String::as_str);
        let first = |name: &str| name.split('-').next().map(str::to_owned);
        let last = |name: &str| name.rsplit('-').next().map(str::to_owned);
        did_you_mean(name, all())
            .or_else(|| all().find(|agent| first(agent) == first(name)))
            .or_else(|| all().find(|agent| last(agent) == last(name)))
            .map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_suggested_or_nobodys() {
        let agents = ["code-reviewer", "backend-developer"].map(str::to_owned).into();
        let known = Known { agents, ..Known::default() };
        assert_eq!(known.agent("Code Reviewer"), Found::Agent("code-reviewer".into()));
        assert_eq!(known.agent("toolkit:code_reviewer"), Found::Agent("code-reviewer".into()));
        assert_eq!(known.agent("general-purpose"), Found::Default);
        assert_eq!(known.agent("code-reviewr"), Found::Nobody(Some("code-reviewer".into())));
        assert_eq!(known.agent("backend-architect"), Found::Nobody(Some("backend-developer".into())));
        assert_eq!(known.agent("debugger"), Found::Nobody(None));
    }
}
