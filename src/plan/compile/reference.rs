//! Agents that prose of other tools names: one that is not there is no fault, because its home tool runs it all the same.

use crate::{
    base::{Diagnostic, Span},
    definition::{Dialect, Library, Origin},
    plan::compile::faults::{self, Place, suggest},
};

/// Words that tools use for the agent that every session has.
const SESSION: [&str; 8] = ["agent", "ask", "edit", "plan", "build", "default", "general", "general-purpose"];

/// The agent that runs prose: the one that it names, or none where that is not there, with a warning. A command of
/// `orch` itself is left to the compiler, which refuses it.
pub(super) fn agent_of_prose<'a>(
    library: &Library,
    origin: &Origin,
    name: Option<&'a str>,
) -> (Option<&'a str>, Option<Diagnostic>) {
    let Some(name) = name else { return (None, None) };
    if origin.dialect == Dialect::Orch || library.agents.get(name).is_some() {
        return (Some(name), None);
    }
    if SESSION.iter().any(|word| name.eq_ignore_ascii_case(word)) {
        return (None, None);
    }
    let span = origin.source.text.find(name).map_or(Span::default(), |start| Span::new(start..start + name.len()));
    let help = suggest(name, library.agents.names(), "agents", "there are no agents: `orch init` writes one");
    let fault = Place { source: &origin.source, span }
        .error(faults::UNKNOWN_AGENT, format!("there is no agent `{name}`"))
        .cause("not found in any folder")
        .help(help)
        .assumed("no agent in particular")
        .elsewhere(origin.dialect.tool(), "runs it with its general agent")
        .warning();
    (None, Some(fault))
}
