//! `orch watch`: follows a run from its beginning, by reading its journal.

use std::time::Duration;

use crate::{
    base::Timestamp,
    cli::{
        args::WatchArgs,
        drive::{finish_screen, screen},
        failure::Failure,
        live::Screen,
        report::Look,
        session::Session,
    },
    driver::{Clock, exit_code, follow, narrate, opening, parked_exit_code},
    service::{Refusal, Runs, is_replayed, sandbox_shown},
};

/// How often the journal is looked at.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn run(session: &mut Session, args: &WatchArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let run = runs.find(args.run.as_deref())?;
    let mut events = Vec::new();
    let mut loaded = runs.load(&run, |scheduler, at, notice| events.extend(narrate(scheduler, at, notice)))?;
    let look = Look {
        width: Screen::columns(),
        verbose: session.global.verbose > 0,
        parallel: None,
        estimate: None,
        sandbox: sandbox_shown(&loaded.scheduler),
        replayed: is_replayed(&loaded.scheduler),
        waits: true,
    };
    let mut screen = screen(session, look, runs.heartbeat());
    if let Some(begun) = opening(&loaded.scheduler, loaded.summary.started, false) {
        screen.tell(&begun);
    }
    loop {
        // The owner is looked for before the journal is read, so that its last words are not missed.
        let owner = runs.owner(&run)?;
        let journal = runs.journal();
        follow(journal.as_ref(), &mut loaded, |scheduler, at, notice| events.extend(narrate(scheduler, at, notice)))
            .map_err(Refusal::from)?;
        for event in events.drain(..) {
            screen.tell(&event);
        }
        if screen.is_closed() {
            return Ok(0);
        }
        let ended = loaded.scheduler.ended();
        if ended.is_some() || owner.is_none() {
            let code = match ended {
                Some(end) => exit_code(end),
                // What its owner left running is over, known or not: only the next owner's view says which.
                None => parked_exit_code(&runs.as_restarted(&run)?.scheduler.waiting_for()),
            };
            finish_screen(&mut screen, &runs, &run, project.root(), code)?;
            return Ok(code);
        }
        screen.tick(Clock::start(Timestamp::default()).now());
        std::thread::sleep(PAUSE);
    }
}
