//! Sorts the database's errors into ours.

use std::sync::Arc;

use rusqlite::{Error, ErrorCode, ffi};

use crate::journal::StoreError;

/// What the database's error means for the store.
pub(super) fn sort(doing: &str, error: Error) -> StoreError {
    let doing = doing.to_owned();
    let (code, extended) = match &error {
        Error::SqliteFailure(failure, _) => (failure.code, failure.extended_code),
        _ => return StoreError::Damaged { what: doing, cause: Some(Arc::new(error)) },
    };
    // The shared-memory index can only fail to grow for want of space, yet it is reported as plain I/O.
    let disk_full = code == ErrorCode::DiskFull || extended == ffi::SQLITE_IOERR_SHMSIZE;
    if disk_full {
        return StoreError::DiskFull { doing, cause: Arc::new(error) };
    }
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { doing, cause: Arc::new(error) },
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::OutOfMemory
        | ErrorCode::FileLockingProtocolFailed => StoreError::Io { doing, cause: Arc::new(error) },
        // All else means that the statements of this crate do not fit the file.
        _ => StoreError::Damaged { what: doing, cause: Some(Arc::new(error)) },
    }
}
