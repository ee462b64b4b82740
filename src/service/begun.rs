//! The first event of a run for whoever watches it: which run, of what, and whether it goes on.

use crate::{
    base::Timestamp,
    driver::{Loaded, RUN_EVENT_VERSION, RunEvent, What},
};

/// The event with which every report begins. `resumed` says that an earlier owner has begun the run.
#[must_use]
pub fn begun(loaded: &Loaded, at: Timestamp, resumed: bool) -> RunEvent {
    let plan = loaded.scheduler.plan();
    let steps = plan.steps.iter().filter(|step| !step.work.is_container()).count();
    RunEvent {
        v: RUN_EVENT_VERSION,
        at,
        run: loaded.summary.run.clone(),
        what: What::RunStarted { workflow: plan.name.clone(), steps, resumed },
    }
}
