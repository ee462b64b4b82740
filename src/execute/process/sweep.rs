//! Finds and kills what no keeper holds any more.

use std::{
    collections::{BTreeSet, HashSet},
    ffi::OsString,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::table::{Process, Snapshot, has_cookie, kill_hard, signal_group};

/// After this long a process that does not die hangs in the kernel, and waiting helps no more.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// Kills every process that a dead engine and its dead keeper left of a run; gives how many.
///
/// Called before a run is resumed, by the engine that owns the run now. Finds processes by
/// `ORCH_RUN=<run>` in the environment with which they started, all below those, and all in the same
/// session if its leader is gone. Never touches the caller or anything above it. Blocks until they are
/// gone, at most two seconds.
#[must_use]
pub fn sweep(run: &str) -> usize {
    let mut cookie = OsString::from("ORCH_RUN=");
    cookie.push(run);
    let own = own_pid();
    let mut killed: HashSet<i32> = HashSet::new();
    until_none(|| {
        let snapshot = Snapshot::take();
        let is_safe = |pid: i32| pid == own || snapshot.is_below(own, pid) || pid <= 1;
        let marked: Vec<Process> = snapshot
            .all()
            .filter(|process| !is_safe(process.pid) && has_cookie(process.pid, &cookie))
            .copied()
            .collect();
        let lost_sessions: HashSet<i32> = marked
            .iter()
            .map(|process| process.session)
            .filter(|session| snapshot.get(*session).is_none_or(|leader| leader.is_zombie))
            .collect();
        let found: Vec<i32> = snapshot
            .all()
            .filter(|process| !is_safe(process.pid) && !process.is_zombie)
            .filter(|process| {
                lost_sessions.contains(&process.session)
                    || marked.iter().any(|root| root.pid == process.pid || snapshot.is_below(process.pid, root.pid))
            })
            .map(|process| process.pid)
            .collect();
        found.iter().for_each(|pid| kill_hard(*pid));
        killed.extend(&found);
        found.is_empty()
    });
    killed.len()
}

/// Kills and reaps every child of this process, and all below, except these keepers and theirs.
pub(super) fn kill_adopted(living: &BTreeSet<u32>) {
    let own = own_pid();
    let is_living = |pid: i32| u32::try_from(pid).is_ok_and(|pid| living.contains(&pid));
    until_none(|| {
        let snapshot = Snapshot::take();
        let roots: Vec<i32> =
            snapshot.children(own).filter(|child| !is_living(child.pid)).map(|child| child.pid).collect();
        for root in &roots {
            for process in snapshot.below(*root).chain(snapshot.get(*root)) {
                if snapshot.get(own).is_some_and(|this| this.group != process.group) {
                    signal_group(process.group, Signal::SIGKILL);
                }
                kill_hard(process.pid);
            }
        }
        for root in roots.iter().filter_map(|root| Pid::from_raw(*root)) {
            let _ = waitpid(Some(root), WaitOptions::NOHANG);
        }
        roots.is_empty()
    });
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

fn until_none(mut kill: impl FnMut() -> bool) {
    let patience_ends = Instant::now() + PATIENCE;
    while !kill() && Instant::now() < patience_ends {
        std::thread::sleep(LOOK);
    }
}
