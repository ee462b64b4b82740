//! The conversation of one attempt: who speaks next, when it is over, and what it proves.
//!
//! Pure: the executor asks, performs and tells. Invariants: a talk has at most as many turns as its settings say; a
//! result counts only when it is valid; a stored conversation always can go on; what was denied is never a success.

use std::path::Path;

use serde_json::Value;

use crate::{
    base::{Evidence, Failure, FailureClass, Outcome, Usage},
    runtime::{
        adapter::{ProgramExit, ProgramOutput, Seen},
        order::Order,
        program::{Ending, Transcript},
        result::{ResultFault, last_object, read_result},
        service::{
            adapter::ServiceCall,
            conversation::{
                Answer, Ask, CONVERSATION_VERSION, Conversation, Message, Part, Speaker, Stop, ToolCall, ToolSpec,
            },
            fault::Fault,
            submit,
            tools::Toolset,
        },
    },
};

/// How often a model may mend a result that is not valid.
const REPAIRS_MAX: u32 = 2;

/// Who speaks next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The model is asked.
    Ask,
    /// These tools are to be used; then [`Talk::performed`].
    Perform(Vec<ToolCall>),
    /// Nobody.
    Over,
}

/// What came of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDone {
    /// What the model is told.
    pub text: String,
    /// Whether it did what was asked.
    pub is_ok: bool,
}

/// An answer whose tools are being used.
#[derive(Debug)]
struct Open {
    message: Message,
    /// Its calls, and what came of those that need no executor.
    calls: Vec<(ToolCall, Option<ToolDone>)>,
}

/// One attempt's conversation.
#[derive(Debug)]
pub struct Talk {
    call: ServiceCall,
    system: String,
    messages: Vec<Message>,
    toolset: Toolset,
    specs: Vec<ToolSpec>,
    expected: Option<Value>,
    transcript: Transcript,
    turns: u32,
    repairs: u32,
    open: Option<Open>,
    fault: Option<Fault>,
}

impl Talk {
    /// A conversation that begins, or goes on from a stored one, under the id `session`.
    #[must_use]
    pub fn new(
        call: ServiceCall,
        order: &Order,
        session: &str,
        workspace: &Path,
        stored: Option<Conversation>,
    ) -> Self {
        let toolset = Toolset::of(order.access, order.tools.as_deref(), &order.permissions);
        let mut specs = toolset.specs();
        specs.extend(order.expected_output.as_ref().map(submit::spec));
        let mut messages = stored.map(|stored| readable(stored, &call)).unwrap_or_default();
        if let Some(request) = request(order, &messages) {
            say(&mut messages, request);
        }
        let transcript = Transcript { model: Some(call.model.clone()), ..Transcript::default() };
        let mut talk = Self {
            system: system(order, workspace),
            messages,
            toolset,
            specs,
            expected: order.expected_output.clone(),
            transcript,
            turns: 0,
            repairs: 0,
            open: None,
            fault: None,
            call,
        };
        talk.transcript.session = Some(session.to_owned());
        talk
    }

    /// What is asked next.
    #[must_use]
    pub fn ask(&self) -> Ask<'_> {
        Ask {
            model: &self.call.model,
            system: &self.system,
            messages: &self.messages,
            tools: &self.specs,
            max_tokens: self.call.settings.max_tokens,
        }
    }

    /// The tools of this agent.
    #[must_use]
    pub fn toolset(&self) -> &Toolset {
        &self.toolset
    }

    /// The conversation so far, as it is stored.
    #[must_use]
    pub fn conversation(&self) -> Conversation {
        Conversation {
            conversation: CONVERSATION_VERSION,
            session: self.transcript.session.clone().unwrap_or_default(),
            format: self.call.settings.format,
            messages: self.messages.clone(),
        }
    }

    /// Notes what an answer has cost, a broken one too.
    pub fn spent(&mut self, usage: Usage, model: Option<String>) -> Option<Seen> {
        if model.is_some() {
            self.transcript.model = model;
        }
        self.transcript.spend(usage)
    }

    /// Notes what the agent was not allowed to do. The attempt can no longer succeed.
    pub fn deny(&mut self, what: impl Into<String>) -> Seen {
        self.transcript.deny(what)
    }

    /// Takes a whole answer.
    pub fn answered(&mut self, answer: Answer) -> Next {
        self.turns += 1;
        self.transcript.answer.clear();
        let mut parts = answer.parts;
        let mut calls = Vec::new();
        for (place, part) in parts.iter_mut().enumerate() {
            match part {
                Part::Text(text) => self.transcript.say(text),
                Part::Call(call) => {
                    if call.id.is_empty() {
                        // One service tells calls apart by their order alone; the others need a name for each.
                        call.id = format!("call_{}_{}_{place}", self.messages.len(), self.turns);
                    }
                    calls.push(call.clone());
                }
                Part::Result { .. } | Part::Thought(_) => {}
            }
        }
        if let Some(fault) = bad_end(&answer.stop, self.call.settings.max_tokens) {
            return self.failed(fault);
        }
        let message = Message { by: Speaker::Agent, parts };
        if calls.is_empty() {
            return self.said(message);
        }
        let calls: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let done = self.handed_in(&call);
                (call, done)
            })
            .collect();
        let open: Vec<_> = calls.iter().filter(|(_, done)| done.is_none()).map(|(call, _)| call.clone()).collect();
        self.open = Some(Open { message, calls });
        if open.is_empty() { self.performed(Vec::new()) } else { Next::Perform(open) }
    }

    /// Takes what came of the tools, in the order in which they were to be used.
    pub fn performed(&mut self, done: Vec<ToolDone>) -> Next {
        let Some(Open { message, calls }) = self.open.take() else { return Next::Over };
        let mut done = done.into_iter();
        let results = calls.into_iter().map(|(call, known)| {
            let done = known.or_else(|| done.next());
            let done = done.unwrap_or_else(|| ToolDone { text: "it was not performed".into(), is_ok: false });
            Part::Result { id: call.id, name: call.name, text: done.text, is_ok: done.is_ok }
        });
        let results = Message { by: Speaker::User, parts: results.collect() };
        self.messages.extend([message, results]);
        if self.transcript.structured.is_some() {
            self.transcript.ending = Some(Ending::Done);
            return Next::Over;
        }
        if self.repairs > REPAIRS_MAX {
            return Next::Over;
        }
        self.go_on()
    }

    /// No answer came.
    pub fn failed(&mut self, fault: Fault) -> Next {
        self.fault = Some(fault);
        Next::Over
    }

    /// What all of it proves.
    #[must_use]
    pub fn outcome(&mut self) -> Outcome {
        if let Some(fault) = self.fault.take() {
            return Outcome::Failed(Box::new(Failure {
                class: fault.class,
                reason: fault.reason,
                evidence: Evidence::default(),
                session: self.transcript.session.clone(),
                usage: self.transcript.usage,
            }));
        }
        let output = ProgramOutput {
            exit: ProgramExit::Code(0),
            stdout: Vec::new(),
            stdout_whole: true,
            stderr_tail: Vec::new(),
            output_file: None,
        };
        self.transcript.outcome(self.expected.as_ref(), &output)
    }

    /// An answer without a call is the last one, unless a result is still missing.
    fn said(&mut self, message: Message) -> Next {
        // No service takes a message back that says nothing.
        if !message.parts.is_empty() {
            self.messages.push(message);
        }
        let Some(expected) = &self.expected else {
            self.transcript.ending = Some(Ending::Done);
            return Next::Over;
        };
        let found = last_object(&self.transcript.answer);
        let fault = match found.map(|value| (read_result(value.clone(), Some(expected)), value)) {
            Some((Ok(_) | Err(ResultFault::Failed(_)), value)) => {
                self.transcript.structured = Some(value);
                self.transcript.ending = Some(Ending::Done);
                return Next::Over;
            }
            Some((Err(fault), _)) => fault.to_string(),
            None => "no result was handed in".to_owned(),
        };
        let told = format!("{fault}. Hand in the result by calling `{}`.", submit::SUBMIT);
        if self.mend(&fault) {
            say(&mut self.messages, told);
            return self.go_on();
        }
        Next::Over
    }

    /// What is answered to a call that hands in the result; `None` for any other.
    fn handed_in(&mut self, call: &ToolCall) -> Option<ToolDone> {
        let expected = self.expected.as_ref().filter(|_| call.name == submit::SUBMIT)?;
        let done = |text: &str, is_ok| Some(ToolDone { text: text.to_owned(), is_ok });
        if self.transcript.structured.is_some() {
            return done("a result was handed in before; that one counts", false);
        }
        let value = submit::value(expected, &call.input);
        match read_result(value.clone(), Some(expected)) {
            // A valid word that the work was not done is a result as well.
            Ok(_) | Err(ResultFault::Failed(_)) => {
                self.transcript.structured = Some(value);
                done("the result is accepted", true)
            }
            Err(fault) => {
                let told = format!("{fault}. Mend it and call `{}` again.", submit::SUBMIT);
                self.mend(&fault.to_string());
                done(&told, false)
            }
        }
    }

    /// Counts a result that is not valid; false where it was one too many.
    fn mend(&mut self, fault: &str) -> bool {
        self.repairs += 1;
        if self.repairs <= REPAIRS_MAX {
            return true;
        }
        let reason = format!("{fault} (after {REPAIRS_MAX} more tries)");
        self.fault = Some(Fault::new(FailureClass::Invalid, reason));
        false
    }

    fn go_on(&mut self) -> Next {
        let max = self.call.settings.turns_max.max(1);
        if self.turns < max {
            return Next::Ask;
        }
        let reason = format!("the agent was not done after {max} turns");
        self.failed(Fault::new(FailureClass::Recoverable, reason))
    }
}

/// What an answer that did not end well means.
fn bad_end(stop: &Stop, max_tokens: u32) -> Option<Fault> {
    let (class, reason) = match stop {
        Stop::Done => return None,
        Stop::Length => {
            (FailureClass::Recoverable, format!("an answer was cut after {max_tokens} tokens (`max_tokens`)"))
        }
        Stop::Context => (FailureClass::Recoverable, "the context of the model is full".to_owned()),
        Stop::Refused(word) => (FailureClass::Permanent, format!("the service refused to answer ({})", plain(word))),
        Stop::Unknown(word) => (
            FailureClass::Transient { retry_after_ms: None },
            format!("ambiguous: an answer ended with the reason `{}`, which nobody knows", plain(word)),
        ),
    };
    Some(Fault::new(class, reason))
}

fn plain(word: &str) -> String {
    word.chars().filter(|letter| !letter.is_control()).take(60).collect()
}

/// Adds a text of the user; what the tools told stands in the same message.
fn say(messages: &mut Vec<Message>, text: String) {
    match messages.last_mut() {
        Some(last) if last.by == Speaker::User => last.parts.push(Part::Text(text)),
        Some(_) | None => messages.push(Message::user(text)),
    }
}

/// What of a stored conversation this service can read.
fn readable(stored: Conversation, call: &ServiceCall) -> Vec<Message> {
    let mut messages = stored.messages;
    if stored.format != call.settings.format {
        for message in &mut messages {
            message.parts.retain(|part| !matches!(part, Part::Thought(_)));
            for part in &mut message.parts {
                if let Part::Call(call) = part {
                    call.signature = None;
                }
            }
        }
        messages.retain(|message| !message.parts.is_empty());
    }
    messages
}

/// The system prompt: the role, and where it is played.
fn system(order: &Order, workspace: &Path) -> String {
    let mut text = order.agent.instructions.trim().to_owned();
    text.push_str(&format!(
        "\n\n# Where you work\n\nWorking directory: {}\n\nPaths are relative to it; nothing outside can be reached. \
         You work alone: nobody answers a question. Do what the task says with the tools that you have, check what you \
         did, and say plainly at the end what is done and what is not.",
        workspace.display()
    ));
    if order.expected_output.is_some() {
        text.push_str(&format!(" At the very end call `{}`; without it your work does not count.", submit::SUBMIT));
    }
    text.trim_start().to_owned()
}

/// What is asked: all of the order; only what was wrong where the conversation knows the rest; nothing where it broke off
/// before its answer.
fn request(order: &Order, messages: &[Message]) -> Option<String> {
    let mut told = messages.iter().filter(|message| message.by == Speaker::User).flat_map(|message| &message.parts);
    let task = order.task.trim();
    let knows_task = !task.is_empty() && told.any(|part| matches!(part, Part::Text(text) if text.contains(task)));
    let is_open = messages.last().is_some_and(|last| last.by == Speaker::User);
    match &order.feedback {
        Some(feedback) if knows_task => {
            let feedback = feedback.trim();
            Some(format!("# What was wrong with the last attempt\n\n{feedback}\n\nMend it; the task is the same."))
        }
        None if knows_task && is_open => None,
        Some(_) | None => {
            let mut rest = order.clone();
            rest.agent.instructions.clear();
            // The tool that takes the result says what it has to be.
            rest.expected_output = None;
            Some(rest.prompt().trim().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::{
        order::{Access, OrderAgent},
        service::settings::{Format, ServiceKind},
    };

    fn order(expected_output: Option<Value>) -> Order {
        Order {
            workflow: "w".into(),
            step: "s".into(),
            attempt: 1,
            turn: 1,
            agent: OrderAgent { name: "a".into(), instructions: "Be kind.".into() },
            task: "Count the words.".into(),
            requirements: String::new(),
            constraints: vec![],
            context: String::new(),
            context_files: vec![],
            expected_output,
            feedback: None,
            session: None,
            session_usage: Usage::default(),
            forks: false,
            model: None,
            tools: None,
            files: vec![],
            answer_files: false,
            access: Access::Edit,
            permissions: crate::definition::Permissions::default(),
            mcp_servers: vec![],
            attached: vec![],
            inputs: serde_json::Map::new(),
        }
    }

    fn talk(order: &Order, stored: Option<Conversation>) -> Talk {
        let mut settings = ServiceKind::named("anthropic").unwrap().settings(|_| None);
        settings.turns_max = 4;
        let call = ServiceCall { service: "anthropic".into(), settings: settings.into(), model: "m".into() };
        Talk::new(call, order, "s-1", Path::new("/work"), stored)
    }

    fn schema() -> Value {
        json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } })
    }

    fn answer(parts: Vec<Part>) -> Answer {
        Answer { parts, usage: Usage::default(), model: None, stop: Stop::Done }
    }

    fn call(name: &str, input: Value) -> Part {
        Part::Call(ToolCall { id: String::new(), name: name.into(), input, signature: None })
    }

    fn reason(talk: &mut Talk) -> (FailureClass, String) {
        match talk.outcome() {
            Outcome::Failed(failure) => (failure.class, failure.reason),
            other => panic!("{other:?}"),
        }
    }

    /// Every call has its result in the message after it, and no two calls have the same id.
    fn is_sound(messages: &[Message]) -> bool {
        let mut ids = std::collections::BTreeSet::new();
        messages.iter().enumerate().all(|(place, message)| {
            message.parts.iter().all(|part| match part {
                Part::Call(call) => {
                    let answers = |part: &Part| matches!(part, Part::Result { id, .. } if *id == call.id);
                    let next = messages.get(place + 1);
                    ids.insert(call.id.clone())
                        && next.is_some_and(|next| next.parts.iter().filter(|part| answers(part)).count() == 1)
                }
                _ => true,
            })
        })
    }

    #[test]
    fn a_result_is_handed_in_after_the_other_tools() {
        let mut talk = talk(&order(Some(schema())), None);
        let names: Vec<_> = talk.ask().tools.iter().map(|tool| tool.name).collect();
        assert!(names.contains(&"submit_result") && names.contains(&"Bash"), "{names:?}");
        assert!(talk.ask().system.contains("Be kind.") && talk.ask().system.contains("Working directory: /work"));
        let next = talk.answered(answer(vec![
            call("submit_result", json!({ "n": "x" })),
            call("Read", json!({ "path": "a" })),
            call("submit_result", json!({ "n": 4 })),
            call("submit_result", json!({ "n": 5 })),
        ]));
        let Next::Perform(calls) = next else { panic!("{next:?}") };
        assert_eq!(calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["Read"]);
        assert!(talk.conversation().messages.len() == 1, "nothing is stored that has no results");
        assert_eq!(talk.performed(vec![ToolDone { text: "found".into(), is_ok: true }]), Next::Over);
        assert!(is_sound(&talk.conversation().messages), "{:?}", talk.conversation());
        let Outcome::Succeeded(envelope) = talk.outcome() else { panic!() };
        assert_eq!((envelope.output, envelope.session.as_deref()), (json!({ "n": 4 }), Some("s-1")));
    }

    #[test]
    fn a_bad_result_is_mended_twice_and_no_more() {
        let mut talk = talk(&order(Some(schema())), None);
        let bad = || answer(vec![call("submit_result", json!({ "n": "x" }))]);
        assert_eq!(talk.answered(bad()), Next::Ask);
        assert_eq!(talk.answered(answer(vec![])), Next::Ask);
        assert!(talk.ask().messages.iter().all(|message| !message.parts.is_empty()));
        assert_eq!(talk.answered(bad()), Next::Over);
        let (class, reason) = reason(&mut talk);
        assert!(class == FailureClass::Invalid && reason.contains("/n"), "{reason}");
        assert!(is_sound(&talk.conversation().messages));
    }

    #[test]
    fn a_denial_is_never_a_success() {
        let mut talk = talk(&order(Some(schema())), None);
        assert_eq!(talk.deny("Write: no"), Seen::Denied("Write: no".into()));
        assert_eq!(talk.answered(answer(vec![call("submit_result", json!({ "n": 1 }))])), Next::Over);
        assert!(reason(&mut talk).1.contains("was not allowed"));
    }

    #[test]
    fn turns_and_ends_are_bounded() {
        let mut endless = talk(&order(None), None);
        for turn in 1..=4 {
            let next = endless.answered(answer(vec![call("Read", json!({ "path": "a" }))]));
            assert!(matches!(next, Next::Perform(_)), "{next:?}");
            let next = endless.performed(vec![]);
            assert_eq!(next, if turn < 4 { Next::Ask } else { Next::Over });
        }
        assert_eq!(reason(&mut endless).0, FailureClass::Recoverable);
        assert!(is_sound(&endless.conversation().messages));
        for (stop, class) in [
            (Stop::Length, FailureClass::Recoverable),
            (Stop::Context, FailureClass::Recoverable),
            (Stop::Refused("x".into()), FailureClass::Permanent),
            (Stop::Unknown("x".into()), FailureClass::Transient { retry_after_ms: None }),
        ] {
            let mut talk = talk(&order(None), None);
            let said = Answer { stop, ..answer(vec![Part::Text("All is done.".into()), call("Bash", json!({}))]) };
            assert_eq!(talk.answered(said), Next::Over);
            assert_eq!(reason(&mut talk).0, class);
        }
        let mut silent = talk(&order(None), None);
        assert_eq!(silent.answered(answer(vec![])), Next::Over);
        assert!(reason(&mut silent).1.contains("ambiguous"));
    }

    #[test]
    fn a_stored_conversation_goes_on_with_what_is_new() {
        let mut first = talk(&order(None), None);
        let before = first.conversation();
        // It broke off before its first answer: nothing is said twice.
        assert_eq!(talk(&order(None), Some(before.clone())).conversation().messages, before.messages);
        let thought = Part::Thought(json!({ "type": "thinking" }));
        assert_eq!(first.answered(answer(vec![thought, Part::Text("Seven.".into())])), Next::Over);
        let mut stored = first.conversation();
        let mut again = order(None);
        again.feedback = Some("There are eight.".into());
        let told = |talk: &Talk| format!("{:?}", talk.ask().messages.last().unwrap().parts);
        let second = talk(&again, Some(stored.clone()));
        assert!(told(&second).contains("eight") && !told(&second).contains("Count the words"));
        assert!(format!("{:?}", second.ask().messages).contains("Thought"));
        // Another service cannot read the thoughts of this one; another task is told whole.
        stored.format = Format::Chat;
        again.task = "Count the lines.".into();
        let third = talk(&again, Some(stored));
        assert!(told(&third).contains("Count the lines.") && told(&third).contains("eight"));
        assert!(!format!("{:?}", third.ask().messages).contains("Thought"));
    }
}
