//! The events of opencode. Knows nothing of its command line.
//!
//! What lies: there is no last event, so the reason of the last step decides, and only `stop` is an end; a permission
//! that was refused ends with exit code 0; an error that was recovered from leaves exit code 1 behind a good end.

use serde_json::Value;

use crate::{
    base::{Outcome, Usage},
    runtime::{
        adapter::{ProgramOutput, Reader, Seen},
        order::Order,
        program::{
            json::{event, number, one_line, text},
            subject::subject,
            transcript::{Ending, Transcript, Trouble},
        },
    },
};

/// How it says that something is not allowed: by a rule, or because nobody was there to allow it.
const REFUSALS: [&str; 2] = ["The user has specified a rule which prevents", "The user rejected permission"];

pub(super) struct Events {
    transcript: Transcript,
    expected: Option<Value>,
    /// Whether the next text begins a new answer.
    begins: bool,
    /// Whether the conversation is being made shorter: the next `stop` ends the summary, not the work.
    compacts: bool,
}

impl Events {
    /// It never says which model answers, so that the one that was asked for is taken.
    pub fn new(order: &Order, model: Option<&str>) -> Self {
        let transcript = Transcript { model: model.map(str::to_owned), ..Transcript::default() };
        Self { transcript, expected: order.expected_output.clone(), begins: true, compacts: false }
    }

    fn text(&mut self, part: &Value) -> Vec<Seen> {
        let words = text(part, "text");
        if part["synthetic"] == true {
            // What the program tells the agent by itself is no answer, and shows that it goes on.
            self.compacts = false;
            self.transcript.ending = None;
            return Vec::new();
        }
        if words.is_empty() {
            return Vec::new();
        }
        if std::mem::take(&mut self.begins) {
            self.transcript.answer.clear();
        }
        self.transcript.say(words);
        vec![Seen::Text(words.to_owned())]
    }

    /// A tool is told of when it has ended.
    fn tool(&mut self, part: &Value) -> Vec<Seen> {
        let (name, state) = (text(part, "tool"), &part["state"]);
        let on = subject(&state["input"]);
        let mut seen = vec![Seen::ToolStarted(name.to_owned(), on.clone())];
        if REFUSALS.iter().any(|words| text(state, "error").starts_with(words)) {
            seen.push(self.transcript.deny(format!("{name} {on}").trim()));
        }
        let exit = state.pointer("/metadata/exit").and_then(Value::as_i64).unwrap_or_default();
        seen.push(Seen::ToolEnded(name.to_owned(), text(state, "status") == "completed" && exit == 0));
        seen
    }

    fn step_finish(&mut self, part: &Value) -> Vec<Seen> {
        let (tokens, cache) = (&part["tokens"], &part["tokens"]["cache"]);
        let usage = Usage {
            input_tokens: number(tokens, "input"),
            output_tokens: number(tokens, "output").saturating_add(number(tokens, "reasoning")),
            cache_read_tokens: number(cache, "read"),
            cache_write_tokens: number(cache, "write"),
            usd_micros: micros(&part["cost"]),
            guessed_usd_micros: 0,
        };
        match text(part, "reason") {
            "stop" if self.compacts => self.transcript.ending = None,
            "stop" => {
                // An error before it was recovered from; the program still ends with exit code 1.
                self.transcript.exit_may_lie |= self.transcript.trouble.take().is_some();
                self.transcript.ending = Some(Ending::Done);
            }
            "tool-calls" => self.transcript.ending = None,
            reason => {
                let kind = if reason == "length" { "max_tokens" } else { reason }.to_owned();
                let text = format!("the model stopped because of `{}`", one_line(reason));
                self.transcript.trouble = Some(Trouble { status: None, kind, text });
                self.transcript.ending = Some(Ending::Failed);
            }
        }
        self.transcript.spend(usage).into_iter().collect()
    }

    fn error(&mut self, error: &Value) -> Vec<Seen> {
        let (name, data) = (text(error, "name"), &error["data"]);
        let message = [text(data, "message"), text(error, "message"), name].into_iter().find(|words| !words.is_empty());
        let text = message.unwrap_or("an error without a name").to_owned();
        let status = data["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        let kind = match name {
            "ProviderAuthError" => "authentication_failed",
            "MessageOutputLengthError" => "max_tokens",
            "MessageAbortedError" => "aborted_streaming",
            _ => name,
        };
        self.compacts = name == "ContextOverflowError";
        let warning = Seen::Warning(one_line(&text));
        self.transcript.trouble = Some(Trouble { status, kind: kind.to_owned(), text });
        self.transcript.ending = Some(Ending::Failed);
        vec![warning]
    }
}

impl Reader for Events {
    fn line(&mut self, line: &[u8], is_whole: bool) -> Vec<Seen> {
        let Some(event) = event(line, is_whole) else { return self.transcript.unread(line) };
        let mut seen: Vec<Seen> = self.transcript.in_session(text(&event, "sessionID")).into_iter().collect();
        let part = &event["part"];
        seen.extend(match text(&event, "type") {
            "step_start" => {
                self.begins = true;
                // What was the end is none if it goes on.
                self.transcript.ending = None;
                Vec::new()
            }
            "text" => self.text(part),
            "tool_use" => self.tool(part),
            "step_finish" => self.step_finish(part),
            "error" => self.error(&event["error"]),
            _ => Vec::new(),
        });
        seen
    }

    fn finish(&mut self, output: &ProgramOutput) -> Outcome {
        if self.transcript.ending.is_none() && !self.transcript.denials.is_empty() {
            // It stops in the middle when something is refused: what was refused is the reason, not the missing end.
            self.transcript.ending = Some(Ending::Done);
        }
        let mut output = output.clone();
        output.stderr_tail = plain(&output.stderr_tail);
        self.transcript.outcome(self.expected.as_ref(), &output)
    }
}

/// Dollars as micro-dollars; what is no price is nothing.
fn micros(cost: &Value) -> u64 {
    let cost = cost.as_f64().filter(|cost| cost.is_finite() && *cost > 0.0).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and a million dollars")]
    let micros = (cost.min(1e6) * 1e6).round() as u64;
    micros
}

/// A complaint without the colours of a terminal.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte != 0x1b {
            plain.push(*byte);
        } else if rest.next() == Some(&b'[') {
            // A sequence ends with its first byte from `@` to `~`.
            let _ = rest.find(|byte| (b'@'..=b'~').contains(*byte));
        }
    }
    plain
}
