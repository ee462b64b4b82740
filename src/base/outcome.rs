//! How an attempt ended, in the words that the executor, the journal and the scheduler share.
//!
//! A failed step is a result, not an error of `orch`. Fields that are empty are not written, because every attempt
//! of every run stores one of these.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Digest, Timestamp};

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The work was done and its result was read and is valid.
    Succeeded(Box<Envelope>),
    /// The work was not done.
    Failed(Box<Failure>),
    /// A gate has judged.
    Judged(Box<Judgement>),
    /// It was stopped because the scheduler said so.
    Stopped,
    /// Nobody knows: the process was lost with no result.
    Lost,
}

/// What an attempt brings back; `schemas/result.schema.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// One or two sentences for the run's state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The typed output; an object, or null where the step declares none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// The whole answer, where `text` is only its beginning. Never stored.
    #[serde(skip)]
    pub whole_text: Option<Box<str>>,
    /// The answer's text, cut to 64 KiB; the whole is in `log`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Paths relative to the workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
    /// What the agent says of the tests; a claim, never evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_passing: Option<bool>,
    /// What the agent would do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<String>,
    /// The session, to continue or to fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    /// Processes that were still alive at the end and were killed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leaked: u32,
    /// Bytes of output that were over the limit and not kept.
    #[serde(default, skip_serializing_if = "is_zero_u64")]
    pub dropped_bytes: u64,
    /// Files of the project that were told together with the prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<Attached>,
    /// The attempt of an earlier run that did this work, `RUN/ATTEMPT`; absent where it was done now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<String>,
    /// The commit that holds the files as they were when the attempt had finished; absent where none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// What it had cost that attempt, and did not cost now.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub saved: Usage,
}

/// A file that a prompt names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The path as the prompt writes it.
    pub path: String,
    /// The digest of what was told.
    pub digest: Digest,
    /// Why its text was not told with the prompt; empty where it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero_u64(number: &u64) -> bool {
    *number == 0
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What can be done about it.
    pub class: FailureClass,
    /// What happened, one line.
    pub reason: String,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
    /// The session, if it can go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What it cost all the same.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
}

/// What can be done about a failure. Classified once, where it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// It may go away by itself: try again after a while.
    Transient {
        /// The service asked to wait this long.
        retry_after_ms: Option<u64>,
    },
    /// The session cannot go on: its context is too long, or it is unknown or broken. A fresh one with less may do.
    Recoverable,
    /// A quota is used up until this time.
    Quota {
        /// When it resets, if known.
        until: Option<Timestamp>,
    },
    /// The service has no such model, or not for this user: another model may do.
    Model,
    /// It ran longer than it may.
    TimedOut,
    /// The program or the service is not there, or nobody is logged in.
    Missing,
    /// Its result is not what was asked for; told why, the same session may mend it.
    Invalid,
    /// It will fail again.
    Permanent,
}

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Pass, fail or error.
    pub verdict: Verdict,
    /// Why, one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
}

/// A gate's verdict. `Error` means that the gate itself could not be judged; it never passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be judged.
    Error,
}

/// What was seen: enough to believe a verdict later.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The command, as argv.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The last lines of its output, at most 4 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_lines: String,
    /// The digest of the kept output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_digest: Option<Digest>,
    /// The digest of the tree that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Digest>,
    /// Who decided, for approvals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Bytes of output that were not kept.
    #[serde(default, skip_serializing_if = "is_zero_u64")]
    pub dropped_bytes: u64,
}

impl Evidence {
    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an attempt cost. Programs count in their own ways; adapters bring all to this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read, without those that came from a cache or went into one.
    pub input_tokens: u64,
    /// Tokens written, thoughts included.
    pub output_tokens: u64,
    /// Tokens read from a cache.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub cache_read_tokens: u64,
    /// Tokens written to a cache.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub cache_write_tokens: u64,
    /// Micro-dollars (10⁻⁶ US dollars).
    pub usd_micros: u64,
    /// That part of `usd_micros` which was counted at the dearest known price, because nobody knows the right one.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub guessed_usd_micros: u64,
}

impl Usage {
    /// Whether nothing was spent.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// All tokens together.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let parts = [self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Adds another cost.
    pub fn add(&mut self, other: Self) {
        *self = self.both(other, u64::saturating_add);
    }

    /// What is left of this cost when another is taken away; never less than nothing.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        self.both(other, u64::saturating_sub)
    }

    fn both(self, other: Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            input_tokens: with(self.input_tokens, other.input_tokens),
            output_tokens: with(self.output_tokens, other.output_tokens),
            cache_read_tokens: with(self.cache_read_tokens, other.cache_read_tokens),
            cache_write_tokens: with(self.cache_write_tokens, other.cache_write_tokens),
            usd_micros: with(self.usd_micros, other.usd_micros),
            guessed_usd_micros: with(self.guessed_usd_micros, other.guessed_usd_micros),
        }
    }
}
