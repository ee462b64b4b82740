//! Stands between one run and the runtimes that all runs share: asks before an attempt begins, reports how
//! it ended, and tells the scheduler how fast each runtime goes, so that this stands in the journal.
//!
//! Tries nothing again and keeps no queue: both are the scheduler's.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    base::{FailureClass, Outcome, Timestamp},
    runtime::{Admission, Machine, Permit, Policy, Resilience, RuntimeUse, Seen, Speed, reset_time},
    scheduler::{AttemptId, Event, Purpose, Scheduler},
};

/// How often the machine is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the machine.
type Look = Box<dyn Fn() -> Machine + Send>;

/// One run's way to the shared runtimes.
pub struct Pacer {
    shared: Arc<Resilience>,
    policy: Policy,
    /// Runtimes that only replay: nobody can be overloaded there.
    replayed: BTreeSet<String>,
    /// What limits each runtime, by its name: two names of one account are limited together. Others limit themselves.
    accounts: BTreeMap<String, String>,
    /// How far local time is ahead of UTC, in minutes.
    offset_minutes: i32,
    look: Look,
    seen: Cell<Option<(Instant, Machine)>>,
    run: String,
    is_inner: bool,
    permits: HashMap<AttemptId, Permit>,
    /// What the scheduler was told last, by runtime.
    told: BTreeMap<String, Told>,
    /// The runtimes on which an attempt was refused a place.
    refused: BTreeSet<String>,
    /// When the run was last seen.
    now: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Told {
    slots: Option<u32>,
    until: Option<Timestamp>,
}

/// Whether an attempt may begin.
pub(super) enum Admitted {
    Begin,
    Later(Timestamp, String),
    Never(String),
}

impl Pacer {
    /// A way to the runtimes that `shared` stands for; `look` looks at the machine.
    #[must_use]
    pub fn new(
        shared: Arc<Resilience>,
        policy: Policy,
        replayed: BTreeSet<String>,
        accounts: BTreeMap<String, String>,
        offset_minutes: i32,
        look: Look,
    ) -> Self {
        Self {
            shared,
            policy,
            replayed,
            accounts,
            offset_minutes,
            look,
            seen: Cell::new(None),
            run: String::new(),
            is_inner: false,
            permits: HashMap::new(),
            told: BTreeMap::new(),
            refused: BTreeSet::new(),
            now: Timestamp::default(),
        }
    }

    /// The same for a run that is part of an attempt of another one.
    #[must_use]
    pub fn inner(mut self, is_inner: bool) -> Self {
        self.is_inner = is_inner;
        self
    }

    /// How this run uses a runtime.
    fn usage(&self, runtime: &str) -> RuntimeUse {
        let account = self.accounts.get(runtime).map_or(runtime, String::as_str);
        RuntimeUse::new(account, &self.run, runtime).inner(self.is_inner)
    }

    /// A run begins or goes on in this process: what it knows of runtimes that are held, all runs know now.
    pub(super) fn begin(&mut self, scheduler: &Scheduler, now: Timestamp) {
        self.run = scheduler.run_id().map(ToString::to_string).unwrap_or_default();
        self.shared.forgive();
        for pace in scheduler.paces() {
            if let Some(until) = pace.until {
                self.shared.learn(&self.usage(&pace.runtime), until, &pace.reason, now);
            }
            self.told.insert(pace.runtime, Told { slots: pace.slots, until: pace.until });
        }
    }

    /// Whether an attempt may begin now. An attempt that may is under way until [`Self::finish`].
    pub(super) fn admit(
        &mut self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        purpose: Purpose,
        now: Timestamp,
    ) -> Admitted {
        let Some(runtime) = scheduler.runtime_of(attempt.instance, purpose) else { return Admitted::Begin };
        if self.replayed.contains(runtime) {
            return Admitted::Begin;
        }
        self.now = now;
        let demand = scheduler.demand(runtime).max(1);
        let admission = self.shared.admit((&self.usage(runtime), demand), &self.policy, self.machine(), now);
        if let Some(fault) = self.shared.fault() {
            tracing::warn!(%fault, "other runs do not learn how hard runtimes are used here: the file cannot be used");
        }
        match admission {
            Admission::Granted(permit) => {
                self.permits.insert(attempt, permit);
                Admitted::Begin
            }
            Admission::Later(until, reason) => Admitted::Later(until, reason),
            Admission::NoPlace(until, reason) => {
                self.refused.insert(runtime.to_owned());
                Admitted::Later(until, reason)
            }
            Admission::Never(reason) => Admitted::Never(format!("{runtime} is not tried again: {reason}")),
        }
    }

    /// An attempt that was let through does not begin after all.
    pub(super) fn drop_permit(&mut self, attempt: AttemptId) {
        self.permits.remove(&attempt);
    }

    /// An agent says or does something: its service answers.
    pub(super) fn see(&mut self, attempt: AttemptId, seen: &Seen, now: Timestamp) {
        let answers = match seen {
            Seen::ToolStarted(..) => true,
            Seen::Spent(usage, _) => usage.output_tokens > 0,
            _ => false,
        };
        if answers && let Some(permit) = self.permits.get_mut(&attempt) {
            permit.answered(&self.policy, now);
        }
    }

    /// An attempt has ended. The time at which a used up quota resets is put into its outcome: the journal must have it.
    pub(super) fn finish(
        &mut self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        mut outcome: Outcome,
        now: Timestamp,
    ) -> Outcome {
        if let Outcome::Failed(failure) = &mut outcome
            && let FailureClass::Quota { until: until @ None } = &mut failure.class
        {
            let said = format!("{}\n{}", failure.reason, failure.evidence.last_lines);
            let named = reset_time(&said, now, self.offset_minutes);
            *until = Some(named.unwrap_or_else(|| now.plus(self.policy.probe)));
        }
        if let Some(permit) = self.permits.remove(&attempt) {
            let quota =
                matches!(&outcome, Outcome::Failed(failure) if matches!(failure.class, FailureClass::Quota { .. }));
            // Another model of the same runtime may have a quota of its own: that is tried first.
            if !(quota && scheduler.has_next_model(attempt.instance, Purpose::Work)) {
                permit.report(&outcome, &self.policy, now);
            }
        }
        outcome
    }

    /// What the scheduler must be told of the speed of runtimes that it uses.
    pub(super) fn tune(&mut self, scheduler: &Scheduler, now: Timestamp) -> Vec<Event> {
        if scheduler.ended().is_some() {
            return Vec::new();
        }
        self.now = now;
        let mut events = Vec::new();
        for pace in scheduler.paces() {
            if self.replayed.contains(&pace.runtime) {
                continue;
            }
            let usage = self.usage(&pace.runtime);
            self.shared.wants(&usage, pace.waiting + pace.in_use as usize);
            if pace.waiting > 0 {
                self.shared.look(now);
            }
            let machine = self.machine();
            let Some(speed) = self.shared.speed(&usage, &self.policy, machine, now) else { continue };
            let has_place = self.refused.contains(&pace.runtime)
                && pace.waiting > 0
                && self.shared.has_place(&usage, &self.policy, machine, now);
            if has_place || pace.waiting == 0 {
                self.refused.remove(&pace.runtime);
            }
            let told = self.told.entry(pace.runtime.clone()).or_default();
            let change = told.change(&speed, scheduler.parallel(), pace.waiting > 0, now);
            // Who waits for a place is woken by being told the same again, for that says that nothing is held.
            let woken = (has_place && pace.until.is_some()).then(|| told.clone());
            let Some(next) = change.or(woken) else { continue };
            *told = next.clone();
            let reason = if next == Told::default() { String::new() } else { speed.reason };
            events.push(Event::Paced { runtime: pace.runtime, slots: next.slots, until: next.until, reason });
        }
        events
    }

    fn machine(&self) -> Machine {
        match self.seen.get() {
            Some((at, machine)) if at.elapsed() < LOOK => machine,
            _ => {
                let machine = (self.look)();
                self.seen.set(Some((Instant::now(), machine)));
                machine
            }
        }
    }
}

impl Told {
    /// What must be told now; `None` where nothing that matters has changed.
    ///
    /// Fewer slots matter only while somebody waits for one, and more only where there were too few: a journal is no
    /// place for the weather.
    fn change(&self, speed: &Speed, parallel: u32, waits: bool, now: Timestamp) -> Option<Self> {
        let slots = Some(speed.slots).filter(|slots| *slots < parallel);
        let was_held = self.until.filter(|until| *until > now);
        let next = Self { slots, until: speed.until };
        let fewer = slots.unwrap_or(u32::MAX) < self.slots.unwrap_or(u32::MAX);
        let more = slots.unwrap_or(u32::MAX) > self.slots.unwrap_or(u32::MAX);
        let other_hold = was_held != speed.until;
        (other_hold || (waits && (fewer || more))).then_some(next)
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.permits.clear();
        self.shared.leaves(&self.run, self.now);
    }
}
