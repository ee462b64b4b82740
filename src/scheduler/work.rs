//! Attempts: what a step starts with, how an attempt begins, and what its outcome leads to.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    base::{Envelope, Outcome, Timestamp, Usage},
    plan::{PlanGate, RecoveryPolicy, Work, defaults},
    scheduler::{
        action::{Action, CauseKind, Notice, Settled},
        core::{Scheduler, Timer},
        event::{AttemptId, How, InstanceId, Purpose, Site, Strength},
        limiter::Line,
        planted::{self, Bug},
        state::{AttemptEnd, AttemptRecord, Phase, Question},
    },
};

/// How much later than its own timeout an attempt may report before it counts as lost.
const OVERDUE: Duration = Duration::from_secs(90);
/// How often the attempts of one step may be lost while their owner lives, before a person is asked.
const LOSSES_MAX: u32 = 3;
/// How long a stopped attempt may take to report.
pub(super) const STOPPING: Duration = Duration::from_secs(60);

impl Scheduler {
    /// Starts what a step does. Its needs, its `when` and its frame have agreed.
    pub(super) fn start_work(&mut self, instance: InstanceId) {
        let plan = Arc::clone(&self.plan);
        let step = plan.step(self.at(instance).step);
        match &step.work {
            Work::Merge(_) => self.stand_for_merge(instance),
            Work::Agent(_) | Work::Run { .. } | Work::Checkpoint { .. } => {
                let begun = self.at(instance).attempts > 0;
                self.queue(instance, Purpose::Work, if begun { Line::Begun } else { Line::New });
            }
            Work::Approve { .. } | Work::Ask { .. } => self.launch(instance, Purpose::Work),
            Work::Sleep { delay_ms } => {
                let until = self.now.plus(Duration::from_millis(*delay_ms));
                self.at_mut(instance).phase = Phase::Sleeping { until };
                self.timers.insert((until, Timer::Wake(instance)));
            }
            Work::Await { signal } => {
                if self.signals.contains(signal) {
                    self.work_done(instance);
                } else {
                    self.at_mut(instance).phase = Phase::Listening;
                    self.listeners.entry(signal.clone()).or_default().push(instance);
                }
            }
            Work::Emit { signal } => {
                self.signals.insert(signal.clone());
                for listener in self.listeners.remove(signal).unwrap_or_default() {
                    if self.at(listener).phase == Phase::Listening {
                        self.work_done(listener);
                    }
                }
                self.work_done(instance);
            }
            Work::Stop { .. } => self.evaluate(instance, Site::StopText(instance)),
            Work::Parallel { .. } | Work::Each(_) | Work::Loop { .. } | Work::Call { .. } => {
                self.open_container(instance);
            }
        }
    }

    /// Stands an attempt in line for a slot.
    pub(super) fn queue(&mut self, instance: InstanceId, purpose: Purpose, line: Line) {
        if self.refuses(instance, purpose) {
            return self.settle(instance, Settled::Cancelled);
        }
        let now = self.now;
        let at = self.at_mut(instance);
        at.phase = Phase::Queued(purpose);
        at.ready.get_or_insert(now);
        self.stand_in_line(instance, purpose, line);
    }

    /// Puts an attempt that waits for a slot into its line.
    pub(super) fn stand_in_line(&mut self, instance: InstanceId, purpose: Purpose, line: Line) {
        let runtime = self.runtime_of(instance, purpose).map(str::to_owned);
        let class = match &runtime {
            Some(name) => {
                let bound = self.plan.limits.per_runtime.get(name).copied();
                self.limiter.class(name, bound)
            }
            None => self.limiter.class("", None),
        };
        self.limiter.wait(class, line, instance, purpose);
    }

    /// Whether an attempt may not begin any more. A body that drains still judges the work that was done.
    pub(super) fn refuses(&self, instance: InstanceId, purpose: Purpose) -> bool {
        let new = match purpose {
            Purpose::Work | Purpose::Fix | Purpose::Override => true,
            Purpose::Gate(_) => self.asks_person(instance, purpose),
            Purpose::Reconcile | Purpose::Take => false,
        };
        self.is_ending() || (new && self.frame(self.at(instance).frame).draining && !planted::on(Bug::DrainStartsNew))
    }

    /// The runtime of an attempt; `None` for commands.
    #[must_use]
    pub fn runtime_of(&self, instance: InstanceId, purpose: Purpose) -> Option<&str> {
        let agent = self.agent_work(instance, purpose)?;
        agent.runtime.as_deref().or(self.run.as_ref().map(|run| run.runtime.as_str()))
    }

    /// Says that an attempt must start. It is live only when `Started` has come back from the journal.
    pub(super) fn launch(&mut self, instance: InstanceId, purpose: Purpose) {
        if self.refuses(instance, purpose) {
            return self.settle(instance, Settled::Cancelled);
        }
        let at = self.at_mut(instance);
        at.attempts += 1;
        at.phase = Phase::Starting(purpose);
        at.stop_sent = None;
        at.spends_on = 0;
        at.halted = false;
        at.charged = None;
        let attempt = AttemptId { instance, number: at.attempts };
        self.actions.push(Action::Start { attempt, purpose });
    }

    /// The current attempt of an instance.
    pub(super) fn current(&self, instance: InstanceId) -> AttemptId {
        AttemptId { instance, number: self.at(instance).attempts }
    }

    pub(super) fn started(&mut self, attempt: AttemptId, question: Option<Question>, how: Option<Box<How>>) {
        if !self.exists(attempt.instance) || self.at(attempt.instance).attempts != attempt.number {
            return;
        }
        let Phase::Starting(purpose) = self.at(attempt.instance).phase else { return };
        let now = self.now;
        let at = self.at_mut(attempt.instance);
        at.phase = Phase::Running(purpose);
        at.fork = how.as_ref().and_then(|how| how.fork.clone()).map(Box::new);
        let danger = how.and_then(|how| how.danger).map(Arc::from);
        at.history.push(AttemptRecord {
            number: attempt.number,
            purpose,
            ready: at.ready.take().unwrap_or(now),
            started: now,
            ended: None,
            end: AttemptEnd::Live,
            reason: Arc::from(""),
            costs: Vec::new(),
            danger,
        });
        if let Some(question) = question {
            at.question = Some(Box::new(question));
            self.notice(Notice::Asking { attempt });
        } else if let Some(strength) = at.stop_sent {
            // The first order to stop may have come before there was anything to stop.
            self.notice(Notice::Starting { attempt, purpose });
            self.actions.push(Action::Stop { attempt, strength });
        } else {
            let due = self.now.plus(self.attempt_timeout(attempt.instance, purpose) + OVERDUE);
            self.timers.insert((due, Timer::Overdue(attempt)));
            self.at_mut(attempt.instance).due = due;
            self.notice(Notice::Starting { attempt, purpose });
        }
    }

    /// The longest an attempt may take.
    #[must_use]
    pub fn attempt_timeout(&self, instance: InstanceId, purpose: Purpose) -> Duration {
        let step = self.step_of(instance);
        match purpose {
            Purpose::Work => step.timeout_ms.map_or(
                if matches!(step.work, Work::Agent(_)) { defaults::AGENT_TIMEOUT } else { defaults::COMMAND_TIMEOUT },
                Duration::from_millis,
            ),
            Purpose::Fix => defaults::AGENT_TIMEOUT,
            Purpose::Gate(place) => match step.gates.get(usize::from(place)) {
                Some(PlanGate::Run { timeout_ms, .. }) => Duration::from_millis(*timeout_ms),
                Some(PlanGate::Judge { judge, .. }) => Duration::from_millis(judge.timeout_ms),
                _ => defaults::COMMAND_TIMEOUT,
            },
            Purpose::Reconcile | Purpose::Override | Purpose::Take => defaults::COMMAND_TIMEOUT,
        }
    }

    /// The current attempt of an instance has reported.
    pub(super) fn finished(&mut self, instance: InstanceId, outcome: Outcome) {
        let Phase::Running(purpose) = self.at(instance).phase else { return };
        self.close_attempt(instance, purpose, &outcome);
        let lost = matches!(outcome, Outcome::Lost | Outcome::Stopped);
        let at = self.at_mut(instance);
        at.losses = if lost { at.losses + 1 } else { 0 };
        let stop_sent = self.at(instance).stop_sent;
        let charged = self.at_mut(instance).charged.take().map_or_else(Usage::default, |charged| *charged);
        let told = match &outcome {
            Outcome::Succeeded(envelope) => Some((&envelope.session, envelope.usage)),
            Outcome::Failed(failure) => Some((&failure.session, failure.usage)),
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => None,
        };
        if let Some((session, usage)) = told {
            if let Some(session) = session {
                self.in_session(instance, session);
            }
            self.charge_in(instance, session.as_deref().map(Arc::from), usage.without(charged), None);
        }
        if stop_sent.is_some() {
            self.stopped_attempt(instance, purpose, outcome);
        } else {
            match purpose {
                Purpose::Work => self.work_reported(instance, outcome),
                Purpose::Gate(place) => self.gate_reported(instance, place, outcome),
                Purpose::Fix => self.fix_reported(instance, outcome),
                Purpose::Reconcile => self.reconciled(instance, outcome),
                Purpose::Override => self.override_reported(instance, outcome),
                Purpose::Take => self.taken(instance, outcome),
            }
        }
        self.watch_budget();
    }

    fn close_attempt(&mut self, instance: InstanceId, purpose: Purpose, outcome: &Outcome) {
        let attempt = self.current(instance);
        self.give_slot_back(instance);
        let due = self.at(instance).due;
        self.timers.remove(&(due, Timer::Overdue(attempt)));
        let (end, reason) = match outcome {
            Outcome::Succeeded(envelope) => match purpose {
                Purpose::Gate(place) => self.judge_end(instance, place, envelope),
                _ => (AttemptEnd::Succeeded, Arc::from("")),
            },
            Outcome::Failed(failure) => (AttemptEnd::Failed, Arc::from(failure.reason.as_str())),
            Outcome::Judged(judged) => (AttemptEnd::Judged(judged.verdict), Arc::from(judged.reason.as_str())),
            Outcome::Stopped => (AttemptEnd::Stopped, Arc::from("")),
            Outcome::Lost => (AttemptEnd::Lost, Arc::from("")),
        };
        let returned = matches!(outcome, Outcome::Succeeded(_) | Outcome::Failed(_));
        let is_old = matches!(outcome, Outcome::Succeeded(envelope) if envelope.reused.is_some());
        if is_old && self.runtime_of(instance, purpose).is_some() {
            // An earlier run did the work: no agent of this one has begun.
            if !planted::on(Bug::MemoryCountsAgent) {
                self.ledger.uncount_agent();
            }
        } else if returned && self.runtime_of(instance, purpose).is_some() {
            *self.returned.entry(self.agent_path(instance, purpose)).or_default() += 1;
        }
        self.end_record(instance, end, reason);
        self.notice(Notice::Ended { attempt, purpose });
    }

    /// Closes the last line of an instance's history.
    pub(super) fn end_record(&mut self, instance: InstanceId, end: AttemptEnd, reason: Arc<str>) {
        let now = self.now;
        if let Some(record) = self.at_mut(instance).history.last_mut() {
            record.ended = Some(now);
            record.end = end;
            record.reason = reason;
        }
    }

    pub(super) fn work_reported(&mut self, instance: InstanceId, outcome: Outcome) {
        match outcome {
            Outcome::Succeeded(envelope) => {
                let at = self.at_mut(instance);
                at.session = envelope.session.as_deref().map(Arc::from).or(at.session.take());
                at.goes_on = false;
                at.envelope = Some(envelope);
                self.work_done(instance);
            }
            Outcome::Failed(failure) => self.work_failed(instance, *failure),
            Outcome::Stopped | Outcome::Lost => self.lost(instance, Purpose::Work),
            Outcome::Judged(judged) if self.is_merge(instance) => self.conflicts(instance, *judged),
            Outcome::Judged(judged) => {
                let cause = self.cause(instance, CauseKind::Step, judged.reason);
                self.fail(instance, cause);
            }
        }
    }

    /// The work is done: gates come next.
    pub(super) fn work_done(&mut self, instance: InstanceId) {
        if self.finish_kept(instance) {
            return;
        }
        self.stop_container_timer(instance);
        let at = self.at_mut(instance);
        (at.gate_next, at.judging) = (0, None);
        self.next_gate(instance);
    }

    pub(super) fn succeed(&mut self, instance: InstanceId) {
        if self.is_merge(instance) && !planted::on(Bug::MergeUntaken) {
            return self.queue(instance, Purpose::Take, Line::Begun);
        }
        self.succeeded(instance);
    }

    pub(super) fn succeeded(&mut self, instance: InstanceId) {
        if self.at(instance).envelope.is_none() {
            self.at_mut(instance).envelope = Some(Box::new(Envelope::default()));
        }
        self.at_mut(instance).cause = None;
        self.settle(instance, Settled::Succeeded);
    }

    /// An attempt that was told to stop has reported.
    pub(super) fn stopped_attempt(&mut self, instance: InstanceId, purpose: Purpose, outcome: Outcome) {
        if std::mem::take(&mut self.at_mut(instance).halted) && !self.is_ending() && self.at(instance).cause.is_none() {
            return self.halted(instance, purpose, outcome);
        }
        if let (Purpose::Work, Outcome::Succeeded(envelope)) = (purpose, outcome) {
            self.at_mut(instance).envelope = Some(envelope);
        }
        match self.at(instance).cause.clone() {
            Some(cause) => self.fail(instance, cause),
            None => self.settle(instance, Settled::Cancelled),
        }
    }

    /// Sends a stop to the current attempt; only ever a stronger one.
    pub(super) fn send_stop(&mut self, instance: InstanceId, strength: Strength) {
        if planted::on(Bug::CancelLost) {
            return;
        }
        let sent = self.at(instance).stop_sent;
        if sent.is_some_and(|sent| sent >= strength) && !planted::on(Bug::CancelWeakened) {
            return;
        }
        let attempt = self.current(instance);
        self.at_mut(instance).stop_sent = Some(strength);
        self.actions.push(Action::Stop { attempt, strength });
        let due = self.at(instance).due;
        self.timers.remove(&(due, Timer::Overdue(attempt)));
        let due = self.now.plus(STOPPING);
        self.timers.insert((due, Timer::Overdue(attempt)));
        self.at_mut(instance).due = due;
    }

    /// An attempt has not reported in time: kill it and go on without it.
    pub(super) fn overdue(&mut self, attempt: AttemptId) {
        let instance = attempt.instance;
        if self.at(instance).attempts != attempt.number {
            return;
        }
        match self.at(instance).phase {
            Phase::Running(purpose) => {
                self.actions.push(Action::Stop { attempt, strength: Strength::Hard });
                self.at_mut(instance).losses += 1;
                self.close_attempt(instance, purpose, &Outcome::Lost);
                if self.at(instance).stop_sent.is_some() {
                    self.stopped_attempt(instance, purpose, Outcome::Lost);
                } else {
                    self.lost(instance, purpose);
                }
            }
            Phase::Starting(purpose) if self.at(instance).stop_sent.is_some() => {
                self.stopped_attempt(instance, purpose, Outcome::Lost);
            }
            _ => {}
        }
    }

    /// An attempt has no outcome: its recovery policy says what that means.
    pub(super) fn lost(&mut self, instance: InstanceId, purpose: Purpose) {
        self.give_slot_back(instance);
        if self.is_ending() {
            return self.settle(instance, Settled::Cancelled);
        }
        if self.at(instance).losses > LOSSES_MAX {
            return self.lost_too_often(instance, purpose);
        }
        if self.asks_person(instance, purpose) {
            return self.launch(instance, purpose);
        }
        let replayed = self.runtime_of(instance, purpose).is_some_and(|runtime| {
            self.run.as_ref().is_some_and(|run| run.replayed.iter().any(|name| name == runtime))
        });
        self.judge_lost(instance);
        if purpose == Purpose::Work {
            self.at_mut(instance).goes_on = self.at(instance).session.is_some();
        }
        match purpose {
            Purpose::Gate(_) => self.next_gate(instance),
            Purpose::Reconcile | Purpose::Take => self.queue(instance, purpose, Line::Begun),
            Purpose::Override => self.launch(instance, purpose),
            Purpose::Fix if replayed => self.queue(instance, purpose, Line::Begun),
            Purpose::Fix => self.ask_outcome(instance, purpose),
            Purpose::Work => match self.step_of(instance).recovery.clone() {
                RecoveryPolicy::Retry | RecoveryPolicy::Idempotent => self.queue(instance, purpose, Line::Begun),
                RecoveryPolicy::Agent if replayed => self.queue(instance, purpose, Line::Begun),
                RecoveryPolicy::Manual if planted::on(Bug::ManualRetried) => {
                    self.queue(instance, purpose, Line::Begun);
                }
                RecoveryPolicy::Manual | RecoveryPolicy::Agent => self.ask_outcome(instance, purpose),
                RecoveryPolicy::Reconcile(_) => self.queue(instance, Purpose::Reconcile, Line::Begun),
            },
        }
    }

    /// Nothing is run again without end: a person decides, and a gate could not be judged.
    fn lost_too_often(&mut self, instance: InstanceId, purpose: Purpose) {
        self.at_mut(instance).losses = 0;
        match purpose {
            Purpose::Work | Purpose::Fix => self.ask_outcome(instance, purpose),
            Purpose::Reconcile => self.ask_outcome(instance, Purpose::Work),
            Purpose::Gate(place) => self.gate_lost(instance, place),
            Purpose::Override => self.launch(instance, purpose),
            Purpose::Take => {
                let reason = "its attempts were lost again and again";
                let cause = self.cause(instance, CauseKind::Step, reason);
                self.fail(instance, cause);
            }
        }
    }

    pub(super) fn ask_outcome(&mut self, instance: InstanceId, purpose: Purpose) {
        self.at_mut(instance).phase = Phase::Unknown(purpose);
        self.notice(Notice::Unknown { instance });
    }

    /// The value that a person's form fields become.
    pub(super) fn take_fields(&mut self, instance: InstanceId, fields: Value, by: &str) {
        let summary = format!("answered by {by}");
        self.at_mut(instance).envelope = Some(Box::new(Envelope { summary, output: fields, ..Envelope::default() }));
    }

    pub(super) fn wake(&mut self, instance: InstanceId, due: Timestamp) {
        match self.at(instance).phase {
            Phase::BackingOff { until } if until <= due => self.start_work(instance),
            Phase::Sleeping { until } if until <= due => self.work_done(instance),
            _ => {}
        }
    }
}
