//! The program as people use it: all of standard output, standard error and the exit code.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{Project, names_in};

const WORKFLOW: &str = "\
name: greet
description: Says hello
inputs:
  who: { type: string, positional: true, default: world }
steps:
  - id: hello
    run: echo \"Hello, $ORCH_INPUT_WHO\"
    recovery: retry
";

fn greeting() -> Project {
    Project::new().file("workflows/greet.yaml", WORKFLOW)
}

#[test]
fn init_writes_lists_and_never_writes_over() {
    let project = Project::bare();
    project.run(&["init", "demo"]).is(
        0,
        "     wrote  orch.toml
     wrote  agents/greeter.md
     wrote  agents/hello-agent.sh
     wrote  workflows/hello.yaml

next: cd demo && orch run hello

then try an edit, and run it again:
  1. make the gate fail: in workflows/hello.yaml let it look for Goodbye
  2. work in parallel: add `- parallel: [{ id: day, run: date }, { id: place, run: pwd }]` to its steps
  3. ask a person: add `- approve: \"Is this the right greeting?\"` to its gate
",
        "",
    );
    assert_eq!(names_in(&project.root().join("demo")), ["agents", "orch.toml", "workflows"]);
    project.run(&["-C", "demo", "check", "--strict"]).is(0, "PASS 2 files checked: 0 errors, 0 warnings\n", "");
    project.write("demo/orch.toml", "parallel = 7\n");
    project.run(&["init", "demo"]).is(
        2,
        "",
        "error[E0515]: these files are there and differ: orch.toml; nothing was written
  = help: give another folder, `orch init DIR`, or add `--force` to replace them
  = more: orch explain E0515
",
    );
    assert_eq!(project.read("demo/orch.toml"), "parallel = 7\n");
    let done = project.run(&["-C", "demo", "init", "--json", "--force"]).json(0);
    assert_eq!(
        (&done["replaced"], &done["unchanged"]),
        (&json!(["orch.toml"]), &json!(["agents/greeter.md", "agents/hello-agent.sh", "workflows/hello.yaml"]))
    );
    assert_eq!(project.run(&["init", "--template", "helo"]).code, Some(11));
}

#[test]
fn init_writes_the_sample_of_a_shipped_workflow() {
    let project = Project::bare();
    let done = project.run(&["init", "--sample", "refactor", "demo"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert!(done.stdout.starts_with("     wrote  .gitignore\n     wrote  Cargo.lock\n     wrote  Cargo.toml\n"));
    let next = "\nnext: cd demo && orch run /refactor src/lib.rs --on-approval approve\n";
    assert!(done.stdout.ends_with(next), "{}", done.stdout);
    let there = [".gitignore", "Cargo.lock", "Cargo.toml", "README.md", "docs", "orch.toml", "src", "tests"];
    assert_eq!(names_in(&project.root().join("demo")), there);
    assert_eq!(project.run(&["-C", "demo", "init", "--sample", "/refactor"]).code, Some(0), "unchanged");

    project.write("demo/src/lib.rs", "// mine\n");
    let done = project.run(&["init", "--sample", "refactor", "demo"]);
    assert_eq!((done.code, project.read("demo/src/lib.rs").as_str()), (Some(2), "// mine\n"));
    let message = "error[E0515]: these files are there and differ: src/lib.rs; nothing was written\n";
    assert!(done.stderr.starts_with(message), "{}", done.stderr);

    let done = project.run(&["init", "--sample", "fix-bugs"]);
    assert_eq!(done.code, Some(11));
    let message =
        "error[E0516]: there is no sample `fix-bugs`\n  = help: did you mean `fix-bug`? there are: add-feature,";
    assert!(done.stderr.starts_with(message), "{}", done.stderr);
    assert_eq!(project.run(&["init", "--sample", "fix-bug", "--template", "hello"]).code, Some(2));
    let list = project.run(&["init", "--list", "--json"]).json(0);
    let kinds: Vec<_> = list.as_array().unwrap().iter().take(2).map(|one| (&one["kind"], &one["name"])).collect();
    assert_eq!(kinds, [(&json!("template"), &json!("hello")), (&json!("sample"), &json!("add-feature"))]);
}

#[test]
fn every_edit_that_init_names_is_valid() {
    let project = Project::bare();
    project.run(&["init"]);
    let text = project.read("workflows/hello.yaml");
    let parallel = format!("{text}  - parallel: [{{ id: day, run: date }}, {{ id: place, run: pwd }}]\n");
    let approve =
        text.replace("      - run: grep", "      - approve: \"Is this the right greeting?\"\n      - run: grep");
    assert_ne!(text, approve);
    for edited in [parallel, approve] {
        project.write("workflows/hello.yaml", &edited);
        let done = project.run(&["check"]);
        assert_eq!(done.code, Some(0), "{}", done.stdout);
    }
}

#[test]
fn list_is_text_for_people_and_an_array_for_programs() {
    let project = greeting().file("agents/a.md", "---\nname: a\ndescription: Does\ntools: Read, Write\n---\nx\n");
    let done = project.run(&["list", "--kind", "workflow"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert!(done.stdout.starts_with("Workflows: orch run NAME\n"), "{}", done.stdout);
    // The column is as wide as the widest of the shipped names.
    let greet = done.stdout.lines().find_map(|line| line.strip_prefix("  greet [WHO]  ")).map(str::trim_start);
    assert_eq!(greet, Some("Says hello"), "{}", done.stdout);
    assert!(done.stdout.lines().all(|line| line.chars().count() <= 80 && line.trim_end() == line), "{}", done.stdout);
    let list = project.run(&["list", "--json"]).json(0);
    let schema: Value = serde_json::from_str(orch::service::schema("list").unwrap()).unwrap();
    assert_eq!(orch::base::schema_faults(&schema, &list).unwrap(), Vec::<String>::new());
    let find = |name: &str| list.as_array().unwrap().iter().find(|line| line["name"] == name).unwrap().clone();
    assert_eq!(
        find("greet"),
        json!({ "kind": "workflow", "name": "greet", "description": "Says hello", "tools": null,
            "path": "workflows/greet.yaml", "scope": "project", "shadowed_by": null })
    );
    assert_eq!(find("a")["tools"], json!(["Read", "Write"]));
}

#[test]
fn what_is_shadowed_is_listed_with_all() {
    let project = greeting().file(".orch/workflows/greet.yaml", WORKFLOW);
    let all = project.run(&["list", "--all", "--json"]).json(0);
    let both: Vec<_> = all.as_array().unwrap().iter().filter(|line| line["name"] == "greet").collect();
    assert_eq!(both.len(), 2);
    assert_eq!(both[1]["shadowed_by"], "workflows/greet.yaml");
    assert_eq!(
        project
            .run(&["list", "--json"])
            .json(0)
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["name"] == "greet")
            .count(),
        1
    );
}

#[test]
fn show_and_plan_draw_the_steps() {
    let tree = "\
workflow greet
  Says hello
  input who: string = \"world\"
  budget 100 agents, then pause
└─ hello: run
     $ echo \"Hello, $ORCH_INPUT_WHO\"
     within 10m, runs again after a crash
";
    greeting().run(&["show", "greet"]).is(0, &format!("workflow workflows/greet.yaml\n\n{tree}"), "");
    greeting().run(&["plan", "greet"]).is(0, tree, "");
    greeting().run(&["plan", "workflows/greet.yaml", "--detailed-exitcode"]).is(12, tree, "");
    for (format, begin) in [("mermaid", "flowchart"), ("dot", "digraph"), ("svg", "<svg")] {
        let done = greeting().run(&["plan", "greet", "--format", format]);
        assert!(done.code == Some(0) && done.stdout.contains(begin), "{format}: {}", done.stdout);
    }
    assert_eq!(greeting().run(&["plan", "greet", "--json"]).json(0)["steps"][0]["id"], "hello");
    assert_eq!(greeting().run(&["show", "greet", "--json"]).json(0)["inputs"][0]["name"], "who");
}

#[test]
fn what_is_not_there_comes_with_the_nearest_name() {
    greeting().run(&["plan", "gret"]).is(
        11,
        "",
        "error[E0511]: there is no workflow or command `gret`
  = help: did you mean `greet`? `orch list` names them all
  = more: orch explain E0511
",
    );
    greeting().run(&["show", "nothing-like-it"]).is(
        11,
        "",
        "error[E0511]: there is no definition `nothing-like-it`
  = help: `orch list` names all definitions
  = more: orch explain E0511
",
    );
    greeting().run(&["plan", "workflows/gone.yaml", "--json"]).is(
        11,
        "",
        "{\"error\":{\"code\":11,\"id\":\"E0511\",\"message\":\"there is no file, workflow or command `workflows/gone.yaml`\",\
         \"help\":\"`orch list` names all workflows and commands\",\"retryable\":false}}\n",
    );
    greeting().run(&["-C", "nowhere", "list"]).is(
        11,
        "",
        "error[E0519]: there is no folder [root]/nowhere
  = help: correct the path after `-C`
  = more: orch explain E0519
",
    );
    assert_eq!(greeting().run(&["plan", "architect"]).code, Some(2));
}

#[test]
fn check_shows_every_fault_and_ends_with_10() {
    let project = greeting().file(
        "workflows/bad.yaml",
        "name: bad\nsteps:\n  - { id: a, rum: \"true\" }\n  - { id: b, run: \"true\", needs: [c] }\n",
    );
    let done = project.run(&["check"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(10), ""));
    assert!(done.stdout.contains("--> workflows/bad.yaml:3:"), "{}", done.stdout);
    assert!(done.stdout.contains("did you mean `run`?"), "{}", done.stdout);
    assert!(done.stdout.lines().last().unwrap().starts_with("FAIL "), "{}", done.stdout);
    let found = project.run(&["check", "--format", "json"]).json(10);
    assert!(found["errors"].as_u64().unwrap() >= 1);
    assert_eq!(found["diagnostics"][0]["path"], "workflows/bad.yaml");
    project.run(&["check", "workflows/greet.yaml"]).is(0, "PASS 1 file checked: 0 errors, 0 warnings\n", "");
    project.run(&["check", "workflows/greet.yaml", "-q"]).is(0, "", "");
    assert_eq!(project.run(&["check", "gone.yaml"]).code, Some(11));
    // The faulty file is not in the list; whoever asks for it learns why.
    let done = project.run(&["plan", "bad"]);
    assert!(done.code == Some(10) && done.stderr.contains("workflows/bad.yaml:3:"), "{}", done.stderr);
    let list = project.run(&["list"]);
    assert_eq!(list.stderr, "some definitions have faults and are not in the list: `orch check` shows them\n");
}

#[test]
fn a_file_outside_the_folders_can_be_checked_and_planned() {
    let project = greeting().file("elsewhere/one.yaml", &WORKFLOW.replace("greet", "one"));
    project.run(&["check", "elsewhere/one.yaml"]).is(0, "PASS 1 file checked: 0 errors, 0 warnings\n", "");
    assert_eq!(project.run(&["plan", "./elsewhere/one.yaml", "--json"]).json(0)["name"], "one");
}

#[test]
fn warnings_fail_only_when_strict() {
    let double = "---\nname: same\ndescription: d\n---\nx\n";
    let project = greeting().file("agents/one.md", double).file("agents/two.md", double);
    assert_eq!(project.run(&["check"]).code, Some(0));
    assert_eq!(project.run(&["check", "--strict"]).code, Some(10));
}

#[test]
fn a_wrong_command_line_ends_with_2_and_a_suggestion() {
    let done = greeting().run(&["inbx"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
    assert!(done.stderr.contains("a similar subcommand exists: 'inbox'"), "{}", done.stderr);
    let error = greeting().run(&["--json", "run"]).json_error(2);
    assert_eq!(
        (&error["error"]["code"], &error["error"]["id"], &error["error"]["retryable"]),
        (&json!(2), &json!("E0520"), &json!(false))
    );
    for words in [
        &["run", "x", "--parallel", "0"][..],
        &["run", "x", "--budget", "usd"],
        &["resume", "x", "--step", "a"],
        &["list", "-q", "-v"],
    ] {
        assert_eq!(greeting().run(words).code, Some(2), "{words:?}");
    }
}

#[test]
fn help_and_the_table_of_exits() {
    let done = greeting().run(&["--help"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    for verb in [
        "init",
        "list",
        "show",
        "check",
        "plan",
        "run",
        "watch",
        "runs",
        "status",
        "logs",
        "inbox",
        "approve",
        "reject",
        "pushback",
        "diff",
        "resume",
        "retry",
        "cancel",
        "doctor",
        "schema",
        "explain",
        "completions",
    ] {
        assert!(done.stdout.contains(&format!("\n  {verb} ")), "{verb}");
        let help = greeting().run(&["help", verb]);
        assert!(help.code == Some(0) && help.stdout.contains("Example"), "{verb}: {}", help.stdout);
    }
    let table = greeting().run(&["help", "exit-codes"]);
    assert_eq!(table, greeting().run(&["explain", "exit-codes"]));
    assert!(table.stdout.contains("\n   22  a gate failed or had no verdict\n"), "{}", table.stdout);
    assert_eq!(greeting().run(&["help", "exit-codes", "--json"]).json(0).as_array().unwrap().len(), 23);
    assert_eq!(greeting().run(&["help", "rn"]).code, Some(2));
    assert_eq!(greeting().run(&["explain", "E9999"]).code, Some(11));
}

#[test]
fn every_code_explains_itself() {
    let all = greeting().run(&["explain", "--json"]).json(0);
    let codes: Vec<_> = all.as_array().unwrap().iter().map(|info| info["code"].as_str().unwrap().to_owned()).collect();
    assert!(codes.len() > 50, "{}", codes.len());
    let done = greeting().run(&["explain", "e0107"]);
    assert!(done.code == Some(0) && done.stdout.starts_with("E0107: "), "{}", done.stdout);
}

#[test]
fn schemas_and_completions_are_printed() {
    greeting().run(&["schema"]).is(
        0,
        &orch::service::SCHEMAS.iter().map(|(name, _)| format!("{name}\n")).collect::<String>(),
        "",
    );
    assert_eq!(greeting().run(&["schema", "config"]).json(0)["title"], "orch.toml");
    assert_eq!(greeting().run(&["schema", "confg"]).code, Some(11));
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef orch"), ("fish", "complete -c orch")] {
        let done = greeting().run(&["completions", shell]);
        assert!(done.code == Some(0) && done.stdout.contains(word), "{shell}");
    }
}

#[test]
fn doctor_sees_what_is_wrong_and_says_how_to_mend_it() {
    let project = greeting().variable("ORCH_LIMITS_DISK_FLOOR", "0");
    let health = project.run(&["doctor", "--json"]).json(0);
    assert_eq!(health["checks"].as_array().unwrap().len(), 12);
    for check in health["checks"].as_array().unwrap() {
        assert_eq!(check["state"] == "ok", check["fix"] == "", "{check}");
    }
    project.write("orch.toml", "[runtimes.x]\ncommand = [\"./gone.sh\"]\n");
    project.write("workflows/bad.yaml", "name: bad\n");
    let done = project.run(&["doctor", "-q"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), ""));
    assert!(
        done.stdout.contains("FAIL  runtimes         not found or not executable: x ([root]/./gone.sh)\n"),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("FAIL  definitions "), "{}", done.stdout);
    project.write("orch.toml", "nonsense = 1\n");
    let done = project.run(&["doctor"]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stdout.contains("FAIL  settings         orch.toml:1: there is no setting `nonsense`\n"),
        "{}",
        done.stdout
    );
    let poor = greeting().variable("ORCH_LIMITS_DISK_FLOOR", "1000G").run(&["doctor"]);
    assert!(poor.code == Some(1) && poor.stdout.contains("FAIL  disk "), "{}", poor.stdout);
}

#[test]
fn looking_writes_nothing() {
    let project = greeting();
    for words in
        [&["list"][..], &["show", "greet"], &["check"], &["plan", "greet"], &["doctor"], &["schema"], &["explain"]]
    {
        project.run(words);
    }
    assert_eq!(names_in(&project.root()), ["orch.toml", "workflows"]);
}

#[test]
fn colours_only_where_they_are_wanted() {
    let has_colours = |project: &Project, words: &[&str]| project.run(words).stdout.contains('\u{1b}');
    assert!(!has_colours(&greeting(), &["list"]));
    assert!(has_colours(&greeting(), &["list", "--color", "always"]));
    assert!(has_colours(&greeting().file("orch.toml", "color = \"always\"\n"), &["list"]));
    assert!(!has_colours(&greeting().file("orch.toml", "color = \"always\"\n"), &["--color", "never", "list"]));
    assert!(has_colours(&greeting().variable("CLICOLOR_FORCE", "1"), &["list"]));
    assert!(!has_colours(&greeting().variable("CLICOLOR_FORCE", "1").variable("NO_COLOR", "1"), &["list"]));
}

#[test]
fn text_of_strangers_is_harmless() {
    let agent = "---\nname: evil\ndescription: \"\\e]0;owned\\a\\e[2Jx\\u202Ey\"\n---\nbody \u{1b}[31m\n";
    let project = Project::new().file("agents/evil.md", agent);
    for words in [&["list", "--color", "always"][..], &["show", "evil", "--color", "always"], &["check"]] {
        let done = project.run(words);
        for bad in ["\u{1b}]", "\u{1b}[2J", "\u{1b}[31m", "\u{7}", "\u{202e}"] {
            assert!(!done.stdout.contains(bad) && !done.stderr.contains(bad), "{words:?}: {:?}", done.stdout);
        }
    }
}

/// What would steer a terminal, turn text round, hide it, or stand on a line of its own as if `orch` had said it.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil\u{200b}\r\nFORGED line\nFORGED";

/// Whatever is printed: nothing but colours of our own is an order to the terminal, nothing turns or hides text, and nothing
/// that a stranger wrote begins a line.
fn harmless(done: &support::Done, words: &[&str], may_begin_lines: bool) {
    for text in [&done.stdout, &done.stderr] {
        for order in text.split('\u{1b}').skip(1) {
            let end = order.find(|c: char| !c.is_ascii_digit() && !matches!(c, '[' | ';'));
            assert!(end.is_some_and(|at| order[at..].starts_with('m')), "{words:?}: {text:?}");
        }
        let steers =
            |c: char| (c.is_control() && !matches!(c, '\n' | '\t' | '\u{1b}')) || "\u{202e}\u{200b}".contains(c);
        assert!(!text.contains(steers), "{words:?}: {text:?}");
        let mut lines = text.lines().map(|line| line.trim_start_matches('\u{1b}'));
        assert!(may_begin_lines || !lines.any(|line| line.starts_with("FORGED")), "{words:?}: {text}");
    }
}

#[test]
fn what_strangers_say_in_a_run_is_harmless_wherever_it_is_shown() {
    let quoted = serde_json::to_string(&HOSTILE.replace('\r', "")).unwrap();
    let workflow = "name: w\ninputs: { who: string }\nsteps:\n  \
         - { id: says, run: 'cat \"$HOME/said\"; cat \"$HOME/said\" >&2; cp \"$HOME/answer\" \"$ORCH_OUTPUT\"; touch \"$(cat \"$HOME/said\")\"', output: { x: string } }\n  \
         - { id: sure, approve: 'Is it {{ says.x }} of {{ inputs.who }}?' }\n  \
         - { id: broken, run: 'cat \"$HOME/said\" >&2; exit 3', retry: 0, gate: [{ run: 'cat \"$HOME/said\"; exit 1' }] }\n\
         outputs: { all: '{{ says.x }}' }\n";
    let project = Project::new().file("workflows/w.yaml", workflow).file(".gitignore", ".orch/\n");
    std::fs::write(project.home().join("said"), HOSTILE).unwrap();
    std::fs::write(project.home().join("answer"), format!("{{\"x\": {quoted}}}")).unwrap();
    project.git(&["init", "-q", "-b", "main"]);
    project.git(&["add", "."]);
    project.git(&["commit", "-q", "-m", HOSTILE]);
    project.git(&["config", "user.name", &HOSTILE.replace('\n', " ")]);
    let always = |words: &[&str], may: bool| {
        let words: Vec<&str> = words.iter().copied().chain(["--color", "always"]).collect();
        let done = project.run(&words);
        harmless(&done, &words, may);
        done
    };
    let who = format!("who={HOSTILE}");
    let asked = always(&["run", "w", "-i", &who], false);
    assert_eq!(asked.code, Some(20), "{}{}", asked.stdout, asked.stderr);
    let shown = [
        (&["status"][..], false),
        (&["inbox"], false),
        (&["inbox", "--show"], true),
        (&["runs"], false),
        (&["replay"], false),
        (&["replay", "-v"], false),
        (&["diff"], true),
        (&["diff", "--stat"], false),
        // A log is what a program said, line by line.
        (&["logs"], true),
        (&["cost"], false),
        (&["gc", "--dry-run"], false),
        (&["audit", "export"], false),
        (&["doctor"], false),
    ];
    let check = || {
        for (words, may) in shown {
            let done = always(words, may);
            assert!(!done.stderr.contains("panicked"), "{words:?}: {}", done.stderr);
        }
    };
    check();
    let waits = always(&["inbox"], false).stdout;
    assert!(waits.contains("evil") && waits.contains("FORGED line"), "nothing is left out: {waits}");
    let run = project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned();
    always(&["reject", &run, "sure", "--comment", HOSTILE], false);
    always(&["resume", &run], false);
    check();
    let told = always(&["status", &run], false).stdout;
    assert!(told.contains("rejected") && told.contains("evil"), "the comment is told: {told}");
    // Faults name what was typed.
    for words in [
        &["status", HOSTILE][..],
        &["run", HOSTILE],
        &["run", "w", "-i", HOSTILE],
        &["logs", &run, HOSTILE],
        &["explain", HOSTILE],
    ] {
        assert_ne!(always(words, false).code, Some(0), "{words:?}");
    }
    // The run that fails by itself.
    let failed = always(&["run", "w", "-i", &who, "--on-approval", "approve"], false);
    assert_eq!(failed.code, Some(1), "{}{}", failed.stdout, failed.stderr);
    check();
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let project = greeting();
    for words in [&["explain"][..], &["list", "--json"], &["completions", "bash"], &["--help"], &["schema", "workflow"]]
    {
        let mut child: std::process::Child =
            project.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_full_disk_under_the_output_is_an_error() {
    let project = greeting();
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let mut command: Command = project.command(&["list"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("error[E0518]"));
}

#[test]
fn a_prompt_reads_the_values_of_its_with() {
    let project = Project::new()
        .file("orch.toml", "[runtimes.paper]\ncommand = [\"sh\", \"-c\", \"cat > prompt.txt; echo done\"]\n")
        .file(
            "workflows/ask.yaml",
            "inputs: { who: { type: string, default: Ada } }\nsteps:\n  - id: one\n    prompt: \"Greet {{ with.name }} in {{ with.tone.word }}.\"\n    with: { name: \"{{ inputs.who }}\", tone: { word: verse } }\n",
        );
    let done = project.run(&["run", "ask"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(project.read("prompt.txt").contains("Greet Ada in verse."), "{}", project.read("prompt.txt"));
}

#[test]
fn a_faulty_file_of_the_project_is_never_replaced_by_another_of_its_name() {
    let project = Project::bare().file("workflows/deploy.yaml", "name: deploy\nsteps:\n  - { id: a, rum: \"true\" }\n");
    for verb in ["show", "plan", "run"] {
        let done = project.run(&[verb, "deploy"]);
        assert_eq!(done.code, Some(10), "{verb}: {}", done.stdout);
        assert!(done.stderr.contains("workflows/deploy.yaml:3"), "{verb}: {}", done.stderr);
    }
}
