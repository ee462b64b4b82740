//! Finds new decisions cheaply: nothing is searched while no one has committed.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, params};

use super::{
    read::{connect_for_reading, run_row},
    rows::{RowFault, blob, body_sum},
};
use crate::{
    base::RunId,
    journal::{Decision, DecisionId, StoreError},
};

/// A reader of decisions with a connection of its own.
#[derive(Debug)]
pub(super) struct Inbox {
    connection: Connection,
    /// SQLite's mark of what this connection has seen; it moves when any other connection commits.
    seen: Option<i64>,
    /// The runs that had nothing after an id when the mark was taken.
    empty: BTreeMap<RunId, DecisionId>,
}

impl Inbox {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: connect_for_reading(path)?, seen: None, empty: BTreeMap::new() })
    }

    /// The decisions after `after` that wait for `run`.
    pub(super) fn after(&mut self, run: &RunId, after: DecisionId) -> Result<Vec<Decision>, StoreError> {
        self.look(run, after)
            .map_err(|fault| fault.sort("read the inbox"))?
            .ok_or_else(|| StoreError::UnknownRun { run: run.clone() })
    }

    /// SQLite's own mark of what others have committed.
    pub(super) fn mark(&self) -> Result<u64, StoreError> {
        let mark = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        mark.map(i64::cast_unsigned).map_err(|error| RowFault::from(error).sort("read the inbox"))
    }

    fn look(&mut self, run: &RunId, after: DecisionId) -> Result<Option<Vec<Decision>>, RowFault> {
        let mark: i64 = self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.seen != Some(mark) {
            self.seen = Some(mark);
            self.empty.clear();
        }
        if self.empty.get(run).is_some_and(|empty| *empty <= after) {
            return Ok(Some(Vec::new()));
        }
        let Some(row) = run_row(&self.connection, run)? else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(
            "SELECT id, body, sum FROM decision WHERE run = ?1 AND id > ?2 AND consumed IS NULL ORDER BY id",
        )?;
        let mut rows = statement.query(params![row.number, after.0.cast_signed()])?;
        let mut decisions = Vec::new();
        while let Some(row) = rows.next()? {
            let id = DecisionId(row.get::<_, i64>(0)?.cast_unsigned());
            let body = blob(row, 1)?;
            if blob(row, 2)? != body_sum("decision", run, body) {
                return Err(RowFault::Damaged(format!("decision {id} for run {run}")));
            }
            decisions.push(Decision { id, body: body.to_vec() });
        }
        if decisions.is_empty() {
            self.empty.insert(run.clone(), after);
        }
        Ok(Some(decisions))
    }
}
