//! Plans: a small builder, and a seeded generator that uses all of it.

use orch::{
    base::Digest,
    definition::{
        merging::MergeStrategy,
        workflow::{Join, OnFailure, OnLimit, OnMax, RetryOn, ThenFail, Workspace},
    },
    plan::{
        AgentWork, Budget, Command, EachWork, EdgeKind, GateFail, Limits, MergeWork, Need, PLAN_VERSION, Plan,
        PlanContext, PlanEstimate, PlanGate, PlanStep, RecoveryPolicy, RetryPolicy, StepEstimate, StepIx, Text,
        ValueText, Work,
    },
};
use serde_json::Value;

use crate::rng::Rng;

pub fn text(words: &str) -> Text {
    Text { text: words.to_owned(), reads: Vec::new() }
}

pub fn agent(runtime: Option<&str>) -> AgentWork {
    AgentWork {
        agent: None,
        prompt: text("work"),
        runtime: runtime.map(str::to_owned),
        model: None,
        tools: None,
        context: PlanContext::Fresh,
        context_budget: 1_000,
        skills: Vec::new(),
        workspace: Workspace::Shared,
        activated: Vec::new(),
        memory: Vec::new(),
        servers: vec![],
        prose: None,
        permissions: orch::definition::Permissions::default(),
        danger: false,
        answer_files: false,
    }
}

pub fn run() -> Work {
    Work::Run { command: Command::Shell("true".to_owned()), workspace: Workspace::Shared, keeps_text: false }
}

pub fn step(id: &str, work: Work) -> PlanStep {
    PlanStep {
        id: id.to_owned(),
        path: id.to_owned(),
        parent: None,
        line: 1,
        work,
        needs: Vec::new(),
        join: Join::All,
        when: None,
        gates: Vec::new(),
        on_gate_fail: GateFail::default(),
        retry: RetryPolicy { tries: 0, delay_ms: 1_000, max_delay_ms: 4_000, on: RetryOn::Transient },
        timeout_ms: None,
        idle_timeout_ms: None,
        recovery: RecoveryPolicy::Retry,
        optional: false,
        on_failure: OnFailure::Drain,
        output: None,
        with: Vec::new(),
        env: Vec::new(),
        args: Vec::new(),
        files: Vec::new(),
        summary: None,
        cache: None,
        secrets: Vec::new(),
        sandbox: None,
        isolated: false,
    }
}

pub fn unlimited() -> Budget {
    Budget { usd_micros: None, tokens: None, time_ms: None, agents: 10_000, on_limit: OnLimit::Pause }
}

pub fn plan(steps: Vec<PlanStep>, roots: Vec<StepIx>) -> Plan {
    Plan {
        secrets: Vec::new(),
        version: PLAN_VERSION,
        name: "simulated".to_owned(),
        description: String::new(),
        digest: Digest::of(b"simulated"),
        inputs: Vec::new(),
        models: std::collections::BTreeMap::new(),
        budget: unlimited(),
        limits: Limits::default(),
        on_failure: OnFailure::Drain,
        steps,
        roots,
        outputs: Vec::new(),
        agents: Vec::new(),
        skills: Vec::new(),
        folder: String::new(),
        memory: Vec::new(),
        servers: vec![],
        trust: None,
        danger: None,
        sandbox: orch::plan::PlanSandbox::default(),
        estimate: None,
    }
}

/// Makes a plan from chance.
pub struct Generator<'a> {
    rng: &'a mut Rng,
    steps: Vec<PlanStep>,
    room: u64,
}

impl<'a> Generator<'a> {
    pub fn generate(rng: &'a mut Rng) -> Plan {
        let room = if rng.chance(50) { rng.between(3, 14) } else { rng.between(10, 34) };
        let mut generator = Generator { rng, steps: Vec::new(), room };
        let roots = generator.body(None, 0);
        let Generator { rng, steps, .. } = generator;
        let mut plan = plan(steps, roots);
        plan.on_failure = failure_policy(rng);
        if rng.chance(50) {
            plan.outputs = vec![("out".to_owned(), ValueText { value: Value::Null, reads: Vec::new() })];
        }
        if rng.chance(40) {
            let bound = rng.between(1, 2) as u32;
            plan.limits.per_runtime.insert("claude".to_owned(), bound);
        }
        if rng.chance(40) {
            let on_limit = rng.pick(&[OnLimit::Pause, OnLimit::Stop]);
            let maybe = |rng: &mut Rng, low, high| rng.chance(40).then(|| rng.between(low, high));
            plan.budget = Budget {
                usd_micros: maybe(rng, 1_000, 20_000),
                tokens: maybe(rng, 50, 1_500),
                time_ms: maybe(rng, 5_000, 120_000),
                agents: if rng.chance(50) { rng.between(1, 10) } else { 1_000 },
                on_limit,
            };
        }
        plan.estimate = rng.chance(60).then(|| estimates(&plan, rng));
        plan
    }

    /// Now and then several items go into one session. From a chance of its own, so that the seeds that are kept mean
    /// what they meant.
    pub fn batch(plan: &mut Plan, seed: u64) {
        let mut rng = Rng::new(seed ^ 0xba7c);
        for place in 0..plan.steps.len() {
            let Work::Each(each) = &plan.steps[place].work else { continue };
            let children = each.children.clone();
            let has_agent = children.iter().any(|child| matches!(plan.steps[child.index()].work, Work::Agent(_)));
            if has_agent && rng.chance(70) {
                let size = rng.between(2, 3) as u32;
                if let Work::Each(each) = &mut plan.steps[place].work {
                    (each.batch, each.max_items) = (Some(size), 5);
                }
            }
        }
    }

    /// Now and then items or branches are isolated and merged, as the compiler puts it. From a chance of its own, as above.
    pub fn isolate(plan: &mut Plan, seed: u64) {
        let mut rng = Rng::new(seed ^ 0x3e26e);
        for place in 0..plan.steps.len() {
            if !rng.chance(50) {
                continue;
            }
            let container = StepIx(place as u32);
            let listed = rng.chance(50);
            let children = plan.steps[place].work.children().to_vec();
            let mut made = Vec::new();
            match &plan.steps[place].work {
                Work::Each(each) if each.batch.is_none() => {
                    let need = |step: &StepIx| Need { step: *step, edge: EdgeKind::Inferred, reads: false };
                    let merge = merge(plan, &mut rng, (None, listed), children.iter().map(need).collect());
                    made.push((None, merge));
                }
                Work::Parallel { .. } => {
                    for child in &children {
                        let need = Need { step: *child, edge: EdgeKind::Inferred, reads: true };
                        let merge = merge(plan, &mut rng, (Some(*child), listed), vec![need]);
                        made.push((Some(*child), merge));
                    }
                }
                _ => continue,
            }
            for child in children {
                for need in &mut plan.steps[child.index()].needs {
                    let behind = made.iter().find(|(of, _)| *of == Some(need.step));
                    need.step = behind.map_or(need.step, |(_, merge)| *merge);
                }
            }
            let body = match &mut plan.steps[place].work {
                Work::Each(each) => &mut each.children,
                Work::Parallel { children, .. } => children,
                _ => continue,
            };
            body.extend(made.iter().map(|(_, merge)| *merge));
            for (_, merge) in made {
                plan.steps[merge.index()].parent = Some(container);
            }
        }
    }

    fn body(&mut self, parent: Option<StepIx>, depth: u32) -> Vec<StepIx> {
        let count = if depth == 0 { self.rng.between(2, 8) } else { self.rng.between(1, 4) };
        let mut body: Vec<StepIx> = Vec::new();
        for place in 0..count {
            if self.room == 0 && place > 0 {
                break;
            }
            self.room = self.room.saturating_sub(1);
            let ix = StepIx(self.steps.len() as u32);
            let mut made = step(&format!("s{}", ix.0), run());
            made.parent = parent;
            self.decorate(&mut made, &body);
            self.steps.push(made);
            let work = self.work(ix, depth);
            self.steps[ix.index()].work = work;
            self.fit(ix);
            body.push(ix);
        }
        body
    }

    fn work(&mut self, ix: StepIx, depth: u32) -> Work {
        let leaf = depth >= 3 || self.room == 0 || self.rng.chance(60);
        if leaf {
            return match self.rng.below(20) {
                0..=6 => Work::Agent(self.agent()),
                7..=13 => run(),
                14 => Work::Approve { text: text("go on?") },
                15 => Work::Ask { text: text("which?") },
                16 => Work::Sleep { delay_ms: self.rng.between(1, 30_000) },
                17 => Work::Await { signal: self.signal() },
                18 => Work::Emit { signal: self.signal() },
                _ if self.rng.chance(50) => Work::Stop { succeed: self.rng.chance(50), text: text("enough") },
                _ => run(),
            };
        }
        let some = |rng: &mut Rng| rng.chance(50).then(|| rng.between(1, 2) as u32);
        match self.rng.below(4) {
            0 => {
                let children = self.body(Some(ix), depth + 1);
                Work::Parallel { children, max_parallel: some(self.rng) }
            }
            1 => {
                let children = self.body(Some(ix), depth + 1);
                Work::Each(EachWork {
                    items: text("list"),
                    binding: "item".to_owned(),
                    key: None,
                    max_parallel: some(self.rng),
                    max_items: self.rng.between(2, 4) as u32,
                    batch: None,
                    children,
                })
            }
            2 => {
                let children = self.body(Some(ix), depth + 1);
                Work::Loop {
                    max: self.rng.between(1, 3) as u32,
                    until: self.rng.chance(70).then(|| text("done")),
                    on_max: self.rng.pick(&[OnMax::Fail, OnMax::Continue]),
                    children,
                }
            }
            _ => {
                let children = self.body(Some(ix), depth + 1);
                Work::Call { workflow: "other".to_owned(), inputs: Vec::new(), children, outputs: Vec::new() }
            }
        }
    }

    fn agent(&mut self) -> AgentWork {
        agent(self.rng.pick(&[None, Some("claude"), Some("codex")]))
    }

    fn signal(&mut self) -> String {
        self.rng.pick(&["red", "green"]).to_owned()
    }

    fn decorate(&mut self, step: &mut PlanStep, above: &[StepIx]) {
        if let Some(last) = above.last() {
            if self.rng.chance(50) {
                step.needs.push(Need { step: *last, edge: EdgeKind::Implied, reads: self.rng.chance(40) });
            } else {
                for other in above {
                    if self.rng.chance(40) {
                        let edge = self.rng.pick(&[EdgeKind::Declared, EdgeKind::Inferred]);
                        step.needs.push(Need { step: *other, edge, reads: self.rng.chance(40) });
                    }
                }
            }
        }
        step.join = match self.rng.below(10) {
            0 | 1 if !step.needs.is_empty() => Join::Any,
            2 if !step.needs.is_empty() => Join::AtLeast(self.rng.between(1, step.needs.len() as u64) as u32),
            _ => Join::All,
        };
        if self.rng.chance(15) {
            step.when = Some(text("when"));
        }
        while self.rng.chance(25) {
            let gate = self.gate();
            step.gates.push(gate);
        }
        step.on_gate_fail = GateFail {
            feedback: self.rng.chance(50),
            fixer: self.rng.chance(30).then(|| self.agent()),
            tries: self.rng.below(3) as u32,
            then: self.rng.pick(&[ThenFail::Fail, ThenFail::Fail, ThenFail::Ask, ThenFail::Continue]),
        };
        step.retry = RetryPolicy {
            tries: self.rng.below(3) as u32,
            delay_ms: self.rng.between(0, 2_000),
            max_delay_ms: 5_000,
            on: self.rng.pick(&[RetryOn::Transient, RetryOn::Any]),
        };
        step.recovery = self.rng.pick(&[
            RecoveryPolicy::Retry,
            RecoveryPolicy::Idempotent,
            RecoveryPolicy::Manual,
            RecoveryPolicy::Reconcile("look".to_owned()),
        ]);
        step.optional = self.rng.chance(15);
        step.on_failure = failure_policy(self.rng);
        if self.rng.chance(25) {
            step.timeout_ms = Some(self.rng.between(1_000, 90_000));
        }
    }

    /// What fits only some kinds of steps.
    fn fit(&mut self, ix: StepIx) {
        let step = &mut self.steps[ix.index()];
        match &step.work {
            Work::Agent(_) => {
                if matches!(step.recovery, RecoveryPolicy::Retry) {
                    step.recovery = RecoveryPolicy::Agent;
                }
            }
            Work::Sleep { .. }
            | Work::Await { .. }
            | Work::Emit { .. }
            | Work::Checkpoint { .. }
            | Work::Merge(_)
            | Work::Stop { .. } => {
                step.gates.clear();
                step.timeout_ms = None;
            }
            Work::Run { .. }
            | Work::Approve { .. }
            | Work::Ask { .. }
            | Work::Parallel { .. }
            | Work::Each(_)
            | Work::Loop { .. }
            | Work::Call { .. } => {}
        }
    }

    fn gate(&mut self) -> PlanGate {
        match self.rng.below(6) {
            0 | 1 => PlanGate::Run {
                command: Command::Shell("test".to_owned()),
                expect: None,
                timeout_ms: 60_000,
                from: None,
            },
            2 => PlanGate::Check { expression: text("ok"), from: None },
            3 => PlanGate::Schema { schema: Value::Bool(true), from: None },
            4 if self.rng.chance(50) => PlanGate::Files { paths: vec!["a".to_owned()], from: None },
            4 => PlanGate::Changed { max_files: Some(1), allow: Vec::new(), deny: Vec::new(), from: None },
            _ => PlanGate::Approve { text: text("good?"), from: None },
        }
    }
}

/// One merge step, at the end of the plan.
fn merge(plan: &mut Plan, rng: &mut Rng, (of, listed): (Option<StepIx>, bool), needs: Vec<Need>) -> StepIx {
    let ix = StepIx(plan.steps.len() as u32);
    let rank = listed.then_some(ix.0);
    let mut made = step(&format!("m{}", ix.0), Work::Merge(MergeWork { of, strategy: MergeStrategy::Merge, rank }));
    made.needs = needs;
    made.optional = of.is_some_and(|of| plan.steps[of.index()].optional);
    made.retry = RetryPolicy { tries: 2, on: RetryOn::Any, ..made.retry };
    while rng.chance(40) {
        made.gates.push(PlanGate::Run {
            command: Command::Shell("test".to_owned()),
            expect: None,
            timeout_ms: 60_000,
            from: None,
        });
    }
    let fixer = rng.chance(50).then(|| agent(rng.pick(&[None, Some("codex")])));
    let tries = if fixer.is_some() { rng.below(3) as u32 } else { 0 };
    let then = rng.pick(&[ThenFail::Fail, ThenFail::Ask]);
    made.on_gate_fail = GateFail { feedback: true, fixer, tries, then };
    plan.steps.push(made);
    ix
}

/// What agents are expected to spend: mostly about what they do, now and then nothing or much more.
fn estimates(plan: &Plan, rng: &mut Rng) -> PlanEstimate {
    let mut steps = Vec::new();
    for (place, step) in plan.steps.iter().enumerate() {
        let own = matches!(step.work, Work::Agent(_)).then_some(false);
        for fix in own.into_iter().chain(step.on_gate_fail.fixer.is_some().then_some(true)) {
            let most = rng.pick(&[0, 100, 400, 4_000]);
            steps.push(StepEstimate {
                gate: None,
                step: StepIx(place as u32),
                fix,
                model: "claude".to_owned(),
                input_tokens: rng.below(most + 1),
                output_tokens: rng.below(20),
                usd_micros: rng.below(most * 10 + 1),
                guessed: false,
                starts: 1,
            });
        }
    }
    PlanEstimate { steps, ..PlanEstimate::default() }
}

fn failure_policy(rng: &mut Rng) -> OnFailure {
    rng.pick(&[OnFailure::Drain, OnFailure::Drain, OnFailure::FailFast, OnFailure::Continue])
}
