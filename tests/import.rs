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
    for path in &files {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).replace("\r\n", "\n");
        let text = text.replace('\r', "\n");
        let body = load::lined_frontmatter(&Source::new("x.md", text.clone())).1;
        if text[body].trim().is_empty() {
            continue;
        }
        for form in [None, Some(Form::Yaml)] {
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
