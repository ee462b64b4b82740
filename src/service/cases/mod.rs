//! Cases of workflows: `orch test`. Agents and commands are replaced by answers of the case; the scheduler, gates,
//! approvals, feedback and the journal are the real ones.
//!
//! Invariant: everything happens in a temporary folder; nothing of the project is run or touched.

mod differ;
mod drive;
mod names;
mod report;
mod sample;
mod select;
mod stubs;

pub use report::{CaseResult, Difference, Section, TEST_REPORT_VERSION, TestReport};
pub use select::test;
