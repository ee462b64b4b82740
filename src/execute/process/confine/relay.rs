//! A helper that stays: it starts what makes a sandbox, waits, and ends as the command in it has ended.
//!
//! Who makes a sandbox stands between the command and the keeper, and says of a command that a signal has ended only a
//! number. So a second helper waits inside, next to the command, and tells the first how it really ended.

use std::{
    convert::Infallible,
    env,
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus, exit},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::{
        resource::{Resource, setrlimit},
        signal::{SigSet, Signal, raise},
    },
    unistd::pipe,
};
use serde::{Deserialize, Serialize};

use super::{
    Confinement, Fault, bubblewrap, doorway, enter,
    view::{View, sockets},
};
use crate::{base::Network, guard::sandbox::Profile};

/// The variable that tells a helper what is left to be done.
pub(super) const INSIDE: &str = "ORCH_SANDBOX_INSIDE";
/// Said first: whatever makes the sandbox has made it.
const MADE: u8 = 1;
/// How often a view is tried whose parts go away while it is made.
const TRIES_MAX: u32 = 10;

/// What a helper inside a view does.
#[derive(Debug, Serialize, Deserialize)]
enum Stage {
    /// Starts the command's own helper, waits for its end and tells it.
    Wait { told: RawFd, door: Option<RawFd>, left: Left },
    /// Gives up what is left to give up and becomes the command.
    Become(Left),
}

/// What is given up after the view stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Left {
    /// What may be written.
    pub writes: Vec<PathBuf>,
    /// Whether the command makes sandboxes of its own.
    pub nests: bool,
}

/// Starts a command in a view that bubblewrap makes, waits, and ends as it ended.
pub(super) fn by_bubblewrap(confinement: &Confinement, folder: &Path) -> Result<Infallible, Fault> {
    hold_signals()?;
    let mut tries = 1;
    loop {
        let view = View::of(&confinement.profile, sockets())?;
        let ended = in_view(&view, &confinement.profile, folder)?;
        // A socket that somebody has taken away meanwhile cannot be covered, and bubblewrap makes nothing at all then.
        let is_other = view.sockets.iter().any(|path| path.symlink_metadata().is_err());
        if !is_other || tries == TRIES_MAX {
            return Err(Fault::new("bubblewrap", format!("it made no sandbox ({ended})")));
        }
        tries += 1;
    }
}

/// Ends as the command has ended. Comes back only where nothing was started, as bubblewrap has made no view.
fn in_view(view: &View, profile: &Profile, folder: &Path) -> Result<ExitStatus, Fault> {
    let door = match (&profile.network, &profile.doorway) {
        (Network::Hosts(_), Some(name)) => Some(doorway::knock(name)?),
        (Network::Hosts(_), None) => return Err(Fault::new("keep to a list of hosts", "there is no proxy")),
        (Network::None | Network::Any, _) => None,
    };
    if let Some(door) = &door {
        bubblewrap::keep(door)?;
    }
    let (hear, tell) = pipe().map_err(|error| Fault::new("make a pipe", error))?;
    shut(&hear)?;
    let (itself, path) = bubblewrap::itself()?;
    let inner: Vec<_> = [path, enter::SANDBOX_ARGUMENT.into()].into_iter().chain(env::args_os().skip(2)).collect();
    let is_apart = profile.network != Network::Any;
    let (mut command, open) = bubblewrap::command(view, (is_apart, folder), &inner)?;
    let left = Left { writes: view.writable(), nests: profile.nests };
    let stage = Stage::Wait { told: tell.as_raw_fd(), door: door.as_ref().map(AsRawFd::as_raw_fd), left };
    command.env(INSIDE, text(&stage)?);
    let child = command.spawn().map_err(|error| Fault::new("start bubblewrap", error))?;
    drop((tell, door, itself, open));
    let ended = wait(child, "bubblewrap")?;
    let mut told = Vec::new();
    drop(File::from(hear).take(16).read_to_end(&mut told));
    match told.split_first() {
        None => Ok(ended),
        Some((_, rest)) => {
            let raw = <[u8; 4]>::try_from(rest).map(i32::from_le_bytes);
            end_as(raw.map_or(ended, ExitStatus::from_raw))
        }
    }
}

/// What a helper inside does, as it was told.
pub(super) fn inside(text: &str) -> Result<Infallible, Fault> {
    match serde_json::from_str(text) {
        Ok(Stage::Wait { told, door, left }) => attend(told, door, left),
        Ok(Stage::Become(left)) => enter::give_up_and_start(&left),
        Err(error) => Err(Fault::new("read what is left to do", error)),
    }
}

fn attend(told: RawFd, door: Option<RawFd>, left: Left) -> Result<Infallible, Fault> {
    let fault = |error: std::io::Error| Fault::new("tell of the command", error);
    let mut told = File::options().write(true).open(format!("/proc/self/fd/{told}")).map_err(fault)?;
    told.write_all(&[MADE]).map_err(fault)?;
    if let Some(door) = door {
        doorway::hand_out(door)?;
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(env::args_os().skip(1)).env(INSIDE, text(&Stage::Become(left))?);
    let child = command.spawn().map_err(|error| Fault::new("start the command's helper", error))?;
    let ended = wait(child, "the command")?;
    told.write_all(&ended.into_raw().to_le_bytes()).map_err(fault)?;
    exit(ended.code().unwrap_or(1))
}

/// What is for the command is not for who waits for it. The command's own helper takes them again.
pub(super) fn hold_signals() -> Result<(), Fault> {
    SigSet::all().thread_set_mask().map_err(|error| Fault::new("hold signals", error))
}

pub(super) fn wait(mut child: std::process::Child, what: &str) -> Result<ExitStatus, Fault> {
    child.wait().map_err(|error| Fault::new(format!("wait for {what}"), error))
}

/// Ends this process as another has ended.
pub(super) fn end_as(ended: ExitStatus) -> ! {
    if let Some(signal) = ended.signal() {
        // A helper that dies by a signal leaves no picture of its memory: the command has left its own.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        if let Ok(signal) = Signal::try_from(signal) {
            let mut only = SigSet::empty();
            only.add(signal);
            let _ = only.thread_unblock();
            let _ = raise(signal);
        }
        exit(128 + signal);
    }
    exit(ended.code().unwrap_or(1))
}

fn shut(descriptor: &OwnedFd) -> Result<(), Fault> {
    let shut = fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    shut.map(drop).map_err(|error| Fault::new("shut a descriptor", error))
}

fn text(stage: &Stage) -> Result<String, Fault> {
    serde_json::to_string(stage).map_err(|error| Fault::new("say what is left to do", error))
}
