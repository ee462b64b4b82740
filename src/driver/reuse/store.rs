//! The memory of steps on the disk: a file for each, named by the digest of all that the step depends on.
//!
//! What cannot be read is not there. Losing the folder costs only time.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    base::{Digest, Envelope},
    execute::Footprint,
};

/// The version of the stored form.
const VERSION: u16 = 1;
/// Steps that are remembered at most; the oldest are forgotten first.
const STEPS_MAX: usize = 5_000;
/// Bytes of one of them.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a step has brought back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered {
    v: u16,
    /// `RUN/ATTEMPT`.
    pub from: String,
    pub envelope: Envelope,
    pub footprint: Footprint,
}

impl Remembered {
    pub fn new(from: String, envelope: Envelope, footprint: Footprint) -> Self {
        Self { v: VERSION, from, envelope, footprint }
    }
}

/// Remembers steps in a folder.
#[derive(Debug, Clone)]
pub struct StepMemory {
    folder: PathBuf,
}

impl StepMemory {
    /// A memory in that folder, which is made when there is something to remember.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// What is known of a step.
    pub(super) fn get(&self, key: &Digest) -> Option<Remembered> {
        let path = self.path(key);
        let is_plain = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= BYTES_MAX);
        is_plain.then_some(())?;
        let known: Remembered = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (known.v == VERSION).then_some(known)
    }

    /// Remembers a step, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn put(&self, key: &Digest, known: &Remembered) -> io::Result<()> {
        let text = serde_json::to_vec(known)?;
        if text.len() as u64 > BYTES_MAX {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let (path, new) = (self.path(key), self.folder.join(format!("{key}.new")));
        drop(fs::remove_file(&new));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.write_all(&text)?;
        fs::rename(new, path)
    }

    /// Forgets the oldest where there are too many.
    pub(super) fn trim(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut all: Vec<_> =
            entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
        if all.len() > STEPS_MAX {
            all.sort();
            for (_, path) in &all[..all.len() - STEPS_MAX] {
                drop(fs::remove_file(path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_got_and_what_is_broken_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let memory = StepMemory::new(folder.path().join("steps"));
        let key = Digest::of(b"key");
        assert_eq!(memory.get(&key), None);
        let envelope = Envelope { summary: "done".to_owned(), ..Envelope::default() };
        let known = Remembered::new("7f3k2m9q/1-1".to_owned(), envelope, Footprint::default());
        memory.put(&key, &known).unwrap();
        memory.put(&key, &known).unwrap();
        assert_eq!(memory.get(&key), Some(known.clone()));
        fs::write(memory.path(&key), "{ \"v\": 1").unwrap();
        assert_eq!(memory.get(&key), None);
        memory.put(&key, &Remembered { v: 2, ..known }).unwrap();
        assert_eq!(memory.get(&key), None, "a newer form is not guessed at");
    }
}
