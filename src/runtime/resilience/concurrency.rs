//! How many attempts a service bears: halved when it is overloaded, one more for each round of successes.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, 1989), as TCP does it: of the attempts that were under way
//! together only the first complaint counts, for all of them met the same moment. Who is under way is known elsewhere.

use serde::{Deserialize, Serialize};

/// The number, and how often it was halved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Concurrency {
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<f64>,
    era: u64,
}

impl Concurrency {
    /// At most so many at once; `None` as long as the service has borne everything. Never less than one.
    pub fn limit(&self) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between one and some hundreds")]
        self.limit.map(|limit| limit.clamp(1.0, LIMIT_MAX) as u32)
    }

    /// What one that begins now names at its end.
    pub fn era(&self) -> u64 {
        self.era
    }

    /// The service was overloaded when one of that era met it, itself among `at_work`.
    pub fn overloaded(&mut self, era: u64, at_work: u32) {
        if era < self.era {
            return;
        }
        self.era = self.era.wrapping_add(1);
        let most = f64::from(at_work.max(1));
        self.limit = Some((self.limit.unwrap_or(most).min(most) / 2.0).max(1.0));
    }

    /// One of that era went well. What began before the last complaint says nothing of the lower number.
    pub fn succeeded(&mut self, era: u64) {
        if let Some(limit) = self.limit.filter(|_| era == self.era) {
            let limit = limit.clamp(1.0, LIMIT_MAX);
            self.limit = Some((limit + 1.0 / limit).min(LIMIT_MAX));
        }
    }
}

/// More at once than any service was ever asked for.
const LIMIT_MAX: f64 = 1_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_complaints_of_one_moment_halve_once_and_never_below_one() {
        let mut concurrency = Concurrency::default();
        assert_eq!(concurrency.limit(), None);
        let together: Vec<_> = (0..10).map(|_| concurrency.era()).collect();
        for (ended, era) in (0..).zip(&together) {
            concurrency.overloaded(*era, 10 - ended);
        }
        assert_eq!(concurrency.limit(), Some(5));
        for _ in 0..10 {
            concurrency.overloaded(concurrency.era(), 1);
        }
        assert_eq!(concurrency.limit(), Some(1));
    }

    #[test]
    fn it_grows_by_one_for_each_round_of_successes() {
        let mut concurrency = Concurrency::default();
        let old = concurrency.era();
        concurrency.overloaded(old, 8);
        assert_eq!(concurrency.limit(), Some(4));
        // Those that began before say nothing.
        (0..8).for_each(|_| concurrency.succeeded(old));
        assert_eq!(concurrency.limit(), Some(4));
        let mut successes = |count| {
            for _ in 0..count {
                concurrency.succeeded(concurrency.era());
            }
            concurrency.limit()
        };
        assert_eq!([successes(4), successes(1), successes(4)], [Some(4), Some(5), Some(5)]);
        assert_eq!(successes(1), Some(6));
    }
}
