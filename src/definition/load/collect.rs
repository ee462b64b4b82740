//! Puts what files define on the shelves of a library, nearest first, and names what shares a name.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Diagnostic, Span, codes::definition as codes},
    definition::{
        Library, Meta, Origin, Shelf,
        load::{
            faults::Faults,
            read::{Item, Parsed},
        },
    },
};

/// The definitions of some files in order of precedence, and what is wrong with their names.
pub(super) fn shelves<'p>(files: impl IntoIterator<Item = &'p Arc<Parsed>>) -> Library {
    let mut library = Library::default();
    for parsed in files {
        for item in &parsed.items {
            match item {
                Item::Agent(agent) => put(&mut library.agents, &agent.name, Some(&agent.meta), &agent.origin, agent),
                Item::Skill(skill) => put(&mut library.skills, &skill.name, Some(&skill.meta), &skill.origin, skill),
                Item::Command(command) => {
                    put(&mut library.commands, &command.name, Some(&command.meta), &command.origin, command);
                }
                Item::Workflow(entry) => {
                    put(&mut library.workflows, &entry.workflow.name.value, None, &entry.origin, entry);
                }
                Item::Gate(gate) => put(&mut library.gates, &gate.name, None, &gate.origin, gate),
                Item::Rule(rule) => put(&mut library.rules, &rule.name, Some(&rule.meta), &rule.origin, rule),
            }
        }
    }
    let out = &mut library.diagnostics;
    same_names("agent", &library.agents, |agent| (&agent.name, &agent.origin), out);
    same_names("skill", &library.skills, |skill| (&skill.name, &skill.origin), out);
    same_names("command", &library.commands, |command| (&command.name, &command.origin), out);
    same_names("workflow", &library.workflows, |entry| (&entry.workflow.name.value, &entry.origin), out);
    same_names("gate", &library.gates, |gate| (&gate.name, &gate.origin), out);
    library
}

fn put<T>(shelf: &mut Shelf<T>, name: &str, meta: Option<&Meta>, origin: &Origin, definition: &Arc<T>) {
    let aliases = meta.map(|meta| meta.aliases.as_slice()).unwrap_or_default();
    // What another file shadows is still found by its path.
    let path = origin.path.to_string_lossy();
    let in_plugin = origin.plugin.as_ref().filter(|_| meta.is_none()).map(|plugin| format!("{plugin}:{name}"));
    let aliases = aliases.iter().map(String::as_str).chain([&*path]).chain(in_plugin.as_deref());
    shelf.push_with(name, aliases, Arc::clone(definition));
}

/// Warns once of each name that several files of one scope, tool and plugin define.
fn same_names<T>(kind: &str, shelf: &Shelf<T>, parts: impl Fn(&T) -> (&str, &Origin), out: &mut Vec<Diagnostic>) {
    for all in shelf.groups().filter(|all| all.len() > 1) {
        let mut rest: Vec<&T> = all.iter().map(|one| &**one).collect();
        while rest.len() > 1 {
            let (name, first) = parts(rest[0]);
            let domain = |origin: &Origin| (origin.scope, origin.dialect, origin.plugin.clone());
            let (same, others): (Vec<&T>, Vec<&T>) = rest.iter().partition(|one| domain(parts(one).1) == domain(first));
            if same.len() > 1 {
                out.push(same_name(kind, name, first, &same.iter().map(|one| parts(one).1).collect::<Vec<_>>()[1..]));
            }
            rest = others;
        }
    }
}

fn same_name(kind: &str, name: &str, first: &Origin, others: &[&Origin]) -> Diagnostic {
    let second = others[0];
    let message = match others.len() {
        1 => format!("a second {kind} called `{name}`"),
        count => format!("{count} more files define {} {kind} `{name}`", article(kind)),
    };
    let shown = others.iter().skip(1).take(9).map(|origin| format!("`{}`", origin.path.display()));
    let mut paths: Vec<String> = shown.collect();
    if others.len() > 10 {
        paths.push(format!("{} more", others.len() - 10));
    }
    let mut cause = format!("`{}` comes first and is used", first.path.display());
    if !paths.is_empty() {
        cause.push_str(&format!("; the others are this file, {}", paths.join(", ")));
    }
    let span = Span::new(0..second.source.text.lines().next().map_or(0, str::len));
    Diagnostic::error(codes::SAME_NAME, &second.source, span, message)
        .cause(cause)
        .help(if others.len() == 1 { "rename one of them" } else { "rename them" })
        .warning()
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The value of a YAML or JSON text that is no definition: inputs from a file.
///
/// # Errors
/// The first fault, one line, with its line and column.
pub fn value_of(path: &Path, text: &str) -> Result<serde_json::Value, String> {
    let source = crate::base::Source::new(PathBuf::from(path), text);
    let mut faults = Faults::new(&source);
    let node = super::yaml::parse(&source, 0..text.len(), &mut faults);
    match (node, faults.failed()) {
        (Some(node), false) => Ok(node.to_json()),
        _ => {
            let fault = faults.into_sorted().into_iter().next();
            Err(fault.map_or_else(
                || "it is empty".to_owned(),
                |fault| {
                    let place = source.position(fault.span.start);
                    format!("{}:{}: {}", place.line, place.column, fault.message)
                },
            ))
        }
    }
}
