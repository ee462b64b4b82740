//! A run that a confined step of another run starts: it works where it has a place for its state, and is never confined
//! less than what is around it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::process::Command;

use support::{Done, Project};

const ORCH: &str = env!("CARGO_BIN_EXE_orch");
/// The ways to make the outer sandbox, by what is left out for each, and what `orch doctor` says of it.
const WAYS: [(&str, &str); 2] = [("bubblewrap", "own namespaces work"), ("namespaces", "bubblewrap works")];

/// A project with another one in its workspace.
fn project(without: &str, inner: &str) -> Project {
    Project::new()
        .variable("ORCH_SANDBOX_WITHOUT", without)
        .file("inner/orch.toml", "")
        .file("inner/.orch/workflows/in.yaml", inner)
        .file(".orch/workflows/in.yaml", inner)
}

/// Runs a line in a confined step; all that anybody says stands in `stdout`.
fn run(project: &Project, network: &str, line: &str) -> Done {
    project.write("line.sh", line);
    let step = format!(
        "steps:\n  - id: outer\n    sandbox: {{ mode: workspace-write, network: {network} }}\n    run: [sh, line.sh]\n"
    );
    project.write(".orch/workflows/out.yaml", &step);
    let mut done = project.run(&["run", "out"]);
    done.stdout.push_str(&done.stderr);
    done.stdout.push_str(&project.run(&["logs"]).stdout);
    done
}

fn each_way(inner: &str, test: impl Fn(Project)) {
    for (without, works) in WAYS {
        let project = project(without, inner);
        let health = project.run(&["doctor"]);
        if health.stdout.contains(works) {
            test(project);
        } else {
            eprintln!("SKIPPED: this machine makes no sandbox in this way ({works}): {}", health.stdout);
        }
    }
}

#[test]
fn a_run_inside_works_and_stays_inside() {
    let inner = "steps:\n  - { id: free, run: \"echo made > free\" }\n  - id: confined\n    needs: [free]\n    \
                 sandbox: workspace-write\n    run: \"echo made > confined; ! touch ../above; ! touch $HOME/new\"\n";
    each_way(inner, |project| {
        let done = run(&project, "none", &format!("cd inner && {ORCH} doctor | grep already; {ORCH} run in"));
        assert_eq!(done.code, Some(0), "{}", done.stdout);
        assert!(done.stdout.contains("already confined by `"), "{}", done.stdout);
        assert_eq!((project.read("inner/free"), project.read("inner/confined")), ("made\n".into(), "made\n".into()));
        assert!(!project.root().join("above").exists(), "the inner run's own sandbox is narrower than the outer");
        assert!(!project.home().join("new").exists());
    });
}

#[test]
fn without_a_place_for_its_state_it_says_so() {
    each_way("steps:\n  - { id: free, run: \"echo made > free\" }\n", |project| {
        let done = run(&project, "none", &format!("{ORCH} run in; test $? = 41"));
        assert_eq!(done.code, Some(0), "{}", done.stdout);
        assert!(done.stdout.contains("error[E0376]") && done.stdout.contains("help: "), "{}", done.stdout);
        assert!(!project.root().join("free").exists());
    });
}

#[test]
fn what_the_outer_sandbox_does_not_keep_is_refused_inside() {
    let inner = "steps:\n  - { id: apart, sandbox: { network: none }, run: \"echo made > made\" }\n";
    each_way(inner, |project| {
        let done = run(&project, "any", &format!("cd inner && {ORCH} run in; test $? = 41"));
        assert_eq!(done.code, Some(0), "{}", done.stdout);
        assert!(done.stdout.contains("error[E0344]") && done.stdout.contains("fewer hosts"), "{}", done.stdout);
        assert!(!project.root().join("inner/made").exists());
        let done = run(&project, "none", &format!("cd inner && {ORCH} run in"));
        assert_eq!(done.code, Some(0), "the same is kept: {}", done.stdout);
    });
}

/// Whoever writes the note outside of a sandbox is believed nothing.
#[test]
fn a_note_alone_is_no_sandbox() {
    let project = Project::new().variable("ORCH_SANDBOX_WITHOUT", "namespaces,bubblewrap");
    let note = r#"{"attempt":"evil","mode":"workspace-write","network":"none"}"#;
    let line = format!(
        "mount -t tmpfs none /run && echo '{note}' > /run/orch-sandbox.json && mount -o remount,ro /run && exec {ORCH} doctor"
    );
    let orch = project.command(&["doctor"]);
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &line]).env_clear().current_dir(project.root());
    command.envs(orch.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = command.output().map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default();
    if !said.contains("sandbox") {
        eprintln!("SKIPPED: no `unshare`, or it may not: {said}");
        return;
    }
    assert!(said.contains("left out by ORCH_SANDBOX_WITHOUT") && !said.contains("already confined"), "{said}");
}
