//! The key that signs checkpoints: in the user's own folder, for its owner's eyes only.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use crate::base::{hex, random, unhex};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// Signs checkpoints.
#[derive(Debug)]
pub struct AuditKey(Ed25519KeyPair);

impl AuditKey {
    /// The key in that folder; made where there is none.
    ///
    /// # Errors
    /// When it cannot be read or made, or others may read it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join("audit.key");
        match Self::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let seed = random::<32>()?;
        let mut file = tempfile::Builder::new().prefix(".orch-").tempfile_in(folder)?;
        file.write_all(&seed)?;
        file.as_file().sync_all()?;
        // Whoever comes first makes it; the others take his.
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.error),
        }
        Self::read(&path)
    }

    /// The key in that folder, if there is one.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or others may read it.
    pub fn find(folder: &Path) -> io::Result<Self> {
        Self::read(&folder.join("audit.key"))
    }

    fn read(path: &Path) -> io::Result<Self> {
        let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
        if fs::symlink_metadata(path)?.is_symlink() {
            return Err(refused("the key is a link"));
        }
        let file = OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.mode() & 0o077 != 0 {
            return Err(refused("others may read the key"));
        }
        let mut seed = Vec::new();
        file.take(64).read_to_end(&mut seed)?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| refused("the file is no key"))
    }

    /// The public half, in hexadecimal.
    #[must_use]
    pub fn public(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    /// The signature of a text, in hexadecimal.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        hex(self.0.sign(text.as_bytes()).as_ref())
    }
}

/// Whether a signature is that key's, of that text.
pub(super) fn is_signed(public: &str, text: &str, signature: &str) -> bool {
    let (Some(public), Some(signature)) = (unhex(public), unhex(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, public).verify(text.as_bytes(), &signature).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (AuditKey::open(folder.path()).unwrap(), AuditKey::open(folder.path()).unwrap());
        assert_eq!(one.public(), other.public());
        let signature = one.sign("text");
        assert!(is_signed(&one.public(), "text", &signature) && !is_signed(&one.public(), "texts", &signature));
        let path = folder.path().join("audit.key");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(AuditKey::open(folder.path()).is_err(), "a key that others may have read is none");
    }
}
