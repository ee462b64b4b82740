//! Runs as traces: each attempt is one span, whatever happens to the process that tells of it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::Server,
    collector::{Collector, Span},
    support::{Done, Project},
};

const FLOW: &str = "name: w\nsteps:\n\
    \x20 - { id: first, run: 'echo \"$TRACEPARENT\" > first.txt', recovery: retry }\n\
    \x20 - id: flaky\n    run: 'if test -e tried; then exit 0; fi; touch tried; exit 1'\n    retry: { tries: 3, delay: 10ms, on: any }\n    gate: [{ run: 'true' }]\n    recovery: retry\n\
    \x20 - id: all\n    each: \"['a', 'b', 'c']\"\n    key: '{{ item }}'\n    steps:\n      - { id: one, run: 'echo x', recovery: retry }\n\
    \x20 - { id: slow, run: 'touch begun; while ! test -e go; do sleep 0.02; done', recovery: retry, needs: [all] }\n\
    \x20 - { id: last, run: 'test -e good', needs: [slow], recovery: retry }\n";

fn project(collector: &Collector) -> Project {
    let project = Project::new().file("workflows/w.yaml", FLOW);
    project.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
}

fn parsed(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

/// The attempts of a run as its status tells them.
fn attempts(project: &Project, run: &str) -> BTreeSet<String> {
    let status = parsed(&project.run(&["status", run, "--json"]));
    let steps = status["steps"].as_array().unwrap().iter();
    let history = steps.flat_map(|step| step["history"].as_array().into_iter().flatten());
    history.map(|attempt| attempt["id"].as_str().unwrap().to_owned()).collect()
}

fn of(spans: &[Span]) -> Vec<&str> {
    spans.iter().filter_map(Span::attempt).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let late = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < late, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn last_run(project: &Project) -> String {
    let runs = parsed(&project.run(&["runs", "--json"]));
    runs[0]["id"].as_str().unwrap_or_else(|| panic!("{runs:#}")).to_owned()
}

#[test]
fn attempts_and_spans_are_the_same_over_retries_a_kill_a_resume_and_a_second_try() {
    let collector = Collector::start();
    let project = project(&collector);
    let mut owner = project.command(&["run", "w", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_until("the slow step begins", || project.root().join("begun").exists());
    // What has ended before the crash was told before it.
    wait_until("spans come while the run goes on", || of(&collector.spans()).len() >= 5);
    let run = last_run(&project);
    // Who dies between the taking and the note sends again.
    let note = project.root().join(format!(".orch/state/runs/{run}/spans.sent"));
    let noted = || std::fs::read_to_string(&note).map_or(0, |text| text.lines().count());
    wait_until("what came is noted", || noted() == collector.spans().len());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let before = collector.spans().len();
    std::fs::write(project.root().join("go"), "").unwrap();
    // The last step fails: the run ends, and is tried again.
    assert_eq!(project.run(&["resume", &run]).code, Some(1), "{}", project.run(&["status", &run]).stdout);
    std::fs::write(project.root().join("good"), "").unwrap();
    let again = project.run(&["retry", &run, "--failed"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);

    let spans = collector.spans();
    let (known, told) = (attempts(&project, &run), of(&spans));
    assert!(before > 0 && spans.len() > before && known.len() >= 9, "{known:?}");
    let distinct: BTreeSet<_> = told.iter().map(|attempt| (*attempt).to_owned()).collect();
    assert_eq!(distinct, known);
    assert_eq!(told.len(), known.len(), "no span came twice: {told:?}");

    let traces: BTreeSet<_> = spans.iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(traces.len(), 1, "one run is one trace, whoever owns it");
    let ids: BTreeSet<_> = spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len());
    for span in &spans {
        assert!(span.start <= span.end, "{span:?}");
        let is_root = span.name == "run w";
        assert!(is_root == span.parent.is_empty() && (is_root || ids.contains(span.parent.as_str())), "{span:?}");
    }
    let runs: Vec<_> = spans.iter().filter(|span| span.name == "run w").collect();
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [2, 1], "failed, and then did not");
    assert_eq!(runs[1].links, [runs[0].id.clone()]);
    let around = spans.iter().find(|span| span.name == "step all").unwrap();
    assert_eq!(around.parent, runs[0].id);
    assert!(spans.iter().filter(|span| span.parent == around.id).count() >= 1);
    let flaky: Vec<_> = spans.iter().filter(|span| span.name == "flaky work").collect();
    assert_eq!(flaky.iter().map(|span| span.status).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(flaky[1].links, [flaky[0].id.clone()], "a retry names what it repeats");
    let slow: Vec<_> = spans.iter().filter(|span| span.name == "slow work").collect();
    assert_eq!(
        slow.iter().map(|span| span.attributes["orch.outcome"].as_str()).collect::<Vec<_>>(),
        ["lost", "succeeded"]
    );
    // A program learns of which span it is a part.
    let first = spans.iter().find(|span| span.name == "first work").unwrap();
    let seen = std::fs::read_to_string(project.root().join("first.txt")).unwrap();
    assert_eq!(seen.trim(), format!("00-{}-{}-01", first.trace, first.id));
    assert!(collector.services.lock().unwrap().iter().all(|name| name == "orch"));
}

#[test]
fn a_run_is_a_part_of_the_trace_of_whoever_starts_it() {
    let collector = Collector::start();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let project = project(&collector).file("workflows/v.yaml", "name: v\nsteps: [{ id: a, run: 'true' }]\n");
    let inside = project.command(&["run", "v"]).env("TRACEPARENT", parent).output().unwrap();
    assert!(inside.status.success());
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace == "4bf92f3577b34da6a3ce929d0e0e4736"));
    let run = spans.iter().find(|span| span.name == "run v").unwrap();
    assert_eq!(run.parent, "00f067aa0ba902b7");
    // Whoever is not kept is not sent.
    let quiet = project.command(&["run", "v"]).env("TRACEPARENT", parent.replace("-01", "-00")).output().unwrap();
    assert!(quiet.status.success());
    assert_eq!(collector.spans().len(), 2);
    // A request to a server names it in a header.
    let server = Server::start(&project, &[]);
    let other = parent.replace("4bf92f35", "aaaaaaaa");
    let more = [("traceparent", other.as_str())];
    let started = server.post_as(&server.key, "/api/v1/runs", &json!({ "name": "v" }), &more);
    let run = started.json()["run"].as_str().unwrap().to_owned();
    server.wait_for(&run, "succeeded");
    wait_until("the server sends its spans", || collector.spans().len() == 4);
    assert!(collector.spans()[2..].iter().all(|span| span.trace.starts_with("aaaaaaaa")));
}

#[test]
fn a_collector_that_is_not_there_refuses_or_hangs_changes_nothing() {
    let collector = Collector::start();
    *collector.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hung = format!("http://{}", hung.local_addr().unwrap());
    let project = Project::new().file("workflows/v.yaml", "name: v\nsteps: [{ id: a, run: 'echo x > x.txt' }]\n");
    for endpoint in [collector.endpoint(), "http://127.0.0.1:1".to_owned(), hung, "nonsense".to_owned()] {
        let mut command = project.command(&["run", "v", "--json"]);
        let start = Instant::now();
        let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{endpoint}: {}", String::from_utf8_lossy(&output.stderr));
        // A hang costs the end of the process a moment, and no more.
        assert!(start.elapsed() < Duration::from_secs(30), "{endpoint}: {:?}", start.elapsed());
        let text = String::from_utf8(output.stdout).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["status"], "succeeded", "{text}");
    }
    assert!(collector.spans().is_empty());
}

#[test]
fn a_collector_that_hangs_holds_no_run_and_no_place_of_a_server() {
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = "name: v\nsteps: [{ id: a, run: 'echo x >> x.txt' }]\n";
    let project = Project::new().file("workflows/v.yaml", text);
    let project = project
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", hung.local_addr().unwrap()))
        .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let server = Server::start(&project, &["--runs", "1", "--rate", "1000000"]);
    let start = Instant::now();
    for _ in 0..3 {
        let run = server.post("/api/v1/runs", &json!({ "name": "v" })).json()["run"].as_str().unwrap().to_owned();
        let now = server.wait_for(&run, "succeeded");
        wait_until("the run is free", || server.get(&format!("/api/v1/runs/{run}")).json()["owner"].is_null());
        assert_eq!(now["id"], run);
    }
    // Each would have had the only place for five seconds more.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let start = Instant::now();
    assert!(server.end());
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
}

#[test]
fn spans_that_nobody_took_are_sent_by_the_next_owner() {
    let collector = Collector::start();
    let text =
        "name: v\nsteps:\n  - { id: a, run: 'true' }\n  - { id: go, approve: 'Go on?' }\n  - { id: b, run: 'true' }\n";
    let project = project(&collector).file("workflows/v.yaml", text);
    *collector.status.lock().unwrap() = StatusCode::BAD_REQUEST;
    let parked = project.run(&["run", "v"]);
    assert_ne!(parked.code, Some(0));
    assert!(collector.spans().is_empty());
    *collector.status.lock().unwrap() = StatusCode::OK;
    let run = last_run(&project);
    assert_eq!(project.run(&["approve", &run]).code, Some(0));
    project.run(&["resume", &run]);
    let spans = collector.spans();
    let told: BTreeSet<_> = of(&spans).into_iter().map(str::to_owned).collect();
    assert_eq!((told.len(), told), (of(&spans).len(), attempts(&project, &run)));
    assert!(of(&spans).len() >= 3);
}
