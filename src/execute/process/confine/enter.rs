//! The helper that confines itself and then becomes the command.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    env,
    ffi::{CString, OsStr, OsString},
    fs,
    io::{self, Write},
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    process::{Command, exit},
};

use nix::{
    errno::Errno,
    sched::{CloneFlags, unshare},
    sys::signal::SigSet,
    unistd::{chdir, execve, getgid, getuid},
};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set, set_no_new_privs};

use super::{
    Confinement, Fault,
    calls::filter,
    container,
    doorway::{hand_out, knock},
    loopback,
    mounts::arrange,
    relay::{self, Left},
    rules::restrict,
    surroundings::surroundings,
    view::{View, sockets},
};
use crate::{
    base::Network,
    execute::process::{keeper::close_inherited, report::Report},
    guard::sandbox::{Method, Profile},
};

/// The hidden argument with which `orch` becomes a confined command.
pub const SANDBOX_ARGUMENT: &str = "__sandbox";

/// The variable with the confinement, and the beginning of those with the command's own environment.
const CONFINEMENT: &str = "ORCH_SANDBOX";
const VARIABLE: &str = "ORCH_SANDBOX_";
/// Cookies, by which processes are found: they stand in the environment of the helper as well.
const COOKIES: [&str; 2] = ["ORCH_RUN", "ORCH_ATTEMPT"];
/// What a helper that fails says first.
pub(super) const COMPLAINT: &str = "orch: the sandbox cannot be made: ";
/// How it ends then.
const FAILED: i32 = 41;

/// The helper's own command line for a command: what the keeper starts in its place.
pub(in super::super) fn command(
    orch: &Path,
    confinement: &OsStr,
    program: &Path,
    argv: &[OsString],
    env: &[(OsString, OsString)],
) -> Command {
    let mut command = Command::new(orch);
    command.arg(SANDBOX_ARGUMENT).arg(program).args(argv);
    command.env_clear().env(CONFINEMENT, confinement);
    // Of one that is named twice the later counts, as where no helper stands between.
    let env: BTreeMap<&OsString, &OsString> = env.iter().map(|(name, value)| (name, value)).collect();
    for (place, (name, value)) in env.into_iter().enumerate() {
        if COOKIES.iter().any(|cookie| name == cookie) {
            command.env(name, value);
        }
        // Under another name, a variable that would steer the loader of programs means nothing.
        let mut pair = name.clone();
        pair.push("=");
        pair.push(value);
        command.env(format!("{VARIABLE}{place}"), pair);
    }
    command
}

/// Whether a report is of a helper that failed, and what it said.
pub(in super::super::super) fn is_complaint(report: &Report) -> Option<String> {
    let is_failed = report.end == crate::execute::process::End::Exited { code: FAILED };
    let said = String::from_utf8_lossy(&report.stderr.head);
    // What makes a sandbox for the helper may have said something before.
    let (before, why) = said.split_once(COMPLAINT).filter(|(before, _)| before.is_empty() || before.ends_with('\n'))?;
    let said = [why.trim(), before.trim()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    is_failed.then_some(said)
}

/// Confines this process and becomes the command; ends with 41 where that cannot be done.
///
/// Must be called on the main thread, before any other thread exists.
pub fn serve() -> ! {
    let Err(fault) = enter();
    drop(writeln!(io::stderr(), "{COMPLAINT}{fault}"));
    exit(FAILED)
}

fn enter() -> Result<Infallible, Fault> {
    if let Ok(text) = env::var(relay::INSIDE) {
        return relay::inside(&text);
    }
    close_inherited().map_err(|error| Fault::new("close what was inherited", error))?;
    let text = env::var(CONFINEMENT).map_err(|error| Fault::new("read the profile", error))?;
    let confinement: Confinement =
        serde_json::from_str(&text).map_err(|error| Fault::new("read the profile", error))?;
    let folder = env::current_dir().map_err(|error| Fault::new("find the working directory", error))?;
    let profile = &confinement.profile;
    if let Some(container) = &confinement.container {
        let cookies = COOKIES.map(|name| (name, env::var_os(name).unwrap_or_default()));
        return container::run(&confinement, container, (&folder, &cookies), &pairs()?);
    }
    let left = match confinement.method {
        Method::Namespaces => confine(profile)?,
        Method::Bubblewrap => return relay::by_bubblewrap(&confinement, &folder),
        Method::Surroundings => within(profile)?,
    };
    chdir(&folder).map_err(|error| Fault::new(format!("enter {}", folder.display()), error))?;
    give_up(&left)?;
    become_command()
}

/// What a helper does last, inside a view that another has made.
pub(super) fn give_up_and_start(left: &Left) -> Result<Infallible, Fault> {
    close_inherited().map_err(|error| Fault::new("close what was inherited", error))?;
    give_up(left)?;
    become_command()
}

/// Makes namespaces and the view in them; says what is left to give up.
fn confine(profile: &Profile) -> Result<Left, Fault> {
    let is_apart = profile.network != Network::Any;
    let door = match (&profile.network, &profile.doorway) {
        (Network::Hosts(_), Some(name)) => Some(knock(name)?),
        (Network::Hosts(_), None) => return Err(Fault::new("keep to a list of hosts", "there is no proxy")),
        (Network::None | Network::Any, _) => None,
    };
    let view = View::of(profile, sockets())?;
    enter_namespaces(is_apart)?;
    if is_apart {
        loopback::wake()?;
    }
    if let Some(door) = door {
        hand_out(door.as_raw_fd())?;
    }
    arrange(&view)?;
    Ok(Left { writes: view.writable(), nests: profile.nests })
}

/// Stays in the sandbox that this process is in, where that is no wider than what is asked for.
fn within(profile: &Profile) -> Result<Left, Fault> {
    let around = surroundings().ok_or_else(|| Fault::new("stay in the sandbox around", "there is none"))?;
    around.admits(&profile.network).map_err(|why| Fault::new("stay in the sandbox around", why))?;
    let writes = profile.writes.iter().filter_map(|path| path.canonicalize().ok()).chain(["/dev/shm".into()]);
    Ok(Left { writes: writes.collect(), nests: false })
}

/// Gives up what is left when the view stands.
fn give_up(left: &Left) -> Result<(), Fault> {
    drop_rights()?;
    restrict((!left.nests).then_some(left.writes.as_slice()))?;
    filter(left.nests)
}

fn become_command() -> Result<Infallible, Fault> {
    let argv: Vec<OsString> = env::args_os().skip(2).collect();
    let [program, argv @ ..] = argv.as_slice() else { return Err(Fault::new("start", "no program is named")) };
    SigSet::empty().thread_set_mask().map_err(|error| Fault::new("unblock signals", error))?;
    start(program, argv, &variables()?)
}

fn enter_namespaces(is_apart: bool) -> Result<(), Fault> {
    new_user()?;
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    if is_apart {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags).map_err(|error| Fault::new("make namespaces", error))
}

/// A namespace of users with the same user in it.
fn new_user() -> Result<(), Fault> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| Fault::new("make a namespace of users", error))?;
    let write = |name: &str, text: String| {
        fs::write(Path::new("/proc/self").join(name), text).map_err(|error| Fault::new(format!("write {name}"), error))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{user} {user} 1"))?;
    write("gid_map", format!("{group} {group} 1"))
}

/// Makes the rights over the new namespaces end with this process, whatever user the command runs as.
fn drop_rights() -> Result<(), Fault> {
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // A right that this kernel does not know, or one that this user never had.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(Fault::new("give up rights", error)),
        }
    }
    set_no_new_privs(true).map_err(|error| Fault::new("give up new rights", error))
}

/// The command's own environment.
fn variables() -> Result<Vec<CString>, Fault> {
    own_pairs().iter().map(|pair| text(pair)).collect()
}

/// The same as texts.
fn pairs() -> Result<Vec<String>, Fault> {
    let texts = own_pairs().into_iter().map(OsString::into_string);
    texts.collect::<Result<_, _>>().map_err(|_| Fault::new("give a variable to a container", "it is not UTF-8"))
}

fn own_pairs() -> Vec<OsString> {
    let mut pairs: Vec<(usize, OsString)> = env::vars_os()
        .filter_map(|(name, pair)| Some((name.to_str()?.strip_prefix(VARIABLE)?.parse().ok()?, pair)))
        .collect();
    pairs.sort();
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

fn start(program: &OsStr, argv: &[OsString], env: &[CString]) -> Result<Infallible, Fault> {
    let path = text(program)?;
    let argv: Vec<CString> = argv.iter().map(|word| text(word)).collect::<Result<_, _>>()?;
    let error = match execve(&path, &argv, env) {
        Err(Errno::ENOEXEC) => {
            // A script without `#!`: a shell runs it, as a shell would have done.
            let mut words = vec![c"sh".to_owned(), path.clone()];
            words.extend(argv.into_iter().skip(1));
            execve(c"/bin/sh", &words, env)
        }
        other => other,
    };
    let Err(error) = error;
    Err(Fault::new(format!("start {}", PathBuf::from(program).display()), error))
}

fn text(word: &OsStr) -> Result<CString, Fault> {
    CString::new(word.as_bytes()).map_err(|error| Fault::new("start", error))
}
