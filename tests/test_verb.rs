//! `orch test` with the program as people use it: cases pass, wrong expectations fail with the difference, faults in case
//! files are told, the report is well-formed, and nothing of the project changes.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use support::Project;

/// Each command and agent would leave a trace if it ran.
const WORKFLOW: &str = "name: small
steps:
  - { id: plan, agent: planner, prompt: Plan it., output: { parts: [string] }, gate: [{ files: [docs/plan.md] }] }
  - { id: lint, run: touch trace-lint, optional: true }
  - id: build
    agent: planner
    prompt: 'Build {{ plan.parts | join(\", \") }}.'
    gate: [{ run: 'touch trace-gate; false' }, { changed: { deny: [secret/**] } }]
    on_gate_fail: { feedback: true, tries: 1 }
  - { id: ship, approve: 'Ship it?' }
  - { id: done, run: 'touch trace-done; echo x' }
outputs: { parts: '{{ plan.parts }}' }
";

const CASES: &str = "workflow: small
cases:
  - name: happy path
    stubs: { plan: { output: { parts: [a, b] } } }
    expect:
      outcome: succeeded
      exit: 0
      steps: { plan: succeeded, done: succeeded }
      gates: { plan: pass, build: pass }
      attempts: { build: 1 }
      outputs: { parts: [a, b] }
  - name: a gate fails once
    stubs: { build/gate: [fail, pass] }
    expect: { outcome: succeeded, attempts: { build: 2 } }
  - name: a gate fails to the end
    stubs: { build/gate: fail }
    expect: { outcome: failed, exit: 22, steps: { build: failed, done: cancelled }, gates: { build/gate1: fail }, attempts: { build: 2 } }
  - name: what is optional may fail
    stubs: { lint: { exit: 3, stdout: no lint } }
    expect: { outcome: succeeded, exit: 0, steps: { lint: failed, done: succeeded } }
  - name: an agent fails
    stubs: { build: { fail: no answer } }
    expect: { outcome: failed, exit: 1, steps: { build: failed } }
  - name: a person says no
    approvals: { ship: reject }
    expect: { outcome: failed, exit: 21, steps: { ship: failed, done: cancelled } }
  - name: nobody answers
    approvals: wait
    expect: { outcome: waiting, exit: 20, steps: { ship: waiting } }
  - name: a forbidden file is written
    stubs: { build: { writes: { secret/key: x } } }
    expect: { outcome: failed, exit: 22, gates: { build/gate2: fail } }
";

fn small() -> Project {
    Project::new()
        .file("agents/planner.md", "---\nname: planner\ndescription: Plans\ntools: Write\n---\nYou plan.\n")
        .file("workflows/small.yaml", WORKFLOW)
        .file("workflows/tests/small.yaml", CASES)
}

/// Every file of the project and its bytes.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            found.insert(path.strip_prefix(root).unwrap().display().to_string(), bytes);
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn cases_pass_and_nothing_of_the_project_changes() {
    let project = small();
    let before = tree(&project.root());
    let done = project.run(&["test"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    assert_eq!(done.stdout.matches("PASS small: ").count(), 8, "{}", done.stdout);
    assert!(done.stdout.ends_with("PASS 8 passed, 0 failed\n"), "{}", done.stdout);
    assert_eq!(tree(&project.root()), before);
}

#[test]
fn a_case_says_the_same_every_time() {
    let project = small();
    let verdicts = |done: &support::Done| {
        let report = done.json(0);
        let cases = report["sections"][0]["cases"].as_array().unwrap().clone();
        cases.iter().map(|case| (case["name"].clone(), case["differences"].clone())).collect::<Vec<_>>()
    };
    let first = verdicts(&project.run(&["test", "--json"]));
    for _ in 0..2 {
        assert_eq!(verdicts(&project.run(&["test", "--json"])), first);
    }
}

/// A person who sends the work back with comments, and says yes to the next one.
#[test]
fn a_case_may_push_back_and_expect_the_rework() {
    let workflow = "name: small
steps:
  - { id: build, prompt: 'Build it.', gate: [{ approve: 'Good?' }] }
  - { id: ship, approve: 'Ship it?' }
";
    let cases = |cases: &str| format!("workflow: small\ncases:\n{cases}");
    let project = Project::new().file("workflows/small.yaml", workflow).file(
        "workflows/tests/small.yaml",
        &cases(
            "  - name: once
    approvals: { build: [{ pushback: 'shorter, please' }, approve] }
    expect: { outcome: succeeded, attempts: { build: 2 }, steps: { ship: succeeded } }
  - name: twice, with several comments
    approvals: { build: [{ pushback: [shorter, simpler] }, { pushback: once more }, approve], ship: reject }
    expect: { outcome: failed, exit: 21, attempts: { build: 3 }, steps: { ship: failed } }
  - name: for all questions
    approvals: [{ pushback: no }, approve]
    expect: { outcome: failed }
",
        ),
    );
    let done = project.run(&["test", "small"]);
    // A question that no agent can rework refuses to be pushed back: the case says so.
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(
        done.stdout.contains("2 passed, 1 failed") && done.stdout.contains("FAIL small: for all"),
        "{}",
        done.stdout
    );
    // Without the push-back in it the expectation fails, so it is the rework that is counted.
    let once = "  - name: x\n    approvals: approve\n    expect: { attempts: { build: 2 } }\n";
    project.write("workflows/tests/small.yaml", &cases(once));
    let done = project.run(&["test", "small"]);
    assert!(done.stdout.contains("attempts.build: expected 2, found 1"), "{}", done.stdout);
    for (approvals, part) in [
        ("{ build: { pushback: [] } }", "`pushback` has no comment"),
        ("{ build: [] }", "`build` has no answer"),
        ("{ build: aprove }", "did you mean `approve`?"),
        ("{ build: { push: x } }", "pushback"),
    ] {
        let text = format!("  - name: x\n    approvals: {approvals}\n    expect: {{ exit: 0 }}\n");
        project.write("workflows/tests/small.yaml", &cases(&text));
        let done = project.run(&["test", "small"]);
        assert!(done.code == Some(10) && done.stderr.contains(part), "{part}: {} {}", done.stdout, done.stderr);
    }
}

/// Each expectation by itself: made wrong, the case fails and names what it has found.
#[test]
fn every_wrong_expectation_fails_and_says_so() {
    let one = |stubs: &str, approvals: &str, expect: &str| {
        format!("  - name: '{expect}'\n    stubs: {stubs}\n    approvals: {approvals}\n    expect: {expect}\n")
    };
    let wrong = [
        ("{}", "approve", "{ outcome: failed }", "outcome: expected failed, found succeeded", ""),
        ("{}", "approve", "{ exit: 22 }", "exit: expected 22, found 0", ""),
        ("{ build/gate: fail }", "approve", "{ exit: 0 }", "exit: expected 0, found 22", "exit code 1"),
        ("{}", "reject", "{ outcome: succeeded }", "outcome: expected succeeded, found failed", "rejected"),
        ("{}", "wait", "{ outcome: succeeded }", "outcome: expected succeeded, found waiting", "Ship it?"),
        ("{}", "approve", "{ steps: { lint: failed } }", "steps.lint: expected failed, found succeeded", ""),
        (
            "{ lint: fail }",
            "approve",
            "{ steps: { lint: succeeded } }",
            "steps.lint: expected succeeded, found failed",
            "",
        ),
        ("{}", "approve", "{ gates: { build: fail } }", "gates.build: expected fail, found pass", ""),
        (
            "{ build/gate: fail }",
            "approve",
            "{ gates: { build: pass } }",
            "gates.build: expected pass, found fail",
            "exit code 1",
        ),
        ("{ plan: fail }", "approve", "{ gates: { build: pass } }", "gates.build: expected pass, found none", ""),
        ("{}", "approve", "{ attempts: { build: 2 } }", "attempts.build: expected 2, found 1", ""),
        ("{}", "approve", "{ outputs: { parts: [z] } }", "outputs.parts: expected [\"z\"], found [\"sample\"]", ""),
        ("{ build: { fail: too tired } }", "approve", "{ exit: 0 }", "exit: expected 0, found 1", "too tired"),
    ];
    let text: String = wrong.iter().map(|(stubs, approvals, expect, ..)| one(stubs, approvals, expect)).collect();
    // Two of them differ in `stubs` only, and names are unique.
    let mut count = 0;
    let text = text.lines().fold(String::new(), |text, line| {
        count += 1;
        let line = line.replace("- name: '", &format!("- name: '{count} "));
        format!("{text}{line}\n")
    });
    let project = small().file("workflows/tests/small.yaml", &format!("workflow: small\ncases:\n{text}"));
    let done = project.run(&["test", "small"]);
    assert_eq!(done.code, Some(1), "{} {}", done.stdout, done.stderr);
    let blocks: Vec<_> = done.stdout.split("FAIL small: ").skip(1).collect();
    assert_eq!(blocks.len(), wrong.len(), "{}", done.stdout);
    for ((.., difference, evidence), block) in wrong.iter().zip(blocks) {
        assert!(block.contains(difference) && block.contains(evidence), "{difference} | {evidence} is not in\n{block}");
    }
}

#[test]
fn faults_of_case_files_are_told_at_once_and_nothing_runs() {
    let project = small().file(
        "workflows/tests/small.yaml",
        "workflow: small
cases:
  - name: a
    inputs: { idea: x }
    stubs: { biuld: fail, plan: { exit: 1 }, ship: fail, plan/gate1: fail, lint: error }
    approvals: { lint: approve }
    expect: { exit: 0, steps: { dnoe: succeeded }, gates: { lint: pass }, outputs: { part: 1 } }
",
    );
    let done = project.run(&["test"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(10), ""), "{}", done.stderr);
    for part in [
        "there is no input `idea`",
        "`small` has no step `biuld`",
        "did you mean `build`?",
        "`exit` means nothing for an agent",
        "`ship` answers nothing",
        "gate 1 of this step runs no command",
        "a command cannot answer `error`",
        "nobody is asked about `lint`",
        "did you mean `done`?",
        "`lint` has no gate",
        "did you mean `parts`?",
    ] {
        assert!(done.stderr.contains(part), "{part} is not in\n{}", done.stderr);
    }
    let done = project.run(&["test", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&done.stderr).unwrap();
    assert_eq!(error["error"]["id"], "E0578");
}

#[test]
fn hostile_case_files_are_refused_or_harmless() {
    let project = small();
    for (text, part) in [
        (
            "workflow: small\ncases: [{ name: a, stubs: { plan: { writes: { ../../x: y } } }, expect: { exit: 0 } }]",
            "leaves the project",
        ),
        (
            "workflow: small\ncases: [{ name: a, stubs: { plan: { writes: { /etc/x: y } } }, expect: { exit: 0 } }]",
            "leaves the project",
        ),
        ("workflow: nothing\ncases: [{ name: a, expect: { exit: 0 } }]", "there is no workflow or command `nothing`"),
        ("workflow: small\ncases: [{ name: a, expect: { exit: 0 } }, { nam: b }]\nx: y", "unknown key `x`"),
        ("\u{0}", "error"),
        ("{{{{", "error"),
        ("a: &a [*a]", "error"),
    ] {
        project.write("workflows/tests/small.yaml", text);
        let done = project.run(&["test"]);
        assert_eq!(done.code, Some(10), "{text}: {} {}", done.stdout, done.stderr);
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
    // Text of a case is never a part of a command, and never reaches the terminal as it is.
    let text = r#"workflow: small
cases:
  - name: "\e[31mred\a $(touch trace) \"; touch trace"
    stubs:
      plan: { output: { parts: ["$(touch trace)", "'; touch trace; '"] }, text: "`touch trace`", writes: { "docs/plan.md": "$(touch trace)", "a b;touch trace": "" } }
      lint: { stdout: "$(touch trace)\n'; touch trace", exit: 0 }
      done: { stdout: "\e]0;x\a" }
    expect: { exit: 0, outputs: { parts: ["$(touch trace)", "'; touch trace; '"] } }
"#;
    project.write("workflows/tests/small.yaml", text);
    let before = tree(&project.root());
    let done = project.run(&["test"]);
    assert_eq!(done.code, Some(0), "{} {}", done.stdout, done.stderr);
    assert!(!done.stdout.contains('\u{1b}') && !done.stdout.contains('\u{7}'), "{:?}", done.stdout);
    assert_eq!(tree(&project.root()), before);
}

/// The name and the attributes of an element.
type Element = (String, BTreeMap<String, String>);

/// The elements of a document, or what is wrong with it: enough of XML to say whether it is well-formed.
fn elements(text: &str) -> Result<Vec<Element>, String> {
    let (mut open, mut found, mut rest) = (Vec::new(), Vec::new(), text);
    rest = rest.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").ok_or("no declaration")?;
    while let Some(at) = rest.find('<') {
        let before = &rest[..at];
        if before.contains('>') || before.chars().any(|letter| letter.is_control() && letter != '\n') {
            return Err(format!("text that is none: {before:?}"));
        }
        let end = rest[at..].find('>').ok_or("an open tag")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes another"));
            }
            continue;
        }
        let closed = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut pairs = BTreeMap::new();
        while !attributes.trim().is_empty() {
            let (key, after) = attributes.trim_start().split_once("=\"").ok_or(format!("attributes {attributes}"))?;
            let (value, after) = after.split_once('"').ok_or("an open value")?;
            let bare =
                ["&amp;", "&lt;", "&gt;", "&quot;", "&#10;"].iter().fold(value.to_owned(), |v, e| v.replace(e, ""));
            if bare.contains(['&', '<', '\n']) || pairs.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(format!("value {value}"));
            }
            attributes = after;
        }
        found.push((name.to_owned(), pairs));
        if !closed {
            open.push(name.to_owned());
        }
    }
    if open.is_empty() { Ok(found) } else { Err(format!("open: {open:?}")) }
}

#[test]
fn the_junit_report_is_well_formed_and_complete() {
    let text = "workflow: small\ncases:\n  - { name: 'a <b> & \"c\" ]]>', expect: { exit: 0 } }\n  - { name: \"wrong \\e[1m\", stubs: { build: { fail: '<x> & \"y\"' } }, expect: { exit: 0 } }\n";
    let project = small().file("workflows/tests/small.yaml", text);
    let done = project.run(&["test", "--junit", "report.xml"]);
    assert_eq!(done.code, Some(1), "{} {}", done.stdout, done.stderr);
    let elements = elements(&project.read("report.xml")).unwrap();
    let names: Vec<_> = elements.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["testsuites", "testsuite", "testcase", "testcase", "failure"]);
    assert_eq!((elements[0].1["tests"].as_str(), elements[0].1["failures"].as_str()), ("2", "1"));
    assert_eq!(elements[2].1["name"], "a &lt;b&gt; &amp; &quot;c&quot; ]]&gt;");
    assert_eq!(elements[4].1["message"], "exit: expected 0, found 1");
    // Why the step failed stands in the failure, as text.
    assert!(project.read("report.xml").contains("&lt;x&gt; &amp; &quot;y&quot;"), "{}", project.read("report.xml"));
    let done = project.run(&["test", "--junit", "no/such/folder/report.xml"]);
    assert!(done.code == Some(1) && done.stderr.contains("error[E0577]"), "{done:?}");
}

#[test]
fn names_choose_and_unknown_ones_are_refused() {
    let project =
        small().file("workflows/tests/more.yaml", "workflow: small\ncases: [{ name: more, expect: { exit: 0 } }]");
    assert!(project.run(&["test", "more"]).stdout.ends_with("1 passed, 0 failed\n"));
    assert!(project.run(&["test", "workflows/tests/more.yaml"]).stdout.ends_with("1 passed, 0 failed\n"));
    assert!(project.run(&["test", "workflows/tests"]).stdout.ends_with("9 passed, 0 failed\n"));
    let done = project.run(&["test", "smal"]);
    assert!(done.code == Some(11) && done.stderr.contains("did you mean `small`?"), "{done:?}");
    let done = Project::new().run(&["test"]);
    assert!(done.code == Some(11) && done.stderr.contains("error[E0579]"), "{done:?}");
    // Cases are no workflows.
    let listed = project.run(&["list"]).stdout;
    assert!(!listed.contains("tests/"), "{listed}");
    assert_eq!(project.run(&["check"]).code, Some(0));
}

/// Items and rounds share a stub, and attempts are counted over all of them.
#[test]
fn items_and_rounds_are_counted() {
    let workflow = "name: many
steps:
  - { id: plan, run: list, output: { parts: [string] } }
  - { id: every, each: plan.parts, as: part, key: '{{ part }}', steps: [{ id: make, run: make, gate: [{ run: prove }] }] }
  - id: polish
    loop: { max: 3, until: measure.good }
    steps: [{ id: measure, run: measure, output: { good: boolean } }]
  - { id: name, ask: 'Which name?', output: { name: string } }
outputs: { name: '{{ name.name }}' }
";
    let cases = "workflow: many
cases:
  - name: a
    stubs:
      plan: { output: { parts: [x, y] } }
      polish/measure: [{ output: { good: false } }, { output: { good: true } }]
      name: { output: { name: ann } }
    expect:
      outcome: succeeded
      attempts: { every/make: 2, 'every[x]/make': 1, polish/measure: 2, 'polish#1/measure': 1 }
      steps: { 'every[y]/make': succeeded, every/make: succeeded }
      gates: { 'every[x]/make': pass, every/make/gate: pass }
      outputs: { name: ann }
  - name: one of two items fails
    stubs: { plan: { output: { parts: [x, y] } }, every/make/gate: [pass, fail] }
    expect: { outcome: failed, exit: 22, gates: { every/make: fail } }
  - name: everything fails by default
    default: { commands: fail }
    expect: { outcome: failed, exit: 1, attempts: { every/make: 0 } }
";
    let done = Project::new()
        .file("workflows/many.yaml", workflow)
        .file("workflows/tests/many.yaml", cases)
        .run(&["test", "-v"]);
    assert_eq!(done.code, Some(0), "{} {}", done.stdout, done.stderr);
}

/// The shipped workflows.
const SHIPPED: [&str; 7] =
    ["add-feature", "deploy", "fix-bug", "new-project", "optimize-performance", "refactor", "security-audit"];

/// What is shipped is tested in any project, by its name.
#[test]
fn the_shipped_cases_pass() {
    let done = Project::new().run(&[&["test"], SHIPPED.as_slice()].concat());
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    for name in SHIPPED {
        let count = done.stdout.matches(&format!("PASS {name}: ")).count();
        assert!(count >= 5, "{name} has {count} cases");
    }
}

/// In each shipped workflow one bug, of those that its cases are there for: a gate that is gone, another edge, a condition
/// that is turned round.
#[test]
fn the_shipped_cases_see_planted_bugs() {
    let bugs = [
        ("add-feature", "      - check: security.issues | length == 0\n", "", "the readers go on to find"),
        ("deploy", "when: monitoring is not defined", "when: validation is not defined", "falls ill"),
        ("fix-bug", "    when: cause.is_risky\n", "", "a bug is shown"),
        ("new-project", "until: measure.clean", "until: not measure.clean", "in the second round"),
        (
            "optimize-performance",
            "          - changed: { deny: [bench.sh, \"bench/**\"] }\n",
            "",
            "change what measures",
        ),
        ("refactor", "until: step.remaining | length == 0", "until: step.remaining | length <= 1", "in two steps"),
        (
            "security-audit",
            "  - id: remediation\n",
            "  - id: remediation\n    needs: compliance\n",
            "does not want the attack",
        ),
    ];
    assert_eq!(bugs.map(|(name, ..)| name), SHIPPED);
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows");
    for (name, old, new, case) in bugs {
        let text = fs::read_to_string(home.join(format!("{name}.yaml"))).unwrap();
        assert!(text.contains(old), "{name}: {old}");
        let project = Project::new().file(&format!("workflows/{name}.yaml"), &text.replacen(old, new, 1));
        for prompt in tree(&home.join("prompts")).into_keys().filter(|path| path.ends_with(".md")) {
            let text = fs::read_to_string(home.join("prompts").join(&prompt)).unwrap();
            project.write(&format!("workflows/prompts/{prompt}"), &text);
        }
        let done = project.run(&["test", name]);
        assert_eq!(done.code, Some(1), "{name}: {} {}", done.stdout, done.stderr);
        let failed: Vec<_> = done.stdout.lines().filter(|line| line.starts_with("FAIL ")).collect();
        assert!(failed.iter().any(|line| line.contains(case)), "{name}: {failed:?}");
    }
}

/// Which branches have begun when one of them fails is a matter of the workflow, and not of the machine.
#[test]
fn what_runs_at_once_is_the_same_on_every_machine() {
    let branches: String = (0..9).map(|place| format!("      - {{ id: b{place}, run: work }}\n")).collect();
    let expected: Vec<_> = (1..9).map(|place| format!("all/b{place}: succeeded")).collect();
    let done = Project::new()
        .file("orch.toml", "parallel = 1\n")
        .file("workflows/wide.yaml", &format!("name: wide\nsteps:\n  - id: all\n    parallel:\n{branches}"))
        .file(
            "workflows/tests/wide.yaml",
            &format!(
                "workflow: wide\ncases:\n  - name: one of nine fails\n    stubs: {{ all/b0: fail }}\n    \
                 expect: {{ outcome: failed, exit: 1, steps: {{ all/b0: failed, {} }} }}\n",
                expected.join(", ")
            ),
        )
        .run(&["test"]);
    assert_eq!(done.code, Some(0), "{} {}", done.stdout, done.stderr);
}

/// The example of docs/testing.md does what its text says.
#[test]
fn the_documented_example_passes() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/testing.md")).unwrap();
    let blocks: Vec<_> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).collect();
    assert_eq!(blocks.len(), 2, "a workflow and its cases");
    let project =
        Project::new().file("workflows/note.yaml", blocks[0].0).file("workflows/tests/note.yaml", blocks[1].0);
    let done = project.run(&["test"]);
    assert_eq!(done.code, Some(0), "{} {}", done.stdout, done.stderr);
    let shown: String = page.split("$ orch test\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    assert_eq!(done.stdout, shown);
}

#[test]
fn cases_of_skills_are_tested_too() {
    let project = Project::new()
        .file(
            "skills/tide/SKILL.md",
            "---\nname: tide\ndescription: Tells the tides. Use for harbours.\ntriggers: [tide table]\n---\n\nTides.\n",
        )
        .file(
            "skills/tests.yaml",
            "cases:\n  - { text: Read the tide table, activates: [tide] }\n  - { text: Bake bread, not: [tide] }\n",
        );
    let report = project.run(&["test", "--json"]).json(0);
    assert_eq!(
        (&report["passed"], &report["sections"][0]["name"]),
        (&serde_json::json!(2), &serde_json::json!("skills"))
    );
    project.write("skills/tests.yaml", "cases: [{ text: Bake bread, activates: [tide] }]\n");
    let done = project.run(&["test", "skills"]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(done.stdout.contains("tide"), "{}", done.stdout);
}
