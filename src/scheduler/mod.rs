//! The pure core: `step(now, event) -> actions`. Reads no clock, file, environment or random number.

mod action;
mod again;
mod batch;
mod budget;
mod cancel;
mod containers;
mod core;
mod decisions;
mod event;
mod flow;
mod fork;
mod gates;
mod judges;
mod ledger;
mod limiter;
mod merge;
mod pace;
pub mod planted;
mod recover;
mod scope;
mod state;
mod view;
mod work;

pub use action::{Action, Cause, CauseKind, Notice, Settled};
pub use core::{RunEnd, Scheduler};
pub use decisions::PUSHBACKS_MAX;
pub use event::{
    Answer, AttemptId, Comment, Decision, EVENT_VERSION, Evaluation, Event, How, InstanceId, Purpose, Review,
    SessionFork, Side, Site, Strength,
};
pub use fork::{Fork, ForkFault, ForkOf, Kept};
pub use ledger::{Hold, Spent};
pub use pace::{Pace, Pause};
pub use state::{AttemptEnd, AttemptRecord, Cost, Question};
pub use view::{StepState, StepView, Thread, WaitingFor};
