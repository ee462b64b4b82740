//! The rules over made-up plans: 16 branches at once, lists inside lists, costs by chance, crashes and raised limits.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use orch::{
    base::{Envelope, Outcome, RunId, Timestamp, Usage},
    definition::workflow::OnLimit,
    plan::{EachWork, Plan, PlanEstimate, StepEstimate, StepIx, Work},
    scheduler::{Action, AttemptId, Evaluation, Event, Notice, Scheduler, Settled, Site, Strength, WaitingFor},
};
use serde_json::json;

use crate::{
    plans::{agent, plan, step, text},
    rng::Rng,
};

/// An agent at work: the reports that it will still make.
struct Working {
    left: u64,
    stopped: bool,
    said: Usage,
}

struct World {
    rng: Rng,
    scheduler: Scheduler,
    journal: Vec<(Timestamp, Event)>,
    now: u64,
    working: BTreeMap<AttemptId, Working>,
    /// The largest report of all, and what was spent beyond a limit, with the attempts that ran then.
    report_max: u64,
    warned: u32,
    raised: u32,
    after_end: u64,
}

fn fan_out(steps: &mut Vec<orch::plan::PlanStep>, parent: Option<StepIx>, items: u32, deeper: u32) -> StepIx {
    let ix = StepIx(steps.len() as u32);
    steps.push(step(&format!("s{}", ix.0), Work::Sleep { delay_ms: 1 }));
    let mut children = Vec::new();
    let leaf = StepIx(steps.len() as u32);
    steps.push(step(&format!("s{}", leaf.0), Work::Agent(agent(None))));
    steps[leaf.index()].parent = Some(ix);
    children.push(leaf);
    if deeper > 0 {
        children.push(fan_out(steps, Some(ix), items, deeper - 1));
    }
    steps[ix.index()].parent = parent;
    steps[ix.index()].work = Work::Each(EachWork {
        items: text("list"),
        binding: "item".to_owned(),
        key: None,
        max_parallel: None,
        max_items: items,
        batch: None,
        children,
    });
    ix
}

/// 16 branches, some of them agents, some lists of lists of agents, with a limit that not all of them can keep.
fn made(rng: &mut Rng) -> Plan {
    let mut steps = Vec::new();
    let mut roots = Vec::new();
    for _ in 0..16 {
        if rng.chance(70) {
            let ix = StepIx(steps.len() as u32);
            steps.push(step(&format!("s{}", ix.0), Work::Agent(agent(None))));
            roots.push(ix);
        } else {
            let deeper = rng.below(2) as u32;
            roots.push(fan_out(&mut steps, None, 3, deeper));
        }
    }
    let mut plan = plan(steps, roots);
    let mut estimates = Vec::new();
    for (place, step) in plan.steps.iter().enumerate().filter(|(_, step)| matches!(step.work, Work::Agent(_))) {
        let _ = step;
        let most = rng.pick(&[10, 100, 100, 5_000]);
        estimates.push(StepEstimate {
            gate: None,
            step: StepIx(place as u32),
            fix: false,
            model: "m".to_owned(),
            input_tokens: rng.below(most),
            output_tokens: rng.below(most),
            usd_micros: rng.below(most * 10),
            guessed: false,
            starts: 1,
        });
    }
    plan.estimate = Some(PlanEstimate { steps: estimates, ..PlanEstimate::default() });
    plan.budget.tokens = rng.chance(80).then(|| rng.between(200, 3_000));
    plan.budget.usd_micros = rng.chance(60).then(|| rng.between(2_000, 30_000));
    plan.budget.on_limit = if rng.chance(30) { OnLimit::Stop } else { OnLimit::Pause };
    plan
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let scheduler = Scheduler::new(Arc::new(made(&mut rng)));
        Self {
            rng,
            scheduler,
            journal: Vec::new(),
            now: 1_000,
            working: BTreeMap::new(),
            report_max: 0,
            warned: 0,
            raised: 0,
            after_end: 0,
        }
    }

    /// Takes events until nothing follows at once, and checks the rules after each.
    fn take(&mut self, event: Event) {
        let mut queue = VecDeque::from([event]);
        while let Some(event) = queue.pop_front() {
            self.now += 1;
            self.journal.push((Timestamp(self.now), event.clone()));
            for action in self.scheduler.step(Timestamp(self.now), event) {
                match action {
                    Action::Evaluate { site } => {
                        let value = match site {
                            Site::Items(_) => (0..3).map(|item| json!([item.to_string(), item])).collect(),
                            _ => json!({}),
                        };
                        queue.push_back(Event::Evaluated { site, result: Evaluation::Value(value) });
                    }
                    Action::Start { attempt, .. } => {
                        queue.push_back(Event::Started { attempt, subject: None, shown: None, how: None });
                        let left = self.rng.between(0, 6);
                        self.working.insert(attempt, Working { left, stopped: false, said: Usage::default() });
                    }
                    Action::Stop { attempt, .. } => {
                        if let Some(working) = self.working.get_mut(&attempt) {
                            working.stopped = true;
                        }
                    }
                    Action::Notice(Notice::BudgetNear) => self.warned += 1,
                    Action::Notice(_) => {}
                }
            }
            self.check();
        }
    }

    /// Whatever is held fits into what is left, and is held by somebody who runs or is about to.
    fn check(&self) {
        let held: Vec<_> = self.scheduler.holds().collect();
        let (tokens, usd_micros) =
            held.iter().fold((0, 0), |sum, (_, hold)| (sum.0 + hold.tokens, sum.1 + hold.usd_micros));
        let spent = self.scheduler.spent().usage;
        let limits = self.limits();
        if let Some(limit) = limits.0 {
            assert!(tokens <= limit.saturating_sub(spent.tokens()), "{tokens} tokens held of {limit}, {spent:?}");
        }
        if let Some(limit) = limits.1 {
            assert!(usd_micros <= limit.saturating_sub(spent.usd_micros), "{usd_micros} held of {limit}, {spent:?}");
        }
        assert!(held.len() <= 16 * 4, "{} hold something", held.len());
    }

    /// The limits as they stand: those of the plan, and each raise adds a thousandfold.
    fn limits(&self) -> (Option<u64>, Option<u64>) {
        let raised = self.journal.iter().rev().find_map(|(_, event)| match event {
            Event::BudgetRaised { tokens, usd_micros, .. } => Some((*tokens, *usd_micros)),
            _ => None,
        });
        let budget = &self.scheduler.plan().budget;
        let (tokens, usd_micros) = raised.unwrap_or_default();
        (tokens.or(budget.tokens), usd_micros.or(budget.usd_micros))
    }

    fn is_spent(&self) -> bool {
        let (spent, (tokens, usd_micros)) = (self.scheduler.spent().usage, self.limits());
        tokens.is_some_and(|limit| spent.tokens() >= limit) || usd_micros.is_some_and(|limit| spent.usd_micros >= limit)
    }

    /// One agent, by chance, makes a report or ends. One that was told to stop has one more report on its way at most.
    fn work(&mut self) {
        let attempts: Vec<_> = self.working.keys().copied().collect();
        let attempt = self.rng.pick(&attempts);
        let usage = Usage {
            input_tokens: self.rng.below(80),
            output_tokens: self.rng.below(20),
            usd_micros: self.rng.below(900),
            ..Usage::default()
        };
        let working = self.working.get_mut(&attempt).unwrap();
        let on_its_way = working.stopped && working.left > 0;
        if working.left > 0 {
            working.left = if on_its_way { 0 } else { working.left - 1 };
            working.said.add(usage);
            self.report_max = self.report_max.max(usage.tokens());
            let live = self.scheduler.is_live(attempt);
            assert!(live, "{attempt} works and the scheduler does not know it");
            self.take(Event::Spent { attempt, usage, model: Some("m".to_owned()) });
            return;
        }
        let Working { stopped, said, .. } = self.working.remove(&attempt).unwrap();
        let outcome = if stopped {
            Outcome::Stopped
        } else {
            Outcome::Succeeded(Box::new(Envelope { usage: said, ..Envelope::default() }))
        };
        self.take(Event::Finished { attempt, outcome });
    }

    /// The whole process dies and a new one takes over.
    fn crash(&mut self) {
        self.working.clear();
        self.replay();
        self.take(Event::Restarted { parallel: 16 });
        for action in self.scheduler.outstanding() {
            if let Action::Start { attempt, .. } = action
                && !self.working.contains_key(&attempt)
            {
                self.working.insert(attempt, Working { left: 2, stopped: false, said: Usage::default() });
                self.take(Event::Started { attempt, subject: None, shown: None, how: None });
            }
        }
    }

    /// The same events, through their stored form, give the same state.
    fn replay(&self) {
        let mut again = Scheduler::new(Arc::clone(self.scheduler.plan()));
        for (at, event) in &self.journal {
            let stored = serde_json::to_string(event).unwrap();
            again.step(*at, serde_json::from_str(&stored).unwrap());
        }
        assert!(again == self.scheduler, "the replayed state is another one");
    }

    fn live(&mut self, crashes: bool, cancel: bool) {
        self.take(Event::RunStarted {
            run: RunId::from_random([7; 5]),
            inputs: serde_json::Map::new(),
            seed: 7,
            parallel: 16,
            runtime: "claude".to_owned(),
            replayed: Vec::new(),
        });
        let mut steps = 0;
        while self.scheduler.ended().is_none() {
            steps += 1;
            assert!(steps < 20_000, "the run does not end");
            if cancel && steps == 40 {
                self.take(Event::CancelRequested { strength: Strength::Gentle });
            } else if crashes && self.rng.chance(2) {
                self.crash();
            } else if !self.working.is_empty() {
                self.work();
            } else if let Some(at) = self.scheduler.next_wakeup() {
                self.now = self.now.max(at.0);
                self.take(Event::TimeReached);
            } else {
                self.raise();
            }
        }
        self.after_end = self.working.len() as u64;
    }

    /// Nobody runs and nothing is due: a limit must be the reason, and a person raises it.
    fn raise(&mut self) {
        let waiting = self.scheduler.waiting_for();
        assert!(
            waiting.iter().all(|one| matches!(one, WaitingFor::Budget { .. } | WaitingFor::Outcome { .. })),
            "{waiting:?}"
        );
        assert!(!waiting.is_empty(), "the run stands still and waits for nobody: it is dead-locked");
        for one in waiting {
            match one {
                WaitingFor::Outcome { instance, .. } => {
                    let answer = orch::scheduler::Answer::Retry;
                    self.take(Event::Answered { instance, answer, by: "ann".to_owned() });
                }
                _ => {
                    assert!(self.is_spent(), "it pauses at a limit that is not reached");
                    let spent = self.scheduler.spent();
                    self.raised += 1;
                    let usd_micros = Some(spent.usage.usd_micros + self.rng.between(1_000, 20_000));
                    let tokens = Some(spent.usage.tokens() + self.rng.between(100, 2_000));
                    self.take(Event::BudgetRaised { usd_micros, tokens, time_ms: None, agents: None });
                }
            }
        }
    }

    /// What each attempt has reported after a limit was reached, while that limit stood.
    fn reports_over_the_limit(&self) -> u64 {
        let mut again = Scheduler::new(Arc::clone(self.scheduler.plan()));
        let budget = &self.scheduler.plan().budget;
        let mut limits = (budget.tokens, budget.usd_micros);
        let mut over: BTreeMap<AttemptId, u64> = BTreeMap::new();
        let mut most = 0;
        for (at, event) in &self.journal {
            if let Event::BudgetRaised { tokens, usd_micros, .. } = event {
                limits = (tokens.or(limits.0), usd_micros.or(limits.1));
                over.clear();
            }
            let spent = again.spent().usage;
            let reached = limits.0.is_some_and(|limit| spent.tokens() >= limit)
                || limits.1.is_some_and(|limit| spent.usd_micros >= limit);
            if let (Event::Spent { attempt, .. }, true) = (event, reached) {
                let count = over.entry(*attempt).or_default();
                *count += 1;
                most = most.max(*count);
            }
            again.step(*at, event.clone());
        }
        most
    }
}

#[test]
fn reservations_and_limits_hold_whatever_agents_do() {
    let (mut raised, mut warned, mut stopped, mut events) = (0, 0, 0, 0);
    for seed in 0..300 {
        let mut world = World::new(seed);
        world.live(seed % 3 == 0, false);
        world.replay();
        assert!(world.reports_over_the_limit() <= 1, "seed {seed}: an attempt goes on spending over a limit");
        let end = world.scheduler.ended().unwrap();
        let by_budget = world.scheduler.budget_reason().is_some();
        assert!(end.settled == Settled::Succeeded || by_budget, "seed {seed}: {end:?}");
        assert_eq!(world.scheduler.holds().count(), 0, "seed {seed}: something is held after the end");
        assert!(world.warned <= world.raised + 1, "seed {seed}: warned {} times", world.warned);
        raised += world.raised;
        warned += world.warned;
        stopped += u32::from(end.settled != Settled::Succeeded);
        events += world.journal.len();
    }
    assert!(raised > 100 && warned > 50 && stopped > 20, "{raised} raises, {warned} warnings, {stopped} stops");
    eprintln!("300 plans, {events} events, {raised} raises, {warned} warnings, {stopped} ended by their budget");
}

#[test]
fn nobody_spends_after_a_cancel() {
    for seed in 0..100 {
        let mut world = World::new(seed);
        world.live(false, true);
        assert_eq!(world.after_end, 0, "seed {seed}: agents work after the end");
        let before = world.scheduler.spent();
        for (_, event) in world.journal.clone() {
            if matches!(event, Event::Spent { .. }) {
                world.take(event);
            }
        }
        assert_eq!(world.scheduler.spent(), before, "seed {seed}: a report after the end is charged");
    }
}
