//! What a step costs: ratios against a bare loop of `posix_spawn` on the same machine in the same minute.
//!
//! `cargo bench --bench runs` prints one table. Every case runs in a process of its own, so that its peak memory is
//! its own; rounds are interleaved, and the median counts. `ORCH_BENCH_ROUNDS` (default 5) and `ORCH_BENCH_SCALE`
//! (default 1.0) make it shorter for a look.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use orch::{
    base::{Digest, Envelope, Failure, Outcome, RunId, Timestamp},
    definition::workflow::{Join, OnFailure, OnLimit, Workspace},
    driver::{Assigner, Finish, LocalDriver, OnApproval, Pacer, Setup, encode, load},
    execute::{Executor, process::Keeper, render::Renderer, workspace::Spaces},
    journal::{Append, NewRun, RunSummary, Store},
    plan::{
        AgentWork, Budget, Command, EdgeKind, GateFail, Limits, Need, PLAN_VERSION, Plan, PlanContext, PlanStep,
        RecoveryPolicy, RetryPolicy, StepIx, Text, Work,
    },
    runtime::{Adapter, Call, Capabilities, Machine, Order, Policy, Reader, RecordedTurn, Scene},
    scheduler::Event,
};
use support::{apart, is_child, median, rounds, scaled};

mod support;

const ORCH: &str = env!("CARGO_BIN_EXE_orch");

/// A runtime that answers at once and does nothing.
struct Nothing;

impl Adapter for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities { replays: true, ..Capabilities::default() }
    }
    fn call(&self, _: &Order, _: &Scene) -> Result<Call, Box<Failure>> {
        Ok(Call::Recorded(Box::new(RecordedTurn {
            delay_ms: 0,
            writes: Vec::new(),
            deletes: Vec::new(),
            envelope: Envelope::default(),
            fails: None,
        })))
    }
    fn reader(&self, _: &Order) -> Box<dyn Reader> {
        unreachable!("nothing is called")
    }
}

fn step(id: usize, work: Work, needs: Vec<usize>) -> PlanStep {
    let need = |step: usize| Need { step: StepIx(step as u32), edge: EdgeKind::Declared, reads: false };
    PlanStep {
        id: format!("s{id}"),
        path: format!("s{id}"),
        parent: None,
        line: 1,
        work,
        needs: needs.into_iter().map(need).collect(),
        join: Join::All,
        when: None,
        gates: Vec::new(),
        on_gate_fail: GateFail::default(),
        retry: RetryPolicy::default(),
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

fn command() -> Work {
    Work::Run { command: Command::Shell("true".to_owned()), workspace: Workspace::Shared, keeps_text: false }
}

fn agent() -> Work {
    Work::Agent(AgentWork {
        agent: None,
        prompt: Text { text: "nothing".to_owned(), reads: Vec::new() },
        runtime: Some("nothing".to_owned()),
        model: None,
        tools: None,
        context: PlanContext::Fresh,
        context_budget: 1000,
        skills: Vec::new(),
        workspace: Workspace::Shared,
        activated: Vec::new(),
        memory: Vec::new(),
        servers: vec![],
        prose: None,
        permissions: orch::definition::Permissions::default(),
        danger: false,
        answer_files: false,
    })
}

fn plan(steps: Vec<PlanStep>) -> Plan {
    Plan {
        secrets: Vec::new(),
        version: PLAN_VERSION,
        name: "bench".to_owned(),
        description: String::new(),
        digest: Digest::of(b"bench"),
        inputs: Vec::new(),
        models: Default::default(),
        budget: Budget { usd_micros: None, tokens: None, time_ms: None, agents: 1_000_000, on_limit: OnLimit::Stop },
        limits: Limits::default(),
        on_failure: OnFailure::Drain,
        roots: (0..steps.len()).map(|place| StepIx(place as u32)).collect(),
        steps,
        outputs: Vec::new(),
        agents: Vec::new(),
        skills: Vec::new(),
        folder: ".".to_owned(),
        memory: Vec::new(),
        servers: vec![],
        trust: None,
        danger: None,
        sandbox: orch::plan::PlanSandbox::default(),
        estimate: None,
    }
}

fn independent(count: usize, work: fn() -> Work) -> Plan {
    plan((0..count).map(|id| step(id, work(), Vec::new())).collect())
}

fn chain(count: usize) -> Plan {
    plan((0..count).map(|id| step(id, command(), id.checked_sub(1).into_iter().collect())).collect())
}

fn layers(count: usize, width: usize) -> Plan {
    let needs = |id: usize| match (id / width).checked_sub(1) {
        Some(layer) => (layer * width..(layer + 1) * width).collect(),
        None => Vec::new(),
    };
    plan((0..count * width).map(|id| step(id, command(), needs(id))).collect())
}

fn run_id() -> RunId {
    RunId::from_random([1, 2, 3, 4, 5])
}

fn started(parallel: u32) -> Event {
    Event::RunStarted {
        run: run_id(),
        inputs: Default::default(),
        seed: 1,
        parallel,
        runtime: "nothing".to_owned(),
        replayed: vec!["nothing".to_owned()],
    }
}

fn create(store: &Store, plan: &Plan) {
    let summary = RunSummary {
        run: run_id(),
        workflow: "bench".to_owned(),
        status: "running".to_owned(),
        started: Timestamp(1),
        ended: None,
        waiting_for: None,
        exit_code: None,
    };
    let new = NewRun { summary, plan_body: serde_json::to_vec(plan).unwrap(), records: Vec::new() };
    store.journal().create_run(new).wait().unwrap();
}

/// Runs a plan through the real driver, journal and keeper; gives the seconds from the first event to the end.
fn drive(plan: &Plan, parallel: u32) -> f64 {
    let folder = scratch();
    let store = Store::open(&folder).unwrap();
    create(&store, plan);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Beside the store, as in life: what a journal writes is no change of the project.
    let project = folder.join("project");
    fs::create_dir(&project).unwrap();
    let begin = Instant::now();
    runtime.block_on(async {
        let keeper = Keeper::start(ORCH.as_ref()).unwrap();
        let adapters: Vec<Arc<dyn Adapter>> = vec![Arc::new(Nothing)];
        let executor = Executor::new(keeper.clone(), Renderer::new(ORCH), adapters);
        let assigner = Assigner {
            secrets: Arc::new([]),
            servers: Vec::new(),
            renderer: Arc::new(Renderer::new(ORCH)),
            root: project.clone(),
            folder: store.run_folder(&run_id()).unwrap(),
            env: vec![("PATH".into(), env::var_os("PATH").unwrap())],
            stream_bytes_max: 64_000_000,
            baseline: None,
            reads_memory: std::collections::BTreeSet::new(),
            forks: std::collections::BTreeSet::new(),
            nonce: "0123456789abcdef01234567".to_owned(),
            confine: None,
            audit: None,
            trace: None,
        };
        let journal = store.journal();
        let loaded = load(journal.as_ref(), &run_id(), |_, _, _| {}).unwrap();
        let (watchers, mut told) = tokio::sync::mpsc::unbounded_channel();
        let reader = tokio::spawn(async move { while told.recv().await.is_some() {} });
        let setup = Setup {
            redactor: orch::guard::Redactor::default(),
            recall: None,
            spaces: Arc::new(Spaces::new(project.clone(), folder.join("state"), git_env(), run_id())),
            journal,
            executor,
            assigner,
            on_approval: OnApproval::Fail,
            park: true,
            inbox: std::time::Duration::from_millis(40),
            watchers,
            has_space: Box::new(|| true),
            pacer: Pacer::new(
                Arc::default(),
                Policy::default(),
                ["nothing".to_owned()].into(),
                [].into(),
                0,
                Box::new(Machine::default),
            ),
        };
        match LocalDriver::new(setup, loaded).drive(vec![started(parallel)]).await.unwrap() {
            Finish::Ended(end) => assert_eq!(end.cause, None),
            Finish::Parked(waiting) => panic!("parked: {waiting:?}"),
        }
        reader.await.unwrap();
        keeper.shutdown().await;
    });
    let took = begin.elapsed().as_secs_f64();
    fs::remove_dir_all(folder).unwrap();
    took
}

/// The same number of `true` with nothing around it.
fn bare(count: usize, parallel: usize) -> f64 {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..parallel {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let status = Process::new("true")
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .status()
                        .unwrap();
                    assert!(status.success());
                }
            });
        }
    });
    begin.elapsed().as_secs_f64()
}

/// Reads a finished run of 100,000 records back.
fn resume(records: usize) -> f64 {
    let folder = scratch();
    let store = Store::open(&folder).unwrap();
    let plan = independent(records / 2, command);
    create(&store, &plan);
    let mut scheduler = orch::scheduler::Scheduler::new(Arc::new(plan));
    let mut events = vec![started(4)];
    let mut seq = 0;
    let mut batch = Vec::new();
    while let Some(event) = events.pop() {
        batch.push(encode(Timestamp(1), &event));
        for action in scheduler.step(Timestamp(1), event) {
            if let orch::scheduler::Action::Start { attempt, .. } = action {
                let outcome = Outcome::Succeeded(Box::default());
                events.push(Event::Finished { attempt, outcome });
                events.push(Event::Started { attempt, subject: None, shown: None, how: None, review: None });
            }
        }
        if batch.len() >= 256 || events.is_empty() {
            let append = Append::new(run_id(), seq, std::mem::take(&mut batch));
            seq = store.journal().append(append).wait().unwrap();
        }
    }
    assert!(scheduler.ended().is_some());
    drop(store);
    let begin = Instant::now();
    let store = Store::open(&folder).unwrap();
    let loaded = load(store.journal().as_ref(), &run_id(), |_, _, _| {}).unwrap();
    assert!(loaded.scheduler.ended().is_some());
    let took = begin.elapsed().as_secs_f64();
    assert_eq!(loaded.seq, seq);
    fs::remove_dir_all(folder).unwrap();
    took
}

/// Starts `orch` once and waits for its end.
fn cold(arguments: &[&str]) -> f64 {
    let folder = scratch();
    let begin = Instant::now();
    let output = Process::new(ORCH).args(arguments).current_dir(&folder).env("HOME", &folder).output().unwrap();
    let took = begin.elapsed().as_secs_f64();
    assert!(output.status.success(), "{output:?}");
    fs::remove_dir_all(folder).unwrap();
    took
}

/// Without a search path there would be no git, and no checkpoint to pay for.
fn git_env() -> Vec<(OsString, OsString)> {
    vec![("PATH".into(), env::var_os("PATH").unwrap())]
}

fn scratch() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let base = env::var_os("ORCH_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let name = format!("orch-bench-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = base.join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Four for each core of the machine the goals were measured on, so that waiting for the disk does not leave a core idle.
const PARALLEL: usize = 8;

fn one(case: &str) -> f64 {
    match case {
        "independent" => drive(&independent(scaled(10_000, 1), command), PARALLEL as u32),
        "independent-bare" => bare(scaled(10_000, 1), PARALLEL),
        "chain" => drive(&chain(scaled(500, 1)), PARALLEL as u32),
        "chain-bare" => bare(scaled(500, 1), 1),
        "layers" => drive(&layers(10, 100), PARALLEL as u32),
        "layers-bare" => bare(1000, PARALLEL),
        "no-op" => drive(&independent(scaled(10_000, 1), agent), 64),
        "resume" => resume(100_000),
        "list" => cold(&["list"]),
        "help" => cold(&["--help"]),
        other => panic!("no case {other}"),
    }
}

fn main() {
    if is_child(|case, _| one(case)) {
        return;
    }
    let rounds = rounds(5);
    let apart = |case: &str| apart(case, Path::new(""));
    println!("medians of {rounds} interleaved rounds, {PARALLEL} attempts at once, journal on");
    println!("{:<44} {:>10} {:>10} {:>8} {:>9} {:>8}", "case", "orch", "bare", "ratio", "goal", "peak MB");
    for (name, case, base, goal) in [
        ("10,000 independent `true`", "independent", "independent-bare", "<= 1.6"),
        ("500-step chain", "chain", "chain-bare", "<= 1.8"),
        ("10 x 100 full layers", "layers", "layers-bare", "<= 1.8"),
    ] {
        let pairs: Vec<_> = (0..rounds).map(|_| (apart(case), apart(base))).collect();
        let ours = median(pairs.iter().map(|pair| pair.0.0).collect());
        let theirs = median(pairs.iter().map(|pair| pair.1.0).collect());
        let ratio = median(pairs.iter().map(|pair| pair.0.0 / pair.1.0).collect());
        let peak = median(pairs.iter().map(|pair| pair.0.1).collect());
        println!("{name:<44} {ours:>9.3}s {theirs:>9.3}s {ratio:>8.2} {goal:>9} {peak:>8.1}");
    }
    let figure = |name: &str, case: &str, goal: &str, show: &dyn Fn(f64) -> String| {
        let runs: Vec<_> = (0..rounds).map(|_| apart(case)).collect();
        let took = median(runs.iter().map(|run| run.0).collect());
        let peak = median(runs.iter().map(|run| run.1).collect());
        println!("{name:<44} {:>10} {:>10} {:>8} {goal:>9} {peak:>8.1}", show(took), "", "");
    };
    let ms = |took: f64| format!("{:.1}ms", took * 1000.0);
    let steps = |took: f64| format!("{:.0}/s", scaled(10_000, 1) as f64 / took);
    figure("10,000 no-op steps, durable steps a second", "no-op", ">= 20000", &steps);
    figure("resume of a 100,000-record journal", "resume", "< 300ms", &ms);
    figure("cold `orch list`", "list", "< 30ms", &ms);
    figure("cold `orch --help`", "help", "< 10ms", &ms);
}
