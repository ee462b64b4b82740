//! The library folder on disk: its guard, its lock file, and changing one folder of it at once.
//!
//! Invariant: a folder and its entry in the lock file change together. They are two renames, so what the lock file will
//! say is written down before the first; whoever opens the library after a kill ends what was begun.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{
    definition::{
        Pin,
        load::{LIBRARY, LOCK, lock_text, read_lock, tree_digest},
    },
    guard::write_whole,
    service::{project::Project, refusal::Refusal},
};

/// The library of a project or a user. As long as it is open, nobody else changes it.
#[derive(Debug)]
pub(super) struct Library {
    base: PathBuf,
    /// Whether it is the user's.
    pub user: bool,
    _guard: Flock<fs::File>,
}

/// Before the name of the folder that is being put: the lock file as it will be.
const COMING: &str = ".coming-";

/// The folder that holds `library/` and its lock file.
pub(super) fn base(project: &Project, user: bool) -> Result<PathBuf, Refusal> {
    if !user {
        return Ok(project.root().join(".orch"));
    }
    project.environment().user_folder().ok_or_else(|| {
        Refusal::new(1, "E0517", "there is no folder of the user: HOME is not set", "set HOME, or leave out `--user`")
    })
}

impl Library {
    /// Opens it; what a killed `orch` has left behind goes.
    pub fn open(project: &Project, user: bool) -> Result<Self, Refusal> {
        let base = base(project, user)?;
        let library = base.join(LIBRARY);
        fs::create_dir_all(&library).map_err(|error| cannot(&library, &error))?;
        // The folder guards itself, so that no file for it has to be kept out of version control.
        let file = fs::File::open(&library).map_err(|error| cannot(&library, &error))?;
        let guard = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            let message = "another orch changes the library";
            Refusal::new(1, "E0546", message, "wait for it to end, then try again").retryable()
        })?;
        let opened = Self { base, user, _guard: guard };
        for entry in fs::read_dir(&library).map_err(|error| cannot(&library, &error))?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".new-") {
                fs::remove_dir_all(entry.path()).ok();
            } else if let Some(name) = name.strip_prefix(COMING) {
                opened.end(name)?;
            }
        }
        Ok(opened)
    }

    /// Ends what a killed `orch` has begun with the folder `name`: if the new one is in its place, so is its entry.
    fn end(&self, name: &str) -> Result<(), Refusal> {
        let path = self.coming(name);
        let pins = read_lock(&path).unwrap_or_default();
        let is_there = pins
            .iter()
            .find(|pin| pin.name == name)
            .is_some_and(|pin| tree_digest(&self.folder(name)).is_ok_and(|digest| digest == pin.digest));
        if is_there {
            self.write(&pins)?;
        }
        fs::remove_file(&path).map_err(|error| cannot(&path, &error))
    }

    fn coming(&self, name: &str) -> PathBuf {
        self.folder(&format!("{COMING}{name}"))
    }

    /// Opens it where there is one; makes nothing.
    pub fn there(project: &Project, user: bool) -> Result<Option<Self>, Refusal> {
        let Ok(base) = base(project, user) else { return Ok(None) };
        if !base.join(LOCK).exists() && !base.join(LIBRARY).is_dir() {
            return Ok(None);
        }
        Self::open(project, user).map(Some)
    }

    /// The entries of its lock file.
    pub fn pins(&self) -> Result<Vec<Pin>, Refusal> {
        let path = self.base.join(LOCK);
        read_lock(&path).map_err(|why| {
            let message = format!("{} cannot be read: {why}", path.display());
            Refusal::new(1, "E0547", message, "take the file from your version control, or remove it and add anew")
        })
    }

    /// The folder of a name.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.base.join(LIBRARY).join(name)
    }

    /// An empty folder beside the others that nobody looks at.
    pub fn fresh(&self, purpose: &str) -> Result<PathBuf, Refusal> {
        // A name of its own: a git whose orch was killed may still write into the one of before.
        let path = self.folder(&format!(".new-{purpose}-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| cannot(&path, &error))?;
        Ok(path)
    }

    /// Puts `new` in the place of the folder `name`, at once, and `pins` into the lock file; the old folder, if any, is
    /// then where `new` was.
    pub fn put(&self, name: &str, new: &Path, pins: &[Pin]) -> Result<(), Refusal> {
        let (place, coming) = (self.folder(name), self.coming(name));
        sync(new);
        write_whole(&coming, lock_text(pins).as_bytes()).map_err(|error| cannot(&coming, &error))?;
        let flags = if place.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        let put = renameat_with(CWD, new, CWD, &place, flags).map_err(|error| cannot(&place, &error.into()));
        let put = put.and_then(|()| self.write(pins));
        // With a fault it stays: the next one to open the library sees how far this one came.
        if put.is_ok() {
            fs::remove_file(&coming).map_err(|error| cannot(&coming, &error))?;
        }
        put
    }

    /// Takes the folder `name` away, at once; it is then at `to`, which must not be there.
    pub fn take(&self, name: &str, to: &Path) -> Result<(), Refusal> {
        let place = self.folder(name);
        fs::rename(&place, to).map_err(|error| cannot(&place, &error))
    }

    /// Writes the lock file, whole or not at all.
    pub fn write(&self, pins: &[Pin]) -> Result<(), Refusal> {
        let path = self.base.join(LOCK);
        write_whole(&path, lock_text(pins).as_bytes()).map_err(|error| cannot(&path, &error))
    }
}

/// What is renamed must be on the disk first.
fn sync(folder: &Path) {
    if let Ok(folder) = fs::File::open(folder) {
        nix::unistd::syncfs(&folder).ok();
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Refusal {
    let message = format!("{} cannot be changed: {error}", path.display());
    Refusal::new(1, "E0517", message, "correct its permissions, or free the disk, and try again").retryable()
}
