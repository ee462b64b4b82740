//! What people decide about questions: each decision once, for exactly the attempt and the text that the person saw.
//!
//! A yes lets the step go on. A no is final: the step ends as it does when its tries are used up. A push-back is neither:
//! whoever did the work changes it, all gates judge it again, and the question is put again. It takes none of the tries,
//! which belong to gates that judge by themselves, and begins them anew; [`PUSHBACKS_MAX`] bounds it.

use std::sync::Arc;

use crate::{
    base::{Digest, Evidence, Judgement, Verdict},
    definition::workflow::ThenFail,
    plan::Work,
    scheduler::{
        action::{CauseKind, Notice},
        core::Scheduler,
        event::{AttemptId, Comment, Decision, InstanceId, Purpose},
        gates::FEEDBACK_MAX,
        limiter::Line,
        planted::{self, Bug},
        state::{AttemptEnd, Phase},
    },
};

/// How often a person may push one step back.
pub const PUSHBACKS_MAX: u32 = 10;

impl Scheduler {
    /// Whether an attempt is a question that waits for a decision about this subject.
    #[must_use]
    pub fn asks_about(&self, attempt: AttemptId, subject: &Digest) -> bool {
        self.is_current(attempt)
            && self.question(attempt.instance).is_some_and(|question| question.subject == *subject)
            && self.is_question(attempt.instance)
    }

    /// Whether an attempt that was asked for may still begin.
    #[must_use]
    pub fn is_starting(&self, attempt: AttemptId) -> bool {
        self.is_current(attempt) && matches!(self.at(attempt.instance).phase, Phase::Starting(_))
    }

    fn is_current(&self, attempt: AttemptId) -> bool {
        self.exists(attempt.instance) && self.at(attempt.instance).attempts == attempt.number
    }

    /// Why a question that is put cannot be pushed back, in words; `None` where it can.
    #[must_use]
    pub fn no_pushback(&self, instance: InstanceId) -> Option<&'static str> {
        let step = self.step_of(instance);
        let Phase::Running(purpose) = self.at(instance).phase else { return Some("nothing is asked") };
        if !matches!(purpose, Purpose::Gate(_) | Purpose::Override) {
            return Some("it is no question about anybody's work");
        }
        if step.on_gate_fail.fixer.is_none() && !matches!(step.work, Work::Agent(_)) {
            return Some("no agent did it, and none is named that could change it");
        }
        if self.frame(self.at(instance).frame).draining {
            return Some("the steps around it have failed, so nothing new begins there");
        }
        let is_used_up = self.at(instance).pushbacks >= PUSHBACKS_MAX && !planted::on(Bug::PushbacksUnbounded);
        is_used_up.then_some("it was pushed back as often as a step may be")
    }

    /// How often a step was pushed back.
    #[must_use]
    pub fn pushbacks(&self, instance: InstanceId) -> u32 {
        self.at(instance).pushbacks
    }

    /// Applies a person's decision, once, to exactly the attempt and the text that the person saw.
    pub(super) fn decided(&mut self, attempt: AttemptId, subject: &Digest, decision: Decision, by: &str) {
        let known = self.exists(attempt.instance);
        let same =
            known && (self.at(attempt.instance).attempts == attempt.number || planted::on(Bug::DecisionForOldAttempt));
        let instance = attempt.instance;
        if !same || !self.is_question(instance) {
            return;
        }
        let Phase::Running(purpose) = self.at(instance).phase else { return };
        let shown = self.at(instance).question.as_ref().is_some_and(|question| question.subject == *subject);
        if !shown && !planted::on(Bug::DecisionWithoutSubject) {
            return;
        }
        let is_pushback = matches!(decision, Decision::Pushback { .. });
        if is_pushback && self.no_pushback(instance).is_some() {
            return;
        }
        let (verdict, comment) = match &decision {
            Decision::Approve { comment, .. } if comment.is_empty() => (Verdict::Pass, format!("approved by {by}")),
            Decision::Approve { comment, .. } => (Verdict::Pass, format!("approved by {by}: {comment}")),
            Decision::Reject { comment, .. } => (Verdict::Fail, format!("rejected by {by}: {comment}")),
            Decision::Pushback { comments } => (Verdict::Fail, pushed_words(by, comments)),
        };
        self.question_over(instance, purpose, AttemptEnd::Judged(verdict), &comment);
        match (purpose, decision) {
            (Purpose::Work, Decision::Approve { fields, .. }) => {
                self.take_fields(instance, fields, by);
                self.work_done(instance);
            }
            (Purpose::Override, Decision::Approve { .. }) if self.is_in_conflict(instance) => self.try_merge(instance),
            (Purpose::Override, Decision::Approve { .. }) => self.succeed(instance),
            (Purpose::Gate(place), Decision::Approve { .. }) => {
                self.at_mut(instance).gate_next = place + 1;
                self.next_gate(instance);
            }
            (Purpose::Gate(place), Decision::Reject { is_final: false, .. }) => {
                let judged = Judgement { verdict, reason: comment, evidence: Evidence::default() };
                self.gate_failed(instance, place, CauseKind::Rejected, &judged);
            }
            // A person has been asked already.
            (Purpose::Gate(_), Decision::Reject { .. })
                if self.step_of(instance).on_gate_fail.then == ThenFail::Continue =>
            {
                self.succeed(instance);
            }
            (_, Decision::Reject { .. }) => {
                let cause = self.cause(instance, CauseKind::Rejected, comment);
                self.fail(instance, cause);
            }
            (_, Decision::Pushback { comments }) => self.push_back(instance, by, comments),
            (Purpose::Fix | Purpose::Reconcile | Purpose::Take, Decision::Approve { .. }) => {}
        }
    }

    /// What a question was about has changed since it was put.
    pub(super) fn outdated(&mut self, attempt: AttemptId) {
        let instance = attempt.instance;
        if !self.is_current(attempt) || !self.is_asked(instance) {
            return;
        }
        let Phase::Running(purpose) = self.at(instance).phase else { return };
        self.question_over(instance, purpose, AttemptEnd::Stopped, "what was shown has changed since");
        if planted::on(Bug::OutdatedCounts) {
            return self.succeed(instance);
        }
        self.notice(Notice::Outdated { instance });
        self.launch(instance, purpose);
    }

    fn question_over(&mut self, instance: InstanceId, purpose: Purpose, end: AttemptEnd, reason: &str) {
        self.at_mut(instance).question = None;
        self.end_record(instance, end, Arc::from(reason));
        let attempt = self.current(instance);
        self.notice(Notice::Ended { attempt, purpose });
    }

    /// The comments go to the session that did the work, or to the agent that mends what others did.
    fn push_back(&mut self, instance: InstanceId, by: &str, comments: Vec<Comment>) {
        let is_agent = matches!(self.step_of(instance).work, Work::Agent(_));
        let text = pushed_words(by, &comments);
        let at = self.at_mut(instance);
        at.pushbacks += 1;
        (at.gate_tries, at.work_tries, at.repairs, at.stalls) = (0, 0, 0, 0);
        at.cause = None;
        // Work of an earlier run is not taken a second time.
        at.redone |= at.envelope.as_ref().is_some_and(|envelope| envelope.reused.is_some());
        at.feedback = Some(Arc::from(text));
        at.comments = Some(comments.into());
        self.notice(Notice::PushedBack { instance });
        if is_agent {
            self.start_work(instance);
        } else {
            self.queue(instance, Purpose::Fix, Line::Begun);
        }
    }
}

/// Who has pushed it back, and the comments line by line.
fn pushed_words(by: &str, comments: &[Comment]) -> String {
    let mut text = format!("pushed back by {by}:");
    for comment in comments {
        text.push_str(&format!("\n- {comment}"));
    }
    text.truncate(text.floor_char_boundary(FEEDBACK_MAX));
    text
}
