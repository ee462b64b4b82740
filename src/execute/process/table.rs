//! Looks at `/proc`: who is alive, whose child, with which cookie.

use std::{collections::HashMap, ffi::OsStr, fs, io::Read, os::unix::ffi::OsStrExt};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// `PF_EXITING` of Linux, set before an ending process lets anything go.
const EXITING: u64 = 4;

/// One process as `/proc/PID/stat` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Dead, but not yet reaped.
    pub(super) is_zombie: bool,
    /// On its way to death; its pipes may be closed already.
    pub(super) is_ending: bool,
    /// Clock ticks of a core that it and its reaped children used.
    pub(super) ticks: u64,
}

impl Process {
    /// In one read: the line is shorter than this, and growing a buffer would take five.
    fn read(pid: i32) -> Option<Self> {
        let mut line = [0; 1024];
        let length = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
        Self::parse(&line[..length])
    }

    fn parse(stat: &[u8]) -> Option<Self> {
        // The name stands in brackets and may hold anything, brackets too.
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(stat.split(|byte| *byte == b' ').next()?).ok()?.parse().ok()?;
        let mut fields = std::str::from_utf8(&stat[close + 2..]).ok()?.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let flags: u64 = fields.nth(2)?.parse().ok()?;
        let mut ticks = 0;
        for field in fields.skip(4).take(4) {
            ticks += field.parse::<u64>().ok()?;
        }
        let (is_zombie, is_ending) = (matches!(state, "Z" | "X"), flags & EXITING != 0);
        Some(Self { pid, parent, group, session, is_zombie, is_ending, ticks })
    }
}

/// All processes at one moment, or nearly so.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    processes: HashMap<i32, Process>,
}

impl Snapshot {
    pub(super) fn take() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        Self { processes: pids.filter_map(Process::read).map(|process| (process.pid, process)).collect() }
    }

    pub(super) fn get(&self, pid: i32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    pub(super) fn children(&self, parent: i32) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(move |process| process.parent == parent)
    }

    /// Whether `pid` stands below `ancestor`.
    pub(super) fn is_below(&self, pid: i32, ancestor: i32) -> bool {
        let mut at = pid;
        // The snapshot is not atomic, so a reused pid could make a circle.
        for _ in 0..self.processes.len() {
            match self.processes.get(&at) {
                Some(process) if process.parent == ancestor => return true,
                Some(process) if process.parent > 1 => at = process.parent,
                Some(_) | None => return false,
            }
        }
        false
    }

    /// Every living process below `ancestor`.
    pub(super) fn below(&self, ancestor: i32) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(move |process| !process.is_zombie && self.is_below(process.pid, ancestor))
    }
}

/// Whether the environment with which `pid` started has this entry, `NAME=value`.
pub(super) fn has_cookie(pid: i32, entry: &OsStr) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|found| found == entry.as_bytes()))
}

/// Kills one process; a process that is gone already is no fault.
pub(super) fn kill_hard(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Signals a group. The kernel does it in one go, so that a fork cannot slip through.
pub(super) fn signal_group(group: i32, signal: Signal) {
    // Groups 0 and 1 would mean the own group and everything.
    if group > 1 {
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_fool_the_reader() {
        let stat = b"42 (a) R 1 (b) c)) S 7 8 9 0 -1 4194308 5 6 7 8 100 20 3 1 20 0 1 0 555 0";
        let process =
            Process { pid: 42, parent: 7, group: 8, session: 9, is_zombie: false, is_ending: true, ticks: 124 };
        assert_eq!(Process::parse(stat), Some(process));
        assert_eq!(Process::parse(b"42 (a"), None);
    }

    #[test]
    fn the_own_process_is_seen() {
        let snapshot = Snapshot::take();
        let own = i32::try_from(std::process::id()).unwrap();
        let parent = snapshot.get(own).unwrap().parent;
        assert!(snapshot.is_below(own, parent));
        assert!(!snapshot.is_below(parent, own));
    }
}
