//! Real agent programs against a scripted model: one attempt at a time through the executor. No account, no network.
//!
//! `ORCH_CLIS` names the folder with the programs (`.ci/agents DIR` makes
//! `DIR/bin`); the scripted model is `../shared/stub-model`, or `ORCH_STUB_MODEL`. Skips loudly what is not there.
//! Another program is one more row of `WIRING`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop; skips are loud")]

#[path = "support/scripted.rs"]
mod scripted;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command as Process,
    sync::{Arc, Mutex},
    time::Duration,
};

use orch::{
    base::{Envelope, FailureClass, Outcome, SandboxMode, Usage},
    definition::{Permissions, policy::Policy},
    execute::{
        Assignment, Confined, Executor, Live, Place, Watch,
        process::{Keeper, Limits, StopToken, allow_list_env},
        render::Renderer,
    },
    guard::{risk::RiskContext, sandbox::Method},
    runtime::{Access, Capabilities, McpServer, Order, OrderAgent, PROGRAMS, ProgramKind, ProgramSettings, Seen},
};
use scripted::Scripted;
use serde_json::{Value, json};

/// A program and a model that it knows.
const MODELS: &[(&str, &str)] = &[
    ("claude", "claude-sonnet-4-6"),
    ("codex", "gpt-5.5"),
    ("gemini", "gemini-2.5-pro"),
    ("copilot", "gpt-5.4"),
    ("opencode", "stub/stub-model"),
];

/// How a program finds the scripted model.
fn environment(program: &str, address: &str) -> BTreeMap<OsString, OsString> {
    let mut env = scripted::environment(program, address);
    if program == "opencode" {
        let models = json!({ "stub-model": { "limit": { "context": 200_000, "output": 8_000 } }, "stub-small": {} });
        let provider = scripted::opencode_provider(address, &models);
        let config = json!({
            "enabled_providers": ["stub"], "small_model": "stub/stub-small", "provider": { "stub": provider }
        });
        env.push(("OPENCODE_CONFIG_CONTENT", config.to_string()));
    }
    env.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Cases of our own, before those of the scripted model.
fn own_cases() -> Vec<Value> {
    let run = json!([{ "text": "Running.", "tools": [{ "do": "shell", "command": "{{1}}" }] }, { "text": "It ran." }]);
    let value = json!({ "verdict": "pass", "score": 7 });
    let mended = json!([{ "tools": [{ "do": "final_json", "value": value }] }, { "text": "done" }]);
    vec![
        json!({ "name": "run", "match": "case: run ([^\n\"]+)", "with_tools": true, "turns": run }),
        // Only the sentence that a second try is told makes it mend its answer.
        json!({ "match": "case: mend[\\s\\S]*What was wrong", "with_tools": true, "turns": mended }),
        json!({ "match": "case: mend", "with_tools": true, "turns": [{ "text": "{\"verdict\": 3}", "raw": true }] }),
    ]
}

fn start(folder: &Path, lab: &Path) -> Scripted {
    let mut cases = scripted::cases(folder);
    cases["rules"].as_array_mut().unwrap().splice(0..0, own_cases());
    Scripted::start(folder, &cases, lab).unwrap()
}

/// One program and where it works.
struct Bench {
    kind: &'static ProgramKind,
    settings: ProgramSettings,
    model: &'static str,
    lab: PathBuf,
    attempts: std::cell::Cell<u32>,
}

/// What an attempt left.
struct Done {
    outcome: Outcome,
    seen: Vec<Seen>,
    workspace: PathBuf,
    attempt_dir: PathBuf,
}

impl Done {
    fn success(&self) -> Result<&Envelope, String> {
        match &self.outcome {
            Outcome::Succeeded(envelope) => Ok(envelope),
            other => Err(format!("it ended as {other:?}")),
        }
    }

    fn session(&self) -> Option<&str> {
        self.seen.iter().find_map(|seen| match seen {
            Seen::Session(session) => Some(session.as_str()),
            _ => None,
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
            model: Some(self.model.into()),
            tools: None,
            files: vec![],
            answer_files: false,
            access: Access::Edit,
            permissions: Permissions::default(),
            mcp_servers: vec![],
            attached: vec![],
            inputs: serde_json::Map::new(),
        }
    }

    async fn perform(&self, order: Order) -> Done {
        self.perform_in(order, self.workspace(), self.settings.clone()).await
    }

    fn workspace(&self) -> PathBuf {
        self.attempts.set(self.attempts.get() + 1);
        let workspace = self.lab.join(format!("work-{}", self.attempts.get()));
        fs::create_dir_all(&workspace).unwrap();
        workspace
    }

    /// The attempt gets its number now; several may be awaited at once.
    fn perform_in(&self, order: Order, workspace: PathBuf, settings: ProgramSettings) -> impl Future<Output = Done> {
        let attempt = format!("{}-1", self.attempts.get());
        self.attempts.set(self.attempts.get() + 1);
        self.perform_as(attempt, order, workspace, settings)
    }

    async fn perform_as(&self, attempt: String, order: Order, workspace: PathBuf, settings: ProgramSettings) -> Done {
        let program = Path::new(env!("CARGO_BIN_EXE_orch"));
        let adapter = (self.kind.make)(settings);
        let executor = Executor::new(Keeper::start(program).unwrap(), Renderer::new(program), [adapter]);
        let text = |path: &Path| path.display().to_string();
        let (own, state) = (text(&self.lab.join("home")), text(&self.lab.join("state")));
        let risk = RiskContext::new(&text(&workspace), &own, &state, Policy::default()).unwrap();
        let watch = Watch { risk: Some(Arc::new(risk)), audit: None, redactor: None, hook: Some(program.to_owned()) };
        let executor = executor.watched(watch);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        let home = OsString::from(self.lab.join("home"));
        let mut env: Vec<_> =
            allow_list_env(std::env::vars_os()).into_iter().filter(|(name, _)| name != "HOME").collect();
        env.push(("HOME".into(), home));
        let place = Place {
            secrets: Vec::new(),
            workspace: workspace.clone(),
            attempt_dir: self.lab.join("attempts").join(&attempt),
            env,
            run: self.lab.display().to_string(),
            attempt,
            sandbox: std::env::var_os("ORCH_CONFINED").map(|_| confined(&self.lab)),
            live: Live::new(move |what| heard.lock().unwrap().push(what)),
        };
        let limits = Limits { timeout: Some(Duration::from_secs(240)), ..Limits::default() };
        let assignment = Assignment::Agent { order: Box::new(order), runtime: self.kind.name.into(), limits };
        let outcome = executor.perform(assignment, &place, StopToken::never()).await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        Done { outcome, seen, workspace, attempt_dir: place.attempt_dir }
    }
}

/// As steps that say `sandbox: workspace-write` run (`ORCH_CONFINED=1`).
fn confined(lab: &Path) -> Arc<Confined> {
    Arc::new(Confined {
        mode: SandboxMode::WorkspaceWrite,
        reads_only: false,
        network: None,
        writes: Vec::new(),
        own: vec![lab.join("state")],
        method: Method::Namespaces,
        engine: None,
    })
}

fn need(holds: bool, what: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

async fn answers(bench: &Bench) -> Result<(), String> {
    let done = bench.perform(bench.order("hello")).await;
    let envelope = done.success()?;
    need(envelope.text == "Hello from the stub.", format!("it said {:?}", envelope.text))?;
    need(done.session().is_some() && done.session() == envelope.session.as_deref(), "its session was not told")?;
    need(envelope.usage.tokens() == 120, format!("it cost {:?}", envelope.usage))
}

async fn writes(bench: &Bench) -> Result<(), String> {
    let done = bench.perform(bench.order("write notes.txt")).await;
    let envelope = done.success()?;
    let text = fs::read_to_string(done.workspace.join("notes.txt")).map_err(|error| error.to_string())?;
    need(text == "hello from the stub\n", format!("it wrote {text:?}"))?;
    need(envelope.files_changed == ["notes.txt"], format!("{:?}", envelope.files_changed))
}

async fn runs_commands(bench: &Bench) -> Result<(), String> {
    let done = bench.perform(bench.order("shell")).await;
    done.success()?;
    need(done.workspace.join("shell.txt").is_file(), "the command did not run")
}

async fn only_reads(bench: &Bench) -> Result<(), String> {
    let done = bench.perform(Order { access: Access::Read, ..bench.order("write notes.txt") }).await;
    need(!done.workspace.join("notes.txt").exists(), "it wrote where it may only read")?;
    match &done.outcome {
        Outcome::Succeeded(envelope) => need(!envelope.text.contains("Done"), "a write that was denied is a success"),
        _ => Ok(()),
    }
}

async fn keeps_the_schema(bench: &Bench) -> Result<(), String> {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "required": ["verdict", "score"], "additionalProperties": false,
        "properties": { "verdict": { "type": "string" }, "score": { "type": "integer" } }
    });
    let order = |case: &str| Order { expected_output: Some(schema.clone()), ..bench.order(case) };
    let done = bench.perform(order("json")).await;
    need(done.success()?.output == json!({ "verdict": "pass", "score": 7 }), "the output is another one")?;
    match bench.perform(order("no json")).await.outcome {
        Outcome::Failed(failure) if failure.class == FailureClass::Invalid => {
            need(failure.session.is_some(), "nobody can tell the session what was wrong")
        }
        other => Err(format!("prose ended as {other:?}")),
    }
}

async fn goes_on(bench: &Bench) -> Result<(), String> {
    let workspace = bench.workspace();
    let first = bench.perform_in(bench.order("hello"), workspace.clone(), bench.settings.clone()).await;
    let envelope = first.success()?.clone();
    let order = Order { session: envelope.session.clone(), session_usage: envelope.usage, ..bench.order("hello") };
    let second = bench.perform_in(order.clone(), workspace.clone(), bench.settings.clone()).await;
    let next = second.success()?;
    need(next.session == envelope.session, "it did not go on with the session")?;
    need(next.usage == envelope.usage, format!("it was charged {:?} and then {:?}", envelope.usage, next.usage))?;
    let adapter = (bench.kind.make)(bench.settings.clone());
    if !adapter.capabilities().forks {
        return Ok(());
    }
    let mut twice = envelope.usage;
    twice.add(next.usage);
    let order = Order { forks: true, session_usage: twice, ..order };
    let fork = bench.perform_in(order, workspace, bench.settings.clone()).await;
    let forked = fork.success()?;
    need(forked.session.is_some() && forked.session != envelope.session, "it did not fork the session")?;
    need(forked.usage == envelope.usage, format!("the fork was charged {:?}", forked.usage))
}

async fn names_a_rate_limit(bench: &Bench) -> Result<(), String> {
    match bench.perform(bench.order("fault rate_limit")).await.outcome {
        Outcome::Failed(failure) if matches!(failure.class, FailureClass::Transient { .. }) => Ok(()),
        other => Err(format!("it ended as {other:?}")),
    }
}

async fn calls_a_server(bench: &Bench) -> Result<(), String> {
    let server = McpServer {
        name: "orch".into(),
        command: vec!["python3".into(), scripted::folder().unwrap().join("mcp_stub.py").display().to_string()],
        env: BTreeMap::from([("SECRET_OF_THE_SERVER".to_owned(), "x".to_owned())]),
    };
    let done = bench.perform(Order { mcp_servers: vec![server], ..bench.order("mcp orch submit_result") }).await;
    let text = &done.success()?.text;
    need(text.contains("recorded: pass"), format!("it said {text:?}"))
}

/// A project brings hooks, servers and settings of its own: nothing of that runs.
async fn takes_nothing_from_the_project(bench: &Bench) -> Result<(), String> {
    let workspace = bench.workspace();
    let mark = bench.lab.join("mark");
    let touch = format!("touch {}", mark.display());
    let hook = json!([{ "hooks": [{ "type": "command", "command": touch }] }]);
    let hooks = json!({ "hooks": { "SessionStart": hook, "UserPromptSubmit": hook, "Stop": hook } });
    let server = json!({ "mcpServers": { "evil": { "command": "touch", "args": [mark] } } });
    let mut gemini = hooks.clone();
    gemini["hooksConfig"] = json!({ "enabled": true });
    gemini["mcpServers"] = server["mcpServers"].clone();
    gemini["tools"] = json!({ "discoveryCommand": touch });
    let opencode = json!({ "mcp": { "evil": { "type": "local", "command": ["touch", mark], "enabled": true } } });
    let plugin = format!("import fs from \"fs\";\nfs.writeFileSync({:?}, \"\");\n", mark.display().to_string());
    let copilot = json!({ "version": 1, "hooks": { "sessionStart": [{ "type": "command", "bash": touch }] } });
    let toml = format!("[mcp_servers.evil]\ncommand = \"touch\"\nargs = [{:?}]\n", mark.display().to_string());
    for (path, text) in [
        (".claude/settings.json", hooks.to_string()),
        (".mcp.json", server.to_string()),
        (".codex/config.toml", toml),
        (".codex/hooks.json", hooks.to_string()),
        (".gemini/settings.json", gemini.to_string()),
        ("opencode.json", opencode.to_string()),
        (".opencode/plugin/evil.js", plugin),
        (".github/hooks/evil.json", copilot.to_string()),
    ] {
        let path = workspace.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let done = bench.perform_in(bench.order("hello"), workspace, bench.settings.clone()).await;
    need(!mark.exists(), "a hook, a plugin or a server of the project ran")?;
    match &done.outcome {
        // One program cannot be kept from running plugins, so it is not started.
        Outcome::Failed(failure) => need(failure.reason.contains("evil.js"), failure.reason.clone()),
        _ => done.success().map(drop),
    }
}

async fn has_a_home_of_its_own(bench: &Bench) -> Result<(), String> {
    let settings = ProgramSettings { isolated_home: true, ..bench.settings.clone() };
    let done = bench.perform_in(bench.order("write notes.txt"), bench.workspace(), settings).await;
    done.success()?;
    need(done.attempt_dir.join("home").is_dir(), "there is no home")?;
    need(done.workspace.join("notes.txt").is_file(), "it wrote nothing")
}

/// A dangerous command is refused before it runs, whatever the program itself would allow; others run.
async fn judges_each_tool(bench: &Bench) -> Result<(), String> {
    if !(bench.kind.make)(bench.settings.clone()).capabilities().hooks {
        println!("     {} has no hooks that orch can use", bench.kind.name);
        return Ok(());
    }
    let mut settings = bench.settings.clone();
    settings.env.insert("IS_SANDBOX".into(), "1".into());
    for access in [Access::Edit, Access::Full] {
        let told = async |case: &str| {
            let order = Order { access, ..bench.order(case) };
            bench.perform_in(order, bench.workspace(), settings.clone()).await
        };
        let done = told("run touch ran.txt && git push --force origin main").await;
        need(!done.workspace.join("ran.txt").exists(), format!("a dangerous command ran with {access:?}"))?;
        let notes = fs::read_to_string(done.attempt_dir.join("refused.jsonl")).unwrap_or_default();
        need(notes.contains("git push --force"), format!("nothing was noted: {notes:?}, {:?}", done.outcome))?;
        let done = told("run touch fine.txt").await;
        done.success()?;
        need(done.workspace.join("fine.txt").is_file(), "a harmless command did not run")?;
    }
    Ok(())
}

fn rules(allow: Option<&[&str]>, ask: &[&str], deny: &[&str]) -> Permissions {
    let list = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
    Permissions { allow: allow.map(list), ask: list(ask), deny: list(deny) }
}

impl Bench {
    /// An order under rules, with the tools that these leave of what an agent inherits.
    fn ruled(&self, case: &str, permissions: &Permissions) -> Order {
        let tools = permissions.narrow(None);
        Order { tools, permissions: permissions.clone(), ..self.order(case) }
    }

    fn can(&self) -> Capabilities {
        (self.kind.make)(self.settings.clone()).capabilities()
    }
}

/// The reason of a failure.
fn failed(done: &Done) -> Result<&str, String> {
    match &done.outcome {
        Outcome::Failed(failure) => Ok(&failure.reason),
        other => Err(format!("it ended as {other:?}")),
    }
}

async fn keeps_command_rules(bench: &Bench) -> Result<(), String> {
    for (permissions, word) in [
        (rules(None, &[], &["Bash(touch:*)"]), "`deny` names `Bash(touch:*)`"),
        (rules(None, &["Bash(touch:*)"], &[]), "nobody is there to ask"),
        (rules(Some(&["Read", "Bash(mkdir:*)"]), &[], &[]), "`allow` names only `Read`, `Bash(mkdir:*)`"),
    ] {
        let denied = bench.perform(bench.ruled("run touch denied.txt", &permissions)).await;
        need(!denied.workspace.join("denied.txt").exists(), format!("a denied command ran: {word}"))?;
        let reason = failed(&denied)?;
        if !bench.can().command_rules {
            need(reason.contains("cannot keep") && reason.contains("Bash("), reason)?;
            continue;
        }
        need(reason.contains("not allowed") && reason.contains(word), reason)?;
        let allowed = bench.perform(bench.ruled("run mkdir allowed", &permissions)).await;
        allowed.success().map_err(|fault| format!("an allowed command, {word}: {fault}"))?;
        need(allowed.workspace.join("allowed").is_dir(), "an allowed command did not run")?;
    }
    Ok(())
}

async fn keeps_path_rules(bench: &Bench) -> Result<(), String> {
    for permissions in [
        rules(None, &[], &["Edit(ci/**)", "Bash"]),
        rules(None, &[], &["Write(ci/**)", "Bash"]),
        rules(Some(&["Read", "Edit(src/**)", "Write(src/**)"]), &[], &[]),
    ] {
        let denied = bench.perform(bench.ruled("write ci/notes.txt", &permissions)).await;
        need(!denied.workspace.join("ci/notes.txt").exists(), "a denied file was written")?;
        let reason = failed(&denied)?;
        if !bench.can().path_rules {
            need(reason.contains("cannot keep"), reason)?;
            continue;
        }
        need(reason.contains("not allowed") && reason.contains("`permissions:`"), reason)?;
        let allowed = bench.perform(bench.ruled("write src/notes.txt", &permissions)).await;
        allowed.success().map_err(|fault| format!("an allowed file: {fault}"))?;
        need(allowed.workspace.join("src/notes.txt").is_file(), "an allowed file was not written")?;
    }
    Ok(())
}

async fn stays_inside(bench: &Bench) -> Result<(), String> {
    let outside = bench.lab.join("outside.txt");
    // Somewhere in a repository, and a repository of its own.
    for is_repository in [false, true] {
        let workspace = bench.workspace();
        if is_repository {
            let made = Process::new("git").args(["init", "--quiet"]).current_dir(&workspace).status().unwrap();
            assert!(made.success());
        }
        let order = bench.order("write ../outside.txt");
        let done = bench.perform_in(order, workspace.clone(), bench.settings.clone()).await;
        need(!outside.exists(), format!("it wrote outside of the workspace, repository: {is_repository}"))?;
        let reason = failed(&done)?;
        need(reason.contains("not allowed"), reason)?;
        let done = bench.perform_in(bench.order("write notes.txt"), workspace, bench.settings.clone()).await;
        done.success()?;
        need(done.workspace.join("notes.txt").is_file(), "it wrote nothing inside of it")?;
    }
    Ok(())
}

async fn works_without_limits(bench: &Bench) -> Result<(), String> {
    let outside = bench.lab.join("danger");
    let order = Order { access: Access::Full, ..bench.order(&format!("run mkdir {}", outside.display())) };
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut settings = bench.settings.clone();
    if is_root && bench.can().refuses_root {
        let done = bench.perform(order.clone()).await;
        need(!outside.exists(), "it worked as root, and it was thought to refuse")?;
        need(failed(&done)?.contains("root"), failed(&done)?)?;
        match &done.outcome {
            Outcome::Failed(failure) if failure.class == FailureClass::Permanent => {}
            other => return Err(format!("refusing root is {other:?}")),
        }
        settings.env.insert("IS_SANDBOX".into(), "1".into());
    }
    let done = bench.perform_in(order, bench.workspace(), settings).await;
    if std::env::var_os("ORCH_CONFINED").is_some() {
        return need(!outside.exists(), "the sandbox let it out");
    }
    done.success()?;
    need(outside.is_dir(), "it has limits")
}

/// Several copies of one session at once, and then the session itself.
async fn forks_at_once(bench: &Bench) -> Result<(), String> {
    if !bench.can().forks {
        return Ok(());
    }
    let workspace = bench.workspace();
    let settings = || bench.settings.clone();
    let first = bench.perform_in(bench.order("hello"), workspace.clone(), settings()).await;
    let source = first.success()?.clone();
    // As a run has charged it: with a price, which is guessed here.
    let priced = Usage { usd_micros: 3_000, guessed_usd_micros: 3_000, ..source.usage };
    let goes_on = Order { session: source.session.clone(), session_usage: priced, ..bench.order("hello") };
    let fork = || bench.perform_in(Order { forks: true, ..goes_on.clone() }, workspace.clone(), settings());
    let (one, two, three, four) = tokio::join!(fork(), fork(), fork(), fork());
    let mut sessions = vec![source.session.clone()];
    for done in [&one, &two, &three, &four] {
        let forked = done.success()?;
        need(forked.usage == source.usage, format!("a fork was charged {:?}", forked.usage))?;
        sessions.push(forked.session.clone());
    }
    // A second message to a fork is charged once as well: what was charged includes the copy.
    let mut charged = source.usage;
    charged.add(source.usage);
    let order = Order { session: one.success()?.session.clone(), session_usage: charged, ..bench.order("hello") };
    let second = bench.perform_in(order, workspace.clone(), settings()).await;
    need(second.success()?.usage == source.usage, format!("then it was charged {:?}", second.success()?.usage))?;
    let last = bench.perform_in(goes_on, workspace.clone(), settings()).await;
    let last = last.success()?;
    need(last.session == source.session, "the source does not go on")?;
    need(last.usage == source.usage, format!("the source was charged {:?}: a fork went on with it", last.usage))?;
    sessions.sort();
    sessions.dedup();
    need(sessions.len() == 5, format!("the sessions are not five: {sessions:?}"))
}

/// All in one home: what one of them keeps there must not disturb another.
async fn works_eightfold(bench: &Bench) -> Result<(), String> {
    let begin = || bench.perform(bench.order("write notes.txt"));
    let all = tokio::join!(begin(), begin(), begin(), begin(), begin(), begin(), begin(), begin());
    let all = [all.0, all.1, all.2, all.3, all.4, all.5, all.6, all.7];
    let sessions: BTreeSet<_> = all.iter().filter_map(Done::session).collect();
    for done in &all {
        done.success()?;
        need(done.workspace.join("notes.txt").is_file(), "one of eight wrote nothing")?;
    }
    need(sessions.len() == 8, format!("{} sessions of eight", sessions.len()))
}

/// The second try is told what was wrong and goes on with the session.
async fn mends_its_answer(bench: &Bench) -> Result<(), String> {
    let schema = json!({
        "type": "object", "required": ["verdict", "score"],
        "properties": { "verdict": { "type": "string" }, "score": { "type": "integer" } }
    });
    let order = Order { expected_output: Some(schema), ..bench.order("mend") };
    let workspace = bench.workspace();
    let first = bench.perform_in(order.clone(), workspace.clone(), bench.settings.clone()).await;
    let Outcome::Failed(failure) = &first.outcome else { return Err(format!("it ended as {:?}", first.outcome)) };
    need(failure.class == FailureClass::Invalid, format!("{failure:?}"))?;
    let session = failure.session.clone();
    need(session.is_some(), "nobody can tell the session what was wrong")?;
    let feedback = Some(failure.reason.clone());
    let order = Order { session: session.clone(), session_usage: failure.usage, feedback, ..order };
    let second = bench.perform_in(order, workspace, bench.settings.clone()).await;
    let mended = second.success()?;
    need(mended.output == json!({ "verdict": "pass", "score": 7 }), format!("{:?}", mended.output))?;
    need(mended.session == session, "another session mended it")
}

#[tokio::test(flavor = "multi_thread")]
async fn real_programs_do_as_they_are_told() {
    let (Some(folder), Some(programs)) = (scripted::folder(), std::env::var_os("ORCH_CLIS").map(PathBuf::from)) else {
        println!("SKIPPED: real agent programs need ORCH_CLIS=/path/to/bin and ../shared/stub-model");
        return;
    };
    // Not below the system's folder for temporary files: one of the programs cannot make its sandbox there.
    let lab = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let scripted = start(&folder, lab.path());
    let mut wrong = Vec::new();
    let only = std::env::var("ORCH_ONLY_CLI").ok();
    for (name, model) in MODELS.iter().filter(|row| only.as_deref().is_none_or(|only| only == row.0)) {
        let program = programs.join(name);
        let Some(kind) = PROGRAMS.iter().find(|kind| kind.name == *name).filter(|_| program.exists()) else {
            println!("SKIPPED: {name} is not in {}", programs.display());
            continue;
        };
        let env = environment(name, &scripted.address);
        let settings = ProgramSettings { program: program.into(), env, ..ProgramSettings::default() };
        let lab = lab.path().join(name);
        fs::create_dir_all(lab.join("home/.codex")).unwrap();
        let bench = Bench { kind, settings, model, lab, attempts: std::cell::Cell::new(0) };
        let checks = [
            ("answers", answers(&bench).await),
            ("writes", writes(&bench).await),
            ("runs commands", runs_commands(&bench).await),
            ("only reads", only_reads(&bench).await),
            ("keeps the schema", keeps_the_schema(&bench).await),
            ("goes on with a session", goes_on(&bench).await),
            ("names a rate limit", names_a_rate_limit(&bench).await),
            ("calls a server", calls_a_server(&bench).await),
            ("takes nothing from the project", takes_nothing_from_the_project(&bench).await),
            ("has a home of its own", has_a_home_of_its_own(&bench).await),
            ("judges each tool", judges_each_tool(&bench).await),
            ("keeps rules on commands", keeps_command_rules(&bench).await),
            ("keeps rules on paths", keeps_path_rules(&bench).await),
            ("stays inside", stays_inside(&bench).await),
            ("works without limits", works_without_limits(&bench).await),
            ("forks at once", forks_at_once(&bench).await),
            ("works eightfold in one home", works_eightfold(&bench).await),
            ("mends its answer", mends_its_answer(&bench).await),
        ];
        for (what, result) in checks {
            println!("{name} {what}: {}", result.as_ref().err().map_or("yes", |fault| fault));
            if let Err(fault) = result {
                wrong.push(format!("{name} {what}: {fault}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
