//! Finds every fault in definitions: of their files, and of what they compile to. Runs nothing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Diagnostic, Severity},
    definition::{Scope, load::load_workflow_file},
    plan::Compiled,
    service::{
        compile_all::compile_all,
        fault::Fault,
        find::{Found, compile_found},
        lint::{lint, lint_plan},
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
    let compile = |all: &[Found<'_>]| {
        let all: Vec<&Found<'_>> = all.iter().collect();
        compile_all(project, &all).into_iter().map(|made| made.map(Arc::new).map_err(Arc::new)).collect()
    };
    check_each(project, paths, compile, |_, _| {})
}

/// The same, with what [`lint`] finds in the words of these definitions.
///
/// # Errors
/// When a path is not there.
pub fn check_and_lint(project: &Project, paths: &[PathBuf]) -> Result<Checked, Fault> {
    let wanted = real_paths(project, paths)?;
    let compile = |all: &[Found<'_>]| {
        let all: Vec<&Found<'_>> = all.iter().collect();
        compile_all(project, &all).into_iter().map(|made| made.map(Arc::new).map_err(Arc::new)).collect()
    };
    let mut found = lint(project, &[]);
    let mut checked = check_each(project, paths, compile, |from, compiled| {
        found.extend(lint_plan(from.source(), &compiled.plan));
    })?;
    checked.diagnostics.extend(found.into_iter().filter(|fault| is_wanted(project, &wanted, &fault.source.path)));
    checked.diagnostics = sorted(checked.diagnostics);
    Ok(checked)
}

fn is_wanted(project: &Project, wanted: &[PathBuf], shown: &Path) -> bool {
    let full = project.root().join(shown);
    wanted.is_empty() || wanted.iter().any(|path| full.starts_with(path))
}

/// The same as [`check`], by somebody else's compiler; all that can be made is shown to `made`.
pub(super) fn check_each(
    project: &Project,
    paths: &[PathBuf],
    compile: impl FnOnce(&[Found<'_>]) -> Vec<Result<Arc<Compiled>, Arc<Vec<Diagnostic>>>>,
    mut made: impl FnMut(&Found<'_>, Arc<Compiled>),
) -> Result<Checked, Fault> {
    let library = project.library();
    let wanted = real_paths(project, paths)?;
    let is_wanted = |shown: &Path| is_wanted(project, &wanted, shown);
    let mut diagnostics: Vec<_> =
        library.diagnostics.iter().filter(|fault| is_wanted(&fault.source.path)).cloned().collect();
    let mut files: BTreeSet<PathBuf> = diagnostics.iter().map(|fault| fault.source.path.clone()).collect();
    for line in super::list(project, true).into_iter().filter(|line| line.scope != Scope::Builtin) {
        if is_wanted(&line.path) {
            files.insert(line.path);
        }
    }
    let own = |scope: Scope, path: &Path| scope != Scope::Builtin && is_wanted(path);
    let workflows = library.workflows.iter().filter(|entry| own(entry.origin.scope, &entry.origin.path));
    let commands = library.commands.iter().filter(|command| own(command.origin.scope, &command.origin.path));
    // A skill is started like a command; only where it has a placeholder can that have faults of its own.
    let placeholders = |body: &str| body.contains('$') || body.contains("!`");
    let skills = library.skills.iter().filter(|skill| own(skill.origin.scope, &skill.origin.path));
    let skills = skills.filter(|skill| placeholders(&skill.body));
    let policy = super::find_policy(project);
    files.extend(policy.files.iter().filter(|path| is_wanted(path)).cloned());
    diagnostics.extend(policy.diagnostics.into_iter().filter(|fault| is_wanted(&fault.source.path)));
    let all: Vec<Found<'_>> =
        workflows.map(Found::Workflow).chain(commands.map(Found::Command)).chain(skills.map(Found::Skill)).collect();
    for (found, compiled) in all.iter().zip(compile(&all)) {
        match compiled {
            Ok(compiled) => {
                diagnostics.extend(compiled.warnings.iter().cloned());
                made(found, compiled);
            }
            Err(faults) => diagnostics.extend(faults.iter().cloned()),
        }
    }
    let is_policy = |path: &PathBuf| path.file_name().is_some_and(|name| name == "policy.yaml");
    // Files that lie outside the definition folders are read as workflows.
    let strangers: Vec<_> = wanted
        .iter()
        .filter(|path| path.is_file() && !is_policy(path))
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
    Ok(Checked { files: files.len(), diagnostics: sorted(diagnostics) })
}

/// The paths that were asked for, from the current folder or the project's root.
fn real_paths(project: &Project, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
    let real = |path: &PathBuf| {
        let near = project.environment().folder().join(path);
        let full = if near.exists() { near } else { project.root().join(path) };
        full.canonicalize().map_err(|_| {
            let message = format!("there is no file {}", path.display());
            Refusal::new(11, "E0511", message, "`orch list --all` names the files of all definitions").into()
        })
    };
    paths.iter().map(real).collect()
}

/// By file and place; a fault that several workflows lead to stands once.
pub(super) fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
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
