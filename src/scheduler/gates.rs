//! Gates: judged one after the other when the work is done, before anything downstream.
//!
//! A verdict of error never passes and is not sent back: the agent cannot mend a gate that could not be judged.

use std::sync::Arc;

use crate::{
    base::{Digest, Evidence, Judgement, Outcome, Verdict},
    definition::workflow::ThenFail,
    plan::{PlanGate, Work},
    scheduler::{
        action::{CauseKind, Notice},
        core::Scheduler,
        event::{AttemptId, Decision, InstanceId, Purpose},
        limiter::Line,
        planted::{self, Bug},
        state::{AttemptEnd, Phase},
    },
};

/// How much of the evidence goes back to an agent, in bytes.
const FEEDBACK_MAX: usize = 16 * 1024;

impl Scheduler {
    /// Judges the next gate, or ends the step as succeeded.
    pub(super) fn next_gate(&mut self, instance: InstanceId) {
        let plan = Arc::clone(&self.plan);
        let step = plan.step(self.at(instance).step);
        let place = self.at(instance).gate_next;
        let purpose = Purpose::Gate(place);
        match step.gates.get(usize::from(place)) {
            None => self.succeed(instance),
            Some(_) if planted::on(Bug::GateSkipped) => self.succeed(instance),
            Some(PlanGate::Run { .. }) => self.queue(instance, purpose, Line::Begun),
            Some(PlanGate::Judge { .. }) => self.ask_judge(instance, place),
            Some(
                PlanGate::Check { .. }
                | PlanGate::Schema { .. }
                | PlanGate::Files { .. }
                | PlanGate::Changed { .. }
                | PlanGate::Secrets { .. }
                | PlanGate::Approve { .. },
            ) => self.launch(instance, purpose),
        }
    }

    pub(super) fn gate_reported(&mut self, instance: InstanceId, place: u16, outcome: Outcome) {
        let is_judge = self.step_of(instance).judge_at(place).is_some();
        match outcome {
            Outcome::Succeeded(envelope) if is_judge => self.judge_answered(instance, place, &envelope),
            Outcome::Failed(failure) if is_judge => self.judge_failed(instance, place, *failure),
            Outcome::Judged(judged) => self.judged(instance, place, *judged),
            Outcome::Lost | Outcome::Stopped => self.lost(instance, Purpose::Gate(place)),
            Outcome::Failed(failure) => {
                let judged = Judgement { verdict: Verdict::Error, reason: failure.reason, evidence: failure.evidence };
                self.judged(instance, place, judged);
            }
            Outcome::Succeeded(_) => {
                let reason = "the gate brought back no verdict".to_owned();
                let judged = Judgement { verdict: Verdict::Error, reason, evidence: Evidence::default() };
                self.judged(instance, place, judged);
            }
        }
    }

    /// The gate's attempts were lost again and again.
    pub(super) fn gate_lost(&mut self, instance: InstanceId, place: u16) {
        let reason = "its attempts were lost again and again".to_owned();
        self.judged(instance, place, Judgement { verdict: Verdict::Error, reason, evidence: Evidence::default() });
    }

    pub(super) fn judged(&mut self, instance: InstanceId, place: u16, judged: Judgement) {
        self.at_mut(instance).judging = None;
        let verdict = match judged.verdict {
            Verdict::Error if planted::on(Bug::GateErrorPasses) => Verdict::Pass,
            verdict => verdict,
        };
        match verdict {
            Verdict::Pass => {
                self.at_mut(instance).gate_next = place + 1;
                self.next_gate(instance);
            }
            Verdict::Fail => self.gate_failed(instance, place, CauseKind::Gate, &judged),
            Verdict::Error => {
                let reason = format!("the gate could not be judged: {}", judged.reason);
                self.gate_given_up(instance, CauseKind::Gate, reason);
            }
        }
    }

    /// A gate failed: the evidence goes back while there are tries.
    fn gate_failed(&mut self, instance: InstanceId, place: u16, kind: CauseKind, judged: &Judgement) {
        let plan = Arc::clone(&self.plan);
        let policy = &plan.step(self.at(instance).step).on_gate_fail;
        let tries = policy.tries + u32::from(planted::on(Bug::RetryOffByOne));
        let draining = self.frame(self.at(instance).frame).draining;
        let is_old = self.at(instance).envelope.as_ref().is_some_and(|envelope| envelope.reused.is_some());
        if is_old && !self.at(instance).redone && !draining && !planted::on(Bug::MemoryBlamed) {
            // Nobody of this run has done anything wrong: its own work begins with all its tries and is told of no gate.
            self.at_mut(instance).redone = true;
            self.notice(Notice::Redone { instance });
            return self.start_work(instance);
        }
        if self.at(instance).gate_tries >= tries || draining {
            return self.gate_given_up(instance, kind, judged.reason.clone());
        }
        let text = feedback(place, judged);
        self.sent_back(instance, text);
    }

    /// What was found wrong goes to whoever mends it; the caller has seen that a try is left.
    pub(super) fn sent_back(&mut self, instance: InstanceId, text: String) {
        let plan = Arc::clone(&self.plan);
        let policy = &plan.step(self.at(instance).step).on_gate_fail;
        let at = self.at_mut(instance);
        at.gate_tries += 1;
        (at.work_tries, at.repairs, at.stalls) = (0, 0, 0);
        at.feedback = (policy.feedback || policy.fixer.is_some()).then(|| Arc::from(text));
        self.notice(Notice::Feedback { instance });
        if policy.fixer.is_some() {
            self.queue(instance, Purpose::Fix, Line::Begun);
        } else {
            self.start_work(instance);
        }
    }

    pub(super) fn gate_given_up(&mut self, instance: InstanceId, kind: CauseKind, reason: String) {
        let cause = self.cause(instance, kind, reason);
        match self.step_of(instance).on_gate_fail.then {
            ThenFail::Fail => self.fail(instance, cause),
            ThenFail::Continue => self.succeed(instance),
            ThenFail::Ask if self.frame(self.at(instance).frame).draining => self.fail(instance, cause),
            ThenFail::Ask => {
                self.at_mut(instance).cause = Some(cause);
                self.launch(instance, Purpose::Override);
            }
        }
    }

    /// The question whether to take the step as it is could not be put to anybody.
    pub(super) fn override_reported(&mut self, instance: InstanceId, outcome: Outcome) {
        match (outcome, self.at(instance).cause.clone()) {
            (Outcome::Stopped | Outcome::Lost, _) => self.lost(instance, Purpose::Override),
            (Outcome::Succeeded(_) | Outcome::Failed(_) | Outcome::Judged(_), Some(cause)) => {
                self.fail(instance, cause);
            }
            (Outcome::Succeeded(_) | Outcome::Failed(_) | Outcome::Judged(_), None) => {
                let cause = self.cause(instance, CauseKind::Gate, "a gate failed and nobody could be asked");
                self.fail(instance, cause);
            }
        }
    }

    pub(super) fn fix_reported(&mut self, instance: InstanceId, outcome: Outcome) {
        match outcome {
            Outcome::Succeeded(_) => {
                if !self.step_of(instance).on_gate_fail.feedback {
                    self.at_mut(instance).feedback = None;
                }
                self.start_work(instance);
            }
            Outcome::Failed(failure) => {
                let reason = format!("a gate failed, and the agent that was to mend it failed too: {}", failure.reason);
                self.gate_given_up(instance, CauseKind::Gate, reason);
            }
            Outcome::Stopped | Outcome::Lost => self.lost(instance, Purpose::Fix),
            Outcome::Judged(judged) => self.gate_given_up(instance, CauseKind::Gate, judged.reason),
        }
    }

    /// Whether an instance's current attempt is a question to a person.
    #[must_use]
    pub fn is_question(&self, instance: InstanceId) -> bool {
        let purpose = match self.at(instance).phase {
            Phase::Running(purpose) | Phase::Starting(purpose) => purpose,
            _ => return false,
        };
        self.asks_person(instance, purpose)
    }

    /// Whether a person has been asked: nobody else can answer then. A question that could not be put to a person is
    /// one that its driver reports as failed.
    pub(super) fn is_asked(&self, instance: InstanceId) -> bool {
        self.is_question(instance) && self.at(instance).question.is_some()
    }

    /// Whether an attempt of that purpose asks a person.
    #[must_use]
    pub fn asks_person(&self, instance: InstanceId, purpose: Purpose) -> bool {
        let step = self.step_of(instance);
        match purpose {
            Purpose::Work => matches!(step.work, Work::Approve { .. } | Work::Ask { .. }),
            Purpose::Gate(place) => matches!(step.gates.get(usize::from(place)), Some(PlanGate::Approve { .. })),
            Purpose::Override => true,
            Purpose::Fix | Purpose::Reconcile | Purpose::Take => false,
        }
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
        self.at_mut(instance).question = None;
        let (verdict, comment) = match &decision {
            Decision::Approve { .. } => (Verdict::Pass, format!("approved by {by}")),
            Decision::Reject { comment } => (Verdict::Fail, format!("rejected by {by}: {comment}")),
        };
        self.end_record(instance, AttemptEnd::Judged(verdict), Arc::from(comment.as_str()));
        let current = self.current(instance);
        self.notice(Notice::Ended { attempt: current, purpose });
        match (purpose, decision) {
            (Purpose::Work, Decision::Approve { fields }) => {
                self.take_fields(instance, fields, by);
                self.work_done(instance);
            }
            (Purpose::Override, Decision::Approve { .. }) if self.is_in_conflict(instance) => self.try_merge(instance),
            (Purpose::Override, Decision::Approve { .. }) => self.succeed(instance),
            (Purpose::Gate(place), Decision::Approve { .. }) => {
                self.at_mut(instance).gate_next = place + 1;
                self.next_gate(instance);
            }
            (Purpose::Gate(place), Decision::Reject { .. }) => {
                let judged = Judgement { verdict, reason: comment, evidence: Evidence::default() };
                self.gate_failed(instance, place, CauseKind::Rejected, &judged);
            }
            (_, Decision::Reject { .. }) => {
                let cause = self.cause(instance, CauseKind::Rejected, comment);
                self.fail(instance, cause);
            }
            (Purpose::Fix | Purpose::Reconcile | Purpose::Take, Decision::Approve { .. }) => {}
        }
    }
}

/// What an agent is told of a failed gate.
fn feedback(place: u16, judged: &Judgement) -> String {
    let mut text = format!("Gate {} failed: {}\n", place + 1, judged.reason);
    if !judged.evidence.command.is_empty() {
        text.push_str(&format!("Command: {}\n", judged.evidence.command.join(" ")));
    }
    if let Some(exit) = judged.evidence.exit {
        text.push_str(&format!("Exit code: {exit}\n"));
    }
    if !judged.evidence.last_lines.is_empty() {
        text.push_str(&format!("Last lines of its output:\n{}\n", judged.evidence.last_lines));
    }
    let mut end = text.len().min(FEEDBACK_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
