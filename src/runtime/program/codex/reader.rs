//! The events of Codex.
//!
//! What it says of its own success is not enough: a write that was blocked ends well with exit code 0, in a read-only
//! sandbox with a word on standard error only, and its usage counts from the beginning of the thread.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    base::{Outcome, Usage},
    runtime::{
        adapter::{ProgramOutput, Reader, Seen},
        order::Order,
        program::{
            json::{event, number, one_line, text},
            transcript::{Ending, Transcript, Trouble},
        },
    },
};

/// What its log says on standard error of something that was not allowed.
const DENIALS: [&str; 3] = ["rejected by user approval settings", "patch rejected", "blocked by read-only sandbox"];
/// Changes that failed, of which the paths are kept.
const FAILED_MAX: usize = 100;

/// Reads one attempt.
pub(super) struct Events {
    expected: Option<Value>,
    /// What the thread has been charged before.
    before: Usage,
    seen: Transcript,
    /// Items that have begun.
    begun: BTreeSet<String>,
    /// Changes that were not made, and not made later either.
    failed: BTreeSet<String>,
}

impl Events {
    pub fn new(order: &Order) -> Self {
        Self {
            expected: order.expected_output.clone(),
            before: if order.session.is_some() { order.session_usage } else { Usage::default() },
            seen: Transcript::default(),
            begun: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }

    fn started(&mut self, item: &Value) -> Vec<Seen> {
        let Some((name, used)) = tool(item) else { return Vec::new() };
        self.begun.insert(text(item, "id").to_owned());
        vec![Seen::ToolStarted(name, used)]
    }

    fn completed(&mut self, item: &Value) -> Vec<Seen> {
        match text(item, "type") {
            "agent_message" => {
                self.seen.answer.clear();
                self.seen.say(text(item, "text"));
                self.seen.trouble = None;
                return vec![Seen::Text(text(item, "text").to_owned())];
            }
            // Only a failed turn fails: this is a warning.
            "error" => return vec![Seen::Warning(one_line(text(item, "message")))],
            _ => {}
        }
        let Some((name, used)) = tool(item) else { return Vec::new() };
        let mut seen = Vec::new();
        if !self.begun.remove(text(item, "id")) {
            seen.push(Seen::ToolStarted(name.clone(), used.clone()));
        }
        let status = text(item, "status");
        if status == "declined" {
            seen.push(self.seen.deny(format!("{name} {used}").trim_end()));
        }
        if text(item, "type") == "file_change" {
            self.changed(item, status == "completed");
        }
        seen.push(Seen::ToolEnded(name, status == "completed"));
        seen
    }

    /// A change that failed counts until the same file is changed after all.
    fn changed(&mut self, item: &Value, is_made: bool) {
        for change in item["changes"].as_array().into_iter().flatten() {
            let path = one_line(text(change, "path"));
            if is_made {
                self.failed.remove(&path);
            } else if self.failed.len() < FAILED_MAX {
                self.failed.insert(path);
            }
        }
    }

    fn error(&mut self, message: &str) -> Vec<Seen> {
        self.seen.trouble = Some(Trouble { text: message.to_owned(), ..Trouble::default() });
        if message.starts_with("Reconnecting") {
            vec![Seen::Retried(one_line(message))]
        } else {
            vec![Seen::Warning(one_line(message))]
        }
    }

    fn ended(&mut self, usage: &Value) -> Vec<Seen> {
        self.seen.ending = Some(Ending::Done);
        self.seen.trouble = None;
        let spent = self.seen.spend(self.new_usage(usage));
        spent.into_iter().chain([Seen::LastWord]).collect()
    }

    /// What is new in a count that begins with the thread: without what was charged before, in this attempt or in
    /// an earlier one. A count below that does not begin with the thread.
    fn new_usage(&self, usage: &Value) -> Usage {
        let (read, write) = (number(usage, "cached_input_tokens"), number(usage, "cache_write_input_tokens"));
        let total = Usage {
            // It counts what came from a cache as read.
            input_tokens: number(usage, "input_tokens").saturating_sub(read).saturating_sub(write),
            output_tokens: number(usage, "output_tokens"),
            cache_read_tokens: read,
            cache_write_tokens: write,
            usd_micros: 0,
            guessed_usd_micros: 0,
        };
        // The price is of `orch`, and the program counts none.
        let mut before = Usage { usd_micros: 0, guessed_usd_micros: 0, ..self.before };
        before.add(self.seen.usage);
        if before.without(total).is_zero() { total.without(before) } else { total }
    }
}

impl Reader for Events {
    fn line(&mut self, line: &[u8], is_whole: bool) -> Vec<Seen> {
        let Some(event) = event(line, is_whole) else {
            return self.seen.unread(line);
        };
        match text(&event, "type") {
            "thread.started" => self.seen.in_session(text(&event, "thread_id")).into_iter().collect(),
            "turn.started" => {
                self.seen.ending = None;
                Vec::new()
            }
            "item.started" => self.started(&event["item"]),
            "item.completed" => self.completed(&event["item"]),
            "error" => self.error(text(&event, "message")),
            "turn.failed" => {
                self.seen.ending = Some(Ending::Failed);
                let text = text(&event["error"], "message").to_owned();
                self.seen.trouble = Some(Trouble { text, ..Trouble::default() });
                vec![Seen::LastWord]
            }
            "turn.completed" => self.ended(&event["usage"]),
            _ => Vec::new(),
        }
    }

    fn finish(&mut self, output: &ProgramOutput) -> Outcome {
        for path in std::mem::take(&mut self.failed) {
            self.seen.deny(format!("change {path}"));
        }
        let complaint = String::from_utf8_lossy(&output.stderr_tail);
        let log = complaint.lines().filter(|line| line.contains(" ERROR ") && line.contains("codex_core::"));
        for line in log.filter(|line| DENIALS.iter().any(|sign| line.contains(sign))) {
            let said = line.split_once("error=").map_or(line, |(_, said)| said);
            self.seen.deny(one_line(said));
        }
        self.seen.outcome(self.expected.as_ref(), output)
    }
}

/// The name of an item that is a tool at work, and what it is used on.
fn tool(item: &Value) -> Option<(String, String)> {
    let (name, used) = match text(item, "type") {
        "command_execution" => ("command".to_owned(), text(item, "command").to_owned()),
        "file_change" => {
            let paths = item["changes"].as_array().into_iter().flatten().map(|change| text(change, "path"));
            ("change".to_owned(), paths.take(5).collect::<Vec<_>>().join(", "))
        }
        "mcp_tool_call" => (format!("{}/{}", text(item, "server"), text(item, "tool")), String::new()),
        "web_search" => ("search".to_owned(), text(item, "query").to_owned()),
        _ => return None,
    };
    Some((one_line(&name), one_line(&used)))
}
