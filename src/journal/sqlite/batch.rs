//! Many commands in one transaction.
//!
//! A command is checked completely before anything of it is staged, so one that
//! is refused leaves no trace and the others of its batch go on. Records of one
//! run that meet in a batch share rows.

use std::collections::{BTreeMap, btree_map::Entry};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    rows::{RUN_NUMBER_MAX, RowFault, RunRow, SEQ_MAX, body_sum, pack, place, record_sum},
    writer::Command,
};
use crate::{
    base::RunId,
    journal::{
        Append, AppendError, DecisionId, NewRecord, NewRun, StoreError,
        contract::{check_append, check_bodies},
    },
};

/// A row takes no further record once its payload has this many bytes.
const ROW_BYTES_FULL: usize = 64 * 1024;

/// Why a command cannot be staged.
pub(super) enum Stop {
    /// It alone is refused.
    Refuse(AppendError),
    /// The database failed, and with it the whole batch.
    Fail(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fail(error)
    }
}

impl From<AppendError> for Stop {
    fn from(error: AppendError) -> Self {
        Self::Refuse(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refuse(error.into())
    }
}

impl From<RowFault> for Stop {
    fn from(fault: RowFault) -> Self {
        match fault {
            RowFault::Database(error) => Self::Fail(error),
            RowFault::Damaged(what) => Self::Refuse(StoreError::damaged(what).into()),
        }
    }
}

/// The commands of one transaction.
pub(super) struct Batch<'tx> {
    transaction: &'tx Connection,
    staged: BTreeMap<RunId, Staged>,
}

/// What a batch has for one run.
struct Staged {
    row: RunRow,
    changed: bool,
    rows: Vec<Pending>,
    consumed: Vec<(DecisionId, u64)>,
}

/// A row of records to be written.
struct Pending {
    first_seq: u64,
    count: i64,
    payload: Vec<u8>,
}

impl Staged {
    fn new(row: RunRow) -> Self {
        Self { row, changed: false, rows: Vec::new(), consumed: Vec::new() }
    }

    fn push(&mut self, records: &[NewRecord]) {
        for record in records {
            self.row.last_seq += 1;
            let full = self.rows.last().is_none_or(|row| row.payload.len() >= ROW_BYTES_FULL);
            if full {
                self.rows.push(Pending { first_seq: self.row.last_seq, count: 0, payload: Vec::new() });
            }
            if let Some(row) = self.rows.last_mut() {
                row.count += 1;
                pack(&mut row.payload, record);
            }
        }
        self.changed = true;
    }
}

impl<'tx> Batch<'tx> {
    /// An empty batch inside a transaction that holds the write lock.
    pub(super) fn new(transaction: &'tx Connection) -> Self {
        Self { transaction, staged: BTreeMap::new() }
    }

    /// Stages a command; the number is what its acknowledgement will say.
    pub(super) fn stage(&mut self, command: Command) -> Result<u64, Stop> {
        match command {
            Command::Create(new) => self.create(new),
            Command::Append(append) => self.append(append),
            Command::Decide { run, body } => self.decide(&run, &body),
        }
    }

    fn create(&mut self, new: NewRun) -> Result<u64, Stop> {
        let NewRun { summary, plan_body, records } = new;
        check_bodies(records.iter().map(|record| record.body.len()).chain([plan_body.len()]))?;
        let run = summary.run.clone();
        match self.load(&run) {
            Ok(_) => return Err(AppendError::RunExists { run }.into()),
            Err(Stop::Refuse(AppendError::Store(StoreError::UnknownRun { .. }))) => {}
            Err(stop) => return Err(stop),
        }
        let number: i64 =
            self.prepared("SELECT coalesce(max(number), 0) + 1 FROM run")?.query_row([], |row| row.get(0))?;
        if number > RUN_NUMBER_MAX {
            return Err(StoreError::damaged("the number of the last run").into());
        }
        let row = RunRow { number, last_seq: 0, summary };
        // The row is written again with the records; this one holds the number for the next run of the batch.
        self.prepared(
            "INSERT INTO run(number, id, workflow, status, started, last_seq, sum) VALUES (?1, ?2, '', '', 0, 0, x'')",
        )?
        .execute(params![number, run.as_str()])?;
        self.prepared("INSERT INTO plan(run, body, sum) VALUES (?1, ?2, ?3)")?.execute(params![
            number,
            plan_body,
            body_sum("plan", &run, &plan_body)
        ])?;
        let mut staged = Staged::new(row);
        staged.push(&records);
        let last_seq = staged.row.last_seq;
        self.staged.insert(run, staged);
        Ok(last_seq)
    }

    fn append(&mut self, append: Append) -> Result<u64, Stop> {
        check_append(&append)?;
        let Append { run, expected, records, summary, consumed } = append;
        let staged = self.load(&run)?;
        let (number, found) = (staged.row.number, staged.row.last_seq);
        if expected != found {
            return Err(AppendError::Conflict { expected, found }.into());
        }
        if found.saturating_add(records.len() as u64) > SEQ_MAX {
            return Err(StoreError::damaged(format!("the last record's place of run {run}")).into());
        }
        let mut gone: Vec<DecisionId> = staged.consumed.iter().map(|(decision, _)| *decision).collect();
        for decision in &consumed {
            if gone.contains(decision) || !self.is_waiting(number, *decision)? {
                return Err(AppendError::DecisionGone { decision: *decision }.into());
            }
            gone.push(*decision);
        }
        let staged = self.load(&run)?;
        staged.push(&records);
        if let Some(summary) = summary {
            staged.row.summary = summary;
        }
        let last_seq = staged.row.last_seq;
        staged.consumed.extend(consumed.into_iter().map(|decision| (decision, last_seq)));
        Ok(last_seq)
    }

    fn decide(&mut self, run: &RunId, body: &[u8]) -> Result<u64, Stop> {
        check_bodies([body.len()])?;
        let number = self.load(run)?.row.number;
        self.prepared("INSERT INTO decision(run, body, sum) VALUES (?1, ?2, ?3)")?.execute(params![
            number,
            body,
            body_sum("decision", run, body)
        ])?;
        Ok(self.transaction.last_insert_rowid().cast_unsigned())
    }

    fn is_waiting(&self, number: i64, decision: DecisionId) -> Result<bool, Stop> {
        Ok(self
            .prepared("SELECT 1 FROM decision WHERE id = ?1 AND run = ?2 AND consumed IS NULL")?
            .exists(params![decision.0.cast_signed(), number])?)
    }

    /// The run as it stands in this transaction.
    fn load(&mut self, run: &RunId) -> Result<&mut Staged, Stop> {
        match self.staged.entry(run.clone()) {
            Entry::Occupied(staged) => Ok(staged.into_mut()),
            Entry::Vacant(free) => {
                let row = self
                    .transaction
                    .prepare_cached(RunRow::SELECT_ONE)?
                    .query_row([run.as_str()], |row| Ok(RunRow::load(row)))
                    .optional()?
                    .ok_or_else(|| StoreError::UnknownRun { run: run.clone() })??;
                Ok(free.insert(Staged::new(row)))
            }
        }
    }

    /// Writes everything that was staged.
    pub(super) fn flush(self) -> rusqlite::Result<()> {
        let mut insert = self.prepared("INSERT INTO record(place, count, payload, sum) VALUES (?1, ?2, ?3, ?4)")?;
        let mut update = self.prepared(
            "UPDATE run SET workflow = ?2, status = ?3, started = ?4, ended = ?5, waiting_for = ?6, exit_code = ?7,
             last_seq = ?8, sum = ?9 WHERE number = ?1",
        )?;
        let mut consume = self.prepared("UPDATE decision SET consumed = ?2 WHERE id = ?1")?;
        for (run, staged) in &self.staged {
            let row = &staged.row;
            for pending in &staged.rows {
                let place = place(row.number, pending.first_seq);
                let sum = record_sum(run, place, pending.count, &pending.payload);
                insert.execute(params![place, pending.count, pending.payload, sum])?;
            }
            for (decision, seq) in &staged.consumed {
                consume.execute(params![decision.0.cast_signed(), seq.cast_signed()])?;
            }
            if staged.changed {
                let summary = &row.summary;
                update.execute(params![
                    row.number,
                    summary.workflow,
                    summary.status,
                    summary.started.0.cast_signed(),
                    summary.ended.map(|ended| ended.0.cast_signed()),
                    summary.waiting_for,
                    summary.exit_code,
                    row.last_seq.cast_signed(),
                    row.sum()
                ])?;
            }
        }
        Ok(())
    }

    fn prepared(&self, sql: &str) -> rusqlite::Result<rusqlite::CachedStatement<'tx>> {
        self.transaction.prepare_cached(sql)
    }
}
