//! Writes and deletes the files of a recorded turn, inside the workspace and nowhere else.
//!
//! Invariants: every path is checked before the first is touched; a file is never seen half written; playing the
//! same turn again gives the same tree.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{guard::contained_path, runtime::RecordedWrite};

/// Applies a turn.
///
/// # Errors
/// Why it could not be, as a fragment; files before the one at fault may be written.
pub(super) fn apply(
    workspace: &Path,
    attempt: &str,
    writes: &[RecordedWrite],
    deletes: &[PathBuf],
) -> Result<(), String> {
    for path in writes.iter().map(|write| &write.path).chain(deletes) {
        contained_path(workspace, path).map_err(|fault| fault.to_string())?;
    }
    for file in writes {
        write(workspace, attempt, file)?;
    }
    for path in deletes {
        // Asked again, because the writes have made folders.
        let place = contained_path(workspace, path).map_err(|fault| fault.to_string())?;
        match fs::remove_file(&place) {
            // A turn that is played again finds its work done.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("delete `{}`: {error}", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn write(workspace: &Path, attempt: &str, file: &RecordedWrite) -> Result<(), String> {
    let path = &file.path;
    let place = contained_path(workspace, path).map_err(|fault| fault.to_string())?;
    let folder = place.parent().unwrap_or(workspace);
    // The dot keeps half a file out of what tools look at.
    let scratch = folder.join(format!(".orch-{}.tmp", attempt.replace('/', "-")));
    let written = fs::create_dir_all(folder).and_then(|()| replace(&scratch, &place, file));
    written.map_err(|error| {
        // Nothing is left of a file that could not be written.
        drop(fs::remove_file(&scratch));
        format!("write `{}`: {error}", path.display())
    })
}

fn replace(scratch: &Path, place: &Path, recorded: &RecordedWrite) -> io::Result<()> {
    // What a killed attempt of the same name left.
    drop(fs::remove_file(scratch));
    let mut file = OpenOptions::new().write(true).create_new(true).open(scratch)?;
    file.write_all(&recorded.bytes)?;
    if let Ok(found) = fs::symlink_metadata(place) {
        // An agent that edits a script leaves it executable.
        file.set_permissions(Permissions::from_mode(found.permissions().mode() & 0o777))?;
    }
    if let Some(is_executable) = recorded.is_executable {
        let mode = file.metadata()?.permissions().mode() & 0o777;
        // Whoever may read a program may run it, as the process's mask has decided.
        let mode = if is_executable { mode | (mode & 0o444) >> 2 } else { mode & !0o111 };
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    fs::rename(scratch, place)
}
