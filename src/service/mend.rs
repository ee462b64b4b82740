//! Mends what diagnostics know how to mend: applies their fixes to the files, or shows what that would change.
//!
//! Knows nothing of how a fault is found. Invariants: only files below the project's root are written, each whole or
//! not at all; two fixes that touch the same place are applied one after the other, in separate rounds; a file whose
//! bytes are not what was read is left alone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    base::{Diagnostic, Edit},
    guard::{Root, contained_path},
    service::{check::check, fault::Fault, project::Project, refusal::Refusal},
};

/// A fix can uncover the next one; more rounds than this are a circle.
const ROUNDS_MAX: usize = 16;
/// The mark that some editors put at the beginning of UTF-8 files.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
/// Lines around a change.
const CONTEXT_LINES: usize = 3;

/// What changed, or would change, in one file.
#[derive(Debug, Clone)]
pub struct Mended {
    /// The file, relative to the project's root.
    pub path: PathBuf,
    /// How many fixes it took.
    pub fixes: usize,
    /// The change as a unified diff.
    pub diff: String,
}

/// Applies the fixes of `diagnostics` until none is left; `write` says whether files change.
///
/// # Errors
/// When a file cannot be written. Files that were done before stay mended.
pub fn mend(project: &Project, diagnostics: &[Diagnostic], write: bool) -> Result<Vec<Mended>, Fault> {
    let mut files: BTreeMap<PathBuf, Vec<&Diagnostic>> = BTreeMap::new();
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.fix.is_some()) {
        files.entry(diagnostic.source.path.clone()).or_default().push(diagnostic);
    }
    let mut done = Vec::new();
    for (path, diagnostics) in files {
        let Some(full) = own_file(project, &path) else { continue };
        let Some(before) = unchanged_bytes(&full, diagnostics[0]) else { continue };
        let (text, fixes) = apply(&diagnostics);
        let old = &diagnostics[0].source.text;
        let rewritten = diagnostics.iter().any(|one| one.fix.as_ref().is_some_and(|fix| fix.edits.is_empty()));
        if text == *old && !rewritten {
            continue;
        }
        let name = path.display().to_string();
        let diff = similar::TextDiff::from_lines(old.as_str(), text.as_str());
        let diff = diff.unified_diff().context_radius(CONTEXT_LINES).header(&name, &name).to_string();
        if write {
            let mark = if before.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK } else { &[] };
            let bytes = [mark, text.as_bytes()].concat();
            let written = Root::open(project.root()).and_then(|root| root.write_whole(&path, &bytes));
            written.map_err(|error| {
                Refusal::new(1, "E0517", format!("cannot write {name}: {error}"), "check that you may write it")
            })?;
        }
        done.push(Mended { path, fixes, diff });
    }
    Ok(done)
}

/// Mends the files in `paths` (all of the project where empty), round after round, until nothing can be mended.
///
/// # Errors
/// As [`mend`] and [`check`].
pub fn mend_all(project: &mut Project, paths: &[PathBuf]) -> Result<Vec<Mended>, Fault> {
    let mut all: Vec<Mended> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let checked = check(project, paths)?;
        let round = mend(project, &checked.diagnostics, true)?;
        if round.is_empty() {
            break;
        }
        all.extend(round);
        project.reload();
    }
    Ok(all)
}

/// The place of a file of the project itself. Shipped files, those of the user's home and what `orch add` has pinned
/// are not ours to change.
fn own_file(project: &Project, shown: &Path) -> Option<PathBuf> {
    if project.library().added.iter().any(|added| shown.starts_with(&added.path)) {
        return None;
    }
    contained_path(project.root(), shown).ok().filter(|path| path.is_file())
}

/// The bytes of the file, if they are what the diagnostic was made from.
fn unchanged_bytes(path: &Path, diagnostic: &Diagnostic) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    let same = text == diagnostic.source.text.as_bytes();
    // A fix without edits asks for the file to be written anew, because its bytes cannot be kept.
    let asked = diagnostic.fix.as_ref().is_some_and(|fix| fix.edits.is_empty());
    (same || asked).then_some(bytes)
}

/// The text with all fixes that do not get in each other's way, and how many these are.
fn apply(diagnostics: &[&Diagnostic]) -> (String, usize) {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut fixes = 0;
    for fix in diagnostics.iter().filter_map(|diagnostic| diagnostic.fix.as_ref()) {
        let free = |edit: &Edit| taken.iter().all(|other| apart(edit, other));
        if fix.edits.iter().all(free) {
            taken.extend(&fix.edits);
            fixes += 1;
        }
    }
    taken.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut text = diagnostics[0].source.text.clone();
    for edit in taken.iter().rev() {
        text.replace_range(edit.span.start..edit.span.end, &edit.text);
    }
    (text, fixes)
}

fn apart(one: &Edit, other: &Edit) -> bool {
    one.span.end < other.span.start || other.span.end < one.span.start
}
