//! `orch dev` as people use it: after every edit its last word is what `orch check` and `orch plan` say, no edit is
//! lost, and a run does again only what an edit has changed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot be set up must stop; figures are printed"
)]

#[path = "../support/mod.rs"]
mod support;

mod edits;
mod reuse;
mod watcher;

use std::time::Duration;

use serde_json::Value;
use support::Project;
use watcher::Watcher;

const FLOW: &str = "name: flow\ndescription: d\nsteps:\n  - { id: one, run: \"true\", recovery: retry }\n";

#[test]
fn a_bad_edit_keeps_the_last_good_plan() {
    let project = Project::new().file("workflows/flow.yaml", FLOW);
    let mut dev = Watcher::start(&project, &["flow", "--on-approval", "approve"]);
    let first = dev.state();
    assert_eq!((first["good"].as_bool(), &first["changes"][0]["news"]), (Some(true), &Value::from("new")));
    dev.until("run_ended");
    project.write("workflows/flow.yaml", &format!("{FLOW}what: 1\n"));
    let bad = dev.state();
    assert_eq!(bad["good"], false);
    assert_eq!(bad["diagnostics"][0]["code"], "E0109");
    assert_eq!((&bad["changes"][0]["news"], &bad["changes"][0]["since"]), (&Value::from("stays"), &first["at"]));
    // Another bad edit says its fault, and does not repeat that the plan stays.
    project.write("workflows/flow.yaml", &format!("{FLOW}which: 1\n"));
    assert_eq!(dev.state()["changes"], serde_json::json!([]));
    project.write("workflows/flow.yaml", &FLOW.replace("true", "test 1 = 1"));
    let good = dev.state();
    assert_eq!(good["changes"][0]["diff"]["changed"], serde_json::json!([{ "step": "one", "parts": ["run"] }]));
    dev.until("run_ended");
    assert_eq!(dev.runs_started(), 2, "a bad edit runs nothing");
    assert_eq!(dev.typed("q"), 0);
}

#[test]
fn what_has_the_same_content_is_not_told() {
    let project = Project::new().file("workflows/flow.yaml", FLOW);
    let mut dev = Watcher::start(&project, &[]);
    let first = dev.state();
    for _ in 0..3 {
        project.write("workflows/flow.yaml", FLOW);
        project.write("notes.txt", "nothing to do with definitions");
        std::thread::sleep(Duration::from_millis(30));
    }
    project.write("workflows/flow.yaml", &FLOW.replace("description: d", "description: e"));
    // A save in place is seen half written where the machine is slow: that is told, and so is that it is good again.
    let (mut last, mut was_bad) = (dev.state(), false);
    while last["changes"][0]["diff"]["workflow"] != serde_json::json!(["description"]) {
        let is_bad = last["good"] == false || last["plans"] == serde_json::json!({});
        assert!(is_bad || was_bad, "a save without a change was told: {last}");
        (last, was_bad) = (dev.state(), is_bad);
    }
    assert_ne!(first["plans"], last["plans"]);
    assert_eq!(dev.typed("q"), 0);
}

#[test]
fn sources_that_were_not_there_are_seen() {
    let project = Project::new();
    let mut dev = Watcher::start(&project, &[]);
    assert_eq!(dev.state()["plans"], serde_json::json!({}));
    // Folders and file at once: whoever watches a folder only when he hears of it misses what is in it already.
    for (path, name) in [
        ("workflows/a/b/c/deep.yaml", "deep"),
        (".orch/workflows/inner.yaml", "inner"),
        ("../home/.config/orch/workflows/own.yaml", "own"),
    ] {
        project.write(path, &FLOW.replace("name: flow", &format!("name: {name}")));
        let seen = dev.state_where(|state| state["plans"].get(name).is_some());
        assert!(seen["good"].as_bool().unwrap(), "{path}");
    }
    project.write(".claude/agents/x.md", "---\nname: x\ndescription: [\n---\nx\n");
    dev.state_where(|state| state["diagnostics"].to_string().contains(".claude/agents/x.md"));
    project.write("orch.toml", "[budget]\nagents = 7\n");
    dev.state_where(|state| state["settings_changed"] == true);
    project.write("orch.toml", "nothing = 7\n");
    dev.state_where(|state| state["diagnostics"].to_string().contains("E0504"));
    assert_eq!(dev.typed("q"), 10);
}

#[test]
fn a_file_behind_a_link_and_a_file_that_is_named_are_watched() {
    let project = Project::new()
        .file("elsewhere/flow.yaml", "name: flow\nsteps:\n  - { id: one, agent: w, prompt_file: prompts/one.md }\n")
        .file("workflows/prompts/one.md", "first")
        .file("shared/w.md", "---\nname: w\ndescription: works\n---\nYou work.\n");
    std::fs::create_dir_all(project.root().join("agents")).unwrap();
    std::os::unix::fs::symlink("../shared/w.md", project.root().join("agents/w.md")).unwrap();
    project.write("workflows/flow.yaml", &project.read("elsewhere/flow.yaml"));
    let mut dev = Watcher::start(&project, &["flow", "--no-run"]);
    dev.state();
    project.write("shared/w.md", "---\nname: w\ndescription: works\n---\nYou work well.\n");
    let parts = |state: &Value| state["changes"][0]["diff"]["changed"][0]["parts"].clone();
    assert_eq!(parts(&dev.state()), serde_json::json!(["agent body"]));
    project.write("workflows/prompts/one.md", "second");
    assert_eq!(parts(&dev.state()), serde_json::json!(["prompt"]));
    // By its path, outside of the folders for definitions, with a prompt of its own.
    drop(dev);
    project.write("elsewhere/prompts/one.md", "third");
    let mut dev = Watcher::start(&project, &["elsewhere/flow.yaml", "--no-run"]);
    dev.state();
    project.write("elsewhere/prompts/one.md", "fourth");
    assert_eq!(parts(&dev.state()), serde_json::json!(["prompt"]));
    assert_eq!(dev.typed("q"), 0);
}

#[test]
fn files_that_declare_servers_are_watched() {
    let project = Project::new()
        .file("workflows/flow.yaml", "name: flow\nsteps:\n  - { id: one, agent: w, prompt: Go }\n")
        .file("agents/w.md", "---\nname: w\ndescription: works\nmcpServers: [db]\n---\nYou work.\n");
    let mut dev = Watcher::start(&project, &[]);
    dev.state_where(|state| state["diagnostics"].to_string().contains("E0229"));
    for (path, command) in [(".mcp.json", "one"), (".mcp.json", "two"), (".cursor/mcp.json", "three")] {
        let servers = serde_json::json!({ "mcpServers": { "db": { "command": command } } });
        project.write(path, &servers.to_string());
        if path == ".cursor/mcp.json" {
            // The nearest file counts until it is gone.
            std::fs::remove_file(project.root().join(".mcp.json")).unwrap();
        }
        dev.state_where(|state| {
            state["plans"].get("flow").is_some() && !state["changes"].as_array().unwrap().is_empty()
        });
        let shown = project.run(&["plan", "flow"]);
        assert!(shown.stdout.contains(command), "{shown:?}");
    }
    assert_eq!(dev.typed("q"), 0);
}

#[test]
fn without_the_systems_help_it_is_looked_every_second() {
    let project = Project::new().file("workflows/flow.yaml", FLOW);
    let mut dev = Watcher::start(&project, &["--poll"]);
    assert_eq!(dev.watching["polls"], "`--poll` was given");
    dev.state();
    project.write("workflows/flow.yaml", &FLOW.replace("description: d", "description: e"));
    dev.state_where(|state| state["changes"][0]["news"] == "changed");
    assert_eq!(dev.typed("q"), 0);
}

#[test]
fn what_is_not_there_is_refused() {
    let project = Project::new().file("workflows/flow.yaml", FLOW);
    let refused = project.run(&["dev", "flaw", "--json"]);
    assert_eq!(refused.json_error(11)["error"]["help"], "did you mean `flow`? `orch list` names them all");
    assert_eq!(project.run(&["dev", "--no-run"]).code, Some(2));
    let broken = Project::new().file("orch.toml", "nothing = 1\n");
    assert_eq!(broken.run(&["dev"]).code, Some(10));
}

#[test]
fn people_see_what_an_edit_changes() {
    let project = Project::new().file("workflows/flow.yaml", FLOW);
    let mut dev = Watcher::start_text(&project, &["flow", "--no-run"]);
    dev.line_with("ok 0 errors, 0 warnings · 1 plan");
    let more = format!("{FLOW}  - {{ id: two, run: \"true\", recovery: retry, when: \"inputs.x is defined\" }}\n");
    project.write("workflows/flow.yaml", &more.replace(", when: \"inputs.x is defined\"", ""));
    dev.line_with("ok 0 errors");
    assert_eq!(dev.line_with("+ two").trim(), "+ two");
    assert_eq!(dev.line_with("→").trim(), "+ one → two (implied)");
    project.write("workflows/flow.yaml", "name: flow\n");
    dev.line_with("FAIL 1 error");
    assert!(dev.line_with("! flow").contains("stays"));
    assert_eq!(dev.typed("q"), 10);
}
