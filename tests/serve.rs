//! The server as programs see it: every route under every attack, runs that are started once, events that are lost never.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "serve/client.rs"]
mod client;
mod support;

use std::{collections::BTreeSet, io::BufRead as _, time::Duration};

use client::{Answer, Server};
use orch::http::{Method, Route, routes};
use serde_json::{Value, json};
use support::Project;

const WORKFLOW: &str = "name: w\ninputs: { word: { type: string, default: hello } }\nsteps:\n\
    \x20 - { id: one, run: 'echo \"one $ORCH_INPUT_WORD\"' }\n\
    \x20 - { id: two, run: 'echo two; echo more >&2' }\n";
const ASKING: &str = "name: asking\nsteps:\n  - { id: work, run: 'echo made > made.txt' }\n\
    \x20 - { id: go, approve: 'Go on?' }\n  - { id: after, run: 'echo after' }\n";

fn project() -> Project {
    Project::new().file("workflows/w.yaml", WORKFLOW).file("workflows/asking.yaml", ASKING)
}

fn started(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["run"].as_str().unwrap().to_owned()
}

/// The path of a route with something plausible in its parts.
fn path_of(route: &Route) -> String {
    route
        .path
        .replace("{run}", "abcd1234")
        .replace("{attempt}", "0-1")
        .replace("{file}", "stdout.log")
        .replace("{kind}", "workflow")
        .replace("{name}", "w")
        .replace("{id}", "0123456789ab")
}

/// A request to a route, changed by an attack. Gives nothing where the attack does not fit the route.
type Attack = fn(&Server, &Keys, &Route) -> Option<Answer>;

struct Keys {
    viewer: String,
    expired: String,
    revoked: String,
}

fn with(server: &Server, route: &Route, headers: &[(&str, &str)]) -> Option<Answer> {
    on_path(server, route, &path_of(route), headers)
}

fn on_path(server: &Server, route: &Route, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let body = (route.method == Method::Post).then_some("{}");
    let mut all = headers.to_vec();
    if body.is_some() && !headers.iter().any(|(name, _)| *name == "Content-Type") {
        all.push(("Content-Type", "application/json"));
    }
    Some(server.send(route.method.word(), path, &all, body))
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn as_owner(server: &Server, route: &Route, path: &str) -> Option<Answer> {
    on_path(server, route, path, &[("Authorization", &bearer(&server.key))])
}

const ATTACKS: &[(&str, Attack)] = &[
    ("no key", |server, _, route| with(server, route, &[])),
    ("a wrong key", |server, _, route| with(server, route, &[("Authorization", &bearer("orch_0123456789ab_00"))])),
    ("a key with another end", |server, _, route| {
        let (rest, end) = server.key.split_at(server.key.len() - 1);
        let other = format!("{rest}{}", if end == "0" { "1" } else { "0" });
        with(server, route, &[("Authorization", &bearer(&other))])
    }),
    ("an expired key", |server, keys, route| with(server, route, &[("Authorization", &bearer(&keys.expired))])),
    ("a revoked key", |server, keys, route| with(server, route, &[("Authorization", &bearer(&keys.revoked))])),
    ("a key of another role", |server, keys, route| {
        (route.method != Method::Get || route.scope == orch::service::Scope::Admin).then_some(())?;
        with(server, route, &[("Authorization", &bearer(&keys.viewer))])
    }),
    ("another scheme", |server, _, route| with(server, route, &[("Authorization", &format!("Basic {}", server.key))])),
    ("two keys", |server, _, route| {
        let key = bearer(&server.key);
        with(server, route, &[("Authorization", &key), ("Authorization", "Bearer x")])
    }),
    ("a cookie that is none", |server, _, route| with(server, route, &[("Cookie", "orch_session=0123")])),
    ("a wrong host", |server, _, route| {
        with(server, route, &[("Host", "evil.example:80"), ("Authorization", &bearer(&server.key))])
    }),
    ("another origin", |server, _, route| {
        (route.method != Method::Get || route.streams).then_some(())?;
        with(server, route, &[("Origin", "http://evil.example"), ("Authorization", &bearer(&server.key))])
    }),
    ("no origin at all", |server, _, route| {
        (route.method != Method::Get || route.streams).then_some(())?;
        with(server, route, &[("Origin", "null"), ("Authorization", &bearer(&server.key))])
    }),
    ("plain text", |server, _, route| {
        route.body?;
        with(server, route, &[("Content-Type", "text/plain"), ("Authorization", &bearer(&server.key))])
    }),
    ("a form", |server, _, route| {
        route.body?;
        let form = "application/x-www-form-urlencoded";
        with(server, route, &[("Content-Type", form), ("Authorization", &bearer(&server.key))])
    }),
    ("another method by a header", |server, keys, route| {
        (route.method != Method::Get).then_some(())?;
        let headers = [("X-HTTP-Method-Override", route.method.word()), ("Authorization", &bearer(&keys.viewer))];
        let answer = server.send("GET", &path_of(route), &headers, None);
        // Where the same path may be looked at, that is all that has happened.
        let is_look = routes().any(|other| other.path == route.path && other.method == Method::Get);
        (!is_look).then_some(answer)
    }),
    ("a suffix", |server, _, route| on_path(server, route, &format!("{}/healthz", path_of(route)), &[])),
    ("a suffix of old", |server, _, route| on_path(server, route, &format!("{}/configs", path_of(route)), &[])),
    ("two slashes", |server, _, route| on_path(server, route, &format!("/{}", path_of(route)), &[])),
    ("an escaped parent", |server, _, route| {
        on_path(server, route, &format!("/healthz/%2e%2e{}", path_of(route)), &[])
    }),
    ("a parameter", |server, _, route| on_path(server, route, &format!("{};x=/healthz", path_of(route)), &[])),
    ("upper case", |server, _, route| {
        // The root has no letters.
        (route.path != "/").then_some(())?;
        as_owner(server, route, &path_of(route).to_uppercase())
    }),
    ("a trailing dot", |server, _, route| as_owner(server, route, &format!("{}.", path_of(route)))),
    ("a trailing slash", |server, _, route| as_owner(server, route, &format!("{}/", path_of(route)))),
];

#[test]
fn every_route_under_every_attack() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000", "--rate-all", "1000000"]);
    let make = |name: &str, more: &[&str]| {
        let mut words = vec!["keys", "add", name, "--json"];
        words.extend(more);
        project.run(&words).json(0)
    };
    let viewer = make("viewer", &["--role", "viewer"])["key"].as_str().unwrap().to_owned();
    let gone = make("gone", &["--role", "admin"]);
    assert_eq!(project.run(&["keys", "revoke", gone["id"].as_str().unwrap()]).code, Some(0));
    // The last one: whoever makes another key takes those away that have ended.
    let expired = make("expired", &["--role", "admin", "--expires", "1ms"])["key"].as_str().unwrap().to_owned();
    let keys = Keys { viewer, expired, revoked: gone["key"].as_str().unwrap().to_owned() };
    let public: Vec<_> = routes().filter(|route| route.scope == orch::service::Scope::Public).collect();
    assert!(public.len() <= 3, "{public:?}");
    let mut tried = 0;
    for route in routes() {
        for (name, attack) in ATTACKS {
            let Some(answer) = attack(&server, &keys, route) else { continue };
            tried += 1;
            // The public routes are for everybody, whatever is sent beside them.
            let is_public = route.scope == orch::service::Scope::Public
                && (!name.contains("host") || route.is_probe())
                && !name.contains("slash")
                && !name.contains("suffix")
                && !name.contains("parent")
                && !name.contains("upper")
                && !name.contains("dot")
                && !name.contains("parameter");
            let is_let_in = (200..300).contains(&answer.status);
            assert!(
                is_public || !is_let_in,
                "{name} on {} {}: {} {}",
                route.method.word(),
                route.path,
                answer.status,
                answer.text()
            );
            assert!(answer.status != 0 && answer.status != 500, "{name} on {}: {}", route.path, answer.text());
        }
    }
    // The same table lets the owner in: the attacks failed for what they are, not because nothing works.
    let open = routes().filter(|route| route.method == Method::Get && !route.streams && !route.path.contains('{'));
    for route in open {
        let answer = server.get(route.path);
        assert!((200..400).contains(&answer.status), "{}: {} {}", route.path, answer.status, answer.text());
    }
    println!("{} routes, {tried} attacks, {} public", routes().count(), public.len());
}

#[test]
fn each_role_may_what_the_table_says() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    for role in orch::service::Role::ALL {
        let made = project.run(&["keys", "add", role.word(), "--role", role.word(), "--json"]).json(0);
        let key = bearer(made["key"].as_str().unwrap());
        for route in routes().filter(|route| !route.streams) {
            let answer = with(&server, route, &[("Authorization", &key)]).unwrap();
            if route.scope == orch::service::Scope::Signed {
                // No key opens it, whosever it is.
                assert!(matches!(answer.status, 401 | 429), "{} on {}: {}", role.word(), route.path, answer.text());
                continue;
            }
            let may = route.scope == orch::service::Scope::Public || role.may(route.scope);
            assert_eq!(answer.status == 403, !may, "{} on {}: {}", role.word(), route.path, answer.text());
        }
    }
}

#[test]
fn a_run_is_started_once_however_often_it_is_asked_for() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let body = json!({ "name": "w", "inputs": { "word": "again" } });
    let ask = || started(&server.post_as(&server.key, "/api/v1/runs", &body, &[("Idempotency-Key", "k1")]));
    let runs: BTreeSet<String> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(runs.len(), 1, "{runs:?}");
    let run = runs.into_iter().next().unwrap();
    server.wait_for(&run, "succeeded");
    let other = json!({ "name": "w", "inputs": { "word": "else" } });
    let refused = server.post_as(&server.key, "/api/v1/runs", &other, &[("Idempotency-Key", "k1")]);
    assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("E0602")));
    // Also by a server that knows nothing of the first.
    server.kill();
    let server = Server::start(&project, &[]);
    let again = server.post_as(&server.key, "/api/v1/runs", &body, &[("Idempotency-Key", "k1")]);
    assert_eq!((started(&again), again.header("idempotent-replayed")), (run, Some("true")));
    assert_eq!(server.get("/api/v1/runs").json()["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn bad_input_names_every_fault_and_starts_nothing() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let bad = json!({ "name": "../x", "words": "no", "more": 1, "budget": { "usd": -1 } });
    let answer = server.post("/api/v1/runs", &bad);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 400);
    for field in ["name", "words", "more", "usd"] {
        assert!(detail.contains(field), "{field}: {detail}");
    }
    for (path, status) in [
        ("/api/v1/runs?limit=0", 400),
        ("/api/v1/runs?limit=10&limit=20", 400),
        ("/api/v1/runs?limit=-1", 400),
        ("/api/v1/runs?unknown=1", 400),
        ("/api/v1/runs?status=odd", 400),
        ("/api/v1/runs/..%2f..%2fetc", 400),
        ("/api/v1/runs/zzzzzzzz", 404),
        ("/api/v1/definitions/nothing-here", 404),
        ("/api/v1/no/such/route", 404),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.json()["help"].as_str().is_some_and(|help| !help.is_empty()), "{path}");
    }
    let long = json!({ "name": "w", "words": ["x".repeat(2_000_000)] });
    assert_eq!(server.post("/api/v1/runs", &long).status, 413);
    assert_eq!(server.post("/api/v1/runs", &json!({ "name": "no-such-workflow" })).status, 404);
    assert!(server.get("/api/v1/runs").json()["runs"].as_array().unwrap().is_empty());
}

#[test]
fn a_person_decides_about_exactly_what_was_shown() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = started(&server.post("/api/v1/runs", &json!({ "name": "asking" })));
    let now = server.wait_for(&run, "waiting");
    let subject = now["waiting_for"][0]["subject"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/api/v1/inbox").json()["waiting"][0]["run"], json!(run));
    let decide = |decision: &str, subject: &str| {
        server.post("/api/v1/decisions", &json!({ "run": run, "decision": decision, "subject": subject }))
    };
    let outdated = decide("approve", &"0".repeat(subject.len()));
    assert_eq!((outdated.status, outdated.json()["code"].clone()), (409, json!("E0614")));
    let taken = decide("approve", &subject);
    assert_eq!(taken.status, 200, "{}", taken.text());
    server.wait_for(&run, "succeeded");
    let late = decide("approve", &subject);
    assert_eq!((late.status, late.json()["code"].clone()), (409, json!("E0307")), "{}", late.text());
}

#[test]
fn what_a_person_says_on_the_command_line_moves_a_run_of_the_server() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = started(&server.post("/api/v1/runs", &json!({ "name": "asking" })));
    server.wait_for(&run, "waiting");
    assert_eq!(project.run(&["approve", &run]).code, Some(0));
    server.wait_for(&run, "succeeded");
}

#[test]
fn a_server_that_was_killed_leaves_nothing_undone() {
    let slow = "name: slow\nsteps:\n  - { id: a, run: 'sleep 1; echo a', recovery: retry }\n\
        \x20 - { id: b, run: 'sleep 1; echo b', recovery: retry }\n";
    let project = project().file("workflows/slow.yaml", slow);
    let server = Server::start(&project, &["--runs", "2", "--rate", "1000000"]);
    let runs: Vec<_> = (0..5).map(|_| started(&server.post("/api/v1/runs", &json!({ "name": "slow" })))).collect();
    std::thread::sleep(Duration::from_millis(1_300));
    server.kill();
    let server = Server::start(&project, &["--rate", "1000000"]);
    for run in &runs {
        server.wait_for(run, "succeeded");
    }
    assert!(server.end(), "it ends when it is told to");
}

/// The events of a stream with their ids, until the run has ended or so many were read.
fn read_events(server: &Server, path: &str, after: Option<&str>, most: usize) -> Vec<(String, Value)> {
    let (mut events, mut id) = (Vec::new(), String::new());
    let late = std::time::Instant::now() + Duration::from_secs(40);
    for line in server.events(path, after).lines() {
        let line = line.unwrap();
        assert!(std::time::Instant::now() < late, "nothing more comes: {events:?}");
        if let Some(text) = line.strip_prefix("id: ") {
            text.clone_into(&mut id);
        }
        if let Some(data) = line.strip_prefix("data: ") {
            let data: Value = serde_json::from_str(data).unwrap();
            let is_end = data["type"] == "run_ended";
            events.push((id.clone(), data));
            if is_end || events.len() >= most {
                break;
            }
        }
    }
    events
}

#[test]
fn fifty_reconnects_lose_and_repeat_nothing() {
    let mut many = String::from("name: many\nsteps:\n");
    (0..40).for_each(|step| many.push_str(&format!("  - {{ id: s{step}, run: 'sleep 0.02' }}\n")));
    let project = project().file("workflows/many.yaml", &many);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = started(&server.post("/api/v1/runs", &json!({ "name": "many" })));
    let path = format!("/api/v1/runs/{run}/events");
    let mut all: Vec<(String, Value)> = Vec::new();
    let mut reconnects = 0;
    while all.last().is_none_or(|(_, event)| event["type"] != "run_ended") {
        let after = all.last().map(|(id, _)| id.clone());
        all.extend(read_events(&server, &path, after.as_deref(), 2));
        reconnects += 1;
        assert!(reconnects < 1_000, "it never comes to its end");
    }
    let whole = read_events(&server, &path, None, usize::MAX);
    assert_eq!(all, whole, "what was read in pieces is what is read at once");
    let ids: BTreeSet<_> = whole.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids.len(), whole.len(), "no id is there twice");
    let settled = whole.iter().filter(|(_, event)| event["type"] == "step_settled").count();
    assert_eq!(settled, 40);
    assert!(reconnects >= 50, "{reconnects}");
    println!("{reconnects} reconnects, {} events", whole.len());
}

#[test]
fn lines_bytes_and_changes_of_a_step() {
    let chatty = "name: chatty\nsteps:\n  - { id: talk, run: 'seq 1 30000; echo done > made.txt' }\n";
    let project = project().file("workflows/chatty.yaml", chatty);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = started(&server.post("/api/v1/runs", &json!({ "name": "chatty" })));
    server.wait_for(&run, "succeeded");
    let get = |tail: &str| server.get(&format!("/api/v1/runs/{run}/{tail}"));
    let lines = get("lines?attempt=0-1&from=29998&count=10").json();
    assert_eq!((lines["total"].clone(), lines["lines"].clone()), (json!(30_000), json!(["29999", "30000"])));
    let found = get("lines?attempt=0-1&find=777&count=1").json();
    assert_eq!((found["from"].clone(), found["lines"].clone()), (json!(776), json!(["777"])));
    let part = get("log?attempt=0-1&offset=2&length=4");
    assert_eq!((part.text(), part.header("orch-next")), ("2\n3\n".to_owned(), Some("6")));
    let bearer = bearer(&server.key);
    let path = format!("/api/v1/runs/{run}/log?attempt=0-1");
    let ranged = server.send("GET", &path, &[("Authorization", &bearer), ("Range", "bytes=0-3")], None);
    assert_eq!((ranged.status, ranged.text()), (206, "1\n2\n".to_owned()));
    let artifacts = get("artifacts").json();
    assert!(artifacts["artifacts"].as_array().unwrap().iter().any(|one| one["name"] == "stdout.log"), "{artifacts:#}");
    assert_eq!(get("artifacts/0-1/stdout.log").body.len(), 168_894);
    assert_eq!(get("artifacts/0-1/..%2forder.json").status, 400);
    assert_eq!(get("lines?attempt=9-9").status, 404);
    let steps = get("steps").json();
    assert_eq!(steps["steps"][0]["id"], "talk");
    // What has not changed is not sent again.
    let first = server.get(&format!("/api/v1/runs/{run}"));
    let tag = first.header("etag").unwrap().to_owned();
    let path = format!("/api/v1/runs/{run}");
    let second = server.send("GET", &path, &[("Authorization", &bearer), ("If-None-Match", &tag)], None);
    assert_eq!((second.status, second.body.len()), (304, 0));
}

#[test]
fn a_key_may_ask_so_often() {
    let project = project();
    let server = Server::start(&project, &["--rate", "30"]);
    let answers: Vec<_> = (0..60).map(|_| server.get("/api/v1/projects")).collect();
    let refused = answers.iter().find(|answer| answer.status == 429).expect("never refused");
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().unwrap() > 0));
    let patient = project.run(&["keys", "add", "patient", "--rate", "1000", "--json"]).json(0);
    let key = bearer(patient["key"].as_str().unwrap());
    for _ in 0..60 {
        assert_eq!(server.send("GET", "/api/v1/projects", &[("Authorization", &key)], None).status, 200);
    }
    // Whoever guesses is stopped.
    let guesses: Vec<_> = (0..40)
        .map(|_| server.send("GET", "/api/v1/runs", &[("Authorization", "Bearer orch_x")], None).status)
        .collect();
    assert!(guesses.contains(&429) && !guesses.contains(&200), "{guesses:?}");
}

#[test]
fn a_link_begins_one_session_and_pages_prove_themselves() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let path = server.link.split_once(&server.address.to_string()).unwrap().1.to_owned();
    let begun = server.send("GET", &path, &[], None);
    assert_eq!(begun.status, 303, "{}", begun.text());
    let cookie = begun.header("set-cookie").unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(server.send("GET", &path, &[], None).status, 401, "the link works once");
    assert_eq!(server.send("GET", "/api/v1/runs", &[("Cookie", &cookie)], None).status, 200);
    let own = format!("http://{}", server.address);
    let body = json!({ "name": "w" }).to_string();
    let post = |headers: &[(&str, &str)]| {
        let mut all = vec![("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
        all.extend(headers);
        server.send("POST", "/api/v1/runs", &all, Some(&body)).status
    };
    assert_eq!(post(&[]), 403, "no origin");
    assert_eq!(post(&[("Origin", &own)]), 403, "no proof");
    assert_eq!(post(&[("Origin", &own), ("X-Orch-CSRF", "0")]), 403, "a wrong proof");
    assert_eq!(post(&[("Origin", "http://evil.example"), ("X-Orch-CSRF", "0")]), 403);
    // Each of the two is asked for by itself.
    let page = server.send("GET", "/", &[("Cookie", &cookie)], None).text();
    let proof = page.split("name=\"csrf\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(post(&[("X-Orch-CSRF", proof)]), 403, "no origin, with the proof");
    assert_eq!(post(&[("Origin", "http://evil.example"), ("X-Orch-CSRF", proof)]), 403, "another page with the proof");
    assert_eq!(post(&[("Origin", &own), ("X-Orch-CSRF", proof)]), 202);
    let evil = [("Origin", "http://evil.example")];
    assert_eq!(server.post_as(&server.key, "/api/v1/runs", &json!({ "name": "w" }), &evil).status, 403, "with a key");
}

#[test]
fn the_description_names_every_route_and_nothing_that_is_not_there() {
    let document = orch::http::openapi();
    let mut named = 0;
    for route in routes().filter(|route| route.path.starts_with("/api/")) {
        let operation = &document["paths"][route.path][route.method.word().to_lowercase()];
        assert_eq!(operation["operationId"], route.name);
        named += 1;
    }
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let names: BTreeSet<_> = routes().map(|route| route.name).collect();
    assert_eq!(names.len(), routes().count(), "a name is there twice");
    assert!(named > 30);
}

#[test]
fn slow_and_large_heads_are_told_to_go() {
    use std::io::{Read as _, Write as _};
    let project = project();
    let server = Server::start(&project, &[]);
    let large = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n", server.address, "x".repeat(64 * 1024));
    assert_eq!(server.raw(large.as_bytes()).status, 431);
    let mut slow = std::net::TcpStream::connect(server.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost:").unwrap();
    let mut said = Vec::new();
    let ended = slow.read_to_end(&mut said);
    assert!(ended.is_ok() && !String::from_utf8_lossy(&said).contains(" 200 "), "{ended:?}");
}

#[test]
fn a_server_that_only_shows_changes_nothing() {
    let project = project();
    let server = Server::start(&project, &["--read-only"]);
    let answer = server.post("/api/v1/runs", &json!({ "name": "w" }));
    assert_eq!((answer.status, answer.json()["code"].clone()), (403, json!("E0613")));
    assert_eq!(server.get("/api/v1/runs").status, 200);
}

#[test]
fn nobody_listens_off_the_machine_without_protection() {
    let project = project();
    let done = project.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("E0616") && done.stderr.contains("--behind-proxy"), "{}", done.stderr);
    let server = Server::start(&project, &[]);
    let address = server.address.to_string();
    let second = project.run(&["serve", "--listen", &address]);
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains("E0615"), "{}", second.stderr);
    assert_eq!(project.run(&["serve", "--check-health", "--listen", &address]).code, Some(0));
    server.kill();
    assert_eq!(project.run(&["serve", "--check-health", "--listen", &address]).code, Some(75));
}
