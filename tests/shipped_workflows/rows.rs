//! The shipped workflows with a sample, one row each, and what only one of them promises.

use std::fs;

use crate::harness::{Machine, Repair, Shipped, gate, shipped, step, turn};

const FIX_BUG: Shipped = Shipped {
    name: "fix-bug",
    repairs: &[
        Repair { step: "reproduce", gate: "# sh checks/reproduce.sh must", turn: ("reproduce", 2) },
        Repair { step: "fix", gate: "# scripts/unit-tests.sh", turn: ("fix", 2) },
    ],
    proof: &[&["cargo", "test", "--offline"], &["sh", "checks/reproduce.sh"]],
};

const REFACTOR: Shipped = Shipped {
    name: "refactor",
    repairs: &[
        Repair { step: "characterise", gate: "# scripts/unit-tests.sh", turn: ("characterise", 2) },
        Repair { step: "change#1/step", gate: "# scripts/unit-tests.sh", turn: ("change#1/step", 2) },
    ],
    proof: &[&["cargo", "test", "--offline"]],
};

const ADD_FEATURE: Shipped = Shipped {
    name: "add-feature",
    repairs: &[
        Repair { step: "wire", gate: "# scripts/unit-tests.sh", turn: ("wire", 2) },
        Repair { step: "quality", gate: "# scripts/wcag.sh", turn: ("quality@fix", 1) },
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
    // The first, wrong, fix leaves the suite red, so the second one is where the test could be weakened.
    machine.record(&text);
    machine.first(22);
    assert_eq!(gate(step(&machine.status(), "fix"), "# the sealed files").1["verdict"], "fail");
    assert!(fs::read_to_string(machine.project().join("tests/two_digits.rs")).unwrap().contains("nothing"));
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
        let machine = Machine::new("add-feature");
        machine.record(&one_half(scope));
        let words = ["run", "/add-feature", "nothing much", "-i", &format!("scope={scope}")];
        let output = machine.orch(&words);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let status = machine.status();
        let steps = status["steps"].as_array().unwrap().iter();
        let skipped: Vec<_> = steps.filter(|step| step["status"] == "skipped").map(|step| &step["id"]).collect();
        let expected = ["decide"].iter().chain(left_out).chain(&["measure"]);
        assert_eq!(skipped, expected.collect::<Vec<_>>(), "{scope}");
    }
}

/// A session that changes next to nothing, for a feature that is not complex.
fn one_half(scope: &str) -> String {
    let mut text = format!(
        "recording: 1\nworkflow: add-feature\ninputs: {{ feature: nothing much, scope: {scope}, thorough: false, coverage: 80 }}\nturns:\n"
    );
    let analysis = "{ title: Much, acceptance: [{ id: a, check: b }], impact: [], is_complex: false, why: small }";
    let design = "docs/design.md, text: \"# Design\\n\\n## Feasibility\\n\\nYes.\\n\\n## Risks\\n\\nNone.\\n\"";
    for (step, output, write) in [
        ("analysis", analysis, None),
        ("design", "{ decision: as it is, risks: [] }", Some(design)),
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
