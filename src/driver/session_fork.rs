//! How a step begins that forks from another one: in a copy of its session where there can be one, else told as text.
//!
//! A pure function of the run's state. Invariant: a session is copied only where everything is known that makes it safe:
//! the same runtime, model and folder, and a size within the context budget.

use crate::{
    definition::workflow::Workspace,
    driver::assign::Assigner,
    plan::{AgentWork, PlanContext, StepIx, Work},
    scheduler::{InstanceId, Purpose, Scheduler, SessionFork},
};

/// How the next attempt of a step forks; nothing where it does not, or goes on with a session of its own.
pub(super) fn fork(
    assigner: &Assigner,
    scheduler: &Scheduler,
    instance: InstanceId,
    purpose: Purpose,
) -> Option<SessionFork> {
    let Work::Agent(work) = &scheduler.plan_step(instance).1.work else { return None };
    let PlanContext::Fork(source) = work.context else { return None };
    if purpose != Purpose::Work {
        return None;
    }
    let thread = scheduler.thread(instance, purpose);
    if thread.session.is_some() && (thread.feedback.is_some() || thread.goes_on) {
        return None;
    }
    if thread.restarts > 0 {
        return Some(text("an earlier session of this step could not go on"));
    }
    Some(match copied(assigner, scheduler, instance, work, source) {
        Ok(fork) => fork,
        Err(reason) => text(reason),
    })
}

fn text(reason: &str) -> SessionFork {
    SessionFork::Text { reason: reason.to_owned() }
}

fn copied(
    assigner: &Assigner,
    scheduler: &Scheduler,
    instance: InstanceId,
    work: &AgentWork,
    source: StepIx,
) -> Result<SessionFork, &'static str> {
    let runtime = scheduler.runtime_of(instance, Purpose::Work).unwrap_or_default();
    if !assigner.forks.contains(runtime) {
        return Err("the runtime cannot copy a session");
    }
    let source = scheduler.nearest(instance, source).ok_or("the step that it forks from did not run")?;
    let Work::Agent(other) = &scheduler.plan_step(source).1.work else {
        return Err("the step that it forks from has no session");
    };
    if scheduler.runtime_of(source, Purpose::Work) != Some(runtime) {
        return Err("the two steps have different runtimes");
    }
    if scheduler.model(source, Purpose::Work) != scheduler.model(instance, Purpose::Work) {
        return Err("the two steps have different models");
    }
    // A program looks for its sessions by the folder that it works in, and each scratch folder is another one.
    if other.workspace != Workspace::Shared || work.workspace != Workspace::Shared {
        return Err("the two steps work in different folders");
    }
    let envelope = scheduler.envelope(source).filter(|envelope| envelope.reused.is_none());
    let session = envelope.and_then(|envelope| envelope.session.as_deref()).ok_or("no session of this run is known")?;
    let charged = scheduler.charged_in(session);
    // What was read from a cache was written before, so the rest is the session once, and never less than that.
    let size = charged.tokens().saturating_sub(charged.cache_read_tokens);
    match size {
        0 => Err("nobody knows how large the session is"),
        size if size > work.context_budget => Err("the session is larger than the context budget"),
        _ => Ok(SessionFork::Session { session: session.to_owned(), charged }),
    }
}
