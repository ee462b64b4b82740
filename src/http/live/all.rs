//! A place in the streams of some projects at once.
//!
//! The id is `EPOCH-NUMBER-NUMBER…`: one number for each project, in the order of the server, behind a mark that another
//! process or other projects do not have. Each event carries all of the numbers as they are behind it, so going on from any
//! id loses and repeats nothing. Where the server was started anew, or too much was missed, a `reset` says that the lists
//! must be read again.

use std::{future::Future as _, sync::Arc, task::Poll};

use tokio::sync::watch;

use crate::{
    base::Digest,
    http::{live::follow::Told, problem::Problem},
    service::serve::{Place, Tail},
};

/// Projects of one stream: so long is an id at most.
const PROJECTS_MAX: usize = 100;

/// One project of the stream.
struct Part {
    place: Arc<Place>,
    /// The number of the last event that was looked at.
    number: u64,
    wake: watch::Receiver<u64>,
}

/// A listener's place.
pub(super) struct All {
    epoch: String,
    parts: Vec<Part>,
    is_reset: bool,
}

impl All {
    /// From after the event with that id; from now on where none is named.
    pub fn new(places: &[Arc<Place>], after: Option<&str>) -> Result<Self, Problem> {
        if places.len() > PROJECTS_MAX {
            let why = format!("`project` is missing: one stream tells of at most {PROJECTS_MAX} projects");
            return Err(Problem::field(why));
        }
        let mut parts: Vec<Part> = places
            .iter()
            .map(|place| {
                // First the bell: what is told after the number was read rings it.
                let wake = place.stream().listen();
                Part { number: place.stream().last(), place: Arc::clone(place), wake }
            })
            .collect();
        let epochs: Vec<_> = places.iter().map(|place| place.epoch()).collect();
        let epoch: String = Digest::of(epochs.join("-").as_bytes()).as_str().chars().take(16).collect();
        let mut is_reset = false;
        if let Some(text) = after {
            let numbers = numbers(text, &epoch).ok_or_else(|| {
                Problem::field("query `after`: an id of this stream is `EPOCH-NUMBER`, a number for each project")
            })?;
            is_reset = numbers.len() != parts.len();
            if !is_reset {
                parts.iter_mut().zip(numbers).for_each(|(part, number)| part.number = number);
            }
        }
        Ok(Self { epoch, parts, is_reset })
    }

    /// What has happened since the last look.
    pub fn look(&mut self) -> Vec<Told> {
        for part in &mut self.parts {
            part.wake.borrow_and_update();
        }
        if self.is_reset {
            self.is_reset = false;
            for part in &mut self.parts {
                part.number = part.place.stream().last();
            }
            return vec![self.reset()];
        }
        let mut told = Vec::new();
        for at in 0..self.parts.len() {
            let part = &self.parts[at];
            match part.place.stream().after(part.number) {
                Tail::Events(events) => {
                    for event in events {
                        self.parts[at].number = event.number;
                        told.push(Told { id: Some(self.id()), name: event.name, body: event.body });
                    }
                }
                Tail::Lost(last) => {
                    self.parts[at].number = last;
                    told.push(self.reset());
                }
            }
        }
        told
    }

    fn id(&self) -> String {
        let numbers = self.parts.iter().map(|part| format!("-{}", part.number));
        numbers.fold(self.epoch.clone(), |id, number| id + &number)
    }

    fn reset(&self) -> Told {
        Told { id: Some(self.id()), name: "reset", body: "{}".into() }
    }

    /// Waits until something may have happened; false where a project is gone.
    pub async fn woken(&mut self) -> bool {
        let mut bells: Vec<_> = self.parts.iter_mut().map(|part| Box::pin(part.wake.changed())).collect();
        std::future::poll_fn(|context| {
            // Every bell is asked, so that each of them knows whom to wake.
            let rung = bells.iter_mut().map(|bell| bell.as_mut().poll(context));
            rung.fold(Poll::Pending, |before, now| match (before, now) {
                (Poll::Pending, Poll::Ready(rung)) => Poll::Ready(rung.is_ok()),
                (before, _) => before,
            })
        })
        .await
    }
}

/// The numbers of an id; none of them where it is of another process or of other projects.
fn numbers(text: &str, epoch: &str) -> Option<Vec<u64>> {
    let (known, rest) = text.split_once('-')?;
    let numbers: Option<Vec<u64>> = rest.split('-').map(|number| number.parse().ok()).collect();
    Some(numbers?).map(|numbers| if known == epoch { numbers } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_process_has_no_numbers() {
        assert_eq!(numbers("ab-1-20", "ab"), Some(vec![1, 20]));
        assert_eq!(numbers("cd-1-20", "ab"), Some(vec![]));
        assert_eq!((numbers("ab", "ab"), numbers("ab-x", "ab"), numbers("ab-", "ab")), (None, None, None));
    }
}
