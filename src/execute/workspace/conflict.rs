//! A merge that needs somebody's decision, as data: which files, and what each side holds.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Entry, Oid, Repository, Strategy, WorkspaceFault, git::path_of};

/// One side of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before both.
    Base,
    /// What is merged already.
    Ours,
    /// What was to be merged.
    Theirs,
}

/// A file that both have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictFile {
    /// Where it is.
    pub path: PathBuf,
    /// Before both.
    pub base: Option<Entry>,
    /// As it is merged so far.
    pub ours: Option<Entry>,
    /// As it was to be merged.
    pub theirs: Option<Entry>,
}

impl ConflictFile {
    /// One side of it; `None` where it is not there.
    #[must_use]
    pub fn side(&self, side: Side) -> Option<&Entry> {
        match side {
            Side::Base => self.base.as_ref(),
            Side::Ours => self.ours.as_ref(),
            Side::Theirs => self.theirs.as_ref(),
        }
    }
}

/// A merge that could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Into which line.
    pub line: String,
    /// What that was.
    pub tip: Oid,
    /// What was to be merged.
    pub result: Oid,
    /// How.
    pub strategy: Strategy,
    /// What its commit was to say.
    pub message: String,
    /// The files, with marks where both sides of a text are.
    pub tree: Oid,
    /// Which files need a decision.
    pub files: Vec<ConflictFile>,
    /// What git says about them, for people and agents.
    pub said: Vec<String>,
}

/// How a merge of trees has ended.
pub(super) struct MergedTree {
    pub tree: Oid,
    pub files: Vec<ConflictFile>,
    pub said: Vec<String>,
}

impl Repository {
    /// The content of one side, for whoever decides.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn content(&self, entry: &Entry) -> Result<Vec<u8>, WorkspaceFault> {
        self.call(&["cat-file", "blob", entry.oid.as_str()]).run()
    }

    /// Merges two trees in memory. No file is touched.
    pub(super) fn merge_trees(&self, base: &Oid, ours: &Oid, theirs: &Oid) -> Result<MergedTree, WorkspaceFault> {
        let base = format!("--merge-base={base}");
        let words = ["merge-tree", "--write-tree", "-z", "--messages", &base, ours.as_str(), theirs.as_str()];
        let (code, output) = self.call(&words).run_any(&[0, 1])?;
        let merged = parse(&output).filter(|merged| (code == 0) == merged.files.is_empty());
        merged.ok_or_else(|| {
            let said = "its answer cannot be read".to_owned();
            WorkspaceFault::Git { verb: "merge-tree".to_owned(), said }
        })
    }
}

/// `TREE NUL (MODE OID STAGE TAB PATH NUL)* NUL (COUNT NUL PATH NUL… KIND NUL TEXT NUL)*`.
fn parse(output: &[u8]) -> Option<MergedTree> {
    let mut words = output.split(|byte| *byte == 0);
    let tree = Oid::parse(std::str::from_utf8(words.next()?).ok()?)?;
    let mut files: BTreeMap<PathBuf, ConflictFile> = BTreeMap::new();
    for word in words.by_ref() {
        if word.is_empty() {
            break;
        }
        let tab = word.iter().position(|byte| *byte == b'\t')?;
        let head = std::str::from_utf8(&word[..tab]).ok()?;
        let [mode, oid, stage] = head.split(' ').collect::<Vec<_>>()[..] else { return None };
        let path = path_of(&word[tab + 1..]);
        let file = files.entry(path.clone()).or_insert(ConflictFile { path, base: None, ours: None, theirs: None });
        let entry = Some(Entry { mode: mode.to_owned(), oid: Oid::parse(oid)? });
        match stage {
            "1" => file.base = entry,
            "2" => file.ours = entry,
            "3" => file.theirs = entry,
            _ => return None,
        }
    }
    let mut said = Vec::new();
    while let Some(count) = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse::<usize>().ok()) {
        for _ in 0..count {
            words.next()?;
        }
        let (kind, text) = (words.next()?, String::from_utf8_lossy(words.next()?).trim().to_owned());
        if kind.starts_with(b"CONFLICT") {
            said.push(text);
        }
    }
    Some(MergedTree { tree, files: files.into_values().collect(), said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let (tree, one, two) = ("a".repeat(40), "1".repeat(40), "2".repeat(40));
        let text = format!(
            "{tree}\0100644 {one} 1\tx\ty\n\0100644 {two} 3\tx\ty\n\0\0{}\0x\0Auto-merging\0Auto-merging x\n\0{}\0x\0y\0CONFLICT (modify/delete)\0CONFLICT: x\n\0",
            1, 2
        );
        let merged = parse(text.as_bytes()).unwrap();
        assert_eq!(merged.said, ["CONFLICT: x"]);
        let [file] = &merged.files[..] else { panic!("{:?}", merged.files) };
        assert_eq!(file.path, PathBuf::from("x\ty\n"));
        assert!(
            file.side(Side::Base).is_some() && file.side(Side::Ours).is_none() && file.side(Side::Theirs).is_some()
        );
        assert!(parse(b"no tree\0").is_none());
        assert!(parse(format!("{tree}\0100644 {one} 9\tx\0").as_bytes()).is_none());
    }
}
