//! How many attempts a service bears: halved when it is overloaded, one more for each round of successes.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, 1989), as TCP does it: of the attempts that were under way
//! together only the first complaint counts, for all of them met the same moment.

/// The number, and who is under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Concurrency {
    limit: Option<f64>,
    in_flight: u32,
    era: u64,
}

impl Concurrency {
    pub fn new() -> Self {
        Self { limit: None, in_flight: 0, era: 0 }
    }

    /// At most so many at once; `None` as long as the service has borne everything. Never less than one.
    pub fn limit(&self) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between one and some hundreds")]
        self.limit.map(|limit| limit.max(1.0) as u32)
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// One begins; what is given back names it at its end.
    pub fn begins(&mut self) -> u64 {
        self.in_flight += 1;
        self.era
    }

    pub fn ends(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The service was overloaded when one of that era met it. Call it before [`Self::ends`].
    pub fn overloaded(&mut self, era: u64) {
        if era < self.era {
            return;
        }
        self.era += 1;
        let most = f64::from(self.in_flight.max(1));
        self.limit = Some((self.limit.unwrap_or(most).min(most) / 2.0).max(1.0));
    }

    /// One of that era went well. What began before the last complaint says nothing of the lower number.
    pub fn succeeded(&mut self, era: u64) {
        if let Some(limit) = self.limit.filter(|_| era == self.era) {
            self.limit = Some((limit + 1.0 / limit).min(1_000.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_complaints_of_one_moment_halve_once_and_never_below_one() {
        let mut concurrency = Concurrency::new();
        assert_eq!(concurrency.limit(), None);
        let together: Vec<_> = (0..10).map(|_| concurrency.begins()).collect();
        for era in &together {
            concurrency.overloaded(*era);
            concurrency.ends();
        }
        assert_eq!((concurrency.limit(), concurrency.in_flight()), (Some(5), 0));
        for _ in 0..10 {
            let era = concurrency.begins();
            concurrency.overloaded(era);
            concurrency.ends();
        }
        assert_eq!(concurrency.limit(), Some(1));
    }

    #[test]
    fn it_grows_by_one_for_each_round_of_successes() {
        let mut concurrency = Concurrency::new();
        let old: Vec<_> = (0..8).map(|_| concurrency.begins()).collect();
        concurrency.overloaded(old[0]);
        assert_eq!(concurrency.limit(), Some(4));
        // Those that began before say nothing.
        old.iter().for_each(|era| concurrency.succeeded(*era));
        assert_eq!(concurrency.limit(), Some(4));
        let mut successes = |count| {
            for _ in 0..count {
                let era = concurrency.begins();
                concurrency.succeeded(era);
                concurrency.ends();
            }
            concurrency.limit()
        };
        assert_eq!([successes(4), successes(1), successes(4)], [Some(4), Some(5), Some(5)]);
        assert_eq!(successes(1), Some(6));
    }
}
