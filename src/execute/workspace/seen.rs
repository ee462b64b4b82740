//! Which tree the files of a folder stand for, as long as nobody has touched any of them: then git need not be asked.
//!
//! A file is what its time stamps, its size and its inode say. What was changed so lately that a further change could have
//! the same stamps is not trusted, and neither is a folder with other repositories in it, or with very many files: git
//! looks at those. Lives as long as its process: a tree of an earlier one may have been taken away by the user's `git gc`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use super::Oid;
use crate::guard::{Found, Root};

/// A larger folder is looked at by git alone.
const FILES_MAX: usize = 20_000;
/// A file changed this recently may change again without a new time stamp.
const FRESH: Duration = Duration::from_millis(100);

/// When a file was last touched in any way; a clock that stands before 1970 is no clock.
fn touched(found: &Found) -> SystemTime {
    let (seconds, nanoseconds) = found.changed.max(found.modified);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX / 4);
    SystemTime::UNIX_EPOCH + Duration::new(seconds, u32::try_from(nanoseconds).unwrap_or_default())
}

/// The files of a folder as they stood at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    stamps: BTreeMap<PathBuf, Found>,
    is_settled: bool,
}

/// Where to look.
pub(super) struct Ground<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// What lies in it and is not part of it.
    pub state: &'a Path,
    /// Files elsewhere that say what counts: lists of what to ignore, the user's index.
    pub also: &'a [PathBuf],
    /// Folders that git ignores with all that is in them.
    pub ignored: &'a BTreeSet<PathBuf>,
}

impl Files {
    /// How they stand now; `None` where they cannot be told so.
    pub(super) fn now(ground: &Ground<'_>) -> Option<Self> {
        let begun = SystemTime::now();
        let mut stamps = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        let beneath = Root::open(ground.folder).ok()?;
        while let Some(folder) = folders.pop() {
            for (name, found) in beneath.entries(&folder).ok()? {
                let path = folder.join(&name);
                if name == ".git" {
                    if folder.as_os_str().is_empty() {
                        continue;
                    }
                    return None;
                }
                if found.is_dir() {
                    if !ground.ignored.contains(&path) && ground.folder.join(&path) != ground.state {
                        folders.push(path);
                    }
                    continue;
                }
                stamps.insert(path, found);
                if stamps.len() > FILES_MAX {
                    return None;
                }
            }
        }
        let elsewhere = ground.also.iter().filter_map(|path| Some((path.clone(), stamp(path)?)));
        stamps.extend(elsewhere);
        let is_settled = stamps.values().all(|stamp| touched(stamp) + FRESH < begun);
        Some(Self { stamps, is_settled })
    }
}

/// What is known of one index.
#[derive(Debug, Clone)]
struct Known {
    index: Found,
    ignored: BTreeSet<PathBuf>,
    files: Option<Files>,
    tree: Oid,
}

/// The trees of index files.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<HashMap<PathBuf, Known>>>);

impl Seen {
    /// The folders that were ignored when an index was last written.
    pub(super) fn ignored(&self, index: &Path) -> Option<BTreeSet<PathBuf>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(index).map(|known| known.ignored.clone())
    }

    /// The tree that these files stand for, if they have stood so since this process wrote the index.
    pub(super) fn tree(&self, index: &Path, files: &Files) -> Option<Oid> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(index)?;
        let known_files = known.files.as_ref().filter(|known| known.is_settled)?;
        let is_same = known_files == files && stamp(index)? == known.index;
        is_same.then(|| known.tree.clone())
    }

    /// Remembers which tree these files stand for; they were looked at before git was asked.
    pub(super) fn keep(&self, index: &Path, ignored: BTreeSet<PathBuf>, files: Option<Files>, tree: &Oid) {
        let Some(stamp) = stamp(index) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(index.to_path_buf(), Known { index: stamp, ignored, files, tree: tree.clone() });
    }
}

fn stamp(path: &Path) -> Option<Found> {
    fs::metadata(path).ok().map(|found| Found::from(&found))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_known_until_a_file_or_the_index_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (root, index, list) = (folder.path().join("w"), folder.path().join("index"), folder.path().join("list"));
        for inner in ["w/src", "w/build", "w/state", "w/.git"] {
            fs::create_dir_all(folder.path().join(inner)).unwrap();
        }
        for file in ["w/src/a", "w/build/b", "index", "list", "w/state/journal", "w/.git/HEAD"] {
            fs::write(folder.path().join(file), "1").unwrap();
        }
        let (ignored, also, state) = (BTreeSet::from([PathBuf::from("build")]), vec![list.clone()], root.join("state"));
        let now = || Files::now(&Ground { folder: &root, state: &state, also: &also, ignored: &ignored }).unwrap();
        let (seen, tree) = (Seen::default(), Oid::parse(&"a".repeat(40)).unwrap());
        let keep = || {
            std::thread::sleep(FRESH * 2);
            seen.keep(&index, ignored.clone(), Some(now()), &tree);
            assert_eq!(seen.tree(&index, &now()), Some(tree.clone()));
        };
        assert_eq!(seen.tree(&index, &now()), None);
        seen.keep(&index, ignored.clone(), Some(now()), &tree);
        assert_eq!(
            seen.tree(&index, &now()),
            None,
            "what has just been written may be written again at the same moment"
        );
        keep();
        for harmless in ["w/build/b", "w/build/new", "w/state/journal", "w/.git/HEAD"] {
            fs::write(folder.path().join(harmless), "2").unwrap();
            assert!(seen.tree(&index, &now()).is_some(), "{harmless}");
        }
        for file in ["w/src/a", "w/new", "list", "index"] {
            fs::write(folder.path().join(file), "2").unwrap();
            assert_eq!(seen.tree(&index, &now()), None, "{file}");
            keep();
        }
        fs::remove_file(root.join("new")).unwrap();
        assert_eq!(seen.tree(&index, &now()), None, "a file has gone");
        fs::create_dir_all(root.join("inner/.git")).unwrap();
        let ground = Ground { folder: &root, state: &state, also: &also, ignored: &ignored };
        assert_eq!(Files::now(&ground), None, "another repository is for git to look at");
    }
}
