//! How hard a runtime is used, shared by all runs of the process: pure state machines with the time as a parameter.
//!
//! Nothing here tries anything again: the scheduler does, and it alone. Here is decided whether an attempt may begin now.

mod breaker;
mod bucket;
mod concurrency;
mod policy;
mod reset;
mod shared;

pub use policy::{Machine, Policy, Workers};
pub use reset::reset_time;
pub use shared::{Admission, Permit, Resilience, Speed};
