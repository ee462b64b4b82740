//! People who review work through the real program: push-backs with comments on lines, decisions that count for exactly
//! what was shown and once, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{fs, thread};

use serde_json::{Value, json};
use support::{Done, Project};

/// Writes a file; what it is told of its work it does, and keeps the order.
const AGENT: &str = r#"cat > "$ORCH_OUTPUT.prompt"
cp "$ORCH_OUTPUT.prompt" "../order.$(ls .. | grep -c order)"
if grep -q "use a constant" "$ORCH_OUTPUT.prompt"; then sed -i s/12/LIMIT/ code; else seq 1 30 > code; fi
echo '{"status":"succeeded","summary":"written"}' > "$ORCH_OUTPUT"
"#;

fn project(steps: &str) -> Project {
    let project = Project::new().file("agent.sh", AGENT).file(".gitignore", ".orch/\n").file("old", "a\nb\nc\n");
    project.write("workflows/w.yaml", &format!("name: w\nsteps:\n{steps}"));
    let command = format!("[runtimes.sh]\ncommand = [\"sh\", \"{}/agent.sh\"]\n", project.root().display());
    project.write("orch.toml", &format!("runtime = \"sh\"\nsandbox = \"off\"\n{command}"));
    project.git(&["init", "-q"]);
    project.git(&["add", "."]);
    project.git(&["commit", "-q", "-m", "one"]);
    project
}

const BUILD: &str = "  - { id: build, prompt: \"write\", gate: [{ run: \"test -s code\" }, { approve: \"Good?\" }] }\n  \
     - { id: after, run: \"cp code taken\" }\n";

#[track_caller]
fn ends(done: &Done, code: i32) {
    assert_eq!(done.code, Some(code), "--- stdout\n{}--- stderr\n{}", done.stdout, done.stderr);
}

#[track_caller]
fn refused(done: &Done, code: i32, id: &str, words: &[&str]) {
    ends(done, code);
    for words in [id].iter().chain(words) {
        assert!(done.stderr.contains(words), "{words} is not in\n{}", done.stderr);
    }
}

/// Runs until it asks. Gives the run's id.
fn parked(project: &Project) -> String {
    ends(&project.run(&["run", "w"]), 20);
    run_id(project)
}

fn run_id(project: &Project) -> String {
    project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned()
}

fn question(project: &Project) -> String {
    let inbox = project.run(&["inbox", "--json"]).json(0);
    inbox[0]["waiting_for"][0]["about"].as_str().unwrap().to_owned()
}

fn ends_of(project: &Project, run: &str, purpose: &str) -> Vec<String> {
    let now: Value = serde_json::from_str(&project.run(&["status", run, "--json"]).stdout).unwrap();
    let history = now["steps"][0]["history"].as_array().unwrap();
    let ends = history.iter().filter(|attempt| attempt["purpose"] == purpose);
    ends.map(|attempt| format!("{}: {}", attempt["end"].as_str().unwrap(), attempt["reason"].as_str().unwrap()))
        .collect()
}

#[test]
fn comments_go_back_to_the_agent_and_the_new_work_is_asked_about() {
    let project = project(BUILD);
    let run = parked(&project);
    let asked = question(&project);
    for words in ["Good?", "Changed: 1 file, +30 -0", "A code  +30 -0", &format!("orch diff {run} build")] {
        assert!(asked.contains(words), "{words} is not in\n{asked}");
    }
    let shown = project.run(&["diff", &run, "build"]).stdout;
    assert!(shown.contains("+12\n") && !shown.contains("agent.sh"), "{shown}");
    assert!(project.run(&["inbox", "--show"]).stdout.contains("+12\n"));

    let comments = ["code:12: use a constant", "say why: it matters"];
    let done = project.run(&["pushback", &run, "build", "--comment", comments[0], "--comment", comments[1]]);
    done.is(0, &format!("pushed back\nnext: orch resume {run}\n"), "");
    let resumed = project.run(&["resume", &run]);
    ends(&resumed, 20);
    let order = fs::read_to_string(project.root().join("../order.1")).unwrap();
    for words in ["1. code:12: use a constant", "2. say why: it matters", "(round 1 of 10)"] {
        assert!(order.contains(words), "{words} is not in\n{order}");
    }
    // What is quoted may come from anywhere, so it stands between marks that nobody can guess.
    let quoted = &order[order.find("<<<data ").unwrap()..order.find(">>>").unwrap()];
    assert!(quoted.contains("+9\n+10\n+11\n+12\n+13\n+14\n+15\n"), "{quoted}");
    assert!(!quoted.contains("use a constant") && !quoted.contains("+16\n"), "{quoted}");

    assert_eq!(project.read("code").lines().nth(11), Some("LIMIT"));
    assert!(project.run(&["diff", &run, "build"]).stdout.contains("+LIMIT\n"));
    let asked = question(&project);
    assert!(
        asked.contains("Changed: 1 file, +30 -0"),
        "all that the step did is shown, not the last round alone:\n{asked}"
    );
    assert_eq!(ends_of(&project, &run, "work").len(), 2);
    assert_eq!(ends_of(&project, &run, "gate 1").len(), 2, "the other gates judge the new work too");
    ends(&project.run(&["approve", &run, "--comment", "now it is"]), 0);
    ends(&project.run(&["resume", &run]), 0);
    assert_eq!(project.read("taken"), project.read("code"));
    assert_eq!(
        ends_of(&project, &run, "gate 2"),
        [
            "fail: pushed back by tester:\n- code:12: use a constant\n- say why: it matters",
            "pass: approved by tester: now it is"
        ]
    );
}

#[test]
fn what_was_not_shown_cannot_be_commented_on() {
    let project = project(BUILD);
    let run = parked(&project);
    let file = json!([
        { "path": "old", "line": 1, "comment": "x" },
        { "path": "code", "line": 30, "to": 31, "comment": "x" },
        { "path": "code", "line": 1, "side": "old", "comment": "x" },
        { "line": 4, "comment": "x" },
        { "path": "code", "line": 5, "to": 4, "comment": "x" },
        { "comment": " " },
    ]);
    project.write("comments.json", &file.to_string());
    let done = project.run(&["pushback", &run, "--comment", "nowhere:3: x", "--file", "comments.json"]);
    refused(
        &done,
        2,
        "E0363",
        &[
            "comment 1: `nowhere` is not in what is shown, which has code",
            "comment 2: `old` is not in what is shown",
            "comment 3: lines 30-31 of `code` are not in what is shown, which has 1-30",
            "comment 4: line 1 of the old file of `code` are not in what is shown",
            "comment 5: it names a line and no file",
            "comment 6: `code:5-4` are no lines",
            "comment 7: it says nothing",
            "orch diff",
        ],
    );
    project.write("comments.json", "{");
    refused(&project.run(&["pushback", &run, "--file", "comments.json"]), 2, "E0363", &["comments.json"]);
    assert_eq!(ends_of(&project, &run, "gate 2"), ["running: "], "nothing was decided");
}

#[test]
fn a_decision_counts_only_for_the_files_that_were_shown() {
    let project = project(BUILD);
    let run = parked(&project);
    // Somebody, or what an agent has left running, changes the project after the question was put.
    project.write("sneaked", "in\n");
    refused(&project.run(&["approve", &run]), 20, "E0361", &["no longer as they were shown", "orch resume"]);
    assert!(!project.root().join("taken").exists());
    refused(&project.run(&["approve", &run]), 11, "E0307", &[]);
    let again = project.run(&["resume", &run]);
    ends(&again, 20);
    assert!(question(&project).contains("A sneaked  +1 -0"), "{}", question(&project));
    project.write("sneaked", "other\n");
    refused(&project.run(&["pushback", &run, "--comment", "sneaked:1: why?"]), 20, "E0361", &[]);
    // An answer that stands from the beginning is about what is there, too.
    ends(&project.run(&["resume", &run, "--on-approval", "approve"]), 0);
    let asked = ends_of(&project, &run, "gate 2");
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[..2].iter().all(|end| end == "stopped: what was shown has changed since"), "{asked:?}");
    // A no needs no files.
    let run = parked(&project);
    project.write("sneaked", "third\n");
    ends(&project.run(&["reject", &run, "--comment", "no"]), 0);
}

#[test]
fn a_no_is_final_even_where_tries_are_left() {
    let gate = "  - { id: build, prompt: \"write\", gate: [{ approve: \"Good?\" }], on_gate_fail: { feedback: true, tries: 3THEN } }\n";
    for (then, exit) in [("", 21), (", then: continue", 0), (", then: ask", 21)] {
        let project = project(&gate.replace("THEN", then));
        let run = parked(&project);
        ends(&project.run(&["reject", &run, "--comment", "never"]), 0);
        let now: Value = serde_json::from_str(&project.run(&["status", &run, "--json"]).stdout).unwrap();
        assert_eq!((&now["exit_code"], ends_of(&project, &run, "work").len()), (&exit.into(), 1), "{then}: {now:#}");
    }
}

#[test]
fn who_cannot_be_pushed_back_is_said_and_ten_times_is_enough() {
    let steps = "  - { id: build, run: \"date > code\", gate: [{ approve: \"Good?\" }] }\n";
    let project = project(steps);
    let run = parked(&project);
    refused(&project.run(&["pushback", &run, "--comment", "x"]), 2, "E0364", &["no agent did it"]);
    project.write("workflows/w.yaml", "name: w\nsteps:\n  - { id: ok, approve: \"Go on?\" }\n");
    let run = parked(&project);
    refused(
        &project.run(&["pushback", &run, "ok", "--comment", "x"]),
        2,
        "E0364",
        &["no question about anybody's work"],
    );
    project.write("workflows/w.yaml", &format!("name: w\nsteps:\n{BUILD}"));
    let run = parked(&project);
    for _ in 0..10 {
        ends(&project.run(&["pushback", &run, "--comment", "again"]), 0);
        ends(&project.run(&["resume", &run]), 20);
    }
    refused(&project.run(&["pushback", &run, "--comment", "x"]), 2, "E0364", &["as often as a step may be"]);
    ends(&project.run(&["approve", &run]), 0);
    ends(&project.run(&["resume", &run]), 0);
}

#[test]
fn two_who_decide_at_once_are_told_who_was_first() {
    let project = project(BUILD);
    for round in 0..4 {
        let run = parked(&project);
        let words: [&[&str]; 2] = [&["approve", &run], &["reject", &run, "--comment", "no"]];
        let done = thread::scope(|scope| {
            let all = words.map(|words| scope.spawn(|| project.run(words)));
            all.map(|one| one.join().unwrap())
        });
        let won: Vec<_> = done.iter().filter(|done| done.code == Some(0)).collect();
        assert_eq!(won.len(), 1, "round {round}: {done:#?}");
        let lost = done.iter().find(|done| done.code != Some(0)).unwrap();
        assert_eq!(lost.code, Some(11), "{lost:?}");
        assert!(lost.stderr.contains("E0360") || lost.stderr.contains("E0307"), "{lost:?}");
        let gate = ends_of(&project, &run, "gate 2");
        let word = if done[0].code == Some(0) { "pass: approved by tester" } else { "fail: rejected by tester: no" };
        assert_eq!(gate, [word]);
        project.run(&["cancel", &run]);
    }
}
