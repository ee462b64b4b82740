//! The prompt of an attempt: its text with the values in place, and the files that a prose command names.
//!
//! Invariant: what a command has printed is never looked through for files, so it cannot name one.

use std::{io::Read as _, path::Path};

use serde_json::{Map, Value, json};

use crate::{
    base::{Attached, Digest},
    driver::{assign::Assigner, evaluate::object},
    guard::{Root, contained_path},
    plan::{AgentWork, Meaning, PlanStep, ProseValue},
    scheduler::{InstanceId, Scheduler},
    template::Template,
};

/// The largest file that is attached or put in place.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Files of one prompt.
const FILES_MAX: usize = 20;

/// The note on a file whose text stands in the prompt itself.
pub(super) const PUT_IN_PLACE: &str = "put in place";

/// A prompt and the files it names.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    pub(super) task: String,
    /// Each file and its text, or why it has none.
    pub(super) files: Vec<(Attached, String)>,
}

/// Renders the prompt of a step.
///
/// # Errors
/// What cannot be rendered, or a file that must be there and is not.
pub(super) fn prompt(
    assigner: &Assigner,
    scheduler: &Scheduler,
    instance: InstanceId,
    step: &PlanStep,
    work: &AgentWork,
) -> Result<Prompt, String> {
    let template = Template::parse(&work.prompt.text).map_err(|error| error.message)?;
    let mut scope = scheduler.scope(Some(instance), &work.prompt.reads);
    let mut files = Vec::new();
    if work.prompt.reads.iter().any(|read| read.means == Meaning::With) {
        let mut with = object(scheduler, &assigner.renderer, Some(instance), &step.with)
            .map_err(|reason| format!("`with`: {reason}"))?;
        for (name, value) in work.prose.iter().flat_map(|prose| &prose.values) {
            with.insert(name.clone(), Value::String(known(assigner, scheduler, value, &mut files)?));
        }
        scope.insert("with".to_owned(), Value::Object(with));
    }
    let render =
        |scope: &Map<String, Value>| assigner.renderer.render(&template, scope).map_err(|error| error.to_string());
    let task = render(&scope)?;
    if work.prose.as_ref().is_some_and(|prose| prose.attaches) && task.contains('@') {
        let mut silent = false;
        for read in &work.prompt.reads {
            if matches!(read.means, Meaning::Step(_)) {
                scope.insert(read.name.clone(), json!({ "result": { "text": "" } }));
                silent = true;
            }
        }
        let own = if silent { render(&scope)? } else { task.clone() };
        files.extend(named(&own).into_iter().filter_map(|path| attached(&assigner.root, &path)));
    }
    Ok(Prompt { task, files })
}

/// A value that only the run knows.
fn known(
    assigner: &Assigner,
    scheduler: &Scheduler,
    value: &ProseValue,
    files: &mut Vec<(Attached, String)>,
) -> Result<String, String> {
    match value {
        ProseValue::Session => Ok(scheduler.run_id().map(ToString::to_string).unwrap_or_default()),
        ProseValue::Folder(folder) if folder.is_empty() => Ok(assigner.root.display().to_string()),
        ProseValue::Folder(folder) => Ok(assigner.root.join(folder).display().to_string()),
        ProseValue::File(path) => match read(&assigner.root, path) {
            Read::Text(text) => {
                let digest = Digest::of(text.as_bytes());
                files.push((Attached { path: path.clone(), digest, note: PUT_IN_PLACE.to_owned() }, String::new()));
                Ok(text)
            }
            Read::Note(note) => Err(format!("`@{{{path}}}`: {note}")),
            Read::Nothing => Err(format!("`@{{{path}}}`: there is no such file in the project")),
        },
    }
}

/// What is at a path.
enum Read {
    Text(String),
    /// A file that is not shown, and why.
    Note(String),
    Nothing,
}

/// Reads a file of the project; nothing outside of it is ever looked at.
fn read(root: &Path, path: &str) -> Read {
    let inside = Path::new(path.strip_prefix("./").unwrap_or(path));
    let inside = inside.strip_prefix(root).unwrap_or(inside);
    if contained_path(root, inside).is_err() {
        return Read::Nothing;
    }
    let Ok(beneath) = Root::open(root) else { return Read::Nothing };
    // Only plain files are opened: a pipe would wait for ever.
    let Ok(found) = beneath.look(inside) else { return Read::Nothing };
    if !found.is_file() {
        return Read::Nothing;
    }
    if found.len() > FILE_BYTES_MAX {
        return Read::Note(format!("{} bytes, more than {FILE_BYTES_MAX}: read it yourself", found.len()));
    }
    let mut bytes = Vec::new();
    if let Err(error) = beneath.read(inside).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)) {
        return Read::Note(format!("it cannot be read: {error}"));
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Read::Text(text),
        Ok(_) | Err(_) => Read::Note("not a text file".to_owned()),
    }
}

/// The file at a path as a section; a path without a file is silently none, as in the tools that have this.
fn attached(root: &Path, path: &str) -> Option<(Attached, String)> {
    match read(root, path) {
        Read::Text(text) => {
            let digest = Digest::of(text.as_bytes());
            Some((Attached { path: path.to_owned(), digest, note: String::new() }, text))
        }
        Read::Note(note) => Some((Attached { path: path.to_owned(), digest: Digest::of(&[]), note }, String::new())),
        Read::Nothing => None,
    }
}

/// The paths behind `@` at the beginning of a word, each once. `a@b` is no path.
fn named(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices('@') {
        if found.len() == FILES_MAX {
            break;
        }
        if at > 0 && !text[..at].ends_with(char::is_whitespace) {
            continue;
        }
        let rest = &text[at + 1..];
        let word = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split(['"', '\n']).next().unwrap_or_default(),
            None => rest.split(char::is_whitespace).next().unwrap_or_default(),
        };
        let path = word.split("#L").next().unwrap_or_default().trim_end_matches(['.', ',', ';', ':', ')', '!', '?']);
        if !path.is_empty() && path.len() < 1_024 && !found.iter().any(|other| other == path) {
            found.push(path.to_owned());
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn paths_are_words_of_their_own() {
        assert_eq!(
            named("See @src/a.rs, mail me@x.org (@b.md) @agent-x\n@./c @\"d e.md\" @src/a.rs @f.rs#L3-9."),
            ["src/a.rs", "agent-x", "./c", "d e.md", "f.rs"]
        );
        assert_eq!(named(&"@x ".repeat(3)).len(), 1);
        let many: String = (0..99).map(|at| format!("@{at} ")).collect();
        assert_eq!(named(&many).len(), FILES_MAX);
    }

    #[test]
    fn only_files_of_the_project_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("dir")).unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        fs::write(root.join("a.md"), "text").unwrap();
        fs::write(root.join("b.bin"), [0, 1, 2]).unwrap();
        fs::write(root.join("big"), "x".repeat(300_000)).unwrap();
        symlink(folder.path().join("secret"), root.join("link")).unwrap();
        let seen = |path: &str| attached(&root, path).map(|(attached, text)| (text, attached.note));
        assert_eq!(seen("a.md"), Some(("text".to_owned(), String::new())));
        assert_eq!(seen("./a.md").unwrap().0, "text");
        assert_eq!(seen(root.join("a.md").to_str().unwrap()).unwrap().0, "text");
        for path in ["../secret", "link", "dir", "gone", "/etc/passwd", "dir/../../secret"] {
            assert_eq!(seen(path), None, "{path}");
        }
        assert_eq!(seen("b.bin").unwrap().1, "not a text file");
        assert!(seen("big").unwrap().1.contains("300000 bytes"));
    }
}
