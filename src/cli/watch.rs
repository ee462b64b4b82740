//! `orch watch`: follows a run from its beginning, by reading its journal.

use std::time::Duration;

use crate::{
    cli::{
        args::WatchArgs,
        failure::Failure,
        report::{Ending, Report},
        session::Session,
    },
    driver::{exit_code, follow, narrate, parked_exit_code},
    service::{Runs, status},
};

/// How often the journal is looked at.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn run(session: &mut Session, args: &WatchArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    let run = runs.find(args.run.as_deref())?;
    let mut events = Vec::new();
    let mut loaded = runs.load(&run, |scheduler, at, notice| events.extend(narrate(scheduler, at, notice)))?;
    let mut report = Report::watching(session, &loaded);
    report.begin(&mut session.out)?;
    loop {
        // The owner is looked for before the journal is read, so that its last words are not missed.
        let owner = runs.owner(&run)?;
        let journal = runs.journal();
        follow(journal.as_ref(), &mut loaded, |scheduler, at, notice| events.extend(narrate(scheduler, at, notice)))
            .map_err(crate::service::Refusal::from)?;
        for event in events.drain(..) {
            report.event(&mut session.out, &event)?;
        }
        let ended = loaded.scheduler.ended();
        if ended.is_some() || owner.is_none() {
            let (code, ending) = match ended {
                Some(end) => (exit_code(end), Ending::Ended),
                None => (parked_exit_code(&loaded.scheduler.waiting_for()), Ending::Parked),
            };
            let now = if ended.is_some() { status(&loaded, None) } else { status(&runs.as_restarted(&run)?, None) };
            report.end(&mut session.out, &runs.folder(&run)?, &now, ending, code)?;
            return Ok(code);
        }
        report.tick(&mut session.out);
        std::thread::sleep(PAUSE);
    }
}
