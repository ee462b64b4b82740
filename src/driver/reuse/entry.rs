//! What the cache keeps of a step: what it brought back, and what it did to the files.
//!
//! The stored form is one line with the mark of its writer, then JSON. Whatever has another mark is not there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    base::{Digest, Envelope, Seal, Timestamp},
    driver::reuse::recall::Rules,
    execute::Footprint,
};

/// The version of the stored form.
const VERSION: u16 = 2;

/// The work of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    v: u16,
    /// What it is found by; part of the entry, so that one cannot be passed off as another.
    pub key: Digest,
    /// `RUN/ATTEMPT`.
    pub from: String,
    /// When the work was done.
    pub made: Timestamp,
    /// What it brought back, with its cost.
    pub envelope: Envelope,
    /// What it did to the files.
    pub footprint: Footprint,
}

/// An entry with the contents of its files as far as they are at hand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub entry: Entry,
    pub contents: BTreeMap<Digest, Vec<u8>>,
}

impl Entry {
    pub fn new(key: Digest, (from, made): (String, Timestamp), (envelope, footprint): (Envelope, Footprint)) -> Self {
        Self { v: VERSION, key, from, made, envelope, footprint }
    }

    /// Tells entries of one key apart: by the files that the work began with.
    pub fn variant(&self) -> Digest {
        self.footprint.beginning()
    }

    /// Whether its time has not passed.
    pub fn is_fresh(&self, now: Timestamp, rules: Rules) -> bool {
        match rules {
            Rules::Declared { ttl_ms, .. } => now.0.saturating_sub(self.made.0) <= ttl_ms,
            Rules::Own | Rules::All | Rules::Never => true,
        }
    }

    /// The stored form.
    pub fn sealed(&self, seal: &Seal) -> Result<Vec<u8>, serde_json::Error> {
        let body = serde_json::to_vec(self)?;
        let mut bytes = format!("{}\n", seal.mark(&body)).into_bytes();
        bytes.extend(body);
        Ok(bytes)
    }

    /// Reads the stored form back.
    ///
    /// # Errors
    /// Why it is not to be trusted.
    pub fn open(bytes: &[u8], seal: &Seal, key: &Digest) -> Result<Self, &'static str> {
        let (mark, body) = bytes.split_at_checked(64).ok_or("it is cut")?;
        let body = body.strip_prefix(b"\n").ok_or("it is cut")?;
        let mark = std::str::from_utf8(mark).map_err(|_| "it has no mark")?;
        if !seal.holds(mark, body) {
            return Err("this user's orch did not write it, or it has changed since");
        }
        let entry: Self = serde_json::from_slice(body).map_err(|_| "its form is not known")?;
        if entry.v != VERSION {
            return Err("its form is not known");
        }
        if entry.key == *key { Ok(entry) } else { Err("it is that of another step") }
    }
}

impl Kept {
    /// About how much memory it takes.
    pub fn bytes(&self) -> u64 {
        let Entry { envelope, footprint, .. } = &self.entry;
        let texts = envelope.text.len() + envelope.summary.len() + envelope.output.to_string().len();
        let files = (footprint.changed.len() + footprint.later.len()) * 512;
        let contents: usize = self.contents.values().map(Vec::len).sum();
        (1024 + texts + files + contents) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_taken_until_its_time_has_passed() {
        let work = (Envelope::default(), Footprint::default());
        let entry = Entry::new(Digest::of(b"key"), (String::new(), Timestamp(1_000)), work);
        let rules = Rules::Declared { sees_tree: true, ttl_ms: 500 };
        for (now, expected) in [(0, true), (1_000, true), (1_500, true), (1_501, false)] {
            assert_eq!(entry.is_fresh(Timestamp(now), rules), expected, "at {now}");
        }
        assert!(entry.is_fresh(Timestamp(u64::MAX), Rules::Own));
    }

    #[test]
    fn an_entry_with_another_mark_is_not_there() {
        let (seal, other) = (Seal::new([1; 32]), Seal::new([2; 32]));
        let key = Digest::of(b"key");
        let envelope = Envelope { summary: "done".to_owned(), ..Envelope::default() };
        let from = ("7f3k2m9q/1-1".to_owned(), Timestamp(5));
        let entry = Entry::new(key.clone(), from, (envelope, Footprint::default()));
        let bytes = entry.sealed(&seal).unwrap();
        assert_eq!(Entry::open(&bytes, &seal, &key), Ok(entry.clone()));
        assert!(Entry::open(&bytes, &other, &key).is_err());
        assert!(Entry::open(&bytes, &seal, &Digest::of(b"another")).is_err());
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(Entry::open(&changed, &seal, &key).is_err(), "byte {place}");
            assert!(Entry::open(&bytes[..place], &seal, &key).is_err(), "cut at {place}");
        }
        let newer = Entry { v: VERSION + 1, ..entry }.sealed(&seal).unwrap();
        assert!(Entry::open(&newer, &seal, &key).is_err(), "a newer form is not guessed at");
    }
}
