//! The rules that must always hold, checked after each event by a second, naive model of a run.
//!
//! Knows the events, the actions and read-only views; nothing of how the scheduler keeps its state.

use std::collections::{BTreeMap, BTreeSet};

use crate::truth;
use orch::{
    base::{Outcome, Timestamp, Usage, Verdict},
    definition::workflow::{OnFailure, RetryOn, ThenFail},
    plan::{Budget, Plan, PlanGate, PlanStep, RecoveryPolicy, StepIx, Work},
    scheduler::{
        Action, Answer, AttemptEnd, AttemptId, CauseKind, Decision, Evaluation, Event, InstanceId, Notice, Purpose,
        Scheduler, Settled, Site, StepState, Strength,
    },
};

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

/// How the last attempt of a step ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    Nothing,
    WorkDone,
    WorkFailed { again: bool },
    GateFailed,
    GateError,
    GivenUp,
    Approved,
    Lost(Purpose),
    FixDone,
    FixFailed,
    RunAgain,
    AskPerson,
}

#[derive(Debug)]
struct Seen {
    step: StepIx,
    container: Option<InstanceId>,
    frame: InstanceId,
    settled: Option<(Settled, u32)>,
    begun: bool,
    attempts: u32,
    last: Last,
    gates: Vec<Option<Verdict>>,
    retries: u32,
    rounds: u32,
    excused: u32,
    work_starts: u32,
    when: Option<bool>,
    until: Option<bool>,
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
    unknown: BTreeMap<InstanceId, Purpose>,
    parallel: u32,
    runtime: String,
    replayed: Vec<String>,
    limits: Budget,
    spent: Usage,
    agents: u64,
    busy_ms: u64,
    last: Timestamp,
    cancelled: Option<Strength>,
    stopped: bool,
    lives: u32,
    clock: u64,
    ended: bool,
}

impl Oracle {
    pub fn new(plan: &Plan) -> Self {
        Self {
            seen: Vec::new(),
            frames: BTreeMap::new(),
            new_frames: BTreeSet::new(),
            live: BTreeMap::new(),
            unknown: BTreeMap::new(),
            parallel: 0,
            runtime: String::new(),
            replayed: Vec::new(),
            limits: plan.budget.clone(),
            spent: Usage::default(),
            agents: 0,
            busy_ms: 0,
            last: Timestamp::default(),
            cancelled: None,
            stopped: false,
            lives: 0,
            clock: 0,
            ended: false,
        }
    }

    /// Checks one step: `event` was taken and led to `actions`.
    pub fn check(&mut self, scheduler: &Scheduler, now: Timestamp, event: &Event, actions: &[Action]) -> Checked {
        self.clock += 1;
        let in_use = self.live.values().filter(|live| live.slotted).count();
        if in_use > 0 && self.last != Timestamp::default() && !matches!(event, Event::Restarted { .. }) {
            self.busy_ms += now.0 - self.last.0;
        }
        self.last = now;
        let before = self.take(scheduler, event)?;
        if !before {
            let silent = actions.iter().all(|action| !matches!(action, Action::Start { .. } | Action::Evaluate { .. }));
            hold!(silent && actions.is_empty(), "an event that does not fit led to {actions:?}");
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
            Event::Spent { attempt, usage } => {
                if self.live.get(attempt).is_some_and(|live| live.started) {
                    self.spent.add(*usage);
                } else {
                    return Ok(false);
                }
            }
            Event::Finished { attempt, outcome } => return Ok(self.finished(scheduler, *attempt, outcome)),
            Event::Decided { attempt, subject, decision, .. } => {
                let fits =
                    self.live.get(attempt).is_some_and(|live| live.started && live.asked.as_ref() == Some(subject));
                if fits {
                    self.decided(*attempt, decision);
                }
                return Ok(fits);
            }
            Event::Answered { instance, answer, .. } => return Ok(self.answered(*instance, *answer)),
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
                if !self.ended || scheduler.ended().is_some_and(|end| end.settled == Settled::Succeeded) {
                    return Ok(false);
                }
                self.lives += 1;
                (self.ended, self.cancelled, self.stopped) = (false, None, false);
            }
            Event::BudgetRaised { usd_micros, tokens, time_ms, agents } => {
                self.limits.usd_micros = usd_micros.or(self.limits.usd_micros);
                self.limits.tokens = tokens.or(self.limits.tokens);
                self.limits.time_ms = time_ms.or(self.limits.time_ms);
                self.limits.agents = agents.unwrap_or(self.limits.agents);
            }
        }
        Ok(true)
    }

    fn evaluated(&mut self, site: Site, result: &Evaluation) {
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

    fn finished(&mut self, scheduler: &Scheduler, attempt: AttemptId, outcome: &Outcome) -> bool {
        let Some(live) = self.live.get(&attempt).filter(|live| live.started && live.asked.is_none()) else {
            return false;
        };
        let (purpose, stopped) = (live.purpose, live.stop.is_some());
        self.live.remove(&attempt);
        match outcome {
            Outcome::Succeeded(envelope) => self.spent.add(envelope.usage),
            Outcome::Failed(failure) => self.spent.add(failure.usage),
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {}
        }
        let policy = scheduler.plan_step(attempt.instance).1;
        let seen = &mut self.seen[attempt.instance.index()];
        seen.last = match (purpose, outcome) {
            (_, Outcome::Stopped | Outcome::Lost) => {
                if !stopped {
                    seen.excused += 1;
                }
                Last::Lost(purpose)
            }
            (Purpose::Work, Outcome::Succeeded(_)) => {
                seen.gates.fill(None);
                Last::WorkDone
            }
            (Purpose::Work, Outcome::Failed(failure)) => Last::WorkFailed { again: truth::retryable(failure, policy) },
            (Purpose::Gate(place), Outcome::Judged(judged)) => {
                seen.gates[usize::from(place)] = Some(judged.verdict);
                match judged.verdict {
                    Verdict::Pass => Last::Approved,
                    Verdict::Fail => Last::GateFailed,
                    Verdict::Error => Last::GateError,
                }
            }
            (Purpose::Gate(_), Outcome::Succeeded(_) | Outcome::Failed(_)) => Last::GateError,
            (Purpose::Fix, Outcome::Succeeded(_)) => Last::FixDone,
            (Purpose::Fix, _) => Last::FixFailed,
            (Purpose::Reconcile, Outcome::Succeeded(_)) => {
                seen.gates.fill(None);
                Last::WorkDone
            }
            (Purpose::Reconcile, Outcome::Failed(failure)) if failure.evidence.exit == Some(1) => {
                seen.excused += 1;
                Last::RunAgain
            }
            (Purpose::Reconcile, _) => Last::AskPerson,
            (Purpose::Work | Purpose::Override, _) => Last::GivenUp,
        };
        true
    }

    fn decided(&mut self, attempt: AttemptId, decision: &Decision) {
        let purpose = self.live.remove(&attempt).map(|live| live.purpose);
        let seen = &mut self.seen[attempt.instance.index()];
        let yes = matches!(decision, Decision::Approve { .. });
        seen.last = match purpose {
            Some(Purpose::Gate(place)) => {
                seen.gates[usize::from(place)] = Some(if yes { Verdict::Pass } else { Verdict::Fail });
                if yes { Last::Approved } else { Last::GateFailed }
            }
            Some(Purpose::Override) if yes => Last::GivenUp,
            Some(Purpose::Work) if yes => {
                seen.gates.fill(None);
                Last::WorkDone
            }
            _ => Last::Nothing,
        };
    }

    fn answered(&mut self, instance: InstanceId, answer: Answer) -> bool {
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
                Last::WorkDone
            }
            (Answer::Failed, _) => Last::Nothing,
        };
        true
    }

    fn restarted(&mut self, scheduler: &Scheduler) {
        let mut lost = Vec::new();
        self.live.retain(|attempt, live| {
            let over = live.started && live.asked.is_none();
            if over {
                lost.push((*attempt, live.purpose));
            }
            // What was granted and had not begun may have to stand in line again.
            over.then_some(()).is_none() && scheduler.view(attempt.instance).state != StepState::Waiting
        });
        for (attempt, purpose) in lost {
            let seen = &mut self.seen[attempt.instance.index()];
            seen.last = Last::Lost(purpose);
            seen.excused += 1;
        }
        self.agents = scheduler.spent().agents.min(self.agents);
    }

    /// Takes in instances that are new, and looks whether they may be there.
    fn adopt(&mut self, scheduler: &Scheduler) -> Checked {
        let mut new: Vec<_> = scheduler.instances().skip(self.seen.len()).collect();
        new.reverse();
        while let Some(first) = new.pop() {
            let container = scheduler.container(first);
            let plan = scheduler.plan();
            let body = plan.body(container.map(|container| self.seen[container.index()].step));
            let mut members = BTreeSet::new();
            for (place, step) in body.iter().enumerate() {
                let instance = InstanceId(first.0 + place as u32);
                if place > 0 {
                    new.pop();
                }
                members.insert(instance);
                let made = plan.step(*step);
                hold!(scheduler.plan_step(instance).0 == *step, "instances of a frame are not in the body's order");
                self.seen.push(Seen::new(*step, container, first, made));
            }
            self.frames.insert(first, Frame { container, failed_at: None, unsettled: members });
            self.new_frames.insert(first);
        }
        Ok(())
    }

    /// Looks whether the frame of a step may be there, as soon as that step does anything.
    fn enter(&mut self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        let frame = self.seen[instance.index()].frame;
        if let Some(container) = self.frames[&frame].container {
            self.enter(scheduler, container)?;
            self.revive(container);
        }
        match (self.new_frames.remove(&frame), self.frames[&frame].container) {
            (true, Some(container)) => self.opened(scheduler, container, frame),
            _ => Ok(()),
        }
    }

    fn opened(&mut self, scheduler: &Scheduler, container: InstanceId, frame: InstanceId) -> Checked {
        self.begins(scheduler, container)?;
        let path = scheduler.path(container);
        let step = scheduler.plan_step(container).1;
        self.seen[container.index()].openings.push(frame);
        match &step.work {
            Work::Loop { max, .. } => {
                let first = scheduler.path(frame);
                let rest = first.as_str().strip_prefix(&format!("{path}#")).unwrap_or("0");
                let iteration: u32 = rest.split('/').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
                hold!(iteration >= 1 && iteration <= *max, "{path} opens iteration {iteration} of at most {max}");
                let seen = &mut self.seen[container.index()];
                hold!(iteration == 1 || seen.until.take() != Some(true), "{path} goes on although `until` holds");
            }
            Work::Each(each) => {
                let seen = &self.seen[container.index()];
                let open: Vec<_> =
                    seen.openings.iter().filter(|frame| !self.frames[frame].unsettled.is_empty()).collect();
                let bound = each.max_parallel.unwrap_or(u32::MAX) as usize;
                hold!(open.len() <= bound, "{path} has {} items open of {bound}", open.len());
                hold!(seen.items <= each.max_items as usize, "{path} takes {} items", seen.items);
                hold!(seen.openings.len() <= seen.items, "{path} opens more items than there are");
                let failed =
                    seen.openings.iter().any(|frame| self.frames[frame].failed_at.is_some_and(|at| at < self.clock));
                hold!(!failed || step.on_failure == OnFailure::Continue, "{path} opens an item after one failed");
            }
            _ => {}
        }
        Ok(())
    }

    /// A step begins: its needs have settled, its body does not drain, and its container has room.
    fn begins(&mut self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        self.enter(scheduler, instance)?;
        self.revive(instance);
        if let Some(container) = self.seen[instance.index()].container {
            self.begins(scheduler, container)?;
        }
        if std::mem::replace(&mut self.seen[instance.index()].begun, true) {
            return Ok(());
        }
        let (seen, path) = (&self.seen[instance.index()], scheduler.path(instance));
        let step = scheduler.plan_step(instance).1;
        hold!(!self.is_ending(), "{path} begins after the run was to end");
        hold!(step.when.is_none() || seen.when == Some(true), "{path} begins although `when` is not true");
        let ready = truth::may_begin(scheduler.plan(), step, |need| self.sibling_settled(scheduler, instance, need));
        hold!(ready, "{path} begins before its needs allow it");
        let mut frame = Some(seen.frame);
        while let Some(inner) = frame {
            let at = &self.frames[&inner];
            let policy = match at.container {
                None => scheduler.plan().on_failure,
                Some(container) => scheduler.plan_step(container).1.on_failure,
            };
            let drained = policy != OnFailure::Continue && at.failed_at.is_some_and(|at| at < self.clock);
            hold!(!drained, "{path} begins in a body that drains");
            frame = at.container.map(|container| self.seen[container.index()].frame);
        }
        let container = seen.container.map(|container| scheduler.plan_step(container).1);
        if let Some(Work::Parallel { max_parallel: Some(bound), .. }) = container.map(|step| &step.work) {
            let members = self.frames[&seen.frame].unsettled.iter();
            let active = members.filter(|member| self.seen[member.index()].begun).count();
            hold!(active <= *bound as usize, "{path} is one of {active} where {bound} may run");
        }
        Ok(())
    }

    fn sibling_settled(&self, scheduler: &Scheduler, instance: InstanceId, need: StepIx) -> Option<Settled> {
        let seen = &self.seen[instance.index()];
        let body = scheduler.plan().body(seen.container.map(|container| self.seen[container.index()].step));
        let place = body.iter().position(|step| *step == need)?;
        self.seen[seen.frame.index() + place].settled.map(|(settled, _)| settled)
    }

    /// After a person has asked for a retry, a step that failed or was cancelled may go on.
    fn revive(&mut self, instance: InstanceId) {
        let lives = self.lives;
        let seen = &mut self.seen[instance.index()];
        let again = matches!(seen.settled, Some((Settled::Failed | Settled::Cancelled, life)) if life < lives);
        if again {
            let frame = seen.frame;
            *seen = Seen {
                attempts: seen.attempts,
                openings: std::mem::take(&mut seen.openings),
                items: seen.items,
                when: seen.when,
                gates: vec![None; seen.gates.len()],
                ..Seen::empty(seen.step, seen.container, seen.frame)
            };
            if let Some(frame) = self.frames.get_mut(&frame) {
                frame.unsettled.insert(instance);
                frame.failed_at = None;
            }
        }
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
                    seen.last = Last::Lost(*purpose);
                    seen.excused += u32::from(live.stop.is_none_or(|stop| stop == Strength::Hard));
                }
            }
            Notice::Retrying { instance, .. } => {
                let (seen, step) = (&mut self.seen[instance.index()], scheduler.plan_step(*instance).1);
                seen.retries += 1;
                hold!(seen.retries <= step.retry.tries, "{} is tried too often", scheduler.path(*instance));
                if step.work.is_container() {
                    hold!(step.retry.on == RetryOn::Any, "{} may not be tried again", scheduler.path(*instance));
                    seen.openings.clear();
                }
            }
            Notice::Feedback { instance } => {
                let (seen, step) = (&mut self.seen[instance.index()], scheduler.plan_step(*instance).1);
                seen.rounds += 1;
                seen.retries = 0;
                let tries = step.on_gate_fail.tries;
                hold!(seen.rounds <= tries, "{} has more gate rounds than {tries}", scheduler.path(*instance));
                if step.work.is_container() {
                    seen.openings.clear();
                }
            }
            Notice::Unknown { instance } => {
                let last = self.seen[instance.index()].last;
                let purpose = if matches!(last, Last::Lost(Purpose::Fix)) { Purpose::Fix } else { Purpose::Work };
                self.unknown.insert(*instance, purpose);
            }
            Notice::RunEnded => self.ends(scheduler)?,
            Notice::Starting { .. } | Notice::Asking { .. } | Notice::BudgetReached => {}
        }
        Ok(())
    }

    /// An attempt is to begin.
    fn starts(&mut self, scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> Checked {
        let path = scheduler.path(attempt.instance);
        let step = scheduler.plan_step(attempt.instance).1;
        hold!(!self.is_ending(), "{path} starts {purpose:?} after the run was to end");
        let other = self.live.keys().find(|live| live.instance == attempt.instance);
        hold!(other.is_none(), "{path} starts a second attempt beside {other:?}");
        let seen = &mut self.seen[attempt.instance.index()];
        hold!(seen.settled.is_none(), "{path} starts after it has settled");
        hold!(attempt.number > seen.attempts, "attempt {attempt} is numbered twice");
        seen.attempts = attempt.number;
        let asks = scheduler.asks_person(attempt.instance, purpose);
        let in_process = |gate: &PlanGate| !matches!(gate, PlanGate::Run { .. });
        let free = match purpose {
            Purpose::Gate(place) => in_process(&step.gates[usize::from(place)]),
            Purpose::Work | Purpose::Fix | Purpose::Reconcile | Purpose::Override => false,
        };
        let runtime = match (purpose, &step.work, &step.on_gate_fail.fixer) {
            (Purpose::Work, Work::Agent(agent), _) | (Purpose::Fix, _, Some(agent)) => {
                Some(agent.runtime.clone().unwrap_or_else(|| self.runtime.clone()))
            }
            _ => None,
        };
        self.permitted(scheduler, attempt, purpose, runtime.as_deref())?;
        let slotted = !asks && !free;
        if slotted {
            let over = |limit: Option<u64>, spent: u64| limit.is_some_and(|limit| spent >= limit);
            let used = over(self.limits.usd_micros, self.spent.usd_micros)
                || over(self.limits.tokens, self.spent.tokens())
                || over(self.limits.time_ms, self.busy_ms)
                || (runtime.is_some() && self.agents >= self.limits.agents);
            hold!(!used, "{path} starts although the budget is used up");
            self.agents += u64::from(runtime.is_some());
        }
        self.live.insert(attempt, Live { purpose, slotted, runtime, started: false, stop: None, asked: None });
        let in_use = self.live.values().filter(|live| live.slotted).count();
        hold!(in_use <= self.parallel as usize, "{in_use} attempts run where {} may", self.parallel);
        for (name, bound) in &scheduler.plan().limits.per_runtime {
            let on = self.live.values().filter(|live| live.runtime.as_ref() == Some(name)).count();
            hold!(on <= *bound as usize, "{on} attempts run on {name} where {bound} may");
        }
        Ok(())
    }

    /// Whether the last outcome of a step leads to an attempt of this purpose.
    fn permitted(
        &mut self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        purpose: Purpose,
        runtime: Option<&str>,
    ) -> Checked {
        let (path, step) = (scheduler.path(attempt.instance), scheduler.plan_step(attempt.instance).1);
        let replays = runtime.is_some_and(|name| self.replayed.iter().any(|replayed| replayed == name));
        let asks = scheduler.asks_person(attempt.instance, purpose);
        hold!(!self.unknown.contains_key(&attempt.instance), "{path} starts {purpose:?} before a person has answered");
        let seen = &mut self.seen[attempt.instance.index()];
        let recoverable = match &step.recovery {
            RecoveryPolicy::Retry | RecoveryPolicy::Idempotent => true,
            RecoveryPolicy::Agent => replays,
            RecoveryPolicy::Manual | RecoveryPolicy::Reconcile(_) => false,
        };
        let container = step.work.is_container();
        let fits = match (purpose, seen.last) {
            (Purpose::Work, Last::Nothing | Last::FixDone | Last::RunAgain) => true,
            (Purpose::Work, Last::WorkFailed { again }) => again,
            (Purpose::Work, Last::GateFailed) => step.on_gate_fail.fixer.is_none(),
            (Purpose::Work, Last::Lost(Purpose::Work)) => recoverable || asks,
            (Purpose::Gate(place), last) => {
                let judged = seen.gates.iter().take(usize::from(place)).all(|gate| *gate == Some(Verdict::Pass));
                let done = matches!(last, Last::WorkDone | Last::Approved | Last::Lost(Purpose::Gate(_)));
                judged && (done || container)
            }
            (Purpose::Fix, Last::GateFailed | Last::RunAgain) => step.on_gate_fail.fixer.is_some(),
            (Purpose::Fix, Last::Lost(Purpose::Fix)) => replays,
            (Purpose::Reconcile, Last::Lost(Purpose::Work | Purpose::Reconcile)) => {
                matches!(step.recovery, RecoveryPolicy::Reconcile(_))
            }
            (Purpose::Override, Last::GateFailed | Last::GateError | Last::FixFailed | Last::Lost(_)) => {
                step.on_gate_fail.then == ThenFail::Ask
            }
            _ => false,
        };
        hold!(fits, "{path} starts {purpose:?} after {:?}", seen.last);
        if container && purpose == Purpose::Gate(0) {
            seen.gates.fill(None);
        }
        if purpose == Purpose::Work {
            seen.work_starts += 1;
            let most = (1 + step.retry.tries) * (1 + step.on_gate_fail.tries) + seen.excused;
            hold!(seen.work_starts <= most, "{path} works for the {}th time of {most}", seen.work_starts);
        }
        Ok(())
    }

    fn settles(&mut self, scheduler: &Scheduler, event: &Event, instance: InstanceId) -> Checked {
        self.enter(scheduler, instance)?;
        self.revive(instance);
        let path = scheduler.path(instance);
        let before = self.seen[instance.index()].settled;
        hold!(before.is_none(), "{path} settles again after {before:?}");
        let Some(settled) = settled(scheduler, instance) else {
            return Err(format!("{path} has settled and is {:?}", scheduler.view(instance).state));
        };
        let live = self.live.iter().find(|(attempt, _)| attempt.instance == instance);
        if let Some((attempt, live)) = live {
            let dropped = live.asked.is_some() || !live.started || matches!(event, Event::TimeReached);
            hold!(dropped, "{path} settles while {attempt} lives");
            let attempt = *attempt;
            self.live.remove(&attempt);
        }
        self.unknown.remove(&instance);
        match settled {
            Settled::Succeeded => {
                if !self.seen[instance.index()].begun {
                    self.begins(scheduler, instance)?;
                }
                self.proven(scheduler, instance)?;
            }
            Settled::Failed => hold!(scheduler.view(instance).cause.is_some(), "{path} fails for no reason"),
            Settled::Skipped => {
                let seen = &self.seen[instance.index()];
                hold!(!seen.begun, "{path} is skipped after it began");
                let step = scheduler.plan_step(instance).1;
                let spreads =
                    truth::may_skip(scheduler.plan(), step, |need| self.sibling_settled(scheduler, instance, need));
                hold!(seen.when == Some(false) || spreads, "{path} is skipped for no reason");
            }
            Settled::Cancelled => {}
        }
        let lives = self.lives;
        let seen = &mut self.seen[instance.index()];
        seen.settled = Some((settled, lives));
        let optional = scheduler.plan_step(instance).1.optional;
        let clock = self.clock;
        if let Some(frame) = self.frames.get_mut(&seen.frame) {
            frame.unsettled.remove(&instance);
            if settled == Settled::Failed && !optional {
                frame.failed_at = frame.failed_at.or(Some(clock));
            }
        }
        Ok(())
    }

    /// A success is proven: the work reported it, all gates passed, all children succeeded.
    fn proven(&self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        let (path, seen) = (scheduler.path(instance), &self.seen[instance.index()]);
        let step = scheduler.plan_step(instance).1;
        let excused = match (seen.last, step.on_gate_fail.then) {
            (Last::GivenUp, ThenFail::Ask) => true,
            (Last::GateFailed | Last::GateError | Last::FixFailed, ThenFail::Continue) => true,
            _ => false,
        };
        let passed = seen.gates.iter().all(|verdict| *verdict == Some(Verdict::Pass));
        hold!(passed || excused, "{path} succeeds with the gates {:?}", seen.gates);
        let worked = match &step.work {
            Work::Agent(_) | Work::Run { .. } | Work::Approve { .. } | Work::Ask { .. } => {
                excused || matches!(seen.last, Last::WorkDone | Last::Approved)
            }
            _ => true,
        };
        hold!(worked, "{path} succeeds after {:?}", seen.last);
        let frames = match step.work {
            Work::Each(_) => seen.openings.as_slice(),
            _ => seen.openings.last().map_or(&[][..], std::slice::from_ref),
        };
        for frame in frames {
            hold!(self.frames[frame].unsettled.is_empty(), "{path} succeeds before its children end");
            for place in 0..scheduler.plan().body(Some(seen.step)).len() {
                self.counts_as_done(scheduler, InstanceId(frame.0 + place as u32))?;
            }
        }
        Ok(())
    }

    fn counts_as_done(&self, scheduler: &Scheduler, instance: InstanceId) -> Checked {
        let settled = self.seen[instance.index()].settled.map(|(settled, _)| settled);
        let optional = scheduler.plan_step(instance).1.optional;
        let done = match settled {
            Some(Settled::Succeeded | Settled::Skipped) => true,
            Some(Settled::Failed) => optional,
            Some(Settled::Cancelled) | None => false,
        };
        hold!(done, "a success although {} is {settled:?}", scheduler.path(instance));
        Ok(())
    }

    fn ends(&mut self, scheduler: &Scheduler) -> Checked {
        self.ended = true;
        let Some(end) = scheduler.ended() else { return Err("the run has ended and has not".to_owned()) };
        hold!(self.live.is_empty(), "the run ends while {:?} live", self.live.keys());
        hold!((end.settled == Settled::Succeeded) == end.cause.is_none(), "the end has the wrong cause");
        if self.stopped {
            return Ok(());
        }
        let budget = end.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::Budget);
        let cancelled = end.settled == Settled::Cancelled || budget;
        hold!(self.cancelled.is_none() || cancelled, "a cancelled run ends {:?}", end.settled);
        if end.settled == Settled::Succeeded {
            for place in 0..scheduler.plan().roots.len() {
                self.counts_as_done(scheduler, InstanceId(place as u32))?;
            }
        }
        Ok(())
    }

    fn is_ending(&self) -> bool {
        self.cancelled.is_some() || self.stopped
    }

    /// What must hold after each event.
    fn after(&mut self, scheduler: &Scheduler, event: &Event) -> Checked {
        let spent = scheduler.spent();
        hold!(spent.usage == self.spent, "charged {:?} of {:?}", spent.usage, self.spent);
        hold!(spent.agents == self.agents, "counted {} agents of {}", spent.agents, self.agents);
        hold!(spent.busy_ms == self.busy_ms, "counted {} ms of {}", spent.busy_ms, self.busy_ms);
        if let Some(strength) = scheduler.cancelling() {
            self.cancelled = Some(self.cancelled.map_or(strength, |before| before.max(strength)));
        }
        if self.is_ending() && !self.ended {
            let wanted = self.cancelled.unwrap_or(Strength::Gentle);
            for (attempt, live) in &self.live {
                hold!(live.stop.is_some_and(|stop| stop >= wanted), "{attempt} is not stopped as {wanted:?} demands");
            }
        }
        if let Event::Restarted { .. } = event {
            self.scan(scheduler)?;
            for instance in scheduler.instances() {
                let last = scheduler.view(instance).history.last();
                let live = last.is_some_and(|record| record.end == AttemptEnd::Live);
                let asked = last.is_some_and(|record| scheduler.asks_person(instance, record.purpose));
                hold!(!live || asked, "{} still runs after a restart", scheduler.path(instance));
            }
        }
        Ok(())
    }

    /// Compares all steps with the model, and looks whether whoever waits has a way to go on.
    pub fn scan(&mut self, scheduler: &Scheduler) -> Checked {
        let wakeup = scheduler.next_wakeup();
        for instance in scheduler.instances() {
            let (now, known) = (settled(scheduler, instance), self.seen[instance.index()].settled);
            let renewed = matches!(known, Some((Settled::Failed | Settled::Cancelled, life)) if life < self.lives);
            let same = now == known.map(|(settled, _)| settled) || (now.is_none() && renewed);
            hold!(same, "{} was {known:?} and is {now:?}", scheduler.path(instance));
            if let Some(wakes) = scheduler.view(instance).wakes {
                let woken = wakeup.is_some_and(|at| at <= wakes);
                hold!(woken, "{} sleeps and nobody wakes it", scheduler.path(instance));
            }
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
            attempts: 0,
            last: Last::Nothing,
            gates: Vec::new(),
            retries: 0,
            rounds: 0,
            excused: 0,
            work_starts: 0,
            when: None,
            until: None,
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
