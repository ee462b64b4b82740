//! A run that this process owns, between its start and its drive.

use std::sync::Arc;

use crate::{
    base::RunId,
    driver::{DriveError, Finish, Loaded, RunEvent, status_word},
    journal::RunLock,
    plan::Plan,
    runtime::Replay,
    scheduler::Event,
    service::{
        AuditHead,
        recordings::is_replayed,
        runs::Runs,
        sandbox::{SandboxShown, sandbox_shown},
        secrets::RunSecrets,
    },
};

/// A run that this process owns and is about to drive.
pub struct Owned {
    pub(super) lock: RunLock,
    pub(super) loaded: Loaded,
    pub(super) first: Vec<Event>,
    pub(super) parallel: u32,
    /// What has already happened under this owner.
    pub(super) told: Vec<RunEvent>,
    pub(super) replay: Replay,
    /// The values of its secrets, where this process has read them already.
    pub(super) secrets: Option<RunSecrets>,
}

/// How a process has left a run, for the audit log.
pub(super) fn how(finish: &Result<Finish, DriveError>) -> &'static str {
    match finish {
        Ok(Finish::Ended(end)) => status_word(end.settled),
        Ok(Finish::Parked(_)) => "parked",
        Err(_) => "broken off",
    }
}

impl Owned {
    /// The run's id.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.loaded.summary.run
    }

    /// How far its programs are confined.
    #[must_use]
    pub fn sandbox(&self) -> SandboxShown {
        sandbox_shown(&self.loaded.scheduler)
    }

    /// The run's plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        self.loaded.scheduler.plan()
    }

    /// Attempts at once.
    #[must_use]
    pub fn parallel(&self) -> u32 {
        self.parallel
    }

    /// Whether agents that name no runtime are replayed.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        is_replayed(&self.loaded.scheduler)
    }

    /// The run as it was read.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }
}

impl Runs {
    /// Where the audit log stood when this process left a run, for somebody to keep.
    #[must_use]
    pub fn audit_head(&self) -> Option<AuditHead> {
        self.settings.trust.guards.head()
    }
}
