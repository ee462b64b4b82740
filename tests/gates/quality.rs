//! lint, types, format, complexity.

use crate::world::{World, skips_without};

const CLEAN: &str = "/// One.\n#[must_use]\npub fn one() -> u32 {\n    1\n}\n";

fn long_python(lines: usize) -> String {
    format!(
        "def head():\n    return 1\n\n\ndef long(x):\n{}    return x\n\n\nprint(long(1))\n",
        "    x += 1\n".repeat(lines - 2)
    )
}

#[test]
fn an_empty_project_has_nothing_that_these_gates_are_about() {
    let world = World::new();
    for gate in ["lint", "types", "format", "complexity", "static-analysis"] {
        world.passes(gate, &format!("{gate}: not applicable: no source files"));
    }
}

#[test]
fn the_linter_of_rust_judges_a_crate() {
    let world = World::rust(CLEAN).real("cargo-clippy").real("clippy-driver");
    world.passes("lint", "lint: pass; ran: cargo clippy --workspace --all-targets --quiet -- -D warnings");
    let world = world.file("src/lib.rs", "pub fn one() -> u32 {\n    let unused = 2;\n    1\n}\n");
    world.fails("lint", "unused variable: `unused`");
    World::rust(CLEAN).errs(
        "lint",
        "no verdict on Rust. Looked for: cargo clippy; found none of them. Run `rustup component add clippy`.",
    );
}

#[test]
fn a_missing_linter_is_an_error_with_its_remedy() {
    let python = World::new().file("setup.py", "");
    python.errs(
        "lint",
        "lint: no verdict on Python. Looked for: ruff, flake8, pylint; found none of them. Run `pip install ruff`.",
    );
    let judged = python.judge("lint");
    judged.is("error", "looked for and not found: ruff, flake8, pylint");
    World::new().file("go.mod", "module x\n").errs("lint", "no verdict on Go");
    World::new().file("pom.xml", "<project/>").errs("lint", "no verdict on Java");
    World::new().file("main.c", "int main(void) { return 0; }\n").errs("lint", "no verdict on these sources");
    World::new()
        .file("web/package.json", "{}")
        .errs("lint", "a manifest at its root; there is only, below it: package.json");
}

/// ruff and eslint are no part of this repository's tools, so scripts stand in for them.
#[test]
fn a_linter_that_is_there_is_used_and_believed() {
    let world = World::new().file("a.py", "x = 1\n").fake("ruff", "echo \"ruff $*\"; ! grep -q BAD a.py");
    world.passes("lint", "lint: pass; ran: ruff check .");
    world.file("a.py", "BAD\n").fails("lint", "`ruff check .` ended with exit code 1");
    let own = World::new().file("package.json", "{}").fake("eslint", "exit 7");
    own.fails("lint", "`eslint --max-warnings 0 .` ended with exit code 7");
    // The tool that the project has installed for itself goes before the one on PATH.
    let own = own.file("node_modules/.bin/eslint", "#!/bin/sh\necho its own\n");
    std::process::Command::new("chmod").arg("+x").arg(own.root().join("node_modules/.bin/eslint")).status().unwrap();
    own.passes("lint", "ran: node_modules/.bin/eslint");
}

#[test]
fn a_crashing_tool_gives_no_verdict() {
    World::new()
        .file("a.py", "x = 1\n")
        .fake("ruff", "exit 127")
        .errs("lint", "`ruff check .` ended with exit code 127");
}

/// What a gate did not find means nothing if the programs that it looks with are broken.
#[test]
fn a_gate_whose_own_programs_are_broken_gives_no_verdict() {
    let project = || World::new().file("a.py", "x = 1\n").file("index.html", "<html lang=en><title>x</title>\n");
    for gate in ["lint", "complexity", "secret-scan", "licence-check", "bundle-size", "wcag", "keyboard", "contrast"] {
        project().fake("awk", "exit 1").errs(gate, "no verdict: awk does not work here");
    }
    let later = "case \"$*\" in *'$1 + 1'*) echo 2 ;; *) exit 1 ;; esac";
    for gate in ["complexity", "secret-scan", "wcag", "keyboard", "contrast"] {
        project().fake("awk", later).errs(gate, &format!("{gate}: no verdict: awk did not work here"));
    }
    project().fake("grep", "exit 2").errs("secret-scan", "no verdict: grep did not work here");
    project().fake("git", "[ \"$1\" = rev-parse ]").errs("lint", "the files of the project cannot be listed");
}

#[test]
fn all_kinds_of_source_must_be_judged() {
    let both = World::rust(CLEAN).real("cargo-clippy").real("clippy-driver").file("pyproject.toml", "");
    both.errs("lint", "ran without complaint, but that is not all: cargo clippy");
    both.fake("flake8", "echo fine").passes("lint", "-D warnings; flake8 --exclude");
    let part = World::new().file("a.py", "").file("setup.py", "").file("web/package.json", "{}").fake("ruff", "");
    part.passes("lint", "not looked at, because it is not at the root of the project: package.json");
}

#[test]
fn the_compiler_judges_types() {
    let world = World::rust(CLEAN);
    world.passes("types", "types: pass; ran: cargo check");
    world.file("src/lib.rs", "pub fn one() -> u32 {\n    \"one\"\n}\n").fails("types", "mismatched types");
    World::new().file("package.json", "{}").passes("types", "only JavaScript, which promises no types");
    World::new().file("package.json", "{}").file("a.ts", "").errs("types", "no verdict on TypeScript");
    World::new().file("setup.py", "").errs("types", "no verdict on Python. Looked for: mypy, pyright");
}

#[test]
fn the_formatter_only_looks() {
    let world = World::rust(CLEAN).real("cargo-fmt").real("rustfmt");
    world.passes("format", "format: pass; ran: cargo fmt --all --check");
    let crooked = "pub fn one() -> u32 {   1 }\n";
    let world = world.file("src/lib.rs", crooked);
    world.fails("format", "+    1");
    assert_eq!(std::fs::read_to_string(world.root().join("src/lib.rs")).unwrap(), crooked);
    World::new().file("setup.py", "").errs("format", "Looked for: ruff, black, yapf");
    // A target called `format` usually writes.
    let make =
        World::new().file("setup.py", "").file("Makefile", "format:\n\techo written\nformat-check:\n\techo looked\n");
    if skips_without("make") {
        return;
    }
    make.real("make").passes("format", "ran: make format-check");
}

#[test]
fn clippy_or_our_own_measure_judges_complexity() {
    let world = World::rust(CLEAN).real("cargo-clippy").real("clippy-driver");
    world.passes("complexity", "-D clippy::cognitive_complexity");
    let many = "    println!(\"one\");\n".repeat(110);
    world.file("src/lib.rs", &format!("pub fn long() {{\n{many}}}\n")).fails("complexity", "too many lines");

    let python = World::new().file("a.py", &long_python(100));
    python.passes("complexity", "our own measure (functions of at most 100 lines; no branches are counted) on *.py");
    python.file("a.py", &long_python(101)).fails("complexity", "./a.py:5: 101 lines: def long(x):");
    let body = "    x = x + 1;\n".repeat(99);
    let script = World::new().file("package.json", "{}");
    let script = script.file("b.js", &format!("export function long(x) {{\n{body}}}\n\nconst a = 1;\n"));
    script.fails("complexity", "./b.js:1: 101 lines: export function long(x) {");
}
