//! The events of a project as they happen, for any number of listeners.
//!
//! Bounded: the last events are kept, so many and so large. Whoever is slower than that is told so and reads the journal;
//! nobody who listens can hold up a run. Knows no run and no connection.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{
    base::RunId,
    driver::{RunEvent, What},
};

/// Events that are kept.
const EVENTS_MAX: usize = 8_192;
/// Bytes of all events that are kept.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The place of an event in the journal of its run: the record, and the how manyth event of that record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The record, from 1.
    pub seq: u64,
    /// From 0.
    pub index: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.seq, self.index)
    }
}

impl Position {
    /// Behind all events of the record of this number.
    #[must_use]
    pub fn behind(seq: u64) -> Self {
        Self { seq, index: u32::MAX }
    }

    /// Reads `SEQ.INDEX`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, index) = text.split_once('.')?;
        // No record has as many events as an index can say.
        let index = index.parse::<u64>().ok()?;
        Some(Self { seq: seq.parse().ok()?, index: u32::try_from(index).unwrap_or(u32::MAX) })
    }
}

/// One event, ready to be sent.
#[derive(Debug, Clone)]
pub struct LiveEvent {
    /// Its number in this stream, from 1; gone with the process.
    pub number: u64,
    /// `requirement_submitted`, `task_completed`, `decision_needed` or `status_update`.
    pub name: &'static str,
    /// The run.
    pub run: RunId,
    /// Its place in the journal; none for what stands in no journal, such as what an agent says.
    pub place: Option<Position>,
    /// The event as JSON: `schemas/event.schema.json`.
    pub body: Arc<str>,
}

/// Under which name listeners hear of an event.
#[must_use]
pub fn event_name(what: &What) -> &'static str {
    match what {
        What::RunStarted { .. } => "requirement_submitted",
        What::StepSettled { container: false, .. } => "task_completed",
        What::Asking { .. } | What::Unknown { .. } | What::BudgetReached { .. } => "decision_needed",
        _ => "status_update",
    }
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<LiveEvent>,
    bytes: usize,
    last: u64,
}

/// The events of one project.
#[derive(Debug)]
pub struct Stream {
    kept: Mutex<Kept>,
    head: watch::Sender<u64>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { kept: Mutex::default(), head: watch::Sender::new(0) }
    }
}

/// What a listener gets.
#[derive(Debug)]
pub enum Tail {
    /// These, in order; none where nothing has happened.
    Events(Vec<LiveEvent>),
    /// Some are gone: whoever needs all of them reads the journal, and goes on after the event of this number.
    Lost(u64),
}

impl Stream {
    /// Tells an event to all who listen.
    pub fn tell(&self, event: &RunEvent, place: Option<Position>) {
        let Ok(body) = serde_json::to_string(event) else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let (number, name) = (kept.last, event_name(&event.what));
        kept.bytes += body.len();
        kept.events.push_back(LiveEvent { number, name, run: event.run.clone(), place, body: body.into() });
        while kept.events.len() > EVENTS_MAX || (kept.bytes > BYTES_MAX && kept.events.len() > 1) {
            let gone = kept.events.pop_front();
            kept.bytes -= gone.map_or(0, |gone| gone.body.len());
        }
        drop(kept);
        self.head.send_replace(number);
    }

    /// What has been told after the event of number `after`.
    #[must_use]
    pub fn after(&self, after: u64) -> Tail {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.last + 1 - kept.events.len() as u64;
        if after + 1 < first || after > kept.last {
            return Tail::Lost(kept.last);
        }
        let skip = usize::try_from(after + 1 - first).unwrap_or(usize::MAX);
        Tail::Events(kept.events.iter().skip(skip).cloned().collect())
    }

    /// The number of the last event.
    #[must_use]
    pub fn last(&self) -> u64 {
        *self.head.borrow()
    }

    /// Wakes its holder when something is told.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn event(text: &str) -> RunEvent {
        let run = RunId::from_random([1; 5]);
        RunEvent { v: 1, at: Timestamp(1), run, what: What::BudgetNear { reason: text.to_owned() } }
    }

    fn numbers(tail: Tail) -> Option<Vec<u64>> {
        match tail {
            Tail::Events(events) => Some(events.iter().map(|event| event.number).collect()),
            Tail::Lost(_) => None,
        }
    }

    #[test]
    fn who_is_behind_is_told_so_and_nothing_is_told_twice() {
        let stream = Stream::default();
        assert_eq!(numbers(stream.after(0)), Some(vec![]));
        for _ in 0..3 {
            stream.tell(&event("x"), None);
        }
        assert_eq!(numbers(stream.after(0)), Some(vec![1, 2, 3]));
        assert_eq!(numbers(stream.after(2)), Some(vec![3]));
        assert_eq!(numbers(stream.after(3)), Some(vec![]));
        assert_eq!(numbers(stream.after(4)), None, "a number of another process");
        for _ in 0..EVENTS_MAX {
            stream.tell(&event("x"), None);
        }
        assert_eq!(numbers(stream.after(2)), None);
        assert_eq!(numbers(stream.after(3)).map(|all| (all.len(), all[0])), Some((EVENTS_MAX, 4)));
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        let position = Position::behind(7);
        assert_eq!(Position::parse(&position.to_string()), Some(position));
        assert!(position > Position { seq: 7, index: 1_000_000 } && position < Position { seq: 8, index: 0 });
        assert_eq!(Position::parse("7"), None);
    }

    #[test]
    fn large_events_push_others_out() {
        let stream = Stream::default();
        let large = "x".repeat(BYTES_MAX / 4);
        for _ in 0..8 {
            stream.tell(&event(&large), None);
        }
        assert_eq!(numbers(stream.after(5)), Some(vec![6, 7, 8]));
        assert_eq!(numbers(stream.after(4)), None);
    }
}
