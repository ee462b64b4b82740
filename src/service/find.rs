//! Finds what a person named and compiles it: a workflow, a slash command, or a file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Diagnostic, Severity, Source, did_you_mean},
    config::Settings,
    definition::{
        Command, CommandBody, Library, Scope, Skill, WorkflowEntry, load::load_workflow_file, normal_name,
        workflow::Workflow,
    },
    plan::{Compiled, Plan, compile, compile_command, skill_command},
    service::{costs::estimated, fault::Fault, filling, project::Project, refusal::Refusal},
};

/// Something that can be run, compiled.
#[derive(Debug, Clone)]
pub struct Runnable {
    /// The name as a person types it: `new-project`, `/review`, or a path.
    pub name: String,
    /// Its file, as shown to people.
    pub path: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// Faults that do not stop a run.
    pub warnings: Vec<Diagnostic>,
}

/// What a name stands for.
pub(super) enum Found<'a> {
    Workflow(&'a WorkflowEntry),
    Command(&'a Command),
    /// Started like a command.
    Skill(&'a Skill),
    File(Box<WorkflowEntry>),
}

impl Found<'_> {
    /// Its file.
    pub(super) fn source(&self) -> &Arc<Source> {
        match self {
            Self::Workflow(entry) => &entry.origin.source,
            Self::Command(command) => &command.origin.source,
            Self::Skill(skill) => &skill.origin.source,
            Self::File(entry) => &entry.origin.source,
        }
    }

    /// How near it was found.
    fn scope(&self) -> Scope {
        match self {
            Self::Workflow(entry) => entry.origin.scope,
            Self::Command(command) => command.origin.scope,
            Self::Skill(skill) => skill.origin.scope,
            Self::File(entry) => entry.origin.scope,
        }
    }
}

/// Whether an error is in one of the project's own files for things that run.
fn is_of_project(fault: &Diagnostic) -> bool {
    let first = fault.source.path.iter().next();
    fault.severity == Severity::Error && first.is_some_and(|first| first == "workflows" || first == "commands")
}

/// Finds and compiles what can be run under `name`: `name`, `/name`, or the path of a file.
///
/// # Errors
/// When there is no such thing (with a suggestion), or it has faults, all of them.
pub fn find_runnable(project: &Project, name: &str) -> Result<Runnable, Fault> {
    let found = find(project, name)?;
    let compiled = compile_found(project, &found).map_err(|faults| with_load_faults(project, faults))?;
    let (name, path) = match &found {
        Found::Workflow(entry) => (entry.workflow.name.value.clone(), entry.origin.path.clone()),
        Found::Command(command) => (format!("/{}", command.name), command.origin.path.clone()),
        Found::Skill(skill) => (format!("/{}", skill.name), skill.origin.path.clone()),
        Found::File(entry) => (entry.workflow.name.value.clone(), entry.origin.path.clone()),
    };
    let mut plan = compiled.plan;
    plan.estimate = estimated(project, &plan);
    Ok(Runnable { name, path, plan, warnings: compiled.warnings })
}

/// Finds what can be run under `name`.
pub(super) fn find<'a>(project: &'a Project, name: &str) -> Result<Found<'a>, Fault> {
    let library = project.library();
    if looks_like_file(name)
        && let Some(found) = file(project, Path::new(name))?
    {
        return Ok(found);
    }
    let word = name.strip_prefix('/').unwrap_or(name);
    let workflow = library.workflows.get(word).map(Found::Workflow);
    let command = library.commands.get(word).map(Found::Command);
    let found = if name.starts_with('/') {
        skill_before(library.skills.get(word), library.commands.get(word)).or(command).or(workflow)
    } else {
        workflow.or(command)
    };
    // The nearer file that has faults is what was meant: another of its name, from farther away, may do something else.
    let faults = faults_of(project, word);
    let is_nearest = |found: &Found<'_>| found.scope() == Scope::Project || !faults.iter().any(is_of_project);
    if let Some(found) = found.filter(is_nearest) {
        return Ok(found);
    }
    if faults.is_empty() { Err(not_found(project, name, word)) } else { Err(Fault::Diagnosed(faults)) }
}

/// The skill that `/name` starts: commands and skills are one kind, in which the nearer wins and beside each other the skill.
fn skill_before<'a>(skill: Option<&'a Skill>, command: Option<&Command>) -> Option<Found<'a>> {
    let skill = skill.filter(|skill| !skill.meta.hidden)?;
    let wins = command.is_none_or(|command| skill.origin.scope <= command.origin.scope);
    wins.then_some(Found::Skill(skill))
}

/// Compiles it; the settings fill in the budget.
pub(super) fn compile_found(project: &Project, found: &Found<'_>) -> Result<Compiled, Vec<Diagnostic>> {
    compile_in(project.library(), project.settings(), found)
}

/// The same, from the parts of a project that several threads may read.
pub(super) fn compile_in(
    library: &Library,
    settings: &Settings,
    found: &Found<'_>,
) -> Result<Compiled, Vec<Diagnostic>> {
    let filled = |workflow: &Workflow| {
        let mut workflow = workflow.clone();
        filling::fill_budget(settings, &mut workflow.budget);
        workflow
    };
    match found {
        Found::Workflow(entry) => compile(library, &filled(&entry.workflow)),
        Found::File(entry) => compile(library, &filled(&entry.workflow)),
        Found::Command(command) => match &command.body {
            CommandBody::Inline(workflow) => compile(library, &filled(workflow)),
            CommandBody::Workflow(name) => match library.workflows.get(&name.value) {
                Some(entry) => compile(library, &filled(&entry.workflow)),
                None => compile_command(library, command),
            },
            CommandBody::Prose { .. } => {
                let mut compiled = compile_command(library, command)?;
                filling::fill_prose(settings, &mut compiled.plan);
                Ok(compiled)
            }
        },
        Found::Skill(skill) => {
            let mut compiled = skill_command(library, skill)?;
            filling::fill_prose(settings, &mut compiled.plan);
            Ok(compiled)
        }
    }
}

fn looks_like_file(name: &str) -> bool {
    let has_ending = [".yaml", ".yml", ".md"].iter().any(|ending| name.ends_with(ending));
    has_ending || name.trim_start_matches('/').contains('/')
}

/// The definition in a file; `None` where there is no such file.
fn file<'a>(project: &'a Project, path: &Path) -> Result<Option<Found<'a>>, Fault> {
    let full = project.environment().folder().join(path);
    let full = if full.is_file() { full } else { project.root().join(path) };
    let Ok(full) = full.canonicalize() else { return Ok(None) };
    if !full.is_file() {
        return Ok(None);
    }
    let library = project.library();
    let shown = full.strip_prefix(project.root()).unwrap_or(&full);
    let in_library: Vec<_> = library.workflows.iter().filter(|entry| entry.origin.path == shown).collect();
    if let [entry] = in_library.as_slice() {
        return Ok(Some(Found::Workflow(entry)));
    }
    if let Some(command) = library.commands.iter().find(|command| command.origin.path == shown) {
        return Ok(Some(Found::Command(command)));
    }
    let (mut entries, faults) = load_workflow_file(project.root(), &full);
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Fault::Diagnosed(faults));
    }
    if entries.len() > 1 {
        let names: Vec<_> = entries.iter().map(|entry| format!("`{}`", entry.workflow.name.value)).collect();
        let message = format!("{} holds more than one workflow: {}", shown.display(), names.join(", "));
        return Err(Refusal::new(11, "E0511", message, "put it under `workflows/` and name one of them").into());
    }
    let Some(mut entry) = entries.pop() else { return Ok(None) };
    filling::fill_workflow(project.settings(), &mut entry.workflow);
    Ok(Some(Found::File(Box::new(entry))))
}

/// Faults of files that would define `word` if they had none.
fn faults_of(project: &Project, word: &str) -> Vec<Diagnostic> {
    let wanted = normal_name(&word.replace(':', "/"));
    let is_wanted = |fault: &&Diagnostic| {
        let path = fault.source.path.with_extension("");
        let stem = path.file_stem().map(|stem| normal_name(&stem.to_string_lossy()));
        let inside: PathBuf = path.iter().skip_while(|part| *part != "commands").skip(1).collect();
        stem.as_deref() == Some(wanted.as_str()) || normal_name(&inside.to_string_lossy()) == wanted
    };
    let faults: Vec<_> = project.library().diagnostics.iter().filter(is_wanted).cloned().collect();
    if faults.iter().any(|fault| fault.severity == Severity::Error) { faults } else { Vec::new() }
}

fn not_found(project: &Project, name: &str, word: &str) -> Fault {
    let library = project.library();
    let others = [
        ("an agent", library.agents.get(word).is_some()),
        ("a skill", library.skills.get(word).is_some()),
        ("a gate", library.gates.get(word).is_some()),
    ];
    if let Some((kind, _)) = others.iter().find(|(_, there)| *there) {
        let message = format!("`{word}` is {kind}, which does not run by itself");
        if *kind == "a skill" {
            let help = format!("start it like a command: `orch run /{word}`; or use it in a step");
            return Refusal::new(2, "E0512", message, help).into();
        }
        return Refusal::new(
            2,
            "E0512",
            message,
            format!("use it in a step of a workflow; `orch show {word}` shows it"),
        )
        .into();
    }
    let names: Vec<&str> = library.workflows.names().chain(library.commands.names()).collect();
    let help = match did_you_mean(&normal_name(word), names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? `orch list` names them all"),
        None => "`orch list` names all workflows and commands".to_owned(),
    };
    let what = if looks_like_file(name) { "file, workflow or command" } else { "workflow or command" };
    Refusal::new(11, "E0511", format!("there is no {what} `{name}`"), help).into()
}

/// A missing agent is often one whose file has a fault, so those faults come first.
fn with_load_faults(project: &Project, mut faults: Vec<Diagnostic>) -> Fault {
    let mut all: Vec<_> =
        project.library().diagnostics.iter().filter(|fault| fault.severity == Severity::Error).cloned().collect();
    all.append(&mut faults);
    Fault::Diagnosed(all)
}
