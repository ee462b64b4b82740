//! Decides for each attempt of a run whether its work was done before, and remembers what was done now.
//!
//! A step's key is the digest of all that it is told and of the keys of everything that it waits for, so an edit of one
//! step is an edit of all behind it. A memory counts only while the files are as that work left them; for a command,
//! which may read anything, while the whole workspace is as it was. Remembered is what succeeded with its gates, in
//! the first round of a run: what was done again after a failed gate around it is not.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    base::{Digest, Envelope, Hasher, Outcome},
    driver::{
        assign::Assigner,
        reuse::store::{Remembered, StepMemory},
    },
    execute::{Assignment, Executor, Footprint, Place, Traces, process::StopToken, reused},
    scheduler::{AttemptId, InstanceId, Purpose, Scheduler, StepState},
};

/// What is known of the work at one path in this run.
#[derive(Debug, Clone, Default)]
struct Trace {
    key: Option<Digest>,
    attempt: String,
    envelope: Option<Envelope>,
    footprint: Footprint,
    is_agent: bool,
    /// Settled, and how.
    settled: Option<StepState>,
    /// It may be remembered.
    is_fit: bool,
}

type Known = Arc<Mutex<BTreeMap<String, Trace>>>;

/// The memory in front of the executor, for one run.
#[derive(Debug)]
pub struct Recall {
    memory: StepMemory,
    traces: Traces,
    /// Whether anything may be taken from memory.
    reads: bool,
    known: Known,
}

/// An attempt whose work may be known, or is to be remembered.
pub(in crate::driver) struct Attempted {
    path: String,
    purpose: Purpose,
    /// What to look for.
    wanted: Option<Digest>,
    /// A command may read anything, so all files count.
    is_command: bool,
    workspace: PathBuf,
    memory: StepMemory,
    traces: Traces,
    known: Known,
}

fn lock(known: &Known) -> MutexGuard<'_, BTreeMap<String, Trace>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recall {
    /// A memory for one run. Without `reads` everything is done and remembered anew.
    #[must_use]
    pub fn new(memory: StepMemory, traces: Traces, reads: bool) -> Self {
        Self { memory, traces, reads, known: Known::default() }
    }

    /// An attempt begins. `None` where there is nothing to remember of it.
    pub(in crate::driver) fn begin(
        &self,
        scheduler: &Scheduler,
        (assigner, executor): (&Assigner, &Executor),
        (attempt, purpose): (AttemptId, Purpose),
        (assignment, place): (&Assignment, &Place),
    ) -> Option<Attempted> {
        let path = scheduler.path(attempt.instance).as_str().to_owned();
        let mut wanted = None;
        match purpose {
            Purpose::Work => {
                let mut known = lock(&self.known);
                if let Some(trace) = known.get_mut(&path) {
                    // A step that runs again after it had settled does so because of something around it.
                    trace.is_fit &= trace.settled.take().is_none();
                    place.attempt.clone_into(&mut trace.attempt);
                } else {
                    let folder = assigner.folder.display().to_string();
                    let content = executor.content(assignment, place, &[&assigner.nonce, &folder]);
                    let key = content.and_then(|content| key(scheduler, &known, attempt.instance, &content));
                    let is_fit = key.is_some() && place.workspace == assigner.root;
                    wanted = key.clone().filter(|_| is_fit && self.reads);
                    let is_agent = matches!(assignment, Assignment::Agent { .. });
                    let attempt = place.attempt.clone();
                    known.insert(path.clone(), Trace { key, attempt, is_agent, is_fit, ..Trace::default() });
                }
            }
            Purpose::Fix => {}
            Purpose::Gate(_) | Purpose::Reconcile | Purpose::Override => return None,
        }
        Some(Attempted {
            path,
            purpose,
            wanted,
            is_command: matches!(assignment, Assignment::Run { .. }),
            workspace: place.workspace.clone(),
            memory: self.memory.clone(),
            traces: self.traces.clone(),
            known: Arc::clone(&self.known),
        })
    }

    /// A step has settled.
    pub(in crate::driver) fn settled(&self, scheduler: &Scheduler, instance: InstanceId) {
        if let Some(trace) = lock(&self.known).get_mut(scheduler.path(instance).as_str()) {
            trace.settled = Some(scheduler.view(instance).state);
        }
    }

    /// Remembers what this run has proven.
    pub(in crate::driver) fn keep(&self) {
        for trace in lock(&self.known).values().filter(|trace| trace.is_fit) {
            if let (Some(key), Some(envelope), Some(StepState::Succeeded)) =
                (&trace.key, &trace.envelope, trace.settled)
                && envelope.reused.is_none()
            {
                let known = Remembered::new(trace.attempt.clone(), envelope.clone(), trace.footprint.clone());
                if let Err(error) = self.memory.put(key, &known) {
                    tracing::warn!(%error, "a step cannot be remembered");
                }
            }
        }
        self.memory.trim();
    }
}

/// The key of a step: what it is told, where it stands, and all that it waits for. `None` where that is not known.
fn key(
    scheduler: &Scheduler,
    known: &BTreeMap<String, Trace>,
    instance: InstanceId,
    content: &Digest,
) -> Option<Digest> {
    let mut hasher = Hasher::default();
    let mut add = |part: &str| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    };
    add(&scheduler.plan().name);
    add(scheduler.path(instance).as_str());
    add(content.as_str());
    let mut at = Some(instance);
    while let Some(instance) = at {
        let step = scheduler.plan_step(instance).1;
        let path = scheduler.path(instance);
        let before = path.as_str().strip_suffix(step.id.as_str())?;
        let needs = step.needs.iter().map(|need| format!("{before}{}", scheduler.plan().step(need.step).id));
        for source in needs.chain(earlier_rounds(before)) {
            for (path, trace) in known.iter().filter(|(path, _)| is_within(path, &source)) {
                add(path);
                add(stamp(trace)?.as_str());
            }
        }
        at = scheduler.container(instance);
    }
    Some(hasher.finish())
}

/// For a step in a loop, the rounds before: `polish#1` for `polish#2/`.
fn earlier_rounds(before: &str) -> Vec<String> {
    let Some((name, round)) = before.trim_end_matches('/').rsplit_once('#') else { return Vec::new() };
    let round: u32 = round.parse().unwrap_or(0);
    (1..round).map(|round| format!("{name}#{round}")).collect()
}

/// Whether a path is that of a step or of something in it.
fn is_within(path: &str, step: &str) -> bool {
    path.strip_prefix(step).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[', '#']))
}

/// What others know a step's work by: its key and the files it left; for an agent also what it said.
fn stamp(trace: &Trace) -> Option<Digest> {
    let said = trace.envelope.as_ref().filter(|_| trace.is_agent).map(|envelope| {
        let Envelope { summary, output, text, .. } = envelope;
        format!("{summary}\0{output}\0{text}")
    });
    let files = serde_json::to_string(&trace.footprint.changed).ok()?;
    Some(Digest::of(format!("{}\0{}\0{files}", trace.key.as_ref()?, said.unwrap_or_default()).as_bytes()))
}

impl Attempted {
    /// Performs the attempt, or takes its outcome from memory.
    pub(in crate::driver) async fn perform(
        self,
        executor: Executor,
        assignment: Assignment,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        let this = Arc::new(self);
        if let Some(outcome) = this.remembered().await {
            return outcome;
        }
        let before = if this.is_command { this.all().await } else { None };
        let outcome = executor.perform(assignment, place, stop).await;
        let looker = Arc::clone(&this);
        let envelope = match &outcome {
            Outcome::Succeeded(envelope) => Some((**envelope).clone()),
            Outcome::Failed(_) | Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => None,
        };
        let after = tokio::task::spawn_blocking(move || looker.note(envelope, before));
        after.await.ok();
        outcome
    }

    /// The outcome of the same work, if everything is as it was left.
    async fn remembered(self: &Arc<Self>) -> Option<Outcome> {
        let key = self.wanted.clone()?;
        let this = Arc::clone(self);
        let look = move || {
            let remembered = this.memory.get(&key)?;
            this.traces.holds(&this.workspace, &remembered.footprint).then_some(remembered)
        };
        let remembered = tokio::task::spawn_blocking(look).await.ok().flatten()?;
        let envelope = reused(remembered.envelope, remembered.from);
        if let Some(trace) = lock(&self.known).get_mut(&self.path) {
            trace.envelope = Some(envelope.clone());
            trace.footprint = remembered.footprint;
        }
        Some(Outcome::Succeeded(Box::new(envelope)))
    }

    async fn all(self: &Arc<Self>) -> Option<crate::execute::States> {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || this.traces.all(&this.workspace)).await.ok().flatten()
    }

    /// Notes what the work has left, before anybody else can touch it.
    fn note(&self, envelope: Option<Envelope>, before: Option<crate::execute::States>) {
        let mut known = lock(&self.known);
        let Some(trace) = known.get_mut(&self.path) else { return };
        let footprint = match (&envelope, before) {
            (None, _) => None,
            (Some(_), Some(before)) => self.traces.all(&self.workspace).map(|after| Footprint::between(&before, after)),
            (Some(_), None) if self.is_command => None,
            (Some(envelope), None) => {
                // A later try, or the agent that mends, goes on with what the ones before it have left.
                let earlier = trace.footprint.changed.keys();
                let paths = envelope.files_changed.iter().chain(earlier);
                self.traces
                    .some(&self.workspace, paths)
                    .map(|changed| Footprint { changed, rest: trace.footprint.rest.clone() })
            }
        };
        trace.is_fit &= footprint.is_some() || envelope.is_none();
        trace.footprint = footprint.unwrap_or_default();
        if self.purpose == Purpose::Work {
            trace.envelope = envelope;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_steps_and_rounds() {
        for (path, step, expected) in [
            ("a", "a", true),
            ("a/b", "a", true),
            ("a[x]/b", "a", true),
            ("a#1/b", "a", true),
            ("ab", "a", false),
            ("b/a", "a", false),
        ] {
            assert_eq!(is_within(path, step), expected, "{path} {step}");
        }
        assert_eq!(earlier_rounds("x/polish#3/"), ["x/polish#1", "x/polish#2"]);
        assert!(earlier_rounds("x/polish#1/").is_empty() && earlier_rounds("x/").is_empty());
    }
}
