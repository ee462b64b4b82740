//! Looks at the definitions again after each edit, and says what is new: faults, plans, and what changed in them.
//!
//! Invariants: a plan that can no longer be made stays as it was until a good edit or until its file is gone; the same
//! content is told once; a report is what `orch check` and `orch plan` would say at that moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    base::{Diagnostic, Digest, Severity, Timestamp},
    config::Flags,
    definition::load::{SERVER_FILES, Watched},
    driver::Clock,
    plan::{Plan, PlanDiff, diff, draw},
    service::{
        dev::{
            folders::folders,
            memo::Memo,
            survey::{self, Survey, Surveyed, survey},
            watch::Watch,
        },
        fault::Fault,
        project::{Opening, Project},
        refusal::Refusal,
    },
};

/// The version of the form of `orch dev --json`; `schemas/dev.schema.json`.
pub const DEV_VERSION: u16 = 1;
/// Sources that appear while others are read are looked for so often.
const ROUNDS_MAX: usize = 8;

/// What became of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It is new.
    New,
    /// It has changed; an empty difference means that only lines have moved.
    Changed(PlanDiff),
    /// It cannot be made any more; the last good one stays.
    Stays,
    /// Its definition is gone.
    Gone,
}

/// What became of which plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What a person types to run it.
    pub name: String,
    /// What became of it.
    pub news: News,
    /// For a plan that stays: when it was made.
    pub since: Timestamp,
}

/// What is new after an edit.
#[derive(Debug, Clone)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// From the first hint of the edit to now.
    pub took: Duration,
    /// All faults that there are now.
    pub diagnostics: Vec<Diagnostic>,
    /// Those that were not there before.
    pub fresh: Vec<Diagnostic>,
    /// How many are not there any more.
    pub mended: usize,
    /// What became of plans.
    pub changes: Vec<Change>,
    /// All plans that can be made now, by name, with the digest that `orch plan --json` prints for it.
    pub plans: BTreeMap<String, Digest>,
    /// Whether settings have changed.
    pub settings: bool,
    /// Whether recordings or programs that answer for agents have changed.
    pub answers: bool,
    /// Why what was asked for cannot be found.
    pub missing: Option<Refusal>,
}

impl Report {
    /// Whether there is no error: in anything, or for what was asked for, no reason that it could not run.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.missing.is_none() && self.diagnostics.iter().all(|fault| fault.severity != Severity::Error)
    }

    /// Whether a run would now be another one.
    #[must_use]
    pub fn is_worth_a_run(&self) -> bool {
        let is_made = |change: &Change| matches!(change.news, News::New | News::Changed(_));
        self.answers || self.settings || self.changes.iter().any(is_made)
    }
}

/// A plan that could be made.
#[derive(Debug, Clone)]
struct Good {
    surveyed: Surveyed,
    since: Timestamp,
    stays: bool,
}

/// Looks at the definitions of a project.
pub struct Lookout {
    project: Project,
    flags: Flags,
    name: Option<String>,
    watch: Watch,
    memo: Memo,
    /// The trees and the single folders that are watched; absent where folders have come or gone since.
    covered: Option<(Vec<PathBuf>, Vec<PathBuf>)>,
    wanted: Watched,
    good: BTreeMap<String, Good>,
    faults: BTreeSet<String>,
    told: Option<Digest>,
    settings: Digest,
    settings_faults: Vec<Diagnostic>,
    answers: Digest,
}

impl Lookout {
    /// Looks at an open project, or at one workflow or command of it; `flags` are those that it was opened with.
    #[must_use]
    pub fn new(project: Project, flags: Flags, name: Option<String>, poll: bool) -> Self {
        let settings = survey::digest_of_files(&survey::settings_files(&project));
        Self {
            project,
            flags,
            name,
            watch: Watch::new(poll),
            memo: Memo::default(),
            covered: None,
            wanted: Watched::default(),
            good: BTreeMap::new(),
            faults: BTreeSet::new(),
            told: None,
            settings,
            settings_faults: Vec::new(),
            answers: Digest::of(b""),
        }
    }

    /// The project as it is now.
    #[must_use]
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The last good plan of what was asked for.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        Some(self.good.get(self.name.as_deref()?)?.surveyed.plan())
    }

    /// The last good plan of what was asked for, drawn for a terminal.
    #[must_use]
    pub fn drawing(&self) -> Option<String> {
        self.plan().map(draw::tree)
    }

    /// Whether what was asked for can run as it is now; without a name, whether there is no error at all.
    #[must_use]
    pub fn is_runnable(&self, report: &Report) -> bool {
        match &self.name {
            Some(name) => report.plans.contains_key(name) && self.settings_faults.is_empty(),
            None => report.is_good(),
        }
    }

    /// How many folders are watched, and why it is looked once a second where the system does not tell.
    #[must_use]
    pub fn watching(&self) -> (usize, Option<&str>) {
        (self.watch.count(), self.watch.polls())
    }

    /// Returns when there may be something new.
    pub async fn edited(&self) {
        self.watch.quiet().await;
    }

    /// Looks again. `None` where the content is what it was.
    pub fn look(&mut self) -> Option<Report> {
        let gathered = self.watch.take();
        let start = gathered.first().unwrap_or_else(Instant::now);
        if gathered.is_shape {
            self.covered = None;
        }
        let settings = self.look_at_settings();
        for _ in 0..ROUNDS_MAX {
            self.cover();
            self.project.reload();
            let wanted = self.project.watched();
            if wanted == self.wanted {
                break;
            }
            self.wanted = wanted;
        }
        let mut survey = survey(&self.project, self.name.as_deref(), &mut self.memo);
        survey.diagnostics.extend(self.settings_faults.iter().cloned());
        let answers = self.look_at_answers(&survey);
        let digest = survey.digest();
        if self.told.as_ref() == Some(&digest) && !settings && !answers {
            return None;
        }
        self.told = Some(digest);
        Some(self.report(survey, start, settings, answers))
    }

    /// Watches every folder that the definitions depend on.
    fn cover(&mut self) {
        if self.watch.polls().is_some() {
            return;
        }
        let root = self.project.root();
        let mut alone = self.wanted.folders.clone();
        let mut trees = self.wanted.trees.clone();
        alone.push(root.to_path_buf());
        let mut files = survey::settings_files(&self.project);
        files.extend(survey::programs(&self.project));
        files.extend(SERVER_FILES.iter().map(|name| root.join(name)));
        if let Some(name) = &self.name
            && let Some(good) = self.good.get(name)
        {
            trees.extend(survey::recording_folders(root, good.surveyed.plan()));
            files.push(root.join(&good.surveyed.path));
        }
        if let Some(name) = &self.name {
            files.push(self.project.environment().folder().join(name));
        }
        for folder in files.iter().filter_map(|file| file.parent()) {
            alone.push(folder.to_path_buf());
            // A workflow outside of the folders for definitions names files below its own folder.
            trees.extend(["prompts", "recordings", "rubrics"].map(|name| folder.join(name)));
        }
        let home = self.project.environment().home();
        let bases: Vec<PathBuf> = [root.to_path_buf()].into_iter().chain(home).collect();
        let wanted = (trees, alone);
        if self.covered.as_ref() == Some(&wanted) {
            return;
        }
        self.watch.cover(folders(&wanted.0, &wanted.1, &bases));
        self.covered = Some(wanted);
    }

    /// Opens the project anew where its settings have changed. Settings with faults leave the old ones.
    fn look_at_settings(&mut self) -> bool {
        let digest = survey::digest_of_files(&survey::settings_files(&self.project));
        if digest == self.settings {
            return false;
        }
        self.settings = digest;
        self.settings_faults.clear();
        let root = self.project.root().to_path_buf();
        match Project::open(&root, Opening::Search, &self.project.environment().clone(), &self.flags) {
            Ok(project) if project.root() == root => self.project = project,
            Ok(_) | Err(Fault::Refused(_)) => {}
            Err(Fault::Diagnosed(faults)) => self.settings_faults = faults,
        }
        true
    }

    fn look_at_answers(&mut self, survey: &Survey) -> bool {
        let Some(surveyed) = self.name.as_ref().and_then(|name| survey.plans.get(name)) else { return false };
        let digest = survey::digest_of_files(&survey::answering_files(&self.project, surveyed.plan()));
        let is_first = self.told.is_none();
        std::mem::replace(&mut self.answers, digest.clone()) != digest && !is_first
    }

    fn report(&mut self, survey: Survey, start: Instant, settings: bool, answers: bool) -> Report {
        let at = Clock::start(Timestamp::default()).now();
        let keys: BTreeSet<String> = survey.diagnostics.iter().map(survey::key).collect();
        let fresh = survey.diagnostics.iter().filter(|fault| !self.faults.contains(&survey::key(fault)));
        let fresh: Vec<_> = fresh.cloned().collect();
        let mended = self.faults.difference(&keys).count();
        self.faults = keys;
        let changes = self.changes(&survey, at);
        Report {
            at,
            took: start.elapsed(),
            fresh,
            mended,
            changes,
            plans: survey.plans.into_iter().map(|(name, surveyed)| (name, surveyed.digest)).collect(),
            diagnostics: survey.diagnostics,
            settings,
            answers,
            missing: survey.missing,
        }
    }

    /// Compares with the good plans, and keeps what is good now.
    fn changes(&mut self, survey: &Survey, at: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, surveyed) in &survey.plans {
            let news = match self.good.get(name) {
                Some(good) if good.surveyed.digest == surveyed.digest => {
                    // A bad edit was taken back.
                    if let Some(good) = self.good.get_mut(name) {
                        good.stays = false;
                    }
                    continue;
                }
                Some(good) => News::Changed(diff(good.surveyed.plan(), surveyed.plan())),
                None => News::New,
            };
            self.good.insert(name.clone(), Good { surveyed: surveyed.clone(), since: at, stays: false });
            changes.push(Change { name: name.clone(), news, since: at });
        }
        let lost: Vec<_> = self.good.keys().filter(|name| !survey.plans.contains_key(*name)).cloned().collect();
        for name in lost {
            let Some(good) = self.good.get_mut(&name) else { continue };
            let is_fault =
                |fault: &Diagnostic| fault.severity == Severity::Error && fault.source.path == good.surveyed.path;
            let stays = self.name.is_some() || survey.diagnostics.iter().any(is_fault);
            if stays && !good.stays {
                good.stays = true;
                changes.push(Change { name, news: News::Stays, since: good.since });
            } else if !stays {
                self.good.remove(&name);
                changes.push(Change { name, news: News::Gone, since: at });
            }
        }
        changes
    }
}
