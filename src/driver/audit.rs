//! Writes to the audit log what people decide while a run goes. Knows nothing of how it is stored.

use serde_json::json;

use crate::{
    driver::assign::Assigner,
    guard::audit::Entry,
    scheduler::{Decision, Event, Scheduler},
};

impl Assigner {
    /// Hears an event before it moves the run.
    pub(super) fn hear(&self, scheduler: &Scheduler, event: &Event) {
        let Some((log, entry)) = self.audit.as_ref().zip(said(scheduler, event)) else { return };
        if let Err(error) = log.append(&entry) {
            tracing::warn!(%error, "the audit log lacks an entry");
        }
    }
}

/// The entry for what a person has said, made before that moves the run; nothing for all other events.
#[must_use]
pub fn said(scheduler: &Scheduler, event: &Event) -> Option<Entry> {
    let (about, by, what) = match event {
        Event::Decided { attempt, subject, decision, by, .. } => {
            let said = match decision {
                Decision::Approve { .. } => "approve",
                Decision::Reject { .. } => "reject",
                Decision::Pushback { .. } => "pushback",
            };
            let path = scheduler.path(attempt.instance).to_string();
            (path, Some(by.clone()), json!({ "said": said, "shown": subject.as_str(), "attempt": attempt.to_string() }))
        }
        Event::Outdated { attempt, by, .. } => {
            let path = scheduler.path(attempt.instance).to_string();
            (path, Some(by.clone()), json!({ "said": "nothing that counts: what was shown had changed" }))
        }
        Event::Answered { instance, answer, by } => {
            let path = scheduler.path(*instance).to_string();
            (path, Some(by.clone()), json!({ "said": format!("{answer:?}").to_lowercase() }))
        }
        Event::BudgetRaised { usd_micros, tokens, time_ms, agents } => {
            let what = json!({ "usd_micros": usd_micros, "tokens": tokens, "time_ms": time_ms, "agents": agents });
            ("budget".to_owned(), None, what)
        }
        Event::CancelRequested { strength } => ("cancel".to_owned(), None, json!({ "strength": strength })),
        Event::RunStarted { .. }
        | Event::Forked { .. }
        | Event::Kept { .. }
        | Event::Evaluated { .. }
        | Event::Started { .. }
        | Event::Deferred { .. }
        | Event::Paced { .. }
        | Event::Spent { .. }
        | Event::SessionKnown { .. }
        | Event::Finished { .. }
        | Event::TimeReached
        | Event::Restarted { .. }
        | Event::RetryRequested => return None,
    };
    let run = scheduler.run_id().map(ToString::to_string);
    Some(Entry { kind: "decision", run, about: Some(about), by, what })
}
