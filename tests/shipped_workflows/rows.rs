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

shipped! {
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
