//! The one door to the journal: an event goes through it before it is written down, stepped or told, so that whatever is
//! derived from the journal holds no secret.
//!
//! Invariant: the scheduler steps exactly what is written.

use serde_json::Value;

use crate::{base::Timestamp, driver::record::encode, guard::Redactor, journal::NewRecord, scheduler::Event};

/// The event as it may be kept, and its record.
pub(super) fn hushed(redactor: &Redactor, at: Timestamp, event: Event) -> (Event, NewRecord) {
    let record = encode(at, &event);
    // Without a backslash every text stands in the record as it is. With one, the texts themselves are looked at.
    if !record.body.contains(&b'\\') && !redactor.is_in(&record.body) {
        return (event, record);
    }
    let Some(clean) = clean(redactor, &record) else { return (event, record) };
    let record = encode(at, &clean);
    (clean, record)
}

fn clean(redactor: &Redactor, record: &NewRecord) -> Option<Event> {
    let value: Value = serde_json::from_slice(&record.body).ok()?;
    let clean = redactor.value(&value);
    if clean == value {
        return None;
    }
    match serde_json::from_value(clean) {
        Ok(event) => Some(event),
        Err(error) => {
            // Only an id or a word of the journal's own could lead here, and none of those is a secret.
            tracing::warn!(%error, "an event could not be cleaned");
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::{
        base::{Envelope, Outcome},
        driver::record::decode,
        journal::Record,
        scheduler::AttemptId,
    };

    #[test]
    fn what_is_stepped_is_what_is_written_and_holds_no_secret() {
        let redactor = Redactor::new([("KEY".to_owned(), "corr\"ect horse".to_owned())]);
        let texts =
            ["plain", "a corr\"ect horse", "corr%22ect%20horse", "'corr\\\"ect\\ horse'", "Y29yciJlY3QgaG9yc2U="];
        for text in texts {
            let envelope = Envelope { summary: text.to_owned(), ..Envelope::default() };
            let attempt: AttemptId = serde_json::from_value(serde_json::json!({ "i": 1, "n": 1 })).unwrap();
            let event = Event::Finished { attempt, outcome: Outcome::Succeeded(Box::new(envelope)) };
            let (stepped, record) = hushed(&redactor, Timestamp(5), event.clone());
            let written = Record { seq: 1, at: record.at, version: record.version, body: record.body.clone() };
            assert_eq!(decode(&written).unwrap(), stepped);
            assert_eq!(stepped == event, text == "plain", "{text}");
            let body = String::from_utf8(record.body).unwrap();
            assert_eq!(body.contains("redacted:KEY"), text != "plain", "{body}");
        }
    }
}
