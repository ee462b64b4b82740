//! Public definition files of many authors: all of them load, and say what Claude Code says of them.
//!
//! The files are not part of this repository. Without `../shared/corpus/dev-definitions.tar.gz` (or `ORCH_CORPUS`) these
//! tests do nothing and say so; `tolerant_definitions` has a file of our own for each rule.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test may panic and print")]

mod tolerant;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command as Program,
    sync::OnceLock,
};

use orch::{
    base::{Diagnostic, Severity},
    definition::{
        Dialect,
        load::{Definition, FileKind},
    },
};
use serde_json::Value;
use tolerant::{Seen, check_fixes, extra, read, seen};

/// The unpacked corpus. `None` where there is none, which is said once.
fn corpus() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        // A second working tree may lie one folder deeper.
        let beside = ["..", "../.."].map(|up| here.join(up).join("shared/corpus/dev-definitions.tar.gz"));
        let default = beside.iter().find(|path| path.is_file()).unwrap_or(&beside[0]).clone();
        let archive = std::env::var_os("ORCH_CORPUS").map_or(default, PathBuf::from);
        if !archive.is_file() {
            eprintln!("SKIPPED: no corpus at {}; nothing of it is tested", archive.display());
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let done = Program::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
        assert!(done.success(), "cannot unpack {}", archive.display());
        Some(folder)
    });
    found.as_ref().map(tempfile::TempDir::path)
}

/// A file of the corpus and what is recorded of it.
struct Row {
    bytes: Vec<u8>,
    /// The path in the corpus.
    file: String,
    kind: FileKind,
    dialect: Dialect,
    oracle: Value,
}

fn rows(root: &Path) -> Vec<Row> {
    let table = fs::read_dir(root.join("_oracle")).unwrap().map(|entry| entry.unwrap().path());
    let text: String = table.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut rows = Vec::new();
    for line in text.lines() {
        let oracle: Value = serde_json::from_str(line).unwrap();
        let (kind, dialect) = match oracle["kind"].as_str().unwrap() {
            "agent" => (FileKind::Agent, Dialect::ClaudeCode),
            "skill" => (FileKind::Skill, Dialect::ClaudeCode),
            "command" => (FileKind::Command, Dialect::ClaudeCode),
            "copilot-agent" => (FileKind::Agent, Dialect::Copilot),
            "copilot-prompt" => (FileKind::Command, Dialect::Copilot),
            _ => continue,
        };
        let file =
            format!("{}/{}", oracle["repo"].as_str().unwrap().replace('/', "+"), oracle["path"].as_str().unwrap());
        let bytes = fs::read(root.join(&file)).unwrap();
        rows.push(Row { bytes, file, kind, dialect, oracle });
    }
    rows
}

impl Row {
    fn read(&self) -> (Option<Definition>, Vec<Diagnostic>) {
        read(self.kind, self.dialect, Path::new(&self.file), &self.bytes)
    }

    fn strict(&self) -> &str {
        self.oracle["strict_yaml"].as_str().unwrap()
    }

    /// Whether Claude Code registers the file.
    fn loads_there(&self) -> bool {
        self.oracle["cc_loaded"] == true || self.oracle["cc_listed"] == true
    }

    /// Whether Claude Code also reads its keys. It lists skills and commands whose keys it cannot read.
    fn keys_are_read_there(&self) -> bool {
        let errors = self.oracle["cc_validate"]["errors"].as_array().is_some_and(|errors| !errors.is_empty());
        let unseen =
            matches!(self.strict(), "missing-opening" | "text-before-frontmatter" | "fenced" | "leading-blank");
        self.loads_there() && !errors && !unseen
    }
}

/// A listing shows a description on one line, cut, and without marks that have no width.
fn as_listed(text: &str) -> String {
    text.replace('\u{fe0f}', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn same_description(kind: FileKind, ours: &str, theirs: &str) -> bool {
    if kind == FileKind::Agent {
        // The record is cut at 400 characters, and keeps the newline at the end of a block.
        let cut: String = ours.chars().take(400).collect();
        return ours == theirs.trim_end() || (theirs.chars().count() == 400 && cut == theirs);
    }
    let (ours, theirs) = (as_listed(ours), as_listed(theirs).replace("&lt;", "<").replace("&gt;", ">"));
    let cut = theirs.strip_suffix('…').or_else(|| theirs.strip_suffix("...")).unwrap_or(&theirs);
    ours == theirs || (theirs.chars().count() >= 250 && ours.starts_with(cut))
}

/// The record of tools is cut at 300 characters.
fn same_tools(ours: &str, theirs: &str) -> bool {
    ours == theirs || (theirs.chars().count() == 300 && ours.starts_with(theirs))
}

#[test]
fn every_file_loads_and_says_what_claude_code_says() {
    let Some(root) = corpus() else { return };
    let (mut compared, mut wrong) = (0, Vec::new());
    let rows = rows(root);
    for row in &rows {
        let (definition, _) = row.read();
        let Some(definition) = definition else {
            wrong.push(format!("{}: does not load", row.file));
            continue;
        };
        let Seen { name, description, tools, .. } = seen(&definition);
        if !row.loads_there() {
            continue;
        }
        if matches!(definition, Definition::Document) {
            wrong.push(format!("{}: Claude Code loads it", row.file));
        }
        if !row.keys_are_read_there() {
            continue;
        }
        compared += 1;
        let text = |key: &str| row.oracle[key].as_str();
        if let Some(theirs) = text("cc_name").filter(|theirs| *theirs != name) {
            wrong.push(format!("{}: name\n  ours   {name:?}\n  theirs {theirs:?}", row.file));
        }
        if let Some(theirs) = text("cc_description").filter(|theirs| !same_description(row.kind, &description, theirs))
        {
            wrong.push(format!("{}: description\n  ours   {description:?}\n  theirs {theirs:?}", row.file));
        }
        // Claude Code lists an empty list as all tools, although it runs the agent with none.
        let shown = if tools.is_empty() { "All tools" } else { &tools };
        if let Some(theirs) = text("cc_tools").filter(|theirs| !same_tools(shown, theirs)) {
            wrong.push(format!("{}: tools\n  ours   {shown:?}\n  theirs {theirs:?}", row.file));
        }
    }
    println!("{} files, {compared} compared with Claude Code, {} differ", rows.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fault_is_said_and_nothing_else() {
    let Some(root) = corpus() else { return };
    let (mut faulty, mut clean, mut wrong) = (0, 0, Vec::new());
    let mut counts: BTreeMap<(&str, Severity), usize> = BTreeMap::new();
    for row in rows(root) {
        let (_, faults) = row.read();
        for fault in &faults {
            *counts.entry((fault.code.0, fault.severity)).or_default() += 1;
        }
        let remarks = ["errors", "warnings"]
            .iter()
            .any(|list| row.oracle["cc_validate"][*list].as_array().is_some_and(|remarks| !remarks.is_empty()));
        let warned: Vec<&Diagnostic> = faults.iter().filter(|fault| fault.severity >= Severity::Warning).collect();
        match row.strict() {
            "ok" if row.loads_there() && !remarks => {
                clean += 1;
                wrong.extend(warned.iter().map(|fault| format!("{}: {} {}", row.file, fault.code, fault.message)));
            }
            "ok" | "none" => {}
            class => {
                faulty += 1;
                if warned.is_empty() {
                    wrong.push(format!("{}: {class}, but no diagnostic", row.file));
                }
            }
        }
    }
    println!("{faulty} files that strict YAML refuses, {clean} that nobody remarks on; {} wrong", wrong.len());
    for ((code, severity), count) in counts {
        println!("  {code} {severity:?} {count}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The top of a frontmatter as the crate's own reader of YAML sees it.
fn keys_of(text: &str) -> Option<serde_json::Map<String, Value>> {
    let inside = text.strip_prefix("---\n")?.split("\n---").next()?;
    let value = orch::definition::load::value_of(Path::new("x.yaml"), inside).ok()?;
    value.as_object().cloned()
}

#[test]
fn no_key_is_lost() {
    let Some(root) = corpus() else { return };
    let (mut keys, mut kept, mut wrong) = (0, 0, Vec::new());
    for row in rows(root) {
        let text = String::from_utf8_lossy(&row.bytes).replace("\r\n", "\n");
        let Some(written) = keys_of(&text) else { continue };
        let Some(definition) = row.read().0 else { continue };
        let extra = extra(&definition);
        for (key, value) in &written {
            keys += 1;
            match extra.iter().find(|extra| extra.key == *key) {
                Some(extra) if extra.value != *value => wrong.push(format!("{}: {key}: {value}", row.file)),
                Some(_) => kept += 1,
                None if is_used(row.kind, key) => {}
                None => wrong.push(format!("{}: {key} is lost", row.file)),
            }
        }
        if extra.iter().any(|extra| !written.contains_key(&extra.key)) {
            wrong.push(format!("{}: a key that the file has not", row.file));
        }
    }
    println!("{keys} keys, {kept} of them kept as they are, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a kind of definition has a place of its own for the key.
fn is_used(kind: FileKind, key: &str) -> bool {
    let all = ["name", "description", "when_to_use", "whenToUse", "useWhen", "hidden", "user-invocable"];
    let own: &[&str] = match kind {
        FileKind::Agent => &[
            "tools",
            "allowed-tools",
            "allowedTools",
            "disallowedTools",
            "model",
            "runtime",
            "skills",
            "constraints",
            "capabilities",
            "context_budget",
            "disable-model-invocation",
            "id",
        ],
        FileKind::Skill => {
            &["triggers", "paths", "globs", "allowed-tools", "disallowed-tools", "disable-model-invocation"]
        }
        FileKind::Command => &[
            "argument-hint",
            "argumentHint",
            "argument_hint",
            "arguments",
            "argument-base",
            "agent",
            "model",
            "disable-model-invocation",
            "workflow",
        ],
    };
    // A command is named by its path, so the key is kept.
    (all.contains(&key) && !(kind == FileKind::Command && key == "name")) || own.contains(&key)
}

#[test]
fn each_fixture_gives_what_it_expects() {
    let Some(root) = corpus() else { return };
    let folder = root.join("_fixtures");
    let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join("expect.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let cases = expected.as_array().unwrap();
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let kind = match case["kind"].as_str().unwrap() {
            "agent" => FileKind::Agent,
            "skill" => FileKind::Skill,
            _ => FileKind::Command,
        };
        let bytes = fs::read(folder.join(file)).unwrap();
        let (definition, faults) = read(kind, Dialect::ClaudeCode, Path::new(file), &bytes);
        let Some(definition) = definition else {
            wrong.push(format!("{file}: does not load: {faults:?}"));
            continue;
        };
        let found = seen(&definition);
        for (key, ours) in [("name", &found.name), ("description", &found.description), ("model", &found.model)] {
            if let Some(theirs) = case["expect"][key].as_str().filter(|theirs| theirs != ours) {
                wrong.push(format!("{file}: {key}\n  ours     {ours:?}\n  expected {theirs:?}"));
            }
        }
        let odd = case["problem"].as_str().unwrap();
        let harmless = odd.starts_with("none") || ["command", "skill"].contains(&odd);
        if !harmless && faults.is_empty() {
            println!("{file}: {odd}: no diagnostic");
        }
        if odd.starts_with("none") && faults.iter().any(|fault| fault.severity >= Severity::Warning) {
            wrong.push(format!("{file}: {odd}, but {}", faults[0].message));
        }
    }
    println!("{} fixtures, {} differ", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_fix_mends_its_fault_and_nothing_else() {
    let Some(root) = corpus() else { return };
    let (mut tried, mut wrong) = (0, Vec::new());
    for row in rows(root) {
        tried += check_fixes(row.kind, row.dialect, Path::new(&row.file), &row.bytes, &mut wrong);
    }
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(root.join("_fixtures/expect.json")).unwrap()).unwrap();
    for case in expected.as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let kind = match case["kind"].as_str().unwrap() {
            "agent" => FileKind::Agent,
            "skill" => FileKind::Skill,
            _ => FileKind::Command,
        };
        let bytes = fs::read(root.join("_fixtures").join(file)).unwrap();
        tried += check_fixes(kind, Dialect::ClaudeCode, Path::new(file), &bytes, &mut wrong);
    }
    println!("{tried} fixes tried, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
