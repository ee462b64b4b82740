//! What has happened once and must not happen again: one small file for each, made by whoever is first.
//!
//! Holds for all processes of a user and over their restarts. Bounded: the oldest are forgotten.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::base::Digest;

/// So many are remembered; a tenth more for a while.
const KEPT_MAX: usize = 10_000;
/// How often it is looked how many there are.
const LOOK_EVERY: u32 = 500;
/// Bytes that are read of what somebody has noted.
const NOTE_BYTES_MAX: u64 = 4_096;

/// What has happened.
#[derive(Debug)]
pub struct Once {
    folder: PathBuf,
    count: AtomicU32,
}

impl Once {
    /// What is remembered in a folder.
    #[must_use]
    pub fn of(folder: PathBuf) -> Self {
        Self { folder, count: AtomicU32::new(0) }
    }

    /// Takes a thing for oneself, with a note. Whether nobody was there before.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn take(&self, thing: &str, note: &str) -> io::Result<bool> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK_EVERY) {
            forget(&self.folder, KEPT_MAX)?;
        }
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.place(thing)) {
            Ok(mut file) => file.write_all(note.as_bytes()).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What was noted when it was taken.
    #[must_use]
    pub fn note(&self, thing: &str) -> Option<String> {
        let mut text = String::new();
        let file = fs::File::open(self.place(thing)).ok()?;
        file.take(NOTE_BYTES_MAX).read_to_string(&mut text).ok().map(|_| text)
    }

    /// Gives it back: it has not happened after all.
    pub fn give_back(&self, thing: &str) {
        fs::remove_file(self.place(thing)).ok();
    }

    fn place(&self, thing: &str) -> PathBuf {
        let digest = Digest::of(thing.as_bytes());
        self.folder.join(digest.as_str().rsplit(':').next().unwrap_or_default())
    }
}

/// Removes the oldest where there are too many.
fn forget(folder: &Path, kept: usize) -> io::Result<()> {
    let mut all: Vec<_> = fs::read_dir(folder)?.flatten().collect();
    if all.len() <= kept {
        return Ok(());
    }
    all.sort_by_cached_key(|entry| entry.metadata().and_then(|about| about.modified()).ok());
    let more = all.len() - kept + kept / 10;
    all.iter().take(more).for_each(|entry| drop(fs::remove_file(entry.path())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_many_takes_it_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("once");
        let once = Once::of(path.clone());
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..20).map(|_| scope.spawn(|| once.take("a", "note").unwrap())).collect();
            takers.into_iter().map(|taker| usize::from(taker.join().unwrap())).sum()
        });
        assert_eq!(taken, 1);
        let again = Once::of(path);
        assert!(!again.take("a", "other").unwrap());
        assert_eq!(again.note("a").as_deref(), Some("note"));
        again.give_back("a");
        assert!(again.take("a", "").unwrap() && again.note("b").is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for place in 0..50 {
            fs::write(folder.path().join(place.to_string()), "").unwrap();
        }
        forget(folder.path(), 20).unwrap();
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert!((15..=20).contains(&left), "{left}");
    }
}
