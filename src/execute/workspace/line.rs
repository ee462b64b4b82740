//! A line: what is merged so far, as a name in `refs/orch/`. The user's files get it at the end, by a delivery.
//!
//! Invariant: a line only moves to a commit that its gate has passed, and only from the commit that the gate saw before.

use crate::base::RunId;

use super::{
    Bounds, Candidate, Conflict, Oid, Point, Proposal, Repository, Space, Strategy, WorkspaceFault, merge::Wanted,
};

/// How often a merge is made again because another one came first.
const TRIES_MAX: u32 = 50;

/// Where results come together.
#[derive(Debug, Clone)]
pub struct Line {
    repository: Repository,
    name: String,
}

/// How a merge has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The line had all of it.
    Nothing,
    /// It is in the line.
    Taken(Candidate),
    /// Somebody has to decide; the line is as it was.
    Conflict(Box<Conflict>),
    /// The gate said no; the line is as it was.
    Refused {
        /// What it would have been.
        candidate: Candidate,
        /// The gate's words.
        reason: String,
    },
}

impl Line {
    /// The line of a step, which begins at `base` unless it has begun.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn begin(repository: &Repository, run: &RunId, step: &str, base: &Oid) -> Result<Self, WorkspaceFault> {
        let name = Point::Line(step).reference(run);
        // If it fails, the line has begun before.
        repository.move_name(&name, None, base)?;
        Ok(Self { repository: repository.clone(), name })
    }

    /// The line of a step with the project on it as it is now: what others have changed meanwhile comes before what is
    /// merged next.
    ///
    /// # Errors
    /// When git cannot be asked, or the files cannot be kept.
    pub fn meet(repository: &Repository, run: &RunId, step: &str) -> Result<Self, WorkspaceFault> {
        let lock = repository.lock()?;
        repository.finish_intent(&lock)?;
        let line = Self::of(repository, run, step);
        let now = repository.look_at_project(&lock, &[], Bounds::default())?;
        let tip = repository.find(&line.name)?;
        let is_there =
            tip.as_ref().map(|tip| repository.tree_of(tip)).transpose()?.is_some_and(|tree| tree == now.tree);
        if !is_there {
            let parents: Vec<_> = match &tip {
                Some(tip) => vec![tip.clone()],
                None => repository.head()?.into_iter().collect(),
            };
            let commit = repository.commit(&now.tree, &parents, "the project as it is")?;
            if !repository.move_name(&line.name, tip.as_ref(), &commit)? {
                return Err(WorkspaceFault::Busy { holder: None });
            }
        }
        Ok(line)
    }

    /// The line of a step, whether it has begun or not.
    #[must_use]
    pub fn of(repository: &Repository, run: &RunId, step: &str) -> Self {
        Self { repository: repository.clone(), name: Point::Line(step).reference(run) }
    }

    /// What is merged so far.
    ///
    /// # Errors
    /// When somebody has removed it.
    pub fn tip(&self) -> Result<Oid, WorkspaceFault> {
        self.repository.find(&self.name)?.ok_or_else(|| WorkspaceFault::Unknown(self.name.clone()))
    }

    /// What merging a workspace's checkpoint would be.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn propose(
        &self,
        space: &Space,
        result: &Oid,
        strategy: Strategy,
        message: &str,
    ) -> Result<Proposal, WorkspaceFault> {
        // What has been merged already is where a workspace that went on began anew.
        let base = space.owner.merged.as_ref().or(space.owner.base.as_ref());
        let base = base.ok_or_else(|| WorkspaceFault::Unknown("the workspace's base".to_owned()))?;
        let commits = match strategy {
            Strategy::Rebase => space.last_commit()?,
            Strategy::Merge | Strategy::Squash => None,
        };
        let tip = self.tip()?;
        let wanted = Wanted { line: &self.name, tip: &tip, base, result, commits: commits.as_ref(), strategy, message };
        self.repository.propose(&wanted)
    }

    /// What taking a merge back would be. Its commit stays in the history, followed by one that undoes it.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn propose_revert(&self, taken: &Candidate, message: &str) -> Result<Proposal, WorkspaceFault> {
        let tip = self.tip()?;
        let strategy = Strategy::Squash;
        let (base, result) = (&taken.new, &taken.old);
        self.repository.propose(&Wanted { line: &self.name, tip: &tip, base, result, commits: None, strategy, message })
    }

    /// Takes a candidate; `false` if the line has moved since it was made. The caller then says so to the workspaces that
    /// are in it ([`Space::merged`]): to the one that was merged, and to the one in which a conflict was solved.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn accept(&self, candidate: &Candidate) -> Result<bool, WorkspaceFault> {
        self.repository.move_name(&self.name, Some(&candidate.old), &candidate.new)
    }

    /// Merges a workspace's checkpoint: makes it, shows it to the gate, takes it; again if another one came first.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn merge(
        &self,
        space: &mut Space,
        result: &Oid,
        strategy: Strategy,
        message: &str,
        gate: &mut dyn FnMut(&Candidate) -> Result<(), String>,
    ) -> Result<Merged, WorkspaceFault> {
        for _ in 0..TRIES_MAX {
            let candidate = match self.propose(space, result, strategy, message)? {
                Proposal::Clean(candidate) => candidate,
                Proposal::Nothing => {
                    space.merged(result)?;
                    return Ok(Merged::Nothing);
                }
                Proposal::Conflict(conflict) => return Ok(Merged::Conflict(conflict)),
            };
            if let Err(reason) = gate(&candidate) {
                return Ok(Merged::Refused { candidate, reason });
            }
            if self.accept(&candidate)? {
                space.merged(result)?;
                return Ok(Merged::Taken(candidate));
            }
        }
        Err(WorkspaceFault::Busy { holder: None })
    }
}
