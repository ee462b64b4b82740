//! Why `orch` could not do what was asked: a code, an exit code, what happened and what to do next.

use std::fmt;

use crate::{
    driver::{DriveError, LoadError},
    journal::{AppendError, LockError, StoreError},
};

/// A request that could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code.
    pub exit: u8,
    /// The stable id: `E0301`.
    pub id: &'static str,
    /// What happened.
    pub message: String,
    /// What to do next; often a command.
    pub help: String,
    /// Whether the same request may succeed later without a change.
    pub retryable: bool,
}

impl Refusal {
    /// A refusal with its help.
    #[must_use]
    pub fn new(exit: u8, id: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { exit, id, message: message.into(), help: help.into(), retryable: false }
    }

    /// Says that trying again may help.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let text = chain(&error);
        match error {
            StoreError::DiskFull { .. } => Self::new(
                33,
                "E0403",
                format!("the disk is full: {text}"),
                "free some space, then `orch resume RUN`; nothing that was reported done is lost",
            )
            .retryable(),
            StoreError::Busy { .. } => {
                Self::new(32, "E0402", text, "another orch holds the store; try again in a moment").retryable()
            }
            StoreError::UnknownRun { .. } => Self::new(11, "E0301", text, "`orch runs` lists the runs of this project"),
            StoreError::NewerVersion { .. } => Self::new(
                31,
                "E0404",
                text,
                "this store was written by a newer orch; update orch; `orch doctor` shows both",
            ),
            StoreError::Io { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Damaged { .. }
            | StoreError::SqliteTooOld { .. }
            | StoreError::Closed => Self::new(
                31,
                "E0401",
                text,
                "`orch doctor` looks at the store; other runs are not touched. The store is in .orch/state",
            ),
        }
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Store(error) => error.into(),
            AppendError::Conflict { .. } => Self::new(
                32,
                "E0405",
                chain(&error),
                "another orch has written to this run; `orch status RUN` shows where it stands",
            ),
            AppendError::RunExists { .. }
            | AppendError::DecisionGone { .. }
            | AppendError::WrongSummary { .. }
            | AppendError::TooLarge { .. } => {
                Self::new(31, "E0406", chain(&error), "`orch status` shows where the run stands")
            }
        }
    }
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NotFound(run) => Self::new(
                11,
                "E0301",
                format!("there is no run {run} in this project"),
                "`orch runs` lists the runs of this project",
            ),
            LoadError::Store(error) => error.into(),
            LoadError::Record(_) | LoadError::Plan { .. } => Self::new(
                31,
                "E0407",
                chain(&error),
                "this orch cannot read it; other runs are not touched: `orch runs` lists them",
            ),
        }
    }
}

impl From<DriveError> for Refusal {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Append(error) => error.into(),
            DriveError::Store(error) => error.into(),
            DriveError::DiskLow => Self::new(
                33,
                "E0403",
                "the disk is nearly full: what ran has ended, and nothing more was started",
                "free some space, then `orch resume RUN`; nothing that was reported done is lost",
            )
            .retryable(),
        }
    }
}

impl From<LockError> for Refusal {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Locked { pid, started } => Self::new(
                32,
                "E0402",
                format!("the run is owned by process {pid} since {started}"),
                "`orch watch RUN` follows it; `orch cancel RUN` ends it",
            )
            .retryable(),
            LockError::Store(error) => error.into(),
        }
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
