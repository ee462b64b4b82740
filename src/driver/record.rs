//! Events as bytes: what the driver writes into a record and reads back.
//!
//! The form is JSON with short keys; its version stands beside each record. A record of a newer version is refused
//! with words, never guessed at.

use crate::{
    base::Timestamp,
    journal::{Decision, NewRecord, Record},
    scheduler::{EVENT_VERSION, Event},
};

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It was written by a newer `orch`.
    #[error("read record {seq}: its form has version {found}, this orch reads up to {EVENT_VERSION}")]
    Newer {
        /// Its place.
        seq: u64,
        /// Its version.
        found: u16,
    },
    /// It is no event.
    #[error("read record {seq}: it is no event")]
    Malformed {
        /// Its place.
        seq: u64,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

/// An event as a record.
///
/// # Panics
/// Never: events hold only strings, numbers and maps with string keys.
#[must_use]
pub fn encode(at: Timestamp, event: &Event) -> NewRecord {
    let body = serde_json::to_vec(event).expect("events hold only what JSON can say");
    NewRecord { at, version: EVENT_VERSION, body }
}

/// The event of a record.
///
/// # Errors
/// When the record is of a newer version or is no event.
pub fn decode(record: &Record) -> Result<Event, RecordError> {
    if record.version > EVENT_VERSION {
        return Err(RecordError::Newer { seq: record.seq, found: record.version });
    }
    serde_json::from_slice(&record.body).map_err(|source| RecordError::Malformed { seq: record.seq, source })
}

/// What another process has left for the owner of a run; `None` if it is nothing that a person may say.
#[must_use]
pub fn decode_decision(decision: &Decision) -> Option<Event> {
    let event = serde_json::from_slice::<Event>(&decision.body).ok()?;
    let is_said = matches!(
        event,
        Event::Decided { .. } | Event::Answered { .. } | Event::CancelRequested { .. } | Event::BudgetRaised { .. }
    );
    is_said.then_some(event)
}
