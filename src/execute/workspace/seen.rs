//! Which tree an index file stands for, as long as nobody has written it again: a working tree in which nothing has changed
//! since then needs no new tree.
//!
//! Lives as long as its process: a tree of an earlier one may have been taken away by the user's `git gc`.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::Oid;

/// What tells one writing of a file from the next: each one is a new file.
type Stamp = (u64, u64, i64, i64, u64);

/// The trees of index files.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<HashMap<PathBuf, (Stamp, Oid)>>>);

impl Seen {
    /// The tree that an index stands for, if this process knows it.
    pub(super) fn tree(&self, index: &Path) -> Option<Oid> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, tree) = all.get(index)?;
        (stamp(index)? == *known).then(|| tree.clone())
    }

    /// Remembers it.
    pub(super) fn keep(&self, index: &Path, tree: &Oid) {
        let Some(stamp) = stamp(index) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(index.to_path_buf(), (stamp, tree.clone()));
    }
}

fn stamp(index: &Path) -> Option<Stamp> {
    let found = fs::metadata(index).ok()?;
    Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_known_until_somebody_writes_the_index_again() {
        let folder = tempfile::tempdir().unwrap();
        let (index, other) = (folder.path().join("index"), folder.path().join("other"));
        let (seen, tree) = (Seen::default(), Oid::parse(&"a".repeat(40)).unwrap());
        assert_eq!(seen.tree(&index), None);
        fs::write(&index, "one").unwrap();
        seen.keep(&index, &tree);
        assert_eq!(seen.clone().tree(&index), Some(tree));
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &index).unwrap();
        assert_eq!(seen.tree(&index), None);
    }
}
