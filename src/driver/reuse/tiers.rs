//! The cache of one project: what this process knows, then what the disk knows.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    base::Digest,
    driver::reuse::{
        entry::{Entry, Kept},
        files::FileTier,
        memory::MemoryTier,
    },
};

/// Where work is looked up and kept.
#[derive(Debug, Clone)]
pub struct StepCache {
    /// The project's folder.
    pub root: PathBuf,
    /// What this process knows.
    pub memory: Arc<MemoryTier>,
    /// Bytes that the memory may take.
    pub memory_bytes: u64,
    /// What the disk knows; absent where nothing is to be kept there.
    pub files: Option<FileTier>,
}

impl StepCache {
    /// Everything that is known of a step, the likeliest first.
    pub(super) fn find(&self, key: &Digest) -> Vec<Arc<Kept>> {
        let mut found = self.memory.find(&self.root, key);
        for entry in self.files.iter().flat_map(|files| files.find(key)) {
            if found.iter().all(|known| known.entry.variant() != entry.variant()) {
                found.push(Arc::new(Kept { entry, contents: BTreeMap::new() }));
            }
        }
        found
    }

    /// The content of a file of an entry.
    pub(super) fn content(&self, kept: &Kept, digest: &Digest) -> Option<Vec<u8>> {
        kept.contents.get(digest).cloned().or_else(|| self.files.as_ref()?.read(digest))
    }

    /// A folder in which the files of one attempt are made ready; no part of the workspace.
    pub(super) fn aside(&self, attempt: &str) -> PathBuf {
        self.root.join(".orch/state/cache/aside").join(attempt.replace('/', "-"))
    }

    pub(super) fn put(&self, kept: Kept) {
        if let Some(files) = &self.files
            && let Err(error) = files.put(&kept)
        {
            tracing::warn!(%error, "the work of a step cannot be kept on the disk");
        }
        self.memory.put(&self.root, kept, self.memory_bytes);
    }

    /// Replaces an entry by one that knows more; its contents are where they were.
    pub(super) fn renew(&self, entry: &Entry) {
        let known = self.memory.find(&self.root, &entry.key);
        let known = known.iter().find(|known| known.entry.variant() == entry.variant());
        if let Some(files) = &self.files {
            let kept = Kept { entry: entry.clone(), contents: BTreeMap::new() };
            if let Err(error) = files.put(&kept) {
                tracing::warn!(%error, "the work of a step cannot be kept on the disk");
            }
        }
        if let Some(known) = known {
            let kept = Kept { entry: entry.clone(), contents: known.contents.clone() };
            self.memory.put(&self.root, kept, self.memory_bytes);
        }
    }

    pub(super) fn touch(&self, entry: &Entry) {
        self.memory.touch(&self.root, entry);
        if let Some(files) = &self.files {
            files.touch(entry);
        }
    }

    pub(super) fn forget(&self, entry: &Entry) {
        self.memory.forget(&self.root, entry);
        if let Some(files) = &self.files {
            files.forget(entry);
        }
    }

    pub(super) fn trim(&self) {
        if let Some(files) = &self.files {
            files.trim();
        }
    }
}
