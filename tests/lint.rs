//! The words of definitions: each rule finds its fault at its place, the shipped library has none, and public files have few.
//! The cases of the shipped skills, which stand in `skills/tests.yaml`.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test may panic and print")]

mod support;
#[allow(dead_code, reason = "only reading is needed here")]
mod tolerant;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use orch::{
    base::Diagnostic,
    config::{Environment, Flags},
    definition::{
        Dialect, Library,
        load::{Definition, FileKind, load},
    },
    service::{Opening, Project, lint_library, skill_cases},
};
use serde_json::Value;
use tolerant::read;

/// In two parts, because our own sources may not hold it.
const LATER: &str = concat!("TO", "DO");
/// A name, the text of an agent, and its findings by code and line.
type Case<'a> = (&'a str, String, &'a [(&'a str, usize)]);

/// A definition and what the lint says of it: the code and the line.
fn agent(head: &str, body: &str) -> String {
    format!("---\nname: sage\ndescription: Reads code. Use when a change is done.\n{head}---\n{body}")
}

fn linted(path: &str, text: &str) -> Vec<(String, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, text).unwrap();
    let found = lint_library(&load(folder.path(), None), &[]);
    found.iter().map(|fault| (fault.code.to_string(), fault.source.position(fault.span.start).line)).collect()
}

#[test]
fn each_rule_finds_its_fault_at_its_place() {
    let long = "Report it.\n".repeat(501);
    let cases: &[Case<'_>] = &[
        ("a good one", agent("", "Report each fault.\n"), &[]),
        ("empty", agent("", "# Sage\n\n## Role\n"), &[("E0180", 1)]),
        ("no output", agent("", "You know all about rivers.\n"), &[("E0181", 5)]),
        ("no such agent", agent("", "Report it.\nUse the `river-sage` agent.\n"), &[("E0183", 6)]),
        ("a known agent", agent("", "Report it.\nUse the `code-reviewer` agent.\n"), &[]),
        ("no such skill", agent("", "Report it.\nLoad the skill `river-lore` first.\n"), &[("E0183", 6)]),
        ("in a fence", agent("", "Report it.\n```\nthe `river-sage` agent\n[YOUR X] {{ x }}\n```\n"), &[]),
        (
            "placeholders",
            agent("", &format!("Report {{{{ name }}}}.\nAsk <YOUR TEAM>.\n{LATER}: more\n")),
            &[("E0184", 5), ("E0184", 6), ("E0184", 7)],
        ),
        ("no placeholders", agent("", &format!("Report {LATER} comments and `{{{{ x }}}}` and `<YOUR X>`.\n")), &[]),
        ("long", agent("", &long), &[("E0185", 5)]),
        ("cannot write", agent("tools: Read, Grep\n", "Report.\n\n1. Write the file `x.md`.\n"), &[("E0186", 8)]),
        ("can write", agent("tools: Read, Write\n", "Report.\n\n1. Write the file `x.md`.\n"), &[]),
        ("never writes", agent("tools: Read\n", "Report.\n\n- Never write the file.\n"), &[]),
    ];
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let found = linted("agents/sage.md", text);
        let found: Vec<(&str, usize)> = found.iter().map(|(code, line)| (code.as_str(), *line)).collect();
        if found != *expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let rust = "---\nname: sage\ndescription: Rust expert\n---\nReport it.\n";
    assert_eq!(linted("agents/sage.md", rust), [("E0182".to_owned(), 3)]);
    let command = "---\ndescription: x\n---\nYou know rivers.\n";
    assert_eq!(linted("commands/a.md", command), [("E0181".to_owned(), 4)]);
}

#[test]
fn the_verb_shows_it_and_strict_counts_it() {
    let one = "---\nname: one\ndescription: Reads code. Use when a change is done.\n---\nReport it.\n";
    let project = support::Project::bare()
        .file("orch.toml", "")
        .file("agents/one.md", one)
        .file("agents/two.md", &one.replace("name: one", "name: two"));
    assert_eq!(project.run(&["check", "--strict"]).code, Some(0));
    let lint = project.run(&["check", "--lint"]);
    assert!(lint.code == Some(0) && lint.stdout.contains("warning[E0187]"), "{lint:?}");
    assert!(lint.stdout.contains("agents/two.md:3:1"), "{}", lint.stdout);
    assert_eq!(project.run(&["check", "--lint", "--strict"]).code, Some(10));
    // A path narrows it.
    assert_eq!(project.run(&["check", "--lint", "--strict", "agents/one.md"]).code, Some(0));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_shipped_library_has_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let library = load(folder.path(), None);
    let names: Vec<String> = library
        .agents
        .names()
        .chain(library.skills.names())
        .chain(library.commands.names())
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 60, "{}", names.len());
    let found = lint_library(&library, &names);
    let shown: Vec<String> =
        found.iter().map(|one| format!("{}: {} {}", one.source.path.display(), one.code, one.message)).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

fn project_at(folder: &Path) -> Project {
    let environment = Environment::of(Vec::new(), folder.to_path_buf(), 2);
    Project::open(folder, Opening::Search, &environment, &Flags::default()).unwrap()
}

#[test]
fn shipped_skills_are_activated_as_their_cases_say() {
    let results = skill_cases::run(&project_at(root()));
    assert!(results.len() >= 40, "{}", results.len());
    let failed: Vec<_> = results
        .iter()
        .filter(|one| !one.passed)
        .map(|one| format!("{}: {}: {}", one.place, one.name, one.why))
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), results.len(), failed.join("\n"));
    // What nobody asked for is noise in a prompt.
    let active: usize = results.iter().map(|one| one.found.len()).sum();
    let wrong: usize =
        results.iter().map(|one| one.found.iter().filter(|name| !one.expected.contains(name)).count()).sum();
    println!("{} cases, {wrong} of {active} not asked for", results.len());
    assert!(wrong * 100 <= active * 10, "{wrong} of {active}");
}

#[test]
fn a_case_fails_where_it_should_and_bad_files_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(path), text).unwrap();
    };
    write("orch.toml", "");
    write(
        "skills/rivers/SKILL.md",
        "---\nname: rivers\ndescription: All about rivers.\ntriggers: [river, \"**/*.riv\"]\n---\nFlow.\n",
    );
    write(
        "skills/rivers/tests.yaml",
        "cases:\n  - { text: Cross the river, activates: [rivers] }\n  - { text: Cross it, files: [a/b.riv], activates: [rivers] }\n  \
         - { text: Cross the river, not: [rivers] }\n  - { name: odd, text: Cross, activates: [rivers, lakes] }\n",
    );
    write("skills/tests.yaml", "cases:\n  - { text: Cross, activate: [rivers] }\n");
    let results = skill_cases::run(&project_at(folder.path()));
    let seen: Vec<(bool, &str, &str)> =
        results.iter().map(|one| (one.passed, one.place.as_str(), one.why.as_str())).collect();
    assert_eq!(
        seen,
        [
            (true, "skills/rivers/tests.yaml:2", ""),
            (true, "skills/rivers/tests.yaml:3", ""),
            (false, "skills/rivers/tests.yaml:4", "`rivers` is activated (keyword `river`)"),
            (false, "skills/rivers/tests.yaml:5", "`rivers` is not activated; there is no skill `lakes`"),
            (
                false,
                "skills/tests.yaml:2",
                "the key `activate` is not known here; a case has name, text, files, activates, not"
            ),
        ]
    );
    // Nothing else reads these files.
    let library = load(folder.path(), None);
    assert!(library.diagnostics.is_empty(), "{:?}", library.diagnostics);
    assert!(library.skills.get("tests").is_none() && library.workflows.get("tests").is_none());
}

/// The most files in a hundred that a rule may speak of in public files.
const SHARES: [(&str, usize); 8] =
    [("E0180", 1), ("E0181", 2), ("E0182", 4), ("E0183", 1), ("E0184", 1), ("E0185", 8), ("E0186", 1), ("E0187", 4)];

#[test]
fn public_files_give_few_findings() {
    let here = root();
    let beside = ["..", "../.."].map(|up| here.join(up).join("shared/corpus/dev-definitions.tar.gz"));
    let Some(archive) = beside.iter().find(|path| path.is_file()) else {
        eprintln!("SKIPPED: no corpus beside this repository; the share of findings is not tested");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(
        std::process::Command::new("tar")
            .arg("xzf")
            .arg(archive)
            .arg("-C")
            .arg(folder.path())
            .status()
            .unwrap()
            .success()
    );
    let (files, found) = corpus_findings(folder.path());
    let mut by_code: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in &found {
        by_code.entry(one.code.to_string()).or_default().insert(one.source.path.display().to_string());
        if std::env::var_os("SHOW_FINDINGS").is_some() {
            let line = one.source.position(one.span.start).line;
            let text = one.source.text.lines().nth(line - 1).unwrap_or_default();
            println!("{} {}:{line} {} | {text:.140}", one.code, one.source.path.display(), one.message);
        }
    }
    for (code, share) in SHARES {
        let count = by_code.get(code).map_or(0, BTreeSet::len);
        println!("{code}: {count} of {files} files");
        assert!(count * 100 <= files * share, "{code}: {count} of {files} files, more than {share} %");
    }
}

/// The files of each repository as one library.
fn corpus_findings(root: &Path) -> (usize, Vec<Diagnostic>) {
    let mut libraries: BTreeMap<String, Library> = BTreeMap::new();
    let mut files = 0;
    let tables =
        fs::read_dir(root.join("_oracle")).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    for line in tables.collect::<String>().lines() {
        let oracle: Value = serde_json::from_str(line).unwrap();
        let kind = match oracle["kind"].as_str().unwrap() {
            "agent" => FileKind::Agent,
            "skill" => FileKind::Skill,
            "command" => FileKind::Command,
            _ => continue,
        };
        let repo = oracle["repo"].as_str().unwrap().replace('/', "+");
        let file = format!("{repo}/{}", oracle["path"].as_str().unwrap());
        let bytes = fs::read(root.join(&file)).unwrap();
        let library = libraries.entry(repo).or_default();
        files += 1;
        match read(kind, Dialect::ClaudeCode, Path::new(&file), &bytes).0 {
            Some(Definition::Agent(agent)) => library.agents.push(&agent.name.clone(), agent),
            Some(Definition::Skill(skill)) => library.skills.push(&skill.name.clone(), skill),
            Some(Definition::Command(command)) => library.commands.push(&command.name.clone(), command),
            Some(Definition::Document) | None => {}
        }
    }
    (files, libraries.values().flat_map(|library| lint_library(library, &[])).collect())
}
