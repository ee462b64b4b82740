//! `orch replay`: the story of a run as its journal tells it, record by record, with nothing done again.

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{Outcome, RunId, Timestamp, Verdict},
    driver::{Loaded, RetraceError, purpose_words, retrace, status_word},
    scheduler::{
        Action, AttemptId, Decision, Evaluation, Event, InstanceId, Notice, Scheduler, Site, StepState, Strength,
    },
    service::{decisions::summary_of, refusal::Refusal, runs::Runs},
};

/// The version of the JSON form.
pub const STORY_VERSION: u16 = 1;
/// The longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// One record, for people and programs.
#[derive(Debug, Clone, Serialize)]
pub struct StoryLine {
    /// [`STORY_VERSION`].
    pub v: u16,
    /// Its place in the journal.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened, one line.
    pub text: String,
    /// What came of it: what the scheduler asked for, and what had settled.
    pub then: Vec<String>,
    /// The record itself.
    pub event: Value,
}

impl Runs {
    /// Goes through the journal of a run, up to a record, and tells each; gives the state after the last one.
    ///
    /// # Errors
    /// When there is no such run or record, or the journal cannot be read or does not fit.
    pub fn story(&self, run: &RunId, until: Option<u64>, mut tell: impl FnMut(StoryLine)) -> Result<Loaded, Refusal> {
        let journal = self.journal();
        let told = retrace(journal.as_ref(), run, until, |scheduler, record, event, actions| {
            tell(StoryLine {
                v: STORY_VERSION,
                seq: record.seq,
                at: record.at,
                text: words(scheduler, event),
                then: actions.iter().filter_map(|action| asked(scheduler, action)).collect(),
                event: serde_json::from_slice(&record.body).unwrap_or_default(),
            });
        });
        let mut loaded = told.map_err(|error| match error {
            RetraceError::Load(error) => Refusal::from(error),
            RetraceError::Misfit { .. } => Refusal::new(
                31,
                "E0332",
                format!("the journal of run {run} cannot be replayed: {error}"),
                format!("look at the state before it: `orch replay {run} --at SEQ`; other runs are not touched"),
            ),
        })?;
        if let Some(until) = until.filter(|until| *until > loaded.seq || *until == 0) {
            let message = format!("run {run} has no record {until}");
            return Err(Refusal::new(11, "E0333", message, format!("its records are 1 to {}", loaded.seq)));
        }
        // The list knows how it went on; at this record nobody did.
        (loaded.summary.ended, loaded.summary.exit_code) = (None, None);
        loaded.summary = summary_of(&loaded);
        Ok(loaded)
    }
}

/// What happened, in words; the state is the one after it.
fn words(scheduler: &Scheduler, event: &Event) -> String {
    let step = |instance: InstanceId| path(scheduler, instance);
    let attempt = |attempt: &AttemptId| format!("{}, attempt {attempt}", step(attempt.instance));
    match event {
        Event::Forked { parent, from } => format!("the run is a fork of run {parent}, from {from}"),
        Event::Kept { step, kept } => match kept.settled {
            Some(settled) => format!("{step} is taken over: {}", status_word(settled)),
            None => format!("{step} is taken over in part"),
        },
        Event::RunStarted { parallel, runtime, .. } => {
            format!("the run begins: {parallel} at once, agents on `{runtime}`")
        }
        Event::Evaluated { site, result } => {
            let (name, instance) = site_words(*site);
            let at = instance.map_or_else(String::new, |instance| format!(" of {}", step(instance)));
            match result {
                Evaluation::Value(value) => format!("{name}{at} is {}", short(&value.to_string())),
                Evaluation::Fault(reason) => format!("{name}{at} has no value: {}", short(reason)),
            }
        }
        Event::Started { attempt: of, subject, .. } => {
            let asks = if subject.is_some() { "asks a person" } else { "begins" };
            format!("{} {asks}", attempt(of))
        }
        Event::Deferred { attempt: of, until, reason } => {
            format!("{} does not begin before {until}: {}", attempt(of), short(reason))
        }
        Event::Paced { runtime, reason, .. } if reason.is_empty() => format!("`{runtime}` goes at full speed"),
        Event::Paced { runtime, reason, .. } => format!("`{runtime}` goes slower: {}", short(reason)),
        Event::Spent { attempt: of, usage, .. } => format!("{} has spent {} tokens", attempt(of), usage.tokens()),
        Event::SessionKnown { attempt: of, session } => format!("{} has the session {}", attempt(of), short(session)),
        Event::Finished { attempt: of, outcome } => format!("{} {}", attempt(of), outcome_words(outcome)),
        Event::Decided { attempt: of, decision, by, .. } => match decision {
            Decision::Approve { .. } => format!("{by} says yes to {}", attempt(of)),
            Decision::Reject { comment, .. } => format!("{by} says no to {}: {}", attempt(of), short(comment)),
            Decision::Pushback { comments } => {
                let first = comments.first().map(ToString::to_string).unwrap_or_default();
                format!("{by} pushes {} back with {} comments: {}", attempt(of), comments.len(), short(&first))
            }
        },
        Event::Outdated { attempt: of, by, .. } => {
            format!("{by} has decided about {}, but what was shown had changed", attempt(of))
        }
        Event::Answered { instance, answer, by } => format!("{by} says of {}: {answer:?}", step(*instance)),
        Event::TimeReached => "a time is reached".to_owned(),
        Event::CancelRequested { strength: Strength::Gentle } => "somebody wants the run to end".to_owned(),
        Event::CancelRequested { strength: Strength::Hard } => "somebody wants the run to end at once".to_owned(),
        Event::Restarted { parallel } => format!("a new process owns the run: {parallel} at once"),
        Event::RetryRequested => "what failed is to run again".to_owned(),
        Event::BudgetRaised { .. } => "the budget is raised".to_owned(),
    }
}

fn outcome_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded(envelope) if envelope.summary.is_empty() => "is done".to_owned(),
        Outcome::Succeeded(envelope) => format!("is done: {}", short(&envelope.summary)),
        Outcome::Failed(failure) => format!("failed: {}", short(&failure.reason)),
        Outcome::Judged(judged) => {
            let verdict = match judged.verdict {
                Verdict::Pass => "passed",
                Verdict::Fail => "did not pass",
                Verdict::Error => "could not be judged",
            };
            if judged.reason.is_empty() { verdict.to_owned() } else { format!("{verdict}: {}", short(&judged.reason)) }
        }
        Outcome::Stopped => "was stopped".to_owned(),
        Outcome::Lost => "was lost".to_owned(),
    }
}

/// What an expression is for, and where it stands.
fn site_words(site: Site) -> (&'static str, Option<InstanceId>) {
    match site {
        Site::When(instance) => ("`when`", Some(instance)),
        Site::Items(instance) => ("`each`", Some(instance)),
        Site::Until(instance) => ("`until`", Some(instance)),
        Site::CallInputs(instance) => ("`with`", Some(instance)),
        Site::CallOutputs(instance) => ("the outputs", Some(instance)),
        Site::StopText(instance) => ("the text", Some(instance)),
        Site::RunOutputs => ("the outputs of the run", None),
    }
}

/// What the scheduler asks for, or what has settled; `None` for what the next records tell anyway.
fn asked(scheduler: &Scheduler, action: &Action) -> Option<String> {
    Some(match action {
        Action::Start { attempt, purpose } => {
            let purpose = purpose_words(scheduler, attempt.instance, *purpose);
            format!("asks for {}, attempt {attempt}: {purpose}", path(scheduler, attempt.instance))
        }
        Action::Stop { attempt, .. } => {
            format!("asks to stop {}, attempt {attempt}", path(scheduler, attempt.instance))
        }
        Action::Evaluate { site } => {
            let (name, instance) = site_words(*site);
            let at = instance.map_or_else(String::new, |instance| format!(" of {}", path(scheduler, instance)));
            format!("asks for {name}{at}")
        }
        Action::Notice(Notice::Settled { instance }) => {
            let view = scheduler.view(*instance);
            let reason = view.cause.filter(|_| view.state == StepState::Failed).map(|cause| short(&cause.reason));
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{} {}{reason}", view.path, view.state.word())
        }
        Action::Notice(Notice::RunEnded) => {
            format!("the run has {}", scheduler.ended().map_or("ended", |end| status_word(end.settled)))
        }
        Action::Notice(_) => return None,
    })
}

/// The path of a step; a record may name one that is not there.
fn path(scheduler: &Scheduler, instance: InstanceId) -> String {
    let exists = scheduler.instances().next_back().is_some_and(|last| instance <= last);
    if exists { scheduler.path(instance).to_string() } else { format!("step {}", instance.0) }
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(VALUE_CHARS_MAX).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    short
}
