//! Builds a view by a container: a folder tree of its own, in which only what the view says is the machine's.
//!
//! Everything is in the words for the engine's program but the values of variables, which the engine reads from a file
//! without a name: a command line is for everybody to see, and a variable of a step must not steer the engine itself.

use std::{
    convert::Infallible,
    env,
    ffi::OsString,
    io::{self, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::{getegid, geteuid};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::{Confinement, Fault, calls, relay, view::View};
use crate::base::{Network, hex, random};

/// How an engine's program says that it could not do its own part.
const FAILED: i32 = 125;
/// The names by which a run's containers are found again.
const RUN_LABEL: &str = "orch.run";

/// The container of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The engine's program.
    pub engine: PathBuf,
    /// The engine's own environment: that of whoever started `orch`, never that of a step.
    pub env: Vec<(String, String)>,
    /// Whether the engine maps users where it has no rights of its own.
    pub maps_users: bool,
    /// What it is made from.
    pub image: String,
    /// The most memory.
    pub memory_bytes: u64,
    /// The most processes.
    pub processes: u64,
    /// Its name; nobody else's.
    pub name: String,
    /// The run that it dies with.
    pub run: String,
}

impl Container {
    /// A name for a container of a run, which no other has.
    ///
    /// # Errors
    /// When there is no random number.
    pub fn new_name(run: &str) -> io::Result<String> {
        Ok(format!("orch-{run}-{}", hex(&random::<6>()?)))
    }

    /// Takes the container away with all that runs in it; nothing happens where it is gone.
    pub fn remove(&self) {
        drop(self.engine().args(["rm", "-f", "-v", &self.name]).output());
    }

    /// A call of the engine that hears and says nothing.
    fn engine(&self) -> Command {
        let mut command = Command::new(&self.engine);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }
}

/// Takes away what a dead `orch` left of a run; gives how many.
#[must_use]
pub fn sweep_containers(engine: &Path, env: &[(String, String)], run: &str) -> usize {
    let call = |words: &[&str]| {
        let mut command = Command::new(engine);
        command.env_clear().envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command.args(words).output().ok().filter(|done| done.status.success())
    };
    let label = format!("label={RUN_LABEL}={run}");
    let Some(listed) = call(&["ps", "-a", "-q", "--filter", &label]) else { return 0 };
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let found: Vec<&str> = listed.split_whitespace().collect();
    found.iter().filter(|id| call(&["rm", "-f", "-v", id]).is_some()).count()
}

/// Starts a command in a container, waits, and ends as it ended.
pub(super) fn run(
    confinement: &Confinement,
    container: &Container,
    (folder, cookies): (&Path, &[(&str, OsString)]),
    pairs: &[String],
) -> Result<Infallible, Fault> {
    // Sockets of the machine are not in the tree of a container.
    let view = View::of(&confinement.profile, Vec::new())?;
    let variables = variables(pairs)?;
    let file = memfd_create("variables", MemfdFlags::CLOEXEC)
        .map_err(|error| Fault::new("hand variables to the engine", error))?;
    // The engine's program opens it by this process, which outlives it.
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    std::fs::File::from(file.try_clone().map_err(|error| Fault::new("hand variables to the engine", error))?)
        .write_all(variables.as_bytes())
        .map_err(|error| Fault::new("hand variables to the engine", error))?;
    let note = confinement.profile.temp.join(format!("{}.id", container.name));
    let filter = confinement.profile.temp.with_file_name("filter.json");
    std::fs::write(&filter, calls::filter_words().to_string())
        .map_err(|error| Fault::new("write the filter of system calls", error))?;
    // The first two are this helper and what the keeper took for the program.
    let argv: Vec<OsString> = env::args_os().skip(4).collect();
    let words = words(&view, (container, &confinement.profile.network), (folder, &path, &note, &filter), &argv)?;
    let mut engine = container.engine();
    engine.args(words).envs(cookies.iter().map(|(name, value)| (name, value))).stdin(Stdio::inherit());
    let child = engine.spawn().map_err(|error| Fault::new(format!("start {}", container.engine.display()), error))?;
    // The engine passes them on; who waits for it does not end by them.
    relay::hold_signals()?;
    let ended = relay::wait(child, "the engine of containers")?;
    let is_made = std::fs::remove_file(&note).is_ok();
    if ended.code() == Some(FAILED) && !is_made {
        return Err(Fault::new(format!("{} run", container.engine.display()), "the engine has made no container"));
    }
    drop(file);
    relay::end_as(ended)
}

/// The lines by which an engine is told variables.
fn variables(pairs: &[String]) -> Result<String, Fault> {
    /// What an image says itself.
    const OF_THE_IMAGE: [&str; 2] = ["PATH", "HOSTNAME"];
    let mut lines = String::new();
    for pair in pairs {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        if OF_THE_IMAGE.contains(&name) || name.is_empty() || name.starts_with('#') {
            continue;
        }
        if pair.contains(['\n', '\r', '\0']) {
            let why = "its value has several lines, which no engine takes from a file; hand it over in a file";
            return Err(Fault::new(format!("give `{name}` to a container"), why));
        }
        lines.push_str(pair);
        lines.push('\n');
    }
    Ok(lines)
}

/// The words for the engine's program.
fn words(
    view: &View,
    (container, network): (&Container, &Network),
    (folder, variables, note, filter): (&Path, &str, &Path, &Path),
    argv: &[OsString],
) -> Result<Vec<OsString>, Fault> {
    let network = match network {
        Network::None => Some("none"),
        Network::Any => None,
        Network::Hosts(_) => {
            return Err(Fault::new("keep to a list of hosts", "a container has none or all of the network"));
        }
    };
    let (user, group) = (geteuid(), getegid());
    let mut words: Vec<OsString> = Vec::new();
    let mut say = |parts: &[&str]| words.extend(parts.iter().map(OsString::from));
    say(&["run", "--rm", "-i", "--pull", "never", "--name", &container.name]);
    say(&["--label", &format!("{RUN_LABEL}={}", container.run), "--cidfile", plain(note)?]);
    say(&["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]);
    say(&["--security-opt", &format!("seccomp={}", plain(filter)?)]);
    say(&["--pids-limit", &container.processes.to_string(), "--memory", &container.memory_bytes.to_string()]);
    if let Some(network) = network {
        say(&["--network", network]);
    }
    if container.maps_users {
        say(&["--userns", "keep-id"]);
    }
    say(&["--user", &format!("{user}:{group}"), "--env-file", variables, "--workdir", plain(folder)?]);
    for mount in mounts(view, folder)? {
        say(&["--mount", &mount]);
    }
    // What an image wants to start by itself would get the command as mere words.
    let [program, argv @ ..] = argv else { return Err(Fault::new("start", "no program is named")) };
    let program = inside(Path::new(program), view);
    say(&["--entrypoint", plain(&program)?, "--", &container.image]);
    words.extend(argv.iter().cloned());
    Ok(words)
}

/// The parts of the view that are the machine's, outer ones first.
fn mounts(view: &View, folder: &Path) -> Result<Vec<String>, Fault> {
    let bound = |from: &Path, at: &Path, is_frozen: bool| {
        let frozen = if is_frozen { ",readonly" } else { "" };
        Ok((at.to_path_buf(), format!("type=bind,source={},target={}{frozen}", plain(from)?, plain(at)?)))
    };
    let is_inside = |path: &Path| view.writes.iter().any(|root| path.starts_with(root)) || path.starts_with(folder);
    let mut mounts = Vec::new();
    if !view.writes.iter().any(|root| folder.starts_with(root)) {
        mounts.push(bound(folder, folder, true)?);
    }
    for path in &view.writes {
        mounts.push(bound(path, path, false)?);
    }
    for held in &view.held {
        for above in &held.above {
            mounts.push(bound(above, above, false)?);
        }
        mounts.push(bound(&held.path, &held.path, true)?);
    }
    for path in view.hidden.iter().filter(|path| is_inside(path)) {
        let cover = if path.is_dir() { cover(path, mounts.len(), view)? } else { PathBuf::from("/dev/null") };
        mounts.push(bound(&cover, path, true)?);
    }
    for place in &view.temporary {
        mounts.push(bound(&view.temp, place, false)?);
    }
    for (file, place) in view.replaced.iter().filter(|(_, place)| is_inside(place)) {
        mounts.push(bound(file, place, true)?);
    }
    mounts.sort();
    mounts.dedup();
    // Of two at one place the stricter one stays: engines take no place twice.
    let mut last: Vec<(PathBuf, String)> = Vec::new();
    for (at, text) in mounts {
        let is_strict = |text: &str| text.ends_with(",readonly");
        match last.last_mut().filter(|(before, _)| *before == at) {
            Some((_, before)) if !is_strict(before) => *before = text,
            Some(_) => {}
            None => last.push((at, text)),
        }
    }
    Ok(last.into_iter().map(|(_, text)| text).collect())
}

/// An empty folder that stands in place of one that is hidden, with places for what is written below that one. An
/// engine's own empty folders are filled by some with what was there before.
fn cover(hidden: &Path, number: usize, view: &View) -> Result<PathBuf, Fault> {
    let cover = view.temp.with_file_name("covers").join(number.to_string());
    let fault = |error: io::Error| Fault::new(format!("cover {}", hidden.display()), error);
    std::fs::create_dir_all(&cover).map_err(fault)?;
    for path in view.writes.iter().filter(|path| path.as_path() != hidden) {
        let Ok(rest) = path.strip_prefix(hidden) else { continue };
        let place = cover.join(rest);
        if path.is_dir() {
            std::fs::create_dir_all(&place).map_err(fault)?;
        } else if let Some(above) = place.parent() {
            std::fs::create_dir_all(above).map_err(fault)?;
            std::fs::write(&place, "").map_err(fault)?;
        }
    }
    Ok(cover)
}

/// How a program is called inside: by its path where that is in the view, else as the image knows it.
fn inside(program: &Path, view: &View) -> PathBuf {
    let is_there = view.writes.iter().any(|root| program.starts_with(root));
    match program.file_name() {
        Some(name) if program.is_absolute() && !is_there => PathBuf::from(name),
        _ => program.to_path_buf(),
    }
}

/// A path that says the same in the words of every engine.
fn plain(path: &Path) -> Result<&str, Fault> {
    let text = path.to_str().filter(|text| !text.contains([',', '"', '\n', '\r']));
    text.ok_or_else(|| {
        Fault::new(format!("bind {}", path.display()), "a comma, a quote or a line break is in its name")
    })
}
