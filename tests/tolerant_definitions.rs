//! Agents, skills and commands that are not as they should be: each loads, says what was assumed, and carries a fix that
//! keeps what it says.
//!
//! `fixtures/tolerant/KIND_NAME.md` is a file, `KIND_NAME.expected` what it is read as and what a person sees.
//! `UPDATE_FIXTURES=1 cargo test --test tolerant_definitions` writes the texts anew: read them as a user would.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod tolerant;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use orch::{
    base::{Diagnostic, Severity, codes, render},
    definition::{
        CommandBody, Dialect,
        load::{self, Definition, FileKind},
    },
};
use proptest::prelude::*;
use tolerant::{check_fixes, extra, read, seen};

/// A file of a test: its path as shown, its kind, its bytes.
struct Case {
    path: PathBuf,
    kind: FileKind,
    bytes: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tolerant")
}

fn case(name: &str, bytes: Vec<u8>) -> Case {
    let (kind, path) = match name.split_once('_').unwrap().0 {
        "agent" => (FileKind::Agent, format!("agents/{name}.md")),
        "skill" => (FileKind::Skill, format!("skills/{name}/SKILL.md")),
        _ => (FileKind::Command, format!("commands/{name}.md")),
    };
    Case { path: PathBuf::from(path), kind, bytes }
}

/// The files of the folder, by name.
fn fixtures() -> Vec<(PathBuf, Case)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let one = |path: PathBuf| {
        let case = case(path.file_stem().unwrap().to_str().unwrap(), fs::read(&path).unwrap());
        (path, case)
    };
    paths.into_iter().map(one).collect()
}

/// Files whose bytes cannot stand in a repository as they are.
fn odd_bytes() -> Vec<Case> {
    let utf16 = |text: &str, little: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    let text = "---\nname: bytes\ndescription: é\n---\nBody\n";
    vec![
        case("agent_utf16_little", utf16(text, true)),
        case("agent_utf16_big", utf16(text, false)),
        case("agent_mark", format!("\u{feff}{text}").into_bytes()),
        case("agent_latin1", b"---\nname: bytes\ndescription: \xe9\n---\nBody\n".to_vec()),
        case("agent_nul", b"---\nna\0me: bytes\ndescription: \xc3\xa9\n---\nBody\n".to_vec()),
        case("agent_cr", text.replace('\n', "\r").into_bytes()),
        case("agent_crlf", text.replace('\n', "\r\n").into_bytes()),
    ]
}

fn read_case(case: &Case) -> (Option<Definition>, Vec<Diagnostic>) {
    read(case.kind, Dialect::ClaudeCode, &case.path, &case.bytes)
}

#[test]
fn each_reads_as_it_should() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut wrong = Vec::new();
    for (path, case) in fixtures() {
        let (definition, faults) = read_case(&case);
        let mut text = String::new();
        match &definition {
            Some(definition) => {
                let found = seen(definition);
                let _ = writeln!(
                    text,
                    "name: {:?}\ndescription: {:?}\ntools: {}",
                    found.name, found.description, found.tools
                );
                let _ = writeln!(text, "model: {}\nbody: {:?}", found.model, found.body);
                for extra in extra(definition) {
                    let _ = writeln!(text, "{}: {}", extra.key, extra.value);
                }
            }
            None => text.push_str("does not load\n"),
        }
        let _ = write!(text, "\n{}", render::render_all(&faults, false));
        let expected = path.with_extension("expected");
        if update {
            fs::write(&expected, &text).unwrap();
        }
        let known = fs::read_to_string(&expected).unwrap_or_default();
        if text != known {
            wrong.push(format!("{}\n--- expected\n{known}\n--- found\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_diagnostic_is_complete() {
    let cases = fixtures().into_iter().map(|(_, case)| case).chain(odd_bytes());
    for case in cases {
        let (definition, faults) = read_case(&case);
        assert!(definition.is_some(), "{}: {faults:?}", case.path.display());
        for fault in faults {
            let shown = render::render(&fault, false);
            assert!(codes::find(fault.code.0).is_some(), "no story: {shown}");
            assert!(fault.severity < Severity::Error, "{shown}");
            let parts = [
                ("message", &fault.message),
                ("cause", &fault.cause),
                ("help", &fault.help),
                ("assumed", &fault.assumed),
            ];
            for (part, text) in parts {
                assert!(!text.is_empty(), "no {part}: {shown}");
            }
            assert!(!fault.message.ends_with('.') && !fault.message.starts_with(char::is_uppercase), "{shown}");
            let text = &fault.source.text;
            assert!(text.get(fault.span.start..fault.span.end).is_some(), "{:?} is no place: {shown}", fault.span);
        }
    }
}

#[test]
fn each_code_of_tolerant_reading_is_shown() {
    let cases = fixtures().into_iter().map(|(_, case)| case).chain(odd_bytes());
    let shown: BTreeSet<&str> = cases.flat_map(|case| read_case(&case).1).map(|fault| fault.code.0).collect();
    let own = codes::all().map(|info| info.code.0).filter(|code| ("E0140".."E0166").contains(code));
    let missing: Vec<&str> = own.filter(|code| !shown.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_fix_mends_its_fault_and_nothing_else() {
    let mut wrong = Vec::new();
    let cases = fixtures().into_iter().map(|(_, case)| case).chain(odd_bytes());
    let tried: usize =
        cases.map(|case| check_fixes(case.kind, Dialect::ClaudeCode, &case.path, &case.bytes, &mut wrong)).sum();
    assert!(tried >= 40, "{tried} fixes");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn odd_bytes_are_decoded_and_said() {
    for case in odd_bytes() {
        let name = case.path.display();
        let (definition, faults) = read_case(&case);
        let found = seen(&definition.unwrap());
        let description = if case.bytes.contains(&0xe9) && !case.bytes.contains(&0xc3) && case.bytes[0] == b'-' {
            "\u{fffd}"
        } else {
            "é"
        };
        assert_eq!(
            (found.name.as_str(), found.description.as_str(), found.body.as_str()),
            ("bytes", description, "Body")
        );
        let said = faults.iter().any(|fault| fault.code == codes::definition::ENCODING);
        assert_eq!(said, !name.to_string().contains("crlf"), "{name}: {faults:?}");
    }
}

#[test]
fn what_runs_is_never_guessed() {
    let steps = "---\ndescription: Use when: x\nsteps:\n  - run: \"true\"\n---\n";
    let flow = "\n---\nworkflow: new-project\n---\n";
    let twice = "---\ndescription: a\nsteps:\n  - run: \"true\"\nsteps:\n  - run: \"false\"\n---\n";
    let literate = "---\ndescription: Use when: x\n---\n\n## Do {#do agent=x}\n\nDo it.\n";
    for dialect in [Dialect::Orch, Dialect::ClaudeCode] {
        for text in [steps, flow, twice, literate] {
            let (definition, faults) = read(FileKind::Command, dialect, Path::new("commands/x.md"), text.as_bytes());
            assert!(definition.is_none(), "{text}");
            assert!(faults.iter().any(|fault| fault.severity == Severity::Error), "{text}");
        }
    }
    // UTF-16 that holds steps is refused too.
    let good = "---\ndescription: x\nsteps:\n  - run: \"true\"\n---\n";
    let bytes: Vec<u8> = std::iter::once(0xfeff).chain(good.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert!(read(FileKind::Command, Dialect::Orch, Path::new("commands/x.md"), &bytes).0.is_none());
    let (definition, _) = read(FileKind::Command, Dialect::Orch, Path::new("commands/x.md"), good.as_bytes());
    assert!(matches!(definition, Some(Definition::Command(command)) if matches!(command.body, CommandBody::Inline(_))));
}

#[test]
fn headings_with_placeholders_are_prose_in_other_tools_files() {
    let text = "---\ndescription: x\n---\n\n## Issue: {Title}\n\nWrite it.\n";
    let prose = |dialect| match read(FileKind::Command, dialect, Path::new("commands/x.md"), text.as_bytes()).0 {
        Some(Definition::Command(command)) => matches!(command.body, CommandBody::Prose { .. }),
        _ => false,
    };
    assert!(prose(Dialect::ClaudeCode) && prose(Dialect::Copilot));
    assert!(!prose(Dialect::Orch), "our own files say what is a step");
}

#[test]
fn a_project_with_such_files_runs() {
    let project = tempfile::tempdir().unwrap();
    let file = project.path().join(".claude/agents/a.md");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, b"\n---\nname: a\ndescription: Use when: \xe9\n---\nBody\n").unwrap();
    let library = load::load(project.path(), None);
    let agent = library.agents.get("a").unwrap();
    assert_eq!((agent.description.as_str(), agent.body.as_str()), ("Use when: \u{fffd}", "Body"));
    let codes: Vec<&str> = library.diagnostics.iter().map(|fault| fault.code.0).collect();
    assert_eq!(codes, ["E0141", "E0144", "E0140"]);
}

/// A line that closes the code fence around a frontmatter is no part of its last value.
#[test]
fn keys_that_nothing_closes_end_at_the_fence_around_them() {
    let mut wrong = Vec::new();
    for text in ["```\n---\nname: x\n```\n", "```yaml\n---\ndescription: d\nname: x\n```\n\nBody\n"] {
        let path = Path::new("agents/other.md");
        let (definition, faults) = read(FileKind::Agent, Dialect::ClaudeCode, path, text.as_bytes());
        let found = seen(&definition.unwrap());
        assert_eq!((found.name.as_str(), found.body.contains('`')), ("x", false), "{text:?}");
        let codes: Vec<&str> = faults.iter().map(|fault| fault.code.0).collect();
        assert!(codes.contains(&"E0142") && !codes.contains(&"E0144"), "{text:?}: {codes:?}");
        check_fixes(FileKind::Agent, Dialect::ClaudeCode, path, text.as_bytes(), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lines of which broken frontmatter is made.
const LINES: &[&str] = &[
    "---",
    "---",
    " ---",
    "-----",
    "--- x",
    "...",
    "+++",
    "```",
    "```yaml",
    "",
    "# Heading",
    "name: x",
    "Name: y",
    "name:x",
    "description: a: b",
    "description: \"a \"b\" c\"",
    "description: 'it's",
    "description: |",
    "  text: here",
    "\ttab: x",
    "  - item",
    "- item: x: y",
    "tools: [Read, ",
    "tools: *",
    "tools:",
    "tools: Read, Bash(a b)",
    "model: &a x",
    "model: *a",
    "description: {{X}}",
    "description: !x y",
    "user: \"hi\"",
    "<example>",
    "Prose here.",
    "argument-hint: [a] [b]",
    "metadata: { name: z }",
    "? a",
    ": b",
    "%x",
    "@x",
    "allowed-tools: 3",
    "<!-- c -->",
    "<!-- open",
    "\u{a0}name: x",
    "description:\u{a0}x",
    "steps: [",
    "x: |2",
    "y: >-",
    "    deep: a: b",
    "a: 'b",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a file looks like, it loads, and its fixes keep what it says.
    #[test]
    fn anything_loads(lines in prop::collection::vec(0..LINES.len(), 0..14), windows in any::<bool>()) {
        let end = if windows { "\r\n" } else { "\n" };
        let text: String = lines.iter().map(|line| format!("{}{end}", LINES[*line])).collect();
        let mut wrong = Vec::new();
        for (kind, path) in [(FileKind::Agent, "agents/x.md"), (FileKind::Skill, "skills/x/SKILL.md")] {
            let (definition, faults) = read(kind, Dialect::ClaudeCode, Path::new(path), text.as_bytes());
            prop_assert!(definition.is_some(), "{text:?}: {faults:?}");
            for fault in &faults {
                prop_assert!(fault.source.text.get(fault.span.start..fault.span.end).is_some(), "{text:?}: {fault:?}");
            }
            check_fixes(kind, Dialect::ClaudeCode, Path::new(path), text.as_bytes(), &mut wrong);
        }
        prop_assert!(wrong.is_empty(), "{text:?}\n{}", wrong.join("\n"));
    }
}
