//! Real agents of the Agent Client Protocol against a scripted model: one attempt at a time through the executor. No
//! account, no network.
//!
//! `ORCH_CLIS` names the folder with the programs (`.ci/agents DIR` makes `DIR/bin`); the scripted model is
//! `../shared/stub-model`, or `ORCH_STUB_MODEL`. Skips loudly what is not there. Another agent is one more row of `AGENTS`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop; skips are loud")]

#[path = "support/scripted.rs"]
mod scripted;

use std::{
    cell::Cell,
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use orch::{
    base::{Envelope, Failure, FailureClass, Outcome, Usage},
    execute::{
        Assignment, Executor, Live, Place,
        process::{Keeper, Limits, StopReason, StopSource, StopToken, allow_list_env},
        render::Renderer,
    },
    runtime::{Access, AcpSettings, Declared, McpServer, Order, OrderAgent, Seen},
};
use scripted::Scripted;
use serde_json::json;

/// After a stop nothing may live longer.
const STOP_TIME: Duration = Duration::from_secs(2);

/// How an agent is started, and what it needs to find the scripted model.
struct Agent {
    name: &'static str,
    args: &'static [&'static str],
    /// A model to ask for, where the agent lets anybody choose.
    model: Option<&'static str>,
    env: fn(&str) -> Vec<(&'static str, String)>,
    files: fn() -> Vec<(&'static str, String)>,
    /// Whether it may lose a session; one agent writes over one that is taken up in the minute in which it began.
    forgets: bool,
    /// Whether it uses the servers that a session names; one agent does not where it works offline.
    serves: bool,
}

const AGENTS: &[Agent] = &[
    Agent {
        name: "gemini",
        args: &["--acp"],
        model: Some("gemini-2.5-pro"),
        env: |base| {
            let fixed = ["GEMINI_CLI_TRUST_WORKSPACE", "GEMINI_CLI_NO_RELAUNCH"].map(|name| (name, "true".to_owned()));
            let mut env = scripted::environment("gemini", base);
            env.extend(fixed);
            env
        },
        files: || {
            let settings = json!({
                "security": { "auth": { "selectedType": "gemini-api-key" } },
                "general": { "enableAutoUpdate": false, "maxAttempts": 2 },
                "privacy": { "usageStatisticsEnabled": false }
            });
            vec![(".gemini/settings.json", settings.to_string())]
        },
        forgets: true,
        serves: true,
    },
    Agent {
        name: "copilot",
        args: &["--acp"],
        model: None,
        env: |base| {
            let mut env = scripted::environment("copilot", base);
            env.extend([("COPILOT_AUTO_UPDATE", "false".into()), ("COPILOT_MODEL", "gpt-5.4".into())]);
            env
        },
        files: Vec::new,
        forgets: false,
        serves: false,
    },
    Agent {
        name: "opencode",
        args: &["acp"],
        model: Some("stub/stub-small"),
        env: |base| vec![("OPENCODE_CONFIG_CONTENT", opencode(base))],
        files: Vec::new,
        forgets: false,
        serves: true,
    },
];

/// The service that opencode needs to be told of. It allows everything where nobody tells it to ask.
fn opencode(base: &str) -> String {
    let models = json!({ "stub-model": { "limit": { "context": 200_000, "output": 8_000 } }, "stub-small": {} });
    let provider = scripted::opencode_provider(base, &models);
    let ask = json!({ "edit": "ask", "bash": "ask" });
    json!({
        "enabled_providers": ["stub"], "model": "stub/stub-model", "small_model": "stub/stub-small",
        "provider": { "stub": provider }, "permission": ask, "autoupdate": false
    })
    .to_string()
}

/// One agent and where it works.
struct Bench {
    agent: &'static Agent,
    settings: AcpSettings,
    lab: PathBuf,
    attempts: Cell<u32>,
}

/// What an attempt left.
struct Done {
    outcome: Outcome,
    seen: Vec<Seen>,
    workspace: PathBuf,
}

impl Done {
    fn success(&self) -> Result<&Envelope, String> {
        match &self.outcome {
            Outcome::Succeeded(envelope) => Ok(envelope),
            other => Err(format!("it ended as {other:?} after {:?}", self.seen)),
        }
    }

    fn failure(&self) -> Result<&Failure, String> {
        match &self.outcome {
            Outcome::Failed(failure) => Ok(failure),
            other => Err(format!("it ended as {other:?} after {:?}", self.seen)),
        }
    }

    fn told(&self) -> Usage {
        self.seen.iter().fold(Usage::default(), |mut sum, seen| {
            if let Seen::Spent(usage, _) = seen {
                sum.add(*usage);
            }
            sum
        })
    }
}

impl Bench {
    fn order(&self, case: &str) -> Order {
        Order {
            workflow: "w".into(),
            step: "s".into(),
            attempt: 1,
            turn: 1,
            agent: OrderAgent { name: "developer".into(), instructions: "You write \"code\".\n--yes".into() },
            task: format!("case: {case}"),
            requirements: String::new(),
            constraints: vec![],
            context: String::new(),
            context_files: vec![],
            expected_output: None,
            feedback: None,
            session: None,
            forks: false,
            session_usage: Usage::default(),
            model: self.agent.model.map(str::to_owned),
            tools: None,
            files: vec![],
            answer_files: false,
            access: Access::Edit,
            permissions: orch::definition::Permissions::default(),
            mcp_servers: vec![],
            attached: vec![],
            inputs: serde_json::Map::new(),
        }
    }

    fn workspace(&self) -> PathBuf {
        self.attempts.set(self.attempts.get() + 1);
        let workspace = self.lab.join(format!("work-{}", self.attempts.get()));
        fs::create_dir_all(&workspace).unwrap();
        workspace
    }

    async fn perform(&self, order: Order) -> Done {
        self.perform_in(order, self.workspace(), StopToken::never(), |_| {}).await
    }

    async fn perform_in(
        &self,
        order: Order,
        workspace: PathBuf,
        stop: StopToken,
        hear: impl Fn(&Seen) + Send + Sync + 'static,
    ) -> Done {
        let program = Path::new(env!("CARGO_BIN_EXE_orch"));
        let adapter = Declared::Acp(self.settings.clone()).adapter(self.agent.name, &self.lab);
        let executor = Executor::new(Keeper::start(program).unwrap(), Renderer::new(program), [adapter]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        let mut env: Vec<_> =
            allow_list_env(std::env::vars_os()).into_iter().filter(|(name, _)| name != "HOME").collect();
        env.push(("HOME".into(), OsString::from(self.lab.join("home"))));
        self.attempts.set(self.attempts.get() + 1);
        let attempt = format!("{}-1", self.attempts.get());
        let place = Place {
            secrets: Vec::new(),
            workspace: workspace.clone(),
            attempt_dir: self.lab.join("attempts").join(&attempt),
            env,
            run: self.run(),
            attempt,
            sandbox: None,
            live: Live::new(move |what| {
                hear(&what);
                heard.lock().unwrap().push(what);
            }),
        };
        let limits = Limits { timeout: Some(Duration::from_secs(240)), ..Limits::default() };
        let assignment = Assignment::Agent { order: Box::new(order), runtime: self.agent.name.into(), limits };
        let outcome = executor.perform(assignment, &place, stop).await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        Done { outcome, seen, workspace }
    }

    /// The mark that all processes of this bench carry.
    fn run(&self) -> String {
        self.lab.display().to_string()
    }

    fn alive(&self) -> Vec<String> {
        let mark = format!("ORCH_RUN={}", self.run()).into_bytes();
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let marked = processes.filter(|path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark)
        });
        marked.map(|path| fs::read_to_string(path.join("cmdline")).unwrap_or_default().replace('\0', " ")).collect()
    }
}

fn need(holds: bool, what: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

async fn answers(bench: &Bench) -> Result<(), String> {
    let began = Instant::now();
    let done = bench.perform(bench.order("hello")).await;
    let envelope = done.success()?;
    println!("{} answered after {:?}, {:?}", bench.agent.name, began.elapsed(), done.seen);
    need(envelope.text == "Hello from the stub.", format!("it said {:?}", envelope.text))?;
    need(done.seen.iter().any(|seen| matches!(seen, Seen::Session(_))), "its session was not told")?;
    need(envelope.session.is_some(), "it has no session")?;
    need(envelope.usage.tokens() == 120, format!("it cost {:?}", envelope.usage))?;
    need(done.told().tokens() == 120, format!("{:?} was told while it worked", done.told()))
}

async fn writes(bench: &Bench) -> Result<(), String> {
    let done = bench.perform(bench.order("write notes.txt")).await;
    let envelope = done.success()?;
    let text = fs::read_to_string(done.workspace.join("notes.txt")).map_err(|error| error.to_string())?;
    need(text == "hello from the stub\n", format!("it wrote {text:?}"))?;
    need(envelope.files_changed == ["notes.txt"], format!("{:?}", envelope.files_changed))?;
    need(envelope.text == "Done: notes.txt created.", format!("it said {:?}", envelope.text))?;
    let edit = Seen::ToolStarted("edit".into(), "notes.txt".into());
    need(done.seen.contains(&edit), format!("the edit was not told: {:?}", done.seen))
}

async fn runs_commands(bench: &Bench) -> Result<(), String> {
    let done = bench.perform(bench.order("shell")).await;
    done.success()?;
    need(done.workspace.join("shell.txt").is_file(), "the command did not run")
}

async fn only_reads(bench: &Bench) -> Result<(), String> {
    for case in ["write notes.txt", "shell"] {
        let done = bench.perform(Order { access: Access::Read, ..bench.order(case) }).await;
        for file in ["notes.txt", "shell.txt"] {
            need(!done.workspace.join(file).exists(), format!("it wrote {file} where it may only read"))?;
        }
        let failure = done.failure()?;
        let is_told = done.seen.iter().any(|seen| matches!(seen, Seen::Denied(_)));
        need(is_told && failure.reason.contains("not allowed"), format!("{case}: {failure:?} after {:?}", done.seen))?;
    }
    Ok(())
}

async fn runs_only_what_it_was_given(bench: &Bench) -> Result<(), String> {
    let tools = Some(vec!["Read".into(), "Bash(cargo test *)".into()]);
    let done = bench.perform(Order { tools, ..bench.order("shell") }).await;
    need(!done.workspace.join("shell.txt").exists(), "it ran a command that it was not given")?;
    done.failure().map(drop)
}

async fn keeps_the_schema(bench: &Bench) -> Result<(), String> {
    let schema = json!({
        "type": "object", "required": ["verdict", "score"], "additionalProperties": false,
        "properties": { "verdict": { "type": "string" }, "score": { "type": "integer" } }
    });
    let order = |case: &str| Order { expected_output: Some(schema.clone()), ..bench.order(case) };
    let done = bench.perform(order("json")).await;
    need(done.success()?.output == json!({ "verdict": "pass", "score": 7 }), "the output is another one")?;
    let prose = bench.perform(order("no json")).await;
    let failure = prose.failure()?;
    need(failure.class == FailureClass::Invalid, format!("prose ended as {failure:?}"))?;
    need(failure.session.is_some(), "nobody can tell the session what was wrong")
}

async fn goes_on(bench: &Bench) -> Result<(), String> {
    let workspace = bench.workspace();
    let first = bench.perform_in(bench.order("hello"), workspace.clone(), StopToken::never(), |_| {}).await;
    let envelope = first.success()?.clone();
    let order =
        Order { session: envelope.session.clone(), session_usage: envelope.usage, ..bench.order("write notes.txt") };
    let second = bench.perform_in(order.clone(), workspace.clone(), StopToken::never(), |_| {}).await;
    if bench.agent.forgets && matches!(second.outcome, Outcome::Failed(_)) {
        need(second.failure()?.class == FailureClass::Recoverable, "the lost session was not told")?;
        let order = Order { feedback: Some("Do it again.".into()), ..order };
        let again = bench.perform_in(order, workspace, StopToken::never(), |_| {}).await;
        return need(again.success()?.session != envelope.session, "it did not begin a new session");
    }
    let next = second.success()?;
    println!("{} went on: {:?} then {:?}", bench.agent.name, envelope.usage, next.usage);
    need(next.session == envelope.session, "it did not go on with the session")?;
    // The second turn alone: 1200 and 45, then 1300 and 12. One agent tells only the last request of a turn.
    let tokens = next.usage.tokens();
    println!("{tokens} tokens");
    need(tokens == 2_557 || tokens == 1_312, format!("it was charged {:?} for the second turn", next.usage))
}

async fn names_a_failure(bench: &Bench) -> Result<(), String> {
    let done = bench.perform(bench.order("fault auth")).await;
    let failure = done.failure()?;
    need(failure.class == FailureClass::Missing, format!("it ended as {failure:?}"))?;
    let done = bench.perform(bench.order("fault rate_limit")).await;
    let failure = done.failure()?;
    need(matches!(failure.class, FailureClass::Transient { .. }), format!("it ended as {failure:?}"))
}

async fn calls_a_server(bench: &Bench) -> Result<(), String> {
    let server = McpServer {
        name: "orch".into(),
        command: vec!["python3".into(), scripted::folder().unwrap().join("mcp_stub.py").display().to_string()],
        env: BTreeMap::from([("SECRET_OF_THE_SERVER".to_owned(), "x".to_owned())]),
    };
    let done = bench.perform(Order { mcp_servers: vec![server], ..bench.order("mcp orch submit_result") }).await;
    let text = &done.success()?.text;
    if !bench.agent.serves {
        return need(text.contains("does not exist"), "it uses servers now: change its row");
    }
    need(text.contains("recorded: pass"), format!("it said {text:?}"))
}

/// A stop while a command of the agent runs.
async fn leaves_nothing(bench: &Bench) -> Result<(), String> {
    for reason in [StopReason::Gentle, StopReason::Hard] {
        let source = Arc::new(StopSource::new());
        let stopped = Arc::new(Mutex::new(None));
        let (stopper, when) = (Arc::clone(&source), Arc::clone(&stopped));
        let hear = move |seen: &Seen| {
            if matches!(seen, Seen::ToolStarted(_, on) if on.contains("sleep")) && when.lock().unwrap().is_none() {
                let (stopper, when) = (Arc::clone(&stopper), Arc::clone(&when));
                // The command is told before it runs.
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(1_500));
                    *when.lock().unwrap() = Some(Instant::now());
                    stopper.stop(reason);
                });
            }
        };
        let done = bench.perform_in(bench.order("sleep"), bench.workspace(), source.token(), hear).await;
        need(done.outcome == Outcome::Stopped, format!("it ended as {:?} after {:?}", done.outcome, done.seen))?;
        let took = stopped.lock().unwrap().ok_or("it was never stopped")?.elapsed();
        let alive = bench.alive();
        println!("{} was gone {took:?} after a {reason:?} stop", bench.agent.name);
        need(alive.is_empty(), format!("alive: {alive:?}"))?;
        need(took < STOP_TIME, format!("it lived on for {took:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_agents_do_as_they_are_told() {
    let (Some(folder), Some(programs)) = (scripted::folder(), std::env::var_os("ORCH_CLIS").map(PathBuf::from)) else {
        println!("SKIPPED: real agents need ORCH_CLIS=/path/to/bin and ../shared/stub-model");
        return;
    };
    let lab = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let scripted = Scripted::start(&folder, &scripted::cases(&folder), lab.path()).unwrap();
    let mut wrong = Vec::new();
    let only = std::env::var("ORCH_ONLY_CLI").ok();
    for agent in AGENTS.iter().filter(|agent| only.as_deref().is_none_or(|only| only == agent.name)) {
        let program = programs.join(agent.name);
        if !program.exists() {
            println!("SKIPPED: {} is not in {}", agent.name, programs.display());
            continue;
        }
        let command =
            std::iter::once(program.display().to_string()).chain(agent.args.iter().map(|&arg| arg.to_owned()));
        let env = (agent.env)(&scripted.address).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let settings = AcpSettings { command: command.collect(), env, ..AcpSettings::default() };
        let lab = lab.path().join(agent.name);
        fs::create_dir_all(lab.join("home")).unwrap();
        for (path, text) in (agent.files)() {
            let path = lab.join("home").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let bench = Bench { agent, settings, lab, attempts: Cell::new(0) };
        let checks = [
            ("answers", answers(&bench).await),
            ("writes", writes(&bench).await),
            ("runs commands", runs_commands(&bench).await),
            ("only reads", only_reads(&bench).await),
            ("runs only what it was given", runs_only_what_it_was_given(&bench).await),
            ("keeps the schema", keeps_the_schema(&bench).await),
            ("goes on with a session", goes_on(&bench).await),
            ("names a failure", names_a_failure(&bench).await),
            ("calls a server", calls_a_server(&bench).await),
            ("leaves nothing", leaves_nothing(&bench).await),
        ];
        for (what, result) in checks {
            println!("{} {what}: {}", agent.name, result.as_ref().err().map_or("yes", |fault| fault));
            if let Err(fault) = result {
                wrong.push(format!("{} {what}: {fault}", agent.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
