//! Who gets into a server again, and who does not stay: links of the owner, and streams whose key is no longer good.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[allow(dead_code, reason = "each test file uses a part")]
#[path = "serve/client.rs"]
mod client;
mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use client::Server;
use orch::runtime::base64_text as base64;
use serde_json::{Value, json};
use support::Project;

const WORKFLOW: &str = "name: w\nsteps:\n  - { id: one, run: 'true' }\n";

fn project() -> Project {
    Project::new().file("workflows/w.yaml", WORKFLOW)
}

/// The path of a link.
fn path_of(link: &str, server: &Server) -> String {
    let (_, path) = link.trim().split_once(&server.address.to_string()).unwrap_or_else(|| panic!("{link}"));
    path.to_owned()
}

#[test]
fn the_owner_gets_another_link_from_a_server_that_runs() {
    let project = project();
    // A session changes nothing, so a server that only shows begins one as well.
    for flags in [&[][..], &["--read-only"]] {
        let server = Server::start(&project, flags);
        let listen = server.address.to_string();
        let ask = ["serve", "--link", "--listen", listen.as_str()];
        let links: Vec<_> = (0..2).map(|_| project.run(&ask)).collect();
        assert_eq!((links[0].code, links[1].code), (Some(0), Some(0)), "{links:?}");
        assert_ne!(links[0].stdout, links[1].stdout);
        let path = path_of(&links[0].stdout, &server);
        let begun = server.send("GET", &path, &[], None);
        assert_eq!(begun.status, 303, "{}", begun.text());
        let cookie = begun.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(server.send("GET", "/api/v1/keys", &[("Cookie", &cookie)], None).status, 200, "an admin's");
        assert_eq!(server.send("GET", &path, &[], None).status, 401, "it works once");
        // Another key gives its own role and no more, or nothing.
        let admin = project.run(&["keys", "add", "boss", "--role", "admin", "--json"]).json(0);
        let made = server.post_as(admin["key"].as_str().unwrap(), "/api/v1/links", &json!({}), &[]);
        assert_eq!(made.status, 201, "{}", made.text());
        assert!(made.json()["until"].as_u64().is_some(), "{}", made.text());
        let path = path_of(made.json()["link"].as_str().unwrap(), &server);
        assert_eq!(server.send("GET", &path, &[], None).status, 303);
        for role in ["viewer", "operator", "approver"] {
            let made = project.run(&["keys", "add", role, "--role", role, "--json"]).json(0);
            let answer = server.post_as(made["key"].as_str().unwrap(), "/api/v1/links", &json!({}), &[]);
            assert_eq!(answer.status, 403, "{role}: {}", answer.text());
        }
    }
}

/// JSON has one kind of number. What is whole counts with a point as well: a key ends, and a budget limits.
#[test]
fn a_whole_number_may_have_a_point() {
    let project = project();
    let server = Server::start(&project, &[]);
    let key = json!({ "name": "short", "role": "viewer", "expires_days": 30.0, "rate": 50.0 });
    let made = server.post("/api/v1/keys", &key);
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.json()["expires"].is_u64(), "{}", made.text());
    let budget = json!({ "tokens": 5000.0, "agents": 3.0, "time_s": 60.0, "usd": 1.0 });
    let begun = server.post("/api/v1/runs", &json!({ "name": "w", "budget": budget }));
    assert_eq!(begun.status, 202, "{}", begun.text());
    let run = begun.json()["run"].as_str().unwrap().to_owned();
    let until = Instant::now() + Duration::from_secs(20);
    let lines = loop {
        let burn = server.get(&format!("/api/v1/runs/{run}/burn"));
        if burn.status == 200 {
            break burn.json()["lines"].clone();
        }
        assert!(Instant::now() < until, "{}", burn.text());
        std::thread::sleep(Duration::from_millis(50));
    };
    let limits: Vec<_> = lines.as_array().unwrap().iter().map(|line| line["limit"].as_u64()).collect();
    assert_eq!(limits, [Some(1_000_000), Some(5000), Some(60_000), Some(3)], "{lines:#}");
    let broken = server.post("/api/v1/runs", &json!({ "name": "w", "budget": { "tokens": 0.5 } }));
    assert_eq!(broken.status, 400, "{}", broken.text());
}

#[test]
fn who_gets_no_link_is_told_why() {
    let project = project();
    let server = Server::start(&project, &["--host", "orch.example"]);
    let listen = server.address.to_string();
    let ask = |more: &[&str]| project.run(&[&["serve", "--link", "--listen", &listen], more].concat());
    assert_eq!(ask(&["--host", "orch.example"]).code, Some(0), "by its name");
    let strange = ask(&["--host", "evil.example"]);
    assert_eq!(strange.code, Some(2));
    assert!(strange.stderr.contains("E0605"), "{}", strange.stderr);
    let token = project.home().join(".local/state/orch/serve/token");
    let key = std::fs::read_to_string(&token).unwrap();
    std::fs::write(&token, "orch_0123456789ab_00\n").unwrap();
    let wrong = ask(&[]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("E0603"), "{}", wrong.stderr);
    std::fs::remove_file(&token).unwrap();
    let none = ask(&[]);
    assert_eq!(none.code, Some(31));
    assert!(none.stderr.contains("E0617") && !token.exists(), "{}", none.stderr);
    std::fs::write(&token, key).unwrap();
    server.kill();
    let nobody = ask(&[]);
    assert_eq!(nobody.code, Some(75));
    assert!(nobody.stderr.contains("E0620"), "{}", nobody.stderr);
    assert_eq!(project.run(&["serve", "--link", "--check-health"]).code, Some(2));
}

/// Reads a stream to its end, which must come; gives what it said and how long it took.
fn to_end(mut stream: BufReader<TcpStream>) -> (String, Duration) {
    let begun = Instant::now();
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    stream.get_ref().set_read_timeout(Some(Duration::from_secs(25))).unwrap();
    loop {
        let read = stream.read(&mut piece).unwrap_or_else(|error| panic!("{error}"));
        text.extend_from_slice(&piece[..read]);
        if read == 0 {
            return (String::from_utf8_lossy(&text).into_owned(), begun.elapsed());
        }
        // It may say that it is still there, but not for ever.
        assert!(begun.elapsed() < Duration::from_secs(25), "it goes on: {}", String::from_utf8_lossy(&text));
    }
}

fn open(server: &Server, path: &str, key: &str, more: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n{more}\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    BufReader::new(stream)
}

#[test]
fn a_stream_ends_when_its_key_is_taken_away() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    // Where nothing happens it ends as well, but later.
    for (is_busy, late) in [(true, 4), (false, 18)] {
        let made = project.run(&["keys", "add", "left", "--role", "viewer", "--json"]).json(0);
        let key = made["key"].as_str().unwrap();
        let mut streams = vec![open(&server, "/api/v1/events", key, ""), open(&server, "/api/v1/changes", key, "")];
        let mut socket = TcpStream::connect(server.address).unwrap();
        let head = format!(
            "GET /api/v1/ws HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n{upgrade}\r\n",
            server.address
        );
        socket.write_all(head.as_bytes()).unwrap();
        streams.push(BufReader::new(socket));
        for (stream, status) in streams.iter_mut().zip([" 200", " 200", " 101"]) {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            assert!(line.contains(status), "{line}");
        }
        let owners = server.events("/api/v1/events", None);
        assert_eq!(project.run(&["keys", "revoke", made["id"].as_str().unwrap()]).code, Some(0));
        let busy = std::thread::scope(|scope| {
            let ends: Vec<_> = streams.into_iter().map(|stream| scope.spawn(|| to_end(stream))).collect();
            while is_busy && !ends.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                assert_eq!(server.post("/api/v1/runs", &json!({ "name": "w" })).status, 202);
                std::thread::sleep(Duration::from_millis(200));
            }
            ends.into_iter().map(|end| end.join().unwrap()).collect::<Vec<_>>()
        });
        for (at, (text, took)) in busy.iter().enumerate() {
            assert!(took.as_secs() < late, "stream {at}, busy: {is_busy}: {took:?}");
            assert!(at == 2 || (text.contains("event: problem") && text.contains("E0603")), "{text}");
        }
        // Whose key is good stays.
        owners.get_ref().set_nonblocking(true).unwrap();
        let still = owners.into_inner().read_to_end(&mut Vec::new());
        assert_eq!(still.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// A token as an identity provider makes it.
fn token(secret: &[u8], claims: &Value) -> String {
    let url = |bytes: &[u8]| base64(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned();
    let text = format!("{}.{}", url(br#"{"alg":"HS256"}"#), url(claims.to_string().as_bytes()));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", url(tag.as_ref()))
}

#[test]
fn a_stream_ends_with_the_token_that_has_opened_it() {
    const SECRET: &str = "a shared secret that is long enough for it";
    let project = project().file("secret", SECRET);
    let jwt = ["--jwt-key", "secret", "--jwt-algorithm", "HS256", "--jwt-issuer", "us", "--jwt-audience", "orch"];
    let server = Server::start(&project, &jwt);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // A clock may be half a minute off, so this one has three seconds left.
    let claims = json!({ "sub": "ada", "iss": "us", "aud": "orch", "role": "viewer", "exp": now - 27 });
    let token = token(SECRET.as_bytes(), &claims);
    let mut stream = open(&server, "/api/v1/changes", &token, "");
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.contains(" 200"), "{line}");
    let (text, took) = to_end(stream);
    assert!(text.contains("E0603") && took.as_secs() < 10, "{took:?} {text}");
}

#[test]
fn checks_of_one_name_have_each_its_own_time() {
    let channel = |name: &str| format!("[notify.{name}]\nvia = \"command\"\ncommand = [\"true\"]\n");
    // One of the user's, which is trusted, and two of the project's, which nobody has looked at.
    let project = project().user_file("orch.toml", &channel("own"));
    project.write("orch.toml", &(channel("first") + &channel("second")));
    let server = Server::start(&project, &[]);
    let look = || {
        let all = server.get("/api/v1/health").json();
        let notices = |one: &&Value| one["name"] == "notices";
        let found: Vec<_> = all["checks"].as_array().unwrap().iter().filter(notices).cloned().collect();
        let states: std::collections::BTreeSet<_> = found.iter().map(|one| one["status"].to_string()).collect();
        assert_eq!((found.len(), states.len()), (3, 2), "{all:#}");
        found.iter().map(|one| one["since"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let first = look();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(look(), first, "nothing has changed");
}

#[test]
fn a_stream_that_has_nothing_to_say_says_that_it_is_there() {
    let project = project();
    let server = Server::start(&project, &[]);
    // This one wakes each second, to look.
    let mut stream = server.events("/api/v1/changes", None);
    let (begun, mut line) = (Instant::now(), String::new());
    while !line.starts_with(": still here") {
        assert!(begun.elapsed() < Duration::from_secs(20), "it says nothing");
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
}
