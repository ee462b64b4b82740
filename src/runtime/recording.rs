//! Recorded sessions: what an agent said and the bytes it wrote; `schemas/recording.schema.json`.
//!
//! Holds nothing but an agent's own doing: commands, gates and tests run for real. Knows no folder and reads no file.
//!
//! Invariants of a parsed recording: every path is plain and every turn has a place of its own.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    base::{Envelope, Evidence, Failure, FailureClass, Usage},
    guard::plain_path,
    runtime::{
        adapter::{RecordedTurn, RecordedWrite},
        base64,
        result::WrittenUsage,
    },
};

/// The version of the format.
pub const RECORDING_VERSION: u32 = 1;
/// The longest recording, in bytes.
pub const RECORDING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest delay of a turn, in milliseconds.
const DELAY_MS_MAX: u64 = 600_000;
/// Turns of one recording.
const TURNS_MAX: usize = 10_000;

/// Why a recording cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the recording {origin} cannot be used: {reason}")]
pub struct RecordingError {
    origin: String,
    reason: String,
}

impl From<&RecordingError> for Box<Failure> {
    fn from(error: &RecordingError) -> Self {
        Box::new(Failure {
            class: FailureClass::Permanent,
            reason: error.to_string(),
            evidence: Evidence::default(),
            session: None,
            usage: Usage::default(),
        })
    }
}

/// A recorded session of one workflow with one set of inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    pub(super) workflow: String,
    pub(super) inputs: Map<String, Value>,
    pub(super) turns: Vec<Turn>,
}

/// One answer and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    pub(super) step: String,
    pub(super) attempt: u32,
    pub(super) turn: u32,
    pub(super) answer: RecordedTurn,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRecording {
    pub(super) recording: u32,
    pub(super) workflow: String,
    #[serde(default)]
    pub(super) inputs: Map<String, Value>,
    /// For people who open the file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    /// The program and version that made it, where no person wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) recorded_by: String,
    pub(super) turns: Vec<WrittenTurn>,
    /// The last line of what a program made: without it a part is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) end: bool,
}

/// One answer, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTurn {
    pub(super) step: String,
    #[serde(default = "first")]
    pub(super) attempt: u32,
    #[serde(default = "first")]
    pub(super) turn: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) delay_ms: u64,
    #[serde(default, skip_serializing_if = "Says::is_nothing")]
    pub(super) says: Says,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fails: Option<Fails>,
    #[serde(default, skip_serializing_if = "WrittenUsage::is_nothing")]
    pub(super) usage: WrittenUsage,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) writes: Vec<Write>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) deletes: Vec<PathBuf>,
}

/// What the agent said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Says {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) summary: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) output: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) next_steps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tests_passing: Option<bool>,
}

impl Says {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How an attempt failed that brought back no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fails {
    pub(super) class: FailureClass,
    #[serde(default)]
    pub(super) reason: String,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    pub(super) path: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<String>,
    /// Whether it can be executed; as it was where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) executable: Option<bool>,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Recording {
    /// Reads a recording. `origin` is what people are told when it cannot be used: its path.
    ///
    /// # Errors
    /// A text that is too long, is not this format, or names a path outside the workspace.
    pub fn parse(origin: &str, text: &str) -> Result<Self, RecordingError> {
        let fault = |reason: String| RecordingError { origin: origin.to_owned(), reason };
        if text.len() > RECORDING_BYTES_MAX {
            return Err(fault(format!("it is longer than {} MB", RECORDING_BYTES_MAX / (1024 * 1024))));
        }
        let written = Self::written(text).map_err(fault)?;
        if written.recording != RECORDING_VERSION {
            return Err(fault(format!(
                "its format is version {}, and this orch reads version {RECORDING_VERSION}",
                written.recording
            )));
        }
        if !written.recorded_by.is_empty() && !written.end {
            return Err(fault("it is torn: its last line, `end: true`, is missing".to_owned()));
        }
        if written.turns.len() > TURNS_MAX {
            return Err(fault(format!("it has {} turns, at most {TURNS_MAX} are read", written.turns.len())));
        }
        let mut places = BTreeSet::new();
        let mut turns = Vec::with_capacity(written.turns.len());
        for turn in written.turns {
            let turn = turn.check().map_err(fault)?;
            if !places.insert((turn.step.clone(), turn.attempt, turn.turn)) {
                return Err(fault(format!("it has two answers for {}", turn.place())));
            }
            turns.push(turn);
        }
        Ok(Self { workflow: written.workflow, inputs: written.inputs, turns })
    }
}

impl Recording {
    /// The file as it is written; nothing in it is checked.
    pub(super) fn written(text: &str) -> Result<WrittenRecording, String> {
        serde_yaml::from_str_with_options(text, options())
            .map_err(|error| error.to_string().lines().next().unwrap_or("it is not YAML").to_owned())
    }
}

impl Turn {
    fn place(&self) -> String {
        place(&self.step, self.attempt, self.turn)
    }
}

/// How people are told of a place in a run.
pub(super) fn place(step: &str, attempt: u32, turn: u32) -> String {
    let turn = if turn == 1 { String::new() } else { format!(", turn {turn}") };
    format!("step `{step}`, attempt {attempt}{turn}")
}

impl WrittenTurn {
    fn check(self) -> Result<Turn, String> {
        let place = place(&self.step, self.attempt, self.turn);
        if self.attempt == 0 || self.turn == 0 {
            return Err(format!("{place}: attempts and turns are counted from 1"));
        }
        if self.delay_ms > DELAY_MS_MAX {
            return Err(format!("{place}: `delay_ms` is more than {DELAY_MS_MAX}"));
        }
        let check = |path: &Path| plain_path(path).map_err(|fault| format!("{place}: {fault}"));
        let mut writes = Vec::with_capacity(self.writes.len());
        for write in self.writes {
            check(&write.path)?;
            let shown = write.path.display();
            let bytes = match (write.text, write.base64) {
                (Some(text), None) => text.into_bytes(),
                (None, Some(text)) => {
                    base64::decode(&text).ok_or_else(|| format!("{place}: `base64` of `{shown}` is not base64"))?
                }
                (Some(_), Some(_)) | (None, None) => {
                    return Err(format!("{place}: `{shown}` needs either `text` or `base64`"));
                }
            };
            writes.push(RecordedWrite { path: write.path, bytes, is_executable: write.executable });
        }
        self.deletes.iter().try_for_each(|path| check(path))?;
        let envelope = Envelope {
            summary: self.says.summary,
            output: self.says.output,
            text: self.says.text,
            next_steps: self.says.next_steps,
            tests_passing: self.says.tests_passing,
            usage: self.usage.into(),
            ..Envelope::default()
        };
        let fails = self.fails.map(|fails| (fails.class, fails.reason));
        let answer = RecordedTurn { delay_ms: self.delay_ms, writes, deletes: self.deletes, envelope, fails };
        Ok(Turn { step: self.step, attempt: self.attempt, turn: self.turn, answer })
    }
}

/// A recording is data that may come from a stranger; it needs no anchors and little depth.
fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_documents: 1,
            max_depth: 64,
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
            max_nodes: 400_000,
            max_events: 1_000_000,
            max_total_scalar_bytes: RECORDING_BYTES_MAX,
        },
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> String {
        Recording::parse("r.yaml", text).expect_err(text).to_string()
    }

    #[test]
    fn a_whole_recording_is_read() {
        let recording = Recording::parse(
            "r.yaml",
            "recording: 1\nworkflow: w\ninputs: { idea: \"a counter\", n: 2 }\nnote: Hello.\nturns:\n  \
             - step: build[parser]/code\n    attempt: 2\n    turn: 3\n    delay_ms: 800\n    \
             says: { summary: s, output: { a: [1] }, text: t, next_steps: [x], tests_passing: true }\n    \
             usage: { input_tokens: 1200, output_tokens: 300 }\n    \
             writes:\n      - path: src/main.rs\n        text: |\n          fn main() {}\n      \
             - { path: a.bin, base64: AP/+ }\n    deletes: [ old.rs ]\n",
        )
        .unwrap();
        assert_eq!(recording.inputs["n"], json!(2));
        let turn = &recording.turns[0];
        assert_eq!((turn.step.as_str(), turn.attempt, turn.turn), ("build[parser]/code", 2, 3));
        let files: Vec<_> =
            turn.answer.writes.iter().map(|write| (write.path.to_str().unwrap(), &write.bytes[..])).collect();
        assert_eq!(files, [("src/main.rs", &b"fn main() {}\n"[..]), ("a.bin", &[0, 255, 254])]);
        assert_eq!(turn.answer.envelope.output, json!({ "a": [1] }));
        assert_eq!(turn.answer.envelope.usage.tokens(), 1500);
    }

    #[test]
    fn a_bad_recording_says_why() {
        let turn = |rest: &str| format!("recording: 1\nworkflow: w\nturns:\n  - {{ step: a, {rest} }}\n");
        for (text, part) in [
            ("recording: 2\nworkflow: w\nturns: []".to_owned(), "version 2"),
            ("workflow: w\nturns: []".to_owned(), "recording"),
            ("recording: 1\nworkflow: w\nturns: []\nnotes: x".to_owned(), "notes"),
            ("recording: 1\nrecording: 1\nworkflow: w\nturns: []".to_owned(), "duplicate"),
            ("recording: 1\nworkflow: w\nturns: &a [ ]\nnote: *a".to_owned(), "r.yaml"),
            (": : :".to_owned(), "r.yaml"),
            (turn("attempt: 0"), "counted from 1"),
            (turn("delay_ms: 3600000"), "delay_ms"),
            (turn("says: { sumary: x }"), "sumary"),
            (turn("usage: { tokens: 3 }"), "tokens"),
            (turn("writes: [ { path: ../x, text: a } ]"), "not a name"),
            (turn("writes: [ { path: /etc/x, text: a } ]"), "absolute"),
            (turn("writes: [ { path: .git/hooks/post-commit, text: a } ]"), "out of reach"),
            (turn("deletes: [ a/../../b ]"), "not a name"),
            (turn("writes: [ { path: x } ]"), "either"),
            (turn("writes: [ { path: x, text: a, base64: AA== } ]"), "either"),
            (turn("writes: [ { path: x, base64: A } ]"), "not base64"),
            (format!("{}  - step: a\n", turn("turn: 1")), "two answers for step `a`, attempt 1"),
            ("recording: 1\nworkflow: w\nrecorded_by: orch 0.1.0\nturns: []\n".to_owned(), "torn"),
            (turn("fails: { class: sad }"), "sad"),
            (" ".repeat(RECORDING_BYTES_MAX + 1), "longer than 16 MB"),
            (format!("recording: 1\nworkflow: w\nturns: {}{}", "[".repeat(2000), "]".repeat(2000)), "r.yaml"),
        ] {
            let reason = refused(&text);
            assert!(reason.contains(part), "{part}: {reason}");
        }
    }
}
