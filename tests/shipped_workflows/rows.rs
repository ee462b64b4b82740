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

shipped! {
    fix_bug: FIX_BUG,
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
