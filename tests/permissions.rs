//! What a step may do, from the file to the run: rules that narrow, and work without limits by a person's word.
//!
//! The agent is a script that keeps its order; what real programs make of one is in `agents_real.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;
use support::{Done, Project};

/// A `claude` that keeps its order and its arguments, and ends well.
const CLAUDE: &str = r#"#!/bin/sh
[ "$1" = --version ] && { echo 9.9.9; exit 0; }
cat > /dev/null
cp "$ORCH_ORDER" "$HOME/order.json"
printf '%s\n' "$@" > "$HOME/argv"
echo '{"type":"system","subtype":"init","session_id":"s-1"}'
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s-1","usage":{"input_tokens":1,"output_tokens":1}}'
"#;
/// The program notes outside of its workspace what it was told.
const SETTINGS: &str = "sandbox = \"off\"\n[runtimes.claude]\nenv = { IS_SANDBOX = \"1\" }\n";

fn project(step: &str) -> Project {
    let workflow = format!("name: one\nsteps:\n  - id: a\n    prompt: Work\n{step}");
    let project = Project::new().file("workflows/one.yaml", &workflow).file("orch.toml", SETTINGS);
    project.write(".bin/claude", CLAUDE);
    let folder = project.root().join(".bin");
    fs::set_permissions(folder.join("claude"), fs::Permissions::from_mode(0o755)).unwrap();
    project.variable("PATH", &format!("{}:/usr/bin:/bin", folder.display()))
}

fn order(project: &Project) -> Value {
    serde_json::from_slice(&fs::read(project.home().join("order.json")).unwrap()).unwrap()
}

fn argv(project: &Project) -> String {
    fs::read_to_string(project.home().join("argv")).unwrap_or_default()
}

fn digest(project: &Project) -> String {
    let shown = project.run(&["trust", "one", "--list", "--json"]);
    let value: Value =
        serde_json::from_str(&shown.stdout).unwrap_or_else(|_| panic!("{}{}", shown.stdout, shown.stderr));
    value["items"][0]["digest"].as_str().unwrap().to_owned()
}

fn refused(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code, Some(code), "{}{}", done.stdout, done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
    }
}

#[test]
fn rules_reach_the_order_and_only_narrow() {
    let agent = "---\nname: dev\ndescription: Works\ntools: [Read, Bash(git:*), Edit]\ndisallowedTools: [\"Bash(git push:*)\", Edit]\n---\nYou work.\n";
    let step = "    agent: dev\n    permissions: { allow: [Read, Bash, Write], ask: [\"Bash(git rebase:*)\"] }\n";
    let project = project(step).file("agents/dev.md", agent);
    let done = project.run(&["run", "one"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let order = order(&project);
    assert_eq!(order["tools"], serde_json::json!(["Read", "Bash(git:*)"]));
    assert_eq!(order["permissions"]["deny"], serde_json::json!(["Bash(git push:*)"]));
    let argv = argv(&project);
    for flag in ["--disallowedTools=Bash(git push:*)", "--disallowedTools=Bash(git rebase:*)", "--tools=Bash,Read"] {
        assert!(argv.contains(flag), "{flag}: {argv}");
    }
    let plan = project.run(&["plan", "one"]).stdout;
    let plan: String = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["denies Bash(git push:*)", "nobody to ask about Bash(git rebase:*)"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
}

#[test]
fn a_rule_that_nobody_could_keep_is_a_fault() {
    let step = "    permissions:\n      deny: [Bsh, \"Bash(git\", \"Bash(a*b)\", \"Edit(../x)\", \"WebFetch(docs.rs)\"]\n      never: [Bash]\n";
    let done = project(step).run(&["check"]);
    assert_eq!(done.code, Some(10), "{}{}", done.stdout, done.stderr);
    let all = format!("{}{}", done.stdout, done.stderr);
    for words in ["did you mean `Bash`", "not closed", "plain words", "in the workspace", "domain:HOST", "`never`"] {
        assert!(all.contains(words), "{words}: {all}");
    }
}

#[test]
fn a_program_that_cannot_keep_a_rule_is_refused_before_the_start() {
    let project = project("    permissions: { deny: [\"Edit(ci/**)\"] }\n");
    assert_eq!(project.run(&["plan", "one", "--runtime", "claude"]).code, Some(0));
    for (runtime, words) in [("codex", "Edit(ci/**)"), ("gemini", "Edit(ci/**)"), ("opencode", "Edit(ci/**)")] {
        for verb in ["plan", "run"] {
            refused(&project.run(&[verb, "one", "--runtime", runtime]), 43, &["E0316", words, runtime]);
        }
    }
    project.write(
        "workflows/one.yaml",
        "name: one\nsteps:\n  - { id: a, prompt: Work, permissions: { allow: [Read, Edit] } }\n",
    );
    refused(&project.run(&["plan", "one", "--runtime", "codex"]), 43, &["E0316", "some of its tools"]);
    assert_eq!(project.run(&["plan", "one", "--runtime", "gemini"]).code, Some(0));
}

#[test]
fn danger_wants_trust_and_a_persons_word() {
    let project = project("    danger: true\n");
    let plan = project.run(&["plan", "one"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    assert!(plan.stdout.contains("!! DANGER") && plan.stdout.contains("needs trust"), "{}", plan.stdout);
    // The word alone is not enough, and trust alone is not.
    refused(&project.run(&["run", "one", "--allow-danger"]), 40, &["E0560", "without limits"]);
    let digest = digest(&project);
    let done = project.run(&["trust", "one", "--digest", &digest]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    refused(&project.run(&["run", "one"]), 40, &["E0324", "`a` (workflows/one.yaml:3)", "--allow-danger"]);
    assert!(!project.home().join("order.json").exists(), "something was started");
    let done = project.run(&["run", "one", "--allow-danger"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(order(&project)["access"], "full");
    assert!(argv(&project).contains("--dangerously-skip-permissions"));
    assert!(format!("{}{}", done.stdout, done.stderr).matches("DANGER").count() >= 2, "{}{}", done.stdout, done.stderr);
    let status = project.run(&["status"]).stdout;
    assert!(status.contains("without limits") && status.contains("--allow-danger"), "{status}");
    let status: Value = serde_json::from_str(&project.run(&["status", "--json"]).stdout).unwrap();
    let word = status["steps"][0]["history"][0]["danger"].as_str().unwrap();
    assert!(word.ends_with(": --allow-danger"), "{word}");
    // What was changed since is not what was trusted.
    project.write("workflows/one.yaml", "name: one\nsteps:\n  - { id: a, prompt: Other, danger: true }\n");
    refused(&project.run(&["run", "one", "--allow-danger"]), 40, &["E0560", "has changed"]);
}

#[test]
fn a_project_cannot_give_the_word_and_a_user_can() {
    let project = project("    danger: true\n");
    project.write("orch.toml", "[runtimes.claude]\ndanger = true\n");
    let done = project.run(&["run", "one", "--trust", "0"]);
    refused(&done, 10, &["a project cannot allow work without limits", "--allow-danger"]);
    project.write("orch.toml", "");
    let user = format!("{SETTINGS}danger = true\n");
    let project = project.user_file("orch.toml", &user);
    let done = project.run(&["run", "one", "--trust", &digest(&project), "--runtime", "claude"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(project.run(&["status"]).stdout.contains("danger = true in"));
    assert_eq!(order(&project)["access"], "full");
}

#[test]
fn danger_contradicts_rules_and_is_for_agents() {
    let done = project("    danger: true\n    permissions: { deny: [Bash] }\n").run(&["check"]);
    assert!(format!("{}{}", done.stdout, done.stderr).contains("say the opposite"), "{}", done.stdout);
    let done = Project::new().file("workflows/one.yaml", "name: one\nsteps:\n  - { id: a, run: ls, danger: true }\n");
    assert_eq!(done.run(&["check"]).code, Some(10));
    let service = project("    danger: true\n    runtime: anthropic\n").variable("ANTHROPIC_API_KEY", "k");
    refused(&service.run(&["plan", "one"]), 43, &["E0316", "works without limits"]);
}
