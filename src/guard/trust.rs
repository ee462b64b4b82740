//! What a person has trusted: for one project and one file exactly the digest that was shown.
//!
//! Kept outside of every project, one file for each grant, so that two processes never write the same one. Knows nothing
//! of definitions. Invariant: what cannot be read, is another's to write, or is not understood counts as not trusted.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::base::{Digest, Timestamp};

const VERSION: u16 = 1;
const BYTES_MAX: u64 = 1024 * 1024;
const GRANTS_MAX: usize = 10_000;

/// What was trusted, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    version: u16,
    /// The real path of the project.
    pub project: PathBuf,
    /// The file of the definition, as it is shown.
    pub path: String,
    /// The digest of the file and of what it runs.
    pub digest: Digest,
    /// The commands that were shown.
    pub commands: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// The grants of one user for one project.
#[derive(Debug, Clone)]
pub struct TrustStore {
    folder: PathBuf,
    project: PathBuf,
}

impl TrustStore {
    /// The grants in `folder` for the project at `root`.
    #[must_use]
    pub fn new(folder: &Path, root: &Path) -> Self {
        let project = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Self { folder: folder.to_owned(), project }
    }

    /// What was trusted of a file, if anything.
    #[must_use]
    pub fn grant(&self, path: &str) -> Option<Grant> {
        if !self.is_own() {
            return None;
        }
        let grant = read(&self.place(path)).ok()?;
        // The name of the file is a digest of both; what it says must agree.
        (grant.project == self.project && grant.path == path).then_some(grant)
    }

    /// Keeps a grant. It replaces the one for the same file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn give(&self, path: &str, digest: Digest, commands: Vec<String>, at: Timestamp) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let grant =
            Grant { version: VERSION, project: self.project.clone(), path: path.to_owned(), digest, commands, at };
        let place = self.place(path);
        let fresh = place.with_extension(format!("{}.new", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&grant)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &place)
    }

    /// Forgets what was trusted of a file. Whether there was something.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn revoke(&self, path: &str) -> io::Result<bool> {
        match fs::remove_file(self.place(path)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All grants for this project, by path; also those whose file is gone.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        if !self.is_own() {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let files = entries.flatten().take(GRANTS_MAX).map(|entry| entry.path());
        let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let mut grants: Vec<Grant> =
            files.filter_map(|path| read(&path).ok()).filter(|grant| grant.project == self.project).collect();
        grants.sort_by(|one, other| one.path.cmp(&other.path));
        grants
    }

    /// Whether the folder is the user's own, stands where it is looked for, and nobody else may put anything into it.
    fn is_own(&self) -> bool {
        fs::symlink_metadata(&self.folder)
            .is_ok_and(|found| found.is_dir() && found.mode() & 0o022 == 0 && is_mine(&found))
    }

    fn place(&self, path: &str) -> PathBuf {
        let mut key = self.project.as_os_str().as_encoded_bytes().to_vec();
        key.push(0);
        key.extend(path.as_bytes());
        self.folder.join(format!("{}.json", Digest::of(&key).as_str()))
    }
}

fn is_mine(found: &fs::Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// Reads a grant that nobody but its owner can have written.
fn read(path: &Path) -> io::Result<Grant> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(refused("it is a link"));
    }
    let file = fs::File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.mode() & 0o077 != 0 || !is_mine(&found) || found.len() > BYTES_MAX {
        return Err(refused("others may write it"));
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    let grant: Grant = serde_json::from_str(&text)?;
    if grant.version == VERSION { Ok(grant) } else { Err(refused("another version wrote it")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn given() -> (tempfile::TempDir, TrustStore) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        let store = TrustStore::new(&folder.path().join("trust"), &folder.path().join("project"));
        store.give("a.md", Digest::of(b"a"), vec!["ls".to_owned()], Timestamp::default()).unwrap();
        (folder, store)
    }

    #[test]
    fn a_grant_is_for_one_file_of_one_project() {
        let (folder, store) = given();
        assert_eq!(store.grant("a.md").unwrap().digest, Digest::of(b"a"));
        assert_eq!(store.grant("b.md"), None);
        let other = TrustStore::new(&folder.path().join("trust"), folder.path());
        assert_eq!(other.grant("a.md"), None);
        assert_eq!((store.grants().len(), other.grants().len()), (1, 0));
        assert!(store.revoke("a.md").unwrap() && !store.revoke("a.md").unwrap());
        assert_eq!(store.grant("a.md"), None);
    }

    #[test]
    fn only_the_owner_may_have_written_it() {
        let (folder, store) = given();
        let file = fs::read_dir(folder.path().join("trust")).unwrap().next().unwrap().unwrap().path();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        // As a repository would bring it: git knows no such permissions.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(store.grant("a.md"), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let trust = file.parent().unwrap();
        for mode in [0o770, 0o707] {
            fs::set_permissions(trust, fs::Permissions::from_mode(mode)).unwrap();
            assert!(store.grant("a.md").is_none() && store.grants().is_empty());
        }
        fs::set_permissions(trust, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(store.grant("a.md").is_some());
        let aside = folder.path().join("aside.json");
        fs::rename(&file, &aside).unwrap();
        symlink(&aside, &file).unwrap();
        assert_eq!(store.grant("a.md"), None);
    }

    #[test]
    fn a_grant_that_was_moved_or_damaged_is_none() {
        let (folder, store) = given();
        let file = store.place("a.md");
        fs::copy(&file, store.place("b.md")).unwrap();
        assert_eq!(store.grant("b.md"), None);
        fs::write(&file, "{").unwrap();
        assert_eq!(store.grant("a.md"), None);
        drop(folder);
    }
}
