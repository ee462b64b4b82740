//! The rules of the scheduler, one small case each. Every case runs live and is then replayed from its stored journal,
//! and both must end in the same state.

#[path = "simulation/plans.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod plans;
#[path = "simulation/rng.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod rng;

use std::sync::Arc;

use orch::{
    base::{Digest, Envelope, Evidence, Failure, FailureClass, Judgement, Outcome, RunId, Timestamp, Usage, Verdict},
    definition::workflow::{Join, OnFailure, OnLimit, OnMax, RetryOn, ThenFail},
    plan::{
        EachWork, EdgeKind, JudgeWork, Need, Plan, PlanGate, PlanStep, RecoveryPolicy, RetryPolicy, StepIx, ValueText,
        Work,
    },
    scheduler::{
        Action, Answer, AttemptId, CauseKind, Comment, Decision, Evaluation, Event, Notice, PUSHBACKS_MAX, Purpose,
        RunEnd, Scheduler, Settled, Side, Site, StepState, Strength, WaitingFor,
    },
};
use plans::{agent, plan, run, step, text};
use serde_json::{Value, json};

/// A driver in small: it writes down each start, answers each expression, and keeps what it has appended.
struct Bench {
    plan: Arc<Plan>,
    scheduler: Scheduler,
    now: u64,
    journal: Vec<String>,
    live: Vec<(AttemptId, Purpose)>,
    stops: Vec<(AttemptId, Strength)>,
    waits_ms: Vec<u64>,
    values: fn(Site) -> Value,
}

impl Bench {
    fn of(plan: Plan) -> Self {
        Self::with(plan, 8, value)
    }

    fn with(plan: Plan, parallel: u32, values: fn(Site) -> Value) -> Self {
        let plan = Arc::new(plan);
        let mut bench = Self {
            scheduler: Scheduler::new(Arc::clone(&plan)),
            plan,
            now: 1_000,
            journal: Vec::new(),
            live: Vec::new(),
            stops: Vec::new(),
            waits_ms: Vec::new(),
            values,
        };
        bench.event(Event::RunStarted {
            run: RunId::from_random([0; 5]),
            inputs: serde_json::Map::new(),
            seed: 7,
            parallel,
            runtime: "claude".to_owned(),
            replayed: vec!["codex".to_owned()],
        });
        bench
    }

    fn event(&mut self, event: Event) -> usize {
        let mut queue = std::collections::VecDeque::from([event]);
        let mut actions_seen = 0;
        while let Some(event) = queue.pop_front() {
            self.journal.push(serde_json::to_string(&(self.now, &event)).expect("events have a stored form"));
            let begun = match &event {
                Event::Started { attempt, .. } => Some(*attempt),
                _ => None,
            };
            let actions = self.scheduler.step(Timestamp(self.now), event);
            if let Some(attempt) = begun {
                self.live.retain(|(other, _)| *other != attempt || self.scheduler.is_live(attempt));
            }
            actions_seen += actions.len();
            for action in actions {
                match action {
                    Action::Evaluate { site } => {
                        let result = Evaluation::Value((self.values)(site));
                        queue.push_back(Event::Evaluated { site, result });
                    }
                    Action::Start { attempt, purpose } => {
                        self.live.push((attempt, purpose));
                        queue.push_back(started(&self.scheduler, attempt, purpose));
                    }
                    Action::Stop { attempt, strength } => self.stops.push((attempt, strength)),
                    Action::Notice(Notice::Retrying { delay_ms, .. }) => self.waits_ms.push(delay_ms),
                    Action::Notice(_) => {}
                }
            }
        }
        actions_seen
    }

    /// The current attempt of a step.
    fn attempt(&self, path: &str) -> AttemptId {
        let live = self.live.iter().rev().find(|(attempt, _)| {
            self.scheduler.path(attempt.instance).as_str() == path && self.scheduler.is_live(*attempt)
        });
        live.unwrap_or_else(|| panic!("nothing runs at {path}; {:?} do", self.running())).0
    }

    fn report(&mut self, path: &str, outcome: Outcome) -> usize {
        let attempt = self.attempt(path);
        self.live.retain(|(other, _)| *other != attempt);
        self.event(Event::Finished { attempt, outcome })
    }

    fn ok(&mut self, path: &str) {
        self.report(path, Outcome::Succeeded(Box::default()));
    }

    fn fail(&mut self, path: &str, class: FailureClass) {
        self.report(path, failure(class, None));
    }

    fn judge(&mut self, path: &str, verdict: Verdict) {
        let judged = Judgement { verdict, reason: "looked at".to_owned(), evidence: Evidence::default() };
        self.report(path, Outcome::Judged(Box::new(judged)));
    }

    fn decide(&mut self, path: &str, yes: bool) {
        let attempt = self.attempt(path);
        let subject = self.scheduler.question(attempt.instance).expect("a question is asked").subject.clone();
        self.event(Event::Decided { attempt, subject, decision: decision(yes), by: "ann".to_owned(), mark: None });
    }

    fn answer(&mut self, path: &str, answer: Answer) {
        let instance = self.scheduler.waiting_for().iter().find_map(|waiting| match waiting {
            WaitingFor::Outcome { instance, step } if step.as_str() == path => Some(*instance),
            _ => None,
        });
        let instance = instance.expect("a person must say how it ended");
        self.event(Event::Answered { instance, answer, by: "ann".to_owned() });
    }

    /// Goes to the next time that the scheduler names.
    fn wake(&mut self) {
        self.now = self.scheduler.next_wakeup().expect("something waits for a time").0;
        self.event(Event::TimeReached);
    }

    fn cancel(&mut self, strength: Strength) {
        self.event(Event::CancelRequested { strength });
    }

    fn restart(&mut self) {
        self.live.retain(|(attempt, _)| self.scheduler.question(attempt.instance).is_some());
        self.event(Event::Restarted { parallel: 8 });
    }

    fn running(&self) -> Vec<String> {
        let live = self.live.iter().filter(|(attempt, _)| self.scheduler.is_live(*attempt));
        live.map(|(attempt, purpose)| match purpose {
            Purpose::Work => self.scheduler.path(attempt.instance).to_string(),
            other => format!("{} {other:?}", self.scheduler.path(attempt.instance)),
        })
        .collect()
    }

    fn state(&self, path: &str) -> StepState {
        let views = self.scheduler.views();
        views.iter().rev().find(|view| view.path.as_str() == path).expect("the step exists").state
    }

    fn end(&self) -> &RunEnd {
        self.scheduler.ended().unwrap_or_else(|| panic!("the run goes on with {:?}", self.running()))
    }

    fn ended(&self) -> (Settled, Option<CauseKind>) {
        (self.end().settled, self.end().cause.as_ref().map(|cause| cause.kind))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut again = Scheduler::new(Arc::clone(&self.plan));
        for line in &self.journal {
            let (at, event) = serde_json::from_str(line).expect("a stored event can be read");
            again.step(Timestamp(at), event);
        }
        assert!(again == self.scheduler, "the replayed state differs");
    }
}

fn started(scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> Event {
    let shown = scheduler.asks_person(attempt.instance, purpose).then(|| format!("{attempt}?"));
    let subject = shown.as_ref().map(|shown| Digest::of(shown.as_bytes()));
    Event::Started { attempt, subject, shown, how: None, review: None }
}

fn value(site: Site) -> Value {
    match site {
        Site::When(_) => json!(true),
        Site::Until(_) => json!(false),
        Site::Items(_) => json!([["a", 1], ["b", 2], ["c", 3]]),
        Site::CallInputs(_) | Site::CallOutputs(_) | Site::RunOutputs => json!({ "x": 1 }),
        Site::StopText(_) => json!("enough"),
    }
}

fn failure(class: FailureClass, exit: Option<i32>) -> Outcome {
    let evidence = Evidence { exit, ..Evidence::default() };
    let usage = Usage::default();
    Outcome::Failed(Box::new(Failure { class, reason: "it broke".to_owned(), evidence, session: None, usage }))
}

fn decision(yes: bool) -> Decision {
    if yes {
        Decision::Approve { fields: json!({ "name": "x" }), comment: String::new() }
    } else {
        Decision::Reject { comment: "no".to_owned(), is_final: true }
    }
}

fn need(step: u32) -> Need {
    Need { step: StepIx(step), edge: EdgeKind::Declared, reads: false }
}

fn reads(step: u32) -> Need {
    Need { reads: true, ..need(step) }
}

/// Steps at the top level, in the order given.
fn flat(steps: Vec<PlanStep>) -> Plan {
    let roots = (0..steps.len() as u32).map(StepIx).collect();
    plan(steps, roots)
}

/// A container at the top with these children.
fn inside(container: impl FnOnce(Vec<StepIx>) -> PlanStep, children: Vec<PlanStep>) -> Plan {
    let places = (1..=children.len() as u32).map(StepIx).collect();
    let mut steps = vec![container(places)];
    for mut child in children {
        child.parent = Some(StepIx(0));
        steps.push(child);
    }
    plan(steps, vec![StepIx(0)])
}

fn parallel(max_parallel: Option<u32>) -> impl FnOnce(Vec<StepIx>) -> PlanStep {
    move |children| step("p", Work::Parallel { children, max_parallel })
}

fn each(max_parallel: Option<u32>, on_failure: OnFailure) -> impl FnOnce(Vec<StepIx>) -> PlanStep {
    move |children| PlanStep {
        on_failure,
        ..step(
            "e",
            Work::Each(EachWork {
                items: text("list"),
                binding: "item".to_owned(),
                key: None,
                max_parallel,
                max_items: 3,
                batch: None,
                children,
            }),
        )
    }
}

fn repeat(max: u32, until: bool, on_max: OnMax) -> impl FnOnce(Vec<StepIx>) -> PlanStep {
    move |children| step("l", Work::Loop { max, until: until.then(|| text("done")), on_max, children })
}

fn gate() -> PlanGate {
    PlanGate::Check { expression: text("ok"), from: None }
}

fn gated(id: &str, tries: u32, then: ThenFail) -> PlanStep {
    let mut made = step(id, Work::Agent(agent(None)));
    made.gates = vec![gate()];
    made.on_gate_fail.tries = tries;
    made.on_gate_fail.feedback = true;
    made.on_gate_fail.then = then;
    made
}

const PERMANENT: FailureClass = FailureClass::Permanent;
const TRANSIENT: FailureClass = FailureClass::Transient { retry_after_ms: None };

// ---- joins and skips

#[test]
fn a_step_waits_for_all_that_it_needs() {
    let c = PlanStep { needs: vec![need(0), need(1)], ..step("c", run()) };
    let mut bench = Bench::of(flat(vec![step("a", run()), step("b", run()), c]));
    assert_eq!(bench.running(), ["a", "b"]);
    bench.ok("a");
    assert_eq!(bench.running(), ["b"]);
    bench.ok("b");
    assert_eq!(bench.running(), ["c"]);
    bench.ok("c");
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn any_starts_at_the_first_success_and_at_least_counts() {
    let any = PlanStep { needs: vec![need(0), need(1)], join: Join::Any, ..step("any", run()) };
    let two = PlanStep { needs: vec![need(0), need(1)], join: Join::AtLeast(2), ..step("two", run()) };
    let mut bench = Bench::of(flat(vec![step("a", run()), step("b", run()), any, two]));
    bench.ok("b");
    assert_eq!(bench.running(), ["a", "any"]);
    bench.ok("a");
    assert_eq!(bench.running(), ["any", "two"]);
}

#[test]
fn any_survives_a_failure_where_the_body_goes_on() {
    let any = PlanStep { needs: vec![need(0), need(1)], join: Join::Any, ..step("any", run()) };
    let mut made = flat(vec![step("a", run()), step("b", run()), any]);
    made.on_failure = OnFailure::Continue;
    let mut bench = Bench::of(made);
    bench.fail("a", PERMANENT);
    bench.ok("b");
    assert_eq!(bench.running(), ["any"]);
    bench.ok("any");
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Step)));
}

#[test]
fn a_skip_spreads_only_along_values_that_are_read() {
    let a = PlanStep { when: Some(text("no")), ..step("a", run()) };
    let reader = PlanStep { needs: vec![reads(0)], ..step("reader", run()) };
    let waiter = PlanStep { needs: vec![need(0)], ..step("waiter", run()) };
    let mut bench = Bench::with(flat(vec![a, reader, waiter]), 8, |_| json!(false));
    assert_eq!((bench.state("a"), bench.state("reader")), (StepState::Skipped, StepState::Skipped));
    assert_eq!(bench.running(), ["waiter"]);
    bench.ok("waiter");
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn an_optional_failure_lets_the_run_go_on() {
    let a = PlanStep { optional: true, ..step("a", run()) };
    let b = PlanStep { needs: vec![need(0)], ..step("b", run()) };
    let mut bench = Bench::of(flat(vec![a, b]));
    bench.fail("a", PERMANENT);
    bench.ok("b");
    assert_eq!((bench.state("a"), bench.ended()), (StepState::Failed, (Settled::Succeeded, None)));
}

// ---- what a failure does to the siblings

#[test]
fn drain_lets_running_steps_finish_and_starts_nothing() {
    let c = PlanStep { needs: vec![need(1)], ..step("c", run()) };
    let mut bench = Bench::of(flat(vec![step("a", run()), step("b", run()), c]));
    bench.fail("a", PERMANENT);
    assert!(bench.stops.is_empty());
    bench.ok("b");
    assert_eq!((bench.state("b"), bench.state("c")), (StepState::Succeeded, StepState::Cancelled));
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Step)));
}

#[test]
fn drain_still_judges_the_work_that_was_done() {
    let mut bench = Bench::of(flat(vec![step("a", run()), gated("b", 2, ThenFail::Ask)]));
    bench.fail("a", PERMANENT);
    bench.ok("b");
    assert_eq!(bench.running(), ["b Gate(0)"]);
    bench.judge("b", Verdict::Fail);
    assert_eq!(bench.state("b"), StepState::Failed, "no second round, and nobody is asked");
}

#[test]
fn fail_fast_stops_what_runs() {
    let mut made = flat(vec![step("a", run()), step("b", run())]);
    made.on_failure = OnFailure::FailFast;
    let mut bench = Bench::of(made);
    let b = bench.attempt("b");
    bench.fail("a", PERMANENT);
    assert_eq!(bench.stops, [(b, Strength::Gentle)]);
    bench.report("b", Outcome::Stopped);
    assert_eq!((bench.state("b"), bench.ended().0), (StepState::Cancelled, Settled::Failed));
}

#[test]
fn continue_goes_on_with_what_does_not_need_it() {
    let c = PlanStep { needs: vec![need(0)], ..step("c", run()) };
    let d = PlanStep { needs: vec![need(1)], ..step("d", run()) };
    let mut made = flat(vec![step("a", run()), step("b", run()), c, d]);
    made.on_failure = OnFailure::Continue;
    let mut bench = Bench::of(made);
    bench.fail("a", PERMANENT);
    bench.ok("b");
    assert_eq!((bench.running(), bench.state("c")), (vec!["d".to_owned()], StepState::Cancelled));
}

// ---- slots and containers

#[test]
fn slots_are_never_exceeded_and_begun_work_goes_first() {
    let mut a = step("a", run());
    a.gates = vec![PlanGate::Run {
        command: orch::plan::Command::Shell("true".to_owned()),
        expect: None,
        timeout_ms: 1,
        from: None,
    }];
    let mut bench = Bench::with(flat(vec![a, step("b", run()), step("c", run())]), 1, value);
    assert_eq!(bench.running(), ["a"]);
    bench.ok("a");
    assert_eq!(bench.running(), ["a Gate(0)"]);
    bench.judge("a", Verdict::Pass);
    assert_eq!(bench.running(), ["b"]);
}

#[test]
fn a_runtime_has_its_own_bound() {
    let claude = || Work::Agent(agent(Some("claude")));
    let codex = || Work::Agent(agent(Some("codex")));
    let mut made = flat(vec![step("a", claude()), step("b", claude()), step("c", codex()), step("d", run())]);
    made.limits.per_runtime.insert("claude".to_owned(), 1);
    assert_eq!(Bench::of(made).running(), ["a", "c", "d"]);
}

#[test]
fn max_parallel_bounds_the_children() {
    let mut bench = Bench::of(inside(parallel(Some(2)), vec![step("a", run()), step("b", run()), step("c", run())]));
    assert_eq!(bench.running(), ["p/a", "p/b"]);
    bench.ok("p/b");
    assert_eq!(bench.running(), ["p/a", "p/c"]);
}

#[test]
fn max_parallel_of_nothing_still_moves() {
    assert_eq!(Bench::of(inside(parallel(Some(0)), vec![step("a", run()), step("b", run())])).running(), ["p/a"]);
    assert_eq!(Bench::of(inside(each(Some(0), OnFailure::Drain), vec![step("a", run())])).running(), ["e[a]/a"]);
}

#[test]
fn items_run_side_by_side_within_their_bound() {
    let mut bench = Bench::of(inside(each(Some(2), OnFailure::Drain), vec![step("a", run())]));
    assert_eq!(bench.running(), ["e[a]/a", "e[b]/a"]);
    bench.fail("e[a]/a", PERMANENT);
    bench.ok("e[b]/a");
    assert_eq!(bench.ended().0, Settled::Failed, "no third item after a failure");
}

#[test]
fn no_item_begins_once_a_step_of_another_has_failed() {
    let body = vec![step("a", run()), step("b", run())];
    let mut bench = Bench::of(inside(each(Some(2), OnFailure::Drain), body));
    bench.fail("e[a]/a", PERMANENT);
    bench.ok("e[b]/a");
    bench.ok("e[b]/b");
    assert_eq!(bench.running(), ["e[a]/b"], "the item that fails has not ended, and no third one begins");
}

#[test]
fn items_go_on_after_a_failure_where_the_step_says_so() {
    let mut bench = Bench::of(inside(each(Some(1), OnFailure::Continue), vec![step("a", run())]));
    bench.fail("e[a]/a", PERMANENT);
    bench.ok("e[b]/a");
    bench.ok("e[c]/a");
    assert_eq!((bench.state("e"), bench.state("e[c]/a")), (StepState::Failed, StepState::Succeeded));
}

#[test]
fn too_many_items_and_equal_keys_are_faults() {
    let items = |list: fn(Site) -> Value| {
        Bench::with(inside(each(None, OnFailure::Drain), vec![step("a", run())]), 8, list).ended().1
    };
    assert_eq!(items(|_| json!([["a", 1], ["b", 1], ["c", 1], ["d", 1]])), Some(CauseKind::Evaluation));
    assert_eq!(items(|_| json!([["a", 1], ["a", 2]])), Some(CauseKind::Evaluation));
    assert_eq!(items(|_| json!([])), None);
}

#[test]
fn a_loop_ends_when_its_condition_holds() {
    let mut bench = Bench::with(inside(repeat(3, true, OnMax::Fail), vec![step("a", run())]), 8, |_| json!(true));
    bench.ok("l#1/a");
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn a_loop_runs_no_more_than_its_iterations() {
    for (on_max, settled) in [(OnMax::Fail, Settled::Failed), (OnMax::Continue, Settled::Succeeded)] {
        let mut bench = Bench::of(inside(repeat(2, true, on_max), vec![step("a", run())]));
        bench.ok("l#1/a");
        bench.ok("l#2/a");
        assert_eq!(bench.ended().0, settled);
    }
}

#[test]
fn a_called_workflow_has_inputs_and_outputs() {
    let call = |children| {
        let outputs = vec![("x".to_owned(), ValueText { value: Value::Null, reads: Vec::new() })];
        step("c", Work::Call { workflow: "w".to_owned(), inputs: Vec::new(), children, outputs })
    };
    let mut bench = Bench::of(inside(call, vec![step("a", run())]));
    bench.ok("c/a");
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
    let call = bench.scheduler.instances().next().expect("the call");
    assert_eq!(bench.scheduler.envelope(call).map(|envelope| envelope.output.clone()), Some(json!({ "x": 1 })));
}

#[test]
fn the_run_has_outputs() {
    let mut made = flat(vec![step("a", run())]);
    made.outputs = vec![("x".to_owned(), ValueText { value: Value::Null, reads: Vec::new() })];
    let mut bench = Bench::of(made);
    bench.ok("a");
    assert_eq!(Value::Object(bench.end().outputs.clone()), json!({ "x": 1 }));
}

#[test]
fn a_container_that_takes_too_long_fails_after_its_children_end() {
    let slow = |children| PlanStep { timeout_ms: Some(5_000), ..parallel(None)(children) };
    let optional = PlanStep { optional: true, ..step("a", run()) };
    let mut bench = Bench::of(inside(slow, vec![optional]));
    bench.wake();
    assert_eq!((bench.stops.len(), bench.state("p")), (1, StepState::Running));
    bench.report("p/a", Outcome::Stopped);
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::TimedOut)));
}

// ---- gates and people

#[test]
fn a_failed_gate_goes_back_with_its_evidence_so_many_times() {
    let mut bench = Bench::of(flat(vec![gated("a", 1, ThenFail::Fail)]));
    bench.ok("a");
    bench.judge("a", Verdict::Fail);
    assert_eq!(bench.running(), ["a"]);
    let instance = bench.attempt("a").instance;
    let feedback = bench.scheduler.thread(instance, Purpose::Work).feedback.map(str::to_owned);
    assert!(feedback.is_some_and(|text| text.contains("looked at")));
    bench.ok("a");
    bench.judge("a", Verdict::Fail);
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Gate)));
}

#[test]
fn an_error_of_a_gate_is_no_pass_and_no_second_round() {
    let mut bench = Bench::of(flat(vec![gated("a", 3, ThenFail::Fail)]));
    bench.ok("a");
    bench.judge("a", Verdict::Error);
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Gate)));
}

#[test]
fn a_fixer_gets_the_evidence_and_then_the_step_runs_again() {
    let mut a = gated("a", 1, ThenFail::Fail);
    a.on_gate_fail.fixer = Some(agent(Some("codex")));
    let mut bench = Bench::of(flat(vec![a]));
    bench.ok("a");
    bench.judge("a", Verdict::Fail);
    assert_eq!(bench.running(), ["a Fix"]);
    bench.ok("a");
    assert_eq!(bench.running(), ["a"]);
}

#[test]
fn a_person_takes_a_step_as_it_is_or_not() {
    for (yes, ended) in [(true, (Settled::Succeeded, None)), (false, (Settled::Failed, Some(CauseKind::Rejected)))] {
        let mut bench = Bench::of(flat(vec![gated("a", 0, ThenFail::Ask)]));
        bench.ok("a");
        bench.judge("a", Verdict::Fail);
        assert_eq!(bench.running(), ["a Override"]);
        bench.decide("a", yes);
        assert_eq!(bench.ended(), ended);
    }
}

#[test]
fn a_decision_counts_once_for_its_attempt_and_its_text() {
    let ask = PlanStep { gates: vec![PlanGate::Approve { text: text("good?"), from: None }], ..step("a", run()) };
    let mut bench = Bench::of(flat(vec![ask]));
    bench.ok("a");
    let attempt = bench.attempt("a");
    let subject = Digest::of(format!("{attempt}?").as_bytes());
    let say = |attempt, subject| Event::Decided {
        attempt,
        subject,
        decision: decision(true),
        by: "ann".to_owned(),
        mark: None,
    };
    assert_eq!(bench.event(say(attempt, Digest::of(b"another text"))), 0);
    assert_eq!(bench.event(say(AttemptId { number: 1, ..attempt }, subject.clone())), 0);
    assert!(bench.event(say(attempt, subject.clone())) > 0);
    assert_eq!(bench.event(say(attempt, subject)), 0);
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn a_pushback_takes_no_try_and_begins_them_anew() {
    let gates = vec![
        PlanGate::Check { expression: text("ok"), from: None },
        PlanGate::Approve { text: text("good?"), from: None },
    ];
    let ask = PlanStep { gates, ..gated("a", 1, ThenFail::Fail) };
    let mut bench = Bench::of(flat(vec![ask]));
    let comment = |said: &str| Comment {
        path: "src/a.rs".to_owned(),
        lines: Some((3, 4)),
        side: Side::New,
        quoted: String::new(),
        text: said.to_owned(),
    };
    for round in 1..=PUSHBACKS_MAX + 1 {
        // The one try of the gate is there in each round.
        bench.ok("a");
        bench.judge("a", Verdict::Fail);
        bench.ok("a");
        bench.judge("a", Verdict::Pass);
        assert_eq!(bench.running(), ["a Gate(1)"], "round {round}");
        let attempt = bench.attempt("a");
        let subject = Digest::of(format!("{attempt}?").as_bytes());
        let decision = Decision::Pushback { comments: vec![comment("shorter"), comment("simpler")] };
        let led = bench.event(Event::Decided { attempt, subject, decision, by: "ann".to_owned(), mark: None });
        assert_eq!(led > 0, round <= PUSHBACKS_MAX, "round {round}");
        if round <= PUSHBACKS_MAX {
            let thread = bench.scheduler.thread(attempt.instance, Purpose::Work);
            assert_eq!(thread.feedback, Some("pushed back by ann:\n- src/a.rs:3-4: shorter\n- src/a.rs:3-4: simpler"));
            assert_eq!(thread.comments.map(<[_]>::len), Some(2));
        }
    }
    bench.decide("a", true);
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn a_no_of_before_there_were_pushbacks_still_goes_back_while_tries_are_left() {
    for (is_final, running) in [(false, vec!["a"]), (true, vec![])] {
        let gates = vec![PlanGate::Approve { text: text("good?"), from: None }];
        let ask = PlanStep { gates, ..gated("a", 1, ThenFail::Ask) };
        let mut bench = Bench::of(flat(vec![ask]));
        bench.ok("a");
        let attempt = bench.attempt("a");
        let subject = Digest::of(format!("{attempt}?").as_bytes());
        let decision = Decision::Reject { comment: "no".to_owned(), is_final };
        bench.event(Event::Decided { attempt, subject, decision, by: "ann".to_owned(), mark: None });
        assert_eq!(bench.running(), running);
    }
}

/// What was said about a container's old work says nothing about its new work.
#[test]
fn approvals_inside_a_container_do_not_count_for_its_next_round() {
    let gates = vec![PlanGate::Approve { text: text("good?"), from: None }];
    let child = PlanStep { gates, ..gated("c", 0, ThenFail::Fail) };
    let container = |children| {
        let mut around = parallel(None)(children);
        around.gates = vec![PlanGate::Check { expression: text("ok"), from: None }];
        around.on_gate_fail.tries = 1;
        around
    };
    let mut bench = Bench::of(inside(container, vec![child]));
    bench.ok("p/c");
    let old = bench.attempt("p/c");
    bench.decide("p/c", true);
    bench.judge("p", Verdict::Fail);
    bench.ok("p/c");
    assert_eq!(bench.running(), ["p/c Gate(0)"], "the new work is asked about");
    let subject = Digest::of(format!("{old}?").as_bytes());
    let again = Event::Decided { attempt: old, subject, decision: decision(true), by: "ann".to_owned(), mark: None };
    assert_eq!(bench.event(again), 0, "a second click on the old question");
    bench.decide("p/c", true);
    bench.judge("p", Verdict::Pass);
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn a_question_survives_a_restart_and_holds_no_slot() {
    let approve = step("a", Work::Approve { text: text("go on?") });
    let mut bench = Bench::with(flat(vec![approve, step("b", run())]), 1, value);
    assert_eq!(bench.running(), ["a", "b"]);
    bench.restart();
    bench.decide("a", true);
    assert_eq!(bench.state("a"), StepState::Succeeded);
}

#[test]
fn a_question_that_cannot_be_put_fails() {
    let mut bench = Bench::of(flat(vec![step("b", run())]));
    bench.ok("b");
    let ask = step("a", Work::Ask { text: text("which?") });
    let mut scheduler = Scheduler::new(Arc::new(flat(vec![ask])));
    let event = |line: &str| serde_json::from_str::<(u64, Event)>(line).expect("stored").1;
    scheduler.step(Timestamp(1), event(&bench.journal[0]));
    let attempt = AttemptId { instance: scheduler.instances().next().expect("the step"), number: 1 };
    scheduler.step(Timestamp(2), Event::Started { attempt, subject: None, shown: None, how: None, review: None });
    scheduler.step(Timestamp(3), Event::Finished { attempt, outcome: failure(PERMANENT, None) });
    assert_eq!(scheduler.ended().map(|end| end.settled), Some(Settled::Failed));
}

// ---- tries, restarts, unknown outcomes

#[test]
fn tries_wait_longer_each_time_and_end() {
    let retry = RetryPolicy { tries: 3, delay_ms: 1_000, max_delay_ms: 3_000, on: RetryOn::Transient };
    let mut bench = Bench::of(flat(vec![PlanStep { retry, ..step("a", run()) }]));
    for _ in 0..3 {
        bench.fail("a", TRANSIENT);
        assert_eq!(bench.state("a"), StepState::Sleeping);
        bench.wake();
    }
    let ceilings = [1_000, 2_000, 3_000];
    assert!(bench.waits_ms.iter().zip(ceilings).all(|(wait, most)| *wait < most), "{:?}", bench.waits_ms);
    bench.fail("a", TRANSIENT);
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Unavailable)));
}

#[test]
fn a_service_says_how_long_to_wait() {
    let retry = RetryPolicy { tries: 1, delay_ms: 1, max_delay_ms: 1, on: RetryOn::Transient };
    let mut bench = Bench::of(flat(vec![PlanStep { retry, ..step("a", run()) }]));
    bench.fail("a", FailureClass::Quota { until: Some(Timestamp(91_000)) });
    assert_eq!(bench.scheduler.next_wakeup(), Some(Timestamp(91_000)));
}

#[test]
fn only_failures_that_may_go_away_are_tried_again() {
    for (class, on, again) in [
        (PERMANENT, RetryOn::Transient, false),
        (PERMANENT, RetryOn::Any, true),
        (FailureClass::TimedOut, RetryOn::Transient, false),
        (FailureClass::Missing, RetryOn::Any, false),
        (FailureClass::Recoverable, RetryOn::Transient, true),
    ] {
        let retry = RetryPolicy { tries: 1, delay_ms: 1, max_delay_ms: 1, on };
        let mut bench = Bench::of(flat(vec![PlanStep { retry, ..step("a", run()) }]));
        bench.fail("a", class);
        assert_eq!(bench.scheduler.ended().is_none(), again, "{class:?} {on:?}");
    }
}

#[test]
fn a_restart_follows_each_recovery_policy() {
    let after = |recovery: RecoveryPolicy, work: Work| {
        let mut bench = Bench::of(flat(vec![PlanStep { recovery, ..step("a", work) }]));
        bench.restart();
        bench.running()
    };
    assert_eq!(after(RecoveryPolicy::Retry, run()), ["a"]);
    assert_eq!(after(RecoveryPolicy::Idempotent, run()), ["a"]);
    assert_eq!(after(RecoveryPolicy::Manual, run()), Vec::<String>::new());
    assert_eq!(after(RecoveryPolicy::Reconcile("look".to_owned()), run()), ["a Reconcile"]);
    assert_eq!(after(RecoveryPolicy::Agent, Work::Agent(agent(None))), Vec::<String>::new());
    assert_eq!(after(RecoveryPolicy::Agent, Work::Agent(agent(Some("codex")))), ["a"]);
}

#[test]
fn reconcile_says_done_again_or_ask() {
    let reconciled = |outcome: Outcome| {
        let recovery = RecoveryPolicy::Reconcile("look".to_owned());
        let mut bench = Bench::of(flat(vec![PlanStep { recovery, ..step("a", run()) }]));
        bench.restart();
        bench.report("a", outcome);
        (bench.state("a"), bench.running())
    };
    let judged = |verdict| {
        let (reason, evidence) = (String::new(), Evidence::default());
        Outcome::Judged(Box::new(Judgement { verdict, reason, evidence }))
    };
    assert_eq!(reconciled(judged(Verdict::Pass)), (StepState::Succeeded, vec![]));
    assert_eq!(reconciled(judged(Verdict::Fail)), (StepState::Running, vec!["a".to_owned()]));
    assert_eq!(reconciled(judged(Verdict::Error)), (StepState::Unknown, vec![]));
    assert_eq!(reconciled(Outcome::Succeeded(Box::default())), (StepState::Unknown, vec![]));
}

#[test]
fn a_person_says_how_an_unknown_attempt_ended() {
    for (answer, state) in
        [(Answer::Retry, StepState::Running), (Answer::Done, StepState::Succeeded), (Answer::Failed, StepState::Failed)]
    {
        let mut bench = Bench::of(flat(vec![PlanStep { recovery: RecoveryPolicy::Manual, ..step("a", run()) }]));
        bench.restart();
        bench.answer("a", answer);
        assert_eq!(bench.state("a"), state);
    }
}

#[test]
fn done_is_judged_all_the_same() {
    let mut bench =
        Bench::of(flat(vec![PlanStep { recovery: RecoveryPolicy::Manual, ..gated("a", 0, ThenFail::Fail) }]));
    bench.restart();
    bench.answer("a", Answer::Done);
    assert_eq!(bench.running(), ["a Gate(0)"]);
}

#[test]
fn what_is_lost_again_and_again_is_not_run_without_end() {
    let mut bench = Bench::of(flat(vec![step("a", run())]));
    for _ in 0..3 {
        bench.report("a", Outcome::Lost);
    }
    bench.report("a", Outcome::Lost);
    assert_eq!((bench.state("a"), bench.running()), (StepState::Unknown, vec![]));
}

#[test]
fn an_attempt_that_never_reports_is_killed_and_lost() {
    let mut bench = Bench::of(flat(vec![PlanStep { timeout_ms: Some(1_000), ..step("a", run()) }]));
    let first = bench.attempt("a");
    bench.wake();
    assert_eq!((bench.now, bench.stops.clone()), (1_000 + 1_000 + 90_000, vec![(first, Strength::Hard)]));
    assert_eq!(bench.attempt("a").number, 2);
    assert_eq!(bench.event(Event::Finished { attempt: first, outcome: Outcome::Succeeded(Box::default()) }), 0);
}

#[test]
fn a_new_owner_with_fewer_slots_starts_fewer() {
    let mut scheduler = Scheduler::new(Arc::new(flat(vec![step("a", run()), step("b", run()), step("c", run())])));
    let run_started = Event::RunStarted {
        run: RunId::from_random([0; 5]),
        inputs: serde_json::Map::new(),
        seed: 7,
        parallel: 3,
        runtime: "claude".to_owned(),
        replayed: Vec::new(),
    };
    scheduler.step(Timestamp(1), run_started);
    assert_eq!(scheduler.outstanding().len(), 3);
    scheduler.step(Timestamp(2), Event::Restarted { parallel: 1 });
    assert_eq!(scheduler.outstanding().len(), 1);
}

// ---- cancel, budget, stop, signals, retry of a run

#[test]
fn a_cancel_only_gets_stronger_and_starts_nothing() {
    let b = PlanStep { needs: vec![need(0)], ..step("b", run()) };
    let mut bench = Bench::of(flat(vec![step("a", run()), b]));
    let a = bench.attempt("a");
    bench.cancel(Strength::Gentle);
    bench.cancel(Strength::Hard);
    bench.cancel(Strength::Gentle);
    assert_eq!(bench.stops, [(a, Strength::Gentle), (a, Strength::Hard)]);
    bench.ok("a");
    assert_eq!((bench.running(), bench.ended()), (vec![], (Settled::Cancelled, Some(CauseKind::Cancelled))));
}

#[test]
fn a_cancel_ends_a_run_whose_attempt_never_reports() {
    let mut bench = Bench::of(flat(vec![step("a", run())]));
    bench.cancel(Strength::Gentle);
    bench.wake();
    assert_eq!(bench.ended().0, Settled::Cancelled);
}

#[test]
fn a_session_is_charged_once_for_all_that_it_spent() {
    let mut patient = step("a", run());
    patient.retry.tries = 1;
    let mut bench = Bench::of(flat(vec![patient]));
    let spent = |tokens| Usage { input_tokens: tokens, ..Usage::default() };
    let charged = |bench: &Bench, session: &str| bench.scheduler.charged_in(session).input_tokens;
    let attempt = bench.attempt("a");
    bench.event(Event::SessionKnown { attempt, session: "s-1".to_owned() });
    bench.event(Event::Spent { attempt, usage: spent(10), model: None });
    assert_eq!(charged(&bench, "s-1"), 10);
    let (class, reason) = (FailureClass::Invalid, "it is no object".to_owned());
    let session = Some("s-1".to_owned());
    let failure = Failure { class, reason, evidence: Evidence::default(), session, usage: spent(15) };
    bench.report("a", Outcome::Failed(Box::new(failure)));
    assert_eq!(charged(&bench, "s-1"), 15);
    bench.wake();
    let envelope = Envelope { usage: spent(7), session: Some("s-2".to_owned()), ..Envelope::default() };
    bench.report("a", Outcome::Succeeded(Box::new(envelope)));
    assert_eq!((charged(&bench, "s-1"), charged(&bench, "s-2"), charged(&bench, "s-3")), (15, 7, 0));
    assert_eq!(bench.scheduler.spent().usage, spent(22));
}

#[test]
fn a_budget_pauses_before_the_next_start_until_it_is_raised() {
    let mut made = flat(vec![step("a", run()), PlanStep { needs: vec![need(0)], ..step("b", run()) }]);
    made.budget.tokens = Some(100);
    let mut bench = Bench::of(made);
    let usage = Usage { input_tokens: 60, output_tokens: 60, ..Usage::default() };
    bench.report("a", Outcome::Succeeded(Box::new(Envelope { usage, ..Envelope::default() })));
    assert_eq!(bench.running(), Vec::<String>::new());
    assert!(matches!(bench.scheduler.waiting_for().as_slice(), [WaitingFor::Budget { .. }]));
    let raise = |tokens| Event::BudgetRaised { usd_micros: None, tokens: Some(tokens), time_ms: None, agents: None };
    bench.event(raise(110));
    assert_eq!(bench.running(), Vec::<String>::new());
    bench.event(raise(1_000));
    assert_eq!(bench.running(), ["b"]);
}

#[test]
fn a_budget_of_agents_and_of_time_can_end_the_run() {
    let two = || flat(vec![step("a", Work::Agent(agent(None))), step("b", Work::Agent(agent(None)))]);
    let mut agents = two();
    (agents.budget.agents, agents.budget.on_limit) = (1, OnLimit::Stop);
    let mut bench = Bench::of(agents);
    assert_eq!(bench.running(), ["a"]);
    let a = bench.attempt("a");
    assert!(!bench.stops.is_empty() && bench.stops.iter().all(|(attempt, _)| *attempt == a));
    bench.report("a", Outcome::Stopped);
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Budget)));

    let mut time = two();
    (time.budget.time_ms, time.budget.on_limit) = (Some(5_000), OnLimit::Stop);
    let mut bench = Bench::of(time);
    bench.wake();
    assert_eq!((bench.now, bench.stops.len()), (6_000, 2));
    assert!(bench.scheduler.next_wakeup().is_some_and(|at| at.0 > 60_000), "it wakes for the kill, not each moment");
}

#[test]
fn a_stop_step_ends_the_run() {
    let made = |succeed| {
        let stop = step("b", Work::Stop { succeed, text: text("enough") });
        flat(vec![step("a", run()), stop])
    };
    for (succeed, ended) in [(true, (Settled::Succeeded, None)), (false, (Settled::Failed, Some(CauseKind::Stopped)))] {
        let mut bench = Bench::of(made(succeed));
        bench.report("a", Outcome::Stopped);
        assert_eq!(bench.ended(), ended);
    }
}

#[test]
fn nothing_is_judged_after_a_stop() {
    let container = |children| PlanStep { gates: vec![gate()], ..parallel(None)(children) };
    let bench = Bench::of(inside(container, vec![step("s", Work::Stop { succeed: true, text: text("enough") })]));
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn a_signal_wakes_who_waits_for_it_and_a_wait_for_nobody_fails() {
    let wait = || step("a", Work::Await { signal: "go".to_owned() });
    let emit = PlanStep { needs: vec![need(1)], ..step("c", Work::Emit { signal: "go".to_owned() }) };
    let mut bench = Bench::of(flat(vec![wait(), step("b", run()), emit]));
    assert_eq!(bench.state("a"), StepState::Sleeping);
    bench.ok("b");
    assert_eq!(bench.ended(), (Settled::Succeeded, None));

    let mut made = flat(vec![wait(), step("b", run())]);
    made.budget.time_ms = Some(7_200_000);
    let mut bench = Bench::of(made);
    bench.ok("b");
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Step)));
}

#[test]
fn a_wait_ends_at_its_time() {
    let mut bench = Bench::of(flat(vec![step("a", Work::Sleep { delay_ms: 4_000 })]));
    bench.restart();
    bench.wake();
    assert_eq!((bench.now, bench.ended().0), (5_000, Settled::Succeeded));
}

#[test]
fn a_retry_of_a_run_keeps_what_succeeded() {
    let c = PlanStep { needs: vec![need(0), need(1)], ..step("c", run()) };
    let mut bench = Bench::of(flat(vec![step("a", run()), step("b", run()), c]));
    bench.ok("a");
    bench.fail("b", PERMANENT);
    assert_eq!(bench.ended().0, Settled::Failed);
    bench.event(Event::RetryRequested);
    assert_eq!(bench.running(), ["b"]);
    assert_eq!(bench.attempt("b").number, 2);
    bench.ok("b");
    bench.ok("c");
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
    assert_eq!(bench.event(Event::RetryRequested), 0, "a success is not tried again");
}

#[test]
fn a_retry_goes_on_inside_containers_within_their_bounds() {
    let mut bench = Bench::of(inside(each(Some(1), OnFailure::Continue), vec![step("a", run())]));
    bench.fail("e[a]/a", PERMANENT);
    bench.ok("e[b]/a");
    bench.fail("e[c]/a", PERMANENT);
    bench.event(Event::RetryRequested);
    assert_eq!(bench.running(), ["e[a]/a"]);
    bench.ok("e[a]/a");
    assert_eq!(bench.running(), ["e[c]/a"]);
    bench.ok("e[c]/a");
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}

#[test]
fn a_retry_opens_no_more_containers_than_may_run() {
    let children = |from: u32| (from..from + 2).map(StepIx).collect::<Vec<_>>();
    let inner = |id: &str, from| PlanStep {
        parent: Some(StepIx(0)),
        ..step(id, Work::Parallel { children: children(from), max_parallel: None })
    };
    let leaf = |id: &str, parent| PlanStep { parent: Some(StepIx(parent)), ..step(id, run()) };
    let outer = Work::Parallel { children: children(1), max_parallel: Some(1) };
    let outer = PlanStep { on_failure: OnFailure::Continue, ..step("p", outer) };
    let steps = vec![outer, inner("x", 3), inner("y", 5), leaf("a", 1), leaf("b", 1), leaf("c", 2), leaf("d", 2)];
    let mut bench = Bench::of(plan(steps, vec![StepIx(0)]));
    for (good, bad) in [("p/x/a", "p/x/b"), ("p/y/c", "p/y/d")] {
        bench.ok(good);
        bench.fail(bad, PERMANENT);
    }
    bench.event(Event::RetryRequested);
    assert_eq!(bench.running(), ["p/x/b"]);
    bench.ok("p/x/b");
    assert_eq!(bench.running(), ["p/y/d"]);
}

#[test]
fn a_retry_of_a_cancelled_container_runs_only_what_is_left() {
    let b = PlanStep { optional: true, ..step("b", run()) };
    let mut bench = Bench::of(inside(parallel(None), vec![step("a", run()), b]));
    bench.ok("p/a");
    bench.cancel(Strength::Gentle);
    bench.report("p/b", Outcome::Stopped);
    bench.event(Event::RetryRequested);
    assert_eq!(bench.running(), ["p/b"]);
}

#[test]
fn a_container_that_is_opened_again_has_its_timeout_again() {
    let slow = |children| PlanStep { timeout_ms: Some(5_000), ..parallel(None)(children) };
    let mut bench = Bench::of(inside(slow, vec![step("a", run()), step("b", run())]));
    bench.ok("p/a");
    bench.fail("p/b", PERMANENT);
    bench.event(Event::RetryRequested);
    bench.wake();
    assert_eq!(bench.stops.len(), 1);
}

// ---- size

/// Runs all that starts until the run ends, and counts what the scheduler had to say.
fn run_through(made: Plan) -> (usize, usize) {
    let mut scheduler = Scheduler::new(Arc::new(made));
    let mut events = std::collections::VecDeque::from([Event::RunStarted {
        run: RunId::from_random([0; 5]),
        inputs: serde_json::Map::new(),
        seed: 7,
        parallel: 4,
        runtime: "claude".to_owned(),
        replayed: Vec::new(),
    }]);
    let (mut taken, mut actions) = (0, 0);
    while let Some(event) = events.pop_front() {
        taken += 1;
        for action in scheduler.step(Timestamp(taken as u64), event) {
            actions += 1;
            match action {
                Action::Start { attempt, .. } => {
                    events.push_back(Event::Started { attempt, subject: None, shown: None, how: None, review: None });
                    events.push_back(Event::Finished { attempt, outcome: Outcome::Succeeded(Box::default()) });
                }
                Action::Evaluate { .. } | Action::Stop { .. } | Action::Notice(_) => {}
            }
        }
    }
    assert_eq!(scheduler.ended().map(|end| end.settled), Some(Settled::Succeeded));
    (taken, actions)
}

#[test]
fn work_grows_with_the_steps_and_not_faster() {
    let independent = |count: u32| flat((0..count).map(|n| step(&format!("s{n}"), run())).collect());
    let chain = |count: u32| {
        let link = |n: u32| {
            let needs = if n == 0 { Vec::new() } else { vec![need(n - 1)] };
            PlanStep { needs, ..step(&format!("s{n}"), run()) }
        };
        flat((0..count).map(link).collect())
    };
    let layers = |count: u32| {
        let place = |n: u32| {
            let needs = if n < 100 { Vec::new() } else { (n / 100 * 100 - 100..n / 100 * 100).map(need).collect() };
            PlanStep { needs, ..step(&format!("s{n}"), run()) }
        };
        flat((0..count * 100).map(place).collect())
    };
    // Two events a step (started, finished) and four actions (start, starting, ended, settled), the ends besides.
    for (made, steps) in [(independent(10_000), 10_000), (chain(500), 500), (layers(10), 1_000)] {
        assert_eq!(run_through(made), (1 + 2 * steps, 4 * steps + 1));
    }
}

// ---- judges

/// A step whose work so many agents score.
fn scored(judges: u32) -> PlanStep {
    let mut made = gated("a", 1, ThenFail::Fail);
    let agent = agent(Some("gemini"));
    let judge = JudgeWork { rubric: "good?".to_owned(), file: None, min: 0.5, judges, agent, timeout_ms: 60_000 };
    made.gates = vec![PlanGate::Judge { judge: Box::new(judge), from: None }];
    made
}

fn envelope(session: &str, output: Value) -> Outcome {
    let usage = Usage { output_tokens: 10, ..Usage::default() };
    Outcome::Succeeded(Box::new(Envelope { session: Some(session.to_owned()), output, usage, ..Envelope::default() }))
}

fn score(session: &str, score: f64) -> Outcome {
    envelope(session, json!({ "score": score, "reasons": ["why"] }))
}

/// The session and the feedback of the next order of the step, and of its judge.
fn threads(bench: &Bench) -> [(Option<String>, Option<String>); 2] {
    let instance = bench.scheduler.instances().next().expect("there is a step");
    [Purpose::Work, Purpose::Gate(0)].map(|purpose| {
        let thread = bench.scheduler.thread(instance, purpose);
        (thread.session.map(str::to_owned), thread.feedback.map(str::to_owned))
    })
}

#[test]
fn judges_are_asked_one_after_the_other_and_what_they_answered_survives_losses() {
    let mut bench = Bench::of(flat(vec![scored(3)]));
    bench.report("a", envelope("w", Value::Null));
    bench.report("a", score("j1", 0.9));
    assert_eq!(bench.running(), ["a Gate(0)"]);
    bench.report("a", Outcome::Lost);
    let attempt = bench.attempt("a");
    bench.event(Event::SessionKnown { attempt, session: "j2".to_owned() });
    bench.event(Event::Restarted { parallel: 8 });
    assert_eq!(bench.running(), ["a Gate(0)"], "it only looks, so nobody is asked");
    let [work, judge] = threads(&bench);
    assert_eq!(
        (work.0.as_deref(), judge.0),
        (Some("w"), None),
        "each judge begins anew, and leaves the step's session"
    );
    bench.report("a", score("j3", 0.1));
    bench.report("a", score("j4", 0.6));
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
    let spent = bench.scheduler.spent();
    assert_eq!((spent.agents, spent.usage.output_tokens), (6, 40));
}

#[test]
fn a_refused_step_is_judged_anew_and_its_agent_goes_on_in_its_own_session() {
    let mut bench = Bench::of(flat(vec![scored(2)]));
    bench.report("a", envelope("w", Value::Null));
    bench.report("a", score("j1", 0.9));
    bench.report("a", score("j2", 0.0));
    let [work, judge] = threads(&bench);
    assert_eq!((work.0.as_deref(), judge), (Some("w"), (None, None)));
    let told = work.1.expect("the reasons go back");
    assert!(told.contains("score 0.45") && told.contains("judge 2: 0.00\n- why"), "{told}");
    bench.report("a", envelope("w", Value::Null));
    // The score of the first round does not count.
    bench.report("a", score("j3", 0.4));
    assert_eq!(bench.running(), ["a Gate(0)"]);
    bench.report("a", score("j4", 0.5));
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Gate)));
}

#[test]
fn a_judge_mends_its_answer_in_its_session_and_gives_up_in_the_end() {
    let mut bench = Bench::of(flat(vec![scored(1)]));
    bench.report("a", envelope("w", Value::Null));
    for _ in 0..2 {
        let attempt = bench.attempt("a");
        bench.event(Event::SessionKnown { attempt, session: "j".to_owned() });
        bench.fail("a", FailureClass::Invalid);
        let [work, judge] = threads(&bench);
        assert_eq!(judge, (Some("j".to_owned()), Some("it broke".to_owned())));
        assert_eq!(work, (Some("w".to_owned()), None));
    }
    bench.fail("a", FailureClass::Invalid);
    assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Gate)));
    for (class, tries) in [(TRANSIENT, 2), (PERMANENT, 0), (FailureClass::TimedOut, 0), (FailureClass::Missing, 0)] {
        let mut made = scored(1);
        made.retry.tries = 2;
        let mut bench = Bench::of(flat(vec![made]));
        bench.report("a", envelope("w", Value::Null));
        for _ in 0..tries {
            bench.fail("a", class);
            assert_eq!(bench.running(), ["a Gate(0)"], "{class:?}");
        }
        bench.fail("a", class);
        assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Gate)), "{class:?}");
    }
    for odd in [json!({ "score": 2, "reasons": ["x"] }), json!({ "score": 1 }), Value::Null] {
        let mut bench = Bench::of(flat(vec![scored(1)]));
        bench.report("a", envelope("w", Value::Null));
        bench.report("a", envelope("j", odd));
        assert_eq!(bench.ended(), (Settled::Failed, Some(CauseKind::Gate)));
    }
}

#[test]
fn judges_keep_the_bounds_of_their_runtime_and_stop_at_a_budget() {
    let mut other = scored(1);
    other.id = "b".to_owned();
    let mut made = flat(vec![scored(2), other]);
    made.limits.per_runtime.insert("gemini".to_owned(), 1);
    made.budget.tokens = Some(100);
    let mut bench = Bench::of(made);
    bench.report("a", envelope("w", Value::Null));
    bench.report("b", envelope("v", Value::Null));
    assert_eq!(bench.running(), ["a Gate(0)"], "one judge on that runtime");
    let attempt = bench.attempt("a");
    bench.event(Event::SessionKnown { attempt, session: "j".to_owned() });
    let usage = Usage { output_tokens: 90, ..Usage::default() };
    bench.event(Event::Spent { attempt, usage, model: None });
    assert_eq!(bench.stops, [(attempt, Strength::Gentle)]);
    bench.report("a", Outcome::Stopped);
    let [work, judge] = threads(&bench);
    assert_eq!((work, judge), ((Some("w".to_owned()), None), (None, None)), "nobody else is told of the stop");
    bench.event(Event::BudgetRaised { usd_micros: None, tokens: Some(1_000), time_ms: None, agents: None });
    for _ in 0..3 {
        assert_eq!(bench.running().len(), 1, "{:?}", bench.running());
        let path = bench.running()[0].split(' ').next().expect("a path").to_owned();
        bench.report(&path, score("k", 1.0));
    }
    assert_eq!(bench.ended(), (Settled::Succeeded, None));
}
