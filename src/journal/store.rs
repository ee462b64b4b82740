//! `.orch/state/`: the database, one folder a run, artifacts.
//!
//! Knows where things lie, not what they mean.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Artifacts, Journal, Memory, Sqlite, StoreError, folder};
use crate::base::RunId;

const STATE: &str = ".orch/state";

/// A project's store.
pub struct Store {
    state: PathBuf,
    journal: Arc<dyn Journal>,
    artifacts: Artifacts,
}

impl Store {
    /// Opens the store of the project at `root`; makes it where there is none.
    ///
    /// Everything in it is readable by its owner only and ignored by git.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::with(root, |state| Ok(Arc::new(Sqlite::open(&state.join("orch.db"))?)))
    }

    /// A store for runs that nobody resumes after this process: its journal is in memory, and waits for no disk.
    pub fn passing(root: &Path) -> Result<Self, StoreError> {
        Self::with(root, |_| Ok(Arc::new(Memory::new())))
    }

    fn with(
        root: &Path,
        journal: impl FnOnce(&Path) -> Result<Arc<dyn Journal>, StoreError>,
    ) -> Result<Self, StoreError> {
        let state = root.join(STATE);
        let failed = |error: io::Error| StoreError::io(format!("make {}", state.display()), error);
        let runs = state.join("runs");
        for folder in [&state, &runs] {
            folder::private_folder(folder).map_err(failed)?;
        }
        ignore(&state).map_err(failed)?;
        let journal = journal(&state)?;
        let artifacts = Artifacts::open(&state.join("artifacts")).map_err(failed)?;
        Ok(Self { state, journal, artifacts })
    }

    /// Whether the project at `root` has a store, for verbs that only read.
    #[must_use]
    pub fn exists(root: &Path) -> bool {
        root.join(STATE).join("orch.db").exists()
    }

    /// The journal of all runs.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.journal)
    }

    /// The kept files.
    #[must_use]
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// `.orch/state` itself.
    #[must_use]
    pub fn state_folder(&self) -> &Path {
        &self.state
    }

    /// The folder of a run, for logs and the owner's lock; made where there is none.
    pub fn run_folder(&self, run: &RunId) -> Result<PathBuf, StoreError> {
        let folder = self.state.join("runs").join(run.as_str());
        folder::private_folder(&folder).map_err(|error| StoreError::io(format!("make {}", folder.display()), error))?;
        Ok(folder)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Tells git to leave the folder alone, whatever the project's own rules say.
fn ignore(state: &Path) -> io::Result<()> {
    let path = state.join(".gitignore");
    if path.exists() { Ok(()) } else { std::fs::write(path, "*\n") }
}
