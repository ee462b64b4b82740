//! The truth table of joins (placeholder until `compile` lands).

use crate::definition::workflow::Join;

/// How the needs of a step have settled so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NeedCounts {
    /// All needs.
    pub total: u32,
    /// Succeeded.
    pub succeeded: u32,
    /// Skipped.
    pub skipped: u32,
    /// Failed, but optional.
    pub optional_failed: u32,
    /// Failed.
    pub failed: u32,
    /// Cancelled.
    pub cancelled: u32,
}

/// What a step does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It runs.
    Run,
    /// It waits.
    Wait,
    /// It is skipped.
    Skip,
    /// It is cancelled.
    Cancel,
}

/// What a step does, given its join and its needs.
#[must_use]
pub fn decide(join: Join, counts: &NeedCounts, reads_missing: bool) -> Readiness {
    let satisfied = counts.succeeded + counts.skipped + counts.optional_failed;
    let settled = satisfied + counts.failed + counts.cancelled;
    let wanted = match join {
        Join::All => counts.total,
        Join::Any => 1.min(counts.total),
        Join::AtLeast(n) => n,
    };
    if join == Join::All && counts.failed + counts.cancelled > 0 {
        return Readiness::Cancel;
    }
    if join != Join::All && counts.succeeded >= wanted {
        return Readiness::Run;
    }
    if settled < counts.total {
        return Readiness::Wait;
    }
    if satisfied < wanted {
        Readiness::Cancel
    } else if reads_missing {
        Readiness::Skip
    } else {
        Readiness::Run
    }
}
