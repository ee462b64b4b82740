//! The local driver: one task owns one run, always in one order: receive events, stage them (step the scheduler, encode
//! the records), append all of them in one commit, then perform the actions. What is staged is seen by nobody before the
//! commit; when the commit fails the driver ends at once and the keeper kills what runs.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use tokio::sync::mpsc;

use crate::{
    base::{FailureClass, Outcome, RunId, Timestamp},
    driver::{
        asking::Asking,
        assign::{Begun, failed},
        clock::Clock,
        evaluate::evaluate,
        hush::hushed,
        judge,
        load::Loaded,
        narrate::{RunEvent, narrate, opening, overheard},
        outcome::{exit_code, status_word, waiting_words},
        pace::Admitted,
        record::decode_decision,
        review::Reviewed,
        setup::Setup,
        spaces::{self, Seat},
    },
    execute::{
        Live,
        process::{StopReason, StopSource},
    },
    journal::{Append, AppendError, DecisionId, NewRecord, RunSummary, StoreError},
    runtime::Seen,
    scheduler::{Action, AttemptId, Event, Notice, Purpose, RunEnd, Scheduler, Strength, WaitingFor},
};

/// How many inputs one commit takes at most.
const BATCH: usize = 512;

/// What comes to the owner of a run.
#[derive(Debug)]
pub enum Input {
    /// An attempt has reported.
    Finished(AttemptId, Outcome),
    /// An agent says or does something.
    Seen(AttemptId, Seen),
    /// A person, a signal, or another process says something.
    Event(Event),
    /// What a question is about has been looked at.
    Looked(AttemptId, Purpose, Reviewed),
    /// Whether the files are still as they were shown is known: what a person has said counts, or is said to be too late.
    Checked(Event, Option<DecisionId>),
}

/// How driving a run has ended.
#[derive(Debug)]
pub enum Finish {
    /// The run has ended.
    Ended(RunEnd),
    /// The run waits for a person and nobody is here.
    Parked(Vec<WaitingFor>),
}

/// Why the driver could not go on. The run is not lost: it can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal refused or failed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The inbox cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is too little space for more work; what ran has ended and is written down.
    #[error("start more work: too little space is free on the store's disk")]
    DiskLow,
}

/// Drives one run.
pub struct LocalDriver {
    pub(super) setup: Setup,
    pub(super) scheduler: Scheduler,
    run: RunId,
    seq: u64,
    pub(super) clock: Clock,
    summary: RunSummary,
    inbox: DecisionId,
    looked: Instant,
    pub(super) consumed: Vec<DecisionId>,
    live: HashMap<AttemptId, StopSource>,
    pub(super) sender: mpsc::UnboundedSender<Input>,
    receiver: mpsc::UnboundedReceiver<Input>,
    staged: Vec<NewRecord>,
    pub(super) queue: VecDeque<Event>,
    todo: Vec<Todo>,
    told: Vec<RunEvent>,
    pub(super) asking: Asking,
    /// Something was not begun for want of space. It stays asked for, and the next owner begins it.
    is_held: bool,
}

enum Todo {
    Begin(AttemptId, Purpose),
    Stop(AttemptId, Strength),
}

impl LocalDriver {
    /// A driver for a run whose first records are in the journal, in this process, with nothing of it running.
    #[must_use]
    pub fn new(setup: Setup, loaded: Loaded) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            setup,
            run: loaded.summary.run.clone(),
            scheduler: loaded.scheduler,
            seq: loaded.seq,
            clock: Clock::start(loaded.last),
            summary: loaded.summary,
            inbox: DecisionId::default(),
            looked: Instant::now(),
            consumed: Vec::new(),
            live: HashMap::new(),
            sender,
            receiver,
            staged: Vec::new(),
            queue: VecDeque::new(),
            todo: Vec::new(),
            told: Vec::new(),
            asking: Asking::default(),
            is_held: false,
        }
    }

    /// Where people, signals and attempts report.
    #[must_use]
    pub fn sender(&self) -> mpsc::UnboundedSender<Input> {
        self.sender.clone()
    }

    /// Drives the run until it ends, or parks.
    ///
    /// `first` are the events that begin this ownership: `RunStarted`, or `Restarted` and what a person asked for.
    ///
    /// # Errors
    /// When the journal fails. Everything that was running is then killed by dropping the executor.
    pub async fn drive(self, first: Vec<Event>) -> Result<Finish, DriveError> {
        let spaces = Arc::clone(&self.setup.spaces);
        let is_new = self.scheduler.instances().all(|instance| self.scheduler.view(instance).history.is_empty());
        if is_new && self.scheduler.plan().keeps_checkpoints() {
            spaces::begin(&spaces).await;
        }
        let finish = self.go_on(first).await;
        spaces::close(&spaces).await;
        finish
    }

    async fn go_on(mut self, first: Vec<Event>) -> Result<Finish, DriveError> {
        let resumed = first.iter().any(|event| matches!(event, Event::Restarted { .. }));
        for event in first {
            self.stage(event);
        }
        // Whoever makes a run tells of its beginning, because it was written down with the run itself.
        if resumed && let Some(goes_on) = opening(&self.scheduler, self.clock.now(), true) {
            self.told.insert(0, goes_on);
        }
        let outstanding = self.scheduler.outstanding();
        let fresh: Vec<_> = outstanding.into_iter().filter(|action| !self.is_staged(action)).collect();
        let now = self.clock.now();
        self.setup.pacer.begin(&self.scheduler, now);
        self.take_actions(now, fresh);
        // An owner that died, or parked in this very moment, has left it unread.
        self.read_inbox()?;
        self.decide_open();
        self.work_off();
        self.commit().await?;
        loop {
            if let Some(end) = self.scheduler.ended() {
                let end = end.clone();
                self.remember();
                return Ok(Finish::Ended(end));
            }
            if self.is_held && self.live.is_empty() {
                return Err(DriveError::DiskLow);
            }
            if self.is_parked() && self.setup.park {
                self.read_inbox()?;
                if self.queue.is_empty() {
                    self.remember();
                    return Ok(Finish::Parked(self.scheduler.waiting_for()));
                }
            } else {
                self.receive().await?;
            }
            self.work_off();
            self.commit().await?;
        }
    }

    fn remember(&self) {
        if let Some(recall) = &self.setup.recall {
            recall.keep(&self.setup.assigner.root);
        }
    }

    fn is_staged(&self, action: &Action) -> bool {
        match action {
            Action::Start { attempt, .. } if self.asking.looks_at(*attempt) => true,
            Action::Start { attempt, .. } => self
                .queue
                .iter()
                .any(|event| matches!(event, Event::Started { attempt: other, .. } if other == attempt)),
            Action::Evaluate { site } => {
                self.queue.iter().any(|event| matches!(event, Event::Evaluated { site: other, .. } if other == site))
            }
            Action::Stop { .. } | Action::Notice(_) => false,
        }
    }

    fn is_parked(&self) -> bool {
        self.live.is_empty()
            && !self.asking.checks()
            && !self.scheduler.is_moving()
            && !self.scheduler.waiting_for().is_empty()
    }

    /// Waits for something to happen and queues it. However busy attempts are, timers and the inbox get their turn.
    async fn receive(&mut self) -> Result<(), DriveError> {
        let inbox = self.setup.inbox.saturating_sub(self.looked.elapsed());
        let wait = self.scheduler.next_wakeup().map_or(inbox, |at| self.clock.until(at).min(inbox));
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            _ = self.receiver.recv_many(&mut batch, BATCH) => {}
            () = tokio::time::sleep(wait) => {}
        }
        for input in batch {
            match input {
                Input::Finished(attempt, outcome) => {
                    self.live.remove(&attempt);
                    let outcome = self.setup.pacer.finish(&self.scheduler, attempt, outcome, self.clock.now());
                    let outcome = self.setup.assigner.finish(&self.scheduler, attempt, outcome);
                    self.queue.push_back(Event::Finished { attempt, outcome });
                }
                Input::Seen(attempt, seen) => self.see(attempt, seen),
                Input::Event(event) => self.hear(event, None),
                Input::Looked(attempt, purpose, reviewed) => self.looked_at(attempt, purpose, &reviewed),
                Input::Checked(event, decision) => self.checked(event, decision),
            }
        }
        if self.scheduler.next_wakeup().is_some_and(|at| at <= self.clock.now()) {
            self.queue.push_back(Event::TimeReached);
        }
        if self.looked.elapsed() >= self.setup.inbox {
            self.read_inbox()?;
        }
        Ok(())
    }

    /// What an agent spends and its session are written down; the rest is told to whoever watches now.
    fn see(&mut self, attempt: AttemptId, seen: Seen) {
        self.setup.pacer.see(attempt, &seen, self.clock.now());
        match seen {
            Seen::Spent(usage, model) => self.queue.push_back(Event::Spent { attempt, usage, model }),
            Seen::Session(session) => self.queue.push_back(Event::SessionKnown { attempt, session }),
            other => self.told.extend(overheard(&self.scheduler, self.clock.now(), attempt, other)),
        }
    }

    /// Turns what other processes left into events.
    fn read_inbox(&mut self) -> Result<(), DriveError> {
        self.looked = Instant::now();
        for decision in self.setup.journal.decisions_after(&self.run, self.inbox)? {
            self.inbox = decision.id;
            match decode_decision(&decision) {
                Some(event) => self.hear(event, Some(decision.id)),
                None => {
                    self.consumed.push(decision.id);
                    tracing::warn!(decision = %decision.id, "a decision in the inbox is none");
                }
            }
        }
        Ok(())
    }

    fn work_off(&mut self) {
        loop {
            while let Some(event) = self.queue.pop_front() {
                self.stage(event);
            }
            let paced = self.setup.pacer.tune(&self.scheduler, self.clock.now());
            if paced.is_empty() {
                break;
            }
            self.queue.extend(paced);
        }
    }

    /// Steps the scheduler and encodes the record; nothing is done yet.
    fn stage(&mut self, event: Event) {
        let now = self.clock.now();
        let (event, record) = hushed(&self.setup.redactor, now, event);
        self.staged.push(record);
        self.setup.assigner.hear(&self.scheduler, &event);
        let actions = self.scheduler.step(now, event);
        self.take_actions(now, actions);
    }

    fn take_actions(&mut self, now: Timestamp, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Evaluate { site } => {
                    let result = evaluate(&self.scheduler, self.setup.assigner.renderer(), site);
                    self.queue.push_back(Event::Evaluated { site, result });
                }
                Action::Start { attempt, purpose } => self.write_down(attempt, purpose),
                Action::Stop { attempt, strength } => self.todo.push(Todo::Stop(attempt, strength)),
                Action::Notice(notice) => self.tell(now, &notice),
            }
        }
    }

    /// An attempt must be in the journal before it begins; a question also with what is shown.
    fn write_down(&mut self, attempt: AttemptId, purpose: Purpose) {
        if !self.scheduler.asks_person(attempt.instance, purpose) {
            if !(self.setup.has_space)() {
                self.is_held = true;
                return;
            }
            match self.setup.pacer.admit(&self.scheduler, attempt, purpose, self.clock.now()) {
                Admitted::Begin => {}
                Admitted::Later(until, reason) => {
                    self.queue.push_back(Event::Deferred { attempt, until, reason });
                    return;
                }
                Admitted::Never(reason) => return self.end_unbegun(attempt, FailureClass::Missing, reason),
            }
            let how = self.setup.assigner.how(&self.scheduler, attempt, purpose);
            self.queue.push_back(Event::Started { attempt, subject: None, shown: None, how, review: None });
            self.todo.push(Todo::Begin(attempt, purpose));
            return;
        }
        self.ask(attempt, purpose);
    }

    /// An attempt fails before anything was done for it.
    pub(super) fn end_unbegun(&mut self, attempt: AttemptId, class: FailureClass, reason: String) {
        self.queue.push_back(Event::Started { attempt, subject: None, shown: None, how: None, review: None });
        self.queue.push_back(Event::Finished { attempt, outcome: failed(class, reason) });
    }

    fn tell(&mut self, now: Timestamp, notice: &Notice) {
        self.told.extend(narrate(&self.scheduler, now, notice));
        match notice {
            Notice::Asking { .. } | Notice::Unknown { .. } | Notice::BudgetReached => {
                self.summary.status = "waiting".to_owned();
            }
            Notice::RunEnded => {
                if let Some(end) = self.scheduler.ended() {
                    self.summary.status = status_word(end.settled).to_owned();
                    self.summary.ended = Some(end.at);
                    self.summary.exit_code = Some(exit_code(end));
                    self.summary.waiting_for = None;
                }
            }
            Notice::Starting { .. }
            | Notice::Ended { .. }
            | Notice::Retrying { .. }
            | Notice::Feedback { .. }
            | Notice::PushedBack { .. }
            | Notice::Outdated { .. }
            | Notice::Redone { .. }
            | Notice::BudgetNear
            | Notice::Held { .. } => {}
            Notice::Settled { instance } => {
                if let Some(recall) = &self.setup.recall {
                    recall.settled(&self.scheduler, *instance, now);
                }
            }
        }
    }

    /// Appends what is staged, waits until it is durable, then does what is to be done and tells what has happened.
    async fn commit(&mut self) -> Result<(), DriveError> {
        if !self.staged.is_empty() {
            let records = std::mem::take(&mut self.staged);
            let mut append = Append::new(self.run.clone(), self.seq, records);
            append.consumed = std::mem::take(&mut self.consumed);
            append.summary = self.changed_summary();
            self.seq = self.setup.journal.append(append).await?;
        }
        for todo in std::mem::take(&mut self.todo) {
            match todo {
                Todo::Begin(attempt, purpose) => self.begin(attempt, purpose),
                Todo::Stop(attempt, strength) => {
                    if let Some(source) = self.live.get(&attempt) {
                        source.stop(match strength {
                            Strength::Gentle => StopReason::Gentle,
                            Strength::Hard => StopReason::Hard,
                        });
                    }
                }
            }
        }
        for event in self.told.drain(..) {
            self.setup.tell(event);
        }
        Ok(())
    }

    /// The summary, if it is not what the store has.
    fn changed_summary(&mut self) -> Option<RunSummary> {
        let is_reopened = self.summary.ended.is_some() && self.scheduler.ended().is_none();
        if is_reopened {
            // A second chance: the list must not call it ended while it goes on.
            (self.summary.ended, self.summary.exit_code) = (None, None);
            if self.summary.status != "waiting" {
                self.summary.status = "running".to_owned();
            }
        }
        if self.summary.status == "waiting" {
            let waiting = self.scheduler.waiting_for();
            if waiting.is_empty() {
                self.summary.status = "running".to_owned();
                self.summary.waiting_for = None;
            } else {
                self.summary.waiting_for = Some(waiting_words(&waiting));
            }
            return Some(self.summary.clone());
        }
        (is_reopened || self.summary.ended.is_some()).then(|| self.summary.clone())
    }

    fn begin(&mut self, attempt: AttemptId, purpose: Purpose) {
        if !self.scheduler.is_live(attempt) {
            return self.setup.pacer.drop_permit(attempt);
        }
        let source = StopSource::new();
        let token = source.token();
        self.live.insert(attempt, source);
        let sender = self.sender.clone();
        let spaces = Arc::clone(&self.setup.spaces);
        let now = self.clock.now();
        if let Some(duty) = spaces::duty(&self.scheduler, attempt, purpose, now) {
            tokio::spawn(async move {
                sender.send(Input::Finished(attempt, duty.perform(&spaces).await)).ok();
            });
            return;
        }
        match self.setup.assigner.assign(&self.scheduler, attempt, purpose) {
            Begun::Done(outcome) => {
                sender.send(Input::Finished(attempt, outcome)).ok();
            }
            Begun::Work(assignment, mut place) => {
                let live = self.sender.clone();
                // Who has gone away needs no news.
                place.live = Live::new(move |seen| drop(live.send(Input::Seen(attempt, seen))));
                let executor = self.setup.executor.clone();
                let seat = spaces::seat(&self.scheduler, attempt.instance);
                let keep = spaces::keep(&self.scheduler, attempt.instance, purpose);
                // What is done in a workspace of its own is always done anew.
                let known = self.setup.recall.as_ref().filter(|_| matches!(seat, Seat::Given)).map(|recall| {
                    let doers = (&self.setup.assigner, &executor);
                    recall.begin(&self.scheduler, doers, (attempt, purpose), (&assignment, &place), now)
                });
                let sight = judge::sight(&self.setup.assigner, &self.scheduler, attempt.instance, purpose);
                tokio::spawn(async move {
                    let sat = judge::sit(sight, &spaces, (seat, &mut place, now), *assignment).await;
                    if let (Some(keep), Ok(_)) = (&keep, &sat) {
                        spaces::before(&spaces, keep).await;
                    }
                    let mut outcome = match (sat, known) {
                        (Err(outcome), _) => outcome,
                        (Ok(assignment), Some(known)) => {
                            Box::pin(known.perform(executor, assignment, &place, token)).await
                        }
                        (Ok(assignment), None) => executor.perform(assignment, &place, token).await,
                    };
                    if let Some(keep) = keep {
                        spaces::kept(&spaces, keep, &mut outcome).await;
                    }
                    sender.send(Input::Finished(attempt, outcome)).ok();
                });
            }
        }
    }
}
