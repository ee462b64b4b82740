//! What is held while confined commands work: made where it is absent, looked at before and after, taken away again.
//!
//! What is made is empty and carries a time that no real file has, so that a later run knows it after a crash. Whoever
//! works there holds a shared lock on it; only the last one takes it away, because that would free it for all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use nix::{errno::Errno, fcntl::OFlag};

use crate::{
    base::{Digest, Hasher},
    guard::sandbox::{Held, Kind, PLACEHOLDER_TIME, Profile, Site},
};

/// The time of what was made here.
const MADE: Duration = Duration::from_secs(PLACEHOLDER_TIME.unsigned_abs());
/// Entries of a held folder that are looked at.
const ENTRIES_MAX: usize = 20_000;
/// How often a place is taken that others take away at the same moment.
const TRIES_MAX: u32 = 1_000;
/// Bytes of a held file that are looked at.
const BYTES_MAX: u64 = 4 << 20;

/// What one attempt holds. Dropping it takes away what was made.
#[derive(Debug)]
pub(in crate::execute) struct Holding {
    held: Vec<Place>,
    never_new: Vec<PathBuf>,
    /// Folders that were made on the way, the outermost first.
    above: Vec<PathBuf>,
    own: Vec<PathBuf>,
}

#[derive(Debug)]
struct Place {
    held: Held,
    /// Keeps the shared lock.
    lock: File,
    before: Digest,
}

impl Holding {
    /// Makes what is absent and looks at what is there; the profile names what is really held.
    ///
    /// # Errors
    /// Something cannot be made or looked at: nobody may start then.
    pub(in crate::execute) fn begin(site: &Site<'_>) -> io::Result<(Self, Profile)> {
        let mut profile = site.profile();
        make_folder(&site.temp(), 0o700)?;
        profile.writes.retain(|path| path.exists());
        let never_new = site.never_new().into_iter().filter(|path| fs::symlink_metadata(path).is_err()).collect();
        let mut holding = Self { held: Vec::new(), never_new, above: Vec::new(), own: site.own.to_vec() };
        for held in site.held() {
            if let Some(held) = known(held) {
                holding.hold(held).map_err(|error| named(error, "hold a protected path"))?;
            }
        }
        profile.held = holding.held.iter().map(|place| place.held.path.clone()).collect();
        profile.replaced = holding.unlisted(site).map_err(|error| named(error, "leave placeholders out of git"))?;
        Ok((holding, profile))
    }

    /// A list of what `git` leaves out that names what was made as well, so that nobody commits it.
    fn unlisted(&self, site: &Site<'_>) -> io::Result<Vec<(PathBuf, PathBuf)>> {
        let place = site.workspace.join(".git/info/exclude");
        let made: Vec<&Path> = self
            .held
            .iter()
            .filter(|place| matches!(place.held.kind, Kind::Text(_)) && is_made(&place.held))
            .filter_map(|place| place.held.path.strip_prefix(site.workspace).ok())
            .collect();
        let is_plain = fs::symlink_metadata(&place).is_ok_and(|found| found.is_file() && found.len() <= BYTES_MAX);
        if made.is_empty() || !is_plain {
            return Ok(Vec::new());
        }
        let mut text = fs::read(&place)?;
        for path in made {
            text.extend_from_slice(b"\n/");
            text.extend_from_slice(path.as_os_str().as_encoded_bytes());
        }
        text.push(b'\n');
        let list = site.attempt.join("exclude");
        fs::write(&list, text)?;
        Ok(vec![(list, place)])
    }

    fn hold(&mut self, held: Held) -> io::Result<()> {
        if self.held.iter().any(|place| held.path.starts_with(&place.held.path)) {
            return Ok(());
        }
        let folders = held.path.ancestors().skip(1).take_while(|above| fs::symlink_metadata(above).is_err());
        let mut folders: Vec<PathBuf> = folders.map(Path::to_path_buf).collect();
        folders.reverse();
        for folder in folders {
            make_folder(&folder, 0o755)?;
            self.above.push(folder);
        }
        let lock = lock(&held).map_err(|error| named(error, &held.path.display().to_string()))?;
        let before = look(&held.path, &self.own)?;
        self.held.push(Place { held, lock, before });
        Ok(())
    }

    /// Looks again and takes away what was made; gives what is not as it was.
    pub(in crate::execute) fn end(self) -> Vec<PathBuf> {
        let mut changed: Vec<PathBuf> = Vec::new();
        for place in &self.held {
            let is_watched = place.held.kind != Kind::Log;
            if is_watched && look(&place.held.path, &self.own).ok().as_ref() != Some(&place.before) {
                changed.push(place.held.path.clone());
            }
        }
        for path in &self.never_new {
            if fs::symlink_metadata(path).is_ok() {
                // What it held is lost; what it could have done to the next `git` of this project is worse.
                drop(fs::remove_file(path));
                changed.push(path.clone());
            }
        }
        changed
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        for place in &self.held {
            // Fails while another attempt works there, which then takes it away itself.
            if is_made(&place.held) && place.lock.unlock().is_ok() && place.lock.try_lock().is_ok() {
                let _ = match place.held.kind {
                    Kind::Folder => fs::remove_dir(&place.held.path),
                    Kind::Text(_) | Kind::Log => fs::remove_file(&place.held.path),
                };
            }
        }
        // One that somebody has put something into stays.
        self.above.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

/// What is held in place of a path that has no meaning where it stands.
fn known(held: Held) -> Option<Held> {
    let above = held.path.parent().filter(|above| above.file_name().is_some_and(|name| name == ".git"));
    let Some(above) = above else { return Some(held) };
    match fs::symlink_metadata(above) {
        Ok(found) if found.is_dir() => Some(held),
        // It names the real repository, which is elsewhere.
        Ok(_) => Some(Held { path: above.to_path_buf(), kind: Kind::Text("") }),
        // Whoever makes a repository may set it up.
        Err(_) => None,
    }
}

/// Makes what is absent and takes a shared lock on what is there.
fn lock(held: &Held) -> io::Result<File> {
    for _ in 0..TRIES_MAX {
        if fs::symlink_metadata(&held.path).is_err() {
            match make(held) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        let options = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let lock = match OpenOptions::new().read(true).custom_flags(options.bits()).open(&held.path) {
            // The last one that held it has just taken it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            // A link; nobody gets further than to be told so.
            Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => File::open("/dev/null")?,
            other => other?,
        };
        lock.lock_shared()?;
        let (own, there) = (lock.metadata()?, fs::symlink_metadata(&held.path));
        if there.is_ok_and(|there| there.is_symlink() || (there.dev(), there.ino()) == (own.dev(), own.ino())) {
            return Ok(lock);
        }
    }
    Err(io::Error::other("it comes and goes"))
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Makes a place as a whole: nobody sees half of it.
fn make(held: &Held) -> io::Result<()> {
    let text = match held.kind {
        Kind::Folder => {
            DirBuilder::new().mode(0o755).create(&held.path)?;
            return File::open(&held.path)?.set_modified(SystemTime::UNIX_EPOCH + MADE);
        }
        Kind::Log => "",
        Kind::Text(text) => text,
    };
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!(".orch-{}-{}.new", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let new = held.path.with_file_name(name);
    let made = (|| {
        let mut file = File::create_new(&new)?;
        file.write_all(text.as_bytes())?;
        let mode = if held.kind == Kind::Log { 0o600 } else { 0o644 };
        file.set_permissions(Permissions::from_mode(mode))?;
        file.set_modified(SystemTime::UNIX_EPOCH + MADE)?;
        fs::hard_link(&new, &held.path)
    })();
    drop(fs::remove_file(&new));
    made
}

/// Whether this was made here and nobody has put anything into it.
fn is_made(held: &Held) -> bool {
    let Ok(found) = fs::symlink_metadata(&held.path) else { return false };
    let is_of_then = found.mtime() == PLACEHOLDER_TIME && found.mtime_nsec() == 0;
    is_of_then
        && match held.kind {
            Kind::Folder => found.is_dir(),
            Kind::Log => found.is_file() && found.len() == 0,
            Kind::Text(text) => found.is_file() && fs::read(&held.path).is_ok_and(|bytes| bytes == text.as_bytes()),
        }
}

/// A digest of a file, or of a folder with all that is below it but what is `orch`'s own.
fn look(path: &Path, own: &[PathBuf]) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut waiting = vec![path.to_path_buf()];
    let mut entries = 0;
    while let Some(path) = waiting.pop() {
        entries += 1;
        if entries > ENTRIES_MAX {
            return Err(io::Error::other(format!("{} holds more than {ENTRIES_MAX} entries", path.display())));
        }
        let found = fs::symlink_metadata(&path)?;
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(&found.mode().to_le_bytes());
        if found.is_dir() {
            let mut below: Vec<PathBuf> =
                fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
            below.retain(|path| !own.contains(path));
            below.sort();
            waiting.extend(below);
        } else if found.is_symlink() {
            hasher.update(fs::read_link(&path)?.as_os_str().as_encoded_bytes());
        } else if found.is_file() && found.len() <= BYTES_MAX {
            let mut bytes = Vec::new();
            let options = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
            let file = OpenOptions::new().read(true).custom_flags(options.bits()).open(&path)?;
            file.take(BYTES_MAX).read_to_end(&mut bytes)?;
            hasher.update(&bytes);
        } else {
            hasher.update(&found.len().to_le_bytes());
            hasher.update(&found.ctime().to_le_bytes());
            hasher.update(&found.ctime_nsec().to_le_bytes());
        }
    }
    Ok(hasher.finish())
}

fn named(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
