//! Real processes that report rising costs, under the real driver, journal and keeper.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use orch::{
    base::{Envelope, Failure, Outcome, Price, Prices, RunId, Timestamp, Usage},
    definition::workflow::OnLimit,
    driver::{Assigner, Finish, Input, LocalDriver, OnApproval, Pacer, Setup, load},
    execute::{Executor, process::Keeper, render::Renderer, workspace::Spaces},
    journal::{NewRun, RunSummary, Store},
    plan::{Plan, StepIx, Work, estimate},
    runtime::{Adapter, Call, Capabilities, Invocation, Machine, Order, Policy, ProgramOutput, Reader, Scene, Seen},
    scheduler::{Event, Scheduler, Settled, Strength, WaitingFor},
};
use tempfile::TempDir;

use crate::plans::{agent, plan, step};

const ORCH: &str = env!("CARGO_BIN_EXE_orch");
/// Tokens of one report.
const REPORT: u64 = 100;
/// Between two reports of one agent.
const PAUSE_MS: u64 = 150;

/// Runs a script that prints a line for each report, and counts the lines in a file beside it.
struct Tape {
    script: PathBuf,
}

struct Lines {
    usage: Usage,
}

impl Adapter for Tape {
    fn name(&self) -> &str {
        "tape"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { streams: true, reports_usage: true, sessions: true, ..Capabilities::default() }
    }

    fn call(&self, order: &Order, _: &Scene) -> Result<Call, Box<Failure>> {
        let goes_on = if order.feedback.is_some() { "on" } else { "new" };
        Ok(Call::Program(Invocation {
            argv: vec!["sh".into(), self.script.clone().into(), order.step.clone().into(), goes_on.into()],
            env: std::collections::BTreeMap::new(),
            stdin: Vec::new(),
            files: Vec::new(),
        }))
    }

    fn reader(&self, _: &Order) -> Box<dyn Reader> {
        Box::new(Lines { usage: Usage::default() })
    }
}

impl Reader for Lines {
    fn line(&mut self, line: &[u8], _: bool) -> Vec<Seen> {
        match line {
            b"session" => vec![Seen::Session("s-1".to_owned())],
            b"spent" => {
                let usage = Usage { input_tokens: REPORT, ..Usage::default() };
                self.usage.add(usage);
                vec![Seen::Spent(usage, Some("small".to_owned()))]
            }
            _ => Vec::new(),
        }
    }

    fn finish(&mut self, _: &ProgramOutput) -> Outcome {
        Outcome::Succeeded(Box::new(Envelope { usage: self.usage, ..Envelope::default() }))
    }
}

struct Scene1 {
    folder: TempDir,
    store: Store,
}

fn run_id() -> RunId {
    RunId::from_random([9, 2, 3, 4, 5])
}

fn prices() -> Prices {
    let mut prices = Prices::default();
    prices.set("small", Price { input: 1_000_000, output: 1_000_000, cache_read: 1_000_000, cache_write: 1_000_000 });
    prices
}

/// Agents side by side, each of which would spend without end.
fn agents(count: usize, tokens: u64) -> Plan {
    let steps = (0..count).map(|place| step(&format!("a{place}"), Work::Agent(agent(Some("tape"))))).collect();
    let mut plan = plan(steps, (0..count).map(|place| StepIx(place as u32)).collect());
    plan.budget.tokens = Some(tokens);
    plan.budget.on_limit = OnLimit::Pause;
    // The estimate of an answer is far more than this budget: whoever is first holds what is there, so take none.
    plan.estimate = None;
    plan
}

impl Scene1 {
    fn new(plan: &Plan, deaf: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let trap = if deaf { "trap '' TERM INT\n" } else { "" };
        let script = format!(
            "{trap}echo session\n[ \"$2\" = on ] && {{ echo went-on >> {0}/on; exit 0; }}\n\
             while :; do echo spent; echo x >> {0}/count-$1; sleep {1}; done\n",
            folder.path().display(),
            PAUSE_MS as f64 / 1000.0
        );
        fs::write(folder.path().join("tape.sh"), script).unwrap();
        let store = Store::open(folder.path()).unwrap();
        let summary = RunSummary {
            run: run_id(),
            workflow: "tape".to_owned(),
            status: "running".to_owned(),
            started: Timestamp(1),
            ended: None,
            waiting_for: None,
            exit_code: None,
        };
        let new = NewRun { summary, plan_body: serde_json::to_vec(plan).unwrap(), records: Vec::new() };
        store.journal().create_run(new).wait().unwrap();
        Self { folder, store }
    }

    /// Drives the run with these first events; `later` comes after a while.
    fn drive(&self, first: Vec<Event>, later: Option<(Duration, Event)>) -> Finish {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let keeper = Keeper::start(ORCH.as_ref()).unwrap();
            let adapters: Vec<Arc<dyn Adapter>> = vec![Arc::new(Tape { script: self.path().join("tape.sh") })];
            let executor = Executor::new(keeper.clone(), Renderer::new(ORCH), adapters).priced(Arc::new(prices()));
            let assigner = Assigner {
                secrets: Arc::new([]),
                servers: Vec::new(),
                renderer: Arc::new(Renderer::new(ORCH)),
                root: self.path().to_owned(),
                folder: self.store.run_folder(&run_id()).unwrap(),
                env: vec![("PATH".into(), env::var_os("PATH").unwrap())],
                stream_bytes_max: 1_000_000,
                baseline: None,
                reads_memory: std::collections::BTreeSet::new(),
                forks: std::collections::BTreeSet::new(),
                nonce: "0123456789abcdef01234567".to_owned(),
                confine: None,
                audit: None,
                trace: None,
            };
            let journal = self.store.journal();
            let loaded = load(journal.as_ref(), &run_id(), |_, _, _| {}).unwrap();
            let (watchers, mut told) = tokio::sync::mpsc::unbounded_channel();
            let reader = tokio::spawn(async move { while told.recv().await.is_some() {} });
            let setup = Setup {
                redactor: orch::guard::Redactor::default(),
                recall: None,
                spaces: Arc::new(Spaces::new(self.path().to_owned(), self.path().join("state"), Vec::new(), run_id())),
                journal,
                executor,
                assigner,
                on_approval: OnApproval::Fail,
                park: true,
                inbox: Duration::from_millis(40),
                watchers,
                has_space: Box::new(|| true),
                pacer: Pacer::new(
                    Arc::default(),
                    Policy::default(),
                    [].into(),
                    [].into(),
                    0,
                    Box::new(Machine::default),
                ),
            };
            let driver = LocalDriver::new(setup, loaded);
            if let Some((after, event)) = later {
                let sender = driver.sender();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    sender.send(Input::Event(event)).ok();
                });
            }
            let finish = driver.drive(first).await.unwrap();
            reader.await.unwrap();
            keeper.shutdown().await;
            finish
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Reports that the processes have made, whether anybody read them or not.
    fn reports(&self) -> usize {
        let files = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let counts = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("count-"));
        counts.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum()
    }

    fn loaded(&self) -> Scheduler {
        load(self.store.journal().as_ref(), &run_id(), |_, _, _| {}).unwrap().scheduler
    }
}

fn started(parallel: u32) -> Event {
    Event::RunStarted {
        run: run_id(),
        inputs: serde_json::Map::new(),
        seed: 1,
        parallel,
        runtime: "tape".to_owned(),
        replayed: Vec::new(),
    }
}

fn over_a_limit(deaf: bool) {
    const AGENTS: u64 = 3;
    let limit = 10 * REPORT;
    let scene = Scene1::new(&agents(AGENTS as usize, limit), deaf);
    let finish = scene.drive(vec![started(8)], None);
    let Finish::Parked(waiting) = finish else { panic!("{finish:?}") };
    assert!(matches!(&waiting[..], [WaitingFor::Budget { reason }] if reason.contains("tokens")), "{waiting:?}");
    let spent = scene.loaded().spent();
    // A deaf agent is killed at the first report after it was told to stop.
    let each = if deaf { 2 } else { 1 };
    assert!(spent.usage.tokens() >= limit, "{spent:?}");
    assert!(spent.usage.tokens() <= limit + each * AGENTS * REPORT, "{spent:?}");
    assert_eq!(spent.usage.usd_micros, spent.usage.tokens(), "a token of this model costs a micro-dollar");
    let reports = scene.reports();
    std::thread::sleep(Duration::from_millis(3 * PAUSE_MS));
    assert_eq!(scene.reports(), reports, "agents work on while the run is parked");
    // More money: they go on in their sessions.
    let raise = Event::BudgetRaised { usd_micros: None, tokens: Some(1_000_000), time_ms: None, agents: None };
    let finish = scene.drive(vec![Event::Restarted { parallel: 8 }, raise], None);
    let Finish::Ended(end) = finish else { panic!("{finish:?}") };
    assert_eq!(end.settled, Settled::Succeeded, "{end:?}");
    let on = fs::read_to_string(scene.path().join("on")).unwrap();
    assert_eq!(on.lines().count() as u64, AGENTS, "each agent went on where it was");
    assert!(scene.loaded().spent().usage.tokens() >= limit, "what was spent before is still counted");
}

#[test]
fn a_limit_is_overshot_by_one_report_an_agent_and_a_raise_goes_on() {
    over_a_limit(false);
}

#[test]
fn an_agent_that_ignores_the_stop_and_spends_on_is_killed() {
    over_a_limit(true);
}

#[test]
fn after_a_cancel_there_are_no_reports() {
    let scene = Scene1::new(&agents(4, 1_000_000), false);
    let cancel = Event::CancelRequested { strength: Strength::Gentle };
    let finish = scene.drive(vec![started(8)], Some((Duration::from_millis(4 * PAUSE_MS), cancel)));
    let Finish::Ended(end) = finish else { panic!("{finish:?}") };
    assert_eq!(end.settled, Settled::Cancelled);
    let (reports, spent) = (scene.reports(), scene.loaded().spent());
    assert!(reports >= 4, "they have worked: {reports}");
    std::thread::sleep(Duration::from_millis(4 * PAUSE_MS));
    assert_eq!(scene.reports(), reports, "0 reports after the cancel");
    assert_eq!(scene.loaded().spent(), spent);
}

#[test]
fn estimates_that_do_not_fit_let_agents_run_one_after_the_other() {
    let mut plan = agents(3, 5_000);
    plan.budget.on_limit = OnLimit::Stop;
    plan.estimate = Some(estimate(&plan, &prices(), Some("tape")));
    let each = plan.estimate.as_ref().unwrap().steps[0].tokens();
    assert!(2 * each > 5_000 && each < 5_000, "{each}");
    let mut scheduler = Scheduler::new(Arc::new(plan));
    let actions = scheduler.step(Timestamp(1), started(8));
    let mut begun = Vec::new();
    let mut queue: std::collections::VecDeque<_> = actions.into();
    while let Some(action) = queue.pop_front() {
        if let orch::scheduler::Action::Start { attempt, .. } = action {
            begun.push(attempt);
        }
    }
    assert_eq!(begun.len(), 1, "the second estimate does not fit beside the first");
    scheduler
        .step(Timestamp(2), Event::Started { attempt: begun[0], subject: None, shown: None, how: None, review: None });
    let outcome = Outcome::Succeeded(Box::default());
    let actions = scheduler.step(Timestamp(3), Event::Finished { attempt: begun[0], outcome });
    let starts = actions.iter().filter(|action| matches!(action, orch::scheduler::Action::Start { .. })).count();
    assert_eq!(starts, 1, "what was held is given back, and the next begins");
}
