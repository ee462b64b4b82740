//! The tier on the disk: an entry for each beginning of each step, and the contents of files by their digests.
//!
//! Entries carry the mark of a secret outside the project, because agents may write in this folder; contents are what
//! their names say. What cannot be trusted is not there, with a warning. Several processes may use the folder: one
//! lock stands before every change, and readers find whole files or none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{
    base::{Digest, Seal},
    driver::reuse::entry::{Entry, Kept},
    guard::write_whole,
};

/// Bytes of one entry.
const ENTRY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of one content.
const CONTENT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Beginnings of one step that are kept; the one that was used last is kept longest.
const VARIANTS_MAX: usize = 8;
/// What was made ready longer ago than this belongs to nobody.
const ASIDE_MAX: Duration = Duration::from_secs(3600);
/// The least that a file takes on a disk.
const BLOCK: u64 = 4096;

/// A folder with the work of steps.
#[derive(Debug, Clone)]
pub struct FileTier {
    folder: PathBuf,
    seal: Seal,
    bytes_max: u64,
}

/// What a folder holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FilesUse {
    /// Entries.
    pub entries: u64,
    /// Bytes of everything in it.
    pub bytes: u64,
}

/// A file in the folder.
struct Found {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

impl FileTier {
    /// The tier in that folder, which is made when there is something to keep.
    #[must_use]
    pub fn new(folder: PathBuf, seal: Seal, bytes_max: u64) -> Self {
        Self { folder, seal, bytes_max }
    }

    fn entries(&self) -> PathBuf {
        self.folder.join("steps")
    }

    fn content(&self, digest: &Digest) -> Option<PathBuf> {
        let (first, rest) = digest.as_str().split_at_checked(2)?;
        is_digest(digest.as_str()).then(|| self.folder.join("files").join(first).join(rest))
    }

    fn place(&self, entry: &Entry) -> PathBuf {
        self.entries().join(entry.key.as_str()).join(entry.variant().as_str())
    }

    /// Everything that is known of a step, what was used last first.
    pub(super) fn find(&self, key: &Digest) -> Vec<Entry> {
        let mut found = files_of(&self.entries().join(key.as_str()));
        // Another process may be writing beside it.
        found.retain(|file| file.path.file_name().and_then(|name| name.to_str()).is_some_and(is_digest));
        found.sort_by_key(|file| std::cmp::Reverse(file.used));
        let read = found.iter().take(VARIANTS_MAX).filter_map(|file| {
            let opened = read(&file.path, ENTRY_BYTES_MAX)
                .map_err(|error| error.to_string())
                .and_then(|bytes| Entry::open(&bytes, &self.seal, key).map_err(str::to_owned));
            opened
                .inspect_err(|why| {
                    tracing::warn!(entry = %file.path.display(), why, "an entry of the step cache is not taken");
                    drop(fs::remove_file(&file.path));
                })
                .ok()
        });
        read.collect()
    }

    /// The content of that digest.
    pub(super) fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.content(digest)?;
        let bytes = read(&path, CONTENT_BYTES_MAX).ok()?;
        if Digest::of(&bytes) == *digest {
            return Some(bytes);
        }
        tracing::warn!(file = %path.display(), "a file of the step cache has changed and is not taken");
        drop(fs::remove_file(&path));
        None
    }

    /// Keeps an entry and the contents that come with it, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn put(&self, kept: &Kept) -> io::Result<()> {
        let entry = kept.entry.sealed(&self.seal)?;
        if entry.len() as u64 > ENTRY_BYTES_MAX {
            return Ok(());
        }
        private_folder(&self.folder)?;
        let _lock = self.lock()?;
        for (digest, bytes) in &kept.contents {
            let Some(path) = self.content(digest) else { continue };
            if self.read(digest).is_none() {
                write(&path, bytes)?;
            }
        }
        write(&self.place(&kept.entry), &entry)
    }

    /// An entry was of use.
    pub(super) fn touch(&self, entry: &Entry) {
        if let Ok(file) = OpenOptions::new().write(true).open(self.place(entry)) {
            drop(file.set_modified(SystemTime::now()));
        }
    }

    /// Forgets an entry.
    pub(super) fn forget(&self, entry: &Entry) {
        drop(fs::remove_file(self.place(entry)));
    }

    /// What the folder holds.
    #[must_use]
    pub fn used(&self) -> FilesUse {
        let entries = self.all_entries();
        let contents = self.all_contents();
        let bytes = entries.iter().chain(&contents).map(|file| file.bytes).sum();
        FilesUse { entries: entries.len() as u64, bytes }
    }

    /// Forgets everything. What there was.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn clear(&self) -> io::Result<FilesUse> {
        if !self.folder.is_dir() {
            return Ok(FilesUse::default());
        }
        let _lock = self.lock()?;
        let used = self.used();
        for file in self.all_entries().iter().chain(&self.all_contents()) {
            fs::remove_file(&file.path)?;
            drop(file.path.parent().map(fs::remove_dir));
        }
        self.sweep(Duration::ZERO);
        Ok(used)
    }

    /// Forgets what was used longest ago until the rest has the size that it may have.
    pub(super) fn trim(&self) {
        if let Err(error) = self.trimmed() {
            tracing::warn!(%error, "the step cache cannot be made smaller");
        }
    }

    fn trimmed(&self) -> io::Result<()> {
        if !self.folder.is_dir() {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.sweep(ASIDE_MAX);
        let mut entries = self.all_entries();
        let contents = self.all_contents();
        let mut bytes: u64 = entries.iter().chain(&contents).map(|file| file.bytes).sum();
        let mut forgotten = self.too_many(&entries);
        if bytes <= self.bytes_max && forgotten.is_empty() {
            return Ok(());
        }
        entries.sort_by_key(|file| file.used);
        let needs: Vec<BTreeSet<PathBuf>> = entries.iter().map(|file| self.needed(&file.path)).collect();
        let sizes: BTreeMap<&Path, u64> = contents.iter().map(|file| (file.path.as_path(), file.bytes)).collect();
        let mut users: BTreeMap<&Path, u32> = sizes.keys().map(|path| (*path, 0)).collect();
        for path in needs.iter().flatten() {
            if let Some(users) = users.get_mut(path.as_path()) {
                *users += 1;
            }
        }
        // What nobody needs any more goes first.
        bytes -= users.iter().filter(|(_, users)| **users == 0).map(|(path, _)| sizes[path]).sum::<u64>();
        for (file, needs) in entries.iter().zip(&needs) {
            if bytes <= self.bytes_max && !forgotten.contains(&file.path) {
                continue;
            }
            forgotten.insert(file.path.clone());
            bytes = bytes.saturating_sub(file.bytes);
            for path in needs {
                if let Some(users) = users.get_mut(path.as_path()) {
                    *users -= 1;
                    bytes = bytes.saturating_sub(if *users == 0 { sizes[path.as_path()] } else { 0 });
                }
            }
        }
        for path in &forgotten {
            fs::remove_file(path)?;
            // The folder of a step goes with its last entry.
            drop(path.parent().map(fs::remove_dir));
        }
        for (path, _) in users.iter().filter(|(_, users)| **users == 0) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Removes what killed processes made ready; what is fresh may be in use.
    fn sweep(&self, age_max: Duration) {
        for folder in folders_of(&self.folder.join("aside"), is_attempt) {
            let made = fs::metadata(&folder).and_then(|found| found.modified()).ok();
            if made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age >= age_max) {
                drop(fs::remove_dir_all(folder));
            }
        }
    }

    /// Beginnings of steps that have too many of them.
    fn too_many(&self, entries: &[Found]) -> BTreeSet<PathBuf> {
        let mut steps: BTreeMap<&Path, Vec<&Found>> = BTreeMap::new();
        for file in entries {
            if let Some(step) = file.path.parent() {
                steps.entry(step).or_default().push(file);
            }
        }
        let mut forgotten = BTreeSet::new();
        for mut files in steps.into_values() {
            files.sort_by_key(|file| std::cmp::Reverse(file.used));
            forgotten.extend(files.iter().skip(VARIANTS_MAX).map(|file| file.path.clone()));
        }
        forgotten
    }

    /// The contents that an entry needs; none for one that is not to be trusted.
    fn needed(&self, path: &Path) -> BTreeSet<PathBuf> {
        let key = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(key) = serde_json::from_value::<Digest>(key.into()) else { return BTreeSet::new() };
        let entry = read(path, ENTRY_BYTES_MAX).ok().and_then(|bytes| Entry::open(&bytes, &self.seal, &key).ok());
        let needed = entry.iter().flat_map(|entry| entry.footprint.contents());
        needed.filter_map(|(_, state)| self.content(&state.content)).collect()
    }

    fn all_entries(&self) -> Vec<Found> {
        folders_of(&self.entries(), is_digest).iter().flat_map(|step| files_of(step)).collect()
    }

    fn all_contents(&self) -> Vec<Found> {
        let folders = folders_of(&self.folder.join("files"), |name| is_hex(name, 2));
        let mut found: Vec<_> = folders.iter().flat_map(|first| files_of(first)).collect();
        let name = |file: &Found| file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.retain(|file| is_hex(&name(file), 62) || is_unfinished(&name(file)));
        found
    }

    fn lock(&self) -> io::Result<File> {
        let path = self.folder.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.lock()?;
        Ok(file)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_digest(text: &str) -> bool {
    is_hex(text, 64)
}

/// What a killed process left of a file that is written whole.
fn is_unfinished(name: &str) -> bool {
    name.starts_with(".orch-") && name.ends_with(".tmp")
}

/// `7f3k2m9q-3-1`.
fn is_attempt(name: &str) -> bool {
    let mut parts = name.splitn(3, '-');
    let is_run = parts.next().is_some_and(|run| run.len() == 8 && run.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let is_number =
        |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    is_run && is_number(parts.next()) && is_number(parts.next())
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file whole: a reader finds all of it or none.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        private_folder(folder)?;
    }
    write_whole(path, bytes)
}

/// Reads a plain file within its limit.
fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.len() > bytes_max {
        return Err(io::Error::other("it is no plain file of the size that it may have"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn files_of(folder: &Path) -> Vec<Found> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(|found| !found.is_dir())?;
        let bytes = metadata.len().next_multiple_of(BLOCK);
        Some(Found { used: metadata.modified().ok()?, bytes, path: entry.path() })
    });
    found.collect()
}

/// The folders of a folder that have such names. What lies behind a link, or is called otherwise, is not the cache's own
/// and is never counted or removed.
fn folders_of(folder: &Path, is_own: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    if !fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Vec::new();
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter(|entry| entry.file_name().to_str().is_some_and(&is_own)).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{Envelope, Timestamp},
        execute::{Change, FileKind, FileState, Footprint},
    };

    fn kept(name: &str, bytes: usize) -> Kept {
        let content = name.repeat(bytes).into_bytes();
        let state = FileState { kind: FileKind::File, content: Digest::of(&content) };
        let change = Change { before: None, after: Some(state.clone()) };
        let changed = BTreeMap::from([(format!("{name}.txt"), change)]);
        let footprint = Footprint { changed, ..Footprint::default() };
        let from = ("7f3k2m9q/1-1".to_owned(), Timestamp::default());
        let entry = Entry::new(Digest::of(name.as_bytes()), from, (Envelope::default(), footprint));
        Kept { entry, contents: BTreeMap::from([(state.content, content)]) }
    }

    fn tier(folder: &Path, bytes_max: u64) -> FileTier {
        FileTier::new(folder.join("cache"), Seal::new([7; 32]), bytes_max)
    }

    fn used_ago(tier: &FileTier, kept: &Kept, seconds: u64) {
        let file = OpenOptions::new().write(true).open(tier.place(&kept.entry)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn what_was_put_is_found_and_what_was_touched_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let tier = tier(folder.path(), 1 << 30);
        let kept = kept("a", 10);
        let digest = kept.contents.keys().next().unwrap();
        assert!(tier.find(&kept.entry.key).is_empty() && tier.read(digest).is_none());
        tier.put(&kept).unwrap();
        tier.put(&kept).unwrap();
        assert_eq!(tier.find(&kept.entry.key), std::slice::from_ref(&kept.entry));
        assert_eq!(tier.read(digest).as_ref(), kept.contents.get(digest));
        fs::write(tier.content(digest).unwrap(), "other").unwrap();
        assert_eq!(tier.read(digest), None, "a content that is another one");
        tier.put(&kept).unwrap();
        assert!(tier.read(digest).is_some(), "it is written anew");
        let mut text = fs::read(tier.place(&kept.entry)).unwrap();
        text.pop();
        fs::write(tier.place(&kept.entry), text).unwrap();
        assert!(tier.find(&kept.entry.key).is_empty(), "an entry that was cut");
        assert!(!tier.place(&kept.entry).exists(), "and is gone");
        let stranger = FileTier::new(folder.path().join("cache"), Seal::new([8; 32]), 1 << 30);
        stranger.put(&kept).unwrap();
        assert!(tier.find(&kept.entry.key).is_empty(), "an entry of somebody else");
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let tier = tier(folder.path(), 4 * BLOCK);
        let all = [kept("a", 100), kept("b", 100), kept("c", 100)];
        for (place, kept) in all.iter().enumerate() {
            tier.put(kept).unwrap();
            used_ago(&tier, kept, 100 - place as u64);
        }
        assert_eq!(tier.used(), FilesUse { entries: 3, bytes: 6 * BLOCK });
        tier.touch(&all[0].entry);
        tier.trim();
        let is_there = |kept: &Kept| !tier.find(&kept.entry.key).is_empty();
        assert_eq!([is_there(&all[0]), is_there(&all[1]), is_there(&all[2])], [true, false, true]);
        assert_eq!(tier.used(), FilesUse { entries: 2, bytes: 4 * BLOCK }, "its contents have gone too");
        assert_eq!(tier.clear().unwrap().entries, 2);
        assert_eq!(tier.used(), FilesUse::default());
    }

    #[test]
    fn nothing_else_is_ever_removed() {
        let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tier = tier(folder.path(), 0);
        tier.put(&kept("a", 10)).unwrap();
        let cache = folder.path().join("cache");
        let strange = ["files/letter.txt", "files/ab/letter.txt", "steps/letter/x", "aside/letter/x", "letter"];
        for path in strange {
            fs::create_dir_all(cache.join(path).parent().unwrap()).unwrap();
            fs::write(cache.join(path), "dear").unwrap();
        }
        fs::create_dir_all(cache.join("aside/7f3k2m9q-3-1")).unwrap();
        fs::create_dir_all(home.path().join("ab")).unwrap();
        let mine = home.path().join("ab").join("0".repeat(62));
        fs::write(&mine, "dear").unwrap();
        tier.trim();
        assert_eq!(tier.used(), FilesUse::default());
        tier.clear().unwrap();
        assert!(!cache.join("aside/7f3k2m9q-3-1").exists());
        for path in strange {
            assert!(cache.join(path).is_file(), "{path}");
        }
        fs::remove_dir_all(cache.join("files")).unwrap();
        std::os::unix::fs::symlink(home.path(), cache.join("files")).unwrap();
        tier.trim();
        tier.clear().unwrap();
        assert!(mine.is_file(), "behind a link");
    }

    #[test]
    fn several_writers_leave_whole_entries() {
        let folder = tempfile::tempdir().unwrap();
        let tier = tier(folder.path(), 64 * BLOCK);
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let tier = tier.clone();
                scope.spawn(move || {
                    for round in 0..20_u8 {
                        let kept = kept(&format!("{}-", (writer + round) % 8), 50);
                        tier.put(&kept).unwrap();
                        for found in tier.find(&kept.entry.key) {
                            assert_eq!(found, kept.entry);
                        }
                        tier.trim();
                    }
                });
            }
        });
        assert!(tier.used().entries >= 1);
    }
}
