//! The machines of all runtimes, shared by all runs of a process and, through a file, by all processes of its user.
//!
//! Invariant: the file is never a reason for anything to fail. Where it cannot be used, this process goes on by itself.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    base::{FailureClass, Outcome, Timestamp},
    runtime::resilience::{
        breaker::News,
        crowd::{Crowd, Held},
        lane::{Asked, Asker, Lane},
        policy::{Machine, Policy},
    },
};

/// How old what is known of other processes may be, in milliseconds, where nothing is asked for.
const LOOK_MS: u64 = 100;
/// How long the file is left alone after it could not be used, in milliseconds.
const REST_MS: u64 = 30_000;
/// How often an attempt that works says that its service answers, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// Runtimes that are remembered.
const LANES_MAX: usize = 100;

/// The machines of all runtimes.
#[derive(Debug, Default)]
pub struct Resilience {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<String, Lane>,
    crowd: Option<Crowd>,
    /// The name of this process among the others; empty while it is by itself.
    name: String,
    /// When other processes were last looked at.
    looked: Timestamp,
    /// Not before this is the file tried again.
    rests: Timestamp,
    /// Why the file could not be used, until somebody has taken it.
    fault: Option<String>,
    was_told: bool,
}

/// A run's use of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuntimeUse {
    /// What limits it: the same for all that share an account.
    account: String,
    /// The run, and the runtime's name there.
    party: String,
    is_inner: bool,
}

/// Whether an attempt may begin.
#[derive(Debug)]
pub enum Admission {
    /// It may. The permit is kept until its end.
    Granted(Permit),
    /// Not before that time, and why.
    Later(Timestamp, String),
    /// As soon as [`Resilience::has_place`] says so, surely not later than that time, and why.
    NoPlace(Timestamp, String),
    /// Not before a person has done something, and why.
    Never(String),
}

/// One attempt that may be under way. Dropping it ends it without news.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Resilience>,
    of: RuntimeUse,
    era: u64,
    is_probe: bool,
    /// When its service last answered, as far as that was told.
    answered: Option<Timestamp>,
    began: Timestamp,
    is_over: bool,
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

impl RuntimeUse {
    /// A run's use of the runtime that it knows by that name and that is limited together with all of that account.
    #[must_use]
    pub fn new(account: &str, run: &str, runtime: &str) -> Self {
        Self { account: account.to_owned(), party: format!("{run}/{runtime}"), is_inner: false }
    }

    /// The run is part of an attempt of another one, which waits for it, or is not.
    #[must_use]
    pub fn inner(self, is_inner: bool) -> Self {
        Self { is_inner, ..self }
    }
}

impl Resilience {
    /// Machines that are shared with all processes that use this folder.
    #[must_use]
    pub fn shared_in(folder: PathBuf) -> Self {
        let state = State { crowd: Some(Crowd::new(folder)), ..State::default() };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run wants to have so many attempts at work on a runtime. Other processes learn of it when it next asks.
    pub fn wants(&self, of: &RuntimeUse, demand: usize) {
        if let Some(lane) = self.state().lanes.get_mut(&of.account) {
            lane.wants(&of.party, demand);
        }
    }

    /// A run wants nothing any more.
    pub fn leaves(&self, run: &str, now: Timestamp) {
        let mut state = self.state();
        let is_gone = |party: &str| party.strip_prefix(run).is_some_and(|rest| rest.starts_with('/'));
        // All of them, not only the first that knows it.
        let known = state.lanes.values_mut().filter_map(|lane| lane.leaves(is_gone).then_some(())).count();
        if known > 0 {
            state.with(now, |_, _| ());
        }
    }

    /// Asks for an attempt of a run to begin, which has `demand` attempts at work or in line.
    #[must_use]
    pub fn admit(
        self: &Arc<Self>,
        (of, demand): (&RuntimeUse, usize),
        policy: &Policy,
        machine: Machine,
        now: Timestamp,
    ) -> Admission {
        let asked = self.state().with(now, |lanes, process| {
            let lane = lanes.entry(of.account.clone()).or_insert_with(|| Lane::new(now));
            lane.ask(Asker { process, party: &of.party, demand, is_inner: of.is_inner }, policy, machine, now)
        });
        match asked {
            Asked::Begins(era, is_probe) => Admission::Granted(Permit {
                shared: Arc::clone(self),
                of: of.clone(),
                era,
                is_probe,
                answered: None,
                began: now,
                is_over: false,
            }),
            Asked::Later(until, reason) => Admission::Later(until, reason),
            Asked::NoPlace(until, reason) => Admission::NoPlace(until, reason),
            Asked::Never(reason) => Admission::Never(reason),
        }
    }

    /// Looks at what other processes have done, if that was not done just now. Cheap enough for whoever waits.
    pub fn look(&self, now: Timestamp) {
        self.state().look(now);
    }

    /// Whether there is a place for one more attempt of a run that was refused one.
    #[must_use]
    pub fn has_place(&self, of: &RuntimeUse, policy: &Policy, machine: Machine, now: Timestamp) -> bool {
        let mut state = self.state();
        let Some(lane) = state.lanes.get_mut(&of.account) else { return true };
        let says_so = lane.still_waits(&of.party, now);
        let has_place = lane.breaker.held().is_none() && lane.has_place(&of.party, policy, machine, now);
        if says_so {
            state.with(now, |_, _| ());
        }
        has_place
    }

    /// How fast a runtime may be used now, as far as this process knows; `None` for one that nobody has asked for.
    #[must_use]
    pub fn speed(&self, of: &RuntimeUse, policy: &Policy, machine: Machine, now: Timestamp) -> Option<Speed> {
        let state = self.state();
        let lane = state.lanes.get(&of.account)?;
        let slots = lane.slots(policy, machine);
        Some(match lane.held(&of.party) {
            Some((until, reason)) => Speed { slots: 1, until: Some(until).filter(|until| *until > now), reason },
            None => Speed { slots, until: None, reason: lane.slow_reason(&of.party, slots) },
        })
    }

    /// What an earlier process wrote into a run's journal: the runtime is held until that time. Who is known already is
    /// known better.
    pub fn learn(&self, of: &RuntimeUse, until: Timestamp, reason: &str, now: Timestamp) {
        if until <= now {
            return;
        }
        self.state().with(now, |lanes, _| {
            lanes.entry(of.account.clone()).or_insert_with(|| {
                let mut lane = Lane::new(now);
                lane.breaker.report(News::UsedUp(until, reason.to_owned()), false, &Policy::default(), now);
                lane
            });
        });
    }

    /// A person starts or goes on with a run: what was unusable may have been mended.
    pub fn forgive(&self) {
        for lane in self.state().lanes.values_mut() {
            lane.breaker.forgive();
        }
    }

    /// Why the machines cannot be shared with other processes; told once.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.state().fault.take()
    }
}

impl State {
    /// Looks at what other processes have done, if it was not looked at just now.
    fn look(&mut self, now: Timestamp) {
        let is_fresh = now.0.abs_diff(self.looked.0) < LOOK_MS;
        if self.crowd.is_some() && !is_fresh && !self.lanes.is_empty() {
            self.with(now, |_, _| ());
        }
    }

    /// Does something with the machines as all processes know them; it is handed the name of this process.
    fn with<T>(&mut self, now: Timestamp, act: impl FnOnce(&mut BTreeMap<String, Lane>, &str) -> T) -> T {
        self.looked = now;
        if now < self.rests {
            return act(&mut self.lanes, &self.name);
        }
        let Some(mut crowd) = self.crowd.take() else { return act(&mut self.lanes, &self.name) };
        let held = match crowd.hold() {
            Ok(held) => held,
            Err(error) => {
                self.crowd = Some(crowd);
                self.goes_alone(error.to_string(), now);
                return act(&mut self.lanes, &self.name);
            }
        };
        self.is_named(held.own_name());
        self.take_over(&held, now);
        let done = act(&mut self.lanes, &self.name);
        self.lanes.retain(|_, lane| !lane.is_forgotten(now));
        let kept = serde_json::to_vec(&self.lanes).map_err(std::io::Error::other).and_then(|line| held.store(&line));
        self.crowd = Some(crowd);
        if let Err(error) = kept {
            self.goes_alone(error.to_string(), now);
        }
        done
    }

    /// Takes what is stored, without what processes hold that are no more.
    fn take_over(&mut self, held: &Held<'_>, now: Timestamp) {
        let stored: BTreeMap<String, Lane> = serde_json::from_slice(held.content()).unwrap_or_default();
        for (name, lane) in stored.into_iter().take(LANES_MAX) {
            let known = self.lanes.entry(name).or_insert_with(|| Lane::new(now));
            known.take_over(lane, &self.name, now);
        }
        let holders = self.lanes.values().flat_map(Lane::holders);
        let lives: BTreeMap<String, bool> = holders.map(|name| (name.to_owned(), held.lives(name))).collect();
        for lane in self.lanes.values_mut() {
            lane.keep_those_of(|name| lives.get(name).copied().unwrap_or(false));
        }
    }

    /// The file cannot be used: what others had at work counts no more, and the file is left alone for a while.
    fn goes_alone(&mut self, reason: String, now: Timestamp) {
        self.rests = Timestamp(now.0.saturating_add(REST_MS));
        for lane in self.lanes.values_mut() {
            lane.keep_those_of(|name| name == self.name);
        }
        if !std::mem::replace(&mut self.was_told, true) {
            self.fault = Some(reason);
        }
    }

    fn is_named(&mut self, name: &str) {
        if self.name != name {
            self.lanes.values_mut().for_each(|lane| lane.rename(&self.name, name));
            name.clone_into(&mut self.name);
        }
    }
}

impl Permit {
    /// The service has answered, although the attempt goes on.
    pub fn answered(&mut self, policy: &Policy, now: Timestamp) {
        let is_news = self.is_probe || self.answered.is_none_or(|before| now.0.saturating_sub(before.0) >= ANSWER_MS);
        if !is_news {
            return;
        }
        self.answered = Some(now);
        let is_probe = std::mem::take(&mut self.is_probe);
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        // Most services answer all the time, and then there is nothing that others need to hear.
        let is_calm = state.lanes.get(&self.of.account).is_some_and(|lane| lane.breaker.is_calm());
        if is_probe || !is_calm {
            state.with(now, |lanes, _| {
                if let Some(lane) = lanes.get_mut(&self.of.account) {
                    lane.breaker.report(News::Answered, is_probe, policy, now);
                }
            });
        }
    }

    /// The attempt has ended.
    pub fn report(mut self, outcome: &Outcome, policy: &Policy, now: Timestamp) {
        let is_probe = std::mem::take(&mut self.is_probe);
        self.is_over = true;
        let news = news(outcome, policy, now);
        let shared = Arc::clone(&self.shared);
        shared.state().with(now, |lanes, _| {
            if let Some(lane) = lanes.get_mut(&self.of.account) {
                lane.hears(&self.of.party, news, (self.era, is_probe), policy, now);
                lane.ends(&self.of.party);
            }
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (of, is_probe) = (&self.of, self.is_probe);
        let mut state = self.shared.state();
        let now = state.looked.max(self.began);
        state.with(now, |lanes, _| {
            if let Some(lane) = lanes.get_mut(&of.account) {
                lane.ends(&of.party);
                if is_probe {
                    lane.breaker.probe_is_over();
                }
            }
        });
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
    use crate::base::{self, Envelope, Evidence, Failure};

    fn policy() -> Policy {
        let mut policy = Policy { failures: 3, open: Duration::from_secs(10), ..Policy::default() };
        policy.workers.start = 4;
        policy.workers.most = 4;
        policy
    }

    fn failed(class: FailureClass) -> Outcome {
        let (reason, evidence) = ("it broke".to_owned(), Evidence::default());
        Outcome::Failed(Box::new(Failure { class, reason, evidence, session: None, usage: base::Usage::default() }))
    }

    const TRANSIENT: FailureClass = FailureClass::Transient { retry_after_ms: None };

    fn of(run: &str) -> RuntimeUse {
        RuntimeUse::new("claude", run, "claude")
    }

    /// A process with some runs.
    struct Bench(Arc<Resilience>);

    impl Bench {
        fn new() -> Self {
            Self(Arc::default())
        }

        /// Another process of the user whose folder that is.
        fn beside(folder: &tempfile::TempDir) -> Self {
            Self(Arc::new(Resilience::shared_in(folder.path().join("state/runtimes.d"))))
        }

        fn admit(&self, run: &str, at: u64) -> Admission {
            self.0.admit((&of(run), 2), &policy(), Machine::default(), Timestamp(at))
        }

        fn go(&self, run: &str, at: u64) -> Permit {
            match self.admit(run, at) {
                Admission::Granted(permit) => permit,
                other => panic!("{other:?}"),
            }
        }

        fn waits(&self, run: &str, at: u64) -> u64 {
            match self.admit(run, at) {
                Admission::Later(until, _) | Admission::NoPlace(until, _) => until.0,
                other => panic!("{other:?}"),
            }
        }

        fn speed(&self, at: u64) -> (u32, Option<u64>) {
            let speed = self.0.speed(&of("a"), &policy(), Machine::default(), Timestamp(at)).expect("it was asked for");
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
        assert_eq!(bench.waits("c", 0), 30_000, "four places over all runs");
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
        later.0.learn(&of("a"), Timestamp(900_000), "usage limit", Timestamp(5));
        later.0.learn(&of("a"), Timestamp(4), "long over", Timestamp(5));
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

    #[test]
    fn processes_share_places_breaker_and_quota() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (Bench::beside(&folder), Bench::beside(&folder));
        let permits: Vec<_> = (0..3).map(|_| one.go("a", 1)).collect();
        let fourth = other.go("b", 1);
        assert!(
            matches!(other.admit("b", 2), Admission::NoPlace(_, reason) if reason.contains("3 of them in other runs"))
        );
        assert!(matches!(one.admit("a", 2), Admission::NoPlace(..)));
        for permit in permits {
            Bench::ends(permit, &failed(TRANSIENT), 5);
        }
        assert_eq!((one.waits("a", 6), other.waits("b", 6)), (10_005, 10_005), "one met it, both wait");
        drop(fourth);
        let probe = other.go("b", 10_005);
        assert_eq!(one.waits("a", 10_006), 15_006, "one probe over all processes");
        Bench::ends(probe, &failed(FailureClass::Quota { until: Some(Timestamp(90_000)) }), 10_007);
        assert_eq!((one.waits("a", 10_008), other.waits("b", 10_008)), (90_000, 90_000));
        let third = Bench::beside(&folder);
        assert_eq!(third.waits("c", 10_009), 90_000, "who comes later knows it too");
        third.0.learn(&of("c"), Timestamp(500_000), "of an old journal", Timestamp(10_010));
        assert_eq!(third.waits("c", 10_011), 90_000, "what others know is newer than a journal");
        Bench::ends(third.go("c", 90_001), &Outcome::Succeeded(Box::default()), 90_002);
        drop((one.go("a", 90_003), other.go("b", 90_004)));
    }

    #[test]
    fn what_a_dead_process_held_is_free_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (Bench::beside(&folder), Bench::beside(&folder));
        let held: Vec<_> = (0..2).map(|_| one.go("a", 1)).collect();
        let dies = other.go("b", 1);
        let last = other.go("b", 1);
        assert!(matches!(one.admit("a", 2), Admission::NoPlace(..)));
        // Killed: nobody gives anything back, only the system its locks.
        other.0.state().crowd = None;
        let now_two = [one.go("a", 2), one.go("a", 2)];
        drop((dies, last));
        now_two.into_iter().for_each(|permit| Bench::ends(permit, &failed(TRANSIENT), 3));
        // The same with a probe.
        let prober = Bench::beside(&folder);
        drop(held);
        Bench::ends(one.go("a", 3), &failed(TRANSIENT), 3);
        let until = one.waits("a", 4);
        let probe = prober.go("p", until);
        assert!(one.waits("a", until) > until);
        prober.0.state().crowd = None;
        let _next = one.go("a", until + 1);
        drop(probe);
    }

    #[test]
    fn a_file_that_cannot_be_used_stops_nobody_and_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("state"), "no folder").expect("written");
        let bench = Bench::beside(&folder);
        let permits: Vec<_> = (0..4).map(|_| bench.go("a", 1)).collect();
        assert!(matches!(bench.admit("a", 2), Admission::NoPlace(..)), "this process keeps to its own");
        drop(permits);
        assert!(bench.0.fault().is_some() && bench.0.fault().is_none());
        // It works again: the next look after a while finds it.
        std::fs::remove_file(folder.path().join("state")).expect("removed");
        let _permit = bench.go("a", 40_000);
        let other = Bench::beside(&folder);
        let _rest: Vec<_> = (0..3).map(|_| other.go("b", 40_001)).collect();
        assert!(matches!(other.admit("b", 40_002), Admission::NoPlace(..)));
        assert_eq!(bench.0.fault(), None);
    }

    #[test]
    fn whatever_stands_in_the_file_stops_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Bench::beside(&folder).go("a", 1));
        let file = folder.path().join("state/runtimes.d/shared.v1");
        let deep = "[".repeat(200_000);
        let long = format!("{{\"claude\":{{\"bucket\":{}", "1".repeat(300_000));
        for (at, text) in [(10, ""), (20, "\n"), (30, "{}"), (40, "null"), (50, "\0\u{1b}"), (60, &deep), (70, &long)] {
            std::fs::write(&file, text).expect("written");
            let bench = Bench::beside(&folder);
            let _places: Vec<_> = (0..4).map(|_| bench.go("a", at)).collect();
            assert!(matches!(bench.admit("a", at), Admission::NoPlace(..)));
            assert_eq!(bench.0.fault(), None);
        }
    }
}
