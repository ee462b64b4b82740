//! A simulated driver in a simulated world: virtual time, a journal that is stored as text, workers, people, crashes.
//!
//! The driver keeps the product's order: take events, stage them (step, encode), append all of them at once, perform.
//! A crash loses everything but the journal and what people have sent.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use orch::{
    base::{Digest, RunId, Timestamp},
    plan::Plan,
    scheduler::{Action, AttemptId, Event, Notice, Purpose, Scheduler, Settled, Strength, WaitingFor},
};

use crate::{
    options::Options,
    oracle::{Broken, Oracle},
    rng::Rng,
};

/// More events than any simulated run needs.
const EVENTS_MAX: usize = 20_000;
const BEGINNING: u64 = 1_000_000;

/// Something on its way to the driver.
#[derive(Debug, Clone)]
pub(crate) enum Mail {
    /// From a worker; lost when the driver crashes, unless it comes late.
    Report(AttemptId, Event),
    /// From people and other processes.
    Event(Event),
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub hangs: bool,
}

enum Todo {
    Begin(AttemptId, Purpose),
    Stop(AttemptId, Strength),
    Watch(Notice),
}

/// One world.
pub struct World {
    pub(crate) rng: Rng,
    pub(crate) options: Options,
    pub(crate) scheduler: Scheduler,
    pub(crate) now: u64,
    pub(crate) workers: BTreeMap<AttemptId, Worker>,
    pub(crate) mail: BTreeMap<(u64, u64), Mail>,
    /// Lines of text: what was appended.
    pub journal: Vec<String>,
    plan: Arc<Plan>,
    digests: Vec<u64>,
    staged: Vec<(String, u64)>,
    queue: VecDeque<Event>,
    todo: Vec<Todo>,
    oracle: Oracle,
    letters: u64,
}

impl World {
    pub fn new(plan: Arc<Plan>, options: Options, rng: Rng) -> Self {
        Self {
            rng,
            options,
            scheduler: Scheduler::new(Arc::clone(&plan)),
            now: BEGINNING,
            workers: BTreeMap::new(),
            mail: BTreeMap::new(),
            journal: Vec::new(),
            oracle: Oracle::new(&plan),
            plan,
            digests: Vec::new(),
            staged: Vec::new(),
            queue: VecDeque::new(),
            todo: Vec::new(),
            letters: 0,
        }
    }

    /// How many attempts went on with the session of another item.
    pub fn continued(&self) -> u32 {
        self.oracle.continued
    }

    /// Runs a plan from its beginning to its end, and to the ends after the retries that people ask for.
    pub fn live(&mut self) -> Result<(), Broken> {
        self.queue.push_back(Event::RunStarted {
            run: RunId::from_random([1, 2, 3, 4, 5]),
            inputs: serde_json::Map::new(),
            seed: self.rng.next(),
            parallel: self.options.parallel,
            runtime: "claude".to_owned(),
            replayed: if self.options.replays_codex { vec!["codex".to_owned()] } else { Vec::new() },
        });
        if let Some(at) = self.options.cancel_at_ms {
            self.send(at, Mail::Event(Event::CancelRequested { strength: Strength::Gentle }));
            if let Some(after) = self.options.hard_after_ms {
                self.send(at + after, Mail::Event(Event::CancelRequested { strength: Strength::Hard }));
            }
        }
        self.turn()?;
        loop {
            self.go_to_the_end()?;
            self.oracle.scan(&self.scheduler)?;
            let failed = self.scheduler.ended().is_some_and(|end| end.settled != Settled::Succeeded);
            if !failed || self.options.retries == 0 {
                break;
            }
            self.options.retries -= 1;
            self.now += 1_000;
            if self.rng.chance(70) {
                let raise = self.raise();
                self.queue.push_back(raise);
            }
            self.queue.push_back(Event::RetryRequested);
            self.turn()?;
        }
        self.quiet_after_the_end()?;
        self.replay().map(drop)
    }

    /// What comes after the end changes nothing.
    fn quiet_after_the_end(&mut self) -> Result<(), Broken> {
        let end = self.scheduler.ended().cloned();
        for _ in 0..20 {
            let Some((_, mail)) = self.mail.pop_first() else { break };
            self.deliver(mail);
        }
        self.turn()?;
        if self.scheduler.ended() == end.as_ref() { Ok(()) } else { Err("the end changes".to_owned()) }
    }

    /// Goes on from the first `length` records of a journal in a calm world, cancelled or not, until the run ends.
    pub fn calm_down(plan: &Arc<Plan>, journal: &[String], options: Options, cancel: bool) -> Result<(), Broken> {
        let mut world = Self::new(Arc::clone(plan), options, Rng::new(journal.len() as u64));
        for line in journal {
            let (at, event) = parse(line)?;
            world.now = world.now.max(at.0);
            world.observe(at, event)?;
        }
        world.workers.clear();
        world.journal = journal.to_vec();
        if world.journal.is_empty() {
            return Ok(());
        }
        world.own()?;
        if cancel {
            world.queue.push_back(Event::CancelRequested { strength: Strength::Gentle });
            world.turn()?;
        }
        world.go_to_the_end()
    }

    fn go_to_the_end(&mut self) -> Result<(), Broken> {
        while self.scheduler.ended().is_none() {
            if self.journal.len() > EVENTS_MAX {
                return Err("the run does not end".to_owned());
            }
            self.receive()?;
            self.turn()?;
        }
        Ok(())
    }

    /// Waits for what comes next: a timer, mail, or people who look at what waits for them.
    fn receive(&mut self) -> Result<(), Broken> {
        let letter = self.mail.first_key_value().map(|((at, _), _)| *at);
        let wakeup = self.scheduler.next_wakeup().map(|at| at.0);
        match (letter, wakeup) {
            (Some(letter), wakeup) if wakeup.is_none_or(|at| letter < at) => {
                self.now = self.now.max(letter);
                // The driver takes what is there as one batch.
                let many = self.rng.between(1, 4);
                for _ in 0..many {
                    let due = self.mail.first_key_value().is_some_and(|((at, _), _)| *at <= self.now);
                    let Some((_, mail)) = due.then(|| self.mail.pop_first()).flatten() else { break };
                    self.deliver(mail);
                }
            }
            (_, Some(wakeup)) => {
                self.now = self.now.max(wakeup);
                self.queue.push_back(Event::TimeReached);
            }
            (Some(_), None) => {}
            (None, None) => {
                let waiting = self.scheduler.waiting_for();
                if waiting.is_empty() {
                    let live: Vec<_> = self.workers.keys().collect();
                    return Err(format!("the run stands still and waits for nobody; workers {live:?}"));
                }
                for question in waiting {
                    self.person(&question, true);
                }
            }
        }
        Ok(())
    }

    /// One turn of the driver. It may end in a crash, before or after the commit, and begins anew then.
    fn turn(&mut self) -> Result<(), Broken> {
        while let Some(event) = self.queue.pop_front() {
            self.stage(event)?;
        }
        let crash = self.options.crashes_left > 0 && self.scheduler.run_id().is_some() && {
            let chance = self.options.crashes;
            self.rng.chance(chance)
        };
        if crash && self.rng.chance(50) && !self.journal.is_empty() {
            return self.crash(false);
        }
        for (line, digest) in std::mem::take(&mut self.staged) {
            self.journal.push(line);
            self.digests.push(digest);
        }
        let done = if crash { self.rng.below(self.todo.len() as u64 + 1) } else { self.todo.len() as u64 };
        let todo = std::mem::take(&mut self.todo);
        for todo in todo.into_iter().take(done as usize) {
            self.perform(todo)?;
        }
        if crash { self.crash(true) } else { Ok(()) }
    }

    fn stage(&mut self, event: Event) -> Result<(), Broken> {
        if self.options.gives_spent > 0 {
            self.now += self.rng.below(3);
        }
        let now = Timestamp(self.now);
        let line = serde_json::to_string(&(now, &event)).map_err(|error| error.to_string())?;
        let actions = self.observe(now, event)?;
        let digest = digest(&actions);
        self.staged.push((line, digest));
        for action in actions {
            self.take(action);
        }
        Ok(())
    }

    /// Steps the scheduler under the eyes of the oracle.
    fn observe(&mut self, now: Timestamp, event: Event) -> Result<Vec<Action>, Broken> {
        let actions = self.scheduler.step(now, event.clone());
        self.oracle
            .check(&self.scheduler, now, &event, &actions)
            .map_err(|broken| format!("{broken}\n  at {now:?} {event:?}\n  which led to {actions:?}"))?;
        Ok(actions)
    }

    fn take(&mut self, action: Action) {
        match action {
            Action::Evaluate { site } => {
                let result = self.evaluate(site);
                self.queue.push_back(Event::Evaluated { site, result });
            }
            Action::Start { attempt, purpose } => self.write_down(attempt, purpose),
            Action::Stop { attempt, strength } => self.todo.push(Todo::Stop(attempt, strength)),
            Action::Notice(notice) => self.todo.push(Todo::Watch(notice)),
        }
    }

    fn write_down(&mut self, attempt: AttemptId, purpose: Purpose) {
        if !self.scheduler.asks_person(attempt.instance, purpose) {
            if self.defers(attempt, purpose) {
                return;
            }
            self.queue.push_back(Event::Started { attempt, subject: None, shown: None, how: None, review: None });
            self.todo.push(Todo::Begin(attempt, purpose));
            return;
        }
        let unputtable = self.options.unputtable;
        if self.rng.chance(unputtable) {
            self.queue.push_back(Event::Started { attempt, subject: None, shown: None, how: None, review: None });
            let outcome = self.failure_of_driver();
            self.queue.push_back(Event::Finished { attempt, outcome });
            return;
        }
        let shown =
            if self.options.same_text { format!("go on with {}?", attempt.instance.0) } else { format!("{attempt}?") };
        let subject = Some(Digest::of(shown.as_bytes()));
        self.queue.push_back(Event::Started { attempt, subject, shown: Some(shown), how: None, review: None });
    }

    /// Now and then a runtime takes nothing, or less at once.
    fn defers(&mut self, attempt: AttemptId, purpose: Purpose) -> bool {
        let Some(runtime) = self.scheduler.runtime_of(attempt.instance, purpose).map(str::to_owned) else {
            return false;
        };
        let (defers, paces) = (self.options.defers, self.options.paces);
        if paces > 0 && self.rng.chance(paces) {
            let slots = self.rng.chance(60).then(|| self.rng.between(1, 3) as u32);
            let until = self.rng.chance(40).then(|| Timestamp(self.now + self.rng.below(40_000)));
            self.queue.push_back(Event::Paced { runtime, slots, until, reason: "slowly".to_owned() });
        }
        let defers = defers > 0 && self.rng.chance(defers);
        if defers {
            let until = Timestamp(self.now + self.rng.below(20_000));
            self.queue.push_back(Event::Deferred { attempt, until, reason: "not now".to_owned() });
        }
        defers
    }

    fn perform(&mut self, todo: Todo) -> Result<(), Broken> {
        match todo {
            Todo::Begin(attempt, purpose) => {
                if !self.scheduler.is_live(attempt) {
                    return Ok(());
                }
                let beside = self.workers.keys().find(|worker| worker.instance == attempt.instance);
                if let Some(other) = beside {
                    return Err(format!("{attempt} begins while {other} works"));
                }
                self.begin(attempt, purpose);
            }
            Todo::Stop(attempt, strength) => self.stop(attempt, strength),
            Todo::Watch(notice) => self.watch(&notice),
        }
        Ok(())
    }

    /// People see what they are told, and some act on it.
    fn watch(&mut self, notice: &Notice) {
        let concerns_people = matches!(notice, Notice::Asking { .. } | Notice::Unknown { .. } | Notice::BudgetReached);
        if concerns_people && self.rng.chance(80) {
            let waiting = self.scheduler.waiting_for();
            let matching = waiting.into_iter().find(|waiting| match (waiting, notice) {
                (WaitingFor::Decision { attempt, .. }, Notice::Asking { attempt: asked }) => attempt == asked,
                (WaitingFor::Outcome { instance, .. }, Notice::Unknown { instance: lost }) => instance == lost,
                (WaitingFor::Budget { .. }, Notice::BudgetReached) => true,
                _ => false,
            });
            if let Some(question) = matching {
                self.person(&question, false);
            }
        }
    }

    /// Everything but the journal and the letters of people is gone; a new process takes over.
    fn crash(&mut self, committed: bool) -> Result<(), Broken> {
        self.options.crashes_left -= 1;
        self.staged.clear();
        self.queue.clear();
        self.todo.clear();
        self.workers.clear();
        let late = self.rng.chance(30);
        self.mail.retain(|_, mail| late || matches!(mail, Mail::Event(_)));
        let (scheduler, oracle) = self.replay()?;
        if committed && scheduler != self.scheduler {
            return Err("the replayed state is not the state that was lost".to_owned());
        }
        (self.scheduler, self.oracle) = (scheduler, oracle);
        self.now += self.rng.below(100_000);
        self.own()
    }

    /// A new process owns the run.
    fn own(&mut self) -> Result<(), Broken> {
        let parallel = if self.rng.chance(20) { self.rng.between(1, 4) as u32 } else { self.options.parallel };
        let now = Timestamp(self.now);
        let restarted = Event::Restarted { parallel };
        self.stage(restarted)?;
        let staged: Vec<_> = self.queue.iter().cloned().collect();
        for action in self.scheduler.outstanding() {
            let known = staged.iter().any(|event| match (event, &action) {
                (Event::Started { attempt, .. }, Action::Start { attempt: other, .. }) => attempt == other,
                (Event::Evaluated { site, .. }, Action::Evaluate { site: other }) => site == other,
                _ => false,
            });
            if !known {
                self.take(action);
            }
        }
        debug_assert!(now.0 <= self.now);
        self.turn()
    }

    /// Reads the journal as text, steps a new scheduler, and compares the actions with those of the first time.
    fn replay(&self) -> Result<(Scheduler, Oracle), Broken> {
        let mut scheduler = Scheduler::new(Arc::clone(&self.plan));
        let mut oracle = Oracle::new(&self.plan);
        for (place, line) in self.journal.iter().enumerate() {
            let (at, event) = parse(line)?;
            let actions = scheduler.step(at, event.clone());
            oracle.check(&scheduler, at, &event, &actions)?;
            let first = self.digests.get(place);
            if first.is_some_and(|first| *first != digest(&actions)) {
                return Err(format!("record {place} leads to other actions when it is replayed: {actions:?}"));
            }
        }
        Ok((scheduler, oracle))
    }

    /// Mail arrives. A worker that has reported is gone.
    fn deliver(&mut self, mail: Mail) {
        let event = match mail {
            Mail::Report(attempt, event) => {
                if matches!(event, Event::Finished { .. }) {
                    self.workers.remove(&attempt);
                }
                event
            }
            Mail::Event(event) => event,
        };
        self.queue.push_back(event);
    }

    pub(crate) fn send(&mut self, delay_ms: u64, mail: Mail) {
        self.letters += 1;
        self.mail.insert((self.now + delay_ms, self.letters), mail);
    }
}

fn parse(line: &str) -> Result<(Timestamp, Event), Broken> {
    serde_json::from_str(line).map_err(|error| format!("a record cannot be read: {error}: {line}"))
}

/// FNV-1a over the written form.
fn digest(actions: &[Action]) -> u64 {
    struct Fnv(u64);
    impl std::fmt::Write for Fnv {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for byte in text.bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    std::fmt::Write::write_fmt(&mut fnv, format_args!("{actions:?}")).expect("writing to a number cannot fail");
    fnv.0
}
