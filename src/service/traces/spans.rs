//! What a run's records say, as spans. Knows no collector.
//!
//! Invariant: each attempt that has ended is one span, whoever tells of it and however often the run was broken off.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Timestamp, Usage},
    driver::{Loaded, Trace, end_word, purpose_words, status_word},
    scheduler::{AttemptEnd, AttemptId, InstanceId, Notice, Scheduler, StepState, StepView},
};

/// The longest text of an attribute.
const TEXT_MAX: usize = 1_000;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Text(String),
    Count(u64),
    Money(f64),
}

/// One span.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    /// By which it is known that it was sent: `attempt 3-1`.
    pub key: String,
    pub id: u64,
    pub parent: Option<u64>,
    pub name: String,
    pub start: Timestamp,
    pub end: Timestamp,
    /// Why it is a fault, where it is one; nothing is said of what nobody calls good or bad.
    pub fault: Option<String>,
    pub is_good: bool,
    /// Whether somebody outside of this process does it.
    pub is_call: bool,
    pub links: Vec<u64>,
    pub attributes: Vec<(&'static str, Said)>,
}

/// What has been made of a run so far.
#[derive(Debug)]
pub(super) struct Teller {
    trace: Trace,
    /// Counts how often the run was begun again after it had ended.
    life: u32,
    /// When this life began.
    began: Option<Timestamp>,
    /// When something in a step began that holds others.
    opened: BTreeMap<InstanceId, Timestamp>,
    /// In which life attempts began.
    lives: BTreeMap<AttemptId, u32>,
    told: BTreeSet<AttemptId>,
    spans: Vec<Span>,
}

impl Teller {
    pub fn new(trace: Trace) -> Self {
        Self {
            trace,
            life: 0,
            began: None,
            opened: BTreeMap::new(),
            lives: BTreeMap::new(),
            told: BTreeSet::new(),
            spans: Vec::new(),
        }
    }

    /// Takes what one record had to tell.
    pub fn take(&mut self, scheduler: &Scheduler, at: Timestamp, notices: &[Notice]) {
        if scheduler.run_id().is_some() && self.began.is_none() && scheduler.ended().is_none() {
            self.began = Some(at);
        }
        for notice in notices {
            match notice {
                Notice::Starting { attempt, .. } | Notice::Asking { attempt } => {
                    self.lives.entry(*attempt).or_insert(self.life);
                    let mut around = scheduler.container(attempt.instance);
                    while let Some(container) = around {
                        self.opened.entry(container).or_insert(at);
                        around = scheduler.container(container);
                    }
                }
                Notice::Settled { instance } if scheduler.view(*instance).step.work.is_container() => {
                    let span = self.container(scheduler, *instance, at);
                    self.spans.push(span);
                }
                Notice::RunEnded => {
                    // Its attempts first: what follows them must not be taken for a part of its next life.
                    self.attempts(scheduler);
                    let span = self.run(scheduler, at);
                    self.spans.extend(span);
                    self.life += 1;
                    (self.began, self.opened) = (None, BTreeMap::new());
                }
                _ => {}
            }
        }
    }

    /// All spans that are complete since somebody asked last.
    pub fn ready(&mut self, loaded: &Loaded) -> Vec<Span> {
        self.attempts(&loaded.scheduler);
        std::mem::take(&mut self.spans)
    }

    fn attempts(&mut self, scheduler: &Scheduler) {
        for instance in scheduler.instances() {
            let view = scheduler.view(instance);
            for (place, record) in view.history.iter().enumerate() {
                let attempt = AttemptId { instance, number: record.number };
                let Some(end) = record.ended.filter(|_| record.end != AttemptEnd::Live) else { continue };
                if self.told.insert(attempt) {
                    self.spans.push(self.attempt(scheduler, &view, place, end));
                }
            }
        }
    }

    fn parent_of(&self, scheduler: &Scheduler, instance: InstanceId, life: u32) -> u64 {
        scheduler.container(instance).map_or_else(|| self.trace.run(life), |around| self.trace.step(around, life))
    }

    fn attempt(&self, scheduler: &Scheduler, view: &StepView<'_>, place: usize, end: Timestamp) -> Span {
        let record = &view.history[place];
        let (instance, purpose) = (view.instance, record.purpose);
        let attempt = AttemptId { instance, number: record.number };
        let life = self.lives.get(&attempt).copied().unwrap_or(self.life);
        let before = view.history[..place].iter().rev().find(|before| before.purpose == purpose);
        let words = purpose_words(scheduler, instance, purpose);
        let mut attributes = vec![
            ("orch.step", text(view.path.as_str())),
            ("orch.attempt", text(&attempt.to_string())),
            ("orch.purpose", text(&words)),
            ("orch.outcome", text(end_word(record.end))),
        ];
        let runtime = scheduler.runtime_of(instance, purpose);
        let mut name = format!("{} {}", view.path.as_str(), words.split(':').next().unwrap_or_default());
        if let Some(runtime) = runtime {
            let agent = agent(scheduler, instance, purpose);
            name = format!("invoke_agent {agent}");
            attributes.push(("gen_ai.operation.name", text("invoke_agent")));
            attributes.push(("gen_ai.agent.name", text(&agent)));
            attributes.push(("orch.runtime", text(runtime)));
            attributes.extend(spent(scheduler, view, place, runtime));
        }
        let is_fault = matches!(record.end, AttemptEnd::Failed | AttemptEnd::Lost)
            || matches!(record.end, AttemptEnd::Judged(crate::base::Verdict::Error));
        if is_fault {
            attributes.push(("error.type", text(end_word(record.end))));
        }
        Span {
            key: format!("attempt {attempt}"),
            id: self.trace.attempt(attempt),
            parent: Some(self.parent_of(scheduler, instance, life)),
            name,
            start: record.started,
            end: end.max(record.started),
            fault: is_fault.then(|| short(&record.reason)),
            is_good: matches!(record.end, AttemptEnd::Succeeded | AttemptEnd::Judged(crate::base::Verdict::Pass)),
            is_call: runtime.is_some(),
            links: before
                .map(|before| self.trace.attempt(AttemptId { instance, number: before.number }))
                .into_iter()
                .collect(),
            attributes,
        }
    }

    fn container(&self, scheduler: &Scheduler, instance: InstanceId, at: Timestamp) -> Span {
        let view = scheduler.view(instance);
        let fault =
            (view.state == StepState::Failed).then(|| short(view.cause.map_or("", |cause| cause.reason.as_str())));
        Span {
            key: format!("step {} {}", instance.0, self.life),
            id: self.trace.step(instance, self.life),
            parent: Some(self.parent_of(scheduler, instance, self.life)),
            name: format!("step {}", view.path.as_str()),
            start: self.opened.get(&instance).copied().unwrap_or(at),
            end: at,
            is_good: view.state == StepState::Succeeded,
            fault,
            is_call: false,
            links: Vec::new(),
            attributes: vec![("orch.step", text(view.path.as_str())), ("orch.state", text(view.state.word()))],
        }
    }

    fn run(&self, scheduler: &Scheduler, at: Timestamp) -> Option<Span> {
        let (ended, run) = (scheduler.ended()?, scheduler.run_id()?);
        let status = status_word(ended.settled);
        let spent = scheduler.spent();
        let mut attributes = vec![
            ("orch.run", text(run.as_str())),
            ("orch.workflow", text(&scheduler.plan().name)),
            ("orch.status", text(status)),
            ("orch.agents", Said::Count(spent.agents)),
        ];
        attributes.extend(tokens(&spent.usage));
        Some(Span {
            key: format!("run {}", self.life),
            id: self.trace.run(self.life),
            parent: self.trace.parent.map(|parent| parent.span),
            name: format!("run {}", scheduler.plan().name),
            start: self.began.unwrap_or(at),
            end: at,
            is_good: status == "succeeded",
            fault: (status != "succeeded")
                .then(|| short(ended.cause.as_ref().map_or(status, |cause| cause.reason.as_str()))),
            is_call: false,
            links: self.life.checked_sub(1).map(|before| self.trace.run(before)).into_iter().collect(),
            attributes,
        })
    }
}

/// The name of the agent of an attempt.
fn agent(scheduler: &Scheduler, instance: InstanceId, purpose: crate::scheduler::Purpose) -> String {
    let named = scheduler.agent_work(instance, purpose).and_then(|work| work.agent);
    let agent = named.and_then(|place| scheduler.plan().agents.get(place as usize));
    agent.map_or_else(|| "default".to_owned(), |agent| agent.name.clone())
}

/// What an attempt of an agent has spent, and on which model.
fn spent(scheduler: &Scheduler, view: &StepView<'_>, place: usize, runtime: &str) -> Vec<(&'static str, Said)> {
    let record = &view.history[place];
    let system = match runtime {
        "claude" | "anthropic" => "anthropic",
        "codex" | "openai" => "openai",
        "gemini" => "gcp.gemini",
        other => other,
    };
    let mut all = vec![("gen_ai.system", text(system)), ("gen_ai.provider.name", text(system))];
    let work = scheduler.agent_work(view.instance, record.purpose);
    if let Some(asked) = work.and_then(|work| work.model.as_deref()) {
        all.push(("gen_ai.request.model", text(scheduler.plan().model_for(asked, runtime))));
    }
    // The model that did most of it; an agent may have asked others for small things.
    let most = record.costs.iter().max_by_key(|cost| (cost.usage.usd_micros, cost.usage.tokens()));
    if let Some(model) = most.and_then(|cost| cost.model.as_deref()) {
        all.push(("gen_ai.response.model", text(model)));
    }
    let mut usage = Usage::default();
    record.costs.iter().for_each(|cost| usage.add(cost.usage));
    all.extend(tokens(&usage));
    all
}

#[expect(clippy::cast_precision_loss, reason = "micro-dollars of a run are far below 2^52")]
fn tokens(usage: &Usage) -> Vec<(&'static str, Said)> {
    if usage.is_zero() {
        return Vec::new();
    }
    let mut all = vec![
        ("gen_ai.usage.input_tokens", Said::Count(usage.input_tokens)),
        ("gen_ai.usage.output_tokens", Said::Count(usage.output_tokens)),
        ("orch.cost_usd", Said::Money(usage.usd_micros as f64 / 1_000_000.0)),
    ];
    for (name, count) in [
        ("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens),
        ("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens),
    ] {
        if count > 0 {
            all.push((name, Said::Count(count)));
        }
    }
    all
}

fn text(text: &str) -> Said {
    Said::Text(short(text))
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
