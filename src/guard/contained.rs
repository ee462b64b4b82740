//! Paths that others name, kept inside a folder.
//!
//! Invariant: what [`contained_path`] gives lies under the root, and no folder on the way is a symbolic link at the
//! moment of the check. Version control and the store are out of reach, because a file there can run commands later.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// The longest path, in bytes.
const PATH_BYTES_MAX: usize = 4096;

/// Why a path is refused.
#[derive(Debug, thiserror::Error)]
pub enum PathFault {
    /// Nothing, or far too much.
    #[error("the path `{path}` is empty or too long")]
    Size {
        /// The path, cut.
        path: String,
    },
    /// It starts at the root of the file system.
    #[error("the path `{path}` is absolute")]
    Absolute {
        /// The path.
        path: String,
    },
    /// It has `..`, `.` or a byte that no path may have.
    #[error("the path `{path}` has a part that is not a name")]
    NotPlain {
        /// The path.
        path: String,
    },
    /// It is one of the folders that nobody may name.
    #[error("the path `{path}` is inside `{folder}`, which is out of reach")]
    Reserved {
        /// The path.
        path: String,
        /// The folder.
        folder: &'static str,
    },
    /// A part of it is a symbolic link.
    #[error("the path `{path}` goes through the symbolic link `{link}`")]
    Link {
        /// The path.
        path: String,
        /// The link, relative to the root.
        link: String,
    },
    /// The file system would not say.
    #[error("look at `{path}`: {source}")]
    Look {
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// The place of `relative` under `root`.
///
/// # Errors
/// A path that is absolute, has `..`, names `.git` or `.orch/state`, or goes through a symbolic link or is one.
pub fn contained_path(root: &Path, relative: &Path) -> Result<PathBuf, PathFault> {
    plain_path(relative)?;
    let mut place = root.to_owned();
    for name in relative.components() {
        place.push(name);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => {
                let link = place.strip_prefix(root).unwrap_or(&place).display().to_string();
                return Err(PathFault::Link { path: shown(relative), link });
            }
            Ok(_) => {}
            // Nothing below can exist, and nothing below is a link.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(source) => return Err(PathFault::Look { path: shown(relative), source }),
        }
    }
    Ok(root.join(relative))
}

/// Checks everything about a path that needs no file system.
///
/// # Errors
/// A path that is absolute, has `..` or `.`, or names `.git` or `.orch/state`.
pub fn plain_path(relative: &Path) -> Result<(), PathFault> {
    let bytes = relative.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.len() > PATH_BYTES_MAX {
        return Err(PathFault::Size { path: shown(relative) });
    }
    if relative.is_absolute() {
        return Err(PathFault::Absolute { path: shown(relative) });
    }
    // `components` leaves out `.` in the middle and doubled slashes, so the text itself is read.
    let is_plain = |name: &[u8]| !name.is_empty() && name != b"." && name != b"..";
    let all_normal = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if bytes.contains(&0) || !all_normal || !bytes.split(|byte| *byte == b'/').all(is_plain) {
        return Err(PathFault::NotPlain { path: shown(relative) });
    }
    let names: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').collect();
    // Some file systems do not tell upper from lower case.
    if names.iter().any(|name| name.eq_ignore_ascii_case(b".git")) {
        return Err(PathFault::Reserved { path: shown(relative), folder: ".git" });
    }
    if names.windows(2).any(|pair| pair[0].eq_ignore_ascii_case(b".orch") && pair[1].eq_ignore_ascii_case(b"state")) {
        return Err(PathFault::Reserved { path: shown(relative), folder: ".orch/state" });
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().take(200).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn plain_names_pass() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("src")).unwrap();
        for path in ["a", "src/main.rs", "new/deep/file", ".github/x", "a..b", "...", ".orch/agents/a.md", "é"] {
            assert_eq!(contained_path(root.path(), Path::new(path)).unwrap(), root.path().join(path), "{path}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../x",
            "a/..",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            ".git/hooks/x",
            "sub/.GIT/config",
            ".git",
            ".orch/state/orch.db",
            ".Orch/State",
        ] {
            assert!(contained_path(root.path(), Path::new(path)).is_err(), "{path:?}");
        }
        assert!(plain_path(Path::new(&"x".repeat(5000))).is_err());
    }

    #[test]
    fn no_link_is_followed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), root.path().join("out")).unwrap();
        symlink("nowhere", root.path().join("dangling")).unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        symlink("..", root.path().join("in/up")).unwrap();
        for path in ["out", "out/x", "dangling", "in/up/in/x"] {
            let fault = contained_path(root.path(), Path::new(path)).unwrap_err();
            assert!(matches!(fault, PathFault::Link { .. }), "{path}: {fault}");
        }
    }
}
