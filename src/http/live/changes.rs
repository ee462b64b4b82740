//! Changes of definitions: a `reset` whenever they are others than the listener has seen.
//!
//! The id says what was seen, so that nothing is missed between a page and its stream, nor over a restart of the server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    base::Digest,
    http::{live::follow::Told, problem::Problem},
    service::serve::Place,
};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// By which a change of the definitions of these projects is seen.
pub(in crate::http) fn mark_of(places: &[Arc<Place>]) -> String {
    let marks: Vec<_> = places.iter().map(|place| place.definitions_mark().as_str().to_owned()).collect();
    Digest::of(marks.join("-").as_bytes()).as_str().chars().take(32).collect()
}

/// A listener's place.
pub(super) struct Changes {
    places: Vec<Arc<Place>>,
    /// What the listener has seen.
    seen: Option<String>,
    looked: Option<Instant>,
}

impl Changes {
    /// From what was seen; from what is there now where nothing is named.
    pub fn new(places: &[Arc<Place>], after: Option<&str>) -> Self {
        Self { places: places.to_vec(), seen: after.map(str::to_owned), looked: None }
    }

    /// Whether the definitions are others than the listener has seen.
    pub async fn look(&mut self) -> Result<Vec<Told>, Problem> {
        let places = self.places.clone();
        let now = tokio::task::spawn_blocking(move || mark_of(&places)).await;
        let now = now.map_err(|_| Problem::field("the definitions cannot be read"))?;
        self.looked = Some(Instant::now());
        let before = self.seen.replace(now.clone());
        let is_other = before.is_some_and(|before| before != now);
        Ok(if is_other { vec![Told { id: Some(now), name: "reset", body: "{}".into() }] } else { Vec::new() })
    }

    /// Waits until it is time to look again.
    pub async fn pause(&self) {
        let passed = self.looked.map_or(PAUSE, |looked| looked.elapsed());
        tokio::time::sleep(PAUSE.saturating_sub(passed)).await;
    }
}
