//! `batch:` on an `each`, with a scripted agent that knows its sessions: how many begin, who goes on with which, and that
//! no session is ever used by two at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use support::Project;

/// Each call notes its item, its session, and whether that session was new. A session in use twice is noted as such.
const AGENT: &str = r#"#!/bin/sh
set -u
item=$(sed -n 's/^work on \([a-z0-9]*\).*/\1/p' | tail -n 1)
session=$(sed -n 's/.*"session": "\([a-z0-9.]*\)".*/\1/p' "$ORCH_ORDER")
how=on
[ -n "$session" ] || { session="s$$.$(date +%N)"; how=new; }
mkdir "state/in.$session" 2>/dev/null || echo "$item $session twice" >> state/calls
echo "$item $session $how" >> state/calls
while [ -f "state/wait.$item" ]; do sleep 0.02; done
sleep 0.05
rmdir "state/in.$session"
if [ -f "state/fails.$item" ]; then echo "it cannot be done" >&2; exit 1; fi
text=$(cat "state/says.$item" 2>/dev/null || echo done)
printf '{"status":"succeeded","summary":"%s of %s","session":"%s","usage":{"input_tokens":10,"output_tokens":5}}' \
    "$text" "$item" "$session" > "$ORCH_OUTPUT"
"#;

fn project(items: usize, batch: &str, more: &str) -> Project {
    let items: Vec<_> = (0..items).map(|item| format!("'i{item:02}'")).collect();
    let flow = format!(
        "name: w\nsteps:\n  - id: all\n    each: \"[{}]\"\n    key: \"{{{{ item }}}}\"\n    {batch}\n{more}    steps:\n      \
         - id: look\n        prompt: \"work on {{{{ item }}}}\"\n        tools: [read]\n",
        items.join(", ")
    );
    let project = Project::new().file("agent.sh", AGENT).file("state/calls", "").file("workflows/w.yaml", &flow);
    let root = project.root().display().to_string();
    project.write(
        "orch.toml",
        &format!(
            "parallel = 12\n[workers]\nstart = 12\nload = 1000\nmemory = 0\n[runtimes.sh]\n\
             command = [\"sh\", \"{root}/agent.sh\"]\noutput = \"json\"\nsessions = true\n"
        ),
    );
    project
}

/// Item, session and how, in the order in which they began.
fn calls(project: &Project) -> Vec<(String, String, String)> {
    let text = project.read("state/calls");
    let calls = text.lines().map(|line| {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let [item, session, how] = <[String; 3]>::try_from(words).unwrap();
        (item, session, how)
    });
    calls.collect()
}

/// The items of each session, in their order.
fn sessions(project: &Project) -> Vec<String> {
    let mut sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (item, session, how) in calls(project) {
        assert_ne!(how, "twice", "{session} is used by two at once, one of them {item}");
        sessions.entry(session).or_default().push(item);
    }
    let mut items: Vec<_> = sessions.into_values().map(|items| items.join(" ")).collect();
    items.sort();
    items
}

#[test]
fn twelve_items_in_batches_of_four_are_three_sessions() {
    let project = project(12, "batch: 4", "");
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(sessions(&project), ["i00 i01 i02 i03", "i04 i05 i06 i07", "i08 i09 i10 i11"]);
    assert_eq!(calls(&project).iter().filter(|call| call.2 == "new").count(), 3);
    // Each item has its own attempt, result and usage.
    let status = project.run(&["status", "--json"]).json(0);
    let steps = status["steps"].as_array().unwrap();
    let looks: Vec<_> = steps.iter().filter(|step| step["id"].as_str().unwrap().ends_with("/look")).collect();
    assert_eq!(looks.len(), 12);
    for place in 0..12 {
        let id = format!("all[i{place:02}]/look");
        let look = looks.iter().find(|look| look["id"] == id.as_str()).unwrap();
        assert_eq!((&look["attempts"], look["history"].as_array().unwrap().len()), (&Value::from(1), 1));
        assert_eq!(look["summary"], format!("done of i{place:02}"), "{look}");
    }
    assert_eq!(status["spent"]["agents"], 12);
    // What a session was charged is not charged again when it goes on.
    let plan = project.run(&["plan", "w"]);
    assert!(plan.stdout.contains("4 in one session"), "{}", plan.stdout);
}

#[test]
fn without_the_key_each_item_has_a_session_of_its_own() {
    for batch in ["max_parallel: 3", "batch: 1"] {
        let project = project(4, batch, "");
        assert_eq!(project.run(&["run", "w"]).code, Some(0));
        assert_eq!(sessions(&project), ["i00", "i01", "i02", "i03"]);
    }
}

#[test]
fn an_item_that_fails_loses_no_other_and_hands_its_session_to_nobody() {
    let project = project(6, "batch: 6", "    on_failure: continue\n").file("state/fails.i02", "");
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert_eq!(sessions(&project), ["i00 i01 i02", "i03 i04 i05"]);
    let status = project.run(&["status", "--json"]).json(0);
    let failed = status["steps"].as_array().unwrap().iter().filter(|step| step["status"] == "failed").count();
    assert_eq!(failed, 2, "the item and the `each`");
    // A second chance runs that item only, and again with no session of others.
    std::fs::remove_file(project.root().join("state/fails.i02")).unwrap();
    let before = calls(&project).len();
    assert_eq!(project.run(&["retry", "--failed"]).code, Some(0));
    let again = calls(&project).split_off(before);
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].0.as_str(), again[0].2.as_str()), ("i02", "new"));
}

#[test]
fn a_gate_judges_each_item_before_the_next_one_begins() {
    let project = project(4, "batch: 4", "");
    let gated = format!(
        "{}        gate:\n          - run: \"mkdir state/g.$ORCH_KEY 2>/dev/null && [ $(ls -d state/g.* | wc -l) -eq 3 ] && exit 1; echo gate >> state/gates\"\n        \
         on_gate_fail: {{ feedback: true, tries: 1 }}\n",
        project.read("workflows/w.yaml")
    );
    project.write("workflows/w.yaml", &gated);
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(sessions(&project), ["i00 i01 i02 i02 i03"], "what a gate found goes back into the same session");
}

#[test]
fn a_session_that_has_been_told_enough_takes_no_more_items() {
    let project = project(6, "batch: 6", "");
    let small = project.read("workflows/w.yaml").replace("tools: [read]", "tools: [read]\n        context_budget: 100");
    project.write("workflows/w.yaml", &small);
    project.write("state/says.i01", &"a long story ".repeat(200));
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    assert_eq!(sessions(&project), ["i00 i01", "i02 i03 i04 i05"]);
}

#[test]
fn a_session_is_never_used_twice_at_once_across_a_kill() {
    let project = project(8, "batch: 4", "").file("state/wait.i01", "").file("state/wait.i05", "");
    let flow = project.read("workflows/w.yaml").replace("tools: [read]", "tools: [read]\n        recovery: retry");
    project.write("workflows/w.yaml", &flow);
    let mut child = project.command(&["run", "w"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let late = Instant::now() + Duration::from_secs(20);
    while calls(&project).iter().filter(|call| ["i01", "i05"].contains(&call.0.as_str())).count() < 2 {
        assert!(Instant::now() < late, "{:?}", calls(&project));
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for item in ["i01", "i05"] {
        std::fs::remove_file(project.root().join(format!("state/wait.{item}"))).unwrap();
    }
    // Those that were killed have left their mark; they are no more.
    for (_, session, _) in calls(&project) {
        std::fs::remove_dir(project.root().join(format!("state/in.{session}"))).ok();
    }
    let done = project.run(&["resume"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(sessions(&project), ["i00 i01 i01 i02 i03", "i04 i05 i05 i06 i07"], "it goes on in its session");
}

#[test]
fn what_cannot_go_into_one_session_is_refused_before_anything_runs() {
    let project = project(4, "batch: 4", "");
    let settings = project.read("orch.toml").replace("sessions = true\n", "");
    project.write("orch.toml", &settings);
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(43), "{}", done.stderr);
    assert!(done.stderr.contains("goes on with the session of another item"), "{}", done.stderr);
    for (step, cause) in [
        ("run: \"true\"\n", "none of its steps is an agent step"),
        ("prompt: \"p\"\n        tools: [read]\n        workspace: scratch\n", "works in a place of its own"),
        (
            "prompt: \"p\"\n        tools: [read]\n      - id: two\n        prompt: \"q\"\n        tools: [read]\n        context: share:look\n",
            "goes on with another session",
        ),
    ] {
        let flow = format!(
            "name: w\nsteps:\n  - id: all\n    each: \"['a', 'b']\"\n    batch: 2\n    steps:\n      - id: look\n        {step}"
        );
        project.write("workflows/w.yaml", &flow);
        let done = project.run(&["check"]);
        assert_eq!(done.code, Some(10), "{}{}", done.stdout, done.stderr);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains("E0220") && said.contains(cause), "{said}");
    }
}
