//! Who comes through the doors of the server: roles with requests that are whole, streams that stay with what was asked for,
//! and what every answer tells a browser.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[allow(dead_code, reason = "each test file uses a part")]
#[path = "serve/client.rs"]
mod client;
mod support;

use std::{
    collections::BTreeSet,
    io::BufRead as _,
    time::{Duration, Instant},
};

use client::{Answer, Server};
use serde_json::{Value, json};
use support::Project;

const ASKING: &str = "name: asking\nsteps:\n  - { id: go, approve: 'Go on?' }\n  - { id: after, run: 'echo after' }\n";
const SHORT: &str = "name: short\nsteps:\n  - { id: one, run: 'sleep 0.1' }\n  - { id: two, run: 'sleep 0.1' }\n";

fn project() -> Project {
    Project::new().file("workflows/asking.yaml", ASKING).file("workflows/short.yaml", SHORT)
}

fn start(server: &Server, body: &Value) -> String {
    let answer = server.post("/api/v1/runs", body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["run"].as_str().unwrap().to_owned()
}

/// Nothing is wrong with these requests but who sends them.
#[test]
fn a_role_is_refused_for_what_it_is_also_where_the_request_is_whole() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "asking" }));
    server.wait_for(&run, "waiting");
    let key = |role: &str| {
        let made = project.run(&["keys", "add", role, "--role", role, "--json"]).json(0);
        made["key"].as_str().unwrap().to_owned()
    };
    let [viewer, operator, approver] = ["viewer", "operator", "approver"].map(key);
    let of_run = |verb: &str| format!("/api/v1/runs/{run}/{verb}");
    let moves = [
        ("/api/v1/runs".to_owned(), json!({ "name": "short" })),
        (of_run("cancel"), json!({})),
        (of_run("resume"), json!({})),
        (of_run("retry"), json!({})),
    ];
    let decision = ("/api/v1/decisions".to_owned(), json!({ "run": run, "decision": "approve" }));
    let new_key = ("/api/v1/keys".to_owned(), json!({ "name": "more", "role": "admin" }));
    let refused = |key: &str, (path, body): &(String, Value)| {
        let answer = server.post_as(key, path, body, &[]);
        assert_eq!((answer.status, answer.json()["code"].clone()), (403, json!("E0604")), "{path}: {}", answer.text());
    };
    for request in &moves {
        refused(&viewer, request);
        refused(&approver, request);
    }
    for key in [&viewer, &operator] {
        refused(key, &decision);
    }
    for key in [&viewer, &operator, &approver] {
        refused(key, &new_key);
    }
    assert_eq!(server.get(&format!("/api/v1/runs/{run}")).json()["status"], "waiting");
    assert_eq!(server.get("/api/v1/runs").json()["runs"].as_array().unwrap().len(), 1);
    assert_eq!(server.post_as(&approver, &decision.0, &decision.1, &[]).status, 200);
    assert_eq!(server.post_as(&operator, &moves[0].0, &moves[0].1, &[]).status, 202);
}

#[test]
fn a_key_that_was_taken_away_opens_nothing_from_then_on() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let made = project.run(&["keys", "add", "gone", "--role", "admin", "--json"]).json(0);
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let asked = || server.send("GET", "/api/v1/runs", &[("Authorization", &key)], None).status;
    assert_eq!(asked(), 200);
    assert_eq!(project.run(&["keys", "revoke", made["id"].as_str().unwrap()]).code, Some(0));
    assert_eq!(asked(), 401);
}

/// The runs that a stream tells of until one of them has ended.
fn runs_told(server: &Server, path: &str, until: &str) -> BTreeSet<String> {
    let mut runs = BTreeSet::new();
    let late = Instant::now() + Duration::from_secs(40);
    for line in server.events(path, None).lines() {
        assert!(Instant::now() < late, "nothing more comes: {runs:?}");
        let Some(data) = line.unwrap().strip_prefix("data: ").map(str::to_owned) else { continue };
        let data: Value = serde_json::from_str(&data).unwrap();
        runs.insert(data["run"].as_str().unwrap().to_owned());
        if data["type"] == "run_ended" && data["run"] == until {
            break;
        }
    }
    runs
}

#[test]
fn a_stream_tells_of_the_project_and_the_run_that_were_asked_for_and_of_no_other() {
    let (first, second) = (project(), project());
    let (one, two) = (first.root(), second.root());
    let flags = ["--rate", "1000000", "--project", one.to_str().unwrap(), "--project", two.to_str().unwrap()];
    let server = Server::start(&first, &flags);
    let projects = server.get("/api/v1/projects").json();
    let names = [0, 1].map(|place| projects["projects"][place]["name"].as_str().unwrap().to_owned());
    let begin = |name: &str, workflow: &str| start(&server, &json!({ "name": workflow, "project": name }));
    // It waits, so that it is told of for as long as somebody listens.
    let run = begin(&names[0], "asking");
    std::thread::scope(|scope| {
        let of_project = scope.spawn(|| runs_told(&server, &format!("/api/v1/events?project={}", names[0]), &run));
        let of_run = scope.spawn(|| runs_told(&server, &format!("/api/v1/runs/{run}/events"), &run));
        server.wait_for(&run, "waiting");
        std::thread::sleep(Duration::from_millis(300));
        let elsewhere = begin(&names[1], "short");
        let beside = begin(&names[0], "short");
        server.wait_for(&elsewhere, "succeeded");
        server.wait_for(&beside, "succeeded");
        assert_eq!(server.post("/api/v1/decisions", &json!({ "run": run, "decision": "approve" })).status, 200);
        assert_eq!(of_run.join().unwrap(), BTreeSet::from([run.clone()]));
        assert_eq!(of_project.join().unwrap(), BTreeSet::from([run.clone(), beside]));
    });
}

fn assert_guarded(what: &str, answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    let rules: BTreeSet<_> = policy.split(';').map(str::trim).collect();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(rules.contains(rule), "{what}: {rule} is not in {policy:?}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}");
    }
    assert!(answer.header("cache-control").is_some_and(|kept| !kept.contains("public")), "{what}: {answer:?}");
}

#[test]
fn every_answer_tells_browsers_what_no_page_of_it_may_do() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    for path in
        ["/", "/inbox", "/assets/base.js", "/api/v1/runs", "/runs/zzzzzzzz", "/api/v1/runs/zzzzzzzz", "/no/such"]
    {
        assert_guarded(path, &server.get(path));
    }
    assert_guarded("nobody", &server.send("GET", "/api/v1/runs", &[], None));
    assert_guarded("the way to a session", &server.send("GET", "/login", &[], None));
}

#[test]
fn all_keys_together_may_ask_only_so_often() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000", "--rate-all", "40"]);
    let answers: BTreeSet<_> = (0..80).map(|_| server.get("/api/v1/projects").status).collect();
    assert_eq!(answers, BTreeSet::from([200, 429]));
}
