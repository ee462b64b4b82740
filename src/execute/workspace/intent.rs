//! What is about to be done to the project's files, written down first: a killed process leaves either nothing or an
//! intent that the next one finishes.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Change, Entry, Repository, WorkspaceFault, apply, lock::Lock, repository::write_whole};
use crate::guard::Root;

/// The longest intent that is read, in bytes.
const BYTES_MAX: u64 = 512 * 1024 * 1024;

/// All that is about to be done.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// The folder whose files change.
    top: String,
    /// Where the contents are.
    stage: String,
    changes: Vec<StoredChange>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredChange {
    path: String,
    from: Option<Entry>,
    to: Option<Entry>,
}

impl Repository {
    /// Where it is written down.
    pub(super) fn intent(&self) -> PathBuf {
        self.state().join("git/intent.json")
    }

    /// Writes down what will be done; the contents are in `stage`, each under its place in the list.
    pub(super) fn intend(&self, stage: &Path, changes: &[Change]) -> Result<(), WorkspaceFault> {
        let stored = Stored {
            version: 1,
            top: text_of(self.top()),
            stage: text_of(stage),
            changes: changes
                .iter()
                .map(|change| StoredChange {
                    path: text_of(&change.path),
                    from: change.from.clone(),
                    to: change.to.clone(),
                })
                .collect(),
        };
        let text = serde_json::to_vec(&stored).map_err(|error| self.damaged(&error.to_string()))?;
        write_whole(&self.intent(), &text).map_err(WorkspaceFault::io("write down what will be done"))
    }

    /// It is done.
    pub(super) fn intent_done(&self, stage: &Path) {
        fs::remove_file(self.intent()).ok();
        fs::remove_dir_all(stage).ok();
    }

    /// Finishes what a killed process has begun. Whatever somebody has changed since then is left as it is.
    pub(super) fn finish_intent(&self, _lock: &Lock) -> Result<(), WorkspaceFault> {
        let path = self.intent();
        let Ok(found) = fs::metadata(&path) else { return Ok(()) };
        if found.len() > BYTES_MAX {
            return Err(self.damaged("it is too long"));
        }
        let bytes = fs::read(&path).map_err(WorkspaceFault::io(format!("read {}", path.display())))?;
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| self.damaged(&error.to_string()))?;
        let (top, stage) = (path_of(&stored.top), path_of(&stored.stage));
        if stored.version != 1 || top != self.top() || !stage.starts_with(self.state()) {
            return Err(self.damaged("it is of another project or version"));
        }
        let changes: Vec<_> = stored
            .changes
            .into_iter()
            .map(|change| Change { path: path_of(&change.path), from: change.from, to: change.to })
            .collect();
        let mut open = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            let is_open = change.to.is_none() || fs::symlink_metadata(stage.join(number.to_string())).is_ok();
            if is_open
                && !change.is_submodule()
                && self.entry_at(&change.path)?.map(|entry| entry.oid)
                    == change.from.as_ref().map(|entry| entry.oid.clone())
            {
                open.push(number);
            }
        }
        apply::perform(&top, &stage, &changes, &open)?;
        self.intent_done(&stage);
        Ok(())
    }

    /// What the project holds at a path.
    fn entry_at(&self, path: &Path) -> Result<Option<Entry>, WorkspaceFault> {
        let failed = |error| WorkspaceFault::io(format!("read {}", self.top().join(path).display()))(error);
        let root = Root::open(self.top()).map_err(failed)?;
        let Ok(found) = root.look(path) else { return Ok(None) };
        let bytes = if found.is_symlink() {
            root.link(path).map_err(failed)?.into_os_string().into_vec()
        } else if found.is_file() {
            let mut bytes = Vec::new();
            root.read(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed)?;
            bytes
        } else {
            return Ok(None);
        };
        let oid = self.call(&["hash-object", "--no-filters", "--stdin"]).input(&bytes).oid()?;
        Ok(Some(Entry { mode: String::new(), oid }))
    }

    fn damaged(&self, why: &str) -> WorkspaceFault {
        WorkspaceFault::Damaged { path: self.intent(), why: why.to_owned() }
    }
}

/// A path as text from which it can be read again: what is no text, and `%`, becomes `%` and its byte.
pub(super) fn text_of(path: &Path) -> String {
    let mut text = Vec::new();
    for part in path.as_os_str().as_bytes().utf8_chunks() {
        for letter in part.valid().chars() {
            if letter == '%' { text.extend_from_slice(b"%25") } else { write!(text, "{letter}").unwrap_or_default() }
        }
        for byte in part.invalid() {
            write!(text, "%{byte:02x}").unwrap_or_default();
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The path of such a text.
pub(super) fn path_of(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut path = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                path.push(byte);
                at += 3;
            }
            None => {
                path.push(bytes[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn any_path_comes_back() {
        for bytes in [&b"a/b"[..], b"100%", b"%25", b"\xff\xfe/\n", "ü %zz".as_bytes(), b"", b"%"] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            assert_eq!(path_of(&text_of(&path)), path);
        }
    }
}
