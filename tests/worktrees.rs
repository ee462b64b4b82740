//! Work in worktrees through the real program: what is merged, who mends a conflict, what a crash leaves, and that
//! nothing of the user's is touched unasked.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use support::{Done, Project};

/// What an agent of the test does is a script in the project.
/// Agents note their calls outside of their workspace, so without a sandbox.
const RUNTIME: &str = "runtime = \"sh\"\nsandbox = \"off\"\n[runtimes.sh]\ncommand = [\"sh\", \"ROOT/agent.sh\"]\n";

/// A repository with one commit that holds `a` of five lines, and a workflow `w`.
fn project(steps: &str) -> Project {
    let project = Project::new().file("a", "1\n2\n3\n4\n5\n").file(".gitignore", ".orch/\nseen\n");
    project.write("workflows/w.yaml", &format!("name: w\nsteps:\n{steps}"));
    project.write("orch.toml", &RUNTIME.replace("ROOT", project.root().to_str().unwrap()));
    project.git(&["init", "-q"]);
    project.git(&["add", "."]);
    project.git(&["commit", "-q", "-m", "one"]);
    project
}

/// What must be the same after any run: the branch, the index, and that no worktree or branch was added.
fn untouched(project: &Project) -> [String; 4] {
    [
        project.git(&["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"]),
        project.git(&["ls-files", "--stage"]),
        project.git(&["for-each-ref", "refs/heads", "refs/tags", "refs/stash"]),
        project.git(&["worktree", "list", "--porcelain"]),
    ]
}

/// The run that the store knows, if it knows one.
fn known(project: &Project) -> Option<String> {
    let runs: serde_json::Value = serde_json::from_str(&project.run(&["runs", "--json"]).stdout).ok()?;
    Some(runs.get(0)?.get("id")?.as_str()?.to_owned())
}

fn run_id(project: &Project) -> String {
    known(project).unwrap()
}

/// The workspaces that are still there.
fn left(project: &Project) -> Vec<PathBuf> {
    let Ok(runs) = fs::read_dir(project.root().join(".orch/state/workspaces")) else { return Vec::new() };
    let runs = runs.flatten().filter(|run| run.path().is_dir() && run.file_name() != "removed");
    runs.flat_map(|run| fs::read_dir(run.path()).unwrap().flatten().map(|entry| entry.path())).collect()
}

#[track_caller]
fn ends(done: &Done, code: i32) {
    assert_eq!(done.code, Some(code), "--- stdout\n{}--- stderr\n{}", done.stdout, done.stderr);
}

/// Two branches that change the same file in different places, and each a file of its own. A branch begins as the project is
/// then, so none of them ends before all have begun: they meet in a folder outside.
fn twins(meet: &Path) -> String {
    let steps = r#"
  - id: twins
    workspace: worktree
    merge: { order: as_finished }
    parallel:
      - { id: one, run: "MEET one && sed -i s/^1$/one/ a && echo 1 > one && test ! -e two" }
      - { id: two, run: "MEET two && sed -i s/^5$/five/ a && echo 2 > two && test ! -e one" }
      - { id: saw, run: "MEET saw && cp a saw; cp mine saw.mine || true" }
  - { id: after, run: "test -e one && test -e two && cp a seen" }
"#;
    let script = meet.join("meet.sh");
    let wait = "cd \"$(dirname \"$0\")\" && : > \"$1\"\nuntil test -e one && test -e two && test -e saw; do sleep 0.02; done\n";
    fs::write(&script, wait).unwrap();
    steps.replace("MEET", &format!("sh {}", script.display()))
}

#[test]
fn branches_are_merged_before_anybody_goes_on() {
    let meet = tempfile::tempdir().unwrap();
    let project = project(&twins(meet.path()));
    // What is not committed belongs to what the branches see, and stays.
    project.write("a", "1\n2\nthree\n4\n5\n");
    project.write("mine", "untracked\n");
    let before = untouched(&project);
    ends(&project.run(&["run", "w", "--parallel", "3"]), 0);
    assert_eq!(project.read("a"), "one\n2\nthree\n4\nfive\n");
    assert_eq!(project.read("seen"), project.read("a"));
    assert_eq!(project.read("saw"), "1\n2\nthree\n4\n5\n", "what is not committed is there");
    assert_eq!(project.read("saw.mine"), "untracked\n", "and what is not tracked");
    assert_eq!(project.read("mine"), "untracked\n");
    assert_eq!(untouched(&project), before);
    assert!(left(&project).is_empty(), "{:?}", left(&project));
    let names = project.git(&["for-each-ref", "--format=%(refname)", &format!("refs/orch/{}", run_id(&project))]);
    for wanted in ["/line/project", "/step/twins+one", "/step/twins+two", "/start"] {
        assert!(names.lines().any(|name| name.ends_with(wanted)), "{wanted} is not among\n{names}");
    }
}

#[test]
fn a_project_without_git_is_merged_the_same_way() {
    let project = Project::new().file("a", "1\n2\n3\n4\n5\n");
    let meet = tempfile::tempdir().unwrap();
    project.write("workflows/w.yaml", &format!("name: w\nsteps:\n{}", twins(meet.path())));
    ends(&project.run(&["run", "w", "--parallel", "3"]), 0);
    assert_eq!(project.read("a"), "one\n2\n3\n4\nfive\n");
    assert!(!project.root().join(".git").exists());
}

#[test]
fn items_are_merged_as_listed_and_the_next_step_of_an_item_sees_the_one_before() {
    let project = project(
        r#"
  - id: build
    each: "[0.4, 0.2, 0]"
    max_parallel: 3
    workspace: worktree
    merge: { order: as_listed, strategy: squash }
    steps:
      - { id: slow, run: [sleep], args: ["{{ item }}"] }
      - { id: write, run: [sh, -c, "echo $1 > f$1"], args: [x, "{{ item }}"] }
      - { id: look, run: [sh, -c, "test -e f$1"], args: [x, "{{ item }}"] }
"#,
    );
    let done = project.run(&["run", "w"]);
    ends(&done, 0);
    for file in ["f0.4", "f0.2", "f0"] {
        assert!(project.root().join(file).exists(), "{file}");
    }
    let line = format!("refs/orch/{}/line/project", run_id(&project));
    let log = project.git(&["log", "--first-parent", "--reverse", "--format=%s", &line]);
    let merged: Vec<_> = log.lines().filter(|line| line.starts_with("build[")).collect();
    assert_eq!(merged.len(), 3, "{log}");
    assert!(merged[0].starts_with("build[0]") && merged[1].starts_with("build[1]"), "{log}");
}

/// Two branches that change the same line.
fn conflict(on_conflict: &str) -> Project {
    project(&format!(
        r#"
  - id: twins
    workspace: worktree
    merge: {{ order: as_listed, on_conflict: {on_conflict}, gate: [{{ run: "! grep -q '<<<' a" }}] }}
    parallel:
      - {{ id: one, run: "sed -i s/^3$/one/ a" }}
      - {{ id: two, run: "sed -i s/^3$/two/ a" }}
  - {{ id: after, run: "cp a seen" }}
"#
    ))
}

#[test]
fn an_agent_mends_a_conflict() {
    let project = conflict("{ agent: mender, tries: 2 }");
    project.write("agents/mender.md", "---\nname: mender\ndescription: Mends merges\n---\nMend it.\n");
    // The first time it only says so; then it does it, and sees that git knows of the open merge.
    project.write(
        "agent.sh",
        r#"echo call >> ROOT/calls
grep -q "conflicts with what the project holds" || exit 9
[ "$(wc -l < ROOT/calls)" -gt 1 ] || { echo '{"status":"succeeded","summary":"done"}' > "$ORCH_OUTPUT"; exit 0; }
git status | grep -q 'both modified' || exit 8
printf '1\n2\none and two\n4\n5\n' > a
echo '{"status":"succeeded","summary":"done"}' > "$ORCH_OUTPUT"
"#
        .replace("ROOT", project.root().to_str().unwrap())
        .as_str(),
    );
    let before = untouched(&project);
    ends(&project.run(&["run", "w"]), 0);
    assert_eq!(project.read("a"), "1\n2\none and two\n4\n5\n");
    assert_eq!(project.read("calls").lines().count(), 2);
    assert_eq!(project.read("seen"), project.read("a"));
    assert_eq!(untouched(&project), before);
    assert!(left(&project).is_empty(), "{:?}", left(&project));
}

#[test]
fn a_conflict_that_nobody_mends_fails_and_the_project_has_no_half_of_it() {
    let project = conflict("fail");
    let done = project.run(&["run", "w"]);
    ends(&done, 22);
    assert!(done.stderr.contains("conflicts with what the project holds"), "{}", done.stderr);
    assert_eq!(project.read("a"), "1\n2\none\n4\n5\n", "the first branch was merged, the second was not");
    assert!(!project.root().join("seen").exists());
    assert!(!left(&project).is_empty(), "the work of the second branch is kept");
    // Where the project changes, it is proposed anew; what was merged is not merged twice.
    project.write("a", "1\n2\n3\n4\nfive\n");
    ends(&project.run(&["retry", &run_id(&project), "--failed"]), 0);
    assert_eq!(project.read("a"), "1\n2\ntwo\n4\nfive\n");
}

#[test]
fn a_person_decides_a_conflict() {
    let project = conflict("ask");
    ends(&project.run(&["run", "w"]), 20);
    let run = run_id(&project);
    let open: Vec<_> = left(&project).into_iter().map(|folder| folder.join("tree/a")).collect();
    let marked: Vec<_> =
        open.iter().filter(|file| fs::read_to_string(file).is_ok_and(|text| text.contains("<<<<<<<"))).collect();
    let [marked] = marked[..] else { panic!("{open:?}") };
    let marks = fs::read_to_string(marked).unwrap();
    assert!(marks.contains("<<<<<<< project\n") && marks.contains("\n>>>>>>> twins/"), "{marks}");
    // A yes before anything is decided asks again.
    ends(&project.run(&["approve", &run]), 0);
    ends(&project.run(&["resume", &run]), 20);
    assert_eq!(project.read("a"), "1\n2\none\n4\n5\n");
    fs::write(marked, "1\n2\nboth\n4\n5\n").unwrap();
    ends(&project.run(&["approve", &run]), 0);
    ends(&project.run(&["resume", &run]), 0);
    assert_eq!(project.read("a"), "1\n2\nboth\n4\n5\n");
    assert!(left(&project).is_empty(), "{:?}", left(&project));
}

#[test]
fn what_is_shown_of_a_merge_stays_while_a_person_is_asked() {
    let project = project(
        r#"
  - id: alone
    workspace: worktree
    merge: { gate: [{ approve: "Take it?" }] }
    run: "sed -i s/^1$/one/ a"
"#,
    );
    ends(&project.run(&["run", "w"]), 20);
    let run = run_id(&project);
    let asked = project.run(&["inbox"]).stdout;
    assert!(asked.contains("Take it?") && asked.contains("M a  +1 -1"), "{asked}");
    let shown = project.run(&["diff", &run, "alone@merge"]).stdout;
    assert!(shown.contains("-1\n+one\n"), "{shown}");
    let before = left(&project);
    // Nothing has a living owner now, and the merge has not been taken.
    let kept = project.run(&["gc"]);
    ends(&kept, 0);
    assert!(kept.stdout.contains("it shows a merge of a run that has not ended"), "{}", kept.stdout);
    assert_eq!(left(&project), before);
    // What is taken is what was shown, whatever happens in the project meanwhile.
    project.write("b", "mine\n");
    ends(&project.run(&["approve", &run]), 0);
    ends(&project.run(&["resume", &run]), 0);
    assert_eq!((project.read("a"), project.read("b")), ("one\n2\n3\n4\n5\n".to_owned(), "mine\n".to_owned()));
    ends(&project.run(&["gc"]), 0);
    assert!(left(&project).is_empty(), "{:?}", left(&project));
}

#[test]
fn a_merge_whose_gate_fails_is_not_taken() {
    let project = project(
        r#"
  - id: twins
    workspace: worktree
    merge: { order: as_listed, gate: [{ run: "test ! -e one || test ! -e two" }] }
    parallel:
      - { id: one, run: "echo 1 > one" }
      - { id: two, run: "echo 2 > two" }
"#,
    );
    let done = project.run(&["run", "w"]);
    ends(&done, 22);
    assert!(project.root().join("one").exists() && !project.root().join("two").exists());
}

#[test]
fn what_the_user_changes_meanwhile_is_merged_too_or_stays() {
    let project = project(
        r#"
  - id: alone
    workspace: worktree
    merge: {}
    run: "sed -i s/^1$/one/ a; echo 5 >> b; while [ ! -e ROOT/go ]; do sleep 0.02; done"
"#,
    );
    let flow = project.read("workflows/w.yaml").replace("ROOT", project.root().to_str().unwrap());
    project.write("workflows/w.yaml", &flow);
    let child = project.command(&["run", "w"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    until(|| left(&project).iter().any(|folder| folder.join("tree/b").exists()));
    project.write("a", "1\n2\n3\n4\nmine\n");
    project.write("go", "");
    assert_eq!(child.unwrap().wait().unwrap().code(), Some(0));
    assert_eq!(project.read("a"), "one\n2\n3\n4\nmine\n");
    assert_eq!(project.read("b"), "5\n");
}

#[test]
fn a_kill_while_a_merge_is_judged_loses_nothing_and_takes_nothing_twice() {
    let project = project(
        r#"
  - id: twins
    workspace: worktree
    merge: { order: as_listed, gate: [{ run: "echo x >> ROOT/judged; while [ ! -e ROOT/go ]; do sleep 0.02; done" }] }
    parallel:
      - { id: one, run: "echo one >> log", recovery: manual }
      - { id: two, run: "echo 2 > two", recovery: manual }
"#,
    );
    let flow = project.read("workflows/w.yaml").replace("ROOT", project.root().to_str().unwrap());
    project.write("workflows/w.yaml", &flow);
    let mut child = project.command(&["run", "w"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| project.root().join("judged").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!project.root().join("log").exists(), "nothing is taken before its gate has passed");
    project.write("go", "");
    ends(&project.run(&["resume", &run_id(&project)]), 0);
    assert_eq!(project.read("log"), "one\n");
    assert_eq!(project.read("two"), "2\n");
    assert!(left(&project).is_empty(), "{:?}", left(&project));
}

/// Killed again and again, at any moment: everything is merged in the end, once, and nothing else of the project changes.
#[test]
fn kills_at_any_moment_lose_nothing() {
    let rounds = std::env::var("ORCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4);
    for round in 0..rounds {
        let project = project(
            r#"
  - id: build
    each: "['1', '3', '5']"
    max_parallel: 2
    workspace: worktree
    merge: { strategy: squash, gate: [{ run: "! grep -q '<<<' a" }] }
    steps:
      - { id: code, run: [sh, -c, "sed -i s/^$1$/done$1/ a; echo $1 > f$1"], args: [x, "{{ item }}"], recovery: retry }
"#,
        );
        project.write("mine", "untracked\n");
        let before = untouched(&project);
        let mut words = vec!["run".to_owned(), "w".to_owned()];
        let mut seed: u64 = 0x9e37 + round;
        for kill in 0..40 {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let mut child = project.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_millis(20 + (seed >> 33) % (150 * (kill + 1))));
            child.kill().unwrap();
            child.wait().unwrap();
            if known(&project).is_some() {
                break;
            }
        }
        for _ in 0..3 {
            words = vec!["resume".to_owned(), run_id(&project)];
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let mut child = project.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_millis((seed >> 33) % 900));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        ends(&project.run(&["resume", &run_id(&project)]), 0);
        assert_eq!(project.read("a"), "done1\n2\ndone3\n4\ndone5\n", "round {round}");
        assert_eq!(
            (project.read("f1"), project.read("f3"), project.read("f5")),
            ("1\n".into(), "3\n".into(), "5\n".into())
        );
        assert_eq!(project.read("mine"), "untracked\n");
        assert_eq!(untouched(&project), before, "round {round}");
        // The last kill may have come between the run's end and the tidying up behind it.
        let collected = project.run(&["gc"]);
        ends(&collected, 0);
        assert!(left(&project).is_empty(), "round {round}: {}", collected.stdout);
        let line = format!("refs/orch/{}/line/project", run_id(&project));
        let log = project.git(&["log", "--first-parent", "--format=%s", &line]);
        for item in 0..3 {
            let count = log.lines().filter(|line| line.starts_with(&format!("build[{item}]"))).count();
            assert_eq!(count, 1, "round {round}, item {item}:\n{log}");
        }
    }
}

#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it never came to that");
        std::thread::sleep(Duration::from_millis(10));
    }
}
