//! The state of a run: frames of step instances.
//!
//! A *frame* is one opening of a body: the top level, one item of a fan-out, one iteration of a loop, one call of a
//! workflow. An *instance* is one step in one frame. Both are only ever added, in an order that the events decide.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    base::{Digest, Envelope, StepPath, Timestamp, Usage, Verdict},
    plan::{Plan, StepIx, truth::NeedCounts},
    scheduler::{
        action::{Cause, Settled},
        batch::Batches,
        event::{Comment, InstanceId, Purpose, Review, SessionFork, Strength},
        fork::Kept,
        judges::Judging,
        limiter::Slot,
    },
};

/// A frame's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FrameId(pub u32);

/// One opening of a body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    /// The container; `None` for the top level.
    pub container: Option<InstanceId>,
    /// The instances of the body's steps stand at `first ..`, in the body's order.
    pub first: u32,
    /// How many.
    pub len: u32,
    /// What paths inside begin with.
    pub path: StepPath,
    /// For an item of a fan-out.
    pub item: Option<Item>,
    /// For an iteration of a loop, from 1.
    pub iteration: u32,
    /// For a called workflow, and for the top level.
    pub inputs: Option<Arc<Map<String, Value>>>,
    /// Instances that have not settled.
    pub unsettled: u32,
    /// Instances that settled as cancelled.
    pub cancelled: u32,
    /// Why the frame fails, if it does: the first failure.
    pub cause: Option<Box<Cause>>,
    /// Nothing new starts.
    pub draining: bool,
    /// Instances that count against `max_active`.
    pub active: u32,
    /// How many may.
    pub max_active: u32,
    /// Those that wait for that.
    pub held: VecDeque<InstanceId>,
}

/// One item of a fan-out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub index: usize,
    pub value: Arc<Value>,
}

/// One step in one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Instance {
    pub step: StepIx,
    pub frame: FrameId,
    pub phase: Phase,
    pub counts: NeedCounts,
    /// A need that this step reads without a guard has no value.
    pub reads_missing: bool,
    /// The number of the last attempt.
    pub attempts: u32,
    /// Extra attempts used for failures.
    pub work_tries: u32,
    /// Extra attempts used for results that were not what was asked for.
    pub repairs: u32,
    /// Extra attempts in a fresh session with less to know.
    pub restarts: u32,
    /// Extra attempts after one that took too long.
    pub stalls: u32,
    /// The place in the chain of models that the next attempt takes.
    pub model: u32,
    /// The next attempt goes on with the session of the last one, which something broke off.
    pub goes_on: bool,
    /// Extra attempts used for gates.
    pub gate_tries: u32,
    /// The gate that is judged next.
    pub gate_next: u16,
    /// How many attempts of this step were lost one after the other while their owner lived.
    pub losses: u32,
    /// A container that goes on with what is left of its body instead of opening it anew.
    pub reopens: bool,
    /// Whether it counts against its frame's `max_active`.
    pub counted: bool,
    /// Whether it holds a slot, of which class, and where it stood in line for it.
    pub slot: Option<Slot>,
    /// The strongest stop that was sent to the current attempt.
    pub stop_sent: Option<Strength>,
    /// What the work brought back.
    pub envelope: Option<Box<Envelope>>,
    /// The session of the last attempt.
    pub session: Option<Arc<str>>,
    /// How the current attempt forks, where it does.
    pub fork: Option<Box<SessionFork>>,
    /// What the current attempt has been charged while it works.
    pub charged: Option<Box<Usage>>,
    /// The current attempt is stopped because a budget is used up; it goes on when a person has raised that.
    pub halted: bool,
    /// Where a gate stands whose agents judge.
    pub judging: Option<Box<Judging>>,
    /// What a gate or a person found wrong; part of the next order.
    pub feedback: Option<Arc<str>>,
    /// The comments that the feedback was made of, where a person has pushed it back.
    pub comments: Option<Arc<[Comment]>>,
    /// How often a person has pushed it back.
    pub pushbacks: u32,
    /// Why it fails, or why it is being stopped.
    pub cause: Option<Box<Cause>>,
    /// Work that was not done by this run did not pass its gates: it is done now.
    pub redone: bool,
    /// How often the current attempt has spent something since it was told to stop.
    pub spends_on: u8,
    /// What was asked, while a person is asked.
    pub question: Option<Box<Question>>,
    /// Since when nothing but room is missing for the next attempt.
    pub ready: Option<Timestamp>,
    /// What happened, for people.
    pub history: Vec<AttemptRecord>,
    /// For containers: the frames of the current opening.
    pub frames: Vec<FrameId>,
    /// When the current attempt, or the container, is overdue.
    pub due: Timestamp,
    /// For fan-outs: the items.
    pub fan_out: Option<Box<FanOut>>,
    /// What is taken over from the run that this one is a fork of.
    pub kept: Option<Box<Kept>>,
}

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its needs have not settled.
    Waiting,
    /// An expression is being evaluated: `when`, items, `until`, inputs, outputs, a text.
    Evaluating,
    /// Its frame runs as many as it may.
    Held,
    /// It waits for a slot.
    Queued(Purpose),
    /// The attempt may begin as soon as it is written down.
    Starting(Purpose),
    /// The attempt runs, or a person is asked.
    Running(Purpose),
    /// It waits before the next try.
    BackingOff { until: Timestamp },
    /// A `wait` step.
    Sleeping { until: Timestamp },
    /// A `wait` step for a signal.
    Listening,
    /// A container with open frames.
    Open,
    /// A person must say how the attempt ended.
    Unknown(Purpose),
    /// Done.
    Settled(Settled),
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The digest of exactly what is shown.
    pub subject: Digest,
    /// What is shown, at most 4 KiB.
    pub shown: String,
    /// The files that it is about, where it is about files.
    pub review: Option<Box<Review>>,
}

/// One attempt, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its number.
    pub number: u32,
    /// What for.
    pub purpose: Purpose,
    /// Since when nothing but room was missing for it.
    pub ready: Timestamp,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How: `succeeded`, `failed`, `stopped`, `lost`, or a gate's verdict.
    pub end: AttemptEnd,
    /// Why, one line; empty where all went well.
    pub reason: Arc<str>,
    /// What it has spent, by model.
    pub costs: Vec<Cost>,
    /// By whose word it worked without limits, where it did.
    pub danger: Option<Arc<str>>,
}

/// What an attempt has spent on one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The model; unknown where its runtime does not tell.
    pub model: Option<Arc<str>>,
    /// What.
    pub usage: Usage,
}

/// Models that are told apart in one attempt.
const MODELS_MAX: usize = 16;

impl AttemptRecord {
    /// Notes a cost. What no model is named for goes to the one that was named last.
    pub(super) fn note(&mut self, usage: Usage, model: Option<&str>) {
        let known = match model {
            None => self.costs.last_mut(),
            Some(name) if self.costs.len() < MODELS_MAX => {
                self.costs.iter_mut().find(|cost| cost.model.as_deref() == Some(name))
            }
            Some(name) => {
                let place = self.costs.iter().position(|cost| cost.model.as_deref() == Some(name));
                self.costs.get_mut(place.unwrap_or(MODELS_MAX - 1))
            }
        };
        match known {
            Some(cost) => cost.usage.add(usage),
            None => self.costs.push(Cost { model: model.map(Arc::from), usage }),
        }
    }
}

/// How an attempt ended, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It has not.
    Live,
    /// The work was done.
    Succeeded,
    /// The work was not done.
    Failed,
    /// A gate has judged.
    Judged(Verdict),
    /// It was stopped.
    Stopped,
    /// Nobody knows.
    Lost,
}

/// The items of a fan-out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct FanOut {
    /// Key and value, in order.
    pub items: Vec<(String, Arc<Value>)>,
    /// The first that has not begun.
    pub next: usize,
    /// Items of an earlier life of the run in which something is left to do.
    pub again: VecDeque<FrameId>,
    /// Frames that have not finished.
    pub open: u32,
    /// Why the fan-out fails: the first failed item's cause.
    pub cause: Option<Box<Cause>>,
    /// Items that were cancelled.
    pub cancelled: u32,
    /// No new items.
    pub draining: bool,
    /// Where several items go into one session.
    pub batches: Option<Box<Batches>>,
}

/// Who needs a step, and whether it reads its value without a guard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dependent {
    pub step: StepIx,
    pub reads: bool,
}

/// What is derived from the plan once: where a step stands in its body, and who needs it.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    position: Vec<u32>,
    dependents: Vec<Dependent>,
    dependents_from: Vec<u32>,
}

impl Shape {
    pub fn of(plan: &Plan) -> Self {
        let mut position = vec![0; plan.steps.len()];
        let bodies = plan.steps.iter().map(|step| step.work.children()).chain([plan.roots.as_slice()]);
        for body in bodies {
            for (place, ix) in body.iter().enumerate() {
                position[ix.index()] = u32::try_from(place).unwrap_or(u32::MAX);
            }
        }
        let mut counts = vec![0u32; plan.steps.len() + 1];
        for need in plan.steps.iter().flat_map(|step| &step.needs) {
            counts[need.step.index() + 1] += 1;
        }
        for place in 1..counts.len() {
            counts[place] += counts[place - 1];
        }
        let mut fill = counts.clone();
        let nobody = Dependent { step: StepIx(0), reads: false };
        let mut dependents = vec![nobody; counts.last().map_or(0, |all| *all as usize)];
        for (place, step) in plan.steps.iter().enumerate() {
            for need in &step.needs {
                let slot = &mut fill[need.step.index()];
                let step = StepIx(u32::try_from(place).unwrap_or(u32::MAX));
                dependents[*slot as usize] = Dependent { step, reads: need.reads };
                *slot += 1;
            }
        }
        Self { position, dependents, dependents_from: counts }
    }

    /// The place of a step in its body.
    pub fn position(&self, step: StepIx) -> u32 {
        self.position[step.index()]
    }

    /// The range of a step's dependents, for [`Self::dependent`].
    pub fn dependents(&self, step: StepIx) -> std::ops::Range<usize> {
        self.dependents_from[step.index()] as usize..self.dependents_from[step.index() + 1] as usize
    }

    /// One dependent.
    pub fn dependent(&self, place: usize) -> Dependent {
        self.dependents[place]
    }
}

impl Instance {
    pub fn new(step: StepIx, frame: FrameId, needs: u32) -> Self {
        Self {
            step,
            frame,
            phase: Phase::Waiting,
            counts: NeedCounts { total: needs, ..NeedCounts::default() },
            reads_missing: false,
            attempts: 0,
            work_tries: 0,
            repairs: 0,
            restarts: 0,
            stalls: 0,
            model: 0,
            goes_on: false,
            gate_tries: 0,
            gate_next: 0,
            losses: 0,
            reopens: false,
            counted: false,
            slot: None,
            stop_sent: None,
            envelope: None,
            session: None,
            fork: None,
            charged: None,
            halted: false,
            judging: None,
            feedback: None,
            comments: None,
            pushbacks: 0,
            cause: None,
            redone: false,
            spends_on: 0,
            question: None,
            ready: None,
            history: Vec::new(),
            frames: Vec::new(),
            due: Timestamp::default(),
            fan_out: None,
            kept: None,
        }
    }

    pub fn settled(&self) -> Option<Settled> {
        match self.phase {
            Phase::Settled(settled) => Some(settled),
            Phase::Waiting
            | Phase::Evaluating
            | Phase::Held
            | Phase::Queued(_)
            | Phase::Starting(_)
            | Phase::Running(_)
            | Phase::BackingOff { .. }
            | Phase::Sleeping { .. }
            | Phase::Listening
            | Phase::Open
            | Phase::Unknown(_) => None,
        }
    }
}
