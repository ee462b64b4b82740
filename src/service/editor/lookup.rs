//! What a word at a place means, and where it is defined.

use std::path::{Path, PathBuf};

use crate::{
    base::Span,
    definition::{Library, Origin},
    service::editor::{
        cursor::{Cursor, Role},
        grammar::Grammar,
        outline::Outline,
    },
};

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// The word.
    pub span: Span,
    /// Markdown.
    pub text: String,
}

/// Where a word is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The file, absolute, or relative to the project's root.
    pub path: PathBuf,
    /// The place in it.
    pub span: Span,
}

/// A definition that a name leads to.
pub(super) struct Named<'l> {
    pub kind: &'static str,
    pub description: &'l str,
    pub more: String,
    pub origin: &'l Origin,
}

/// The kind of definition that a value names, told by its key.
pub(super) fn kind_of_value(path: &[String]) -> Option<&'static str> {
    match path.last().map(String::as_str)? {
        "agent" => Some("agent"),
        "skills" => Some("skill"),
        "workflow" => Some("workflow"),
        "gate" | "checks" => Some("gate"),
        _ => None,
    }
}

/// Looks a definition up.
pub(super) fn named<'l>(library: &'l Library, kind: &str, name: &str) -> Option<Named<'l>> {
    let more =
        |tools: Option<Vec<String>>| tools.map_or_else(String::new, |tools| format!("Tools: {}", tools.join(", ")));
    match kind {
        "agent" => library.agents.get(name).map(|agent| Named {
            kind: "agent",
            description: &agent.description,
            more: more(agent.tools.allowed()),
            origin: &agent.origin,
        }),
        "skill" => library.skills.get(name).map(|skill| Named {
            kind: "skill",
            description: &skill.description,
            more: more(skill.allowed_tools.allowed()),
            origin: &skill.origin,
        }),
        "workflow" => library.workflows.get(name).map(|entry| Named {
            kind: "workflow",
            description: &entry.workflow.description,
            more: String::new(),
            origin: &entry.origin,
        }),
        "gate" => library.gates.get(name).map(|gate| Named {
            kind: "gate",
            description: &gate.description,
            more: String::new(),
            origin: &gate.origin,
        }),
        _ => None,
    }
}

/// What the word at a cursor means.
pub(super) fn hover(
    text: &str,
    cursor: &Cursor,
    grammar: &Grammar,
    library: &Library,
    outline: Option<&Outline>,
) -> Option<Hover> {
    let word = text.get(cursor.word.start..cursor.word.end).filter(|word| !word.is_empty())?;
    let about = |text: String| Some(Hover { span: cursor.word, text });
    // The cursor may stand inside a key that already has its colon.
    let is_key = cursor.role == Role::Key || text[cursor.word.end..].starts_with(':');
    if is_key {
        let mut path = cursor.path.clone();
        path.push(word.to_owned());
        let description = grammar.description(&path)?;
        let values = grammar.values(&path);
        let values = if values.is_empty() { String::new() } else { format!("\n\nOne of: {}", values.join(", ")) };
        return about(format!("**{word}**: {description}{values}"));
    }
    if let Role::Expression(before) = &cursor.role {
        let names = outline?.after(before);
        let (_, what) = names.into_iter().find(|(name, _)| name == word)?;
        return about(format!("**{word}**: {what}"));
    }
    if let Some(found) = kind_of_value(&cursor.path).and_then(|kind| named(library, kind, word)) {
        let Named { kind, description, more, origin } = found;
        let more = if more.is_empty() { more } else { format!("\n\n{more}") };
        return about(format!("**{word}** ({kind}): {description}{more}\n\n`{}`", origin.path.display()));
    }
    let step = outline?.step(word)?;
    about(format!("**{word}**: {}", step.what))
}

/// Where the word at a cursor is defined.
pub(super) fn definition(
    text: &str,
    path: &Path,
    cursor: &Cursor,
    library: &Library,
    outline: Option<&Outline>,
) -> Option<Target> {
    let word = text.get(cursor.word.start..cursor.word.end).filter(|word| !word.is_empty())?;
    if let Role::Expression(before) = &cursor.role {
        let outline = outline?;
        let own = |span: Span| Some(Target { path: path.to_path_buf(), span });
        if before.first().is_some_and(|first| first == "inputs") {
            return outline.inputs.iter().find(|(name, ..)| name == word).and_then(|(.., span)| own(*span));
        }
        return outline.step(word).and_then(|step| own(step.id_span));
    }
    if let Some(found) = kind_of_value(&cursor.path).and_then(|kind| named(library, kind, word)) {
        // What is built into the binary has no file.
        let file = !found.origin.path.to_string_lossy().starts_with("builtin:");
        return file.then(|| Target { path: found.origin.path.clone(), span: Span::default() });
    }
    let step = outline?.step(word)?;
    Some(Target { path: path.to_path_buf(), span: step.id_span })
}
