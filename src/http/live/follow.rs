//! A place in the stream of one run, or of all runs of some projects.
//!
//! Of one run every event has its place in the journal as its id, `SEQ.INDEX`, so that it can be gone on from after any
//! break, also of the server. What all runs do is in `all`.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::{
    base::RunId,
    http::{
        access::{Caller, check_still},
        app::App,
        live::{all::All, changes::Changes},
        problem::Problem,
    },
    service::serve::{LiveEvent, Place, Position, Tail, event_name},
};

/// How long nothing may be said on a stream, so that a broken one is noticed.
const SILENCE: Duration = Duration::from_secs(15);

/// What happens within this time after a piece was given goes into the next piece: many listeners to a busy run must not
/// cost it more than the run itself, and a page shows no more than this late what people cannot tell apart.
const GATHER: Duration = Duration::from_millis(40);

/// How long a listener is told without being asked again whether it still may listen.
const TRUST: Duration = Duration::from_secs(1);

/// One event as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// By which the stream is gone on with; none for what stands in no journal.
    pub id: Option<String>,
    pub name: &'static str,
    pub body: Arc<str>,
}

/// What a follower gives.
#[derive(Debug)]
pub(super) enum Next {
    Told(Vec<Told>),
    /// Nothing has happened for a while.
    Silence,
}

/// What a listener follows.
pub(super) enum Source {
    Run(OneRun),
    All(All),
    Changes(Changes),
}

/// Who listens. The door has seen only that they might when the stream was opened.
pub(super) struct Listener {
    app: App,
    caller: Caller,
    asked: Instant,
}

impl Listener {
    pub fn new(app: &App, caller: &Caller) -> Self {
        Self { app: app.clone(), caller: caller.clone(), asked: Instant::now() }
    }

    async fn check(&mut self) -> Result<(), Problem> {
        if self.asked.elapsed() < TRUST {
            return Ok(());
        }
        // Keys stand in a file.
        let (app, caller) = (self.app.clone(), self.caller.clone());
        let checked = tokio::task::spawn_blocking(move || check_still(&app, &caller)).await;
        checked.map_err(|_| Problem::field("the keys cannot be read"))??;
        self.asked = Instant::now();
        Ok(())
    }
}

/// A listener's place.
pub(super) struct Follower {
    listener: Listener,
    source: Source,
    /// Nothing is looked at before.
    rests_until: Instant,
}

impl Follower {
    pub fn new(listener: Listener, source: Source) -> Self {
        Self { listener, source, rests_until: Instant::now() }
    }

    /// What has happened; waits until something has, but not for long. Who may listen no more is told nothing more.
    pub async fn next(&mut self) -> Result<Next, Problem> {
        tokio::time::sleep_until(self.rests_until).await;
        let late = Instant::now() + SILENCE;
        loop {
            self.listener.check().await?;
            let told = match &mut self.source {
                Source::Run(run) => run.look().await?,
                Source::All(all) => all.look(),
                Source::Changes(changes) => changes.look().await?,
            };
            if !told.is_empty() {
                self.rests_until = Instant::now() + GATHER;
                return Ok(Next::Told(told));
            }
            if Instant::now() >= late {
                return Ok(Next::Silence);
            }
            let woken = async {
                match &mut self.source {
                    Source::Run(run) => run.wake.changed().await.is_ok(),
                    Source::All(all) => all.woken().await,
                    Source::Changes(changes) => {
                        changes.pause().await;
                        true
                    }
                }
            };
            match tokio::time::timeout_at(late, woken).await {
                Ok(true) => {}
                Ok(false) | Err(_) => return Ok(Next::Silence),
            }
        }
    }
}

/// A place among the events of one run.
pub(super) struct OneRun {
    place: Arc<Place>,
    run: RunId,
    last: Position,
    has_read: bool,
    /// The number of the last event of the stream that was looked at.
    number: u64,
    wake: watch::Receiver<u64>,
}

impl OneRun {
    /// From after the event with that id.
    pub fn new(place: &Arc<Place>, run: RunId, after: Option<&str>) -> Result<Self, Problem> {
        let last = match after {
            None => Position::default(),
            Some(text) => Position::parse(text)
                .ok_or_else(|| Problem::field("query `after`: an id of this stream is `SEQ.INDEX`"))?,
        };
        let wake = place.stream().listen();
        let number = place.stream().last();
        Ok(Self { place: Arc::clone(place), run, last, has_read: false, number, wake })
    }

    async fn look(&mut self) -> Result<Vec<Told>, Problem> {
        self.wake.borrow_and_update();
        if let (true, Tail::Events(events)) = (self.has_read, self.place.stream().after(self.number)) {
            self.number = events.last().map_or(self.number, |event| event.number);
            return Ok(of_run(&events, &self.run, &mut self.last));
        }
        // The number first: what comes while the journal is read is looked at after it.
        let number = self.place.stream().last();
        let (place, wanted, after) = (Arc::clone(&self.place), self.run.clone(), self.last);
        let told = tokio::task::spawn_blocking(move || place.told_after(&wanted, after)).await;
        let told = told.map_err(|_| Problem::field("the journal cannot be read"))??;
        (self.number, self.has_read) = (number, true);
        self.last = told.last().map_or(self.last, |(place, _)| *place);
        let told = told.into_iter().filter_map(|(place, event)| {
            let body = serde_json::to_string(&event).ok()?;
            Some(Told { id: Some(place.to_string()), name: event_name(&event.what), body: body.into() })
        });
        Ok(told.collect())
    }
}

/// Those of the events that are of the run, and new to the listener.
fn of_run(events: &[LiveEvent], run: &RunId, last: &mut Position) -> Vec<Told> {
    let mut told = Vec::new();
    for event in events.iter().filter(|event| event.run == *run) {
        if let Some(place) = event.place {
            if place <= *last {
                continue;
            }
            *last = place;
        }
        let id = event.place.map(|place| place.to_string());
        told.push(Told { id, name: event.name, body: Arc::clone(&event.body) });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_comes_twice_the_listener_hears_once_and_of_other_runs_nothing() {
        let (own, other) = (RunId::from_random([1; 5]), RunId::from_random([2; 5]));
        let at = |number: u64, run: &RunId, place: Option<(u64, u32)>| {
            let place = place.map(|(seq, index)| Position { seq, index });
            LiveEvent { number, name: "status_update", run: run.clone(), place, body: "{}".into() }
        };
        let events = [
            at(1, &own, Some((7, 0))),
            at(2, &own, Some((7, 1))),
            at(3, &other, Some((8, 0))),
            at(4, &own, Some((9, 0))),
            at(5, &own, None),
        ];
        let heard = |last: &mut Position| -> Vec<_> {
            of_run(&events, &own, last).into_iter().map(|told| told.id.unwrap_or_default()).collect()
        };
        let mut last = Position { seq: 7, index: 0 };
        assert_eq!(heard(&mut last), ["7.1", "9.0", ""]);
        assert_eq!(last, Position { seq: 9, index: 0 });
        // What stands in no journal has no place by which it could be known again.
        assert_eq!(heard(&mut last), [""]);
    }
}
