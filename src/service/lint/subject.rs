//! One form for agents, skills and prose commands. Knows nothing of the rules.

use std::sync::Arc;

use crate::{
    base::{Code, Diagnostic, Source, Span},
    definition::{Agent, Command, CommandBody, Library, Meta, Origin, Scope, Skill, ToolPolicy, normal_name},
};

/// What a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Agent,
    Skill,
    Command,
}

/// A definition, as the rules see it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub kind: Kind,
    pub name: &'a str,
    pub description: &'a str,
    pub meta: &'a Meta,
    pub body: &'a str,
    pub origin: &'a Origin,
    /// What its own tools limit it to; only agents are limited by their list.
    pub tools: Option<&'a ToolPolicy>,
    /// Whether a glob or a keyword says when it applies.
    pub has_triggers: bool,
    /// Where the body begins in the file, where it stands there as it is.
    start: Option<usize>,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Skill => "skill",
            Self::Command => "command",
        }
    }
}

/// The definitions that are in use, or those of the given names. Without names, what is built in is left out.
pub(super) fn subjects<'a>(library: &'a Library, names: &[String]) -> Vec<Subject<'a>> {
    let names: Vec<String> = names.iter().map(|name| normal_name(name.trim_start_matches('/'))).collect();
    let mut all: Vec<Subject<'a>> = library.agents.iter().map(of_agent).collect();
    all.extend(library.skills.iter().map(of_skill));
    all.extend(library.commands.iter().filter_map(of_command));
    all.retain(|one| {
        if names.is_empty() { one.origin.scope != Scope::Builtin } else { names.contains(&normal_name(one.name)) }
    });
    all
}

fn of_agent(agent: &Agent) -> Subject<'_> {
    let Agent { name, description, meta, body, origin, tools, .. } = agent;
    let tools = Some(tools);
    Subject {
        kind: Kind::Agent,
        name,
        description,
        meta,
        body,
        origin,
        tools,
        has_triggers: false,
        start: start(origin, body),
    }
}

fn of_skill(skill: &Skill) -> Subject<'_> {
    let Skill { name, description, meta, body, origin, triggers, globs, .. } = skill;
    let has_triggers = !triggers.is_empty() || !globs.is_empty();
    Subject {
        kind: Kind::Skill,
        name,
        description,
        meta,
        body,
        origin,
        tools: None,
        has_triggers,
        start: start(origin, body),
    }
}

fn of_command(command: &Command) -> Option<Subject<'_>> {
    let Command { name, description, meta, origin, .. } = command;
    let CommandBody::Prose { text, .. } = &command.body else { return None };
    let body = text.value.as_str();
    let start = start(origin, body);
    Some(Subject { kind: Kind::Command, name, description, meta, body, origin, tools: None, has_triggers: true, start })
}

fn start(origin: &Origin, body: &str) -> Option<usize> {
    let behind = origin.frontmatter.end.min(origin.source.text.len());
    origin.source.text.get(behind..)?.find(body.trim()).map(|at| behind + at)
}

impl<'a> Subject<'a> {
    pub fn source(&self) -> &'a Arc<Source> {
        &self.origin.source
    }

    /// The place of a part of the body; the file's beginning where the body is written in another way there.
    pub fn place(&self, at: usize, length: usize) -> Span {
        let lead = self.body.len() - self.body.trim_start().len();
        self.start.map_or_else(
            || Span::new(0..0),
            |start| {
                let from = start + at.saturating_sub(lead);
                Span::new(from..from + length)
            },
        )
    }

    /// The key `description` as it is written; none where the file has no such key.
    pub fn description_place(&self) -> Option<Span> {
        let front = self.origin.frontmatter;
        let text = self.source().text.get(front.start..front.end)?;
        let mut at = front.start;
        for line in text.split_inclusive('\n') {
            if line.starts_with("description") {
                return Some(Span::new(at..at + "description".len()));
            }
            at += line.len();
        }
        None
    }

    pub fn fault(&self, code: Code, span: Span, message: String) -> Diagnostic {
        Diagnostic::error(code, self.source(), span, message)
    }
}
