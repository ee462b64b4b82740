//! The events of Claude Code.
//!
//! What it says of its own success is not enough: a failed request ends as `success` with `is_error`, a denied tool
//! ends well with exit code 0, and after an interrupt the last event may be missing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    base::{Outcome, Timestamp, Usage},
    runtime::{
        adapter::{ProgramOutput, Reader, Seen},
        order::Order,
        program::{
            json::{event, number, one_line, text},
            transcript::{Ending, Transcript, Trouble},
        },
    },
};

/// Tools that have begun and not ended, of which the names are kept.
const OPEN_TOOLS_MAX: usize = 1_000;

/// Reads one attempt.
pub(super) struct Events {
    expected: Option<Value>,
    resumes: bool,
    seen: Transcript,
    /// Name and use of each tool that has begun.
    tools: BTreeMap<String, (String, String)>,
    /// The message whose cost was told last, and that cost: each part of a message repeats it.
    told: (String, Usage),
    /// What had been spent at the last result; the next one counts from there.
    settled: Usage,
}

impl Events {
    pub fn new(order: &Order) -> Self {
        Self {
            expected: order.expected_output.clone(),
            resumes: order.session.is_some(),
            seen: Transcript::default(),
            tools: BTreeMap::new(),
            told: (String::new(), Usage::default()),
            settled: Usage::default(),
        }
    }

    fn system(&mut self, event: &Value) -> Vec<Seen> {
        match text(event, "subtype") {
            "init" => {
                self.seen.ending = None;
                self.seen.model = Some(text(event, "model").to_owned()).filter(|model| !model.is_empty());
                self.seen.in_session(text(event, "session_id")).into_iter().collect()
            }
            "api_retry" => {
                let status = event.get("error_status").and_then(Value::as_u64);
                let status = status.map(|status| format!(", status {status}")).unwrap_or_default();
                vec![Seen::Retried(one_line(&format!("{}{status}", text(event, "error"))))]
            }
            "permission_denied" => {
                let name = text(event, "tool_name");
                self.denied(text(event, "tool_use_id"), name)
            }
            _ => Vec::new(),
        }
    }

    fn assistant(&mut self, event: &Value) -> Vec<Seen> {
        let message = &event["message"];
        // It goes on after its result: that was not its last.
        self.seen.ending = None;
        let model = text(message, "model");
        let is_real = !model.is_empty() && model != "<synthetic>";
        if is_real {
            self.seen.model = Some(model.to_owned());
        }
        let mut seen: Vec<Seen> = self.spent(message).into_iter().collect();
        let is_main = event.get("parent_tool_use_id").is_none_or(Value::is_null);
        let mut said = String::new();
        for part in message["content"].as_array().into_iter().flatten() {
            match text(part, "type") {
                "text" if is_main && !text(part, "text").is_empty() => {
                    said.push_str(text(part, "text"));
                    seen.push(Seen::Text(text(part, "text").to_owned()));
                }
                "tool_use" => {
                    let used = (text(part, "name").to_owned(), used_on(&part["input"]));
                    seen.push(Seen::ToolStarted(used.0.clone(), used.1.clone()));
                    if self.tools.len() < OPEN_TOOLS_MAX {
                        self.tools.insert(text(part, "id").to_owned(), used);
                    }
                }
                _ => {}
            }
        }
        if let Some(kind) = event.get("error").and_then(Value::as_str) {
            self.seen.trouble = Some(Trouble { status: status(event), kind: kind.to_owned(), text: said });
        } else if is_real {
            self.seen.trouble = None;
        }
        seen
    }

    /// What a message has cost so far. It is the least: what was written is only known at the end.
    fn spent(&mut self, message: &Value) -> Option<Seen> {
        let id = text(message, "id");
        let now = usage(
            &message["usage"],
            ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"],
        );
        let before = if self.told.0 == id { self.told.1 } else { Usage::default() };
        let new = now.without(before);
        let mut told = before;
        told.add(new);
        self.told = (id.to_owned(), told);
        self.seen.spend(new)
    }

    fn user(&mut self, event: &Value) -> Vec<Seen> {
        let mut seen = Vec::new();
        for part in event["message"]["content"].as_array().into_iter().flatten() {
            if text(part, "type") != "tool_result" {
                continue;
            }
            let id = text(part, "tool_use_id");
            let failed = part.get("is_error").and_then(Value::as_bool).unwrap_or(false);
            let name = self.tools.get(id).map_or("a tool", |used| used.0.as_str()).to_owned();
            if failed && part["content"].as_str().is_some_and(|said| said.contains("No such tool available")) {
                seen.extend(self.denied(id, &name));
            }
            self.tools.remove(id);
            seen.push(Seen::ToolEnded(name, !failed));
        }
        seen
    }

    /// Notes a denial; the same one is told in two or three ways.
    fn denied(&mut self, id: &str, name: &str) -> Vec<Seen> {
        let what = match self.tools.get(id) {
            Some((name, used)) if !used.is_empty() => format!("{name} {used}"),
            Some((name, _)) => name.clone(),
            None => name.to_owned(),
        };
        let is_new = !self.seen.denials.contains(&what);
        let seen = self.seen.deny(what);
        if is_new { vec![seen] } else { Vec::new() }
    }

    fn result(&mut self, event: &Value) -> Vec<Seen> {
        let mut seen: Vec<Seen> = self.seen.in_session(text(event, "session_id")).into_iter().collect();
        let total = self.total(event);
        seen.extend(self.seen.spend(total.without(self.seen.usage)));
        self.settled = self.seen.usage;
        for denial in event["permission_denials"].as_array().into_iter().flatten() {
            let (name, used) = (text(denial, "tool_name"), used_on(&denial["tool_input"]));
            let what = format!("{name} {used}").trim_end().to_owned();
            if !self.seen.denials.contains(&what) {
                seen.push(self.seen.deny(what));
            }
        }
        self.seen.answer.clear();
        self.seen.say(text(event, "result"));
        self.seen.structured = event.get("structured_output").filter(|value| !value.is_null()).cloned();
        let (subtype, reason) = (text(event, "subtype"), text(event, "terminal_reason"));
        let is_error = event.get("is_error").and_then(Value::as_bool).unwrap_or(true);
        let stop = text(event, "stop_reason");
        let is_cut = matches!(stop, "max_tokens" | "refusal" | "model_context_window_exceeded");
        if !is_error && subtype == "success" && matches!(reason, "" | "completed") && !is_cut {
            self.seen.ending = Some(Ending::Done);
            self.seen.trouble = None;
        } else {
            self.seen.ending = Some(Ending::Failed);
            let told = self.seen.trouble.take().map(|trouble| trouble.kind).unwrap_or_default();
            let kind = match (subtype, reason) {
                ("success" | "", "api_error" | "completed" | "") if !told.is_empty() => told,
                ("success" | "", "completed" | "") => stop.to_owned(),
                ("success" | "", _) => reason.to_owned(),
                ("error_during_execution", _) if !reason.is_empty() => reason.to_owned(),
                _ => subtype.to_owned(),
            };
            let errors = event["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let errors: Vec<&str> = errors.take(10).collect();
            let said = if errors.is_empty() { text(event, "result").to_owned() } else { errors.join("; ") };
            self.seen.trouble = Some(Trouble { status: status(event), kind, text: said });
        }
        if number(event, "queued_turn_count") == 0 {
            seen.push(Seen::LastWord);
        } else if self.seen.ending == Some(Ending::Done) {
            // It has more to do and will say another result.
            self.seen.ending = None;
        }
        seen
    }

    /// All that the attempt has cost. The totals by model are those of the whole session, earlier attempts included;
    /// only the part since the last result is this attempt's.
    fn total(&self, event: &Value) -> Usage {
        let mut total = self.settled;
        if let Some(models) = event.get("model_usage_since_last_result").and_then(Value::as_object) {
            for model in models.values() {
                let names = ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"];
                total.add(Usage { usd_micros: micros(&model["costUSD"]), ..usage(model, names) });
            }
            return total;
        }
        let names = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
        total.add(usage(&event["usage"], names));
        // An older version counts the money of the whole session.
        total.usd_micros = if self.resumes { 0 } else { micros(&event["total_cost_usd"]) };
        total
    }

    /// A subscription's limit tells when it resets.
    fn limit(&mut self, event: &Value) {
        let info = &event["rate_limit_info"];
        if text(info, "status") == "rejected" {
            let seconds = number(info, "resetsAt");
            self.seen.quota_until = Some((seconds > 0).then(|| Timestamp(seconds.saturating_mul(1_000))));
        }
    }
}

impl Reader for Events {
    fn line(&mut self, line: &[u8], is_whole: bool) -> Vec<Seen> {
        let Some(event) = event(line, is_whole) else {
            return self.seen.unread(line);
        };
        match text(&event, "type") {
            "system" => self.system(&event),
            "assistant" => self.assistant(&event),
            "user" => self.user(&event),
            "result" => self.result(&event),
            "rate_limit_event" => {
                self.limit(&event);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn finish(&mut self, output: &ProgramOutput) -> Outcome {
        self.seen.outcome(self.expected.as_ref(), output)
    }
}

fn status(event: &Value) -> Option<u16> {
    event.get("api_error_status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())
}

/// What a tool is used on: the first text of its input that tells.
fn used_on(input: &Value) -> String {
    let keys = ["file_path", "notebook_path", "path", "command", "pattern", "url", "query", "description"];
    let used = keys.iter().find_map(|key| input.get(key).and_then(Value::as_str));
    one_line(used.unwrap_or_default())
}

fn usage(value: &Value, [input, output, read, write]: [&str; 4]) -> Usage {
    Usage {
        input_tokens: number(value, input),
        output_tokens: number(value, output),
        cache_read_tokens: number(value, read),
        cache_write_tokens: number(value, write),
        usd_micros: 0,
        guessed_usd_micros: 0,
    }
}

/// Dollars as micro-dollars; what is no sum of money counts as nothing.
fn micros(dollars: &Value) -> u64 {
    let micros = dollars.as_f64().unwrap_or_default() * 1e6;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
    let whole = micros.round() as u64;
    whole
}
