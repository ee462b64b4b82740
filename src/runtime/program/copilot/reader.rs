//! The events of GitHub Copilot CLI. Knows nothing of its command line.
//!
//! What lies: a run that was cancelled says `exitCode: 0`; a denied tool changes nothing of the end; an exhausted quota
//! is called a rate limit. Tokens stand in a file that is written at the end and counts from the session's beginning.

use std::collections::BTreeMap;

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

/// Tools whose end is not known yet; more are not remembered.
const OPEN_TOOLS_MAX: usize = 1_000;

pub(super) struct Events {
    transcript: Transcript,
    expected: Option<Value>,
    /// What the session had been charged before.
    before: Usage,
    /// The id that the session was given; it is told when the first event shows that there is one.
    preset: Option<String>,
    /// Tools that work, by their ids: their names, and what they are used on.
    tools: BTreeMap<String, (String, String)>,
    /// The service's own word for the last request that failed.
    refusal: String,
    is_aborted: bool,
}

impl Events {
    pub fn new(order: &Order) -> Self {
        Self {
            transcript: Transcript::default(),
            expected: order.expected_output.clone(),
            before: order.session_usage,
            preset: order.session.clone(),
            tools: BTreeMap::new(),
            refusal: String::new(),
            is_aborted: false,
        }
    }

    fn message(&mut self, data: &Value) -> Vec<Seen> {
        let words = text(data, "content");
        if words.is_empty() {
            return Vec::new();
        }
        // The service has answered, so whatever went wrong before was mended.
        self.transcript.trouble = None;
        self.transcript.answer.clear();
        self.transcript.say(words);
        vec![Seen::Text(words.to_owned())]
    }

    fn tool_started(&mut self, data: &Value) -> Vec<Seen> {
        let tool = (text(data, "toolName").to_owned(), subject(&data["arguments"]));
        let seen = Seen::ToolStarted(tool.0.clone(), tool.1.clone());
        if self.tools.len() < OPEN_TOOLS_MAX {
            self.tools.insert(text(data, "toolCallId").to_owned(), tool);
        }
        vec![seen]
    }

    fn tool_ended(&mut self, data: &Value) -> Vec<Seen> {
        let (name, on) = self.tools.remove(text(data, "toolCallId")).unwrap_or_default();
        let mut seen = Vec::new();
        if ["denied", "rejected"].contains(&text(&data["error"], "code")) {
            seen.push(self.transcript.deny(format!("{name} {on}").trim()));
        }
        seen.push(Seen::ToolEnded(name, data["success"] == true));
        seen
    }

    fn call_failed(&mut self, data: &Value) {
        let words = match (text(data, "errorCode"), text(data, "failureKind")) {
            ("", "transport") => "stream disconnected",
            (code, _) if code.contains("quota") => "insufficient_quota",
            (code, _) => code,
        };
        words.clone_into(&mut self.refusal);
    }

    fn error(&mut self, data: &Value) -> Vec<Seen> {
        let message = text(data, "message");
        let kind = match text(data, "errorType") {
            "authentication" => "authentication_failed",
            "quota" => "insufficient_quota",
            // The same word for a quota, and no word at all for a context that is too long: the service knows better.
            "rate_limit" if self.refusal.is_empty() => "rate_limit",
            _ => &self.refusal,
        };
        let status = data["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        self.transcript.trouble = Some(Trouble { status, kind: kind.to_owned(), text: message.to_owned() });
        vec![Seen::Warning(one_line(message))]
    }

    fn result(&mut self, event: &Value) -> Vec<Seen> {
        let mut seen: Vec<Seen> = self.transcript.in_session(text(event, "sessionId")).into_iter().collect();
        let is_good = event["exitCode"].as_i64() == Some(0) && self.transcript.trouble.is_none();
        // One that was cancelled has said nothing of its work, whatever the number says.
        if !self.is_aborted {
            self.transcript.ending = Some(if is_good { Ending::Done } else { Ending::Failed });
        }
        seen.push(Seen::LastWord);
        seen
    }

    fn data(&mut self, kind: &str, data: &Value) -> Vec<Seen> {
        match kind {
            "session.tools_updated" | "model.call_start" => {
                let model = text(data, "model");
                if !model.is_empty() {
                    self.transcript.model = Some(model.to_owned());
                }
            }
            "assistant.message" => return self.message(data),
            "tool.execution_start" => return self.tool_started(data),
            "tool.execution_complete" => return self.tool_ended(data),
            "model.call_failure" => self.call_failed(data),
            "assistant.turn_retry" => return vec![Seen::Retried(one_line(text(data, "reason")))],
            "session.error" => return self.error(data),
            "abort" => self.is_aborted = true,
            _ => {}
        }
        Vec::new()
    }
}

impl Reader for Events {
    fn line(&mut self, line: &[u8], is_whole: bool) -> Vec<Seen> {
        let Some(event) = event(line, is_whole) else { return self.transcript.unread(line) };
        let preset = self.preset.take();
        let mut seen: Vec<Seen> = preset.and_then(|id| self.transcript.in_session(&id)).into_iter().collect();
        seen.extend(match text(&event, "type") {
            "result" => self.result(&event),
            kind => self.data(kind, &event["data"]),
        });
        seen
    }

    fn preset(&mut self, session: &str) {
        self.preset = Some(session.to_owned());
    }

    fn side_file(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let Ok(file) = serde_json::from_slice::<Value>(bytes) else {
            return vec![Seen::Warning("the file that counts the tokens cannot be read".into())];
        };
        let mut all = Usage::default();
        for model in file["modelMetrics"].as_object().into_iter().flat_map(serde_json::Map::values) {
            let counts = &model["usage"];
            let (read, written) = (number(counts, "cacheReadTokens"), number(counts, "cacheWriteTokens"));
            all.add(Usage {
                input_tokens: number(counts, "inputTokens").saturating_sub(read).saturating_sub(written),
                output_tokens: number(counts, "outputTokens"),
                cache_read_tokens: read,
                cache_write_tokens: written,
                usd_micros: 0,
                guessed_usd_micros: 0,
            });
        }
        self.transcript.spend(all.without(self.before)).into_iter().collect()
    }

    fn finish(&mut self, output: &ProgramOutput) -> Outcome {
        self.transcript.outcome(self.expected.as_ref(), output)
    }
}
