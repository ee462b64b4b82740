//! What a run, or one step of it, has changed: file by file, in numbers, as a patch.
//!
//! Asks checkpoints and nothing else, so it says the same however often it is asked; only what a run has changed up to now
//! is read from the files. Where several steps worked in one folder at the same time nobody knows who changed what, and
//! it says so.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use crate::{
    base::RunId,
    driver::{Loaded, before_name, beside, is_told_apart, last_before, may_have_changed},
    execute::workspace::{Bounds, ChangeKind, Oid, Point, Repository, WorkspaceFault, encode},
    scheduler::InstanceId,
    service::{
        logs::no_step,
        refusal::Refusal,
        rollback::{Target, inside, refused},
        runs::Runs,
    },
};

/// The version of what `diff` prints for programs.
pub const CHANGES_VERSION: u32 = 2;
/// Steps that a note names.
const NAMED_MAX: usize = 10;

/// Which changes.
#[derive(Debug, Clone)]
pub enum Extent {
    /// From the state before the run to the files as they are.
    Run,
    /// From the state before the run to a checkpoint.
    UpTo(String),
    /// What one step has changed.
    Step(String),
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// From the project's folder, or from the repository's where it lies outside.
    pub path: String,
    /// What has become of it.
    pub kind: ChangeKind,
    /// New lines; absent for what has no lines.
    pub added: Option<u64>,
    /// Lines that are gone.
    pub removed: Option<u64>,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Of the form.
    pub version: u32,
    /// The run.
    pub run: String,
    /// The step, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// File by file.
    pub files: Vec<FileChange>,
    /// What must be known to read it right.
    pub notes: Vec<String>,
    /// All of it, as text that `git apply` takes.
    #[serde(skip)]
    pub patch: Vec<u8>,
}

/// Two states.
pub(super) struct Between {
    pub from: Oid,
    pub to: Oid,
    pub notes: Vec<String>,
}

impl Runs {
    /// What has changed.
    ///
    /// # Errors
    /// A step or a checkpoint that is not there, files that cannot be read.
    pub fn changes(&self, run: &RunId, extent: &Extent, paths: &[PathBuf]) -> Result<Changes, Refusal> {
        let repository = self.repository()?;
        let paths = inside(&repository, paths)?;
        let start = || self.checkpoint(&repository, run, &Target::Start).map(|(_, start)| start);
        let between = match extent {
            Extent::Run => {
                let to = repository.now(Bounds::default()).map_err(|fault| refused(&fault))?;
                Between { from: start()?, to, notes: Vec::new() }
            }
            Extent::UpTo(name) => {
                let to = self.checkpoint(&repository, run, &Target::Named(name.clone()))?.1;
                Between { from: start()?, to, notes: Vec::new() }
            }
            Extent::Step(step) => of_step(&repository, &self.load(run, |_, _, _| {})?, step)?,
        };
        let Between { from, to, notes } = between;
        let files = files(&repository, (&from, &to), &paths).map_err(|fault| refused(&fault))?;
        let patch = repository.patch(&from, &to, &paths).map_err(|fault| refused(&fault))?;
        let step = match extent {
            Extent::Step(step) => Some(step.clone()),
            Extent::Run | Extent::UpTo(_) => None,
        };
        Ok(Changes { version: CHANGES_VERSION, run: run.to_string(), step, files, notes, patch })
    }
}

/// The states before and after a step: that of its checkpoint, or what a person is shown of it now.
pub(super) fn of_step(repository: &Repository, loaded: &Loaded, step: &str) -> Result<Between, Refusal> {
    let (run, scheduler) = (&loaded.summary.run, &loaded.scheduler);
    let fault = |fault: WorkspaceFault| refused(&fault);
    let instance = scheduler.instances().rev().find(|one| scheduler.path(*one).as_str() == step);
    let review = instance.and_then(|instance| scheduler.question(instance)?.review.as_deref());
    let asked = review.and_then(|review| Some((Oid::parse(&review.from)?, Oid::parse(&review.to)?)));
    if let (Some((from, to)), Some(instance)) = (asked, instance) {
        return Ok(Between { from, to, notes: notes(loaded, instance) });
    }
    let mut told = instance.map(|instance| notes(loaded, instance)).unwrap_or_default();
    let mut from;
    match instance {
        Some(instance) => {
            let name = before_name(scheduler, instance);
            from = repository.find(&Point::Base(&name).reference(run)).map_err(fault)?;
            if from.is_none() && may_have_changed(scheduler, instance) {
                from = last_before(scheduler, instance);
                if from.is_none() {
                    from = repository.find(&Point::Start.reference(run)).map_err(fault)?;
                }
                if !is_told_apart(scheduler.plan_step(instance).1) {
                    told.push("what anybody changed between the step before it and this one is in it".to_owned());
                }
            }
        }
        None => from = unit_base(repository, run, step).map_err(fault)?,
    }
    if instance.is_none() && from.is_none() {
        return Err(no_step(run, step));
    }
    let kept = instance.and_then(|instance| Oid::parse(scheduler.envelope(instance)?.checkpoint.as_deref()?));
    let to = match kept {
        Some(kept) => Some(kept),
        None => repository.find(&Point::Step(step).reference(run)).map_err(fault)?,
    };
    let (Some(from), Some(to)) = (from, to) else {
        let message = format!("run {run} has kept no state before and after `{step}`");
        let help = "only steps that have finished and may change files have one; of a step that holds others, name one of \
                    those";
        return Err(Refusal::new(11, "E0340", message, help));
    };
    Ok(Between { from, to, notes: told })
}

/// The state that the last unit of a path began from.
fn unit_base(repository: &Repository, run: &RunId, path: &str) -> Result<Option<Oid>, WorkspaceFault> {
    let begins = format!("refs/orch/{run}/base/{}-", encode(path));
    let number = |name: &str| name.strip_prefix(&begins)?.parse::<u32>().ok();
    let points = repository.points(run)?;
    let found =
        points.into_iter().filter_map(|(name, oid)| Some((number(&name)?, oid))).max_by_key(|(place, _)| *place);
    Ok(found.map(|(_, oid)| oid))
}

fn notes(loaded: &Loaded, instance: InstanceId) -> Vec<String> {
    let others = beside(&loaded.scheduler, instance);
    if others.is_empty() {
        return Vec::new();
    }
    let named: Vec<_> = others.iter().take(NAMED_MAX).map(|path| format!("`{path}`")).collect();
    let more = others.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    vec![format!(
        "other steps worked in the same folder at the same time, and nobody knows who changed what: this may hold changes \
         of {}{more}",
        named.join(", ")
    )]
}

pub(super) fn files(
    repository: &Repository,
    (from, to): (&Oid, &Oid),
    paths: &[PathBuf],
) -> Result<Vec<FileChange>, WorkspaceFault> {
    let counts = repository.counts(from, to, paths)?;
    let kinds: BTreeMap<_, _> =
        repository.changes(from, to)?.into_iter().map(|change| (change.path.clone(), change.kind())).collect();
    let file = |count: crate::execute::workspace::Count| {
        let kind = *kinds.get(&count.path)?;
        let path = count.path.strip_prefix(repository.inner()).unwrap_or(&count.path).display().to_string();
        let (added, removed) = count.lines.unzip();
        Some(FileChange { path, kind, added, removed })
    };
    Ok(counts.into_iter().filter_map(file).collect())
}
