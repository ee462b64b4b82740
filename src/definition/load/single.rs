//! One agent, skill or command from bytes in memory: for editors, for fixes that are tried before they are written, for
//! tests. Reads no folder and knows no other file.

use std::path::{Path, PathBuf};

use crate::{
    base::{Diagnostic, Span},
    definition::{
        Agent, Command, Dialect, Origin, Scope, Skill,
        load::{agent::agent, bytes, command::command, faults::Faults, files::Folder, skill::skill},
    },
};

/// What a file is to be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// An agent.
    Agent,
    /// A skill.
    Skill,
    /// A command.
    Command,
}

/// What a file defines.
#[derive(Debug, Clone)]
pub enum Definition {
    /// An agent.
    Agent(Box<Agent>),
    /// A skill.
    Skill(Box<Skill>),
    /// A command.
    Command(Box<Command>),
    /// Nothing: it is a document beside definitions.
    Document,
}

/// Reads a file of a dialect as `orch` would where it finds it at `path`. `None` means that a diagnostic is an error.
///
/// A command is named by its file; its folders are for the caller to add.
#[must_use]
pub fn read_definition(
    kind: FileKind,
    dialect: Dialect,
    path: &Path,
    bytes: Vec<u8>,
) -> (Option<Definition>, Vec<Diagnostic>) {
    let mut text = match bytes::decode_lenient(bytes, path) {
        Ok(text) => text,
        Err(fault) => return (None, vec![*fault]),
    };
    let notes = std::mem::take(&mut text.notes);
    let scope = if dialect == Dialect::Orch { Scope::Project } else { Scope::Dialect };
    let (path, source) = (text.source.path.clone(), text.source);
    let origin = Origin { scope, dialect, plugin: None, path, source, frontmatter: Span::default() };
    let mut faults = Faults::new(&origin.source);
    notes.into_iter().for_each(|note| faults.add(note));
    let root = PathBuf::from(".");
    let folder = origin.path.parent().map_or_else(|| root.clone(), |folder| root.join(folder));
    let folder = Folder::disk(&root, &folder);
    let name = origin.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("command").to_owned();
    let found = match kind {
        FileKind::Agent => agent(&origin, &folder, &mut faults).map(|agent| Definition::Agent(Box::new(agent))),
        FileKind::Skill => skill(&origin, &folder, &mut faults).map(|skill| Definition::Skill(Box::new(skill))),
        FileKind::Command => {
            command(&origin, &name, &folder, &mut faults).map(|command| Definition::Command(Box::new(command)))
        }
    };
    let failed = faults.failed();
    let found = if failed { None } else { Some(found.unwrap_or(Definition::Document)) };
    (found, faults.into_sorted())
}
