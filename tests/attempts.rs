//! One attempt at a time, with real processes: what every assignment ends with, and what it leaves behind.

// Helpers of a test file count as no test.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command as Process,
    sync::Arc,
    time::{Duration, Instant},
};

use orch::{
    base::{Attached, Digest, Envelope, Failure, FailureClass, Judgement, Outcome, Verdict, schema_faults},
    execute::{
        Assignment, Baseline, CommandText, Excuse, Executor, Live, Place, Search,
        process::{Keeper, Limits, StopReason, StopSource, StopToken, allow_list_env},
        render::Renderer,
    },
    guard::Redactor,
    runtime::{Access, Adapter, Custom, CustomSettings, McpServer, Order, OrderAgent, OutputForm, Recording, Replay},
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

struct Bench {
    root: TempDir,
    executor: Executor,
    place: Place,
}

impl Bench {
    fn new() -> Self {
        Self::with(Vec::new())
    }

    fn with(adapters: Vec<Arc<dyn Adapter>>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let workspace = root.path().join("work");
        fs::create_dir(&workspace).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_orch"));
        let executor = Executor::new(Keeper::start(program).unwrap(), Renderer::new(program), adapters);
        let place = Place {
            secrets: Vec::new(),
            sandbox: None,
            workspace,
            attempt_dir: root.path().join("state/attempts/1-1"),
            env: allow_list_env(std::env::vars_os()),
            run: "run".into(),
            attempt: "1-1".into(),
            live: Live::default(),
        };
        Self { root, executor, place }
    }

    fn replay(recording: &str) -> Self {
        let recording = Recording::parse("r.yaml", recording).unwrap();
        Self::with(vec![Arc::new(Replay::new(vec![recording]))])
    }

    /// A custom agent that is this shell script.
    fn agent(script: &str, output: OutputForm) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sh");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let env = BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]);
        let settings =
            CustomSettings { command: vec!["./agent.sh".into()], output, env, sessions: false, reads_memory: false };
        Self::with(vec![Arc::new(Custom::new("mine", settings, &folder.keep()))])
    }

    async fn perform(&self, assignment: Assignment) -> Outcome {
        self.executor.perform(assignment, &self.place, StopToken::never()).await
    }

    async fn agent_outcome(&self, order: Order) -> Outcome {
        let runtime = if self.executor.capabilities("replay").is_some() { "replay" } else { "mine" };
        self.perform(Assignment::Agent { order: Box::new(order), runtime: runtime.into(), limits: limits() }).await
    }

    async fn run(&self, command: CommandText, expected_output: Option<Value>) -> Outcome {
        self.perform(Assignment::Run {
            command,
            args: vec![],
            env: vec![],
            expected_output,
            keeps_text: false,
            limits: limits(),
        })
        .await
    }

    async fn gate(&self, text: &str, expect: Option<&str>) -> Judgement {
        let expect = expect.map(str::to_owned);
        judged(self.perform(Assignment::GateRun { command: shell(text), expect, env: vec![], limits: limits() }).await)
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.place.workspace.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    fn file(&self, path: &str) -> PathBuf {
        self.place.workspace.join(path)
    }
}

fn limits() -> Limits {
    Limits { timeout: Some(Duration::from_secs(30)), grace: Duration::from_millis(200), ..Limits::default() }
}

fn short() -> Limits {
    Limits { timeout: Some(Duration::from_millis(200)), ..limits() }
}

fn shell(text: &str) -> CommandText {
    CommandText::Shell(text.to_owned())
}

fn order(expected_output: Option<Value>) -> Order {
    Order {
        workflow: "w".into(),
        step: "s".into(),
        attempt: 1,
        turn: 1,
        agent: OrderAgent { name: "developer".into(), instructions: "You write code.".into() },
        task: "Do the secret-word thing".into(),
        requirements: "idea: a counter".into(),
        constraints: vec!["keep it short".into()],
        context: String::new(),
        context_files: vec![],
        expected_output,
        feedback: None,
        session: None,
        forks: false,
        session_usage: orch::base::Usage::default(),
        model: None,
        tools: None,
        files: vec![],
        answer_files: false,
        access: Access::Edit,
        permissions: orch::definition::Permissions::default(),
        mcp_servers: vec![],
        attached: vec![],
        inputs: Map::from_iter([("idea".to_owned(), json!("a counter"))]),
    }
}

fn needs_n() -> Value {
    json!({
        "type": "object", "required": ["n", "ok"], "additionalProperties": false,
        "properties": { "n": { "type": "integer" }, "ok": { "type": "boolean" } },
    })
}

fn succeeded(outcome: Outcome) -> Envelope {
    match outcome {
        Outcome::Succeeded(envelope) => *envelope,
        other => panic!("{other:?}"),
    }
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => *failure,
        other => panic!("{other:?}"),
    }
}

fn judged(outcome: Outcome) -> Judgement {
    match outcome {
        Outcome::Judged(judgement) => *judgement,
        other => panic!("{other:?}"),
    }
}

fn has(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is not in `{text}`");
}

fn until(is_done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_done() {
        assert!(Instant::now() < deadline, "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

// --- Commands.

#[tokio::test]
async fn a_command_without_output_leaves_nothing_behind() {
    let bench = Bench::new();
    let envelope = succeeded(bench.run(shell("true"), None).await);
    assert_eq!(envelope, Envelope::default());
    assert!(!bench.root.path().join("state").exists());
    let silent = succeeded(bench.run(CommandText::Argv(vec!["test".into(), "-d".into(), ".".into()]), None).await);
    assert_eq!(silent, Envelope::default());
}

#[tokio::test]
async fn the_last_line_is_the_summary_and_output_is_kept() {
    let bench = Bench::new();
    let envelope = succeeded(bench.run(shell("echo first; echo; echo ' last '; echo; echo oops >&2"), None).await);
    assert_eq!(envelope.summary, "last");
    assert_eq!(envelope.output, Value::Null);
    let log = bench.place.logs().stdout;
    assert_eq!(fs::read_to_string(&log).unwrap(), "first\n\n last \n\n");
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(bench.place.attempt_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn values_arrive_by_environment_and_arguments() {
    let bench = Bench::new();
    let env = vec![("ORCH_INPUT_IDEA".to_owned(), "$(touch pwned); `x`".to_owned())];
    for (command, expected) in [
        (shell("echo \"$ORCH_INPUT_IDEA|$1|$2|$#\""), "$(touch pwned); `x`|a b|$c|2"),
        (CommandText::Argv(vec!["printf".into(), "%s|%s".into()]), "a b|$c"),
        (shell("env printf %s,"), "a b,$c,"),
    ] {
        let args = vec!["a b".to_owned(), "$c".to_owned()];
        let run = Assignment::Run {
            command,
            args,
            env: env.clone(),
            expected_output: None,
            keeps_text: false,
            limits: limits(),
        };
        let outcome = bench.perform(run).await;
        assert_eq!(succeeded(outcome).summary, expected);
    }
    assert!(!bench.file("pwned").exists());
    // Arguments are neither lost nor run.
    for text in ["printf %s,", "true;", "echo $HOME"] {
        let args = vec!["touch".to_owned(), "pwned".to_owned()];
        let run = Assignment::Run {
            command: shell(text),
            args,
            env: vec![],
            expected_output: None,
            keeps_text: false,
            limits: limits(),
        };
        has(&failure(bench.perform(run).await).reason, "the shell text does not use them");
    }
    assert!(!bench.file("pwned").exists());
}

#[tokio::test]
async fn a_declared_output_must_be_written_and_valid() {
    let bench = Bench::new();
    let run = |text: &str| bench.run(shell(text), Some(needs_n()));
    let envelope = succeeded(run("echo '{\"n\": 1, \"ok\": true}' > \"$ORCH_OUTPUT\"").await);
    assert_eq!(envelope.output, json!({ "n": 1, "ok": true }));
    for (text, part) in [
        ("true", "wrote nothing to $ORCH_OUTPUT"),
        (": > \"$ORCH_OUTPUT\"", "wrote nothing to $ORCH_OUTPUT"),
        ("echo '{' > \"$ORCH_OUTPUT\"", "is not JSON"),
        ("echo '{\"n\": \"x\", \"no\": 1}' > \"$ORCH_OUTPUT\"", "/n: \"x\" is not of type \"integer\""),
        ("echo '{\"n\": \"x\", \"no\": 1}' > \"$ORCH_OUTPUT\"", "\"ok\" is a required property"),
        ("echo '{\"n\": \"x\", \"no\": 1}' > \"$ORCH_OUTPUT\"", "'no' was unexpected"),
        ("ln -s /etc/passwd \"$ORCH_OUTPUT\"", "cannot be read"),
        ("mkfifo \"$ORCH_OUTPUT\"", "not a plain file"),
        ("head -c 5000000 /dev/zero > \"$ORCH_OUTPUT\"", "longer than 4 MB"),
    ] {
        let failed = failure(run(text).await);
        assert_eq!(failed.class, FailureClass::Permanent, "{text}");
        has(&failed.reason, part);
    }
    // A valid answer does not hide a bad end.
    let failed = failure(run("echo '{\"n\": 1, \"ok\": true}' > \"$ORCH_OUTPUT\"; exit 4").await);
    assert_eq!((failed.class, failed.evidence.exit), (FailureClass::Permanent, Some(4)));
    // Without a declaration there is nowhere to write to.
    has(&failure(bench.run(shell("echo 1 > \"$ORCH_OUTPUT\""), None).await).evidence.last_lines, "ORCH_OUTPUT");
}

#[tokio::test]
async fn a_failed_command_shows_its_last_lines() {
    let bench = Bench::new();
    let text = "echo to stdout; printf '\\033[31mto stderr\\033[0m\\n' >&2; exit 3";
    let failed = failure(bench.run(shell(text), None).await);
    assert_eq!(failed.class, FailureClass::Permanent);
    has(&failed.reason, "ended with exit code 3");
    let evidence = failed.evidence;
    assert_eq!(evidence.command, ["sh", "-eu", "-c", text]);
    assert_eq!((evidence.exit, evidence.last_lines.as_str()), (Some(3), "to stdout\nto stderr"));
    assert_eq!(evidence.output_digest, Some(Digest::of(b"to stdout\n\x1b[31mto stderr\x1b[0m\n")));
}

#[tokio::test]
async fn long_output_is_digested_from_the_log_and_its_end_is_shown() {
    let bench = Bench::new();
    let failed = failure(bench.run(shell("seq 1 200000; exit 1"), None).await);
    let log = fs::read(bench.place.logs().stdout).unwrap();
    assert!(log.len() > 1_000_000);
    assert_eq!(failed.evidence.output_digest, Some(Digest::of(&log)));
    assert!(failed.evidence.last_lines.ends_with("199999\n200000"), "{}", failed.evidence.last_lines);
    assert!(failed.evidence.last_lines.len() <= 4096);
    let tiny = Limits { stream_bytes_max: 100_000, ..limits() };
    let command = shell("seq 1 200000; exit 1");
    let run =
        Assignment::Run { command, args: vec![], env: vec![], expected_output: None, keeps_text: false, limits: tiny };
    let failed = failure(bench.perform(run).await);
    assert!(failed.evidence.dropped_bytes > 1_000_000, "{}", failed.evidence.dropped_bytes);
}

#[tokio::test]
async fn every_other_end_has_its_class() {
    let bench = Bench::new();
    let run = |text: &str, limits| {
        let command = shell(text);
        bench.perform(Assignment::Run {
            command,
            args: vec![],
            env: vec![],
            expected_output: None,
            keeps_text: false,
            limits,
        })
    };
    let failed = failure(run("no-such-program-here --x", limits()).await);
    assert_eq!(failed.class, FailureClass::Missing);
    has(&failed.reason, "there is no program `no-such-program-here`");
    let failed = failure(run("sleep 60", short()).await);
    assert_eq!(failed.class, FailureClass::TimedOut);
    has(&failed.reason, "`sleep 60` ran longer than 0.2s");
    let failed = failure(run("kill -KILL $$", limits()).await);
    assert_eq!(failed.class, FailureClass::Permanent);
    has(&failed.reason, "was ended by signal 9");
    bench.write("plain", "text");
    let failed = failure(run("./plain", limits()).await);
    assert_eq!(failed.class, FailureClass::Permanent);
    has(&failed.reason, "cannot start");
}

#[tokio::test]
async fn a_stop_stops() {
    let bench = Bench::new();
    let source = StopSource::new();
    let command = shell("echo > started; sleep 60");
    let run = Assignment::Run {
        command,
        args: vec![],
        env: vec![],
        expected_output: None,
        keeps_text: false,
        limits: limits(),
    };
    let (executor, place, token) = (bench.executor.clone(), bench.place.clone(), source.token());
    let running = tokio::spawn(async move { executor.perform(run, &place, token).await });
    let started = bench.file("started");
    tokio::task::spawn_blocking(move || until(|| started.exists())).await.unwrap();
    source.stop(StopReason::Gentle);
    assert_eq!(running.await.unwrap(), Outcome::Stopped);
    // A stop that came first lets nothing begin.
    let run = Assignment::Run {
        command: shell("touch late"),
        args: vec![],
        env: vec![],
        expected_output: None,
        keeps_text: false,
        limits: limits(),
    };
    assert_eq!(bench.executor.perform(run, &bench.place, source.token()).await, Outcome::Stopped);
    assert!(!bench.file("late").exists());
}

// --- Gates.

#[tokio::test]
async fn a_command_gate_has_three_verdicts() {
    let bench = Bench::new();
    bench.write("src/x", "1");
    let passed = bench.gate("echo fine", None).await;
    assert_eq!((passed.verdict, passed.evidence.exit), (Verdict::Pass, Some(0)));
    assert_eq!(passed.evidence.last_lines, "fine");
    assert_eq!(passed.evidence.tree, Some(bench.executor.tree(&bench.place.workspace).await.unwrap()));
    let failed = bench.gate("echo 'test a ... FAILED'; exit 101", None).await;
    assert_eq!((failed.verdict, failed.evidence.exit), (Verdict::Fail, Some(101)));
    has(&failed.evidence.last_lines, "test a ... FAILED");
    for (text, part) in [
        ("no-such-program-here", "there is no program"),
        ("no-such-program-here | cat; no-such-either", "exit code 127"),
        ("exit 126", "exit code 126"),
        ("kill -TERM $$", "signal 15"),
        ("sh -c 'kill -KILL $$'; exit $?", "signal 9"),
    ] {
        let error = bench.gate(text, None).await;
        assert_eq!(error.verdict, Verdict::Error, "{text}: {}", error.reason);
        has(&error.reason, part);
        assert!(error.evidence.tree.is_some());
    }
    let gate = Assignment::GateRun { command: shell("sleep 60"), expect: None, env: vec![], limits: short() };
    let error = judged(bench.perform(gate).await);
    assert_eq!(error.verdict, Verdict::Error);
    has(&error.reason, "ran longer than");
}

#[tokio::test]
async fn expect_is_judged_over_what_the_command_said() {
    let bench = Bench::new();
    for (text, expect, verdict) in [
        ("echo 93", "output >= 90", Verdict::Pass),
        ("echo 80", "output >= 90", Verdict::Fail),
        ("echo '{\"score\": 0.5}' > \"$ORCH_OUTPUT\"", "output.score == 0.5", Verdict::Pass),
        ("echo 1; echo '{\"score\": 2}' > \"$ORCH_OUTPUT\"", "output.score == 1", Verdict::Fail),
        ("echo all good", "'good' in stdout and exit == 0", Verdict::Pass),
        ("echo 93; exit 1", "output >= 90", Verdict::Fail),
        ("echo words", "output >= 90", Verdict::Error),
        ("echo '{' > \"$ORCH_OUTPUT\"", "exit == 0", Verdict::Error),
        ("echo '{}'", "output.score > 1", Verdict::Error),
        ("echo 5", "output", Verdict::Error),
        ("echo 5", "output >", Verdict::Error),
        ("seq 1 2000000", "stdout != 'x'", Verdict::Error),
        ("echo words", "output != 90", Verdict::Error),
    ] {
        let judgement = bench.gate(text, Some(expect)).await;
        assert_eq!(judgement.verdict, verdict, "{text}, {expect}: {}", judgement.reason);
        assert!(judgement.evidence.exit.is_some() && judgement.evidence.tree.is_some());
    }
}

#[tokio::test]
async fn an_expression_gate_has_three_verdicts() {
    let bench = Bench::new();
    let scope: Map<String, Value> = json!({ "review": { "issues": ["a", "b"] } }).as_object().unwrap().clone();
    for (expression, verdict, part) in [
        ("review.issues | length == 2", Verdict::Pass, ""),
        ("review.issues | length == 0", Verdict::Fail, "is false"),
        ("review.nothing == 0", Verdict::Error, "cannot be evaluated"),
        ("review.issues | length", Verdict::Error, "cannot be evaluated"),
        ("review.issues |", Verdict::Error, "cannot be read"),
    ] {
        let gate = Assignment::GateCheck { expression: expression.into(), scope: scope.clone() };
        let judgement = judged(bench.perform(gate).await);
        assert_eq!(judgement.verdict, verdict, "{expression}: {}", judgement.reason);
        has(&judgement.reason, part);
        assert!(judgement.evidence.tree.is_some());
        if verdict == Verdict::Fail {
            assert_eq!(judgement.evidence.last_lines, "review.issues = [\"a\",\"b\"]");
        }
    }
}

#[tokio::test]
async fn a_schema_gate_has_three_verdicts() {
    let bench = Bench::new();
    for (schema, verdict) in [
        (needs_n(), Verdict::Fail),
        (json!({ "required": ["x"] }), Verdict::Pass),
        (json!({ "type": 7 }), Verdict::Error),
    ] {
        let judgement = judged(bench.perform(Assignment::GateSchema { schema, value: json!({ "x": 1 }) }).await);
        assert_eq!(judgement.verdict, verdict, "{}", judgement.reason);
        assert!(judgement.evidence.tree.is_some());
    }
}

#[tokio::test]
async fn a_files_gate_looks_for_plain_files_in_the_workspace() {
    let bench = Bench::new();
    bench.write("src/main.rs", "x");
    bench.write("target/CACHEDIR.TAG", "x");
    bench.write("target/release/app", "x");
    fs::create_dir(bench.file("empty")).unwrap();
    symlink("/etc", bench.file("out")).unwrap();
    for (path, verdict) in [
        ("src/main.rs", Verdict::Pass),
        ("src/*.rs", Verdict::Pass),
        ("**/*.rs", Verdict::Pass),
        ("src/", Verdict::Pass),
        ("target/release/*", Verdict::Pass),
        ("src/*.py", Verdict::Fail),
        ("lib.rs", Verdict::Fail),
        ("empty", Verdict::Fail),
        ("out/passwd", Verdict::Fail),
        ("out/pass*", Verdict::Fail),
        ("../work/src/main.rs", Verdict::Error),
        ("../*/src/main.rs", Verdict::Error),
        ("/etc/passwd", Verdict::Error),
        ("/etc/pass*", Verdict::Error),
        ("src/[", Verdict::Error),
    ] {
        let judgement = judged(bench.perform(Assignment::GateFiles { paths: vec![path.into()] }).await);
        assert_eq!(judgement.verdict, verdict, "{path}: {}", judgement.reason);
    }
    let paths = ["src/main.rs", "a.rs", "b/*.rs"].map(str::to_owned).to_vec();
    has(&judged(bench.perform(Assignment::GateFiles { paths }).await).reason, "`a.rs`, `b/*.rs`");
}

async fn changed(bench: &Bench, baseline: &Arc<Baseline>, max: Option<u32>, deny: &[&str]) -> Judgement {
    let deny = deny.iter().map(|text| (*text).to_owned()).collect();
    let baseline = Arc::clone(baseline);
    judged(bench.perform(Assignment::GateChanged { max_files: max, allow: vec![], deny, baseline }).await)
}

#[tokio::test]
async fn a_changed_gate_without_version_control() {
    let bench = Bench::new();
    bench.write("a", "1");
    bench.write("b", "1");
    let baseline = bench.executor.baseline(&bench.place, StopToken::never()).await.unwrap();
    // It is kept with the run, so it must survive being stored.
    let baseline: Arc<Baseline> = Arc::new(serde_json::from_str(&serde_json::to_string(&baseline).unwrap()).unwrap());
    assert_eq!(changed(&bench, &baseline, Some(0), &["**"]).await.verdict, Verdict::Pass);
    bench.write("a", "2");
    fs::remove_file(bench.file("b")).unwrap();
    bench.write(".github/workflows/x.yml", "1");
    let judgement = changed(&bench, &baseline, Some(3), &[]).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{}", judgement.reason);
    assert_eq!(judgement.evidence.last_lines, "A .github/workflows/x.yml\nM a\nD b");
    assert!(judgement.evidence.tree.is_some());
    let judgement = changed(&bench, &baseline, Some(2), &[".github/**"]).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    has(&judgement.reason, "changed what is denied: `.github/workflows/x.yml`; changed 3 files, at most 2 may");
}

fn git(bench: &Bench, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
    let done = Process::new("git").args(identity).args(arguments).current_dir(&bench.place.workspace).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn a_changed_gate_in_a_work_tree_cannot_be_told_to_look_away() {
    let bench = Bench::new();
    bench.write(".gitignore", "*.log\nbuild/\n");
    bench.write("sub/.gitignore", "made\n");
    bench.write("a", "1");
    bench.write("dirty", "1");
    git(&bench, &["init", "-q"]);
    git(&bench, &["add", "-A"]);
    git(&bench, &["commit", "-qm", "first"]);
    bench.write("dirty", "the user was here");
    let baseline = Arc::new(bench.executor.baseline(&bench.place, StopToken::never()).await.unwrap());
    for path in ["x.log", "build/x", "sub/made", "sub/deep/made"] {
        bench.write(path, "ignored from the beginning");
    }
    let judgement = changed(&bench, &baseline, Some(0), &[]).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{}", judgement.evidence.last_lines);
    // A commit hides nothing, an index flag hides nothing, and new ignore rules hide nothing.
    bench.write("a", "2");
    git(&bench, &["update-index", "--assume-unchanged", "a"]);
    bench.write(".gitignore", "*\n");
    bench.write("evil", "1");
    bench.write("committed", "1");
    git(&bench, &["add", "-f", "committed"]);
    git(&bench, &["commit", "-qm", "second"]);
    let judgement = changed(&bench, &baseline, Some(0), &["evil"]).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.evidence.last_lines, "M .gitignore\nM a\nA committed\nA evil");
    has(&judgement.reason, "denied: `evil`");
    // Where git does not answer, nothing is known.
    fs::remove_dir_all(bench.file(".git")).unwrap();
    let judgement = changed(&bench, &baseline, None, &[]).await;
    assert_eq!(judgement.verdict, Verdict::Error);
    has(&judgement.reason, "git ended with exit code 128");
}

const TOKEN: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";

/// A bench that knows one secret, and what stood there before.
async fn before(files: &[(&str, &str)]) -> (Bench, Arc<Baseline>) {
    let mut bench = Bench::new();
    let redactor = Redactor::new([("DB_PASSWORD".to_owned(), "hunter2horse".to_owned())]);
    bench.executor = bench.executor.clone().hushed(&redactor);
    files.iter().for_each(|(path, text)| bench.write(path, text));
    let baseline = Arc::new(bench.executor.baseline(&bench.place, StopToken::never()).await.unwrap());
    (bench, baseline)
}

async fn searched(bench: &Bench, baseline: &Arc<Baseline>, search: Search) -> Judgement {
    let baseline = Arc::clone(baseline);
    let judgement = judged(bench.perform(Assignment::GateSecrets { search: Box::new(search), baseline }).await);
    let told = format!("{judgement:?}");
    assert!(!told.contains("hunter2") && !told.contains(TOKEN), "{told}");
    judgement
}

#[tokio::test]
async fn a_secrets_gate_names_file_line_and_kind_and_never_the_value() {
    let (bench, baseline) = before(&[("old.env", TOKEN), ("a", "1"), ("sub/b", "1")]).await;
    let pass = searched(&bench, &baseline, Search::default()).await;
    assert_eq!((pass.verdict, pass.evidence.last_lines.as_str()), (Verdict::Pass, ""), "{}", pass.reason);
    bench.write("sub/b", &format!("one\ntoken = \"{TOKEN}\"\n"));
    bench.write("new.bin", "\u{0}\u{1} hunter2horse \u{2}");
    let digest = Digest::of(TOKEN.as_bytes());
    let found = searched(&bench, &baseline, Search::default()).await;
    assert_eq!(found.verdict, Verdict::Fail);
    has(&found.reason, "stands in `new.bin:1` (the value of $DB_PASSWORD), `sub/b:2` (GitHub token): take it out");
    let token = format!("sub/b:2 GitHub token (digest {})", digest.short());
    assert_eq!(found.evidence.last_lines, format!("new.bin:1 the value of $DB_PASSWORD\n{token}"));
    assert!(found.evidence.tree.is_some());
    // What was there before is looked at only where the gate says so.
    let all = searched(&bench, &baseline, Search { all: true, ..Search::default() }).await;
    has(&all.evidence.last_lines, "old.env:1 GitHub token");
    let paths = vec!["sub".to_owned()];
    let some = searched(&bench, &baseline, Search { paths: paths.clone(), ..Search::default() }).await;
    assert_eq!((some.verdict, some.evidence.last_lines.as_str()), (Verdict::Fail, token.as_str()));
    // A known false one is allowed by its file or by its digest, with a reason that is kept.
    for (path, digest, verdict) in [
        (Some("sub/**"), None, Verdict::Pass),
        (None, Some(digest.short()), Verdict::Pass),
        (Some("sub/*"), Some(digest.as_str()), Verdict::Pass),
        (Some("other/**"), None, Verdict::Fail),
        (Some("other/**"), Some(digest.short()), Verdict::Fail),
        (Some("sub/**"), Some("0123456789ab"), Verdict::Fail),
        (Some("sub/["), None, Verdict::Error),
    ] {
        let excuse = Excuse {
            path: path.map(str::to_owned),
            digest: digest.map(str::to_owned),
            why: "made up for a test".to_owned(),
        };
        let search = Search { paths: paths.clone(), allow: vec![excuse], ..Search::default() };
        let judgement = searched(&bench, &baseline, search).await;
        assert_eq!(judgement.verdict, verdict, "{path:?} {digest:?}: {}", judgement.reason);
        if verdict == Verdict::Pass {
            assert_eq!(judgement.evidence.last_lines, format!("{token}: allowed, made up for a test"));
        }
    }
    // The digest of one key allows no known value.
    let excuse = Excuse { path: None, digest: Some(digest.short().to_owned()), why: "one".to_owned() };
    let judgement = searched(&bench, &baseline, Search { allow: vec![excuse], ..Search::default() }).await;
    has(&judgement.reason, "new.bin");
    assert!(!judgement.reason.contains("sub/b"), "{}", judgement.reason);
}

#[tokio::test]
async fn what_a_secrets_gate_cannot_read_is_an_error() {
    let (bench, baseline) = before(&[]).await;
    let large = fs::File::create(bench.file("large")).unwrap();
    large.set_len(16 * 1024 * 1024 + 1).unwrap();
    let judgement = searched(&bench, &baseline, Search::default()).await;
    assert_eq!(judgement.verdict, Verdict::Error);
    has(&judgement.reason, "`large`: it is larger than 16 MB");
    let paths = vec!["small".to_owned()];
    let judgement = searched(&bench, &baseline, Search { paths, ..Search::default() }).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{}", judgement.reason);
    fs::remove_file(bench.file("large")).unwrap();
    nix::unistd::mkfifo(&bench.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let judgement = searched(&bench, &baseline, Search::default()).await;
    assert_eq!(judgement.verdict, Verdict::Error);
    fs::remove_file(bench.file("pipe")).unwrap();
    // A link is a short text; where it leads is not looked at.
    fs::write(bench.root.path().join("outside"), TOKEN).unwrap();
    symlink(bench.root.path().join("outside"), bench.file("link")).unwrap();
    let judgement = searched(&bench, &baseline, Search::default()).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{}", judgement.reason);
    symlink(format!("/{TOKEN}"), bench.file("telling")).unwrap();
    let judgement = searched(&bench, &baseline, Search::default()).await;
    assert_eq!(judgement.verdict, Verdict::Fail, "{}", judgement.reason);
    bench.write(&format!("{TOKEN}.txt"), &format!("{TOKEN}\n"));
    has(&searched(&bench, &baseline, Search::default()).await.reason, "`[redacted:key].txt:1` (GitHub token)");
}

#[tokio::test]
async fn a_reconcile_command_judges_a_lost_attempt() {
    let bench = Bench::new();
    for (text, verdict) in [
        ("true", Verdict::Pass),
        ("exit 1", Verdict::Fail),
        ("exit 2", Verdict::Error),
        ("no-such-program-here", Verdict::Error),
    ] {
        let reconcile = Assignment::Reconcile { command: shell(text), env: vec![], limits: limits() };
        assert_eq!(judged(bench.perform(reconcile).await).verdict, verdict, "{text}");
    }
}

// --- Custom agents.

#[tokio::test]
async fn a_custom_agent_gets_its_order_and_no_prompt_in_its_arguments() {
    let bench = Bench::agent(
        "cat > prompt.txt; tr '\\0' '\\n' < /proc/$$/cmdline > argv.txt; cp \"$ORCH_ORDER\" order.json\n\
         env > env.txt; echo 'All done.'; echo 'And more.'",
        OutputForm::Text,
    );
    let wanted = order(None);
    let envelope = succeeded(bench.agent_outcome(wanted.clone()).await);
    assert_eq!((envelope.summary.as_str(), envelope.text.as_str()), ("All done.", "All done.\nAnd more."));
    assert_eq!(envelope.files_changed, ["argv.txt", "env.txt", "order.json", "prompt.txt"]);
    let read = |path: &str| fs::read_to_string(bench.file(path)).unwrap();
    assert_eq!(read("prompt.txt"), wanted.prompt());
    assert!(!read("argv.txt").contains("secret-word"), "{}", read("argv.txt"));
    assert!(!read("env.txt").contains("secret-word"), "{}", read("env.txt"));
    has(&read("env.txt"), "COLOUR=blue");
    assert_eq!(serde_json::from_str::<Order>(&read("order.json")).unwrap(), wanted);
    let stored = bench.place.order();
    assert_eq!(stored.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_result_is_read_from_its_file_or_from_standard_output() {
    let whole = r#"{"status": "succeeded", "summary": "ok", "output": {"n": 1, "ok": true}, "next_steps": ["x"]}"#;
    let bare = r#"{"n": 1, "ok": true}"#;
    for (script, form) in [
        (format!("echo '{whole}' > \"$ORCH_OUTPUT\""), OutputForm::Text),
        (format!("echo noise; echo '{bare}' > \"$ORCH_OUTPUT\""), OutputForm::Json),
        (format!("echo 'working'; echo '{whole}'"), OutputForm::Json),
        (format!("echo 'Here:'; echo '```json'; echo '{bare}'; echo '```'"), OutputForm::Text),
        (format!("echo '{bare}'; echo 'rate limit hit, retried' >&2"), OutputForm::Json),
    ] {
        let envelope = succeeded(Bench::agent(&script, form).agent_outcome(order(Some(needs_n()))).await);
        assert_eq!(envelope.output, json!({ "n": 1, "ok": true }), "{script}");
    }
}

#[tokio::test]
async fn no_doubtful_end_is_a_success() {
    use FailureClass::{Missing, Permanent, Quota, Recoverable, Transient};
    let valid = r#"echo '{"n": 1, "ok": true}' > "$ORCH_OUTPUT""#;
    let needed = Some(needs_n());
    for (script, expected, class, part) in [
        ("true".to_owned(), &None, Permanent, "ambiguous: exit code 0, but it said nothing"),
        ("true".to_owned(), &needed, Permanent, "ambiguous: exit code 0, but it wrote nothing"),
        ("echo 'I did it'".to_owned(), &needed, Permanent, "ambiguous: exit code 0"),
        (format!("{valid}; exit 1"), &needed, Permanent, "a valid result and then ended with exit code 1"),
        (format!("{valid}; kill -KILL $$"), &needed, Permanent, "ended with signal 9"),
        ("echo '{\"n\": 1}' > \"$ORCH_OUTPUT\"".to_owned(), &needed, Permanent, "\"ok\" is a required"),
        ("echo nonsense > \"$ORCH_OUTPUT\"".to_owned(), &needed, Permanent, "is not JSON"),
        (
            "echo '{\"status\": \"failed\", \"summary\": \"no way\"}' > \"$ORCH_OUTPUT\"".to_owned(),
            &None,
            Permanent,
            "no way",
        ),
        ("echo '{\"status\": \"great\"}' > \"$ORCH_OUTPUT\"".to_owned(), &None, Permanent, "unknown variant `great`"),
        (
            "echo '{\"status\": \"succeeded\", \"exit\": 0}' > \"$ORCH_OUTPUT\"".to_owned(),
            &None,
            Permanent,
            "unknown field `exit`",
        ),
        (
            "echo 'Error: 429 rate limit, retry-after: 7' >&2".to_owned(),
            &needed,
            Transient { retry_after_ms: Some(7_000) },
            "ambiguous",
        ),
        (
            "echo 'Overloaded' >&2; exit 1".to_owned(),
            &None,
            Transient { retry_after_ms: None },
            "exit code 1: Overloaded",
        ),
        ("echo 'insufficient_quota (429)' >&2; exit 1".to_owned(), &None, Quota { until: None }, "quota"),
        ("echo 'Not logged in' >&2; exit 1".to_owned(), &None, Missing, "Not logged in"),
        ("echo 'prompt is too long' >&2; exit 1".to_owned(), &None, Recoverable, "too long"),
        ("echo 'I said a lot'; exit 3".to_owned(), &None, Permanent, "exit code 3"),
        ("seq 1 2000000".to_owned(), &needed, Permanent, "too long to be read"),
    ] {
        let failed = failure(Bench::agent(&script, OutputForm::Text).agent_outcome(order(expected.clone())).await);
        assert_eq!(failed.class, class, "{script}: {}", failed.reason);
        has(&failed.reason, part);
        assert!(failed.evidence.command[0].ends_with("agent.sh"), "{:?}", failed.evidence);
    }
}

#[tokio::test]
async fn an_agent_program_can_be_missing_or_late_or_stopped() {
    let settings = CustomSettings {
        command: vec!["no-such-agent".into()],
        output: OutputForm::Text,
        env: BTreeMap::new(),
        sessions: false,
        reads_memory: false,
    };
    let bench = Bench::with(vec![Arc::new(Custom::new("mine", settings, Path::new("/")))]);
    let failed = failure(bench.agent_outcome(order(None)).await);
    assert_eq!(failed.class, FailureClass::Missing);
    has(&failed.reason, "there is no program `no-such-agent`");
    let unknown = Assignment::Agent { order: Box::new(order(None)), runtime: "other".into(), limits: limits() };
    assert_eq!(failure(bench.perform(unknown).await).class, FailureClass::Missing);

    let bench = Bench::agent("echo > started; sleep 60", OutputForm::Text);
    let late = Assignment::Agent { order: Box::new(order(None)), runtime: "mine".into(), limits: short() };
    assert_eq!(failure(bench.perform(late.clone()).await).class, FailureClass::TimedOut);
    fs::remove_file(bench.file("started")).unwrap();
    let source = StopSource::new();
    let Assignment::Agent { order, runtime, limits: _ } = late else { unreachable!() };
    let long = Assignment::Agent { order, runtime, limits: limits() };
    let (executor, place, token) = (bench.executor.clone(), bench.place.clone(), source.token());
    let running = tokio::spawn(async move { executor.perform(long, &place, token).await });
    let started = bench.file("started");
    tokio::task::spawn_blocking(move || until(|| started.exists())).await.unwrap();
    source.stop(StopReason::Hard);
    assert_eq!(running.await.unwrap(), Outcome::Stopped);
}

#[tokio::test]
async fn declared_files_bound_what_is_reported() {
    let bench = Bench::agent("mkdir src; echo > src/a.rs; echo > other; echo done", OutputForm::Text);
    let order = Order { files: vec!["src/**".into()], ..order(None) };
    assert_eq!(succeeded(bench.agent_outcome(order).await).files_changed, ["src/a.rs"]);
}

// --- Recordings.

const RECORDING: &str = "
recording: 1
workflow: w
inputs: { idea: a counter }
note: Recorded answers; commands, gates and tests run for real.
turns:
  - step: s
    says: { summary: made, text: I made it., next_steps: [test it], tests_passing: true }
    usage: { input_tokens: 1200, output_tokens: 300 }
    writes:
      - { path: src/main.rs, text: \"fn main() {}\\n\" }
      - { path: deep/er/a.bin, base64: AP/+ }
      - { path: run.sh, text: \"exit 0\" }
    deletes: [ old.rs, never-there ]
  - { step: s, turn: 2, says: { output: { n: 1 } } }
  - { step: s, attempt: 2, delay_ms: 600000, says: { summary: slow }, writes: [ { path: late, text: x } ] }
";

#[tokio::test]
async fn a_recorded_turn_writes_exact_bytes() {
    let bench = Bench::replay(RECORDING);
    bench.write("old.rs", "x");
    bench.write("run.sh", "exit 1");
    fs::set_permissions(bench.file("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let envelope = succeeded(bench.agent_outcome(order(None)).await);
    assert_eq!((envelope.summary.as_str(), envelope.text.as_str()), ("made", "I made it."));
    assert_eq!((envelope.tests_passing, envelope.next_steps.as_slice()), (Some(true), &["test it".to_owned()][..]));
    assert_eq!(envelope.usage.tokens(), 1500);
    assert!(envelope.session.is_some());
    assert_eq!(envelope.files_changed, ["deep/er/a.bin", "never-there", "old.rs", "run.sh", "src/main.rs"]);
    assert_eq!(fs::read(bench.file("src/main.rs")).unwrap(), b"fn main() {}\n");
    assert_eq!(fs::read(bench.file("deep/er/a.bin")).unwrap(), [0, 255, 254]);
    assert!(!bench.file("old.rs").exists());
    assert_eq!(bench.file("run.sh").metadata().unwrap().permissions().mode() & 0o777, 0o755);
    // Nothing but the turn's own files, also after it is played again.
    let before = bench.executor.tree(&bench.place.workspace).await.unwrap();
    succeeded(bench.agent_outcome(order(None)).await);
    assert_eq!(before, bench.executor.tree(&bench.place.workspace).await.unwrap());
    let names: Vec<_> = fs::read_dir(&bench.place.workspace).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    // No program reads an order here, so a replayed turn leaves no trace outside the workspace.
    assert!(!bench.place.attempt_dir.exists());
}

#[tokio::test]
async fn a_recorded_turn_stays_inside_the_workspace() {
    let bench = Bench::replay(RECORDING);
    let outside = bench.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for link in ["src", "run.sh", "deep"] {
        let target = if link == "run.sh" { outside.join("run.sh") } else { outside.clone() };
        symlink(target, bench.file(link)).unwrap();
        let failed = failure(bench.agent_outcome(order(None)).await);
        assert_eq!(failed.class, FailureClass::Permanent);
        has(&failed.reason, &format!("goes through the symbolic link `{link}`"));
        fs::remove_file(bench.file(link)).unwrap();
        // Every path is checked first, so nothing at all was written.
        assert_eq!(fs::read_dir(&bench.place.workspace).unwrap().count(), 0);
    }
    symlink(&outside, bench.file("old.rs")).unwrap();
    has(&failure(bench.agent_outcome(order(None)).await).reason, "goes through the symbolic link `old.rs`");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    for path in ["../x", "/tmp/x", "a/../../x", ".git/hooks/post-checkout", ".orch/state/orch.db"] {
        let text =
            format!("recording: 1\nworkflow: w\nturns: [ {{ step: s, writes: [ {{ path: {path}, text: x }} ] }} ]\n");
        assert!(Recording::parse("r.yaml", &text).is_err(), "{path}");
    }
}

#[tokio::test]
async fn a_recorded_answer_is_checked_like_any_other() {
    let bench = Bench::replay(RECORDING);
    let failed = failure(bench.agent_outcome(Order { turn: 2, ..order(Some(needs_n())) }).await);
    has(&failed.reason, "\"ok\" is a required property");
    let failed = failure(bench.agent_outcome(order(Some(needs_n()))).await);
    has(&failed.reason, "no output");
    assert_eq!(failed.usage.tokens(), 1500);
}

#[tokio::test]
async fn recordings_answer_only_for_what_was_recorded() {
    let bench = Bench::replay(RECORDING);
    let inputs = |pairs: Value| pairs.as_object().unwrap().clone();
    for (order, class, parts) in [
        (Order { attempt: 3, ..order(None) }, FailureClass::Permanent, ["step `s`, attempt 3", "orch init"]),
        (Order { turn: 3, ..order(None) }, FailureClass::Permanent, ["attempt 1, turn 3", "orch.toml"]),
        (Order { step: "s@fix".into(), ..order(None) }, FailureClass::Permanent, ["step `s@fix`", "orch init"]),
        (
            Order { workflow: "x".into(), ..order(None) },
            FailureClass::Missing,
            ["no recording of workflow `x`", "orch init"],
        ),
        (
            Order { inputs: inputs(json!({ "idea": "a browser" })), ..order(None) },
            FailureClass::Missing,
            ["input `idea` is \"a browser\", and in the recording it is \"a counter\"", "[runtimes.NAME]"],
        ),
        (
            Order { inputs: inputs(json!({ "idea": "a counter", "stack": "go" })), ..order(None) },
            FailureClass::Missing,
            ["input `stack` is \"go\", and in the recording it is absent", "orch init"],
        ),
        (Order { inputs: Map::new(), ..order(None) }, FailureClass::Missing, ["input `idea` is absent", "orch.toml"]),
    ] {
        let failed = failure(bench.agent_outcome(order).await);
        assert_eq!(failed.class, class, "{}", failed.reason);
        parts.iter().for_each(|part| has(&failed.reason, part));
    }
    assert_eq!(fs::read_dir(&bench.place.workspace).unwrap().count(), 0);
}

#[tokio::test]
async fn a_recording_that_cannot_be_read_is_named() {
    let replay = Replay::parse([
        ("a.yaml".into(), "recording: 1\nworkflow: w\nturns: 7\n".into()),
        ("b.yaml".into(), RECORDING.into()),
    ]);
    assert_eq!(replay.faults().len(), 1);
    let bench = Bench::with(vec![Arc::new(replay)]);
    succeeded(bench.agent_outcome(order(None)).await);
    let failed = failure(bench.agent_outcome(Order { workflow: "other".into(), ..order(None) }).await);
    has(&failed.reason, "the recording a.yaml cannot be used");
}

#[tokio::test]
async fn a_stop_ends_a_recorded_delay() {
    let bench = Bench::replay(RECORDING);
    let source = StopSource::new();
    let order = Box::new(Order { attempt: 2, ..order(None) });
    let agent = Assignment::Agent { order, runtime: "replay".into(), limits: limits() };
    let (executor, place, token) = (bench.executor.clone(), bench.place.clone(), source.token());
    let running = tokio::spawn(async move { executor.perform(agent, &place, token).await });
    // The delay of this turn is far longer than the time-out below, whenever the stop comes.
    tokio::task::yield_now().await;
    assert!(!running.is_finished());
    source.stop(StopReason::Gentle);
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap(), Outcome::Stopped);
    assert!(!bench.file("late").exists());
}

// --- Published schemas.

fn published(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn orders_are_valid_for_their_schema() {
    let schema = published("order.schema.json");
    let full = Order {
        feedback: Some("tests fail".into()),
        session: Some("abc".into()),
        model: Some("large".into()),
        tools: Some(vec!["Read".into()]),
        files: vec!["src/**".into()],
        access: Access::Read,
        mcp_servers: vec![McpServer { name: "docs".into(), command: vec!["serve".into()], env: BTreeMap::default() }],
        attached: vec![Attached { path: "a.md".into(), digest: Digest::of(b"a"), note: String::new() }],
        ..order(Some(needs_n()))
    };
    for order in [order(None), full] {
        let value = serde_json::to_value(&order).unwrap();
        assert_eq!(schema_faults(&schema, &value), Ok(vec![]));
        // Every field of the type is in the schema, and a field that is not is refused.
        let mut more = value.clone();
        more["another"] = json!(1);
        assert_eq!(schema_faults(&schema, &more).unwrap().len(), 1);
        for field in value.as_object().unwrap().keys() {
            assert!(schema["properties"].get(field).is_some(), "{field}");
        }
    }
}

#[test]
fn the_schema_of_results_and_the_reader_agree() {
    let schema = published("result.schema.json");
    for (value, is_valid) in [
        (json!({ "status": "succeeded" }), true),
        (
            json!({ "status": "succeeded", "summary": "s", "output": { "a": 1 }, "text": "t", "files_changed": ["a"],
                "tests_passing": true, "next_steps": ["n"], "session": "x",
                "usage": { "input_tokens": 1, "output_tokens": 2, "usd_micros": 3 } }),
            true,
        ),
        (json!({ "status": "succeeded", "output": null, "session": null, "tests_passing": null }), true),
        (json!({ "status": "done" }), false),
        (json!({ "status": "succeeded", "output": [1] }), false),
        (json!({ "status": "succeeded", "signals": [] }), false),
        (json!({ "status": "succeeded", "usage": { "tokens": 1 } }), false),
        (json!({ "status": "succeeded", "usage": { "input_tokens": -1 } }), false),
        (json!({ "status": "succeeded", "files_changed": "a" }), false),
        (json!({ "status": "succeeded", "next_steps": [1] }), false),
    ] {
        assert_eq!(schema_faults(&schema, &value).unwrap().is_empty(), is_valid, "{value}");
        assert_eq!(orch::runtime::read_result(value.clone(), None).is_ok(), is_valid, "{value}");
    }
}

#[test]
fn the_schema_of_recordings_and_the_reader_agree() {
    let schema = published("recording.schema.json");
    let turn = |rest: &str| format!("{{ recording: 1, workflow: w, turns: [ {{ step: a, {rest} }} ] }}");
    for (text, is_valid) in [
        (RECORDING.to_owned(), true),
        (turn("attempt: 2, turn: 3, delay_ms: 5"), true),
        (turn("attempt: 0"), false),
        (turn("turn: 0"), false),
        (turn("delay_ms: 600001"), false),
        (turn("says: { status: succeeded }"), false),
        (turn("says: { output: { a: 1 }, tests_passing: false }"), true),
        (turn("usage: { input_tokens: -1 }"), false),
        (turn("writes: [ { path: a } ]"), false),
        (turn("writes: [ { path: a, text: b, base64: AA== } ]"), false),
        (turn("writes: [ { path: a, mode: 7, text: b } ]"), false),
        (turn("deletes: [ '' ]"), false),
        ("{ recording: 2, workflow: w, turns: [] }".to_owned(), false),
        ("{ recording: 1, workflow: w }".to_owned(), false),
        ("{ recording: 1, workflow: w, turns: [], extra: 1 }".to_owned(), false),
    ] {
        let value: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(schema_faults(&schema, &value).unwrap().is_empty(), is_valid, "{text}");
        assert_eq!(Recording::parse("r.yaml", &text).is_ok(), is_valid, "{text}");
    }
}
