//! What the log says, and what it never says.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::{client::Server, support::Project};

const CATEGORIES: [&str; 5] = ["system", "worker", "task", "api", "security"];

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn said<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[test]
fn a_server_says_what_happens_with_ids_that_belong_together_and_without_a_key() {
    let secret = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH";
    let text = format!(
        "name: w\nsteps:\n  - {{ id: one, run: 'echo {secret}' }}\n  - {{ id: two, run: 'echo {secret} >&2; exit 3', needs: [one] }}\n"
    );
    let project = Project::new().file("workflows/w.yaml", &text);
    let log = project.root().parent().unwrap().join("logs/orch.log");
    let server = Server::start(&project, &["--log-file", log.to_str().unwrap(), "-v", "--rate", "100000"]);
    let wrong = "orch_0123456789ab_0011223344556677889900112233445566778899001122334455667788990011";
    let refused = server.send(
        "GET",
        "/api/v1/runs?once=hidden-in-the-query",
        &[("Authorization", &format!("Bearer {wrong}"))],
        None,
    );
    assert_eq!(refused.status, 401);
    let id = refused.header("x-request-id").unwrap().to_owned();
    assert_eq!(refused.json()["request"], json!(id));
    // Whatever somebody else may put into a line is cleaned as well.
    assert_eq!(server.send("GET", "/api/v1/runs", &[("X-Request-Id", secret)], None).status, 401);
    let named = server.send("GET", "/healthz", &[("X-Request-Id", "from-the-proxy.1")], None);
    assert_eq!(named.header("x-request-id"), Some("from-the-proxy.1"));
    server.send("GET", server.link.split_once(&server.address.to_string()).unwrap().1, &[], None);
    let answer = server.post("/api/v1/keys", &json!({ "name": "ci", "role": "viewer" }));
    let (made, making) = (answer.json(), json!(answer.header("x-request-id").unwrap()));
    let key = made["key"].as_str().unwrap().to_owned();
    server.send(
        "DELETE",
        &format!("/api/v1/keys/{}", made["id"].as_str().unwrap()),
        &[("Authorization", &format!("Bearer {}", server.key))],
        None,
    );
    let run = server.post("/api/v1/runs", &json!({ "name": "w" })).json()["run"].as_str().unwrap().to_owned();
    server.wait_for(&run, "failed");
    let owner = server.key.clone();
    assert!(server.end());

    let text = std::fs::read_to_string(&log).unwrap();
    for hidden in [wrong, "0011223344556677", &key, &owner, "hidden-in-the-query", secret] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let lines = lines(&text);
    for line in &lines {
        let category = line["category"].as_str().unwrap();
        assert!(CATEGORIES.contains(&category), "{line}");
        let at = line["timestamp"].as_str().unwrap();
        assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[10] == b'T', "{line}");
        assert!(["error", "warn", "info", "debug"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(line["message"].is_string() && line["target"].is_string(), "{line}");
    }
    for message in ["a project is open", "the server is ready", "the server has ended"] {
        assert_eq!(said(&lines, message).len(), 1, "{message}: {text}");
    }
    let door = said(&lines, "refused at the door");
    assert_eq!(door.len(), 2, "{door:?}");
    assert!(door[1]["request"].as_str().is_some_and(|id| id.starts_with("[redacted")), "{}", door[1]);
    assert_eq!(
        (&door[0]["request"], &door[0]["category"], &door[0]["status"]),
        (&json!(id), &json!("security"), &json!(401))
    );
    for message in ["a session begins", "a key was made", "a key was revoked"] {
        assert_eq!(said(&lines, message).len(), 1, "{message}: {text}");
        assert_eq!(said(&lines, message)[0]["category"], "security");
    }
    assert_eq!(said(&lines, "a key was made")[0]["request"], making, "what a request does is said under its id");
    let (begun, ended) = (said(&lines, "an attempt has begun"), said(&lines, "an attempt has ended"));
    assert_eq!((begun.len(), ended.len()), (2, 2), "{text}");
    for line in begun.iter().chain(&ended) {
        assert_eq!((&line["run"], &line["category"]), (&json!(run), &json!("worker")), "{line}");
        assert!(line["step"].is_string() && line["attempt"].is_string(), "{line}");
    }
    assert_eq!(ended[1]["outcome"], "failed");
    assert!(ended[1]["duration_ms"].is_u64() && ended[1]["level"] == "warn", "{}", ended[1]);
    let end = said(&lines, "a run has ended");
    assert_eq!((end[0]["status"].as_str(), end[0]["category"].as_str()), (Some("failed"), Some("task")));
    let categories: BTreeSet<_> = lines.iter().map(|line| line["category"].as_str().unwrap()).collect();
    assert_eq!(categories.len(), 5, "{categories:?}");
}

#[test]
fn a_run_on_a_terminal_says_no_more_than_before_and_a_file_has_all() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'exit 3' }]\n");
    let plain = project.run(&["run", "w"]);
    assert!(!plain.stderr.contains("an attempt has"), "{}", plain.stderr);
    let log = project.root().parent().unwrap().join("own.log");
    let kept = project.command(&["run", "w"]).env("ORCH_LOG_FILE", &log).output().unwrap();
    assert!(!String::from_utf8_lossy(&kept.stderr).contains("an attempt has"));
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(said(&lines(&text), "a run has ended").len(), 1, "{text}");
    // On standard error, for collectors that read a container's.
    let shown = project
        .command(&["run", "w", "-q"])
        .env("ORCH_LOG_LEVEL", "info")
        .env("ORCH_LOG_FORMAT", "json")
        .output()
        .unwrap();
    let json: Vec<_> = String::from_utf8(shown.stderr)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .collect();
    assert_eq!(said(&json, "a run has ended").len(), 1, "{json:?}");
}

#[test]
fn a_repository_cannot_say_where_a_log_is_written() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n");
    let target = project.root().parent().unwrap().join("target");
    project.write("orch.toml", &format!("[log]\nfile = \"{}\"\n", target.display()));
    let refused = project.run(&["list"]);
    assert!(refused.code == Some(2) || refused.code == Some(10), "{refused:?}");
    assert!(refused.stderr.contains("a project may not say `log.file`"), "{}", refused.stderr);
    assert!(!target.exists());
}

#[test]
fn a_repository_cannot_take_away_a_log_of_the_user() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n");
    let log = project.root().parent().unwrap().join("logs/orch.log");
    let own = format!("[log]\nfile = \"{}\"\nkeep = 5\n", log.display());
    let project = project.user_file("orch.toml", &own);
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    let old = log.with_file_name("orch.log.20260101T000000.000Z");
    std::fs::write(&old, "an old day\n").unwrap();
    for (key, value) in [("keep", "0"), ("age", "\"1m\""), ("size", "\"10k\""), ("every", "\"1m\"")] {
        project.write("orch.toml", &format!("[log]\n{key} = {value}\n"));
        let refused = project.run(&["list"]);
        let said = format!("a project may not say `log.{key}`");
        let place = "orch.toml:2:";
        assert!(refused.code == Some(10) && refused.stderr.contains(&said), "{key}: {refused:?}");
        assert!(refused.stderr.contains(place) && refused.stderr.contains("ORCH_LOG_"), "{refused:?}");
        assert!(old.exists(), "{key}");
    }
}

#[test]
fn the_log_of_a_server_turns_and_only_so_much_is_kept() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n");
    let folder = project.root().parent().unwrap().join("logs");
    let log = folder.join("orch.log");
    let project = project.variable("ORCH_LOG_SIZE", "10k").variable("ORCH_LOG_KEEP", "2");
    let server = Server::start(&project, &["--log-file", log.to_str().unwrap(), "-v", "--rate", "100000"]);
    for _ in 0..300 {
        server.get("/api/v1/status");
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(server.end());
    let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.len() <= 10_000, "{} {}", file.display(), text.len());
        assert!(!text.contains("the server is ready"), "the oldest lines go first: {}", file.display());
        lines(&text);
    }
}
