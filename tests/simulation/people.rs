//! What workers and people do, well or badly.

use orch::{
    base::{Digest, Envelope, Evidence, Failure, FailureClass, Judgement, Outcome, Timestamp, Usage, Verdict},
    plan::Work,
    scheduler::{
        Answer, AttemptId, Comment, Decision, Evaluation, Event, InstanceId, Purpose, Side, Site, Strength, WaitingFor,
    },
};
use serde_json::{Value, json};

use crate::world::{Mail, Worker, World};

impl World {
    /// A worker begins; what it will report is decided at once and comes later, or never.
    pub(crate) fn begin(&mut self, attempt: AttemptId, purpose: Purpose) {
        let hangs = self.roll(self.options.hangs);
        self.workers.insert(attempt, Worker { hangs });
        if self.roll(self.options.phantoms) {
            self.phantom(attempt);
        }
        if hangs {
            return;
        }
        let session = self.session_of(attempt, purpose);
        let delay = self.rng.below(self.options.slow_ms);
        if self.roll(self.options.gives_spent) {
            let usage = self.usage();
            let early = self.rng.below(delay.max(1));
            self.send(early, Mail::Report(attempt, Event::Spent { attempt, usage, model: None }));
            let session = session.clone();
            self.send(early, Mail::Report(attempt, Event::SessionKnown { attempt, session }));
        }
        let is_merge = matches!(self.scheduler.plan_step(attempt.instance).1.work, Work::Merge(_));
        let mut outcome = self.outcome(purpose, is_merge);
        if let Outcome::Succeeded(envelope) = &mut outcome {
            envelope.session = envelope.session.take().map(|_| session);
        }
        self.report(attempt, outcome, delay);
    }

    /// The session of an attempt, as the driver finds it.
    fn session_of(&self, attempt: AttemptId, purpose: Purpose) -> String {
        let thread = self.scheduler.thread(attempt.instance, purpose);
        let own = thread.session.filter(|_| thread.goes_on || thread.feedback.is_some());
        let found = own.or_else(|| self.scheduler.continued(attempt.instance, purpose));
        found.map_or_else(|| format!("session {attempt}"), str::to_owned)
    }

    fn report(&mut self, attempt: AttemptId, outcome: Outcome, delay: u64) {
        let event = Event::Finished { attempt, outcome };
        self.send(delay, Mail::Report(attempt, event.clone()));
        if self.roll(self.options.duplicates) {
            let later = delay + self.rng.below(60_000);
            self.send(later, Mail::Report(attempt, event));
        }
    }

    /// A report for something that never was, or that is not what it says.
    fn phantom(&mut self, near: AttemptId) {
        let attempt = match self.rng.below(3) {
            0 => AttemptId { instance: InstanceId(9_999), number: 1 },
            1 => AttemptId { instance: near.instance, number: near.number + 1_000 },
            _ => AttemptId { instance: InstanceId(self.rng.below(20) as u32), number: self.rng.below(4) as u32 },
        };
        let event = match self.rng.below(3) {
            0 if attempt.number > 1_000 || attempt.instance.0 == 9_999 => {
                Event::Finished { attempt, outcome: Outcome::Succeeded(Box::default()) }
            }
            1 => Event::Answered { instance: attempt.instance, answer: Answer::Done, by: "nobody".to_owned() },
            _ => Event::Decided {
                attempt,
                subject: Digest::of(b"what nobody was shown"),
                decision: Decision::Approve { fields: Value::Null, comment: String::new() },
                by: "nobody".to_owned(),
                mark: None,
            },
        };
        let delay = self.rng.below(30_000);
        self.send(delay, Mail::Event(event));
    }

    pub(crate) fn stop(&mut self, attempt: AttemptId, strength: Strength) {
        let Some(worker) = self.workers.get(&attempt) else { return };
        let deaf = worker.hangs && strength == Strength::Gentle;
        if deaf || (strength == Strength::Gentle && self.roll(self.options.ignores_gentle)) {
            return;
        }
        if strength == Strength::Hard {
            self.workers.remove(&attempt);
        }
        self.mail.retain(|_, mail| !matches!(mail, Mail::Report(other, _) if *other == attempt));
        let delay = self.rng.below(5_000);
        self.report(attempt, Outcome::Stopped, delay);
    }

    /// What an attempt brings back.
    fn outcome(&mut self, purpose: Purpose, is_merge: bool) -> Outcome {
        if self.roll(self.options.loses) {
            return if self.rng.chance(80) { Outcome::Lost } else { Outcome::Stopped };
        }
        match purpose {
            Purpose::Gate(_) if self.roll(3.min(self.options.gate_errors)) => self.failure_of_driver(),
            Purpose::Gate(_) => {
                let verdict = if self.roll(self.options.gate_errors) {
                    Verdict::Error
                } else if self.roll(self.options.gate_fails) {
                    Verdict::Fail
                } else {
                    Verdict::Pass
                };
                let reason = "it was looked at".to_owned();
                Outcome::Judged(Box::new(Judgement { verdict, reason, evidence: Evidence::default() }))
            }
            Purpose::Work if is_merge && self.roll(self.options.conflicts) => judged(Verdict::Fail),
            Purpose::Take if self.roll(self.options.conflicts / 2) => self.failure(None),
            Purpose::Work | Purpose::Take if is_merge => self.success(),
            Purpose::Work if self.options.remembers > 0 && self.roll(self.options.remembers) => {
                let reused = Some("earlier".to_owned());
                Outcome::Succeeded(Box::new(Envelope { summary: "done".to_owned(), reused, ..Envelope::default() }))
            }
            Purpose::Work | Purpose::Fix | Purpose::Override | Purpose::Take => {
                if self.roll(self.options.fails) {
                    self.failure(None)
                } else {
                    self.success()
                }
            }
            Purpose::Reconcile => match (self.options.fails, self.rng.below(3)) {
                (0, _) | (_, 0) => judged(Verdict::Pass),
                (_, 1) => judged(Verdict::Fail),
                _ => judged(Verdict::Error),
            },
        }
    }

    fn success(&mut self) -> Outcome {
        let usage = self.usage();
        let session = self.rng.chance(50).then(|| "session".to_owned());
        Outcome::Succeeded(Box::new(Envelope { summary: "done".to_owned(), usage, session, ..Envelope::default() }))
    }

    fn failure(&mut self, exit: Option<i32>) -> Outcome {
        let until = self.rng.chance(50).then_some(Timestamp(self.now + 30_000));
        let class = self.rng.pick(&[
            FailureClass::Transient { retry_after_ms: None },
            FailureClass::Transient { retry_after_ms: Some(7_000) },
            FailureClass::Recoverable,
            FailureClass::Invalid,
            FailureClass::Model,
            FailureClass::Quota { until },
            FailureClass::TimedOut,
            FailureClass::Missing,
            FailureClass::Permanent,
        ]);
        let invalid = self.options.invalid;
        let class = if invalid > 0 && self.roll(invalid) { FailureClass::Invalid } else { class };
        let evidence = Evidence { exit, ..Evidence::default() };
        let usage = self.usage();
        Outcome::Failed(Box::new(Failure { class, reason: "it broke".to_owned(), evidence, session: None, usage }))
    }

    pub(crate) fn failure_of_driver(&mut self) -> Outcome {
        Outcome::Failed(Box::new(Failure {
            class: FailureClass::Permanent,
            reason: "a text could not be rendered".to_owned(),
            evidence: Evidence::default(),
            session: None,
            usage: Usage::default(),
        }))
    }

    fn usage(&mut self) -> Usage {
        if self.options.usage == 0 {
            return Usage::default();
        }
        let most = self.options.usage;
        Usage {
            input_tokens: self.rng.below(80),
            output_tokens: self.rng.below(20),
            usd_micros: self.rng.below(most),
            ..Usage::default()
        }
    }

    /// A person acts on what waits for a person. One who is `patient` says what moves the run.
    pub(crate) fn person(&mut self, waiting: &WaitingFor, patient: bool) {
        let delay = self.rng.below(self.options.people_ms);
        let by = "ann".to_owned();
        match waiting {
            WaitingFor::Decision { attempt, .. } if self.options.outdated > 0 && self.roll(self.options.outdated) => {
                self.send(delay, Mail::Event(Event::Outdated { attempt: *attempt, by, mark: None }));
            }
            WaitingFor::Decision { attempt, subject, .. } => {
                if !patient && self.roll(self.options.stale) {
                    self.stale_decision(*attempt, subject);
                }
                let decision = self.decision();
                let event = Event::Decided { attempt: *attempt, subject: subject.clone(), decision, by, mark: None };
                self.send(delay, Mail::Event(event.clone()));
                if self.roll(self.options.duplicates) {
                    self.send(delay, Mail::Event(event));
                }
                if self.roll(self.options.races) {
                    let decision = self.decision();
                    let (attempt, subject, by) = (*attempt, subject.clone(), "bob".to_owned());
                    let delay = self.rng.below(self.options.people_ms);
                    self.send(delay, Mail::Event(Event::Decided { attempt, subject, decision, by, mark: None }));
                }
            }
            WaitingFor::Outcome { instance, .. } => {
                let answer = self.rng.pick(&[Answer::Retry, Answer::Done, Answer::Failed]);
                let answer = if self.options.fails == 0 && answer == Answer::Failed { Answer::Done } else { answer };
                self.send(delay, Mail::Event(Event::Answered { instance: *instance, answer, by: by.clone() }));
                if self.roll(self.options.races) {
                    let event = Event::Answered { instance: *instance, answer: Answer::Retry, by };
                    self.send(delay + 1, Mail::Event(event));
                }
            }
            WaitingFor::Budget { .. } => {
                let raise = self.raise();
                self.send(delay, Mail::Event(raise));
            }
        }
    }

    /// A decision about another text, or about another attempt of the same step.
    fn stale_decision(&mut self, attempt: AttemptId, subject: &Digest) {
        let (attempt, subject) = match self.rng.below(3) {
            0 => (attempt, Digest::of(b"an older text")),
            1 => (AttemptId { number: attempt.number.saturating_sub(1), ..attempt }, subject.clone()),
            _ => (AttemptId { number: attempt.number + 1, ..attempt }, Digest::of(b"a newer text")),
        };
        let event = Event::Decided { attempt, subject, decision: self.decision(), by: "zoe".to_owned(), mark: None };
        let delay = self.rng.below(self.options.people_ms);
        self.send(delay, Mail::Event(event));
    }

    fn decision(&mut self) -> Decision {
        if self.roll(self.options.rejects) {
            let is_final = self.options.old_nos == 0 || !self.roll(self.options.old_nos);
            Decision::Reject { comment: "no".to_owned(), is_final }
        } else if self.options.pushbacks > 0 && self.roll(self.options.pushbacks) {
            let text = "otherwise".to_owned();
            let comment = Comment { path: String::new(), lines: None, side: Side::New, quoted: String::new(), text };
            Decision::Pushback { comments: vec![comment] }
        } else {
            Decision::Approve { fields: json!({ "name": "x" }), comment: String::new() }
        }
    }

    /// More of everything than a run can use; sometimes only a little.
    pub(crate) fn raise(&mut self) -> Event {
        let little = self.options.fails > 0 && self.rng.chance(20);
        let spent = self.scheduler.spent();
        let more = |spent: u64| Some(if little { spent + 1 } else { spent + 1_000_000_000 });
        Event::BudgetRaised {
            usd_micros: more(spent.usage.usd_micros),
            tokens: more(spent.usage.tokens()),
            time_ms: more(spent.busy_ms),
            agents: more(spent.agents),
        }
    }

    /// What an expression gives.
    pub(crate) fn evaluate(&mut self, site: Site) -> Evaluation {
        if self.roll(self.options.faults) {
            return if self.rng.chance(50) {
                Evaluation::Fault("no such name".to_owned())
            } else {
                Evaluation::Value(json!(17))
            };
        }
        Evaluation::Value(match site {
            Site::When(_) => json!(!self.roll(self.options.falses)),
            Site::Until(_) => json!(self.rng.chance(50)),
            Site::Items(_) => {
                let high = if self.options.faults > 0 { 5 } else { 2 };
                (0..self.rng.between(0, high)).map(|item| json!([item.to_string(), item])).collect()
            }
            Site::CallInputs(_) | Site::CallOutputs(_) | Site::RunOutputs => json!({ "value": 1 }),
            Site::StopText(_) => json!("enough"),
        })
    }

    fn roll(&mut self, percent: u64) -> bool {
        self.rng.chance(percent)
    }
}

fn judged(verdict: Verdict) -> Outcome {
    Outcome::Judged(Box::new(Judgement { verdict, reason: String::new(), evidence: Evidence::default() }))
}
