//! Content digests: BLAKE3, 256 bits, lower-case hexadecimal.

use std::{fmt, io, sync::Arc};

use serde::{Deserialize, Serialize};

/// The digest of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(Arc<str>);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).to_hex().as_str().into())
    }

    /// All 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// Makes a digest of bytes that come piece by piece.
#[derive(Debug, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(self.0.finalize().to_hex().as_str().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret that proves who wrote something.
#[derive(Clone)]
pub struct Seal([u8; 32]);

impl Seal {
    /// A seal of that secret.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The mark of some bytes, which nobody can make without the secret.
    #[must_use]
    pub fn mark(&self, bytes: &[u8]) -> Digest {
        Digest(blake3::keyed_hash(&self.0, bytes).to_hex().as_str().into())
    }

    /// Whether a mark is that of these bytes.
    #[must_use]
    pub fn holds(&self, mark: &str, bytes: &[u8]) -> bool {
        // Hashes compare in the same time wherever they differ.
        blake3::Hash::from_hex(mark).is_ok_and(|mark| mark == blake3::keyed_hash(&self.0, bytes))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}
