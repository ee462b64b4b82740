//! Files from text: what stands in code blocks with a path in an agent's answer becomes files of the workspace, for runtimes
//! without tools.
//!
//! Invariant: every block is read and judged before the first file changes, and all faults are told at once. Does not know
//! where the answer comes from.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::{
    base::{Envelope, Evidence, FailureClass, Outcome},
    execute::{
        assignment::Place,
        executor::{Executor, blocking, failed},
        globs::Globs,
        put_back::{Wanted, put_back},
        traces::FileKind,
        tree::{Stamp, path_text},
        watch::Watch,
    },
    guard::contained_path,
};

/// Files of one answer.
const FILES_MAX: usize = 200;
/// Bytes of one file.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a path.
const PATH_BYTES_MAX: usize = 300;
/// Faults that are told.
const FAULTS_MAX: usize = 20;
/// How a path is named in the words behind the fence.
const NAMES: [&str; 6] = ["path=", "file=", "filename=", "title=", "name=", "src="];

/// A file of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AnswerFile {
    path: String,
    text: String,
}

impl Executor {
    /// Writes the files of an answer, and adds them to those that its envelope names.
    pub(super) async fn write_answer(&self, outcome: Outcome, declared: Vec<String>, place: &Place) -> Outcome {
        let Outcome::Succeeded(envelope) = outcome else { return outcome };
        let (watch, place) = (self.watch.clone(), place.clone());
        blocking(move || write(envelope, &declared, &watch, &place)).await
    }
}

fn write(mut envelope: Box<Envelope>, declared: &[String], watch: &Watch, place: &Place) -> Outcome {
    let answer = envelope.whole_text.as_deref().unwrap_or(&envelope.text);
    let done = read(answer).and_then(|files| wanted(&files, declared, watch, place)).and_then(|files| {
        let aside = place.attempt_dir.join("aside");
        put_back(&place.workspace, &aside, &files).map(|()| files).map_err(|fault| vec![fault])
    });
    let files = match done {
        Ok(files) => files,
        Err(faults) => {
            let more = if faults.len() > FAULTS_MAX { "\n- and more" } else { "" };
            let told: Vec<_> = faults.iter().take(FAULTS_MAX).map(|fault| format!("- {fault}")).collect();
            let reason = format!("no file was taken from the answer:\n{}{more}", told.join("\n"));
            let mut failure = failed(FailureClass::Invalid, reason, Evidence::default());
            (failure.session, failure.usage) = (envelope.session.clone(), envelope.usage);
            return Outcome::Failed(failure);
        }
    };
    let named: BTreeSet<String> =
        envelope.files_changed.drain(..).chain(files.into_iter().map(|(path, _)| path)).collect();
    envelope.files_changed = named.into_iter().collect();
    Outcome::Succeeded(envelope)
}

/// The files as they are to be, without those that are so already; else all that is wrong with them.
fn wanted(files: &[AnswerFile], declared: &[String], watch: &Watch, place: &Place) -> Result<Vec<Wanted>, Vec<String>> {
    let globs = Globs::new(declared).map_err(|fault| vec![format!("`files` cannot be read: {fault}")])?;
    let (mut faults, mut all, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for AnswerFile { path, text } in files {
        let relative = PathBuf::from(path.trim_start_matches("./"));
        let shown = path_text(&relative);
        if !seen.insert(relative.clone()) {
            faults.push(format!("`{shown}` stands there twice"));
            continue;
        }
        let contained = contained_path(&place.workspace, &relative);
        let found = match contained {
            Ok(found) => found,
            Err(fault) => {
                faults.push(fault.to_string());
                continue;
            }
        };
        if !declared.is_empty() && !globs.is_match(&relative) {
            faults.push(format!("`{shown}` is none of the files that the step declares: {}", declared.join(", ")));
        }
        if let Err(fault) = watch.writes(&relative, place) {
            faults.push(format!("`{shown}` may not be written: {fault}"));
        }
        match kind(&found) {
            Ok(kind) => all.push((shown, kind, found, text)),
            Err(fault) => faults.push(format!("`{shown}`: {fault}")),
        }
    }
    for (path, other) in seen.iter().flat_map(|path| seen.iter().map(move |other| (path, other))) {
        if path != other && other.starts_with(path) {
            faults.push(format!("`{}` is a file and a folder", path_text(path)));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let is_new = |found: &Path, text: &str| fs::read(found).map_or(true, |bytes| bytes != text.as_bytes());
    let new = all.into_iter().filter(|(_, _, found, text)| is_new(found, text));
    Ok(new.map(|(shown, kind, _, text)| (shown, Some((kind, text.as_bytes().to_vec())))).collect())
}

/// What kind of file stays or is made there.
fn kind(place: &Path) -> Result<FileKind, &'static str> {
    match fs::symlink_metadata(place) {
        Err(_) => Ok(FileKind::File),
        Ok(found) if found.is_file() => Ok(Stamp::of(&found).file_kind()),
        Ok(_) => Err("something else than a file stands there"),
    }
}

/// The files of an answer; else all that is wrong with it.
fn read(answer: &str) -> Result<Vec<AnswerFile>, Vec<String>> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    // What stands alone directly above a block may name it.
    let mut above = String::new();
    let mut open: Option<(Option<String>, String)> = None;
    for (event, range) in Parser::new_ext(answer, Options::empty()).into_offset_iter() {
        match (event, &mut open) {
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(words))), _) => {
                let path = path_in(&words).or_else(|| path_above(&above));
                if let Some(path) = path.as_ref().filter(|_| !is_closed(&answer[range])) {
                    faults.push(format!(
                        "the block of `{}` is cut off: its fence is not closed",
                        path_text(Path::new(path))
                    ));
                }
                open = Some((path, String::new()));
            }
            (Event::Text(text), Some((_, body))) => body.push_str(&text),
            (Event::End(TagEnd::CodeBlock), _) => {
                if let Some((Some(path), text)) = open.take() {
                    if text.len() > FILE_BYTES_MAX {
                        faults.push(format!(
                            "`{}` is larger than {} MB",
                            path_text(Path::new(&path)),
                            FILE_BYTES_MAX >> 20
                        ));
                    }
                    files.push(AnswerFile { path, text });
                }
                above.clear();
            }
            (Event::Start(Tag::Paragraph | Tag::Heading { .. }), None) => above.clear(),
            (Event::Text(text) | Event::Code(text), None) => above.push_str(&text),
            (Event::Start(Tag::Item | Tag::BlockQuote(_)) | Event::Rule, None) => above.clear(),
            _ => {}
        }
        if files.len() > FILES_MAX {
            faults.push(format!("it holds more than {FILES_MAX} files"));
            break;
        }
    }
    if files.is_empty() && faults.is_empty() {
        faults.push("it holds no code block with a path, such as ```rust src/lib.rs".to_owned());
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// Whether a fenced block has its second fence. The parser closes what the text does not.
fn is_closed(block: &str) -> bool {
    let mut lines = block.lines();
    let first = lines.next().unwrap_or_default().trim_start();
    let sign = first.chars().next().unwrap_or('`');
    let length = first.chars().take_while(|letter| *letter == sign).count();
    let last = lines.next_back().unwrap_or_default().trim_start_matches([' ', '>']).trim_end();
    last.len() >= length && last.chars().all(|letter| letter == sign)
}

/// The path in the words behind a fence: named, or the second word, or behind the language and a colon, or the only word.
fn path_in(words: &str) -> Option<String> {
    let named = NAMES.iter().find_map(|name| {
        let rest = &words[words.find(name)? + name.len()..];
        let quoted = ['"', '\''].iter().find_map(|sign| rest.strip_prefix(*sign)?.split(*sign).next());
        Some(quoted.unwrap_or_else(|| rest.split([' ', ',', '}']).next().unwrap_or_default()))
    });
    if let Some(named) = named {
        return is_path(named).then(|| named.to_owned());
    }
    let mut all = words.split_whitespace();
    let (first, second) = (all.next()?, all.next());
    let of_language = first.split_once(':').map(|(_, path)| path);
    let alone = first.contains(['/', '.']).then_some(first);
    [second, of_language, alone].into_iter().flatten().find(|word| is_path(word)).map(str::to_owned)
}

/// The path that stands alone above a block: `src/lib.rs`, **src/lib.rs**, File: src/lib.rs, src/lib.rs:
fn path_above(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches(':');
    let text =
        ["File:", "file:", "Path:", "path:"].iter().find_map(|begin| text.strip_prefix(begin)).unwrap_or(text).trim();
    is_path(text).then(|| text.to_owned())
}

/// Whether a word looks like a path. What it leads to is judged later; this only tells it from prose.
fn is_path(word: &str) -> bool {
    let is_sign = |letter: char| letter.is_whitespace() || letter.is_control() || "<>\"'`|?*{}=;".contains(letter);
    !word.is_empty()
        && word.len() <= PATH_BYTES_MAX
        && word.contains(['/', '.'])
        && !word.contains("://")
        && !word.contains(is_sign)
        && !word.ends_with('.')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::execute::assignment::Live;

    fn names(answer: &str) -> Vec<String> {
        read(answer).unwrap().into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn a_path_is_named_in_the_ways_in_which_models_name_it() {
        for answer in [
            "```rust src/lib.rs\nx\n```\n",
            "```src/lib.rs\nx\n```\n",
            "```rust:src/lib.rs\nx\n```\n",
            "```rust path=src/lib.rs\nx\n```\n",
            "```rust title=\"src/lib.rs\" lines=1\nx\n```\n",
            "~~~~ rust {file='src/lib.rs'}\nx\n~~~~\n",
            "`src/lib.rs`\n```rust\nx\n```\n",
            "**src/lib.rs**\n\n```rust\nx\n```\n",
            "### File: src/lib.rs\n\n```rust\nx\n```\n",
            "src/lib.rs:\n\n```rust\nx\n```\n",
            "1. First:\n\n   ```rust src/lib.rs\n   x\n   ```\n",
        ] {
            let files = read(answer).unwrap();
            assert_eq!(files, [AnswerFile { path: "src/lib.rs".into(), text: "x\n".into() }], "{answer}");
        }
        // What is only shown has no path; what names another block does not name this one.
        let answer = "Run this:\n\n```sh\nmake a.out\n```\n\na.txt\n\n```\n1\n```\n\n```\n2\n```\n\nSee a.b for it.\n\n```\n3\n```\n";
        assert_eq!(names(answer), ["a.txt"]);
        let inner = "````md a.md\n```rust b.rs\nx\n```\n````\n";
        assert_eq!(read(inner).unwrap()[0].text, "```rust b.rs\nx\n```\n");
    }

    #[test]
    fn what_is_cut_off_or_empty_is_no_answer() {
        for (answer, words) in [
            ("```rust a.rs\nfn main() {", "cut off"),
            ("```rust a.rs\nx\n``\n", "cut off"),
            ("```rust a.rs\nx\n```\n\n```rust b.rs\ny", "`b.rs` is cut off"),
            ("I am done.", "no code block with a path"),
            ("```\nx\n```\n", "no code block with a path"),
        ] {
            let faults = read(answer).unwrap_err().join("\n");
            assert!(faults.contains(words), "{answer}: {faults}");
        }
        let many: String = (0..=FILES_MAX).map(|at| format!("```f{at}.x\n1\n```\n\n")).collect();
        assert!(read(&many).unwrap_err()[0].contains("more than"));
        let large = format!("```a.x\n{}\n```\n", "x".repeat(FILE_BYTES_MAX));
        assert!(read(&large).unwrap_err()[0].contains("larger than"));
        // Whatever it is, it is read in a time that people do not notice, and ends.
        for piece in ["`", "```a.x\n", "> ", "* ", "**a.x**\n", "[", "<", "&amp;"] {
            drop(read(&piece.repeat(100_000)));
        }
    }

    fn place(folder: &Path) -> Place {
        let workspace = folder.join("w");
        fs::create_dir_all(&workspace).unwrap();
        Place {
            workspace,
            attempt_dir: folder.join("attempt"),
            env: Vec::new(),
            run: "r".into(),
            attempt: "1-1".into(),
            sandbox: None,
            secrets: Vec::new(),
            live: Live::default(),
        }
    }

    fn said(text: &str) -> Box<Envelope> {
        Box::new(Envelope { text: text.into(), ..Envelope::default() })
    }

    #[test]
    fn all_files_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let at = |path: &str| place.workspace.join(path);
        fs::write(at("same"), "1\n").unwrap();
        fs::write(at("tool.sh"), "old\n").unwrap();
        fs::set_permissions(at("tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("/etc", at("link")).unwrap();
        fs::create_dir_all(at("folder.d")).unwrap();
        let answer = "```./same\n1\n```\n\n```tool.sh\nnew\n```\n\n```deep/er/new.x\nn\n```\n";
        let done = write(said(answer), &[], &Watch::default(), &place);
        let Outcome::Succeeded(envelope) = done else { panic!("{done:?}") };
        assert_eq!(envelope.files_changed, ["deep/er/new.x", "tool.sh"], "what was so already has not changed");
        assert_eq!(fs::read_to_string(at("deep/er/new.x")).unwrap(), "n\n");
        assert_eq!(fs::metadata(at("tool.sh")).unwrap().permissions().mode() & 0o111, 0o111);
        for (bad, words) in [
            ("```../out.x\nx\n```\n", "out.x"),
            ("```/etc/passwd.x\nx\n```\n", "/etc/passwd.x"),
            ("```link/x.y\nx\n```\n", "link"),
            ("```.git/hooks/pre-commit\nx\n```\n", ".git"),
            ("```.orch/state/orch.db\nx\n```\n", ".orch/state"),
            ("```folder.d\nx\n```\n", "something else than a file"),
            ("```a.x\n1\n```\n\n```./a.x\n2\n```\n", "twice"),
            ("```a.x\n1\n```\n\n```a.x/b.y\n2\n```\n", "a file and a folder"),
            ("```b.y\n1\n```\n", "none of the files that the step declares"),
        ] {
            let declared: Vec<String> = if words.contains("declares") { vec!["src/**".into()] } else { Vec::new() };
            let done = write(said(&format!("```first.x\n1\n```\n\n{bad}")), &declared, &Watch::default(), &place);
            let Outcome::Failed(failure) = done else { panic!("{bad}: {done:?}") };
            assert!(failure.reason.contains(words), "{bad}: {}", failure.reason);
            assert_eq!(failure.class, FailureClass::Invalid);
            assert!(!at("first.x").exists() && !at("a.x").exists(), "{bad}: something was written");
        }
        // All at once.
        let done = write(said("```../one.x\n1\n```\n\n```/two.x\n2\n```\n"), &[], &Watch::default(), &place);
        let Outcome::Failed(failure) = done else { panic!("{done:?}") };
        assert!(failure.reason.contains("one.x") && failure.reason.contains("two.x"), "{}", failure.reason);
    }
}
