//! Every way in which a run is stuck or has failed names its reason and a command; the command, typed as it stands,
//! works or moves the run on.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use support::{Done, Project};

/// An agent that reports 1,200 tokens; its prompt decides how it ends.
const AGENT: &str = r#"#!/bin/sh
set -eu
prompt=$(cat)
case $prompt in
    *"be slow"*) sleep 30 ;;
    *"no login"*) echo "Not logged in. Please run /login" >&2; exit 1 ;;
    *"quota"*) echo "You have hit your usage limit" >&2; exit 1 ;;
esac
printf '{"status":"succeeded","summary":"done","usage":{"input_tokens":600,"output_tokens":600}}' > "$ORCH_OUTPUT"
"#;

/// A project with one runtime, one agent, and one workflow `w` with these steps.
fn project(head: &str, steps: &str) -> Project {
    Project::bare()
        .file("orch.toml", "[runtimes.sh]\ncommand = [\"sh\", \"agents/agent.sh\"]\noutput = \"json\"\n")
        .file("agents/agent.sh", AGENT)
        .file("agents/worker.md", "---\nname: worker\ndescription: Works\ntools: Read\n---\nYou work.\n")
        .file("workflows/w.yaml", &format!("name: w\n{head}steps:\n{steps}"))
}

/// The commands that an output names, in their order: after `next:`, `or:` and `then:`, or in back-quotes of the help.
fn commands(text: &str) -> Vec<String> {
    let labelled = |line: &str| {
        let line = line.trim();
        ["next: ", "or: ", "then: "].iter().find_map(|label| line.strip_prefix(label).map(str::to_owned))
    };
    let told: Vec<_> = text.lines().filter_map(labelled).filter(|line| line.starts_with("orch ")).collect();
    if !told.is_empty() {
        return told;
    }
    text.split('`').skip(1).step_by(2).filter(|part| part.starts_with("orch ")).map(str::to_owned).collect()
}

/// Types a command as a person would who copies it.
#[track_caller]
fn copied(project: &Project, command: &str) -> Done {
    let mut words = shell_words::split(command).unwrap();
    assert_eq!(words.remove(0), "orch");
    project.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The output of a stuck run says `reason` and ends with `code`; gives the commands it names, of which there must be one.
#[track_caller]
fn stuck(done: &Done, code: i32, reason: &str) -> Vec<String> {
    let text = format!("{}{}", done.stdout, done.stderr);
    assert_eq!(done.code, Some(code), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(reason), "expected the reason `{reason}` in\n{text}");
    let commands = commands(&text);
    assert!(!commands.is_empty(), "no command in\n{text}");
    commands
}

/// The first command works as it stands.
#[track_caller]
fn works(project: &Project, command: &str) -> Done {
    let done = copied(project, command);
    assert_eq!(done.code, Some(0), "`{command}`: {}{}", done.stdout, done.stderr);
    done
}

/// What `orch status` says of the latest run.
fn status(project: &Project) -> serde_json::Value {
    project.run(&["status", "--json"]).json(0)
}

/// `orch status` names the same commands as the end of the run.
#[track_caller]
fn status_agrees(project: &Project, commands: &[String]) {
    let status = status(project);
    let mut next: Vec<_> =
        status["next"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    next.extend(status["then"].as_str().map(str::to_owned));
    assert_eq!(next, commands);
}

/// Starts `orch` and waits until `file` of the project is there.
fn begun(project: &Project, words: &[&str], file: &str) -> Child {
    let child = project.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| project.root().join(file).exists());
    child
}

#[track_caller]
fn until(mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(30), "not reached");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_question_waits() {
    let project = project("", "  - { id: ok, approve: \"Go on?\" }\n  - { id: after, run: \"true\" }\n");
    let next = stuck(&project.run(&["run", "w"]), 20, "for a decision about ok");
    status_agrees(&project, &next);
    // Going on without an answer tells the same again.
    let again = stuck(&project.run(&["resume"]), 20, "for a decision about ok");
    assert_eq!(again, next);
    let done = works(&project, &next[0]);
    assert_eq!(commands(&done.stdout), [next.last().unwrap().clone()]);
    works(&project, next.last().unwrap());
    assert_eq!(status(&project)["status"], "succeeded");
}

#[test]
fn a_question_of_a_gate_waits() {
    let project = project("", "  - { id: make, run: echo made, recovery: retry, gate: [{ approve: \"Good?\" }] }\n");
    let next = stuck(&project.run(&["run", "w"]), 20, "for a decision about make");
    works(&project, &next[0]);
    let done = works(&project, next.last().unwrap());
    assert!(done.stderr.contains("approve: approved by tester"), "the report names who decided: {}", done.stderr);
}

#[test]
fn a_form_waits_and_its_command_fills_every_field() {
    let steps = "  - id: ask
    ask: \"What is it?\"
    output: { title: string, pages: integer, draft: boolean, tags: [string] }
  - { id: after, run: \"true\" }
";
    let project = project("", steps);
    let next = stuck(&project.run(&["run", "w", "--on-approval", "approve"]), 20, "for a decision about ask");
    status_agrees(&project, &next);
    stuck(&project.run(&["approve", status(&project)["id"].as_str().unwrap(), "ask"]), 2, "not filled in");
    works(&project, &next[0]);
    works(&project, next.last().unwrap());
}

#[test]
fn two_questions_wait() {
    let steps = "  - parallel:
      - { id: left, approve: \"Left?\" }
      - { id: right, approve: \"Right?\" }
";
    let project = project("", steps);
    let next = stuck(&project.run(&["run", "w"]), 20, "for a decision about parallel/right");
    status_agrees(&project, &next);
    let run = status(&project)["id"].as_str().unwrap().to_owned();
    let which = stuck(&project.run(&["approve", &run]), 2, "asks more than one thing");
    works(&project, &which[0]);
    let next = stuck(&project.run(&["status"]).with_code(20), 20, "waits for: decision about parallel/right");
    let done = works(&project, &next[0]);
    // With the last answer the run has ended; what is told after it must not go on with it.
    assert_eq!(commands(&done.stdout), [format!("orch status {run}")]);
    works(&project, next.last().unwrap());
}

#[test]
fn a_person_said_no() {
    let project = project("", "  - { id: ok, approve: \"Go on?\" }\n");
    let next = stuck(&project.run(&["run", "w"]), 20, "a decision about ok");
    works(&project, &next[1]);
    let next = stuck(&project.run(&["watch"]), 21, "rejected by tester: WHY");
    status_agrees(&project, &next);
    works(&project, &next[0]);
    // Asked again, the answer may be another one.
    let next = stuck(&copied(&project, &next[1]), 20, "a decision about ok");
    works(&project, &next[0]);
    works(&project, next.last().unwrap());
}

#[test]
fn nobody_was_there_to_say_yes() {
    let project = project("", "  - { id: ok, approve: \"Go on?\" }\n");
    let next = stuck(&project.run(&["run", "w", "--on-approval", "fail"]), 21, "nobody was there to ask");
    works(&project, &next[0]);
    stuck(&copied(&project, &next[1]), 20, "a decision about ok");
}

#[test]
fn a_gate_failed() {
    let gate = "  - { id: make, run: echo text > out.txt, recovery: retry, gate: [{ run: test -f wanted }] }\n";
    let project = project("", gate);
    let next = stuck(&project.run(&["run", "w"]), 22, "`test -f wanted` ended with exit code 1");
    status_agrees(&project, &next);
    works(&project, &next[0]);
    stuck(&copied(&project, &next[1]), 22, "ended with exit code 1");
    project.write("wanted", "");
    works(&project, &next[1]);
}

#[test]
fn a_gate_had_no_verdict() {
    let gate = "  - { id: make, run: echo text, recovery: retry, gate: [{ run: ./judge }] }\n";
    let project = project("", gate);
    let next = stuck(&project.run(&["run", "w"]), 22, "the gate could not be judged");
    works(&project, &next[0]);
    stuck(&copied(&project, &next[1]), 22, "the gate could not be judged");
}

#[test]
fn a_gate_names_a_missing_program() {
    let project = project("", "  - { id: make, run: echo x, recovery: retry, gate: [{ run: nowhere-to-be-found }] }\n");
    let next = stuck(&project.run(&["run", "w"]), 22, "verdict error before the start: programs are not on PATH");
    copied(&project, &next[0]);
    assert_eq!(project.run(&["runs", "--json"]).json(0), serde_json::json!([]));
}

#[test]
fn a_step_names_a_missing_program() {
    let project = project("", "  - { id: make, run: nowhere-to-be-found --now }\n");
    stuck(&project.run(&["run", "w"]), 43, "programs are not on PATH: `nowhere-to-be-found` for the step `make`");
}

#[test]
fn a_runtime_is_missing() {
    let project = project("", "  - { id: one, agent: worker, prompt: One }\n");
    project.write("orch.toml", "");
    let next = stuck(&project.run(&["run", "w"]), 43, "`one` needs an agent and no runtime is declared");
    assert!(next[0].starts_with("orch init"), "{next:?}");
}

#[test]
fn an_agent_is_not_logged_in() {
    let project = project("", "  - { id: one, agent: worker, prompt: no login }\n");
    let next = stuck(&project.run(&["run", "w"]), 43, "Not logged in");
    assert_eq!(next[0], "orch doctor");
    status_agrees(&project, &next);
    stuck(&copied(&project, next.last().unwrap()), 43, "Not logged in");
}

#[test]
fn an_attempt_has_no_known_outcome() {
    let project =
        project("", "  - { id: deploy, run: \"echo x >> begun; sleep 60\" }\n  - { id: after, run: \"true\" }\n");
    let mut child = begun(&project, &["run", "w"], "begun");
    child.kill().unwrap();
    child.wait().unwrap();
    for words in [["watch"].as_slice(), &["resume"]] {
        let next = stuck(&project.run(words), 30, "word of how deploy ended");
        status_agrees(&project, &next);
    }
    let next = commands(&project.run(&["status"]).stdout);
    let done = works(&project, &next[1]);
    assert!(next[1].ends_with("--as done") && done.stderr.contains("tester says that it was done"), "{}", done.stderr);
    assert_eq!(project.read("begun"), "x\n");
}

#[test]
fn an_attempt_that_may_run_again_was_interrupted() {
    let steps = "  - { id: one, run: \"echo x >> begun; test $(wc -l < begun) -gt 1 || sleep 60\", recovery: retry }\n";
    let project = project("", steps);
    let mut child = begun(&project, &["run", "w"], "begun");
    child.kill().unwrap();
    child.wait().unwrap();
    let next = stuck(&project.run(&["status"]).with_code(1), 1, "interrupted");
    works(&project, &next[0]);
    assert_eq!(project.read("begun"), "x\nx\n");
}

fn out_of_budget(head: &str, steps: &str, reason: &str) {
    let project = project(head, steps);
    let next = stuck(&project.run(&["run", "w"]), 23, reason);
    status_agrees(&project, &next);
    let again = stuck(&project.run(&["resume"]), 23, reason);
    assert_eq!(again, next);
    works(&project, &next[0]);
}

const TWO_AGENTS: &str = "  - { id: one, agent: worker, prompt: One }\n  - { id: two, agent: worker, prompt: Two }\n";

#[test]
fn the_tokens_are_used_up() {
    out_of_budget("budget: { tokens: 1k, on_limit: pause }\n", TWO_AGENTS, "the budget of 1000 tokens is used up");
}

#[test]
fn the_agents_are_used_up() {
    out_of_budget("budget: { agents: 1, on_limit: pause }\n", TWO_AGENTS, "the budget of 1 agent start is used up");
}

#[test]
fn the_time_is_used_up() {
    let steps = "  - { id: one, run: sleep 0.4 }\n  - { id: two, run: \"true\" }\n";
    out_of_budget("budget: { time: 300ms, on_limit: pause }\n", steps, "the budget of 0.3s of work is used up");
}

#[test]
fn the_budget_ends_the_run() {
    let project = project("budget: { agents: 1, on_limit: stop }\n", TWO_AGENTS);
    let next = stuck(&project.run(&["run", "w"]), 23, "the budget of 1 agent start is used up");
    status_agrees(&project, &next);
    works(&project, next.last().unwrap());
    assert_eq!(status(&project)["spent"]["agents"], 2);
}

#[test]
fn a_step_failed() {
    let project = project("", "  - { id: boom, run: \"echo oh no >&2; test -f mended || exit 3\" }\n");
    let next = stuck(&project.run(&["run", "w"]), 1, "ended with exit code 3 last lines: │ oh no");
    status_agrees(&project, &next);
    assert!(works(&project, &next[0]).stdout.contains("oh no"));
    project.write("mended", "");
    works(&project, &next[1]);
}

#[test]
fn a_step_took_too_long() {
    let steps = "  - { id: nap, run: \"test -f mended || sleep 30\", timeout: 300ms }\n";
    let project = project("", steps);
    let next = stuck(&project.run(&["run", "w"]), 24, "ran longer than 0.3s");
    works(&project, &next[0]);
    project.write("mended", "");
    works(&project, &next[1]);
}

#[test]
fn an_agent_was_silent_for_too_long() {
    let project = project("", "  - { id: nap, agent: worker, prompt: be slow, idle_timeout: 300ms, retry: 0 }\n");
    let next = stuck(&project.run(&["run", "w"]), 24, "0.3s");
    works(&project, &next[0]);
}

#[test]
fn a_loop_never_came_to_its_end() {
    let steps = "  - id: polish
    loop: { max: 2, until: measure.clean }
    steps:
      - id: measure
        run: 'if test -f mended; then echo \"{\\\"clean\\\": true}\"; else echo \"{\\\"clean\\\": false}\"; fi > $ORCH_OUTPUT'
        output: { clean: boolean }
        recovery: retry
";
    let project = project("", steps);
    let next = stuck(&project.run(&["run", "w"]), 1, "the loop's condition did not hold after 2 iterations");
    status_agrees(&project, &next);
    project.write("mended", "");
    works(&project, next.last().unwrap());
}

#[test]
fn a_workflow_ended_itself() {
    let project = project("", "  - { id: enough, stop: no reason to go on }\n");
    let next = stuck(&project.run(&["run", "w"]), 1, "no reason to go on");
    status_agrees(&project, &next);
    works(&project, &next[0]);
    // Nothing that a retry does may make it green.
    stuck(&project.run(&["retry", "--failed"]), 1, "no reason to go on");
}

#[test]
fn a_value_does_not_fit() {
    let steps = "  - { id: all, each: inputs.list, as: it, steps: [{ id: one, run: \"true\" }] }\n";
    let project = project("inputs: { list: { type: any, default: 3 } }\n", steps);
    let next = stuck(&project.run(&["run", "w"]), 1, "`each: inputs.list` is no list, it is a number");
    status_agrees(&project, &next);
    works(&project, &next[0]);
}

#[test]
fn a_text_cannot_be_rendered() {
    let steps = "  - { id: one, agent: worker, prompt: \"{{ inputs.what.is.this }}\" }\n";
    let project = project("inputs: { what: { type: any, default: {} } }\n", steps);
    let next = stuck(&project.run(&["run", "w"]), 1, "what.is");
    works(&project, &next[0]);
}

#[test]
fn a_person_cancelled() {
    let project = project("", "  - { id: nap, run: \"touch begun; test -f mended || sleep 60\" }\n");
    let mut child = begun(&project, &["run", "w"], "begun");
    let running = stuck(&project.run(&["status"]).with_code(1), 1, "driven by process");
    assert!(running[0].starts_with("orch watch "), "{running:?}");
    let run = status(&project)["id"].as_str().unwrap().to_owned();
    let next = commands(&works(&project, &format!("orch cancel {run}")).stdout);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let status = project.run(&["status"]).with_code(130);
    assert_eq!(next, [format!("orch status {run}")]);
    let next = stuck(&status, 130, "why: cancelled");
    project.write("mended", "");
    works(&project, next.last().unwrap());
}

#[test]
fn another_orch_holds_the_run() {
    let project = project("", "  - { id: nap, run: \"touch begun; sleep 60\" }\n");
    let mut child = begun(&project, &["run", "w"], "begun");
    let next = stuck(&project.run(&["resume"]), 32, &format!("owned by process {}", child.id()));
    works(&project, &next[1]);
    child.wait().unwrap();
}

#[test]
fn there_is_no_such_workflow_run_or_step() {
    let project = project("", "  - { id: one, run: \"true\" }\n");
    for (words, reason) in [
        (["run", "ww"].as_slice(), "there is no"),
        (&["status", "zzzz"], "there is no run `zzzz`"),
        (&["status"], "there is no run in this project yet"),
        (&["explain", "E9999"], "E9999"),
    ] {
        let next = stuck(&project.run(words), 11, reason);
        if !next[0].contains("NAME") {
            works(&project, &next[0]);
        }
    }
    project.run(&["run", "w"]);
    let next = stuck(&project.run(&["logs", status(&project)["id"].as_str().unwrap(), "two"]), 11, "no step `two`");
    works(&project, &next[0]);
}

#[test]
fn an_input_is_missing_or_wrong() {
    let head = "inputs: { n: { type: integer, required: true } }\n";
    let project = project(head, "  - { id: one, run: \"true\" }\n");
    for (words, reason) in [
        (["run", "w"].as_slice(), "input `n` is missing"),
        (&["run", "w", "-i", "n=many"], "input `n`"),
        (&["run", "w", "-i", "m=1"], "there is no input `m`"),
    ] {
        let next = stuck(&project.run(words), 2, reason);
        works(&project, &next[0]);
    }
}

#[test]
fn a_definition_is_invalid() {
    let project = project("", "  - { id: one, run: \"true\", tiemout: 3s }\n");
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(10));
    assert!(done.stderr.contains("workflows/w.yaml:3") && done.stderr.contains("timeout"), "{}", done.stderr);
    let code = done.stderr.split(['[', ']']).nth(1).unwrap().to_owned();
    works(&project, &format!("orch explain {code}"));
}

#[test]
fn the_store_is_damaged() {
    let project = project("", "  - { id: one, run: \"true\" }\n");
    project.run(&["run", "w"]);
    let state = project.root().join(".orch/state");
    for name in support::names_in(&state) {
        if state.join(&name).is_file() && !name.ends_with("lock") && !name.starts_with('.') {
            std::fs::write(state.join(&name), "this is no database, and it is long enough to be looked at".repeat(99))
                .unwrap();
        }
    }
    let next = stuck(&project.run(&["run", "w"]), 31, "database");
    assert_eq!(next[0], "orch doctor");
    let doctor = copied(&project, &next[0]);
    assert!(doctor.stdout.contains("store"), "{}{}", doctor.stdout, doctor.stderr);
}

#[test]
fn the_disk_is_too_full() {
    let project = project("", "  - { id: one, run: \"true\" }\n").variable("ORCH_LIMITS_DISK_FLOOR", "1000G");
    let next = stuck(&project.run(&["run", "w"]), 33, "the floor is");
    assert!(copied(&project, &next[0]).stdout.contains("disk"));
}

#[test]
fn an_ended_run_cannot_go_on() {
    let project = project("", "  - { id: one, run: test -f mended }\n");
    project.run(&["run", "w"]);
    let next = stuck(&project.run(&["resume"]), 2, "has ended: failed");
    project.write("mended", "");
    works(&project, &next[0]);
    // Going on with what is done tells how it ended; running its failed steps again would be a mistake.
    assert_eq!(project.run(&["resume"]).code, Some(0));
    let next = stuck(&project.run(&["retry", "--failed"]), 2, "has succeeded");
    works(&project, &next[0]);
}
