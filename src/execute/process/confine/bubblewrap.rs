//! Builds a view by the system's bubblewrap, where a process may make no namespaces of its own but bubblewrap may.
//!
//! Bubblewrap takes its parts in the order in which they are named, so outer paths come first: whatever is below one is
//! arranged on top of it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Write,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open},
    sys::stat::Mode,
    unistd::{geteuid, pipe},
};

use super::{Fault, view::View};

/// Where a system has it. Not searched for: what stands in a folder of somebody else is not the system's.
const PROGRAMS: &[&str] = &["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap"];
/// What the kernel is set by; a program with a sandbox of its own gets the rest of `/proc`.
const SETTINGS: &[&str] = &["sys", "sysrq-trigger", "irq", "bus", "fs"];

/// The system's bubblewrap.
pub(super) fn program() -> Result<&'static Path, Fault> {
    let found = PROGRAMS.iter().map(Path::new).find(|path| path.is_file());
    found.ok_or_else(|| Fault::new("find bubblewrap", format!("it is not installed ({})", PROGRAMS[0])))
}

/// A command that makes the view and becomes `inner` in it; what must stay open until then.
pub(super) fn command(
    view: &View,
    (is_apart, folder): (bool, &Path),
    inner: &[OsString],
) -> Result<(Command, Vec<OwnedFd>), Fault> {
    let mut words = Words::default();
    words.all(&["--unshare-user-try", "--unshare-ipc", "--die-with-parent"]);
    if is_apart {
        words.all(&["--unshare-net"]);
    }
    if geteuid().is_root() {
        words.all(&["--cap-drop", "ALL"]);
    }
    words.all(&["--ro-bind", "/", "/"]);
    let mut open = Vec::new();
    let mut parts = parts(view, &mut open)?;
    // A stable sort: of two parts at one place the later stays the upper.
    parts.sort_by(|one, other| one.at.cmp(&other.at));
    parts.iter().for_each(|part| words.part(part));
    for cover in parts.iter().filter(|part| part.is_frozen) {
        words.all(&["--remount-ro"]);
        words.0.push(cover.at.clone().into());
    }
    words.all(&["--chdir"]);
    words.0.push(folder.into());
    words.all(&["--"]);
    let mut command = Command::new(program()?);
    command.args(words.0).args(inner);
    Ok((command, open))
}

/// One part of a view, as bubblewrap's words say it.
struct Part {
    at: PathBuf,
    words: Vec<OsString>,
    /// Whether it is made read-only when everything is in place.
    is_frozen: bool,
}

#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    fn all(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn part(&mut self, part: &Part) {
        self.0.extend(part.words.iter().cloned());
        self.0.push((&part.at).into());
    }
}

fn parts(view: &View, open: &mut Vec<OwnedFd>) -> Result<Vec<Part>, Fault> {
    let part = |at: &Path, words: Vec<&OsStr>| {
        let words: Vec<OsString> = words.into_iter().map(OsStr::to_owned).collect();
        Part { at: at.to_owned(), words, is_frozen: false }
    };
    let bind = |at: &Path| part(at, vec!["--bind".as_ref(), at.as_ref()]);
    let frozen = |from: &Path, at: &Path| part(at, vec!["--ro-bind".as_ref(), from.as_ref()]);
    let nothing = |at: &Path| part(at, vec!["--dev-bind".as_ref(), "/dev/null".as_ref()]);
    let cover = |at: &Path, mode: &str| {
        let words = ["--perms", mode, "--tmpfs"].map(OsStr::new).to_vec();
        Part { is_frozen: true, ..part(at, words) }
    };
    let mut parts: Vec<Part> = view.writes.iter().map(|path| bind(path)).collect();
    parts.push(Part { is_frozen: true, ..part("/dev".as_ref(), vec!["--dev".as_ref()]) });
    parts.push(Part { is_frozen: false, ..cover("/dev/shm".as_ref(), "1777") });
    for service in &view.services {
        parts.push(cover(&service.place, "0755"));
        parts.extend(service.kept.iter().map(|path| frozen(path, path)));
        for (name, text) in &service.new {
            let text = handed(text)?;
            let number = text.as_raw_fd().to_string();
            parts.push(part(&service.place.join(name), vec!["--file".as_ref(), number.as_ref()]));
            open.push(text);
        }
    }
    // What is covered with the folder around it is gone already.
    let is_there = |path: &Path| !is_covered(path, view);
    for path in view.hidden.iter().filter(|path| is_there(path)) {
        parts.push(if path.is_dir() { cover(path, "0755") } else { nothing(path) });
    }
    for folder in &view.temporary {
        parts.push(part(folder, vec!["--bind".as_ref(), view.temp.as_ref()]));
    }
    parts.extend(view.sockets.iter().filter(|path| is_there(path)).map(|path| nothing(path)));
    for held in &view.held {
        parts.extend(held.above.iter().map(|above| bind(above)));
        parts.push(frozen(&held.path, &held.path));
    }
    parts.extend(view.replaced.iter().map(|(file, place)| frozen(file, place)));
    if view.nests {
        // Who makes namespaces writes the maps of their users there.
        let proc = Path::new("/proc");
        parts.push(bind(proc));
        parts.extend(SETTINGS.iter().map(|name| proc.join(name)).filter(|at| at.exists()).map(|at| frozen(&at, &at)));
    }
    // Two things that hold a folder need it once, and below what is held nothing is opened again.
    let mut seen = std::collections::BTreeSet::new();
    parts.retain(|part| seen.insert((part.at.clone(), part.words.clone())));
    Ok(parts)
}

/// Whether the innermost folder around a path that the view says something of is covered.
fn is_covered(path: &Path, view: &View) -> bool {
    let depth = |places: &mut dyn Iterator<Item = &PathBuf>| {
        let around = places.filter(|place| place.as_path() != path && path.starts_with(place));
        around.map(|place| place.components().count()).max()
    };
    let services = view.services.iter().map(|service| &service.place);
    let covered = depth(&mut view.hidden.iter().chain(&view.temporary).chain(services));
    covered > depth(&mut view.writes.iter())
}

/// A text that bubblewrap reads from a descriptor.
fn handed(text: &str) -> Result<OwnedFd, Fault> {
    let fault = |error: &dyn std::fmt::Display| Fault::new("hand a text to bubblewrap", error);
    let (reading, writing) = pipe().map_err(|error| fault(&error))?;
    // It fits into a pipe, so nobody has to read meanwhile.
    File::from(writing).write_all(text.as_bytes()).map_err(|error| fault(&error))?;
    Ok(reading)
}

/// Keeps a descriptor open in the programs that come next.
pub(super) fn keep(descriptor: impl AsFd) -> Result<(), Fault> {
    let kept = fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()));
    kept.map(drop).map_err(|error| Fault::new("keep a descriptor open", error))
}

/// This very program, by a descriptor: in the view its path may mean something else, or nothing.
pub(super) fn itself() -> Result<(OwnedFd, OsString), Fault> {
    let handle =
        open("/proc/self/exe", OFlag::O_PATH, Mode::empty()).map_err(|error| Fault::new("open this program", error))?;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd()).into();
    Ok((handle, path))
}
