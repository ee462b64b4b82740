//! What is running, and who owns what was left behind.
//!
//! Decides nothing by pid alone: a pid means a process only while it cannot be
//! reused, that is until this process has reaped it, which happens under the roster's lock.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsString,
};

use nix::sys::signal::Signal;

use super::super::{
    message::{Notice, Status},
    table::{Snapshot, has_cookie, kill_hard, signal_group},
};

/// The keeper's state; one lock holds it.
#[derive(Debug, Default)]
pub(super) struct Roster {
    attempts: HashMap<u64, Attempt>,
    /// The pid of every command that is alive or not yet reaped.
    leaders: HashMap<i32, u64>,
    /// Commands that ended and whose tree may not be empty yet.
    ended: BTreeSet<u64>,
    orphans: HashMap<i32, Orphan>,
    /// Starts under way, by a number that only grows.
    starting: BTreeSet<u64>,
    starts: u64,
    /// Reaped before their start was noted down.
    early: HashMap<i32, Status>,
    /// The engine is gone; whatever starts now is killed at once.
    pub(super) is_closing: bool,
    /// Grows with every start that is noted down, so that the reaper knows when to look again.
    pub(super) generation: u64,
    /// Whether the reaper waits for the generation to grow.
    pub(super) reaper_waits: bool,
}

#[derive(Debug)]
struct Attempt {
    /// `ORCH_ATTEMPT=…` as it stands in the environment of its processes.
    cookie: OsString,
    state: State,
    /// Whether the tree has been given up to SIGKILL.
    is_killed: bool,
    leaked: u32,
}

#[derive(Debug)]
enum State {
    Starting { signal: Option<Signal> },
    Running { pid: i32 },
    Ended { pid: i32, status: Status, is_told: bool },
}

/// A living process that the keeper adopted, or one below it.
#[derive(Debug)]
struct Orphan {
    /// The attempts that can own it. With more than one it lives until the last of them ends.
    owners: Vec<u64>,
    is_killed: bool,
}

impl Roster {
    /// Notes that a start is under way; gives its ticket.
    pub(super) fn begin(&mut self, id: u64, attempt: &OsString) -> u64 {
        let mut cookie = OsString::from("ORCH_ATTEMPT=");
        cookie.push(attempt);
        let state = State::Starting { signal: None };
        self.attempts.insert(id, Attempt { cookie, state, is_killed: false, leaked: 0 });
        self.starts += 1;
        self.starting.insert(self.starts);
        self.starts
    }

    /// Whether a command is under way, or not yet tidied up.
    pub(super) fn has(&self, id: u64) -> bool {
        self.attempts.contains_key(&id)
    }

    /// Notes how a start ended.
    pub(super) fn started(&mut self, id: u64, ticket: u64, pid: Option<i32>) {
        self.starting.remove(&ticket);
        self.generation += 1;
        let Some(pid) = pid else {
            self.attempts.remove(&id);
            self.disown(id);
            return;
        };
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        let State::Starting { signal } = attempt.state else { return };
        if let Some(status) = self.early.remove(&pid) {
            attempt.state = State::Ended { pid, status, is_told: false };
            self.ended.insert(id);
            return;
        }
        attempt.state = State::Running { pid };
        self.leaders.insert(pid, id);
        if self.is_closing {
            signal_group(pid, Signal::SIGKILL);
        } else if let Some(signal) = signal {
            send(pid, signal);
        }
    }

    /// SIGTERM to the command's group, SIGKILL to its tree.
    pub(super) fn signal(&mut self, id: u64, wanted: Signal) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.is_killed |= wanted == Signal::SIGKILL;
        match &mut attempt.state {
            State::Starting { signal } => {
                *signal = if attempt.is_killed { Some(Signal::SIGKILL) } else { Some(wanted) }
            }
            State::Running { pid } => send(*pid, wanted),
            // The deaths wake the reaper, which looks for more.
            State::Ended { .. } => {
                if attempt.is_killed {
                    self.kill_orphans(id, &Snapshot::take());
                }
            }
        }
    }

    /// Clock ticks that the attempt's tree has used so far.
    pub(super) fn ticks(&self, id: u64, own: i32) -> u64 {
        let Some(attempt) = self.attempts.get(&id) else { return 0 };
        let (State::Running { pid: leader } | State::Ended { pid: leader, .. }) = attempt.state else { return 0 };
        let snapshot = Snapshot::take();
        let adopted: Vec<i32> = snapshot
            .children(own)
            .filter(|process| !self.leaders.contains_key(&process.pid) && has_cookie(process.pid, &attempt.cookie))
            .map(|process| process.pid)
            .collect();
        let is_member = |pid: i32, group: i32| {
            group == leader
                || snapshot.is_below(pid, leader)
                || adopted.iter().any(|root| pid == *root || snapshot.is_below(pid, *root))
        };
        snapshot.all().filter(|process| is_member(process.pid, process.group)).map(|process| process.ticks).sum()
    }

    /// Notes a reaped process. A stranger may be a command whose start is not noted down yet.
    pub(super) fn reaped(&mut self, pid: i32, status: Status) {
        if let Some(id) = self.leaders.remove(&pid) {
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.state = State::Ended { pid, status, is_told: false };
                self.ended.insert(id);
            }
        } else if self.orphans.remove(&pid).is_none() && !self.starting.is_empty() {
            self.early.insert(pid, status);
        }
    }

    /// The last start that could still claim a stranger that was reaped.
    pub(super) fn last_ticket(&self) -> Option<u64> {
        if self.early.is_empty() { None } else { Some(self.starts) }
    }

    /// Whether a start up to this ticket may still claim one of the strangers.
    pub(super) fn may_claim(&self, ticket: u64) -> bool {
        !self.early.is_empty() && self.starting.first().is_some_and(|first| *first <= ticket)
    }

    pub(super) fn forget_strangers(&mut self) {
        self.early.clear();
    }

    pub(super) fn is_starting(&self) -> bool {
        !self.starting.is_empty()
    }

    /// Whether any command ended whose end is not fully reported.
    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// The common case: nobody is left behind, so everything that ended is over.
    pub(super) fn settle_empty(&mut self, notices: &mut Vec<Notice>) {
        self.orphans.clear();
        for id in std::mem::take(&mut self.ended) {
            self.finish(id, notices);
        }
    }

    /// Finds out whose the adopted processes are, kills those of attempts that are given up, and
    /// reports the attempts of which nothing is left. `is_adopted` tells an adopted child from a
    /// command whose start is not noted down yet.
    pub(super) fn settle(&mut self, own: i32, is_adopted: impl Fn(i32) -> bool, notices: &mut Vec<Notice>) {
        let snapshot = Snapshot::take();
        self.orphans.retain(|pid, _| snapshot.get(*pid).is_some_and(|process| !process.is_zombie));
        let adopted: Vec<i32> = snapshot
            .children(own)
            .filter(|process| !process.is_zombie && !self.leaders.contains_key(&process.pid) && is_adopted(process.pid))
            .map(|process| process.pid)
            .collect();
        for pid in adopted {
            if !self.orphans.contains_key(&pid) {
                let owners = self.owners(pid, &snapshot);
                self.orphans.insert(pid, Orphan { owners, is_killed: false });
            }
        }
        // Ending one attempt may leave another as the only possible owner, so this goes on until nothing changes.
        while let Some(id) = self.ended.iter().copied().find(|id| !self.owns_any(*id)) {
            self.ended.remove(&id);
            self.finish(id, notices);
            self.disown(id);
        }
        for id in self.ended.clone() {
            let Some(attempt) = self.attempts.get_mut(&id) else { continue };
            if attempt.is_killed {
                self.kill_orphans(id, &snapshot);
            } else if let State::Ended { status, is_told: is_told @ false, .. } = &mut attempt.state {
                *is_told = true;
                notices.push(Notice::Ended { id, status: *status, is_last: false });
            }
        }
        self.kill_unowned(&snapshot);
    }

    fn finish(&mut self, id: u64, notices: &mut Vec<Notice>) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        let State::Ended { status, is_told, .. } = attempt.state else { return };
        if !is_told {
            notices.push(Notice::Ended { id, status, is_last: attempt.leaked == 0 });
        }
        if is_told || attempt.leaked > 0 {
            notices.push(Notice::Gone { id, leaked: attempt.leaked });
        }
    }

    fn owns_any(&self, id: u64) -> bool {
        self.orphans.values().any(|orphan| orphan.owners == [id])
    }

    fn disown(&mut self, id: u64) {
        for orphan in self.orphans.values_mut() {
            orphan.owners.retain(|owner| *owner != id);
        }
    }

    /// The attempts that can own an adopted process: by its group, by its cookie, else any.
    fn owners(&self, pid: i32, snapshot: &Snapshot) -> Vec<u64> {
        let group = snapshot.get(pid).map(|process| process.group);
        let by_group = self.attempts.iter().find(|(_, attempt)| match attempt.state {
            State::Running { pid } | State::Ended { pid, .. } => Some(pid) == group,
            State::Starting { .. } => false,
        });
        if let Some((id, _)) = by_group {
            return vec![*id];
        }
        let by_cookie: Vec<u64> =
            self.attempts.iter().filter(|(_, attempt)| has_cookie(pid, &attempt.cookie)).map(|(id, _)| *id).collect();
        if by_cookie.is_empty() { self.attempts.keys().copied().collect() } else { by_cookie }
    }

    /// Kills every orphan that only this attempt can own, with all below it.
    fn kill_orphans(&mut self, id: u64, snapshot: &Snapshot) {
        let roots: Vec<i32> =
            self.orphans.iter().filter(|(_, orphan)| orphan.owners == [id]).map(|(pid, _)| *pid).collect();
        let killed = self.kill_trees(&roots, vec![id], snapshot);
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.leaked += killed;
        }
    }

    fn kill_unowned(&mut self, snapshot: &Snapshot) {
        let roots: Vec<i32> =
            self.orphans.iter().filter(|(_, orphan)| orphan.owners.is_empty()).map(|(pid, _)| *pid).collect();
        self.kill_trees(&roots, Vec::new(), snapshot);
    }

    /// Kills these processes and all below them; gives how many were not under way to death already.
    fn kill_trees(&mut self, roots: &[i32], owners: Vec<u64>, snapshot: &Snapshot) -> u32 {
        let mut pids: HashSet<i32> = roots.iter().copied().collect();
        pids.extend(roots.iter().flat_map(|root| snapshot.below(*root)).map(|process| process.pid));
        // Whole groups first: the kernel does that in one go, so that a loop of forks cannot run ahead.
        let groups: HashSet<i32> = pids.iter().filter_map(|pid| Some(snapshot.get(*pid)?.group)).collect();
        for group in groups.iter().filter(|group| pids.contains(group) || self.is_group_of(**group, &owners)) {
            signal_group(*group, Signal::SIGKILL);
        }
        let mut killed = 0;
        for pid in pids {
            kill_hard(pid);
            let orphan = self.orphans.entry(pid).or_insert(Orphan { owners: owners.clone(), is_killed: false });
            let was_killed = std::mem::replace(&mut orphan.is_killed, true);
            let was_ending = snapshot.get(pid).is_none_or(|process| process.is_ending || process.is_zombie);
            killed += u32::from(!was_killed && !was_ending);
        }
        killed
    }

    fn is_group_of(&self, group: i32, owners: &[u64]) -> bool {
        owners.iter().filter_map(|id| self.attempts.get(id)).any(|attempt| match attempt.state {
            State::Running { pid } | State::Ended { pid, .. } => pid == group,
            State::Starting { .. } => false,
        })
    }
}

/// A stopped process must go on before it can follow a gentle signal.
fn send(group: i32, signal: Signal) {
    signal_group(group, signal);
    if signal != Signal::SIGKILL {
        signal_group(group, Signal::SIGCONT);
    }
}
