//! One look at all definitions: every fault and every plan, and what else an edit may have changed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Diagnostic, Digest, Hasher, render::to_json},
    plan::{Compiled, MadeFrom, Plan},
    service::{
        check::{check_each, sorted},
        dev::memo::Memo,
        fault::Fault,
        find::{Found, find_runnable},
        project::Project,
        refusal::Refusal,
        runtimes::declared,
    },
};

/// Bytes of a program that are looked at.
const PROGRAM_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What there is now.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// All faults, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// Everything that compiles, by name: one plan where one was asked for.
    pub plans: BTreeMap<String, Surveyed>,
    /// Why what was asked for is not there.
    pub missing: Option<Refusal>,
}

/// A plan and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Surveyed {
    compiled: Arc<Compiled>,
    pub digest: Digest,
    pub path: PathBuf,
}

impl Surveyed {
    fn new(compiled: Arc<Compiled>, path: PathBuf) -> Self {
        Self { digest: compiled.plan.digest.clone(), compiled, path }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.compiled.plan
    }
}

/// Looks at everything; `name` is what was asked for.
pub(super) fn survey(project: &Project, name: Option<&str>, memo: &mut Memo) -> Survey {
    let mut survey = Survey::default();
    let compile = |all: &[Found<'_>]| memo.compile(project, all);
    let checked = check_each(project, &[], compile, |found, compiled| {
        let (name, path) = match found {
            Found::Workflow(entry) => (entry.workflow.name.value.clone(), &entry.origin.path),
            Found::Command(command) => (format!("/{}", command.name), &command.origin.path),
            Found::Skill(skill) => (format!("/{}", skill.name), &skill.origin.path),
            Found::File(entry) => (entry.workflow.name.value.clone(), &entry.origin.path),
        };
        survey.plans.insert(name, Surveyed::new(compiled, path.clone()));
    });
    match checked {
        Ok(checked) => survey.diagnostics = checked.diagnostics,
        Err(fault) => survey.fault(fault),
    }
    if let Some(name) = name {
        survey.plans.clear();
        match find_runnable(project, name) {
            Ok(runnable) => {
                let compiled = Compiled { plan: runnable.plan, warnings: Vec::new(), made_from: MadeFrom::default() };
                survey.diagnostics.extend(runnable.warnings);
                survey.plans.insert(name.to_owned(), Surveyed::new(Arc::new(compiled), runnable.path));
            }
            Err(fault) => survey.fault(fault),
        }
    }
    survey.diagnostics = sorted(survey.diagnostics);
    survey
}

impl Survey {
    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Refused(refusal) => self.missing = Some(refusal),
            Fault::Diagnosed(faults) => self.diagnostics.extend(faults),
        }
    }

    /// A digest of everything that is told.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        let mut add = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        for fault in &self.diagnostics {
            // All that programs are told: also what was assumed, and how to mend it.
            add(to_json(fault).to_string().as_bytes());
        }
        for (name, surveyed) in &self.plans {
            add(name.as_bytes());
            add(surveyed.digest.as_str().as_bytes());
        }
        add(format!("{:?}", self.missing).as_bytes());
        hasher.finish()
    }
}

/// What tells one fault from another, wherever in its file it stands.
pub(super) fn key(fault: &Diagnostic) -> String {
    let Diagnostic { source, code, severity, message, cause, .. } = fault;
    format!("{}\0{code}\0{severity:?}\0{message}\0{cause}", source.path.display())
}

/// The files of the settings, whether they are there or not.
pub(super) fn settings_files(project: &Project) -> Vec<PathBuf> {
    let own = project.root().join("orch.toml");
    [own].into_iter().chain(project.environment().user_file()).collect()
}

/// A digest of files as they are now.
pub(super) fn digest_of_files(paths: &[PathBuf]) -> Digest {
    let mut hasher = Hasher::default();
    for path in paths {
        let is_small = path.metadata().is_ok_and(|found| found.is_file() && found.len() <= PROGRAM_BYTES_MAX);
        let bytes = if is_small { fs::read(path).ok() } else { None };
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(Digest::of(&bytes.unwrap_or_default()).as_str().as_bytes());
    }
    hasher.finish()
}

/// The files that answer for agents: recordings beside the plan's workflow, and programs of runtimes.
pub(super) fn answering_files(project: &Project, plan: &Plan) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in recording_folders(project.root(), plan) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    files.extend(programs(project));
    files.sort();
    files.dedup();
    files
}

/// Where recordings of a plan may stand.
pub(super) fn recording_folders(root: &Path, plan: &Plan) -> [PathBuf; 2] {
    [root.join(&plan.folder).join("recordings"), root.join("workflows/recordings")]
}

/// Programs of runtimes that are named by a path.
pub(super) fn programs(project: &Project) -> Vec<PathBuf> {
    let named = declared(project).into_iter().map(|(_, declared)| declared.program());
    named.filter(|program| program.contains('/')).map(|program| project.root().join(program)).collect()
}
