//! Every exit code of the public table, reached through the program itself, with all that it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use support::{Done, Project};

fn project(head: &str, steps: &str) -> Project {
    Project::new().file("workflows/w.yaml", &format!("name: w\n{head}steps:\n{steps}"))
}

const QUICK: &str = "  - { id: one, run: echo hello, recovery: retry }\n";

/// The id of the latest run.
fn latest(project: &Project) -> String {
    project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned()
}

/// The output with what differs from run to run replaced: the id, and times.
fn steady(project: &Project, done: &Done) -> Done {
    let run = latest(project);
    let steady = |text: &str| {
        let mut steady = String::new();
        // Whether the killed owner's children were quicker than its heir differs from run to run.
        let is_swept = |line: &&str| !line.contains("ended processes that an earlier owner left");
        for line in text.replace(&run, "RUN").lines().filter(is_swept) {
            let line = match (line.find('['), line.find("s]")) {
                (Some(from), Some(to)) if from < to && from < 12 => {
                    format!("{}[TIME]{}", &line[..from], &line[to + 2..])
                }
                _ => line.to_owned(),
            };
            steady.push_str(&line);
            steady.push('\n');
        }
        steady
    };
    Done { code: done.code, stdout: steady(&done.stdout), stderr: steady(&done.stderr) }
}

fn begun(project: &Project, words: &[&str]) -> Child {
    let child = project.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !project.root().join("begun").exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// The `--json` form of an error has exactly these five parts.
#[track_caller]
fn error_object(done: &Done, code: i32, id: &str, retryable: bool) {
    let told = done.json_error(code);
    let error = told["error"].as_object().unwrap();
    assert_eq!((&error["code"], &error["id"], &error["retryable"]), (&json!(code), &json!(id), &json!(retryable)));
    assert!(!error["message"].as_str().unwrap().is_empty() && !error["help"].as_str().unwrap().is_empty(), "{told}");
}

#[test]
fn code_0_done_and_proven() {
    let project = project("", "  - { id: one, run: echo hello, recovery: retry, gate: [{ run: test -d . }] }\n");
    let done = steady(&project, &project.run(&["run", "w"]));
    let tree = done.stderr.lines().find(|line| line.trim_start().starts_with("tree:")).unwrap();
    done.is(
        0,
        "",
        &format!(
            "\
run RUN  w  1 step · parallel {} · sandbox off
 GATE ok [TIME] one                     test -d .
    PASS [TIME] one                     hello
────────────
  PASSED [TIME] 1 passed
   proof: 1 gate passed
  folder: [root]
{tree}
    next: orch status RUN
",
            parallel(&done)
        ),
    );
}

/// How many attempts at once, as the header says: the machine's cores.
fn parallel(done: &Done) -> String {
    done.stderr.split("parallel ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn code_1_a_step_failed() {
    let project = project("", "  - { id: one, run: echo no && false, recovery: retry }\n");
    let done = steady(&project, &project.run(&["run", "w", "--parallel", "1"]));
    done.is(
        1,
        "",
        "\
run RUN  w  1 step · parallel 1 · sandbox off
    FAIL [TIME] one                     `echo no && false` ended with exit…
────────────
  FAILED [TIME] 1 failed
    FAIL one
         `echo no && false` ended with exit code 1
         last lines:
         │ no
    exit: 1 (a step failed, or orch could not do what was asked)
    next: orch logs RUN one
      or: orch retry RUN --failed
",
    );
}

#[test]
fn code_2_the_command_line_is_wrong() {
    let project = project("inputs: { n: { type: integer, required: true } }\n", QUICK);
    project.run(&["run", "w"]).is(
        2,
        "",
        "error[E0501]: input `n` is missing
  = help: `orch show w` lists the inputs
  = more: orch explain E0501
",
    );
    error_object(&project.run(&["run", "w", "--json"]), 2, "E0501", false);
    error_object(&project.run(&["ruin", "--json"]), 2, "E0520", false);
    assert_eq!(project.run(&["ruin"]).code, Some(2));
}

#[test]
fn code_10_a_definition_has_faults() {
    let project = project("", "  - { id: one, rum: echo }\n");
    for verb in ["check", "run", "plan"] {
        let words = if verb == "check" { vec![verb] } else { vec![verb, "w"] };
        assert_eq!(project.run(&words).code, Some(10), "{verb}");
        let told = project.run(&[words, vec!["--json"]].concat());
        assert_eq!(told.code, Some(10), "{verb}");
    }
    let told = project.run(&["run", "w", "--json"]).json_error(10);
    assert_eq!((&told["error"]["code"], &told["error"]["retryable"]), (&json!(10), &json!(false)));
    assert!(told["error"]["id"].is_string() && told["error"]["help"].is_string(), "{told}");
}

#[test]
fn code_11_there_is_no_such_thing() {
    let project = project("", QUICK);
    project.run(&["status", "zzzz"]).is(
        11,
        "",
        "\
error[E0301]: there is no run `zzzz` in this project
  = help: `orch runs` lists the runs of this project
  = more: orch explain E0301
",
    );
    error_object(&project.run(&["status", "zzzz", "--json"]), 11, "E0301", false);
    assert_eq!(project.run(&["run", "nothing"]).code, Some(11));
}

#[test]
fn code_12_there_is_work_to_do() {
    let project = project("", QUICK);
    let done = project.run(&["plan", "w", "--detailed-exitcode"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(12), ""));
    assert!(done.stdout.contains("echo hello"), "{}", done.stdout);
    assert_eq!(project.run(&["plan", "w"]).code, Some(0));
}

#[test]
fn code_20_a_person_must_decide() {
    let project = project("", "  - { id: ok, approve: \"Go on?\" }\n");
    let done = steady(&project, &project.run(&["run", "w", "--parallel", "1"]));
    done.is(
        20,
        "",
        "\
run RUN  w  1 step · parallel 1 · sandbox off
     ASK            ok                      waits for a person
                     │ Go on?
                     → orch approve RUN ok
────────────
 WAITING [TIME] 1 waiting
     for  a decision about ok
    next: orch approve RUN ok
      or: orch reject RUN ok --comment WHY
    then: orch resume RUN
",
    );
}

#[test]
fn code_21_a_person_said_no() {
    let project = project("", "  - { id: ok, approve: \"Go on?\" }\n");
    let done = project.run(&["run", "w", "--on-approval", "fail"]);
    let done = steady(&project, &done);
    assert_eq!(done.code, Some(21));
    assert!(done.stderr.contains("rejected by --on-approval: nobody was there to ask"), "{}", done.stderr);
    assert!(
        done.stderr
            .ends_with("exit: 21 (a person said no)\n    next: orch logs RUN ok\n      or: orch retry RUN --failed\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn code_22_a_gate_failed() {
    let project = project("", "  - { id: one, run: echo x, recovery: retry, gate: [{ run: test -f y }] }\n");
    let done = steady(&project, &project.run(&["run", "w", "--parallel", "1"]));
    done.is(
        22,
        "",
        "\
run RUN  w  1 step · parallel 1 · sandbox off
  GATE ✗ [TIME] one                     test -f y: `test -f y` ended with …
    FAIL [TIME] one                     `test -f y` ended with exit code 1
────────────
  FAILED [TIME] 1 failed
    FAIL one
         `test -f y` ended with exit code 1
    exit: 22 (a gate failed or had no verdict)
    next: orch logs RUN one
      or: orch retry RUN --failed
",
    );
}

#[test]
fn code_23_a_budget_is_used_up() {
    let steps = "  - { id: one, run: sleep 0.2 }\n  - { id: two, run: \"true\" }\n";
    let project = project("budget: { time: 100ms, on_limit: pause }\n", steps);
    let done = project.run(&["run", "w"]);
    let done = steady(&project, &done);
    assert_eq!(done.code, Some(23));
    let end = "     for  a larger budget: the budget of 0.1s of work is used up\n    \
               next: orch resume RUN --budget time=60s\n";
    assert!(done.stderr.ends_with(end), "{}", done.stderr);
}

#[test]
fn code_24_something_took_too_long() {
    let project = project("", "  - { id: nap, run: sleep 30, timeout: 200ms }\n");
    let done = project.run(&["run", "w"]);
    let done = steady(&project, &done);
    assert_eq!(done.code, Some(24));
    let end = "         `sleep 30` ran longer than 0.2s\n    exit: 24 (something took too long)\n    \
               next: orch logs RUN nap\n      or: orch retry RUN --failed\n";
    assert!(done.stderr.ends_with(end), "{}", done.stderr);
}

#[test]
fn code_30_nobody_knows_how_it_ended() {
    let project = project("", "  - { id: deploy, run: \"touch begun; sleep 60\" }\n");
    let mut child = begun(&project, &["run", "w"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let done = project.run(&["resume", "--parallel", "1"]);
    steady(&project, &done).is(
        30,
        "",
        "\
run RUN goes on  w  1 step · parallel 1 · sandbox off
 UNKNOWN            deploy                  it began, its end is unknown
────────────
 WAITING [TIME] 1 waiting
     for  word of how deploy ended: retry, done or failed
    next: orch resume RUN --step deploy --as retry
      or: orch resume RUN --step deploy --as done
      or: orch resume RUN --step deploy --as failed
",
    );
}

#[test]
fn code_31_the_store_cannot_be_used() {
    let project = project("", QUICK);
    fs::create_dir_all(project.root().join(".orch")).unwrap();
    project.write(".orch/state", "a file where the store's folder belongs");
    let done = project.run(&["run", "w", "--json"]);
    error_object(&done, 31, "E0401", false);
    let done = project.run(&["run", "w"]);
    assert!(done.code == Some(31) && done.stderr.contains("`orch doctor`"), "{}", done.stderr);
}

#[test]
fn code_32_another_orch_holds_the_run() {
    let project = project("", "  - { id: nap, run: \"touch begun; sleep 60\" }\n");
    let mut child = begun(&project, &["run", "w"]);
    let run = latest(&project);
    let done = project.run(&["resume", &run]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(32), ""));
    let head = format!("error[E0402]: the run is owned by process {} since 20", child.id());
    let help = format!("  = help: `orch watch {run}` follows it; `orch cancel {run}` ends it\n");
    assert!(done.stderr.starts_with(&head) && done.stderr.contains(&help), "{}", done.stderr);
    error_object(&project.run(&["resume", &run, "--json"]), 32, "E0402", true);
    assert_eq!(project.run(&["cancel", &run, "--now"]).code, Some(0));
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn code_33_the_disk_is_full() {
    let project = project("", QUICK).variable("ORCH_LIMITS_DISK_FLOOR", "1000G");
    let done = project.run(&["run", "w"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(33), ""));
    assert!(
        done.stderr.contains("the floor is 1000000 MB") && done.stderr.contains("`orch doctor`"),
        "{}",
        done.stderr
    );
    error_object(&project.run(&["run", "w", "--json"]), 33, "E0403", true);
}

#[test]
fn code_40_commands_that_nobody_trusts() {
    let project = Project::new().file(".claude/commands/x.md", "Look: !`touch ran`\n");
    let done = project.run(&["run", "/x"]);
    done.is(
        40,
        "",
        "error[E0560]: `/x` holds a command and is not trusted: .claude/commands/x.md\n  \
         = help: `orch trust /x` shows what would run, and asks\n  = more: orch explain E0560\n",
    );
    assert!(!project.root().join("ran").exists());
    error_object(&project.run(&["run", "/x", "--json"]), 40, "E0560", false);
}

#[test]
fn code_43_an_agents_program_is_missing() {
    let project = project("", "  - { id: one, prompt: Hello }\n");
    let done = project.run(&["run", "w"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(43), ""));
    assert!(done.stderr.contains("`one` needs an agent and no runtime is declared"), "{}", done.stderr);
    error_object(&project.run(&["run", "w", "--json"]), 43, "E0311", false);
}

/// The program's file is gone while it runs, so that it cannot start its own keeper: nothing that a user has done
/// wrong, and nothing that a definition could cause.
#[test]
fn code_70_orch_itself_is_broken() {
    let project = project("", QUICK);
    let copy = project.root().join("orch-copy");
    fs::copy(env!("CARGO_BIN_EXE_orch"), &copy).unwrap();
    let command = |json: &str| {
        let text = format!("exec 9< orch-copy; rm orch-copy; exec /proc/self/fd/9 run w {json}");
        let plain = project.command(&["run"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &text]).current_dir(project.root()).env_clear().stdin(Stdio::null());
        shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = shell.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    let done = command("");
    let run = latest(&project);
    assert_eq!(done.code, Some(70), "{}", done.stderr);
    assert!(done.stderr.contains("error[E0306]: the keeper of processes cannot be started"), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("`orch resume {run}` goes on")), "{}", done.stderr);
    // Nothing is lost: the program that is whole again goes on.
    assert_eq!(project.run(&["resume", &run]).code, Some(0));
    fs::copy(env!("CARGO_BIN_EXE_orch"), &copy).unwrap();
    let done = command("--json 2>&1 >/dev/null");
    assert_eq!(done.code, Some(70));
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&told["error"]["code"], &told["error"]["id"]), (&json!(70), &json!("E0306")));
}

fn signalled(signal: Signal, code: i32, meaning: &str) {
    let project = project("", "  - { id: nap, run: \"touch begun; test -f mended || sleep 60\" }\n");
    let child = begun(&project, &["run", "w", "--parallel", "1"]);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let done = Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    steady(&project, &done).is(
        code,
        "",
        &format!(
            "\
run RUN  w  1 step · parallel 1 · sandbox off
  CANCEL [TIME] nap                     stopped
────────────
CANCELLED [TIME] 1 cancelled
          cancelled
    exit: {code} ({meaning})
    next: orch retry RUN --failed
"
        ),
    );
    project.write("mended", "");
    assert_eq!(project.run(&["retry", "--failed"]).code, Some(0));
}

#[test]
fn code_130_ctrl_c() {
    signalled(Signal::SIGINT, 130, "ended by Ctrl-C or `orch cancel`; `orch retry` goes on");
}

#[test]
fn code_143_sigterm() {
    signalled(Signal::SIGTERM, 143, "ended by SIGTERM; `orch retry` goes on");
}

#[test]
fn the_table_has_the_reserved_codes_and_no_other() {
    let done = Project::bare().run(&["help", "exit-codes"]);
    let codes: Vec<i32> = done.stdout.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    let public = [0, 1, 2, 10, 11, 12, 20, 21, 22, 23, 24, 30, 31, 32, 33, 40, 41, 42, 43, 70, 75, 130, 143];
    assert_eq!(codes, public);
    for reserved in ["41  reserved", "75  reserved"] {
        assert!(done.stdout.contains(reserved), "{reserved}: {}", done.stdout);
    }
}
