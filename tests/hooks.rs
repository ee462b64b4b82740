//! What other systems start by a signed request, and everything that starts nothing.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "serve/client.rs"]
#[expect(dead_code, reason = "only some of it is needed here")]
mod client;
mod support;

use std::collections::BTreeSet;

use client::{Answer, Server};
use orch::guard::sign;
use serde_json::{Value, json};
use support::Project;

const SECRET: &str = "what-only-the-two-of-us-know";
const SETTINGS: &str = "[hooks.build]\nworkflow = \"w\"\nsecret = { env = \"HOOK_SECRET\" }\n\
    inputs = { word = \"/thing/word\", count = \"/thing/count\" }\nrate = 10000\n\
    [hooks.slow]\nworkflow = \"w\"\nsecret = { env = \"HOOK_SECRET\" }\ninputs = { word = \"/word\" }\nrate = 1\n\
    [hooks.gh]\nkind = \"github\"\nworkflow = \"w\"\nsecret = { env = \"HOOK_SECRET\" }\n\
    events = [\"pull_request.opened\", \"push\"]\ninputs = { word = \"/pull_request/title\" }\n\
    [hooks.nowhere]\nworkflow = \"w\"\nsecret = { env = \"NOT_SET\" }\n";

fn project() -> Project {
    let workflow = "name: w\ninputs: { word: { type: string, default: none }, count: { type: integer, default: 0 } }\nsteps:\n\
        \x20 - { id: one, run: 'printf \"%s\" \"$ORCH_INPUT_WORD\" > word.txt' }\n";
    Project::new().file("workflows/w.yaml", workflow).user_file("orch.toml", SETTINGS).variable("HOOK_SECRET", SECRET)
}

fn seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn generic(secret: &str, at: u64, delivery: &str, body: &str) -> Vec<(&'static str, String)> {
    let time = at.to_string();
    let signature = sign(secret.as_bytes(), &[time.as_bytes(), delivery.as_bytes(), body.as_bytes()]);
    vec![
        ("Content-Type", "application/json".to_owned()),
        ("X-Orch-Timestamp", time),
        ("X-Orch-Delivery", delivery.to_owned()),
        ("X-Orch-Signature", format!("sha256={signature}")),
    ]
}

fn github(event: &str, delivery: &str, body: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", "application/json".to_owned()),
        ("X-GitHub-Event", event.to_owned()),
        ("X-GitHub-Delivery", delivery.to_owned()),
        ("X-Hub-Signature-256", format!("sha256={}", sign(SECRET.as_bytes(), &[body.as_bytes()]))),
    ]
}

fn send(server: &Server, hook: &str, headers: &[(&'static str, String)], body: &str) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.send("POST", &format!("/api/v1/hooks/{hook}"), &headers, Some(body))
}

fn without(mut headers: Vec<(&'static str, String)>, name: &str) -> Vec<(&'static str, String)> {
    headers.retain(|(other, _)| *other != name);
    headers
}

fn with(headers: Vec<(&'static str, String)>, name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let mut headers = without(headers, name);
    headers.push((name, value.to_owned()));
    headers
}

fn runs(server: &Server) -> usize {
    server.get("/api/v1/runs").json()["runs"].as_array().unwrap().len()
}

#[test]
fn a_secret_that_takes_its_time_holds_up_nobody() {
    let settings = "[hooks.slow]\nsecret = { command = [\"sh\", \"-c\", \"sleep 3; echo sesame-of-the-hook\"] }\nworkflow = \"w\"\n";
    let project = Project::new()
        .file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n")
        .user_file("orch.toml", settings);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let begin = std::time::Instant::now();
    let marks = generic("another secret", seconds(), "1", "{}");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| send(&server, "slow", &marks, "{}"));
        std::thread::sleep(std::time::Duration::from_millis(500));
        let second = send(&server, "slow", &marks, "{}");
        assert_eq!(second.status, 503, "{}", second.text());
        assert!(second.text().contains("E0656"), "{}", second.text());
        assert!(
            begin.elapsed() < std::time::Duration::from_secs(2),
            "a second delivery waits for the first one's secret"
        );
        assert_eq!(first.join().unwrap().status, 401);
    });
}

/// S14: whatever is not signed as it should be starts nothing, and says no more than that.
#[test]
fn fifteen_deliveries_that_start_nothing() {
    let project = project();
    let body = json!({ "thing": { "word": "hello" } }).to_string();
    let good = |at: u64| generic(SECRET, at, "d-1", &body);
    let now = seconds();
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(1_100_000));
    let spaced = body.replace(':', ": ");
    type Case = (&'static str, &'static str, Vec<(&'static str, String)>, String, u16);
    let cases: Vec<Case> = vec![
        ("no signature", "build", without(good(now), "X-Orch-Signature"), body.clone(), 401),
        (
            "a wrong signature",
            "build",
            with(good(now), "X-Orch-Signature", &format!("sha256={}", "0".repeat(64))),
            body.clone(),
            401,
        ),
        ("another secret", "build", generic("another-secret", now, "d-1", &body), body.clone(), 401),
        ("an empty secret", "build", generic("", now, "d-1", &body), body.clone(), 401),
        ("too old", "build", good(now - 301), body.clone(), 401),
        ("of the future", "build", good(now + 310), body.clone(), 401),
        (
            "a newer time than was signed",
            "build",
            with(good(now - 400), "X-Orch-Timestamp", &now.to_string()),
            body.clone(),
            401,
        ),
        ("no time", "build", without(good(now), "X-Orch-Timestamp"), body.clone(), 401),
        ("another number than was signed", "build", with(good(now), "X-Orch-Delivery", "d-2"), body.clone(), 401),
        ("no number", "build", without(good(now), "X-Orch-Delivery"), body.clone(), 401),
        ("a body that was written anew", "build", good(now), spaced, 401),
        ("a body that is too long", "build", generic(SECRET, now, "d-1", &huge), huge.clone(), 413),
        ("another kind of body", "build", with(good(now), "Content-Type", "text/plain"), body.clone(), 415),
        ("no such hook", "nothing", good(now), body.clone(), 401),
        ("a hook whose secret is not there", "nowhere", good(now), body.clone(), 401),
    ];
    assert_eq!(cases.len(), 15);
    let mut answers = BTreeSet::new();
    let mut server = Server::start(&project, &[]);
    for (place, (name, hook, headers, body, status)) in cases.iter().enumerate() {
        if place == cases.len() / 2 {
            // So many failures of one address are enough for a minute: the other half goes to a server that saw none.
            server.kill();
            server = Server::start(&project, &[]);
        }
        let answer = send(&server, hook, headers, body);
        assert_eq!(answer.status, *status, "{name}: {}", answer.text());
        if *status == 401 {
            let mut said = answer.json();
            // Each request has a number of its own.
            assert!(said.as_object_mut().unwrap().remove("request").is_some());
            answers.insert(said.to_string());
        }
        assert_eq!(runs(&server), 0, "{name}");
    }
    assert_eq!(answers.len(), 1, "the answer tells nothing apart: {answers:?}");
    // The door is not simply shut: the same delivery, signed well, gets in, and no key does.
    let taken = send(&server, "build", &good(now), &body);
    assert_eq!(taken.status, 202, "{}", taken.text());
    let as_owner = server.post("/api/v1/hooks/build", &json!({ "thing": { "word": "by the owner" } }));
    assert_eq!(as_owner.status, 401, "no key opens it: {}", as_owner.text());
    assert_eq!(runs(&server), 1);
    // Where there is no secret, what stands in its place is none.
    let guessed = send(&server, "nowhere", &generic("a secret that nobody has", now, "d-1", &body), &body);
    assert_eq!((guessed.status, runs(&server)), (401, 1), "{}", guessed.text());
    println!("15 of 15 start nothing");
}

#[test]
fn a_hook_starts_runs_in_its_own_project_and_nowhere_else() {
    let (first, second) = (project(), project());
    let (one, two) = (first.root(), second.root());
    let flags = ["--rate", "1000000", "--project", one.to_str().unwrap(), "--project", two.to_str().unwrap()];
    let server = Server::start(&first, &flags);
    let projects = server.get("/api/v1/projects").json();
    let name = projects["projects"][1]["name"].as_str().unwrap().to_owned();
    let hook = format!(
        "{SETTINGS}[hooks.second]\nworkflow = \"w\"\nsecret = {{ env = \"HOOK_SECRET\" }}\nproject = \"{name}\"\n"
    );
    let _first = first.user_file("orch.toml", &hook);
    let body = json!({ "word": "a" }).to_string();
    let deliver = |hook: &str| send(&server, hook, &generic(SECRET, seconds(), "p-1", &body), &body);
    let taken = deliver("second");
    assert_eq!(taken.status, 202, "{}", taken.text());
    let run = taken.json()["run"].as_str().unwrap().to_owned();
    let listed = server.get("/api/v1/runs").json()["runs"].clone();
    assert_eq!((&listed[0]["id"], &listed[0]["project"]), (&json!(run), &json!(name)), "{listed:#}");
    // A hook that names none of several projects means none of them.
    assert_eq!((deliver("build").status, runs(&server)), (400, 1));
}

#[test]
fn a_delivery_is_one_run_however_often_it_comes() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let body = json!({ "thing": { "word": "$(touch pwned) {{ inputs }}", "count": 3 } }).to_string();
    let run_of = |answer: &Answer| {
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["run"].as_str().unwrap().to_owned()
    };
    let deliver = || run_of(&send(&server, "build", &generic(SECRET, seconds(), "order-17", &body), &body));
    let found: BTreeSet<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10).map(|_| scope.spawn(deliver)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(found.len(), 1, "{found:?}");
    let run = found.into_iter().next().unwrap();
    server.wait_for(&run, "succeeded");
    // What stands in a payload is data to the end.
    assert_eq!(project.read("word.txt"), "$(touch pwned) {{ inputs }}");
    assert!(!project.root().join("pwned").exists());
    // Also by a server that knows nothing of the first.
    server.kill();
    let server = Server::start(&project, &[]);
    let again = send(&server, "build", &generic(SECRET, seconds(), "order-17", &body), &body);
    assert_eq!((run_of(&again), &again.json()["replayed"]), (run.clone(), &json!(true)));
    let next = send(&server, "build", &generic(SECRET, seconds(), "order-18", &body), &body);
    assert_eq!(next.json()["replayed"], false);
    assert_eq!(runs(&server), 2);
    let wrong = json!({ "thing": { "word": "x", "count": "many" } }).to_string();
    let refused = send(&server, "build", &generic(SECRET, seconds(), "order-19", &wrong), &wrong);
    assert_eq!((refused.status, runs(&server)), (422, 2), "{}", refused.text());
    // And when the run is long gone.
    server.kill();
    std::fs::remove_dir_all(project.root().join(".orch/state")).unwrap();
    let server = Server::start(&project, &[]);
    let again = send(&server, "build", &generic(SECRET, seconds(), "order-17", &body), &body);
    assert_eq!((run_of(&again), &again.json()["replayed"], runs(&server)), (run, &json!(true), 0));
}

#[test]
fn github_says_what_has_happened_and_only_what_is_wanted_starts() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let opened = json!({ "action": "opened", "pull_request": { "title": "Mend it" } }).to_string();
    let ping = json!({ "zen": "Keep it simple" }).to_string();
    let closed = opened.replace("opened", "closed");
    for (event, body) in [("ping", &ping), ("pull_request", &closed), ("issues", &opened)] {
        let ignored = send(&server, "gh", &github(event, "g-0", body), body);
        assert_eq!((ignored.status, &ignored.json()["ignored"]), (200, &json!(true)), "{event}");
    }
    assert_eq!(runs(&server), 0);
    let taken = send(&server, "gh", &github("pull_request", "g-1", &opened), &opened);
    assert_eq!(taken.status, 202, "{}", taken.text());
    let run = taken.json()["run"].as_str().unwrap().to_owned();
    server.wait_for(&run, "succeeded");
    assert_eq!(project.read("word.txt"), "Mend it");
    // There the number is not signed: under another one it is still the same delivery.
    let again = send(&server, "gh", &github("pull_request", "g-2", &opened), &opened);
    assert_eq!((&again.json()["run"], runs(&server)), (&json!(run), 1));
    let bare = send(&server, "gh", &without(github("pull_request", "g-3", &opened), "X-GitHub-Delivery"), &opened);
    let forged = send(&server, "gh", &github("pull_request", "g-4", &closed), &opened);
    assert_eq!((bare.status, forged.status), (401, 401));
    let twice = [github("pull_request", "g-5", &opened), github("pull_request", "g-5", &opened)].concat();
    assert!(send(&server, "gh", &twice, &opened).status >= 400);
}

#[test]
fn a_hook_comes_only_so_often_and_never_to_a_server_that_only_shows() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let body = json!({ "word": "a" }).to_string();
    let statuses: Vec<u16> = (0..3)
        .map(|place| send(&server, "slow", &generic(SECRET, seconds(), &format!("s-{place}"), &body), &body).status)
        .collect();
    assert_eq!(statuses, [202, 429, 429]);
    server.kill();
    let server = Server::start(&project, &["--read-only"]);
    let refused = send(&server, "build", &generic(SECRET, seconds(), "r-1", &body), &body);
    assert_eq!((refused.status, refused.json()["code"].clone()), (403, json!("E0613")));
    let origin = with(generic(SECRET, seconds(), "r-2", &body), "Origin", "http://evil.example");
    assert_eq!(send(&server, "build", &origin, &body).status, 403);
    let document: Value = server.get("/api/v1/openapi.json").json();
    assert_eq!(document["paths"]["/api/v1/hooks/{name}"]["post"]["security"], json!([{ "signature": [] }]));
}
