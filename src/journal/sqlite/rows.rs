//! How records and summaries lie in rows, and the checksums that prove it.
//!
//! Knows no connection: bytes and fields only.

use rusqlite::{Row, types::ValueRef};

use crate::{
    base::{RunId, Timestamp},
    journal::{NewRecord, Record, RunSummary, StoreError},
};

/// Bits of a record's place that hold its seq; the rest holds the run's number.
const SEQ_BITS: u32 = 40;

/// The largest seq of a run.
pub(super) const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;

/// The largest number of a run.
pub(super) const RUN_NUMBER_MAX: i64 = (1 << (62 - SEQ_BITS)) - 1;

/// A body's length (4 bytes), its version (2) and its time (8), little-endian, stand before it.
const HEAD_BYTES: usize = 14;

/// A shortened BLAKE3: enough against chance, which is all it is for.
pub(super) type Sum = [u8; 8];

/// The key of the row that begins with record `seq` of a run.
pub(super) fn place(number: i64, seq: u64) -> i64 {
    number << SEQ_BITS | seq.min(SEQ_MAX).cast_signed()
}

/// The seq in a key.
pub(super) fn seq_of(place: i64) -> u64 {
    place.cast_unsigned() & SEQ_MAX
}

/// Adds a record to a row's payload.
pub(super) fn pack(payload: &mut Vec<u8>, record: &NewRecord) {
    let bytes = u32::try_from(record.body.len()).expect("a body is checked against RECORD_BYTES_MAX");
    payload.extend_from_slice(&bytes.to_le_bytes());
    payload.extend_from_slice(&record.version.to_le_bytes());
    payload.extend_from_slice(&record.at.0.to_le_bytes());
    payload.extend_from_slice(&record.body);
}

/// Takes a row's payload apart; `None` if it does not hold exactly `count` records.
pub(super) fn unpack(mut payload: &[u8], first_seq: u64, count: i64, into: &mut Vec<Record>) -> Option<()> {
    for (seq, _) in (first_seq..).zip(0..count) {
        let (head, rest) = payload.split_at_checked(HEAD_BYTES)?;
        let bytes = u32::from_le_bytes(head.get(..4)?.try_into().ok()?);
        let version = u16::from_le_bytes(head.get(4..6)?.try_into().ok()?);
        let at = Timestamp(u64::from_le_bytes(head.get(6..)?.try_into().ok()?));
        let (body, rest) = rest.split_at_checked(usize::try_from(bytes).ok()?)?;
        into.push(Record { seq, at, version, body: body.to_vec() });
        payload = rest;
    }
    payload.is_empty().then_some(())
}

/// The checksum of a row of records.
pub(super) fn record_sum(run: &RunId, place: i64, count: i64, payload: &[u8]) -> Sum {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"record").update(run.as_str().as_bytes());
    hasher.update(&place.to_le_bytes()).update(&count.to_le_bytes()).update(payload);
    short(&hasher)
}

/// The checksum of a body that belongs to a run: its plan or a decision.
pub(super) fn body_sum(kind: &'static str, run: &RunId, body: &[u8]) -> Sum {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.as_bytes()).update(run.as_str().as_bytes()).update(body);
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> Sum {
    let mut sum = Sum::default();
    hasher.finalize_xof().fill(&mut sum);
    sum
}

/// A run's row.
#[derive(Debug, Clone)]
pub(super) struct RunRow {
    pub(super) number: i64,
    pub(super) last_seq: u64,
    pub(super) summary: RunSummary,
}

impl RunRow {
    /// One run by its id; the columns are in the order that [`RunRow::load`] reads.
    pub(super) const SELECT_ONE: &'static str = "SELECT number, id, workflow, status, started, ended, waiting_for,
         exit_code, last_seq, sum FROM run WHERE id = ?1";

    /// The latest runs that fit, in the same columns: status, workflow, whether only live ones, the run before, how many.
    pub(super) const SELECT_FOUND: &'static str = "SELECT number, id, workflow, status, started, ended, waiting_for,
         exit_code, last_seq, sum FROM run
         WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR workflow = ?2) AND (?3 = 0 OR ended IS NULL)
           AND (?4 IS NULL OR (started, number) < (SELECT started, number FROM run WHERE id = ?4))
         ORDER BY started DESC, number DESC LIMIT ?5";

    /// Reads and checks a row.
    pub(super) fn load(row: &Row<'_>) -> Result<Self, RowFault> {
        let id: String = row.get(1)?;
        let damaged = || RowFault::Damaged(format!("the summary of run {}", id.escape_default()));
        let exit_code: Option<i64> = row.get(7)?;
        let loaded = Self {
            number: row.get(0)?,
            last_seq: row.get::<_, i64>(8)?.cast_unsigned(),
            summary: RunSummary {
                run: id.parse().map_err(|_| damaged())?,
                workflow: row.get(2)?,
                status: row.get(3)?,
                started: Timestamp(row.get::<_, i64>(4)?.cast_unsigned()),
                ended: row.get::<_, Option<i64>>(5)?.map(|ended| Timestamp(ended.cast_unsigned())),
                waiting_for: row.get(6)?,
                exit_code: exit_code.map(u8::try_from).transpose().map_err(|_| damaged())?,
            },
        };
        if blob(row, 9)? == loaded.sum() { Ok(loaded) } else { Err(damaged()) }
    }

    /// The checksum of all columns.
    pub(super) fn sum(&self) -> Sum {
        let summary = &self.summary;
        let mut hasher = blake3::Hasher::new();
        let mut field = |present: bool, bytes: &[u8]| {
            hasher.update(&[u8::from(present)]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        field(true, &self.number.to_le_bytes());
        field(true, &self.last_seq.to_le_bytes());
        field(true, summary.run.as_str().as_bytes());
        field(true, summary.workflow.as_bytes());
        field(true, summary.status.as_bytes());
        field(true, &summary.started.0.to_le_bytes());
        field(summary.ended.is_some(), &summary.ended.unwrap_or_default().0.to_le_bytes());
        field(summary.waiting_for.is_some(), summary.waiting_for.as_deref().unwrap_or_default().as_bytes());
        field(summary.exit_code.is_some(), &[summary.exit_code.unwrap_or_default()]);
        short(&hasher)
    }
}

/// Why a row cannot be used.
#[derive(Debug)]
pub(super) enum RowFault {
    /// The database reported an error.
    Database(rusqlite::Error),
    /// A checksum or a rule does not hold; what it was.
    Damaged(String),
}

impl From<rusqlite::Error> for RowFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl RowFault {
    /// The fault as the store reports it.
    pub(super) fn sort(self, doing: &str) -> StoreError {
        match self {
            Self::Database(error) => super::fault::sort(doing, error),
            Self::Damaged(what) => StoreError::damaged(what),
        }
    }
}

/// A column's bytes, without a copy.
pub(super) fn blob<'row>(row: &'row Row<'_>, column: usize) -> rusqlite::Result<&'row [u8]> {
    match row.get_ref(column)? {
        ValueRef::Blob(bytes) => Ok(bytes),
        other => Err(rusqlite::Error::InvalidColumnType(column, "blob".to_owned(), other.data_type())),
    }
}
