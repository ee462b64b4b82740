//! Whether a file on disk may have changed since it was read.
//!
//! Invariant: a stamp that is equal and settled means the same bytes. A file that changed just before it was looked at
//! may change again without a new time, so its stamp is not settled and counts as changed.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Two changes within this time may carry the same time: the clock of file systems is coarse.
const COARSE: Duration = Duration::from_millis(50);

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    changed: (i64, i64),
    modified: (i64, i64),
    inode: (u64, u64),
}

impl Stamp {
    /// The stamp of a file; `None` where there is none.
    pub fn of(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|found| Self::from(&found))
    }

    /// Whether a later change would give another stamp, seen at `now`.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let since = |(seconds, nanos): (i64, i64)| {
            let at = UNIX_EPOCH.checked_add(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))?;
            now.duration_since(at).ok()
        };
        since(self.changed).is_some_and(|age| age > COARSE) && since(self.modified).is_some_and(|age| age > COARSE)
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self {
            length: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
            modified: (found.mtime(), found.mtime_nsec()),
            inode: (found.dev(), found.ino()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_change_is_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(Stamp::of(&path), None);
        std::fs::write(&path, "a").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert!(!stamp.is_settled(SystemTime::now()));
        assert!(stamp.is_settled(SystemTime::now() + Duration::from_secs(1)));
        std::fs::write(&path, "ab").unwrap();
        assert_ne!(Stamp::of(&path).unwrap(), stamp);
    }
}
