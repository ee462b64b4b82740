//! Which attempt works in which workspace, and what the run itself does there: checkpoints, proposals, taking merges.
//!
//! Asks the scheduler before the attempt begins and git while it runs, off the event loop. Decides nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    base::{Envelope, Evidence, FailureClass, Judgement, Outcome, Timestamp, Verdict},
    definition::workflow::Workspace,
    driver::assign::failed,
    execute::{
        Place,
        workspace::{Ask, Oid, Point, Proposed, Ready, Spaces, Unit, WorkspaceFault},
    },
    plan::Work,
    scheduler::{AttemptId, InstanceId, Purpose, Scheduler},
};

/// Files that are named.
const NAMED_MAX: usize = 50;

/// Where an attempt works.
#[derive(Debug, Clone)]
pub(super) enum Seat {
    /// Where its place says.
    Given,
    /// In the workspace of its unit.
    Unit(Unit),
    /// Where what a merge proposes is shown.
    Shown { unit: Unit, merge: Unit },
}

/// What the run itself does.
#[derive(Debug)]
pub(super) enum Duty {
    Keep { unit: Option<Unit>, name: String },
    Propose { ask: Ask, is_fork: bool },
    Take { unit: Unit, merge: Unit, ready: Option<Ready> },
}

/// What is kept when an attempt has succeeded.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    unit: Option<Unit>,
    step: String,
}

fn unit((path, number): (crate::base::StepPath, u32)) -> Unit {
    Unit { step: path.as_str().to_owned(), number }
}

fn own(scheduler: &Scheduler, instance: InstanceId) -> Unit {
    Unit { step: scheduler.path(instance).as_str().to_owned(), number: instance.0 }
}

/// Where an attempt works, besides what its place says.
pub(super) fn seat(scheduler: &Scheduler, instance: InstanceId) -> Seat {
    let is_elsewhere = match &scheduler.plan_step(instance).1.work {
        Work::Merge(_) => {
            let unit = scheduler.merged_unit(instance).map(unit);
            return unit.map_or(Seat::Given, |unit| Seat::Shown { unit, merge: own(scheduler, instance) });
        }
        Work::Agent(agent) => agent.workspace != Workspace::Worktree,
        Work::Run { workspace, .. } => *workspace != Workspace::Worktree,
        _ => false,
    };
    let unit = scheduler.unit(instance).map(unit).filter(|_| !is_elsewhere);
    unit.map_or(Seat::Given, Seat::Unit)
}

/// What the run itself does for an attempt; none where an executor does it.
pub(super) fn duty(scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose, now: Timestamp) -> Option<Duty> {
    let instance = attempt.instance;
    let step = scheduler.plan_step(instance).1;
    match (&step.work, purpose) {
        (Work::Checkpoint { name }, Purpose::Work) => {
            Some(Duty::Keep { unit: scheduler.unit(instance).map(unit), name: name.clone() })
        }
        (Work::Merge(merge), Purpose::Work) => {
            let ask = Ask {
                unit: unit(scheduler.merged_unit(instance)?),
                merge: own(scheduler, instance),
                strategy: merge.strategy,
                has_gates: !step.gates.is_empty(),
                is_mended: scheduler.thread(instance, purpose).feedback.is_some(),
                now,
            };
            Some(Duty::Propose { ask, is_fork: scheduler.fork_of().is_some() })
        }
        (Work::Merge(_), Purpose::Take) => {
            let unit = unit(scheduler.merged_unit(instance)?);
            let ready = scheduler.envelope(instance).and_then(|envelope| ready_of(&envelope.output));
            Some(Duty::Take { unit, merge: own(scheduler, instance), ready })
        }
        _ => None,
    }
}

/// What is kept after an attempt, if its run keeps checkpoints and it can have written anything.
pub(super) fn keep(scheduler: &Scheduler, instance: InstanceId, purpose: Purpose) -> Option<Keep> {
    let step = scheduler.plan_step(instance).1;
    let writes = match (purpose, &step.work) {
        (Purpose::Work, Work::Agent(agent)) => !agent.reads_only() && agent.workspace != Workspace::Scratch,
        (Purpose::Work, Work::Run { workspace, .. }) => *workspace != Workspace::Scratch,
        (Purpose::Fix, work) => !matches!(work, Work::Merge(_)),
        _ => false,
    };
    let unit = match seat(scheduler, instance) {
        Seat::Unit(unit) => Some(unit),
        Seat::Given | Seat::Shown { .. } => None,
    };
    let step = scheduler.path(instance).as_str().to_owned();
    (writes && scheduler.plan().keeps_checkpoints()).then_some(Keep { unit, step })
}

/// Sits an attempt down.
pub(super) async fn sit(spaces: &Arc<Spaces>, seat: Seat, place: &mut Place, now: Timestamp) -> Result<(), Outcome> {
    let spaces = Arc::clone(spaces);
    let found = match seat {
        Seat::Given => return Ok(()),
        Seat::Unit(unit) => blocking(move || spaces.sit(&unit, now)).await,
        Seat::Shown { unit, merge } => blocking(move || spaces.look(&unit, &merge)).await,
    };
    let found = found.map_err(|fault| failed(FailureClass::Permanent, format!("no workspace: {fault}")))?;
    place.workspace = found.root;
    place.env.extend(found.env);
    Ok(())
}

/// Keeps what an attempt has left, and says in its outcome where. The work is done all the same where that cannot be: then
/// this state cannot be gone back to.
pub(super) async fn kept(spaces: &Arc<Spaces>, keep: Keep, outcome: &mut Outcome) {
    let Outcome::Succeeded(envelope) = outcome else { return };
    let own = Arc::clone(spaces);
    let is_own = keep.unit.is_some();
    let work = async || {
        let done = blocking(move || {
            let message = format!("after {}", keep.step);
            own.keep(keep.unit.as_ref(), &Point::Step(&keep.step), &message)
        });
        match done.await {
            Ok(made) => Some(made.commit),
            Err(fault) => {
                tracing::warn!("no checkpoint is kept: {fault}");
                None
            }
        }
    };
    let commit = if is_own { work().await } else { spaces.rounds().share(work).await };
    envelope.checkpoint = commit.map(|commit| commit.to_string());
}

/// Keeps the state before the run.
pub(super) async fn begin(spaces: &Arc<Spaces>) {
    let spaces = Arc::clone(spaces);
    if let Err(fault) = blocking(move || spaces.begin()).await {
        tracing::warn!("no checkpoint is kept of the state before the run: {fault}");
    }
}

/// Gives back what is no longer needed.
pub(super) async fn close(spaces: &Arc<Spaces>) {
    let spaces = Arc::clone(spaces);
    if let Err(fault) = blocking(move || spaces.close()).await {
        tracing::warn!("workspaces stay: {fault}");
    }
}

impl Duty {
    /// Does it.
    pub(super) async fn perform(self, spaces: &Arc<Spaces>) -> Outcome {
        let spaces = Arc::clone(spaces);
        blocking(move || match self {
            Self::Keep { unit, name } => {
                let kept = spaces.keep(unit.as_ref(), &Point::Named(&name), &format!("checkpoint {name}"));
                outcome(kept.map(|_| done(format!("kept as `{name}`"), Value::Null)))
            }
            Self::Propose { ask, is_fork } => {
                let proposed = spaces.propose(&ask);
                outcome(proposed.map(|proposed| answer(&ask, proposed, is_fork)))
            }
            Self::Take { ready: None, .. } => done("nothing to merge".to_owned(), Value::Null),
            Self::Take { unit, merge, ready: Some(ready) } => {
                let taken = spaces.take(&unit, &merge, &ready);
                outcome(taken.map(|taken| {
                    let files: Vec<_> = taken.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
                    let summary = match files.len() {
                        0 => "nothing to merge".to_owned(),
                        1 => format!("merged 1 file: {}", files[0]),
                        count => format!("merged {count} files"),
                    };
                    let files_changed = files.into_iter().take(NAMED_MAX).collect();
                    Outcome::Succeeded(Box::new(Envelope { summary, files_changed, ..Envelope::default() }))
                }))
            }
        })
        .await
    }
}

fn answer(ask: &Ask, proposed: Proposed, is_fork: bool) -> Outcome {
    match proposed {
        Proposed::NoWork if is_fork => {
            let reason = "the run that this one is a fork of has done the work, and its worktree is not here: fork from \
                          that step";
            failed(FailureClass::Missing, reason.to_owned())
        }
        Proposed::NoWork => done("nothing to merge".to_owned(), Value::Null),
        Proposed::Ready(Ready { before, commit, result }) => {
            let output = json!({ "before": before, "commit": commit, "result": result });
            done(format!("{} fits", ask.unit.step), output)
        }
        Proposed::Conflict { said, paths, root } => {
            let paths: Vec<_> = paths.iter().take(NAMED_MAX).map(|path| format!("- {}", path.display())).collect();
            let said: Vec<_> = said.iter().take(NAMED_MAX).map(|line| format!("- {line}")).collect();
            let reason = format!(
                "the work of `{}` conflicts with what the project holds by now:\n{}\nThe merge stands open in {}, with \
                 marks in the files where both have changed the same lines. Still open:\n{}\nDecide each of them so that \
                 what both sides wanted holds, and leave no mark; say `git add` or `git rm` for a file without marks. \
                 Change nothing else.",
                ask.unit.step,
                said.join("\n"),
                root.display(),
                paths.join("\n"),
            );
            let judged = Judgement { verdict: Verdict::Fail, reason, evidence: Evidence::default() };
            Outcome::Judged(Box::new(judged))
        }
    }
}

pub(super) fn ready_of(output: &Value) -> Option<Ready> {
    let oid = |name: &str| Oid::parse(output.get(name)?.as_str()?);
    Some(Ready { before: oid("before")?, commit: oid("commit")?, result: oid("result")? })
}

fn done(summary: String, output: Value) -> Outcome {
    Outcome::Succeeded(Box::new(Envelope { summary, output, ..Envelope::default() }))
}

fn outcome(done: Result<Outcome, WorkspaceFault>) -> Outcome {
    done.unwrap_or_else(|fault| failed(FailureClass::Permanent, format!("failed to {fault}")))
}

/// Git waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // A blocking task is never cancelled once it has begun, so this is a panic: it goes on here.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
