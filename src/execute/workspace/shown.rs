//! What a person is shown of a step's work, and whether the files are still as they were shown.

use std::path::PathBuf;

use super::{Bounds, ChangeKind, Oid, Point, Repository, Spaces, Unit, WorkspaceFault, difference::is_among};

/// A difference that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Before.
    pub from: Oid,
    /// As it is shown, kept as a checkpoint.
    pub to: Oid,
    /// File by file.
    pub files: Vec<ShownFile>,
}

/// A file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFile {
    /// From the project's folder.
    pub path: PathBuf,
    /// What has become of it.
    pub kind: ChangeKind,
    /// New lines and lines that are gone; `None` for what has no lines.
    pub lines: Option<(u64, u64)>,
}

impl Spaces {
    /// Keeps the files of a unit, or of the project, as the checkpoint of a step, and says how they differ from a state
    /// before it. Where that has no name, from `earlier`, or from the state before the run.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub fn show(
        &self,
        unit: Option<&Unit>,
        (before, earlier): (&str, Option<&Oid>),
        step: &str,
    ) -> Result<Shown, WorkspaceFault> {
        let to = self.keep(unit, &Point::Step(step), &format!("after {step}"))?.commit;
        let held = self.open()?;
        let from = held.state_before(before, earlier)?;
        let from = from.ok_or_else(|| WorkspaceFault::Unknown(format!("the state before {step}")))?;
        drop(held);
        self.shown(from, to)
    }

    /// How two commits differ.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn shown(&self, from: Oid, to: Oid) -> Result<Shown, WorkspaceFault> {
        let held = self.open()?;
        let kinds = held.repository.changes(&from, &to)?;
        let counts = held.repository.counts(&from, &to, &[])?;
        let file = |count: super::Count| {
            let change = kinds.iter().find(|change| change.path == count.path)?;
            let path = count.path.strip_prefix(held.repository.inner()).unwrap_or(&count.path).to_path_buf();
            Some(ShownFile { path, kind: change.kind(), lines: count.lines })
        };
        let files = counts.into_iter().filter_map(file).collect();
        drop(held);
        Ok(Shown { from, to, files })
    }

    /// The files of a unit, or of the project, that are no longer as they were shown. Where others work in the same
    /// folder only the files that were shown count.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn changed_since(
        &self,
        unit: Option<&Unit>,
        (from, to): (&Oid, &Oid),
        has_others: bool,
    ) -> Result<Vec<PathBuf>, WorkspaceFault> {
        let held = self.open()?;
        let repository: &Repository = &held.repository;
        let now = match unit {
            Some(unit) => {
                let space = held.find(unit)?.ok_or_else(|| WorkspaceFault::Unknown(unit.step.clone()))?;
                space.snapshot()?.tree
            }
            None => repository.now(Bounds::default())?,
        };
        let shown: Vec<_> = if has_others {
            repository.changes(from, to)?.into_iter().map(|change| change.path).collect()
        } else {
            Vec::new()
        };
        if has_others && shown.is_empty() {
            return Ok(Vec::new());
        }
        let changes = repository.changes(&repository.tree_of(to)?, &now)?.into_iter().map(|change| change.path);
        Ok(changes.filter(|path| is_among(path, &shown)).collect())
    }
}
