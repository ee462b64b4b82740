//! Writes and deletes the files of a recorded turn, inside the workspace and nowhere else.
//!
//! Invariants: every path is checked before the first is touched; a file is never seen half written; playing the
//! same turn again gives the same tree.

use std::path::{Path, PathBuf};

use crate::{
    guard::{Root, contained_path},
    runtime::RecordedWrite,
};

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
    // The dot keeps half a file out of what tools look at; the attempt's name finds what it left when it was killed.
    let beside = format!(".orch-{}.tmp", attempt.replace('/', "-"));
    let root = Root::open(workspace).map_err(|error| format!("open the workspace: {error}"))?;
    for path in writes.iter().map(|write| &write.path).chain(deletes) {
        contained_path(workspace, path).map_err(|fault| fault.to_string())?;
    }
    for RecordedWrite { path, bytes, is_executable } in writes {
        let written = root.write(path, bytes, *is_executable, &beside);
        written.map_err(|error| format!("write `{}`: {error}", path.display()))?;
    }
    for path in deletes {
        // Asked again, because the writes have made folders. A turn that is played again finds its work done.
        contained_path(workspace, path).map_err(|fault| fault.to_string())?;
        root.remove_file(path).map_err(|error| format!("delete `{}`: {error}", path.display()))?;
    }
    Ok(())
}
