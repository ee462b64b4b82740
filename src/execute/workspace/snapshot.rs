//! The files of a working tree as a git tree, byte by byte. What git ignores is left out unless it is tracked.
//!
//! The index is a private file that only remembers what was seen, so that the next look reads what has changed.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsString,
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use super::{
    Kind, Oid, Repository, WorkspaceFault,
    git::{list_of, parts, path_of},
    repository::unique_beside,
    seen::{CACHE_TAG, Files, Ground, Known},
};
use crate::{execute::tree::holds_a_place, guard::Found};

/// What a checkpoint may take in anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Bytes of all new and changed files.
    pub bytes_max: u64,
    /// New and changed files.
    pub files_max: usize,
}

impl Default for Bounds {
    /// 100 MB a file, 4 GB and 500,000 files together.
    fn default() -> Self {
        Self { file_bytes_max: 100_000_000, bytes_max: 4_000_000_000, files_max: 500_000 }
    }
}

/// What a working tree held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The tree.
    pub tree: Oid,
    /// Repositories inside that nobody tracks: git keeps nothing of them.
    pub left_out: Vec<PathBuf>,
}

/// Which files to look at.
pub(super) struct Look<'a> {
    /// The working tree.
    pub folder: &'a Path,
    /// The private index.
    pub index: &'a Path,
    /// The git folder that says what is tracked although it is ignored.
    pub tracker: Option<&'a Path>,
    /// Paths that are looked at although they are ignored.
    pub also: &'a [PathBuf],
    /// What an index that is not there yet begins with: what stands there unchanged is nothing new, however large.
    pub seed: Option<&'a Oid>,
    /// How much is taken.
    pub bounds: Bounds,
}

/// What has to be told to the index.
#[derive(Default)]
struct News {
    /// Files that are there, or no longer.
    paths: BTreeSet<PathBuf>,
    /// Entries that nothing on the disk stands for.
    gone: BTreeSet<PathBuf>,
    /// Submodules that are not checked out, as git writes them.
    links: Vec<u8>,
    left_out: Vec<PathBuf>,
    /// Files that are tracked although they are ignored.
    ignored: Vec<PathBuf>,
}

impl Repository {
    /// Takes a snapshot. The caller is the only one who uses this index.
    pub(super) fn snapshot(&self, look: &Look<'_>) -> Result<Snapshot, WorkspaceFault> {
        let known = self.seen.known(look.index);
        let files = self.files(look, known.as_deref().map(Known::ignored));
        if let (Some(known), Some(files)) = (&known, &files)
            && let Some(tree) = known.tree(look.index, files)
        {
            return Ok(Snapshot { tree: tree.clone(), left_out: Vec::new() });
        }
        let same = known.filter(|known| files.as_ref().is_some_and(|files| known.ignores_the_same(look.index, files)));
        let work = unique_beside(look.index);
        let taken = self.snapshot_with(look, &work);
        let taken = match taken {
            // A file of ours that is damaged is only a memory.
            Err(WorkspaceFault::Git { .. }) if look.index.exists() => {
                fs::remove_file(&work).ok();
                fs::remove_file(look.index).ok();
                self.snapshot_with(look, &work)
            }
            taken => taken,
        };
        match taken {
            Ok(snapshot) => {
                fs::rename(&work, look.index).map_err(WorkspaceFault::io(format!("keep {}", look.index.display())))?;
                if look.also.is_empty() {
                    let ignored = same.map_or_else(|| self.ignored_folders(look), |known| known.ignored().clone());
                    self.seen.keep(look.index, ignored, files, &snapshot.tree);
                }
                Ok(snapshot)
            }
            Err(fault) => {
                fs::remove_file(&work).ok();
                Err(fault)
            }
        }
    }

    fn snapshot_with(&self, look: &Look<'_>, work: &Path) -> Result<Snapshot, WorkspaceFault> {
        // A copy: a git that outlives a killed process must not write what the next one reads.
        if look.index.exists() {
            copy_index(look.index, work).map_err(WorkspaceFault::io(format!("read {}", look.index.display())))?;
        } else if let Some(seed) = look.seed {
            self.call(&["read-tree", seed.as_str()]).index(work).run()?;
            let refresh = self.call(&["update-index", "-q", "--refresh"]).tree(look.folder).index(work);
            // 1 says that some differ, which is looked at next.
            refresh.run_any(&[0, 1])?;
        }
        let news = self.news(look, work)?;
        let update =
            |words: &[&str], input: &[u8]| self.call(words).tree(look.folder).index(work).input(input).run().map(drop);
        if !news.gone.is_empty() {
            update(
                &["update-index", "-z", "--force-remove", "--stdin"],
                &list_of(news.gone.iter().map(PathBuf::as_path)),
            )?;
        }
        if !news.links.is_empty() {
            update(&["update-index", "-z", "--add", "--index-info"], &news.links)?;
        }
        let list = list_of(news.paths.iter().map(PathBuf::as_path));
        // Without any path too: the first look at an empty folder needs an index.
        if !list.is_empty() || !work.exists() {
            update(&["update-index", "-z", "--add", "--remove", "--replace", "--stdin"], &list)?;
        }
        let tree = self.call(&["write-tree"]).index(work).oid()?;
        if !work.exists() {
            self.call(&["read-tree", "--empty"]).index(work).run()?;
        }
        Ok(Snapshot { tree, left_out: news.left_out })
    }

    /// What differs from what the index remembers.
    fn news(&self, look: &Look<'_>, work: &Path) -> Result<News, WorkspaceFault> {
        let words = ["ls-files", "-z", "--others", "--modified", "--deleted", "--exclude-standard"];
        let call = self.call(&words).words(self.exclusions(look));
        let listed = call.tree(look.folder).index(work).run()?;
        let mut news = News::default();
        let mut nested = Vec::new();
        for path in parts(&listed) {
            match path.strip_suffix(b"/") {
                Some(path) => nested.push(path_of(path)),
                None => {
                    news.paths.insert(path_of(path));
                }
            }
        }
        news.paths.retain(|path| {
            let found = fs::symlink_metadata(look.folder.join(path));
            !found.is_ok_and(|found| holds_a_place(look.folder, path, &Found::from(&found)))
        });
        if let Some(tracker) = look.tracker {
            self.tracked(look, tracker, &mut nested, &mut news);
        }
        news.left_out = nested;
        self.add_ignored(look, work, &mut news)?;
        sort_out(look, &mut news)?;
        Ok(news)
    }

    /// The words that say what to leave out besides what the project's files and the user's list say.
    fn exclusions(&self, look: &Look<'_>) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Some(list) = self.excluded() {
            let mut word = OsString::from("--exclude-from=");
            word.push(list);
            words.push(word);
        }
        words.extend(own_pattern(self.top(), self.state()));
        if self.kind() == Kind::Plain {
            words.extend(tool_patterns(look.folder));
        }
        words
    }

    /// The tree of the files that were looked at last, where nobody has touched one since.
    pub(super) fn unchanged(&self, look: &Look<'_>) -> Option<Oid> {
        let known = self.seen.known(look.index)?;
        let files = self.files(look, Some(known.ignored()))?;
        known.tree(look.index, &files).cloned()
    }

    /// The files as they stand now, where git need not be asked about them again; see [`Files`].
    fn files(&self, look: &Look<'_>, ignored: Option<&BTreeSet<PathBuf>>) -> Option<Files> {
        // What is looked at although it is ignored may lie anywhere.
        if !look.also.is_empty() {
            return None;
        }
        let lists = [self.ignored().map(Path::to_path_buf), self.excluded(), look.tracker.map(|own| own.join("index"))];
        let also: Vec<_> = lists.into_iter().flatten().collect();
        let none = BTreeSet::new();
        let ignored = ignored.unwrap_or(&none);
        Files::now(&Ground { folder: look.folder, state: self.state(), also: &also, ignored })
    }

    /// The folders that are ignored with all that is in them.
    fn ignored_folders(&self, look: &Look<'_>) -> BTreeSet<PathBuf> {
        let words = ["ls-files", "-z", "--others", "--ignored", "--directory", "--exclude-standard"];
        let call = self.call(&words).words(self.exclusions(look)).tree(look.folder).index(look.index);
        let listed = call.run().unwrap_or_default();
        parts(&listed).filter_map(|path| path.strip_suffix(b"/")).map(path_of).collect()
    }

    /// Adds what is ignored and wanted all the same. What the index knows is listed already, if it has changed.
    fn add_ignored(&self, look: &Look<'_>, work: &Path, news: &mut News) -> Result<(), WorkspaceFault> {
        if look.also.is_empty() && news.ignored.is_empty() {
            return Ok(());
        }
        let output = self.call(&["ls-files", "-z", "--cached"]).index(work).run()?;
        let known: HashSet<&[u8]> = parts(&output).collect();
        let is_new = |path: &&PathBuf| !known.contains(path.as_os_str().as_bytes());
        let is_there =
            |path: &&PathBuf| fs::symlink_metadata(look.folder.join(path)).is_ok_and(|found| !found.is_dir());
        news.paths.extend(look.also.iter().chain(&news.ignored).filter(is_new).filter(is_there).cloned());
        Ok(())
    }

    /// Adds what is tracked although it is ignored, and submodules. A git folder that an agent has broken says nothing.
    fn tracked(&self, look: &Look<'_>, tracker: &Path, nested: &mut Vec<PathBuf>, news: &mut News) {
        let call = |words: &[&str]| {
            let call = self.git.call(&["ls-files", "-z", "--cached"]).words(words.iter().map(OsString::from));
            let call = call.env("GIT_DIR", tracker).tree(look.folder).ignoring(self.ignored());
            call.run().unwrap_or_default()
        };
        let ignored = call(&["--ignored", "--exclude-standard"]);
        news.ignored.extend(parts(&ignored).map(path_of));
        if nested.is_empty() && !look.folder.join(".gitmodules").exists() {
            return;
        }
        let staged = call(&["--stage"]);
        for line in parts(&staged).filter(|line| line.starts_with(b"160000 ")) {
            let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
            let path = path_of(&line[tab + 1..]);
            nested.retain(|other| *other != path);
            if look.folder.join(&path).join(".git").exists() {
                news.paths.insert(path);
            } else if look.folder.join(&path).is_dir() {
                news.links.extend_from_slice(line);
                news.links.push(0);
            }
        }
    }
}

/// Copies an index with its time: git takes a file that is not older than the index for one that may have changed since,
/// so an index that looks younger than it is would hide changes.
pub(super) fn copy_index(from: &Path, to: &Path) -> std::io::Result<()> {
    let time = fs::metadata(from)?.modified()?;
    fs::copy(from, to)?;
    fs::File::options().write(true).open(to)?.set_modified(time)
}

/// Refuses what is too large, and takes out what git would stumble over: files behind a link, pipes and devices.
fn sort_out(look: &Look<'_>, news: &mut News) -> Result<(), WorkspaceFault> {
    let (mut large, mut bytes, mut odd) = (Vec::new(), 0, Vec::new());
    let mut links: HashMap<PathBuf, bool> = HashMap::new();
    for path in &news.paths {
        if path.ancestors().skip(1).any(|above| is_link(look.folder, above, &mut links)) {
            odd.push(path.clone());
            continue;
        }
        let Ok(found) = fs::symlink_metadata(look.folder.join(path)) else { continue };
        if found.is_file() {
            bytes += found.len();
            if found.len() > look.bounds.file_bytes_max {
                large.push((path.clone(), found.len()));
            }
        } else if !found.is_symlink() && !found.is_dir() {
            odd.push(path.clone());
        }
    }
    if !large.is_empty() {
        return Err(WorkspaceFault::TooLarge { files: large, bytes_max: look.bounds.file_bytes_max });
    }
    let files = news.paths.len();
    if files > look.bounds.files_max || bytes > look.bounds.bytes_max {
        let (files_max, bytes_max) = (look.bounds.files_max, look.bounds.bytes_max);
        return Err(WorkspaceFault::TooMuch { files, bytes, files_max, bytes_max });
    }
    for path in odd {
        news.paths.remove(&path);
        news.gone.insert(path);
    }
    Ok(())
}

fn is_link(folder: &Path, path: &Path, known: &mut HashMap<PathBuf, bool>) -> bool {
    if path.as_os_str().is_empty() {
        return false;
    }
    if let Some(known) = known.get(path) {
        return *known;
    }
    let is = fs::symlink_metadata(folder.join(path)).is_ok_and(|found| found.is_symlink());
    known.insert(path.to_path_buf(), is);
    is
}

/// The word that leaves out the store, which nobody may keep in a checkpoint.
fn own_pattern(top: &Path, state: &Path) -> Option<OsString> {
    let inner = state.strip_prefix(top).ok()?;
    let mut word = b"--exclude=/".to_vec();
    for byte in inner.as_os_str().as_bytes() {
        if !byte.is_ascii_alphanumeric() && *byte != b'/' {
            word.push(b'\\');
        }
        word.push(*byte);
    }
    word.push(b'/');
    Some(OsString::from_vec(word))
}

/// The words that leave out what tools make, where nobody has written down what to ignore: as the digest of a workspace
/// does, `node_modules` and the folders at the top that their maker has tagged as caches.
fn tool_patterns(folder: &Path) -> Vec<OsString> {
    let mut words = vec![OsString::from("--exclude=node_modules/")];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().join(CACHE_TAG).is_file() {
            words.extend(own_pattern(folder, &entry.path()));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_keeps_its_time_when_it_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&from, "index").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000, 123_456_789);
        fs::File::options().write(true).open(&from).unwrap().set_modified(old).unwrap();
        copy_index(&from, &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), old);
    }
}
