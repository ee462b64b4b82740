//! Appends entries. Several processes may write to the same log; each entry is one write under a lock of the file.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    chain::{Anchor, BEGINNING, Head, LINE_BYTES_MAX, SEAL, Signed, Verified, hash, number, parts, verify},
    key::AuditKey,
};
use crate::{base::Timestamp, guard::write_whole};

/// Entries between two checkpoints.
const CHECKPOINT_EVERY: u64 = 100;
/// The longest value of an entry that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file system refused.
    #[error("write the audit log {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its end is no entry, so nothing can follow it.
    #[error("go on with the audit log {path}: its last line is no entry")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// One thing that happened.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// `attempt`, `decision`, `trust`, `risk`, `policy`, …
    pub kind: &'static str,
    /// The run, where there is one.
    pub run: Option<String>,
    /// What about, in few words: a step, a file.
    pub about: Option<String>,
    /// Who.
    pub by: Option<String>,
    /// The rest; texts are cut.
    pub what: Value,
}

#[derive(Serialize)]
struct Line<'a> {
    n: u64,
    at: String,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    what: &'a Value,
}

/// A log that can be written.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    key: AuditKey,
    clock: fn() -> Timestamp,
    known: Mutex<Known>,
}

/// What this process knows of the end of the file.
#[derive(Debug, Default)]
struct Known {
    file: Option<(File, u64)>,
    bytes: u64,
    head: Option<Head>,
}

impl AuditLog {
    /// The log in `folder`, signed with `key`; made where there is none.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, key: AuditKey, clock: fn() -> Timestamp) -> Result<Self, AuditError> {
        let path = Self::file(folder);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| AuditError::Io { path: path.clone(), source })?;
        Ok(Self { path, key, clock, known: Mutex::default() })
    }

    /// The file of the log in `folder`.
    #[must_use]
    pub fn file(folder: &Path) -> PathBuf {
        folder.join("log.jsonl")
    }

    /// Appends an entry, and a checkpoint where one is due. Where the log stands then.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, entry: &Entry) -> Result<Head, AuditError> {
        self.locked(|log, known| {
            let head = log.write(known, entry)?;
            if head.count % CHECKPOINT_EVERY == 0 { log.sign(known) } else { Ok(head) }
        })
    }

    /// Signs where the log stands, and waits until all of it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn checkpoint(&self) -> Result<Head, AuditError> {
        self.locked(|log, known| {
            let head = log.sign(known)?;
            if let Some((file, _)) = &known.file {
                file.sync_data()?;
            }
            Ok(head)
        })
    }

    /// Goes through the whole log.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn verify(&self, kept: Option<&Head>) -> Result<Verified, AuditError> {
        let file = File::open(&self.path).map_err(|error| self.fault(error))?;
        Ok(verify(BufReader::with_capacity(1 << 20, file), Some(&self.key.public()), kept))
    }

    /// Drops the entries before `limit`, up to the last checkpoint before it. What is left can still be verified, because
    /// it begins with that checkpoint's signature. How many were dropped.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn prune(&self, limit: Timestamp) -> Result<u64, AuditError> {
        let dropped = self.locked(|log, known| {
            let bytes = fs::read(&log.path)?;
            let limit = limit.to_string();
            let (mut at, mut cut) = (0, None);
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                at += line.len();
                let Ok(value) = serde_json::from_slice::<Value>(line) else { continue };
                let is_old = value["at"].as_str().is_some_and(|at| at < limit.as_str());
                if !is_old {
                    break;
                }
                if value["kind"] == "checkpoint"
                    && let (Some(count), Some(head)) = (value["n"].as_u64(), value["hash"].as_str())
                {
                    cut = Some((at, Head { count, head: head.to_owned() }));
                }
            }
            let Some((at, head)) = cut else { return Ok(0) };
            let count = head.count;
            let mut kept = serde_json::to_vec(&Anchor { anchor: log.signed(head) })?;
            kept.push(b'\n');
            kept.extend(&bytes[at..]);
            write_whole(&log.path, &kept)?;
            *known = Known::default();
            Ok(count)
        })?;
        if dropped > 0 {
            self.append(&Entry { kind: "pruned", what: json!({ "entries": dropped }), ..Entry::default() })?;
        }
        Ok(dropped)
    }

    fn fault(&self, source: io::Error) -> AuditError {
        AuditError::Io { path: self.path.clone(), source }
    }

    /// Does something while nobody else writes, knowing where the log ends.
    fn locked<T>(&self, work: impl FnOnce(&Self, &mut Known) -> io::Result<T>) -> Result<T, AuditError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut locked = || -> io::Result<Option<File>> {
            loop {
                let file = self.opened(&mut known)?.try_clone()?;
                file.lock()?;
                // Somebody may have put another file in its place while we waited.
                let (now, ours) = (fs::metadata(&self.path), file.metadata()?);
                if now.is_ok_and(|now| now.ino() == ours.ino()) {
                    return Ok(Some(file));
                }
                *known = Known::default();
            }
        };
        let file = locked().map_err(|error| self.fault(error))?;
        let done = match self.catch_up(&mut known) {
            Ok(true) => work(self, &mut known).map_err(|error| self.fault(error)),
            Ok(false) => Err(AuditError::Damaged { path: self.path.clone() }),
            Err(error) => Err(self.fault(error)),
        };
        if let Some(file) = file {
            file.unlock().ok();
        }
        if done.is_err() {
            *known = Known::default();
        }
        done
    }

    fn opened<'k>(&self, known: &'k mut Known) -> io::Result<&'k File> {
        if known.file.is_none() {
            let mut options = OpenOptions::new();
            let file = options.read(true).append(true).create(true).mode(0o600).open(&self.path)?;
            let inode = file.metadata()?.ino();
            known.file = Some((file, inode));
        }
        Ok(&known.file.as_ref().expect("it was opened just now").0)
    }

    /// Reads what others have appended. Whether the log can go on.
    fn catch_up(&self, known: &mut Known) -> io::Result<bool> {
        let file = self.opened(known)?.try_clone()?;
        let bytes = file.metadata()?.len();
        if known.head.is_some() && known.bytes == bytes {
            return Ok(true);
        }
        let from = bytes.saturating_sub(2 * LINE_BYTES_MAX as u64);
        let mut tail = Vec::new();
        let mut reader = &file;
        reader.seek(SeekFrom::Start(from))?;
        reader.take(2 * LINE_BYTES_MAX as u64).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = tail.split_off(whole);
        let head = match tail.strip_suffix(b"\n").map(|tail| tail.rsplit(|byte| *byte == b'\n').next().unwrap_or(tail))
        {
            None => Some(Head { count: 0, head: BEGINNING.to_owned() }),
            Some(line) => last_head(line),
        };
        let Some(head) = head else { return Ok(false) };
        known.head = Some(head);
        known.bytes = bytes - torn.len() as u64;
        if !torn.is_empty() {
            // Only a loss of power leaves half a line. It is kept, and the log says so.
            let aside = self.path.with_extension(format!("torn-{}", known.bytes));
            write_whole(&aside, &torn)?;
            file.set_len(known.bytes)?;
            let what = json!({ "bytes": torn.len(), "kept": aside.file_name().map(|name| name.to_string_lossy()) });
            self.write(known, &Entry { kind: "repaired", what, ..Entry::default() })?;
        }
        Ok(true)
    }

    fn write(&self, known: &mut Known, entry: &Entry) -> io::Result<Head> {
        let before = known.head.clone().unwrap_or_else(|| Head { count: 0, head: BEGINNING.to_owned() });
        let what = shortened(&entry.what);
        let line = Line {
            n: before.count + 1,
            at: (self.clock)().to_string(),
            kind: entry.kind,
            run: entry.run.as_deref(),
            about: entry.about.as_deref().map(cut),
            by: entry.by.as_deref().map(cut),
            what: &what,
        };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.pop();
        let head = hash(&before.head, &bytes);
        bytes.extend(SEAL.as_bytes());
        bytes.extend(head.as_str().as_bytes());
        bytes.extend(b"\"}\n");
        let mut file = self.opened(known)?;
        file.write_all(&bytes)?;
        known.bytes += bytes.len() as u64;
        let head = Head { count: before.count + 1, head: head.as_str().to_owned() };
        known.head = Some(head.clone());
        Ok(head)
    }

    fn signed(&self, head: Head) -> Signed {
        Signed { signature: self.key.sign(&head.text()), key: self.key.public(), head }
    }

    fn sign(&self, known: &mut Known) -> io::Result<Head> {
        let head = known.head.clone().unwrap_or_else(|| Head { count: 0, head: BEGINNING.to_owned() });
        let what = serde_json::to_value(self.signed(head))?;
        self.write(known, &Entry { kind: "checkpoint", what, ..Entry::default() })
    }
}

/// Where a log stands behind its last line.
fn last_head(line: &[u8]) -> Option<Head> {
    if let Ok(Anchor { anchor }) = serde_json::from_slice(line) {
        return Some(anchor.head);
    }
    let (body, hash) = parts(line)?;
    Some(Head { count: number(body)?, head: hash.to_owned() })
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// A value whose texts are short; one that has very many parts is left out.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(cut(text)),
        Value::Array(items) => items.iter().take(8).map(shortened).collect(),
        Value::Object(map) => map.iter().take(12).map(|(key, value)| (cut(key).to_owned(), shortened(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
