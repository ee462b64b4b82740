//! Runs that a process of their own drives: whoever asks for one need not stay until its end.
//!
//! The run is written down here, so that every refusal reaches who asked; then a process takes it over as `orch resume`
//! does. Invariants: that process is not ended with the one that began it, and it never answers a question: whatever the
//! settings say of approvals, it waits.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use crate::{
    base::RunId,
    plan::Plan,
    runtime::Replay,
    service::{refusal::Refusal, runs::Runs},
};

/// Runs that one process may have begun and that still go on.
const LIVE_MAX: usize = 16;
/// How long the new owner may take to be seen.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

static LIVE: AtomicUsize = AtomicUsize::new(0);

impl Runs {
    /// Makes a run of a plan, as `start` does, and hands it to a process of its own.
    ///
    /// # Errors
    /// As `start`, and where too many go on already or no process can be started.
    pub fn start_apart(&self, plan: &Plan, inputs: Map<String, Value>, replay: Replay) -> Result<RunId, Refusal> {
        check_room()?;
        let owned = self.start(plan, inputs, replay)?;
        let run = owned.run().clone();
        // Its lock goes with it: the run is the other process's now.
        drop(owned);
        self.go_on_apart(&run)?;
        Ok(run)
    }

    /// Hands a run that nobody drives to a process of its own. Returns when that process has it, or has already ended.
    ///
    /// # Errors
    /// Where too many go on already, or no process can be started.
    pub fn go_on_apart(&self, run: &RunId) -> Result<(), Refusal> {
        check_room()?;
        let refused = |error: io::Error| {
            let message = format!("run {run} is written down, but no process can be started for it: {error}");
            Refusal::new(70, "E0306", message, format!("`orch resume {run}` goes on with it")).retryable()
        };
        let log = self.owner_log(run)?;
        let mut child = Command::new(&self.settings.program)
            .arg("-C")
            .arg(&self.root)
            .args(["resume", run.as_str(), "--on-approval", "wait", "--no-input", "--quiet", "--color", "never"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(refused)?)
            .stderr(log)
            // What ends the group of whoever asked must not end the run.
            .process_group(0)
            .spawn()
            .map_err(refused)?;
        LIVE.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        while start.elapsed() < PATIENCE && self.owner(run)?.is_none() && matches!(child.try_wait(), Ok(None)) {
            thread::sleep(LOOK);
        }
        thread::spawn(move || {
            child.wait().ok();
            LIVE.fetch_sub(1, Ordering::Relaxed);
        });
        Ok(())
    }

    /// What the owner says goes into the run's folder, for its user's eyes only.
    fn owner_log(&self, run: &RunId) -> Result<File, Refusal> {
        let path = self.store.run_folder(run)?.join("owner.log");
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        opened.map_err(|error| {
            let message = format!("{} cannot be written: {error}", path.display());
            Refusal::new(1, "E0517", message, format!("correct its permissions, then `orch resume {run}`")).retryable()
        })
    }
}

fn check_room() -> Result<(), Refusal> {
    let live = LIVE.load(Ordering::Relaxed);
    if live < LIVE_MAX {
        return Ok(());
    }
    let message = format!("{live} runs that were begun here still go on, and no more may be begun");
    Err(Refusal::new(2, "E0322", message, "wait until one ends; `orch runs --status running` lists them").retryable())
}
