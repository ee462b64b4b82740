//! Answers from recordings. Knows no project: what it can answer is what it was given.

use std::{borrow::Cow, sync::OnceLock};

use serde_json::{Map, Value};

use crate::{
    base::{Evidence, Failure, FailureClass, Outcome, Usage},
    runtime::{
        adapter::{Adapter, Call, Capabilities, ProgramOutput, Reader, Scene, Seen},
        order::Order,
        recording::{Recording, RecordingError, place},
    },
};

/// What to do where recordings do not reach.
const DECLARE: &str = "recordings answer only for what was recorded; declare an agent to work on anything else: a \
                       `[runtimes.NAME]` in orch.toml, or start with `orch init`";
/// The longest value shown of an input, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// The runtime `replay`.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// Each with its path. They are read when somebody asks, because most runs have another runtime.
    texts: Vec<(String, Cow<'static, str>)>,
    read: OnceLock<Read>,
}

#[derive(Debug, Clone, Default)]
struct Read {
    recordings: Vec<Recording>,
    faults: Vec<RecordingError>,
}

impl Replay {
    /// The runtime's name.
    pub const NAME: &str = "replay";

    /// Answers from these recordings; of two for the same workflow and inputs the first.
    #[must_use]
    pub fn new(recordings: Vec<Recording>) -> Self {
        Self { texts: Vec::new(), read: Read { recordings, faults: Vec::new() }.into() }
    }

    /// Answers from these texts, each with its path. One that cannot be used is told to whoever misses an answer.
    #[must_use]
    pub fn parse(texts: impl IntoIterator<Item = (String, Cow<'static, str>)>) -> Self {
        Self { texts: texts.into_iter().collect(), read: OnceLock::new() }
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| {
            let mut read = Read::default();
            for (origin, text) in &self.texts {
                match Recording::parse(origin, text) {
                    Ok(recording) => read.recordings.push(recording),
                    Err(fault) => read.faults.push(fault),
                }
            }
            read
        })
    }

    /// The recordings that cannot be used.
    #[must_use]
    pub fn faults(&self) -> &[RecordingError] {
        &self.read().faults
    }

    /// Whether there is a recording for this workflow, whatever the inputs.
    #[must_use]
    pub fn knows(&self, workflow: &str) -> bool {
        self.read().recordings.iter().any(|recording| recording.workflow == workflow)
    }

    /// The recording for an order's workflow and inputs.
    fn recording(&self, order: &Order) -> Result<&Recording, Box<Failure>> {
        let Read { recordings, faults } = self.read();
        let mut same = recordings.iter().filter(|recording| recording.workflow == order.workflow).peekable();
        let first = same.peek().copied();
        if let Some(recording) = same.find(|recording| are_same(&recording.inputs, &order.inputs)) {
            return Ok(recording);
        }
        if let Some(fault) = faults.first() {
            return Err(fault.into());
        }
        let reason = match first {
            None => format!("there is no recording of workflow `{}`: {DECLARE}", order.workflow),
            Some(recording) => format!("{}: {DECLARE}", difference(&recording.inputs, &order.inputs)),
        };
        Err(failure(FailureClass::Missing, reason))
    }
}

impl Adapter for Replay {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            replays: true,
            reports_usage: true,
            reads_memory: true,
            ..Capabilities::default()
        }
    }

    fn call(&self, order: &Order, _scene: &Scene) -> Result<Call, Box<Failure>> {
        let recording = self.recording(order)?;
        let found = recording
            .turns
            .iter()
            .find(|turn| turn.step == order.step && turn.attempt == order.attempt && turn.turn == order.turn);
        let Some(turn) = found else {
            let place = place(&order.step, order.attempt, order.turn);
            return Err(failure(FailureClass::Permanent, format!("no recorded answer for {place}: {DECLARE}")));
        };
        let mut answer = turn.answer.clone();
        // A session is its name: the place of every turn is in the recording itself.
        answer.envelope.session = Some(order.session.clone().unwrap_or_else(|| format!("recorded:{}", order.step)));
        Ok(Call::Recorded(Box::new(answer)))
    }

    fn reader(&self, _order: &Order) -> Box<dyn Reader> {
        Box::new(NoProgram)
    }
}

/// A recording starts no program, so there is nothing to read.
struct NoProgram;

impl Reader for NoProgram {
    fn line(&mut self, _line: &[u8], _is_whole: bool) -> Vec<Seen> {
        Vec::new()
    }

    fn finish(&mut self, _output: &ProgramOutput) -> Outcome {
        Outcome::Failed(failure(FailureClass::Permanent, "a recording starts no program".into()))
    }
}

/// Whether two sets of inputs are the same, in whatever order they were given.
fn are_same(recorded: &Map<String, Value>, given: &Map<String, Value>) -> bool {
    recorded.len() == given.len() && recorded.iter().all(|(name, value)| given.get(name) == Some(value))
}

/// The first input that differs.
fn difference(recorded: &Map<String, Value>, given: &Map<String, Value>) -> String {
    let names = recorded.keys().chain(given.keys());
    let Some(name) = names.into_iter().find(|name| recorded.get(*name) != given.get(*name)) else {
        return "the inputs are not the recorded ones".into();
    };
    let shown = |value: Option<&Value>| match value {
        None => "absent".to_owned(),
        Some(value) => {
            let text = value.to_string();
            let mut short: String = text.chars().take(VALUE_CHARS_MAX).collect();
            if short.len() < text.len() {
                short.push('…');
            }
            short
        }
    };
    format!("input `{name}` is {}, and in the recording it is {}", shown(given.get(name)), shown(recorded.get(name)))
}

fn failure(class: FailureClass, reason: String) -> Box<Failure> {
    Box::new(Failure { class, reason, evidence: Evidence::default(), session: None, usage: Usage::default() })
}
