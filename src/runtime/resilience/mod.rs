//! How hard a runtime is used, shared by all runs of all processes of a user: pure state machines with the time as a
//! parameter, and the file in which the processes keep them.
//!
//! Nothing here tries anything again: the scheduler does, and it alone. Here is decided whether an attempt may begin now.

mod breaker;
mod bucket;
mod concurrency;
mod crowd;
mod lane;
mod policy;
mod reset;
mod shared;

pub use policy::{Machine, Policy, Workers};
pub use reset::reset_time;
pub use shared::{Admission, Permit, Resilience, RuntimeUse, Speed};
