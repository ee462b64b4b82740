//! How a result comes into a line: as a merge, as one commit, or commit by commit. Makes commits, moves no name.

pub use crate::definition::merging::MergeStrategy as Strategy;

use super::{Conflict, Oid, Repository, WorkspaceFault};

/// Commits of one result that are taken one by one.
const COMMITS_MAX: usize = 1_000;

/// A merge that is made and not yet taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The line's name.
    pub line: String,
    /// What the line was.
    pub old: Oid,
    /// What it would be.
    pub new: Oid,
    /// Its files.
    pub tree: Oid,
    /// What is merged.
    pub result: Oid,
}

/// What a merge would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// The line has all of it already.
    Nothing,
    /// It can be taken.
    Clean(Candidate),
    /// Somebody has to decide.
    Conflict(Box<Conflict>),
}

/// What is to be merged.
pub(super) struct Wanted<'a> {
    pub line: &'a str,
    pub tip: &'a Oid,
    /// From what the result was made.
    pub base: &'a Oid,
    pub result: &'a Oid,
    /// Commits that were made on the way, if any.
    pub commits: Option<&'a Oid>,
    pub strategy: Strategy,
    pub message: &'a str,
}

impl Repository {
    /// Makes the merge of a result into the tip of a line.
    pub(super) fn propose(&self, wanted: &Wanted<'_>) -> Result<Proposal, WorkspaceFault> {
        let (tip, result) = (wanted.tip, wanted.result);
        let merged = self.merge_trees(wanted.base, tip, result)?;
        if !merged.files.is_empty() {
            return Ok(Proposal::Conflict(Box::new(Conflict {
                line: wanted.line.to_owned(),
                tip: tip.clone(),
                result: result.clone(),
                strategy: wanted.strategy,
                message: wanted.message.to_owned(),
                tree: merged.tree,
                files: merged.files,
                said: merged.said,
            })));
        }
        if merged.tree == self.tree_of(tip)? {
            return Ok(Proposal::Nothing);
        }
        let parents = match wanted.strategy {
            Strategy::Merge => vec![tip.clone(), result.clone()],
            Strategy::Squash => vec![tip.clone()],
            // Where one of the commits alone would be a conflict and all together are none, they come together.
            Strategy::Rebase => vec![self.replay(wanted)?.unwrap_or_else(|| tip.clone())],
        };
        let is_whole = parents.len() == 1 && parents[0] != *tip && self.tree_of(&parents[0])? == merged.tree;
        let new = if is_whole { parents[0].clone() } else { self.commit(&merged.tree, &parents, wanted.message)? };
        let (line, tree) = (wanted.line.to_owned(), merged.tree);
        Ok(Proposal::Clean(Candidate { line, old: tip.clone(), new, tree, result: result.clone() }))
    }

    /// The commits between the base and what an agent has committed last, made anew on the tip; `None` if there is none
    /// or one does not fit.
    fn replay(&self, wanted: &Wanted<'_>) -> Result<Option<Oid>, WorkspaceFault> {
        let Some(last) = wanted.commits else { return Ok(None) };
        let max = format!("--max-count={}", COMMITS_MAX + 1);
        let range = format!("{}..{last}", wanted.base);
        let words = ["rev-list", "--reverse", "--topo-order", "--parents", &max, &range];
        let output = self.call(&words).text()?;
        let lines: Vec<Vec<Oid>> =
            output.lines().map(|line| line.split(' ').filter_map(Oid::parse).collect()).collect();
        let is_straight = lines.iter().all(|line| line.len() == 2) && lines.len() <= COMMITS_MAX;
        if !is_straight || lines.first().is_none_or(|line| line.get(1) != Some(wanted.base)) {
            return Ok(None);
        }
        let mut tip = wanted.tip.clone();
        for line in &lines {
            let [commit, parent] = &line[..] else { return Ok(None) };
            let merged = self.merge_trees(parent, &tip, commit)?;
            if !merged.files.is_empty() {
                return Ok(None);
            }
            if merged.tree != self.tree_of(&tip)? {
                tip = self.commit_like(commit, &merged.tree, &tip)?;
            }
        }
        Ok(Some(tip))
    }

    /// A commit with the author and the words of another.
    fn commit_like(&self, commit: &Oid, tree: &Oid, parent: &Oid) -> Result<Oid, WorkspaceFault> {
        let words =
            ["show", "-s", "--no-show-signature", "--format=%an%x00%ae%x00%ad%x00%B", "--date=raw", commit.as_str()];
        let output = self.call(&words).run()?;
        let mut parts = output.splitn(4, |byte| *byte == 0);
        let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let author = [("GIT_AUTHOR_NAME", text()), ("GIT_AUTHOR_EMAIL", text()), ("GIT_AUTHOR_DATE", text())];
        let message = parts.next().unwrap_or_default();
        self.commit_as(tree, std::slice::from_ref(parent), message, &author)
    }
}
