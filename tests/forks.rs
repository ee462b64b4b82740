//! `orch retry RUN --from STEP`: what was done before a step is taken over, it and all behind it are done again.

#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Done, Project};

/// Every command writes its name into `log`, so that it is known what was done.
const WORKFLOW: &str = r#"name: chain
inputs: { word: { type: string, default: one }, other: { type: string, default: x } }
steps:
  - { id: first, run: "echo first >> log; printf '{\"n\": 1}' > $ORCH_OUTPUT", output: { n: integer } }
  - id: second
    run: "echo second-$ORCH_INPUT_WORD >> log"
    gate: [{ run: "echo gate >> log" }]
  - id: aside
    needs: [first]
    run: "echo aside >> log"
  - id: yes
    needs: [first]
    approve: "Take {{ inputs.other }}?"
  - id: maybe
    needs: [first]
    when: inputs.word == "one"
    run: "echo maybe >> log"
  - id: last
    needs: [second, yes]
    env: { N: "{{ first.n }}" }
    run: "echo last-$N >> log"
outputs: { n: "{{ first.n }}", tries: "{{ first.result.attempts }}" }
"#;

fn project(workflow: &str) -> Project {
    Project::new().file("workflows/chain.yaml", workflow)
}

fn run(project: &Project, words: &[&str]) -> Done {
    let words: Vec<&str> = words.iter().copied().chain(["--on-approval", "approve"]).collect();
    project.run(&words)
}

/// The lines that were logged since the last look, sorted.
fn log(project: &Project) -> Vec<String> {
    let text = fs::read_to_string(project.root().join("log")).unwrap_or_default();
    fs::remove_file(project.root().join("log")).ok();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn latest(project: &Project) -> String {
    project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned()
}

fn status(project: &Project) -> Value {
    project.run(&["status", "--json"]).json(0)
}

fn done(project: &Project) -> String {
    let done = run(project, &["run", "chain"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    latest(project)
}

#[test]
fn only_the_step_and_what_waits_for_it_are_done_again() {
    let project = project(WORKFLOW);
    let parent = done(&project);
    assert_eq!(log(&project), ["aside", "first", "gate", "last-1", "maybe", "second-one"]);
    let before = project.run(&["replay", &parent]).stdout;
    let forked = run(&project, &["retry", &parent, "--from", "second", "--with", "word=two"]);
    assert_eq!(forked.code, Some(0), "{}{}", forked.stdout, forked.stderr);
    assert_eq!(log(&project), ["gate", "last-1", "second-two"]);
    assert_eq!(forked.stdout, "n: 1\ntries: 1\n");
    let new = latest(&project);
    assert_ne!(new, parent);
    assert!(
        forked.stderr.contains(&format!("run {new} is a fork of run {parent}, from second\n")),
        "{}",
        forked.stderr
    );
    assert!(forked.stderr.contains("    kept: aside, first, maybe, yes\n"), "{}", forked.stderr);
    assert!(forked.stderr.contains("   again: second, last\n"), "{}", forked.stderr);
    assert!(forked.stderr.contains("note: `maybe` is taken over although it read an input"), "{}", forked.stderr);
    assert!(forked.stderr.contains("note: the workspace is as it is now"), "{}", forked.stderr);
    assert_eq!(status(&project)["fork_of"], serde_json::json!({ "run": parent, "from": "second" }));
    assert_eq!(project.run(&["replay", &parent]).stdout, before, "the old run stays as it is");
    let told = project.run(&["replay", &new]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains(&format!("the run is a fork of run {parent}, from second\n")), "{}", told.stdout);
    assert!(told.stdout.contains("first is taken over: succeeded\n"), "{}", told.stdout);
}

#[test]
fn a_question_whose_text_is_another_one_is_asked_again() {
    let project = project(WORKFLOW);
    let parent = done(&project);
    log(&project);
    let forked = project.run(&["retry", &parent, "--from", "second", "--with", "other=y"]);
    assert_eq!(forked.code, Some(20), "{}{}", forked.stdout, forked.stderr);
    assert!(forked.stderr.contains("Take y?"), "{}", forked.stderr);
    assert_eq!(log(&project), ["gate", "second-one"]);
}

#[test]
fn a_fork_that_is_killed_goes_on_with_what_it_took_over() {
    let workflow = WORKFLOW
        .replace("approve: \"Take {{ inputs.other }}?\"", "approve: \"Take it?\"")
        .replace("needs: [first]\n    approve", "needs: [second]\n    approve");
    let project = project(&workflow);
    let parent = done(&project);
    log(&project);
    let forked = project.run(&["retry", &parent, "--from", "second"]);
    assert_eq!(forked.code, Some(20), "{}{}", forked.stdout, forked.stderr);
    let new = latest(&project);
    fs::rename(project.root().join(".orch/state/runs").join(&parent), project.root().join("away")).unwrap();
    let resumed = run(&project, &["resume", &new]);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert_eq!(log(&project), ["gate", "last-1", "second-one"]);
}

const NESTED: &str = r#"name: chain
inputs: { word: { type: string, default: one } }
steps:
  - { id: parts, run: "echo parts >> log; printf '{\"all\": [\"a\", \"b\", \"c\"]}' > $ORCH_OUTPUT", output: { all: [string] } }
  - id: build
    each: parts.all
    as: part
    key: "{{ part }}"
    max_parallel: 1
    steps:
      - { id: prep, env: { P: "{{ part }}" }, run: "echo prep-$P >> log" }
      - { id: code, env: { P: "{{ part }}" }, run: "echo code-$P-$ORCH_INPUT_WORD >> log; printf '{\"p\": \"%s\"}' $P > $ORCH_OUTPUT", output: { p: string } }
    gate: [{ run: "echo built >> log" }]
  - id: polish
    loop: { max: 5, until: check.done }
    steps:
      - { id: improve, run: "echo x >> count; echo improve >> log" }
      - { id: check, run: "echo check >> log; test $(wc -l < count) -ge 2 && d=true || d=false; printf '{\"done\": %s}' $d > $ORCH_OUTPUT", output: { done: boolean } }
  - id: both
    parallel:
      - { id: left, run: "echo left >> log" }
      - { id: right, run: "echo right >> log" }
    gate: [{ run: "echo joined >> log" }]
  - { id: end, env: { B: "{{ build[1].code.p }}" }, run: "echo end-$B >> log" }
"#;

#[test]
fn a_step_inside_containers_is_done_again_alone() {
    let project = project(NESTED);
    let parent = done(&project);
    let all = log(&project);
    assert!(all.contains(&"end-b".to_owned()), "{all:?}");
    let behind = ["check", "end-b", "improve", "joined", "left", "right"];
    let again = |from: &str, own: &[&str], with_rest: bool| {
        let forked = run(&project, &["retry", &parent, "--from", from, "--with", "word=two"]);
        assert_eq!(forked.code, Some(0), "{from}: {}{}", forked.stdout, forked.stderr);
        let mut expected: Vec<&str> = own.to_vec();
        if with_rest {
            expected.extend(behind);
        }
        expected.sort_unstable();
        assert_eq!(log(&project), expected, "{from}");
        let told = project.run(&["replay"]);
        assert_eq!(told.code, Some(0), "{from}: {}{}", told.stdout, told.stderr);
    };
    // The file of the loop is as the first run left it, so one iteration is enough.
    again("build[b]/code", &["built", "code-b-two"], true);
    again("build/code", &["built", "code-a-two", "code-b-two", "code-c-two"], true);
    again("both/right", &["end-b", "joined", "right"], false);
    again("polish#2/check", &["check", "end-b", "joined", "left", "right"], false);
    again("polish#1/check", &["check", "end-b", "joined", "left", "right"], false);
    again("end", &["end-b"], false);
    again("polish", &["check", "end-b", "improve", "joined", "left", "right"], false);
}

#[test]
fn what_was_not_done_cannot_be_taken_over() {
    let workflow = "name: chain\nsteps:\n  - { id: a, run: \"true\" }\n  - { id: b, run: \"test -f there\" }\n  - { id: c, run: \"true\" }\n";
    let project = project(workflow);
    assert_eq!(project.run(&["run", "chain"]).code, Some(1));
    let parent = latest(&project);
    let refused = project.run(&["retry", &parent, "--from", "c"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("E0334") && refused.stderr.contains("--from b"), "{}", refused.stderr);
    let unknown = project.run(&["retry", &parent, "--from", "d"]);
    assert_eq!(unknown.code, Some(11), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("E0314"), "{}", unknown.stderr);
    for words in [
        &["retry", &parent][..],
        &["retry", &parent, "--failed", "--from", "b"],
        &["retry", &parent, "--failed", "--with", "a=b"],
    ] {
        assert_eq!(project.run(words).code, Some(2), "{words:?}");
    }
    let bad = project.run(&["retry", &parent, "--from", "b", "--with", "nothing=1"]);
    assert_eq!(bad.code, Some(2), "{}", bad.stderr);
    assert_eq!(latest(&project), parent, "nothing was started");
    project.write("there", "");
    assert_eq!(project.run(&["retry", &parent, "--from", "b"]).code, Some(0));
}
