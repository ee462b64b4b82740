//! A circuit breaker: closed, open until a time, half open with one probe at a time, or shut for good.
//!
//! Invariant: between the moment it opens and the success of a probe, at most one attempt is let through at a time.

use serde::{Deserialize, Serialize};

use crate::{
    base::Timestamp,
    runtime::resilience::policy::{OPEN_MAX, Policy},
};

/// Whether one may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passage {
    /// Go.
    Free,
    /// Go, and the others wait for what comes of it.
    Probe,
    /// Not before that time.
    Wait(Timestamp, String),
    /// Never: a person must do something first.
    Never(String),
}

/// What came of one that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// The service has answered.
    Answered,
    /// The service was overloaded, or it could not be reached. It may have said how long to wait, in milliseconds.
    Failing(Option<u64>, String),
    /// The quota is used up until that time.
    UsedUp(Timestamp, String),
    /// Nobody is logged in, or the program is not there.
    Unusable(String),
    /// Nothing is known of the service.
    Nothing,
}

/// How long others wait for a probe before they ask again, in milliseconds. A success wakes them at once.
const PROBE_WAIT_MS: u64 = 5_000;

/// The longest that a stored time may lie ahead: quotas last a week at most.
const HELD_MAX_MS: u64 = 8 * 86_400_000;
/// Bytes of a reason that are kept.
const REASON_MAX: usize = 300;

/// The breaker of one runtime.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Breaker {
    failures: u32,
    /// How often it has opened since the service last answered.
    trips: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<Open>,
    /// What a person must mend. Not for other processes: each may have another login or another `PATH`.
    #[serde(skip)]
    shut: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Open {
    until: Timestamp,
    reason: String,
    is_quota: bool,
    /// The process whose attempt tries again, while one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<String>,
}

impl Breaker {
    /// Asks for one of that process to pass.
    pub fn ask(&mut self, process: &str, now: Timestamp) -> Passage {
        if let Some(reason) = &self.shut {
            return Passage::Never(reason.clone());
        }
        let Some(open) = &mut self.open else { return Passage::Free };
        if open.until > now {
            return Passage::Wait(open.until, open.reason.clone());
        }
        if open.probe.is_some() {
            return Passage::Wait(
                Timestamp(now.0 + PROBE_WAIT_MS),
                format!("one attempt tries again: {}", open.reason),
            );
        }
        open.probe = Some(process.to_owned());
        Passage::Probe
    }

    /// A probe has ended without news: the next one may go.
    pub fn probe_is_over(&mut self) {
        if let Some(open) = &mut self.open {
            open.probe = None;
        }
    }

    /// A probe of a process that is no more is over.
    pub fn keep_probe_of(&mut self, lives: impl Fn(&str) -> bool) {
        if let Some(open) = &mut self.open
            && open.probe.as_deref().is_some_and(|process| !lives(process))
        {
            open.probe = None;
        }
    }

    /// A process has another name now.
    pub fn rename(&mut self, old: &str, new: &str) {
        if let Some(open) = &mut self.open
            && open.probe.as_deref() == Some(old)
        {
            open.probe = Some(new.to_owned());
        }
    }

    /// Takes what others have stored; what is shut stays shut here. Whatever was stored becomes something that works.
    pub fn take_over(&mut self, stored: Self, now: Timestamp) {
        let shut = self.shut.take();
        *self = Self { shut, ..stored };
        if let Some(open) = &mut self.open {
            open.until = open.until.min(Timestamp(now.0.saturating_add(HELD_MAX_MS)));
            open.reason = short(&open.reason);
        }
    }

    /// The process whose attempt tries again, while one does.
    pub fn prober(&self) -> Option<&str> {
        self.open.as_ref().and_then(|open| open.probe.as_deref())
    }

    /// Whether there is nothing to remember.
    pub fn is_calm(&self) -> bool {
        self.failures == 0 && self.open.is_none()
    }

    /// While it is not closed: until when nothing passes, and why. After that time single probes pass.
    pub fn held(&self) -> Option<(Timestamp, &str)> {
        self.open.as_ref().map(|open| (open.until, open.reason.as_str()))
    }

    /// Takes the news of one that passed.
    pub fn report(&mut self, news: News, is_probe: bool, policy: &Policy, now: Timestamp) {
        match news {
            News::Answered => {
                // What began before a quota was used up may still end well; that gives nobody a new quota.
                if is_probe || self.open.as_ref().is_none_or(|open| !open.is_quota) {
                    *self = Self::default();
                }
            }
            News::Failing(asked_ms, reason) => {
                self.failures = self.failures.saturating_add(1);
                let trips = is_probe || (self.open.is_none() && self.failures >= policy.failures.max(1));
                if trips {
                    let doubled = policy.open.saturating_mul(1 << self.trips.min(16)).min(OPEN_MAX);
                    let wait = u64::try_from(doubled.as_millis()).unwrap_or(u64::MAX).max(asked_ms.unwrap_or(0));
                    self.trips = self.trips.saturating_add(1);
                    let until = Timestamp(now.0.saturating_add(wait.min(HELD_MAX_MS)));
                    self.open = Some(Open { until, reason: short(&reason), is_quota: false, probe: None });
                }
            }
            News::UsedUp(until, reason) => {
                let later = self.open.as_ref().is_none_or(|open| is_probe || !open.is_quota || open.until < until);
                if later {
                    let probe = self.open.take().and_then(|open| open.probe).filter(|_| !is_probe);
                    self.open = Some(Open { until, reason: short(&reason), is_quota: true, probe });
                }
            }
            News::Unusable(reason) => self.shut = Some(reason),
            News::Nothing => {}
        }
    }

    /// A person may have done something about what shut it.
    pub fn forgive(&mut self) {
        self.shut = None;
    }
}

/// One line, and not a long one.
fn short(reason: &str) -> String {
    let mut end = reason.len().min(REASON_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy() -> Policy {
        Policy { failures: 3, open: Duration::from_secs(10), ..Policy::default() }
    }

    struct Bench(Breaker);

    impl Bench {
        fn failing(&mut self, at: u64, is_probe: bool) {
            self.0.report(News::Failing(None, "overloaded".into()), is_probe, &policy(), Timestamp(at));
        }

        fn answered(&mut self, at: u64, is_probe: bool) {
            self.0.report(News::Answered, is_probe, &policy(), Timestamp(at));
        }

        fn ask(&mut self, at: u64) -> Passage {
            self.0.ask("p", Timestamp(at))
        }

        fn waits(&mut self, at: u64) -> u64 {
            match self.ask(at) {
                Passage::Wait(until, _) => until.0,
                other => panic!("{other:?} at {at}"),
            }
        }
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row() {
        let mut bench = Bench(Breaker::default());
        bench.failing(0, false);
        bench.failing(0, false);
        bench.answered(0, false);
        bench.failing(0, false);
        bench.failing(0, false);
        assert_eq!(bench.ask(0), Passage::Free);
        bench.failing(5, false);
        assert_eq!(bench.waits(6), 10_005);
        // Those that were under way change nothing.
        bench.failing(9_000, false);
        assert_eq!(bench.waits(10_004), 10_005);
    }

    #[test]
    fn one_probe_at_a_time_and_each_failure_doubles_the_wait() {
        let mut bench = Bench(Breaker::default());
        (0..3).for_each(|_| bench.failing(0, false));
        assert_eq!(bench.ask(10_000), Passage::Probe);
        assert_eq!(bench.waits(10_000), 15_000);
        assert_eq!(bench.waits(90_000), 95_000);
        bench.failing(90_000, true);
        assert_eq!(bench.waits(90_001), 110_000);
        assert_eq!(bench.ask(110_000), Passage::Probe);
        bench.0.probe_is_over();
        assert_eq!(bench.ask(110_001), Passage::Probe, "a probe that brought no news is followed by another");
        bench.answered(110_002, true);
        assert_eq!([bench.ask(110_003), bench.ask(110_003)], [Passage::Free, Passage::Free]);
        (0..3).for_each(|_| bench.failing(200_000, false));
        assert_eq!(bench.waits(200_000), 210_000, "after an answer the wait is short again");
        for _ in 0..50 {
            let at = bench.waits(0);
            assert_eq!(bench.ask(at), Passage::Probe);
            bench.failing(at, true);
            assert!(bench.waits(0) <= at + 300_000);
        }
    }

    #[test]
    fn a_service_may_ask_for_a_longer_wait() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.report(News::Failing(Some(60_000), "429".into()), false, &policy(), Timestamp(0));
        }
        assert_eq!(breaker.ask("p", Timestamp(0)), Passage::Wait(Timestamp(60_000), "429".into()));
    }

    #[test]
    fn a_quota_parks_at_once_and_only_a_probe_ends_it() {
        let mut bench = Bench(Breaker::default());
        let used_up = |until| News::UsedUp(Timestamp(until), "usage limit".into());
        bench.0.report(used_up(7_000), false, &policy(), Timestamp(0));
        bench.0.report(used_up(6_000), false, &policy(), Timestamp(0));
        bench.answered(1_000, false);
        assert_eq!(bench.waits(6_999), 7_000);
        assert_eq!(bench.ask(7_000), Passage::Probe);
        bench.0.report(used_up(9_000), false, &policy(), Timestamp(7_100));
        assert_eq!(bench.waits(7_200), 9_000);
        assert_ne!(bench.ask(9_000), Passage::Probe, "the first probe is still under way");
        bench.0.report(used_up(12_000), true, &policy(), Timestamp(9_100));
        assert_eq!(bench.ask(12_000), Passage::Probe);
        bench.answered(12_001, true);
        assert_eq!(bench.ask(12_002), Passage::Free);
    }

    #[test]
    fn what_is_unusable_stays_so_until_a_person_comes() {
        let mut bench = Bench(Breaker::default());
        bench.0.report(News::Unusable("not logged in".into()), false, &policy(), Timestamp(0));
        bench.answered(5, false);
        bench.0.report(News::Unusable("not logged in".into()), false, &policy(), Timestamp(9));
        assert_eq!(bench.ask(1 << 50), Passage::Never("not logged in".into()));
        bench.0.forgive();
        assert_eq!(bench.ask(1 << 50), Passage::Free);
    }
}
