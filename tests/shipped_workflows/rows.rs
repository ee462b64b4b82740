//! The shipped workflows with a sample, one row each, and what only one of them promises.

use std::{fs, process::Command};

use serde_json::Value;

use crate::harness::{Machine, Repair, Shipped, gate, shipped, step, turn};

const FIX_BUG: Shipped = Shipped {
    name: "fix-bug",
    repairs: &[
        Repair { step: "reproduce", gate: "reproduced", turn: ("reproduce", 2) },
        Repair { step: "fix", gate: "unit-tests", turn: ("fix", 2) },
    ],
    proof: &[&["cargo", "test", "--offline"], &["sh", "checks/reproduce.sh"]],
};

const REFACTOR: Shipped = Shipped {
    name: "refactor",
    repairs: &[
        Repair { step: "characterise", gate: "unit-tests", turn: ("characterise", 2) },
        Repair { step: "change#1/step", gate: "unit-tests", turn: ("change#1/step", 2) },
    ],
    proof: &[&["cargo", "test", "--offline"]],
};

const ADD_FEATURE: Shipped = Shipped {
    name: "add-feature",
    repairs: &[
        Repair { step: "wire", gate: "unit-tests", turn: ("wire", 2) },
        Repair { step: "quality", gate: "wcag", turn: ("quality@fix", 1) },
    ],
    proof: &[
        &["cargo", "test", "--offline", "--workspace"],
        &["cargo", "run", "--offline", "-q", "recipes.txt", "egg"],
    ],
};

shipped! {
    add_feature: ADD_FEATURE,
    fix_bug: FIX_BUG,
    refactor: REFACTOR,
}

/// A fix that weakens the test that showed the bug is refused, however green it is.
#[test]
fn the_test_that_showed_the_bug_is_sealed() {
    let machine = Machine::new("fix-bug");
    let mut text = machine.recording();
    let file = "      - path: tests/two_digits.rs\n        text: |\n          #[test]\n          fn nothing() {}\n";
    let end = turn(&text, "fix", 2).end;
    text.insert_str(end, file);
    machine.record(&text);
    machine.first(22);
    assert_eq!(gate(step(&machine.status(), "fix"), "sealed-tests").1["verdict"], "fail");
    assert!(fs::read_to_string(machine.project().join("tests/two_digits.rs")).unwrap().contains("nothing"));
}

/// A project may lie in a folder of a larger repository.
#[test]
fn a_project_need_not_be_the_root_of_its_repository() {
    let machine = Machine::new("refactor");
    machine.record(&machine.recording());
    let made = Command::new("git").args(["init", "-q"]).current_dir(machine.project().parent().unwrap()).status();
    assert!(made.unwrap().success());
    machine.first(0);
}

/// A project may put its own script in the place of a gate; an agent of the run may not.
#[test]
fn no_agent_chooses_its_judge() {
    let machine = Machine::new("fix-bug");
    let mut text = machine.recording();
    let end = turn(&text, "fix", 2).end;
    text.insert_str(end - 1, "      - path: checks/unit-tests.sh\n        text: |\n          exit 0\n");
    machine.record(&text);
    machine.first(22);
    assert_eq!(gate(step(&machine.status(), "fix"), "changed").1["verdict"], "fail");
}

/// Before the behaviour is pinned, nobody may touch the code.
#[test]
fn the_code_may_not_move_before_its_behaviour_is_pinned() {
    let machine = Machine::new("refactor");
    let mut text = machine.recording();
    let end = turn(&text, "characterise", 1).end;
    text.insert_str(end - 1, "      - path: src/more.rs\n        text: |\n          //! More.\n");
    machine.record(&text);
    machine.first(22);
    assert_eq!(gate(step(&machine.status(), "characterise"), "changed").1["verdict"], "fail");
}

/// With one half only, the other half's steps are left out, and nothing that read them is in the way.
#[test]
fn a_feature_may_need_one_half_only() {
    for (scope, left_out) in [
        ("backend", ["contract", "build/frontend", "quality/accessibility"].as_slice()),
        ("frontend", ["contract", "build/backend"].as_slice()),
    ] {
        let status = small_feature(scope, false, 0);
        let steps = status["steps"].as_array().unwrap().iter();
        let skipped: Vec<_> = steps.filter(|step| step["status"] == "skipped").map(|step| &step["id"]).collect();
        let expected = ["decide"].iter().chain(left_out).chain(&["measure"]);
        assert_eq!(skipped, expected.collect::<Vec<_>>(), "{scope}");
    }
}

/// The machine has neither a linter nor a tool for coverage: what nobody can judge has not passed.
#[test]
fn a_thorough_run_does_not_pass_without_its_tools() {
    let status = small_feature("backend", true, 22);
    assert_eq!(gate(step(&status, "measure"), "implementation-gate > lint").1["verdict"], "error");
}

/// Runs a session that changes next to nothing, for a feature that is not complex.
#[track_caller]
fn small_feature(scope: &str, thorough: bool, code: i32) -> Value {
    let machine = Machine::new("add-feature");
    machine.record(&small_session(scope, thorough));
    let (scope, thorough) = (format!("scope={scope}"), format!("thorough={thorough}"));
    let output = machine.orch(&["run", "/add-feature", "nothing much", "-i", &scope, "-i", &thorough]);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    machine.status()
}

fn small_session(scope: &str, thorough: bool) -> String {
    let mut text = format!(
        "recording: 1\nworkflow: add-feature\ninputs: {{ feature: nothing much, scope: {scope}, thorough: {thorough}, coverage: 80 }}\nturns:\n"
    );
    let analysis = "{ title: Much, acceptance: [{ id: a, check: b }], impact: [], is_complex: false, why: small }";
    let design = "docs/design.md, text: \"# Design\\n\\n## Feasibility\\n\\nYes.\\n\\n## Risks\\n\\nNone.\\n\"";
    for (step, output, write) in [
        ("analysis", analysis, None),
        ("design", "{ decision: as it is, feasible: true, risks: [none] }", Some(design)),
        ("build/backend", "", None),
        ("build/frontend", "", None),
        ("wire", "", None),
        ("quality/review", "{ issues: [] }", None),
        ("quality/tests", "{ untested: [] }", None),
        ("quality/security", "{ issues: [] }", None),
        ("quality/performance", "{ issues: [] }", None),
        ("quality/accessibility", "{ issues: [] }", None),
        ("document", "", None),
    ] {
        let output = if output.is_empty() { String::new() } else { format!(", output: {output}") };
        text += &format!("  - step: {step}\n    says: {{ summary: done{output} }}\n");
        text += &write.map_or_else(String::new, |write| format!("    writes: [{{ path: {write} }}]\n"));
    }
    text
}
