//! The rules that must always hold, checked after each event by a second, naive model of a run.
//!
//! Knows the events, the actions and read-only views; nothing of how the scheduler keeps its state.

use std::collections::{BTreeMap, BTreeSet};

use orch::{
    base::{Timestamp, Usage, Verdict},
    definition::workflow::{OnLimit, RetryOn},
    plan::{Budget, Plan, PlanStep, StepIx, Work},
    scheduler::{
        Action, AttemptId, Decision, Event, Hold, InstanceId, Notice, PUSHBACKS_MAX, Purpose, Scheduler, Settled, Site,
        StepState, Strength,
    },
};

use crate::truth::Again;

/// A broken rule, in words.
pub type Broken = String;
type Checked = Result<(), Broken>;

macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

mod batch;
mod budget;
mod ends;
mod frames;
mod merges;
mod pace;
mod reports;
mod starts;

/// How the last attempt of a step ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    Nothing,
    WorkDone,
    WorkFailed {
        again: bool,
    },
    GateFailed,
    GateError,
    GivenUp,
    Approved,
    Lost(Purpose),
    /// A limit stopped it.
    Halted(Purpose),
    FixDone,
    FixFailed,
    /// What was proposed conflicts with what is there.
    Conflict,
    /// The project has the merge.
    Taken,
    RunAgain,
    /// A person has comments.
    PushedBack,
    AskPerson,
}

#[derive(Debug)]
struct Seen {
    step: StepIx,
    container: Option<InstanceId>,
    frame: InstanceId,
    settled: Option<(Settled, u32)>,
    begun: bool,
    went_on: bool,
    attempts: u32,
    last: Last,
    gates: Vec<Option<Verdict>>,
    retries: u32,
    rounds: u32,
    /// How often a person pushed it back.
    pushed: u32,
    excused: u32,
    again: Again,
    deferred: u32,
    /// When its first attempt was let through for the first time, if that was put back.
    turn: Option<u64>,
    work_starts: u32,
    when: Option<bool>,
    until: Option<bool>,
    /// What stands was done by an earlier run.
    from_memory: bool,
    /// Such work did not pass its gates, and was done here.
    redone: bool,
    /// A merge has a proposal that fits.
    proposed: bool,
    /// A person has taken it although a gate had failed.
    overruled: bool,
    openings: Vec<InstanceId>,
    items: usize,
}

#[derive(Debug)]
struct Live {
    purpose: Purpose,
    slotted: bool,
    runtime: Option<String>,
    started: bool,
    stop: Option<Strength>,
    asked: Option<orch::base::Digest>,
    charged: Usage,
    /// Since when it is told to stop, if it is.
    stopped_at: Timestamp,
    /// How often it has spent something since then.
    spends_on: u32,
    /// The stop came from a limit.
    halted: bool,
    /// When it was let through, in the order of all.
    turn: u64,
}

#[derive(Debug)]
struct Frame {
    container: Option<InstanceId>,
    failed_at: Option<u64>,
    unsettled: BTreeSet<InstanceId>,
}

/// The model.
#[derive(Debug)]
pub struct Oracle {
    seen: Vec<Seen>,
    frames: BTreeMap<InstanceId, Frame>,
    new_frames: BTreeSet<InstanceId>,
    live: BTreeMap<AttemptId, Live>,
    tempo: BTreeMap<String, pace::Tempo>,
    /// The merge that goes on.
    merging: Option<InstanceId>,
    unknown: BTreeMap<InstanceId, Purpose>,
    parallel: u32,
    runtime: String,
    replayed: Vec<String>,
    limits: Budget,
    spent: Usage,
    /// What was held free after the last event.
    held: BTreeMap<InstanceId, Hold>,
    /// Agents that begin in this step.
    beginning: Vec<AttemptId>,
    /// Who spends after it was told to stop.
    spender: Option<AttemptId>,
    warned: bool,
    agents: u64,
    busy_ms: u64,
    last: Timestamp,
    cancelled: Option<Strength>,
    stopped: bool,
    lives: u32,
    turns: u64,
    clock: u64,
    ended: bool,
    succeeded: bool,
    /// How many attempts went on with the session of another item.
    pub continued: u32,
}

impl Oracle {
    pub fn new(plan: &Plan) -> Self {
        Self {
            seen: Vec::new(),
            frames: BTreeMap::new(),
            new_frames: BTreeSet::new(),
            live: BTreeMap::new(),
            tempo: BTreeMap::new(),
            merging: None,
            unknown: BTreeMap::new(),
            parallel: 0,
            runtime: String::new(),
            replayed: Vec::new(),
            limits: plan.budget.clone(),
            spent: Usage::default(),
            held: BTreeMap::new(),
            beginning: Vec::new(),
            spender: None,
            warned: false,
            agents: 0,
            busy_ms: 0,
            last: Timestamp::default(),
            cancelled: None,
            stopped: false,
            lives: 0,
            turns: 0,
            clock: 0,
            ended: false,
            succeeded: false,
            continued: 0,
        }
    }

    /// Checks one step: `event` was taken and led to `actions`.
    pub fn check(&mut self, scheduler: &Scheduler, now: Timestamp, event: &Event, actions: &[Action]) -> Checked {
        self.clock += 1;
        let in_use = self.live.values().filter(|live| live.slotted).count();
        if in_use > 0 && self.last != Timestamp::default() && !matches!(event, Event::Restarted { .. }) {
            self.busy_ms += now.0 - self.last.0;
        }
        let released = self.is_released_between(self.last, now);
        self.last = now;
        let fits = self.take(scheduler, event)?;
        if !fits {
            // Time alone may let somebody through.
            let silent = actions.iter().all(|action| released && matches!(action, Action::Start { .. }));
            hold!(silent, "an event that does not fit led to {actions:?}");
        }
        self.adopt(scheduler)?;
        for action in actions {
            self.action(scheduler, event, action)?;
        }
        while let Some(frame) = self.new_frames.first().copied() {
            self.enter(scheduler, frame)?;
        }
        self.after(scheduler, event)
    }

    /// Takes the event. False where it must change nothing.
    fn take(&mut self, scheduler: &Scheduler, event: &Event) -> Result<bool, Broken> {
        match event {
            Event::RunStarted { parallel, runtime, replayed, .. } => {
                (self.parallel, self.runtime, self.replayed) = (*parallel, runtime.clone(), replayed.clone());
            }
            Event::Evaluated { site, result } => self.evaluated(*site, result),
            Event::Started { attempt, subject, .. } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.started = true;
                    live.asked = subject.clone();
                }
            }
            Event::Deferred { attempt, until, .. } => return Ok(self.deferred(scheduler, *attempt, *until)),
            Event::Paced { runtime, slots, until, .. } => self.paced(runtime, *slots, *until),
            Event::Spent { attempt, usage, .. } => {
                let Some(live) = self.live.get_mut(attempt).filter(|live| live.started) else { return Ok(false) };
                live.charged.add(*usage);
                self.spent.add(*usage);
                live.spends_on += u32::from(live.stop.is_some());
                let is_late = self.last.0 > live.stopped_at.0 + 100 || live.spends_on > 1;
                let late = live.stop == Some(Strength::Gentle) && is_late;
                self.spender = late.then_some(*attempt);
            }
            Event::SessionKnown { attempt, .. } => {
                return Ok(self.live.get(attempt).is_some_and(|live| live.started));
            }
            Event::Finished { attempt, outcome } => return Ok(self.finished(scheduler, *attempt, outcome)),
            Event::Decided { attempt, subject, decision, .. } => {
                let fits = self.live.get(attempt).is_some_and(|live| {
                    let may = !matches!(decision, Decision::Pushback { .. }) || self.reworks(scheduler, *attempt, live);
                    live.started && live.asked.as_ref() == Some(subject) && may
                });
                if fits {
                    let step = scheduler.plan_step(attempt.instance).1;
                    self.decided(*attempt, decision, matches!(step.work, Work::Merge(_)));
                }
                return Ok(fits);
            }
            Event::Outdated { attempt, .. } => {
                let fits = self.live.get(attempt).is_some_and(|live| live.started && live.asked.is_some());
                if fits {
                    self.live.remove(attempt);
                    self.seen[attempt.instance.index()].excused += 1;
                }
                return Ok(fits);
            }
            Event::Answered { instance, answer, .. } => return Ok(self.answered(*instance, *answer)),
            // Forks have a test of their own, and a run that has begun takes nothing over.
            Event::Forked { .. } | Event::Kept { .. } => return Ok(false),
            Event::TimeReached => {}
            Event::CancelRequested { strength } => {
                if self.ended {
                    return Ok(false);
                }
                self.cancelled = Some(self.cancelled.map_or(*strength, |before| before.max(*strength)));
            }
            Event::Restarted { parallel } => {
                self.parallel = *parallel;
                self.restarted(scheduler);
            }
            Event::RetryRequested => {
                if !self.ended || self.succeeded {
                    return Ok(false);
                }
                self.lives += 1;
                self.merging = None;
                self.lines_are_empty();
                self.frames.values_mut().for_each(|frame| frame.failed_at = None);
                (self.ended, self.cancelled, self.stopped) = (false, None, false);
            }
            Event::BudgetRaised { usd_micros, tokens, time_ms, agents } => {
                self.limits.usd_micros = usd_micros.or(self.limits.usd_micros);
                self.limits.tokens = tokens.or(self.limits.tokens);
                self.limits.time_ms = time_ms.or(self.limits.time_ms);
                self.limits.agents = agents.unwrap_or(self.limits.agents);
                self.warned = false;
            }
        }
        Ok(true)
    }

    fn action(&mut self, scheduler: &Scheduler, event: &Event, action: &Action) -> Checked {
        match action {
            Action::Evaluate { site: Site::When(instance) } => {
                self.enter(scheduler, *instance)?;
                self.revive(*instance);
                hold!(!self.is_ending(), "something is evaluated after the run was to end");
            }
            Action::Evaluate { site: Site::RunOutputs } => {}
            Action::Evaluate {
                site:
                    Site::Items(instance)
                    | Site::Until(instance)
                    | Site::CallInputs(instance)
                    | Site::CallOutputs(instance)
                    | Site::StopText(instance),
            } => {
                self.begins(scheduler, *instance)?;
                if matches!(action, Action::Evaluate { site: Site::Items(_) }) {
                    self.seen[instance.index()].openings.clear();
                }
            }
            Action::Start { attempt, purpose } => {
                self.begins(scheduler, attempt.instance)?;
                self.starts(scheduler, *attempt, *purpose)?;
            }
            Action::Stop { attempt, strength } => {
                let stop = self.live.get_mut(attempt).map(|live| &mut live.stop);
                if let Some(stop) = stop {
                    hold!(stop.is_none_or(|before| before <= *strength), "the stop of {attempt} gets weaker");
                    *stop = Some(*strength);
                }
                let spent = self.is_spent() && !self.is_ending() && self.limits.on_limit == OnLimit::Pause;
                if let Some(live) = self.live.get_mut(attempt)
                    && live.stopped_at == Timestamp::default()
                {
                    live.stopped_at = self.last;
                    live.halted = spent && live.runtime.is_some();
                }
            }
            Action::Notice(notice) => self.notice(scheduler, event, notice)?,
        }
        Ok(())
    }

    fn notice(&mut self, scheduler: &Scheduler, event: &Event, notice: &Notice) -> Checked {
        match notice {
            Notice::Settled { instance } => self.settles(scheduler, event, *instance)?,
            Notice::Ended { attempt, purpose } => {
                if let Some(live) = self.live.remove(attempt) {
                    hold!(matches!(event, Event::TimeReached), "{attempt} ends with no report");
                    let seen = &mut self.seen[attempt.instance.index()];
                    seen.last = if live.halted { Last::Halted(*purpose) } else { Last::Lost(*purpose) };
                    seen.excused += u32::from(live.halted);
                    seen.excused += u32::from(live.stop.is_none_or(|stop| stop == Strength::Hard));
                }
            }
            Notice::Retrying { instance, .. } => {
                let (seen, step) = (&mut self.seen[instance.index()], scheduler.plan_step(*instance).1);
                seen.retries += 1;
                // Repairs of a result are counted apart.
                let most = step.retry.tries + 2;
                hold!(seen.retries <= most, "{} is tried too often", scheduler.path(*instance));
                if step.work.is_container() {
                    hold!(step.retry.on == RetryOn::Any, "{} may not be tried again", scheduler.path(*instance));
                    seen.openings.clear();
                }
            }
            Notice::Feedback { instance } => {
                let (seen, step) = (&mut self.seen[instance.index()], scheduler.plan_step(*instance).1);
                let blamed = seen.from_memory && !seen.redone;
                hold!(!blamed, "{} is told of a gate that it did not meet in this run", scheduler.path(*instance));
                seen.rounds += 1;
                seen.retries = 0;
                seen.again.new_round();
                let tries = step.on_gate_fail.tries;
                hold!(seen.rounds <= tries, "{} has more gate rounds than {tries}", scheduler.path(*instance));
                if step.work.is_container() {
                    seen.openings.clear();
                }
            }
            Notice::PushedBack { instance } => {
                let seen = &mut self.seen[instance.index()];
                hold!(seen.last == Last::PushedBack, "{} is pushed back by nobody", scheduler.path(*instance));
                seen.pushed += 1;
                hold!(seen.pushed <= PUSHBACKS_MAX, "{} is pushed back without end", scheduler.path(*instance));
                (seen.rounds, seen.retries) = (0, 0);
                seen.again.new_round();
                seen.redone |= seen.from_memory;
                if scheduler.plan_step(*instance).1.work.is_container() {
                    seen.openings.clear();
                }
            }
            Notice::Outdated { instance } => {
                let is_said = matches!(event, Event::Outdated { .. });
                hold!(is_said, "{} is asked anew for no reason", scheduler.path(*instance));
            }
            Notice::Redone { instance } => {
                let seen = &mut self.seen[instance.index()];
                hold!(seen.from_memory, "{} is done again although this run did it", scheduler.path(*instance));
                hold!(!seen.redone, "{} is done again twice", scheduler.path(*instance));
                hold!(
                    seen.last == Last::GateFailed,
                    "{} is done again after {:?}",
                    scheduler.path(*instance),
                    seen.last
                );
                seen.redone = true;
                seen.last = Last::RunAgain;
                seen.excused += 1;
            }
            Notice::Unknown { instance } => {
                let last = self.seen[instance.index()].last;
                let purpose = if matches!(last, Last::Lost(Purpose::Fix) | Last::Halted(Purpose::Fix)) {
                    Purpose::Fix
                } else {
                    Purpose::Work
                };
                self.unknown.insert(*instance, purpose);
            }
            Notice::RunEnded => self.ends(scheduler)?,
            Notice::BudgetNear => {
                hold!(!self.warned, "people are warned twice");
                self.warned = true;
            }
            Notice::Starting { .. } | Notice::Asking { .. } | Notice::BudgetReached | Notice::Held { .. } => {}
        }
        Ok(())
    }
}

impl Seen {
    fn empty(step: StepIx, container: Option<InstanceId>, frame: InstanceId) -> Self {
        Self {
            step,
            container,
            frame,
            settled: None,
            begun: false,
            went_on: false,
            attempts: 0,
            last: Last::Nothing,
            gates: Vec::new(),
            retries: 0,
            rounds: 0,
            pushed: 0,
            excused: 0,
            again: Again::default(),
            deferred: 0,
            turn: None,
            work_starts: 0,
            when: None,
            until: None,
            from_memory: false,
            redone: false,
            proposed: false,
            overruled: false,
            openings: Vec::new(),
            items: 0,
        }
    }

    fn new(step: StepIx, container: Option<InstanceId>, frame: InstanceId, plan: &PlanStep) -> Self {
        Self { gates: vec![None; plan.gates.len()], ..Self::empty(step, container, frame) }
    }
}

fn settled(scheduler: &Scheduler, instance: InstanceId) -> Option<Settled> {
    match scheduler.view(instance).state {
        StepState::Succeeded => Some(Settled::Succeeded),
        StepState::Failed => Some(Settled::Failed),
        StepState::Skipped => Some(Settled::Skipped),
        StepState::Cancelled => Some(Settled::Cancelled),
        StepState::Waiting | StepState::Running | StepState::Asking | StepState::Sleeping | StepState::Unknown => None,
    }
}
