//! What the gates need of the language: scripts in files, gates in gates, fields that need not be there; and the project's own word.

use crate::{
    support::Project,
    world::{World, skips_without},
};

#[test]
fn the_projects_own_word_goes_before_detection() {
    let world = World::new().file("setup.py", "").file("checks/lint.sh", "echo own linter\n");
    world.passes("lint", "lint: pass; ran: sh checks/lint.sh");
    world
        .file("checks/lint.sh", "echo own linter; exit 3\n")
        .fails("lint", "`sh checks/lint.sh` ended with exit code 3");
    let just = World::new().file("setup.py", "").file("justfile", "lint files='.':\n  true\n");
    just.errs("lint", "no verdict on the recipe lint of justfile. Looked for: just");
    just.fake("just", "echo \"just $*\"").passes("lint", "ran: just lint");
    let make = World::new().file("setup.py", "").file("Makefile", ".PHONY: lint\nlint := 3\n");
    make.errs("lint", "no verdict on Python");
    if !skips_without("make") {
        let make = make.real("make").file("Makefile", "lint: all\n\t@echo made\nall:\n");
        make.passes("lint", "ran: make lint");
        make.file("Makefile", "lint:\n\tfalse\n").fails("lint", "`make lint` ended with exit code 2");
    }
}

#[test]
fn a_gate_of_the_same_name_in_the_project_is_used_instead() {
    let world = World::new().file("gates/lint.yaml", "checks:\n  - run: echo ours\n");
    world.passes("lint", "ours");
}

#[test]
fn scripts_are_joined_in_order_and_kept_in_the_plan() {
    let gate = "checks:\n  - run_file: [parts/a.sh, parts/b.sh]\n    expect: stdout | length == 13\n";
    let world = World::new()
        .file("gates/own.yaml", gate)
        .file("gates/parts/a.sh", "word=one\n")
        .file("gates/parts/b.sh", "echo \"$word {{ two }}\"\n");
    world.passes("own", "one {{ two }}");
    let plan = world.orch(&["plan", "judged"]);
    assert!(plan.contains("gate run # parts/b.sh … , expect") || plan.contains("# parts/b.sh"), "{plan}");
    assert!(plan.contains("(gate own)"), "{plan}");
}

fn faults(gate: &str) -> String {
    let project =
        Project::new().file("gates/own.yaml", &format!("checks:\n{gate}")).file("gates/long.sh", &"#".repeat(100_001));
    project.run(&["check"]).stdout
}

#[test]
fn faults_in_run_file_are_told() {
    let gone = faults("  - run_file: [gone.sh, lost.sh]\n");
    assert!(gone.contains("cannot read `gone.sh`") && gone.contains("cannot read `lost.sh`"), "{gone}");
    assert!(faults("  - run_file: ../x.sh\n").contains("cannot read `../x.sh`"));
    assert!(faults("  - run_file: []\n").contains("`run_file` is empty"));
    assert!(faults("  - run_file: long.sh\n").contains("100000 are allowed"));
    assert!(
        faults("  - { run_file: a.sh, run: ls }\n")
            .contains("a gate checks one thing, this one has `run_file` and `run`")
    );
}

#[test]
fn gates_stand_in_gates_but_not_in_a_circle() {
    let project = Project::new()
        .file("gates/a.yaml", "checks: [b]\n")
        .file("gates/b.yaml", "checks: [c, { files: [x] }, { changed: { max_files: 1 } }, { approve: good? }, { schema: { a: string } }]\n")
        .file("gates/c.yaml", "checks:\n  - run: ls\n")
        .file("workflows/w.yaml", "steps:\n  - { id: s, run: ls, gate: [a] }\n");
    let plan = project.run(&["plan", "w"]).stdout;
    for line in [
        "gate run ls (gate a > b > c)",
        "gate files x (gate a > b)",
        "gate changed at most 1 files (gate a > b)",
        "gate approve \"good?\" (gate a > b)",
        "gate schema (gate a > b)",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let circle = project.file("gates/c.yaml", "checks: [a]\n").run(&["plan", "w"]);
    assert!(
        circle.stderr.contains("gate `a` contains itself") && circle.stderr.contains("a -> b -> c -> a"),
        "{circle:?}"
    );
    let unknown = Project::new()
        .file("gates/a.yaml", "checks: [lnt]\n")
        .file("workflows/w.yaml", "steps:\n  - { id: s, run: ls, gate: [a] }\n");
    let unknown = unknown.run(&["plan", "w"]);
    assert!(unknown.stderr.contains("there is no gate `lnt`") && unknown.stderr.contains("lint"), "{unknown:?}");
}

/// A gate of the library stands on many kinds of steps; one that a workflow writes itself knows its step.
#[test]
fn only_a_named_gate_may_ask_whether_a_field_is_there() {
    let step = "steps:\n  - id: s\n    run: ls\n    output: { a: string }\n";
    let check = "this.b is not defined or this.b";
    let named = |check: &str| {
        Project::new()
            .file("gates/g.yaml", &format!("checks:\n  - check: {check}\n"))
            .file("workflows/w.yaml", &format!("{step}    gate: [g]\n"))
            .run(&["plan", "w"])
    };
    assert_eq!(named(check).code, Some(0));
    assert!(named("this.b").stderr.contains("`this` has no field `b`"));
    let written = Project::new()
        .file("workflows/w.yaml", &format!("{step}    gate: [{{ check: {check} }}]\n"))
        .run(&["plan", "w"]);
    assert!(written.stderr.contains("`this` has no field `b`"), "{written:?}");
}
