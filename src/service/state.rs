//! The folder of a project that is `orch`'s own, before anything is read from it or written to it.
//!
//! Invariant: what a repository brings along cannot move it. A link in its place, or one in it, would let every run write and
//! delete where the link leads.

use std::{fs, io, path::Path};

use crate::service::refusal::Refusal;

const HELP: &str = "remove the link; where the disk is too small, move the whole project";

/// Refuses a project whose own folder, or a part of it, is a link.
pub(super) fn check_state(root: &Path) -> Result<(), Refusal> {
    let refused = |path: &str, why: &str| Err(Refusal::new(31, "E0365", format!("{path} {why}"), HELP));
    let of_orch = root.join(".orch");
    if of_orch.is_symlink() && !of_orch.canonicalize().is_ok_and(|real| real.starts_with(root)) {
        return refused(".orch", "is a symbolic link out of the project");
    }
    let state = of_orch.join("state");
    match fs::symlink_metadata(&state) {
        Ok(found) if found.is_symlink() => return refused(".orch/state", "is a symbolic link"),
        Ok(found) if found.is_dir() => {}
        // No folder, nothing there yet, or nobody may look: whoever needs the store says so.
        Ok(_) | Err(_) => return Ok(()),
    }
    // Two levels: the parts, and the runs, workspaces and logs in them.
    for part in entries(&state) {
        let name = format!(".orch/state/{}", part.file_name().to_string_lossy());
        let Ok(kind) = part.file_type() else { continue };
        if kind.is_symlink() {
            return refused(&name, "is a symbolic link");
        }
        let mut within = kind.is_dir().then(|| entries(&part.path())).into_iter().flatten();
        if let Some(link) = within.find(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink())) {
            return refused(&format!("{name}/{}", link.file_name().to_string_lossy()), "is a symbolic link");
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().map_while(io::Result::ok)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_anywhere_on_the_way_is_refused() {
        for link in [".orch", ".orch/state", ".orch/state/orch.db", ".orch/state/audit", ".orch/state/runs/7f3k2m9q"] {
            let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let root = folder.path().canonicalize().unwrap();
            check_state(&root).unwrap();
            fs::create_dir_all(root.join(link).parent().unwrap()).unwrap();
            check_state(&root).unwrap();
            symlink(outside.path(), root.join(link)).unwrap();
            let refusal = check_state(&root).unwrap_err();
            assert!(refusal.message.contains(link), "{link}: {}", refusal.message);
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("tools/orch")).unwrap();
        symlink("tools/orch", root.join(".orch")).unwrap();
        check_state(&root).unwrap();
    }
}
