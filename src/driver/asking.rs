//! How a run asks: what a question is about is looked at first, and once more when a person has decided, because a decision
//! counts only for exactly what was shown. Both take the disk's time, so both are done beside the loop.
//!
//! Invariant: a decision that another process has left stays in its inbox until the record of it is written.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    base::{Digest, FailureClass},
    driver::{
        local::{Input, LocalDriver},
        review::{Reviewed, check_of, look_of},
        setup::OnApproval,
    },
    journal::DecisionId,
    scheduler::{AttemptId, Decision, Event, Purpose, WaitingFor},
};

/// What is being looked at.
#[derive(Debug, Default)]
pub(super) struct Asking {
    looks: BTreeSet<AttemptId>,
    checks: usize,
}

impl Asking {
    /// Whether a question of that attempt is about to be put.
    pub fn looks_at(&self, attempt: AttemptId) -> bool {
        self.looks.contains(&attempt)
    }

    /// Whether something that a person has said is being checked.
    pub fn checks(&self) -> bool {
        self.checks > 0
    }
}

impl LocalDriver {
    /// Puts a question, once what it is about has been looked at.
    pub(super) fn ask(&mut self, attempt: AttemptId, purpose: Purpose) {
        let Some(look) = look_of(&self.scheduler, attempt.instance, purpose) else {
            return self.put(attempt, purpose, None);
        };
        self.asking.looks.insert(attempt);
        let (sender, spaces) = (self.sender.clone(), Arc::clone(&self.setup.spaces));
        tokio::spawn(async move {
            let reviewed = look.perform(&spaces).await;
            sender.send(Input::Looked(attempt, purpose, reviewed)).ok();
        });
    }

    pub(super) fn looked_at(&mut self, attempt: AttemptId, purpose: Purpose, reviewed: &Reviewed) {
        self.asking.looks.remove(&attempt);
        // The run may have been cancelled meanwhile.
        if self.scheduler.is_starting(attempt) {
            self.put(attempt, purpose, Some(reviewed));
        }
    }

    fn put(&mut self, attempt: AttemptId, purpose: Purpose, reviewed: Option<&Reviewed>) {
        match self.setup.assigner.question(&self.scheduler, attempt, purpose, reviewed) {
            Ok((subject, shown)) => {
                let (shown, about) = (Some(shown), Some(subject.clone()));
                let review = reviewed.and_then(|reviewed| reviewed.review.clone());
                self.queue.push_back(Event::Started { attempt, subject: about, shown, how: None, review });
                let form = self.setup.assigner.is_form(&self.scheduler, attempt, purpose);
                self.queue.extend(self.standing_answer(attempt, subject, form));
            }
            Err(reason) => self.end_unbegun(attempt, FailureClass::Permanent, reason),
        }
    }

    /// Hears what a person or another process says. A yes or a push-back counts only if what was shown is still so; a no
    /// counts always.
    pub(super) fn hear(&mut self, event: Event, decision: Option<DecisionId>) {
        let check = match &event {
            Event::Decided { attempt, subject, decision, .. } if self.scheduler.asks_about(*attempt, subject) => {
                let is_no = matches!(decision, Decision::Reject { .. });
                check_of(&self.scheduler, *attempt).filter(|_| !is_no)
            }
            _ => None,
        };
        let Some(check) = check else {
            self.consumed.extend(decision);
            return self.queue.push_back(event);
        };
        self.asking.checks += 1;
        let (sender, spaces) = (self.sender.clone(), Arc::clone(&self.setup.spaces));
        tokio::task::spawn_blocking(move || {
            let changed = check.perform(&spaces);
            let holds = changed.as_ref().is_ok_and(Vec::is_empty);
            if let Err(fault) = changed {
                tracing::warn!("whether the files are as they were shown cannot be told: {fault}");
            }
            sender.send(Input::Checked(if holds { event } else { too_late(event) }, decision)).ok();
        });
    }

    pub(super) fn checked(&mut self, event: Event, decision: Option<DecisionId>) {
        self.asking.checks = self.asking.checks.saturating_sub(1);
        self.consumed.extend(decision);
        self.queue.push_back(event);
    }

    /// What `--on-approval` says to a question.
    fn standing_answer(&self, attempt: AttemptId, subject: Digest, form: bool) -> Option<Event> {
        let decision = match self.setup.on_approval {
            OnApproval::Wait => return None,
            // A form has fields that nobody but a person can fill in.
            OnApproval::Approve if form => return None,
            OnApproval::Approve => Decision::Approve { fields: serde_json::Value::Null, comment: String::new() },
            OnApproval::Fail => Decision::Reject { comment: "nobody was there to ask".to_owned(), is_final: true },
        };
        Some(Event::Decided { attempt, subject, decision, by: "--on-approval".to_owned(), mark: None })
    }

    /// Questions that an earlier owner left open get the answer of this one.
    pub(super) fn decide_open(&mut self) {
        for waiting in self.scheduler.waiting_for() {
            if let WaitingFor::Decision { attempt, subject, .. } = waiting {
                let form = self.setup.assigner.is_form(&self.scheduler, attempt, Purpose::Work);
                if let Some(answer) = self.standing_answer(attempt, subject, form) {
                    self.hear(answer, None);
                }
            }
        }
    }
}

/// What becomes of a decision about files that are no longer as they were shown.
#[must_use]
pub fn too_late(event: Event) -> Event {
    match event {
        Event::Decided { attempt, by, mark, .. } => Event::Outdated { attempt, by, mark },
        other => other,
    }
}
