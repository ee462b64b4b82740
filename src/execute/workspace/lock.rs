//! One at a time for each repository, over all threads and processes. The system gives the lock back at any death.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::WorkspaceFault;

/// How long one waits for the others.
const WAIT_MAX: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The lock; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// The same lock for a child: it is held until the child has ended as well.
    pub fn share(&self) -> Result<File, WorkspaceFault> {
        self.file.try_clone().map_err(WorkspaceFault::io("share a lock"))
    }

    /// Waits for its turn.
    pub fn take(path: &Path) -> Result<Self, WorkspaceFault> {
        Self::take_within(path, WAIT_MAX)
    }

    fn take_within(path: &Path, wait_max: Duration) -> Result<Self, WorkspaceFault> {
        let failed = || WorkspaceFault::io(format!("lock {}", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed())?;
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(failed())?;
        let (begin, mut pause) = (Instant::now(), PAUSE);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed()(error)),
                Err(TryLockError::WouldBlock) if begin.elapsed() > wait_max => {
                    return Err(WorkspaceFault::Busy { holder: holder(&mut file) });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(pause),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        // For people only: who holds it decides nothing.
        let named = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        named.map_err(failed())?;
        Ok(Self { file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    std::io::Read::by_ref(file).take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_holder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/lock");
        let first = Lock::take(&path).unwrap();
        let busy = Lock::take_within(&path, Duration::ZERO).unwrap_err();
        assert!(matches!(busy, WorkspaceFault::Busy { holder: Some(pid) } if pid == std::process::id()));
        drop(first);
        Lock::take_within(&path, Duration::ZERO).unwrap();
    }
}
