//! `orch import`: outputs beside their sources under `fixtures/import/`, all commands of the development corpus where
//! it is there, hostile texts, and one import that is run to its end.
//!
//! `UPDATE_FIXTURES=1 cargo test --test import` writes the outputs anew: read them as a user would.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test may panic and print")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use orch::{
    base::{Source, render},
    definition::{
        Library,
        import::{Form, Format, Imported, Known, Request, import},
        load,
    },
    plan::{Plan, compile},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import")
}

/// The shipped library, and gates of a project.
fn library() -> Library {
    load::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import_project"), None)
}

/// Imports a text; `Err` holds the reason.
fn imported(path: &Path, text: &str, form: Option<Form>, known: &Known) -> Result<Imported, String> {
    let source = Source::new(path, text);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let request = Request { source: &source, name: &name, form, format: None, known };
    import(&request).map_err(|error| format!("{error:?}"))
}

/// Compiles an output; `Err` holds what a person would see.
fn compiled(imported: &Imported, library: &Library) -> Result<Plan, String> {
    let path = PathBuf::from(format!("workflows/{}.{}", imported.name, imported.form.ending()));
    let (entries, faults) = load::load_workflow_text(Path::new("/nonexistent"), &path, &imported.text);
    if !faults.is_empty() {
        return Err(render::render_all(&faults, false));
    }
    compile(library, &entries[0].workflow)
        .map(|compiled| compiled.plan)
        .map_err(|faults| render::render_all(&faults, false))
}

/// The words of a text and how often each one stands in it.
fn words(text: &str) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *words.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    words
}

/// Words of the source's body that the output does not have, or has less often.
fn lost(source: &str, output: &str) -> Vec<String> {
    // Quoted texts hold escapes, which are no words.
    let unescaped = |text: &str| text.replace("\\n", " ").replace("\\t", " ");
    let found = words(&unescaped(output));
    let body = load::lined_frontmatter(&Source::new("x.md", source)).1;
    let wanted = words(&unescaped(&source[body]));
    wanted
        .into_iter()
        .filter(|(word, count)| found.get(word).copied().unwrap_or(0) < *count)
        .map(|(word, count)| format!("{word}×{count}"))
        .collect()
}

fn commands_of_the_corpus() -> Option<(tempfile::TempDir, Vec<PathBuf>)> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = above.map(|folder| folder.join("shared/corpus/dev-definitions.tar.gz")).find(|path| path.is_file());
    let Some(archive) = found else {
        eprintln!("SKIPPED: there is no shared/corpus/dev-definitions.tar.gz beside the repository");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(done.success());
    let mut files = Vec::new();
    collect(folder.path(), &mut files);
    files.retain(|path| {
        path.extension().is_some_and(|ending| ending == "md") && path.iter().any(|part| part == "commands")
    });
    files.sort();
    Some((folder, files))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

#[test]
fn every_command_of_the_corpus_becomes_a_workflow_that_compiles_and_keeps_its_words() {
    let Some((_folder, files)) = commands_of_the_corpus() else { return };
    let library = library();
    let known = Known::of(&library);
    let (mut wrong, mut several, mut whole, mut steps, mut marks) = (Vec::new(), 0, 0, 0, 0);
    let mut forms = BTreeMap::new();
    for (place, path) in files.iter().enumerate() {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).replace("\r\n", "\n");
        let text = text.replace('\r', "\n");
        let body = load::lined_frontmatter(&Source::new("x.md", text.clone())).1;
        if text[body].trim().is_empty() {
            continue;
        }
        // The second form for a part of them: both are checked against the draft before they leave the importer.
        let forms_of_it: &[_] = if place % 4 == 0 { &[None, Some(Form::Yaml)] } else { &[None] };
        for form in forms_of_it.iter().copied() {
            let imported = match imported(path, &text, form, &known) {
                Ok(imported) => imported,
                Err(why) => {
                    wrong.push(format!("{}: {why}", path.display()));
                    continue;
                }
            };
            if let Err(why) = compiled(&imported, &library) {
                wrong.push(format!("{}: {why}", path.display()));
            }
            let lost = lost(&text, &imported.text);
            if !lost.is_empty() {
                wrong.push(format!("{}: lost {lost:?}", path.display()));
            }
            if form.is_none() {
                several += usize::from(imported.phases.len() >= 2);
                whole += usize::from(imported.phases.len() < 2);
                steps += imported.steps;
                marks += imported.marks.len();
                *forms.entry(imported.form.ending()).or_insert(0) += 1;
            }
        }
    }
    println!(
        "{} files: {several} with two phases or more, {whole} as one; {steps} steps, {marks} marks, forms {forms:?}",
        files.len()
    );
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(several > 150, "{several}");
}

/// The sources of the fixtures, with the form that each is imported in.
fn fixtures() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
}

/// The output beside a source, with the list of marks as a person sees it.
fn golden(imported: &Imported) -> String {
    let mut text = imported.text.clone();
    text.push_str("\n=== marks\n");
    for mark in &imported.marks {
        text.push_str(&format!("{}\n", mark.sentence()));
    }
    for phase in &imported.phases {
        text.push_str(&format!(
            "=== phase line {}: {} weight={:?} parallel={} agents={:?} gates={:?} steps={:?}\n",
            phase.line, phase.title, phase.weight, phase.parallel, phase.agents, phase.gates, phase.steps
        ));
    }
    for one in &imported.references {
        text.push_str(&format!(
            "=== reference line {}: {} {:?} is {:?} near {:?}\n",
            one.line, one.target, one.form, one.resolved_to, one.suggestion
        ));
    }
    text
}

#[test]
fn each_sample_becomes_what_stands_beside_it() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let library = library();
    let mut known = Known::of(&library);
    known.commands.insert("investigate-issue".to_owned(), "Find the cause of $ARGUMENTS. Do not mend it.".to_owned());
    let mut wrong = Vec::new();
    for path in fixtures() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let imported = imported(&path, &text, None, &known).unwrap_or_else(|why| panic!("{name}: {why}"));
        if let Err(why) = compiled(&imported, &library) {
            wrong.push(format!("{name}: {why}\n{}", imported.text));
        }
        // Every mark stands in the output as well as in the list.
        for mark in &imported.marks {
            let sentence = mark.sentence();
            let there = imported.text.contains(&sentence) || imported.text.contains(&sentence.replace("--", "- -"));
            assert!(there, "{name}: not in the output: {sentence}");
        }
        if imported.format == Format::Prose {
            assert_eq!(lost(&text, &imported.text), Vec::<String>::new(), "{name}");
        }
        let expected = folder().join("expected").join(format!("{name}.{}", imported.form.ending()));
        let found = golden(&imported);
        if update {
            fs::create_dir_all(expected.parent().unwrap()).unwrap();
            fs::write(&expected, &found).unwrap();
        }
        let known = fs::read_to_string(&expected).unwrap_or_default();
        if found != known {
            wrong.push(format!("{name}\n--- expected\n{known}\n--- found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_graph_of_another_runner_is_the_same_graph() {
    let library = library();
    let known = Known::of(&library);
    let text = fs::read_to_string(folder().join("fix-issue.yaml")).unwrap();
    let imported = imported(Path::new("fix-issue.yaml"), &text, None, &known).unwrap();
    let plan = compiled(&imported, &library).unwrap();
    let name = |ix: orch::plan::StepIx| plan.steps[ix.index()].path.to_string();
    let mut edges: Vec<String> = plan
        .steps
        .iter()
        .flat_map(|step| {
            step.needs.iter().map(|need| format!("{} > {}", name(need.step), step.path)).collect::<Vec<_>>()
        })
        .collect();
    edges.sort();
    let expected = [
        "classify > investigate",
        "classify > make_plan",
        "docs > agree",
        "fetch > classify",
        // Its prompt reads `fetch`, so the compiler writes down what the graph says already.
        "fetch > make_plan",
        "implement > docs",
        "implement > security",
        "implement > tests",
        "investigate > implement",
        "make_plan > implement",
        "security > agree",
        "tests > agree",
    ];
    assert_eq!(edges, expected);
}

const AGENT: &str = r#"#!/bin/sh
cat > prompt.txt
cat prompt.txt >> told.txt
printf '{"summary": "done"}' > "$ORCH_OUTPUT"
"#;

/// A project whose default agent is a script that writes down what it is told.
fn project() -> support::Project {
    let settings = "runtime = \"stub\"\n[runtimes.stub]\ncommand = [\"sh\", \"./agent.sh\"]\n";
    support::Project::bare()
        .file("orch.toml", settings)
        .file("agent.sh", AGENT)
        .file(".claude/commands/tidy.md", &fs::read_to_string(folder().join("tidy-up.md")).unwrap())
        .file("gates/coverage.yaml", "name: coverage\nchecks: [{ run: \"true\" }]\n")
        .file("gates/unit-tests.yaml", "name: unit-tests\nchecks: [{ run: test -f told.txt }]\n")
}

#[test]
fn an_imported_command_runs_to_its_end() {
    let project = project();
    let done = project.run(&["import", "/tidy"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout, "next: orch plan tidy\n      orch run tidy\n");
    assert!(
        done.stderr.starts_with("wrote workflows/tidy.md from .claude/commands/tidy.md: 9 steps\n"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("  line 28: there is no agent `refactoring-guru`\n    assumed: "), "{}", done.stderr);
    assert_eq!(project.run(&["check", "--strict"]).code, Some(0));
    let waits = project.run(&["run", "tidy", "src/x.rs", "--on-approval", "wait"]);
    assert_eq!(waits.code, Some(20), "{waits:?}");
    let ends = project.run(&["run", "tidy", "src/x.rs", "--on-approval", "approve"]);
    assert_eq!(ends.code, Some(0), "{}{}", ends.stdout, ends.stderr);
    let told = project.read("told.txt");
    assert!(told.contains("to write tests for what src/x.rs does today."), "{told}");
    // The step that goes back is off unless a run asks for it.
    assert!(!told.contains("restore the last green state"), "{told}");
}

#[test]
fn nothing_is_written_over_or_outside_or_unasked() {
    let project = project();
    let dry = project.run(&["import", ".claude/commands/tidy.md", "--dry-run", "--form", "yaml"]);
    assert!(
        dry.code == Some(0) && dry.stdout.starts_with("# import: ") && dry.stdout.contains("\nsteps:\n"),
        "{dry:?}"
    );
    assert!(dry.stderr.starts_with("would write workflows/tidy.yaml from "), "{}", dry.stderr);
    assert!(!project.root().join("workflows").exists());
    project.write("workflows/tidy.md", "mine\n");
    let refused = project.run(&["import", "/tidy"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("error[E0572]"), "{refused:?}");
    assert_eq!(project.read("workflows/tidy.md"), "mine\n");
    assert_eq!(project.run(&["import", "/tidy", "--force"]).code, Some(0));
    assert!(project.read("workflows/tidy.md").starts_with("---\nname: tidy\n"));
    let outside = project.run(&["import", "/tidy", "-o", "../../x.md"]);
    assert!(outside.code == Some(2) && outside.stderr.contains("error[E0573]"), "{outside:?}");
    std::os::unix::fs::symlink("/tmp", project.root().join("out")).unwrap();
    let link = project.run(&["import", "/tidy", "-o", "out/x.md"]);
    assert!(link.code == Some(2) && link.stderr.contains("error[E0573]"), "{link:?}");
    for (words, code, id) in [
        (vec!["import", "/nobody"], 11, "E0511"),
        (vec!["import", "nothing.md"], 11, "E0570"),
        (vec!["import", "orch.toml", "--from", "archon"], 10, "E0571"),
    ] {
        let done = project.run(&words);
        assert!(done.code == Some(code) && done.stderr.contains(id), "{words:?}: {done:?}");
    }
    let leftover: Vec<_> = fs::read_dir(project.root().join("workflows")).unwrap().collect();
    assert_eq!(leftover.len(), 1);
}

#[test]
fn a_folder_is_imported_file_by_file() {
    let project =
        project().file("more/a.md", "# A\n\n## Step 1: x\n\n## Step 2: y\n").file("more/b.yaml", "nodes: []\n");
    let done = project.run(&["import", "more", "-o", "workflows", "--json"]);
    let found = done.json(1);
    assert_eq!(found["files"][0]["path"], "workflows/a.md");
    assert_eq!(found["files"][0]["phases"][1]["steps"][0], "y");
    assert_eq!(found["failures"][0]["error"]["id"], "E0571");
    assert!(
        project.read("workflows/a.md").contains("### y")
            || project.read("workflows/a.md").contains("## Step 2: y {#y}")
    );
}

#[test]
fn a_circle_is_the_fault_of_the_source() {
    let archon = "nodes:\n  - { id: a, prompt: x, depends_on: [c] }\n  - { id: b, prompt: x, depends_on: [a] }\n  \
                  - { id: c, prompt: x, depends_on: [b] }\n  - { id: d, prompt: x, depends_on: [a] }\n";
    let dagu = "steps:\n  - { name: a, command: x, depends: [b] }\n  - { name: b, command: x, depends: [a] }\n";
    let project =
        project().file("archon.yaml", archon).file("dagu.yaml", dagu).file("Makefile", "a: b\n\tx\nb: a\n\ty\n");
    for (file, circle) in
        [("archon.yaml", "`a` > `c` > `b` > `a`"), ("dagu.yaml", "`a` > `b` > `a`"), ("Makefile", "`b` > `a` > `b`")]
    {
        let done = project.run(&["import", file]);
        assert_eq!(done.code, Some(10), "{done:?}");
        assert!(done.stderr.contains("error[E0575]") && done.stderr.contains(circle), "{}", done.stderr);
        assert!(!done.stderr.contains("report"), "{}", done.stderr);
    }
    assert!(!project.root().join("workflows").exists());
}

#[test]
fn hostile_texts_neither_panic_nor_grow() {
    let known = Known::default();
    let library = library();
    let many = |line: &str, count: usize| line.repeat(count);
    let texts = [
        many("## Step 1: x\n\ntext\n", 10_000),
        (0..10_000).map(|at| format!("## Step {at}: title {at}\n\nUse the `a-developer` agent.\n\n")).collect(),
        many("#", 200_000),
        many("- ", 50_000),
        many("> ", 50_000),
        (0..2000).map(|at| format!("{}- item\n", " ".repeat(at % 400))).collect(),
        many("`", 100_000),
        many("{{", 100_000),
        many("{% raw %}", 20_000),
        many("$ARGUMENTS ", 30_000),
        many("| agent |\n| --- |\n| `a-b` |\n", 5000),
        many("Use `", 50_000),
        many("(", 100_000) + " 20%",
        "## Step 1: a\n\u{202e}\u{7}\u{feff}\n## Step 2: \u{0}\n".to_owned(),
        "---\n".to_owned(),
        "---\na: [\n---\n## Step 1: a\n## Step 2: b\n".to_owned(),
        many("<!-- ", 50_000),
        "x".repeat(600_000),
    ];
    for (place, text) in texts.iter().enumerate() {
        match imported(Path::new("hostile.md"), text, None, &known) {
            Ok(imported) => {
                assert!(imported.text.len() < 1024 * 1024, "{place}: {}", imported.text.len());
                let result = compiled(&imported, &library);
                assert!(result.is_ok(), "{place}: {:.500}", result.unwrap_err());
            }
            Err(why) => assert!(why.starts_with("TooLarge") || why.starts_with("Unknown"), "{place}: {why:.300}"),
        }
    }
    let yaml = [
        "nodes: []",
        "nodes: {a: 1}",
        "nodes: [1, [2], {}]",
        "jobs: {}",
        "jobs: {a: 1, b: {needs: [a, b], steps: [1]}}",
        "steps: {}",
        "steps: [1, [2, [3]]]",
        "a: [",
        "- x",
        "nodes:\n  - {id: a, depends_on: [a, b]}\n  - {id: a}\n",
        "nodes:\n  - {id: a, prompt: $b.output, depends_on: [b]}\n  - {id: b, prompt: $a.output, depends_on: [a]}\n",
    ];
    for text in yaml {
        if let Ok(imported) = imported(Path::new("hostile.yaml"), text, None, &known) {
            let result = compiled(&imported, &library);
            assert!(result.is_ok(), "{text}: {}", result.unwrap_err());
        }
    }
}
