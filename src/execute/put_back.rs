//! Puts files back as earlier work left them, inside the workspace and nowhere else.
//!
//! Invariants: everything is written aside before the first file changes; a file is never seen half written; what was
//! broken off leaves nothing behind in the workspace but whole files, and is finished by doing it again.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use crate::{
    execute::traces::FileKind,
    guard::{Root, contained_path},
};

/// A file as it is to be: what it is and its bytes, or `None` for one that is to be gone.
pub type Wanted = (String, Option<(FileKind, Vec<u8>)>);

/// Puts files back by way of the folder `aside`, which is on the same disk, is made and goes again. Blocks while it
/// writes.
///
/// # Errors
/// Why it cannot be, as a fragment. Nothing has changed unless the disk failed in the middle.
pub fn put_back(workspace: &Path, aside: &Path, files: &[Wanted]) -> Result<(), String> {
    if files.is_empty() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(aside);
    made.map_err(|error| format!("make `{}`: {error}", aside.display()))?;
    let done = Root::open(workspace).map_err(|error| format!("open the workspace: {error}")).and_then(|root| {
        let (mut staged, mut gone): (Vec<(PathBuf, &Path)>, Vec<&Path>) = (Vec::new(), Vec::new());
        stage((workspace, &root), aside, files, &mut staged, &mut gone)?;
        for (scratch, path) in &staged {
            root.take(scratch, path).map_err(|error| format!("write `{}`: {error}", path.display()))?;
        }
        for path in gone {
            root.remove_file(path).map_err(|error| format!("delete `{}`: {error}", path.display()))?;
        }
        Ok(())
    });
    // What is left of it takes space and nothing else.
    drop(fs::remove_dir_all(aside));
    done
}

fn stage<'f>(
    (workspace, root): (&Path, &Root),
    aside: &Path,
    files: &'f [Wanted],
    staged: &mut Vec<(PathBuf, &'f Path)>,
    gone: &mut Vec<&'f Path>,
) -> Result<(), String> {
    for (number, (path, wanted)) in files.iter().enumerate() {
        let relative = Path::new(path);
        check(workspace, relative)?;
        if root.look(relative).is_ok_and(|found| found.is_dir()) {
            return Err(format!("write `{path}`: it is a folder"));
        }
        let Some((kind, bytes)) = wanted else {
            gone.push(relative);
            continue;
        };
        let folder = relative.parent().unwrap_or(Path::new(""));
        let scratch = aside.join(number.to_string());
        let written = root.make_folders(folder).and_then(|()| {
            // What was broken off under the same name.
            drop(fs::remove_file(&scratch));
            staged.push((scratch.clone(), relative));
            write(&scratch, *kind, bytes)
        });
        written.map_err(|error| format!("write `{path}`: {error}"))?;
    }
    Ok(())
}

/// Whether a path may be written: it may be a link itself, which then goes, but lies behind none.
fn check(workspace: &Path, path: &Path) -> Result<(), String> {
    let Err(checked) = contained_path(workspace, path) else { return Ok(()) };
    let own = workspace.join(path);
    let is_link = fs::symlink_metadata(&own).is_ok_and(|found| found.is_symlink());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let is_behind_none = folder.is_none_or(|folder| contained_path(workspace, folder).is_ok());
    if is_link && is_behind_none { Ok(()) } else { Err(checked.to_string()) }
}

fn write(scratch: &Path, kind: FileKind, bytes: &[u8]) -> io::Result<()> {
    let mode = match kind {
        FileKind::Link => return symlink(Path::new(std::ffi::OsStr::from_bytes(bytes)), scratch),
        FileKind::Special => return Err(io::Error::other("it is neither a file nor a link")),
        FileKind::File => 0o666,
        FileKind::Program => 0o777,
    };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(scratch)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_programs_links_and_deletions_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("gone"), "1").unwrap();
        fs::write(root.join("old"), "1").unwrap();
        let wanted: Vec<Wanted> = vec![
            ("gone".to_owned(), None),
            ("never".to_owned(), None),
            ("old".to_owned(), Some((FileKind::Program, b"2".to_vec()))),
            ("sub/new".to_owned(), Some((FileKind::File, b"3".to_vec()))),
            ("link".to_owned(), Some((FileKind::Link, b"old".to_vec()))),
        ];
        for _ in 0..2 {
            put_back(root, &root.join(".orch/state/aside"), &wanted).unwrap();
            assert_eq!(names(root), [".orch", "link", "old", "sub"]);
            assert!(names(&root.join(".orch/state")).is_empty());
            assert_eq!(names(&root.join("sub")), ["new"]);
            assert_eq!(fs::read(root.join("link")).unwrap(), b"2");
            assert_ne!(fs::metadata(root.join("old")).unwrap().permissions().mode() & 0o100, 0);
        }
    }

    #[test]
    fn nothing_changes_where_one_file_cannot_be_written() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = folder.path();
        fs::write(root.join("old"), "1").unwrap();
        fs::create_dir(root.join("folder")).unwrap();
        symlink(outside.path(), root.join("way")).unwrap();
        for bad in ["../x", "/etc/x", ".git/hooks/x", ".orch/state/x", "folder", "way/x"] {
            let wanted: Vec<Wanted> = vec![
                ("old".to_owned(), Some((FileKind::File, b"2".to_vec()))),
                (bad.to_owned(), Some((FileKind::File, b"2".to_vec()))),
            ];
            assert!(put_back(root, &root.join(".orch/state/aside"), &wanted).is_err(), "{bad}");
            assert_eq!(fs::read(root.join("old")).unwrap(), b"1", "{bad}");
            assert_eq!(names(root), [".orch", "folder", "old", "way"], "{bad}");
            assert!(names(&root.join(".orch/state")).is_empty());
        }
        assert!(names(outside.path()).is_empty());
    }
}
