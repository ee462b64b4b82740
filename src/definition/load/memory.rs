//! Reads memory files as their home tools do: the user's own, then those of each folder from the repository's root down
//! to the project, with what they import.
//!
//! Nothing outside those folders is read, whatever a file imports. A file that cannot be read is left out: memory is a
//! help, not a definition.

use std::{
    collections::HashSet,
    path::{Component, Path, PathBuf},
};

use crate::{
    base::code_parts,
    definition::{
        Memory, MemoryFamily,
        load::bytes::{self, Text},
    },
};

/// All texts of one family together: what Codex reads, and a bound for the others.
const AGENTS_BYTES_MAX: usize = 32 * 1024;
const BYTES_MAX: usize = 256 * 1024;
/// Files of one family.
const FILES_MAX: usize = 64;

/// The memory files of a project at `root`; `home` is the user's.
#[must_use]
pub fn load_memory(root: &Path, home: Option<&Path>) -> Vec<Memory> {
    let top = repository(root);
    let mut folders: Vec<&Path> = root.ancestors().take_while(|folder| folder.starts_with(&top)).collect();
    folders.reverse();
    let mut found = Vec::new();
    for family in MemoryFamily::ALL {
        let mut reader = Reader::new(family, root);
        if let Some(home) = home {
            reader.folder(&home.join(user_folder(family)), &home.join(user_folder(family)), true);
        }
        for folder in &folders {
            reader.folder(folder, &top, false);
        }
        found.append(&mut reader.found);
    }
    found
}

/// The nearest folder upwards with `.git`, else the project itself.
fn repository(root: &Path) -> PathBuf {
    root.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(root).to_path_buf()
}

fn user_folder(family: MemoryFamily) -> &'static str {
    match family {
        MemoryFamily::Agents => ".codex",
        MemoryFamily::Claude => ".claude",
        MemoryFamily::Gemini => ".gemini",
    }
}

/// The files of one folder. Of the names in one list the first that is there counts.
fn names(family: MemoryFamily, user: bool) -> &'static [&'static [&'static str]] {
    match (family, user) {
        (MemoryFamily::Agents, _) => &[&["AGENTS.override.md", "AGENTS.md"]],
        (MemoryFamily::Claude, true) => &[&["CLAUDE.md"]],
        (MemoryFamily::Claude, false) => &[&["CLAUDE.md"], &[".claude/CLAUDE.md"], &["CLAUDE.local.md"]],
        (MemoryFamily::Gemini, _) => &[&["GEMINI.md"]],
    }
}

/// How deep imports go; Codex knows none.
fn depth_max(family: MemoryFamily) -> usize {
    match family {
        MemoryFamily::Agents => 0,
        MemoryFamily::Claude => 4,
        MemoryFamily::Gemini => 5,
    }
}

/// Reads one family.
struct Reader<'a> {
    family: MemoryFamily,
    root: &'a Path,
    /// Real paths that were read, so that nothing is told twice and no circle of imports is followed.
    seen: HashSet<PathBuf>,
    left: usize,
    found: Vec<Memory>,
}

impl<'a> Reader<'a> {
    fn new(family: MemoryFamily, root: &'a Path) -> Self {
        let left = if family == MemoryFamily::Agents { AGENTS_BYTES_MAX } else { BYTES_MAX };
        Self { family, root, seen: HashSet::new(), left, found: Vec::new() }
    }

    fn folder(&mut self, folder: &Path, border: &Path, user: bool) {
        for alternatives in names(self.family, user) {
            for name in *alternatives {
                if self.file(&folder.join(name), border, 0) {
                    break;
                }
            }
        }
    }

    /// Reads a file and what it imports, never from outside `border`. Whether it says something.
    fn file(&mut self, path: &Path, border: &Path, depth: usize) -> bool {
        let (Ok(real), Ok(border_real)) = (path.canonicalize(), border.canonicalize()) else { return false };
        if !real.starts_with(border_real) || self.left == 0 || self.found.len() >= FILES_MAX {
            return false;
        }
        let shown = path.strip_prefix(self.root).unwrap_or(path).to_path_buf();
        let Ok(Text { source, .. }) = bytes::read(&real, &shown) else { return false };
        if source.text.trim().is_empty() || !self.seen.insert(real) {
            return false;
        }
        let stripped =
            if self.family == MemoryFamily::Claude { without_comments(&source.text) } else { source.text.clone() };
        let mut text = stripped.trim().to_owned();
        text.truncate(text.floor_char_boundary(self.left));
        self.left -= text.len();
        let imports = if depth < depth_max(self.family) { imports(&text) } else { Vec::new() };
        self.found.push(Memory { family: self.family, path: shown, text, digest: source.digest().clone() });
        let folder = path.parent().unwrap_or(path);
        for import in imports {
            self.file(&plain(&folder.join(import)), border, depth + 1);
        }
        true
    }
}

/// A path without `.` and `..`, by its words alone.
fn plain(path: &Path) -> PathBuf {
    let mut made = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                made.pop();
            }
            Component::CurDir => {}
            other => made.push(other),
        }
    }
    made
}

/// The paths behind `@` at the beginning of a word, outside of code.
fn imports(text: &str) -> Vec<String> {
    let code = code_parts(text);
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices('@') {
        let begins = at == 0 || text[..at].ends_with(char::is_whitespace);
        // The parts are in order, so the one around a place is found by halves.
        let next = code.partition_point(|part| part.whole.end <= at);
        let in_code = code.get(next).is_some_and(|part| part.whole.start <= at);
        if !begins || in_code || found.len() >= FILES_MAX {
            continue;
        }
        let word: String = text[at + 1..].chars().take_while(|letter| !letter.is_whitespace()).take(512).collect();
        let path = word.trim_end_matches(['.', ',', ';', ':', ')', '!', '?']);
        // A home folder is not part of the project.
        if !path.is_empty() && !path.starts_with(['~', '@', '/']) && !found.iter().any(|other| other == path) {
            found.push(path.to_owned());
        }
    }
    found
}

/// Takes out HTML comments that begin a line, outside of code.
fn without_comments(text: &str) -> String {
    let code = code_parts(text);
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find("<!--") {
        let start = at + found;
        let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let next = code.partition_point(|part| part.whole.end <= start);
        let is_block = text[line..start].trim().is_empty();
        let in_code = code.get(next).is_some_and(|part| part.whole.start <= start);
        let end = text[start..].find("-->").map(|end| start + end + 3).filter(|_| is_block && !in_code);
        kept.push_str(&text[at..start]);
        match end {
            Some(end) => at = end,
            None => {
                kept.push_str("<!--");
                at = start + 4;
            }
        }
    }
    kept.push_str(&text[at..]);
    kept
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                let full = tree.0.path().join(path);
                fs::create_dir_all(full.parent().unwrap()).unwrap();
                fs::write(full, text).unwrap();
            }
            tree
        }

        fn read(&self, root: &str, family: MemoryFamily) -> Vec<(String, String)> {
            let root = self.0.path().join(root);
            let all = load_memory(&root, Some(&self.0.path().join("home")));
            let own = all.into_iter().filter(|memory| memory.family == family);
            let shown = |path: PathBuf| {
                path.strip_prefix(self.0.path()).map_or_else(|_| path.clone(), Path::to_path_buf).display().to_string()
            };
            own.map(|memory| (shown(memory.path), memory.text)).collect()
        }

        fn names(&self, root: &str, family: MemoryFamily) -> Vec<String> {
            self.read(root, family).into_iter().map(|(path, _)| path).collect()
        }
    }

    #[test]
    fn from_the_repository_down_to_the_project() {
        let tree = Tree::new(&[
            ("CLAUDE.md", "outside of the repository"),
            ("repo/.git/HEAD", ""),
            ("repo/CLAUDE.md", "top"),
            ("repo/sub/CLAUDE.md", "sub"),
            ("repo/sub/.claude/CLAUDE.md", "hidden"),
            ("repo/sub/CLAUDE.local.md", "local"),
            ("repo/sub/deeper/CLAUDE.md", "below"),
            ("home/.claude/CLAUDE.md", "mine"),
            ("repo/AGENTS.md", "a"),
            ("repo/sub/AGENTS.md", "b"),
            ("repo/sub/AGENTS.override.md", "c"),
            ("repo/GEMINI.md", "g"),
        ]);
        assert_eq!(
            tree.names("repo/sub", MemoryFamily::Claude),
            ["home/.claude/CLAUDE.md", "repo/CLAUDE.md", "CLAUDE.md", ".claude/CLAUDE.md", "CLAUDE.local.md"]
        );
        assert_eq!(tree.names("repo/sub", MemoryFamily::Agents), ["repo/AGENTS.md", "AGENTS.override.md"]);
        assert_eq!(tree.read("repo/sub", MemoryFamily::Gemini)[0].1, "g");
    }

    #[test]
    fn imports_are_followed_inside_only() {
        let tree = Tree::new(&[
            (
                "r/CLAUDE.md",
                "See @docs/a.md, @./docs/a.md and `@docs/code.md`, mail a@docs/code.md, @../secret.md @/etc/passwd @~/x\n```\n@docs/code.md\n```\n@gone.md @docs/link.md",
            ),
            ("r/docs/a.md", "A @b.md"),
            ("r/docs/b.md", "B @a.md @../CLAUDE.md"),
            ("r/docs/code.md", "no"),
            ("secret.md", "no"),
        ]);
        symlink("../../secret.md", tree.0.path().join("r/docs/link.md")).unwrap();
        assert_eq!(tree.names("r", MemoryFamily::Claude), ["CLAUDE.md", "docs/a.md", "docs/b.md"]);
    }

    #[test]
    fn imports_end_at_their_depth_and_codex_has_none() {
        let chain = |first: &'static str| -> Vec<(String, String)> {
            let mut files = vec![(format!("r/{first}"), "@1.md".to_owned())];
            files.extend((1..9).map(|at| (format!("r/{at}.md"), format!("@{}.md", at + 1))));
            files
        };
        for (first, family, count) in [
            ("CLAUDE.md", MemoryFamily::Claude, 5),
            ("GEMINI.md", MemoryFamily::Gemini, 6),
            ("AGENTS.md", MemoryFamily::Agents, 1),
        ] {
            let files = chain(first);
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            assert_eq!(Tree::new(&files).names("r", family).len(), count, "{first}");
        }
    }

    #[test]
    fn comments_are_not_told_and_codex_reads_32_kilobytes() {
        let long = "é".repeat(20_000);
        let tree = Tree::new(&[
            ("r/CLAUDE.md", "a <!-- stays -->\n<!-- goes\nall of it -->\nb\n```\n<!-- code -->\n```"),
            ("r/AGENTS.md", &long),
        ]);
        assert_eq!(tree.read("r", MemoryFamily::Claude)[0].1, "a <!-- stays -->\n\nb\n```\n<!-- code -->\n```");
        assert_eq!(tree.read("r", MemoryFamily::Agents)[0].1.len(), 32 * 1024);
    }
}
