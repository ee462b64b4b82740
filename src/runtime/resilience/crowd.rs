//! The file in which all processes of a user keep the machines of their runtimes, and the sign of life of each process.
//!
//! One file under one lock, read and written whole; a lock file for each process, which the system gives back at any
//! death. Knows nothing of what is kept. Invariants: nothing here blocks for longer than [`LOCK_TRIES`]; what is read is
//! bounded; the content is a memory and no more, so whatever is wrong with it counts as nothing stored.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// What is kept; the name holds the version of its form.
const FILE: &str = "shared.v1";
/// What the names of the processes' own files begin with.
const MEMBER: &str = "process-";
/// Bytes that are read, and written, at most.
const BYTES_MAX: u64 = 256 * 1024;
/// Files that are looked at when a process joins.
const FILES_MAX: usize = 2_000;
/// How often the lock is asked for, a pause between.
const LOCK_TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(2);

/// The processes of a user, as one of them sees them.
#[derive(Debug)]
pub(super) struct Crowd {
    folder: PathBuf,
    own: Option<Member>,
}

/// This process's own sign of life: as long as its lock is held, the process lives.
#[derive(Debug)]
struct Member {
    name: String,
    path: PathBuf,
    _lock: File,
}

/// The content while nobody else has it.
pub(super) struct Held<'a> {
    crowd: &'a Crowd,
    file: File,
    before: Vec<u8>,
}

impl Crowd {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, own: None }
    }

    /// Waits until nobody else has the content.
    pub fn hold(&mut self) -> io::Result<Held<'_>> {
        let file = match self.open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
                self.open()?
            }
            opened => opened?,
        };
        lock(&file)?;
        // A process joins under the lock, so that nobody takes its file away before it is locked.
        let is_gone = self.own.as_ref().is_none_or(|own| !own.path.exists());
        if is_gone {
            self.own = Some(join(&self.folder)?);
        }
        let mut before = Vec::new();
        (&file).take(BYTES_MAX).read_to_end(&mut before)?;
        Ok(Held { crowd: self, file, before })
    }

    /// The name of this process, once it has joined.
    pub fn own_name(&self) -> Option<&str> {
        self.own.as_ref().map(|own| own.name.as_str())
    }

    /// Opens the file, if nobody else can have written it.
    fn open(&self) -> io::Result<File> {
        let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
        let folder = fs::symlink_metadata(&self.folder)?;
        if !folder.is_dir() || folder.permissions().mode() & 0o022 != 0 {
            return Err(refused("others may write its folder"));
        }
        let path = self.folder.join(FILE);
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(refused("it is no file"));
        }
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
    }
}

impl Held<'_> {
    /// What is stored: the first line. What stands behind it is the rest of an older, longer one.
    pub fn content(&self) -> &[u8] {
        self.before.split(|byte| *byte == b'\n').next().unwrap_or_default()
    }

    /// The name of this process.
    pub fn own_name(&self) -> &str {
        self.crowd.own_name().unwrap_or_default()
    }

    /// Whether a process lives. The file of one that does not is taken away.
    pub fn lives(&self, name: &str) -> bool {
        name == self.own_name() || is_name(name) && lives(&self.crowd.folder.join(name))
    }

    /// Stores one line in place of what was there, and lets others come.
    pub fn store(mut self, line: &[u8]) -> io::Result<()> {
        let is_same = self.content() == line;
        let fits = u64::try_from(line.len()).is_ok_and(|bytes| bytes < BYTES_MAX);
        if !is_same && fits {
            self.file.seek(SeekFrom::Start(0))?;
            // One call, and a line end that says how far it reaches: a process may be killed at any moment.
            let mut whole = line.to_vec();
            whole.push(b'\n');
            self.file.write_all(&whole)?;
            if self.before.len() > whole.len() {
                self.file.set_len(whole.len() as u64)?;
            }
        }
        // A child between its fork and its exec has the file open as well, so closing it alone would not do.
        self.file.unlock()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}

fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "another process has it and does not give it back"))
}

/// Makes this process's sign of life, and takes away those of processes that are no more.
fn join(folder: &Path) -> io::Result<Member> {
    for entry in fs::read_dir(folder)?.flatten().take(FILES_MAX) {
        if entry.file_name().to_str().is_some_and(is_name) {
            lives(&entry.path());
        }
    }
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for place in 0..FILES_MAX {
        let name = format!("{MEMBER}{}-{place}", std::process::id());
        let path = folder.join(&name);
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                file.try_lock().map_err(io::Error::other)?;
                return Ok(Member { name, path, _lock: file });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Whether somebody holds the lock of that file. Where nobody does the file is taken away.
fn lives(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    match file.try_lock_shared() {
        Ok(()) => {
            fs::remove_file(path).ok();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

/// Whether a text can be the name of a process's file: it comes from a file that anything may stand in.
fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix(MEMBER);
    rest.is_some_and(|rest| rest.len() <= 32 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn crowd(folder: &tempfile::TempDir) -> Crowd {
        Crowd::new(folder.path().join("runtimes.d"))
    }

    #[test]
    fn what_one_stores_the_other_reads_and_a_shorter_line_replaces_a_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (crowd(&folder), crowd(&folder));
        one.hold().unwrap().store(b"a long line").unwrap();
        let held = other.hold().unwrap();
        assert_eq!(held.content(), b"a long line");
        held.store(b"short").unwrap();
        let place = folder.path().join("runtimes.d");
        assert_eq!(fs::read(place.join(FILE)).unwrap(), b"short\n");
        // As if it had been killed between the two calls.
        fs::write(place.join(FILE), b"short\nne\n").unwrap();
        assert_eq!(one.hold().unwrap().content(), b"short");
        let modes = [place.clone(), place.join(FILE)].map(|path| path.metadata().unwrap().permissions().mode() & 0o777);
        assert_eq!(modes, [0o700, 0o600]);
    }

    #[test]
    fn a_process_lives_until_its_lock_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (crowd(&folder), crowd(&folder));
        other.hold().unwrap().store(b"").unwrap();
        let name = other.own_name().unwrap().to_owned();
        assert!(one.hold().unwrap().lives(&name));
        drop(other);
        let held = one.hold().unwrap();
        assert!(!held.lives(&name) && held.lives(held.own_name()));
        assert!(!held.lives("../../etc/passwd") && !held.lives("") && !held.lives(FILE));
    }

    #[test]
    fn whose_own_file_was_taken_away_joins_again() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (crowd(&folder), crowd(&folder));
        one.hold().unwrap().store(b"").unwrap();
        fs::remove_dir_all(folder.path().join("runtimes.d")).unwrap();
        one.hold().unwrap().store(b"").unwrap();
        let name = one.own_name().unwrap().to_owned();
        assert!(other.hold().unwrap().lives(&name));
    }

    #[test]
    fn what_others_may_write_or_hold_for_ever_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = crowd(&folder);
        one.hold().unwrap().store(b"").unwrap();
        let place = folder.path().join("runtimes.d");
        let stuck = File::open(place.join(FILE)).unwrap();
        stuck.lock().unwrap();
        assert_eq!(one.hold().err().unwrap().kind(), io::ErrorKind::TimedOut);
        drop(stuck);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(one.hold().err().unwrap().kind(), io::ErrorKind::PermissionDenied);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Crowd::new(file).hold().is_err());
    }
}
