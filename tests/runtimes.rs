//! Which runtimes there are, which one is taken, and what is refused before anything runs.
//!
//! The program here is a script with the name of one that `orch` knows: what real ones say is in `outcomes.rs` and
//! `agents_real.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;
use support::{Done, Project};

const ONE: &str = "name: one\nsteps:\n  - { id: a, agent: writer, prompt: Write }\n";
const WRITER: &str = "---\nname: writer\ndescription: Writes\ntools: [Read]\n---\nYou write.\n";
const SCRIPT: &str = "#!/bin/sh\n[ \"$1\" = --version ] && { echo 9.9.9; exit 0; }\necho \"$0\" >> \"$HOME/called\"\n\
    echo 'Not logged in' >&2\nexit 1\n";

/// A project with a script `claude` before everything else on its `PATH`.
fn with_claude(project: Project) -> Project {
    let folder = project.root().join(".bin");
    project.write(".bin/claude", SCRIPT);
    fs::set_permissions(folder.join("claude"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    project.variable("PATH", &path)
}

fn project() -> Project {
    with_claude(Project::new().file("workflows/one.yaml", ONE).file("agents/writer.md", WRITER))
}

fn called(project: &Project) -> usize {
    fs::read_to_string(project.home().join("called")).unwrap_or_default().lines().count()
}

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap()
}

#[test]
fn what_is_installed_is_not_used_without_a_yes() {
    let project = project();
    let done = project.run(&["run", "one"]);
    assert_eq!(done.code, Some(43), "{}", done.stderr);
    for words in ["E0315", "`claude`", "may cost money", "--runtime claude"] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    assert!(!done.stderr.contains("replay"), "there is no recording of it: {}", done.stderr);
    assert_eq!(called(&project), 0);
    // A plan without agents asks for nothing.
    project.write("workflows/two.yaml", "name: two\nsteps:\n  - { id: a, run: \"true\" }\n");
    assert_eq!(project.run(&["run", "two"]).code, Some(0));
}

#[test]
fn who_names_a_runtime_has_said_yes() {
    for settings in
        ["sandbox = \"off\"\nruntime = \"claude\"\n", "sandbox = \"off\"\n[runtimes.claude]\nmodel = \"sonnet\"\n"]
    {
        let project = project();
        project.write("orch.toml", settings);
        let done = project.run(&["run", "one"]);
        assert_eq!(done.code, Some(43), "{}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains("Not logged in"), "{}{}", done.stdout, done.stderr);
        assert_eq!(called(&project), 1, "nobody is logged in: it is not tried again");
    }
    let project = project();
    assert!(project.run(&["run", "one", "--runtime", "claude", "--sandbox", "off"]).stderr.contains("Not logged in"));
    // A yes that was kept, as the question on a terminal keeps it.
    fs::create_dir_all(project.home().join(".local/state/orch")).unwrap();
    fs::write(project.home().join(".local/state/orch/runtimes"), "claude\n").unwrap();
    assert!(project.run(&["run", "one", "--sandbox", "off"]).stderr.contains("Not logged in"));
    assert_eq!(called(&project), 2);
}

#[test]
fn a_known_program_is_where_the_settings_say() {
    let project = Project::new().file("workflows/one.yaml", ONE).file("agents/writer.md", WRITER);
    let project = with_claude(project).variable("PATH", "/usr/bin:/bin");
    project.write("orch.toml", "[runtimes.claude]\nprogram = \".bin/claude\"\n");
    assert!(project.run(&["run", "one"]).stderr.contains("Not logged in"));
    project.write("orch.toml", "[runtimes.claude]\nprogramm = \".bin/claude\"\nhome = \"mine\"\n");
    let done = project.run(&["run", "one"]);
    assert_eq!(done.code, Some(10));
    for words in ["did you mean `program`?", "write \"shared\" or \"isolated\""] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    // A command of one's own may have the name of a known program.
    project.write("orch.toml", "[runtimes.claude]\ncommand = [\"sh\", \"-c\", \"cat > /dev/null; echo done\"]\n");
    assert_eq!(project.run(&["run", "one"]).code, Some(0));
}

#[test]
fn all_runtimes_are_listed_with_what_they_can_do() {
    let project = project();
    let lines = json(&project.run(&["runtimes", "--json"]));
    let of = |name: &str| lines.as_array().unwrap().iter().find(|line| line["name"] == name).unwrap();
    assert_eq!((of("claude")["is_there"].as_bool(), of("claude")["version"].as_str()), (Some(true), Some("9.9.9")));
    assert_eq!(of("codex")["is_there"], false);
    assert_eq!(of("claude")["capabilities"]["mcp"], true);
    assert_eq!(
        (of("replay")["is_standard"].as_bool(), of("claude")["is_standard"].as_bool()),
        (Some(true), Some(false))
    );
    let text = project.run(&["runtimes"]).stdout;
    assert!(text.contains("claude  there") && text.contains("codex  not installed"), "{text}");
    let logged_in = project.variable("ANTHROPIC_API_KEY", "sk-secret-word");
    let done = logged_in.run(&["runtimes"]);
    assert!(done.stdout.contains("key ANTHROPIC_API_KEY") && !done.stdout.contains("sk-secret"), "{}", done.stdout);
}

#[test]
fn a_list_starts_nothing_that_a_project_names() {
    let project = Project::new().file("orch.toml", "[runtimes.claude]\nprogram = \"./mine\"\n");
    project.write("mine", "#!/bin/sh\ntouch \"$HOME/called\"\n");
    fs::set_permissions(project.root().join("mine"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(project.run(&["runtimes"]).code, Some(0));
    assert!(project.run(&["doctor"]).stdout.contains("claude found"));
    assert_eq!(called(&project), 0);
    assert!(!project.home().join("called").exists());
}

/// An agent of the Agent Client Protocol, written in the shell: it answers three requests.
const AGENT: &str = "[runtimes.talker]\nprotocol = \"acp\"\ncommand = [\"./talker\", \"acp\"]\n";
const TALKER: &str = r#"#!/bin/sh
echo talker >> "$HOME/called"
hear() { IFS= read -r line; }
hear; echo '{"id":1,"result":{"protocolVersion":1}}'
hear; echo '{"id":2,"result":{"sessionId":"s-1"}}'
hear; echo '{"method":"session/update","params":{"sessionId":"s-1","update":{"sessionUpdate":"agent_message_chunk","content":{"text":"ready"}}}}'
echo '{"id":3,"result":{"stopReason":"end_turn"}}'
"#;

fn with_talker() -> Project {
    let project = project();
    project.write("orch.toml", AGENT);
    project.write("talker", TALKER);
    fs::set_permissions(project.root().join("talker"), fs::Permissions::from_mode(0o755)).unwrap();
    project
}

#[test]
fn an_agent_of_a_protocol_is_listed() {
    let project = with_talker();
    let lines = json(&project.run(&["runtimes", "--json"]));
    let line = lines.as_array().unwrap().iter().find(|line| line["name"] == "talker").unwrap().clone();
    assert_eq!((line["kind"].as_str(), line["is_there"].as_bool()), (Some("acp"), Some(true)));
    assert_eq!((&line["capabilities"]["sessions"], &line["capabilities"]["read_only"]), (&true.into(), &false.into()));
    assert_eq!(called(&project), 0, "a list starts nothing");
    let text = project.run(&["runtimes"]).stdout;
    assert!(text.contains("talker  standard"), "{text}");
    assert!(project.run(&["doctor"]).stdout.contains("acp ./talker acp"));
}

#[test]
fn an_agent_of_a_protocol_runs_a_step() {
    let project = with_talker();
    let done = project.run(&["run", "one"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let done = project.run(&["runtimes", "test", "talker", "--json"]);
    assert_eq!((done.code, json(&done)["words"].as_str()), (Some(0), Some("ready")), "{}", done.stdout);
}

#[test]
fn a_runtime_is_tested_by_one_real_question() {
    let project = project();
    let done = project.run(&["runtimes", "test", "claude"]);
    assert_eq!(done.code, Some(43));
    assert!(done.stdout.contains("FAIL") && done.stdout.contains("Not logged in"), "{}", done.stdout);
    assert!(done.stdout.contains("next: install it, log in or set its key"), "{}", done.stdout);
    project.write("orch.toml", "[runtimes.mine]\ncommand = [\"sh\", \"-c\", \"cat > asked; echo ready\"]\n");
    let done = project.run(&["runtimes", "test", "mine", "--json"]);
    assert_eq!((done.code, json(&done)["is_good"].as_bool()), (Some(0), Some(true)), "{}", done.stdout);
    assert!(!project.root().join("asked").exists(), "it works in a folder of its own");
    let done = project.run(&["runtimes", "test", "cloud"]);
    assert_eq!(done.code, Some(43));
    assert!(done.stderr.contains("there is no runtime `cloud`"), "{}", done.stderr);
}

#[test]
fn a_step_that_needs_what_its_runtime_lacks_is_refused_before_the_start() {
    let project = project();
    project.write("orch.toml", "[runtimes.mine]\ncommand = [\"sh\", \"-c\", \"echo done; touch ran\"]\n");
    let share = "name: one\nsteps:\n  - { id: a, agent: writer, prompt: Write }\n  - { id: b, agent: writer, prompt: More, context: \"share:a\" }\n";
    project.write("workflows/one.yaml", share);
    for verb in ["plan", "run"] {
        let done = project.run(&[verb, "one"]);
        assert_eq!(done.code, Some(43), "{verb}: {}", done.stdout);
        assert!(
            done.stderr.contains("E0316") && done.stderr.contains("`b` goes on with another step's session"),
            "{}",
            done.stderr
        );
    }
    assert!(!project.root().join("ran").exists());
    assert_eq!(project.run(&["plan", "one", "--runtime", "claude"]).code, Some(0));
    project.write("orch.toml", "[runtimes.mine]\ncommand = [\"sh\", \"-c\", \"echo done\"]\nsessions = true\n");
    assert_eq!(project.run(&["run", "one"]).code, Some(0));
}
