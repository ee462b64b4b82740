//! dependency-audit, static-analysis, licence-check, compliance-list.

use crate::world::World;

const LOCK: &str = "[[package]]\nname = \"other\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.org\"\n";

#[test]
fn only_dependencies_of_others_are_audited() {
    let none = "dependency-audit: not applicable: no dependency that others have written";
    World::new().passes("dependency-audit", none);
    World::rust("").passes("dependency-audit", none);
    World::rust("").file("Cargo.lock", "[[package]]\nname = \"tiny\"\n").passes("dependency-audit", none);
    World::new().file("package.json", "{\"name\": \"x\"}").passes("dependency-audit", none);
    World::new().file("go.mod", "module x\n").passes("dependency-audit", none);
    World::new().file("a.py", "").passes("dependency-audit", none);
    World::rust("")
        .file("Cargo.lock", LOCK)
        .errs("dependency-audit", "Looked for: cargo-audit, cargo-deny, osv-scanner");
    let manifest = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\n[dependencies]\nother = \"1\"\n";
    World::rust("").file("Cargo.toml", manifest).errs("dependency-audit", "no verdict on Cargo.toml");
    World::new()
        .file("requirements.txt", "x==1\n")
        .errs("dependency-audit", "Looked for: pip-audit, osv-scanner, safety");
    World::new()
        .file("package.json", "{\"dependencies\": {\"x\": \"1\"}}")
        .errs("dependency-audit", "Looked for: npm audit");
}

/// The tools ask a data base over the network, so scripts stand in for them.
#[test]
fn an_audit_is_believed_only_if_it_reached_its_data_base() {
    let npm =
        |script: &str| World::new().file("package.json", "{\"dependencies\": {\"x\": \"1\"}}").fake("npm", script);
    npm("echo found 0 vulnerabilities").passes("dependency-audit", "ran: npm audit --audit-level=high");
    npm("echo 1 critical severity vulnerability; exit 1").fails("dependency-audit", "1 critical severity");
    npm("echo npm error audit endpoint returned an error; exit 1")
        .errs("dependency-audit", "did not reach its data base");
    npm("echo request failed, reason: getaddrinfo ENOTFOUND registry >&2; exit 1")
        .errs("dependency-audit", "`npm audit --audit-level=high` did not reach its data base");
}

#[test]
fn analysers_look_for_what_is_likely_wrong() {
    let rust = |text: &str| World::rust(text).real("cargo-clippy").real("clippy-driver");
    rust("pub fn f(x: u32) -> bool {\n    x > 1\n}\n")
        .passes("static-analysis", "-D clippy::correctness -D clippy::suspicious");
    rust("pub fn f(x: u32) -> bool {\n    x == x\n}\n").fails("static-analysis", "equal expressions as operands");
    World::new()
        .file("setup.py", "")
        .errs("static-analysis", "Looked for: .semgrep.yml with semgrep, bandit, ruff, pylint");
    let semgrep = World::new().file(".semgrep.yml", "rules: []\n").file("main.c", "");
    semgrep.errs("static-analysis", "looked for and not found: semgrep");
    // semgrep is no part of this repository's tools.
    semgrep
        .fake("semgrep", "exit 1")
        .fails("static-analysis", "`semgrep scan --error --metrics off --config .semgrep.yml` ended");
}

#[test]
fn a_project_names_its_licence() {
    World::new().passes("licence-check", "licence-check: not applicable: no source files");
    World::new().file("a.py", "").fails("licence-check", "the project does not say under which licence it is");
    World::new()
        .file("a.py", "")
        .file("LICENSE", "MIT\n")
        .passes("licence-check", "ran: the project has a licence file");
    World::rust("")
        .passes("licence-check", "the project's manifest names its licence; cargo metadata: 0 licences read");
}

fn with_dependency(licence: &str) -> World {
    let manifest =
        "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nlicense = \"MIT\"\n[dependencies]\nother = \"1\"\n";
    let other = format!("[package]\nname = \"other\"\nversion = \"1.0.0\"\n{licence}\n");
    // A folder that stands for a registry: what comes from it has a source, as a real dependency has.
    World::rust("")
        .file("Cargo.toml", manifest)
        .file(
            ".cargo/config.toml",
            "[source.crates-io]\nreplace-with = \"kept\"\n[source.kept]\ndirectory = \"kept\"\n",
        )
        .file("kept/other/Cargo.toml", &other)
        .file("kept/other/src/lib.rs", "")
        .file("kept/other/.cargo-checksum.json", "{\"files\":{}}")
}

#[test]
fn the_licences_of_dependencies_must_be_on_the_list() {
    let licence = |text: &str| with_dependency(&format!("license = \"{text}\""));
    licence("MIT OR Apache-2.0").passes("licence-check", "cargo metadata: 1 licences read");
    licence("GPL-3.0-only OR MIT").passes("licence-check", "1 licences read");
    licence("(MIT OR GPL-2.0) AND Unicode-3.0").passes("licence-check", "1 licences read");
    licence("GPL-3.0-only").fails("licence-check", "other: GPL-3.0-only");
    licence("MIT AND AGPL-3.0").fails("licence-check", "1 dependencies have a licence that is not on the list");
    licence("LGPL-2.1").input("licences", "LGPL-2.1").passes("licence-check", "1 licences read");
    licence("MIT").input("licences", "Apache-2.0").fails("licence-check", "other: MIT");
    with_dependency("").fails("licence-check", "other: no licence is named");
}

#[test]
fn installed_packages_of_node_are_read() {
    let world = World::new().file("LICENSE", "").file("package.json", "{\"dependencies\": {\"x\": \"1\"}}");
    world.errs("licence-check", "Install the dependencies: `npm ci`.");
    let world = world.file("node_modules/x/package.json", "{\n  \"name\": \"x\",\n  \"license\": \"ISC\"\n}\n");
    world.passes("licence-check", "node_modules: 1 licences read");
    for bad in [
        "{\n\t\"name\": \"x\",\n\t\"private\": false,\n\t\"license\": \"SSPL-1.0\"\n}\n",
        r#"{"name":"x","files":["license","MIT"],"a":{"license":"MIT"},"license":"SSPL-1.0"}"#,
        r#"{"license":{"type":"SSPL-1.0","url":"MIT"},"name":"x"}"#,
    ] {
        World::new()
            .file("package.json", r#"{"license":"MIT","dependencies":{"x":"1"}}"#)
            .file("node_modules/x/package.json", bad)
            .file("node_modules/x/test/package.json", r#"{"license":"MIT"}"#)
            .fails("licence-check", "x: SSPL-1.0");
    }
    let world = world.file("node_modules/@a/b/package.json", r#"{"version":"1"}"#);
    world.fails("licence-check", "./node_modules/@a/b/package.json: no licence is named");
}

/// pip-licenses is no part of this repository's tools, so a script stands in for it.
#[test]
fn licences_of_python_are_read_and_none_read_is_no_verdict() {
    let world = World::new().file("LICENSE", "").file("requirements.txt", "x==1\n");
    world.errs("licence-check", "Looked for: pip-licenses");
    let csv = |row: &str| format!("echo '\"Name\",\"Version\",\"License\"'; {row}");
    let world = world.fake("pip-licenses", &csv("echo '\"x\",\"1\",\"MIT License\"'"));
    world.passes("licence-check", "pip-licenses: 1 licences read");
    let world = world.fake("pip-licenses", &csv("echo '\"x\",\"1\",\"GNU General Public License\"'"));
    world.fails("licence-check", "x: GNU General Public License");
    let world = world.fake("pip-licenses", &csv(":"));
    world.errs("licence-check", "Looked for: licences in pip-licenses; found none of them");
    world.fake("pip-licenses", "exit 2").fails("licence-check", "exit code 2");
}

#[test]
fn every_obligation_is_ticked_and_its_evidence_is_there() {
    World::new().passes("compliance-list", "compliance-list: not applicable: no source files");
    let world = World::new().file("a.py", "");
    world.errs("compliance-list", "Looked for: checks/compliance-list.sh, docs/compliance.md, compliance.md");
    let world =
        world.file("docs/compliance.md", "# List\n\n- [x] Data is listed: `docs/data.md`\n- [X] Named a person\n");
    world.fails("compliance-list", "docs/compliance.md:3: there is no docs/data.md");
    let world = world.file("docs/data.md", "none");
    world.passes("compliance-list", "all 2 obligations of docs/compliance.md are ticked");
    let world = world.file("docs/compliance.md", "- [x] one\n- [ ] two\n");
    world.fails("compliance-list", "docs/compliance.md:2:- [ ] two");
    world.file("docs/compliance.md", "no list\n").fails("compliance-list", "has no line of the form");
}
