//! The six gates of a pipeline.

use crate::world::World;

const TESTED: &str =
    "#[must_use]\npub fn one() -> u32 {\n    1\n}\n\n#[test]\nfn holds() {\n    assert_eq!(one(), 1);\n}\n";
const DESIGN: &str =
    "# Design\n\n## Feasibility\n\nIt can be built with what we have.\n\n## Risks\n\n- time: we cut scope\n";

#[test]
fn a_design_says_that_it_can_be_built_and_what_may_go_wrong() {
    World::new().fails("design-gate", "there is no design: looked for docs/design.md");
    let world = World::new().file("docs/design.md", DESIGN);
    world.passes("design-gate", "docs/design.md is there and speaks of feasibility and risks");
    let without = |part: &str| World::new().file("docs/design.md", &DESIGN.replace(part, ""));
    without("It can be built with what we have.").fails("design-gate", "does not say whether it can be built");
    without("- time: we cut scope").fails("design-gate", "names no risks");
    World::new()
        .file("ARCHITECTURE.md", "Feasible: yes, in a week\n- **Risks**: none that we know\n")
        .passes("design-gate", "ARCHITECTURE.md");
    let typed = "{ feasible: boolean, \"risks?\": [string] }";
    let world = World::new().file("docs/design.md", DESIGN);
    let world = world.hands_on(typed, r#"{"feasible": false, "risks": ["a"]}"#);
    world.fails("design-gate", "`this.feasible is not defined or this.feasible` is false");
    let world = world.hands_on(typed, r#"{"feasible": true, "risks": []}"#);
    world.fails("design-gate", "this.risks | length > 0` is false");
    world.hands_on(typed, r#"{"feasible": true}"#).passes("design-gate", "");
}

#[test]
fn an_implementation_compiles_is_clean_and_tested() {
    let rust = |text: &str| World::rust(text).real("cargo-clippy").real("clippy-driver");
    rust(TESTED).passes("implementation-gate", "unit-tests: pass");
    rust("pub fn one() -> u32 {\n    \"1\"\n}\n").fails("implementation-gate", "mismatched types");
    rust(&TESTED.replace("1\n", "return 1;\n")).fails("implementation-gate", "unneeded `return`");
    rust(&TESTED.replace("one(), 1", "one(), 2")).fails("implementation-gate", "holds ... FAILED");
}

#[test]
fn a_review_must_have_said_something() {
    let world = World::new();
    world.fails(
        "review-gate",
        "`this.issues is defined or this.findings is defined or this.approved is defined` is false",
    );
    let review = |schema: &str, value: &str| World::new().hands_on(schema, value);
    review("{ issues: [string] }", r#"{"issues": []}"#).passes("review-gate", "");
    review("{ issues: [string] }", r#"{"issues": ["a"]}"#).fails("review-gate", "this.issues | length == 0` is false");
    review("{ findings: [any] }", r#"{"findings": [1]}"#).fails("review-gate", "this.findings | length == 0` is false");
    review("{ approved: boolean }", r#"{"approved": false}"#).fails("review-gate", "this.approved` is false");
    review("{ approved: boolean, issues: [string] }", r#"{"approved": true, "issues": []}"#).passes("review-gate", "");
}

#[test]
fn the_test_gate_is_its_three_gates() {
    World::new().passes("test-gate", "integration-tests: not applicable");
    World::rust("#[test]\nfn f() {\n    panic!()\n}\n").fails("test-gate", "test f ... FAILED");
    // cargo-llvm-cov is no part of this repository's tools.
    World::rust(TESTED).errs("test-gate", "coverage: no verdict on Rust");
    let covered = World::rust(TESTED).fake("checked", "").file("checks/coverage.sh", "echo 93 %\n");
    covered.errs("test-gate", "integration-tests: no verdict on Rust");
    covered.file("tests/a.rs", "#[test]\nfn f() {}\n").passes("test-gate", "integration-tests: pass");
}

#[test]
fn the_security_gate_is_its_four_gates_and_the_word_of_the_audit() {
    let world = World::rust(TESTED).real("cargo-clippy").real("clippy-driver");
    world.passes("security-gate", "licence-check: pass");
    let world = world.hands_on("{ vulnerabilities: [string] }", r#"{"vulnerabilities": ["a"]}"#);
    world.fails("security-gate", "this.vulnerabilities | length == 0` is false");
    let world = world
        .hands_on("{ issues: [string] }", r#"{"issues": []}"#)
        .file("a", &format!("-----BEGIN PRIVATE {}-----", "KEY"));
    world.fails("security-gate", "./a:1: private key");
}

#[test]
fn what_is_deployed_answers() {
    let world = World::new();
    world.errs("deploy-gate", "Looked for: checks/smoke.sh, a target smoke of make or just, scripts/smoke.sh");
    let world = world.file("scripts/smoke.sh", "echo it answers\n");
    world.passes("deploy-gate", "smoke: pass; ran: sh scripts/smoke.sh");
    world.file("scripts/smoke.sh", "echo no answer; exit 4\n").fails("deploy-gate", "no answer");
    let input = |value: &str| World::new().file("up.sh", "echo up\n").input("smoke", value);
    input("up.sh").passes("deploy-gate", "ran: sh ./up.sh");
    input("gone.sh").errs("deploy-gate", "there is no file gone.sh");
    input("../up.sh").errs("deploy-gate", "neither an address nor a path inside the project");
    input("$(touch x)").errs("deploy-gate", "there is no file $(touch x)");
    let world = World::new().file("checks/smoke.sh", "").hands_on("{ deployed: boolean }", r#"{"deployed": false}"#);
    world.fails("deploy-gate", "this.deployed` is false");
}
