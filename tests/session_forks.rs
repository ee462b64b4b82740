//! When a step begins in a copy of another step's session, when it is told as text instead, and what a copy is charged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "simulation/plans.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod plans;
#[path = "simulation/rng.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod rng;

use std::{collections::BTreeSet, sync::Arc};

use orch::{
    base::{Envelope, Evidence, Failure, FailureClass, Outcome, RunId, Timestamp, Usage},
    definition::workflow::Workspace,
    driver::Assigner,
    execute::render::Renderer,
    plan::{AgentWork, EdgeKind, Need, PlanContext, StepIx, Work},
    scheduler::{Action, AttemptId, Event, How, Purpose, Scheduler, SessionFork},
};
use plans::{agent, plan, step};

fn assigner() -> Assigner {
    Assigner {
        secrets: Arc::new([]),
        renderer: Arc::new(Renderer::new("/nowhere")),
        root: "/nowhere".into(),
        folder: "/nowhere".into(),
        env: Vec::new(),
        stream_bytes_max: 1,
        baseline: None,
        reads_memory: BTreeSet::new(),
        forks: BTreeSet::from(["claude".to_owned()]),
        servers: Vec::new(),
        nonce: "0123456789abcdef01234567".to_owned(),
        confine: None,
        audit: None,
        trace: None,
    }
}

/// What is different from two agents on one runtime, of which the second forks from the first.
#[derive(Default)]
struct Odd {
    first: Option<fn(&mut AgentWork)>,
    second: Option<fn(&mut AgentWork)>,
    envelope: Option<fn(&mut Envelope)>,
    charged: Option<Usage>,
}

fn usage(input: u64, cached: u64) -> Usage {
    Usage { input_tokens: input, cache_read_tokens: cached, output_tokens: 10, ..Usage::default() }
}

/// A run in which the first step has ended and the second is about to begin.
fn run(odd: &Odd) -> (Scheduler, AttemptId) {
    let (mut first, mut second) = (agent(None), agent(None));
    second.context = PlanContext::Fork(StepIx(0));
    odd.first.iter().for_each(|change| change(&mut first));
    odd.second.iter().for_each(|change| change(&mut second));
    let mut steps = vec![step("a", Work::Agent(first)), step("b", Work::Agent(second))];
    steps[1].needs = vec![Need { step: StepIx(0), edge: EdgeKind::Declared, reads: false }];
    let mut scheduler = Scheduler::new(Arc::new(plan(steps, vec![StepIx(0), StepIx(1)])));
    let begun = scheduler.step(
        Timestamp(1),
        Event::RunStarted {
            run: RunId::from_random([0; 5]),
            inputs: serde_json::Map::new(),
            seed: 7,
            parallel: 4,
            runtime: "claude".to_owned(),
            replayed: Vec::new(),
        },
    );
    let attempt = starting(&begun);
    scheduler.step(Timestamp(2), Event::Started { attempt, subject: None, shown: None, how: None, review: None });
    scheduler.step(Timestamp(3), Event::SessionKnown { attempt, session: "s-1".to_owned() });
    let charged = odd.charged.unwrap_or(usage(100, 50_000));
    let mut envelope = Envelope { session: Some("s-1".to_owned()), usage: charged, ..Envelope::default() };
    odd.envelope.iter().for_each(|change| change(&mut envelope));
    let then =
        scheduler.step(Timestamp(4), Event::Finished { attempt, outcome: Outcome::Succeeded(Box::new(envelope)) });
    (scheduler, starting(&then))
}

fn starting(actions: &[Action]) -> AttemptId {
    let mut starts = actions.iter().filter_map(|action| match action {
        Action::Start { attempt, .. } => Some(*attempt),
        _ => None,
    });
    starts.next().unwrap()
}

fn fork(odd: &Odd) -> SessionFork {
    let (scheduler, attempt) = run(odd);
    assigner().how(&scheduler, attempt, Purpose::Work).unwrap().fork.unwrap()
}

#[test]
fn a_session_is_copied_only_where_all_is_known_that_makes_it_safe() {
    let copied = SessionFork::Session { session: "s-1".to_owned(), charged: usage(100, 50_000) };
    assert_eq!(fork(&Odd::default()), copied);
    let odd =
        |first: Option<fn(&mut AgentWork)>, second: Option<fn(&mut AgentWork)>| Odd { first, second, ..Odd::default() };
    let told = |envelope: fn(&mut Envelope)| Odd { envelope: Some(envelope), ..Odd::default() };
    let charged = |charged| Odd { charged: Some(charged), ..Odd::default() };
    for (odd, reason) in [
        (odd(Some(|work| work.runtime = Some("codex".into())), None), "different runtimes"),
        (odd(None, Some(|work| work.runtime = Some("gemini".into()))), "cannot copy"),
        (odd(Some(|work| work.model = Some("opus".into())), None), "different models"),
        (odd(None, Some(|work| work.workspace = Workspace::Scratch)), "different folders"),
        (told(|envelope| envelope.session = None), "no session"),
        (told(|envelope| envelope.reused = Some("7f3k/0-1".into())), "no session of this run"),
        (charged(Usage::default()), "how large"),
        (charged(usage(1_000, 0)), "larger than the context budget"),
    ] {
        match fork(&odd) {
            SessionFork::Text { reason: said } => assert!(said.contains(reason), "{reason}: {said}"),
            SessionFork::Session { .. } => panic!("copied although: {reason}"),
        }
    }
}

/// A program that counts from the beginning of its thread counts the copied part as well.
#[test]
fn what_was_spent_before_the_copy_is_not_charged_again() {
    let (mut scheduler, attempt) = run(&Odd::default());
    let how = assigner().how(&scheduler, attempt, Purpose::Work);
    assert_eq!(how.as_deref().map(|how: &How| how.danger.is_none()), Some(true));
    scheduler.step(Timestamp(5), Event::Started { attempt, subject: None, shown: None, how, review: None });
    scheduler.step(Timestamp(6), Event::SessionKnown { attempt, session: "s-2".to_owned() });
    assert_eq!(scheduler.charged_in("s-2"), usage(100, 50_000), "the copy begins with what the source has cost");
    let spent = scheduler.spent().usage;
    scheduler.step(Timestamp(7), Event::Spent { attempt, usage: usage(5, 0), model: None });
    let failure = Failure {
        class: FailureClass::Invalid,
        reason: "no".to_owned(),
        evidence: Evidence::default(),
        session: Some("s-2".to_owned()),
        usage: usage(5, 0),
    };
    scheduler.step(Timestamp(8), Event::Finished { attempt, outcome: Outcome::Failed(Box::new(failure)) });
    let mut both = usage(100, 50_000);
    both.add(usage(5, 0));
    assert_eq!(scheduler.charged_in("s-2"), both);
    assert_eq!(scheduler.charged_in("s-1"), usage(100, 50_000), "the source was charged for its copy");
    let mut all = spent;
    all.add(usage(5, 0));
    assert_eq!(scheduler.spent().usage, all, "the copied part was charged twice");
    // The next try mends the answer in its own session.
    let next = AttemptId { number: attempt.number + 1, ..attempt };
    assert_eq!(assigner().how(&scheduler, next, Purpose::Work), None);
}

#[test]
fn the_start_of_an_attempt_without_limits_says_by_whose_word() {
    let started = Event::Started {
        attempt: AttemptId { instance: orch::scheduler::InstanceId(0), number: 1 },
        subject: None,
        shown: None,
        how: Some(Box::new(How { danger: Some("tester: --allow-danger".to_owned()), fork: None })),
        review: None,
    };
    let stored = serde_json::to_string(&started).unwrap();
    assert_eq!(stored, r#"{"e":"started","a":{"i":0,"n":1},"how":{"danger":"tester: --allow-danger"}}"#);
    let old: Event = serde_json::from_str(r#"{"e":"started","a":{"i":0,"n":1}}"#).unwrap();
    assert!(matches!(old, Event::Started { how: None, .. }));
}
