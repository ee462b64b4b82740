//! A folder beneath which everything stays, also while others change what is in it.
//!
//! Every name is looked up from the open folder itself and no link is followed on the way, so a folder that is exchanged for a
//! link between a check and the deed leads nowhere: the deed fails. The kernel does the looking up where it can
//! (`openat2`), else one name after the other is opened here. Does not know which paths may be named: that is
//! [`contained_path`](super::contained_path).

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            ffi::OsStringExt as _,
            fs::{MetadataExt as _, PermissionsExt as _},
        },
    },
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

/// Whether the kernel has said that it does not look up beneath a folder, or may not be asked.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);
/// How often a folder is made anew that somebody takes away meanwhile.
const TRIES_MAX: u32 = 8;
/// The longest file that is copied from another disk, in bytes.
const COPY_BYTES_MAX: u64 = 4 << 30;

/// What the file system says of a file, folder or link; of a link, of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its kind and permissions.
    pub mode: u32,
    /// Its length in bytes.
    pub size: u64,
    /// The device that it is on.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
    /// When its content was changed last, in seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When anything of it was changed last.
    pub changed: (i64, i64),
}

impl Found {
    /// Whether it is a plain file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::RegularFile
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Symlink
    }
}

impl From<&Metadata> for Found {
    fn from(found: &Metadata) -> Self {
        Self {
            mode: found.mode(),
            size: found.size(),
            device: found.dev(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the types differ between systems")]
impl From<&Stat> for Found {
    fn from(found: &Stat) -> Self {
        Self {
            mode: found.st_mode,
            size: found.st_size as u64,
            device: found.st_dev,
            inode: found.st_ino,
            modified: (found.st_mtime, found.st_mtime_nsec as i64),
            changed: (found.st_ctime, found.st_ctime_nsec as i64),
        }
    }
}

/// An open folder.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    /// Whether names are opened one after the other even where the kernel could do it at once.
    by_steps: bool,
}

impl Root {
    /// Opens a folder that the caller has chosen; the way to it may hold links.
    ///
    /// # Errors
    /// When it is not there, is no folder, or may not be read.
    pub fn open(place: &Path) -> io::Result<Self> {
        let folder = rustix::fs::open(place, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { folder, by_steps: false })
    }

    /// Opens a plain file for reading. Never waits for a pipe.
    ///
    /// # Errors
    /// When it is not there, lies behind a link, or is anything else than a plain file.
    pub fn read(&self, path: &Path) -> io::Result<File> {
        let file = File::from(self.opened(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a plain file")) }
    }

    /// What stands at a path; of a link, the link itself.
    ///
    /// # Errors
    /// When nothing does, or it lies behind a link.
    pub fn look(&self, path: &Path) -> io::Result<Metadata> {
        File::from(self.opened(path, OFlags::PATH, Mode::empty())?).metadata()
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// When there is none.
    pub fn link(&self, path: &Path) -> io::Result<PathBuf> {
        let (folder, name) = self.above(path)?;
        let to = rustix::fs::readlinkat(folder, name, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(to.into_bytes())))
    }

    /// What a folder holds, in no order; links are told of as links. An empty path is the root.
    ///
    /// # Errors
    /// When it is not there, lies behind a link or is one, or cannot be read.
    pub fn entries(&self, path: &Path) -> io::Result<Vec<(OsString, Found)>> {
        let folder = self.folder(path)?;
        let mut entries = Vec::new();
        // A handle of its own: one that only names a folder cannot be read, and two readers of one would share their place.
        let listed =
            rustix::fs::openat(&folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        for entry in Dir::new(listed)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            match rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => entries.push((name, Found::from(&found))),
                // What has gone meanwhile is not there.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(entries)
    }

    /// Makes a folder and those above it; what is there already stays.
    ///
    /// # Errors
    /// When something else stands in the way, such as a link.
    pub fn make_folders(&self, path: &Path) -> io::Result<()> {
        self.made(path).map(drop)
    }

    /// Makes a file that is not there yet, with the folders above it.
    ///
    /// # Errors
    /// When something stands there, or in the way.
    pub fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        let (folder, name) = self.made_above(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::from_bits_truncate(mode))?))
    }

    /// Moves a file or link from a place of our own to a path, in the place of the file that is there, and makes the
    /// folders above it. From another disk it is copied, and still is there whole or not at all.
    ///
    /// # Errors
    /// When something stands in the way.
    pub fn take(&self, own: &Path, path: &Path) -> io::Result<()> {
        let (folder, name) = self.made_above(path)?;
        match rustix::fs::renameat(CWD, own, &folder, name) {
            Err(Errno::XDEV) => {}
            done => return Ok(done?),
        }
        let beside = beside();
        copy(own, &folder, &beside)
            .and_then(|()| Ok(rustix::fs::renameat(&folder, &beside, &folder, name)?))
            .inspect_err(|_| forget(&folder, &beside))?;
        std::fs::remove_file(own)
    }

    /// Writes a file so that nobody ever sees half of it, with the folders above it. A file that was there keeps its
    /// permissions, a link that was there is replaced. `is_program` says whether it may be executed, where that is known;
    /// `beside` is the name that it has until it is whole, under which a killed process may have left one.
    ///
    /// # Errors
    /// When something stands in the way, or the disk fails; the old content is then untouched.
    pub fn write(&self, path: &Path, bytes: &[u8], is_program: Option<bool>, beside: &str) -> io::Result<()> {
        self.written(path, bytes, is_program, beside, false)
    }

    /// The same for a file that must be there also after a loss of power.
    ///
    /// # Errors
    /// See [`Root::write`].
    pub fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.written(path, bytes, None, &beside(), true)
    }

    fn written(
        &self,
        path: &Path,
        bytes: &[u8],
        is_program: Option<bool>,
        beside: &str,
        is_synced: bool,
    ) -> io::Result<()> {
        let (folder, name) = self.made_above(path)?;
        forget(&folder, beside);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let written = || {
            let mut file = File::from(rustix::fs::openat(&folder, beside, flags, Mode::from_bits_truncate(0o666))?);
            file.write_all(bytes)?;
            let there = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).ok();
            let there = there.map(|found| Found::from(&found));
            let kept = there.filter(Found::is_file).map(|found| found.mode);
            let mode = kept.map_or_else(|| file.metadata().map(|found| found.permissions().mode()), Ok)?;
            let mode = match is_program {
                // Whoever may read a program may run it, as the process's mask has decided.
                Some(true) => mode | (mode & 0o444) >> 2,
                Some(false) => mode & !0o111,
                None => mode,
            };
            file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
            if is_synced {
                file.sync_all()?;
            }
            Ok(rustix::fs::renameat(&folder, beside, &folder, name)?)
        };
        written().inspect_err(|_: &io::Error| forget(&folder, beside))
    }

    /// Removes a file or a link. Whether there was one.
    ///
    /// # Errors
    /// When it is a folder, or lies behind a link.
    pub fn remove_file(&self, path: &Path) -> io::Result<bool> {
        self.removed(path, AtFlags::empty())
    }

    /// Removes an empty folder. Whether there was one.
    ///
    /// # Errors
    /// When it is not empty, is no folder, or lies behind a link.
    pub fn remove_folder(&self, path: &Path) -> io::Result<bool> {
        self.removed(path, AtFlags::REMOVEDIR)
    }

    fn removed(&self, path: &Path, flags: AtFlags) -> io::Result<bool> {
        let (folder, name) = match self.above(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found?,
        };
        match rustix::fs::unlinkat(folder, name, flags) {
            Err(Errno::NOENT) => Ok(false),
            done => Ok(done.map(|()| true)?),
        }
    }

    /// The folder above a path, and the last name.
    fn above<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
        let (above, name) = split(path)?;
        Ok((self.folder(above)?, name))
    }

    /// The same, where the folder is made if it is not there.
    fn made_above<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
        let (above, name) = split(path)?;
        Ok((self.made(above)?, name))
    }

    fn made(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut last = Errno::NOENT;
        for _ in 0..TRIES_MAX {
            match self.folder(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => return done,
            }
            let mut folder = self.folder.try_clone()?;
            for name in names(path)? {
                match rustix::fs::mkdirat(&folder, name, Mode::from_bits_truncate(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                match rustix::fs::openat(&folder, name, FOLDER, Mode::empty()) {
                    Ok(next) => folder = next,
                    Err(error) => {
                        last = error;
                        break;
                    }
                }
            }
            if last != Errno::NOENT {
                return Err(in_the_way(last));
            }
        }
        Err(last.into())
    }

    fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        if path.as_os_str().is_empty() {
            return self.folder.try_clone();
        }
        self.opened(path, FOLDER, Mode::empty())
    }

    /// Opens what stands at a path, never by way of a link.
    fn opened(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let names = names(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !self.by_steps && !IS_REFUSED.load(Ordering::Relaxed) {
            match beneath(&self.folder, path, flags, mode) {
                // An old kernel does not know the call, and some sandboxes refuse what they do not know.
                Err(Errno::NOSYS | Errno::PERM | Errno::TOOBIG) => IS_REFUSED.store(true, Ordering::Relaxed),
                done => return done.map_err(in_the_way),
            }
        }
        let Some((last, above)) = names.split_last() else { return Err(no_name()) };
        let mut folder = self.folder.try_clone()?;
        for name in above {
            folder = rustix::fs::openat(&folder, *name, FOLDER, Mode::empty()).map_err(in_the_way)?;
        }
        rustix::fs::openat(folder.as_fd(), *last, flags, mode).map_err(in_the_way)
    }
}

/// How the folders on the way are opened.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn beneath(folder: &OwnedFd, path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(folder, path, flags, mode, resolve)
}

/// The names of a path; there is no other way up or to the side.
fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    let name = |part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(no_name()),
    };
    path.components().map(name).collect()
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    names(path)?;
    let name = path.file_name().ok_or_else(no_name)?;
    Ok((path.parent().unwrap_or(Path::new("")), name))
}

fn no_name() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it has a part that is not a name")
}

/// What the kernel says of a link on the way, in words for people.
fn in_the_way(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::XDEV => io::Error::other("a symbolic link is in the way"),
        other => other.into(),
    }
}

/// A name that nothing has. A watcher or a loader never takes it for a definition.
fn beside() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".orch-{}-{:x}-{count}.tmp", std::process::id(), now.as_nanos())
}

/// Removes what was only there for a moment; what cannot be removed takes space and nothing else.
fn forget(folder: &OwnedFd, name: &str) {
    rustix::fs::unlinkat(folder, name, AtFlags::empty()).ok();
}

/// Copies a file or link of our own to a new name of a folder.
fn copy(own: &Path, folder: &OwnedFd, name: &str) -> io::Result<()> {
    let found = std::fs::symlink_metadata(own)?;
    if found.is_symlink() {
        return Ok(rustix::fs::symlinkat(std::fs::read_link(own)?, folder, name)?);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(folder, name, flags, Mode::from_bits_truncate(0o600))?);
    io::copy(&mut io::Read::take(File::open(own)?, COPY_BYTES_MAX), &mut file)?;
    file.set_permissions(std::fs::Permissions::from_mode(found.permissions().mode() & 0o777))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::{fs, io::Read as _, os::unix::fs::symlink};

    use super::*;

    /// A root, what lies outside of it, and the two ways in which names are looked up.
    fn world(test: impl Fn(&Root, &Path, &Path)) {
        for by_steps in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
            fs::create_dir_all(inside.join("a/b")).unwrap();
            fs::create_dir_all(outside.join("b")).unwrap();
            fs::write(inside.join("a/b/c"), "inside").unwrap();
            fs::write(outside.join("c"), "outside").unwrap();
            fs::write(outside.join("b/c"), "outside").unwrap();
            let root = Root { by_steps, ..Root::open(&inside).unwrap() };
            test(&root, &inside, &outside);
            let text = |path| fs::read_to_string(outside.join(path)).unwrap();
            assert_eq!((text("c").as_str(), text("b/c").as_str()), ("outside", "outside"));
            assert_eq!(fs::read_dir(&outside).unwrap().count() + fs::read_dir(outside.join("b")).unwrap().count(), 3);
        }
    }

    fn text(root: &Root, path: &str) -> io::Result<String> {
        let mut text = String::new();
        root.read(Path::new(path))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn what_is_beneath_is_read_written_moved_and_removed() {
        world(|root, inside, _| {
            assert_eq!(text(root, "a/b/c").unwrap(), "inside");
            root.write_whole(Path::new("a/new/d"), b"one").unwrap();
            root.write(Path::new("a/new/d"), b"two", Some(true), ".b").unwrap();
            assert_eq!(text(root, "a/new/d").unwrap(), "two");
            assert_ne!(root.look(Path::new("a/new/d")).unwrap().mode() & 0o100, 0);
            let own = inside.join("own");
            fs::write(&own, "taken").unwrap();
            root.take(&own, Path::new("x/y")).unwrap();
            assert_eq!((text(root, "x/y").unwrap().as_str(), own.exists()), ("taken", false));
            assert!(root.create(Path::new("x/y"), 0o600).is_err() && root.create(Path::new("x/z"), 0o600).is_ok());
            assert_eq!(root.entries(Path::new("x")).unwrap().len(), 2);
            assert!(root.remove_file(Path::new("x/z")).unwrap() && !root.remove_file(Path::new("x/z")).unwrap());
            assert!(!root.remove_file(Path::new("gone/z")).unwrap());
            assert!(root.remove_folder(Path::new("x")).is_err(), "it is not empty");
            let names: Vec<_> = root.entries(Path::new("a/new")).unwrap().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["d"], "nothing half written is left");
        });
    }

    #[test]
    fn no_link_and_no_other_way_leads_out() {
        world(|root, inside, outside| {
            symlink(outside, inside.join("link")).unwrap();
            symlink(outside.join("c"), inside.join("file")).unwrap();
            symlink("/proc/self/root", inside.join("magic")).unwrap();
            symlink("loop", inside.join("loop")).unwrap();
            let own = inside.join("own");
            fs::write(&own, "x").unwrap();
            let outer = outside.join("c");
            for path in [
                "link/c",
                "link/b/c",
                "link/new/c",
                "../out/c",
                "magic/etc/hostname",
                "loop/x",
                outer.to_str().unwrap(),
            ] {
                let at = Path::new(path);
                assert!(root.read(at).is_err() && root.look(at).is_err() && root.link(at).is_err(), "{path}");
                assert!(root.write(at, b"x", None, ".b").is_err() && root.write_whole(at, b"x").is_err(), "{path}");
                assert!(root.create(at, 0o600).is_err() && root.take(&own, at).is_err(), "{path}");
                assert!(root.remove_file(at).is_err() && root.remove_folder(at).is_err(), "{path}");
                assert!(root.entries(at).is_err() && root.make_folders(&at.join("n")).is_err(), "{path}");
            }
            // A link is a thing of its own: it is seen, replaced and removed, never followed.
            assert!(root.read(Path::new("file")).is_err() && root.entries(Path::new("link")).is_err());
            assert!(root.look(Path::new("file")).unwrap().is_symlink());
            assert_eq!(root.link(Path::new("file")).unwrap(), outer);
            root.write(Path::new("file"), b"mine", None, ".b").unwrap();
            assert_eq!(text(root, "file").unwrap(), "mine");
            assert!(root.remove_file(Path::new("link")).unwrap());
            assert!(outside.join("c").exists());
        });
    }

    #[test]
    fn nothing_waits_for_a_pipe() {
        world(|root, inside, _| {
            rustix::fs::mknodat(CWD, inside.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
            assert!(root.read(Path::new("pipe")).is_err() && root.read(Path::new("a")).is_err());
        });
    }
}
