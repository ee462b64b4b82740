//! A place in the stream of one run or of all runs of a project.
//!
//! Of one run every event has its place in the journal as its id, `SEQ.INDEX`, so that it can be gone on from after any
//! break, also of the server. Of all runs the id is `EPOCH-NUMBER`; when the server was started anew or too much was missed,
//! a `reset` says that the lists must be read again.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    base::RunId,
    http::problem::Problem,
    service::serve::{LiveEvent, Place, StreamPlace, Tail, event_name},
};

/// How long nothing may be said on a stream, so that a broken one is noticed.
const SILENCE: Duration = Duration::from_secs(15);

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

enum What {
    Run { run: RunId, last: StreamPlace, has_read: bool },
    All { epoch: String, is_reset: bool },
}

/// A listener's place.
pub(super) struct Follower {
    place: Arc<Place>,
    what: What,
    /// The number of the last event of the stream that was looked at.
    number: u64,
    wake: watch::Receiver<u64>,
}

impl Follower {
    /// The events of one run, from after the one with that id.
    pub fn of_run(place: &Arc<Place>, run: RunId, after: Option<&str>) -> Result<Self, Problem> {
        let last = match after {
            None => StreamPlace::default(),
            Some(text) => StreamPlace::parse(text)
                .ok_or_else(|| Problem::field("query `after`: an id of this stream is `SEQ.INDEX`"))?,
        };
        let wake = place.stream().listen();
        let number = place.stream().last();
        Ok(Self { place: Arc::clone(place), what: What::Run { run, last, has_read: false }, number, wake })
    }

    /// The events of all runs, from after the one with that id; from now on where none is named.
    pub fn of_all(place: &Arc<Place>, after: Option<&str>) -> Result<Self, Problem> {
        let wake = place.stream().listen();
        let epoch = place.epoch().to_owned();
        let (number, is_reset) = match after {
            None => (place.stream().last(), false),
            Some(text) => {
                let (known, number) = text.split_once('-').unwrap_or_default();
                let number = number
                    .parse()
                    .map_err(|_| Problem::field("query `after`: an id of this stream is `EPOCH-NUMBER`"))?;
                if known == epoch { (number, false) } else { (place.stream().last(), true) }
            }
        };
        Ok(Self { place: Arc::clone(place), what: What::All { epoch, is_reset }, number, wake })
    }

    /// What has happened; waits until something has, but not for long.
    pub async fn next(&mut self) -> Result<Next, Problem> {
        loop {
            let told = self.look().await?;
            if !told.is_empty() {
                return Ok(Next::Told(told));
            }
            match tokio::time::timeout(SILENCE, self.wake.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(Next::Silence),
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<Told>, Problem> {
        self.wake.borrow_and_update();
        let tail = self.place.stream().after(self.number);
        match &mut self.what {
            What::All { epoch, is_reset } => Ok(match tail {
                Tail::Events(events) if !*is_reset => {
                    self.number = events.last().map_or(self.number, |event| event.number);
                    let told = |event: LiveEvent| Told {
                        id: Some(format!("{epoch}-{}", event.number)),
                        name: event.name,
                        body: event.body,
                    };
                    events.into_iter().map(told).collect()
                }
                Tail::Events(_) | Tail::Lost(_) => {
                    *is_reset = false;
                    self.number = self.place.stream().last();
                    vec![Told { id: Some(format!("{epoch}-{}", self.number)), name: "reset", body: "{}".into() }]
                }
            }),
            What::Run { run, last, has_read } => {
                if let (true, Tail::Events(events)) = (*has_read, &tail) {
                    self.number = events.last().map_or(self.number, |event| event.number);
                    return Ok(of_run(events, run, last));
                }
                // The number first: what comes while the journal is read is looked at after it.
                let number = self.place.stream().last();
                let (place, wanted, after) = (Arc::clone(&self.place), run.clone(), *last);
                let told = tokio::task::spawn_blocking(move || place.told_after(&wanted, after)).await;
                let told = told.map_err(|_| Problem::field("the journal cannot be read"))??;
                (self.number, *has_read) = (number, true);
                *last = told.last().map_or(*last, |(place, _)| *place);
                let told = told.into_iter().filter_map(|(place, event)| {
                    let body = serde_json::to_string(&event).ok()?;
                    Some(Told { id: Some(place.to_string()), name: event_name(&event.what), body: body.into() })
                });
                Ok(told.collect())
            }
        }
    }
}

/// Those of the events that are of the run, and new to the listener.
fn of_run(events: &[LiveEvent], run: &RunId, last: &mut StreamPlace) -> Vec<Told> {
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
