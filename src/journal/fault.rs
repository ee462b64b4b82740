//! What can go wrong with a store, in words that a person can act on.
//!
//! Knows nothing of the database behind it: causes are kept as plain errors.

use std::{error::Error, io, sync::Arc};

use crate::base::RunId;

/// The error beneath; shared, because a poisoned writer gives it to everyone who comes later.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a store cannot do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store has no such run.
    #[error("find run {run}: the store does not have it")]
    UnknownRun {
        /// The run asked for.
        run: RunId,
    },
    /// Reading, writing or syncing a file failed. After a failed write the writer stays stopped.
    #[error("{doing}: the file system reported an error")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// No space, no inode or no quota is left. The writer stays stopped; what was acknowledged is kept.
    #[error("{doing}: the disk is full")]
    DiskFull {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// A record is not what was written. Other runs are not affected.
    #[error("read record {seq} of run {run}: its bytes changed after they were written")]
    Corrupt {
        /// The run.
        run: RunId,
        /// The first record that cannot be trusted.
        seq: u64,
    },
    /// The store is damaged outside the records: a summary, a plan, a decision, the database's own pages.
    #[error("read {what}: the store is damaged")]
    Damaged {
        /// The damaged part.
        what: String,
        /// What the database said, where it noticed.
        #[source]
        cause: Option<Cause>,
    },
    /// Other processes kept the store for the whole waiting time. Nothing was written; trying again is safe.
    #[error("{doing}: other processes kept the store busy")]
    Busy {
        /// What was being done.
        doing: String,
        /// What the database said.
        #[source]
        cause: Cause,
    },
    /// A newer `orch` made this store.
    #[error(
        "open the store: it has version {found} and this orch knows versions up to {known}; use the newer orch that made it"
    )]
    NewerVersion {
        /// The version in the store.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// The database library was built too old to be trusted with this store.
    #[error("open the store: SQLite {found} is linked and at least 3.51.3 is needed")]
    SqliteTooOld {
        /// The linked version.
        found: String,
    },
    /// The writer has ended; the store is being closed.
    #[error("write to the store: it is closed")]
    Closed,
}

impl StoreError {
    /// Sorts an error of the file system.
    #[must_use]
    pub fn io(doing: impl Into<String>, error: io::Error) -> Self {
        let doing = doing.into();
        if is_disk_full(&error) {
            Self::DiskFull { doing, cause: Arc::new(error) }
        } else {
            Self::Io { doing, cause: Arc::new(error) }
        }
    }

    /// Damage that a checksum or a rule of ours found.
    #[must_use]
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), cause: None }
    }
}

/// No space, no quota.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
