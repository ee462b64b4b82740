//! What `orch` says about itself: in which form, and how it is kept.

use std::{path::PathBuf, time::Duration};

use crate::config::settings::Values;

/// What only the user may say: a repository must not choose where files are written, nor which of them are taken away.
pub(super) const KEPT: &[&str] = &["log.file", "log.size", "log.every", "log.keep", "log.age"];

/// The form of log lines, and how they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Whether standard error gets JSON.
    pub is_json: bool,
    /// The file that gets them as well.
    pub file: Option<PathBuf>,
    /// Bytes of that file after which a new one begins.
    pub bytes_max: u64,
    /// How often a new one begins at least.
    pub every: Duration,
    /// Older files that are kept.
    pub keep: u32,
    /// How long they are kept.
    pub age: Duration,
}

impl Log {
    pub(super) fn of(values: &Values<'_>) -> Self {
        Self {
            is_json: values.word("log.format") == Some("json"),
            file: values.word("log.file").map(PathBuf::from),
            bytes_max: values.count("log.size").unwrap_or_default(),
            every: values.duration("log.every"),
            keep: values.number("log.keep"),
            age: values.duration("log.age"),
        }
    }
}
