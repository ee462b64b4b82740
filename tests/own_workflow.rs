//! A workflow of five steps whose agents are shell scripts of ten lines: a fan-out, a loop, feedback of a gate, an
//! approval from another process, and going on after a kill.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use support::Project;

const SETTINGS: &str = "\
[runtimes.planner]
command = [\"sh\", \"agents/planner.sh\"]
output = \"json\"

[runtimes.writer]
command = [\"sh\", \"agents/writer.sh\"]
output = \"json\"
";

const PLANNER: &str = r#"#!/bin/sh
set -eu
cat > /dev/null
echo planned >> calls
printf '{"status":"succeeded","summary":"two chapters","output":{"chapters":["one","two"]}}' > "$ORCH_OUTPUT"
"#;

/// Writes the chapter that the prompt names; a title comes only after the gate has said that it is missing.
const WRITER: &str = r#"#!/bin/sh
set -eu
prompt=$(cat)
name=$(printf '%s\n' "$prompt" | sed -n 's/.*chapter \([a-z]*\)\..*/\1/p' | head -1)
echo "wrote $name" >> calls
case $prompt in
    *"exit code"*) printf '# %s\ntext\n' "$name" > "$name.md" ;;
    *) printf 'text\n' > "$name.md" ;;
esac
printf '{"status":"succeeded","summary":"wrote %s"}' "$name" > "$ORCH_OUTPUT"
"#;

const WORKFLOW: &str = r#"name: book
steps:
  - id: plan
    agent: planner
    prompt: "Plan a book."
    output: { chapters: [string] }
  - id: write
    each: plan.chapters
    as: chapter
    key: "{{ chapter }}"
    max_parallel: 1
    steps:
      - id: text
        agent: writer
        prompt: "Write the chapter {{ chapter }}."
        gate: [{ run: [sh, -c, "test -f one.md && for f in *.md; do grep -q '^# ' $f || exit 1; done"] }]
        on_gate_fail: { feedback: true, tries: 2 }
  - id: polish
    loop: { max: 3, until: count.enough }
    steps:
      - id: count
        run: |
          echo x >> passes
          if test "$(wc -l < passes)" -ge 2; then enough=true; else enough=false; fi
          printf '{"enough": %s}' "$enough" > "$ORCH_OUTPUT"
        output: { enough: boolean }
        recovery: retry
  - { id: publish, approve: "Publish {{ plan.chapters | length }} chapters?" }
  - { id: print, run: "cat one.md two.md > book.md; test ! -f slow || { touch begun; sleep 60; }", recovery: retry }
outputs: { chapters: "{{ plan.chapters | length }}" }
"#;

fn book() -> Project {
    let agent = |name: &str| {
        format!("---\nname: {name}\ndescription: Works\nruntime: {name}\ntools: Write\n---\nYou work on a book.\n")
    };
    Project::bare()
        .file("orch.toml", SETTINGS)
        .file("agents/planner.sh", PLANNER)
        .file("agents/writer.sh", WRITER)
        .file("agents/planner.md", &agent("planner"))
        .file("agents/writer.md", &agent("writer"))
        .file("workflows/book.yaml", WORKFLOW)
}

#[track_caller]
fn until(mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(30), "not reached");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn id(project: &Project) -> String {
    project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned()
}

/// Everything that the agents did, once each, and what came of it.
#[track_caller]
fn is_done_once(project: &Project) {
    assert_eq!(project.read("calls"), "planned\nwrote one\nwrote one\nwrote two\nwrote two\n");
    assert_eq!(project.read("book.md"), "# one\ntext\n# two\ntext\n");
    assert_eq!(project.read("passes"), "x\nx\n");
    let status = project.run(&["status", "--json"]).json(0);
    assert_eq!((&status["status"], &status["outputs"]["chapters"]), (&"succeeded".into(), &2.into()));
    let text = |key: &str| {
        let id = format!("write[{key}]/text");
        let steps = status["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id.as_str()).unwrap_or_else(|| panic!("{status}")).clone()
    };
    for key in ["one", "two"] {
        let gate = &text(key)["gates"][0];
        assert_eq!((&gate["verdict"], &gate["failed_before"]), (&"pass".into(), &1.into()), "{gate}");
    }
}

#[test]
fn parked_then_approved_then_resumed() {
    let project = book();
    let done = project.run(&["run", "book"]);
    assert_eq!(done.code, Some(20), "{}", done.stderr);
    assert!(done.stderr.contains("FEEDBACK            write[one]/text"), "{}", done.stderr);
    assert!(done.stderr.contains("Publish 2 chapters?"), "{}", done.stderr);
    let run = id(&project);
    assert_eq!(project.run(&["approve", &run, "publish"]).code, Some(0));
    let done = project.run(&["resume", &run]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "chapters: 2\n"), "{}", done.stderr);
    is_done_once(&project);
}

#[test]
fn killed_while_it_printed_and_resumed() {
    let project = book().file("slow", "");
    let words = ["run", "book", "--on-approval", "approve"];
    let mut child = project.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| project.root().join("begun").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(project.root().join("slow")).unwrap();
    let done = project.run(&["resume"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    is_done_once(&project);
}

/// The owner is alive and keeps on with other work while it asks; the answer comes from another process.
#[test]
fn approved_by_another_process_while_the_owner_lives() {
    let project = book();
    let text = WORKFLOW.replace("  - { id: publish,", "  - { id: nap, needs: [], run: \"while test ! -f wake; do sleep 0.05; done\" }\n  - { id: publish, needs: [polish],");
    assert_ne!(text, WORKFLOW);
    project.write("workflows/book.yaml", &text);
    let child = project.command(&["run", "book"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until(|| project.run(&["inbox"]).stdout.contains("decision about publish"));
    let run = id(&project);
    let told = project.run(&["approve", &run, "publish"]);
    assert_eq!(told.code, Some(0));
    assert!(told.stdout.contains(&format!("process {} goes on with it", child.id())), "{}", told.stdout);
    until(|| project.root().join("book.md").exists());
    project.write("wake", "");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    is_done_once(&project);
}
