//! Arranges a view by mounts of our own. Runs in mount namespaces of its own.
//!
//! The tree stays where it is: everything becomes read-only in place, what may be written is bound onto itself before,
//! and what may not be seen is covered. A path means the same inside and outside.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            ffi::OsStringExt,
            fs::{DirBuilderExt, FileTypeExt, symlink},
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    mount::{MsFlags, mount},
    sys::stat::Mode,
};

use super::{
    Fault,
    view::{Fixed, Service, View},
};

/// Devices that every program may need. Disks, terminals of others and the like are not there.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// One mount of this namespace.
struct Mount {
    at: PathBuf,
    flags: MsFlags,
}

/// Arranges the view. The process is alone in new user and mount namespaces.
pub(super) fn arrange(view: &View) -> Result<(), Fault> {
    attempt("make the mounts private", Path::new("/"), || {
        mount(none(), "/", none(), MsFlags::MS_REC | MsFlags::MS_PRIVATE, none())
    })?;
    for path in &view.writes {
        bind(path, path)?;
    }
    freeze(&view.writes, view.nests)?;
    devices(&view.writes)?;
    for service in &view.services {
        cover_service(service, view)?;
    }
    for path in &view.hidden {
        hide(path, &view.writes)?;
    }
    for folder in &view.temporary {
        bind(&view.temp, folder)?;
    }
    silence(&view.sockets)?;
    for held in &view.held {
        hold(held)?;
    }
    for (file, place) in &view.replaced {
        bind(file, place)?;
        read_only(place, MsFlags::MS_NOSUID)?;
    }
    Ok(())
}

/// Makes all that may not be written read-only, whatever it is.
fn freeze(writes: &[PathBuf], nests: bool) -> Result<(), Fault> {
    for Mount { at, flags } in mounts()? {
        let is_written = writes.iter().any(|root| at.starts_with(root));
        // Who makes namespaces writes the maps of their users there; the dangerous parts are frozen below.
        if is_written || (nests && at == Path::new("/proc")) {
            continue;
        }
        let frozen = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
        match mount(none(), &at, none(), frozen | flags, none()) {
            Ok(()) => {}
            // Below another mount, or behind a folder that is closed to this user: nobody gets there.
            Err(Errno::EINVAL | Errno::ENOENT | Errno::EACCES | Errno::ENOTDIR) if at != Path::new("/") => {}
            Err(error) => return Err(Fault::new(format!("make {} read-only", at.display()), error)),
        }
    }
    if nests {
        for name in ["sys", "sysrq-trigger", "irq", "bus", "fs"] {
            let path = Path::new("/proc").join(name);
            if path.exists() {
                bind(&path, &path)?;
                read_only(&path, MsFlags::empty())?;
            }
        }
    }
    Ok(())
}

/// A few devices in place of all.
fn devices(writes: &[PathBuf]) -> Result<(), Fault> {
    let dev = Path::new("/dev");
    let mut found = Vec::new();
    for name in DEVICES {
        let path = dev.join(name);
        if path.exists() {
            found.push((path.clone(), handle(&path)?));
        }
    }
    cover(dev, writes, "mode=755", || {
        for (path, device) in &found {
            file(path)?;
            bind(&magic(device), path)?;
        }
        for (name, target) in LINKS {
            symlink(target, dev.join(name)).map_err(|error| Fault::new(format!("link /dev/{name}"), error))?;
        }
        let (pts, shm) = (dev.join("pts"), dev.join("shm"));
        folder(&pts)?;
        attempt("mount new terminals at", &pts, || {
            let options = "newinstance,ptmxmode=0666,mode=620";
            mount(Some("devpts"), &pts, Some("devpts"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some(options))
        })?;
        if !shm.exists() {
            folder(&shm)?;
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            attempt("mount shared memory at", &shm, || {
                mount(Some("tmpfs"), &shm, Some("tmpfs"), flags, Some("mode=1777"))
            })?;
        }
        Ok(())
    })
}

/// Covers where services have their sockets, except for the few files that programs read.
fn cover_service(service: &Service, view: &View) -> Result<(), Fault> {
    let mut handles = Vec::new();
    for path in &service.kept {
        handles.push((path.clone(), handle(path)?));
    }
    cover(&service.place, &view.writes, "mode=755", || {
        for (path, kept) in &handles {
            stand_in(path, kept)?;
            read_only(path, MsFlags::MS_NOSUID)?;
        }
        for (name, text) in &service.new {
            let path = service.place.join(name);
            fs::write(&path, text).map_err(|error| Fault::new(format!("write {}", path.display()), error))?;
        }
        Ok(())
    })
}

/// Hides a folder or a file.
fn hide(path: &Path, writes: &[PathBuf]) -> Result<(), Fault> {
    if path.is_dir() { cover(path, writes, "mode=755,size=64k", || Ok(())) } else { bind(Path::new("/dev/null"), path) }
}

/// Covers a folder with an empty one that keeps what is written below it, and freezes the cover.
fn cover(
    place: &Path,
    writes: &[PathBuf],
    options: &str,
    fill: impl FnOnce() -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut kept = Vec::new();
    for path in writes.iter().filter(|path| *path != place && path.starts_with(place)) {
        kept.push((path, handle(path)?));
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    attempt("cover", place, || mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(options)))?;
    for (path, kept) in &kept {
        // An outer one brings its inner ones along.
        if !path.exists() {
            stand_in(path, kept)?;
        }
    }
    fill()?;
    read_only(place, flags)
}

/// Binds what a handle holds at a path that a cover has taken away.
fn stand_in(path: &Path, handle: &OwnedFd) -> Result<(), Fault> {
    if let Some(above) = path.parent() {
        folder(above)?;
    }
    let source = magic(handle);
    if source.is_dir() {
        folder(path)?
    } else {
        file(path)?
    }
    bind(&source, path)
}

/// Covers sockets that somebody listens on: a tree that is read-only still lets everybody connect.
fn silence(sockets: &[PathBuf]) -> Result<(), Fault> {
    for path in sockets {
        // Some are covered by now, with the folder that they are in.
        let is_socket = || fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
        // Others are taken away at any moment.
        if is_socket()
            && let Err(fault) = bind(Path::new("/dev/null"), path)
            && is_socket()
        {
            return Err(fault);
        }
    }
    Ok(())
}

/// Holds a path: neither it nor a folder above it can be changed, moved or replaced.
fn hold(held: &Fixed) -> Result<(), Fault> {
    for above in &held.above {
        if !is_mount(above)? {
            // A folder that something is mounted on cannot be moved; one that something is mounted below can.
            bind(above, above)?;
        }
    }
    bind(&held.path, &held.path)?;
    read_only(&held.path, MsFlags::MS_NOSUID)
}

fn is_mount(path: &Path) -> Result<bool, Fault> {
    Ok(mounts()?.iter().any(|mount| mount.at == path))
}

/// The mounts of this namespace with the flags that a new view of them must keep.
fn mounts() -> Result<Vec<Mount>, Fault> {
    let text = fs::read("/proc/self/mountinfo").map_err(|error| Fault::new("read the mounts", error))?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Mount::of(line).ok_or_else(|| Fault::new("read the mounts", "a line is mangled"))).collect()
}

impl Mount {
    fn of(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').skip(4);
        let at = unescape(fields.next()?)?;
        let mut flags = MsFlags::empty();
        for option in std::str::from_utf8(fields.next()?).ok()?.split(',') {
            flags |= match option {
                "nosuid" => MsFlags::MS_NOSUID,
                "nodev" => MsFlags::MS_NODEV,
                "noexec" => MsFlags::MS_NOEXEC,
                "noatime" => MsFlags::MS_NOATIME,
                "nodiratime" => MsFlags::MS_NODIRATIME,
                "relatime" => MsFlags::MS_RELATIME,
                _ => MsFlags::empty(),
            };
        }
        Some(Self { at, flags })
    }
}

/// A path as the kernel lists it: blanks, line breaks and backslashes are three octal digits.
fn unescape(text: &[u8]) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first == b'\\' {
            let (digits, after) = after.split_at_checked(3)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(std::ffi::OsString::from_vec(bytes).into())
}

/// Holds what stands at a path, whatever is mounted over it later.
fn handle(path: &Path) -> Result<OwnedFd, Fault> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|error| Fault::new(format!("open {}", path.display()), error))
}

fn magic(handle: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

fn bind(from: &Path, to: &Path) -> Result<(), Fault> {
    attempt("bind", to, || mount(Some(from), to, none(), MsFlags::MS_BIND | MsFlags::MS_REC, none()))
}

fn read_only(at: &Path, extra: MsFlags) -> Result<(), Fault> {
    let flags = mounts()?.into_iter().rfind(|mount| mount.at == at).map_or(MsFlags::empty(), |mount| mount.flags);
    let frozen = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    attempt("make read-only", at, || mount(none(), at, none(), frozen | extra | flags, none()))
}

fn folder(path: &Path) -> Result<(), Fault> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|error| Fault::new(format!("make {}", path.display()), error))
}

fn file(path: &Path) -> Result<(), Fault> {
    match File::create_new(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Fault::new(format!("make {}", path.display()), error))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn attempt(what: &str, at: &Path, work: impl FnOnce() -> nix::Result<()>) -> Result<(), Fault> {
    work().map_err(|error| Fault::new(format!("{what} {}", at.display()), error))
}

const fn none() -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mounts_is_read_with_its_odd_paths() {
        let line = br"36 35 98:0 /mnt1 /mnt\040a\134b rw,noatime,nosuid master:1 - ext3 /dev/root rw,errors=continue";
        let mount = Mount::of(line).unwrap();
        assert_eq!(mount.at, Path::new(r"/mnt a\b"));
        assert_eq!(mount.flags, MsFlags::MS_NOATIME | MsFlags::MS_NOSUID);
        assert!(Mount::of(b"36 35").is_none());
        assert!(unescape(br"a\04").is_none());
    }
}
