//! What happened: the only thing that moves a run. Events are what the journal stores.
//!
//! Invariant: the stored form has a version ([`EVENT_VERSION`]); old samples under `tests/journals/` still replay.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    base::{Digest, Outcome, RunId, Timestamp, Usage},
    scheduler::fork::Kept,
};

/// The version of the stored form of events.
pub const EVENT_VERSION: u16 = 1;

/// One step in one frame of a run; given out by the scheduler in a fixed order, so replay gives the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u32);

impl InstanceId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One try of something for a step: its work, a gate, a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// Whose.
    #[serde(rename = "i")]
    pub instance: InstanceId,
    /// Counted from 1 over all tries of that instance.
    #[serde(rename = "n")]
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance.0, self.number)
    }
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The step's own work.
    Work,
    /// The step's gate of that place.
    Gate(u16),
    /// The agent of `on_gate_fail`.
    Fix,
    /// The command of `recovery: { reconcile }`.
    Reconcile,
    /// A person decides after the tries of a gate are used up (`then: ask`).
    Override,
    /// A merge that has passed its gates is taken: the project gets it.
    Take,
}

/// An expression that the scheduler needs the value of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// `when` of an instance: a boolean.
    When(InstanceId),
    /// `each` of an instance: a list of `[key, item]`.
    Items(InstanceId),
    /// `until` of a loop: a boolean.
    Until(InstanceId),
    /// `with` of a called workflow: an object.
    CallInputs(InstanceId),
    /// Outputs of a called workflow: an object.
    CallOutputs(InstanceId),
    /// The text of a `stop`: a string.
    StopText(InstanceId),
    /// The outputs of the run: an object.
    RunOutputs,
}

/// The value of an expression, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// Its value.
    Value(Value),
    /// What is wrong, one line.
    Fault(String),
}

/// What a person decided about a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes; for a form, with its fields.
    Approve {
        /// The fields of a form; null for a plain question.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        fields: Value,
        /// A word for the record.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        comment: String,
    },
    /// No, with a comment.
    Reject {
        /// Why.
        comment: String,
        /// The step ends as it does when its tries are used up. In journals from before there were push-backs this is
        /// not said, and a gate's no goes back to the agent while tries are left.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_final: bool,
    },
    /// Not yet: whoever did the work changes what these comments ask for, and the question is put again.
    Pushback {
        /// At least one.
        comments: Vec<Comment>,
    },
}

/// One comment on what was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// About which file; empty where it is about all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// About which lines of it, the first and the last; about the whole file where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<(u32, u32)>,
    /// Whose lines they are.
    #[serde(default, skip_serializing_if = "Side::is_new")]
    pub side: Side,
    /// The lines of the difference around it, as they were shown. Nobody vouches for them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quoted: String,
    /// What the person says.
    pub text: String,
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}", self.path)?;
            match self.lines {
                None => {}
                Some((first, last)) if first == last => write!(f, ":{first}")?,
                Some((first, last)) => write!(f, ":{first}-{last}")?,
            }
            write!(f, "{}: ", if self.side == Side::Old { ":old" } else { "" })?;
        }
        f.write_str(&self.text)
    }
}

/// A side of a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Before.
    Old,
    /// After.
    #[default]
    New,
}

impl Side {
    fn is_new(&self) -> bool {
        *self == Self::New
    }
}

/// The files that a question is about: those of two commits, and what differs between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Before the step.
    pub from: String,
    /// As they are shown.
    pub to: String,
}

/// What a person says of an attempt whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Run it again.
    Retry,
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

/// What is special about an attempt of an agent, known before it begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct How {
    /// It works without limits, by this word of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
    /// How it is told what the step that it forks from knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<SessionFork>,
}

/// How a fork begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionFork {
    /// In a copy of a session, which stays as it is.
    Session {
        /// The session that is copied.
        session: String,
        /// What that session has been charged: some programs count from its beginning.
        charged: Usage,
    },
    /// It is told as text.
    Text {
        /// Why no session is copied.
        reason: String,
    },
}

/// How hard to stop. Only ever gets stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Ask, wait for the grace time, then kill.
    Gentle,
    /// Kill now.
    Hard,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum Event {
    /// The run is a fork of another one. Before its beginning.
    Forked {
        /// The other run.
        parent: RunId,
        /// The step from which on everything is done again.
        from: String,
    },
    /// What a fork takes over of a step. Before its beginning.
    Kept {
        /// The step's path.
        step: String,
        /// What.
        kept: Box<Kept>,
    },
    /// The run begins.
    RunStarted {
        /// Its id.
        run: RunId,
        /// The checked inputs.
        inputs: Map<String, Value>,
        /// Feeds the jitter.
        seed: u64,
        /// Attempts at once.
        parallel: u32,
        /// The runtime of agents that name none.
        runtime: String,
        /// Runtimes that only replay recordings.
        replayed: Vec<String>,
    },
    /// An expression was evaluated.
    Evaluated {
        /// Which.
        site: Site,
        /// Its value.
        result: Evaluation,
    },
    /// An attempt is about to begin; written before its process exists.
    Started {
        /// Which.
        #[serde(rename = "a")]
        attempt: AttemptId,
        /// For a question to a person: the digest of exactly what is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<Digest>,
        /// For a question to a person: what is shown, at most 4 KiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<String>,
        /// What is special about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        how: Option<Box<How>>,
        /// For a question to a person: the files that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        review: Option<Box<Review>>,
    },
    /// An attempt that was to begin does not: its runtime takes nothing now. It stands in line again where it stood, and
    /// nothing begins on that runtime before `until`.
    Deferred {
        /// Which.
        #[serde(rename = "a")]
        attempt: AttemptId,
        /// When it may be asked for again.
        until: Timestamp,
        /// Why, one line.
        reason: String,
    },
    /// How fast a runtime may be used from now on; says all of it, so what was said before counts no more.
    Paced {
        /// Which runtime.
        runtime: String,
        /// Attempts at once; as many as the run may where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slots: Option<u32>,
        /// Nothing begins on it before this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Why, one line; empty where it goes at full speed.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// An attempt has spent something and goes on.
    Spent {
        /// Which.
        #[serde(rename = "a")]
        attempt: AttemptId,
        /// Since the last report.
        usage: Usage,
        /// The model, where it is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// The session of an attempt is known; known before its end, so that it can be gone on with after a crash.
    SessionKnown {
        /// Which.
        #[serde(rename = "a")]
        attempt: AttemptId,
        /// The session's id.
        session: String,
    },
    /// An attempt has ended. What it cost is told whole; what was told of it before is not charged again.
    Finished {
        /// Which.
        #[serde(rename = "a")]
        attempt: AttemptId,
        /// How.
        #[serde(rename = "o")]
        outcome: Outcome,
    },
    /// A person has decided.
    Decided {
        /// About which question.
        #[serde(rename = "a")]
        attempt: AttemptId,
        /// The digest of what was shown to that person.
        subject: Digest,
        /// What.
        decision: Decision,
        /// Who.
        by: String,
        /// By which who has said it finds it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<String>,
    },
    /// A person has decided about files that are no longer as they were shown. It does not count, and the question is put
    /// anew.
    Outdated {
        /// Which question.
        #[serde(rename = "a")]
        attempt: AttemptId,
        /// Who.
        by: String,
        /// By which who has said it finds it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<String>,
    },
    /// A person has said how an unknown attempt ended.
    Answered {
        /// Whose.
        instance: InstanceId,
        /// What.
        answer: Answer,
        /// Who.
        by: String,
    },
    /// Time has passed: something that [`crate::scheduler::Scheduler::next_wakeup`] named is due.
    TimeReached,
    /// Somebody wants the run to end.
    CancelRequested {
        /// How hard.
        strength: Strength,
    },
    /// A new process owns the run; every attempt of the old one is over, known or not.
    Restarted {
        /// Attempts at once, in the new process.
        parallel: u32,
    },
    /// Failed and cancelled steps of an ended run are to run again.
    RetryRequested,
    /// A person has raised limits of the budget; absent ones stay.
    BudgetRaised {
        /// Micro-dollars.
        usd_micros: Option<u64>,
        /// Tokens.
        tokens: Option<u64>,
        /// Milliseconds of work.
        time_ms: Option<u64>,
        /// Starts of agents.
        agents: Option<u64>,
    },
}
