//! The scheduler: one event in, actions out.
//!
//! Entirely synchronous and pure. Rules that always hold, each checked by the simulation:
//! at most one live attempt a step; needs settle before a start; slots and budgets are never exceeded; a settled
//! step stays settled (until a person asks for a retry); after a cancel nothing starts; the same events give the
//! same state and the same actions; whoever waits has a way to go on.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde_json::{Map, Value};

use crate::{
    base::{RunId, StepPath, Timestamp},
    plan::{Plan, PlanStep, StepIx},
    scheduler::{
        action::{Action, Cause, CauseKind, Notice, Settled},
        event::{AttemptId, Event, InstanceId, Purpose, Site, Strength},
        fork::{ForkOf, Kept},
        ledger::Ledger,
        limiter::Limiter,
        pace::Pause,
        planted::{self, Bug},
        state::{Frame, FrameId, Instance, Phase, Question, Shape},
    },
};

/// The state of one run and the rules that move it.
#[derive(Debug, PartialEq)]
pub struct Scheduler {
    pub(super) plan: Arc<Plan>,
    pub(super) shape: Shape,
    pub(super) now: Timestamp,
    pub(super) run: Option<RunInfo>,
    pub(super) frames: Vec<Frame>,
    pub(super) instances: Vec<Instance>,
    pub(super) limiter: Limiter,
    pub(super) ledger: Ledger,
    pub(super) timers: BTreeSet<(Timestamp, Timer)>,
    /// When the timer of the time budget is set to, so that it is found without a search.
    pub(super) budget_timer: Option<Timestamp>,
    pub(super) sites: BTreeSet<Site>,
    pub(super) signals: BTreeSet<String>,
    pub(super) listeners: BTreeMap<String, Vec<InstanceId>>,
    pub(super) returned: BTreeMap<StepPath, u32>,
    pub(super) cancelling: Option<Strength>,
    pub(super) stopped: Option<(bool, String)>,
    pub(super) paused: Option<String>,
    pub(super) over_budget: Option<String>,
    /// The merge that goes on, from its first attempt until it settles. There is one at a time.
    pub(super) merging: Option<InstanceId>,
    /// Merges that wait for their turn.
    pub(super) to_merge: VecDeque<InstanceId>,
    /// Whether one of them may have got its turn.
    pub(super) merge_due: bool,
    /// Agents that wait until enough of the budget is free.
    pub(super) short: VecDeque<(InstanceId, Purpose)>,
    pub(super) ended: Option<RunEnd>,
    pub(super) fork_of: Option<ForkOf>,
    /// What a fork takes over and has not met yet, by path.
    pub(super) keeping: BTreeMap<StepPath, Kept>,
    /// When which runtime took nothing, for people.
    pub(super) pauses: Vec<Pause>,
    pub(super) todo: VecDeque<Todo>,
    pub(super) actions: Vec<Action>,
}

/// What `RunStarted` said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunInfo {
    pub id: RunId,
    pub seed: u64,
    pub runtime: String,
    pub replayed: Vec<String>,
    pub started: Timestamp,
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// How.
    pub settled: Settled,
    /// Why, where it is not a success.
    pub cause: Option<Cause>,
    /// The evaluated outputs; empty where it is not a success.
    pub outputs: Map<String, Value>,
    /// When.
    pub at: Timestamp,
}

/// Something that is due at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A back-off or a `wait` is over.
    Wake(InstanceId),
    /// A container has taken too long.
    Container(InstanceId),
    /// An attempt should have reported by now.
    Overdue(AttemptId),
    /// The time budget is used up.
    Budget,
}

/// Work inside one `step`; a list instead of recursion, because chains are long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Todo {
    /// All needs are there.
    Begin(InstanceId),
    /// Tell dependents and the frame.
    Propagate(InstanceId),
}

impl Scheduler {
    /// A run of `plan` before its first event.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            shape: Shape::of(&plan),
            ledger: Ledger::new(plan.budget.clone()),
            plan,
            now: Timestamp::default(),
            run: None,
            frames: Vec::new(),
            instances: Vec::new(),
            limiter: Limiter::default(),
            timers: BTreeSet::new(),
            budget_timer: None,
            sites: BTreeSet::new(),
            signals: BTreeSet::new(),
            listeners: BTreeMap::new(),
            returned: BTreeMap::new(),
            cancelling: None,
            stopped: None,
            paused: None,
            over_budget: None,
            merging: None,
            to_merge: VecDeque::new(),
            merge_due: false,
            short: VecDeque::new(),
            ended: None,
            fork_of: None,
            keeping: BTreeMap::new(),
            pauses: Vec::new(),
            todo: VecDeque::new(),
            actions: Vec::new(),
        }
    }

    /// Takes one event at a time and says what must be done.
    ///
    /// Events that do not fit the state (duplicates, reports that come too late) change nothing.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        let busy = self.limiter.in_use() > 0 && !matches!(event, Event::Restarted { .. });
        self.ledger.pass(self.now, busy);
        self.take(event);
        self.settle_down();
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Forked { parent, from } => {
                if self.run.is_none() {
                    self.fork_of = Some(ForkOf { run: parent, from });
                }
            }
            Event::Kept { step, kept } => {
                if self.run.is_none() {
                    self.keeping.insert(StepPath::new(step), *kept);
                }
            }
            Event::RunStarted { run, inputs, seed, parallel, runtime, replayed } => {
                if self.run.is_none() {
                    self.limiter.set_parallel(parallel);
                    self.run = Some(RunInfo { id: run, seed, runtime, replayed, started: self.now });
                    self.open_root(inputs);
                }
            }
            Event::Evaluated { site, result } => {
                if self.sites.remove(&site) {
                    self.evaluated(site, result);
                }
            }
            Event::Started { attempt, subject, shown, how, review } => {
                let question = subject.map(|subject| Question { subject, shown: shown.unwrap_or_default(), review });
                self.started(attempt, question, how);
            }
            Event::Deferred { attempt, until, reason } => self.deferred(attempt, until, &reason),
            Event::Paced { runtime, slots, until, reason } => self.paced(&runtime, slots, until, &reason),
            Event::Spent { attempt, usage, model } => {
                if self.is_live(attempt) {
                    self.spends(attempt, usage, model.as_deref());
                }
            }
            Event::SessionKnown { attempt, session } => {
                if self.is_live(attempt) {
                    self.in_session(attempt.instance, &session);
                }
            }
            Event::Finished { attempt, outcome } => {
                let late = planted::on(Bug::LateReportTaken) && self.exists(attempt.instance);
                if late || (self.is_live(attempt) && !self.is_asked(attempt.instance)) {
                    self.finished(attempt.instance, outcome);
                }
            }
            Event::Decided { attempt, subject, decision, by, .. } => self.decided(attempt, &subject, decision, &by),
            Event::Outdated { attempt, .. } => self.outdated(attempt),
            Event::Answered { instance, answer, by } => self.answered(instance, answer, &by),
            Event::TimeReached => self.time_reached(),
            Event::CancelRequested { strength } => self.cancel(strength),
            Event::Restarted { parallel } => self.restarted(parallel),
            Event::RetryRequested => self.retry_requested(),
            Event::BudgetRaised { usd_micros, tokens, time_ms, agents } => {
                self.ledger.raise(usd_micros, tokens, time_ms, agents);
                self.paused = None;
                self.watch_budget();
            }
        }
    }

    /// Works off the list, grants slots, and looks whether anything new came of it.
    fn settle_down(&mut self) {
        loop {
            while let Some(todo) = self.todo.pop_front() {
                match todo {
                    Todo::Begin(instance) => self.begin(instance),
                    Todo::Propagate(instance) => self.propagate(instance),
                }
            }
            if !self.next_merge() && !self.grant_one() {
                // First, because a timer that nothing needs any more would look as if something moved.
                self.set_budget_timer();
                self.fail_deaf_listeners();
                if self.todo.is_empty() {
                    break;
                }
            }
        }
    }

    /// When [`Event::TimeReached`] is due next.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        if planted::on(Bug::TimerForgotten) {
            return self.timers.iter().nth(1).map(|(at, _)| *at);
        }
        let release = self.limiter.next_release(self.now).filter(|_| self.paused.is_none());
        self.timers.first().map(|(at, _)| *at).into_iter().chain(release).min()
    }

    /// How the run has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<&RunEnd> {
        self.ended.as_ref()
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The run's id, once it has started.
    #[must_use]
    pub fn run_id(&self) -> Option<&RunId> {
        self.run.as_ref().map(|run| &run.id)
    }

    pub(super) fn exists(&self, instance: InstanceId) -> bool {
        instance.index() < self.instances.len()
    }

    /// Whether the run is about to end, because somebody or a `stop` step wants it: nothing begins any more.
    pub(super) fn is_ending(&self) -> bool {
        self.cancelling.is_some() || self.stopped.is_some()
    }

    /// Whether an attempt is the current one of its step and has begun.
    ///
    /// A driver looks here after it has stepped `Started`: an attempt that is not live must not be begun.
    #[must_use]
    pub fn is_live(&self, attempt: AttemptId) -> bool {
        self.exists(attempt.instance)
            && self.at(attempt.instance).attempts == attempt.number
            && matches!(self.at(attempt.instance).phase, Phase::Running(_))
    }

    pub(super) fn at(&self, instance: InstanceId) -> &Instance {
        &self.instances[instance.index()]
    }

    pub(super) fn at_mut(&mut self, instance: InstanceId) -> &mut Instance {
        &mut self.instances[instance.index()]
    }

    pub(super) fn frame(&self, frame: FrameId) -> &Frame {
        &self.frames[frame.0 as usize]
    }

    pub(super) fn frame_mut(&mut self, frame: FrameId) -> &mut Frame {
        &mut self.frames[frame.0 as usize]
    }

    pub(super) fn step_of(&self, instance: InstanceId) -> &PlanStep {
        self.plan.step(self.at(instance).step)
    }

    /// The instance of a sibling in the same frame.
    pub(super) fn sibling(&self, frame: FrameId, step: StepIx) -> InstanceId {
        InstanceId(self.frame(frame).first + self.shape.position(step))
    }

    /// The instances of a frame.
    pub(super) fn members(&self, frame: FrameId) -> impl Iterator<Item = InstanceId> + use<> {
        let frame = self.frame(frame);
        (frame.first..frame.first + frame.len).map(InstanceId)
    }

    /// The path of an instance: `build[parser]/code`.
    #[must_use]
    pub fn path(&self, instance: InstanceId) -> StepPath {
        let at = self.at(instance);
        self.frame(at.frame).path.child(&self.plan.step(at.step).id)
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.actions.push(Action::Notice(notice));
    }

    pub(super) fn evaluate(&mut self, instance: InstanceId, site: Site) {
        if self.is_ending() {
            return self.settle(instance, Settled::Cancelled);
        }
        self.at_mut(instance).phase = Phase::Evaluating;
        self.sites.insert(site);
        self.actions.push(Action::Evaluate { site });
    }

    pub(super) fn cause(&self, instance: InstanceId, kind: CauseKind, reason: impl Into<String>) -> Box<Cause> {
        Box::new(Cause { kind, step: Some(self.path(instance)), reason: reason.into() })
    }

    /// Settles a step; its dependents and its frame learn of it next.
    pub(super) fn settle(&mut self, instance: InstanceId, settled: Settled) {
        if self.at(instance).settled().is_some() {
            return;
        }
        self.give_slot_back(instance);
        if let Phase::Queued(_) = self.at(instance).phase {
            self.limiter.forget(instance);
        }
        self.forget_waits(instance);
        let at = self.at_mut(instance);
        at.phase = Phase::Settled(settled);
        at.question = None;
        at.stop_sent = None;
        at.halted = false;
        at.ready = None;
        self.todo.push_back(Todo::Propagate(instance));
        self.notice(Notice::Settled { instance });
        self.merge_over(instance);
    }

    /// Takes back every timer and every question for a value that a step still has.
    fn forget_waits(&mut self, instance: InstanceId) {
        let (phase, due, attempt) = (self.at(instance).phase, self.at(instance).due, self.current(instance));
        if let Phase::BackingOff { until } | Phase::Sleeping { until } = phase {
            self.timers.remove(&(until, Timer::Wake(instance)));
        }
        self.timers.remove(&(due, Timer::Container(instance)));
        self.timers.remove(&(due, Timer::Overdue(attempt)));
        if phase == Phase::Evaluating {
            let sites = [
                Site::When(instance),
                Site::Items(instance),
                Site::Until(instance),
                Site::CallInputs(instance),
                Site::CallOutputs(instance),
                Site::StopText(instance),
            ];
            for site in sites {
                self.sites.remove(&site);
            }
        }
    }

    pub(super) fn fail(&mut self, instance: InstanceId, cause: Box<Cause>) {
        self.at_mut(instance).cause = Some(cause);
        self.settle(instance, Settled::Failed);
    }

    /// Gives back what an attempt has taken: its slot, and what is held of the budget for it.
    pub(super) fn give_slot_back(&mut self, instance: InstanceId) {
        self.ledger.give_back(instance);
        if let Some(slot) = self.at_mut(instance).slot.take()
            && !planted::on(Bug::SlotNotReleased)
        {
            self.limiter.release(slot.class);
        }
    }

    /// How often an agent at this path has brought back a result.
    pub(super) fn returned_for(&self, instance: InstanceId, purpose: Purpose) -> u32 {
        self.returned.get(&self.agent_path(instance, purpose)).copied().unwrap_or(0)
    }

    /// How often agents have brought back a result, by the path they work under.
    pub fn returned(&self) -> impl Iterator<Item = (&StepPath, u32)> {
        self.returned.iter().map(|(path, count)| (path, *count))
    }

    /// The path an agent works under: the step's, `STEP@fix` for the agent of `on_gate_fail`, `STEP@gateN` for one that
    /// judges.
    #[must_use]
    pub fn agent_path(&self, instance: InstanceId, purpose: Purpose) -> StepPath {
        let path = self.path(instance);
        match purpose {
            Purpose::Fix => StepPath::new(format!("{path}@fix")),
            Purpose::Gate(place) => StepPath::new(format!("{path}@gate{}", place + 1)),
            Purpose::Work | Purpose::Reconcile | Purpose::Override | Purpose::Take => path,
        }
    }
}
