//! The boards of the server: cost, definitions, health, audit, the runs of several projects in one list and one stream.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[allow(dead_code, reason = "each test file uses a part")]
#[path = "serve/client.rs"]
mod client;
mod support;

use std::{collections::BTreeSet, io::BufRead as _, time::Duration};

use client::Server;
use serde_json::{Value, json};
use support::Project;

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>";
const WORKFLOW: &str = "name: w\ndescription: says hello\ninputs: { word: { type: string, default: hello } }\nsteps:\n\
    \x20 - { id: one, run: 'echo \"one $ORCH_INPUT_WORD\"' }\n  - { id: two, run: 'echo two' }\n";
const ASKING: &str = "name: asking\nsteps:\n  - { id: go, approve: 'Go on?' }\n  - { id: after, run: 'echo after' }\n";
const PAID: &str = "name: paid\nbudget: { tokens: 10000, usd: 2 }\nsteps:\n\
    \x20 - { id: think, agent: thinker, prompt: Think. }\n  - { id: check, run: 'true' }\n";
const THINKER: &str = "---\nname: thinker\ndescription: Thinks.\ntools: Read, Grep\n---\nThink well.\n";
const RECORDING: &str = "recording: 1\nworkflow: paid\nturns:\n  - step: think\n    says: { summary: Thought. }\n\
    \x20   usage: { input_tokens: 3000, output_tokens: 500, usd_micros: 1250000 }\n";

fn project() -> Project {
    Project::new()
        .file("workflows/w.yaml", WORKFLOW)
        .file("workflows/asking.yaml", ASKING)
        .file("workflows/paid.yaml", PAID)
        .file("workflows/recordings/paid.yaml", RECORDING)
        .file("agents/thinker.md", THINKER)
}

fn start(server: &Server, body: &Value) -> String {
    let answer = server.post("/api/v1/runs", body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["run"].as_str().unwrap().to_owned()
}

fn page(server: &Server, path: &str) -> String {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    // A slash is written as a sign in every value.
    answer.text().replace("&#x2f;", "/")
}

#[test]
fn costs_stand_in_the_page_and_in_the_api() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "paid" }));
    server.wait_for(&run, "succeeded");
    for by in ["day", "workflow", "agent", "model"] {
        let costs = server.get(&format!("/api/v1/costs?by={by}&period=day")).json();
        let line = &costs["projects"][0]["lines"][0];
        assert_eq!(line["total"]["input_tokens"], 3000, "{by}: {costs:#}");
        assert_eq!(line["runs"], 1, "{by}");
    }
    assert_eq!(server.get("/api/v1/costs?by=workflow").json()["projects"][0]["lines"][0]["workflow"], "paid");
    assert_eq!(server.get("/api/v1/costs?by=agent").json()["projects"][0]["lines"][0]["agent"], "thinker");
    let text = page(&server, "/cost?period=day");
    for word in ["$1.25", "3500", "thinker", "paid", &run, "orch cost"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let burn = server.get(&format!("/api/v1/runs/{run}/burn")).json();
    let line = |what: &str| burn["lines"].as_array().unwrap().iter().find(|line| line["what"] == what).unwrap().clone();
    assert_eq!((line("tokens")["limit"].clone(), line("tokens")["spent"].clone()), (json!(10_000), json!(3_500)));
    assert_eq!(line("usd_micros")["spent"], json!(1_250_000));
    assert_eq!(line("agents")["spent"], json!(1));
    assert_eq!(line("tokens")["points"].as_array().unwrap().last().unwrap()[1], json!(3_500));
    assert!(line("tokens").get("runs_out").is_none(), "an ended run spends nothing more");
    let text = page(&server, &format!("/runs/{run}/cost"));
    for word in ["$2.00", "$1.25", "$0.75", "<svg", "As a table", "thinker"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(server.get("/cost?period=year").status, 400);
}

#[test]
fn what_ended_runs_come_to_is_the_same_when_asked_again_and_after_a_retry() {
    let failing = "name: shaky\nsteps:\n  - { id: a, run: 'test -e ready' }\n";
    let project = project().file("workflows/shaky.yaml", failing);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "shaky" }));
    server.wait_for(&run, "failed");
    let figures = || server.get("/api/v1/metrics").json()["projects"][0]["figures"].clone();
    let first = figures();
    assert_eq!((first["steps"]["shaky: a"]["count"].clone(), figures()), (json!(1), first));
    project.write("ready", "");
    // It may be held for a moment after its end is written.
    let late = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let retried = server.post(&format!("/api/v1/runs/{run}/retry"), &json!({}));
        if retried.status == 200 {
            break;
        }
        assert!(retried.status == 409 && std::time::Instant::now() < late, "{}", retried.text());
        std::thread::sleep(Duration::from_millis(50));
    }
    server.wait_for(&run, "succeeded");
    let second = figures();
    assert_eq!(second["steps"]["shaky: a"]["count"], 2, "what was kept is old: {second:#}");
    assert!(server.get("/api/v1/metrics").json()["workers_used"].as_f64().unwrap() > 0.0);
}

#[test]
fn people_are_not_work() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "asking" }));
    server.wait_for(&run, "waiting");
    std::thread::sleep(Duration::from_millis(300));
    server.post("/api/v1/decisions", &json!({ "run": run, "decision": "approve" }));
    server.wait_for(&run, "succeeded");
    let figures = server.get("/api/v1/metrics").json()["projects"][0]["figures"].clone();
    assert_eq!(figures["people"]["count"], 1, "{figures:#}");
    assert!(figures["people"]["p50"].as_u64().unwrap() >= 300, "{figures:#}");
    let share = |name: &str| figures[name].as_f64().unwrap();
    assert!(share("people_share") > 0.0 && share("people_share") <= share("waiting_share"), "{figures:#}");
    assert!(figures["steps"].get("asking: go").is_none(), "{figures:#}");
}

#[test]
fn definitions_are_shown_with_trust_faults_users_plan_and_form() {
    let broken = "name: broken\nsteps:\n  - { id: a, agent: nobody-here, prompt: x }\n";
    let gated = "name: gated\nsteps:\n  - { id: a, run: 'true', gate: [lints] }\n";
    let project = project()
        .file("workflows/broken.yaml", broken)
        .file("workflows/gated.yaml", gated)
        .file("gates/lints.yaml", "name: lints\ndescription: no warnings\nchecks:\n  - run: 'true'\n");
    let server = Server::start(&project, &["--rate", "1000000"]);
    let text = page(&server, "/definitions");
    for word in ["says hello", "faulty", "thinker", "orch list", "workflows/broken.yaml", "E0"] {
        assert!(text.contains(word), "{word}");
    }
    let only = page(&server, "/definitions?kind=agent&match=THINK");
    assert!(only.contains("/definitions/agent/thinker") && !only.contains("/definitions/workflow/w?"));
    let agent = page(&server, "/definitions/agent/thinker");
    for word in ["Read, Grep", "Used by", "/definitions/workflow/paid", "Think well.", "id=\"L1\"", "class=\"front\""] {
        assert!(agent.contains(word), "{word}: {agent}");
    }
    let workflow = page(&server, "/definitions/workflow/paid");
    for word in ["What a run would do", "Expected:", "/api/v1/plans/workflow/paid", "orch plan paid", "class=\"start\""]
    {
        assert!(workflow.contains(word), "{word}: {workflow}");
    }
    assert!(page(&server, "/definitions/gate/lints").contains("/definitions/workflow/gated"));
    let faulty = page(&server, "/definitions/workflow/broken");
    assert!(faulty.contains("nobody-here") && !faulty.contains("class=\"start\""), "{faulty}");
    let picture = server.get("/api/v1/plans/workflow/paid");
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/svg+xml")));
    assert!(picture.text().starts_with("<svg") && !picture.text().contains("<script"));
    for path in ["/definitions/agent/no-such-agent", "/api/v1/plans/agent/thinker", "/api/v1/plans/workflow/none"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    for path in ["/definitions/plugin/x", "/definitions/agent/..%2f..%2fetc%2fpasswd", "/definitions?kind=x"] {
        assert_eq!(server.get(path).status, 400, "{path}");
    }
}

#[test]
fn a_changed_file_is_told_to_who_looks_at_it() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let mut changes = server.events("/api/v1/changes", None);
    let mut heard = || loop {
        let mut line = String::new();
        assert!(changes.read_line(&mut line).unwrap() > 0, "the stream has ended");
        if let Some(name) = line.trim().strip_prefix("event: ") {
            return name.to_owned();
        }
    };
    // The first look is at what is there.
    std::thread::sleep(Duration::from_millis(1_500));
    project.write("agents/thinker.md", &THINKER.replace("Think well.", "Think twice."));
    assert_eq!(heard(), "reset");
    assert!(page(&server, "/definitions/agent/thinker").contains("Think twice."));
    project.write("agents/second.md", &THINKER.replace("thinker", "second"));
    assert_eq!(heard(), "reset");
    // What has changed before the stream was opened is told to who has seen what was there before.
    let shown = page(&server, "/definitions/agent/thinker");
    let live = shown.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    project.write("agents/thinker.md", THINKER);
    let mut late = server.events(&live, None);
    let mut line = String::new();
    while !line.starts_with("event: reset") {
        line.clear();
        assert!(late.read_line(&mut line).unwrap() > 0, "the stream has ended");
    }
}

#[test]
fn hostile_texts_stay_texts_on_every_board() {
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    let agent = format!("---\nname: evil\ndescription: {quoted}\nmodel: {quoted}\n---\n{HOSTILE}\n");
    let workflow = format!(
        "name: evil-flow\ndescription: {quoted}\ninputs: {{ a: {{ type: string, default: {quoted}, description: {quoted} }} }}\n\
         steps:\n  - {{ id: a, run: 'true' }}\n  - {{ id: go, approve: {quoted} }}\n"
    );
    let project = project().file("agents/evil.md", &agent).file("workflows/evil-flow.yaml", &workflow);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "evil-flow" }));
    server.wait_for(&run, "waiting");
    let refused = json!({ "run": run, "decision": "reject", "comment": HOSTILE });
    server.post("/api/v1/decisions", &refused);
    server.wait_for(&run, "failed");
    let second = start(&server, &json!({ "name": "evil-flow" }));
    server.wait_for(&second, "waiting");
    for path in [
        "/",
        "/cost",
        "/health",
        "/audit",
        "/definitions",
        "/definitions/agent/evil",
        "/definitions/workflow/evil-flow",
        "/api/v1/plans/workflow/evil-flow",
        "/start?match=evil-flow",
        "/inbox",
        &format!("/runs/{run}/cost"),
        "/audit?by=%3Cscript%3Ealert(2)%3C/script%3E&about=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/definitions?match=%22%3E%3Cscript%3Ealert(2)",
        "/?workflow=%22%3E%3Cscript%3Ealert(2)",
    ] {
        let text = page(&server, path);
        for sign in ["<img src=x", "<script>", "</script><script"] {
            assert!(!text.contains(sign), "{path}: {sign}");
        }
    }
    // It is there: as a text.
    assert!(page(&server, "/definitions/agent/evil").contains("&lt;img src=x onerror"));
}

#[test]
fn checks_of_the_users_own_stand_beside_the_others() {
    let settings = "[health.disk-of-models]\ncommand = [\"sh\", \"./models.sh\"]\n\
        [health.licence]\ncommand = [\"sh\", \"-c\", \"echo no licence >&2; exit 3\"]\nfix = \"renew it\"\n\
        [health.slow]\ncommand = [\"sh\", \"-c\", \"sleep 77.125 & sleep 77.125\"]\ntime = \"1s\"\nseverity = \"warn\"\n\
        [health.gone]\ncommand = [\"./gone.sh\"]\n\
        [health.elsewhere]\ncommand = [\"false\"]\nprojects = [\"other-*\"]\n";
    // What a project has of the same name is nobody's check.
    let project = project()
        .user_file("orch.toml", settings)
        .user_file("models.sh", "echo 12 GB free for $(basename \"$ORCH_PROJECT\")\n")
        .file("models.sh", "touch was-here; echo mine\n");
    let root = project.root().file_name().unwrap().to_str().unwrap().to_owned();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let answer = server.get("/api/v1/health");
    assert_eq!(answer.status, 503, "{}", answer.text());
    let health = answer.json();
    let found = |name: &str| {
        let check = health["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
        check.map(|check| ["status", "what", "do"].map(|key| check[key].as_str().unwrap().to_owned()))
    };
    assert_eq!(found("health.disk-of-models").unwrap(), ["ok", format!("12 GB free for {root}").as_str(), ""]);
    assert_eq!(found("health.licence").unwrap(), ["fail", "no licence", "renew it"]);
    let [status, what, fix] = found("health.slow").unwrap();
    assert!(status == "warn" && what.contains("longer than 1 s") && fix.contains("sleep"), "{what} {fix}");
    assert!(found("health.elsewhere").is_none());
    assert_eq!(found("health.gone").unwrap()[1], "`./gone.sh` is not there, or is no program");
    // What a check has started is gone with it.
    let lists = std::fs::read_dir("/proc").unwrap().flatten();
    let left = lists.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    assert_eq!(left.filter(|line| line.starts_with(b"sleep\x0077.125")).count(), 0, "a check goes on after its time");
    let said = project.run(&["doctor"]);
    assert!(said.code == Some(1) && said.stdout.contains("health.licence"), "{}", said.stdout);
    assert!(page(&server, "/health").contains("no licence"));
    // A project cannot have programs run that nobody asked for.
    project.write("orch.toml", "[health.mine]\ncommand = [\"touch\", \"was-here\"]\n");
    let refused = project.run(&["list"]);
    assert!(refused.stderr.contains("a project cannot add checks"), "{}", refused.stderr);
    project.run(&["doctor"]);
    assert!(!project.root().join("was-here").exists());
}

#[test]
fn health_is_a_table_of_named_checks() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "asking" }));
    server.wait_for(&run, "waiting");
    let health = server.get("/api/v1/health").json();
    let checks = health["checks"].as_array().unwrap();
    for name in ["ready", "workers", "queue", "disk", "definitions", "runtimes", "breakers", "store engine"] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {health:#}"));
        assert!(check["since"].is_u64() && check["what"].is_string() && check["do"].is_string(), "{check:#}");
    }
    let question = &health["decisions"][0]["waiting"][0];
    assert_eq!(question["run"], json!(run));
    assert_eq!(question["waiting_for"][0]["choices"], json!(["approve", "reject"]));
    let ready = |health: &Value| {
        let all = health["checks"].as_array().unwrap();
        all.iter().find(|check| check["name"] == "ready").unwrap()["since"].clone()
    };
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(ready(&health), ready(&server.get("/api/v1/health").json()), "what has not changed stands since then");
    let text = page(&server, "/health");
    for word in ["Open decisions", "approve, reject", &run, "orch doctor", "Runtimes"] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn the_audit_log_is_for_admins_found_by_filters_and_seen_when_changed() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "asking" }));
    server.wait_for(&run, "waiting");
    server.post("/api/v1/decisions", &json!({ "run": run, "decision": "approve" }));
    server.wait_for(&run, "succeeded");
    let audit = |query: &str| server.get(&format!("/api/v1/audit{query}")).json()["projects"][0].clone();
    let whole = audit("");
    assert_eq!(whole["whole"], true, "{whole:#}");
    assert_eq!(audit("")["entries"], whole["entries"], "a look at the log writes nothing");
    let (mut numbers, mut before) = (Vec::new(), String::new());
    loop {
        let page = audit(&format!("?limit=2{before}"));
        numbers.extend(page["listed"].as_array().unwrap().iter().map(|entry| entry["n"].as_u64().unwrap()));
        let Some(next) = page["next"].as_u64() else { break };
        before = format!("&before={next}");
    }
    let all: Vec<u64> = (1..=whole["entries"].as_u64().unwrap()).rev().collect();
    assert_eq!(numbers, all, "pages lose and repeat nothing");
    let decisions = audit(&format!("?run={run}&kind=decision"));
    let listed = decisions["listed"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "a decision about a run that nobody drives: {:#}", audit(""));
    assert_eq!(
        (&listed[0]["by"], &listed[0]["about"], &listed[0]["what"]["said"]),
        (&json!("owner"), &json!("go"), &json!("approve"))
    );
    assert!(audit("?by=no-such-person")["listed"].as_array().unwrap().is_empty());
    let text = page(&server, &format!("/audit?run={run}"));
    assert!(text.contains("whole") && text.contains(&run) && text.contains("orch audit verify"), "{text}");
    assert_eq!(server.get("/audit?run=x").status, 400);
    // Somebody changes an entry.
    let path = project.root().join(".orch/state/audit/log.jsonl");
    let log = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, log.replacen("\"kind\":\"decision\"", "\"kind\":\"decisioN\"", 1)).unwrap();
    assert_eq!(audit("")["whole"], false);
    assert!(page(&server, "/audit").contains("changed by somebody"));
    let made = project.run(&["keys", "add", "looker", "--role", "viewer", "--json"]).json(0);
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    for path in ["/audit", "/api/v1/audit"] {
        assert_eq!(server.send("GET", path, &[("Authorization", &key)], None).status, 403, "{path}");
    }
    let seen = server.send("GET", "/health", &[("Authorization", &key)], None).text();
    assert!(!seen.contains("href=\"/audit\""), "who may not look at it is not shown where it is");
}

/// The events of a stream with their ids, until so many runs have ended or so many events were read.
fn read_events(server: &Server, after: Option<&str>, most: usize, ends: usize) -> Vec<(String, String, Value)> {
    let (mut events, mut id, mut name, mut ended) = (Vec::new(), String::new(), String::new(), 0);
    let late = std::time::Instant::now() + Duration::from_secs(40);
    for line in server.events("/api/v1/events", after).lines() {
        let line = line.unwrap();
        assert!(std::time::Instant::now() < late, "nothing more comes: {events:?}");
        if let Some(text) = line.strip_prefix("id: ") {
            text.clone_into(&mut id);
        }
        if let Some(text) = line.strip_prefix("event: ") {
            text.clone_into(&mut name);
        }
        if let Some(data) = line.strip_prefix("data: ") {
            let data: Value = serde_json::from_str(data).unwrap();
            ended += usize::from(data["type"] == "run_ended");
            events.push((id.clone(), name.clone(), data));
            if ended >= ends || events.len() >= most {
                break;
            }
        }
    }
    events
}

#[test]
fn one_stream_of_several_projects_loses_and_repeats_nothing() {
    let mut many = String::from("name: many\nsteps:\n");
    (0..12).for_each(|step| many.push_str(&format!("  - {{ id: s{step}, run: 'sleep 0.02' }}\n")));
    let first = project().file("workflows/many.yaml", &many);
    let second = project().file("workflows/many.yaml", &many);
    let (one, two) = (first.root(), second.root());
    let flags = ["--rate", "1000000", "--project", one.to_str().unwrap(), "--project", two.to_str().unwrap()];
    let server = Server::start(&first, &flags);
    let projects = server.get("/api/v1/projects").json();
    let names: Vec<_> =
        projects["projects"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2, "{projects:#}");
    let body = |name: &String| json!({ "name": "w", "project": name });
    let whole = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_events(&server, None, usize::MAX, 4));
        std::thread::sleep(Duration::from_millis(300));
        // The first event gives an id to begin from, without which a listener begins with what comes.
        for name in &names {
            let run = start(&server, &json!({ "name": "many", "project": name }));
            let _ = (run, body(name));
        }
        for name in &names {
            start(&server, &body(name));
        }
        reader.join().unwrap()
    });
    let (begin, ..) = whole[0].clone();
    let mut pieces = Vec::new();
    let mut last = begin;
    let mut reconnects = 0;
    while pieces.len() < whole.len() - 1 {
        let piece = read_events(&server, Some(&last), 1 + reconnects % 3, usize::MAX);
        last = piece.last().unwrap().0.clone();
        pieces.extend(piece);
        reconnects += 1;
    }
    let of = |events: &[(String, String, Value)]| {
        let lines = events.iter().map(|(_, name, data)| format!("{name} {data}"));
        let mut lines: Vec<_> = lines.collect();
        lines.sort();
        lines
    };
    assert_eq!(of(&pieces), of(&whole[1..]), "what was read in pieces is what is read at once");
    let ids: BTreeSet<_> = pieces.iter().map(|(id, ..)| id.clone()).collect();
    assert_eq!(ids.len(), pieces.len(), "no id is there twice");
    let runs: BTreeSet<_> = whole.iter().map(|(_, _, data)| data["run"].to_string()).collect();
    assert_eq!(runs.len(), 4, "of both projects");
    assert!(reconnects >= 20 && pieces.iter().all(|(_, name, _)| name != "reset"));
    // An id of another process: everything is read again.
    let other = format!("0123456789abcdef-{}", last.split_once('-').unwrap().1);
    assert_eq!(read_events(&server, Some(&other), 1, 1)[0].1, "reset");
    assert_eq!(server.get("/api/v1/events?after=x").status, 400);
    println!("{reconnects} reconnects, {} events of {} runs", whole.len(), runs.len());
    both_in_one_list(&server, &names);
}

fn both_in_one_list(server: &Server, names: &[String]) {
    let text = page(server, "/?status=&workflow=&project=");
    assert!(names.iter().all(|name| text.contains(&format!("<td>{name}</td>"))), "{text}");
    let (mut seen, mut path) = (Vec::new(), "/?limit=1&workflow=many".to_owned());
    loop {
        let text = page(server, &path);
        let run = text.split("class=\"id\" href=\"/runs/").nth(1).unwrap()[..8].to_owned();
        seen.push(run);
        let Some(link) =
            text.split("class=\"more\" href=\"").find(|link| link.contains("cursor=") && link.contains("Older"))
        else {
            break;
        };
        path = link.split('"').next().unwrap().replace("&amp;", "&").replace("&#x2f;", "/");
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 2, "{seen:?}");
    assert_eq!(seen.len(), 2);
    let only = page(server, &format!("/?project={}", names[0]));
    assert!(!only.contains(&format!("<td>{}</td>", names[1])));
}

#[test]
fn a_run_that_does_not_go_on_says_why_in_the_list() {
    let project = project();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let run = start(&server, &json!({ "name": "asking" }));
    server.wait_for(&run, "waiting");
    assert!(page(&server, "/?status=waiting").contains("waits for a decision at go"));
    assert!(!page(&server, "/?status=succeeded").contains(&run));
}
