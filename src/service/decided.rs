//! What has become of a decision: whether it is the one that counted, once and for the attempt that the person saw.
//!
//! The journal alone says so: a decision is acknowledged when its record is there and moved the run.

use std::time::{Duration, Instant};

use crate::{
    base::{hex, random},
    driver::{Loaded, check_of, decode, too_late},
    scheduler::{Action, AttemptId, Decision, Event},
    service::{
        decisions::{Delivered, OWNED},
        refusal::Refusal,
        runs::{Runs, no_chance},
    },
};

/// How long an owner has to take a decision. Before that it may look at all files of the project.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks into the journal.
const PAUSE: Duration = Duration::from_millis(10);

/// By which a person's word is found again.
pub(super) fn mark() -> Result<String, Refusal> {
    random::<8>().map(|bytes| hex(&bytes)).map_err(|error| no_chance(&error))
}

/// Refuses a push-back that nobody could follow.
pub(super) fn may_push_back(loaded: &Loaded, attempt: AttemptId) -> Result<(), Refusal> {
    let Some(why) = loaded.scheduler.no_pushback(attempt.instance) else { return Ok(()) };
    let (run, step) = (&loaded.summary.run, loaded.scheduler.path(attempt.instance));
    let step = shell_words::quote(step.as_str()).into_owned();
    let message = format!("`{step}` of run {run} cannot be pushed back: {why}");
    Err(Refusal::new(
        2,
        "E0364",
        message,
        format!("`orch approve {run} {step}`, or `orch reject {run} {step} --comment WHY`"),
    ))
}

/// Where a record with our mark leads.
enum Found {
    Counted,
    TooLate,
    Second,
}

impl Runs {
    /// A decision as it is written into a run without an owner: one about files that have changed since they were shown
    /// does not count.
    pub(super) fn in_time(&self, loaded: &Loaded, event: Event) -> Event {
        let check = match &event {
            Event::Decided { attempt, subject, decision, .. }
                if !matches!(decision, Decision::Reject { .. }) && loaded.scheduler.asks_about(*attempt, subject) =>
            {
                check_of(&loaded.scheduler, *attempt)
            }
            _ => None,
        };
        let Some(check) = check else { return event };
        let holds = check.perform(&self.spaces(&loaded.summary.run)).is_ok_and(|changed| changed.is_empty());
        if holds { event } else { too_late(event) }
    }

    /// Waits until it is written what has become of a decision. `loaded` is the run as it was when the person decided.
    pub(super) fn fate(
        &self,
        mut loaded: Loaded,
        attempt: AttemptId,
        mark: &str,
        delivered: Delivered,
    ) -> Result<Delivered, Refusal> {
        let run = loaded.summary.run.clone();
        let began = Instant::now();
        loop {
            match self.found(&mut loaded, mark)? {
                Some(Found::Counted) => break,
                Some(Found::TooLate) => return Err(changed(&loaded, attempt)),
                Some(Found::Second) => return Err(second(&loaded, attempt)),
                None => {}
            }
            let owner = self.owner(&run)?;
            if owner.is_none() {
                // Its owner has gone and left it unread.
                match self.write(&run, None) {
                    Err(refusal) if refusal.id != OWNED => return Err(refusal),
                    _ => {}
                }
            }
            if loaded.scheduler.ended().is_some() {
                return Err(second(&loaded, attempt));
            }
            if began.elapsed() > PATIENCE {
                let who = owner.map_or_else(|| "its owner".to_owned(), |owner| format!("process {}", owner.pid));
                let message =
                    format!("{who} has not taken the decision yet; it is left for whoever goes on with run {run}");
                return Err(Refusal::new(30, "E0362", message, format!("orch status {run}")));
            }
            std::thread::sleep(PAUSE);
        }
        // The owner may have ended the run with it by now.
        if loaded.scheduler.ended().is_some() { Ok(Delivered::Ended) } else { Ok(delivered) }
    }

    /// Goes on reading the journal, and says what came of the record with that mark.
    fn found(&self, loaded: &mut Loaded, mark: &str) -> Result<Option<Found>, Refusal> {
        let mut found = None;
        for record in self.journal().read(&loaded.summary.run, loaded.seq + 1)? {
            let record = record?;
            let event = decode(&record).map_err(|error| Refusal::from(crate::driver::LoadError::from(error)))?;
            match &event {
                Event::Decided { attempt, subject, decision, mark: Some(other), .. } if other == mark => {
                    let scheduler = &loaded.scheduler;
                    let may = !matches!(decision, Decision::Pushback { .. })
                        || scheduler.no_pushback(attempt.instance).is_none();
                    let counts = may && scheduler.asks_about(*attempt, subject);
                    found = Some(if counts { Found::Counted } else { Found::Second });
                }
                Event::Outdated { mark: Some(other), .. } if other == mark => found = Some(Found::TooLate),
                _ => {}
            }
            (loaded.seq, loaded.last) = (record.seq, record.at);
            let _: Vec<Action> = loaded.scheduler.step(record.at, event);
        }
        Ok(found)
    }
}

/// Somebody or something else has ended the question.
fn second(loaded: &Loaded, attempt: AttemptId) -> Refusal {
    let (run, scheduler) = (&loaded.summary.run, &loaded.scheduler);
    let view = scheduler.view(attempt.instance);
    let record = view.history.iter().find(|record| record.number == attempt.number);
    let how = record.map(|record| record.reason.to_string()).filter(|reason| !reason.is_empty());
    let how = how.unwrap_or_else(|| "it is over".to_owned());
    let message = format!("your decision about `{}` of run {run} does not count: {how}", view.path);
    Refusal::new(11, "E0360", message, format!("`orch status {run}` shows where it stands"))
}

fn changed(loaded: &Loaded, attempt: AttemptId) -> Refusal {
    let (run, path) = (&loaded.summary.run, loaded.scheduler.path(attempt.instance));
    let message =
        format!("your decision about `{path}` of run {run} does not count: the files are no longer as they were shown");
    let help =
        format!("look again: `orch resume {run}` puts the question anew where nobody drives the run; `orch inbox`");
    Refusal::new(20, "E0361", message, help)
}
