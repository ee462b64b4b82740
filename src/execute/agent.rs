//! An agent's attempt: a program is called, or a recorded turn is played.
//!
//! An order is stored only where a program may read it: a folder and a file for each replayed turn would cost more than
//! the turn.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use nix::fcntl::OFlag;

use crate::{
    base::{Evidence, Failure, FailureClass, Outcome},
    execute::{
        answer::{read_answer, whole},
        assignment::Place,
        executor::{Ended, Executor, Program, blocking, ended, failed, make_attempt_dir, observed, shown},
        globs::Globs,
        process::{Limits, Report, StopToken},
        recorded,
        tree::{Snapshot, changes, path_text, walk},
    },
    runtime::{Adapter, Call, Invocation, Order, ProgramExit, ProgramOutput, RecordedTurn, checked},
};

/// The end of standard error that adapters see, in bytes.
const COMPLAINT_BYTES_MAX: usize = 64 * 1024;
/// Changed files named in an envelope.
const CHANGED_MAX: usize = 1_000;

impl Executor {
    pub(super) async fn agent(
        &self,
        order: Order,
        runtime: &str,
        limits: Limits,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        let Some(adapter) = self.shared.adapters.get(runtime) else {
            let reason = format!("there is no runtime `{runtime}`");
            return Outcome::Failed(failed(FailureClass::Missing, reason, Evidence::default()));
        };
        let attached = order.attached.clone();
        let mut outcome = match adapter.call(&order) {
            Err(failure) => Outcome::Failed(failure),
            Ok(Call::Recorded(turn)) => play(*turn, &order, place, stop).await,
            Ok(Call::Program(invocation)) => {
                let adapter = Arc::clone(adapter);
                self.invoke(adapter, invocation, order, limits, place, stop).await
            }
        };
        if let Outcome::Succeeded(envelope) = &mut outcome {
            envelope.attached = attached;
        }
        outcome
    }

    async fn invoke(
        &self,
        adapter: Arc<dyn Adapter>,
        invocation: Invocation,
        order: Order,
        limits: Limits,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        if let Err(error) = store(&order, place) {
            let reason = format!("store the order in `{}`: {error}", place.order().display());
            return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default()));
        }
        let argv = invocation.argv.clone();
        let mut program = Program {
            argv: invocation.argv,
            env: invocation.env.into_iter().collect(),
            stdin: Some(invocation.stdin),
            limits: limits.clone(),
        };
        program.env.push(("ORCH_ORDER".into(), place.order().into()));
        if let Err(failure) = program.offer_output(place) {
            return Outcome::Failed(failure);
        }
        let before = snapshot(place).await;
        let report = self.start(program, place, stop).await;
        let mut outcome = match ended(&report.end, &limits) {
            Ended::Stopped => return Outcome::Stopped,
            Ended::Lost => return Outcome::Lost,
            Ended::Not(class, reason) => {
                Outcome::Failed(failed(class, format!("{} {reason}", shown(&argv)), Evidence::default()))
            }
            Ended::Code(code) => read(&*adapter, &order, &report, ProgramExit::Code(code), place),
            Ended::Signal(signal) => read(&*adapter, &order, &report, ProgramExit::Signal(signal), place),
        };
        match &mut outcome {
            Outcome::Succeeded(envelope) => {
                envelope.leaked = report.leaked;
                envelope.dropped_bytes = report.stdout.dropped + report.stderr.dropped;
                if let Some(files) = seen_changes(before, &order.files, place).await {
                    envelope.files_changed = files;
                }
            }
            Outcome::Failed(failure) => failure.evidence = observed(argv, report, place).await,
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {}
        }
        outcome
    }
}

/// Stores the order where the program and people find it, for the owner's eyes only.
fn store(order: &Order, place: &Place) -> io::Result<()> {
    make_attempt_dir(place)?;
    let text = serde_json::to_vec_pretty(order)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    options.open(place.order())?.write_all(&text)
}

/// Lets the adapter read what the program left.
fn read(adapter: &dyn Adapter, order: &Order, report: &Report, exit: ProgramExit, place: &Place) -> Outcome {
    let output_file = match read_answer(place) {
        Ok(bytes) => bytes,
        Err(reason) => return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default())),
    };
    let stdout = whole(&report.stdout, &place.logs());
    let stderr = [&report.stderr.head[..], &report.stderr.tail].concat();
    let output = ProgramOutput {
        exit,
        stdout_whole: stdout.is_some(),
        stdout: stdout.unwrap_or_else(|| [&report.stdout.head[..], &report.stdout.tail].concat()),
        stderr_tail: stderr[stderr.len().saturating_sub(COMPLAINT_BYTES_MAX)..].to_vec(),
        output_file,
    };
    adapter.read(order, &output)
}

/// Plays a recorded turn: it takes its time, does its work and gives its answer.
async fn play(turn: RecordedTurn, order: &Order, place: &Place, mut stop: StopToken) -> Outcome {
    if turn.delay_ms > 0 {
        let delay = Duration::from_millis(turn.delay_ms);
        if tokio::time::timeout(delay, stop.stronger_than(None)).await.is_ok() {
            return Outcome::Stopped;
        }
    }
    let RecordedTurn { delay_ms: _, writes, deletes, mut envelope } = turn;
    let mut files: Vec<String> =
        writes.iter().map(|(path, _)| path).chain(&deletes).map(|path| path_text(path)).collect();
    files.sort();
    files.dedup();
    if !files.is_empty() {
        let (workspace, attempt) = (place.workspace.clone(), place.attempt.clone());
        let written = blocking(move || recorded::apply(&workspace, &attempt, &writes, &deletes)).await;
        if let Err(reason) = written {
            let reason = format!("the recorded answer cannot be played: {reason}");
            return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default()));
        }
    }
    envelope.files_changed = files;
    let (session, usage) = (envelope.session.clone(), envelope.usage);
    match checked(envelope, order.expected_output.as_ref()) {
        Ok(envelope) => Outcome::Succeeded(Box::new(envelope)),
        Err(fault) => Outcome::Failed(Box::new(Failure {
            class: FailureClass::Permanent,
            reason: fault.to_string(),
            evidence: Evidence::default(),
            session,
            usage,
        })),
    }
}

/// What stands in the workspace; `None` where that cannot be seen within the limits.
async fn snapshot(place: &Place) -> Option<Snapshot> {
    let workspace = place.workspace.clone();
    blocking(move || walk(&workspace, Path::new("")).ok()).await
}

/// The files that have changed, of those that the step declares if it does.
async fn seen_changes(before: Option<Snapshot>, declared: &[String], place: &Place) -> Option<Vec<String>> {
    let (before, after) = (before?, snapshot(place).await?);
    let globs = Globs::new(declared).ok()?;
    let mut files = changes(&before, &after);
    files.retain(|path| declared.is_empty() || globs.is_match(path));
    files.truncate(CHANGED_MAX);
    Some(files.iter().map(|path| path_text(path)).collect())
}
