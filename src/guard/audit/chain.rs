//! The form of a line, and the verification of a log.
//!
//! A line is one JSON object; its last key is `hash`, the BLAKE3 digest of the hash before it and of all bytes of the line
//! before that key. A shortened log begins with a line that says, signed, where its chain goes on from.

use std::io::{BufRead, Read as _};

use serde::{Deserialize, Serialize};

use super::key::is_signed;
use crate::base::{Digest, Hasher};

/// The hash before the first entry.
pub(super) const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What stands between an entry and its hash.
pub(super) const SEAL: &str = ",\"hash\":\"";
/// The longest line, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;
/// Faults that are told; one is enough to distrust a log.
const FAULTS_MAX: usize = 20;

/// How far a log goes: how many entries it had, and the hash of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Entries up to here, from the first that was ever written.
    pub count: u64,
    /// The hash of the last of them.
    pub head: String,
}

/// A head that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signed {
    #[serde(flatten)]
    pub head: Head,
    pub key: String,
    pub signature: String,
}

/// The first line of a log that was shortened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Anchor {
    pub anchor: Signed,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFault {
    /// The line, from 1; 0 for the whole.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// What a verification has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How far the log goes.
    #[serde(flatten)]
    pub head: Head,
    /// Entries before the first that is still there.
    pub dropped: u64,
    /// Entries up to the last good checkpoint.
    pub signed: u64,
    /// What is wrong; empty where nothing is.
    pub faults: Vec<AuditFault>,
}

impl Head {
    /// The text that is signed.
    pub(super) fn text(&self) -> String {
        format!("orch-audit-v1\n{}\n{}", self.count, self.head)
    }
}

impl Signed {
    pub fn is_good(&self, key: Option<&str>) -> bool {
        key.is_none_or(|key| key == self.key) && is_signed(&self.key, &self.head.text(), &self.signature)
    }
}

/// The hash of an entry behind another.
pub(super) fn hash(before: &str, body: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(before.as_bytes());
    hasher.update(body);
    hasher.finish()
}

/// The parts of a line: what is hashed, and the hash.
pub(super) fn parts(line: &[u8]) -> Option<(&[u8], &str)> {
    let cut = line.len().checked_sub(SEAL.len() + 64 + 2)?;
    let (body, rest) = line.split_at(cut);
    let rest = std::str::from_utf8(rest).ok()?;
    let hash = rest.strip_prefix(SEAL)?.strip_suffix("\"}")?;
    hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)).then_some((body, hash))
}

/// The number of an entry.
pub(super) fn number(body: &[u8]) -> Option<u64> {
    let rest = body.strip_prefix(b"{\"n\":")?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// Goes through a log. `key` is the public key that checkpoints must be signed with, `kept` a head from elsewhere.
#[must_use]
pub fn verify(mut log: impl BufRead, key: Option<&str>, kept: Option<&Head>) -> Verified {
    let mut found =
        Verified { head: Head { count: 0, head: BEGINNING.to_owned() }, dropped: 0, signed: 0, faults: Vec::new() };
    let mut meets_kept = kept.is_none_or(|kept| *kept == found.head);
    let (mut line, mut place) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = (&mut log).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
        match read {
            Ok(0) => break,
            Ok(_) => place += 1,
            Err(error) => {
                found.fault(place, format!("the log cannot be read: {error}"));
                break;
            }
        }
        if line.pop() != Some(b'\n') {
            found.fault(place, "the last line is cut off, or far too long");
            break;
        }
        if place == 1
            && let Ok(Anchor { anchor }) = serde_json::from_slice(&line)
        {
            if !anchor.is_good(key) {
                found.fault(place, "the log was shortened by somebody who does not have the key");
            }
            (found.dropped, found.signed) = (anchor.head.count, anchor.head.count);
            found.head = anchor.head;
        } else {
            found.entry(place, &line, key);
        }
        meets_kept |= kept.is_some_and(|kept| *kept == found.head);
        if found.faults.len() >= FAULTS_MAX {
            break;
        }
    }
    if let Some(kept) = kept.filter(|kept| !meets_kept && kept.count >= found.dropped) {
        let why =
            format!("the log never had {} entries with the head {}: it was changed or cut", kept.count, kept.head);
        found.fault(0, why);
    }
    found
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, line: u64, why: impl Into<String>) {
        self.faults.push(AuditFault { line, why: why.into() });
    }

    fn entry(&mut self, place: u64, line: &[u8], key: Option<&str>) {
        let Some((body, told)) = parts(line) else { return self.fault(place, "this line is no entry") };
        if number(body) != Some(self.head.count + 1) {
            self.fault(place, format!("entry {} should stand here", self.head.count + 1));
        }
        if hash(&self.head.head, body).as_str() != told {
            self.fault(place, "this entry, or one before it, was changed, moved or taken out");
        }
        if body.windows(CHECKPOINT.len()).any(|part| part == CHECKPOINT) {
            self.checkpoint(place, body, key);
        }
        self.head.count = number(body).unwrap_or(self.head.count + 1);
        told.clone_into(&mut self.head.head);
    }

    fn checkpoint(&mut self, place: u64, body: &[u8], key: Option<&str>) {
        #[derive(Deserialize)]
        struct Line {
            kind: String,
            what: Signed,
        }
        let mut text = body.to_vec();
        text.push(b'}');
        match serde_json::from_slice::<Line>(&text) {
            Ok(line) if line.kind != "checkpoint" => {}
            Ok(line) if line.what.head == self.head && line.what.is_good(key) => self.signed = self.head.count,
            Ok(_) => self.fault(place, "this checkpoint is not signed with the key, or not for the entries before it"),
            Err(_) if !text.starts_with(b"{\"n\":") => {}
            Err(_) => self.fault(place, "this checkpoint cannot be read"),
        }
    }
}

/// How a checkpoint is found without reading every line as JSON.
const CHECKPOINT: &[u8] = b"\"kind\":\"checkpoint\"";
