//! Work that was done before is not done again: a memory of steps by content, in front of the executor.
//!
//! The scheduler does not know of it: an attempt starts, is written down, and ends with what an earlier one brought
//! back. Gates are never taken from memory; they judge what is there.

mod recall;
mod store;

pub use recall::Recall;
pub use store::StepMemory;
