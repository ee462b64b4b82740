//! Checkpoints: the state of a working tree as a commit with a name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::base::{Digest, RunId};

use super::{Bounds, Oid, Point, Repository, Snapshot, WorkspaceFault, lock::Lock, memory::Begun, snapshot::Look};

/// Who makes commits; the user's name stands on what the user has done.
const MAKER: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "orch"),
    ("GIT_AUTHOR_EMAIL", "orch@localhost"),
    ("GIT_COMMITTER_NAME", "orch"),
    ("GIT_COMMITTER_EMAIL", "orch@localhost"),
];
/// What the state before a run says of itself.
const BEFORE_RUN: &str = "before the run";
/// The longest message, in bytes.
const MESSAGE_MAX: usize = 10_000;

/// From what a workspace begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// What a step has left, or what is merged so far. The default where there is such a thing: people expect that a
    /// step sees what the steps that it needs have made.
    Checkpoint(Oid),
    /// The project's files as they are now, with what is not committed and what is not tracked. The default for the
    /// first step: people expect an agent to see what they see, not what they committed last week.
    Now,
    /// The user's last commit and nothing else, for those who say so.
    Head,
}

/// A state that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
    /// Its commit.
    pub commit: Oid,
    /// Its files.
    pub tree: Oid,
    /// Repositories inside of which nothing is kept.
    pub left_out: Vec<PathBuf>,
}

impl Repository {
    /// Keeps the files of the project as they are. The user's branch, index and files stay as they are.
    ///
    /// # Errors
    /// When the files cannot be read, or are over the bounds.
    pub fn checkpoint(
        &self,
        run: &RunId,
        point: &Point<'_>,
        message: &str,
        bounds: Bounds,
    ) -> Result<Checkpoint, WorkspaceFault> {
        let lock = self.lock()?;
        let snapshot = self.look_at_project(&lock, &[], bounds)?;
        self.keep(run, point, &snapshot, message)
    }

    /// The same after `last`, which it is where no file has changed: then there is nothing to keep. What the name stood for
    /// before is in the history of the new commit, so that nobody's `git gc` takes it away.
    ///
    /// # Errors
    /// When the files cannot be read, or are over the bounds.
    pub fn checkpoint_after(
        &self,
        run: &RunId,
        last: Option<&Checkpoint>,
        (point, message): (&Point<'_>, &str),
        bounds: Bounds,
    ) -> Result<Checkpoint, WorkspaceFault> {
        let lock = self.lock()?;
        let snapshot = self.look_at_project(&lock, &[], bounds)?;
        if let Some(last) = last.filter(|last| last.tree == snapshot.tree) {
            return Ok(Checkpoint { left_out: snapshot.left_out, ..last.clone() });
        }
        let name = point.reference(run);
        let mut parents: Vec<_> = match last {
            Some(last) => vec![last.commit.clone()],
            None => self.head()?.into_iter().collect(),
        };
        let mut commit = self.commit(&snapshot.tree, &parents, message)?;
        if !self.move_name(&name, None, &commit)? {
            parents.extend(self.find(&name)?.filter(|old| !parents.contains(old)));
            commit = self.commit(&snapshot.tree, &parents, message)?;
            self.set_name(&name, &commit)?;
        }
        Ok(Checkpoint { name, commit, tree: snapshot.tree, left_out: snapshot.left_out })
    }

    /// The files of the project as they are, as a tree without a name.
    ///
    /// # Errors
    /// When the files cannot be read, or are over the bounds.
    pub fn now(&self, bounds: Bounds) -> Result<Oid, WorkspaceFault> {
        let lock = self.lock()?;
        Ok(self.look_at_project(&lock, &[], bounds)?.tree)
    }

    /// What was said when a checkpoint was made.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn message(&self, name: &str) -> Result<String, WorkspaceFault> {
        let words = ["log", "-1", "--no-show-signature", "--format=%B", "--end-of-options", name];
        self.named(&words).text()
    }

    /// The commit that a workspace begins from.
    ///
    /// # Errors
    /// When there is none, or the files cannot be kept.
    pub fn base(&self, run: &RunId, base: &Base, bounds: Bounds) -> Result<Oid, WorkspaceFault> {
        match base {
            Base::Checkpoint(commit) => Ok(commit.clone()),
            Base::Now => Ok(self.checkpoint(run, &Point::Start, BEFORE_RUN, bounds)?.commit),
            Base::Head => self.head()?.ok_or_else(|| WorkspaceFault::Unknown("HEAD".to_owned())),
        }
    }

    /// Keeps the project's files as the state before a run; `None` where that was done before. Runs that begin in the same
    /// state begin from the same commit.
    ///
    /// # Errors
    /// When the files cannot be read, or are over the bounds.
    pub fn begin(&self, run: &RunId) -> Result<Option<Checkpoint>, WorkspaceFault> {
        let lock = self.lock()?;
        let name = Point::Start.reference(run);
        let parents: Vec<_> = self.head()?.into_iter().collect();
        if let Some(as_before) = self.begin_as_before(&lock, &name, &parents) {
            return Ok(as_before);
        }
        if self.find(&name)?.is_some() {
            return Ok(None);
        }
        let Snapshot { tree, left_out } = self.look_at_project(&lock, &[], Bounds::default())?;
        let commit = self.commit(&tree, &parents, BEFORE_RUN)?;
        self.set_name(&name, &commit)?;
        if let Some(known) = self.seen.known(&self.project_index()) {
            self.memory.begin(Begun { parents, commit: commit.clone(), known });
        }
        Ok(Some(Checkpoint { name, commit, tree, left_out }))
    }

    /// The same where nothing has changed since a run of this process began; `None` where that is not certain.
    fn begin_as_before(&self, lock: &Lock, name: &str, parents: &[Oid]) -> Option<Option<Checkpoint>> {
        let Begun { commit, known, .. } = self.memory.begun().filter(|begun| begun.parents == parents)?;
        let index = self.project_index();
        self.seen.learn(&index, known);
        let tree = self.unchanged(&self.project(lock, &index, &[], Bounds::default()))?;
        let Ok(is_new) = self.move_name(name, None, &commit) else {
            // Nobody has named it any more, and it is gone; so may be what it held.
            self.seen.forget(&index);
            return None;
        };
        Some(is_new.then(|| Checkpoint { name: name.to_owned(), commit, tree, left_out: Vec::new() }))
    }

    /// The project's files now.
    pub(super) fn look_at_project(
        &self,
        lock: &Lock,
        also: &[PathBuf],
        bounds: Bounds,
    ) -> Result<Snapshot, WorkspaceFault> {
        let index = self.project_index();
        let seed = if index.exists() { None } else { self.head()? };
        self.snapshot(&Look { seed: seed.as_ref(), ..self.project(lock, &index, also, bounds) })
    }

    fn project<'a>(&'a self, _lock: &Lock, index: &'a Path, also: &'a [PathBuf], bounds: Bounds) -> Look<'a> {
        Look { folder: self.top(), index, tracker: self.own(), also, seed: None, bounds }
    }

    /// The private index of the project's files.
    fn project_index(&self) -> PathBuf {
        let name = Digest::of(self.top().as_os_str().as_encoded_bytes());
        self.state().join("git").join(format!("project-{}.index", name.short()))
    }

    /// Makes a commit of the project's files and gives it a name.
    pub(super) fn keep(
        &self,
        run: &RunId,
        point: &Point<'_>,
        snapshot: &Snapshot,
        message: &str,
    ) -> Result<Checkpoint, WorkspaceFault> {
        let parents: Vec<_> = self.head()?.into_iter().collect();
        let commit = self.commit(&snapshot.tree, &parents, message)?;
        let name = point.reference(run);
        self.set_name(&name, &commit)?;
        Ok(Checkpoint { name, commit, tree: snapshot.tree.clone(), left_out: snapshot.left_out.clone() })
    }

    /// Makes a commit that has no name yet.
    pub(super) fn commit(&self, tree: &Oid, parents: &[Oid], message: &str) -> Result<Oid, WorkspaceFault> {
        self.commit_as(tree, parents, message.as_bytes(), &[])
    }

    /// The same with somebody as the author.
    pub(super) fn commit_as(
        &self,
        tree: &Oid,
        parents: &[Oid],
        message: &[u8],
        author: &[(&'static str, String)],
    ) -> Result<Oid, WorkspaceFault> {
        let mut call = self.call(&["commit-tree", tree.as_str(), "-F", "-"]);
        for parent in parents {
            call = call.words(["-p", parent.as_str()]);
        }
        for (name, value) in MAKER {
            call = call.env(name, value);
        }
        for (name, value) in author {
            call = call.env(name, value);
        }
        call.input(&message[..message.len().min(MESSAGE_MAX)]).oid()
    }

    /// Gives up all checkpoints of a run. What only they held is gone with the user's next `git gc`.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn forget(&self, run: &RunId) -> Result<usize, WorkspaceFault> {
        let _lock = self.lock()?;
        let points = self.points(run)?;
        let lines: String = points.iter().map(|(name, oid)| format!("delete {name} {oid}\n")).collect();
        self.update_names(&lines)?;
        Ok(points.len())
    }

    /// Removes private files that a killed process has left. Only with the lock, and only old ones.
    pub(super) fn sweep(&self, _lock: &Lock) {
        const OLD: std::time::Duration = std::time::Duration::from_secs(3600);
        for entry in fs::read_dir(self.state().join("git")).into_iter().flatten().flatten() {
            let is_scrap = entry.file_name().to_string_lossy().contains(".new");
            let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|time| time.elapsed().ok());
            if is_scrap && age.is_some_and(|age| age > OLD) {
                fs::remove_file(entry.path()).ok();
            }
        }
    }
}
