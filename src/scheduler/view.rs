//! Read-only views: what a driver must do after a restart, what a run waits for, and the snapshot for people.

use serde::Serialize;

use crate::{
    base::{Digest, StepPath, Timestamp},
    plan::{PlanStep, StepIx},
    scheduler::{
        action::{Action, Cause, Settled},
        core::Scheduler,
        event::{AttemptId, Comment, InstanceId, Purpose, SessionFork, Strength},
        ledger::{Hold, Spent},
        planted::{self, Bug},
        state::{AttemptRecord, Phase, Question},
    },
};

/// Why a run does not move by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingFor {
    /// A person must decide.
    Decision {
        /// The question.
        attempt: AttemptId,
        /// Where.
        step: StepPath,
        /// What is shown.
        shown: String,
        /// The digest of what is shown.
        subject: Digest,
    },
    /// A person must say how an attempt ended.
    Outcome {
        /// Whose.
        instance: InstanceId,
        /// Where.
        step: StepPath,
    },
    /// A person must raise the budget.
    Budget {
        /// What is used up.
        reason: String,
    },
}

/// One step, for people.
#[derive(Debug, Clone)]
pub struct StepView<'a> {
    /// Its instance.
    pub instance: InstanceId,
    /// Its path.
    pub path: StepPath,
    /// Its plan.
    pub step: &'a PlanStep,
    /// Where it stands, in one word.
    pub state: StepState,
    /// All its attempts.
    pub history: &'a [AttemptRecord],
    /// Why it failed.
    pub cause: Option<&'a Cause>,
    /// What it brought back.
    pub summary: &'a str,
    /// When it will be tried again.
    pub wakes: Option<Timestamp>,
}

/// Where a step stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// For other steps, or for a slot.
    Waiting,
    /// Something runs.
    Running,
    /// A person is asked.
    Asking,
    /// It will be tried again, or it sleeps.
    Sleeping,
    /// A person must say how an attempt ended.
    Unknown,
    /// Done and proven.
    Succeeded,
    /// Not done.
    Failed,
    /// Not needed.
    Skipped,
    /// Not reached, or stopped.
    Cancelled,
}

impl StepState {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Asking => "asking",
            Self::Sleeping => "sleeping",
            Self::Unknown => "unknown",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Scheduler {
    /// Whether work of an earlier run has failed a gate of this step, so that the step must do its own.
    #[must_use]
    pub fn must_work(&self, instance: InstanceId) -> bool {
        self.at(instance).redone
    }

    /// What was asked for and has not been reported: to be done again by a new owner.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Action> {
        let mut actions: Vec<_> = self.sites.iter().map(|site| Action::Evaluate { site: *site }).collect();
        for instance in self.instances() {
            let at = self.at(instance);
            if let Phase::Starting(purpose) = at.phase
                && !planted::on(Bug::OutstandingForgetsStart)
            {
                let attempt = self.current(instance);
                actions.push(Action::Start { attempt, purpose });
                actions.extend(at.stop_sent.map(|strength| Action::Stop { attempt, strength }));
            }
        }
        actions
    }

    /// The attempts that were begun and have not ended: what dies with its owner.
    #[must_use]
    pub fn working(&self) -> Vec<AttemptId> {
        let is_working =
            |instance: &InstanceId| matches!(self.at(*instance).phase, Phase::Starting(_) | Phase::Running(_));
        self.instances().filter(is_working).map(|instance| self.current(instance)).collect()
    }

    /// All instances, in the order in which they were made.
    pub fn instances(&self) -> impl DoubleEndedIterator<Item = InstanceId> + use<> {
        (0..u32::try_from(self.instances.len()).unwrap_or(u32::MAX)).map(InstanceId)
    }

    /// Whether anything goes on without a person: an attempt, an expression, a timer, a queue that moves.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let queue = self.paused.is_none() && (self.limiter.has_waiting() || !self.short.is_empty());
        queue || !self.sites.is_empty() || !self.timers.is_empty() || self.limiter.in_use() > 0 || self.has_starting()
    }

    fn has_starting(&self) -> bool {
        self.instances().any(|instance| match self.at(instance).phase {
            Phase::Starting(_) => true,
            Phase::Running(_) => !self.is_question(instance),
            _ => false,
        })
    }

    /// What the run waits for, in the order of steps.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<WaitingFor> {
        if self.ended.is_some() {
            return Vec::new();
        }
        let mut waiting: Vec<_> =
            self.paused.iter().map(|reason| WaitingFor::Budget { reason: reason.clone() }).collect();
        for instance in self.instances() {
            match self.at(instance).phase {
                Phase::Unknown(_) => waiting.push(WaitingFor::Outcome { instance, step: self.path(instance) }),
                Phase::Running(_) => waiting.extend(self.question(instance).map(|question| WaitingFor::Decision {
                    attempt: self.current(instance),
                    step: self.path(instance),
                    shown: question.shown.clone(),
                    subject: question.subject.clone(),
                })),
                _ => {}
            }
        }
        waiting
    }

    /// The container whose body an instance stands in.
    #[must_use]
    pub fn container(&self, instance: InstanceId) -> Option<InstanceId> {
        self.frame(self.at(instance).frame).container
    }

    /// What a person is asked at an instance.
    #[must_use]
    pub fn question(&self, instance: InstanceId) -> Option<&Question> {
        self.at(instance).question.as_deref()
    }

    /// One step, for people.
    #[must_use]
    pub fn view(&self, instance: InstanceId) -> StepView<'_> {
        let at = self.at(instance);
        let (state, wakes) = match at.phase {
            Phase::Waiting | Phase::Held | Phase::Queued(_) | Phase::Evaluating => (StepState::Waiting, None),
            Phase::Starting(_) | Phase::Running(_) if self.is_question(instance) => (StepState::Asking, None),
            Phase::Starting(_) | Phase::Running(_) | Phase::Open => (StepState::Running, None),
            Phase::BackingOff { until } | Phase::Sleeping { until } => (StepState::Sleeping, Some(until)),
            Phase::Listening => (StepState::Sleeping, None),
            Phase::Unknown(_) => (StepState::Unknown, None),
            Phase::Settled(Settled::Succeeded) => (StepState::Succeeded, None),
            Phase::Settled(Settled::Failed) => (StepState::Failed, None),
            Phase::Settled(Settled::Skipped) => (StepState::Skipped, None),
            Phase::Settled(Settled::Cancelled) => (StepState::Cancelled, None),
        };
        StepView {
            instance,
            path: self.path(instance),
            step: self.plan.step(at.step),
            state,
            history: &at.history,
            cause: at.cause.as_deref(),
            summary: at.envelope.as_deref().map_or("", |envelope| envelope.summary.as_str()),
            wakes,
        }
    }

    /// All steps that exist so far: later openings of the same path replace earlier ones.
    #[must_use]
    pub fn views(&self) -> Vec<StepView<'_>> {
        let mut views = Vec::new();
        if !self.frames.is_empty() {
            self.views_of(crate::scheduler::state::FrameId(0), &mut views);
        }
        views
    }

    fn views_of<'a>(&'a self, frame: crate::scheduler::state::FrameId, views: &mut Vec<StepView<'a>>) {
        for instance in self.members(frame) {
            views.push(self.view(instance));
            for frame in &self.at(instance).frames {
                self.views_of(*frame, views);
            }
        }
    }

    /// The plan's step of an instance.
    #[must_use]
    pub fn plan_step(&self, instance: InstanceId) -> (StepIx, &PlanStep) {
        (self.at(instance).step, self.step_of(instance))
    }

    /// The session and the feedback that the next order of a step carries, and its attempt number for recordings.
    #[must_use]
    pub fn thread(&self, instance: InstanceId, purpose: Purpose) -> Thread<'_> {
        let at = self.at(instance);
        if let Purpose::Gate(_) = purpose {
            let judging = at.judging.as_deref();
            return Thread {
                session: judging.and_then(|judging| judging.session.as_deref()),
                fork: None,
                feedback: judging.and_then(|judging| judging.feedback.as_deref()),
                comments: None,
                attempt: self.returned_for(instance, purpose) + 1,
                goes_on: false,
                restarts: 0,
            };
        }
        Thread {
            session: at.session.as_deref(),
            fork: at.fork.as_deref().filter(|_| purpose == Purpose::Work),
            feedback: at.feedback.as_deref(),
            comments: at.comments.as_deref(),
            attempt: self.returned_for(instance, purpose) + 1,
            goes_on: at.goes_on && purpose == Purpose::Work,
            restarts: if purpose == Purpose::Work { at.restarts } else { 0 },
        }
    }

    /// What has been spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.ledger.spent()
    }

    /// What the run may spend now: what its plan says, and what people have added.
    #[must_use]
    pub fn budget(&self) -> &crate::plan::Budget {
        self.ledger.limits()
    }

    /// What is held free for attempts that work or are about to.
    #[must_use]
    pub fn held(&self) -> Hold {
        self.ledger.held()
    }

    /// What a session has been charged so far.
    #[must_use]
    pub fn charged_in(&self, session: &str) -> crate::base::Usage {
        self.ledger.charged_in(session)
    }

    /// What is held of the budget for agents that run or are about to, by step.
    pub fn holds(&self) -> impl Iterator<Item = (InstanceId, Hold)> {
        self.ledger.holds_all()
    }

    /// Which budget is nearly used up, if one is, in words.
    #[must_use]
    pub fn near_limit(&self) -> Option<String> {
        self.ledger.near()
    }

    /// When the run began.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.run.as_ref().map(|run| run.started)
    }

    /// How hard the run is being cancelled, if it is.
    #[must_use]
    pub fn cancelling(&self) -> Option<Strength> {
        self.cancelling
    }

    /// The runtime of agents that name none.
    #[must_use]
    pub fn default_runtime(&self) -> Option<&str> {
        self.run.as_ref().map(|run| run.runtime.as_str())
    }

    /// Which budget is used up, if one is.
    #[must_use]
    pub fn budget_reason(&self) -> Option<&str> {
        self.paused.as_deref().or(self.over_budget.as_deref())
    }

    /// The inputs of the run.
    #[must_use]
    pub fn inputs(&self) -> Option<&serde_json::Map<String, serde_json::Value>> {
        self.frames.first().and_then(|root| root.inputs.as_deref())
    }
}

/// What the next order of a step goes on from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thread<'a> {
    /// The session.
    pub session: Option<&'a str>,
    /// How the attempt that begins now forks, where it does.
    pub fork: Option<&'a SessionFork>,
    /// What was wrong.
    pub feedback: Option<&'a str>,
    /// The comments that this was made of, where a person has pushed it back.
    pub comments: Option<&'a [Comment]>,
    /// How often this path has brought back a result, plus one.
    pub attempt: u32,
    /// Something broke the last attempt off, and the next one goes on with its session.
    pub goes_on: bool,
    /// How often the work began anew in a fresh session, because the last one could not go on.
    pub restarts: u32,
}
