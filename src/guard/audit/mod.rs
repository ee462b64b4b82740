//! The audit log: what was started, decided, trusted and refused, in a chain that shows every later change.
//!
//! `chain` is the form of a line and how it is verified, `log` appends, `key` signs. Invariant: given one head that was
//! kept elsewhere, no change to the entries up to it goes unseen. Whoever has the key can write anything after it.

mod chain;
mod key;
mod log;

pub use chain::{AuditFault, Head, Verified, verify};
pub use key::AuditKey;
pub use log::{AuditError, AuditLog, Entry};
