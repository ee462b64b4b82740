//! The files of a workspace: what is there, what it holds, what has changed.
//!
//! Never follows a symbolic link. Leaves out what others keep (`.git`, `.orch/state`) and what tools make
//! (`node_modules`, and a `target` that its maker has tagged as a cache).
//!
//! Invariants: the same names, contents and executable bits give the same digest on every machine; a tree over the
//! limits is a fault, never a digest of a part.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, Metadata, OpenOptions},
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use nix::fcntl::OFlag;

use crate::{
    base::{Digest, Hasher},
    execute::traces::FileKind,
    guard::{
        Found, Root,
        sandbox::{PLACEHOLDER_TIME, placeholder},
    },
};

/// Files of a workspace.
const FILES_MAX: usize = 100_000;
/// Bytes of all files of a workspace.
const BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Remembered digests.
const KNOWN_MAX: usize = 2 * FILES_MAX;
/// A file changed this recently may change again without a new time stamp.
const FRESH: Duration = Duration::from_millis(100);

/// Why a workspace cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TreeFault {
    /// Too many files.
    #[error("the workspace has more than {FILES_MAX} files")]
    TooMany,
    /// Too much in them.
    #[error("the files of the workspace are larger than {} MB together", BYTES_MAX / (1024 * 1024))]
    TooLarge,
    /// A file or folder could not be read.
    #[error("read `{path}`: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    /// A socket, a pipe or a device: named, never opened.
    Special,
}

/// Everything of a file but its content; two that are equal have, but for a race, equal contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    kind: Kind,
    is_executable: bool,
    size: u64,
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The stamps of a tree, by path relative to its root.
pub(super) type Snapshot = BTreeMap<PathBuf, Stamp>;

impl Stamp {
    pub(super) fn of(found: &Metadata) -> Self {
        Self::of_found(&Found::from(found))
    }

    pub(super) fn of_found(found: &Found) -> Self {
        let kind = if found.is_file() {
            Kind::File
        } else if found.is_symlink() {
            Kind::Link
        } else {
            Kind::Special
        };
        Self {
            kind,
            is_executable: found.mode & 0o111 != 0,
            size: found.size,
            device: found.device,
            inode: found.inode,
            modified: found.modified,
            changed: found.changed,
        }
    }

    fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = u64::try_from(self.changed.0).unwrap_or_default();
        let nanoseconds = u64::try_from(self.changed.1).unwrap_or_default();
        now.saturating_sub(Duration::from_secs(changed) + Duration::from_nanos(nanoseconds)) < FRESH
    }

    /// Its kind and its executable bit in one.
    pub(super) fn file_kind(&self) -> FileKind {
        match self.kind {
            Kind::File if self.is_executable => FileKind::Program,
            Kind::File => FileKind::File,
            Kind::Link => FileKind::Link,
            Kind::Special => FileKind::Special,
        }
    }

    /// Whether it is a file and no link, folder or device.
    pub(super) fn is_file(&self) -> bool {
        self.kind == Kind::File
    }
}

/// All files under `root/below`, by path relative to `root`. A missing folder has none.
///
/// # Errors
/// A folder that cannot be read, or too many files.
pub(super) fn walk(root: &Path, below: &Path) -> Result<Snapshot, TreeFault> {
    let mut found = Snapshot::new();
    let mut folders = vec![below.to_owned()];
    let beneath = match Root::open(root) {
        Err(error) if is_gone(&error) => return Ok(found),
        Err(source) => return Err(TreeFault::Read { path: root.display().to_string(), source }),
        Ok(beneath) => beneath,
    };
    while let Some(folder) = folders.pop() {
        let entries = match beneath.entries(&folder) {
            // Others work in the same tree; what has gone is not there, and what has become a link is not looked behind.
            Err(error) if is_gone(&error) || beneath.look(&folder).is_ok_and(|found| !found.is_dir()) => continue,
            Err(source) => {
                return Err(TreeFault::Read { path: root.join(&folder).display().to_string(), source });
            }
            Ok(entries) => entries,
        };
        for (name, entry) in entries {
            let path = folder.join(name);
            if entry.is_dir() {
                if !is_left_out(root, &path) {
                    folders.push(path);
                }
            } else if holds_a_place(root, &path, &entry) {
                continue;
            } else if found.insert(path, Stamp::of_found(&entry)).is_none() && found.len() > FILES_MAX {
                return Err(TreeFault::TooMany);
            }
        }
    }
    Ok(found)
}

/// Whether a file only holds the place of one that a confined attempt must not make: nobody has changed anything.
pub(super) fn holds_a_place(root: &Path, path: &Path, found: &Found) -> bool {
    let is_of_then = found.modified == (PLACEHOLDER_TIME, 0) && found.is_file();
    let text = placeholder(path).filter(|text| is_of_then && found.size == text.len() as u64);
    let Some(text) = text else { return false };
    let mut bytes = Vec::new();
    let read = open_beneath(root, path).and_then(|file| file.take(text.len() as u64 + 1).read_to_end(&mut bytes));
    read.is_ok() && bytes == text.as_bytes()
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a folder is not part of the workspace.
fn is_left_out(root: &Path, folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    name == ".git"
        || name == "node_modules"
        || folder.ends_with(".orch/state")
        || (name == "target" && root.join(folder).join("CACHEDIR.TAG").is_file())
}

/// Whether a path lies in a folder that is not part of the workspace.
pub(super) fn is_outside(root: &Path, path: &Path) -> bool {
    path.ancestors().skip(1).filter(|folder| folder.file_name().is_some()).any(|folder| is_left_out(root, folder))
}

/// The files that are not the same in both, by name.
pub(super) fn changes(before: &Snapshot, after: &Snapshot) -> Vec<PathBuf> {
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    let mut changed: Vec<PathBuf> = after
        .iter()
        .filter(|(path, stamp)| before.get(*path) != Some(stamp))
        .map(|(path, _)| path)
        .chain(gone)
        .cloned()
        .collect();
    changed.sort();
    changed
}

/// A path as text. Bytes that are no UTF-8 are escaped, so that two paths never give the same text.
pub(super) fn path_text(path: &Path) -> String {
    path.to_str().map_or_else(|| format!("{path:?}"), str::to_owned)
}

/// Digests of files, remembered as long as their stamps stay the same.
#[derive(Debug, Default)]
pub(super) struct Trees {
    known: Mutex<HashMap<PathBuf, (Stamp, Digest)>>,
}

impl Trees {
    /// The digest of a workspace: of every file's path, kind, executable bit and content, in the order of the paths.
    ///
    /// # Errors
    /// A file that cannot be read, or a workspace over the limits.
    pub(super) fn digest(&self, root: &Path) -> Result<Digest, TreeFault> {
        let mut hasher = Hasher::default();
        for (path, (stamp, digest)) in self.contents(root, &walk(root, Path::new(""))?)? {
            let bytes = path.as_os_str().as_bytes();
            let kind = match stamp.kind {
                Kind::File if stamp.is_executable => b'x',
                Kind::File => b'f',
                Kind::Link => b'l',
                Kind::Special => b's',
            };
            hasher.update(&[kind]);
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
            hasher.update(digest.as_str().as_bytes());
        }
        Ok(hasher.finish())
    }

    /// The digest of every file of a snapshot. What has gone meanwhile is left out.
    ///
    /// # Errors
    /// See [`Trees::digest`].
    pub(super) fn contents(
        &self,
        root: &Path,
        files: &Snapshot,
    ) -> Result<BTreeMap<PathBuf, (Stamp, Digest)>, TreeFault> {
        if files.values().filter(|stamp| stamp.is_file()).map(|stamp| stamp.size).sum::<u64>() > BYTES_MAX {
            return Err(TreeFault::TooLarge);
        }
        let mut digests = BTreeMap::new();
        for (path, stamp) in files {
            match self.content(root, path, *stamp) {
                Ok(digest) => drop(digests.insert(path.clone(), (*stamp, digest))),
                Err(error) if is_gone(&error) => {}
                Err(source) => return Err(TreeFault::Read { path: root.join(path).display().to_string(), source }),
            }
        }
        Ok(digests)
    }

    pub(super) fn content(&self, root: &Path, path: &Path, stamp: Stamp) -> io::Result<Digest> {
        match stamp.kind {
            Kind::Special => return Ok(Digest::of(b"")),
            Kind::Link => return Ok(Digest::of(Root::open(root)?.link(path)?.as_os_str().as_bytes())),
            Kind::File => {}
        }
        let place = root.join(path);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        if let Some((_, digest)) = known.filter(|(known, _)| *known == stamp) {
            return Ok(digest);
        }
        let mut hasher = Hasher::default();
        io::copy(&mut open_beneath(root, path)?, &mut hasher)?;
        let digest = hasher.finish();
        if !stamp.is_fresh() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(place, (stamp, digest.clone()));
        }
        Ok(digest)
    }
}

/// Opens a file of a workspace, in which others may exchange folders for links at any moment.
pub(super) fn open_beneath(workspace: &Path, path: &Path) -> io::Result<File> {
    Root::open(workspace)?.read(path)
}

/// Opens a file of a folder of our own that others may have replaced: follows no link and never waits for a pipe.
pub(super) fn open_plain(place: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(place)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a plain file")) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let place = root.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    #[test]
    fn a_digest_is_names_contents_and_executable_bits() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let trees = Trees::default();
        for root in [a.path(), b.path()] {
            write(root, "src/x", "1");
            write(root, "y", "2");
        }
        let first = trees.digest(a.path()).unwrap();
        assert_eq!(first, trees.digest(b.path()).unwrap());
        fs::set_permissions(b.path().join("y"), fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(first, trees.digest(b.path()).unwrap());
        let mut seen = vec![first];
        let mut step = |change: &dyn Fn()| {
            change();
            let digest = trees.digest(b.path()).unwrap();
            assert!(!seen.contains(&digest));
            seen.push(digest);
        };
        step(&|| write(b.path(), "y", "3"));
        step(&|| fs::set_permissions(b.path().join("y"), fs::Permissions::from_mode(0o755)).unwrap());
        step(&|| fs::rename(b.path().join("y"), b.path().join("z")).unwrap());
        step(&|| symlink("x", b.path().join("src/l")).unwrap());
        step(&|| write(b.path(), "target/made", "no tag, so it belongs to the workspace"));
    }

    #[test]
    fn what_tools_keep_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "kept", "1");
        write(root.path(), ".orch/agents/a.md", "1");
        let trees = Trees::default();
        let before = trees.digest(root.path()).unwrap();
        for path in
            [".git/HEAD", "sub/.git/HEAD", ".orch/state/orch.db", "node_modules/x", "target/CACHEDIR.TAG", "target/x"]
        {
            write(root.path(), path, "new");
            assert!(is_outside(root.path(), Path::new(path)), "{path}");
        }
        assert_eq!(before, trees.digest(root.path()).unwrap());
        assert!(!is_outside(root.path(), Path::new("src/target")));
    }

    #[test]
    fn changes_are_found_and_links_are_not_followed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(outside.path(), "secret", "1");
        write(root.path(), "same", "1");
        write(root.path(), "gone", "1");
        write(root.path(), "sub/other", "1");
        let before = walk(root.path(), Path::new("")).unwrap();
        fs::remove_file(root.path().join("gone")).unwrap();
        write(root.path(), "sub/other", "22");
        write(root.path(), "new", "1");
        symlink(outside.path(), root.path().join("link")).unwrap();
        let after = walk(root.path(), Path::new("")).unwrap();
        let changed: Vec<_> = changes(&before, &after).iter().map(|path| path_text(path)).collect();
        assert_eq!(changed, ["gone", "link", "new", "sub/other"]);
        assert!(open_plain(&root.path().join("link")).is_err());
        nix::unistd::mkfifo(&root.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open_plain(&root.path().join("pipe")).is_err());
        Trees::default().digest(root.path()).unwrap();
    }
}
