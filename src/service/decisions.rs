//! What people say to runs: decisions, answers, cancels.
//!
//! Whoever is not the owner of a run leaves decisions in the inbox; where there is no owner the decision is written as an
//! event at once. Drives nothing.

use std::time::Duration;

use serde_json::Value;

use crate::{
    base::RunId,
    driver::{Clock, Loaded, decode_decision, encode, exit_code, said, status_word, waiting_words},
    journal::{Append, DecisionId, Owner, RunSummary},
    plan::Work,
    scheduler::{Action, Answer, AttemptId, Decision, Event, InstanceId, Strength, WaitingFor},
    service::{
        decided::{mark, may_push_back},
        refusal::Refusal,
        runs::Runs,
    },
};

/// The id of the refusal that another process has the run.
pub(super) const OWNED: &str = "E0402";

/// What a person wants of a run that waits.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The step's path; the only question where absent.
    pub step: Option<String>,
    /// What.
    pub decision: Decision,
    /// The digest of what the person was shown, where the caller knows it: about anything else it does not count.
    pub subject: Option<String>,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The owner has taken it and goes on.
    ToOwner(Owner),
    /// It is written; `orch resume` goes on.
    Written,
    /// It is written, and the run has ended with it.
    Ended,
}

impl Runs {
    /// The question that a decision is about.
    ///
    /// # Errors
    /// When nothing is asked, or more than one thing and no step was named.
    pub fn question(&self, loaded: &Loaded, step: Option<&str>) -> Result<(AttemptId, WaitingFor), Refusal> {
        let run = &loaded.summary.run;
        let questions: Vec<_> = loaded
            .scheduler
            .waiting_for()
            .into_iter()
            .filter_map(|waiting| match &waiting {
                WaitingFor::Decision { attempt, step: path, .. } if step.is_none_or(|step| path.as_str() == step) => {
                    Some((*attempt, waiting))
                }
                WaitingFor::Decision { .. } | WaitingFor::Outcome { .. } | WaitingFor::Budget { .. } => None,
            })
            .collect();
        match <[_; 1]>::try_from(questions) {
            Ok([question]) => Ok(question),
            Err(questions) if questions.is_empty() => Err(Refusal::new(
                11,
                "E0307",
                match step {
                    Some(step) => format!("run {run} asks nothing about `{step}`"),
                    None => format!("run {run} asks nothing"),
                },
                format!("`orch status {run}` shows what it waits for"),
            )),
            Err(questions) => {
                let steps: Vec<_> = questions
                    .iter()
                    .map(|(attempt, _)| loaded.scheduler.path(attempt.instance).as_str().to_owned())
                    .collect();
                Err(Refusal::new(
                    2,
                    "E0308",
                    format!("run {run} asks more than one thing: {}", steps.join(", ")),
                    format!("name the step: `orch approve {run} {}`", steps[0]),
                ))
            }
        }
    }

    /// Delivers a decision about exactly what is shown now, and waits until it is known to count.
    ///
    /// # Errors
    /// When nothing is asked, the form is not valid, somebody else was first, the files are no longer as they were shown,
    /// nobody reads it in time, or the store fails.
    pub fn decide(&self, run: &RunId, verdict: Verdict) -> Result<Delivered, Refusal> {
        let loaded = self.load(run, |_, _, _| {})?;
        let (attempt, waiting) = self.question(&loaded, verdict.step.as_deref())?;
        let WaitingFor::Decision { subject, .. } = waiting else {
            return Err(Refusal::new(11, "E0307", format!("run {run} asks nothing"), "`orch status`"));
        };
        if verdict.subject.as_ref().is_some_and(|shown| shown != subject.as_str()) {
            let message = "what is asked now is not what was shown: it has changed since";
            return Err(Refusal::new(2, "E0614", message, format!("`orch status {run}` shows what is asked now")));
        }
        match &verdict.decision {
            Decision::Approve { fields, .. } => check_form(&loaded, attempt, fields)?,
            Decision::Pushback { .. } => may_push_back(&loaded, attempt)?,
            Decision::Reject { .. } => {}
        }
        let (by, mark) = (self.settings.who.clone(), mark()?);
        let event = Event::Decided { attempt, subject, decision: verdict.decision, by, mark: Some(mark.clone()) };
        let delivered = self.deliver(run, event)?;
        self.fate(loaded, attempt, &mark, delivered)
    }

    /// The instance whose outcome a person gives.
    ///
    /// # Errors
    /// When that step does not wait for it.
    pub fn unknown(&self, loaded: &Loaded, step: &str) -> Result<InstanceId, Refusal> {
        let run = &loaded.summary.run;
        loaded
            .scheduler
            .waiting_for()
            .into_iter()
            .find_map(|waiting| match waiting {
                WaitingFor::Outcome { instance, step: path } if path.as_str() == step => Some(instance),
                WaitingFor::Outcome { .. } | WaitingFor::Decision { .. } | WaitingFor::Budget { .. } => None,
            })
            .ok_or_else(|| {
                Refusal::new(
                    11,
                    "E0309",
                    format!("the outcome of `{step}` is not unknown in run {run}"),
                    format!("`orch status {run}` shows what it waits for"),
                )
            })
    }

    /// The event that answers an unknown outcome.
    #[must_use]
    pub fn answer(&self, instance: InstanceId, answer: Answer) -> Event {
        Event::Answered { instance, answer, by: self.settings.who.clone() }
    }

    /// Cancels a run, owned or not.
    ///
    /// # Errors
    /// When it has ended, or the store fails.
    pub fn cancel(&self, run: &RunId, strength: Strength) -> Result<Delivered, Refusal> {
        let loaded = self.load(run, |_, _, _| {})?;
        if let Some(end) = loaded.scheduler.ended() {
            return Err(Refusal::new(
                2,
                "E0304",
                format!("run {run} has ended: {}", status_word(end.settled)),
                format!("`orch status {run}` shows how"),
            ));
        }
        self.deliver(run, Event::CancelRequested { strength })
    }

    /// Gives an event to the owner, or writes it where there is none.
    fn deliver(&self, run: &RunId, event: Event) -> Result<Delivered, Refusal> {
        if self.owner(run)?.is_none() {
            match self.write(run, Some(&event)) {
                // Somebody has taken the run in this very moment.
                Err(refusal) if refusal.id == OWNED => {}
                written => return written,
            }
        }
        let body = serde_json::to_vec(&event).map_err(|error| {
            Refusal::new(70, "E0303", format!("a decision cannot be written: {error}"), "report this as a bug")
        })?;
        self.store.journal().leave_decision(run, body)?;
        // An owner that ends in this very moment does not read it any more.
        if let Some(owner) = self.owner(run)? {
            return Ok(Delivered::ToOwner(owner));
        }
        match self.write(run, None) {
            // The next owner begins with what was left for the last one.
            Err(refusal) if refusal.id == OWNED => Ok(Delivered::Written),
            written => written,
        }
    }

    /// Writes what was left for an owner, and this event, into a run without one.
    pub(super) fn write(&self, run: &RunId, event: Option<&Event>) -> Result<Delivered, Refusal> {
        let _lock = self.take(run)?;
        let mut loaded = self.load(run, |_, _, _| {})?;
        let left = self.store.journal().decisions_after(run, DecisionId::default())?;
        let mut events: Vec<Event> = left.iter().filter_map(decode_decision).chain(event.cloned()).collect();
        if loaded.scheduler.ended().is_some() {
            return Ok(Delivered::Ended);
        }
        if events.is_empty() {
            return Ok(Delivered::Written);
        }
        self.forget_answers(&loaded);
        if events.iter().any(|event| matches!(event, Event::CancelRequested { .. })) {
            events.insert(0, Event::Restarted { parallel: self.settings.parallel });
        }
        let clock = Clock::start(loaded.last);
        let mut records = Vec::new();
        for event in events {
            let now = clock.now();
            let event = self.in_time(&loaded, event);
            // Nobody drives the run, so nobody else writes down who has said it.
            if let Some(entry) = said(&loaded.scheduler, &event) {
                self.settings.trust.guards.write(&entry)?;
            }
            records.push(encode(now, &event));
            let _: Vec<Action> = loaded.scheduler.step(now, event);
        }
        let consumed = left.iter().map(|decision| decision.id).collect();
        let append = Append::new(run.clone(), loaded.seq, records).summary(summary_of(&loaded)).consumed(consumed);
        self.store.journal().append(append).wait()?;
        Ok(if loaded.scheduler.ended().is_some() { Delivered::Ended } else { Delivered::Written })
    }

    /// Waits until an owner has ended a run, at most `patience`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn wait_for_end(&self, run: &RunId, patience: Duration) -> Result<Option<RunSummary>, Refusal> {
        let start = std::time::Instant::now();
        loop {
            let summary = self.store.journal().run(run)?;
            if let Some(summary) = summary.filter(|summary| summary.ended.is_some()) {
                return Ok(Some(summary));
            }
            if start.elapsed() > patience {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The list's line of a run as its state now is.
pub(super) fn summary_of(loaded: &Loaded) -> RunSummary {
    let mut summary = loaded.summary.clone();
    if let Some(end) = loaded.scheduler.ended() {
        summary.status = status_word(end.settled).to_owned();
        summary.ended = Some(end.at);
        summary.exit_code = Some(exit_code(end));
        summary.waiting_for = None;
    } else {
        let waiting = loaded.scheduler.waiting_for();
        summary.status = if waiting.is_empty() { "running" } else { "waiting" }.to_owned();
        summary.waiting_for = (!waiting.is_empty()).then(|| waiting_words(&waiting));
    }
    summary
}

fn check_form(loaded: &Loaded, attempt: AttemptId, fields: &Value) -> Result<(), Refusal> {
    let step = loaded.scheduler.plan_step(attempt.instance).1;
    let run = &loaded.summary.run;
    let Some(schema) = step.output.as_ref().filter(|_| matches!(step.work, Work::Ask { .. })) else {
        return Ok(());
    };
    let faults: Vec<String> = match jsonschema::validator_for(schema) {
        Ok(validator) => validator.iter_errors(fields).map(|error| error.to_string()).collect(),
        Err(error) => vec![error.to_string()],
    };
    if faults.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        2,
        "E0310",
        format!("the form of `{}` is not filled in: {}", step.path, faults.join("; ")),
        format!("`orch approve {run} {} --set FIELD=VALUE …`", step.path),
    ))
}
