//! What one attempt was asked and what it did: from its order, its log and the journal, whatever answered.
//!
//! The log is read once more by the reader of its runtime, so that every runtime is shown in the same words. All of it is
//! text from outside, and bounded.

use std::{io::Read as _, path::Path};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    base::{Outcome, RunId, Timestamp, Usage},
    driver::{Loaded, decode, end_word, follow_records, purpose_words, unread},
    plan::{AgentWork, Command, PlanGate, PlanStep, Work},
    runtime::{Order, Replay},
    scheduler::{AttemptId, Event, How, InstanceId, Purpose, SessionFork},
    service::{
        logs::{end_of, open_kept},
        recordings::recordings,
        refusal::Refusal,
        runs::Runs,
        serve::{
            place::Place,
            talk::{Told, conversation, heard},
        },
    },
};

/// The longest order that is read, in bytes.
const ORDER_MAX: u64 = 4 << 20;
/// The longest text that is shown whole, in bytes.
const TEXT_MAX: usize = 64 << 10;

/// One attempt.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AgentView {
    /// Its id.
    pub attempt: String,
    /// The step's path.
    pub step: String,
    /// What for.
    pub purpose: String,
    /// The agent's name; absent where no agent works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The model that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// How it began where it goes on from another one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub forked: String,
    /// By whose word it worked without limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
    /// How far its programs are confined.
    pub sandbox: &'static str,
    /// Since when only room was missing for it.
    pub ready: Timestamp,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How.
    pub end: &'static str,
    /// Why.
    pub reason: String,
    /// The exit code of its program, where one was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The last lines of a program that failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_lines: String,
    /// What it has spent, by model.
    pub costs: Vec<ModelCost>,
    /// All of it.
    pub usage: Usage,
    /// What it was asked, part by part.
    pub order: Vec<Section>,
    /// Why there is no order, or that it is not the one that was sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub order_note: String,
    /// What it said and did, in order.
    pub told: Vec<Told>,
    /// Whether there was more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// What it brought back.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub result: Map<String, Value>,
}

/// What was spent on one model.
#[derive(Debug, Clone, Serialize)]
pub struct ModelCost {
    /// The model, where it is told.
    pub model: Option<String>,
    /// What.
    pub usage: Usage,
}

/// A part of an order.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// What it is.
    pub title: &'static str,
    /// Its text, cut where it is very long.
    pub text: String,
}

impl Place {
    /// What one attempt was asked and what it did; nothing where there is no such attempt.
    ///
    /// # Errors
    /// When the run cannot be read.
    pub fn agent(&self, run: &RunId, attempt: &str) -> Result<Option<AgentView>, Refusal> {
        agent(&self.runs(), run, attempt)
    }
}

/// What the journal says of one attempt.
#[derive(Default)]
struct Written {
    session: Option<String>,
    how: Option<How>,
    outcome: Option<Outcome>,
}

fn agent(runs: &Runs, run: &RunId, attempt: &str) -> Result<Option<AgentView>, Refusal> {
    let Some(id) = attempt_id(attempt) else { return Ok(None) };
    let journal = runs.journal();
    let mut loaded = unread(journal.as_ref(), run)?;
    let mut written = Written::default();
    follow_records(journal.as_ref(), &mut loaded, |_, record, _| {
        match decode(record) {
            Ok(Event::Started { attempt, how, .. }) if attempt == id => written.how = how.map(|how| *how),
            Ok(Event::SessionKnown { attempt, session }) if attempt == id => written.session = Some(session),
            Ok(Event::Finished { attempt, outcome }) if attempt == id => written.outcome = Some(outcome),
            _ => {}
        };
    })?;
    let Some(mut view) = known(&loaded, id, written) else { return Ok(None) };
    let folder = runs.folder(run)?.join("attempts").join(attempt);
    ordered(runs, &loaded, id, &folder, &mut view);
    Ok(Some(view))
}

fn attempt_id(text: &str) -> Option<AttemptId> {
    let (instance, number) = text.split_once('-')?;
    Some(AttemptId { instance: InstanceId(instance.parse().ok()?), number: number.parse().ok()? })
}

/// What state and journal know of it.
fn known(loaded: &Loaded, id: AttemptId, written: Written) -> Option<AgentView> {
    let scheduler = &loaded.scheduler;
    scheduler.instances().next_back().filter(|last| id.instance <= *last)?;
    let view = scheduler.view(id.instance);
    let record = view.history.iter().find(|record| record.number == id.number)?;
    let work = scheduler.agent_work(id.instance, record.purpose);
    let plan = scheduler.plan();
    let name = work.map(|work| {
        let pinned = work.agent.and_then(|place| plan.agents.get(place as usize));
        pinned.map_or_else(|| "the default agent".to_owned(), |agent| agent.name.clone())
    });
    let runtime = scheduler.runtime_of(id.instance, record.purpose).map(str::to_owned);
    let mut shown = AgentView {
        attempt: id.to_string(),
        step: view.path.as_str().to_owned(),
        purpose: purpose_words(scheduler, id.instance, record.purpose),
        agent: name,
        model: scheduler.model(id.instance, record.purpose).filter(|_| runtime.is_some()).map(str::to_owned),
        runtime,
        session: written.session,
        danger: record.danger.as_deref().map(str::to_owned),
        sandbox: plan.sandbox.mode(view.step).word(),
        ready: record.ready.min(record.started),
        started: record.started,
        ended: record.ended,
        end: end_word(record.end),
        reason: record.reason.to_string(),
        costs: record
            .costs
            .iter()
            .map(|cost| ModelCost { model: cost.model.as_deref().map(str::to_owned), usage: cost.usage })
            .collect(),
        ..AgentView::default()
    };
    match written.how.and_then(|how| how.fork) {
        Some(SessionFork::Session { session, .. }) => shown.forked = format!("in a copy of the session {session}"),
        Some(SessionFork::Text { reason }) => shown.forked = format!("told as text: {reason}"),
        None => {}
    }
    shown.costs.iter().for_each(|cost| shown.usage.add(cost.usage));
    if let Some(outcome) = written.outcome {
        brought(outcome, &mut shown);
    }
    Some(shown)
}

fn brought(outcome: Outcome, shown: &mut AgentView) {
    match outcome {
        Outcome::Succeeded(mut envelope) => {
            shown.session = shown.session.take().or_else(|| envelope.session.take());
            envelope.text = cut(envelope.text);
            if let Ok(Value::Object(map)) = serde_json::to_value(&*envelope) {
                shown.result = map;
            }
        }
        Outcome::Failed(failure) => {
            shown.session = shown.session.take().or(failure.session);
            (shown.exit, shown.last_lines) = (failure.evidence.exit, failure.evidence.last_lines);
        }
        Outcome::Judged(judged) => {
            (shown.exit, shown.last_lines) = (judged.evidence.exit, judged.evidence.last_lines);
        }
        Outcome::Stopped | Outcome::Lost => {}
    }
}

/// What it was asked, as far as that is kept, and what it said.
fn ordered(runs: &Runs, loaded: &Loaded, id: AttemptId, folder: &Path, shown: &mut AgentView) {
    let scheduler = &loaded.scheduler;
    let purpose = scheduler.view(id.instance).history.iter().find(|record| record.number == id.number);
    let purpose = purpose.map_or(Purpose::Work, |record| record.purpose);
    let order =
        read(&folder.join("order.json"), ORDER_MAX).and_then(|bytes| serde_json::from_slice::<Order>(&bytes).ok());
    match (&order, scheduler.agent_work(id.instance, purpose)) {
        (Some(order), _) => {
            shown.model = order.model.clone().or_else(|| shown.model.take());
            shown.order = sections(order);
        }
        (None, Some(work)) => {
            shown.order_note =
                "The order is not kept, as no program had to read it. This is the prompt as the workflow \
                writes it."
                    .to_owned();
            shown.order = planned(work);
        }
        (None, None) => {
            shown.order = plain(scheduler.plan_step(id.instance).1, purpose);
        }
    }
    let replay = || recordings(&runs.root, scheduler.plan());
    let adapter = shown
        .runtime
        .as_deref()
        .filter(|name| *name != Replay::NAME)
        .and_then(|name| runs.adapters(replay()).into_iter().find(|adapter| adapter.name() == name));
    let talk = shown.session.as_deref().and_then(|session| conversation(folder, session));
    let reader = order.as_ref().zip(adapter).map(|(order, adapter)| adapter.reader(order));
    let (told, is_cut) = talk.unwrap_or_else(|| heard(&folder.join("stdout.log"), reader));
    (shown.told, shown.is_cut) = (told, is_cut);
    if shown.last_lines.is_empty() && shown.end != "succeeded" && shown.ended.is_some() {
        shown.last_lines = end_of(&folder.join("stderr.log"), Some(20)).map(cut).unwrap_or_default();
    }
}

/// The parts of an order as it was sent.
fn sections(order: &Order) -> Vec<Section> {
    let list = |words: &[String]| words.iter().map(|word| format!("- {word}\n")).collect::<String>();
    let schema = order.expected_output.as_ref().map(|schema| format!("{schema:#}")).unwrap_or_default();
    let servers: Vec<_> = order.mcp_servers.iter().map(|server| server.name.clone()).collect();
    let attached: Vec<_> = order.attached.iter().map(|one| format!("{} {}", one.path, one.note)).collect();
    let tools = order.tools.as_deref().map(|tools| if tools.is_empty() { "none".to_owned() } else { tools.join(", ") });
    let parts = [
        ("Task", order.task.clone()),
        ("What was wrong with the last attempt", order.feedback.clone().unwrap_or_default()),
        ("Context", order.context.clone()),
        ("Files to read", list(&order.context_files)),
        ("Files that the prompt names", list(&attached)),
        ("Files it may write", list(&order.files)),
        ("What the run is for", order.requirements.clone()),
        ("Constraints", list(&order.constraints)),
        ("Expected output", schema),
        ("Tools", tools.unwrap_or_default()),
        ("MCP servers", list(&servers)),
        ("Role", order.agent.instructions.clone()),
    ];
    let parts = parts.into_iter().filter(|(_, text)| !text.trim().is_empty());
    parts.map(|(title, text)| Section { title, text: cut(text) }).collect()
}

/// A prompt as the plan has it.
fn planned(work: &AgentWork) -> Vec<Section> {
    let text = cut(work.prompt.text.clone());
    if text.trim().is_empty() { Vec::new() } else { vec![Section { title: "Prompt", text }] }
}

/// What somebody who is no agent was asked, as the plan has it.
fn plain(step: &PlanStep, purpose: Purpose) -> Vec<Section> {
    let words = |command: &Command| match command {
        Command::Shell(text) => text.clone(),
        Command::Argv(words) => words.join(" "),
    };
    let (title, text) = match (purpose, &step.work) {
        (Purpose::Work, Work::Approve { text } | Work::Ask { text }) => ("Question", text.text.clone()),
        (Purpose::Work, Work::Run { command, .. }) => ("Command", words(command)),
        (Purpose::Gate(place), _) => match step.gates.get(usize::from(place)) {
            Some(PlanGate::Run { command, .. }) => ("Command", words(command)),
            Some(PlanGate::Check { expression, .. }) => ("Expression", expression.text.clone()),
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    vec![Section { title, text: cut(text) }]
}

/// A text that can be shown.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        let left = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("\n… {left} bytes more"));
    }
    text
}

/// A file of the attempt, where it is there and not longer than that.
pub(super) fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let file = open_kept(path).ok()??;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= most).then_some(bytes)
}
