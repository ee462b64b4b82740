//! unit-tests, coverage, integration-tests, e2e-tests, performance-tests.

use crate::world::{World, skips_without};

const GOOD: &str = "#[test]\nfn holds() {\n    assert_eq!(1, 1);\n}\n";
const BAD: &str = "#[test]\nfn breaks() {\n    assert_eq!(1, 2);\n}\n";
const PYTHON_GOOD: &str =
    "import unittest\nclass A(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1, 1)\n";

#[test]
fn an_empty_project_has_nothing_to_test() {
    let world = World::new();
    for gate in ["unit-tests", "coverage", "integration-tests", "e2e-tests", "performance-tests"] {
        world.passes(gate, &format!("{gate}: not applicable: no source files"));
    }
}

#[test]
fn cargo_test_must_pass_and_must_have_run_something() {
    World::rust(GOOD).passes("unit-tests", "unit-tests: pass; ran: cargo test --workspace");
    World::rust(BAD).fails("unit-tests", "test breaks ... FAILED");
    World::rust("").fails("unit-tests", "`cargo test --workspace` was content, but it ran nothing");
}

#[test]
fn python_and_node_test_with_what_they_bring_along() {
    if !skips_without("python3") {
        let world = World::new().file("test_a.py", PYTHON_GOOD).real("python3");
        world.passes("unit-tests", "ran: python3 -m unittest discover");
        world.file("test_a.py", &PYTHON_GOOD.replace("1, 1", "1, 2")).fails("unit-tests", "FAILED (failures=1)");
    }
    if !skips_without("node") {
        let test = "require('node:test')('a', () => { if (1 !== 1) throw new Error('wrong') })\n";
        let world = World::new().file("package.json", "{}").file("a.test.js", test).real("node");
        world.passes("unit-tests", "ran: node --test");
        world
            .file("a.test.js", &test.replace("!==", "==="))
            .fails("unit-tests", "`node --test` ended with exit code 1");
    }
    World::new().file("setup.py", "").errs("unit-tests", "Looked for: pytest, test_*.py for python3 -m unittest");
    World::new().file("package.json", "{}").errs("unit-tests", "no verdict on JavaScript");
}

/// npm comes with node, but a test must not depend on its version: a script stands in for it.
#[test]
fn a_script_of_package_json_is_found_by_its_key() {
    let npm = |package: &str| World::new().file("package.json", package).fake("npm", "echo \"npm $*\"");
    npm(r#"{"scripts":{"format":"prettier \"**/*.{ts,js}\"","test":"x"}}"#).passes("unit-tests", "ran: npm run test");
    npm("{\n  \"scripts\": {\n    \"test\": \"mocha\"\n  }\n}\n").passes("unit-tests", "ran: npm run test");
    npm(r#"{"scripts":{"test:unit":"x","test":"y"}}"#).passes("unit-tests", "ran: npm run test:unit");
    npm(r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#)
        .errs("unit-tests", "no verdict on JavaScript");
    npm(r#"{"name":"test","config":{"test":"x"},"scripts":{"a":"test"}}"#)
        .errs("unit-tests", "no verdict on JavaScript");
    npm(r#"{"scripts":{"test":"x"}}"#).file("yarn.lock", "").errs("unit-tests", "Looked for: yarn");
    npm(r#"{"scripts":{"test":"x"}}"#)
        .file("yarn.lock", "")
        .fake("yarn", "")
        .passes("unit-tests", "ran: yarn run test");
}

/// cargo-llvm-cov and pytest-cov are no part of this repository's tools, so scripts stand in for them.
#[test]
fn coverage_hands_the_bound_to_the_tool() {
    let cargo = |bound: &str| {
        let script =
            format!("[ \"$1\" != llvm-cov ] || [ \"$*\" = 'llvm-cov --workspace --fail-under-lines {bound}' ]");
        World::rust(GOOD).fake("cargo-llvm-cov", "").fake("cargo", &script)
    };
    cargo("80").passes("coverage", "ran: cargo llvm-cov --workspace --fail-under-lines 80");
    cargo("80")
        .input("coverage", "90")
        .fails("coverage", "`cargo llvm-cov --workspace --fail-under-lines 90` ended with exit code 1");
    cargo("90").input("coverage", "90").passes("coverage", "--fail-under-lines 90");
    cargo("80").input("coverage", "0; true").errs("coverage", "the input coverage is no number: 0; true");
    World::rust(GOOD).errs(
        "coverage",
        "Looked for: cargo-llvm-cov, cargo-tarpaulin; found none of them. Run `cargo install cargo-llvm-cov`.",
    );
    // Nothing shows that a target of make compares a figure with the bound.
    World::rust(GOOD).file("Makefile", "coverage:\n\ttrue\n").errs("coverage", "no verdict on Rust");
    let pytest =
        "case \"$*\" in --help) echo --cov-fail-under ;; *) [ \"$*\" = '-q --cov --cov-fail-under=80' ] ;; esac";
    World::new()
        .file("setup.py", "")
        .fake("pytest", pytest)
        .passes("coverage", "ran: pytest -q --cov --cov-fail-under=80");
    World::new().file("setup.py", "").fake("pytest", "").errs("coverage", "Looked for: pytest-cov, coverage");
}

#[test]
fn integration_tests_are_those_that_stand_apart() {
    let world = World::rust("");
    world.errs("integration-tests", "Looked for: tests/*.rs; found none of them. Write a test in tests/.");
    let world = world.file("tests/whole.rs", GOOD);
    world.passes("integration-tests", "ran: cargo test --workspace --test *");
    world.file("tests/whole.rs", BAD).fails("integration-tests", "test breaks ... FAILED");
    World::new().file("setup.py", "").errs("integration-tests", "no verdict on Python");
    World::new()
        .file("go.mod", "module x\n")
        .file("a_test.go", "package a\n")
        .errs("integration-tests", "the build tag integration");
}

#[test]
fn end_to_end_tests_use_the_finished_program() {
    let world = World::rust("");
    world.errs("e2e-tests", "Looked for: tests/e2e.rs");
    let world = world.file("tests/e2e.rs", GOOD);
    world.passes("e2e-tests", "ran: cargo test --workspace --test e2e");
    world.file("tests/e2e.rs", BAD).fails("e2e-tests", "test breaks ... FAILED");
    World::new().file("package.json", "{}").errs("e2e-tests", "playwright and cypress with their config");
}

#[test]
fn benchmarks_run_to_their_end() {
    let world = World::rust("");
    world.errs("performance-tests", "Looked for: benches/*.rs");
    let manifest = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[[bench]]\nname = \"b\"\nharness = false\n";
    let world = world.file("Cargo.toml", manifest).file("benches/b.rs", "fn main() {\n    println!(\"3 ns\");\n}\n");
    world.passes("performance-tests", "ran: cargo bench --workspace --quiet --bench *");
    world
        .file("benches/b.rs", "fn main() {\n    panic!(\"over the bound\");\n}\n")
        .fails("performance-tests", "over the bound");
}
