//! What this process remembers of a project between two openings of its repository, so that a run in a project that
//! nobody has touched does not ask git for all of it again.
//!
//! Invariant: nothing is taken from here before it has been looked at again. What git told holds while its sources stand.
//! A state from which a run began is one only where no file has been touched since and git takes its commit for the name
//! of another run: the user's `git gc` may have taken it away.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Oid, WorkspaceFault,
    git::Git,
    seen::Known,
    told::{Sources, Told},
};

/// Projects that are remembered.
const PROJECTS_MAX: usize = 16;

static PROJECTS: Mutex<Vec<Arc<Memory>>> = Mutex::new(Vec::new());

/// The state that a run began from.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    /// What the commit stands on.
    pub parents: Vec<Oid>,
    /// The commit.
    pub commit: Oid,
    /// The files that it holds.
    pub known: Arc<Known>,
}

/// What is remembered of one project.
#[derive(Debug)]
pub(super) struct Memory {
    git: Git,
    root: PathBuf,
    state: PathBuf,
    told: Mutex<Option<(Told, Sources)>>,
    begun: Mutex<Option<Begun>>,
}

impl Memory {
    /// That of the project at `root` with the store at `state`.
    pub fn of(git: &Git, root: &Path, state: &Path) -> Arc<Self> {
        let mut all = PROJECTS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().find(|known| known.root == root && known.state == state && known.git == *git);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        if all.len() >= PROJECTS_MAX {
            all.remove(0);
        }
        let (git, root, state) = (git.clone(), root.to_path_buf(), state.to_path_buf());
        let new = Arc::new(Self { git, root, state, told: Mutex::default(), begun: Mutex::default() });
        all.push(Arc::clone(&new));
        new
    }

    /// What git tells of it. Whoever asks meanwhile waits and gets the same answer.
    pub fn told(&self) -> Result<Told, WorkspaceFault> {
        let mut kept = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((told, sources)) = &*kept
            && sources.still_stand()
        {
            return Ok(told.clone());
        }
        *kept = None;
        let (told, sources) = Told::ask(&self.git, &self.root)?;
        *kept = sources.map(|sources| (told.clone(), sources));
        Ok(told)
    }

    /// The state that the last run began from.
    pub fn begun(&self) -> Option<Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers it.
    pub fn begin(&self, begun: Begun) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
    }
}
