//! The one live owner of a run: a lock that the system gives back at any death.
//!
//! The lock is `flock` on `owner.lock` in the run's folder. The file is opened
//! close-on-exec, so a child process does not keep it. The content is for people
//! and does not decide anything.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use super::{StoreError, folder};
use crate::base::Timestamp;

const FILE: &str = "owner.lock";

/// How many refusals may be probes: [`owner`] holds the lock for an instant to see
/// whether it is free, and that must not look like an owner.
const PROBES: u32 = 25;

/// How often a lock that names no owner is asked again: its new owner is writing the name.
const TRIES_MAX: u32 = 500;
const PAUSE: Duration = Duration::from_millis(2);

/// Who works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Its process.
    pub pid: u32,
    /// When that process took the run.
    pub started: Timestamp,
}

/// Why a run could not be taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("take the run: process {pid} has had it since {started}")]
    Locked {
        /// The owner's process.
        pid: u32,
        /// When it took the run.
        started: Timestamp,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The ownership of a run; dropping it gives the run back.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the run of `folder` for this process.
    ///
    /// Blocks for at most about a second, and only while another process has the lock.
    pub fn acquire(folder: &Path, started_at: Timestamp) -> Result<Self, LockError> {
        let path = folder.join(FILE);
        let failed = |error| StoreError::io(format!("lock {}", path.display()), error);
        let file = folder::private_file(&path).map_err(failed)?;
        for refusals in 0..TRIES_MAX {
            match file.try_lock() {
                Ok(()) => {
                    let lock = Self { file };
                    lock.write(&format!("{} {}\n", std::process::id(), started_at.0)).map_err(failed)?;
                    return Ok(lock);
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error).into()),
            }
            if refusals >= PROBES
                && let Some(Owner { pid, started }) = read(&file).map_err(failed)?
            {
                return Err(LockError::Locked { pid, started });
            }
            thread::sleep(PAUSE);
        }
        Err(StoreError::damaged(format!("{}, which names no owner", path.display())).into())
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The next owner writes its own name; emptying the file only spares it a stale one for an instant.
        self.file.set_len(0).ok();
    }
}

/// The live owner of the run of `folder`, without taking the run.
pub fn owner(folder: &Path) -> Result<Option<Owner>, StoreError> {
    let path = folder.join(FILE);
    let failed = |error| StoreError::io(format!("read {}", path.display()), error);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    for _ in 0..TRIES_MAX {
        match file.try_lock_shared() {
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if let Some(owner) = read(&file).map_err(failed)? {
            return Ok(Some(owner));
        }
        thread::sleep(PAUSE);
    }
    Err(StoreError::damaged(format!("{}, which names no owner", path.display())))
}

/// The content, if it is whole.
fn read(mut file: &File) -> std::io::Result<Option<Owner>> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(100).read_to_end(&mut text)?;
    Ok(parse(&text))
}

fn parse(text: &[u8]) -> Option<Owner> {
    let (pid, started) = std::str::from_utf8(text).ok()?.strip_suffix('\n')?.split_once(' ')?;
    Some(Owner { pid: pid.parse().ok()?, started: Timestamp(started.parse().ok()?) })
}
