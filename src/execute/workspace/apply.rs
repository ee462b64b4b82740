//! Changes the files of the project: all of them or none, and in the time that it takes to rename them.
//!
//! Contents are put aside first; then it is checked once more that nobody has changed anything; only then names change.
//!
//! Invariants: a file that is not what the caller saw is never overwritten; nothing is written through a link; the index
//! and the branch stay.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Bounds, Change, Oid, Repository, WorkspaceFault, lock::Lock, repository::unique_beside};
use crate::guard::Root;

impl Repository {
    /// Makes these changes to the project, whose files were `seen` when they were worked out.
    pub(super) fn apply(
        &self,
        lock: &Lock,
        seen: &Oid,
        also: &[PathBuf],
        changes: &[Change],
    ) -> Result<(), WorkspaceFault> {
        if changes.is_empty() {
            return Ok(());
        }
        let paths = in_the_way(self.top(), changes);
        if !paths.is_empty() {
            return Err(WorkspaceFault::InTheWay { paths });
        }
        let stage = unique_beside(&self.state().join("git/stage"));
        let contents: Vec<_> = changes
            .iter()
            .enumerate()
            .filter(|(_, change)| !change.is_submodule())
            .filter_map(|(number, change)| Some((number, change.to.as_ref()?)))
            .collect();
        let staged = self.stage(&stage, &contents).and_then(|()| {
            let now = self.look_at_project(lock, also, Bounds::default())?.tree;
            let paths = if now == *seen { in_the_way(self.top(), changes) } else { self.paths_between(seen, &now)? };
            if paths.is_empty() { self.intend(&stage, changes) } else { Err(WorkspaceFault::InTheWay { paths }) }
        });
        if let Err(fault) = staged {
            fs::remove_dir_all(&stage).ok();
            return Err(fault);
        }
        let all: Vec<_> = (0..changes.len()).filter(|number| !changes[*number].is_submodule()).collect();
        // A fault here leaves the intent, which the next one who takes the repository finishes.
        perform(self.top(), &stage, changes, &all)?;
        self.intent_done(&stage);
        Ok(())
    }

    fn paths_between(&self, from: &Oid, to: &Oid) -> Result<Vec<PathBuf>, WorkspaceFault> {
        Ok(self.changes(from, to)?.into_iter().map(|change| change.path).collect())
    }
}

/// Changes names: first what goes, then what comes. Doing it again changes nothing more.
pub(super) fn perform(top: &Path, stage: &Path, changes: &[Change], which: &[usize]) -> Result<(), WorkspaceFault> {
    let failed = |path: &Path| WorkspaceFault::io(format!("change {}", top.join(path).display()));
    let root = Root::open(top).map_err(failed(Path::new("")))?;
    for change in which.iter().map(|number| &changes[*number]).filter(|change| change.to.is_none()) {
        remove(&root, &change.path).map_err(failed(&change.path))?;
    }
    for number in which {
        let change = &changes[*number];
        let from = stage.join(number.to_string());
        if change.to.is_some() && fs::symlink_metadata(&from).is_ok() {
            put(&root, &change.path, &from).map_err(failed(&change.path))?;
        }
    }
    Ok(())
}

fn remove(root: &Root, path: &Path) -> io::Result<()> {
    // Behind a link, or below what is no folder, there is nothing of the project.
    let folder = path.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() && !root.look(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    root.remove_file(path)?;
    for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        // Fails where something is left in it, which is what is wanted.
        if root.remove_folder(folder).is_err() {
            break;
        }
    }
    Ok(())
}

fn put(root: &Root, path: &Path, from: &Path) -> io::Result<()> {
    if root.look(path).is_ok_and(|found| found.is_dir()) {
        remove_empty(root, path)?;
    }
    root.take(from, path)
}

/// Removes folders that hold nothing but folders.
fn remove_empty(root: &Root, folder: &Path) -> io::Result<()> {
    for (name, found) in root.entries(folder)? {
        if found.is_dir() {
            remove_empty(root, &folder.join(name))?;
        }
    }
    root.remove_folder(folder).map(drop)
}

/// Whether no folder on the way is a link.
fn is_plain(top: &Path, path: &Path) -> bool {
    let mut above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    !above.any(|above| fs::symlink_metadata(top.join(above)).is_ok_and(|found| found.is_symlink()))
}

/// What stands where something must come and is not about to go: files that git ignores, above all.
fn in_the_way(top: &Path, changes: &[Change]) -> Vec<PathBuf> {
    let known: HashSet<&Path> =
        changes.iter().filter(|change| change.from.is_some()).map(|change| change.path.as_path()).collect();
    let going: HashSet<&Path> =
        changes.iter().filter(|change| change.to.is_none()).map(|change| change.path.as_path()).collect();
    let mut paths = Vec::new();
    for change in changes.iter().filter(|change| change.to.is_some() && !change.is_submodule()) {
        for above in change.path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
            let is_other = fs::symlink_metadata(top.join(above)).is_ok_and(|found| !found.is_dir());
            if is_other && !going.contains(above) {
                paths.push(above.to_path_buf());
            }
        }
        match fs::symlink_metadata(top.join(&change.path)) {
            // Behind a link that goes, there is nothing.
            Ok(_) if !is_plain(top, &change.path) => {}
            Ok(found) if found.is_dir() => stays(top, &change.path, &going, &mut paths),
            Ok(_) if !known.contains(change.path.as_path()) => paths.push(change.path.clone()),
            Ok(_) | Err(_) => {}
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

/// The files below a folder that are not about to go.
fn stays(top: &Path, folder: &Path, going: &HashSet<&Path>, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(top.join(folder)).into_iter().flatten().flatten() {
        let path = folder.join(entry.file_name());
        if entry.file_type().is_ok_and(|found| found.is_dir()) {
            stays(top, &path, going, paths);
        } else if !going.contains(path.as_path()) {
            paths.push(path);
        }
    }
}
