//! Any command as an agent.
//!
//! The prompt is its standard input, never an argument; the order stands in the file `$ORCH_ORDER`. It answers in the
//! file `$ORCH_OUTPUT` or on standard output. A result that was read and is valid decides; an exit code other than 0
//! is a veto; no result is a failure whatever the exit code says.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    base::{Envelope, Evidence, Failure, FailureClass, Outcome, Usage},
    runtime::{
        adapter::{Adapter, Call, Capabilities, Invocation, ProgramExit, ProgramOutput, Reader, Scene, Seen},
        classify::classify,
        order::Order,
        result::{ResultFault, last_object, read_result, text_result},
    },
};

/// A command as `[runtimes.NAME]` of `orch.toml` declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomSettings {
    /// Program and arguments. A relative program with a slash is looked for beside `orch.toml`.
    pub command: Vec<String>,
    /// What it says on standard output.
    #[serde(default)]
    pub output: OutputForm,
    /// Environment on top of the allow-list.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether it can go on with the session that the order names.
    #[serde(default)]
    pub sessions: bool,
    /// Whether it reads the memory files of the project by itself, so that they are not told twice.
    #[serde(default)]
    pub reads_memory: bool,
}

/// What a custom agent says on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputForm {
    /// Prose; where the step declares an output, it ends with one JSON object.
    #[default]
    Text,
    /// One JSON object, last.
    Json,
}

/// A command as an agent.
#[derive(Debug, Clone)]
pub struct Custom {
    name: String,
    settings: CustomSettings,
    argv: Vec<OsString>,
}

/// Why there is no result.
enum NoResult {
    /// Nothing that could be one was seen.
    Absent(String),
    /// Something was seen and refused.
    Refused(ResultFault),
}

impl Custom {
    /// The runtime `name`; `folder` is where `orch.toml` lies.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: CustomSettings, folder: &Path) -> Self {
        let mut argv: Vec<OsString> = settings.command.iter().map(OsString::from).collect();
        if let Some(program) = argv.first_mut()
            && settings.command[0].contains('/')
        {
            // An agent works in a folder of its own, where the same relative path names something else.
            let found: std::path::PathBuf = folder.join(&*program).components().collect();
            *program = found.into();
        }
        Self { name: name.into(), settings, argv }
    }
}

/// Reads one attempt of a command.
struct Answer {
    form: OutputForm,
    expected: Option<Value>,
}

impl Answer {
    fn result(&self, output: &ProgramOutput) -> Result<Envelope, NoResult> {
        let expected = self.expected.as_ref();
        if let Some(file) = output.output_file.as_deref().filter(|file| !file.trim_ascii().is_empty()) {
            let value: Value = serde_json::from_slice(file).map_err(|error| {
                NoResult::Refused(ResultFault::Invalid(format!("the file $ORCH_OUTPUT is not JSON: {error}")))
            })?;
            return read_result(value, expected).map_err(NoResult::Refused);
        }
        if !output.stdout_whole {
            let reason = "its standard output is too long to be read, and it wrote nothing to $ORCH_OUTPUT";
            return Err(NoResult::Absent(reason.into()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let wants_json = self.form == OutputForm::Json || expected.is_some();
        if wants_json {
            let Some(value) = last_object(&text) else {
                let reason = "it wrote nothing to $ORCH_OUTPUT and no JSON object to standard output";
                return Err(NoResult::Absent(reason.into()));
            };
            let mut envelope = read_result(value, expected).map_err(NoResult::Refused)?;
            if envelope.text.is_empty() && self.form == OutputForm::Text {
                let said = text_result(&text);
                (envelope.text, envelope.whole_text) = (said.text, said.whole_text);
            }
            return Ok(envelope);
        }
        if text.trim().is_empty() {
            return Err(NoResult::Absent("it said nothing and wrote nothing to $ORCH_OUTPUT".into()));
        }
        Ok(text_result(&text))
    }
}

impl Adapter for Custom {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: self.settings.sessions,
            reads_memory: self.settings.reads_memory,
            unlimited: true,
            ..Capabilities::default()
        }
    }

    fn call(&self, order: &Order, _scene: &Scene) -> Result<Call, Box<Failure>> {
        if self.argv.is_empty() {
            let reason = format!("runtime `{}` has no command: give it one in orch.toml", self.name);
            return Err(failure(FailureClass::Missing, reason));
        }
        Ok(Call::Program(Invocation {
            argv: self.argv.clone(),
            env: self.settings.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            stdin: order.prompt().into_bytes(),
            files: Vec::new(),
        }))
    }

    fn reader(&self, order: &Order) -> Box<dyn Reader> {
        Box::new(Answer { form: self.settings.output, expected: order.expected_output.clone() })
    }
}

impl Reader for Answer {
    fn line(&mut self, _line: &[u8], _is_whole: bool) -> Vec<Seen> {
        Vec::new()
    }

    fn finish(&mut self, output: &ProgramOutput) -> Outcome {
        let complaint = String::from_utf8_lossy(&output.stderr_tail);
        let class = || classify(&complaint).unwrap_or(FailureClass::Permanent);
        let (end, is_clean) = match output.exit {
            ProgramExit::Code(0) => ("exit code 0".to_owned(), true),
            ProgramExit::Code(code) => (format!("exit code {code}"), false),
            ProgramExit::Signal(signal) => (format!("signal {signal}"), false),
            ProgramExit::Lingered => ("no end of its own".to_owned(), false),
        };
        let (class, reason) = match self.result(output) {
            Ok(envelope) if is_clean => return Outcome::Succeeded(Box::new(envelope)),
            Ok(envelope) => {
                let reason = format!("the agent handed in a valid result and then ended with {end}");
                let mut failed = failure(class(), reason);
                (failed.session, failed.usage) = (envelope.session, envelope.usage);
                return Outcome::Failed(failed);
            }
            Err(NoResult::Absent(reason)) if is_clean => (class(), format!("ambiguous: {end}, but {reason}")),
            Err(NoResult::Absent(_)) => (class(), format!("the agent ended with {end}{}", last_words(&complaint))),
            Err(NoResult::Refused(fault)) if is_clean => (FailureClass::Permanent, fault.to_string()),
            Err(NoResult::Refused(fault)) => (class(), format!("{fault} ({end})")),
        };
        Outcome::Failed(failure(class, reason))
    }
}

/// The last line of a complaint, after a colon.
fn last_words(complaint: &str) -> String {
    let line = complaint.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|letter| !letter.is_control()).take(200).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

fn failure(class: FailureClass, reason: String) -> Box<Failure> {
    Box::new(Failure { class, reason, evidence: Evidence::default(), session: None, usage: Usage::default() })
}
