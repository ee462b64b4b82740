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
    plan::{PlanStep, Work, asks_about_work},
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
    own: Unit,
    /// Whether the state before it is kept as well: for commands the checkpoint before theirs does, and only a first attempt
    /// has one.
    is_told_apart: bool,
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
    let kept = scheduler.plan().keeps_checkpoints() && writes(scheduler, instance, purpose);
    let step = scheduler.plan_step(instance).1;
    // A later attempt goes on from what an earlier one has left, which is the step's own work.
    let begun = scheduler.view(instance).history.iter().filter(|record| writes(scheduler, instance, record.purpose));
    let is_told_apart = is_told_apart(step) && begun.count() <= 1;
    kept.then(|| Keep { unit: sits_in(scheduler, instance), own: own(scheduler, instance), is_told_apart })
}

/// Whether an attempt can leave anything where others work.
pub(super) fn writes(scheduler: &Scheduler, instance: InstanceId, purpose: Purpose) -> bool {
    let step = scheduler.plan_step(instance).1;
    match (purpose, &step.work) {
        (Purpose::Work, Work::Agent(agent)) => !agent.reads_only() && agent.workspace != Workspace::Scratch,
        (Purpose::Work, Work::Run { workspace, .. }) => *workspace != Workspace::Scratch,
        (Purpose::Fix, work) => !matches!(work, Work::Merge(_)),
        _ => false,
    }
}

pub(super) fn sits_in(scheduler: &Scheduler, instance: InstanceId) -> Option<Unit> {
    match seat(scheduler, instance) {
        Seat::Unit(unit) => Some(unit),
        Seat::Given | Seat::Shown { .. } => None,
    }
}

/// The name of the state before a step ([`Point::Base`]).
#[must_use]
pub fn before_name(scheduler: &Scheduler, instance: InstanceId) -> String {
    own(scheduler, instance).name()
}

/// A stay somewhere: in which unit, from when, until when.
type Stay = (Option<Unit>, Timestamp, Option<Timestamp>);

/// Where and when a step could change files.
fn stays(scheduler: &Scheduler, instance: InstanceId) -> Vec<Stay> {
    let place = |purpose: Purpose| match purpose {
        // A merge changes the project's files when it is taken.
        Purpose::Take => Some(None),
        purpose => writes(scheduler, instance, purpose).then(|| sits_in(scheduler, instance)),
    };
    let history = scheduler.view(instance).history.iter();
    history.filter_map(|record| Some((place(record.purpose)?, record.started, record.ended))).collect()
}

fn meets((place, start, end): &Stay, (other, from, to): &Stay) -> bool {
    place == other && to.is_none_or(|to| *start < to) && end.is_none_or(|end| *from < end)
}

/// The other steps that may have changed files in the same folder while a step worked there, by their paths.
#[must_use]
pub fn beside(scheduler: &Scheduler, instance: InstanceId) -> Vec<String> {
    let mine = stays(scheduler, instance);
    let is_beside = |other: &InstanceId| {
        let others = stays(scheduler, *other);
        *other != instance && others.iter().any(|stay| mine.iter().any(|own| meets(own, stay)))
    };
    let others = scheduler.instances().filter(is_beside);
    let mut paths: Vec<_> = others.map(|other| scheduler.path(other).as_str().to_owned()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Whether other steps may have changed files there since then.
pub(super) fn others_since(scheduler: &Scheduler, instance: InstanceId, unit: Option<&Unit>, since: Timestamp) -> bool {
    let mine = (unit.cloned(), since, None);
    let mut others = scheduler.instances().filter(|other| *other != instance);
    others.any(|other| stays(scheduler, other).iter().any(|stay| meets(&mine, stay)))
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
            let message = format!("after {}", keep.own.step);
            own.keep(keep.unit.as_ref(), &Point::Step(&keep.own.step), &message)
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

/// Keeps the state before a step's first attempt: what the step changes is told from it. Where it is that of the last
/// checkpoint nothing needs to be kept: [`last_before`] finds it.
pub(super) async fn before(spaces: &Arc<Spaces>, keep: &Keep) {
    if !keep.is_told_apart {
        return;
    }
    let name = keep.own.name();
    let work = async || {
        let (own, unit, name) = (Arc::clone(spaces), keep.unit.clone(), name.clone());
        let done = blocking(move || own.keep(unit.as_ref(), &Point::Base(&name), "where it begins")).await;
        done.map(|made| (made.commit, made.name))
            .map_err(|fault| tracing::warn!("nothing is kept of the state before a step: {fault}"))
            .ok()
    };
    let made = if keep.unit.is_some() { work().await } else { spaces.begun().share(work).await };
    let Some((commit, named)) = made else { return };
    // A checkpoint of another step's end, or of the run's beginning, needs no further name.
    if keep.unit.is_none() && Point::is_base(&named) {
        let (own, name) = (Arc::clone(spaces), name.clone());
        blocking(move || own.name_before(&name, &commit)).await.ok();
    }
}

/// Whether a step has finished in the project's folder and has kept what it left there.
#[must_use]
pub fn may_have_changed(scheduler: &Scheduler, instance: InstanceId) -> bool {
    scheduler.unit(instance).is_none() && scheduler.envelope(instance).is_some_and(|made| made.checkpoint.is_some())
}

/// What the project held when the last step had finished before this one began.
#[must_use]
pub fn last_before(scheduler: &Scheduler, instance: InstanceId) -> Option<Oid> {
    let began = scheduler.view(instance).history.first()?.started;
    let earlier = scheduler.instances().filter(|other| *other != instance && may_have_changed(scheduler, *other));
    let ended = |other: InstanceId| {
        let history = scheduler.view(other).history;
        history.iter().rfind(|record| record.purpose == Purpose::Work)?.ended.filter(|ended| *ended <= began)
    };
    let last = earlier.filter_map(|other| Some((ended(other)?, other))).max()?.1;
    Oid::parse(scheduler.envelope(last)?.checkpoint.as_deref()?)
}

/// Whether the state before a step is told apart from that after the step before it.
#[must_use]
pub fn is_told_apart(step: &PlanStep) -> bool {
    matches!(step.work, Work::Agent(_)) || asks_about_work(step) || step.judges().next().is_some()
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
