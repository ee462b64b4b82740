//! Whose a workspace is: written beside it, before anything else of it exists.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::base::{RunId, Timestamp};

use super::{Oid, WorkspaceFault, repository::write_whole};

const FILE: &str = "owner.json";
/// The longest that is read, in bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// What of a run a workspace was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// The run.
    pub run: RunId,
    /// The path of the step.
    pub step: String,
    /// The attempt.
    pub attempt: String,
}

/// A process that cannot be mistaken for a later one with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since the machine did.
    pub started: u64,
    /// Which start of the machine.
    pub boot: String,
}

impl Process {
    /// This one.
    #[must_use]
    pub fn current() -> Self {
        let pid = std::process::id();
        Self { pid, started: started(pid).unwrap_or_default(), boot: boot() }
    }

    /// Whether it still lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.boot == boot() && started(self.pid) == Some(self.started)
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// When a process started; `None` if there is none, or only what is left of one.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything, brackets too.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// How far a workspace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has worked in it yet.
    Making,
    /// It is handed out.
    Ready,
    /// Its step has finished with it.
    Released,
}

/// What kind of place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceKind {
    /// A repository of its own, to be merged.
    Worktree,
    /// An empty folder, to be thrown away.
    Scratch,
    /// Where merges are shown to gates; what is in it stands in the line's commits as well.
    Line,
}

/// Whose a workspace is, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Of the stored form.
    pub version: u32,
    /// For what it was made.
    pub maker: Maker,
    /// Who works on it.
    pub process: Process,
    /// When.
    pub made_at: Timestamp,
    /// What kind of place it is.
    pub kind: SpaceKind,
    /// From which commit it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Oid>,
    /// The first of its ports.
    pub first_port: u16,
    /// How far it is.
    pub state: State,
    /// The last checkpoint of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Oid>,
    /// The checkpoint that has been merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Oid>,
    /// Somebody has said that its work is not wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_abandoned: bool,
}

impl Owner {
    /// Reads it from a workspace's folder; `None` if there is none.
    ///
    /// # Errors
    /// A file that is not one.
    pub fn read(folder: &Path) -> Result<Option<Self>, WorkspaceFault> {
        let path = folder.join(FILE);
        let damaged = |why: String| WorkspaceFault::Damaged { path: path.clone(), why };
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
            Ok(found) if found.len() > BYTES_MAX => return Err(damaged("it is too long".to_owned())),
            Ok(_) => {}
        }
        let text = fs::read(&path).map_err(|error| damaged(error.to_string()))?;
        let owner: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if owner.version == 1 { Ok(Some(owner)) } else { Err(damaged(format!("its version is {}", owner.version))) }
    }

    /// Whether a folder holds nothing but what a maker leaves that is killed before it has written this: the first that a
    /// workspace gets.
    pub(super) fn is_unwritten(folder: &Path) -> bool {
        let is_scrap = |name: &str| name.starts_with(FILE) && name.ends_with(".new");
        let is_scrap = |entry: std::io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_scrap))
        };
        fs::read_dir(folder).is_ok_and(|mut entries| entries.all(is_scrap))
    }

    /// Writes it, whole.
    pub(super) fn write(&self, folder: &Path) -> Result<(), WorkspaceFault> {
        let path = folder.join(FILE);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| WorkspaceFault::Damaged { path: path.clone(), why: error.to_string() })?;
        write_whole(&path, &text).map_err(WorkspaceFault::io(format!("write {}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_number() {
        let own = Process::current();
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own.clone() }.is_alive());
        assert!(!Process { boot: "another".to_owned(), ..own }.is_alive());
    }
}
