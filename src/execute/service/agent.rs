//! The loop: ask the model, use the tools that it calls, tell it what came of them, until nobody has more to say.
//!
//! Invariants: after a stop nothing is asked, performed or told; every answer's cost is told once, that of a broken one
//! too; a conversation is stored before it goes on, so that a later attempt can take it up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{
    archive,
    desk::Desk,
    files,
    http::{self, Halt, Waits},
    look,
    shell::{self, Ran},
};
use crate::{
    base::{Evidence, Failure, FailureClass, Outcome, Timestamp},
    execute::{
        agent::{seen_changes, snapshot, store},
        assignment::{Live, Place},
        executor::{Executor, blocking, failed},
        process::{Limits, StopToken},
    },
    guard::StreamRedactor,
    runtime::{
        Order, Seen,
        service::{Fault, Next, Reading, Refusal, ServiceCall, Talk, ToolCall, ToolDone, ToolUse, request},
    },
};

/// Text is told in pieces of about this size where no line ends.
const TOLD_BYTES: usize = 200;

/// The attempt is over before the talk is.
enum Cut {
    Stopped,
    Lost,
}

/// One attempt at work.
struct Work<'a> {
    executor: &'a Executor,
    call: ServiceCall,
    place: &'a Place,
    desk: Desk,
    waits: Waits,
    commands: u32,
    leaked: u32,
}

impl Executor {
    /// An agent on a model service.
    pub(in crate::execute) async fn serve(
        &self,
        call: ServiceCall,
        session: &str,
        order: Order,
        limits: Limits,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        let permanent = |reason: String| Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default()));
        if let Err(error) = store(&self.redactor, &order, place) {
            return permanent(format!("store the order in `{}`: {error}", place.order().display()));
        }
        let desk = match Desk::new(&place.workspace, &place.attempt, &order) {
            Ok(desk) => desk,
            Err(reason) => return permanent(format!("`files` of the step: {reason}")),
        };
        let stored = match &order.session {
            None => None,
            Some(stored) => {
                let (place, stored) = (place.clone(), stored.clone());
                match blocking(move || archive::load(&place, &stored)).await {
                    Ok(stored) => Some(stored),
                    Err(fault) => return Outcome::Failed(failed(fault.class, fault.reason, Evidence::default())),
                }
            }
        };
        let talk = Talk::new(call.clone(), &order, session, &place.workspace, stored);
        let idle = call.settings.idle_timeout;
        let waits = Waits {
            idle: limits.idle_timeout.map_or(idle, |limit| limit.min(idle)),
            until: limits.timeout.and_then(|limit| Instant::now().checked_add(limit)),
            stop,
        };
        place.live.tell(Seen::Session(session.to_owned()));
        let before = snapshot(place).await;
        let work = Work { executor: self, call, place, desk, waits, commands: 0, leaked: 0 };
        let mut outcome = work.go(talk).await;
        if let Outcome::Succeeded(envelope) = &mut outcome
            && let Some(files) = seen_changes(before, &order.files, place).await
        {
            envelope.files_changed = files;
        }
        outcome
    }
}

impl Work<'_> {
    async fn go(mut self, mut talk: Talk) -> Outcome {
        let mut wait_ms = None;
        // Known before anything is sent, so that what is lost can be taken up.
        let mut next = match self.keep(&talk).await {
            Ok(()) => Next::Ask,
            Err(fault) => talk.failed(fault),
        };
        loop {
            next = match next {
                Next::Ask => match self.ask(&mut talk).await {
                    Ok(next) => next,
                    Err(Halt::Stopped) => return Outcome::Stopped,
                    Err(Halt::Fault(fault)) => {
                        wait_ms = fault.retry_after_ms;
                        talk.failed(fault)
                    }
                },
                Next::Perform(calls) => match self.perform(&mut talk, calls).await {
                    Ok(done) => talk.performed(done),
                    Err(Cut::Stopped) => return Outcome::Stopped,
                    Err(Cut::Lost) => return Outcome::Lost,
                },
                Next::Over => break,
            };
            if let Err(fault) = self.keep(&talk).await {
                next = talk.failed(fault);
            }
        }
        let mut outcome = talk.outcome();
        match &mut outcome {
            Outcome::Succeeded(envelope) => envelope.leaked = self.leaked,
            Outcome::Failed(failure) => wait_until(failure, wait_ms),
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {}
        }
        outcome
    }

    /// One answer of the model.
    async fn ask(&mut self, talk: &mut Talk) -> Result<Next, Halt> {
        let settings = &self.call.settings;
        let request = request(settings.format, &settings.base_url, &talk.ask());
        let mut reading = Reading::new(settings.format);
        let hush = self.executor.redactor.stream();
        let mut lines = Lines { live: &self.place.live, hush, open: String::new() };
        let answer = http::ask(&self.call, request, &mut reading, &mut self.waits, |said| lines.say(&said)).await;
        if matches!(answer, Err(Halt::Stopped)) {
            return Err(Halt::Stopped);
        }
        lines.end();
        // A broken answer has cost what was told of it.
        let (usage, model) = match &answer {
            Ok(answer) => (answer.usage, answer.model.clone()),
            Err(_) => reading.usage(),
        };
        if let Some(seen) = talk.spent(usage, model) {
            self.place.live.tell(seen);
        }
        Ok(talk.answered(answer?))
    }

    /// Uses the tools, one after the other, as the model has named them.
    async fn perform(&mut self, talk: &mut Talk, calls: Vec<ToolCall>) -> Result<Vec<ToolDone>, Cut> {
        let mut all = Vec::with_capacity(calls.len());
        for call in calls {
            if self.waits.stop.reason().is_some() {
                return Err(Cut::Stopped);
            }
            let live = &self.place.live;
            let name = shown(&call.name);
            live.tell(Seen::ToolStarted(name.clone(), subject(&call)));
            let result = match talk.toolset().read(&call) {
                Ok(tool) => match self.executor.watch.tool(&tool, self.place) {
                    Ok(()) => self.perform_one(tool).await?,
                    Err(refusal) => Err(refusal),
                },
                Err(refusal) => Err(refusal),
            };
            let live = &self.place.live;
            let done = match result {
                Ok(done) => done,
                Err(Refusal::Wrong(text)) => ToolDone { text, is_ok: false },
                Err(Refusal::Denied(text)) => {
                    live.tell(talk.deny(format!("{name}: {text}")));
                    ToolDone { text: format!("denied: {text}. Do not try it in another way."), is_ok: false }
                }
            };
            live.tell(Seen::ToolEnded(name, done.is_ok));
            all.push(done);
        }
        Ok(all)
    }

    async fn perform_one(&mut self, tool: ToolUse) -> Result<Result<ToolDone, Refusal>, Cut> {
        if let ToolUse::Run { command, seconds } = tool {
            self.commands += 1;
            let (limit, until) = (Duration::from_secs(seconds), self.waits.until);
            let stop = self.waits.stop.clone();
            return match shell::run(self.executor, &command, limit, until, self.place, self.commands, stop).await {
                Ran::Told(done, leaked) => {
                    self.leaked += leaked;
                    Ok(done)
                }
                Ran::Stopped => Err(Cut::Stopped),
                Ran::Lost => Err(Cut::Lost),
            };
        }
        let desk = self.desk.clone();
        Ok(blocking(move || on_disk(&desk, tool)).await)
    }

    /// Stores the conversation.
    async fn keep(&self, talk: &Talk) -> Result<(), Fault> {
        let (place, conversation) = (self.place.clone(), talk.conversation());
        let redactor = self.executor.redactor.clone();
        let stored = blocking(move || archive::store(&place, &conversation, &redactor)).await;
        stored.map_err(|error| Fault::new(FailureClass::Permanent, format!("store the conversation: {error}")))
    }
}

/// The tools that only need the disk.
fn on_disk(desk: &Desk, tool: ToolUse) -> Result<ToolDone, Refusal> {
    match tool {
        ToolUse::Read { path, offset, limit } => files::read(desk, &path, offset, limit),
        ToolUse::Write { path, content } => files::write(desk, &path, &content),
        ToolUse::Edit { path, old, new, all } => files::edit(desk, &path, &old, &new, all),
        ToolUse::List { path, pattern } => look::list(desk, &path, pattern.as_deref()),
        ToolUse::Search { path, pattern, glob } => look::search(desk, &path, &pattern, glob.as_deref()),
        ToolUse::Run { .. } => Err(Refusal::Wrong("a command is run elsewhere".into())),
    }
}

/// Tells a text by its lines, so that a log is not full of syllables.
struct Lines<'a> {
    live: &'a Live,
    /// A secret may come in pieces.
    hush: StreamRedactor,
    open: String,
}

impl Lines<'_> {
    fn say(&mut self, text: &str) {
        let mut clean = Vec::new();
        self.hush.push(text.as_bytes(), |bytes| clean.extend_from_slice(bytes));
        self.open.push_str(&String::from_utf8_lossy(&clean));
        if let Some(end) = self.open.rfind('\n') {
            let rest = self.open.split_off(end + 1);
            self.flush();
            self.open = rest;
        }
        if self.open.len() > TOLD_BYTES {
            self.flush();
        }
    }

    fn end(&mut self) {
        let mut clean = Vec::new();
        self.hush.finish(|bytes| clean.extend_from_slice(bytes));
        self.open.push_str(&String::from_utf8_lossy(&clean));
        self.flush();
    }

    fn flush(&mut self) {
        if !self.open.trim().is_empty() {
            self.live.tell(Seen::Text(std::mem::take(&mut self.open)));
        }
        self.open.clear();
    }
}

/// A quota that says when it ends.
fn wait_until(failure: &mut Failure, wait_ms: Option<u64>) {
    if let (FailureClass::Quota { until: until @ None }, Some(wait)) = (&mut failure.class, wait_ms) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        *until = Some(Timestamp(0).plus(now).plus(Duration::from_millis(wait)));
    }
}

/// What a call is about, one line.
fn subject(call: &ToolCall) -> String {
    let names = ["command", "cmd", "path", "file_path", "filePath", "pattern"];
    names.iter().find_map(|name| call.input[name].as_str()).map(shown).unwrap_or_default()
}

fn shown(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(120).collect()
}
