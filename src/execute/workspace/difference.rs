//! How two trees differ: file by file, in numbers, as text.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Oid, Repository, WorkspaceFault,
    git::{parts, path_of},
};

/// A file, link or submodule of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// `100644`, `100755`, `120000` or `160000`.
    pub mode: String,
    /// Its content.
    pub oid: Oid,
}

impl Entry {
    /// Whether it is a submodule, which git keeps as no more than the name of a commit.
    #[must_use]
    pub fn is_submodule(&self) -> bool {
        self.mode == "160000"
    }
}

/// What has become of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content, its kind or its executable bit is another.
    Modified,
    /// It is gone.
    Deleted,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative to the top of the working tree.
    pub path: PathBuf,
    /// Before.
    pub from: Option<Entry>,
    /// After.
    pub to: Option<Entry>,
}

impl Change {
    /// What has become of it.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        match (&self.from, &self.to) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            (Some(_), Some(_)) => ChangeKind::Modified,
        }
    }

    /// Whether a submodule is what changes; its files belong to another repository and are not touched.
    #[must_use]
    pub fn is_submodule(&self) -> bool {
        self.to.as_ref().or(self.from.as_ref()).is_some_and(Entry::is_submodule)
    }
}

/// A difference in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// Files.
    pub files: usize,
    /// New lines.
    pub added: u64,
    /// Lines that are gone.
    pub removed: u64,
    /// Files without lines.
    pub binary: usize,
}

impl Repository {
    /// The paths in which two commits or trees differ, in their order. A renamed file is one deleted and one added.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn changes(&self, from: &Oid, to: &Oid) -> Result<Vec<Change>, WorkspaceFault> {
        if from == to {
            return Ok(Vec::new());
        }
        let words = ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", from.as_str(), to.as_str()];
        let output = self.call(&words).run()?;
        let mut all = parts(&output);
        let mut changes = Vec::new();
        while let (Some(head), Some(path)) = (all.next(), all.next()) {
            let head = String::from_utf8_lossy(head);
            let words: Vec<_> = head.trim_start_matches(':').split(' ').collect();
            let [from_mode, to_mode, from_oid, to_oid, _] = words[..] else { continue };
            let entry = |mode: &str, oid: &str| {
                let oid = Oid::parse(oid).filter(|_| mode != "000000")?;
                Some(Entry { mode: mode.to_owned(), oid })
            };
            changes.push(Change { path: path_of(path), from: entry(from_mode, from_oid), to: entry(to_mode, to_oid) });
        }
        Ok(changes)
    }

    /// The same in numbers, for these paths or for all.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn stat(&self, from: &Oid, to: &Oid, paths: &[PathBuf]) -> Result<Stat, WorkspaceFault> {
        let words = ["diff-tree", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv"];
        let output = self.call(&words).words([from.as_str(), to.as_str(), "--"]).words(paths).run()?;
        let mut stat = Stat::default();
        for line in parts(&output) {
            let line = String::from_utf8_lossy(line);
            let mut words = line.split('\t');
            stat.files += 1;
            match (words.next().and_then(|n| n.parse::<u64>().ok()), words.next().and_then(|n| n.parse::<u64>().ok())) {
                (Some(added), Some(removed)) => {
                    stat.added += added;
                    stat.removed += removed;
                }
                _ => stat.binary += 1,
            }
        }
        Ok(stat)
    }

    /// The same as text that `git apply` takes.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn patch(&self, from: &Oid, to: &Oid, paths: &[PathBuf]) -> Result<Vec<u8>, WorkspaceFault> {
        let words = ["diff-tree", "-r", "-p", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "-M"];
        self.call(&words).words([from.as_str(), to.as_str(), "--"]).words(paths).run()
    }

    /// The same as text to be read: of a file without lines only that it differs.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub(super) fn readable(&self, from: &Oid, to: &Oid) -> Result<Vec<u8>, WorkspaceFault> {
        let words = ["diff-tree", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "-M"];
        self.call(&words).words([from.as_str(), to.as_str(), "--"]).run()
    }

    /// All paths of a commit or tree.
    pub(super) fn paths_of(&self, tree: &Oid) -> Result<Vec<PathBuf>, WorkspaceFault> {
        let output = self.call(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", tree.as_str()]).run()?;
        Ok(parts(&output).map(path_of).collect())
    }
}

/// Whether a path is one of these or lies below one; without any, all are.
pub(super) fn is_among(path: &Path, paths: &[PathBuf]) -> bool {
    paths.is_empty() || paths.iter().any(|wanted| path.starts_with(wanted))
}
