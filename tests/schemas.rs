//! The published schemas and `orch check` say the same of the same file: what an editor underlines is what the loader
//! refuses, and the other way round, as far as a schema can see.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot be set up must stop; figures are printed"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use orch::{
    base::{Diagnostic, Severity},
    definition::load,
};
use serde_json::{Map, Value, json};

const KINDS: [&str; 5] = ["agent", "command", "gate", "skill", "workflow"];
/// Codes of faults that a schema can see: keys, types, values and forms.
const SHAPE: [&str; 9] = ["E0109", "E0110", "E0111", "E0112", "E0115", "E0118", "E0119", "E0120", "E0122"];
const MUTATIONS: usize = 1_000;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(kind: &str) -> jsonschema::Validator {
    let text = fs::read_to_string(home().join(format!("schemas/{kind}.schema.json"))).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::draft7::new(&schema).unwrap()
}

/// The files of a folder and below, sorted.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let aside = ["prompts", "recordings", "samples", "rubrics", "tests"];
        if path.is_dir() && !aside.iter().any(|name| path.ends_with(name)) {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// What the file says, as the schema sees it.
fn value_of(kind: &str, path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).unwrap();
    match kind {
        "workflow" | "gate" => load::value_of(path, &text).ok(),
        _ => {
            let (head, _) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
            load::value_of(path, head).ok()
        }
    }
}

/// All shipped files of a kind.
fn shipped(kind: &str) -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    files(&home().join(format!("{kind}s")), &mut found);
    if kind == "workflow" {
        files(&home().join("tests/fixtures/dialect"), &mut found);
    }
    let right = |path: &PathBuf| match kind {
        "workflow" | "gate" => path.extension().is_some_and(|extension| extension == "yaml"),
        "skill" => path.ends_with("SKILL.md"),
        _ => path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("README.md"),
    };
    found.retain(right);
    found.into_iter().filter_map(|path| Some((path.clone(), value_of(kind, &path)?))).collect()
}

#[test]
fn every_shipped_file_is_accepted() {
    for kind in KINDS {
        let (schema, files) = (schema(kind), shipped(kind));
        assert!(!files.is_empty(), "no shipped {kind}");
        for (path, value) in files {
            let faults: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        }
    }
}

#[test]
fn invalid_files_are_rejected() {
    let schema = schema("workflow");
    let mut folder = Vec::new();
    files(&home().join("tests/fixtures/invalid"), &mut folder);
    let mut rejected = 0;
    let mut missed = Vec::new();
    for path in folder.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let Some(value) = value_of("workflow", path) else { continue };
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        if !schema.is_valid(&value) {
            rejected += 1;
        } else if SHAPE.iter().any(|code| expected.contains(&format!("[{code}]"))) {
            missed.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    println!("{rejected} invalid workflows rejected by the schema; of a shape it could see but accepts: {missed:?}");
    assert!(rejected + invalid_frontmatter() >= 60, "{rejected} rejected");
}

/// Frontmatter that no schema may accept; how many there are.
fn invalid_frontmatter() -> usize {
    let bad = [
        ("agent", json!({})),
        ("agent", json!({ "name": "x" })),
        ("agent", json!({ "name": [7], "description": "x" })),
        ("agent", json!({ "name": "", "description": "x" })),
        ("agent", json!({ "name": "x", "description": ["x"] })),
        ("agent", json!({ "name": "x", "description": { "x": 1 } })),
        ("agent", json!({ "name": "x", "description": "x", "tools": null })),
        ("agent", json!({ "name": "x", "description": "x", "tools": [[7]] })),
        ("agent", json!({ "name": "x", "description": "x", "tools": [{}] })),
        ("agent", json!({ "name": "x", "description": "x", "model": {} })),
        ("agent", json!({ "name": "x", "description": "x", "model": [] })),
        ("agent", json!({ "name": "x", "description": "x", "runtime": ["a"] })),
        ("agent", json!({ "name": "x", "description": "x", "skills": { "a": 1 } })),
        ("agent", json!({ "name": "x", "description": "x", "skills": [[]] })),
        ("agent", json!({ "name": "x", "description": "x", "constraints": {} })),
        ("agent", json!({ "name": "x", "description": "x", "capabilities": {} })),
        ("agent", json!({ "name": "x", "description": "x", "context_budget": "many" })),
        ("agent", json!({ "name": "x", "description": "x", "context_budget": -1 })),
        ("skill", json!({})),
        ("skill", json!({ "name": "x" })),
        ("skill", json!({ "name": "x", "description": [] })),
        ("skill", json!({ "name": "x", "description": "x", "triggers": {} })),
        ("skill", json!({ "name": "x", "description": "x", "triggers": [{}] })),
        ("skill", json!({ "name": "x", "description": "x", "paths": { "a": 1 } })),
        ("skill", json!({ "name": "x", "description": "x", "allowed-tools": [[]] })),
        ("skill", json!({ "name": "x", "description": "x", "disable-model-invocation": 2 })),
        ("command", json!({ "description": ["a"] })),
        ("command", json!({ "argument-base": 2 })),
        ("command", json!({ "workflow": "a b" })),
        ("command", json!({ "workflow": [] })),
        ("command", json!({ "steps": [] })),
        ("command", json!({ "steps": "x" })),
        ("command", json!({ "model": {} })),
        ("command", json!({ "arguments": {} })),
        ("gate", json!({})),
        ("gate", json!({ "checks": [] })),
        ("gate", json!({ "checks": "run" })),
        ("gate", json!({ "checks": [{ "rn": "x" }] })),
        ("gate", json!({ "checks": [{ "run": "x" }], "extra": 1 })),
        ("gate", json!({ "name": "a b", "checks": [{ "run": "x" }] })),
    ];
    for (kind, value) in &bad {
        assert!(!schema(kind).is_valid(value), "the schema of {kind} accepts {value}");
    }
    bad.len()
}

/// A generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // The constants of Knuth's MMIX generator.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// The places of all values below the top.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (name, child) in children {
        let place = format!("{here}/{name}");
        places(child, &place, found);
        found.push(place);
    }
}

/// One change of a value, of the kinds that people make: a slip in a key, another type, a value too much.
fn mutate(value: &mut Value, dice: &mut Dice) -> String {
    let mut all = Vec::new();
    places(value, "", &mut all);
    let place = all[dice.below(all.len())].clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    let what = dice.below(7);
    let replacement = [json!(7), json!(true), json!([]), json!({ "x": 1 }), json!("a b"), json!(-1), json!([["x"]])];
    match (what, value.pointer_mut(parent).unwrap()) {
        (0, Value::Object(map)) => drop(map.shift_remove(&name)),
        (1, Value::Object(map)) => rename(map, &name, &format!("{name}x")),
        (2, Value::Object(map)) => drop(map.insert("unknown_key".to_owned(), json!(1))),
        (_, parent) => {
            let new = replacement[dice.below(replacement.len())].clone();
            match parent {
                Value::Object(map) => drop(map.insert(name, new)),
                Value::Array(items) => items[name.parse::<usize>().unwrap()] = new,
                _ => unreachable!("only lists and mappings have children"),
            }
        }
    }
    format!("{what} at {place}")
}

fn rename(map: &mut Map<String, Value>, from: &str, to: &str) {
    let old = std::mem::take(map);
    map.extend(old.into_iter().map(|(key, value)| (if key == from { to.to_owned() } else { key }, value)));
}

/// A mutant: what was done, what came out.
struct Mutant {
    kind: &'static str,
    what: String,
    value: Value,
}

fn mutants() -> Vec<Mutant> {
    let mut dice = Dice(7);
    let mut seeds: Vec<(&'static str, PathBuf, Value)> = Vec::new();
    for kind in KINDS {
        seeds.extend(shipped(kind).into_iter().map(|(path, value)| (kind, path, value)));
    }
    // Half of them are workflows, where most keys are.
    let workflows: Vec<_> = seeds.iter().filter(|(kind, ..)| *kind == "workflow").cloned().collect();
    (0..MUTATIONS)
        .map(|number| {
            let pool = if number % 2 == 0 { &workflows } else { &seeds };
            let (kind, path, mut value) = pool[dice.below(pool.len())].clone();
            let what = format!("{}: {}", path.display(), mutate(&mut value, &mut dice));
            Mutant { kind, what, value }
        })
        .collect()
}

/// The shipped files of cases, as the schema sees them.
fn case_files() -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for path in load::case_files(home()) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=../../schemas/cases.schema.json\n"), "{path:?}");
        found.push((path.clone(), load::value_of(&path, &text).unwrap()));
    }
    found
}

#[test]
fn every_shipped_workflow_has_cases_that_the_schema_accepts() {
    let (schema, files) = (schema("cases"), case_files());
    let names = |folder: &str| -> Vec<_> {
        let entries = fs::read_dir(home().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.filter(|name| name.to_string_lossy().ends_with(".yaml")).collect();
        names.sort();
        names
    };
    assert_eq!(names("workflows/tests"), names("workflows"));
    for (path, value) in files {
        let faults: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
    }
}

/// All that the reader of cases and the schema must say the same of, and what no schema can see.
#[test]
fn the_schema_of_cases_and_its_reader_agree_on_1000_mutations() {
    let (schema, files, mut dice) = (schema("cases"), case_files(), Dice(11));
    // Two cases of one name, and paths that leave the project, are beyond a schema.
    let beyond = |fault: &Diagnostic| {
        fault.message.contains("a second case called") || fault.message.contains("leaves the project")
    };
    let (mut rejected, mut disagree) = (0, Vec::new());
    for _ in 0..MUTATIONS {
        let (path, value) = &files[dice.below(files.len())];
        // Each starts with one case of the file: in all of them most changes would hit the stubs.
        let mut value = value.clone();
        let place = dice.below(value["cases"].as_array().unwrap().len());
        value["cases"] = json!([value["cases"][place]]);
        let what = format!("{}: {}", path.display(), mutate(&mut value, &mut dice));
        let (_, faults) = load::load_cases_text(Path::new("t.yaml"), &value.to_string());
        let faults: Vec<_> = faults.iter().filter(|fault| !beyond(fault)).map(|fault| &fault.message).collect();
        let valid = schema.is_valid(&value);
        rejected += usize::from(!valid);
        if valid != faults.is_empty() {
            disagree.push(format!("{what} (schema accepts: {valid}): {faults:?}"));
        }
    }
    println!("{MUTATIONS} mutations of cases, {rejected} rejected, {} disagreements", disagree.len());
    assert!(rejected > MUTATIONS / 4, "{rejected} of them are invalid");
    assert!(disagree.is_empty(), "{}:\n{}", disagree.len(), disagree.join("\n"));
}

#[test]
fn what_the_reader_of_cases_refuses_the_schema_refuses() {
    let schema = schema("cases");
    let case = |case: Value| json!({ "workflow": "w", "cases": [case] });
    let stub = |stub: Value| case(json!({ "name": "a", "stubs": { "x": stub }, "expect": { "exit": 0 } }));
    let expect = |expect: Value| case(json!({ "name": "a", "expect": expect }));
    let right = [stub(json!("pass")), stub(json!(["fail", { "exit": 1 }])), expect(json!({ "attempts": { "x": 2 } }))];
    let wrong = [
        json!({ "cases": [{ "name": "a", "expect": { "exit": 0 } }] }),
        json!({ "workflow": "w", "command": "/w", "cases": [{ "name": "a", "expect": { "exit": 0 } }] }),
        json!({ "workflow": "w", "cases": [] }),
        case(json!({ "name": "a" })),
        case(json!({ "expect": { "exit": 0 } })),
        case(json!({ "name": "a", "expect": { "exit": 0 }, "approvals": "yes" })),
        case(json!({ "name": "a", "expect": { "exit": 0 }, "approvals": { "x": "yes" } })),
        case(json!({ "name": "a", "expect": { "exit": 0 }, "default": { "agents": "pass" } })),
        stub(json!("ok")),
        stub(json!([])),
        stub(json!(vec!["pass"; 101])),
        stub(json!({ "ouput": 1 })),
        stub(json!({ "exit": 256 })),
        stub(json!({ "writes": { "a": ["x"] } })),
        stub(json!({ "fail": "" })),
        expect(json!({})),
        expect(json!({ "outcome": "done" })),
        expect(json!({ "steps": { "x": "pass" } })),
        expect(json!({ "gates": { "x": "failed" } })),
        expect(json!({ "attempts": { "x": -1 } })),
        expect(json!({ "outputs": [1] })),
    ];
    for (value, is_right) in right.iter().map(|value| (value, true)).chain(wrong.iter().map(|value| (value, false))) {
        let read = load::load_cases_text(Path::new("t.yaml"), &value.to_string()).0.is_some();
        assert_eq!((schema.is_valid(value), read), (is_right, is_right), "{value}");
    }
}

/// Writes all mutants into one project and gives what loading it says about each.
fn faults_of(mutants: &[Mutant]) -> Vec<Vec<Diagnostic>> {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = BTreeMap::new();
    for (number, mutant) in mutants.iter().enumerate() {
        // JSON is YAML, so a mutant is written as it is.
        let (path, text) = match mutant.kind {
            "workflow" => (format!("workflows/w{number}.yaml"), mutant.value.to_string()),
            "gate" => (format!("gates/g{number}.yaml"), mutant.value.to_string()),
            "skill" => (format!("skills/s{number}/SKILL.md"), format!("---\n{}\n---\n\nText.\n", mutant.value)),
            kind => (format!("{kind}s/x{number}.md"), format!("---\n{}\n---\n\nText.\n", mutant.value)),
        };
        let full = folder.path().join(&path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
        paths.insert(PathBuf::from(path), number);
    }
    copy(&home().join("workflows/prompts"), &folder.path().join("workflows/prompts"));
    let library = load::load(folder.path(), None);
    let mut faults: Vec<Vec<Diagnostic>> = (0..mutants.len()).map(|_| Vec::new()).collect();
    for fault in library.diagnostics {
        if let Some(number) = paths.get(&fault.source.path) {
            faults[*number].push(fault);
        }
    }
    faults
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn schemas_and_check_agree_on_1000_mutations() {
    let mutants = mutants();
    let schemas: BTreeMap<_, _> = KINDS.into_iter().map(|kind| (kind, schema(kind))).collect();
    let (mut rejected, mut disagree) = (0, Vec::new());
    for (mutant, faults) in mutants.iter().zip(faults_of(&mutants)) {
        let valid = schemas[mutant.kind].is_valid(&mutant.value);
        // Two mutants of one file have one name, which is a fault of the project and not of the file.
        // A frontmatter is read as well as it can be: what an editor underlines may be no more than information.
        let strict = matches!(mutant.kind, "gate" | "workflow");
        let least = if strict { Severity::Warning } else { Severity::Info };
        let found: Vec<_> = faults.iter().filter(|fault| fault.severity >= least && fault.code.0 != "E0130").collect();
        // Whether a value fits the type of its own input is beyond a schema.
        let beyond = |fault: &Diagnostic| fault.message.contains("does not fit the ");
        let shape = found.iter().any(|fault| SHAPE.contains(&fault.code.0) && !beyond(fault));
        rejected += usize::from(!valid);
        if valid && shape || !valid && found.is_empty() {
            let said: Vec<_> = found.iter().map(|fault| format!("{} {}", fault.code, fault.message)).collect();
            disagree.push(format!("{} (schema accepts: {valid}): {said:?}", mutant.what));
        }
    }
    println!("{} mutations, {rejected} rejected by the schemas, {} disagreements", mutants.len(), disagree.len());
    assert!(rejected > MUTATIONS / 3, "{rejected} of them are invalid");
    assert!(disagree.is_empty(), "{}:\n{}", disagree.len(), disagree.join("\n"));
}
