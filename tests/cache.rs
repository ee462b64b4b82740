//! The step cache as people meet it: what is taken, what is done, what comes back, and what is never trusted.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use support::{Done, Project};

/// Counts its starts outside the project, changes, makes and deletes files, and says what it has cost.
const AGENT: &str = r#"echo start >> "$HOME/starts"
cat > /dev/null
if [ -f "$HOME/broken" ]; then echo half > out.txt; exit 3; fi
version=v1
if [ -f "$HOME/strict" ]; then version=v2; fi
echo "made from $(cat source.txt) $version" > out.txt
mkdir -p bin
printf '#!/bin/sh\n' > bin/tool
chmod 755 bin/tool
rm -f old.txt
echo '{"status":"succeeded","summary":"it is made","output":{"n":1},"usage":{"input_tokens":1000,"output_tokens":50,"usd_micros":250000}}' > "$ORCH_OUTPUT"
"#;

/// The agent counts outside of its workspace.
const SETTINGS: &str = "sandbox = \"off\"\nruntime = \"stub\"\n[runtimes.stub]\ncommand = [\"sh\", \"./agent.sh\"]\n\
    [runtimes.other]\ncommand = [\"sh\", \"./agent.sh\"]\n";

const FLOW: &str = "name: flow
inputs:
  words: { type: string, default: some }
steps:
  - { id: before, run: echo one, recovery: retry }
  - { id: work, agent: worker, prompt: \"Do {{ inputs.words }}\", model: small, tools: [Read, Edit], skills: [style], cache: true }
";

const WORKER: &str = "---\nname: worker\ndescription: works\nconstraints: [be brief]\n---\nYou work.\n";

fn project(flow: &str) -> Project {
    Project::new()
        .file("orch.toml", SETTINGS)
        .file("agent.sh", AGENT)
        .file("workflows/flow.yaml", flow)
        .file("agents/worker.md", WORKER)
        .file("skills/style/SKILL.md", "---\nname: style\ndescription: style\n---\nWrite well.\n")
        .file("source.txt", "one")
        .file("old.txt", "old")
        .file("notes.txt", "notes")
}

fn starts(project: &Project) -> usize {
    fs::read_to_string(project.home().join("starts")).unwrap_or_default().lines().count()
}

fn run(project: &Project, words: &[&str]) -> Vec<Value> {
    let done = project.run(&[&["run", "flow", "--json"], words].concat());
    let events: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = events.last().unwrap_or_else(|| panic!("{}{}", done.stdout, done.stderr));
    assert_eq!((done.code, end["status"].as_str()), (Some(0), Some("succeeded")), "{}{}", done.stdout, done.stderr);
    events
}

/// Whether the step was taken from an earlier run.
fn is_taken(events: &[Value], step: &str) -> bool {
    let settled = |event: &&Value| event["type"] == "step_settled" && event["step"] == step;
    events.iter().find(settled).unwrap_or_else(|| panic!("{step} did not settle"))["reused"].is_string()
}

/// All files of the project with their contents and whether they may be executed.
fn tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, bool)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".orch") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                files
                    .insert(path.strip_prefix(root).unwrap().to_owned(), (fs::read(&path).unwrap(), mode & 0o100 != 0));
            }
        }
    }
    files
}

/// The files as before the first run.
fn reset(project: &Project) {
    for path in ["out.txt", "bin/tool"] {
        fs::remove_file(project.root().join(path)).unwrap();
    }
    fs::remove_dir(project.root().join("bin")).unwrap();
    project.write("old.txt", "old");
}

/// The files of the cache below a folder of it.
fn cached(project: &Project, below: &str) -> Vec<PathBuf> {
    let root = project.root().join(".orch/state/cache").join(below);
    let folders = fs::read_dir(root).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.collect()
}

#[test]
fn the_second_run_starts_no_agent_and_leaves_the_same_files() {
    let project = project(FLOW);
    let first = run(&project, &[]);
    assert!(!is_taken(&first, "work"));
    assert_eq!(first.last().unwrap()["cache"]["misses"], 1);
    let after = tree(&project.root());
    assert!(after[Path::new("bin/tool")].1 && !after.contains_key(Path::new("old.txt")));
    // Nothing has changed but by the run itself.
    let second = run(&project, &[]);
    assert!(is_taken(&second, "work"));
    assert_eq!((starts(&project), tree(&project.root())), (1, after.clone()));
    // Back where it began: everything is put back, deletions and the executable bit too.
    reset(&project);
    let third = run(&project, &[]);
    assert!(is_taken(&third, "work"));
    assert_eq!((starts(&project), tree(&project.root())), (1, after));
    let end = third.last().unwrap();
    assert_eq!((&end["spent"]["agents"], &end["spent"]["usage"]["usd_micros"]), (&0.into(), &0.into()), "{end}");
    assert_eq!((&end["cache"]["hits"], &end["cache"]["saved"]["usd_micros"]), (&1.into(), &250_000.into()), "{end}");
    // The journal tells the same story, also to whoever reads it later.
    let told = project.run(&["watch", "--json"]);
    assert_eq!(told.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>(), third);
    let first_run = first[0]["run"].as_str().unwrap();
    assert!(told.stdout.contains(&format!("\"reused\":\"{first_run}/")), "{}", told.stdout);
    let status = project.run(&["status", "--json"]).json(0);
    assert_eq!(status["cache"]["hits"], 1);
    let cost = project.run(&["cost", third[0]["run"].as_str().unwrap()]);
    assert!(cost.stdout.contains("step cache: 1 hit, 0 misses, saved $0.25"), "{}", cost.stdout);
    let shown = project.run(&["run", "flow"]);
    assert!(
        shown.stderr.contains("REUSED") && shown.stderr.contains("cache: 1 hit, 0 misses, saved $0.25"),
        "{}",
        shown.stderr
    );
}

/// A change of one file: its name, a text in it, and what takes its place.
type Edit = (&'static str, &'static str, &'static str);

#[test]
fn everything_that_the_step_is_told_is_part_of_its_key() {
    // The files of the project do not count here, so only the key can tell the difference.
    let flow =
        FLOW.replace("cache: true", "cache: { key: \"k\" }, output: { n: integer }, files: [out.txt, bin, old.txt]");
    let project = project(&flow);
    run(&project, &[]);
    run(&project, &[]);
    let mut expected = 1;
    assert_eq!(starts(&project), expected);
    let edits: [Edit; 11] = [
        ("workflows/flow.yaml", "Do {{", "Undo {{"),
        ("workflows/flow.yaml", "model: small", "model: large"),
        ("workflows/flow.yaml", "[Read, Edit]", "[Read, Edit, Bash]"),
        ("workflows/flow.yaml", "echo one", "echo two"),
        ("workflows/flow.yaml", "n: integer", "n: number"),
        ("workflows/flow.yaml", "key: \"k\"", "key: \"k2\""),
        ("workflows/flow.yaml", "files: [out.txt,", "files: [out2.txt, out.txt,"),
        ("workflows/flow.yaml", "id: work", "id: labour"),
        ("agents/worker.md", "You work.", "You work hard."),
        ("agents/worker.md", "be brief", "be long"),
        ("skills/style/SKILL.md", "Write well.", "Write badly."),
    ];
    for (path, old, new) in edits {
        let text = project.read(path);
        assert!(text.contains(old), "{old}");
        project.write(path, &text.replace(old, new));
        run(&project, &[]);
        expected += 1;
        assert_eq!(starts(&project), expected, "{new}");
        project.write(path, &text);
        run(&project, &[]);
        assert_eq!(starts(&project), expected, "{new}, and back");
    }
    for words in [&["-i", "words=others"][..], &["--runtime", "other"]] {
        run(&project, words);
        expected += 1;
        assert_eq!(starts(&project), expected, "{words:?}");
    }
    let other = project.variable("LC_ALL", "C");
    run(&other, &[]);
    assert_eq!(starts(&other), expected + 1, "what commands get of the environment");
}

#[test]
fn every_file_of_the_project_counts_unless_the_author_says_what_does() {
    let project = project(FLOW);
    run(&project, &[]);
    let root = project.root();
    let changes: [(&str, &dyn Fn()); 6] = [
        ("a source", &|| project.write("source.txt", "two")),
        ("any file", &|| project.write("notes.txt", "others")),
        ("a new file", &|| project.write("new.txt", "")),
        ("a file less", &|| fs::remove_file(root.join("new.txt")).unwrap()),
        ("an executable bit", &|| {
            fs::set_permissions(root.join("notes.txt"), fs::Permissions::from_mode(0o755)).unwrap()
        }),
        ("its own file, by another hand", &|| project.write("out.txt", "by hand")),
    ];
    let mut expected = 1;
    for (what, change) in changes {
        change();
        // Back to what was there before is no change.
        if what != "a file less" {
            let events = run(&project, &[]);
            expected += 1;
            assert!(!is_taken(&events, "work") && starts(&project) == expected, "{what}");
        }
        assert!(is_taken(&run(&project, &[]), "work"), "{what}: the second time");
    }
    assert_eq!(project.read("out.txt"), "made from two v1\n");
}

#[test]
fn work_behind_a_step_is_no_change_and_chains_come_back() {
    let flow = "name: flow
steps:
  - { id: draft, agent: worker, prompt: Draft, cache: true }
  - { id: polish, run: \"echo polished >> out.txt; date +%N > stamp.txt\", recovery: retry, cache: true }
  - { id: report, run: \"cp out.txt report.txt\", recovery: retry }
";
    let project = project(flow);
    run(&project, &[]);
    let after = tree(&project.root());
    for _ in 0..2 {
        let events = run(&project, &[]);
        assert!(is_taken(&events, "draft") && is_taken(&events, "polish"));
        assert_eq!((starts(&project), tree(&project.root())), (1, after.clone()));
    }
    project.write("report.txt", "edited");
    assert!(!is_taken(&run(&project, &[]), "draft"), "a person's edit is a change");
}

#[test]
fn a_plan_says_what_would_be_taken() {
    let flow = "name: flow
steps:
  - { id: first, run: \"echo start >> ../home/starts; echo 1 > a.txt\", recovery: retry, cache: true }
  - { id: then, run: \"echo 2 > b.txt\", recovery: retry, cache: true }
  - { id: last, run: ls, recovery: retry }
";
    let project = project(flow);
    let foreseen = || project.run(&["plan", "flow", "--json"]).json(0)["step_cache"].clone();
    assert_eq!(foreseen()[0], serde_json::json!({ "step": "first", "would": "be done" }));
    let told = run(&project, &[]);
    let from = format!("{}/0-1", told[0]["run"].as_str().unwrap());
    assert_eq!(foreseen()[0], serde_json::json!({ "step": "first", "would": "be taken", "from": from }));
    assert_eq!(foreseen()[1], serde_json::json!({ "step": "then", "would": "depend", "on": "first" }));
    assert_eq!(foreseen().as_array().unwrap().len(), 2);
    let shown = project.run(&["plan", "flow"]).stdout;
    assert!(
        shown.contains("cache  first  would be taken from run ") && shown.contains("cache  then   depends on first"),
        "{shown}"
    );
    project.write("notes.txt", "other");
    assert_eq!(foreseen()[0]["would"], "be done");
    assert_eq!((starts(&project), project.root().join("b.txt").is_file()), (1, true), "a plan does nothing");
}

#[test]
fn time_passes_and_people_refuse() {
    let short = project(&FLOW.replace("cache: true", "cache: { ttl: 1ms }"));
    run(&short, &[]);
    assert!(!is_taken(&run(&short, &[]), "work"), "its time has passed");
    let project = project(FLOW);
    run(&project, &["--no-cache"]);
    assert!(cached(&project, "steps").is_empty());
    run(&project, &[]);
    assert!(!is_taken(&run(&project, &["--no-cache"]), "work"));
    assert!(!is_taken(&run(&project, &["--refresh"]), "work"));
    assert!(is_taken(&run(&project, &[]), "work"));
    let project = project.variable("ORCH_CACHE_STEPS", "off");
    assert!(!is_taken(&run(&project, &[]), "work"));
    let project = project.variable("ORCH_CACHE_STEPS", "on").variable("ORCH_CACHE_FILES", "off");
    assert!(!is_taken(&run(&project, &[]), "work"), "nothing of another process is looked at");
    let project = project.variable("ORCH_CACHE_FILES", "on").variable("ORCH_CACHE_TTL", "1s");
    assert_eq!(project.run(&["cache", "--json"]).json(0)["on"], true);
    let held = project.run(&["cache"]);
    assert!(held.stdout.starts_with(".orch/state/cache: ") && held.stdout.contains("1 step in"), "{}", held.stdout);
    assert_eq!(project.run(&["cache", "clear"]).code, Some(0));
    assert_eq!(project.run(&["cache", "--json"]).json(0)["entries"], 0);
}

#[test]
fn who_goes_on_with_a_run_says_again_what_the_cache_is_for() {
    let flow = FLOW.replace("run: echo one, recovery: retry", "approve: \"Go on?\"");
    let project = project(&flow);
    let goes_on = |words: &[&str]| {
        assert_eq!(project.run(&["run", "flow", "--on-approval", "wait"]).code, Some(20));
        let waiting = project.run(&["inbox", "--json"]).json(0)[0]["id"].as_str().map(str::to_owned);
        let id = waiting.unwrap_or_else(|| panic!("nobody waits: {:?}", project.run(&["inbox", "--json"])));
        assert_eq!(project.run(&["approve", &id, "before"]).code, Some(0));
        let before = starts(&project);
        let done = project.run(&[&["resume", &id], words].concat());
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
        starts(&project) - before
    };
    assert_eq!(goes_on(&[]), 1, "the answer of a person is a part of what the step is told");
    assert_eq!(goes_on(&[]), 0);
    assert_eq!(goes_on(&["--no-cache"]), 1);
    assert_eq!(goes_on(&["--refresh"]), 1);
    assert_eq!(goes_on(&[]), 0);
}

#[test]
fn what_failed_is_never_taken_and_gates_always_judge() {
    let flow = FLOW
        .replace("cache: true }", "cache: true, gate: [{ run: \"test ! -f ../home/strict || grep -q v2 out.txt\" }] }");
    let project = project(&flow);
    let flag = |name: &str| project.home().join(name);
    fs::write(flag("broken"), "").unwrap();
    assert_eq!(project.run(&["run", "flow"]).code, Some(1));
    assert!(cached(&project, "steps").is_empty(), "a failed attempt");
    fs::remove_file(flag("broken")).unwrap();
    fs::remove_file(project.root().join("out.txt")).unwrap();
    assert!(!is_taken(&run(&project, &[]), "work"));
    let before = starts(&project);
    // What was kept does not pass any more: the step works for real, once.
    fs::write(flag("strict"), "").unwrap();
    let events = run(&project, &[]);
    assert_eq!(starts(&project), before + 1);
    assert!(!is_taken(&events, "work") && events.iter().any(|event| event["type"] == "redone"), "{events:?}");
    assert_eq!(project.read("out.txt"), "made from one v2\n");
    assert_eq!(cached(&project, "steps").len(), 1, "what did not pass is forgotten");
    assert!(is_taken(&run(&project, &[]), "work"), "the new work is kept in place of the old");
    // Work that fails its own gates leaves nothing behind.
    let never = flow.replace("grep -q v2 out.txt", "false");
    project.write("workflows/flow.yaml", &never);
    assert_eq!(project.run(&["run", "flow"]).code, Some(22));
    let before = starts(&project);
    assert_eq!(project.run(&["run", "flow"]).code, Some(22));
    assert_eq!(starts(&project), before + 1);
}

#[test]
fn a_step_that_goes_on_over_a_failed_gate_is_not_kept() {
    let flow = FLOW.replace(
        "cache: true }",
        "cache: true, gate: [{ run: \"false\" }], on_gate_fail: { tries: 0, then: continue } }",
    );
    let project = project(&flow);
    run(&project, &[]);
    assert!(cached(&project, "steps").is_empty());
    assert!(!is_taken(&run(&project, &[]), "work"));
}

/// Flips one bit of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_somebody_else_wrote_is_not_there() {
    let project = project(FLOW);
    run(&project, &[]);
    let after = tree(&project.root());
    damage(&cached(&project, "steps")[0]);
    let done = project.run(&["run", "flow"]);
    assert!(done.code == Some(0) && done.stderr.contains("is not taken"), "{}", done.stderr);
    assert_eq!(starts(&project), 2, "an entry that has changed");
    for content in cached(&project, "files") {
        damage(&content);
    }
    reset(&project);
    run(&project, &[]);
    assert_eq!((starts(&project), tree(&project.root())), (3, after), "a file that has changed");
    assert!(is_taken(&run(&project, &[]), "work"));
    let stranger = project.home().join("stranger").display().to_string();
    let project = project.variable("XDG_STATE_HOME", &stranger);
    // Which folder the user's state is in is no part of what a command gets, so the key is the same.
    assert!(!is_taken(&run(&project, &[]), "work"), "an entry of somebody else");
}

#[test]
fn steps_that_work_at_once_say_which_files_are_theirs() {
    let flow = |files: bool| {
        let own = |name: &str| if files { format!(", files: [{name}.txt]") } else { String::new() };
        let step = |name: &str| {
            format!(
                "      - {{ id: {name}, run: \"echo x > ../home/{name}; while ! test -f ../home/a || ! test -f ../home/b; do sleep 0.01; done; echo {name} > {name}.txt; echo start >> ../home/starts\", recovery: retry, cache: true{} }}\n",
                own(name)
            )
        };
        format!("name: flow\nsteps:\n  - id: both\n    parallel:\n{}{}", step("a"), step("b"))
    };
    let project = project(&flow(false));
    run(&project, &["--parallel", "2"]);
    assert!(cached(&project, "steps").is_empty(), "nobody knows whose files they are");
    project.write("workflows/flow.yaml", &flow(true));
    run(&project, &["--parallel", "2"]);
    let before = starts(&project);
    for name in ["a.txt", "b.txt"] {
        fs::remove_file(project.root().join(name)).unwrap();
    }
    run(&project, &["--parallel", "2"]);
    // The two of the run before have left them, so they began with them.
    let after = starts(&project);
    assert_eq!((project.read("a.txt"), project.read("b.txt")), ("a\n".to_owned(), "b\n".to_owned()));
    assert!(is_taken(&run(&project, &["--parallel", "2"]), "both/a"));
    assert_eq!(starts(&project), after, "before: {before}");
}

#[test]
fn two_processes_at_once_leave_a_whole_cache() {
    let project = project(FLOW);
    for round in 0..3 {
        let both: Vec<_> = (0..2)
            .map(|_| project.command(&["run", "flow", "--json"]).stdout(Stdio::null()).spawn().unwrap())
            .collect();
        for mut child in both {
            assert!(child.wait().unwrap().success(), "round {round}");
        }
    }
    let before = starts(&project);
    let after = tree(&project.root());
    reset(&project);
    assert!(is_taken(&run(&project, &[]), "work"));
    assert_eq!((starts(&project), tree(&project.root())), (before, after));
}

#[test]
fn a_run_that_is_killed_while_work_is_taken_goes_on() {
    let mut flow = "name: flow\nsteps:\n".to_owned();
    for step in 0..8 {
        flow.push_str(&format!(
            "  - {{ id: s{step}, run: \"echo start >> ../home/starts; mkdir -p d; for i in 1 2 3 4 5 6 7 8; do echo {step} > d/f{step}.$i; done\", recovery: retry, cache: true }}\n"
        ));
    }
    let project = project(&flow);
    run(&project, &[]);
    let after = tree(&project.root());
    for lines in [2, 4, 7, 9, 12, 15] {
        fs::remove_dir_all(project.root().join("d")).unwrap();
        let mut child = project.command(&["run", "flow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
        for _ in 1..lines {
            told.next();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let run = first["run"].as_str().unwrap();
        let Done { code, stdout, stderr } = project.run(&["resume", run]);
        assert!(code == Some(0) || stderr.contains("has ended"), "{lines}: {stdout}{stderr}");
        assert_eq!(tree(&project.root()), after, "killed after {lines} lines");
        assert_eq!(starts(&project), 8, "killed after {lines} lines");
    }
}

#[test]
fn the_cache_stays_within_its_size() {
    let flow = "name: flow
inputs: { words: string }
steps:
  - { id: work, run: \"yes $ORCH_INPUT_WORDS | head -c 600000 > big.txt\", recovery: retry, cache: true }
";
    let project = project(flow).variable("ORCH_CACHE_SIZE", "1M");
    for words in ["a", "b", "c"] {
        run(&project, &["-i", &format!("words={words}")]);
    }
    let state = project.run(&["cache", "--json"]).json(0);
    assert!(state["bytes"].as_u64().unwrap() <= 1_000_000 && state["entries"] == 1, "{state}");
    assert!(is_taken(&run(&project, &["-i", "words=c"]), "work"), "the last one is kept");
}

#[test]
fn what_could_never_be_taken_is_refused() {
    for (step, word) in [
        ("{ id: a, approve: \"Go on?\", cache: true }", "`cache`"),
        ("{ id: a, each: \"[1]\", cache: true, steps: [{ run: ls }] }", "`cache`"),
        ("{ id: a, run: ls, workspace: scratch, cache: true }", "E0235"),
        ("{ id: a, run: ls, cache: { ttl: soon } }", "`soon`"),
        ("{ id: a, run: ls, cache: { key: \"{{ nobody }}\" } }", "nobody"),
    ] {
        let project = project(&format!("name: flow\nsteps:\n  - {step}\n"));
        let done = project.run(&["check"]);
        assert!(done.code == Some(10) && done.stdout.contains(word), "{step}: {}{}", done.stdout, done.stderr);
    }
    let shared = "name: flow\nsteps:\n  - { id: a, agent: worker, prompt: x }\n  - { id: b, agent: worker, prompt: y, context: \"share:a\", cache: true }\n";
    let done = project(shared).run(&["check"]);
    assert!(done.code == Some(10) && done.stdout.contains("E0235") && done.stdout.contains("fork:"), "{}", done.stdout);
}

/// What was made without a sandbox, or with another one, is not what would be made now.
#[test]
fn the_sandbox_is_a_part_of_the_key() {
    let flow = |sandbox: &str| {
        format!(
            "name: flow\nsteps:\n  - {{ id: work, agent: worker, prompt: Do, model: small, sandbox: {sandbox}, cache: true }}\n"
        )
    };
    let project = project(&flow("{ mode: workspace-write, write: [~/] }"));
    if !project.run(&["doctor"]).stdout.contains("own namespaces work") {
        eprintln!("SKIPPED: this machine makes no namespaces");
        return;
    }
    let run = |sandbox: &str| {
        project.write("workflows/flow.yaml", &flow(sandbox));
        fs::write(project.root().join("old.txt"), "old").unwrap();
        let done = project.run(&["run", "flow"]);
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
        starts(&project)
    };
    for (expected, sandbox) in [
        (1, "{ mode: workspace-write, write: [~/] }"),
        (1, "{ mode: workspace-write, write: [~/] }"),
        (2, "{ mode: workspace-write, write: [~/], network: none }"),
        (3, "{ mode: workspace-write, write: [~/, /var/empty] }"),
        (4, "off"),
        (4, "off"),
        (4, "{ mode: workspace-write, write: [~/] }"),
    ] {
        assert_eq!(run(sandbox), expected, "{sandbox}");
    }
    // The same words of the step, and another sandbox by the words of a person.
    let sandbox = "{ mode: off, write: [~/] }";
    assert_eq!(run(sandbox), 5);
    for _ in 0..2 {
        fs::write(project.root().join("old.txt"), "old").unwrap();
        let done = project.run(&["run", "flow", "--sandbox", "workspace-write"]);
        assert_eq!((done.code, starts(&project)), (Some(0), 6), "{}{}", done.stdout, done.stderr);
    }
}
