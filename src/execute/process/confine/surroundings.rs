//! The sandbox that this process is in already: a note that its makers left where nobody inside can write.
//!
//! The note alone proves nothing: it counts only where the kernel says that this process can gain no rights, is filtered,
//! and cannot write where the note stands.

use std::{fs, path::Path};

use crate::guard::sandbox::{Mark, Profile};

/// Where the note stands.
const FOLDER: &str = "/run";
const NAME: &str = "orch-sandbox.json";
const BYTES_MAX: u64 = 64 * 1024;

/// The note for a profile, where this folder is the one that it stands in.
pub(super) fn note(folder: &Path, profile: &Profile) -> Option<(String, String)> {
    let mark = profile.mark.as_ref().filter(|_| folder == Path::new(FOLDER))?;
    Some((NAME.to_owned(), serde_json::to_string(mark).ok()?))
}

/// The sandbox that this process is in; nothing where it is in none of ours.
#[must_use]
pub fn surroundings() -> Option<Mark> {
    let path = Path::new(FOLDER).join(NAME);
    let is_plain = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= BYTES_MAX);
    if !is_plain || !is_confined() {
        return None;
    }
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Whether this process can gain no rights, its calls are filtered, and the note stands where nothing can be written.
fn is_confined() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let says = |name: &str, value: &str| {
        status.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.trim() == value))
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut at_folder = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(4);
        (fields.next()? == FOLDER).then(|| fields.next().unwrap_or_default())
    });
    let is_frozen = at_folder.next_back().is_some_and(|options| options.split(',').any(|option| option == "ro"));
    says("NoNewPrivs:", "1") && says("Seccomp:", "2") && is_frozen
}
