//! Who lets an agent work with all rights of the user is shown it in red, and the audit log keeps it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use support::{Done, Project};

fn project(settings: &str, step: &str) -> Project {
    let settings = format!(
        "{settings}color = \"always\"\nruntime = \"mine\"\n[runtimes.mine]\ncommand = [\"sh\", \"./agent.sh\"]\n"
    );
    let agent = "cat > /dev/null\nprintf '{\"status\":\"succeeded\",\"summary\":\"done\"}' > \"$ORCH_OUTPUT\"\n";
    let steps =
        format!("name: one\nsteps:\n  - {{ id: agent, prompt: Work{step} }}\n  - {{ id: command, run: \"true\" }}\n");
    Project::new()
        .file("orch.toml", &settings)
        .file("agent.sh", agent)
        .file("workflows/one.yaml", &steps)
        .file("workflows/alone.yaml", "name: alone\nsteps:\n  - { id: command, run: \"true\" }\n")
}

/// The entries of the audit log that tell of an agent without a sandbox.
fn entries(project: &Project) -> Vec<serde_json::Value> {
    let log = project.run(&["audit", "export"]);
    let lines = log.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|entry| entry["kind"] == "sandbox").collect()
}

fn is_red(done: &Done, words: &str) -> bool {
    done.stderr.contains(&format!("\u{1b}[31m{words}"))
}

#[test]
fn an_agent_without_a_sandbox_is_red_and_kept() {
    for (settings, step, flags, words) in [
        ("", "", &["--sandbox", "off"][..], "sandbox off"),
        ("sandbox = \"off\"\n", "", &[], "sandbox off"),
        ("sandbox = \"off\"\n", ", sandbox: off", &[], "sandbox off"),
    ] {
        let project = project(settings, step);
        let done = project.run(&[&["run", "one"], flags].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(is_red(&done, words), "{settings}{step}: {}", done.stderr.escape_debug());
        let entries = entries(&project);
        assert_eq!(entries.len(), 1, "{settings}{step}: {entries:?}");
        assert_eq!((&entries[0]["about"], &entries[0]["by"]), (&"off".into(), &"tester".into()), "{entries:?}");
        assert_eq!(entries[0]["what"]["steps"], serde_json::json!(["agent"]), "{entries:?}");
    }
}

#[test]
fn a_run_without_an_agent_is_neither() {
    let project = project("", "");
    let done = project.run(&["run", "alone"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("sandbox off") && !is_red(&done, "sandbox"), "{}", done.stderr.escape_debug());
    assert!(entries(&project).is_empty());
}
