//! Takes secrets out of everything that an attempt leaves behind: its outcome, what it says while it works, the order
//! that is kept, and the files of its folder. What a program itself reads and writes meanwhile is not touched.
//!
//! Unaware of where secrets come from.

use std::{
    fs::{self, Permissions},
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    base::{Envelope, Evidence, Failure, Judgement, Outcome},
    execute::{agent::keep, tree::open_plain},
    guard::Redactor,
    runtime::{Order, Seen},
};

/// Files of an attempt's folder that are looked at, and how far down.
const FILES_MAX: usize = 500;
const DEPTH_MAX: usize = 4;
/// The longest of them that is looked through, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// An outcome as it may be kept.
pub(super) fn outcome(redactor: &Redactor, mut outcome: Outcome) -> Outcome {
    match &mut outcome {
        Outcome::Succeeded(envelope) => self::envelope(redactor, envelope),
        Outcome::Failed(failure) => {
            let Failure { class: _, reason, evidence, session: _, usage: _ } = &mut **failure;
            text(redactor, reason);
            self::evidence(redactor, evidence);
        }
        Outcome::Judged(judgement) => {
            let Judgement { verdict: _, reason, evidence } = &mut **judgement;
            text(redactor, reason);
            self::evidence(redactor, evidence);
        }
        Outcome::Stopped | Outcome::Lost => {}
    }
    outcome
}

fn envelope(redactor: &Redactor, envelope: &mut Envelope) {
    // All fields by name, so that a new one cannot be forgotten. A session is an id that its program has made.
    let Envelope {
        summary,
        output,
        text: said,
        whole_text,
        files_changed,
        tests_passing: _,
        next_steps,
        session: _,
        usage: _,
        leaked: _,
        dropped_bytes: _,
        attached,
        reused: _,
        checkpoint: _,
        saved: _,
    } = envelope;
    // Files are taken from it, and nothing else.
    *whole_text = None;
    text(redactor, summary);
    text(redactor, said);
    if !output.is_null() {
        *output = redactor.value(output);
    }
    for one in files_changed.iter_mut().chain(next_steps) {
        text(redactor, one);
    }
    for one in attached {
        text(redactor, &mut one.path);
        text(redactor, &mut one.note);
    }
}

fn evidence(redactor: &Redactor, evidence: &mut Evidence) {
    let Evidence { command, exit: _, last_lines, output_digest: _, tree: _, by, dropped_bytes: _ } = evidence;
    command.iter_mut().chain(by).for_each(|one| text(redactor, one));
    text(redactor, last_lines);
}

fn text(redactor: &Redactor, text: &mut String) {
    if let Some(clean) = redactor.bytes(text.as_bytes()) {
        *text = String::from_utf8_lossy(&clean).into_owned();
    }
}

/// What an agent says, as others may hear it.
pub(super) fn seen(redactor: &Redactor, mut seen: Seen) -> Seen {
    match &mut seen {
        Seen::Text(said) | Seen::Denied(said) | Seen::Retried(said) | Seen::Warning(said) => text(redactor, said),
        Seen::ToolStarted(name, about) => {
            text(redactor, name);
            text(redactor, about);
        }
        Seen::ToolEnded(name, _) => text(redactor, name),
        Seen::Session(_) | Seen::Spent(..) | Seen::LastWord => {}
    }
    seen
}

/// An order as its agent is told it: whatever a file or a text brings along, a known value goes into no prompt.
pub(super) fn order(redactor: &Redactor, order: &mut Order) {
    let known = redactor.values_only();
    for part in [&mut order.task, &mut order.requirements, &mut order.context, &mut order.agent.instructions] {
        text(&known, part);
    }
    order.constraints.iter_mut().chain(&mut order.feedback).for_each(|part| text(&known, part));
}

/// Looks through the folder of an attempt that has ended. Programs write there themselves, so what they wrote is mended.
pub(super) fn sweep(redactor: &Redactor, folder: &Path) {
    let mut open: Vec<(PathBuf, usize)> = vec![(folder.to_owned(), 0)];
    let mut left = FILES_MAX;
    while let Some((folder, depth)) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().take(left) {
            left -= 1;
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() && depth < DEPTH_MAX {
                open.push((path, depth + 1));
            } else if kind.is_file() && !is_log(&path) {
                close(&path);
                mend(redactor, &path);
            }
        }
    }
}

/// What a program has made is for the owner's eyes, as all of the folder is.
fn close(path: &Path) {
    let Ok(about) = path.symlink_metadata() else { return };
    let mode = about.permissions().mode();
    if about.is_file() && mode & 0o077 != 0 {
        drop(fs::set_permissions(path, Permissions::from_mode(mode & 0o700)));
    }
}

/// Logs are clean from their first byte on.
fn is_log(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "stdout.log" || name == "stderr.log")
}

fn mend(redactor: &Redactor, path: &Path) {
    let mut bytes = Vec::new();
    let read = open_plain(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    let clean = read.ok().and_then(|_| redactor.bytes(&bytes));
    if let Some(clean) = clean
        && let Err(error) = keep(path, &clean)
    {
        tracing::warn!(%error, "a file of an attempt could not be mended");
    }
}
