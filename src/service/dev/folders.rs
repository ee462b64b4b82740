//! Which folders must be watched so that no change of a definition stays unseen.
//!
//! A tree counts with every folder in it, also those that links lead to; a folder that is not there yet counts as the
//! nearest one above it that is. Reads names, never contents.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Folders that are watched at most.
const FOLDERS_MAX: usize = 100_000;
/// Folders inside each other at most, as where definitions are looked for.
const DEPTH_MAX: usize = 32;
/// Where no definition is looked for.
const IGNORED: [&str; 2] = [".git", "node_modules"];

/// What tells one folder from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl Mark {
    /// The mark of the folder at a path; `None` where there is none.
    fn of(path: &Path) -> Option<Self> {
        let found = path.metadata().ok()?;
        let mark = Self { device: found.dev(), inode: found.ino(), born: found.created().ok() };
        found.is_dir().then_some(mark)
    }
}

/// Real paths of folders, and which folder each is.
pub(super) type Folders = BTreeMap<PathBuf, Mark>;

/// The folders to watch: all of `trees`, and `alone` without what is in them. Those above them count up to the nearest
/// of `bases`, because a folder that is renamed is seen only from above.
pub(super) fn folders(trees: &[PathBuf], alone: &[PathBuf], bases: &[PathBuf]) -> Folders {
    let mut walk = Walk { found: Folders::new(), walked: BTreeSet::new() };
    for top in trees {
        walk.above(top, bases);
        if let Some(real) = walk.one(top) {
            walk.tree(&real, 0);
        }
    }
    for folder in alone {
        walk.above(folder, bases);
        walk.one(folder);
    }
    walk.found
}

struct Walk {
    found: Folders,
    /// Folders that were looked into; a link back to one of them ends there.
    walked: BTreeSet<PathBuf>,
}

impl Walk {
    /// The folders above one, up to a base; at least the nearest one that is there.
    fn above(&mut self, path: &Path, bases: &[PathBuf]) {
        let mut seen = false;
        for folder in path.ancestors().skip(1) {
            let is_base = bases.iter().any(|base| base == folder);
            let is_inside = bases.iter().any(|base| folder.starts_with(base));
            if seen && !is_inside {
                return;
            }
            seen |= self.one(folder).is_some();
            if seen && is_base {
                return;
            }
        }
    }

    /// One folder, by its real path.
    fn one(&mut self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok()?;
        if !self.found.contains_key(&real) && self.found.len() < FOLDERS_MAX {
            self.found.insert(real.clone(), Mark::of(&real)?);
        }
        self.found.contains_key(&real).then_some(real)
    }

    /// What is below a folder that is noted already.
    fn tree(&mut self, folder: &Path, depth: usize) {
        if depth > DEPTH_MAX || !self.walked.insert(folder.to_path_buf()) {
            return;
        }
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_symlink() {
                self.link(&path, depth);
            } else if kind.is_dir() && !IGNORED.iter().any(|name| entry.file_name() == *name) {
                self.below(path, depth);
            }
        }
    }

    fn below(&mut self, folder: PathBuf, depth: usize) {
        if self.found.len() < FOLDERS_MAX
            && let Some(mark) = Mark::of(&folder)
        {
            self.found.insert(folder.clone(), mark);
            self.tree(&folder, depth + 1);
        }
    }

    /// What a link leads to: a folder with all that is in it, or a file, which is watched from its own folder.
    fn link(&mut self, path: &Path, depth: usize) {
        match path.canonicalize() {
            Ok(real) if real.is_dir() => {
                self.below(real.clone(), depth);
                self.above(&real, &[]);
            }
            Ok(real) => self.above(&real, &[]),
            Err(_) => {
                // It leads nowhere yet.
                if let (Ok(target), Some(folder)) = (fs::read_link(path), path.parent()) {
                    self.above(&folder.join(target), &[]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn trees_links_and_what_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let base = root.join("project");
        for path in ["project/a/b/c", "project/a/.git/x", "shared/deep", "files", "project/.claude"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::write(root.join("files/one.md"), "").unwrap();
        symlink(root.join("shared"), base.join("a/link")).unwrap();
        symlink(root.join("files/one.md"), base.join("a/one.md")).unwrap();
        symlink(base.join("a"), base.join("a/b/back")).unwrap();
        let trees = [base.join("a"), base.join("missing/deep"), base.join(".claude/agents")];
        let found = folders(&trees, &[], std::slice::from_ref(&base));
        let names: Vec<_> = found.keys().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect();
        let expected = [
            "",
            "files",
            "project",
            "project/.claude",
            "project/a",
            "project/a/b",
            "project/a/b/c",
            "shared",
            "shared/deep",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_folder_that_was_made_anew_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&path).unwrap();
        let before = Mark::of(&path);
        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        assert_ne!(before, Mark::of(&path));
        fs::write(path.join("x"), "").unwrap();
        assert_eq!(Mark::of(&aside), before);
    }
}
