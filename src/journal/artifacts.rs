//! Kept files, named by the digest of their bytes.
//!
//! Invariants: a file under its final name is complete and durable; what is read
//! back has the digest it is named by.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{StoreError, folder};
use crate::base::Digest;

/// The largest artifact, in bytes; the default limit of a stream of output.
pub const ARTIFACT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Distinguishes the unfinished files of one process.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// Why an artifact cannot be kept or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ArtifactError {
    /// It is larger than [`ARTIFACT_BYTES_MAX`].
    #[error("keep an artifact of {bytes} bytes: the limit is {bytes_max} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// There is no artifact with this digest.
    #[error("find artifact {digest}: the store does not have it")]
    Missing {
        /// The digest.
        digest: Digest,
    },
    /// The file's bytes are not those that were kept.
    #[error("read artifact {digest}: its bytes changed after they were written")]
    Corrupt {
        /// The digest.
        digest: Digest,
    },
    /// The text is not a digest, so it names no file.
    #[error("find artifact `{text}`: a digest has 64 digits of 0-9 and a-f")]
    NotADigest {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The file system failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The folder of artifacts: `ab/cdef…`.
#[derive(Debug, Clone)]
pub struct Artifacts {
    folder: PathBuf,
}

impl Artifacts {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        folder::private_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Keeps `bytes`; they are durable when this returns. Keeping the same bytes again costs one look.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, ArtifactError> {
        if bytes.len() > ARTIFACT_BYTES_MAX {
            return Err(ArtifactError::TooLarge { bytes: bytes.len(), bytes_max: ARTIFACT_BYTES_MAX });
        }
        let digest = Digest::of(bytes);
        let path = self.path(&digest)?;
        // A file of the right size could still be rotten; reading it back is what makes the look honest.
        if fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64) && self.get(&digest).is_ok() {
            return Ok(digest);
        }
        self.write(&path, bytes).map_err(|error| StoreError::io(format!("keep artifact {}", digest.short()), error))?;
        Ok(digest)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            folder::private_folder(folder)?;
        }
        let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.folder.join(format!("unfinished-{}-{number}", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&unfinished, path))
            .and_then(|()| folder::sync_parent(path));
        if written.is_err() {
            // What is left would only take space; the first error is the one to report.
            fs::remove_file(&unfinished).ok();
        }
        written
    }

    /// The bytes with this digest.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, ArtifactError> {
        let bytes = fs::read(self.path(digest)?).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ArtifactError::Missing { digest: digest.clone() },
            _ => StoreError::io(format!("read artifact {}", digest.short()), error).into(),
        })?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(ArtifactError::Corrupt { digest: digest.clone() }) }
    }

    /// Where the artifact lies. A digest that was read from a file may be any text, so it is checked.
    fn path(&self, digest: &Digest) -> Result<PathBuf, ArtifactError> {
        let text = digest.as_str();
        let valid = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match text.split_at_checked(2) {
            Some((first, rest)) if valid => Ok(self.folder.join(first).join(rest)),
            Some(_) | None => Err(ArtifactError::NotADigest { text: text.chars().take(80).collect() }),
        }
    }
}
