//! Finds every fault in definitions: of their files, and of what they compile to. Runs nothing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    base::{Diagnostic, Severity},
    definition::{Scope, load::load_workflow_file},
    service::{
        fault::Fault,
        find::{Found, compile_found},
        lint::lint,
        project::Project,
        refusal::Refusal,
    },
};

/// What a check has found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Files that were looked at.
    pub files: usize,
    /// All faults, by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// How many faults of that severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

/// Checks the definitions of the project, or only those in `paths` (files or folders).
///
/// # Errors
/// When a path is not there.
pub fn check(project: &Project, paths: &[PathBuf]) -> Result<Checked, Fault> {
    Ok(check_wanted(project, &wanted_paths(project, paths)?))
}

/// The same, with what [`lint`] finds in the words of these definitions.
///
/// # Errors
/// When a path is not there.
pub fn check_and_lint(project: &Project, paths: &[PathBuf]) -> Result<Checked, Fault> {
    let wanted = wanted_paths(project, paths)?;
    let mut checked = check_wanted(project, &wanted);
    let found = lint(project, &[]);
    checked.diagnostics.extend(found.into_iter().filter(|fault| is_wanted(project, &wanted, &fault.source.path)));
    checked.diagnostics = sorted(checked.diagnostics);
    Ok(checked)
}

/// The full paths of what was asked for; empty for everything.
fn wanted_paths(project: &Project, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
    let mut wanted = Vec::new();
    for path in paths {
        let near = project.environment().folder().join(path);
        let full = if near.exists() { near } else { project.root().join(path) };
        let Ok(full) = full.canonicalize() else {
            let message = format!("there is no file {}", path.display());
            return Err(
                Refusal::new(11, "E0511", message, "`orch list --all` names the files of all definitions").into()
            );
        };
        wanted.push(full);
    }
    Ok(wanted)
}

fn is_wanted(project: &Project, wanted: &[PathBuf], shown: &Path) -> bool {
    let full = project.root().join(shown);
    wanted.is_empty() || wanted.iter().any(|path| full.starts_with(path))
}

fn check_wanted(project: &Project, wanted: &[PathBuf]) -> Checked {
    let library = project.library();
    let is_wanted = |shown: &Path| is_wanted(project, wanted, shown);
    let mut diagnostics: Vec<_> =
        library.diagnostics.iter().filter(|fault| is_wanted(&fault.source.path)).cloned().collect();
    let mut files: BTreeSet<PathBuf> = diagnostics.iter().map(|fault| fault.source.path.clone()).collect();
    for line in super::list(project, true).into_iter().filter(|line| line.scope != Scope::Builtin) {
        if is_wanted(&line.path) {
            files.insert(line.path);
        }
    }
    let mut compile = |found: &Found<'_>| match compile_found(project, found) {
        Ok(compiled) => diagnostics.extend(compiled.warnings),
        Err(faults) => diagnostics.extend(faults),
    };
    let own = |scope: Scope, path: &Path| scope != Scope::Builtin && is_wanted(path);
    for entry in library.workflows.iter().filter(|entry| own(entry.origin.scope, &entry.origin.path)) {
        compile(&Found::Workflow(entry));
    }
    for command in library.commands.iter().filter(|command| own(command.origin.scope, &command.origin.path)) {
        compile(&Found::Command(command));
    }
    // A skill is started like a command; only where it has a placeholder can that have faults of its own.
    let placeholders = |body: &str| body.contains('$') || body.contains("!`");
    for skill in library.skills.iter().filter(|skill| own(skill.origin.scope, &skill.origin.path)) {
        if placeholders(&skill.body) {
            compile(&Found::Skill(skill));
        }
    }
    // Files that lie outside the definition folders are read as workflows.
    let strangers: Vec<_> = wanted
        .iter()
        .filter(|path| path.is_file())
        .filter(|path| !files.contains(path.strip_prefix(project.root()).unwrap_or(path)))
        .cloned()
        .collect();
    for path in strangers {
        let (entries, faults) = load_workflow_file(project.root(), &path);
        diagnostics.extend(faults);
        files.insert(path);
        for entry in entries {
            match compile_found(project, &Found::File(Box::new(entry))) {
                Ok(compiled) => diagnostics.extend(compiled.warnings),
                Err(faults) => diagnostics.extend(faults),
            }
        }
    }
    Checked { files: files.len(), diagnostics: sorted(diagnostics) }
}

/// By file and place; a fault that several workflows lead to stands once.
fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|one, other| {
        let key = |fault: &Diagnostic| (fault.source.path.clone(), fault.span, fault.code);
        key(one).cmp(&key(other)).then_with(|| one.message.cmp(&other.message))
    });
    diagnostics.dedup_by(|one, other| {
        one.source.path == other.source.path
            && one.span == other.span
            && one.code == other.code
            && one.message == other.message
    });
    diagnostics
}
