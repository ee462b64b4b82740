//! Makes a recording of what agents say and do in a real run: turn by turn, without secrets, in the form of
//! [`super::recording`].
//!
//! Knows no folder and writes no file. Invariants: a secret is taken out before anything is kept; what is written is
//! read back and compared before anybody gets it; what the recording does not hold is said in its note.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    base::Outcome,
    guard::{Redactor, plain_path},
    runtime::{
        base64,
        order::Order,
        recording::{
            Fails, RECORDING_BYTES_MAX, RECORDING_VERSION, Recording, Says, Write, WrittenRecording, WrittenTurn, place,
        },
    },
};

/// The version of the stored form of a turn.
const VERSION: u16 = 1;
/// The longest file that is recorded, in bytes.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Doubts that are written into a recording.
const DOUBTS_MAX: usize = 50;

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum TapeFault {
    /// A stored turn is torn, or of a newer version.
    #[error("the turn in `{0}` cannot be read")]
    Turn(String),
    /// It is larger than anybody may read.
    #[error("it would be longer than 16 MB; the largest part is {0}")]
    TooLong(String),
    /// What was written is not read back as it was: a bug.
    #[error("it is not read back as it was written: {0}")]
    Unfaithful(String),
}

/// A file that an agent has changed, as it left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TapedFile {
    /// A file.
    Written {
        /// All of it.
        bytes: Vec<u8>,
        /// Set where that is not as it was, or the file is new and can be executed.
        executable: Option<bool>,
    },
    /// It is gone.
    Deleted,
    /// It cannot be recorded: why.
    Left(String),
}

/// One turn, as it is kept until the run is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TapedTurn {
    v: u16,
    /// Absent where the attempt was broken off: there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<WrittenTurn>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<String>,
    /// Files that changed meanwhile and are not this step's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    unclaimed: BTreeSet<String>,
}

impl TapedTurn {
    /// What an agent has said and done. `doubts` are what the recorder could not see, and `unclaimed` the files that
    /// changed meanwhile and are not declared by the step.
    #[must_use]
    pub fn new(
        order: &Order,
        outcome: &Outcome,
        files: BTreeMap<PathBuf, TapedFile>,
        mut doubts: Vec<String>,
        unclaimed: BTreeSet<String>,
        redactor: &Redactor,
    ) -> Self {
        let place = place(&order.step, order.attempt, order.turn);
        let (mut says, mut fails) = (Says::default(), None);
        let usage = match outcome {
            Outcome::Succeeded(envelope) => {
                says = Says {
                    summary: redactor.said(&envelope.summary),
                    output: redactor.value(&envelope.output),
                    text: redactor.said(&envelope.text),
                    next_steps: envelope.next_steps.iter().map(|text| redactor.said(text)).collect(),
                    tests_passing: envelope.tests_passing,
                };
                envelope.usage
            }
            Outcome::Failed(failure) => {
                fails = Some(Fails { class: failure.class, reason: redactor.said(&failure.reason) });
                failure.usage
            }
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {
                if !files.is_empty() {
                    let names: Vec<_> = files.keys().map(|path| format!("`{}`", path.display())).collect();
                    doubts.push(format!("{place} was broken off, and is not here: it changed {}", names.join(", ")));
                }
                return Self { v: VERSION, turn: None, doubts, unclaimed };
            }
        };
        let mut turn = WrittenTurn {
            step: order.step.clone(),
            attempt: order.attempt,
            turn: order.turn,
            delay_ms: 0,
            says,
            fails,
            usage: usage.into(),
            writes: Vec::new(),
            deletes: Vec::new(),
        };
        for (path, file) in files {
            let shown = path.display().to_string();
            if let Err(fault) = plain_path(&path) {
                doubts.push(format!("{place}: a file is left out: {fault}"));
                continue;
            }
            match file {
                TapedFile::Deleted => turn.deletes.push(path),
                TapedFile::Left(reason) => doubts.push(format!("{place}: `{shown}` is left out: {reason}")),
                TapedFile::Written { bytes, executable } => match write(path, bytes, executable, redactor) {
                    Ok((write, is_redacted)) => {
                        if is_redacted {
                            doubts.push(format!("{place}: something was taken out of `{shown}`"));
                        }
                        turn.writes.push(write);
                    }
                    Err(reason) => doubts.push(format!("{place}: `{shown}` is left out: {reason}")),
                },
            }
        }
        Self { v: VERSION, turn: Some(turn), doubts, unclaimed }
    }

    /// The turn as it is kept.
    ///
    /// # Errors
    /// Never in practice: it holds only what JSON can say.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Whether it is that attempt of that step.
    #[must_use]
    pub fn is_of(&self, step: &str, attempt: u32) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.step == step && turn.attempt == attempt)
    }

    /// Reads what was kept. `origin` is its name, for people.
    ///
    /// # Errors
    /// A turn that is torn, or of another version.
    pub fn parse(origin: &str, bytes: &[u8]) -> Result<Self, TapeFault> {
        let fault = || TapeFault::Turn(origin.to_owned());
        let turn: Self = serde_json::from_slice(bytes).map_err(|_| fault())?;
        if turn.v == VERSION { Ok(turn) } else { Err(fault()) }
    }
}

/// A file as a recording holds it, and whether something was taken out of it.
fn write(
    path: PathBuf,
    bytes: Vec<u8>,
    executable: Option<bool>,
    redactor: &Redactor,
) -> Result<(Write, bool), &'static str> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err("it is longer than 4 MB");
    }
    let (text, base64, is_redacted) = match String::from_utf8(bytes) {
        Ok(text) => {
            let redacted = redactor.text(&text);
            let is_redacted = redacted != text;
            if is_readable(&redacted) {
                (Some(redacted), None, is_redacted)
            } else {
                (None, Some(base64::encode(redacted.as_bytes())), is_redacted)
            }
        }
        Err(error) => {
            let bytes = error.into_bytes();
            if redactor.is_in(&bytes) {
                return Err("it is no text and holds a secret");
            }
            (None, Some(base64::encode(&bytes)), false)
        }
    };
    Ok((Write { path, text, base64, executable }, is_redacted))
}

/// Whether people can read a text, and every reader of YAML gives it back as it is.
fn is_readable(text: &str) -> bool {
    let is_plain = |letter: char| matches!(letter, '\n' | '\t') || (!letter.is_control() && letter != '\u{feff}');
    text.chars().all(|letter| is_plain(letter) && !matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}'))
}

/// What a recording says of itself.
#[derive(Debug, Clone)]
pub struct TapeHead {
    /// The workflow's name.
    pub workflow: String,
    /// Its inputs.
    pub inputs: Map<String, Value>,
    /// For people: how the run has ended.
    pub note: String,
}

/// A whole recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tape {
    /// The file.
    pub text: String,
    /// Turns in it.
    pub turns: usize,
    /// What it does not hold, or what may not be as it was.
    pub doubts: Vec<String>,
}

impl Tape {
    /// Puts turns together, in the order in which they ended. Of two for the same place the later one counts. `doubts`
    /// are what is known to be missing.
    ///
    /// # Errors
    /// When it would be too long, or is not read back as it was written.
    pub fn of(
        head: TapeHead,
        taped: Vec<TapedTurn>,
        mut doubts: Vec<String>,
        redactor: &Redactor,
    ) -> Result<Self, TapeFault> {
        let inputs: Map<String, Value> =
            head.inputs.iter().map(|(name, value)| (name.clone(), redactor.value(value))).collect();
        if inputs != head.inputs {
            doubts.push("something was taken out of the inputs: it answers for those that stand in it".to_owned());
        }
        let claimed: BTreeSet<String> = taped.iter().filter_map(|taped| taped.turn.as_ref()).flat_map(paths).collect();
        let mut turns: Vec<WrittenTurn> = Vec::new();
        for TapedTurn { v: _, turn, doubts: own, unclaimed } in taped {
            doubts.extend(own);
            for path in unclaimed.difference(&claimed) {
                doubts.push(format!(
                    "`{path}` changed while more than one step worked, and none of them declares it: it is left out"
                ));
            }
            if let Some(turn) = turn {
                turns.retain(|other| (&other.step, other.attempt, other.turn) != (&turn.step, turn.attempt, turn.turn));
                turns.push(turn);
            }
        }
        let mut note = head.note;
        for doubt in doubts.iter().take(DOUBTS_MAX) {
            note.push_str(&format!("\nDoubt: {}.", redactor.said(doubt)));
        }
        let written = WrittenRecording {
            recording: RECORDING_VERSION,
            workflow: head.workflow,
            inputs,
            note,
            recorded_by: concat!("orch ", env!("CARGO_PKG_VERSION")).to_owned(),
            turns,
            end: true,
        };
        let text = faithful(written)?;
        Ok(Self { turns: text.1, text: text.0, doubts })
    }
}

fn paths(turn: &WrittenTurn) -> Vec<String> {
    let paths = turn.writes.iter().map(|write| &write.path).chain(&turn.deletes);
    paths.map(|path| path.display().to_string()).collect()
}

/// The file, and how many turns it has. Files whose text YAML does not give back are written as base64.
fn faithful(mut written: WrittenRecording) -> Result<(String, usize), TapeFault> {
    let unfaithful = |error: &dyn std::fmt::Display| TapeFault::Unfaithful(error.to_string());
    for is_last in [false, true] {
        let text = serde_yaml::to_string(&written).map_err(|error| unfaithful(&error))?;
        if text.len() > RECORDING_BYTES_MAX {
            return Err(TapeFault::TooLong(largest(&written)));
        }
        match Recording::written(&text) {
            Ok(back) if back.turns == written.turns && back.inputs == written.inputs => {
                // What stands in it is also what a run accepts.
                Recording::parse("the new recording", &text).map_err(|error| unfaithful(&error))?;
                return Ok((text, written.turns.len()));
            }
            Ok(_) if is_last => return Err(TapeFault::Unfaithful("another content".to_owned())),
            Err(reason) if is_last => return Err(TapeFault::Unfaithful(reason)),
            Ok(_) | Err(_) => {}
        }
        for write in written.turns.iter_mut().flat_map(|turn| &mut turn.writes) {
            if let Some(text) = write.text.take() {
                write.base64 = Some(base64::encode(text.as_bytes()));
            }
        }
    }
    Err(TapeFault::Unfaithful("another content".to_owned()))
}

/// The largest file of a recording, for people.
fn largest(written: &WrittenRecording) -> String {
    let len = |write: &&Write| write.text.as_ref().or(write.base64.as_ref()).map_or(0, String::len);
    let write = written.turns.iter().flat_map(|turn| &turn.writes).max_by_key(len);
    write.map_or_else(|| "what agents said".to_owned(), |write| format!("`{}`", write.path.display()))
}
