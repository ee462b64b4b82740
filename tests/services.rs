//! Agents on model services, against a scripted model: what every service streams, calls, costs and how it fails.
//!
//! The scripted model lies beside the repository; without it and Python those tests say so and pass. The tests with a
//! server of their own, in `tests/services/`, need nothing.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it expects, and why it does not run")]

#[path = "services/bench.rs"]
mod bench;
#[path = "services/obedient.rs"]
mod obedient;
#[path = "services/plain.rs"]
mod plain;
#[path = "support/scripted.rs"]
mod scripted;
#[path = "services/stub.rs"]
mod stub;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use orch::{
    base::{FailureClass, Outcome, Usage},
    execute::process::{StopReason, StopSource},
    runtime::{
        Access, Seen,
        service::{Format, SERVICES},
    },
};
use serde_json::{Value, json};

use bench::{Bench, KEY, failure, limits, order, success};
use stub::Stub;

/// The result that the scripted model hands in.
fn schema() -> Value {
    json!({ "type": "object", "required": ["answer", "count"], "additionalProperties": false,
            "properties": { "answer": { "type": "string" }, "count": { "type": "integer" } } })
}

fn submit(input: Value) -> Value {
    json!([{ "tool": "submit_result", "input": input }])
}

fn scenario(rules: Value) -> Value {
    json!({ "rules": rules })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_streams_uses_tools_and_hands_in_a_result() {
    let usage = json!({ "input": 100, "output": 20, "cache_read": 40, "reasoning": 5 });
    let Some(stub) = Stub::start(&scenario(json!([{ "match": "CASE whole", "turns": [
        { "thinking": "hm", "text": "I write it.\nThen I look, café.\n", "chunks": 7, "usage": usage,
          "tools": [{ "do": "write", "path": "src/note.txt", "content": "hello\n" }] },
        { "usage": usage, "tools": [
            { "do": "shell", "command": "cat src/note.txt; echo oops >&2; test -z \"${ANTHROPIC_API_KEY-}\"; exit 3" },
            { "do": "read", "path": "src/note.txt" },
            { "tool": "Edit", "input": { "path": "src/note.txt", "old": "hello", "new": "hello {{turn}}" } } ] },
        { "usage": usage, "tools": submit(json!({ "answer": "yes", "count": 2 })) },
    ] }]))) else {
        return;
    };
    for kind in SERVICES {
        let bench = Bench::with(stub.services());
        let mut order = order("CASE whole");
        order.expected_output = Some(schema());
        let envelope = success(bench.agent(kind.name, order).await, kind.name);
        assert_eq!(envelope.output, json!({ "answer": "yes", "count": 2 }), "{}", kind.name);
        assert_eq!(envelope.files_changed, ["src/note.txt"], "{}", kind.name);
        assert_eq!(fs::read_to_string(bench.file("src/note.txt")).unwrap(), "hello 1\n");
        let each = match kind.format {
            Format::Anthropic => {
                Usage { input_tokens: 100, output_tokens: 20, cache_read_tokens: 40, ..Usage::default() }
            }
            Format::Responses | Format::Chat => {
                Usage { input_tokens: 60, output_tokens: 20, cache_read_tokens: 40, ..Usage::default() }
            }
            Format::Gemini => Usage { input_tokens: 60, output_tokens: 25, cache_read_tokens: 40, ..Usage::default() },
        };
        let mut sum = Usage::default();
        (0..3).for_each(|_| sum.add(each));
        assert_eq!(envelope.usage, sum, "{}", kind.name);
        let seen = bench.seen();
        let spent: Vec<_> = seen.iter().filter(|seen| matches!(seen, Seen::Spent(..))).cloned().collect();
        assert_eq!(spent, vec![Seen::Spent(each, Some("stub-model".into())); 3], "{}", kind.name);
        let text: Vec<_> =
            seen.iter().filter_map(|seen| if let Seen::Text(text) = seen { Some(&text[..]) } else { None }).collect();
        assert_eq!(text.concat(), "I write it.\nThen I look, café.\n", "{}", kind.name);
        let ended: Vec<_> = seen
            .iter()
            .filter_map(|seen| if let Seen::ToolEnded(name, ok) = seen { Some((&name[..], *ok)) } else { None })
            .collect();
        assert_eq!(ended, [("Write", true), ("Bash", false), ("Read", true), ("Edit", true)], "{}", kind.name);
        assert!(matches!(&seen[0], Seen::Session(id) if Some(id) == envelope.session.as_ref()), "{seen:?}");
        let log = stub.settled();
        let last = log.last().unwrap();
        let body = last["body"].to_string();
        for part in ["oops", "[exit code 3]", "hello", "replaced 1"] {
            assert!(body.contains(part), "{} {part}: {body}", kind.name);
        }
        assert!(last["tools"].to_string().contains("submit_result"), "{last}");
        bench.nothing_holds_the_key();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_a_result_where_none_is_declared() {
    let Some(stub) =
        Stub::start(&scenario(json!([{ "match": "CASE text", "turns": [{ "text": "All is well.\nReally." }] }])))
    else {
        return;
    };
    for kind in SERVICES {
        let bench = Bench::with(stub.services());
        let envelope = success(bench.agent(kind.name, order("CASE text")).await, kind.name);
        assert_eq!((envelope.summary.as_str(), envelope.text.as_str()), ("All is well.", "All is well.\nReally."));
        assert_eq!(envelope.usage.tokens(), 120);
    }
}

/// What each fault of the scripted model has to become, and a word that the reason holds.
const FAULTS: &[(&str, &str, &str)] = &[
    ("rate_limit", "transient 7000", "429"),
    ("quota", "quota", "quota"),
    ("overloaded", "transient", "5"),
    ("server_error", "transient", "500"),
    ("auth", "missing", "API key"),
    ("forbidden", "missing", "403"),
    ("context_too_long", "recoverable", "too long"),
    ("model_not_found", "model", "404"),
    ("bad_request", "permanent", "400"),
    ("stall headers", "timed out", "silent"),
    ("stall middle", "timed out", "middle"),
    ("truncate", "transient", "broke off"),
    ("malformed", "transient", "not JSON"),
    ("stream_error", "transient", "capacity"),
    ("disconnect", "transient", "without an answer"),
    ("html", "transient", "502"),
];

fn class_word(class: &FailureClass) -> String {
    match class {
        FailureClass::Transient { retry_after_ms: Some(ms) } => format!("transient {ms}"),
        FailureClass::Transient { retry_after_ms: None } => "transient".into(),
        FailureClass::Recoverable => "recoverable".into(),
        FailureClass::Quota { .. } => "quota".into(),
        FailureClass::TimedOut => "timed out".into(),
        FailureClass::Missing => "missing".into(),
        FailureClass::Invalid => "invalid".into(),
        FailureClass::Model => "model".into(),
        FailureClass::Permanent => "permanent".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_every_service_has_its_class() {
    let rules: Vec<Value> = FAULTS
        .iter()
        .map(|(name, _, _)| {
            let (kind, at) = name.split_once(' ').unwrap_or((name, "headers"));
            let mut fault = json!({ "kind": kind, "at": at, "seconds": 20 });
            if kind == "rate_limit" {
                fault["retry_after"] = json!(7);
            }
            let text = "This text is long enough to be cut somewhere in its middle. Done.";
            json!({ "match": format!("FAULT {name}\\."), "turns": [{ "text": text, "chunks": 9, "fault": fault }] })
        })
        .collect();
    let Some(stub) = Stub::start(&scenario(json!(rules))) else { return };
    let bench = Bench::with(stub.services());
    for kind in SERVICES {
        for (name, class, word) in FAULTS {
            let mut limits = limits();
            if name.starts_with("stall") {
                limits.idle_timeout = Some(Duration::from_secs(2));
            }
            let task = format!("FAULT {name}. {}.", kind.name);
            let outcome = bench.agent_within(kind.name, order(&task), limits).await;
            let found = failure(outcome, &format!("{} {name}", kind.name));
            assert_eq!(class_word(&found.class), *class, "{} {name}: {}", kind.name, found.reason);
            assert!(found.reason.contains(word), "{} {name}: {}", kind.name, found.reason);
            assert!(!found.reason.contains(KEY), "{}", found.reason);
            assert!(found.session.is_some(), "{} {name}", kind.name);
        }
    }
    // Nothing is tried again here: that is the retry policy's. The scripted model notes a request after its answer.
    let asked = |task: &str| stub.log().iter().filter(|entry| entry["body"].to_string().contains(task)).count();
    for kind in SERVICES {
        for (name, _, _) in FAULTS.iter().filter(|(name, _, _)| !name.starts_with("stall")) {
            let task = format!("FAULT {name}. {}.", kind.name);
            let late = Instant::now() + Duration::from_secs(20);
            while asked(&task) == 0 && Instant::now() < late {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(asked(&task), 1, "{task}");
        }
    }
    bench.nothing_holds_the_key();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_closes_the_connection_at_any_point() {
    let Some(stub) = Stub::start(&scenario(json!([
        { "match": "STOP text", "turns": [{ "text": "word ".repeat(400), "chunks": 100, "chunk_ms": 100 }] },
        { "match": "STOP headers", "turns": [{ "text": "x", "fault": { "kind": "stall", "seconds": 2 } }] },
        { "match": "STOP tool", "turns": [
            { "tools": [{ "do": "shell", "command": "touch began; sleep 30; touch ended" }, { "do": "write", "path": "b", "content": "" }] },
            { "text": "done" }] },
    ]))) else {
        return;
    };
    for kind in SERVICES {
        for case in ["STOP text", "STOP headers", "STOP tool"] {
            let bench = Bench::with(stub.services());
            let source = StopSource::new();
            let before = stub.settled().len();
            let attempt = bench.agent_until(kind.name, order(case), limits(), source.token());
            let stop = async {
                match case {
                    "STOP text" => bench.until(|| bench.seen().iter().any(|seen| matches!(seen, Seen::Text(_)))).await,
                    "STOP tool" => bench.until(|| bench.file("began").exists()).await,
                    _ => tokio::time::sleep(Duration::from_millis(300)).await,
                }
                source.stop(StopReason::Gentle);
                bench.seen().iter().filter(|seen| matches!(seen, Seen::Spent(..))).count()
            };
            let (outcome, spent) = tokio::join!(attempt, stop);
            assert_eq!(outcome, Outcome::Stopped, "{} {case}", kind.name);
            let spent_now = bench.seen().iter().filter(|seen| matches!(seen, Seen::Spent(..))).count();
            assert_eq!(spent_now, spent, "nothing is told after a stop: {} {case}", kind.name);
            match case {
                "STOP tool" => {
                    assert!(!bench.file("ended").exists() && !bench.file("b").exists());
                    assert_eq!(stub.settled().len(), before + 1, "{}", kind.name);
                }
                _ => {
                    bench.until(|| stub.log().len() > before).await;
                    assert_eq!(stub.log().last().unwrap()["status"], "client_gone", "{} {case}", kind.name);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_not_valid_may_be_mended_twice() {
    let bad = submit(json!({ "answer": 3 }));
    let good = submit(json!({ "answer": "a", "count": 1 }));
    let Some(stub) = Stub::start(&scenario(json!([
        { "match": "MEND tool|is not what the step", "turns": [{ "tools": bad }, { "tools": bad }, { "tools": good }] },
        { "match": "MEND never", "turns": [{ "tools": bad }] },
        { "match": "MEND json", "turns": [{ "text": "Here: {\"answer\": \"b\", \"count\": 4}" }] },
        { "match": "MEND prose", "turns": [{ "text": "I am done." }] },
        { "match": "no result was handed in", "turns": [{ "tools": good }] },
        { "match": "MEND failed", "turns": [{ "tools": submit(json!({ "status": "failed", "summary": "no disk" })) }] },
    ]))) else {
        return;
    };
    for kind in SERVICES {
        let bench = Bench::with(stub.services());
        let perform = async |task: &str| {
            let mut order = order(task);
            order.expected_output = Some(schema());
            let before = stub.settled().len();
            let outcome = bench.agent(kind.name, order).await;
            (outcome, stub.settled().len() - before)
        };
        let (outcome, asked) = perform("MEND tool").await;
        assert_eq!((success(outcome, kind.name).output["count"].clone(), asked), (json!(1), 3), "{}", kind.name);
        let (outcome, asked) = perform("MEND never").await;
        let found = failure(outcome, kind.name);
        assert_eq!((class_word(&found.class).as_str(), asked), ("invalid", 3), "{}", found.reason);
        assert!(found.reason.contains("\"count\" is a required property"), "{}", found.reason);
        let (outcome, asked) = perform("MEND json").await;
        assert_eq!((success(outcome, kind.name).output["count"].clone(), asked), (json!(4), 1), "{}", kind.name);
        let (outcome, asked) = perform("MEND prose").await;
        assert_eq!((success(outcome, kind.name).output["count"].clone(), asked), (json!(1), 2), "{}", kind.name);
        let (outcome, _) = perform("MEND failed").await;
        assert!(failure(outcome, kind.name).reason.contains("no disk"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_given_is_denied_and_the_attempt_fails() {
    let write = |path: &str| json!({ "tool": "Write", "input": { "path": path, "content": "x" } });
    let Some(stub) = Stub::start(&scenario(json!([
        { "match": "DENY write", "turns": [{ "tools": [write("a.txt")] }, { "text": "Everything is written." }] },
        { "match": "DENY up", "turns": [{ "tools": [write("../a.txt")] }, { "text": "done" }] },
        { "match": "DENY link", "turns": [{ "tools": [write("out/a.txt")] }, { "text": "done" }] },
        { "match": "DENY git", "turns": [{ "tools": [write(".git/hooks/x")] }, { "text": "done" }] },
        { "match": "DENY absolute", "turns": [{ "tools": [{ "tool": "Read", "input": { "path": "/etc/hostname" } }] }, { "text": "done" }] },
        { "match": "DENY files", "turns": [{ "tools": [write("src/a.txt"), write("other.txt")] }, { "text": "done" }] },
        { "match": "DENY command", "turns": [{ "tools": [{ "do": "shell", "command": "git status; touch a.txt" }] }, { "text": "done" }] },
        { "match": "FINE link", "turns": [{ "tools": [{ "tool": "Read", "input": { "path": "out/secret" } }] }, { "text": "done" }] },
    ]))) else {
        return;
    };
    for kind in SERVICES {
        for case in ["DENY write", "DENY up", "DENY link", "DENY git", "DENY absolute", "DENY files", "DENY command"] {
            let bench = Bench::with(stub.services());
            std::os::unix::fs::symlink(bench.outside(), bench.file("out")).unwrap();
            let mut order = order(case);
            match case {
                "DENY write" => order.access = Access::Read,
                "DENY files" => order.files = vec!["src/**".into()],
                "DENY command" => order.tools = Some(vec!["Bash(git status:*)".into()]),
                _ => {}
            }
            let found = failure(bench.agent(kind.name, order).await, case);
            assert_eq!(found.class, FailureClass::Permanent, "{case}: {}", found.reason);
            assert!(found.reason.contains("was not allowed"), "{case}: {}", found.reason);
            assert!(bench.seen().iter().any(|seen| matches!(seen, Seen::Denied(_))), "{case}");
            assert_eq!(bench.outside_names(), ["secret"], "{case}");
            for path in ["a.txt", "other.txt", ".git"] {
                assert!(!bench.file(path).exists(), "{case} {path}");
            }
            let told = stub.settled().last().unwrap()["results"].to_string();
            assert!(told.contains("denied") || case == "DENY files", "{case}: {told}");
        }
        // A link may lead to a good place; it is not followed, and that alone fails nothing.
        let bench = Bench::with(stub.services());
        std::os::unix::fs::symlink(bench.outside(), bench.file("out")).unwrap();
        success(bench.agent(kind.name, order("FINE link")).await, kind.name);
        let told = stub.settled().last().unwrap()["results"].to_string();
        assert!(told.contains("symbolic link") && !told.contains("hidden"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_in_a_later_attempt() {
    let Some(stub) = Stub::start(&scenario(json!([
        { "match": "^# What was wrong", "turns": [{ "text": "mended" }] },
        { "match": "TALK", "turns": [{ "text": "I look.", "tools": [{ "do": "shell", "command": "echo twelve" }] }, { "text": "first" }] },
    ]))) else {
        return;
    };
    for kind in SERVICES {
        let mut bench = Bench::with(stub.services());
        let first = success(bench.agent(kind.name, order("TALK")).await, kind.name);
        let session = first.session.unwrap();
        let stored = bench.place.attempt_dir.join(format!("conversation-{session}.json"));
        assert_eq!(fs::metadata(&stored).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&stored).unwrap();
        bench.next_attempt();
        let mut again = order("TALK");
        (again.session, again.feedback) = (Some(session.clone()), Some("the gate says no".into()));
        let second = success(bench.agent(kind.name, again.clone()).await, kind.name);
        assert_eq!(second.text, "mended", "{}", kind.name);
        assert_ne!(second.session.as_ref(), Some(&session), "what is stored is never changed");
        assert_eq!(fs::read_to_string(&stored).unwrap(), text);
        let body = stub.settled().last().unwrap()["body"].to_string();
        for part in ["twelve", "first", "the gate says no"] {
            assert!(body.contains(part), "{} {part}: {body}", kind.name);
        }
        assert_eq!(body.matches("TALK").count(), 1, "the task is told once: {body}");
        again.session = Some("../../etc".into());
        let found = failure(bench.agent(kind.name, again).await, kind.name);
        assert_eq!(found.class, FailureClass::Recoverable, "{}", found.reason);
    }
    // Another service can take it up as well.
    let mut bench = Bench::with(stub.services());
    let mut session = None;
    for kind in SERVICES {
        let mut order = order(&format!("TALK {}", kind.name));
        order.session = session;
        let envelope = success(bench.agent(kind.name, order).await, kind.name);
        session = envelope.session;
        bench.next_attempt();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_and_time_and_tokens_are_bounded() {
    let endless = json!([{ "tools": [{ "do": "shell", "command": "true" }] }]);
    let length = |api: &str, stop: &str| json!({ "match": "BOUND length", "api": api, "turns": [{ "text": "half of", "stop": stop }] });
    let Some(stub) = Stub::start(&scenario(json!([
        { "match": "BOUND turns", "turns": endless },
        { "match": "BOUND time", "turns": [{ "tools": [{ "do": "shell", "command": "sleep 20" }] }] },
        length("anthropic", "max_tokens"), length("chat", "length"), length("gemini", "MAX_TOKENS"),
    ]))) else {
        return;
    };
    for kind in SERVICES {
        let bench = Bench::with(stub.services_with(|settings| settings.turns_max = 3));
        let before = stub.settled().len();
        let found = failure(bench.agent(kind.name, order("BOUND turns")).await, kind.name);
        assert_eq!(
            (class_word(&found.class).as_str(), stub.settled().len() - before),
            ("recoverable", 3),
            "{}",
            found.reason
        );
        assert_eq!(found.usage.tokens(), 360, "{}", kind.name);
        let mut limits = limits();
        limits.timeout = Some(Duration::from_millis(600));
        let found = failure(bench.agent_within(kind.name, order("BOUND time"), limits).await, kind.name);
        assert_eq!(class_word(&found.class), "timed out", "{}", found.reason);
        if kind.format != Format::Responses {
            let found = failure(bench.agent(kind.name, order("BOUND length")).await, kind.name);
            assert_eq!(class_word(&found.class), "recoverable", "{}", found.reason);
        }
    }
}
