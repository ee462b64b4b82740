//! Values never become commands: 200 payloads in 8 places of `run:` steps, through the program as people use it.
//!
//! Each payload tries to run `canary`, a program that leaves a line in a file. One shell reads many payloads, and for each
//! it says that it came past it, so a payload that broke the shell would be missing and not overlooked.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Map, Value, json};
use support::Project;

/// What the payloads want to have run; each leaves a line in `canary.ran`.
const COMMANDS: [&str; 4] = ["canary", "./canary", "sh -c canary", "echo x >>canary.ran"];

/// The shapes; `@` is the command.
const SHAPES: [&str; 50] = [
    "@",
    "; @",
    "x; @ ;",
    "& @",
    "&& @",
    "x && @",
    "|| @",
    "| @",
    "x | @ | y",
    "\n@\n",
    "x\n@",
    "x\r\n@\r\n",
    "$(@)",
    "a$(@)b",
    "`@`",
    "a`@`b",
    "\"; @; \"",
    "\"$(@)\"",
    "'; @; '",
    "'$(@)'",
    "\"'\"; @ #",
    "\\\"; @ #",
    "\\'; @ #",
    "\\\n@",
    "$((`@`))",
    "a[$(@)]",
    "${x:-$(@)}",
    "${x:=`@`}",
    "<(@)",
    ">(@)",
    "> canary.out; @",
    "(@)",
    "{ @; }",
    ") @ (",
    "$(@",
    "`@",
    "END\n@\n",
    "END\n@\ncat <<END",
    "EOF\n@",
    "() { :; }; @",
    "eval @",
    "-c '@'",
    "--; @",
    "%s; @",
    "* ? [a-z] ~; @",
    "{a,b}; @",
    "!!; @",
    "{{ inputs.p000 }}; @",
    "ünï\u{202e}cödé\u{1b}[31m; @",
    "\t@\u{b}\u{c} ; @",
];

fn payloads() -> Vec<String> {
    SHAPES.iter().flat_map(|shape| COMMANDS.iter().map(|command| shape.replace('@', command))).collect()
}

fn input(number: usize) -> String {
    format!("p{number:03}")
}

/// A project in which `canary` is on the PATH and in the folder, with a line that counts its runs.
fn project(workflow: &str) -> Project {
    let project = Project::new();
    let bin = project.root().join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let project = project.variable("PATH", &path).file("workflows/cases.yaml", workflow);
    for name in ["bin/canary", "canary"] {
        project.write(name, &format!("#!/bin/sh\necho ran >>'{}/canary.ran'\n", project.root().display()));
        fs::set_permissions(project.root().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    project
}

fn canaries(project: &Project) -> usize {
    fs::read_to_string(project.root().join("canary.ran")).map_or(0, |text| text.lines().count())
}

fn inputs(payloads: &[String]) -> String {
    let values: Map<_, _> =
        payloads.iter().enumerate().map(|(number, payload)| (input(number), json!(payload))).collect();
    Value::Object(values).to_string()
}

fn declared(count: usize) -> String {
    let mut text = "name: cases\ninputs:\n".to_owned();
    for number in 0..count {
        let _ = writeln!(text, "  {}: {{ type: string, required: true }}", input(number));
    }
    text
}

/// A step whose script says one line for each payload; `line` gets the variable and the number.
fn step(id: &str, keys: &str, count: usize, line: impl Fn(&str, usize) -> String) -> String {
    let mut text =
        format!("  - id: {id}\n    recovery: retry\n{keys}    run: |\n      : >{id}.done\n      exec >{id}.out\n");
    for number in 0..count {
        let variable = format!("ORCH_INPUT_{}", input(number).to_uppercase());
        for script in line(&variable, number).lines() {
            let _ = writeln!(text, "      {script}");
        }
        let _ = writeln!(text, "      echo {number} >>{id}.done");
    }
    text
}

/// The eight places. Globbing is off where a value stands bare, so that its words come back as they are.
fn workflow(count: usize) -> String {
    let env: String = (0..count).fold("    env:\n".to_owned(), |mut text, number| {
        let _ = writeln!(text, "      V{number:03}: \"{{{{ inputs.{} }}}}\"", input(number));
        text
    });
    let args: String = (0..count).fold("    args:\n".to_owned(), |mut text, number| {
        let _ = writeln!(text, "      - \"{{{{ inputs.{} }}}}\"", input(number));
        text
    });
    let mut text = declared(count);
    text.push_str("steps:\n");
    text.push_str(&step("bare", "", count, |name, _| format!("set -f; printf '%s ' ${name}; set +f")));
    text.push_str(&step("double", "", count, |name, _| format!("printf '%s\\0' \"${name}\"")));
    text.push_str(&step("single", "", count, |name, _| format!("printf '%s\\0' '${name}'")));
    text.push_str(&step("heredoc", "", count, |name, _| format!("cat <<END\n${name}\nEND\nprintf '\\0'")));
    text.push_str(&step("dollar", "", count, |name, _| {
        format!("x=$(printf '%s.' \"${name}\"); printf '%s\\0' \"$x\"")
    }));
    text.push_str(&step("backtick", "", count, |name, _| {
        format!("x=`printf '%s.' \"${name}\"`; printf '%s\\0' \"$x\"")
    }));
    text.push_str(&step("given", &env, count, |_, number| format!("printf '%s\\0' \"$V{number:03}\"")));
    let _ = write!(
        text,
        "  - id: args\n    recovery: retry\n{args}    run: |\n      : >args.done\n      exec >args.out\n      \
         for x in \"$@\"; do printf '%s\\0' \"$x\"; echo 1 >>args.done; done\n"
    );
    text
}

fn pieces(project: &Project, place: &str) -> Vec<String> {
    let text = String::from_utf8(fs::read(project.root().join(format!("{place}.out"))).unwrap()).unwrap();
    let mut pieces: Vec<_> = text.split('\0').map(ToOwned::to_owned).collect();
    assert_eq!(pieces.pop().as_deref(), Some(""), "{place}");
    pieces
}

#[test]
fn sixteen_hundred_cases_run_no_canary() {
    let payloads = payloads();
    assert_eq!(payloads.len(), 200);
    let project = project(&workflow(payloads.len())).file("inputs.json", &inputs(&payloads));
    let done = project.run(&["run", "cases", "--inputs", "inputs.json", "--no-input"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let mut cases = 0;
    for place in ["bare", "double", "single", "heredoc", "dollar", "backtick", "given", "args"] {
        let passed = project.read(&format!("{place}.done")).lines().count();
        assert_eq!(passed, payloads.len(), "{place}: the shell did not come past every payload");
        cases += passed;
    }
    assert_eq!(cases, 1_600);
    assert_eq!(canaries(&project), 0, "a value was executed");
    // Not executed, and not changed either.
    for place in ["double", "given", "args"] {
        assert_eq!(pieces(&project, place), payloads, "{place}");
    }
    let ended = |end: &str| payloads.iter().map(|payload| format!("{payload}{end}")).collect::<Vec<_>>();
    assert_eq!(pieces(&project, "heredoc"), ended("\n"));
    assert_eq!(pieces(&project, "dollar"), ended("."));
    assert_eq!(pieces(&project, "backtick"), ended("."));
    let literal: Vec<_> = (0..200).map(|number| format!("$ORCH_INPUT_{}", input(number).to_uppercase())).collect();
    assert_eq!(pieces(&project, "single"), literal);
    let words = |text: &str| {
        text.split([' ', '\t', '\n']).filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        words(&project.read("bare.out")),
        payloads.iter().flat_map(|payload| words(payload)).collect::<Vec<_>>()
    );
}

#[test]
fn the_payloads_are_dangerous_where_text_becomes_script() {
    // Shows that the canary sings: a script that evaluates its values runs many of them.
    let payloads = payloads();
    let mut text = declared(payloads.len());
    text.push_str("steps:\n");
    text.push_str(&step("evaluated", "", payloads.len(), |name, _| {
        format!("(set +eu; eval \"echo ${name}\") >evaluated.all 2>&1 </dev/null || :")
    }));
    let project = project(&text).file("inputs.json", &inputs(&payloads));
    let done = project.run(&["run", "cases", "--inputs", "inputs.json", "--no-input"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(canaries(&project) >= 80, "only {} canaries", canaries(&project));
}

#[test]
fn braces_in_a_command_are_refused_in_every_place() {
    let places = [
        "run: echo {{ inputs.p000 }}",
        "run: 'echo \"{{ inputs.p000 }}\"'",
        "run: \"echo '{{ inputs.p000 }}'\"",
        "run: \"cat <<END\\n{{ inputs.p000 }}\\nEND\"",
        "run: 'x=$(echo {{ inputs.p000 }})'",
        "run: 'x=`echo {{ inputs.p000 }}`'",
        "run: ['echo', '{{ inputs.p000 }}']",
        "run: 'true'\n    gate: [{ run: 'echo {{ inputs.p000 }}' }]",
    ];
    for place in places {
        let text = format!("{}steps:\n  - id: one\n    {place}\n", declared(1));
        let project = project(&text);
        for words in [&["check", "--json"][..], &["run", "cases", "-i", "p000=x", "--json"]] {
            let done = project.run(words);
            assert_eq!(done.code, Some(10), "{place}: {}{}", done.stdout, done.stderr);
            assert!(format!("{}{}", done.stdout, done.stderr).contains("E0107"), "{place}: {}", done.stderr);
        }
    }
}

#[test]
fn values_that_look_like_flags_are_values() {
    let text = "name: cases\ninputs:\n  word: { type: string, required: true, positional: true }\nsteps:\n  \
                - { id: plain, recovery: retry, run: 'printf %s \"$ORCH_INPUT_WORD\" >plain.out' }\n  \
                - { id: list, recovery: retry, run: [sh, -c, 'printf %s \"$1\" >list.out', sh], args: [\"{{ inputs.word }}\"] }\n";
    for value in ["--version", "-h", "--help", "-rf", "--", "-", "--json", "-C/tmp", "--color=always", "-e canary"] {
        let ways: [&[&str]; 3] = [
            &["run", "cases", "-i", &format!("word={value}")],
            &["run", "cases", "--no-input", "--", value],
            &["run", "cases", "--inputs", "inputs.json"],
        ];
        for words in ways {
            let project = project(text).file("inputs.json", &json!({ "word": value }).to_string());
            let done = project.run(words);
            assert_eq!(done.code, Some(0), "{words:?}: {}{}", done.stdout, done.stderr);
            assert_eq!((project.read("plain.out"), project.read("list.out")), (value.to_owned(), value.to_owned()));
            assert_eq!(canaries(&project), 0);
        }
    }
}

#[test]
fn a_character_that_no_environment_can_hold_is_refused_with_words() {
    let text = format!(
        "{}steps:\n  - {{ id: one, recovery: retry, run: 'echo \"$ORCH_INPUT_P000\"; canary' }}\n",
        declared(1)
    );
    let project = project(&text).file("inputs.json", "{\"p000\": \"a\\u0000b\"}");
    let done = project.run(&["run", "cases", "--inputs", "inputs.json", "--no-input"]);
    assert_ne!(done.code, Some(0), "{}", done.stdout);
    let words: Vec<_> = done.stdout.split_whitespace().chain(done.stderr.split_whitespace()).collect();
    assert!(words.join(" ").contains("a character that no environment can hold"), "{words:?}");
    assert_eq!(canaries(&project), 0, "the step ran with a value that was cut");
}
