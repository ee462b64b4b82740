//! Reads records, summaries and plans on connections of their own, beside the writer.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    vec,
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    fault::sort,
    rows::{RowFault, RunRow, blob, body_sum, place, record_sum, seq_of, unpack},
    schema::connect,
};
use crate::{
    base::RunId,
    journal::{Record, RunQuery, RunSummary, StoreError},
};

/// How many idle connections are kept.
const IDLE_MAX: usize = 4;

/// A page of records ends with the row that brings it to this many bytes.
const PAGE_BYTES_FULL: usize = 1024 * 1024;

/// Connections for reading.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    /// Lends a connection to `read`.
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, RowFault>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect_for_reading(&self.path)?,
        };
        let result = read(&connection).map_err(|fault| fault.sort("read the store"));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        result
    }

    /// A run's row.
    pub(super) fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        self.with(|connection| run_row(connection, run))
    }

    /// The latest runs that fit.
    pub(super) fn find_runs(&self, wanted: &RunQuery, limit: usize) -> Result<Vec<RunSummary>, StoreError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(RunRow::SELECT_FOUND)?;
            let after = wanted.after.as_ref().map(RunId::as_str);
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![wanted.status, wanted.workflow, wanted.live, after, limit])?;
            let mut runs = Vec::new();
            while let Some(row) = rows.next()? {
                runs.push(RunRow::load(row)?.summary);
            }
            Ok(runs)
        })
    }

    /// The plan a run was started with.
    pub(super) fn plan_body(&self, run: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        let damaged = || RowFault::Damaged(format!("the plan of run {run}"));
        self.with(|connection| {
            let Some(row) = run_row(connection, run)? else { return Ok(None) };
            let mut statement = connection.prepare_cached("SELECT body, sum FROM plan WHERE run = ?1")?;
            let mut rows = statement.query([row.number])?;
            let plan = rows.next()?.ok_or_else(damaged)?;
            let body = blob(plan, 0)?;
            if blob(plan, 1)? == body_sum("plan", run, body) { Ok(Some(body.to_vec())) } else { Err(damaged()) }
        })
    }
}

/// A connection that cannot write.
pub(super) fn connect_for_reading(path: &std::path::Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    connection.execute_batch("PRAGMA query_only=ON").map_err(|error| sort("open the store", error))?;
    Ok(connection)
}

/// A run's row on a connection.
pub(super) fn run_row(connection: &Connection, run: &RunId) -> Result<Option<RunRow>, RowFault> {
    connection
        .prepare_cached(RunRow::SELECT_ONE)?
        .query_row([run.as_str()], |row| Ok(RunRow::load(row)))
        .optional()?
        .transpose()
}

/// The records of one run, a page at a time.
///
/// No transaction stays open between pages: records never change, so a page
/// read later is what it would have been, and a slow reader holds up nobody.
pub(super) struct Pages {
    readers: Arc<Readers>,
    run: RunId,
    number: i64,
    /// The first record that was not read yet.
    next_seq: u64,
    /// The record that was last when the read began.
    last_seq: u64,
    page: vec::IntoIter<Record>,
}

impl Pages {
    /// Begins at `from_seq`.
    pub(super) fn new(readers: Arc<Readers>, run: &RunId, from_seq: u64) -> Result<Self, StoreError> {
        let row = readers.run(run)?.ok_or_else(|| StoreError::UnknownRun { run: run.clone() })?;
        let next_seq = from_seq.max(1);
        let (number, last_seq) = (row.number, row.last_seq);
        Ok(Self { readers, run: run.clone(), number, next_seq, last_seq, page: Vec::new().into_iter() })
    }

    fn load_page(&self) -> Result<Vec<Record>, StoreError> {
        let corrupt = |seq| StoreError::Corrupt { run: self.run.clone(), seq };
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0;
        let mut bad: Option<u64> = None;
        let done = self.readers.with(|connection| {
            let start = self.start(connection)?;
            let mut expected = seq_of(start);
            let mut statement = connection.prepare_cached(
                "SELECT place, count, payload, sum FROM record WHERE place BETWEEN ?1 AND ?2 ORDER BY place",
            )?;
            let mut rows = statement.query(params![start, place(self.number, self.last_seq)])?;
            while bytes < PAGE_BYTES_FULL
                && let Some(row) = rows.next()?
            {
                let (key, count, payload) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, blob(row, 2)?);
                let whole = seq_of(key) == expected
                    && blob(row, 3)? == record_sum(&self.run, key, count, payload)
                    && unpack(payload, expected, count, &mut records).is_some();
                if !whole {
                    bad = Some(expected.max(self.next_seq));
                    return Ok(());
                }
                bytes += payload.len();
                expected = expected.saturating_add(count.cast_unsigned());
            }
            Ok(())
        });
        if let Some(seq) = bad {
            // Good rows before the bad one are given out first; the next page begins with the bad one.
            records.retain(|record| record.seq >= self.next_seq && record.seq < seq);
            return if records.is_empty() { Err(corrupt(seq)) } else { Ok(records) };
        }
        done?;
        records.retain(|record| record.seq >= self.next_seq);
        // The summary counts more records than there are.
        if records.is_empty() { Err(corrupt(self.next_seq)) } else { Ok(records) }
    }

    /// The key of the row that holds the next record.
    fn start(&self, connection: &Connection) -> rusqlite::Result<i64> {
        let found: Option<i64> = connection
            .prepare_cached("SELECT max(place) FROM record WHERE place BETWEEN ?1 AND ?2")?
            .query_row(params![place(self.number, 1), place(self.number, self.next_seq)], |row| row.get(0))?;
        Ok(found.unwrap_or(place(self.number, self.next_seq)))
    }
}

impl Iterator for Pages {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.as_slice().is_empty() {
            if self.next_seq > self.last_seq {
                return None;
            }
            match self.load_page() {
                Ok(records) => self.page = records.into_iter(),
                Err(error) => {
                    self.next_seq = u64::MAX;
                    return Some(Err(error));
                }
            }
        }
        let record = self.page.next()?;
        self.next_seq = record.seq + 1;
        Some(Ok(record))
    }
}
