//! `orch rollback`, `orch diff` and `orch gc` through the real program, in a repository and without one.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use support::{Done, Project};

const FLOW: &str = r#"name: w
steps:
  - { id: first, prompt: "one" }
  - { id: mark, checkpoint: between }
  - { id: second, prompt: "two" }
"#;

/// The first agent changes a file and adds one; the second one changes both and removes a third.
const AGENT: &str = r#"prompt=$(cat)
case "$prompt" in
*two*) echo 2 >> kept; echo 2 >> new; rm gone ;;
*) echo 1 >> kept; echo 1 > new; chmod +x new ;;
esac
echo '{"status":"succeeded","summary":"done"}' > "$ORCH_OUTPUT"
"#;

fn project(is_git: bool) -> Project {
    let project = Project::new().file("kept", "0\n").file("gone", "0\n").file("agent.sh", AGENT);
    project.write("workflows/w.yaml", FLOW);
    project.write(".gitignore", ".orch/\nignored\n");
    let command = format!("[runtimes.sh]\ncommand = [\"sh\", \"{}/agent.sh\"]\n", project.root().display());
    project.write("orch.toml", &format!("runtime = \"sh\"\n{command}"));
    if is_git {
        project.git(&["init", "-q"]);
        project.git(&["add", "."]);
        project.git(&["commit", "-q", "-m", "one"]);
    }
    project
}

#[track_caller]
fn ends(done: &Done, code: i32) {
    assert_eq!(done.code, Some(code), "--- stdout\n{}--- stderr\n{}", done.stdout, done.stderr);
}

fn run_id(project: &Project) -> String {
    let mut runs = fs::read_dir(project.root().join(".orch/state/runs")).unwrap();
    runs.next().unwrap().unwrap().file_name().into_string().unwrap()
}

/// What is there of the three files.
fn files(project: &Project) -> [String; 3] {
    ["kept", "new", "gone"]
        .map(|name| fs::read_to_string(project.root().join(name)).unwrap_or_default().replace('\n', ""))
}

#[test]
fn files_go_back_and_forth() {
    for is_git in [true, false] {
        let project = project(is_git);
        let before = is_git.then(|| project.git(&["ls-files", "--stage"]));
        ends(&project.run(&["run", "w"]), 0);
        let run = run_id(&project);
        let after = ["012", "12", ""].map(str::to_owned);
        assert_eq!(files(&project), after);

        let rehearsal = project.run(&["rollback", &run, "--dry-run"]);
        ends(&rehearsal, 0);
        for line in ["brings back gone", "takes back kept", "removes new", "3 files would change"] {
            assert!(rehearsal.stdout.contains(line), "{line} is not in\n{}", rehearsal.stdout);
        }
        assert_eq!(files(&project), after, "a rehearsal does nothing");

        ends(&project.run(&["rollback", &run, "--to", "between"]), 0);
        assert_eq!(files(&project), ["01", "1", "0"]);
        ends(&project.run(&["rollback", &run]), 0);
        assert_eq!(files(&project), ["0", "", "0"]);
        ends(&project.run(&["rollback", &run, "--undo"]), 0);
        assert_eq!(files(&project), ["01", "1", "0"]);
        ends(&project.run(&["rollback", &run, "--to", "second", "--", "kept"]), 0);
        assert_eq!(files(&project), ["012", "1", "0"], "one path, and no other");
        assert_eq!(is_git.then(|| project.git(&["ls-files", "--stage"])), before, "the index stays");
        assert_eq!(project.root().join(".git").exists(), is_git);
    }
}

#[test]
fn a_diff_is_a_patch_of_what_the_run_did() {
    let project = project(true);
    ends(&project.run(&["run", "w"]), 0);
    let run = run_id(&project);
    let all = project.run(&["diff"]);
    ends(&all, 0);
    project.write("../patch", &all.stdout);
    project.git(&["apply", "-R", "../patch"]);
    assert_eq!(files(&project), ["0", "", "0"]);
    let part = project.run(&["diff", &run, "--to", "first", "--", "kept"]).stdout;
    assert!(part.contains("+1") && !part.contains("+2") && !part.contains("new"), "{part}");
}

#[test]
fn a_step_that_has_changed_nothing_can_be_gone_back_to() {
    let project = project(true);
    project.write(
        "workflows/w.yaml",
        "name: w\nsteps:\n  - { id: idle, run: \"true\" }\n  - { id: first, prompt: \"one\" }\n  - { id: still, run: \"true\" }\n  \
         - { id: second, prompt: \"two\" }\n",
    );
    ends(&project.run(&["run", "w"]), 0);
    let run = run_id(&project);
    let names = project.git(&["for-each-ref", "--format=%(refname)", "refs/orch"]);
    assert!(names.contains("/step/first") && names.contains("/step/second"), "{names}");
    assert!(!names.contains("/step/still") && !names.contains("/step/idle"), "a name for nothing new: {names}");
    for (step, there) in [("idle", ["0", "", "0"]), ("still", ["01", "1", "0"]), ("second", ["012", "12", ""])] {
        ends(&project.run(&["rollback", &run, "--to", step]), 0);
        assert_eq!(files(&project), there.map(str::to_owned), "{step}");
    }
    let unknown = project.run(&["rollback", &run, "--to", "third"]);
    for step in ["`idle`", "`first`", "`still`", "`second`"] {
        assert!(unknown.stderr.contains(step), "{step} is not in\n{}", unknown.stderr);
    }
}

#[test]
fn what_cannot_be_gone_back_to_is_said() {
    let project = project(true);
    ends(&project.run(&["run", "w"]), 0);
    let run = run_id(&project);
    let unknown = project.run(&["rollback", &run, "--to", "third"]);
    ends(&unknown, 11);
    assert!(
        unknown.stderr.contains("no checkpoint `third`") && unknown.stderr.contains("`first`"),
        "{}",
        unknown.stderr
    );
    ends(&project.run(&["rollback", &run, "--undo"]), 11);
    ends(&project.run(&["rollback", &run, "--", "../outside"]), 2);
    // Where a file must come back stands one that git ignores by now, and that nobody would keep.
    fs::remove_file(project.root().join("kept")).unwrap();
    project.write("kept/ignored", "mine\n");
    let in_the_way = project.run(&["rollback", &run]);
    ends(&in_the_way, 1);
    assert!(in_the_way.stderr.contains("E0341") && in_the_way.stderr.contains("kept/ignored"), "{}", in_the_way.stderr);
    assert_eq!(project.read("kept/ignored"), "mine\n");
    // Without git there are no checkpoints, and the run is the same.
    let mut command = project.command(&["rollback", &run]);
    let done = command.env("PATH", project.home()).output().unwrap();
    assert_eq!(done.status.code(), Some(43), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_run_that_goes_on_is_left_alone() {
    let project = project(true);
    project.write("agent.sh", "echo x > begun; while [ ! -e go ]; do sleep 0.02; done\n");
    let mut child = project.command(&["run", "w"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !project.root().join("begun").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the agent has not begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    let run = run_id(&project);
    ends(&project.run(&["rollback", &run]), 32);
    assert!(project.root().join("begun").exists());
    project.write("go", "");
    child.wait().unwrap();
}

#[test]
fn work_that_is_kept_nowhere_else_is_not_collected() {
    let project = project(true);
    let flow = "name: w\nsteps:\n  - { id: alone, workspace: worktree, merge: {}, run: \"echo x > made; exit 3\" }\n";
    project.write("workflows/w.yaml", flow);
    ends(&project.run(&["run", "w"]), 1);
    let collected = project.run(&["gc"]);
    ends(&collected, 0);
    assert!(collected.stdout.contains("no checkpoint holds: made"), "{}", collected.stdout);
    assert!(collected.stdout.contains("0 of 1 workspaces removed"), "{}", collected.stdout);
    // What is mended and merged goes.
    project.write("workflows/w.yaml", &flow.replace("; exit 3", ""));
    ends(&project.run(&["run", "w"]), 0);
    assert_eq!(project.read("made"), "x\n");
    assert!(project.run(&["gc"]).stdout.contains("0 of 1 workspaces removed"));
}
