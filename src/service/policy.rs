//! Which policy holds: the user's own file first, then the project's, which can only take away.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    base::{Diagnostic, Severity},
    definition::{
        load::load_policy,
        policy::{Level, Policy, PolicyFile, PolicyLayer, PolicyRule, RiskClass},
    },
    service::project::Project,
};

/// The version of the JSON form of a policy.
pub const POLICY_VERSION: u16 = 1;

/// The name of a policy's file.
const NAME: &str = "policy.yaml";

/// What the files say together, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub struct FoundPolicy {
    /// What holds.
    pub policy: Policy,
    /// The files that are there, as they are shown.
    pub files: Vec<PathBuf>,
    /// Their faults. Where one is an error, nothing may start.
    pub diagnostics: Vec<Diagnostic>,
}

/// One class with what is done with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassLine {
    /// Its name.
    pub class: RiskClass,
    /// What is done with it at L3, or wherever a file names it.
    pub rule: PolicyRule,
    /// Who says so.
    pub from: String,
    /// What it means.
    pub meaning: &'static str,
}

impl FoundPolicy {
    /// Whether a file has an error.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.diagnostics.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Every class, in order.
    #[must_use]
    pub fn classes(&self) -> Vec<ClassLine> {
        let line = |class: &RiskClass| ClassLine {
            class: *class,
            rule: self.policy.decide(Level::L3, *class),
            from: self.policy.source(*class).to_owned(),
            meaning: class.meaning(),
        };
        RiskClass::ALL.iter().map(line).collect()
    }
}

/// The policy of a project: read now, from the files as they are.
#[must_use]
pub fn find_policy(project: &Project) -> FoundPolicy {
    let user = project.environment().user_folders().orch.map(|folder| folder.join(NAME));
    let home = project.environment().home();
    let mut found = FoundPolicy::default();
    if let Some(path) = user {
        let shown = home.and_then(|home| Some(Path::new("~").join(path.strip_prefix(home).ok()?)));
        found.add(&path, shown.as_deref().unwrap_or(&path), PolicyLayer::User);
    }
    for name in [NAME, ".orch/policy.yaml"] {
        found.add(&project.root().join(name), Path::new(name), PolicyLayer::Project);
    }
    found
}

impl FoundPolicy {
    fn add(&mut self, path: &Path, shown: &Path, layer: PolicyLayer) {
        let (file, faults) = load_policy(path, shown, layer);
        self.diagnostics.extend(faults);
        match file {
            Some(file) if file == PolicyFile::default() && !path.exists() => {}
            Some(file) => {
                let policy = std::mem::take(&mut self.policy);
                self.policy = policy.tightened(&file, &shown.display().to_string(), layer);
                self.files.push(shown.to_owned());
            }
            None => self.files.push(shown.to_owned()),
        }
    }
}
