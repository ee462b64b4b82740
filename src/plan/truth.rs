//! When a step may start: the published truth table of joins, as data.
//!
//! Knows counts only: no steps, no values. Code and documentation come from [`RULES`]; the first rule that applies
//! decides. Invariant: for all counts exactly one rule applies first, in constant time.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::definition::workflow::Join;

/// How the needs of a step stand; the rest of `total` is pending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NeedCounts {
    /// All needs.
    pub total: u32,
    /// Those that succeeded.
    pub succeeded: u32,
    /// Those that were skipped.
    pub skipped: u32,
    /// Those that failed and are `optional`.
    pub optional_failed: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that were cancelled.
    pub cancelled: u32,
}

impl NeedCounts {
    /// Needs that let the step go on: succeeded, skipped, or failed but optional.
    #[must_use]
    pub fn satisfied(&self) -> u32 {
        self.succeeded + self.skipped + self.optional_failed
    }

    /// Needs that have not ended.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.total.saturating_sub(self.satisfied() + self.failed + self.cancelled)
    }
}

/// What a step does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It waits for more needs.
    Wait,
    /// It starts.
    Run,
    /// It is skipped.
    Skip,
    /// It is cancelled: what it needs will never be there.
    Cancel,
}

/// The joins a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// `all`.
    All,
    /// `any`, which is `at_least: 1`, and `at_least: n`.
    Count,
}

/// What must hold for a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// A need failed without being optional, or was cancelled.
    Broken,
    /// `n` needs succeeded.
    EnoughSucceeded,
    /// A need has not ended.
    Pending,
    /// Fewer than `n` needs are satisfied.
    TooFewSatisfied,
    /// The step reads, without a guard, the value of a need that was skipped or failed but is optional.
    ReadsMissing,
    /// None of the above.
    Otherwise,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    joins: Joins,
    condition: Condition,
    then: Readiness,
}

const fn rule(joins: Joins, condition: Condition, then: Readiness) -> Rule {
    Rule { joins, condition, then }
}

const RULES: [Rule; 9] = [
    rule(Joins::All, Condition::Broken, Readiness::Cancel),
    rule(Joins::All, Condition::Pending, Readiness::Wait),
    rule(Joins::All, Condition::ReadsMissing, Readiness::Skip),
    rule(Joins::All, Condition::Otherwise, Readiness::Run),
    rule(Joins::Count, Condition::EnoughSucceeded, Readiness::Run),
    rule(Joins::Count, Condition::Pending, Readiness::Wait),
    rule(Joins::Count, Condition::TooFewSatisfied, Readiness::Cancel),
    rule(Joins::Count, Condition::ReadsMissing, Readiness::Skip),
    rule(Joins::Count, Condition::Otherwise, Readiness::Run),
];

impl Condition {
    fn holds(self, n: u32, counts: &NeedCounts, reads_missing: bool) -> bool {
        match self {
            Self::Broken => counts.failed + counts.cancelled > 0,
            Self::EnoughSucceeded => counts.succeeded >= n,
            Self::Pending => counts.pending() > 0,
            Self::TooFewSatisfied => counts.satisfied() < n,
            Self::ReadsMissing => reads_missing,
            Self::Otherwise => true,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Broken => "a need failed (and is not `optional`) or was cancelled",
            Self::EnoughSucceeded => "`n` needs succeeded",
            Self::Pending => "a need has not ended",
            Self::TooFewSatisfied => "fewer than `n` needs are satisfied",
            Self::ReadsMissing => "a text reads, unguarded, a need that was skipped or failed but is `optional`",
            Self::Otherwise => "otherwise",
        }
    }
}

/// What a step with these needs does. `reads_missing`: a text of it reads, without an `is defined` guard, the value of
/// a need that was skipped or failed but is optional.
#[must_use]
pub fn decide(join: Join, counts: &NeedCounts, reads_missing: bool) -> Readiness {
    let (joins, n) = match join {
        Join::All => (Joins::All, counts.total),
        Join::Any => (Joins::Count, 1),
        Join::AtLeast(n) => (Joins::Count, n),
    };
    RULES
        .iter()
        .find(|rule| rule.joins == joins && rule.condition.holds(n, counts, reads_missing))
        .map_or(Readiness::Wait, |rule| rule.then)
}

impl Readiness {
    fn words(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Run => "run",
            Self::Skip => "skip",
            Self::Cancel => "cancel",
        }
    }
}

const OUTCOMES: [&str; 6] = ["pending", "succeeded", "skipped", "optional failed", "failed", "cancelled"];

/// The counts of these outcomes, given as indices of [`OUTCOMES`].
fn counts_of(outcomes: &[usize]) -> NeedCounts {
    let count = |index| u32::try_from(outcomes.iter().filter(|one| **one == index).count()).unwrap_or(u32::MAX);
    NeedCounts {
        total: u32::try_from(outcomes.len()).unwrap_or(u32::MAX),
        succeeded: count(1),
        skipped: count(2),
        optional_failed: count(3),
        failed: count(4),
        cancelled: count(5),
    }
}

/// The table as Markdown, for the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# When a step starts\n\n\
         Made from `src/plan/truth.rs`; do not edit. A need is *satisfied* when it succeeded, was skipped, or failed but \
         is `optional`. `any` is `at_least: 1`. The first line that applies decides.\n\n",
    );
    for (joins, title) in [(Joins::All, "`join: all` (the default)"), (Joins::Count, "`join: any`, `at_least: n`")] {
        let _ = write!(text, "## {title}\n\n| if | the step will |\n| --- | --- |\n");
        for rule in RULES.iter().filter(|rule| rule.joins == joins) {
            let _ = writeln!(text, "| {} | {} |", rule.condition.words(), rule.then.words());
        }
        text.push('\n');
    }
    text.push_str(
        "## Every combination of two needs\n\n\
         `reads` is the answer where a text reads a need that has no value, if it differs.\n\n\
         | one need | the other | all | any | at_least: 2 |\n| --- | --- | --- | --- | --- |\n",
    );
    for (first, one) in OUTCOMES.iter().enumerate() {
        for (second, other) in OUTCOMES.iter().enumerate().skip(first) {
            let counts = counts_of(&[first, second]);
            let _ = write!(text, "| {one} | {other} |");
            for join in [Join::All, Join::Any, Join::AtLeast(2)] {
                let _ = write!(text, " {} |", cell(join, &counts));
            }
            text.push('\n');
        }
    }
    text
}

fn cell(join: Join, counts: &NeedCounts) -> String {
    let plain = decide(join, counts, false);
    let missing = counts.skipped + counts.optional_failed > 0;
    let reads = decide(join, counts, missing);
    if plain == reads { plain.words().to_owned() } else { format!("{}; reads: {}", plain.words(), reads.words()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    /// The definition in words, over the outcomes one by one instead of counts and rules.
    fn naive(join: Join, outcomes: &[usize], reads_missing: bool) -> Readiness {
        let settled = outcomes.iter().all(|one| *one != 0);
        let satisfied = outcomes.iter().filter(|one| matches!(one, 1..=3)).count();
        let succeeded = outcomes.iter().filter(|one| **one == 1).count();
        let go = if reads_missing { Readiness::Skip } else { Readiness::Run };
        let n = match join {
            Join::All => {
                if outcomes.iter().any(|one| matches!(one, 4 | 5)) {
                    return Readiness::Cancel;
                }
                return if settled { go } else { Readiness::Wait };
            }
            Join::Any => 1,
            Join::AtLeast(n) => n as usize,
        };
        if succeeded >= n {
            Readiness::Run
        } else if !settled {
            Readiness::Wait
        } else if satisfied >= n {
            go
        } else {
            Readiness::Cancel
        }
    }

    #[test]
    fn the_table_says_what_the_words_say() {
        let mut compared = 0;
        for needs in 0..=5_u32 {
            for number in 0..6_usize.pow(needs) {
                let outcomes: Vec<usize> = (0..needs).map(|place| number / 6_usize.pow(place) % 6).collect();
                let joins = [Join::All, Join::Any].into_iter().chain((1..=5).map(Join::AtLeast));
                for (join, missing) in joins.flat_map(|join| [(join, false), (join, true)]) {
                    let decided = decide(join, &counts_of(&outcomes), missing);
                    assert_eq!(decided, naive(join, &outcomes, missing), "{join:?} {outcomes:?} {missing}");
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, (1 + 6 + 36 + 216 + 1296 + 7776) * 14);
    }

    #[test]
    fn the_documentation_shows_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/truth-table.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
            std::fs::write(path, markdown()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), markdown(), "run with UPDATE=1 to write it anew");
    }
}
