//! What a program has said of one attempt, whatever its format, and what that proves.
//!
//! The order of the evidence: the program's own last event, then the result and its schema, then what was denied, then
//! the exit code, which is only ever a veto. What is ambiguous is a failure. Knows no program.

use serde_json::Value;

use crate::{
    base::{Envelope, Evidence, Failure, FailureClass, Outcome, Timestamp, Usage},
    runtime::{
        adapter::{ProgramExit, ProgramOutput, Seen},
        classify::{classify, classify_trouble},
        result::{ResultFault, last_object, read_result, text_result},
    },
};

/// The longest text that is kept of an answer, in bytes; its end is kept, where the result stands.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Denials that are kept.
const DENIALS_MAX: usize = 20;

/// How the reason of an attempt begins that was denied something.
pub(in crate::runtime) const DENIED: &str = "the agent was not allowed to do this";

/// What was said.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Transcript {
    /// The session's id.
    pub session: Option<String>,
    /// The model that answered last.
    pub model: Option<String>,
    /// The text of the last answer.
    pub answer: String,
    /// The answer that the program itself has held to the schema.
    pub structured: Option<Value>,
    /// The program's own last event.
    pub ending: Option<Ending>,
    /// The last thing that went wrong.
    pub trouble: Option<Trouble>,
    /// The service refuses because a quota is used up; until when, where that is known.
    pub quota_until: Option<Option<Timestamp>>,
    /// What the agent was not allowed to do.
    pub denials: Vec<String>,
    /// All that was spent.
    pub usage: Usage,
    /// Lines that are no event.
    pub broken: u32,
    /// Whether an exit code other than 0 after a good end is known to mean nothing.
    pub exit_may_lie: bool,
}

/// What the program says of its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum Ending {
    /// It has done its work.
    Done,
    /// It has not.
    Failed,
}

/// Something that went wrong, in the words of the program or its service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::runtime) struct Trouble {
    /// The HTTP status, where one is known.
    pub status: Option<u16>,
    /// The program's own word for it: `rate_limit`, `authentication_failed`; empty where there is none.
    pub kind: String,
    /// The text.
    pub text: String,
}

impl Transcript {
    /// Notes a cost and tells of it.
    pub fn spend(&mut self, usage: Usage) -> Option<Seen> {
        self.usage.add(usage);
        (!usage.is_zero()).then(|| Seen::Spent(usage, self.model.clone()))
    }

    /// Notes the session and tells of it once.
    pub fn in_session(&mut self, session: &str) -> Option<Seen> {
        if session.is_empty() || self.session.as_deref() == Some(session) {
            return None;
        }
        self.session = Some(session.to_owned());
        Some(Seen::Session(session.to_owned()))
    }

    /// Notes a line that is no event.
    pub fn unread(&mut self, line: &[u8]) -> Vec<Seen> {
        if line.trim_ascii().is_empty() {
            return Vec::new();
        }
        self.broken += 1;
        let said: String =
            String::from_utf8_lossy(&line[..line.len().min(200)]).chars().filter(|c| !c.is_control()).collect();
        vec![Seen::Warning(format!("a line that is no event: {said}"))]
    }

    /// Notes that something was not allowed.
    pub fn deny(&mut self, what: impl Into<String>) -> Seen {
        let what = what.into();
        if self.denials.len() < DENIALS_MAX && !self.denials.contains(&what) {
            self.denials.push(what.clone());
        }
        Seen::Denied(what)
    }

    /// Adds to the answer; of a very long one the end is kept.
    pub fn say(&mut self, text: &str) {
        self.answer.push_str(text);
        if self.answer.len() > ANSWER_BYTES_MAX {
            let from = self.answer.ceil_char_boundary(self.answer.len() - ANSWER_BYTES_MAX / 2);
            self.answer.drain(..from);
        }
    }

    /// What all of it proves. `expected` is the schema that the order asks for.
    pub fn outcome(&mut self, expected: Option<&Value>, output: &ProgramOutput) -> Outcome {
        match self.proven(expected, output) {
            Ok(mut envelope) => {
                envelope.session = self.session.clone().or(envelope.session);
                envelope.usage = self.usage;
                Outcome::Succeeded(Box::new(envelope))
            }
            Err((class, reason)) => Outcome::Failed(Box::new(Failure {
                class,
                reason,
                evidence: Evidence::default(),
                session: self.session.clone(),
                usage: self.usage,
            })),
        }
    }

    fn proven(&self, expected: Option<&Value>, output: &ProgramOutput) -> Result<Envelope, (FailureClass, String)> {
        let complaint = String::from_utf8_lossy(&output.stderr_tail);
        let (end, is_clean) = match output.exit {
            ProgramExit::Code(0) => ("exit code 0".to_owned(), true),
            ProgramExit::Code(code) => (format!("exit code {code}"), self.exit_may_lie),
            ProgramExit::Signal(signal) => (format!("signal {signal}"), false),
            // It was ended by us, after its last word.
            ProgramExit::Lingered => ("no end of its own".to_owned(), true),
        };
        match self.ending {
            Some(Ending::Done) => {}
            Some(Ending::Failed) => return Err(self.failed(&complaint, "the agent says that it failed")),
            None => {
                let begun = format!("the agent ended with {end} and without its last event");
                let is_killed = match output.exit {
                    ProgramExit::Signal(_) | ProgramExit::Code(0 | 129..) | ProgramExit::Lingered => true,
                    ProgramExit::Code(_) => complaint.trim().is_empty(),
                };
                if self.trouble.is_none() && classify(&complaint).is_none() && is_killed {
                    // Cut off, or killed from outside: the same may go well another time.
                    return Err((FailureClass::Transient { retry_after_ms: None }, format!("ambiguous: {begun}")));
                }
                return Err(self.failed(&complaint, &begun));
            }
        }
        if let Some(first) = self.denials.first() {
            let more = self.denials.len() - 1;
            let more = if more == 0 { String::new() } else { format!(", and {more} more") };
            return Err((FailureClass::Permanent, format!("{DENIED}: {first}{more}")));
        }
        let envelope = self.result(expected, output)?;
        if !is_clean {
            let (class, reason) =
                self.failed(&complaint, &format!("the agent said that it was done and then ended with {end}"));
            let is_killed = matches!(output.exit, ProgramExit::Signal(_)) && class == FailureClass::Permanent;
            return Err((if is_killed { FailureClass::Transient { retry_after_ms: None } } else { class }, reason));
        }
        Ok(envelope)
    }

    /// The result: what was handed in, else what the program holds to the schema, else the last object of the answer.
    fn result(&self, expected: Option<&Value>, output: &ProgramOutput) -> Result<Envelope, (FailureClass, String)> {
        let refused = |fault: ResultFault| match fault {
            ResultFault::Invalid(_) => (FailureClass::Invalid, fault.to_string()),
            ResultFault::Failed(_) => (FailureClass::Permanent, fault.to_string()),
        };
        let invalid = |reason: String| (FailureClass::Invalid, reason);
        let handed_in = output.output_file.as_deref().filter(|file| !file.trim_ascii().is_empty());
        let value = match (handed_in, &self.structured, expected) {
            (Some(file), _, _) => serde_json::from_slice(file)
                .map_err(|error| invalid(format!("the file $ORCH_OUTPUT is not JSON: {error}")))?,
            (None, Some(value), Some(_)) => value.clone(),
            (None, None, Some(_)) => last_object(&self.answer)
                .ok_or_else(|| invalid("the answer holds no JSON object, and the step declares an output".into()))?,
            (None, _, None) if self.answer.trim().is_empty() => {
                let reason = "ambiguous: the agent says that it is done, and it said nothing else";
                return Err((FailureClass::Permanent, reason.into()));
            }
            (None, _, None) => return Ok(text_result(&self.answer)),
        };
        let mut envelope = read_result(value, expected).map_err(refused)?;
        if envelope.text.is_empty() {
            let said = text_result(&self.answer);
            (envelope.text, envelope.whole_text) = (said.text, said.whole_text);
        }
        Ok(envelope)
    }

    /// Why it failed: the trouble that was told, else the complaint on standard error.
    fn failed(&self, complaint: &str, begun: &str) -> (FailureClass, String) {
        let Some(trouble) = &self.trouble else {
            let last = complaint.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
            let class = classify(complaint).unwrap_or(FailureClass::Permanent);
            return (class, joined(begun, last));
        };
        let class = classify_trouble(trouble.status, &trouble.kind, &trouble.text);
        let class = class.or_else(|| classify(complaint)).unwrap_or(FailureClass::Permanent);
        let class = match (class, self.quota_until) {
            (FailureClass::Quota { until: None } | FailureClass::Transient { .. }, Some(until)) => {
                FailureClass::Quota { until }
            }
            (class, _) => class,
        };
        let text = if trouble.text.trim().is_empty() { &trouble.kind } else { &trouble.text };
        (class, joined(begun, text.lines().next().unwrap_or_default()))
    }
}

/// A sentence and, after a colon, somebody else's words, made harmless and short.
fn joined(begun: &str, words: &str) -> String {
    let words: String = words.chars().filter(|letter| !letter.is_control()).take(300).collect();
    if words.is_empty() { begun.to_owned() } else { format!("{begun}: {words}") }
}
