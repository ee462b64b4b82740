//! How a command ended and what it said.

use std::{borrow::Cow, fmt, path::PathBuf, time::Duration};

use super::stop::StopReason;
use crate::base::visible;

/// Everything known about a command that has ended. No process of it is alive.
#[derive(Debug, Clone)]
pub struct Report {
    /// Why it ended.
    pub end: End,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// Processes that outlived the command and were killed.
    pub leaked: u32,
    /// From the order to the end of the last process.
    pub duration: Duration,
    /// What its sandbox has to say of it.
    pub notes: Vec<String>,
}

impl Report {
    /// Of a command that never began.
    #[must_use]
    pub fn unstarted(message: String) -> Self {
        let (stdout, stderr) = (Captured::default(), Captured::default());
        Self {
            end: End::SpawnFailed { message },
            stdout,
            stderr,
            leaked: 0,
            duration: Duration::ZERO,
            notes: Vec::new(),
        }
    }
}

/// Why a command ended. A command that did not reach its own end never looks as if it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal that `orch` did not send ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It had said its last word and did not end; it was ended.
    Lingered,
    /// It ran longer than its limit.
    TimedOut,
    /// It neither wrote nor computed for longer than its limit.
    IdleTimedOut,
    /// Somebody stopped it.
    Stopped(StopReason),
    /// There is no such program.
    NotFound {
        /// The name that was looked for.
        program: String,
    },
    /// It could not be started.
    SpawnFailed {
        /// Why, as a fragment that fits after "failed to start: ".
        message: String,
    },
    /// It ended, and what its sandbox holds is not as it was.
    Tampered {
        /// What has changed.
        paths: Vec<PathBuf>,
    },
    /// The keeper died, and with it the command: the outcome is unknown.
    KeeperLost,
}

impl fmt::Display for End {
    /// What a person is told of it, as a fragment that fits after "it ".
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(to, "has ended with {code}"),
            Self::Signalled { signal } => write!(to, "was ended by signal {signal}"),
            Self::Lingered => to.write_str("did not end, and was ended"),
            Self::TimedOut => to.write_str("took too long"),
            Self::IdleTimedOut => to.write_str("did nothing for too long"),
            Self::Stopped(_) => to.write_str("was stopped"),
            Self::NotFound { .. } => to.write_str("is not there, or is no program"),
            Self::SpawnFailed { message } => write!(to, "failed to start: {}", visible(message)),
            Self::Tampered { .. } => to.write_str("has changed what its sandbox holds"),
            Self::KeeperLost => to.write_str("may have ended or not: its keeper died"),
        }
    }
}

/// What is kept of one stream.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    /// Bytes that the command wrote.
    pub total: u64,
    /// Bytes that the log left out; without a log, bytes that are not in `head` and `tail`.
    pub dropped: u64,
    /// The first bytes, at most 64 KiB.
    pub head: Vec<u8>,
    /// The last bytes after `head`, at most 64 KiB.
    pub tail: Vec<u8>,
    /// Why the log is missing or incomplete, if it is.
    pub log_fault: Option<String>,
}

impl Captured {
    /// Head and tail as text. Bytes that are no UTF-8 are replaced; a gap says how many bytes it has.
    #[must_use]
    pub fn text(&self) -> String {
        let gap = self.total - self.head.len() as u64 - self.tail.len() as u64;
        if gap > 0 {
            let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&self.tail));
            return format!("{head}\n[{gap} bytes left out]\n{tail}");
        }
        // A character may stand across the border, so the two are joined as bytes.
        let joined: Cow<'_, [u8]> =
            if self.tail.is_empty() { Cow::Borrowed(&self.head) } else { [&self.head[..], &self.tail].concat().into() };
        String::from_utf8_lossy(&joined).into_owned()
    }
}
