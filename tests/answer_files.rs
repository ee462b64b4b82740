//! `files_from: answer` through the real program: what an agent without tools answers becomes files, or nothing does.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use support::{Done, Project};

/// Only talks. Its first answer is cut off; when it is told so, it answers whole. It keeps what it was told.
const AGENT: &str = r#"cat > told
if grep -qE 'cut off|b[.]txt' told; then
  printf 'Here:\n\n```text notes/a.txt\none\ntwo\n```\n\nand\n\n`b.txt`\n\n```\nb\n```\n'
else
  printf 'Here:\n\n```text notes/a.txt\none\n'
fi
"#;

fn project(step: &str) -> Project {
    let project = Project::new().file("agent.sh", AGENT).file(".gitignore", ".orch/\ntold\n").file("b.txt", "old\n");
    project
        .write("workflows/w.yaml", &format!("name: w\nsteps:\n  - {{ id: talk, prompt: \"write notes\", {step} }}\n"));
    let command = format!("[runtimes.talker]\ncommand = [\"sh\", \"{}/agent.sh\"]\n", project.root().display());
    project.write("orch.toml", &format!("runtime = \"talker\"\n{command}"));
    project.git(&["init", "-q"]);
    project.git(&["add", "."]);
    project.git(&["commit", "-q", "-m", "one"]);
    project
}

#[track_caller]
fn ends(done: &Done, code: i32) {
    assert_eq!(done.code, Some(code), "--- stdout\n{}--- stderr\n{}", done.stdout, done.stderr);
}

#[test]
fn blocks_with_a_path_become_files_that_can_be_seen_and_taken_back() {
    let project = project("files_from: answer, gate: [{ run: \"grep -q two notes/a.txt\" }]");
    ends(&project.run(&["run", "w"]), 0);
    assert_eq!((project.read("notes/a.txt").as_str(), project.read("b.txt").as_str()), ("one\ntwo\n", "b\n"));
    let told = project.read("told");
    assert!(told.contains("Files to write") && told.contains("the block of `notes/a.txt` is cut off"), "{told}");
    let diff = project.run(&["diff"]);
    ends(&diff, 0);
    assert!(diff.stdout.contains("+two") && diff.stdout.contains("-old"), "{}", diff.stdout);
    let run = project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned();
    ends(&project.run(&["rollback", &run]), 0);
    assert!(!project.root().join("notes/a.txt").exists());
    assert_eq!(project.read("b.txt"), "old\n");
}

#[test]
fn what_the_step_does_not_declare_or_a_policy_protects_is_not_written() {
    for (step, policy, words) in [
        ("files_from: answer, files: [notes/**]", "", "`b.txt` is none of the files that the step declares"),
        ("files_from: answer", "protected: [b.txt]\n", "`b.txt` may not be written: policy.yaml protects it"),
    ] {
        let project = project(step);
        if !policy.is_empty() {
            project.write("policy.yaml", policy);
        }
        let done = project.run(&["run", "w"]);
        ends(&done, 1);
        let logs = project.run(&["status"]);
        let text =
            format!("{}{}{}", done.stderr, logs.stdout, logs.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{words} is not in\n{text}");
        assert!(!project.root().join("notes/a.txt").exists(), "half of an answer was written");
        assert_eq!(project.read("b.txt"), "old\n");
    }
}

#[test]
fn only_agents_answer() {
    let project = project("files_from: text");
    let done = project.run(&["check"]);
    ends(&done, 10);
    assert!(done.stdout.contains("`answer`") || done.stderr.contains("`answer`"), "{}{}", done.stdout, done.stderr);
    project.write("workflows/w.yaml", "name: w\nsteps:\n  - { id: c, run: ls, files_from: answer }\n");
    let done = project.run(&["check"]);
    ends(&done, 10);
    assert!(format!("{}{}", done.stdout, done.stderr).contains("files_from"), "{}{}", done.stdout, done.stderr);
}
