//! One run of `orch dev`, driven beside everything else that may happen.

use std::{future::Future, path::Path, pin::Pin, sync::Arc};

use serde_json::Map;
use tokio::sync::mpsc;

use crate::{
    base::RunId,
    cli::{
        cost::header,
        dev::{DevArgs, Keyboard},
        drive::{Questions, ask_people, code_of, finish_screen, outputs_text, screen},
        failure::Failure,
        live::Screen,
        report::Look,
        session::Session,
    },
    driver::{Finish, OnApproval, RunEvent, What},
    scheduler::{Event, Strength},
    service::{DriveOptions, Refusal, Runs, dev::Lookout, gather_inputs, recordings},
};

/// A run that is going.
pub(super) struct Driving {
    pub(super) screen: Screen,
    run: RunId,
    runs: Arc<Runs>,
    future: Pin<Box<dyn Future<Output = Result<Finish, Refusal>>>>,
    events: mpsc::UnboundedReceiver<RunEvent>,
    inputs: mpsc::UnboundedSender<Event>,
    questions: Option<Questions>,
    strength: Strength,
}

/// What has happened in a run.
pub(super) enum Moved {
    /// Something that watchers are told.
    Told(RunEvent),
    /// It is over, or only a person who is not here can move it.
    Ended(Result<Finish, Refusal>),
}

/// Waits for the next thing that happens in a run; for ever where there is none. Nothing is lost when the wait is
/// given up.
pub(super) async fn moved(driving: &mut Option<Driving>) -> Moved {
    let Some(driving) = driving else { return std::future::pending().await };
    tokio::select! {
        biased;
        Some(event) = driving.events.recv() => Moved::Told(event),
        finish = &mut driving.future => Moved::Ended(finish),
    }
}

impl Driving {
    /// Starts a run of the last good plan, if there is one. With `reuse` what has not changed is not done again.
    pub(super) fn start(
        session: &Session,
        lookout: &Lookout,
        args: &DevArgs,
        reuse: bool,
        keyboard: &Keyboard,
    ) -> Result<Option<Self>, Failure> {
        let (project, Some(plan)) = (lookout.project(), lookout.plan()) else { return Ok(None) };
        let inputs = gather_inputs(&plan.inputs, &args.words, &args.pairs(), Map::new())?;
        let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?.reusing(reuse);
        let runs = Arc::new(runs);
        let owned = runs.start(plan, inputs, recordings(project.root(), plan))?;
        let on_approval = project.settings().on_approval;
        let asks = on_approval == OnApproval::Wait && session.can_ask();
        let look = Look {
            width: Screen::columns(),
            verbose: session.global.verbose > 0,
            parallel: Some(owned.parallel()),
            estimate: header(&owned),
            sandbox: owned.sandbox(),
            replayed: owned.is_replayed(),
            waits: on_approval == OnApproval::Wait && !asks,
        };
        let screen = screen(session, look, runs.heartbeat());
        let (watchers, events) = mpsc::unbounded_channel();
        let (inputs, input_events) = mpsc::unbounded_channel();
        let questions = asks.then(|| ask_people(runs.who().to_owned(), runs.reviewer(owned.run()), keyboard.answers()));
        let run = owned.run().clone();
        let driven = Arc::clone(&runs);
        let options = DriveOptions { on_approval, park: !asks };
        let future = Box::pin(async move { driven.drive(owned, options, watchers, input_events).await });
        let strength = Strength::Gentle;
        Ok(Some(Self { screen, run, runs, future, events, inputs, questions, strength }))
    }

    /// Shows what has happened.
    pub(super) fn tell(&mut self, event: RunEvent) {
        self.screen.tell(&event);
        if let (Some(questions), What::Asking { .. }) = (&self.questions, &event.what) {
            self.screen.pause();
            questions.send((event, self.inputs.clone())).ok();
        }
    }

    /// Ends it: gently, then hard.
    pub(super) fn cancel(&mut self) {
        self.inputs.send(Event::CancelRequested { strength: self.strength }).ok();
        self.strength = Strength::Hard;
    }

    /// Shows how it has ended, and gives the exit code that it would have had.
    pub(super) fn finish(
        &mut self,
        session: &mut Session,
        finish: Result<Finish, Refusal>,
        root: &Path,
    ) -> Result<u8, Failure> {
        while let Ok(event) = self.events.try_recv() {
            self.screen.tell(&event);
        }
        self.screen.pause();
        let finish = finish?;
        let code = code_of(&finish, false);
        finish_screen(&mut self.screen, &self.runs, &self.run, root, code)?;
        if let Finish::Ended(end) = &finish
            && !session.global.json
            && !session.global.quiet
        {
            session.out.data(&outputs_text(&end.outputs))?;
        }
        Ok(code)
    }
}
