//! The machines of one runtime, and the runs that use it: whether one more attempt may begin. Reads no clock and no file.
//!
//! Invariants: attempts at work never exceed the places; among runs that wait for a place the one that has waited
//! longest comes first, and who has its share already comes after who has not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    base::Timestamp,
    runtime::resilience::{
        breaker::{Breaker, News, Passage},
        bucket::Bucket,
        concurrency::Concurrency,
        policy::{BURST, Machine, Policy},
    },
};

/// How long a run that was refused a place waits before it is sure to ask again, in milliseconds. It looks more often.
const PLACE_WAIT_MS: u64 = 30_000;
/// How long others step back for a run that waits for a place and says nothing, in milliseconds.
const PATIENCE_MS: u64 = 3_000;
/// How often a run that waits says that it still does, in milliseconds.
const SIGN_MS: u64 = 1_000;
/// How long the machines of a runtime are remembered that nobody uses, in milliseconds.
const FORGET_MS: u64 = 3_600_000;
/// Runs that use one runtime.
const PARTIES_MAX: usize = 500;
/// Attempts that one run is believed to have at work.
const AT_WORK_MAX: u32 = 1_000;

/// The machines of one runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Lane {
    #[serde(default)]
    pub breaker: Breaker,
    #[serde(default)]
    pub concurrency: Concurrency,
    bucket: Bucket,
    #[serde(default)]
    parties: BTreeMap<String, Party>,
    /// When somebody last asked.
    used: Timestamp,
    /// The run that was told why nothing may begin.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    told: String,
}

/// A run that uses a runtime.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Party {
    /// The process that drives it.
    process: String,
    /// How many attempts it has at work or in line.
    demand: usize,
    at_work: u32,
    /// How many may work at once, as it sees it.
    places: u32,
    /// Since when it waits for a place, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Timestamp>,
    /// When it last asked.
    asked: Timestamp,
    /// It is part of an attempt of another run, which has a place already and waits for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_inner: bool,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub process: &'a str,
    /// Names the run, and the runtime as the run knows it.
    pub party: &'a str,
    /// How many attempts it has at work or in line.
    pub demand: usize,
    /// Whether the run is part of an attempt of another one.
    pub is_inner: bool,
}

/// Whether one more may begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It may; it is of that era, and a probe or not.
    Begins(u64, bool),
    /// Not before that time.
    Later(Timestamp, String),
    /// As soon as there is a place, and surely not later than that time.
    NoPlace(Timestamp, String),
    /// Not before a person has done something.
    Never(String),
}

impl Lane {
    pub fn new(now: Timestamp) -> Self {
        Self {
            breaker: Breaker::default(),
            concurrency: Concurrency::default(),
            bucket: Bucket::new(BURST, now),
            parties: BTreeMap::new(),
            used: now,
            told: String::new(),
        }
    }

    /// Asks for one more to begin.
    pub fn ask(&mut self, asker: Asker<'_>, policy: &Policy, machine: Machine, now: Timestamp) -> Asked {
        self.used = self.used.max(now);
        let party = self.parties.entry(asker.party.to_owned()).or_default();
        party.process = asker.process.to_owned();
        (party.demand, party.asked, party.is_inner) = (asker.demand, now, asker.is_inner);
        let own = self.own_places(policy, machine);
        self.party_mut(asker.party).places = own;
        if self.breaker.held().is_none() && !self.has_place(asker.party, policy, machine, now) {
            let party = self.party_mut(asker.party);
            if party.at_work < own {
                party.waits.get_or_insert(now);
            }
            let until = Timestamp(now.0.saturating_add(PLACE_WAIT_MS));
            return Asked::NoPlace(until, self.slow_reason(asker.party, own));
        }
        let is_probe = match self.breaker.ask(asker.process, now) {
            Passage::Free => false,
            Passage::Probe => true,
            Passage::Wait(until, reason) => return Asked::Later(until, self.told_to(asker.party, &reason)),
            Passage::Never(reason) => return Asked::Never(reason),
        };
        if let Err(until) = self.bucket.take(policy.starts_per_minute, BURST, now) {
            if is_probe {
                self.breaker.probe_is_over();
            }
            return Asked::Later(until, format!("{} starts a minute", policy.starts_per_minute));
        }
        let party = self.party_mut(asker.party);
        party.at_work = party.at_work.saturating_add(1);
        party.waits = None;
        Asked::Begins(self.concurrency.era(), is_probe)
    }

    /// Whether there is a place for one more of that run.
    pub fn has_place(&self, party: &str, policy: &Policy, machine: Machine, now: Timestamp) -> bool {
        let own = self.own_places(policy, machine);
        let nobody = Party::default();
        let asker = self.parties.get(party).unwrap_or(&nobody);
        // The place that it needs may be the one that the attempt around it has, which waits for it.
        if asker.is_inner && asker.at_work == 0 {
            return true;
        }
        let places = self.places(own, policy);
        if asker.at_work >= own || self.at_work() >= places {
            return false;
        }
        let wanting = self.parties.values().filter(|other| other.at_work > 0 || other.is_waiting(now)).count();
        let share = places.div_ceil(u32::try_from(wanting.max(1)).unwrap_or(u32::MAX)).max(1);
        let comes_first = |(name, other): (&String, &Party)| {
            let waits = other.waits.filter(|_| name != party && other.is_waiting(now) && other.at_work < share);
            waits.is_some_and(|since| asker.at_work >= share || since < asker.waits.unwrap_or(now))
        };
        !self.parties.iter().any(comes_first)
    }

    /// A run that waits for a place says that it still does. Whether anything has changed.
    pub fn still_waits(&mut self, party: &str, now: Timestamp) -> bool {
        let Some(party) = self.parties.get_mut(party).filter(|party| party.waits.is_some()) else { return false };
        let is_due = now.0.saturating_sub(party.asked.0) >= SIGN_MS;
        if is_due {
            party.asked = now;
        }
        is_due
    }

    /// While nothing begins, or single probes do: until when, and why.
    pub fn held(&self, party: &str) -> Option<(Timestamp, String)> {
        self.breaker.held().map(|(until, reason)| (until, self.told_to(party, reason)))
    }

    /// A reason, with the run that was told it where it was another one.
    fn told_to(&self, party: &str, reason: &str) -> String {
        let is_other = !self.told.is_empty() && self.told != run_of(party);
        if is_other { format!("{reason} (as run {} was told)", self.told) } else { reason.to_owned() }
    }

    /// How many may work at once for those who see what this one sees, as far as service and machine go.
    pub fn slots(&self, policy: &Policy, machine: Machine) -> u32 {
        let own = self.own_places(policy, machine);
        self.concurrency.limit().map_or(own, |limit| limit.min(own)).max(1)
    }

    fn own_places(&self, policy: &Policy, machine: Machine) -> u32 {
        policy.workers.at_once(self.demand(), machine)
    }

    /// How many may work at once over all runs. Settings differ: whose project allows few is not shut out by others that
    /// allow more, but a machine that is short of something is so for all.
    fn places(&self, own: u32, policy: &Policy) -> u32 {
        let is_strained = own < policy.workers.at_once(self.demand(), Machine::default());
        let others = self.parties.values().filter(|party| party.at_work > 0).map(|party| party.places);
        let places = if is_strained { own } else { others.chain([own]).max().unwrap_or(own) };
        self.concurrency.limit().map_or(places, |limit| limit.min(places)).max(1)
    }

    fn demand(&self) -> usize {
        self.parties.values().fold(0, |all, party| all.saturating_add(party.demand))
    }

    /// Attempts at work, over all runs.
    pub fn at_work(&self) -> u32 {
        self.parties.values().fold(0, |all, party| all.saturating_add(party.at_work))
    }

    /// Why no more begin.
    pub fn slow_reason(&self, party: &str, slots: u32) -> String {
        let slots = self.concurrency.limit().map_or(slots, |limit| limit.min(slots)).max(1);
        let because = match self.concurrency.limit() {
            Some(limit) if limit <= slots => "its service was overloaded",
            _ => "more begin as the queue grows",
        };
        let others = self.parties.iter().filter(|(name, _)| *name != party).map(|(_, other)| other.at_work);
        match others.fold(0, u32::saturating_add) {
            0 => format!("{slots} at once: {because}"),
            others => format!("{slots} at once, {others} of them in other runs: {because}"),
        }
    }

    fn party_mut(&mut self, party: &str) -> &mut Party {
        self.parties.entry(party.to_owned()).or_default()
    }

    /// How many attempts a run wants to have at work, where it is known at all.
    pub fn wants(&mut self, party: &str, demand: usize) {
        if let Some(party) = self.parties.get_mut(party) {
            party.demand = demand;
            if demand <= party.at_work as usize {
                party.waits = None;
            }
        }
    }

    /// A run wants nothing any more.
    pub fn leaves(&mut self, is_gone: impl Fn(&str) -> bool) -> bool {
        let before = self.parties.len();
        self.parties.retain(|party, _| !is_gone(party));
        before != self.parties.len()
    }

    /// An attempt of a run is no longer at work.
    pub fn ends(&mut self, party: &str) {
        if let Some(party) = self.parties.get_mut(party) {
            party.at_work = party.at_work.saturating_sub(1);
        }
    }

    /// An attempt has brought news of its service.
    pub fn hears(&mut self, party: &str, news: News, (era, is_probe): (u64, bool), policy: &Policy, now: Timestamp) {
        match &news {
            News::Answered => self.concurrency.succeeded(era),
            News::Failing(..) => self.concurrency.overloaded(era, self.at_work()),
            News::UsedUp(..) | News::Unusable(_) | News::Nothing => {}
        }
        if is_probe && news == News::Nothing {
            self.breaker.probe_is_over();
        }
        let before = self.breaker.held().map(|(until, _)| until);
        self.breaker.report(news, is_probe, policy, now);
        if self.breaker.held().map(|(until, _)| until) != before {
            self.told = run_of(party).to_owned();
        }
    }

    /// Takes what others have stored. What this process says of its own runs holds, whatever is stored of them.
    pub fn take_over(&mut self, stored: Self, process: &str, now: Timestamp) {
        self.breaker.take_over(stored.breaker, now);
        self.concurrency = stored.concurrency;
        self.bucket = stored.bucket.mended(now);
        self.used = stored.used.min(now);
        self.told = stored.told.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        self.parties.retain(|_, party| party.process == process);
        let room = PARTIES_MAX.saturating_sub(self.parties.len());
        let others = stored.parties.into_iter().filter(|(_, party)| party.process != process).take(room);
        for (name, mut party) in others {
            party.at_work = party.at_work.min(AT_WORK_MAX);
            party.places = party.places.min(AT_WORK_MAX);
            party.demand = party.demand.min(AT_WORK_MAX as usize);
            party.waits = party.waits.filter(|since| *since <= now);
            party.asked = party.asked.min(now);
            self.parties.insert(name, party);
        }
    }

    /// Forgets the runs of processes that are no more, and with them what they had at work.
    pub fn keep_those_of(&mut self, lives: impl Fn(&str) -> bool) {
        self.parties.retain(|_, party| lives(&party.process));
        self.breaker.keep_probe_of(lives);
    }

    /// A process has another name now.
    pub fn rename(&mut self, old: &str, new: &str) {
        for party in self.parties.values_mut().filter(|party| party.process == old) {
            party.process = new.to_owned();
        }
        self.breaker.rename(old, new);
    }

    /// The processes whose attempts hold something here.
    pub fn holders(&self) -> impl Iterator<Item = &str> {
        self.parties.values().map(|party| party.process.as_str()).chain(self.breaker.prober())
    }

    /// Whether there is nothing to remember.
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        self.parties.is_empty() && self.breaker.is_calm() && now.0.saturating_sub(self.used.0) > FORGET_MS
    }
}

impl Party {
    fn is_waiting(&self, now: Timestamp) -> bool {
        self.waits.is_some() && now.0.saturating_sub(self.asked.0) <= PATIENCE_MS
    }
}

/// The run of a party.
fn run_of(party: &str) -> &str {
    party.split('/').next().unwrap_or(party)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(most: u32) -> Policy {
        let mut policy = Policy::default();
        (policy.workers.start, policy.workers.most) = (most, most);
        policy.starts_per_minute = 1_000_000;
        policy
    }

    fn asks(lane: &mut Lane, party: &str, most: u32, at: u64) -> bool {
        let asker = Asker { process: "p", party, demand: 20, is_inner: false };
        matches!(lane.ask(asker, &policy(most), Machine::default(), Timestamp(at)), Asked::Begins(..))
    }

    #[test]
    fn who_has_more_than_its_share_steps_back_for_who_waits() {
        let mut lane = Lane::new(Timestamp(0));
        assert!((0..4).all(|_| asks(&mut lane, "a", 4, 1)));
        assert!(!asks(&mut lane, "b", 4, 2));
        lane.ends("a");
        assert!(!asks(&mut lane, "a", 4, 3), "b waits for that place");
        assert!(asks(&mut lane, "b", 4, 4));
        lane.ends("a");
        assert!(asks(&mut lane, "a", 4, 5), "b asks for no more");
        assert!(!asks(&mut lane, "b", 4, 6));
        // Who waits and says nothing any more is not waited for.
        lane.ends("a");
        assert!(!asks(&mut lane, "a", 4, 3_006));
        assert!(asks(&mut lane, "a", 4, 3_007));
    }

    #[test]
    fn who_has_waited_longest_comes_first_and_nobody_starves() {
        let mut lane = Lane::new(Timestamp(0));
        assert!(asks(&mut lane, "a", 1, 0));
        let mut turns = BTreeMap::new();
        let mut has = "a";
        for round in 1..=300_u64 {
            // The first of the alphabet is always the quickest to ask.
            for party in ["a", "b", "c"] {
                if party != has {
                    assert!(!asks(&mut lane, party, 1, round * 10));
                }
            }
            lane.ends(has);
            let next = ["a", "b", "c"].into_iter().filter(|party| asks(&mut lane, party, 1, round * 10 + 1));
            let next: Vec<_> = next.collect();
            assert_eq!(next.len(), 1);
            has = next[0];
            *turns.entry(has).or_insert(0) += 1;
        }
        assert!(turns.values().all(|turns| *turns == 100), "{turns:?}");
    }

    #[test]
    fn a_run_that_allows_few_is_not_shut_out_by_one_that_allows_many() {
        let mut lane = Lane::new(Timestamp(0));
        assert!((0..10).all(|_| asks(&mut lane, "many", 10, 0)));
        assert!(!asks(&mut lane, "few", 2, 1));
        lane.ends("many");
        assert!(!asks(&mut lane, "many", 10, 2));
        assert!(asks(&mut lane, "few", 2, 3));
        lane.ends("many");
        assert!(asks(&mut lane, "few", 2, 4), "its second");
        lane.ends("many");
        assert!(!asks(&mut lane, "few", 2, 5), "its own bound");
        assert!(asks(&mut lane, "many", 10, 6), "who is at its own bound waits for no place");
    }

    #[test]
    fn a_run_inside_an_attempt_needs_no_place_but_its_own() {
        let mut lane = Lane::new(Timestamp(0));
        assert!(asks(&mut lane, "outer", 1, 0));
        let asker = Asker { process: "p", party: "inner", demand: 2, is_inner: true };
        let mut inner = |at| lane.ask(asker, &policy(1), Machine::default(), Timestamp(at));
        assert!(matches!(inner(1), Asked::Begins(..)), "the attempt around it waits for it");
        assert!(matches!(inner(2), Asked::NoPlace(..)), "one is enough to go on");
    }

    #[test]
    fn a_machine_that_is_short_is_so_for_all() {
        let mut lane = Lane::new(Timestamp(0));
        assert!(asks(&mut lane, "a", 10, 0));
        let short = Machine { memory_bytes: 1_000, load: 0.0 };
        let asker = Asker { process: "p", party: "b", demand: 1, is_inner: false };
        let asked = lane.ask(asker, &policy(10), short, Timestamp(1));
        assert!(matches!(asked, Asked::NoPlace(..)), "{asked:?}");
        lane.ends("a");
        let asked = lane.ask(asker, &policy(10), short, Timestamp(2));
        assert!(matches!(asked, Asked::Begins(..)), "one works, however short: {asked:?}");
    }

    #[test]
    fn whatever_is_stored_becomes_something_that_works() {
        let hostile = serde_json::json!({
            "breaker": { "failures": u32::MAX, "trips": u32::MAX,
                "open": { "until": u64::MAX, "reason": "x\u{1b}[2J".repeat(10_000), "is_quota": true, "probe": "gone" } },
            "concurrency": { "limit": -1e300, "era": u64::MAX },
            "bucket": { "tokens": -1e300, "filled": u64::MAX },
            "parties": { "x": { "process": "gone", "demand": u64::MAX, "at_work": u32::MAX, "places": u32::MAX,
                "waits": u64::MAX, "asked": u64::MAX } },
            "used": u64::MAX
        });
        let stored: Lane = serde_json::from_value(hostile).expect("it has the form of one");
        let now = Timestamp(1_000);
        let mut lane = Lane::new(now);
        lane.take_over(stored, "p", now);
        let (until, reason) = lane.breaker.held().expect("it is held");
        assert!(until.0 <= 8 * 86_400_000 + 1_000 && reason.len() <= 300 && !reason.contains('\u{1b}'));
        assert!(lane.at_work() <= AT_WORK_MAX && lane.slots(&policy(4), Machine::default()) >= 1);
        lane.keep_those_of(|process| process == "p");
        assert_eq!(lane.at_work(), 0);
        let after = Timestamp(until.0);
        let asker = Asker { process: "p", party: "a", demand: 1, is_inner: false };
        let mut asked = lane.ask(asker, &policy(4), Machine::default(), after);
        if let Asked::Later(until, _) = asked {
            asked = lane.ask(asker, &policy(4), Machine::default(), until);
        }
        assert!(matches!(asked, Asked::Begins(_, true)), "{asked:?}");
        lane.hears("a", News::Failing(Some(u64::MAX), "429".to_owned()), (u64::MAX, true), &policy(4), after);
        lane.hears("a", News::Answered, (0, true), &policy(4), after);
        assert!(asks(&mut lane, "a", 4, after.0 + 1));
    }
}
