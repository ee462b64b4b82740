//! The events of Gemini CLI. Knows nothing of its command line.
//!
//! What lies: a denied tool and a loop that was broken off end in `success`; a stream that ended early ends with exit
//! code 0; a signal ends with exit code 0 and no `result`; a failure's exit code is the HTTP status modulo 256; a stream
//! that is tried again repeats its beginning with no mark, so that only the end of an answer is worth something.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    base::{Outcome, Usage},
    runtime::{
        adapter::{ProgramExit, ProgramOutput, Reader, Seen},
        order::Order,
        program::{
            json::{event, number, one_line, text},
            subject::subject,
            transcript::{Ending, Transcript, Trouble},
        },
    },
};

/// Tools whose end is not known yet; more are not remembered.
const OPEN_TOOLS_MAX: usize = 1_000;

/// What it says on standard error when it does not take the rules that it was given.
const LAWLESS: &str = "Policy file error in policy.toml";

pub(super) struct Events {
    transcript: Transcript,
    expected: Option<Value>,
    /// Tools that work, by their ids: their names, and what they are used on.
    tools: BTreeMap<String, (String, String)>,
    /// Whether the next text begins a new answer.
    begins: bool,
    /// Something that makes the success a lie.
    broken_off: bool,
}

impl Events {
    pub fn new(order: &Order) -> Self {
        Self {
            transcript: Transcript::default(),
            expected: order.expected_output.clone(),
            tools: BTreeMap::new(),
            begins: true,
            broken_off: false,
        }
    }

    fn message(&mut self, event: &Value) -> Vec<Seen> {
        let words = text(event, "content");
        if text(event, "role") != "assistant" || words.is_empty() {
            return Vec::new();
        }
        if std::mem::take(&mut self.begins) {
            self.transcript.answer.clear();
        }
        self.transcript.say(words);
        vec![Seen::Text(words.to_owned())]
    }

    fn tool_use(&mut self, event: &Value) -> Vec<Seen> {
        self.begins = true;
        let tool = (text(event, "tool_name").to_owned(), subject(&event["parameters"]));
        let seen = Seen::ToolStarted(tool.0.clone(), tool.1.clone());
        if self.tools.len() < OPEN_TOOLS_MAX {
            self.tools.insert(text(event, "tool_id").to_owned(), tool);
        }
        vec![seen]
    }

    fn tool_result(&mut self, event: &Value) -> Vec<Seen> {
        let (name, on) = self.tools.remove(text(event, "tool_id")).unwrap_or_default();
        let mut seen = Vec::new();
        let error = &event["error"];
        let message = text(error, "message");
        let is_denied =
            ["requires user confirmation", "Path not in workspace"].iter().any(|words| message.contains(words));
        if text(error, "type") == "policy_violation" || is_denied {
            seen.push(self.transcript.deny(format!("{name} {on}").trim()));
        }
        seen.push(Seen::ToolEnded(name, text(event, "status") == "success"));
        seen
    }

    fn error(&mut self, event: &Value) -> Vec<Seen> {
        let message = text(event, "message");
        // A warning as well as an error ends the work early, and both may be followed by `success`.
        let stops = text(event, "severity") == "error" || message.starts_with("Loop detected");
        if stops {
            self.broken_off = true;
            self.transcript.trouble = Some(Trouble { status: None, kind: kind(message), text: message.to_owned() });
        }
        vec![Seen::Warning(one_line(message))]
    }

    fn result(&mut self, event: &Value) -> Vec<Seen> {
        let mut seen = self.spent(&event["stats"]);
        let done = text(event, "status") == "success" && !self.broken_off;
        self.transcript.ending = Some(if done { Ending::Done } else { Ending::Failed });
        let error = &event["error"];
        if error.is_object() {
            let (message, name) = (text(error, "message"), text(error, "type"));
            let found = kind(&format!("{name} {message}"));
            let kind = if found.is_empty() && name != "unknown" { name.to_owned() } else { found };
            self.transcript.trouble = Some(Trouble { status: told_status(message), kind, text: message.to_owned() });
        }
        seen.push(Seen::LastWord);
        seen
    }

    /// The counts of each model: `input` is without what came from the cache, and thoughts are only in the total.
    fn spent(&mut self, stats: &Value) -> Vec<Seen> {
        let own = self.transcript.model.clone();
        let mut seen = Vec::new();
        for (model, counts) in stats["models"].as_object().into_iter().flatten() {
            let read = number(counts, "input_tokens");
            let usage = Usage {
                input_tokens: counts.get("input").and_then(Value::as_u64).unwrap_or(read),
                output_tokens: number(counts, "total_tokens").saturating_sub(read).max(number(counts, "output_tokens")),
                cache_read_tokens: number(counts, "cached"),
                ..Usage::default()
            };
            self.transcript.model = Some(model.clone());
            seen.extend(self.transcript.spend(usage));
        }
        self.transcript.model = own;
        seen
    }

    /// What the exit code says of a failure that nobody else has explained.
    fn explain(&mut self, output: &ProgramOutput) {
        let ProgramExit::Code(code) = output.exit else { return };
        let (status, kind) = match code {
            41 => (None, "authentication_failed"),
            53 => (None, "error_max_turns"),
            _ => (decoded(code), ""),
        };
        if status.is_none() && kind.is_empty() {
            return;
        }
        match &mut self.transcript.trouble {
            Some(trouble) => {
                trouble.status = trouble.status.or(status);
                if trouble.kind.is_empty() {
                    kind.clone_into(&mut trouble.kind);
                }
            }
            None if self.transcript.ending.is_none() => {
                let complaint = String::from_utf8_lossy(&output.stderr_tail);
                let last = complaint.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
                let text = last.to_owned();
                self.transcript.trouble = Some(Trouble { status, kind: kind.into(), text });
            }
            None => {}
        }
    }
}

impl Reader for Events {
    fn line(&mut self, line: &[u8], is_whole: bool) -> Vec<Seen> {
        let Some(event) = event(line, is_whole) else { return self.transcript.unread(line) };
        match text(&event, "type") {
            "init" => {
                self.transcript.model = Some(text(&event, "model").to_owned()).filter(|model| !model.is_empty());
                self.transcript.in_session(text(&event, "session_id")).into_iter().collect()
            }
            "message" => self.message(&event),
            "tool_use" => self.tool_use(&event),
            "tool_result" => self.tool_result(&event),
            "error" => self.error(&event),
            "result" => self.result(&event),
            _ => Vec::new(),
        }
    }

    fn finish(&mut self, output: &ProgramOutput) -> Outcome {
        self.explain(output);
        if String::from_utf8_lossy(&output.stderr_tail).contains(LAWLESS) {
            // It went on without the rules of the order: nobody knows what it was allowed to do.
            let text = "it could not read the rules of this step, so it worked without them".to_owned();
            self.transcript.trouble = Some(Trouble { text, ..Trouble::default() });
            self.transcript.ending = Some(Ending::Failed);
        }
        self.transcript.outcome(self.expected.as_ref(), output)
    }
}

/// Our word for what the program says only in prose.
fn kind(message: &str) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("API_KEY_INVALID", "api_key_invalid"),
        ("FatalTurnLimitedError", "error_max_turns"),
        ("Maximum session turns", "error_max_turns"),
        ("FatalAuthenticationError", "authentication_failed"),
        ("[API Error: terminated]", "stream disconnected"),
    ];
    WORDS.iter().find(|(sign, _)| message.contains(sign)).map(|(_, kind)| (*kind).to_owned()).unwrap_or_default()
}

/// The HTTP status in the body of an answer that the program hands on as text.
fn told_status(message: &str) -> Option<u16> {
    let body = &message[message.find('{')?..=message.rfind('}')?];
    let body: Value = serde_json::from_str(body).ok()?;
    body.pointer("/error/code").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())
}

/// The HTTP status that an exit code was made of; the codes below 100 have meanings of their own.
fn decoded(code: i32) -> Option<u16> {
    const STATES: [u16; 12] = [400, 401, 403, 404, 408, 429, 500, 501, 502, 503, 504, 529];
    let code = u16::try_from(code).ok().filter(|code| *code > 100 || *code == 529 % 256)?;
    STATES.into_iter().find(|status| status % 256 == code)
}
