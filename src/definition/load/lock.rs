//! `library.lock`: what `orch add` took in, as text; and the digest of a folder that must agree with it.
//!
//! Never follows a link: a link in an added folder is no part of it, so a folder with one does not agree.

use std::{
    fmt::Write as _,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use toml_edit::{ImDocument, Table};

use crate::{
    base::{Digest, Hasher},
    definition::{LOCK_VERSION, Pin, load::bytes::within},
};

/// The lock file's name, beside `library/`.
pub(crate) const LOCK: &str = "library.lock";
/// The largest lock file.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Files of one added folder at most, and bytes of them together.
pub(crate) const FILES_MAX: usize = 20_000;
/// See [`FILES_MAX`].
const TREE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads a lock file; none at all is one without entries.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub fn read_lock(path: &Path) -> Result<Vec<Pin>, String> {
    match path.metadata() {
        Ok(found) if found.len() > BYTES_MAX => return Err("it is larger than 4 MB".to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    }
    let real = within(path.parent().unwrap_or(Path::new(".")), path).map_err(|error| error.to_string())?;
    let text = fs::read_to_string(real).map_err(|error| error.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Pin>, String> {
    let document = ImDocument::parse(text).map_err(|error| error.message().to_owned())?;
    let table = document.as_table();
    let version = table.get("version").and_then(toml_edit::Item::as_integer);
    if version != Some(i64::from(LOCK_VERSION)) {
        return Err("its version is not known to this orch".to_owned());
    }
    let Some(entries) = table.get("library") else { return Ok(Vec::new()) };
    let entries = entries.as_array_of_tables().ok_or("`library` is no list of tables")?;
    entries.iter().map(pin).collect()
}

fn pin(table: &Table) -> Result<Pin, String> {
    let text = |key: &str| table.get(key).and_then(toml_edit::Item::as_str).map(str::to_owned);
    let needed = |key: &str| text(key).ok_or_else(|| format!("an entry has no `{key}`"));
    let name = needed("name")?;
    if !is_name(&name) {
        return Err(format!("`{}` cannot be the name of a folder", name.escape_default()));
    }
    let only = table.get("only").and_then(toml_edit::Item::as_array);
    let only = only.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned));
    let digest = needed("digest")?;
    Ok(Pin {
        name,
        source: needed("source")?,
        folder: text("folder").unwrap_or_default(),
        plugin: text("plugin"),
        reference: text("ref"),
        commit: text("commit"),
        only: only.collect(),
        files: table
            .get("files")
            .and_then(toml_edit::Item::as_integer)
            .and_then(|count| count.try_into().ok())
            .unwrap_or(0),
        digest: serde_json::from_value(digest.into()).map_err(|_| "a digest is no text".to_owned())?,
    })
}

/// Whether a folder in `library/` may have that name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 64 && name.bytes().all(good) && name.as_bytes()[0].is_ascii_alphanumeric()
}

/// The text of a lock file, sorted by name.
#[must_use]
pub fn lock_text(pins: &[Pin]) -> String {
    let mut text = format!(
        "# Written by `orch add`, `orch update` and `orch remove`: what stands in library/, and where it came from.\n\
         # Keep both with the project. A folder that does not agree with its digest was edited by hand.\n\
         version = {LOCK_VERSION}\n"
    );
    let mut pins: Vec<&Pin> = pins.iter().collect();
    pins.sort_by(|one, other| one.name.cmp(&other.name));
    for pin in pins {
        text.push_str("\n[[library]]\n");
        let mut line = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        };
        line("name", Some(&pin.name));
        line("source", Some(&pin.source));
        line("folder", Some(&*pin.folder).filter(|folder| !folder.is_empty()));
        line("plugin", pin.plugin.as_deref());
        line("ref", pin.reference.as_deref());
        line("commit", pin.commit.as_deref());
        if !pin.only.is_empty() {
            let only: Vec<String> = pin.only.iter().map(|kind| quoted(kind)).collect();
            let _ = writeln!(text, "only = [{}]", only.join(", "));
        }
        let _ = writeln!(text, "files = {}\ndigest = {}", pin.files, quoted(pin.digest.as_str()));
    }
    text
}

/// A basic string: those of JSON are those of TOML, but for one control character.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The files of a folder, sorted, relative to it. Links and other strange things are left out.
///
/// # Errors
/// When a folder cannot be read, or there are too many files.
pub fn tree_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let kind = entry.file_type().map_err(|error| error.to_string())?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path().strip_prefix(root).map(Path::to_path_buf).map_err(|error| error.to_string())?);
            } else {
                // Something that `orch add` does not make: the digest must not agree.
                found.push(
                    entry.path().strip_prefix(root).map(|path| path.join("\0")).map_err(|error| error.to_string())?,
                );
            }
            if found.len() > FILES_MAX {
                return Err(format!("more than {FILES_MAX} files"));
            }
        }
    }
    found.sort_by(|one, other| one.as_os_str().as_bytes().cmp(other.as_os_str().as_bytes()));
    Ok(found)
}

/// The digest of a folder: of all paths, lengths and contents.
///
/// # Errors
/// When a file cannot be read, or there is too much.
pub fn tree_digest(root: &Path) -> Result<Digest, String> {
    let mut hasher = Hasher::default();
    let mut bytes = 0;
    for path in tree_files(root)? {
        let name = path.as_os_str().as_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name);
        let content = if name.ends_with(b"\0") {
            Vec::new()
        } else {
            fs::read(root.join(&path)).map_err(|error| format!("{}: {error}", path.display()))?
        };
        bytes += content.len() as u64;
        if bytes > TREE_BYTES_MAX {
            return Err(format!("more than {} MB", TREE_BYTES_MAX >> 20));
        }
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(&content);
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str) -> Pin {
        Pin {
            name: name.to_owned(),
            source: "https://example.org/a\"b\u{7f}.git".to_owned(),
            folder: "sub/é".to_owned(),
            plugin: Some("docs".to_owned()),
            reference: None,
            commit: Some("0123456789abcdef".to_owned()),
            only: vec!["agents".to_owned(), "skills".to_owned()],
            files: 3,
            digest: Digest::of(b"x"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let pins = [example("b"), Pin { only: Vec::new(), plugin: None, folder: String::new(), ..example("a") }];
        let read = parse(&lock_text(&pins)).unwrap();
        assert_eq!(read, [pins[1].clone(), pins[0].clone()]);
        assert_eq!(parse("version = 1").unwrap(), []);
        for text in ["", "version = 2", "version = 1\nlibrary = 3", "version = 1\n[[library]]\nname = \"../x\""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_digest_sees_names_contents_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let digest = || tree_digest(folder.path()).unwrap();
        let mut seen = vec![digest()];
        let mut differs = |step: &str| {
            let now = digest();
            assert!(!seen.contains(&now), "{step}");
            seen.push(now);
        };
        write("a", "bc");
        differs("a file");
        write("a", "bd");
        differs("its content");
        fs::rename(folder.path().join("a"), folder.path().join("ab")).unwrap();
        differs("its name");
        write("c", "");
        differs("an empty file");
        std::os::unix::fs::symlink("ab", folder.path().join("link")).unwrap();
        differs("a link");
        fs::write(folder.path().join("ab"), "bd").unwrap();
        assert_eq!(Some(&digest()), seen.last());
    }
}
