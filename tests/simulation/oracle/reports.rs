//! What events tell the model: values, outcomes, decisions, answers, restarts.

use orch::{
    base::{Outcome, Verdict},
    plan::Work,
    scheduler::{
        Answer, AttemptId, Decision, Evaluation, InstanceId, PUSHBACKS_MAX, Purpose, Scheduler, Site, StepState,
    },
};

use super::{Last, Live, Oracle};

impl Oracle {
    pub(super) fn evaluated(&mut self, site: Site, result: &Evaluation) {
        let (instance, value) = match (site, result) {
            (_, Evaluation::Fault(_)) | (Site::RunOutputs, _) => return,
            (Site::When(instance), Evaluation::Value(value)) => {
                self.seen[instance.index()].when = value.as_bool();
                return;
            }
            (Site::Until(instance), Evaluation::Value(value)) => {
                self.seen[instance.index()].until = value.as_bool();
                return;
            }
            (Site::Items(instance), Evaluation::Value(value)) => (instance, value),
            (Site::StopText(instance), Evaluation::Value(value)) => {
                self.stopped |= value.is_string() && self.seen[instance.index()].settled.is_none();
                return;
            }
            (Site::CallInputs(_) | Site::CallOutputs(_), Evaluation::Value(_)) => return,
        };
        self.seen[instance.index()].items = value.as_array().map_or(0, Vec::len);
    }

    pub(super) fn finished(&mut self, scheduler: &Scheduler, attempt: AttemptId, outcome: &Outcome) -> bool {
        let Some(live) = self.live.get(&attempt).filter(|live| live.started && live.asked.is_none()) else {
            return false;
        };
        let (purpose, stopped, charged, halted) = (live.purpose, live.stop.is_some(), live.charged, live.halted);
        let has_agent = live.runtime.is_some();
        self.live.remove(&attempt);
        match outcome {
            Outcome::Succeeded(envelope) => {
                self.spent.add(envelope.usage.without(charged));
                // No agent of this run did it.
                self.agents -= u64::from(envelope.reused.is_some() && has_agent);
            }
            Outcome::Failed(failure) => self.spent.add(failure.usage.without(charged)),
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {}
        }
        let policy = scheduler.plan_step(attempt.instance).1;
        let seen = &mut self.seen[attempt.instance.index()];
        seen.last = match (purpose, outcome) {
            (_, Outcome::Stopped | Outcome::Lost | Outcome::Failed(_)) if halted => {
                seen.excused += 1;
                Last::Halted(purpose)
            }
            (_, Outcome::Stopped | Outcome::Lost) => {
                if !stopped {
                    seen.excused += 1;
                }
                Last::Lost(purpose)
            }
            (Purpose::Work, Outcome::Succeeded(envelope)) => {
                seen.from_memory = envelope.reused.is_some();
                seen.gates.fill(None);
                (seen.proposed, seen.overruled) = (true, false);
                Last::WorkDone
            }
            (Purpose::Work, Outcome::Failed(failure)) => Last::WorkFailed { again: seen.again.counts(failure, policy) },
            (Purpose::Gate(place), Outcome::Judged(judged)) => {
                seen.gates[usize::from(place)] = Some(judged.verdict);
                match judged.verdict {
                    Verdict::Pass => Last::Approved,
                    Verdict::Fail => Last::GateFailed,
                    Verdict::Error => Last::GateError,
                }
            }
            (Purpose::Work, Outcome::Judged(_)) if matches!(policy.work, Work::Merge(_)) => {
                seen.proposed = false;
                Last::Conflict
            }
            (Purpose::Take, Outcome::Succeeded(_)) => Last::Taken,
            (Purpose::Take, Outcome::Failed(failure)) => {
                seen.proposed = false;
                Last::WorkFailed { again: seen.again.counts(failure, policy) }
            }
            (Purpose::Gate(_), Outcome::Succeeded(_) | Outcome::Failed(_)) => Last::GateError,
            (Purpose::Fix, Outcome::Succeeded(_)) => Last::FixDone,
            (Purpose::Fix, _) => Last::FixFailed,
            (Purpose::Reconcile, Outcome::Judged(judged)) if judged.verdict == Verdict::Pass => {
                seen.gates.fill(None);
                Last::WorkDone
            }
            (Purpose::Reconcile, Outcome::Judged(judged)) if judged.verdict == Verdict::Fail => {
                seen.excused += 1;
                Last::RunAgain
            }
            (Purpose::Reconcile, _) => Last::AskPerson,
            (Purpose::Work | Purpose::Override | Purpose::Take, _) => Last::GivenUp,
        };
        true
    }

    pub(super) fn decided(&mut self, attempt: AttemptId, decision: &Decision, is_merge: bool) {
        let purpose = self.live.remove(&attempt).map(|live| live.purpose);
        let seen = &mut self.seen[attempt.instance.index()];
        let yes = matches!(decision, Decision::Approve { .. });
        seen.last = match purpose {
            Some(purpose) if matches!(decision, Decision::Pushback { .. }) => {
                if let Purpose::Gate(place) = purpose {
                    seen.gates[usize::from(place)] = Some(Verdict::Fail);
                }
                Last::PushedBack
            }
            Some(Purpose::Gate(place)) => {
                seen.gates[usize::from(place)] = Some(if yes { Verdict::Pass } else { Verdict::Fail });
                if yes { Last::Approved } else { Last::GateFailed }
            }
            Some(Purpose::Override) if yes && is_merge && !seen.proposed => {
                // A person has mended it: it is proposed anew.
                seen.excused += 1;
                Last::RunAgain
            }
            Some(Purpose::Override) if yes => {
                seen.overruled = true;
                Last::GivenUp
            }
            Some(Purpose::Work) if yes => {
                seen.gates.fill(None);
                Last::WorkDone
            }
            _ => Last::Nothing,
        };
    }

    /// Whether somebody can work once more on what that question is about.
    pub(super) fn reworks(&self, scheduler: &Scheduler, attempt: AttemptId, live: &Live) -> bool {
        let step = scheduler.plan_step(attempt.instance).1;
        let is_about_work = matches!(live.purpose, Purpose::Gate(_) | Purpose::Override);
        let somebody = matches!(step.work, Work::Agent(_)) || step.on_gate_fail.fixer.is_some();
        let is_left = self.seen[attempt.instance.index()].pushed < PUSHBACKS_MAX;
        is_about_work && somebody && is_left && !self.is_drained(scheduler, attempt.instance)
    }

    pub(super) fn answered(&mut self, instance: InstanceId, answer: Answer) -> bool {
        let Some(purpose) = self.unknown.remove(&instance) else { return false };
        let seen = &mut self.seen[instance.index()];
        seen.last = match (answer, purpose) {
            (Answer::Retry, _) => {
                seen.excused += 1;
                Last::RunAgain
            }
            (Answer::Done, Purpose::Fix) => Last::FixDone,
            (Answer::Done, _) => {
                seen.gates.fill(None);
                seen.proposed = true;
                Last::WorkDone
            }
            (Answer::Failed, _) => Last::Nothing,
        };
        true
    }

    pub(super) fn restarted(&mut self, scheduler: &Scheduler) {
        let live = std::mem::take(&mut self.live);
        for (attempt, live) in live {
            let seen = &mut self.seen[attempt.instance.index()];
            if live.started && live.asked.is_none() {
                seen.last = if live.halted { Last::Halted(live.purpose) } else { Last::Lost(live.purpose) };
                seen.excused += 1;
            } else if scheduler.view(attempt.instance).state == StepState::Waiting {
                // It was granted and had not begun, and the new process has fewer slots.
                seen.excused += 1;
            } else {
                self.live.insert(attempt, live);
            }
        }
        self.agents = scheduler.spent().agents.min(self.agents);
    }
}
