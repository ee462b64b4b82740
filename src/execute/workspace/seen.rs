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
/// The same where a file system counts in whole seconds, or in two at once.
const FRESH_COARSE: Duration = Duration::from_millis(2100);
/// What says in a folder what git ignores there, and that a folder is a cache.
const RULES: [&str; 2] = [".gitignore", CACHE_TAG];
/// Stands in a folder that its maker calls a cache.
pub(super) const CACHE_TAG: &str = "CACHEDIR.TAG";

/// Whether a file was touched so long ago that a change after `now` gives it another stamp.
pub(super) fn is_settled(found: &Found, now: SystemTime) -> bool {
    let (seconds, nanoseconds) = found.changed.max(found.modified);
    // A clock that stands before 1970 is no clock.
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX / 4);
    let touched = SystemTime::UNIX_EPOCH + Duration::new(seconds, u32::try_from(nanoseconds).unwrap_or_default());
    touched + if found.changed.1 == 0 { FRESH_COARSE } else { FRESH } < now
}

/// The files of a folder as they stood at one moment.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// Those of the folder by their paths in it, those elsewhere by their whole paths.
    stamps: BTreeMap<PathBuf, Found>,
    begun: SystemTime,
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
                    if ground.ignored.contains(&path) {
                        let tag = path.join(CACHE_TAG);
                        stamps.extend(beneath.look(&tag).ok().map(|found| (tag, Found::from(&found))));
                    } else if ground.folder.join(&path) != ground.state {
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
        Some(Self { stamps, begun })
    }

    /// The same as if these folders had been known to be ignored.
    fn without(mut self, ignored: &BTreeSet<PathBuf>) -> Self {
        self.stamps.retain(|path, _| {
            let Some(parent) = path.parent().filter(|_| path.is_relative()) else { return true };
            let is_tag = path.ends_with(CACHE_TAG) && ignored.contains(parent);
            is_tag || !parent.ancestors().any(|above| ignored.contains(above))
        });
        self
    }

    /// Those that say what is ignored.
    fn rules(&self) -> impl Iterator<Item = (&PathBuf, &Found)> {
        self.stamps.iter().filter(|(path, _)| path.is_absolute() || RULES.iter().any(|rule| path.ends_with(rule)))
    }
}

/// What is known of one index.
#[derive(Debug)]
pub(super) struct Known {
    index: Found,
    ignored: BTreeSet<PathBuf>,
    files: Option<Files>,
    tree: Oid,
}

impl Known {
    /// The folders that were ignored when the index was written.
    pub fn ignored(&self) -> &BTreeSet<PathBuf> {
        &self.ignored
    }

    /// The tree that these files stand for, if they have stood so since this process wrote the index.
    pub fn tree(&self, index: &Path, files: &Files) -> Option<&Oid> {
        let known = self.files.as_ref()?;
        let is_same = known.stamps == files.stamps && stamp(index)? == self.index;
        (is_same && known.stamps.values().all(|stamp| is_settled(stamp, known.begun))).then_some(&self.tree)
    }

    /// Whether the same folders are ignored with these files: no rule has been touched, and nothing has come to be tracked.
    pub fn ignores_the_same(&self, index: &Path, files: &Files) -> bool {
        let Some(known) = &self.files else { return false };
        let is_same = known.rules().eq(files.rules()) && stamp(index) == Some(self.index);
        is_same && known.rules().all(|(_, stamp)| is_settled(stamp, known.begun))
    }
}

/// The trees of index files.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<HashMap<PathBuf, Arc<Known>>>>);

impl Seen {
    /// What is known of an index.
    pub fn known(&self, index: &Path) -> Option<Arc<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }

    /// Remembers which tree these files stand for; they were looked at before git was asked.
    pub fn keep(&self, index: &Path, ignored: BTreeSet<PathBuf>, files: Option<Files>, tree: &Oid) {
        let Some(stamp) = stamp(index) else { return };
        let files = files.map(|files| files.without(&ignored));
        self.learn(index, Arc::new(Known { index: stamp, ignored, files, tree: tree.clone() }));
    }

    /// Takes over what was remembered elsewhere.
    pub fn learn(&self, index: &Path, known: Arc<Known>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(index.to_path_buf(), known);
    }

    /// Gives up what is known of an index.
    pub fn forget(&self, index: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(index);
    }
}

/// How a file stands; of a link, what it leads to.
pub(super) fn stamp(path: &Path) -> Option<Found> {
    fs::metadata(path).ok().map(|found| Found::from(&found))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    /// A folder with files, one that is ignored, the store and a list elsewhere; an index beside them.
    struct World {
        folder: tempfile::TempDir,
        seen: Seen,
        tree: Oid,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for inner in ["w/src", "w/build", "w/state", "w/.git"] {
                fs::create_dir_all(folder.path().join(inner)).unwrap();
            }
            for file in ["w/src/a", "w/build/b", "index", "list", "w/state/journal", "w/.git/HEAD"] {
                fs::write(folder.path().join(file), "1").unwrap();
            }
            Self { folder, seen: Seen::default(), tree: Oid::parse(&"a".repeat(40)).unwrap() }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        fn files(&self, ignored: &BTreeSet<PathBuf>) -> Option<Files> {
            let (root, also) = (self.path("w"), [self.path("list")]);
            Files::now(&Ground { folder: &root, state: &root.join("state"), also: &also, ignored })
        }

        /// What is known of the files as they are now.
        fn known(&self) -> Option<Oid> {
            let known = self.seen.known(&self.path("index"))?;
            known.tree(&self.path("index"), &self.files(&known.ignored)?).cloned()
        }

        fn keep(&self) {
            self.seen.keep(&self.path("index"), ignored(), self.files(&BTreeSet::new()), &self.tree);
        }

        fn keep_settled(&self) {
            std::thread::sleep(FRESH * 2);
            self.keep();
            assert_eq!(self.known(), Some(self.tree.clone()));
        }

        fn ignores_the_same(&self) -> bool {
            let known = self.seen.known(&self.path("index")).unwrap();
            known.ignores_the_same(&self.path("index"), &self.files(&known.ignored).unwrap())
        }
    }

    fn ignored() -> BTreeSet<PathBuf> {
        BTreeSet::from([PathBuf::from("build")])
    }

    #[test]
    fn a_tree_is_known_until_a_file_or_the_index_is_touched() {
        let world = World::new();
        assert_eq!(world.known(), None);
        world.keep();
        assert_eq!(world.known(), None, "what has just been written may be written again at the same moment");
        world.keep_settled();
        for harmless in ["w/build/b", "w/build/new", "w/state/journal", "w/.git/HEAD"] {
            fs::write(world.path(harmless), "2").unwrap();
            assert!(world.known().is_some(), "{harmless}");
        }
        for file in ["w/src/a", "w/new", "w/build/CACHEDIR.TAG", "list", "index"] {
            fs::write(world.path(file), "2").unwrap();
            assert_eq!(world.known(), None, "{file}");
            world.keep_settled();
        }
        fs::remove_file(world.path("w/new")).unwrap();
        assert_eq!(world.known(), None, "a file has gone");
        world.keep_settled();
        world.seen.forget(&world.path("index"));
        assert_eq!(world.known(), None);
        fs::create_dir_all(world.path("w/inner/.git")).unwrap();
        assert!(world.files(&ignored()).is_none(), "another repository is for git to look at");
    }

    #[test]
    fn the_same_is_ignored_until_a_rule_or_the_index_is_touched() {
        let world = World::new();
        world.keep();
        assert!(!world.ignores_the_same(), "a rule that has just been written may be written again at the same moment");
        world.keep_settled();
        fs::write(world.path("w/src/a"), "2").unwrap();
        assert!(world.ignores_the_same(), "a file that is no rule");
        for rule in ["w/.gitignore", "w/src/.gitignore", "w/build/CACHEDIR.TAG", "list", "index"] {
            world.keep_settled();
            fs::write(world.path(rule), "2").unwrap();
            assert!(!world.ignores_the_same(), "{rule}");
        }
    }

    #[test]
    fn a_stamp_of_whole_seconds_is_mistrusted_for_longer() {
        let at = |changed: (i64, i64)| Found { mode: 0, size: 0, device: 0, inode: 0, modified: (10, 0), changed };
        let is_settled = |changed, ms| is_settled(&at(changed), SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        assert!(!is_settled((20, 500_000_000), 20_590) && is_settled((20, 500_000_000), 20_610));
        assert!(
            !is_settled((20, 0), 22_000) && is_settled((20, 0), 22_200),
            "the other change may come two seconds later"
        );
        assert!(!is_settled((9, 0), 10_050), "the later of its two times counts");
    }
}
