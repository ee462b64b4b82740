//! `orch mcp` as a client sees it: the built program over its standard input and output, with real runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::Project;

const PATIENCE: Duration = Duration::from_secs(120);

/// A small client of its own.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    fn bare(project: &Project, flags: &[&str]) -> Self {
        let words: Vec<_> = ["mcp"].iter().chain(flags).copied().collect();
        let mut child =
            project.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, next: 0 }
    }

    /// One that has shaken hands.
    fn new(project: &Project, flags: &[&str]) -> Self {
        let mut client = Self::bare(project, flags);
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
        });
        let answer = client.ask("initialize", hello);
        assert_eq!(answer["result"]["protocolVersion"], "2025-06-18", "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "orch");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        client
    }

    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).and_then(|()| input.write_all(b"\n")).and_then(|()| input.flush()).unwrap();
    }

    fn heard(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "the server has ended");
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        let answer = self.heard();
        assert_eq!(answer["id"], json!(id), "{answer}");
        answer
    }

    /// The structured answer of a tool, and whether it is a refusal.
    fn called(&mut self, tool: &str, arguments: Value) -> (Value, bool) {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        let result = &answer["result"];
        assert!(!result["content"][0]["text"].as_str().unwrap().is_empty(), "{answer}");
        (result["structuredContent"].clone(), result["isError"].as_bool().unwrap())
    }

    #[track_caller]
    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let (value, refused) = self.called(tool, arguments);
        assert!(!refused, "{value}");
        value
    }

    /// The error of a tool that refuses.
    #[track_caller]
    fn refusal(&mut self, tool: &str, arguments: Value) -> Value {
        let (value, refused) = self.called(tool, arguments);
        assert!(refused, "{value}");
        value["error"].clone()
    }

    /// The status of a run once it is one of these.
    #[track_caller]
    fn wait(&mut self, run: &Value, words: &[&str]) -> Value {
        let start = Instant::now();
        loop {
            let now = self.call("status", json!({ "run": run }));
            if words.contains(&now["status"].as_str().unwrap()) {
                return now;
            }
            assert!(start.elapsed() < PATIENCE, "{now:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

const ASKS: &str = "name: asks\ndescription: It asks\nsteps:\n  - { id: before, run: echo before, recovery: retry }\n  \
    - { id: sure, approve: Build this? }\n  - { id: after, run: touch after, recovery: retry }\n";

fn asking() -> Project {
    Project::new().file("workflows/asks.yaml", ASKS)
}

/// `approve` in the settings must not reach a run that an MCP client starts.
fn asking_and_approving() -> Project {
    asking().file("orch.toml", "on_approval = \"approve\"\n")
}

#[test]
fn a_shipped_workflow_is_found_planned_and_run_to_its_end() {
    // The home of the test is an empty one, but cargo finds its toolchain in the real one.
    let home = std::env::var("HOME").unwrap_or_default();
    let folder = |name: &str, inside: &str| std::env::var(name).unwrap_or_else(|_| format!("{home}/{inside}"));
    let project = Project::new()
        .variable("RUSTUP_HOME", &folder("RUSTUP_HOME", ".rustup"))
        .variable("CARGO_HOME", &folder("CARGO_HOME", ".cargo"));
    let mut client = Client::new(&project, &[]);
    let tools = client.ask("tools/list", json!({}))["result"]["tools"].clone();
    let names: Vec<_> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["list", "plan", "run", "status", "logs"]);
    let listed = client.call("list", json!({ "match": "new-project" }));
    let found = listed["definitions"].as_array().unwrap();
    let found = found.iter().find(|one| one["name"] == "/new-project" || one["name"] == "new-project").unwrap();
    assert!(found["inputs"].as_array().unwrap().iter().any(|input| input["required"] == true), "{found}");
    let plan = client.call("plan", json!({ "name": "/new-project" }));
    assert!(plan["plan"]["steps"].as_array().unwrap().len() > 3, "{plan}");
    assert!(plan["plan"]["estimate"]["worst"].is_object(), "{plan}");

    let begun = client.call("run", json!({ "name": "/new-project", "words": ["a word counter"] }));
    assert_eq!(begun["done"], "started");
    // Whoever asks waits for the person, never for the run.
    let mut now = client.wait(&begun["run"], &["waiting", "succeeded", "failed"]);
    while now["status"] == "waiting" {
        let waiting = &now["waiting_for"][0];
        assert_eq!(waiting["kind"], "decision", "{now:#}");
        assert!(now["next"][0].as_str().unwrap().starts_with("orch approve"), "{now:#}");
        let run = begun["run"].as_str().unwrap();
        assert_eq!(project.run(&["approve", run, waiting["step"].as_str().unwrap()]).code, Some(0));
        project.run(&["resume", run]);
        now = client.wait(&begun["run"], &["waiting", "succeeded", "failed"]);
    }
    assert_eq!(now["status"], "succeeded", "{now:#}");
    assert_eq!(now["exit_code"], 0);
    assert!(!now["outputs"].as_object().unwrap().is_empty(), "{now:#}");
}

#[test]
fn a_run_outlives_its_client_and_waits_for_a_person() {
    let project = asking_and_approving();
    let mut client = Client::new(&project, &[]);
    let begun = client.call("run", json!({ "name": "asks" }));
    drop(client);
    let mut client = Client::new(&project, &[]);
    let now = client.wait(&begun["run"], &["waiting", "succeeded", "failed"]);
    assert_eq!((&now["status"], &now["waiting_for"][0]["step"]), (&json!("waiting"), &json!("sure")), "{now:#}");
    assert!(now["waiting_for"][0]["about"].as_str().unwrap().contains("Build this?"), "{now:#}");
    let run = begun["run"].as_str().unwrap();
    assert_eq!(now["next"][0], format!("orch approve {run} sure"));
    let logs = client.call("logs", json!({ "run": run, "step": "before" }));
    assert_eq!(logs["text"], "before\n");
    assert_eq!(client.refusal("logs", json!({ "run": run, "step": "no" }))["id"], "E0314");

    // The client may not decide; both tools are known, none is listed.
    for tool in ["approve", "reject"] {
        let error = client.refusal(tool, json!({ "run": run, "step": "sure" }));
        assert_eq!(error["id"], "E0319", "{error}");
        let help = error["help"].as_str().unwrap();
        assert!(help.contains(&format!("orch {tool} {run} sure")) && help.contains("--allow-approve"), "{help}");
    }
    let comments = json!({ "run": run, "step": "sure", "comments": ["shorter"] });
    assert_eq!(client.refusal("pushback", comments)["id"], "E0319");
    assert!(!project.root().join("after").exists());
    assert_eq!(client.call("status", json!({ "run": run }))["status"], "waiting");
}

#[test]
fn a_person_may_let_the_client_decide() {
    let project = asking_and_approving();
    let mut client = Client::new(&project, &["--allow-approve"]);
    assert_eq!(client.ask("tools/list", json!({}))["result"]["tools"].as_array().unwrap().len(), 8);
    let begun = client.call("run", json!({ "name": "asks" }));
    client.wait(&begun["run"], &["waiting"]);
    assert_eq!(client.refusal("approve", json!({ "run": begun["run"], "step": "after" }))["id"], "E0307");
    let comments = json!({ "run": begun["run"], "step": "sure", "comments": ["a.rs:1: shorter"] });
    assert_eq!(client.refusal("pushback", comments)["id"], "E0364", "no agent has done anything there");
    client.call("approve", json!({ "run": begun["run"], "step": "sure" }));
    let now = client.wait(&begun["run"], &["succeeded", "failed", "interrupted"]);
    assert_eq!(now["status"], "succeeded", "{now:#}");
    assert!(project.root().join("after").exists());
    // It was answered, once.
    assert_eq!(client.refusal("approve", json!({ "run": begun["run"] }))["id"], "E0307");

    let begun = client.call("run", json!({ "name": "asks" }));
    client.wait(&begun["run"], &["waiting"]);
    client.call("reject", json!({ "run": begun["run"], "comment": "no" }));
    let now = client.wait(&begun["run"], &["succeeded", "failed", "cancelled"]);
    assert_eq!((&now["status"], &now["exit_code"]), (&json!("failed"), &json!(21)), "{now:#}");
}

#[test]
fn what_only_a_person_may_do_is_refused_with_the_command() {
    let project = Project::new()
        .file("commands/look.md", "---\ndescription: Looks\n---\nSee !`touch looked` and say what it is.\n")
        .file("commands/free.md", "---\ndescription: Free\n---\nSay hello.\n")
        .file("bin/claude", "#!/bin/sh\ntouch called\n");
    let path = format!("{}:{}", project.root().join("bin").display(), support::path_without_agents().to_string_lossy());
    make_executable(&project.root().join("bin/claude"));
    let project = project.variable("PATH", &path);
    let mut client = Client::new(&project, &["--allow-approve"]);
    let listed = client.call("list", json!({ "match": "look" }));
    assert_eq!(listed["definitions"][0]["trust"], "untrusted", "{listed}");
    let error = client.refusal("run", json!({ "name": "/look" }));
    assert_eq!((&error["id"], &error["code"]), (&json!("E0560"), &json!(40)));
    assert!(error["help"].as_str().unwrap().contains("`orch trust /look`"), "{error}");
    // There is no argument that would give trust, a runtime or an approval.
    for extra in ["trust", "runtime", "on_approval", "yes"] {
        let error = client.refusal("run", json!({ "name": "/look", extra: "claude" }));
        assert_eq!(error["id"], "E0580", "{error}");
    }
    let error = client.refusal("run", json!({ "name": "/free" }));
    assert_eq!((&error["id"], &error["code"]), (&json!("E0315"), &json!(43)));
    assert!(!project.root().join("looked").exists() && !project.root().join("called").exists());
    assert_eq!(project.run(&["runs", "--json"]).json(0), json!([]));
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn faults_come_with_code_place_cause_and_fix() {
    let project = Project::new().file("workflows/bad.yaml", "name: bad\nsteps:\n  - { id: a, rn: ls }\n");
    let mut client = Client::new(&project, &[]);
    let error = client.refusal("plan", json!({ "name": "bad" }));
    let fault = &error["diagnostics"][0];
    assert_eq!(fault["path"], "workflows/bad.yaml", "{error}");
    assert_eq!(fault["place"]["line"], 3, "{error}");
    assert!(fault["help"].as_str().unwrap().contains("run"), "{error}");
    assert_eq!(client.refusal("run", json!({ "name": "nothing" }))["id"], "E0511");
    assert_eq!(client.refusal("run", json!({}))["id"], "E0580");
    assert_eq!(client.refusal("status", json!({}))["id"], "E0301");
    assert_eq!(client.refusal("run", json!({ "name": "/new-project" }))["id"], "E0501");
    // Settings that break while the server runs are a refusal, not its end.
    project.write("orch.toml", "parallel = 0\n");
    assert_eq!(client.refusal("list", json!({}))["id"], "E0505");
    project.write("orch.toml", "");
    client.call("list", json!({}));
}

#[test]
fn hostile_input_costs_nothing_but_itself() {
    let project = asking();
    let mut client = Client::bare(&project, &[]);
    let early = client.ask("tools/call", json!({ "name": "run", "arguments": { "name": "asks" } }));
    assert_eq!(early["error"]["code"], -32600, "{early}");
    client.send("{\"jsonrpc\": ");
    assert_eq!(client.heard()["error"]["code"], -32700);
    client.send(&format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(3 << 20)));
    assert_eq!(client.heard()["error"]["code"], -32700);
    client.send(&"[".repeat(200_000));
    assert_eq!(client.heard()["error"]["code"], -32700);
    let answer = client.ask("initialize", json!({ "protocolVersion": "1999-01-01" }));
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(client.ask("resources/list", json!({}))["error"]["code"], -32601);
    assert_eq!(client.ask("tools/call", json!({ "name": "rm" }))["error"]["code"], -32602);
    // Cancelled before its turn: no answer, and nothing is done. The first request keeps the server busy meanwhile.
    let call = |id: u64, name: &str| {
        let params =
            json!({ "name": name, "arguments": if name == "run" { json!({ "name": "asks" }) } else { json!({}) } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
    };
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 901 } });
    let lines = [call(900, "list"), call(901, "run"), cancel.to_string(), call(902, "list")];
    client.send(&lines.join("\n"));
    assert_eq!(client.heard()["id"], 900);
    assert_eq!(client.heard()["id"], 902);
    assert_eq!(project.run(&["runs", "--json"]).json(0), json!([]));
    // The client goes away: the server ends, and well.
    client.input = None;
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
}

#[test]
fn newer_clients_need_no_handshake() {
    let project = asking();
    let mut client = Client::bare(&project, &[]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}
    });
    let found = client.ask("server/discover", json!({ "_meta": meta }));
    assert_eq!(found["result"]["supportedVersions"][0], "2026-07-28", "{found}");
    let done = client.ask("tools/call", json!({ "_meta": meta, "name": "list", "arguments": { "match": "asks" } }));
    assert_eq!(done["result"]["resultType"], "complete", "{done}");
    assert_eq!(done["result"]["structuredContent"]["definitions"][0]["name"], "asks");
}
