//! What a conversation in the Agent Client Protocol proves, and what the agent is allowed. `tests/outcomes/acp.yaml` holds
//! the tapes: what an agent said, in the form of the other outcome tables (`tests/outcomes.rs`). Where `whole` is not
//! true, a tape begins after the greeting and a session `s-1`, so that the prompt has the number 3. `replies` are words
//! that we must say in this order, `never` words that we must not say.
//!
//! Then hostile agents as real processes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop; skips are loud")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use orch::{
    base::{FailureClass, Outcome, Usage},
    execute::{
        Assignment, Executor, Live, Place,
        process::{Keeper, Limits, StopReason, StopSource, StopToken},
        render::Renderer,
    },
    runtime::{
        Access, AcpSettings, Adapter, Call, Declared, McpServer, Order, OrderAgent, ProgramExit, ProgramOutput, Reader,
        Scene, Seen,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

const TAPES_MIN: usize = 30;
const GREETING: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}}"#;
const SESSION: &str = r#"{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s-1"}}"#;
const END: &str = r#"{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn"}}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tapes: Vec<Tape>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Tape {
    name: String,
    stdout: String,
    #[serde(default)]
    whole: bool,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    output_file: Option<String>,
    #[serde(default)]
    exit: i32,
    #[serde(default)]
    lingered: bool,
    #[serde(default)]
    order: Told,
    #[serde(default)]
    replies: Vec<String>,
    #[serde(default)]
    never: Vec<String>,
    expect: Expect,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Told {
    expected_output: Option<Value>,
    session: Option<String>,
    feedback: Option<String>,
    session_usage: Usage,
    access: Access,
    tools: Option<Vec<String>>,
    model: Option<String>,
    mcp_servers: Vec<McpServer>,
    /// Variables of the runtime's settings.
    env: BTreeMap<String, String>,
    counts_session: bool,
}

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    succeeded: Option<Success>,
    failed: Option<Failed>,
    session: Option<String>,
    usage: Usage,
    seen: Vec<String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Success {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    output: Option<Value>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Failed {
    class: String,
    #[serde(default)]
    reason: Vec<String>,
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tapes() -> Vec<Tape> {
    let path = home().join("tests/outcomes/acp.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let table: Table = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    table.tapes
}

fn order(told: &Told) -> Order {
    Order {
        workflow: "w".into(),
        step: "s".into(),
        attempt: 1,
        turn: 1,
        agent: OrderAgent { name: "developer".into(), instructions: "You write code.".into() },
        task: "Do it".into(),
        requirements: String::new(),
        constraints: vec![],
        context: "What is known.".into(),
        context_files: vec![],
        expected_output: told.expected_output.clone(),
        feedback: told.feedback.clone(),
        session: told.session.clone(),
        forks: false,
        session_usage: told.session_usage,
        model: told.model.clone(),
        tools: told.tools.clone(),
        files: vec![],
        answer_files: false,
        access: told.access,
        permissions: orch::definition::Permissions::default(),
        mcp_servers: told.mcp_servers.clone(),
        attached: vec![],
        inputs: serde_json::Map::new(),
    }
}

fn adapter(command: &[&str], told: &Told) -> Arc<dyn Adapter> {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    let (env, counts_session) = (told.env.clone(), told.counts_session);
    let settings = AcpSettings { command, env, counts_session, ..AcpSettings::default() };
    Declared::Acp(settings).adapter("agent", Path::new("/"))
}

/// A reader that has said its first words.
fn reader(told: &Told, workspace: &str) -> (Box<dyn Reader>, String) {
    let adapter = adapter(&["agent"], told);
    let scene = Scene { workspace: workspace.into(), ..Scene::default() };
    assert!(matches!(adapter.call(&order(told), &scene), Ok(Call::Program(_))));
    let mut reader = adapter.reader(&order(told));
    let opening = reader.opening(&scene).unwrap();
    (reader, String::from_utf8(opening).unwrap())
}

fn output(tape: &Tape, exit: ProgramExit) -> ProgramOutput {
    ProgramOutput {
        exit,
        stdout: Vec::new(),
        stdout_whole: true,
        stderr_tail: tape.stderr.clone().into_bytes(),
        output_file: tape.output_file.clone().map(String::into_bytes),
    }
}

fn lines(tape: &Tape) -> Vec<&str> {
    let begin: &[&str] = if tape.whole { &[] } else { &[GREETING, SESSION] };
    begin.iter().copied().chain(tape.stdout.lines().filter(|line| !line.trim().is_empty())).collect()
}

/// Feeds all lines; what was seen and what we have said.
fn feed(reader: &mut dyn Reader, lines: &[&str]) -> (Vec<Seen>, String) {
    let (mut seen, mut said) = (Vec::new(), String::new());
    for line in lines {
        seen.extend(reader.line(line.as_bytes(), true));
        said.push_str(std::str::from_utf8(&reader.reply()).unwrap());
    }
    (seen, said)
}

fn class_name(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Transient { .. } => "transient",
        FailureClass::Recoverable => "recoverable",
        FailureClass::Quota { .. } => "quota",
        FailureClass::TimedOut => "timed_out",
        FailureClass::Missing => "missing",
        FailureClass::Invalid => "invalid",
        FailureClass::Permanent => "permanent",
        FailureClass::Model => "model",
    }
}

/// The first of `words` that does not stand in its place.
fn missing<'a>(words: &'a [String], text: &str) -> Option<&'a String> {
    let mut rest = text;
    words.iter().find(|word| match rest.find(word.as_str()) {
        Some(at) => {
            rest = &rest[at + word.len()..];
            false
        }
        None => true,
    })
}

/// Plays a tape; the faults of its outcome.
fn faults(tape: &Tape) -> Vec<String> {
    let (mut reader, opening) = reader(&tape.order, "/project");
    let (seen, said) = feed(&mut *reader, &lines(tape));
    let said = opening + &said;
    let exit = if tape.lingered { ProgramExit::Lingered } else { ProgramExit::Code(tape.exit) };
    let outcome = reader.finish(&output(tape, exit));
    let expect = &tape.expect;
    let mut faults = Vec::new();
    let (session, usage) = match (&outcome, &expect.succeeded, &expect.failed) {
        (Outcome::Succeeded(envelope), Some(wanted), None) => {
            if wanted.text.as_ref().is_some_and(|text| *text != envelope.text) {
                faults.push(format!("its text is {:?}", envelope.text));
            }
            if wanted.output.as_ref().is_some_and(|output| *output != envelope.output) {
                faults.push(format!("its output is {}", envelope.output));
            }
            (envelope.session.clone(), envelope.usage)
        }
        (Outcome::Failed(failure), None, Some(wanted)) => {
            if class_name(failure.class) != wanted.class {
                faults.push(format!("its class is {:?}: {}", failure.class, failure.reason));
            }
            for word in wanted.reason.iter().filter(|word| !failure.reason.contains(*word)) {
                faults.push(format!("its reason is without {word:?}: {}", failure.reason));
            }
            if failure.reason.contains('\n') || failure.reason.len() > 2_000 {
                faults.push(format!("its reason is no line: {:?}", failure.reason));
            }
            (failure.session.clone(), failure.usage)
        }
        (other, ..) => return vec![format!("it ended as {other:?}")],
    };
    if expect.session.is_some() && session != expect.session {
        faults.push(format!("its session is {session:?}"));
    }
    if usage != expect.usage {
        faults.push(format!("its usage is {usage:?}"));
    }
    let told = seen.iter().fold(Usage::default(), |mut sum, seen| {
        if let Seen::Spent(usage, _) = seen {
            sum.add(*usage);
        }
        sum
    });
    // What was broken off has nobody left to tell it.
    if told != usage && seen.contains(&Seen::LastWord) {
        faults.push(format!("{told:?} was told while it worked, and at its end {usage:?}"));
    }
    let told = seen.iter().map(|seen| format!("{seen:?}\n")).collect::<String>();
    if let Some(word) = missing(&expect.seen, &told) {
        faults.push(format!("{word:?} was not told in its place:\n{told}"));
    }
    if let Some(word) = missing(&tape.replies, &said) {
        faults.push(format!("we did not say {word:?} in its place:\n{said}"));
    }
    for word in tape.never.iter().filter(|word| said.contains(word.as_str())) {
        faults.push(format!("we said {word:?}:\n{said}"));
    }
    for line in said.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    faults
}

#[test]
fn every_tape_has_its_outcome() {
    let tapes = tapes();
    let mut wrong = String::new();
    for tape in &tapes {
        for fault in faults(tape) {
            writeln!(wrong, "{}: {fault}", tape.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(tapes.len() >= TAPES_MIN, "only {} tapes", tapes.len());
    println!("{} tapes", tapes.len());
}

/// R11: a conversation that is cut before its end was said is never a success, whatever the exit says.
#[test]
fn a_cut_conversation_is_never_a_success() {
    let exits = [ProgramExit::Code(0), ProgramExit::Signal(15), ProgramExit::Lingered];
    let mut cuts = 0;
    for tape in tapes().iter().filter(|tape| tape.expect.succeeded.is_some()) {
        let lines = lines(tape);
        let last = lines.iter().position(|line| line.contains("stopReason")).unwrap();
        for place in 0..=last {
            let (mut reader, _) = reader(&tape.order, "/project");
            feed(&mut *reader, &lines[..place]);
            let ends = if place == last { 0..lines[place].len() } else { 0..1 };
            for end in ends {
                if end > 0 {
                    reader.line(&lines[place].as_bytes()[..end], true);
                }
                for exit in exits {
                    cuts += 1;
                    let outcome = reader.finish(&output(tape, exit));
                    let is_failed = matches!(outcome, Outcome::Failed(_));
                    assert!(is_failed, "{}: cut in line {place} at {end}, {exit:?}: {outcome:?}", tape.name);
                }
            }
        }
        let (mut reader, _) = reader(&tape.order, "/project");
        feed(&mut *reader, &lines);
        let killed = reader.finish(&output(tape, ProgramExit::Signal(9)));
        assert!(matches!(killed, Outcome::Failed(_)), "{}: {killed:?}", tape.name);
    }
    assert!(cuts > 1_000, "only {cuts} cuts");
    println!("{cuts} cuts");
}

fn samples() -> Option<PathBuf> {
    let places = [home().join("../shared/cli-samples/acp"), home().join("../../shared/cli-samples/acp")];
    let found = places.into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        println!("SKIPPED: there are no recorded conversations in ../shared/cli-samples/acp");
    }
    found
}

/// The agent's side of a recorded conversation: one turn that writes a file, one that fails, each as its own conversation.
fn recorded(path: &Path) -> [Vec<String>; 2] {
    let text = fs::read_to_string(path).unwrap();
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_prompt = |line: &Value| line["msg"]["method"] == "session/prompt";
    let prompts: Vec<usize> = (0..all.len()).filter(|place| is_prompt(&all[*place])).collect();
    let said = |lines: &[Value]| -> Vec<String> {
        let agent = lines.iter().filter(|line| line["dir"] == "agent").map(|line| line["msg"].clone());
        let numbered = agent.map(|mut message| {
            if message["id"] == 4 && message["method"].is_null() {
                message["id"] = json!(3);
            }
            message.to_string()
        });
        numbered.collect()
    };
    let (begin, first, second) = (&all[..prompts[0]], &all[prompts[0]..prompts[1]], &all[prompts[1]..]);
    [[said(begin), said(first)].concat(), [said(begin), said(second)].concat()]
}

#[test]
fn recorded_conversations_have_their_outcomes() {
    let Some(samples) = samples() else { return };
    let allowed = [
        ("gemini", "proceed_once"),
        ("copilot", "allow_once"),
        ("claude", "\"allow\""),
        ("opencode", ""),
        ("codex", ""),
    ];
    for (agent, option) in allowed {
        let [good, bad] = recorded(&samples.join(format!("{agent}.jsonl")));
        let tape = Tape { stderr: String::new(), ..tapes().remove(0) };
        let (mut talk, _) = reader(&Told::default(), "/project");
        let (seen, said) = feed(&mut *talk, &good.iter().map(String::as_str).collect::<Vec<_>>());
        let outcome = talk.finish(&output(&tape, ProgramExit::Lingered));
        let Outcome::Succeeded(envelope) = outcome else { panic!("{agent}: {outcome:?} after {seen:?}") };
        assert_eq!(envelope.text, "Done: notes.txt created.", "{agent}");
        let tokens = if agent == "opencode" {
            1_312
        } else if agent == "claude" {
            3_557
        } else {
            2_557
        };
        assert_eq!(envelope.usage.tokens(), tokens, "{agent}: {:?}", envelope.usage);
        assert!(said.contains(option) && !said.contains("always"), "{agent}: {said}");
        let edit = Seen::ToolStarted("edit".into(), "notes.txt".into());
        assert!(seen.contains(&edit), "{agent}: {seen:?}");

        let (mut talk, _) = reader(&Told::default(), "/project");
        let (seen, _) = feed(&mut *talk, &bad.iter().map(String::as_str).collect::<Vec<_>>());
        let outcome = talk.finish(&output(&tape, ProgramExit::Lingered));
        let Outcome::Failed(failure) = outcome else { panic!("{agent}: {outcome:?} after {seen:?}") };
        assert_eq!(failure.class, FailureClass::Missing, "{agent}: {failure:?}");

        // An order that may only read refuses what was asked, and finds out what was done without asking.
        let told = Told { access: Access::Read, ..Told::default() };
        let (mut talk, _) = reader(&told, "/project");
        let (_, said) = feed(&mut *talk, &good.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(option.is_empty() || !said.contains(option), "{agent}: {said}");
        let outcome = talk.finish(&output(&tape, ProgramExit::Lingered));
        let Outcome::Failed(failure) = outcome else { panic!("{agent}: {outcome:?}") };
        assert!(failure.reason.contains("not allowed") || failure.reason.contains("failed"), "{agent}: {failure:?}");
    }
}

#[test]
fn a_reader_takes_any_line() {
    let deep = format!("{{\"id\":{}", "[".repeat(10_000));
    let hostile = [
        "",
        "{}",
        "null",
        "[]",
        "{\"id\":3}",
        "{\"id\":3,\"result\":null}",
        "{\"id\":99,\"result\":{\"stopReason\":\"end_turn\"}}",
        "{\"id\":18446744073709551615,\"error\":7}",
        "{\"id\":1,\"method\":\"session/request_permission\"}",
        "{\"id\":1,\"method\":\"session/request_permission\",\"params\":{\"options\":7,\"toolCall\":[]}}",
        "{\"method\":\"session/update\",\"params\":{\"update\":{\"sessionUpdate\":\"plan\",\"entries\":{}}}}",
        "{\"method\":\"session/update\",\"params\":{\"update\":{\"sessionUpdate\":\"tool_call\",\"locations\":[1]}}}",
        "{\"id\":1,\"error\":{\"code\":{},\"message\":[],\"data\":7}}",
        "\u{0}\u{1b}[2J",
        &deep,
    ];
    for first in hostile {
        for begin in [&[][..], &[GREETING], &[GREETING, SESSION]] {
            let (mut talk, _) = reader(&Told::default(), "/project");
            feed(&mut *talk, begin);
            feed(&mut *talk, &[first]);
            feed(&mut *talk, &hostile);
            let outcome = talk.finish(&output(&tapes()[0], ProgramExit::Code(0)));
            assert!(matches!(outcome, Outcome::Failed(_)), "{first}: {outcome:?}");
        }
    }
}

/// Ten thousand questions are answered, and then no more.
#[test]
fn a_storm_of_requests_ends() {
    let (mut talk, _) = reader(&Told::default(), "/project");
    feed(&mut *talk, &[GREETING, SESSION]);
    let mut said = 0;
    for number in 0..30_000 {
        let line = json!({ "id": format!("{number}"), "method": "fs/read_text_file", "params": {} }).to_string();
        talk.line(line.as_bytes(), true);
        said += talk.reply().len();
    }
    let outcome = talk.finish(&output(&tapes()[0], ProgramExit::Code(0)));
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.reason.contains("more than 10000 times"), "{failure:?}");
    assert!(said < 2_000_000, "{said} bytes were said");
}

/// What follows a line that is longer than anything that is read.
#[test]
fn a_giant_line_ends_a_conversation_where_it_matters() {
    let update = br#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s-1","update":{"content":"xxx"#;
    let answer = br#"{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn","_meta":"xxx"#;
    for (line, is_over) in [(&update[..], false), (&answer[..], true)] {
        let (mut talk, _) = reader(&Told::default(), "/project");
        feed(&mut *talk, &[GREETING, SESSION]);
        let seen = talk.line(line, false);
        assert_eq!(seen.contains(&Seen::LastWord), is_over, "{seen:?}");
        assert_eq!(String::from_utf8(talk.reply()).unwrap().contains("session/cancel"), is_over);
    }
}

/// A link that leads out of the workspace is not written through.
#[test]
fn links_do_not_lead_out() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("work");
    fs::create_dir(&workspace).unwrap();
    std::os::unix::fs::symlink(folder.path(), workspace.join("out")).unwrap();
    for (path, may) in [("a.rs", true), ("out/a.rs", false), ("../a.rs", false), (".git/config", false)] {
        for path in [path.to_owned(), workspace.join(path).display().to_string()] {
            let (mut talk, _) = reader(&Told::default(), workspace.to_str().unwrap());
            feed(&mut *talk, &[GREETING, SESSION]);
            let options =
                json!([{ "optionId": "y", "kind": "allow_once" }, { "optionId": "n", "kind": "reject_once" }]);
            let tool = json!({ "toolCallId": "t", "kind": "edit", "locations": [{ "path": path }] });
            let params = json!({ "sessionId": "s-1", "options": options, "toolCall": tool });
            let asks = json!({ "id": 0, "method": "session/request_permission", "params": params }).to_string();
            let (_, said) = feed(&mut *talk, &[&asks]);
            assert_eq!(said.contains("\"optionId\":\"y\""), may, "{path}: {said}");
        }
    }
}

/// What a real process did, and how long it took.
struct Played {
    outcome: Outcome,
    took: Duration,
    log: String,
}

/// Lets a script of the shell be the agent. It stops the attempt when it says `stop`.
async fn play(script: &str, limits: Limits) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_orch"));
    let script =
        format!("log=$PWD/../log\nhear() {{ IFS= read -r line && printf '%s\\n' \"$line\" >> \"$log\"; }}\n{script}");
    let adapter = adapter(&["sh", "-c", &script], &Told::default());
    let executor = Executor::new(Keeper::start(program).unwrap(), Renderer::new(program), [adapter]);
    let (source, stopped) = (StopSource::new(), Arc::new(Mutex::new(None)));
    let (token, when) = (source.token(), Arc::clone(&stopped));
    let live = Live::new(move |seen| {
        if matches!(&seen, Seen::Text(text) if text == "stop\n") {
            *when.lock().unwrap() = Some(Instant::now());
            source.stop(StopReason::Gentle);
        }
    });
    let workspace = folder.path().join("work");
    fs::create_dir(&workspace).unwrap();
    let place = Place {
        secrets: Vec::new(),
        workspace,
        attempt_dir: folder.path().join("attempt"),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        run: folder.path().display().to_string(),
        attempt: "1-1".into(),
        live,
        sandbox: None,
    };
    let began = Instant::now();
    let assignment = Assignment::Agent { order: Box::new(order(&Told::default())), runtime: "agent".into(), limits };
    let token = if script.contains("stop") { token } else { StopToken::never() };
    let outcome = executor.perform(assignment, &place, token).await;
    let began = stopped.lock().unwrap().unwrap_or(began);
    let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    Played { outcome, took: began.elapsed(), log }
}

fn begin() -> String {
    format!("hear; echo '{GREETING}'; hear; echo '{SESSION}'; hear\n")
}

fn says(text: &str) -> String {
    let update = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
    let line = json!({ "method": "session/update", "params": { "sessionId": "s-1", "update": update } });
    format!("printf '%s\\n' '{line}'\n")
}

fn reason(played: &Played) -> &str {
    match &played.outcome {
        Outcome::Failed(failure) => &failure.reason,
        other => panic!("{other:?}\n{}", played.log),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_spoken_with() {
    let script = format!("{}{}echo '{END}'; while hear; do :; done; exit 3", begin(), says("It is done."));
    let played = play(&script, Limits::default()).await;
    let Outcome::Succeeded(envelope) = &played.outcome else { panic!("{:?}\n{}", played.outcome, played.log) };
    assert_eq!((envelope.text.as_str(), envelope.session.as_deref()), ("It is done.", Some("s-1")));
    let methods: Vec<String> = played
        .log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["method"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(methods, ["initialize", "session/new", "session/prompt"]);
}

/// Whatever a hostile agent does, the attempt ends and is no success.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_agents_end_as_failures() {
    let short = || Limits {
        idle_timeout: Some(Duration::from_millis(400)),
        timeout: Some(Duration::from_secs(20)),
        grace: Duration::from_millis(200),
        ..Limits::default()
    };
    let begin = begin();
    let storm = r#"i=0; while [ $i -lt 10050 ]; do echo "{\"id\":$i,\"method\":\"x\"}"; i=$((i+1)); done; sleep 60"#;
    for (name, script, word) in [
        ("never answers", "sleep 60".to_owned(), "silent and idle"),
        ("repeats what it hears", "while IFS= read -r line; do printf '%s\\n' \"$line\"; done".to_owned(), "failed"),
        ("never reads", format!("{storm}\n"), "more than 10000 times"),
        ("asks without end", format!("{begin}{storm}"), "more than 10000 times"),
        ("stays silent after the prompt", format!("{begin}sleep 60"), "silent and idle"),
        ("closes its output", format!("{begin}exec >&-; sleep 60"), "silent and idle"),
        ("ends in the middle", format!("{begin}{}exit 0", says("Done.")), "without its last event"),
        ("answers twice", format!("{begin}{}echo '{END}'; echo '{END}'; sleep 60", says("Done.")), "answered twice"),
        ("says nothing", format!("{begin}echo '{END}'"), "without a word"),
        (
            "says one giant line",
            format!("{begin}head -c 17000000 /dev/zero | tr '\\0' x; echo; sleep 60"),
            "too long to be read",
        ),
    ] {
        let played = play(&script, short()).await;
        let reason = reason(&played);
        println!("{name}: {reason} ({:?})", played.took);
        assert!(reason.contains(word), "{name}: {reason}");
        assert!(played.took < Duration::from_secs(19), "{name}: {:?}", played.took);
    }
}

/// The agent is told to cancel, and then its process tree ends, whether it listens or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_cancels_and_then_ends_the_tree() {
    let cancelled = r#"echo '{"id":3,"result":{"stopReason":"cancelled"}}'"#;
    for (name, rest) in [
        ("listens", format!("hear; {cancelled}; exit 0")),
        ("does not end", format!("hear; {cancelled}; sleep 60")),
        ("says that it is done", format!("hear; echo '{END}'; sleep 60")),
        (
            "traps every signal",
            "trap '' TERM INT HUP; (trap '' TERM; sleep 61) & hear; while :; do sleep 1; done".to_owned(),
        ),
    ] {
        let script = format!("{}{}{rest}", begin(), says("stop\n"));
        let played = play(&script, Limits::default()).await;
        assert_eq!(played.outcome, Outcome::Stopped, "{name}");
        println!("{name}: {:?}", played.took);
        assert!(played.log.contains("session/cancel"), "{name}: {}", played.log);
        assert!(played.took < Duration::from_secs(2), "{name}: {:?}", played.took);
    }
}
