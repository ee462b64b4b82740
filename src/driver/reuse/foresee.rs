//! What a run would take from the cache, as far as that can be known without doing anything: for steps that begin at
//! once. Whatever comes later depends on what the steps before it do.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    base::{RunId, Timestamp},
    driver::{
        assign::{Assigner, Begun},
        evaluate::evaluate,
        reuse::recall::{Recall, lock},
    },
    execute::{FindAdapter, content},
    plan::{Plan, StepIx},
    runtime::Replay,
    scheduler::{Action, AttemptId, Event, Purpose, Scheduler},
};

/// Evaluations before a run's first attempts; a plan asks for a few.
const EVENTS_MAX: usize = 10_000;

/// What the cache would be to one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreseen {
    /// The step's path.
    pub step: String,
    /// What would happen.
    #[serde(flatten)]
    pub would: Would,
}

/// What would happen to a step with `cache:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "would")]
pub enum Would {
    /// Its work is there.
    #[serde(rename = "be taken")]
    Taken {
        /// `RUN/ATTEMPT`.
        from: String,
    },
    /// Its work is not there.
    #[serde(rename = "be done")]
    Done,
    /// That is not known before something else is.
    #[serde(rename = "depend")]
    Depends {
        /// What.
        on: String,
    },
}

impl Recall {
    /// What the cache would be to the steps of a plan, in the order of the plan.
    #[must_use]
    pub fn foresee(
        &self,
        plan: &Arc<Plan>,
        (inputs, runtime): (Map<String, Value>, String),
        (assigner, find): (&Assigner, &FindAdapter<'_>),
        now: Timestamp,
    ) -> Vec<Foreseen> {
        let mut scheduler = Scheduler::new(Arc::clone(plan));
        let begun = begin(&mut scheduler, assigner, (inputs, runtime), now);
        let mut foreseen = Vec::new();
        for (number, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.cache.is_some()) {
            let here = begun.iter().filter(|attempt| {
                let own = scheduler.plan_step(attempt.instance).1;
                own.path == step.path
            });
            let found: Vec<Foreseen> =
                here.map(|attempt| self.foresee_one(&scheduler, *attempt, (assigner, find), now)).collect();
            if found.is_empty() {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let on = awaited(plan, StepIx(number));
                foreseen.push(Foreseen { step: step.path.clone(), would: Would::Depends { on } });
            }
            foreseen.extend(found);
        }
        foreseen
    }

    fn foresee_one(
        &self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        (assigner, find): (&Assigner, &FindAdapter<'_>),
        now: Timestamp,
    ) -> Foreseen {
        let step = scheduler.path(attempt.instance).as_str().to_owned();
        let Begun::Work(assignment, place) = assigner.assign(scheduler, attempt, Purpose::Work) else {
            return Foreseen { step, would: Would::Done };
        };
        let content = |cut: &[&str]| content(find, &assignment, &place, cut);
        let trace = self.trace(scheduler, &lock(&self.known), (assigner, &content), attempt, (&assignment, &place));
        let known = trace.key.as_ref().filter(|_| trace.is_fit).map(|key| self.cache.find(key)).unwrap_or_default();
        let fits = |kept: &&Arc<super::entry::Kept>| {
            kept.entry.is_fresh(now, trace.rules) && self.traces.fits(&place.workspace, &kept.entry.footprint).is_some()
        };
        let would = known.iter().find(fits).map_or(Would::Done, |kept| Would::Taken { from: kept.entry.from.clone() });
        Foreseen { step, would }
    }
}

/// The attempts that a run begins with.
fn begin(
    scheduler: &mut Scheduler,
    assigner: &Assigner,
    (inputs, runtime): (Map<String, Value>, String),
    now: Timestamp,
) -> Vec<AttemptId> {
    let replayed = vec![Replay::NAME.to_owned()];
    let run = RunId::from_random([0; 5]);
    let first = Event::RunStarted { run, inputs, seed: 0, parallel: u32::MAX, runtime, replayed };
    let mut begun = Vec::new();
    let mut events = vec![first];
    for _ in 0..EVENTS_MAX {
        let Some(event) = events.pop() else { break };
        for action in scheduler.step(now, event) {
            match action {
                Action::Evaluate { site } => {
                    let result = evaluate(scheduler, assigner.renderer(), site);
                    events.push(Event::Evaluated { site, result });
                }
                Action::Start { attempt, purpose: Purpose::Work } => begun.push(attempt),
                Action::Start { .. } | Action::Stop { .. } | Action::Notice(_) => {}
            }
        }
    }
    begun
}

/// What a step waits for, or the container around it.
fn awaited(plan: &Plan, step: StepIx) -> String {
    let mut at = Some(step);
    while let Some(ix) = at {
        let step = plan.step(ix);
        if let Some(need) = step.needs.first() {
            return plan.step(need.step).path.clone();
        }
        at = step.parent;
    }
    plan.step(step).path.clone()
}
