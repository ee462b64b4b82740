//! The pure core: `step(now, event) -> actions`. Reads no clock, file, environment or random number.

mod action;
mod event;

pub use action::{Action, Cause, CauseKind, Notice, Settled};
pub use event::{Answer, AttemptId, Decision, EVENT_VERSION, Evaluation, Event, InstanceId, Purpose, Site, Strength};
