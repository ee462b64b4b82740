//! The machines of all runtimes, shared by all runs of a process. Reads no clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    base::{FailureClass, Outcome, Timestamp},
    runtime::resilience::{
        breaker::{Breaker, News, Passage},
        bucket::Bucket,
        concurrency::Concurrency,
        policy::{BURST, Machine, Policy},
    },
};

/// How long one waits for a place among those at work before it asks again, in milliseconds.
const PLACE_WAIT_MS: u64 = 1_000;

/// The machines of one runtime.
#[derive(Debug)]
struct Lane {
    breaker: Breaker,
    concurrency: Concurrency,
    bucket: Bucket,
    /// How many each run wants to have at work.
    demand: BTreeMap<String, usize>,
}

/// The machines of all runtimes.
#[derive(Debug, Default)]
pub struct Resilience {
    lanes: Mutex<BTreeMap<String, Lane>>,
}

/// Whether an attempt may begin.
#[derive(Debug)]
pub enum Admission {
    /// It may. The permit is kept until its end.
    Granted(Permit),
    /// Not before that time, and why.
    Later(Timestamp, String),
    /// Not before a person has done something, and why.
    Never(String),
}

/// One attempt that may be under way. Dropping it ends it without news.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Resilience>,
    runtime: String,
    era: u64,
    is_probe: bool,
}

/// How fast a runtime may be used now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speed {
    /// Attempts at once.
    pub slots: u32,
    /// None before this.
    pub until: Option<Timestamp>,
    /// Why it is slow or held; empty where it is neither.
    pub reason: String,
}

impl Resilience {
    fn lanes(&self) -> MutexGuard<'_, BTreeMap<String, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run wants to have so many attempts at work on a runtime.
    pub fn wants(&self, runtime: &str, run: &str, demand: usize) {
        if let Some(lane) = self.lanes().get_mut(runtime) {
            lane.demand.insert(run.to_owned(), demand);
        }
    }

    /// A run wants nothing any more.
    pub fn leaves(&self, run: &str) {
        for lane in self.lanes().values_mut() {
            lane.demand.remove(run);
        }
    }

    /// Asks for an attempt of a run to begin, which has `demand` attempts at work or in line.
    #[must_use]
    pub fn admit(
        self: &Arc<Self>,
        (runtime, run, demand): (&str, &str, usize),
        policy: &Policy,
        machine: Machine,
        now: Timestamp,
    ) -> Admission {
        let mut lanes = self.lanes();
        let lane = lanes.entry(runtime.to_owned()).or_insert_with(|| Lane::new(now));
        lane.demand.insert(run.to_owned(), demand);
        let slots = lane.slots(policy, machine);
        if lane.breaker.held().is_none() && lane.concurrency.in_flight() >= slots {
            return Admission::Later(Timestamp(now.0 + PLACE_WAIT_MS), lane.slow_reason(slots));
        }
        let is_probe = match lane.breaker.ask(now) {
            Passage::Free => false,
            Passage::Probe => true,
            Passage::Wait(until, reason) => return Admission::Later(until, reason),
            Passage::Never(reason) => return Admission::Never(reason),
        };
        if let Err(until) = lane.bucket.take(policy.starts_per_minute, BURST, now) {
            if is_probe {
                lane.breaker.probe_is_over();
            }
            return Admission::Later(until, format!("{} starts a minute", policy.starts_per_minute));
        }
        let era = lane.concurrency.begins();
        drop(lanes);
        Admission::Granted(Permit { shared: Arc::clone(self), runtime: runtime.to_owned(), era, is_probe })
    }

    /// How fast a runtime may be used now; `None` for one that nobody has asked for.
    #[must_use]
    pub fn speed(&self, runtime: &str, policy: &Policy, machine: Machine, now: Timestamp) -> Option<Speed> {
        let lanes = self.lanes();
        let lane = lanes.get(runtime)?;
        let slots = lane.slots(policy, machine);
        Some(match lane.breaker.held() {
            Some((until, reason)) => {
                Speed { slots: 1, until: Some(until).filter(|until| *until > now), reason: reason.to_owned() }
            }
            None => Speed { slots, until: None, reason: lane.slow_reason(slots) },
        })
    }

    /// What an earlier process knew: the runtime is held until that time.
    pub fn learn(&self, runtime: &str, until: Timestamp, reason: &str, now: Timestamp) {
        if until <= now {
            return;
        }
        let mut lanes = self.lanes();
        let lane = lanes.entry(runtime.to_owned()).or_insert_with(|| Lane::new(now));
        lane.breaker.report(News::UsedUp(until, reason.to_owned()), false, &Policy::default(), now);
    }

    /// A person starts or goes on with a run: what was unusable may have been mended.
    pub fn forgive(&self) {
        for lane in self.lanes().values_mut() {
            lane.breaker.forgive();
        }
    }
}

impl Lane {
    fn new(now: Timestamp) -> Self {
        Self {
            breaker: Breaker::default(),
            concurrency: Concurrency::new(),
            bucket: Bucket::new(BURST, now),
            demand: BTreeMap::new(),
        }
    }

    /// How many may be at work at once, as far as the load of service and machine goes.
    fn slots(&self, policy: &Policy, machine: Machine) -> u32 {
        let workers = policy.workers.at_once(self.demand.values().sum(), machine);
        self.concurrency.limit().map_or(workers, |limit| limit.min(workers)).max(1)
    }

    fn slow_reason(&self, slots: u32) -> String {
        let because = match self.concurrency.limit() {
            Some(limit) if limit <= slots => "its service was overloaded",
            _ => "more begin as the queue grows",
        };
        format!("{slots} at once: {because}")
    }
}

impl Permit {
    /// The service has answered, although the attempt goes on.
    pub fn answered(&mut self, policy: &Policy, now: Timestamp) {
        if let Some(lane) = self.shared.lanes().get_mut(&self.runtime) {
            lane.breaker.report(News::Answered, std::mem::take(&mut self.is_probe), policy, now);
        }
    }

    /// The attempt has ended.
    pub fn report(mut self, outcome: &Outcome, policy: &Policy, now: Timestamp) {
        let is_probe = std::mem::take(&mut self.is_probe);
        let news = news(outcome, policy, now);
        let shared = Arc::clone(&self.shared);
        let mut lanes = shared.lanes();
        let Some(lane) = lanes.get_mut(&self.runtime) else { return };
        match &news {
            News::Answered => lane.concurrency.succeeded(self.era),
            News::Failing(..) => lane.concurrency.overloaded(self.era),
            News::UsedUp(..) | News::Unusable(_) | News::Nothing => {}
        }
        if is_probe && news == News::Nothing {
            lane.breaker.probe_is_over();
        }
        lane.breaker.report(news, is_probe, policy, now);
        drop(lanes);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(lane) = self.shared.lanes().get_mut(&self.runtime) {
            lane.concurrency.ends();
            if self.is_probe {
                lane.breaker.probe_is_over();
            }
        }
    }
}

/// What an outcome says of the service.
fn news(outcome: &Outcome, policy: &Policy, now: Timestamp) -> News {
    let failure = match outcome {
        Outcome::Succeeded(envelope) if envelope.reused.is_some() => return News::Nothing,
        Outcome::Succeeded(_) => return News::Answered,
        Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => return News::Nothing,
        Outcome::Failed(failure) => failure,
    };
    let reason = failure.reason.clone();
    match failure.class {
        FailureClass::Transient { retry_after_ms } => News::Failing(retry_after_ms, reason),
        FailureClass::Quota { until } => News::UsedUp(until.unwrap_or_else(|| now.plus(policy.probe)), reason),
        FailureClass::Missing => News::Unusable(reason),
        // It has read the request well enough to say so.
        FailureClass::Recoverable | FailureClass::Invalid | FailureClass::Model => News::Answered,
        FailureClass::TimedOut | FailureClass::Permanent => News::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{Envelope, Evidence, Failure, Usage};

    fn policy() -> Policy {
        let mut policy = Policy { failures: 3, open: Duration::from_secs(10), ..Policy::default() };
        policy.workers.start = 4;
        policy.workers.most = 4;
        policy
    }

    fn failed(class: FailureClass) -> Outcome {
        let (reason, evidence) = ("it broke".to_owned(), Evidence::default());
        Outcome::Failed(Box::new(Failure { class, reason, evidence, session: None, usage: Usage::default() }))
    }

    const TRANSIENT: FailureClass = FailureClass::Transient { retry_after_ms: None };

    /// A process with some runs.
    struct Bench(Arc<Resilience>);

    impl Bench {
        fn new() -> Self {
            Self(Arc::default())
        }

        fn admit(&self, run: &str, at: u64) -> Admission {
            self.0.admit(("claude", run, 2), &policy(), Machine::default(), Timestamp(at))
        }

        fn go(&self, run: &str, at: u64) -> Permit {
            match self.admit(run, at) {
                Admission::Granted(permit) => permit,
                other => panic!("{other:?}"),
            }
        }

        fn waits(&self, run: &str, at: u64) -> u64 {
            match self.admit(run, at) {
                Admission::Later(until, _) => until.0,
                other => panic!("{other:?}"),
            }
        }

        fn speed(&self, at: u64) -> (u32, Option<u64>) {
            let speed = self.0.speed("claude", &policy(), Machine::default(), Timestamp(at)).expect("it was asked for");
            (speed.slots, speed.until.map(|until| until.0))
        }

        fn ends(permit: Permit, outcome: &Outcome, at: u64) {
            permit.report(outcome, &policy(), Timestamp(at));
        }
    }

    #[test]
    fn all_runs_share_the_places_and_give_them_back() {
        let bench = Bench::new();
        let permits: Vec<_> = ["a", "b", "a", "b"].iter().map(|run| bench.go(run, 0)).collect();
        assert_eq!(bench.waits("c", 0), 1_000, "four places over all runs");
        drop(permits);
        let _again: Vec<_> = (0..4).map(|_| bench.go("c", 1)).collect();
    }

    #[test]
    fn one_probe_at_a_time_over_all_runs() {
        let bench = Bench::new();
        let permits: Vec<_> = ["a", "b", "a", "b"].iter().map(|run| bench.go(run, 0)).collect();
        for permit in permits {
            Bench::ends(permit, &failed(TRANSIENT), 5);
        }
        assert_eq!((bench.waits("a", 6), bench.waits("b", 6), bench.speed(6)), (10_005, 10_005, (1, Some(10_005))));
        let probe = bench.go("b", 10_005);
        assert_eq!(bench.waits("a", 10_006), 15_006);
        assert_eq!(bench.speed(10_006), (1, None));
        // A probe that nobody will ever report on is followed by another.
        drop(probe);
        let mut probe = bench.go("a", 10_007);
        assert_eq!(bench.waits("b", 10_008), 15_008);
        // It works and has not ended: its service answers.
        probe.answered(&policy(), Timestamp(10_009));
        let other = bench.go("b", 10_010);
        Bench::ends(probe, &failed(FailureClass::Permanent), 10_011);
        Bench::ends(other, &Outcome::Succeeded(Box::default()), 10_012);
        // The complaints of one moment have halved four places, and a success is no whole round.
        assert_eq!(bench.speed(10_013), (2, None));
    }

    #[test]
    fn a_quota_without_a_time_is_asked_about_now_and_then() {
        let bench = Bench::new();
        let permit = bench.go("a", 0);
        Bench::ends(permit, &failed(FailureClass::Quota { until: None }), 1_000);
        assert_eq!(bench.waits("b", 1_001), 1_000 + 15 * 60_000);
        // A process that reads this in its journal knows it too.
        let later = Bench::new();
        later.0.learn("claude", Timestamp(900_000), "usage limit", Timestamp(5));
        later.0.learn("claude", Timestamp(4), "long over", Timestamp(5));
        assert_eq!(later.waits("a", 6), 900_000);
    }

    #[test]
    fn what_is_unusable_is_tried_again_when_a_person_comes() {
        let bench = Bench::new();
        let permit = bench.go("a", 0);
        Bench::ends(permit, &failed(FailureClass::Missing), 1);
        assert!(matches!(bench.admit("b", 2), Admission::Never(reason) if reason == "it broke"));
        bench.0.forgive();
        let _again = bench.go("b", 3);
    }

    #[test]
    fn what_says_nothing_of_the_service_changes_nothing() {
        let known = Envelope { reused: Some("r/0-1".to_owned()), ..Envelope::default() };
        for outcome in [
            Outcome::Stopped,
            Outcome::Lost,
            failed(FailureClass::TimedOut),
            failed(FailureClass::Permanent),
            Outcome::Succeeded(Box::new(known)),
        ] {
            let bench = Bench::new();
            let before: Vec<_> = (0..2).map(|_| bench.go("a", 0)).collect();
            before.into_iter().for_each(|permit| Bench::ends(permit, &failed(TRANSIENT), 1));
            let silent = bench.go("a", 2);
            Bench::ends(silent, &outcome, 3);
            let third = bench.go("a", 4);
            Bench::ends(third, &failed(TRANSIENT), 5);
            let until = bench.waits("a", 6);
            let probe = bench.go("a", until);
            Bench::ends(probe, &Outcome::Succeeded(Box::default()), until);
        }
    }
}
