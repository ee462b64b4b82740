//! The contract, kept by the writer thread and the readers.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    inbox::Inbox,
    read::{Pages, Readers},
    schema::{self, Opened, SQLITE_VERSION_MIN},
    writer::{Command, Writer},
};
use crate::{
    base::RunId,
    journal::{
        Ack, Append, AppendError, Decision, DecisionId, Journal, NewRun, Records, RunQuery, RunSummary, StoreError,
    },
};

/// The journal in a database file. Dropping it finishes what was handed over, then closes the file.
#[derive(Debug)]
pub struct Sqlite {
    readers: Arc<Readers>,
    inbox: Mutex<Inbox>,
    writer: Writer,
    /// Declared last, so that it is given back after the connections are closed.
    _live: File,
}

impl Sqlite {
    /// The version of the SQLite inside this program, and whether it is new enough for a store.
    #[must_use]
    pub fn library_version() -> (&'static str, bool) {
        (rusqlite::version(), rusqlite::version_number() >= SQLITE_VERSION_MIN)
    }

    /// Opens the database file at `path`; creates it, or brings it to the current version, where needed.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let Opened { writer, live } = schema::open(path)?;
        let inbox = Mutex::new(Inbox::open(path)?);
        Ok(Self {
            readers: Arc::new(Readers::new(path.to_owned())),
            inbox,
            writer: Writer::start(writer)?,
            _live: live,
        })
    }
}

impl Journal for Sqlite {
    fn create_run(&self, new: NewRun) -> Ack {
        self.writer.order(Command::Create(new))
    }

    fn append(&self, append: Append) -> Ack {
        self.writer.order(Command::Append(append))
    }

    fn read(&self, run: &RunId, from_seq: u64) -> Result<Records, StoreError> {
        Ok(Box::new(Pages::new(Arc::clone(&self.readers), run, from_seq)?))
    }

    fn last_seq(&self, run: &RunId) -> Result<Option<u64>, StoreError> {
        Ok(self.readers.run(run)?.map(|row| row.last_seq))
    }

    fn find_runs(&self, wanted: &RunQuery, limit: usize) -> Result<Vec<RunSummary>, StoreError> {
        self.readers.find_runs(wanted, limit)
    }

    fn mark(&self) -> Result<u64, StoreError> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).mark()
    }

    fn run(&self, run: &RunId) -> Result<Option<RunSummary>, StoreError> {
        Ok(self.readers.run(run)?.map(|row| row.summary))
    }

    fn plan_body(&self, run: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        self.readers.plan_body(run)
    }

    fn leave_decision(&self, run: &RunId, body: Vec<u8>) -> Result<DecisionId, AppendError> {
        self.writer.order(Command::Decide { run: run.clone(), body }).wait().map(DecisionId)
    }

    fn decisions_after(&self, run: &RunId, after: DecisionId) -> Result<Vec<Decision>, StoreError> {
        // The inbox holds no half-made state that a panic could leave behind: at worst it searches again.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).after(run, after)
    }
}
