//! The conversation of one attempt: one prompt, what the agent tells while it works, what it asks, and how its turn ends.
//!
//! What lies: failures of the model's service end as `end_turn` with the text `Error: …`, or with no text and no tokens at
//! all; an agent may do what it was not allowed to, without asking. So an end is believed only with something said
//! before it, and a change that the order does not allow ends the attempt as soon as it is told.
//!
//! Invariants: only the answer to the one prompt proves success, and only once; nothing is answered without bound.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    base::{Outcome, Usage},
    runtime::{
        adapter::{ProgramOutput, Reader, Scene, Seen},
        order::{McpServer, Order},
        program::{
            acp::{
                AcpSettings,
                permission::{Judge, chosen},
                spent,
                tools::Tools,
                wire::{self, Said},
            },
            json::{event, one_line, text},
            transcript::{Ending, Transcript, Trouble},
        },
    },
};

/// Requests of the agent that are answered in one attempt.
const REQUESTS_MAX: u32 = 10_000;
/// Text is told in pieces of about this size where no line ends.
const TOLD_BYTES: usize = 200;
/// How the only message begins that may be longer than a line is read: what it tells is not needed.
const UPDATE: &[u8] = b"\"session/update\"";

/// Which answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// What the agent can do.
    Greeting,
    /// A session, new or taken up.
    Entering,
    /// Whether a key is taken for a login.
    Proving,
    /// Whether the model is taken.
    Choosing,
    /// The end of the turn.
    Asked,
    /// None any more.
    Over,
}

/// One conversation.
pub(super) struct Talk {
    pub name: String,
    pub settings: AcpSettings,
    /// The whole order as text.
    prompt: String,
    /// The session to go on with, and what it was charged.
    pub session: Option<String>,
    charged: Usage,
    pub has_feedback: bool,
    pub model: Option<String>,
    pub servers: Vec<McpServer>,
    pub workspace: PathBuf,
    expected: Option<Value>,
    pub stage: Stage,
    /// The number of the request that is open, or was the last.
    asked: u64,
    out: Vec<u8>,
    pub transcript: Transcript,
    judge: Judge,
    tools: Tools,
    /// How the agent lets people log in.
    pub logins: Vec<Value>,
    pub has_proved: bool,
    /// Whether an earlier session was taken up.
    pub is_loaded: bool,
    requests: u32,
    /// Whether the next text begins a new answer, and the message that the last one was of.
    begins: bool,
    message: String,
    untold: String,
    /// What the session has cost in money: before this turn, and as it was told last.
    money: (u64, u64),
    has_settled: bool,
}

impl Talk {
    pub fn new(name: &str, settings: &AcpSettings, order: &Order) -> Self {
        let is_size = |model: &&String| ["large", "medium", "small"].contains(&model.as_str());
        let wanted = order.model.as_ref().filter(|model| !is_size(model)).or(settings.model.as_ref());
        Self {
            name: name.to_owned(),
            settings: settings.clone(),
            prompt: order.prompt(),
            session: order.session.clone(),
            charged: order.session_usage,
            has_feedback: order.feedback.is_some(),
            model: wanted.cloned(),
            servers: order.mcp_servers.clone(),
            workspace: PathBuf::new(),
            expected: order.expected_output.clone(),
            stage: Stage::Greeting,
            asked: 0,
            out: Vec::new(),
            // What it says at its end about its exit means nothing: we close its input, and each takes that differently.
            transcript: Transcript { exit_may_lie: true, ..Transcript::default() },
            judge: Judge::new(order),
            tools: Tools::default(),
            logins: Vec::new(),
            has_proved: false,
            is_loaded: false,
            requests: 0,
            begins: true,
            message: String::new(),
            untold: String::new(),
            money: (0, 0),
            has_settled: false,
        }
    }

    /// Asks the agent for something.
    pub fn ask(&mut self, stage: Stage, method: &str, params: &Value) -> Vec<Seen> {
        self.stage = stage;
        self.asked += 1;
        self.out.extend(wire::request(self.asked, method, params));
        Vec::new()
    }

    /// The session is ready: the one prompt.
    pub fn prompt(&mut self) -> Vec<Seen> {
        let prompt = std::mem::take(&mut self.prompt);
        let params = json!({ "sessionId": self.session, "prompt": [{ "type": "text", "text": prompt }] });
        self.money.0 = self.money.1;
        self.ask(Stage::Asked, "session/prompt", &params)
    }

    /// Ends the conversation as a failure, for the first reason that comes.
    pub fn give_up(&mut self, kind: &str, words: &str) -> Vec<Seen> {
        let mut seen = self.flush();
        if self.stage == Stage::Asked {
            self.out.extend(self.cancel());
        }
        if self.transcript.ending != Some(Ending::Failed) {
            let trouble = Trouble { status: None, kind: kind.to_owned(), text: words.to_owned() };
            self.transcript.trouble = Some(trouble);
        }
        self.transcript.ending = Some(Ending::Failed);
        self.stage = Stage::Over;
        seen.push(Seen::LastWord);
        seen
    }

    fn cancel(&self) -> Vec<u8> {
        wire::notification("session/cancel", &json!({ "sessionId": self.session }))
    }

    fn said(&mut self, said: Said) -> Vec<Seen> {
        match said {
            Said::Tells(method, params) if method == "session/update" => self.update(&params),
            Said::Tells(..) => Vec::new(),
            Said::Asks(id, method, params) => self.request(&id, &method, &params),
            Said::Answers(id, _) if id != self.asked => {
                vec![Seen::Warning(format!("an answer to nothing that was asked: {id}"))]
            }
            Said::Answers(_, answer) => match self.stage {
                Stage::Greeting => self.greeted(answer),
                Stage::Entering => self.entered(answer),
                Stage::Proving => self.proved(answer),
                Stage::Choosing => self.chose(answer),
                Stage::Asked => self.turn_ended(answer),
                // Two answers to one question: nobody knows which one is true.
                Stage::Over => self.give_up("", "it has answered twice, so neither answer counts"),
            },
        }
    }

    fn request(&mut self, id: &Value, method: &str, params: &Value) -> Vec<Seen> {
        if self.stage == Stage::Over {
            return Vec::new();
        }
        self.requests += 1;
        if self.requests > REQUESTS_MAX {
            return self.give_up("", &format!("it has asked for something more than {REQUESTS_MAX} times"));
        }
        if method != "session/request_permission" {
            self.out.extend(wire::unknown(id));
            return Vec::new();
        }
        let update = &params["toolCall"];
        let mut tool = self.tools.heard(update);
        let is_ours = self.stage == Stage::Asked && self.session.as_deref() == Some(text(params, "sessionId"));
        let judged = if is_ours { self.judge.asked(&tool) } else { Err("it is of another session".into()) };
        let (outcome, is_allowed) = chosen(params, judged.is_ok());
        self.out.extend(wire::answer(id, &outcome));
        // Whoever was refused once for this use stays refused.
        tool.allowed = Some(is_allowed && tool.allowed != Some(false));
        let mut seen = self.flush();
        let what = format!("{} {}", tool.name(), tool.subject(&self.workspace));
        if !std::mem::replace(&mut tool.is_announced, true) {
            seen.push(Seen::ToolStarted(tool.name(), tool.subject(&self.workspace)));
        }
        if !is_allowed {
            let why = judged.err().unwrap_or_else(|| "it can only be allowed for ever".into());
            seen.push(self.transcript.deny(format!("{}: {why}", what.trim())));
        }
        self.tools.keep(update, tool);
        seen
    }

    fn update(&mut self, params: &Value) -> Vec<Seen> {
        let update = &params["update"];
        let is_ours = self.session.as_deref() == Some(text(params, "sessionId"));
        if text(update, "sessionUpdate") == "usage_update" && is_ours {
            self.money.1 = self.money.1.max(spent::money(update).unwrap_or_default());
        }
        // While a session is taken up its past is told again.
        if self.stage != Stage::Asked || !is_ours {
            return Vec::new();
        }
        match text(update, "sessionUpdate") {
            "agent_message_chunk" => self.words(update),
            "tool_call" | "tool_call_update" => self.tool(update),
            "plan" => {
                let steps = update["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
                let done = steps.iter().filter(|step| step["status"] == "completed").count();
                let now = steps.iter().find(|step| step["status"] == "in_progress");
                let now = now.map(|step| format!(", now: {}", one_line(text(step, "content")))).unwrap_or_default();
                let mut seen = self.flush();
                seen.push(Seen::Text(format!("plan: {done} of {} done{now}", steps.len())));
                seen
            }
            _ => Vec::new(),
        }
    }

    fn words(&mut self, update: &Value) -> Vec<Seen> {
        let words = text(&update["content"], "text");
        let message = text(update, "messageId");
        let message = &message[..message.floor_char_boundary(TOLD_BYTES)];
        if !message.is_empty() && message != self.message {
            message.clone_into(&mut self.message);
            self.begins = true;
        }
        let mut seen = Vec::new();
        if words.is_empty() {
            return seen;
        }
        if std::mem::take(&mut self.begins) {
            seen = self.flush();
            self.transcript.answer.clear();
        }
        self.transcript.say(words);
        self.untold.push_str(words);
        if let Some(end) = self.untold.rfind('\n') {
            let rest = self.untold.split_off(end + 1);
            seen.extend(self.flush());
            self.untold = rest;
        }
        if self.untold.len() > TOLD_BYTES {
            seen.extend(self.flush());
        }
        seen
    }

    fn flush(&mut self) -> Vec<Seen> {
        let words = std::mem::take(&mut self.untold);
        if words.trim().is_empty() { Vec::new() } else { vec![Seen::Text(words)] }
    }

    fn tool(&mut self, update: &Value) -> Vec<Seen> {
        self.begins = true;
        let mut tool = self.tools.heard(update);
        let mut seen = self.flush();
        let status = text(update, "status");
        let is_over = matches!(status, "completed" | "failed");
        if !tool.is_announced && (is_over || tool.is_known()) {
            tool.is_announced = true;
            seen.push(Seen::ToolStarted(tool.name(), tool.subject(&self.workspace)));
        }
        if !is_over {
            self.tools.keep(update, tool);
            return seen;
        }
        seen.push(Seen::ToolEnded(tool.name(), status == "completed"));
        if status == "completed" {
            let judged = match tool.allowed {
                Some(true) => Ok(()),
                Some(false) => Err("it was refused, and the agent did it nevertheless".to_owned()),
                None => self.judge.used(&tool).map_err(|why| format!("{why}, and the agent did it without asking")),
            };
            if let Err(why) = judged {
                let what = format!("{} {}", tool.name(), tool.subject(&self.workspace));
                let denied = format!("{}: {why}", what.trim());
                seen.push(self.transcript.deny(denied.clone()));
                seen.extend(self.give_up("", &denied));
            }
        }
        seen
    }

    fn turn_ended(&mut self, answer: Result<Value, Value>) -> Vec<Seen> {
        let mut seen = self.flush();
        self.stage = Stage::Over;
        let ending = match answer {
            Ok(result) => {
                let has_spent = self.settle(&result, &mut seen);
                self.judged(text(&result, "stopReason"), has_spent)
            }
            Err(error) => {
                self.settle(&Value::Null, &mut seen);
                Err(trouble(&error))
            }
        };
        self.transcript.ending = Some(if ending.is_ok() { Ending::Done } else { Ending::Failed });
        self.transcript.trouble = ending.err();
        seen.push(Seen::LastWord);
        seen
    }

    /// What the end of the turn is worth.
    fn judged(&self, reason: &str, has_spent: bool) -> Result<(), Trouble> {
        let because = |kind: &str, text: &str| Err(Trouble { status: None, kind: kind.into(), text: text.into() });
        let said = self.transcript.answer.trim();
        match reason {
            "end_turn" => {}
            "max_tokens" => return because("max_tokens", "it has used all its tokens"),
            "max_turn_requests" => return because("error_max_turns", "it has used all its requests to the model"),
            "refusal" => return because("", "the model refuses to do this"),
            // We have not cancelled it: our own stop is no outcome of the conversation.
            "cancelled" => return because("aborted_streaming", "somebody else has cancelled it"),
            other => {
                return because("", &format!("its turn ended for a reason that nobody knows: {}", one_line(other)));
            }
        }
        // A service that fails is told as an answer, after notices of the tries before.
        let error =
            if said.starts_with("Info:") { said.find("Error:") } else { said.find("Error:").filter(|at| *at == 0) };
        if let Some(at) = error {
            return because("", said[at..].trim());
        }
        if said.is_empty() && !has_spent {
            return because("", "ambiguous: it ended its turn without a word and without using a token");
        }
        Ok(())
    }

    /// Counts what the turn has cost; whether it used any token.
    fn settle(&mut self, result: &Value, seen: &mut Vec<Seen>) -> bool {
        self.has_settled = true;
        let mut counts = spent::told(result);
        if self.settings.counts_session && self.is_loaded {
            let before = self.charged;
            let mut all = counts.iter().fold(Usage::default(), |mut sum, (_, usage)| {
                sum.add(*usage);
                sum
            });
            all = spent::since(all, before);
            // Which model the earlier turns were of is not told.
            counts = vec![(counts.pop().and_then(|(model, _)| model), all)];
        }
        // Money is told apart from tokens, and both together are one cost.
        let mut money = self.money.1.saturating_sub(self.money.0);
        if counts.is_empty() {
            counts.push((None, Usage::default()));
        }
        let has_spent = counts.iter().any(|(_, usage)| usage.tokens() > 0);
        let last = counts.len() - 1;
        for (place, (model, mut usage)) in counts.into_iter().enumerate() {
            if place == last {
                usage.usd_micros = std::mem::take(&mut money);
            }
            self.transcript.model = model.or(self.transcript.model.take());
            seen.extend(self.transcript.spend(usage));
        }
        has_spent
    }
}

impl Reader for Talk {
    fn opening(&mut self, scene: &Scene) -> Option<Vec<u8>> {
        self.workspace.clone_from(&scene.workspace);
        self.judge.in_workspace(&scene.workspace);
        // The agent has files and terminals of its own: ours would have to fail in just the ways that each one expects.
        let can = json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
        let own = json!({ "name": "orch", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": 1, "clientCapabilities": can, "clientInfo": own });
        self.ask(Stage::Greeting, "initialize", &params);
        Some(self.reply())
    }

    fn line(&mut self, line: &[u8], is_whole: bool) -> Vec<Seen> {
        if !is_whole && self.stage != Stage::Over {
            let is_update = line[..line.len().min(200)].windows(UPDATE.len()).any(|part| part == UPDATE);
            if !is_update {
                return self.give_up("", "it has said something that is too long to be read");
            }
        }
        match event(line, is_whole).and_then(wire::said) {
            Some(said) => self.said(said),
            None => self.transcript.unread(line),
        }
    }

    fn reply(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn farewell(&mut self) -> Vec<u8> {
        if self.stage == Stage::Asked { self.cancel() } else { Vec::new() }
    }

    fn finish(&mut self, output: &ProgramOutput) -> Outcome {
        if !std::mem::replace(&mut self.has_settled, true) {
            // Broken off in the middle: what it has cost until then is charged.
            let usd_micros = self.money.1.saturating_sub(self.money.0);
            self.transcript.usage.add(Usage { usd_micros, ..Usage::default() });
        }
        self.transcript.outcome(self.expected.as_ref(), output)
    }
}

/// What an error of the protocol means: the code may be a status of HTTP, the data may hold a word for it.
pub(super) fn trouble(error: &Value) -> Trouble {
    let data = &error["data"];
    let numbers = [&error["code"], &data["status"], &data["statusCode"], &data["httpStatus"]];
    let status = numbers.into_iter().filter_map(Value::as_u64).find(|code| (400..600).contains(code));
    let names = ["errorKind", "codexErrorInfo", "errorName", "type", "kind"];
    let kind = names.iter().map(|name| text(data, name)).find(|kind| !kind.is_empty()).unwrap_or_default();
    let kind = if error["code"] == -32000 { "authentication_failed" } else { kind };
    let more = ["message", "details", "error"].iter().map(|name| text(data, name)).find(|more| !more.is_empty());
    let more = more.or(data.as_str()).filter(|more| !text(error, "message").contains(more));
    let words = [Some(text(error, "message")), more].into_iter().flatten().filter(|words| !words.is_empty());
    Trouble {
        // Anything may be wrong with a bad request; only its text says what.
        status: status.filter(|status| *status != 400).and_then(|status| u16::try_from(status).ok()),
        kind: kind.chars().take(TOLD_BYTES).collect(),
        text: words.collect::<Vec<_>>().join(": "),
    }
}
