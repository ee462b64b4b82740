//! Everything that a trusted definition would set going besides its own text: scripts that its commands run, what lies beside
//! its skills, and the files of the project that steer agent programs.
//!
//! Knows nothing of grants. Invariant: a change of one byte in any of these files gives another digest, and what is too much
//! to be looked at whole is never trusted.

use std::{
    collections::BTreeSet,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    base::{Digest, Hasher},
    guard::Root,
    plan::{Command, Plan, PlanTrust},
    service::guards::commands,
};

/// Files that belong to what is trusted, and bytes of all of them.
const FILES_MAX: usize = 4_000;
const BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Folders inside each other.
const DEPTH_MAX: usize = 32;

/// Files by which a project steers agent programs, the servers that these start, and `orch` itself.
const STEERING: &[&str] =
    &["orch.toml", ".mcp.json", ".env", ".cursor/mcp.json", ".vscode/mcp.json", "opencode.json", "opencode.jsonc"];
/// Folders that do, with all that is in them: settings, hooks, agents, skills.
const STEERING_FOLDERS: &[&str] = &[".claude", ".codex", ".gemini"];
/// What is left out of them: whole copies of a project in which somebody works.
const LEFT_OUT: &[&str] = &[".claude/worktrees", ".gemini/tmp"];

/// What belongs to a definition.
#[derive(Debug)]
pub(super) struct Closure {
    /// Of the plan, of what it was made from and of these files.
    pub digest: Digest,
    /// Scripts, and what lies beside skills.
    pub files: Vec<String>,
    /// The settings that steer agent programs, for people: of a folder how many files.
    pub settings: Vec<String>,
    /// Why it cannot be looked at whole.
    pub fault: Option<String>,
}

/// Looks at all that belongs to the definition of a plan.
pub(super) fn closure(root: &Path, plan: &Plan, trust: &PlanTrust) -> Closure {
    let mut look = Look { root, files: BTreeSet::new(), left: BYTES_MAX, fault: None };
    for skill in std::iter::once(&trust.path).chain(&trust.skills).map(Path::new) {
        if skill.is_relative() && skill.file_name().is_some_and(|name| name.eq_ignore_ascii_case("SKILL.md")) {
            look.below(skill.parent().unwrap_or(Path::new("")), 0);
        }
    }
    for text in &trust.commands {
        look.files.extend(scripts(root, text));
    }
    for (_, command) in commands(plan) {
        match command {
            Command::Shell(text) => look.files.extend(scripts(root, &text)),
            Command::Argv(words) => {
                look.files.extend(scripts(root, &shell_words::join(&words)));
                let odd: Vec<_> = words.into_iter().filter(|word| word.contains(ends_word)).collect();
                look.files.extend(scripts_of(root, &odd));
            }
        }
    }
    let shown: Vec<String> = look
        .files
        .iter()
        .filter(|file| {
            *file != Path::new(&trust.path) && !STEERING_FOLDERS.iter().any(|folder| file.starts_with(folder))
        })
        .map(|file| file.display().to_string())
        .collect();
    let mut settings = Vec::new();
    for file in STEERING.iter().filter(|file| root.join(file).symlink_metadata().is_ok()) {
        look.files.insert(PathBuf::from(file));
        settings.push((*file).to_owned());
    }
    for folder in STEERING_FOLDERS {
        look.below(Path::new(folder), 0);
        let count = look.files.iter().filter(|file| file.starts_with(folder)).count();
        let word = if count == 1 { "file" } else { "files" };
        settings.extend((count > 0).then(|| format!("{folder}/ ({count} {word})")));
    }
    let mut hasher = Hasher::default();
    hasher.update(trust.digest.as_str().as_bytes());
    // What a template makes of the same file may change with this program.
    trust.commands.iter().for_each(|command| hasher.update(Digest::of(command.as_bytes()).as_str().as_bytes()));
    for file in std::mem::take(&mut look.files) {
        hasher.update(Digest::of(file.as_os_str().as_encoded_bytes()).as_str().as_bytes());
        hasher.update(look.content(&file).as_str().as_bytes());
    }
    Closure { digest: hasher.finish(), files: shown, settings, fault: look.fault }
}

struct Look<'r> {
    root: &'r Path,
    files: BTreeSet<PathBuf>,
    /// Bytes that may still be read.
    left: u64,
    fault: Option<String>,
}

impl Look<'_> {
    /// The files and links below a folder. Links are not followed on the way: what a link to a folder leads to lies elsewhere.
    fn below(&mut self, folder: &Path, depth: usize) {
        if LEFT_OUT.iter().any(|left_out| folder == Path::new(left_out)) || self.fault.is_some() {
            return;
        }
        let entries = match Root::open(self.root).and_then(|root| root.entries(folder)) {
            Ok(entries) => entries,
            // A link in its place is looked at as one.
            Err(_) if self.root.join(folder).is_symlink() => {
                self.files.insert(folder.to_path_buf());
                return;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.fail(format!("`{}` cannot be read: {error}", folder.display())),
        };
        for (name, found) in entries {
            let path = folder.join(name);
            if !found.is_dir() {
                self.files.insert(path);
            } else if depth == DEPTH_MAX {
                self.fail(format!("`{}` lies too deep", path.display()));
            } else {
                self.below(&path, depth + 1);
            }
        }
        if self.files.len() > FILES_MAX {
            self.fail(format!("more than {FILES_MAX} files belong to it, those of `{}` among them", folder.display()));
        }
    }

    /// A digest of what stands at a path: of a link where it leads, and what stands there if that is in the project.
    fn content(&mut self, path: &Path) -> Digest {
        let mut hasher = Hasher::default();
        let Ok(root) = Root::open(self.root) else { return hasher.finish() };
        let mut real = path.to_path_buf();
        if let Ok(full) = self.root.join(path).canonicalize()
            && let Ok(inside) = full.strip_prefix(self.root)
        {
            real = inside.to_path_buf();
        }
        if let Ok(link) = root.link(path) {
            hasher.update(b"link ");
            hasher.update(link.as_os_str().as_encoded_bytes());
        }
        let Ok(found) = root.look(&real) else { return hasher.finish() };
        hasher.update(if found.permissions().mode() & 0o111 == 0 { b"file" } else { b"prog" });
        let read = root.read(&real).and_then(|file| io::copy(&mut file.take(self.left + 1), &mut hasher));
        let read = read.unwrap_or_default();
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => self.fail(format!("more than {} MB belong to it", BYTES_MAX >> 20)),
        }
        hasher.finish()
    }

    fn fail(&mut self, why: String) {
        self.fault.get_or_insert(why);
    }
}

/// The files of the project that a command runs, as far as its text shows them: what stands where a program stands or
/// behind an interpreter, and what may be executed, also by way of a link. What a command only reads may change without a
/// question.
fn scripts(root: &Path, command: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for part in command.split(ends_command) {
        let mut runs_next = true;
        for word in part.split(ends_word) {
            if word.is_empty() || word.starts_with('-') {
                continue;
            }
            found.extend(script(root, word, runs_next));
            runs_next = is_interpreter(word) || (runs_next && word == "env");
        }
    }
    found
}

/// The same of a command that stands as words, where a name may hold what would end it in a shell: whichever of its words
/// is a file of the project counts, as it stands.
pub(super) fn scripts_of(root: &Path, words: &[String]) -> BTreeSet<PathBuf> {
    let whole = words.iter().filter_map(|word| script(root, word, true));
    whole.chain(scripts(root, &words.join(" "))).collect()
}

fn ends_command(letter: char) -> bool {
    "\n;|&()`".contains(letter)
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || ends_command(letter) || "\"'$<>=".contains(letter)
}

fn is_interpreter(word: &str) -> bool {
    const INTERPRETERS: &[&str] =
        &[".", "bash", "bun", "deno", "node", "perl", "php", "python", "python3", "ruby", "sh", "source", "zsh"];
    word.rsplit('/').next().is_some_and(|name| INTERPRETERS.contains(&name))
}

/// The file of the project that a word names, if it is run or may be executed.
fn script(root: &Path, word: &str, is_run: bool) -> Option<PathBuf> {
    let path = Path::new(word.trim_start_matches("{PWD}/").trim_start_matches("./"));
    let real = root.join(path).canonicalize().ok().filter(|real| real.starts_with(root))?;
    let file = real.metadata().ok().filter(std::fs::Metadata::is_file)?;
    if !is_run && file.permissions().mode() & 0o111 == 0 {
        return None;
    }
    let inside = path.strip_prefix(root).unwrap_or(path).to_path_buf();
    // A name that leads there by a way around is looked at where it ends.
    let is_plain = inside.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if is_plain { Some(inside) } else { real.strip_prefix(root).ok().map(Path::to_path_buf) }
}
