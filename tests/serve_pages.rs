//! The pages of one run and what they ask: graph, timeline, attempts, outputs. What a run holds is text, whatever it says.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "serve/client.rs"]
#[allow(dead_code, reason = "the other tests of the server use the rest")]
mod client;
mod support;

use std::{collections::BTreeSet, fmt::Write as _, os::unix::fs::PermissionsExt as _};

use client::Server;
use serde_json::{Value, json};
use support::Project;

/// What would be a script wherever it was taken for markup.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'`{{7*7}}";

const SHAPES: &str = "name: shapes\nlimits: { parallel: 1 }\nsteps:\n\
    \x20 - { id: make, run: 'sleep 0.3; echo \"{\\\"items\\\": [\\\"a\\\", \\\"b\\\"]}\" > $ORCH_OUTPUT', output: { items: '[string]' } }\n\
    \x20 - { id: other, needs: [], run: 'sleep 0.3' }\n\
    \x20 - { id: many, needs: [make], each: make.items, as: thing, steps: [{ id: one, run: 'echo \"$I\"', env: { I: '{{ thing }}' }, gate: [{ run: 'true' }] }] }\n\
    \x20 - { id: last, needs: [many, other], run: 'echo \"$I\"', env: { I: '{{ make.items }}' } }\noutputs: { all: '{{ make.items }}' }\n";

fn run(server: &Server, name: &str, end: &str) -> String {
    let answer = server.post("/api/v1/runs", &json!({ "name": name }));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let run = answer.json()["run"].as_str().unwrap().to_owned();
    server.wait_for(&run, end);
    run
}

fn rows(timeline: &Value) -> Vec<&Value> {
    timeline["rows"].as_array().unwrap().iter().collect()
}

#[test]
fn the_graph_is_the_plan_and_the_times_are_those_of_the_journal() {
    let project = Project::new().file("workflows/shapes.yaml", SHAPES);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let id = run(&server, "shapes", "succeeded");
    let path = format!("/api/v1/runs/{id}/graph");
    let first = server.get(&path);
    let graph = first.json();
    let steps = graph["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["path"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.contains(&"many/one"));
    let place = |name: &str| -> Vec<u64> {
        let step = steps.iter().find(|step| step["path"] == name).unwrap();
        step["place"].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
    };
    assert!(place("last")[1] > place("many")[1] + place("many")[3], "it stands below what it needs");
    let (group, inner) = (place("many"), place("many/one"));
    assert!(inner[0] >= group[0] && inner[0] + inner[2] <= group[0] + group[2], "{group:?} {inner:?}");
    assert!(inner[1] >= group[1] && inner[1] + inner[3] <= group[1] + group[3], "{group:?} {inner:?}");
    // The same plan is never sent twice, and another look at it is another picture.
    let tag = first.header("etag").unwrap().to_owned();
    let key = format!("Bearer {}", server.key);
    let again = server.send("GET", &path, &[("Authorization", &key), ("If-None-Match", &tag)], None);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let many = steps.iter().find(|step| step["path"] == "many").unwrap()["ix"].as_u64().unwrap();
    let folded = server.get(&format!("{path}?toggled={many}"));
    assert_ne!(folded.header("etag").unwrap(), tag);
    let folded = folded.json();
    let one = folded["steps"].as_array().unwrap().iter().find(|step| step["path"] == "many/one").unwrap().clone();
    assert!(one["place"].is_null(), "what stands in a folded group is not drawn: {one}");
    assert_eq!(server.get(&format!("{path}?toggled=1;2")).status, 400);

    let timeline = server.get(&format!("/api/v1/runs/{id}/timeline")).json();
    let rows = rows(&timeline);
    let row =
        |path: &str| *rows.iter().find(|row| row["path"] == path).unwrap_or_else(|| panic!("{path}: {timeline:#}"));
    assert_eq!(row("many[0]/one")["depth"], 1);
    assert_eq!(steps[row("many[0]/one")["node"].as_u64().unwrap() as usize]["path"], "many/one");
    let phases: BTreeSet<_> =
        row("many[0]/one")["attempts"].as_array().unwrap().iter().map(|one| one["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, BTreeSet::from(["run", "gate"]));
    // Only one at a time: the second of the two that could have begun at once has waited for the first.
    let span = |path: &str| {
        let first = &row(path)["attempts"][0];
        ["ready", "started", "ended"].map(|name| first[name].as_u64().unwrap())
    };
    let mut both = [span("make"), span("other")];
    both.sort_by_key(|[_, started, _]| *started);
    let [[_, _, ended], [ready, started, _]] = both;
    assert!(ready < ended && ended <= started, "{both:?}");
    assert!(row("last")["critical"] == true && row("make")["critical"] == true, "{timeline:#}");
}

#[test]
fn a_person_who_is_asked_is_a_phase_of_its_own() {
    let asking = "name: asking\nsteps:\n  - { id: work, run: 'true' }\n  - { id: go, approve: 'Go on?' }\n";
    let project = Project::new().file("workflows/asking.yaml", asking);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let id = run(&server, "asking", "waiting");
    let timeline = server.get(&format!("/api/v1/runs/{id}/timeline")).json();
    let go = rows(&timeline).into_iter().find(|row| row["path"] == "go").unwrap();
    assert_eq!((go["state"].clone(), go["attempts"][0]["phase"].clone()), (json!("asking"), json!("approval")));
    assert_eq!(go["critical"], true, "the run waits for it");
    let attempt = go["attempts"][0]["id"].as_str().unwrap();
    let page = server.get(&format!("/runs/{id}/agent?attempt={attempt}"));
    assert!(page.status == 200 && page.text().contains("Go on?"), "{}", page.text());
}

/// A program that speaks as Claude Code does.
const AGENT: &str = r#"#!/bin/sh
cat > /dev/null
echo '{"type":"system","subtype":"init","session_id":"0b7c1b9e-0000-4000-8000-000000000001","model":"model-x","tools":[],"mcp_servers":[]}'
echo '{"type":"assistant","message":{"id":"m1","model":"model-x","role":"assistant","content":[{"type":"text","text":"HOSTILE said"}],"usage":{"input_tokens":100,"output_tokens":20}},"session_id":"0b7c1b9e-0000-4000-8000-000000000001"}'
echo '{"type":"assistant","message":{"id":"m2","model":"model-x","role":"assistant","content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls /the-argument"}}],"usage":{"input_tokens":10,"output_tokens":5}}}'
echo '{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"the-tool-result HOSTILE"}]}}'
echo '{"type":"result","subtype":"success","is_error":false,"result":"all done HOSTILE","session_id":"0b7c1b9e-0000-4000-8000-000000000001","total_cost_usd":0.0123,"num_turns":2,"usage":{"input_tokens":110,"output_tokens":25}}'
"#;

#[test]
fn an_attempt_shows_what_it_was_asked_and_what_it_did_and_all_of_it_is_text() {
    let program = AGENT.replace("HOSTILE", "</script><img src=x onerror=alert(1)>");
    let workflow = format!(
        "name: agents\nsteps:\n  - id: work\n    prompt: |\n      Do this {}\n  - {{ id: tell, run: 'printf %s \"$T\"', env: {{ T: '{{{{ work.result.text }}}}' }} }}\n",
        HOSTILE.replace("{{7*7}}", "")
    );
    let project = Project::new()
        .file("orch.toml", "runtime = \"claude\"\nsandbox = \"off\"\n[runtimes.claude]\nprogram = \"./agent\"\n")
        .file("agent", &program)
        .file("workflows/agents.yaml", &workflow);
    std::fs::set_permissions(project.root().join("agent"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(&project, &["--rate", "1000000"]);
    let id = run(&server, "agents", "succeeded");
    let view = server.get(&format!("/api/v1/runs/{id}/agent?attempt=0-1")).json();
    assert_eq!((view["runtime"].clone(), view["step"].clone()), (json!("claude"), json!("work")), "{view:#}");
    assert_eq!(view["session"], "0b7c1b9e-0000-4000-8000-000000000001");
    assert_eq!(view["usage"]["usd_micros"], 12_300, "{view:#}");
    let told = view["told"].as_array().unwrap();
    let of = |kind: &str| told.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {view:#}"));
    assert!(of("text")["text"].as_str().unwrap().contains("said"));
    assert!(
        of("tool")["title"].as_str().unwrap().starts_with("Bash")
            && of("tool")["text"].as_str().unwrap().contains("/the-argument")
    );
    assert!(of("tool_ended")["text"].as_str().unwrap().contains("the-tool-result"), "{view:#}");
    let asked: Vec<_> = view["order"].as_array().unwrap().iter().map(|part| part["title"].as_str().unwrap()).collect();
    assert_eq!(asked[0], "Task");
    for page in ["agent?attempt=0-1", "outputs", "graph", "timeline", "diff", "log?attempt=0-1"] {
        let text = server.get(&format!("/runs/{id}/{page}")).text();
        assert!(!text.contains("<img src=x") && !text.contains("onerror=alert(1)>"), "{page}: {text}");
        assert!(
            text.contains("aria-label=\"This run\"") && text.contains("class=\"cli\""),
            "{page}: tabs and the command"
        );
    }
    let page = server.get(&format!("/runs/{id}/agent?attempt=0-1")).text();
    for word in ["the-tool-result", "the-argument", "Do this", "0b7c1b9e", "$0.01", "claude", "&lt;img src=x"] {
        assert!(page.contains(word), "{word}: {page}");
    }
}

#[test]
fn what_is_not_there_is_said_so() {
    let project = Project::new().file("workflows/shapes.yaml", SHAPES);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let id = run(&server, "shapes", "succeeded");
    for (path, status) in [
        (format!("/api/v1/runs/{id}/agent?attempt=9999-1"), 404),
        (format!("/api/v1/runs/{id}/agent?attempt=0-99"), 404),
        (format!("/api/v1/runs/{id}/agent"), 400),
        (format!("/runs/{id}/agent?attempt=../../x"), 400),
        (format!("/runs/{id}/agent?attempt=999999999-1"), 404),
        ("/runs/zzzzzzzz/graph".to_owned(), 404),
        ("/runs/zzzzzzzz/timeline".to_owned(), 404),
        ("/runs/zzzzzzzz/outputs".to_owned(), 404),
        ("/api/v1/runs/zzzzzzzz/graph".to_owned(), 404),
    ] {
        let answer = server.get(&path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    // A command has no agent, and its page says what there is.
    let page = server.get(&format!("/runs/{id}/agent?attempt=0-1"));
    assert_eq!(page.status, 200, "{}", page.text());
}

#[test]
fn outputs_are_held_to_their_schema_and_say_who_reads_them() {
    let project = Project::new().file("workflows/shapes.yaml", SHAPES);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let id = run(&server, "shapes", "succeeded");
    let lineage = server.get(&format!("/api/v1/runs/{id}/outputs")).json();
    assert_eq!(lineage["outputs"][0]["name"], "all");
    assert_eq!(lineage["outputs"][0]["from"], json!(["make"]));
    let make = lineage["steps"].as_array().unwrap().iter().find(|one| one["step"] == "make").unwrap();
    assert_eq!((make["schema"].clone(), make["attempt"].clone()), (json!("fits"), json!("0-1")), "{make:#}");
    let readers: BTreeSet<_> = make["read_by"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(readers, BTreeSet::from(["last", "many"]));
    let page = server.get(&format!("/runs/{id}/outputs")).text();
    for word in ["fits its schema", "download", "stdout.log", "made from", "artifacts"] {
        assert!(page.contains(word), "{word}: {page}");
    }
}

#[test]
fn a_huge_run_is_told_within_bounds() {
    let mut text = String::from("name: huge\nsteps:\n  - id: all\n    parallel:\n");
    (0..300).for_each(|step| writeln!(text, "      - {{ id: s{step}, run: 'true' }}").unwrap());
    let project = Project::new().file("workflows/huge.yaml", &text);
    let server = Server::start(&project, &["--rate", "1000000"]);
    let begun = server.post("/api/v1/runs", &json!({ "name": "huge" })).json();
    let id = begun["run"].as_str().unwrap().to_owned();
    let graph = server.get(&format!("/api/v1/runs/{id}/graph")).json();
    let steps = graph["steps"].as_array().unwrap();
    let drawn = |steps: &[Value]| steps.iter().filter(|step| !step["place"].is_null()).count();
    assert_eq!((steps.len(), drawn(steps)), (301, 1), "a large group is folded by itself");
    let open = server.get(&format!("/api/v1/runs/{id}/graph?toggled=0")).json();
    assert_eq!(drawn(open["steps"].as_array().unwrap()), 301);
    let (wide, high) = (open["width"].as_u64().unwrap(), open["height"].as_u64().unwrap());
    assert!(wide < 3 * high && high < 3 * wide, "it is neither a tower nor a band: {wide} x {high}");
    // The pages are frames: what is drawn is asked for apart.
    for page in ["graph", "timeline"] {
        assert!(server.get(&format!("/runs/{id}/{page}")).body.len() < 20_000, "{page}");
    }
    println!("{} bytes of graph", server.get(&format!("/api/v1/runs/{id}/graph?toggled=0")).body.len());
}
