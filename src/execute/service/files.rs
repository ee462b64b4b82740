//! Reads and writes files for an agent. Blocks while it waits for the disk.

use std::{fs::File, io::Read as _, path::Path};

use super::desk::{Desk, TOLD_BYTES_MAX, told, wrong};
use crate::{
    execute::{recorded, tree::open_beneath},
    runtime::{
        RecordedWrite,
        service::{Refusal, ToolDone},
    },
};

/// The longest file that is read, and that is written, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Lines of a file.
pub(super) fn read(desk: &Desk, path: &Path, offset: u64, limit: u64) -> Result<ToolDone, Refusal> {
    let bytes = whole(desk.read(path)?, path)?;
    if bytes.contains(&0) {
        return Err(wrong(format!("`{}` is no text: {} bytes", path.display(), bytes.len())));
    }
    let text = String::from_utf8_lossy(&bytes);
    let skipped = usize::try_from(offset - 1).unwrap_or(usize::MAX);
    let mut shown = String::new();
    let mut count = 0u64;
    for line in text.split_inclusive('\n').skip(skipped) {
        if count == limit || (count > 0 && shown.len() + line.len() > TOLD_BYTES_MAX) {
            let next = offset + count;
            shown.push_str(&format!("[there is more: go on with the offset {next}]"));
            break;
        }
        count += 1;
        if line.len() > TOLD_BYTES_MAX {
            shown.push_str(&line[..line.floor_char_boundary(TOLD_BYTES_MAX)]);
            shown.push_str("[the line is cut]\n");
            continue;
        }
        shown.push_str(line);
    }
    if count == 0 {
        let lines = text.lines().count();
        return Ok(told(if lines == 0 {
            "[the file is empty]".into()
        } else {
            format!("[the file has {lines} lines]")
        }));
    }
    Ok(told(shown))
}

/// Writes a whole file.
pub(super) fn write(desk: &Desk, path: &Path, content: &str) -> Result<ToolDone, Refusal> {
    let place = desk.writable(path)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("a file may have {} MB", FILE_BYTES_MAX >> 20)));
    }
    recorded::apply(
        &desk.workspace,
        &desk.attempt,
        &[RecordedWrite::plain(place.clone(), content.as_bytes().to_vec())],
        &[],
    )
    .map_err(wrong)?;
    Ok(told(format!("wrote {} bytes to `{}`", content.len(), place.display())))
}

/// Replaces a text in a file.
pub(super) fn edit(desk: &Desk, path: &Path, old: &str, new: &str, all: bool) -> Result<ToolDone, Refusal> {
    let place = desk.writable(path)?;
    let file = open_beneath(&desk.workspace, &place)
        .map_err(|error| wrong(format!("`{}` cannot be read: {error}", path.display())))?;
    let bytes = whole(file, path)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("the file is not UTF-8; it can only be written whole"))?;
    if old.is_empty() {
        return Err(wrong("`old` is empty"));
    }
    let found = text.matches(old).count();
    match found {
        0 => return Err(wrong("`old` does not stand in the file; read it, and repeat all white space as it is")),
        1 => {}
        _ if all => {}
        _ => {
            return Err(wrong(format!(
                "`old` stands there {found} times; tell more of what is around it, or set `all`"
            )));
        }
    }
    if (text.len() as u64).saturating_add((new.len() as u64).saturating_mul(found as u64)) > FILE_BYTES_MAX {
        return Err(wrong(format!("a file may have {} MB", FILE_BYTES_MAX >> 20)));
    }
    let changed = text.replace(old, new);
    recorded::apply(&desk.workspace, &desk.attempt, &[RecordedWrite::plain(place.clone(), changed.into_bytes())], &[])
        .map_err(wrong)?;
    Ok(told(format!("replaced {found} in `{}`", place.display())))
}

/// All bytes of a file.
fn whole(file: File, path: &Path) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(format!("`{}` cannot be read: {error}", path.display())))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("`{}` is longer than {} MB", path.display(), FILE_BYTES_MAX >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::{
        definition::Permissions,
        execute::service::{
            desk::tests::{desk, ruled},
            look,
        },
    };

    fn refused(done: Result<ToolDone, Refusal>) -> String {
        match done {
            Err(Refusal::Wrong(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_edit_changes_exactly_what_it_names() {
        let (_root, desk) = desk(&[], &[]);
        let path = Path::new("./a/b.txt");
        write(&desk, path, "one two two\n").unwrap();
        edit(&desk, path, "one", "1", false).unwrap();
        assert!(refused(edit(&desk, path, "two", "2", false)).contains("2 times"));
        assert!(refused(edit(&desk, path, "three", "3", false)).contains("does not stand"));
        assert!(refused(edit(&desk, path, "", "3", false)).contains("empty"));
        edit(&desk, path, "two", "2", true).unwrap();
        assert_eq!(read(&desk, path, 1, 9).unwrap().text, "1 2 2\n");
        fs::write(desk.workspace.join("c"), [0xff, 0x41]).unwrap();
        assert!(refused(edit(&desk, Path::new("c"), "A", "B", false)).contains("UTF-8"));
        fs::write(desk.workspace.join("c"), "x\0").unwrap();
        assert!(refused(read(&desk, Path::new("c"), 1, 9)).contains("no text"));
        assert!(refused(read(&desk, Path::new("gone"), 1, 9)).contains("cannot be read"));
        assert_eq!(read(&desk, path, 9, 9).unwrap().text, "[the file has 1 lines]");
    }

    #[test]
    fn only_what_the_order_names_is_touched() {
        let outside = tempfile::tempdir().unwrap();
        let named = outside.path().join("context.md");
        fs::write(&named, "known\n").unwrap();
        fs::write(outside.path().join("other"), "hidden\n").unwrap();
        let (_root, desk) = desk(&[named.to_str().unwrap()], &["src/*.rs"]);
        symlink(outside.path(), desk.workspace.join("src")).unwrap();
        assert_eq!(read(&desk, &named, 1, 9).unwrap().text, "known\n");
        for path in [outside.path().join("other").to_str().unwrap(), "../x", ".git/config", "/etc/passwd"] {
            assert!(matches!(read(&desk, Path::new(path), 1, 9), Err(Refusal::Denied(_))), "{path}");
        }
        assert!(matches!(read(&desk, Path::new("src/other"), 1, 9), Err(Refusal::Wrong(_))));
        for path in ["src/a.rs", "b.rs", named.to_str().unwrap(), "src/deep/a.rs"] {
            assert!(matches!(write(&desk, Path::new(path), "x"), Err(Refusal::Denied(_))), "{path}");
            assert!(matches!(edit(&desk, Path::new(path), "x", "y", false), Err(Refusal::Denied(_))), "{path}");
        }
        fs::remove_file(desk.workspace.join("src")).unwrap();
        write(&desk, &desk.workspace.join("src/a.rs"), "x").unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
    }

    #[test]
    fn rules_on_paths_hold_for_reads_and_writes_and_searches() {
        let rules = |deny: &[&str], tools: Option<&[&str]>| {
            let all = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
            let permissions = Permissions { deny: all(deny), ..Permissions::default() };
            ruled(tools.map(all), permissions)
        };
        let (_root, desk) = rules(&["Edit(ci/**)", "Read(.env)"], None);
        fs::create_dir_all(desk.workspace.join("deep")).unwrap();
        fs::write(desk.workspace.join("deep/.env"), "secret=1\n").unwrap();
        fs::write(desk.workspace.join("open.txt"), "secret=2\n").unwrap();
        assert!(matches!(write(&desk, Path::new("ci/x"), "x"), Err(Refusal::Denied(_))));
        write(&desk, Path::new("src/x"), "x").unwrap();
        for path in ["deep/.env", "./deep/.env"] {
            assert!(matches!(read(&desk, Path::new(path), 1, 9), Err(Refusal::Denied(_))), "{path}");
            assert!(matches!(look::search(&desk, Path::new(path), "secret", None), Err(Refusal::Denied(_))), "{path}");
        }
        let found = look::search(&desk, Path::new(""), "secret", None).unwrap().text;
        assert_eq!(found, "open.txt:1: secret=2\n");
        assert!(!look::list(&desk, Path::new(""), None).unwrap().text.contains(".env"));
        let (_root, desk) = rules(&[], Some(&["Edit(src/**)", "Read"]));
        write(&desk, Path::new("src/deep/x"), "x").unwrap();
        assert!(matches!(write(&desk, Path::new("other"), "x"), Err(Refusal::Denied(_))));
    }
}
