//! Every faulty definition under `fixtures/invalid/` gives exactly the text beside it.
//!
//! `NAME.yaml` or `NAME.md` is a workflow file, a folder `NAME/` is a project; `NAME.expected` is what a person sees.
//! `UPDATE_FIXTURES=1 cargo test --test invalid_definitions` writes the texts anew: read them as a user would.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use orch::{
    base::{Diagnostic, Severity, codes, render},
    definition::load,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/invalid")
}

/// All that `orch check` says of a fixture: what loading finds.
fn diagnose(path: &Path) -> Vec<Diagnostic> {
    if path.is_dir() {
        return load::load(path, None).diagnostics;
    }
    load::load_workflow_file(&folder(), path).1
}

fn fixtures() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.is_dir() || path.extension().is_some_and(|extension| extension == "yaml" || extension == "md")
        })
        .filter(|path| path.file_name().is_none_or(|name| name != "files"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn each_fault_reads_as_it_should() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut wrong = Vec::new();
    for path in fixtures() {
        let text = render::render_all(&diagnose(&path), false);
        let expected = path.with_extension("expected");
        if update {
            fs::write(&expected, &text).unwrap();
        }
        let known = fs::read_to_string(&expected).unwrap_or_default();
        if text != known || text.is_empty() {
            wrong.push(format!("{}\n--- expected\n{known}\n--- found\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_fault_is_complete() {
    let paths = fixtures();
    assert!(paths.len() >= 60, "{} fixtures", paths.len());
    for path in paths {
        for fault in diagnose(&path) {
            let shown = render::render(&fault, false);
            assert!(codes::find(fault.code.0).is_some(), "no story: {shown}");
            for (part, text) in [("message", &fault.message), ("cause", &fault.cause), ("help", &fault.help)] {
                assert!(!text.is_empty(), "no {part}: {shown}");
            }
            let position = fault.source.position(fault.span.start);
            let place = format!("{}:{}:{}", fault.source.path.display(), position.line, position.column);
            assert!(shown.contains(&place) || fault.source.text.is_empty(), "no place {place}: {shown}");
            assert!(!fault.message.ends_with('.') && !fault.message.starts_with(char::is_uppercase), "{shown}");
            assert!(!fault.source.path.is_absolute(), "{shown}");
        }
    }
}

#[test]
fn each_code_of_the_family_is_shown_by_a_fixture() {
    // These need a file that cannot stand in a repository, or a thousand of them; `hostile_definitions` has them.
    let elsewhere = ["E0101", "E0102", "E0103", "E0131", "E0132", "E0134", "E0135"];
    let shown: Vec<Diagnostic> = fixtures().iter().flat_map(|path| diagnose(path)).collect();
    let missing: Vec<_> = codes::all()
        .map(|info| info.code.0)
        .filter(|code| code.starts_with("E01") && !elsewhere.contains(code))
        // What is read with a warning is shown in `tolerant_definitions`.
        .filter(|code| !("E0140".."E0166").contains(code))
        // What the lint says of prompts is shown in `lint`.
        .filter(|code| !("E0180".."E0190").contains(code))
        .filter(|code| !shown.iter().any(|fault| fault.code.0 == *code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn errors_are_errors() {
    for path in fixtures() {
        let worst = diagnose(&path).into_iter().map(|fault| fault.severity).max();
        assert!(worst >= Some(Severity::Warning), "{}", path.display());
    }
}
