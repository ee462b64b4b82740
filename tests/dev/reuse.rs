//! What an edit has not changed is not done again; the journal says which run did it.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{support::Project, watcher::Watcher};

const FLOW: &str = r#"name: flow
steps:
  - { id: plan, agent: planner, prompt: "Plan it" }
  - id: build
    parallel:
      - { id: left, agent: worker, prompt: "Build the left", files: [left.txt] }
      - { id: right, agent: worker, prompt: "Build the right", files: [right.txt] }
  - { id: join, agent: worker, prompt: "Join: {{ build.left.result.summary }}" }
  - { id: check, run: "test -f left.txt && test -f right.txt", recovery: retry }
"#;

const RECORDING: &str = "recording: 1
workflow: flow
turns:
  - { step: plan, says: { summary: planned } }
  - { step: build/left, says: { summary: left is built }, writes: [{ path: left.txt, text: left }] }
  - { step: build/right, says: { summary: right is built }, writes: [{ path: right.txt, text: right }] }
  - { step: join, says: { summary: joined } }
";

fn project() -> Project {
    Project::new()
        .file("workflows/flow.yaml", FLOW)
        .file("workflows/recordings/flow.yaml", RECORDING)
        .file("agents/worker.md", "---\nname: worker\ndescription: works\n---\nYou work.\n")
        .file("agents/planner.md", "---\nname: planner\ndescription: plans\n---\nYou plan.\n")
}

/// The steps of the next run that did their work, and those that did not have to, as the journal has them.
fn next_run(project: &Project, dev: &mut Watcher) -> (Vec<String>, Vec<String>) {
    let ended = dev.until("run_ended");
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let told = project.run(&["watch", ended["run"].as_str().unwrap(), "--json"]);
    let events: Vec<Value> = told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps = |is_reused: bool| -> Vec<String> {
        let settled = events.iter().filter(|event| event["type"] == "step_settled" && event["container"] == false);
        let wanted = settled.filter(|event| event["reused"].is_string() == is_reused);
        let mut steps: Vec<_> = wanted.map(|event| event["step"].as_str().unwrap().to_owned()).collect();
        steps.sort();
        steps
    };
    (steps(false), steps(true))
}

#[test]
fn an_edit_runs_its_step_and_what_waits_for_it() {
    let project = project();
    let mut dev = Watcher::start(&project, &["flow"]);
    let (done, reused) = next_run(&project, &mut dev);
    assert_eq!((done.len(), reused.len()), (5, 0));
    // A command may read anything, so it is done again after every edit.
    project.write("workflows/flow.yaml", &FLOW.replace("Build the right", "Build the right side"));
    assert_eq!(next_run(&project, &mut dev), (words("build/right check join"), words("build/left plan")));
    // Nothing has changed: nothing is done.
    dev.say("");
    assert_eq!(next_run(&project, &mut dev), (words(""), words("build/left build/right check join plan")));
    // An agent's own text is part of what it is told.
    project.write("agents/planner.md", "---\nname: planner\ndescription: plans\n---\nYou plan well.\n");
    assert_eq!(next_run(&project, &mut dev).0, words("build/left build/right check join plan"));
    // What answers for agents counts as well.
    project.write("workflows/recordings/flow.yaml", &RECORDING.replace("text: left }", "text: more }"));
    assert_eq!(next_run(&project, &mut dev), (words("build/left check join"), words("build/right plan")));
    assert_eq!(project.read("left.txt"), "more");
    dev.say("r");
    assert_eq!(next_run(&project, &mut dev).0.len(), 5, "r does everything anew");
    let status = project.run(&["status"]).stdout;
    assert!(status.contains("succeeded") || status.contains("PASS"), "{status}");
    assert_eq!(dev.typed("q"), 0);
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn work_counts_only_while_its_files_are_as_it_left_them() {
    let project = project();
    let mut dev = Watcher::start(&project, &["flow"]);
    next_run(&project, &mut dev);
    fs::write(project.root().join("left.txt"), "somebody else").unwrap();
    dev.say("");
    let (done, reused) = next_run(&project, &mut dev);
    assert!(done.contains(&"build/left".to_owned()), "{done:?}");
    assert_eq!(project.read("left.txt"), "left");
    assert!(reused.contains(&"plan".to_owned()) && reused.contains(&"build/right".to_owned()), "{reused:?}");
    fs::remove_file(project.root().join("right.txt")).unwrap();
    dev.say("");
    assert!(next_run(&project, &mut dev).0.contains(&"build/right".to_owned()));
    // Any file counts for a command.
    fs::write(project.root().join("stranger.txt"), "new").unwrap();
    dev.say("");
    assert_eq!(next_run(&project, &mut dev).0, words("check"));
    assert_eq!(dev.typed("q"), 0);
}

#[test]
fn a_gate_judges_again_and_a_failed_one_is_not_remembered() {
    let gated = FLOW.replace("prompt: \"Plan it\" }", "prompt: \"Plan it\", gate: [{ run: \"test -f allowed\" }] }");
    let project = project().file("workflows/flow.yaml", &gated);
    let mut dev = Watcher::start(&project, &["flow"]);
    assert_eq!(dev.until("run_ended")["exit_code"], 22);
    fs::write(project.root().join("allowed"), "").unwrap();
    dev.say("");
    assert_eq!(next_run(&project, &mut dev).1, words(""));
    dev.say("");
    assert_eq!(next_run(&project, &mut dev).1, words("build/left build/right check join plan"));
    fs::remove_file(project.root().join("allowed")).unwrap();
    dev.say("");
    assert_eq!(dev.until("run_ended")["exit_code"], 22, "the gate was not asked again");
    assert_eq!(dev.typed("q"), 22);
}

#[test]
fn a_run_keeps_its_plan_and_the_newest_one_follows() {
    let steps = |word: &str| {
        format!(
            "name: flow\nsteps:\n  - {{ id: wait, run: \"echo {word} >> said; while ! test -f go; do sleep 0.05; done\", recovery: retry }}\n"
        )
    };
    let project = Project::new().file("workflows/flow.yaml", &steps("first"));
    let mut dev = Watcher::start(&project, &["flow"]);
    dev.until("attempt_started");
    for word in ["second", "third"] {
        project.write("workflows/flow.yaml", &steps(word));
        dev.state();
    }
    assert_eq!(dev.runs_started(), 1);
    fs::write(project.root().join("go"), "").unwrap();
    dev.until("run_ended");
    dev.until("run_ended");
    assert_eq!(project.read("said"), "first\nthird\n");
    assert_eq!(dev.typed("q"), 0);
}

#[test]
fn an_edit_may_end_what_runs_and_ctrl_c_leaves_nothing() {
    let steps = |word: &str| {
        format!("name: flow\nsteps:\n  - {{ id: wait, run: \"echo $$ > {word}; exec sleep 600\", recovery: retry }}\n")
    };
    let project = Project::new().file("workflows/flow.yaml", &steps("first"));
    let mut dev = Watcher::start(&project, &["flow", "--restart"]);
    let first = pid(&project, "first");
    project.write("workflows/flow.yaml", &steps("second"));
    assert_eq!(dev.until("run_ended")["status"], "cancelled");
    let second = pid(&project, "second");
    assert!(kill(first, None).is_err(), "the first run is still there");
    kill(Pid::from_raw(i32::try_from(dev.pid()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(dev.ended(), 130);
    assert!(kill(second, None).is_err(), "something is left of the second run");
    assert!(dev.seen().iter().any(|event| event["type"] == "dev_state"));
}

/// The process that has written its number there.
fn pid(project: &Project, file: &str) -> Pid {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = fs::read_to_string(project.root().join(file)).unwrap_or_default();
        if let Ok(number) = text.trim().parse() {
            return Pid::from_raw(number);
        }
        assert!(Instant::now() < deadline, "{file} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}
