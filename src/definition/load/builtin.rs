//! The library built into the binary: this repository's own definition folders.
//!
//! The only module that names `include_dir`.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

use crate::definition::load::bytes::{self, Text};

static AGENTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/agents");
static SKILLS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/skills");
static COMMANDS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/commands");
static WORKFLOWS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/workflows");
static GATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/gates");

fn folder(name: &str) -> Option<&'static Dir<'static>> {
    match name {
        "agents" => Some(&AGENTS),
        "skills" => Some(&SKILLS),
        "commands" => Some(&COMMANDS),
        "workflows" => Some(&WORKFLOWS),
        "gates" => Some(&GATES),
        _ => None,
    }
}

/// The text of a file such as `workflows/prompts/task-review.md`.
pub(super) fn read(path: &Path) -> Option<Text> {
    let mut parts = path.components();
    let top = parts.next()?.as_os_str().to_str()?;
    let file = folder(top)?.get_file(parts.as_path())?;
    let shown = PathBuf::from(format!("builtin:{}", path.display()));
    bytes::decode(file.contents().to_vec(), &shown).ok()
}

/// Where the shipped file lies inside the binary, sorted.
pub(super) fn files(top: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(dir) = folder(top) {
        collect(dir, &mut found);
    }
    found.sort();
    found
}

fn collect(dir: &Dir<'_>, found: &mut Vec<PathBuf>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(inner) => collect(inner, found),
            DirEntry::File(file) => found.push(file.path().to_path_buf()),
        }
    }
}

/// The recordings that are shipped with the workflows: path and text.
#[must_use]
pub fn shipped_recordings() -> Vec<(String, &'static str)> {
    shipped_in("recordings")
}

/// Whether a command is made of shipped gate scripts alone, letter for letter, as `run_file:` puts them together.
#[must_use]
pub fn is_shipped_script(command: &str) -> bool {
    let Some(scripts) = GATES.get_dir("scripts") else { return false };
    let Some((title, mut rest)) = command.split_once('\n') else { return false };
    let is_whole = |text: &&str| !text.trim_end().is_empty();
    let texts: Vec<&str> = scripts.files().filter_map(|file| file.contents_utf8()).filter(is_whole).collect();
    let mut is_any = false;
    while !rest.is_empty() {
        let behind = |text: &&str| rest.strip_prefix(text.trim_end())?.strip_prefix('\n');
        let Some(next) = texts.iter().find_map(behind) else { return false };
        (rest, is_any) = (next, true);
    }
    is_any && title.starts_with("# ")
}

/// The texts in a folder that is shipped beside the workflows: path and text.
pub(super) fn shipped_in(folder: &str) -> Vec<(String, &'static str)> {
    let Some(dir) = WORKFLOWS.get_dir(folder) else { return Vec::new() };
    let texts = dir.files().filter_map(|file| {
        let text = file.contents_utf8()?;
        Some((format!("builtin:workflows/{}", file.path().display()), text))
    });
    texts.collect()
}

/// A project that is shipped to try a workflow with.
#[derive(Debug, Clone)]
pub struct ShippedSample {
    /// Its name: that of its workflow.
    pub name: String,
    /// Path inside the project and content, sorted.
    pub files: Vec<(PathBuf, &'static [u8])>,
}

/// The ending that a file of a sample loses when it is written: `cargo` leaves folders with a `Cargo.toml` out of a
/// package, and git would follow a `.gitignore`.
const SAMPLE_ENDING: &str = "sample";

/// The projects that are shipped with the workflows, sorted.
#[must_use]
pub fn shipped_samples() -> Vec<ShippedSample> {
    let Some(dir) = WORKFLOWS.get_dir("samples") else { return Vec::new() };
    let mut samples: Vec<_> = dir.dirs().filter_map(sample).collect();
    samples.sort_by(|one, other| one.name.cmp(&other.name));
    samples
}

fn sample(dir: &'static Dir<'static>) -> Option<ShippedSample> {
    let name = dir.path().file_name()?.to_str()?.to_owned();
    let mut paths = Vec::new();
    collect(dir, &mut paths);
    let file = |path: PathBuf| {
        let content = WORKFLOWS.get_file(&path)?.contents();
        let inside = path.strip_prefix(dir.path()).ok()?;
        let is_marked = inside.extension().is_some_and(|ending| ending == SAMPLE_ENDING);
        Some((if is_marked { inside.with_extension("") } else { inside.to_path_buf() }, content))
    };
    let mut files: Vec<_> = paths.into_iter().filter_map(file).collect();
    files.sort();
    Some(ShippedSample { name, files })
}
