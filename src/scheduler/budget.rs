//! Budgets: what agents are expected to spend is held free before they begin, what they spend is charged, and at a limit
//! the agents that run are stopped.
//!
//! Whoever does not fit waits until something is given back. What is held is held by attempts that run or are about to,
//! so somebody always gives back.

use std::{sync::Arc, time::Duration};

use crate::{
    base::{Outcome, Timestamp, Usage},
    definition::workflow::OnLimit,
    plan::RecoveryPolicy,
    scheduler::{
        action::Notice,
        core::{Scheduler, Timer},
        event::{AttemptId, InstanceId, Purpose, SessionFork, Strength},
        ledger::Hold,
        limiter::Line,
        planted::{self, Bug},
        state::Phase,
        work::STOPPING,
    },
};

/// How long after the order to stop a report of a cost may have been on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(100);
/// How many reports may have been on their way then.
const REPORTS_ON_THEIR_WAY: u8 = 1;
/// What an agent is told that goes on after such a stop.
const GO_ON: &str = "You were stopped because a budget of this run was used up. A person has raised it. \
    Look at what you have already done, and go on from there.";

impl Scheduler {
    /// Gives one free slot to whoever is next. False when nothing more can begin.
    pub(super) fn grant_one(&mut self) -> bool {
        if self.paused.is_some() {
            return false;
        }
        self.call_up_short();
        if !self.limiter.has_waiting() {
            return false;
        }
        let Some((class, waiting)) = self.limiter.grant(self.now) else { return false };
        let instance = waiting.instance;
        if self.at(instance).phase != Phase::Queued(waiting.purpose) {
            self.limiter.release(class);
            return true;
        }
        let is_agent = self.runtime_of(instance, waiting.purpose).is_some();
        if let Some(reason) = self.ledger.reached(is_agent) {
            self.limiter.release(class);
            self.limiter.wait_again(waiting.slot(class), instance, waiting.purpose);
            self.budget_reached(reason);
            return self.paused.is_none();
        }
        if !self.ledger.holds(instance) {
            let wanted = self.expected(instance, waiting.purpose);
            // First come, first served: who needs much is not overtaken for ever by those who need little.
            if !wanted.is_zero() && (!self.short.is_empty() || !self.ledger.has_room(wanted)) {
                self.limiter.release(class);
                self.short.push_back((instance, waiting.purpose));
                return true;
            }
            self.ledger.hold(instance, wanted);
        }
        if is_agent {
            self.ledger.count_agent();
        }
        self.at_mut(instance).slot = Some(waiting.slot(class));
        self.launch(instance, waiting.purpose);
        true
    }

    /// Those who wait for a part of the budget get it when it is there, and stand in line again.
    fn call_up_short(&mut self) {
        while let Some((instance, purpose)) = self.short.front().copied() {
            if self.at(instance).phase == Phase::Queued(purpose) {
                let wanted = self.expected(instance, purpose);
                if !self.ledger.has_room(wanted) {
                    return;
                }
                self.ledger.hold(instance, wanted);
                self.stand_in_line(instance, purpose, Line::Begun);
            }
            self.short.pop_front();
        }
    }

    /// What an attempt is expected to spend; nothing for commands and questions.
    #[must_use]
    pub fn expected(&self, instance: InstanceId, purpose: Purpose) -> Hold {
        let gate = match purpose {
            Purpose::Work | Purpose::Fix => None,
            Purpose::Gate(place) => Some(place),
            Purpose::Reconcile | Purpose::Override | Purpose::Take => return Hold::default(),
        };
        let (step, fix) = (self.at(instance).step, purpose == Purpose::Fix);
        self.plan
            .estimate_of(step, fix, gate)
            .map_or_else(Hold::default, |estimate| Hold { tokens: estimate.tokens(), usd_micros: estimate.usd_micros })
    }

    /// An attempt has spent something and goes on.
    pub(super) fn spends(&mut self, attempt: AttemptId, usage: Usage, model: Option<&str>) {
        let instance = attempt.instance;
        self.charge(instance, usage, model);
        self.at_mut(instance).charged.get_or_insert_default().add(usage);
        // Who was told to stop and goes on spending is killed.
        let at = self.at_mut(instance);
        at.spends_on = at.spends_on.saturating_add(u8::from(at.stop_sent.is_some()));
        let at = self.at(instance);
        let told = Timestamp(at.due.0.saturating_sub(u64::try_from(STOPPING.as_millis()).unwrap_or(u64::MAX)));
        if at.stop_sent == Some(Strength::Gentle)
            && (at.spends_on > REPORTS_ON_THEIR_WAY || self.now > told.plus(ON_ITS_WAY))
            && !planted::on(Bug::SpenderSpared)
        {
            self.send_stop(instance, Strength::Hard);
        }
        self.watch_budget();
    }

    /// Charges what the last attempt of a step has spent.
    pub(super) fn charge(&mut self, instance: InstanceId, usage: Usage, model: Option<&str>) {
        let session = self.running_session(instance);
        self.charge_in(instance, session, usage, model);
    }

    /// The session of an attempt is known.
    pub(super) fn in_session(&mut self, instance: InstanceId, session: &str) {
        let known: Arc<str> = Arc::from(session);
        if self.is_judging(instance) {
            if let Some(judging) = &mut self.at_mut(instance).judging {
                judging.session = Some(known);
            }
            return;
        }
        if let Some(SessionFork::Session { session: source, charged }) = self.at(instance).fork.as_deref()
            && source != session
        {
            let charged = *charged;
            self.ledger.begin_in(Arc::clone(&known), charged);
        }
        self.at_mut(instance).session = Some(known);
    }

    /// The same for a session that is told only now.
    pub(super) fn charge_in(
        &mut self,
        instance: InstanceId,
        session: Option<Arc<str>>,
        usage: Usage,
        model: Option<&str>,
    ) {
        if usage.is_zero() {
            return;
        }
        self.ledger.charge_in(instance, session, usage);
        if let Some(record) = self.at_mut(instance).history.last_mut() {
            record.note(usage, model);
        }
    }

    /// Looks whether a budget is used up, or nearly, while something runs.
    pub(super) fn watch_budget(&mut self) {
        if self.over_budget.is_some() || self.ended.is_some() || self.is_ending() {
            return;
        }
        if self.paused.is_some() {
            if self.ledger.is_spent() {
                self.halt_agents();
            }
            return;
        }
        if let Some(reason) = self.ledger.reached(false) {
            self.budget_reached(reason);
        } else if self.ledger.warns() {
            self.notice(Notice::BudgetNear);
        }
    }

    fn budget_reached(&mut self, reason: String) {
        self.notice(Notice::BudgetReached);
        match self.ledger.limits().on_limit {
            OnLimit::Pause => {
                self.paused = Some(reason);
                if self.ledger.is_spent() {
                    self.halt_agents();
                }
            }
            OnLimit::Stop => {
                self.over_budget = Some(reason);
                self.cancel(Strength::Gentle);
            }
        }
    }

    /// Stops the agents that run. They go on in their sessions when a person has raised the budget.
    fn halt_agents(&mut self) {
        if planted::on(Bug::LimitStopsNobody) {
            return;
        }
        for instance in self.instances() {
            let (Phase::Starting(purpose) | Phase::Running(purpose)) = self.at(instance).phase else { continue };
            if self.at(instance).stop_sent.is_none() && self.runtime_of(instance, purpose).is_some() {
                self.at_mut(instance).halted = true;
                self.send_stop(instance, Strength::Gentle);
            }
        }
    }

    /// An attempt that was stopped at a limit has ended. What it finished counts; the rest is done when more may be spent.
    pub(super) fn halted(&mut self, instance: InstanceId, purpose: Purpose, outcome: Outcome) {
        let has_begun = matches!(self.at(instance).phase, Phase::Running(_));
        self.give_slot_back(instance);
        let at = self.at_mut(instance);
        at.stop_sent = None;
        at.losses = 0;
        if let Purpose::Gate(place) = purpose {
            return match outcome {
                outcome @ Outcome::Succeeded(_) => self.gate_reported(instance, place, outcome),
                Outcome::Failed(_) | Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {
                    self.judge_lost(instance);
                    self.queue(instance, purpose, Line::Begun);
                }
            };
        }
        match (purpose, outcome) {
            (Purpose::Work, outcome @ Outcome::Succeeded(_)) => return self.work_reported(instance, outcome),
            (Purpose::Fix, outcome @ Outcome::Succeeded(_)) => return self.fix_reported(instance, outcome),
            (_, Outcome::Failed(failure)) => {
                let session = failure.session.as_deref().map(Arc::from);
                at.session = session.or(at.session.take());
            }
            (_, Outcome::Succeeded(_) | Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost) => {}
        }
        if !has_begun {
            return self.queue(instance, purpose, Line::Begun);
        }
        at.feedback.get_or_insert_with(|| Arc::from(GO_ON));
        match (purpose, &self.step_of(instance).recovery) {
            (Purpose::Work, RecoveryPolicy::Manual) => self.ask_outcome(instance, purpose),
            (Purpose::Work, RecoveryPolicy::Reconcile(_)) => self.queue(instance, Purpose::Reconcile, Line::Begun),
            _ => self.queue(instance, purpose, Line::Begun),
        }
    }

    /// Keeps one timer for the time budget, while something runs.
    pub(super) fn set_budget_timer(&mut self) {
        if self.plan.budget.time_ms.is_none() {
            return;
        }
        if let Some(at) = self.budget_timer.take() {
            self.timers.remove(&(at, Timer::Budget));
        }
        let watching = self.limiter.in_use() > 0 && self.paused.is_none() && self.ended.is_none() && !self.is_ending();
        if let Some(at) = self.ledger.time_limit_at().filter(|_| watching) {
            let at = at.max(Timestamp(self.now.0 + 1));
            self.timers.insert((at, Timer::Budget));
            self.budget_timer = Some(at);
        }
    }
}
