//! A conflict as a workspace in which an agent or a person can decide: the files stand there with marks, and git in it
//! says that a merge is going on, so that everybody's habits work.

use std::fs;

use super::{
    Candidate, Conflict, ConflictFile, Maker, Oid, Request, Space, Strategy, WorkspaceFault, Workspaces,
    git::{parts, path_of},
    snapshot::copy_index,
};
use crate::base::Timestamp;

const MARKS: [&[u8]; 2] = [b"<<<<<<< ", b">>>>>>> "];

impl Workspaces {
    /// Makes the workspace of a conflict. `sides` are the names of what is merged already and of what is to be merged, as
    /// the marks in the files call them.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn resolving(
        &self,
        maker: &Maker,
        conflict: &Conflict,
        sides: (&str, &str),
        now: Timestamp,
    ) -> Result<Space, WorkspaceFault> {
        let space = self.make(&Request { maker, base: Some(&conflict.tip), now, is_line: false })?;
        let (top, git, repository) = (space.top(), space.top().join(".git"), &self.repository);
        let index = git.join("index");
        let call = |words: &[&str], input: &[u8]| repository.call(words).tree(&top).index(&index).input(input).run();
        call(&["read-tree", "--reset", "-u", conflict.tree.as_str()], b"")?;
        copy_index(&index, &space.index()).map_err(WorkspaceFault::io("keep the index"))?;
        call(&["update-index", "-z", "--index-info"], &stages(conflict))?;
        let made = fs::write(git.join("MERGE_HEAD"), format!("{}\n", conflict.result))
            .and_then(|()| fs::write(git.join("MERGE_MSG"), format!("{}\n", conflict.message)))
            .and_then(|()| fs::write(git.join("MERGE_MODE"), "no-ff\n"));
        made.map_err(WorkspaceFault::io(format!("fill {}", git.display())))?;
        space.name_marks(conflict, sides)?;
        Ok(space)
    }
}

/// A name as one line of a mark.
fn mark_name(name: &str) -> String {
    name.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
}

/// Marks call their sides by what people know: git calls them by their commits.
fn renamed(content: &[u8], names: [(&str, &str); 2]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let named = MARKS.iter().zip(names).find_map(|(mark, (commit, name))| {
            let rest = line.strip_prefix(*mark)?.strip_prefix(commit.as_bytes())?;
            Some([mark, mark_name(name).as_bytes(), rest].concat())
        });
        out.extend_from_slice(named.as_deref().unwrap_or(line));
    }
    out
}

/// The sides of every file, as git's index keeps them while a merge is open.
fn stages(conflict: &Conflict) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut lines = Vec::new();
    let mut line = |head: String, file: &ConflictFile| {
        lines.extend_from_slice(head.as_bytes());
        lines.extend_from_slice(file.path.as_os_str().as_bytes());
        lines.push(0);
    };
    for file in &conflict.files {
        line(format!("0 {} 0\t", "0".repeat(conflict.tip.as_str().len())), file);
        for (stage, entry) in [(1, &file.base), (2, &file.ours), (3, &file.theirs)] {
            if let Some(entry) = entry {
                line(format!("{} {} {stage}\t", entry.mode, entry.oid), file);
            }
        }
    }
    lines
}

impl Space {
    /// Writes the names of the sides into the marks of the files.
    fn name_marks(&self, conflict: &Conflict, (ours, theirs): (&str, &str)) -> Result<(), WorkspaceFault> {
        let names = [(conflict.tip.as_str(), ours), (conflict.result.as_str(), theirs)];
        for file in &conflict.files {
            let path = self.top().join(&file.path);
            // A link leads elsewhere, and has no marks.
            if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
                continue;
            }
            let failed = || WorkspaceFault::io(format!("name the sides in {}", path.display()));
            let content = fs::read(&path).map_err(failed())?;
            let now = renamed(&content, names);
            if now != content {
                fs::write(&path, now).map_err(failed())?;
            }
        }
        Ok(())
    }

    /// The last commit on the branch that is checked out, where it has been kept.
    pub(super) fn last_commit(&self) -> Result<Option<Oid>, WorkspaceFault> {
        let Some(git) = self.git() else { return Ok(None) };
        let words = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
        let (_, output) =
            self.repository.git.call(&words).env("GIT_DIR", git).at(&self.folder).run_any(&[0, 1, 128])?;
        let Some(commit) = Oid::parse(String::from_utf8_lossy(&output).trim()) else { return Ok(None) };
        Ok(self.repository.find(commit.as_str())?.filter(|commit| Some(commit) != self.owner.base.as_ref()))
    }

    /// What has been decided in the workspace of a conflict, as a merge that can be taken.
    ///
    /// # Errors
    /// Files that still have marks, and files without marks (deleted here and changed there, not a text) about which
    /// nobody has said with `git add` or `git rm` that they are decided.
    pub fn resolved(&mut self, conflict: &Conflict) -> Result<Candidate, WorkspaceFault> {
        let snapshot = self.snapshot()?;
        self.keep_commits(&snapshot.tree)?;
        let undecided = self.undecided()?;
        let marked = self.repository.changes(&conflict.tip, &conflict.tree)?;
        let mut paths = Vec::new();
        for file in &conflict.files {
            let shown = marked.iter().find(|change| change.path == file.path).and_then(|change| change.to.as_ref());
            let had_marks = match shown {
                Some(entry) if !entry.is_submodule() => has_marks(&self.repository.content(entry)?),
                Some(_) | None => false,
            };
            let is_open = if had_marks {
                fs::read(self.top().join(&file.path)).is_ok_and(|now| has_marks(&now))
            } else {
                undecided.contains(&file.path)
            };
            if is_open {
                paths.push(file.path.clone());
            }
        }
        if !paths.is_empty() {
            return Err(WorkspaceFault::Unresolved { paths });
        }
        let mut parents = vec![conflict.tip.clone()];
        if conflict.strategy == Strategy::Merge {
            parents.push(conflict.result.clone());
        }
        let new = self.repository.commit(&snapshot.tree, &parents, &conflict.message)?;
        let (line, old, result) = (conflict.line.clone(), conflict.tip.clone(), conflict.result.clone());
        self.owner.checkpoint = Some(new.clone());
        self.repository.set_name(&super::Point::Left(&self.name()).reference(&self.owner.maker.run), &new)?;
        self.owner.write(&self.folder)?;
        Ok(Candidate { line, old, new, tree: snapshot.tree, result })
    }

    /// What has become of a candidate in the workspace in which somebody has mended it.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn amended(&mut self, candidate: &Candidate) -> Result<Candidate, WorkspaceFault> {
        let snapshot = self.snapshot()?;
        if snapshot.tree == candidate.tree {
            return Ok(candidate.clone());
        }
        self.keep_commits(&snapshot.tree)?;
        let new = self.repository.commit(&snapshot.tree, std::slice::from_ref(&candidate.new), "mended")?;
        Ok(Candidate { new, tree: snapshot.tree, ..candidate.clone() })
    }

    /// The files that git in the workspace still calls unmerged.
    fn undecided(&self) -> Result<Vec<std::path::PathBuf>, WorkspaceFault> {
        let Some(git) = self.git() else { return Ok(Vec::new()) };
        let call = self.repository.git.call(&["ls-files", "-z", "--unmerged"]).env("GIT_DIR", git);
        let output = call.tree(&self.top()).run()?;
        let path = |line: &[u8]| line.iter().position(|byte| *byte == b'\t').map(|tab| path_of(&line[tab + 1..]));
        Ok(parts(&output).filter_map(path).collect())
    }
}

fn has_marks(content: &[u8]) -> bool {
    MARKS.iter().any(|mark| {
        content.starts_with(mark) || content.windows(mark.len() + 1).any(|part| part[0] == b'\n' && &part[1..] == *mark)
    })
}
