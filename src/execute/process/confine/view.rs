//! What a confined command finds in the tree of files: one description for all who build it (our own mounts, the
//! system's bubblewrap, a container).
//!
//! Worked out where everything can still be seen. A path means the same inside and outside. Does not know how any of
//! it is made.

use std::{
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt, fs::FileTypeExt},
    path::{Path, PathBuf},
};

use super::{Fault, surroundings};
use crate::guard::sandbox::Profile;

/// Sockets and state of services stand here.
const SERVICES: &[&str] = &["/run", "/var/run"];
/// What programs need of it, and nobody can be told anything by.
const SERVICES_KEPT: &[&str] = &["/etc/resolv.conf", "/run/current-system", "/run/opengl-driver", "/run/booted-system"];
/// Temporary folders of everybody.
const TEMPORARY: &[&str] = &["/tmp", "/var/tmp"];
/// Memory that processes share by name; a new one.
const SHARED: &str = "/dev/shm";
/// The most sockets that are covered one by one.
const SOCKETS_MAX: usize = 256;

/// The tree as a confined command finds it. All paths are as the kernel sees them. All that is not named is read-only.
#[derive(Debug)]
pub(super) struct View {
    /// What may be written, outer ones first.
    pub writes: Vec<PathBuf>,
    /// What below those may neither be changed nor moved.
    pub held: Vec<Fixed>,
    /// What is covered by nothing; what may be written below it is there still.
    pub hidden: Vec<PathBuf>,
    /// Where services have their sockets.
    pub services: Vec<Service>,
    /// Where the attempt's own temporary folder stands in place of everybody's.
    pub temporary: Vec<PathBuf>,
    /// That folder.
    pub temp: PathBuf,
    /// Sockets that somebody listens on, outside of what may be written.
    pub sockets: Vec<PathBuf>,
    /// What stands there in place of something: first the file, then what it replaces.
    pub replaced: Vec<(PathBuf, PathBuf)>,
    /// Whether the command makes sandboxes of its own.
    pub nests: bool,
}

/// A path that stays as and where it is.
#[derive(Debug)]
pub(super) struct Fixed {
    pub path: PathBuf,
    /// The folders between it and what may be written, outer ones first: they cannot be moved either.
    pub above: Vec<PathBuf>,
}

/// A folder of services, which is empty but for this.
#[derive(Debug)]
pub(super) struct Service {
    pub place: PathBuf,
    /// What is still there.
    pub kept: Vec<PathBuf>,
    /// Files of ours, with what stands in them.
    pub new: Vec<(String, String)>,
}

impl View {
    /// The view of a profile, given the sockets that somebody listens on.
    pub(super) fn of(profile: &Profile, sockets: Vec<PathBuf>) -> Result<Self, Fault> {
        let mut writes: Vec<PathBuf> = profile.writes.iter().map(real).collect::<Result<_, _>>()?;
        // Outer ones first, so that inner ones are bound on top of them.
        writes.sort();
        writes.dedup();
        let mut hidden: Vec<PathBuf> = profile.hidden.iter().filter_map(|path| path.canonicalize().ok()).collect();
        hidden.sort();
        hidden.dedup();
        // What is needed there would be covered.
        let is_needed = |folder: &Path| writes.iter().any(|path| path.starts_with(folder));
        let temporary = TEMPORARY.iter().map(PathBuf::from).filter(|folder| is_folder(folder) && !is_needed(folder));
        Ok(Self {
            held: fixed(profile, &writes)?,
            hidden,
            services: services(profile),
            temporary: temporary.collect(),
            temp: real(&profile.temp)?,
            sockets: covered(sockets, &writes)?,
            replaced: profile.replaced.clone(),
            nests: profile.nests,
            writes,
        })
    }

    /// All that may be written in the end.
    pub(super) fn writable(&self) -> Vec<PathBuf> {
        self.writes.iter().chain(&self.temporary).cloned().chain([SHARED.into()]).collect()
    }
}

/// Sockets with a name that somebody listens on. Must be asked before this process leaves the network they are in.
pub(super) fn sockets() -> Vec<PathBuf> {
    let text = fs::read("/proc/net/unix").unwrap_or_default();
    let paths = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let start = line.windows(2).position(|pair| pair == b" /")? + 1;
        Some(PathBuf::from(OsString::from_vec(line[start..].to_vec())))
    });
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths.dedup();
    paths.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()));
    paths
}

fn covered(mut sockets: Vec<PathBuf>, writes: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
    if sockets.len() > SOCKETS_MAX {
        let what = format!("cover {} sockets", sockets.len());
        return Err(Fault::new(what, format!("at most {SOCKETS_MAX} can be covered")));
    }
    sockets.retain(|path| !writes.iter().any(|root| path.starts_with(root)));
    Ok(sockets)
}

fn fixed(profile: &Profile, writes: &[PathBuf]) -> Result<Vec<Fixed>, Fault> {
    let mut held = Vec::new();
    for path in &profile.held {
        let (root, rest) = profile
            .writes
            .iter()
            .filter_map(|root| Some((root, path.strip_prefix(root).ok()?)))
            .min_by_key(|(_, rest)| rest.components().count())
            .ok_or_else(|| Fault::new(format!("hold {}", path.display()), "it is in no folder that is written"))?;
        let expected = real(root)?.join(rest);
        // A link could be replaced, whatever stands behind it.
        if real(path)? != expected {
            let what = format!("hold {}", path.display());
            return Err(Fault::new(what, "a part of it is a symbolic link; replace the link by what it names"));
        }
        held.push(expected);
    }
    held.sort();
    let with_above = held.into_iter().map(|path| {
        let root = writes.iter().filter(|root| path.starts_with(root)).max_by_key(|root| root.components().count());
        let below_root = |above: &&Path| root.is_some_and(|root| above != root);
        let mut above: Vec<PathBuf> = path.ancestors().skip(1).take_while(below_root).map(Path::to_path_buf).collect();
        above.reverse();
        Fixed { path, above }
    });
    Ok(with_above.collect())
}

fn services(profile: &Profile) -> Vec<Service> {
    let kept: Vec<PathBuf> = SERVICES_KEPT.iter().filter_map(|path| Path::new(path).canonicalize().ok()).collect();
    let places = SERVICES.iter().map(PathBuf::from).filter(|place| is_folder(place));
    let services = places.map(|place| {
        let kept = kept.iter().filter(|path| path.starts_with(&place)).cloned().collect();
        let new = surroundings::note(&place, profile).into_iter().collect();
        Service { kept, new, place }
    });
    services.collect()
}

fn real(path: impl AsRef<Path>) -> Result<PathBuf, Fault> {
    let path = path.as_ref();
    path.canonicalize().map_err(|error| Fault::new(format!("look at {}", path.display()), error))
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}
