//! What happened, as a title, a text and a payload. Values are data: texts that people or agents wrote are never templates,
//! and what steers a screen is shown as what it is.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::{
    base::{Digest, RunId, Timestamp, clean, dollars, visible},
    config::{Channel, NoticeKind},
    driver::{RunEvent, What},
    service::status::Status,
    template::Template,
};

const TITLE: &str = "{{ workflow }} {{ says }} ({{ project }}, run {{ run }})";
const TEXT: &str = "{% if step %}step: {{ step }}\n{% endif %}{% if why %}{{ why }}\n{% endif %}{% if about %}{{ about }}\n\
    {% endif %}{% if cost %}cost so far: {{ cost }}\n{% endif %}{% if command %}$ {{ command }}\n{% endif %}{% if link %}{{ link }}\n\
    {% endif %}";
/// Characters of a title, of a text, and of one value in them.
const TITLE_MAX: usize = 200;
const TEXT_MAX: usize = 3_000;
const VALUE_MAX: usize = 1_000;

/// One thing that somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub kind: NoticeKind,
    pub run: RunId,
    pub at: Timestamp,
    pub step: String,
    /// Which question, where it is one.
    pub subject: Option<String>,
    pub says: &'static str,
    pub status: String,
    pub why: String,
    pub about: String,
    pub workflow: String,
    pub cost: String,
    pub command: String,
}

/// A notice as one channel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub kind: NoticeKind,
    pub title: String,
    pub text: String,
    pub link: String,
    /// Its number, the same however often it is tried.
    pub delivery: String,
    pub payload: Value,
}

impl Notice {
    /// What an event says to people; nothing where it is none of their business.
    pub fn of(event: &RunEvent) -> Option<Self> {
        let mut notice = Self::new(NoticeKind::Decision, event.run.clone(), event.at);
        match &event.what {
            What::Asking { step, shown, subject, .. } => {
                notice = notice.asking(step, shown, subject.as_str());
            }
            What::Unknown { step } => {
                notice = notice.unknown(step);
            }
            What::BudgetNear { reason } | What::BudgetReached { reason } => {
                notice.kind = NoticeKind::Budget;
                let is_near = matches!(event.what, What::BudgetNear { .. });
                notice.says = if is_near { "has used most of its budget" } else { "has used up its budget" };
                reason.clone_into(&mut notice.why);
            }
            What::RunEnded { status, cause, .. } => {
                (notice.kind, notice.says) = match *status {
                    "succeeded" => (NoticeKind::Finished, "has succeeded"),
                    "cancelled" => (NoticeKind::Failed, "was cancelled"),
                    _ => (NoticeKind::Failed, "has failed"),
                };
                if let Some(cause) = cause {
                    cause.reason.clone_into(&mut notice.why);
                    notice.step = cause.step.as_ref().map(|step| step.as_str().to_owned()).unwrap_or_default();
                }
                (*status).clone_into(&mut notice.status);
            }
            _ => return None,
        }
        Some(notice)
    }

    fn new(kind: NoticeKind, run: RunId, at: Timestamp) -> Self {
        let (says, none) = ("needs a decision", String::new);
        let (step, status, why, about, workflow) = (none(), none(), none(), none(), none());
        let (cost, command) = (none(), none());
        Self { kind, run, at, step, subject: None, says, status, why, about, workflow, cost, command }
    }

    fn asking(mut self, step: &str, shown: &str, subject: &str) -> Self {
        (self.step, self.about, self.subject) = (step.to_owned(), shown.to_owned(), Some(subject.to_owned()));
        self
    }

    fn unknown(mut self, step: &str) -> Self {
        (self.kind, self.says) = (NoticeKind::Unknown, "needs word of how a step ended");
        step.clone_into(&mut self.step);
        self
    }

    /// The questions that a run waits with, whoever has put them, or would have if it had not died.
    pub fn questions(run: &RunId, status: &Status) -> Vec<Self> {
        let one = |waiting: &crate::service::Waiting| {
            let notice = Self::new(NoticeKind::Decision, run.clone(), status.started);
            let step = waiting.step.as_deref().unwrap_or_default();
            match waiting.kind {
                "decision" => Some(notice.asking(step, &waiting.about, waiting.subject.as_deref().unwrap_or_default())),
                "outcome" => Some(notice.unknown(step)),
                _ => None,
            }
        };
        status.waiting_for.iter().filter_map(one).collect()
    }

    /// One that nothing has happened for.
    pub fn sample() -> Self {
        let run = RunId::of_text("a notice that is tried");
        let mut notice = Self::new(NoticeKind::Decision, run, crate::service::now()).asking("test", "", "");
        "this is what `orch notify test` sends; no run waits".clone_into(&mut notice.about);
        "test".clone_into(&mut notice.workflow);
        notice
    }

    /// By which the same notice is known, in whichever process it comes up.
    pub fn key(&self) -> String {
        let what = self.subject.clone().unwrap_or_else(|| format!("{}", self.at.0));
        format!("{}\n{}\n{}\n{}\n{what}", self.kind.word(), self.says, self.run, self.step)
    }

    /// Adds where the run stands. Whether the journal has what happened: not yet, or no longer where a question was answered.
    pub fn complete(&mut self, status: &Status) -> bool {
        status.workflow.clone_into(&mut self.workflow);
        if self.status.is_empty() {
            status.status.clone_into(&mut self.status);
        }
        let usage = &status.spent.usage;
        if usage.usd_micros > 0 {
            self.cost = dollars(usage.usd_micros);
        } else if usage.tokens() > 0 {
            self.cost = format!("{} tokens", usage.tokens());
        }
        let quoted = format!(" {} ", self.step);
        let fits = |command: &&String| self.step.is_empty() || format!("{command} ").contains(&quoted);
        if self.kind == NoticeKind::Decision {
            status.status.clone_into(&mut self.status);
        }
        let command = status.next.iter().find(fits).or_else(|| status.next.first());
        self.command = command.cloned().unwrap_or_default();
        if self.kind == NoticeKind::Unknown {
            return self.complete_unknown(status);
        }
        let is_end = matches!(self.kind, NoticeKind::Finished | NoticeKind::Failed);
        let is_told = self.subject.is_none() && (!is_end || status.ended.is_some());
        is_told
            || status
                .waiting_for
                .iter()
                .any(|waiting| waiting.kind == "decision" && self.subject.is_some() && waiting.subject == self.subject)
    }

    /// Adds which attempt it is about, by which it is known whoever tells it. Whether its outcome is still asked for.
    fn complete_unknown(&mut self, status: &Status) -> bool {
        let waiting =
            status.waiting_for.iter().find(|one| one.kind == "outcome" && one.step.as_ref() == Some(&self.step));
        let Some(waiting) = waiting else {
            // Somebody has said it already.
            self.subject.get_or_insert_default();
            return false;
        };
        waiting.about.clone_into(&mut self.about);
        let attempts = status.steps.iter().filter(|step| step.id == self.step).flat_map(|step| &step.history);
        self.subject = attempts.last().map(|attempt| attempt.id.clone());
        true
    }

    /// As a channel tells it in a project.
    ///
    /// # Errors
    /// When its own templates cannot be filled.
    pub fn told(&self, channel: &Channel, project: &str) -> Result<Told, String> {
        let base = channel.dashboard.as_deref().map(|base| base.trim_end_matches('/'));
        let link = base.map(|base| format!("{base}/runs/{}", self.run)).unwrap_or_default();
        let values = self.values(project, &link);
        let title = fill(channel.title.as_ref().unwrap_or_else(|| standard(&TITLE_TEMPLATE, TITLE)), &values)?;
        let text = fill(channel.text.as_ref().unwrap_or_else(|| standard(&TEXT_TEMPLATE, TEXT)), &values)?;
        let title = visible(&cut(title.trim(), TITLE_MAX).replace(['\n', '\r', '\t'], " "));
        let text = cut(clean(&text).trim(), TEXT_MAX);
        let digest = Digest::of(format!("{}\n{}", channel.name, self.key()).as_bytes());
        let hex = digest.as_str().rsplit(':').next().unwrap_or_default();
        let delivery = hex.chars().take(32).collect::<String>();
        let mut payload = json!({ "v": 1, "delivery": delivery, "title": title, "text": text });
        if let Value::Object(all) = &mut payload {
            all.extend(values);
        }
        payload["at"] = json!(self.at);
        Ok(Told { kind: self.kind, title, text, link, delivery, payload })
    }

    fn values(&self, project: &str, link: &str) -> Map<String, Value> {
        let value = |text: &str| json!(cut(&clean(text), VALUE_MAX));
        let pairs = [
            ("event", json!(self.kind.word())),
            ("says", json!(self.says)),
            ("run", json!(self.run)),
            ("workflow", value(&self.workflow)),
            ("project", value(project)),
            ("step", value(&self.step)),
            ("status", value(&self.status)),
            ("why", value(&self.why)),
            ("about", value(&self.about)),
            ("cost", value(&self.cost)),
            ("command", value(&self.command)),
            ("link", json!(link)),
            ("at", json!(self.at.to_string())),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

static TITLE_TEMPLATE: OnceLock<Template> = OnceLock::new();
static TEXT_TEMPLATE: OnceLock<Template> = OnceLock::new();

fn standard(place: &'static OnceLock<Template>, text: &str) -> &'static Template {
    place.get_or_init(|| Template::parse(text).expect("our own templates are checked by a test"))
}

fn fill(template: &Template, values: &Map<String, Value>) -> Result<String, String> {
    template.render(values).map_err(|error| format!("its template cannot be filled: {error}"))
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

/// Whether a name is meant by one of these patterns; by all where there are none. One `*` stands for anything.
pub(in crate::service) fn is_meant(patterns: &[String], name: &str) -> bool {
    let fits = |pattern: &String| match pattern.split_once('*') {
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
        None => pattern == name,
    };
    patterns.is_empty() || patterns.iter().any(fits)
}
