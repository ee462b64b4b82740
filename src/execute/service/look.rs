//! Lists files for an agent and finds lines in them. Blocks while it waits for the disk. The only module that names
//! `regex`, whose time is linear in the text.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use regex::RegexBuilder;

use super::desk::{Desk, TOLD_BYTES_MAX, told, wrong};
use crate::{
    execute::{
        globs::Globs,
        tree::{open_beneath, path_text, walk},
    },
    runtime::service::{Refusal, ToolDone},
};

/// Names that are listed at once.
const NAMES_MAX: usize = 1_000;
/// Lines that are found at once.
const FOUND_MAX: usize = 200;
/// The longest line that is shown, in characters.
const LINE_CHARS_MAX: usize = 300;
/// Longer files are not searched, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Bytes that one search reads.
const SEARCH_BYTES_MAX: u64 = 512 << 20;
/// What a compiled expression may take, in bytes.
const EXPRESSION_BYTES_MAX: usize = 4 << 20;

/// Names of files.
pub(super) fn list(desk: &Desk, path: &Path, pattern: Option<&str>) -> Result<ToolDone, Refusal> {
    let below = desk.below(path)?;
    let found = files(desk, &below, pattern)?;
    let mut text = String::new();
    for path in found.iter().take(NAMES_MAX) {
        if text.len() > TOLD_BYTES_MAX {
            break;
        }
        text.push_str(&path_text(path));
        text.push('\n');
    }
    let shown = text.lines().count();
    if shown < found.len() {
        text.push_str(&format!("[and {} more]\n", found.len() - shown));
    }
    Ok(told(if found.is_empty() { "[no file]".to_owned() } else { text }))
}

/// Lines of files.
pub(super) fn search(desk: &Desk, path: &Path, pattern: &str, glob: Option<&str>) -> Result<ToolDone, Refusal> {
    let below = desk.below(path)?;
    let expression = RegexBuilder::new(pattern)
        .size_limit(EXPRESSION_BYTES_MAX)
        .build()
        .map_err(|error| wrong(format!("`pattern` is no regular expression: {error}")))?;
    let (mut text, mut count, mut left) = (String::new(), 0, SEARCH_BYTES_MAX);
    for path in files(desk, &below, glob)? {
        let mut bytes = Vec::new();
        // What has gone meanwhile, or may not be read, holds nothing for us.
        let Ok(file) = open_beneath(&desk.workspace, &path) else { continue };
        if file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).is_err()
            || bytes.len() as u64 > FILE_BYTES_MAX
            || bytes.contains(&0)
        {
            continue;
        }
        left = left.saturating_sub(bytes.len() as u64);
        let contents = String::from_utf8_lossy(&bytes);
        for (number, line) in contents.lines().enumerate().filter(|(_, line)| expression.is_match(line)) {
            let line: String = line.chars().take(LINE_CHARS_MAX).collect();
            text.push_str(&format!("{}:{}: {line}\n", path_text(&path), number + 1));
            count += 1;
            if count == FOUND_MAX || text.len() > TOLD_BYTES_MAX {
                text.push_str("[there is more: search for less]\n");
                return Ok(told(text));
            }
        }
        if left == 0 {
            text.push_str("[there is too much to search: name a folder or a glob]\n");
            return Ok(told(text));
        }
    }
    Ok(told(if count == 0 { "[nothing found]".to_owned() } else { text }))
}

/// The files below a path, in order; the path itself if it is one.
fn files(desk: &Desk, below: &Path, pattern: Option<&str>) -> Result<Vec<PathBuf>, Refusal> {
    if desk.workspace.join(below).symlink_metadata().is_ok_and(|found| found.is_file()) {
        desk.readable(below)?;
        return Ok(vec![below.to_owned()]);
    }
    let globs = pattern.map(|pattern| Globs::new(&[pattern.to_owned()])).transpose();
    let globs = globs.map_err(|reason| wrong(format!("the glob cannot be understood: {reason}")))?;
    let found = walk(&desk.workspace, below).map_err(|fault| wrong(fault.to_string()))?;
    let fits = |path: &PathBuf| {
        globs.as_ref().is_none_or(|globs| {
            // `*.rs` means that in every folder, as models expect it; a pattern with a slash begins at the path.
            let inner = path.strip_prefix(below).unwrap_or(path);
            let name = inner.file_name().map(Path::new).unwrap_or(inner);
            globs.is_match(inner)
                || globs.is_match(path)
                || (!pattern.unwrap_or_default().contains('/') && globs.is_match(name))
        })
    };
    Ok(found.into_keys().filter(|path| fits(path) && desk.may_look(path)).collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::execute::service::{desk::tests::desk, files};

    fn text(done: Result<ToolDone, Refusal>) -> String {
        match done {
            Ok(done) => done.text,
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    #[test]
    fn files_are_listed_and_lines_found() {
        let (root, desk) = desk(&[], &[]);
        for (path, content) in [
            ("src/a.rs", "fn one() {}\nfn two() {}\n"),
            ("src/in/b.rs", "one\n"),
            ("c.txt", "one\0"),
            (".git/d.rs", "one"),
        ] {
            files_write(root.path(), path, content);
        }
        symlink("/etc", desk.workspace.join("out")).unwrap();
        assert_eq!(text(list(&desk, Path::new(""), Some("*.rs"))), "src/a.rs\nsrc/in/b.rs\n");
        assert_eq!(text(list(&desk, Path::new("./src/"), Some("in/**"))), "src/in/b.rs\n");
        assert_eq!(text(list(&desk, &desk.workspace.join("src"), Some("nothing"))), "[no file]");
        assert_eq!(
            text(search(&desk, Path::new(""), "^fn (one|two)", None)),
            "src/a.rs:1: fn one() {}\nsrc/a.rs:2: fn two() {}\n"
        );
        assert_eq!(text(search(&desk, Path::new("src/in/b.rs"), "one", None)), "src/in/b.rs:1: one\n");
        assert_eq!(text(search(&desk, Path::new(""), "one", Some("*.txt"))), "[nothing found]");
        assert!(matches!(search(&desk, Path::new(""), "(", None), Err(Refusal::Wrong(_))));
        assert!(matches!(search(&desk, Path::new(""), "\\w{900}{900}", None), Err(Refusal::Wrong(_))));
        for denied in ["..", "/etc", ".git"] {
            assert!(matches!(list(&desk, Path::new(denied), None), Err(Refusal::Denied(_))), "{denied}");
        }
        assert!(matches!(list(&desk, Path::new("out"), None), Err(Refusal::Wrong(_))));
    }

    #[test]
    fn what_is_told_is_bounded() {
        let (root, desk) = desk(&[], &[]);
        files_write(root.path(), "long", &format!("{}\n", "x".repeat(999)).repeat(900));
        for number in 0..1_100 {
            files_write(root.path(), &format!("many/{number}"), "");
        }
        assert!(text(list(&desk, Path::new(""), None)).ends_with("[and 101 more]\n"));
        let found = text(search(&desk, Path::new("long"), "x", None));
        assert!(found.len() < TOLD_BYTES_MAX + 1_000 && found.ends_with("search for less]\n"));
        let read = text(files::read(&desk, Path::new("long"), 1, 2_000));
        assert!(read.len() < TOLD_BYTES_MAX + 100 && read.ends_with("with the offset 66]"), "{}", read.len());
        let next = text(files::read(&desk, Path::new("long"), 899, 2_000));
        assert_eq!(next.lines().count(), 2);
    }

    fn files_write(root: &Path, path: &str, content: &str) {
        let place = root.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
}
