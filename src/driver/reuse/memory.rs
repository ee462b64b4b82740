//! The tier in memory: what this process has done or has read, within a bound; what was used longest ago goes first.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    base::Digest,
    driver::reuse::entry::{Entry, Kept},
};

/// The work of steps, for all runs of a process.
#[derive(Debug, Default)]
pub struct MemoryTier(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// By project, key and beginning.
    entries: HashMap<(PathBuf, Digest, Digest), (u64, Arc<Kept>)>,
    bytes: u64,
    /// Counts uses.
    clock: u64,
}

impl MemoryTier {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, project: &Path, key: &Digest) -> Vec<Arc<Kept>> {
        let held = self.held();
        let found = held.entries.iter().filter(|((root, known, _), _)| known == key && root == project);
        let mut found: Vec<_> = found.map(|(_, (used, kept))| (*used, Arc::clone(kept))).collect();
        found.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
        found.into_iter().map(|(_, kept)| kept).collect()
    }

    /// Keeps an entry, and lets others go that do not fit beside it.
    pub(super) fn put(&self, project: &Path, kept: Kept, bytes_max: u64) {
        self.forget(project, &kept.entry);
        let bytes = kept.bytes();
        if bytes > bytes_max {
            return;
        }
        let mut held = self.held();
        while held.bytes + bytes > bytes_max {
            let oldest = held.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone());
            let Some((_, gone)) = oldest.and_then(|name| held.entries.remove(&name)) else { break };
            held.bytes -= gone.bytes();
        }
        held.bytes += bytes;
        held.clock += 1;
        let (clock, name) = (held.clock, name(project, &kept.entry));
        held.entries.insert(name, (clock, Arc::new(kept)));
    }

    pub(super) fn touch(&self, project: &Path, entry: &Entry) {
        let mut held = self.held();
        held.clock += 1;
        let clock = held.clock;
        if let Some((used, _)) = held.entries.get_mut(&name(project, entry)) {
            *used = clock;
        }
    }

    pub(super) fn forget(&self, project: &Path, entry: &Entry) {
        let mut held = self.held();
        if let Some((_, gone)) = held.entries.remove(&name(project, entry)) {
            held.bytes -= gone.bytes();
        }
    }
}

fn name(project: &Path, entry: &Entry) -> (PathBuf, Digest, Digest) {
    (project.to_owned(), entry.key.clone(), entry.variant())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        base::{Envelope, Timestamp},
        execute::Footprint,
    };

    #[test]
    fn it_stays_within_its_bound_and_keeps_what_is_used() {
        let tier = MemoryTier::default();
        let root = Path::new("/project");
        let kept = |name: &str| {
            let from = (name.to_owned(), Timestamp::default());
            let work = (Envelope::default(), Footprint::default());
            let entry = Entry::new(Digest::of(name.as_bytes()), from, work);
            Kept { entry, contents: BTreeMap::from([(Digest::of(b""), vec![0; 10_000])]) }
        };
        let is_there = |name: &str| !tier.find(root, &Digest::of(name.as_bytes())).is_empty();
        tier.put(root, kept("a"), 30_000);
        tier.put(root, kept("a"), 30_000);
        tier.put(root, kept("b"), 30_000);
        tier.touch(root, &kept("a").entry);
        tier.put(root, kept("c"), 30_000);
        assert_eq!([is_there("a"), is_there("b"), is_there("c")], [true, false, true]);
        assert!(tier.find(Path::new("/other"), &Digest::of(b"a")).is_empty());
        tier.put(root, kept("d"), 5_000);
        assert!(!is_there("d"), "larger than everything may be");
        tier.forget(root, &kept("a").entry);
        tier.forget(root, &kept("c").entry);
        assert_eq!(tier.held().bytes, 0);
    }
}
