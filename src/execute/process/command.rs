//! What to start and within which limits.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use super::confine::Confinement;
use crate::guard::Redactor;

/// One command as an attempt runs it.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// Program and arguments. A program without a slash is looked up in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The complete environment; nothing is inherited. `ORCH_RUN` and `ORCH_ATTEMPT` are added.
    pub env: Vec<(OsString, OsString)>,
    /// Where the command starts.
    pub cwd: PathBuf,
    /// Written to the command and then closed; `None` is `/dev/null`.
    pub stdin: Option<Vec<u8>>,
    /// Whether the standard input stays open after that, for what the listener replies until its last word.
    pub converses: bool,
    /// The cookie of the attempt, by which escaped processes are recognised.
    pub attempt: String,
    /// The cookie of the run, by which a later engine finds what a dead one left.
    pub run: String,
    /// What it is confined to; not at all where absent.
    pub confinement: Option<Confinement>,
    /// Where the output is kept.
    pub log: Option<LogPaths>,
    /// Takes secrets out of the output before any of it is kept; who listens hears it as it is.
    pub redactor: Option<Redactor>,
}

/// Files for the two streams; each is created with its first byte.
#[derive(Debug, Clone)]
pub struct LogPaths {
    /// The file for standard output.
    pub stdout: PathBuf,
    /// The file for standard error.
    pub stderr: PathBuf,
}

/// What ends a command that does not end by itself, and how much of its output is kept.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest time from start to end.
    pub timeout: Option<Duration>,
    /// The longest time without output while the whole tree uses under one per cent of a core.
    pub idle_timeout: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// Bytes of one stream that its log keeps: the first quarter from the start, the rest from the end.
    pub stream_bytes_max: u64,
}

impl Default for Limits {
    /// Ten minutes, idle ten minutes, five seconds of grace, 64 MB a stream.
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(600)),
            idle_timeout: Some(Duration::from_secs(600)),
            grace: Duration::from_secs(5),
            stream_bytes_max: 64_000_000,
        }
    }
}
