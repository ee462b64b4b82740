//! Reads all definitions of a project into a [`Library`], nearest first, and again where files have changed.
//!
//! Invariant: the library depends on the files alone, not on the number of threads nor on what was read before.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use crate::{
    base::{Diagnostic, Source},
    definition::{
        Library, Scope,
        load::{
            builtin, collect, crew,
            discover::Found,
            places::{Fit, OWN, Place},
            read::{self, Parsed},
            sources::{self, Sources, UserFolders},
            stamp::Stamp,
            trees::Trees,
        },
    },
};

/// Files that one thread takes at once.
const BLOCK: usize = 16;
/// With fewer files than this a second thread costs more than it saves.
const FEW: usize = 64;

/// Reads the definitions of one project, and keeps what it has read.
#[derive(Debug)]
pub struct Loader {
    root: PathBuf,
    user: UserFolders,
    threads: usize,
    kept: HashMap<PathBuf, Kept>,
    trees: Trees,
    shipped: Vec<Arc<Parsed>>,
    folders: Vec<PathBuf>,
    read: usize,
    /// Texts that stand in the place of files: what an editor shows and has not saved.
    overlays: HashMap<PathBuf, Arc<str>>,
    watched: Watched,
}

/// Everything on the disk that the definitions depend on, whether it is there or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Folders with all that is below them.
    pub trees: Vec<PathBuf>,
    /// Folders alone.
    pub folders: Vec<PathBuf>,
}

/// A file that was read.
#[derive(Debug)]
struct Kept {
    /// What it was read as.
    card: (&'static Place, Scope, Option<String>, Option<&'static str>),
    stamp: Stamp,
    settled: bool,
    source: Arc<Source>,
    /// The files that it names.
    asked: Vec<(PathBuf, Option<Stamp>)>,
    parsed: Arc<Parsed>,
}

impl Loader {
    /// A loader for the project at `root`, which has read nothing yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            user: UserFolders::default(),
            threads: 1,
            kept: HashMap::new(),
            trees: Trees::default(),
            shipped: Vec::new(),
            folders: Vec::new(),
            read: 0,
            overlays: HashMap::new(),
            watched: Watched::default(),
        }
    }

    /// Puts a text in the place of what a file holds, or takes it away again. The file must be there to be found.
    pub fn overlay(&mut self, path: PathBuf, text: Option<Arc<str>>) {
        match text {
            Some(text) => drop(self.overlays.insert(path, text)),
            None => drop(self.overlays.remove(&path)),
        }
    }

    /// Reads the user's definitions as well.
    #[must_use]
    pub fn user(mut self, user: UserFolders) -> Self {
        self.user = user;
        self
    }

    /// Reads with that many threads.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = usize::try_from(threads).unwrap_or(1).max(1);
        self
    }

    /// Reads every definition that the project can use: its own, those of other tools in it, what `orch add` took in,
    /// the user's, and those built into the binary. Files that have not changed since the last call are not read
    /// again. Never fails: faults are in the library's diagnostics.
    pub fn load(&mut self) -> Library {
        let sources = sources::find(&self.root, &self.user, &mut self.trees, self.threads);
        let Sources { files, manifests, added, mut diagnostics, trees, folders: looked, .. } = sources;
        self.watched = Watched { trees, folders: looked };
        self.folders = folders(&files);
        let threads = if files.len() < FEW { 1 } else { self.threads };
        let now = SystemTime::now();
        let (parsed, new): (Vec<_>, Vec<_>) =
            crew::each(&files, threads, BLOCK, |found| self.file(found, now)).into_iter().unzip();
        if self.shipped.is_empty() {
            self.shipped = shipped();
        }
        let shipped = self.shipped.clone();
        let all = || parsed.iter().chain(&shipped);
        // Shelves have nothing to do with faults, nor with what is kept for the next time.
        let (shelves, ()) = crew::both(
            threads,
            || collect::shelves(all()),
            || {
                self.keep(files, new);
                all().for_each(|parsed| diagnostics.extend_from_slice(&parsed.diagnostics));
            },
        );
        diagnostics.extend_from_slice(&shelves.diagnostics);
        sort(&mut diagnostics);
        Library { root: self.root.clone(), manifests, added, diagnostics, ..shelves }
    }

    /// Keeps what was read for the next time.
    fn keep(&mut self, files: Vec<Found>, outcomes: Vec<New>) {
        let mut kept = HashMap::with_capacity(files.len());
        self.read = 0;
        for (found, new) in files.into_iter().zip(outcomes) {
            let entry = match new {
                New::Read(entry) => {
                    self.read += 1;
                    Some(*entry)
                }
                New::Same => self.kept.remove(&found.path),
                New::Unreadable => {
                    self.read += 1;
                    None
                }
            };
            if let Some(entry) = entry {
                kept.insert(found.path, entry);
            }
        }
        self.kept = kept;
    }

    /// The folders that the last load found definitions in, sorted: what a watcher watches beside the root.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Where a change may change what the last load found. What definitions name lies below their own folders.
    #[must_use]
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// How many files the last load read; the others had not changed.
    #[must_use]
    pub fn files_read(&self) -> usize {
        self.read
    }

    /// One file: what was kept, or what it says now.
    fn file(&self, found: &Found, now: SystemTime) -> (Arc<Parsed>, New) {
        if let Some(text) = self.overlays.get(&found.path) {
            let parsed = match read::instead(found, text) {
                Ok(text) => read::found(found, text),
                Err(fault) => Parsed { diagnostics: vec![*fault], ..Parsed::default() },
            };
            return (Arc::new(parsed), New::Unreadable);
        }
        let card = (found.home.place, found.home.scope, &found.plugin, found.odd);
        let kept = self.kept.get(&found.path).filter(|kept| {
            let (place, scope, plugin, odd) = &kept.card;
            std::ptr::eq(*place, card.0) && (*scope, plugin, *odd) == (card.1, card.2, card.3)
        });
        if let Some(kept) = kept.filter(|kept| Stamp::of(&found.path).is_some_and(|stamp| kept.is_same(&stamp))) {
            return (Arc::clone(&kept.parsed), New::Same);
        }
        let (text, stamp) = match read::text(found) {
            Ok(read) => read,
            Err(fault) => {
                let parsed = Parsed { diagnostics: vec![*fault], ..Parsed::default() };
                return (Arc::new(parsed), New::Unreadable);
            }
        };
        let source = Arc::clone(&text.source);
        let same = |kept: &&Kept| kept.source.digest() == source.digest() && kept.asked_is_same();
        let parsed = match kept.filter(same) {
            Some(kept) => Arc::clone(&kept.parsed),
            None => Arc::new(read::found(found, text)),
        };
        let asked: Vec<_> = parsed.asked.iter().map(|path| (path.clone(), Stamp::of(path))).collect();
        let settled =
            stamp.is_settled(now) && asked.iter().all(|(_, stamp)| stamp.is_none_or(|stamp| stamp.is_settled(now)));
        let card = (card.0, card.1, card.2.clone(), card.3);
        let kept = Kept { card, stamp, settled, source, asked, parsed: Arc::clone(&parsed) };
        (parsed, New::Read(Box::new(kept)))
    }
}

/// What became of a file.
enum New {
    /// It is as it was.
    Same,
    /// It was read.
    Read(Box<Kept>),
    /// It cannot be read, or is not to be kept.
    Unreadable,
}

impl Kept {
    fn is_same(&self, stamp: &Stamp) -> bool {
        self.settled && self.stamp == *stamp && self.asked.iter().all(|(path, stamp)| Stamp::of(path) == *stamp)
    }

    /// Whether the files that it names are certainly as they were.
    fn asked_is_same(&self) -> bool {
        self.asked.is_empty() || (self.settled && self.asked.iter().all(|(path, stamp)| Stamp::of(path) == *stamp))
    }
}

/// Reads every definition once; see [`Loader::load`].
#[must_use]
pub fn load(root: &Path, user_dir: Option<&Path>) -> Library {
    let user = UserFolders { orch: user_dir.map(Path::to_path_buf), ..UserFolders::default() };
    Loader::new(root).user(user).load()
}

fn folders(files: &[Found]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = files.iter().map(|found| found.home.top.clone()).collect();
    folders.dedup();
    folders.sort();
    folders.dedup();
    folders
}

/// The library in the binary.
fn shipped() -> Vec<Arc<Parsed>> {
    let files = OWN.iter().flat_map(|place| {
        let inside = builtin::files(place.folder).into_iter().filter(|inside| place.files.fit(inside) == Fit::Proper);
        inside.map(|inside| Arc::new(read::shipped(place, &inside))).collect::<Vec<_>>()
    });
    files.collect()
}

/// Sorts faults by file and place.
pub(super) fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|one, other| {
        let key = |fault: &Diagnostic| (fault.span.start, fault.span.end);
        one.source.path.as_os_str().cmp(other.source.path.as_os_str()).then_with(|| key(one).cmp(&key(other)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_just_now_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("agents")).unwrap();
        std::fs::write(folder.path().join("agents/a.md"), "---\nname: a\ndescription: d\n---\nBody\n").unwrap();
        let mut loader = Loader::new(folder.path());
        loader.load();
        let kept: Vec<&Kept> = loader.kept.values().collect();
        assert!(!kept.is_empty() && kept.iter().all(|kept| !kept.is_same(&kept.stamp)));
    }
}
