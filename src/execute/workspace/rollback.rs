//! Takes the project's files back to a checkpoint, or brings them what was merged. Both can be undone.

use std::path::{Path, PathBuf};

use crate::base::RunId;

use super::{
    Bounds, Change, Checkpoint, Oid, Point, Repository, Stat, WorkspaceFault, difference::is_among, lock::Lock,
};

/// What a rollback would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// File by file, from what is there now.
    pub changes: Vec<Change>,
    /// In numbers.
    pub stat: Stat,
    /// The files now, as a tree; a preview is of exactly this state.
    pub seen: Oid,
    /// Submodules and repositories inside, which stay as they are.
    pub left_out: Vec<PathBuf>,
}

/// What a rollback has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// File by file.
    pub changes: Vec<Change>,
    /// The state before, to go back to.
    pub undo: Checkpoint,
}

/// What a delivery has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// File by file.
    pub changes: Vec<Change>,
    /// What was as it should be already.
    pub there: usize,
    /// The state before, to go back to; `None` where nothing had to change.
    pub undo: Option<Checkpoint>,
}

impl Repository {
    /// What going back to a commit would do: to all files, or to these paths and what lies below them.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn preview(&self, to: &Oid, paths: &[PathBuf]) -> Result<Preview, WorkspaceFault> {
        let lock = self.lock()?;
        self.preview_with(&lock, to, paths).map(|(preview, _)| preview)
    }

    fn preview_with(
        &self,
        lock: &Lock,
        to: &Oid,
        paths: &[PathBuf],
    ) -> Result<(Preview, Vec<PathBuf>), WorkspaceFault> {
        // A file of the checkpoint may be ignored by now; it is looked at all the same.
        let also = self.paths_of(to)?;
        let snapshot = self.look_at_project(lock, &also, Bounds::default())?;
        let (wanted, submodules): (Vec<_>, Vec<_>) = self
            .changes(&snapshot.tree, to)?
            .into_iter()
            .filter(|change| is_among(&change.path, paths))
            .partition(|change| !change.is_submodule());
        let stat = self.stat(&snapshot.tree, to, paths)?;
        let mut left_out = snapshot.left_out;
        left_out.extend(submodules.into_iter().map(|change| change.path));
        Ok((Preview { changes: wanted, stat, seen: snapshot.tree, left_out }, also))
    }

    /// Goes back to a commit. The state before is a checkpoint; going back to that one is the undo.
    ///
    /// # Errors
    /// When files are in the way that no checkpoint would hold. Nothing has changed then.
    pub fn roll_back(
        &self,
        run: &RunId,
        to: &Oid,
        paths: &[PathBuf],
        message: &str,
    ) -> Result<Rollback, WorkspaceFault> {
        let lock = self.lock()?;
        self.finish_intent(&lock)?;
        let (preview, also) = self.preview_with(&lock, to, paths)?;
        let undo = self.keep_before(run, &preview.seen, message)?;
        self.apply(&lock, &preview.seen, &also, &preview.changes)?;
        Ok(Rollback { changes: preview.changes, undo })
    }

    /// Brings the project what has become of `base`: the files that differ between it and `result`, and no others.
    ///
    /// # Errors
    /// When the user has changed one of them since; the list says which. Nothing has changed then.
    pub fn deliver(&self, run: &RunId, base: &Oid, result: &Oid, message: &str) -> Result<Delivery, WorkspaceFault> {
        let lock = self.lock()?;
        self.finish_intent(&lock)?;
        let wanted: Vec<_> = self.changes(base, result)?.into_iter().filter(|change| !change.is_submodule()).collect();
        let also: Vec<_> = wanted.iter().map(|change| change.path.clone()).collect();
        let seen = self.look_at_project(&lock, &also, Bounds::default())?.tree;
        let own = self.changes(base, &seen)?;
        let (mut changes, mut paths, mut there) = (Vec::new(), Vec::new(), 0);
        for change in wanted {
            let mut own =
                own.iter().filter(|own| own.path.starts_with(&change.path) || change.path.starts_with(&own.path));
            match own.next() {
                None => changes.push(change),
                Some(first) if first.path == change.path && first.to == change.to => there += 1,
                // What the user has taken away on the way to a new file is not in the way.
                Some(first) if first.path != change.path && first.to.is_none() && own.all(|own| own.to.is_none()) => {
                    changes.push(change)
                }
                Some(first) => paths.push(first.path.clone()),
            }
        }
        if !paths.is_empty() {
            paths.dedup();
            return Err(WorkspaceFault::InTheWay { paths });
        }
        if changes.is_empty() {
            return Ok(Delivery { changes, there, undo: None });
        }
        let undo = self.keep_before(run, &seen, message)?;
        self.apply(&lock, &seen, &also, &changes)?;
        Ok(Delivery { changes, there, undo: Some(undo) })
    }

    /// Keeps the state before a change under the next free name.
    fn keep_before(&self, run: &RunId, tree: &Oid, message: &str) -> Result<Checkpoint, WorkspaceFault> {
        let taken = self.points(run)?;
        let number = (1..).find(|number| {
            let name = Point::Undo(*number).reference(run);
            !taken.iter().any(|(other, _)| *other == name)
        });
        let point = Point::Undo(number.unwrap_or_default());
        let snapshot = super::Snapshot { tree: tree.clone(), left_out: Vec::new() };
        self.keep(run, &point, &snapshot, message)
    }
}

/// A path that a user gave, relative to the top of the working tree.
///
/// # Errors
/// A path that leads out of it.
pub(super) fn inner_path(inner: &Path, given: &Path) -> Option<PathBuf> {
    let mut path = inner.to_path_buf();
    for part in given.components() {
        match part {
            std::path::Component::Normal(name) => path.push(name),
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            std::path::Component::RootDir | std::path::Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

impl Repository {
    /// A path that a user gave from the project's folder, as checkpoints name it; `None` if it leads out.
    #[must_use]
    pub fn path(&self, given: &Path) -> Option<PathBuf> {
        inner_path(self.inner(), given)
    }
}
