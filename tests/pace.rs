//! Runtimes that take nothing for a while, and another try after each kind of failure, as the scheduler sees them. Time
//! is a number here. Every case is replayed from its stored events and must end in the same state.

#[path = "simulation/plans.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod plans;
#[path = "simulation/rng.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod rng;

use std::sync::Arc;

use orch::{
    base::{Evidence, Failure, FailureClass, Outcome, RunId, Timestamp, Usage},
    definition::workflow::RetryOn,
    plan::{ModelChain, Plan, PlanStep, RetryPolicy, StepIx, Work},
    scheduler::{Action, AttemptId, CauseKind, Event, InstanceId, Notice, Purpose, Scheduler, Settled, StepState},
};
use plans::{agent, plan, step};

/// A driver in small that starts nothing by itself: a case says what begins and what is put back.
struct Bench {
    plan: Arc<Plan>,
    scheduler: Scheduler,
    now: u64,
    journal: Vec<(Timestamp, Event)>,
    asked: Vec<AttemptId>,
    held: Vec<String>,
    waits_ms: Vec<u64>,
}

impl Bench {
    fn new(plan: Plan, parallel: u32) -> Self {
        let plan = Arc::new(plan);
        let scheduler = Scheduler::new(Arc::clone(&plan));
        let (journal, asked, held, waits_ms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut bench = Self { plan, scheduler, now: 1_000, journal, asked, held, waits_ms };
        bench.event(Event::RunStarted {
            run: RunId::from_random([0; 5]),
            inputs: serde_json::Map::new(),
            seed: 7,
            parallel,
            runtime: "claude".to_owned(),
            replayed: Vec::new(),
        });
        bench
    }

    fn event(&mut self, event: Event) {
        let now = Timestamp(self.now);
        self.journal.push((now, event.clone()));
        for action in self.scheduler.step(now, event) {
            match action {
                Action::Start { attempt, .. } => self.asked.push(attempt),
                Action::Notice(Notice::Held { runtime }) => self.held.push(runtime),
                Action::Notice(Notice::Retrying { delay_ms, .. }) => self.waits_ms.push(delay_ms),
                _ => {}
            }
        }
    }

    /// The steps that are asked for now, taken off the list.
    fn asked(&mut self) -> Vec<String> {
        let asked = std::mem::take(&mut self.asked);
        asked.iter().map(|attempt| self.scheduler.path(attempt.instance).as_str().to_owned()).collect()
    }

    fn attempt(&self, path: &str) -> AttemptId {
        let asked = self.journal.iter().rev().find_map(|(_, event)| match event {
            Event::Started { attempt, .. } if self.scheduler.path(attempt.instance).as_str() == path => Some(*attempt),
            _ => None,
        });
        asked.unwrap_or_else(|| panic!("{path} has not begun"))
    }

    /// Writes down that everything begins that was asked for.
    fn begin(&mut self) -> Vec<String> {
        let asked = self.asked.clone();
        let names = self.asked();
        for attempt in asked {
            self.event(Event::Started { attempt, subject: None, shown: None, how: None, review: None });
        }
        names
    }

    /// Puts back everything that was asked for.
    fn defer(&mut self, until: u64) -> Vec<String> {
        let asked = self.asked.clone();
        let names = self.asked();
        for attempt in asked {
            self.event(Event::Deferred { attempt, until: Timestamp(until), reason: "usage limit".to_owned() });
        }
        names
    }

    fn pace(&mut self, slots: Option<u32>, until: Option<u64>) {
        let (runtime, reason) = ("claude".to_owned(), "slowly".to_owned());
        self.event(Event::Paced { runtime, slots, until: until.map(Timestamp), reason });
    }

    fn ok(&mut self, path: &str) {
        let attempt = self.attempt(path);
        self.event(Event::Finished { attempt, outcome: Outcome::Succeeded(Box::default()) });
    }

    fn fail(&mut self, path: &str, class: FailureClass, session: Option<&str>) {
        let (evidence, session) = (Evidence::default(), session.map(str::to_owned));
        let failure = Failure { class, reason: "it broke".to_owned(), evidence, session, usage: Usage::default() };
        let attempt = self.attempt(path);
        self.event(Event::Finished { attempt, outcome: Outcome::Failed(Box::new(failure)) });
    }

    /// Goes to the next time that something is due.
    fn wake(&mut self) -> u64 {
        self.now = self.scheduler.next_wakeup().expect("something is due").0;
        self.event(Event::TimeReached);
        self.now
    }

    fn first(&self) -> InstanceId {
        self.scheduler.instances().next().expect("a step")
    }

    fn end(&self) -> (Settled, Option<CauseKind>) {
        let end = self.scheduler.ended().expect("the run has ended");
        (end.settled, end.cause.as_ref().map(|cause| cause.kind))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut again = Scheduler::new(Arc::clone(&self.plan));
        for (at, event) in &self.journal {
            let line = serde_json::to_string(event).expect("stored");
            drop(again.step(*at, serde_json::from_str(&line).expect("read back")));
        }
        assert!(again == self.scheduler, "the replayed state is another one");
    }
}

/// Agents side by side, named a, b, c and so on.
fn agents(count: u32, tries: u32) -> Plan {
    let steps = (0..count).map(|place| {
        let retry = RetryPolicy { tries, delay_ms: 1_000, max_delay_ms: 4_000, on: RetryOn::Transient };
        let name = char::from(b'a' + u8::try_from(place).expect("few")).to_string();
        PlanStep { retry, ..step(&name, Work::Agent(agent(None))) }
    });
    plan(steps.collect(), (0..count).map(StepIx).collect())
}

const TRANSIENT: FailureClass = FailureClass::Transient { retry_after_ms: None };

#[test]
fn who_is_put_back_keeps_the_place_and_costs_nothing() {
    let mut bench = Bench::new(agents(5, 0), 3);
    assert_eq!(bench.defer(9_000), ["a", "b", "c"]);
    assert_eq!(bench.scheduler.spent().agents, 0);
    assert_eq!(bench.held, ["claude"], "told once, not for each attempt");
    assert!(bench.asked().is_empty(), "a slot that was given back is not given to others of the runtime");
    assert_eq!(bench.wake(), 9_000);
    assert_eq!(bench.begin(), ["a", "b", "c"]);
    assert_eq!(bench.scheduler.spent().agents, 3);
    bench.ok("b");
    assert_eq!(bench.begin(), ["d"]);
}

#[test]
fn nothing_of_a_held_runtime_begins_and_others_do() {
    let mut plan = agents(4, 0);
    plan.steps[2].work = Work::Agent(agent(Some("codex")));
    plan.steps[3].work = plans::run();
    let mut bench = Bench::new(plan, 2);
    assert_eq!(bench.defer(60_000), ["a", "b"]);
    assert_eq!(bench.begin(), ["c", "d"]);
    bench.ok("c");
    bench.ok("d");
    assert!(bench.asked().is_empty());
    assert!(bench.scheduler.is_moving(), "it goes on by itself");
    assert!(bench.scheduler.waiting_for().is_empty(), "no person can help");
    let parked = bench.scheduler.paces().into_iter().find(|pace| pace.until.is_some()).expect("parked");
    assert_eq!((parked.runtime.as_str(), parked.until, parked.waiting), ("claude", Some(Timestamp(60_000)), 2));
    // Waking too early changes nothing.
    bench.now = 59_999;
    bench.event(Event::TimeReached);
    assert!(bench.asked().is_empty());
    assert_eq!(bench.wake(), 60_000);
    assert_eq!(bench.begin(), ["a", "b"]);
}

#[test]
fn a_pace_bounds_holds_and_lets_go() {
    let mut bench = Bench::new(agents(6, 0), 6);
    assert_eq!(bench.defer(2_000).len(), 6);
    bench.pace(Some(2), None);
    assert_eq!(bench.begin(), ["a", "b"], "a pace without a time lets go at once");
    bench.pace(Some(1), Some(8_000));
    bench.ok("a");
    bench.ok("b");
    assert!(bench.asked().is_empty());
    assert_eq!(bench.wake(), 8_000);
    assert_eq!(bench.begin(), ["c"], "one probe");
    bench.pace(None, None);
    assert_eq!(bench.begin(), ["d", "e", "f"]);
}

#[test]
fn a_cancel_ends_those_that_wait_for_a_runtime() {
    let mut bench = Bench::new(agents(3, 0), 2);
    let (first, second) = (bench.asked[0], bench.asked[1]);
    bench.event(Event::Deferred { attempt: first, until: Timestamp(9_000), reason: "busy".to_owned() });
    bench.event(Event::CancelRequested { strength: orch::scheduler::Strength::Gentle });
    // It was asked for before the cancel and is put back after it.
    bench.event(Event::Deferred { attempt: second, until: Timestamp(9_000), reason: "busy".to_owned() });
    assert_eq!(bench.end().0, Settled::Cancelled);
    assert_eq!(bench.scheduler.spent().agents, 1, "the first only was put back before it was cancelled");
}

#[test]
fn what_does_not_fit_is_not_put_back() {
    let mut bench = Bench::new(agents(1, 0), 1);
    let attempt = bench.asked[0];
    bench.begin();
    let before = bench.journal.len();
    for number in [attempt.number, attempt.number + 1] {
        let attempt = AttemptId { number, ..attempt };
        bench.event(Event::Deferred { attempt, until: Timestamp(9_000), reason: "late".to_owned() });
    }
    assert!(bench.journal.len() > before && bench.scheduler.is_live(attempt));
    bench.ok("a");
    assert_eq!(bench.end().0, Settled::Succeeded);
}

#[test]
fn a_new_owner_keeps_to_the_time() {
    let mut bench = Bench::new(agents(2, 0), 2);
    bench.pace(Some(1), Some(50_000));
    bench.defer(50_000);
    bench.event(Event::Restarted { parallel: 2 });
    assert!(bench.scheduler.outstanding().is_empty() && bench.asked().is_empty());
    assert_eq!(bench.wake(), 50_000);
    assert_eq!(bench.begin(), ["a"]);
}

#[test]
fn what_is_broken_off_goes_on_in_its_session() {
    for (class, goes_on) in [
        (TRANSIENT, true),
        (FailureClass::Quota { until: Some(Timestamp(9_000)) }, true),
        (FailureClass::TimedOut, true),
        (FailureClass::Recoverable, false),
    ] {
        let mut bench = Bench::new(agents(1, 2), 1);
        bench.begin();
        bench.fail("a", class, Some("s1"));
        bench.wake();
        let thread = bench.scheduler.thread(bench.first(), Purpose::Work);
        assert_eq!((thread.goes_on, thread.session.is_some()), (goes_on, goes_on), "{class:?}");
        bench.begin();
        bench.ok("a");
        assert!(!bench.scheduler.thread(bench.first(), Purpose::Work).goes_on);
    }
    // After the death of its owner too, where the session was told while the attempt worked.
    let mut plan = agents(1, 0);
    plan.steps[0].recovery = orch::plan::RecoveryPolicy::Retry;
    let mut bench = Bench::new(plan, 1);
    bench.begin();
    let attempt = bench.attempt("a");
    bench.event(Event::SessionKnown { attempt, session: "s7".to_owned() });
    bench.event(Event::Restarted { parallel: 1 });
    let thread = bench.scheduler.thread(bench.first(), Purpose::Work);
    assert_eq!((thread.goes_on, thread.session), (true, Some("s7")));
}

#[test]
fn repairs_fresh_sessions_and_stalls_have_bounds_of_their_own() {
    let tried = |class: FailureClass, tries: u32| {
        let mut bench = Bench::new(agents(1, tries), 1);
        let mut begun = 0;
        while bench.scheduler.ended().is_none() {
            if bench.begin().is_empty() {
                bench.wake();
            } else {
                begun += 1;
                bench.fail("a", class, Some("s"));
            }
            assert!(begun < 20);
        }
        (begun, bench.end().1)
    };
    assert_eq!(tried(FailureClass::Invalid, 0), (3, Some(CauseKind::Step)), "repairs are no tries");
    assert_eq!(tried(FailureClass::Invalid, 5), (3, Some(CauseKind::Step)));
    assert_eq!(tried(FailureClass::Recoverable, 5), (2, Some(CauseKind::Step)));
    assert_eq!(tried(FailureClass::TimedOut, 5), (2, Some(CauseKind::TimedOut)));
    assert_eq!(tried(FailureClass::TimedOut, 0), (1, Some(CauseKind::TimedOut)));
    assert_eq!(tried(TRANSIENT, 5), (6, Some(CauseKind::Unavailable)));
    assert_eq!(tried(FailureClass::Model, 5), (1, Some(CauseKind::Step)), "there is no other model");
    assert_eq!(tried(FailureClass::Missing, 5), (1, Some(CauseKind::Missing)));
}

#[test]
fn a_repair_is_at_once_in_the_same_session_with_the_reason() {
    let mut bench = Bench::new(agents(1, 1), 1);
    bench.begin();
    bench.fail("a", FailureClass::Invalid, Some("s1"));
    assert_eq!(bench.waits_ms, [0]);
    bench.wake();
    let thread = bench.scheduler.thread(bench.first(), Purpose::Work);
    assert_eq!((thread.session, thread.feedback), (Some("s1"), Some("it broke")));
    bench.begin();
    bench.fail("a", TRANSIENT, None);
    bench.wake();
    assert_eq!(bench.begin(), ["a"], "a repair has used no try up");
}

#[test]
fn a_service_is_waited_for_as_long_as_it_asks_within_a_bound() {
    let wait = |class: FailureClass| {
        let mut bench = Bench::new(agents(1, 1), 1);
        bench.begin();
        bench.fail("a", class, None);
        assert_eq!(bench.scheduler.view(bench.first()).state, StepState::Sleeping);
        bench.waits_ms[0]
    };
    let asked = |ms| FailureClass::Transient { retry_after_ms: Some(ms) };
    assert_eq!(wait(asked(90_000)), 90_000, "longer than `max_delay`");
    assert_eq!(wait(asked(u64::MAX)), 8 * 86_400_000);
    assert_eq!(wait(FailureClass::Quota { until: Some(Timestamp(u64::MAX)) }), 8 * 86_400_000);
    assert_eq!(wait(FailureClass::Quota { until: Some(Timestamp(5)) }), 0);
    assert!(wait(TRANSIENT) < 1_000);
}

#[test]
fn models_are_tried_one_after_the_other() {
    let chained = |classes: &[FailureClass]| {
        let mut plan = agents(1, 5);
        let chain = ModelChain::new(["opus", "sonnet", "haiku"].map(str::to_owned).to_vec());
        plan.models.insert("strategic".to_owned(), [("claude".to_owned(), chain)].into());
        if let Work::Agent(agent) = &mut plan.steps[0].work {
            agent.model = Some("strategic".to_owned());
        }
        let mut bench = Bench::new(plan, 1);
        let mut models = Vec::new();
        for class in classes {
            bench.begin();
            models.push(bench.scheduler.model(bench.first(), Purpose::Work).expect("a model").to_owned());
            bench.fail("a", *class, Some("s"));
            if bench.scheduler.ended().is_none() {
                bench.wake();
            }
        }
        (models.join(" "), bench.waits_ms.clone(), bench.scheduler.ended().is_some())
    };
    let quota = FailureClass::Quota { until: Some(Timestamp(3_600_000)) };
    let (models, waits, ended) = chained(&[FailureClass::Model, FailureClass::Model, FailureClass::Model]);
    assert_eq!((models.as_str(), waits, ended), ("opus sonnet haiku", vec![0, 0], true));
    let (models, waits, _) = chained(&[quota, quota, quota]);
    assert_eq!((models.as_str(), &waits[..2]), ("opus sonnet haiku", &[0, 0][..]));
    assert!(waits[2] > 3_000_000, "the last model's quota is waited for: {waits:?}");
    let (models, ..) = chained(&[TRANSIENT, TRANSIENT, TRANSIENT]);
    assert_eq!(models, "opus opus sonnet", "once may be chance");
}

#[test]
fn who_goes_on_spending_after_the_limit_is_killed_at_the_second_report_however_quick() {
    let mut plan = agents(2, 0);
    plan.budget.tokens = Some(100);
    let mut bench = Bench::new(plan, 2);
    bench.begin();
    let [deaf, other] = ["a", "b"].map(|path| bench.attempt(path));
    let usage = Usage { output_tokens: 100, ..Usage::default() };
    let spent = |attempt| Event::Spent { attempt, usage, model: None };
    let kills = |bench: &mut Bench, attempt| {
        bench.now += 1;
        let (now, event) = (Timestamp(bench.now), spent(attempt));
        bench.journal.push((now, event.clone()));
        let actions = bench.scheduler.step(now, event);
        let hard = |action: &&Action| matches!(action, Action::Stop { attempt: at, strength: orch::scheduler::Strength::Hard } if *at == attempt);
        actions.iter().filter(hard).count()
    };
    // The one over the limit, the one on its way, and no more.
    assert_eq!([kills(&mut bench, deaf), kills(&mut bench, deaf), kills(&mut bench, deaf)], [0, 0, 1]);
    assert_eq!([kills(&mut bench, other), kills(&mut bench, other)], [0, 1]);
}

#[test]
fn people_are_told_since_when_an_attempt_waited_and_when_its_runtime_took_nothing() {
    let mut bench = Bench::new(agents(2, 0), 2);
    bench.now = 1_500;
    assert_eq!(bench.defer(9_000).len(), 2);
    let told = |bench: &Bench| -> Vec<(u64, u64)> {
        bench.scheduler.pauses().iter().map(|pause| (pause.from.0, pause.until.0)).collect()
    };
    assert_eq!(told(&bench), [(1_500, 9_000)], "one pause, however many it keeps waiting");
    bench.now = 4_000;
    bench.pace(None, None);
    assert_eq!(told(&bench), [(1_500, 4_000)], "it ended when the runtime was let go");
    bench.now = 4_200;
    bench.begin();
    let first = bench.attempt("a");
    let record = &bench.scheduler.view(first.instance).history[0];
    assert_eq!((record.ready, record.started), (Timestamp(1_000), Timestamp(4_200)), "in line since it was ready");
    assert_eq!(bench.scheduler.ready_since(first.instance), None);
    bench.now = 5_000;
    bench.fail("a", FailureClass::Quota { until: Some(Timestamp(8_000)) }, None);
    assert!(told(&bench).len() <= 2);
}
