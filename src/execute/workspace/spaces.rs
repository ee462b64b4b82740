//! The workspaces of one run: who works where, what is proposed, what is taken, what is kept. Everything on demand: a run
//! that needs none asks git nothing.
//!
//! What it must know again after a crash stands in the folders of the workspaces and in `refs/orch/`, not here. One call at
//! a time: git is asked by one of a run's attempts at once.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::base::{RunId, Timestamp};

use super::{
    Bounds, Candidate, Checkpoint, Conflict, Line, Maker, Oid, Point, Proposal, Repository, Request, Rounds, Space,
    Strategy, WorkspaceFault, Workspaces,
};

/// The line of all merges of a run: what the project gets, one after the other.
const LINE: &str = "project";
/// Digits of a commit that tell the workspaces of one merge apart.
const DIGITS: usize = 12;

/// What works in a workspace of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// Its path.
    pub step: String,
    /// Tells it from an earlier one of that path in the same run.
    pub number: u32,
}

impl Unit {
    /// The name of the state that it begins from ([`Point::Base`]).
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.step, self.number)
    }
}

/// Where an attempt works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The folder.
    pub root: PathBuf,
    /// What its commands are told on top of everything else.
    pub env: Vec<(OsString, OsString)>,
}

/// A merge that is to be proposed.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is merged.
    pub unit: Unit,
    /// The step that merges it.
    pub merge: Unit,
    /// As which commits.
    pub strategy: Strategy,
    /// Whether gates look at it before it is taken.
    pub has_gates: bool,
    /// Whether somebody has mended what was proposed before.
    pub is_mended: bool,
    /// Now.
    pub now: Timestamp,
}

/// What a merge would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposed {
    /// Nobody has worked there.
    NoWork,
    /// It fits.
    Ready(Ready),
    /// Somebody has to decide.
    Conflict {
        /// What git says, line by line.
        said: Vec<String>,
        /// Which files are open.
        paths: Vec<PathBuf>,
        /// Where they stand, with marks.
        root: PathBuf,
    },
}

/// A merge that can be taken. All that [`Spaces::take`] needs, so that it can be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// What the line was.
    pub before: Oid,
    /// What it would be; the same where there is nothing to merge.
    pub commit: Oid,
    /// What is merged.
    pub result: Oid,
}

/// What a merge has done to the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The files that changed, from the project's folder.
    pub paths: Vec<PathBuf>,
}

/// The workspaces of one run.
#[derive(Debug)]
pub struct Spaces {
    root: PathBuf,
    state: PathBuf,
    env: Vec<(OsString, OsString)>,
    run: RunId,
    open: Mutex<Option<Workspaces>>,
    /// The last checkpoint of the project's files that this process has made.
    last: Mutex<Option<Checkpoint>>,
    rounds: Rounds<Option<Oid>>,
    begun: Rounds<Option<(Oid, String)>>,
}

impl Spaces {
    /// Those of a run of the project at `root`; `state` is the folder of the store, `env` what children may see.
    #[must_use]
    pub fn new(root: PathBuf, state: PathBuf, env: Vec<(OsString, OsString)>, run: RunId) -> Self {
        Self {
            root,
            state,
            env,
            run,
            open: Mutex::default(),
            last: Mutex::default(),
            rounds: Rounds::default(),
            begun: Rounds::default(),
        }
    }

    pub(super) fn open(&self) -> Result<Held<'_>, WorkspaceFault> {
        // Nothing in there is half done when a call panics.
        let mut guard = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all = match &*guard {
            Some(all) => all.clone(),
            None => {
                let repository = Repository::open(&self.root, &self.state, &self.env)?;
                guard.insert(Workspaces::open(&repository)?).clone()
            }
        };
        Ok(Held { repository: all.repository.clone(), all, run: &self.run, _turn: guard })
    }

    /// Keeps the state before the run, unless that was done.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn begin(&self) -> Result<(), WorkspaceFault> {
        let held = self.open()?;
        if let Some(made) = held.repository.begin(&self.run)? {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        }
        Ok(())
    }

    /// Keeps a checkpoint as the state before a step.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn name_before(&self, name: &str, commit: &Oid) -> Result<(), WorkspaceFault> {
        let held = self.open()?;
        held.repository.set_name(&Point::Base(name).reference(&self.run), commit)
    }

    /// The same for the state before steps, with the name that it has.
    #[must_use]
    pub fn begun(&self) -> &Rounds<Option<(Oid, String)>> {
        &self.begun
    }

    /// Whose turn it is to keep the project's files: what several have left at once is kept once.
    #[must_use]
    pub fn rounds(&self) -> &Rounds<Option<Oid>> {
        &self.rounds
    }

    /// Keeps the files of a unit, or of the project.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub fn keep(&self, unit: Option<&Unit>, point: &Point<'_>, message: &str) -> Result<Checkpoint, WorkspaceFault> {
        let held = self.open()?;
        let space = unit.map(|unit| held.find(unit)).transpose()?.flatten();
        if let Some(mut space) = space {
            return space.checkpoint(point, message);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match point {
            Point::Step(_) | Point::Base(_) => {
                held.repository.checkpoint_after(&self.run, last.as_ref(), (point, message), Bounds::default())?
            }
            _ => held.repository.checkpoint(&self.run, point, message, Bounds::default())?,
        };
        *last = Some(made.clone());
        Ok(made)
    }

    /// What has changed since the state of that name before a step, as text; where it has no name, since `earlier`, or since
    /// the run began. `None` where nothing is kept.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn seen(
        &self,
        unit: Option<&Unit>,
        before: &str,
        earlier: Option<&Oid>,
    ) -> Result<Option<Vec<u8>>, WorkspaceFault> {
        let held = self.open()?;
        let Some(from) = held.state_before(before, earlier)? else { return Ok(None) };
        let tree = self.tree(&held, unit)?;
        held.repository.readable(&from, &tree).map(Some)
    }

    /// What a merge would change, as text.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn seen_merge(&self, ready: &Ready) -> Result<Vec<u8>, WorkspaceFault> {
        self.open()?.repository.readable(&ready.before, &ready.commit)
    }

    fn tree(&self, held: &Held<'_>, unit: Option<&Unit>) -> Result<Oid, WorkspaceFault> {
        match unit.map(|unit| held.find(unit)).transpose()?.flatten() {
            Some(space) => Ok(space.snapshot()?.tree),
            None => held.repository.now(Bounds::default()),
        }
    }

    /// Where a unit works: its workspace is made the first time, and found again after a crash.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn sit(&self, unit: &Unit, now: Timestamp) -> Result<Seat, WorkspaceFault> {
        let held = self.open()?;
        if let Some(space) = held.find(unit)? {
            return Ok(seat(&space));
        }
        // Not the line: it stays where it is while a merge is looked at.
        let name = unit.name();
        let bounds = Bounds::default();
        let base = held.repository.checkpoint(&self.run, &Point::Base(&name), "where it begins", bounds)?.commit;
        let maker = held.maker(&unit.step, unit.number.to_string());
        Ok(seat(&held.all.make(&Request { maker: &maker, base: Some(&base), now, is_line: false })?))
    }

    /// Where what a merge proposes can be looked at and mended.
    ///
    /// # Errors
    /// When nothing has been proposed.
    pub fn look(&self, unit: &Unit, merge: &Unit) -> Result<Seat, WorkspaceFault> {
        let held = self.open()?;
        let unknown = || WorkspaceFault::Unknown(merge.step.clone());
        let result = held.find(unit)?.and_then(|space| space.owner().checkpoint.clone()).ok_or_else(unknown)?;
        let tip = Line::of(&held.repository, &self.run, LINE).tip()?;
        let space = held.all.find(&held.mending(merge, &tip, &result))?.ok_or_else(unknown)?;
        Ok(seat(&space))
    }

    /// Makes what a merge would be. What somebody has decided or mended of an earlier proposal counts; all else is proposed
    /// anew, on top of what the project holds by now.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn propose(&self, ask: &Ask) -> Result<Proposed, WorkspaceFault> {
        let held = self.open()?;
        let proposed = self.propose_held(&held, ask)?;
        if let Proposed::Ready(Ready { before, commit, .. }) = &proposed {
            // Under the names by which everybody finds what a step has changed.
            let name = ask.merge.name();
            held.repository.set_name(&Point::Base(&name).reference(&self.run), before)?;
            held.repository.set_name(&Point::Step(&ask.merge.step).reference(&self.run), commit)?;
        }
        Ok(proposed)
    }

    fn propose_held(&self, held: &Held<'_>, ask: &Ask) -> Result<Proposed, WorkspaceFault> {
        let Some(mut unit) = held.find(&ask.unit)? else { return Ok(Proposed::NoWork) };
        let message = format!("{} of run {}", ask.unit.step, self.run);
        let result = unit.checkpoint(&Point::Step(&ask.unit.step), &message)?.commit;
        let line = Line::of(&held.repository, &self.run, LINE);
        let mut earlier = None;
        if let Some(tip) = held.repository.find(&Point::Line(LINE).reference(&self.run))?
            && let Some(mut shown) = held.all.find(&held.mending(&ask.merge, &tip, &result))?
        {
            let mended = match line.propose(&unit, &result, ask.strategy, &message)? {
                Proposal::Conflict(conflict) => decided(&mut shown, &conflict)?.ok(),
                Proposal::Clean(candidate) if ask.is_mended => Some(shown.amended(&candidate)?),
                Proposal::Clean(_) | Proposal::Nothing => None,
            };
            if let Some(Candidate { new: commit, .. }) = mended {
                return Ok(Proposed::Ready(Ready { before: tip, commit, result }));
            }
            earlier = Some((tip, shown));
        }
        let before = Line::meet(&held.repository, &self.run, LINE)?.tip()?;
        if let Some((_, mut stale)) = earlier.filter(|(tip, _)| *tip != before) {
            // The project has gone on: what nobody has finished there is of no use any more.
            stale.abandon()?;
            stale.release()?;
        }
        let maker = held.mending(&ask.merge, &before, &result);
        let shown = held.all.find(&maker)?;
        let commit = match line.propose(&unit, &result, ask.strategy, &message)? {
            Proposal::Conflict(conflict) => {
                let mut space = match shown {
                    Some(space) => space,
                    None => held.all.resolving(&maker, &conflict, (LINE, &ask.unit.step), ask.now)?,
                };
                return Ok(match decided(&mut space, &conflict)? {
                    Ok(Candidate { new: commit, .. }) => Proposed::Ready(Ready { before, commit, result }),
                    Err(paths) => {
                        // People and agents know steps, not commits.
                        let named = |line: String| {
                            line.replace(conflict.tip.as_str(), LINE).replace(conflict.result.as_str(), &ask.unit.step)
                        };
                        let said = conflict.said.iter().cloned().map(named).collect();
                        Proposed::Conflict { said, paths, root: space.top() }
                    }
                });
            }
            Proposal::Nothing => before.clone(),
            Proposal::Clean(candidate) => candidate.new,
        };
        match shown {
            Some(space) if ask.has_gates => space.place(&commit)?,
            None if ask.has_gates => {
                held.all.make(&Request { maker: &maker, base: Some(&commit), now: ask.now, is_line: true })?;
            }
            Some(_) | None => {}
        }
        Ok(Proposed::Ready(Ready { before, commit, result }))
    }

    /// Takes a merge: the line has it, and the project gets the files. May be done again after a crash.
    ///
    /// # Errors
    /// When the user has changed the same files since it was proposed; nothing of the project has changed then.
    pub fn take(&self, unit: &Unit, merge: &Unit, ready: &Ready) -> Result<Taken, WorkspaceFault> {
        let held = self.open()?;
        let Ready { before, commit, result } = ready;
        let mut taken = Taken::default();
        if before != commit {
            let line = Line::of(&held.repository, &self.run, LINE);
            let tree = held.repository.tree_of(commit)?;
            let name = Point::Line(LINE).reference(&self.run);
            let (old, new, result) = (before.clone(), commit.clone(), result.clone());
            if line.tip()? != *commit && !line.accept(&Candidate { line: name, old, new, tree, result })? {
                return Err(WorkspaceFault::Busy { holder: None });
            }
            let message = format!("before the merge of {}", unit.step);
            held.repository.deliver(&self.run, before, commit, &message)?;
            let inner = held.repository.inner();
            let changes = held.repository.changes(before, commit)?.into_iter();
            taken.paths = changes.map(|change| within(&change.path, inner)).collect();
        }
        for (mut space, checkpoint) in [(held.find(unit)?, Some(result.clone())), (held.shown(merge, ready)?, None)]
            .into_iter()
            .filter_map(|(space, checkpoint)| Some((space?, checkpoint)))
        {
            if let Some(checkpoint) = checkpoint.or_else(|| space.owner().checkpoint.clone()) {
                space.merged(&checkpoint)?;
            }
            space.release()?;
        }
        Ok(taken)
    }

    /// Removes what nobody needs any more, if this run has had workspaces.
    ///
    /// # Errors
    /// When the folder of all workspaces cannot be read.
    pub fn close(&self) -> Result<(), WorkspaceFault> {
        let all = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match all {
            // Of other runs nobody here knows whether they wait.
            Some(all) => all.collect_but(false, &|run| *run != self.run).map(drop),
            None => Ok(()),
        }
    }
}

/// The repository and the workspaces, for one call.
pub(super) struct Held<'a> {
    pub(super) repository: Repository,
    all: Workspaces,
    pub(super) run: &'a RunId,
    _turn: MutexGuard<'a, Option<Workspaces>>,
}

impl Held<'_> {
    fn maker(&self, step: &str, attempt: String) -> Maker {
        Maker { run: self.run.clone(), step: step.to_owned(), attempt }
    }

    pub(super) fn find(&self, unit: &Unit) -> Result<Option<Space>, WorkspaceFault> {
        self.all.find(&self.maker(&unit.step, unit.number.to_string()))
    }

    /// For whom the workspace is in which a merge is shown: of this result, into this tip, and of no other.
    fn mending(&self, merge: &Unit, tip: &Oid, result: &Oid) -> Maker {
        let (tip, result) = (&tip.as_str()[..DIGITS], &result.as_str()[..DIGITS]);
        self.maker(&merge.step, format!("{}-{tip}-{result}", merge.number))
    }

    /// The state of that name before a step, else the earlier one, else that before the run.
    pub(super) fn state_before(&self, name: &str, earlier: Option<&Oid>) -> Result<Option<Oid>, WorkspaceFault> {
        if let Some(own) = self.repository.find(&Point::Base(name).reference(self.run))? {
            return Ok(Some(own));
        }
        match earlier {
            Some(earlier) => Ok(Some(earlier.clone())),
            None => self.repository.find(&Point::Start.reference(self.run)),
        }
    }

    fn shown(&self, merge: &Unit, ready: &Ready) -> Result<Option<Space>, WorkspaceFault> {
        self.all.find(&self.mending(merge, &ready.before, &ready.result))
    }
}

fn seat(space: &Space) -> Seat {
    Seat { root: space.root(), env: space.env() }
}

/// What has been decided in the workspace of a conflict, or what is still open.
fn decided(space: &mut Space, conflict: &Conflict) -> Result<Result<Candidate, Vec<PathBuf>>, WorkspaceFault> {
    match space.resolved(conflict) {
        Ok(candidate) => Ok(Ok(candidate)),
        Err(WorkspaceFault::Unresolved { paths }) => Ok(Err(paths)),
        Err(fault) => Err(fault),
    }
}

/// A path of the repository, from the project's folder where it lies below it.
fn within(path: &Path, inner: &Path) -> PathBuf {
    path.strip_prefix(inner).unwrap_or(path).to_path_buf()
}
