//! Forks of simulated runs: nothing that is taken over is done again, and nothing behind what is done again is taken over.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use orch::{
    base::{Digest, Evidence, Judgement, Outcome, RunId, StepPath, Timestamp, Verdict},
    plan::Plan,
    scheduler::{
        Action, Decision, Evaluation, Event, ForkFault, InstanceId, Purpose, Scheduler, Site, StepState, Strength,
    },
};
use serde_json::{Map, Value, json};

use crate::rng::Rng;

/// Steps of one run that are forked from.
const FORKS: usize = 6;
/// Events of one fork at most.
const EVENTS_MAX: usize = 20_000;

/// Forks a run from some of its steps, and drives each fork to its end in a world where all goes well. Gives how many
/// there were.
pub fn forks(plan: &Arc<Plan>, old: &Scheduler, rng: &mut Rng) -> Result<usize, String> {
    let paths: Vec<StepPath> = old.views().into_iter().map(|view| view.path).collect();
    let mut forks = 0;
    for _ in 0..FORKS.min(paths.len()) {
        let from = &paths[rng.between(0, paths.len() as u64 - 1) as usize];
        match old.fork(from.as_str(), &BTreeSet::new()) {
            Ok(fork) => {
                forks += 1;
                apart(plan, old, &fork.kept.keys().cloned().collect(), &fork.again.iter().cloned().collect())
                    .map_err(|broken| format!("from {from}: {broken}"))?;
                drive(plan, old, from, &fork.kept).map_err(|broken| format!("from {from}: {broken}"))?;
            }
            Err(ForkFault::NotDone { .. }) => {}
            Err(fault) => return Err(fault.to_string()),
        }
    }
    Ok(forks)
}

/// Nothing that waits for a step which is done again is taken over, nor is anything inside it.
fn apart(plan: &Plan, old: &Scheduler, kept: &BTreeSet<StepPath>, again: &BTreeSet<StepPath>) -> Result<(), String> {
    for view in old.views().into_iter().filter(|view| kept.contains(&view.path)) {
        let path = view.path.as_str();
        let before = path.strip_suffix(view.step.id.as_str()).unwrap_or_default();
        for need in &view.step.needs {
            let need = StepPath::new(format!("{before}{}", plan.step(need.step).id));
            if again.contains(&need) {
                return Err(format!("{path} is taken over and waits for {need}, which is done again"));
            }
        }
        let inside = again.iter().find(|step| {
            path.strip_prefix(step.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[', '#']))
        });
        if let Some(step) = inside {
            return Err(format!("{path} is taken over and stands in {step}, which is done again"));
        }
    }
    Ok(())
}

fn drive(
    plan: &Arc<Plan>,
    old: &Scheduler,
    from: &StepPath,
    kept: &std::collections::BTreeMap<StepPath, orch::scheduler::Kept>,
) -> Result<(), String> {
    let parent = old.run_id().cloned().ok_or("the old run has no id")?;
    let mut queue: VecDeque<Event> = VecDeque::from([Event::Forked { parent, from: from.to_string() }]);
    queue.extend(kept.iter().map(|(path, kept)| {
        let (step, kept) = (path.to_string(), Box::new(kept.clone()));
        Event::Kept { step, kept }
    }));
    queue.push_back(Event::RunStarted {
        run: RunId::from_random([5, 4, 3, 2, 1]),
        inputs: Map::new(),
        seed: 1,
        parallel: 2,
        runtime: "claude".to_owned(),
        replayed: Vec::new(),
    });
    let mut scheduler = Scheduler::new(Arc::clone(plan));
    let mut again = Scheduler::new(Arc::clone(plan));
    let mut now = Timestamp(1);
    for _ in 0..EVENTS_MAX {
        let Some(event) = queue.pop_front() else {
            match scheduler.next_wakeup().filter(|_| scheduler.ended().is_none()) {
                Some(at) => {
                    now = now.max(at);
                    queue.push_back(Event::TimeReached);
                    continue;
                }
                None => break,
            }
        };
        // As the journal stores it.
        let event: Event = serde_json::from_value(serde_json::to_value(&event).map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        let actions = scheduler.step(now, event.clone());
        if again.step(now, event) != actions {
            return Err("a replay asks for something else".to_owned());
        }
        for action in actions {
            answer(&scheduler, kept, action, &mut queue)?;
        }
    }
    for view in scheduler.views() {
        let Some(settled) = kept.get(&view.path).and_then(|kept| kept.settled) else { continue };
        if !is_first(&scheduler, view.instance) {
            continue;
        }
        let word = format!("{settled:?}").to_lowercase();
        let is_cut = matches!(view.state, StepState::Cancelled | StepState::Waiting);
        if view.state.word() != word && !is_cut {
            return Err(format!("{} was taken over as {word} and is {}", view.path, view.state.word()));
        }
    }
    Ok(())
}

/// Whether a step stands in the first opening of its body.
fn is_first(scheduler: &Scheduler, instance: InstanceId) -> bool {
    let path = scheduler.path(instance);
    scheduler.instances().find(|other| scheduler.path(*other) == path) == Some(instance)
}

/// Everything that is asked for goes well.
fn answer(
    scheduler: &Scheduler,
    kept: &std::collections::BTreeMap<StepPath, orch::scheduler::Kept>,
    action: Action,
    queue: &mut VecDeque<Event>,
) -> Result<(), String> {
    match action {
        Action::Evaluate { site } => {
            let value = match site {
                Site::When(_) | Site::Until(_) => json!(true),
                Site::Items(_) => json!([["one", 1], ["two", 2]]),
                Site::CallInputs(_) | Site::CallOutputs(_) | Site::RunOutputs => json!({}),
                Site::StopText(_) => json!("enough"),
            };
            queue.push_back(Event::Evaluated { site, result: Evaluation::Value(value) });
        }
        Action::Start { attempt, purpose } => {
            let path = scheduler.path(attempt.instance);
            // A container that failed and opens again does all of its own again.
            let is_first = is_first(scheduler, attempt.instance);
            if kept.get(&path).is_some_and(|kept| kept.settled.is_some()) && is_first {
                return Err(format!("{path} was taken over and {purpose:?} begins"));
            }
            if scheduler.asks_person(attempt.instance, purpose) {
                let subject = Digest::of(b"?");
                let shown = Some("?".to_owned());
                queue.push_back(Event::Started {
                    attempt,
                    subject: Some(subject.clone()),
                    shown,
                    how: None,
                    review: None,
                });
                let decision = Decision::Approve { fields: Value::Null, comment: String::new() };
                queue.push_back(Event::Decided { attempt, subject, decision, by: "ann".to_owned(), mark: None });
                return Ok(());
            }
            let outcome = match purpose {
                Purpose::Gate(_) | Purpose::Reconcile => Outcome::Judged(Box::new(Judgement {
                    verdict: Verdict::Pass,
                    reason: String::new(),
                    evidence: Evidence::default(),
                })),
                Purpose::Work | Purpose::Fix | Purpose::Override | Purpose::Take => Outcome::Succeeded(Box::default()),
            };
            queue.push_back(Event::Started { attempt, subject: None, shown: None, how: None, review: None });
            queue.push_back(Event::Finished { attempt, outcome });
        }
        Action::Stop { attempt, strength: Strength::Gentle | Strength::Hard } => {
            queue.push_back(Event::Finished { attempt, outcome: Outcome::Stopped });
        }
        Action::Notice(_) => {}
    }
    Ok(())
}
