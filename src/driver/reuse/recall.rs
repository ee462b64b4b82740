//! Decides for each attempt of a run whether its work may be taken from the cache, and keeps what was done now.
//!
//! Two scopes, one mechanism. A step with `cache:` is found by all that it is told; its work is taken while the files
//! are those that it began with, and its own are put back. `orch dev` takes every agent and every command: such a step
//! is also found by the work before it, and its own files must be there as it left them.
//!
//! Kept is what succeeded with its gates, in the first round of a run: what was done again after a failed gate around
//! it is not.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    base::{Digest, Envelope, Timestamp, Verdict},
    driver::{
        assign::Assigner,
        evaluate::render,
        reuse::{
            attempted::Attempted,
            entry::{Entry, Kept},
            key::{Parts, derive, upstream},
            tiers::StepCache,
        },
    },
    execute::{Assignment, Executor, Footprint, Place, States, Traces},
    plan::PlanStep,
    scheduler::{AttemptEnd, AttemptId, InstanceId, Purpose, Scheduler, StepState},
};

/// The digest of all that an attempt is told, without texts that are others in every run.
pub(super) type Content<'a> = dyn Fn(&[&str]) -> Option<Digest> + 'a;

/// Whose work is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// That of steps with `cache:`.
    Declared,
    /// That of all agents and commands.
    All,
}

/// How the cache is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// By whom.
    pub scope: Scope,
    /// Whether anything may be taken. Without it, all is done and kept anew.
    pub reads: bool,
    /// How long work may be taken where its step does not say, in milliseconds.
    pub ttl_ms: u64,
}

/// By which rules the work of a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// The step says `cache:`. Its files are put back.
    Declared {
        /// Whether the project's other files count.
        sees_tree: bool,
        /// How long it may be taken, in milliseconds.
        ttl_ms: u64,
    },
    /// An agent in `orch dev`: only its own files count.
    Own,
    /// A command in `orch dev`, which may read anything: all files count.
    All,
    /// It is never taken.
    Never,
}

/// What is known of the work at one path in this run.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub key: Option<Digest>,
    pub rules: Rules,
    pub attempt: String,
    pub is_agent: bool,
    /// The files that its step declares, rendered.
    pub declared: Vec<String>,
    pub envelope: Option<Envelope>,
    pub footprint: Footprint,
    pub contents: BTreeMap<Digest, Vec<u8>>,
    /// All files as the work found them; let go when it is kept.
    pub before: Option<Arc<States>>,
    /// The same as what differs from the run's first look.
    pub then: Option<States>,
    /// What was taken for it, or kept of it.
    pub entry: Option<Arc<Entry>>,
    /// Settled, and how.
    pub settled: Option<StepState>,
    /// It may be kept.
    pub is_fit: bool,
    /// Nobody else worked when it began, the place of that in the line of all attempts, and its own since then.
    pub began: (bool, u64),
    pub own: u64,
}

impl Trace {
    fn new(key: Option<Digest>, rules: Rules, attempt: String) -> Self {
        Self {
            key,
            rules,
            attempt,
            is_agent: false,
            declared: Vec::new(),
            envelope: None,
            footprint: Footprint::default(),
            contents: BTreeMap::new(),
            before: None,
            then: None,
            entry: None,
            settled: None,
            is_fit: false,
            began: (false, 0),
            own: 0,
        }
    }

    /// What others know a step's work by: its key and the files it left; for an agent also what it said.
    pub fn stamp(&self) -> Option<Digest> {
        let said = self.envelope.as_ref().filter(|_| self.is_agent).map(|envelope| {
            let Envelope { summary, output, text, .. } = envelope;
            format!("{summary}\0{output}\0{text}")
        });
        let after: BTreeMap<_, _> =
            self.footprint.changed.iter().map(|(path, change)| (path, change.after.as_ref())).collect();
        let files = serde_json::to_string(&after).ok()?;
        Some(Digest::of(format!("{}\0{}\0{files}", self.key.as_ref()?, said.unwrap_or_default()).as_bytes()))
    }
}

impl Known {
    /// Whether nobody else has worked since the first attempt of a step began.
    pub fn was_alone(&self, trace: &Trace) -> bool {
        trace.began.0 && self.begun - trace.began.1 == trace.own - 1
    }
}

/// What all attempts of a run know of each other.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub traces: BTreeMap<String, Trace>,
    /// All files at the first look of the run; other looks are kept as what differs from it.
    pub base: Option<Arc<States>>,
    /// Attempts that work now.
    pub live: usize,
    /// Attempts that have begun.
    pub begun: u64,
}

pub(super) type Shared = Arc<Mutex<Known>>;

pub(super) fn lock(known: &Shared) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The step cache in front of the executor, for one run.
#[derive(Debug)]
pub struct Recall {
    pub(super) cache: StepCache,
    pub(super) traces: Traces,
    pub(super) reuse: Reuse,
    pub(super) known: Shared,
}

impl Recall {
    /// The cache as a run uses it.
    #[must_use]
    pub fn new(cache: StepCache, traces: Traces, reuse: Reuse) -> Self {
        Self { cache, traces, reuse, known: Shared::default() }
    }

    /// An attempt begins.
    pub(in crate::driver) fn begin(
        &self,
        scheduler: &Scheduler,
        (assigner, executor): (&Assigner, &Executor),
        (attempt, purpose): (AttemptId, Purpose),
        (assignment, place): (&Assignment, &Place),
        now: Timestamp,
    ) -> Attempted {
        let path = scheduler.path(attempt.instance).as_str().to_owned();
        let mut known = lock(&self.known);
        let mut wanted = None;
        let content = |cut: &[&str]| executor.content(assignment, place, cut);
        if purpose == Purpose::Work {
            let old = known.traces.get_mut(&path);
            let is_taken =
                old.as_ref().is_some_and(|trace| trace.envelope.as_ref().is_some_and(|e| e.reused.is_some()));
            match old {
                // What was taken has failed its gates, or this owner never saw how it ended.
                Some(trace) if is_taken => {
                    self.forget(trace);
                    let trace = self.trace(scheduler, &known, (assigner, &content), attempt, (assignment, place));
                    known.traces.insert(path.clone(), trace);
                }
                Some(trace) => {
                    if trace.settled.take().is_some() {
                        // A step that runs again after it had settled does so because of something around it.
                        trace.is_fit = false;
                        self.forget(trace);
                    }
                    place.attempt.clone_into(&mut trace.attempt);
                }
                None => {
                    let trace = self.trace(scheduler, &known, (assigner, &content), attempt, (assignment, place));
                    let looks = self.reuse.reads && trace.is_fit && !scheduler.must_work(attempt.instance);
                    wanted = trace.key.clone().filter(|_| looks);
                    known.traces.insert(path.clone(), trace);
                }
            }
        }
        let is_alone = known.live == 0;
        known.live += 1;
        known.begun += 1;
        let begun = known.begun;
        let mut rules = Rules::Never;
        if let Some(trace) = known.traces.get_mut(&path) {
            rules = trace.rules;
            if trace.own == 0 {
                trace.began = (is_alone, begun);
            }
            trace.own += 1;
        }
        Attempted {
            path,
            purpose,
            rules,
            wanted,
            now,
            workspace: place.workspace.clone(),
            cache: self.cache.clone(),
            traces: self.traces.clone(),
            known: Arc::clone(&self.known),
        }
    }

    pub(super) fn trace(
        &self,
        scheduler: &Scheduler,
        known: &Known,
        (assigner, content): (&Assigner, &Content<'_>),
        attempt: AttemptId,
        (assignment, place): (&Assignment, &Place),
    ) -> Trace {
        let instance = attempt.instance;
        let step = scheduler.plan_step(instance).1;
        let is_agent = matches!(assignment, Assignment::Agent { .. });
        let rules = self.rules(step, is_agent);
        let mut trace = Trace::new(None, rules, place.attempt.clone());
        trace.is_agent = is_agent;
        if rules == Rules::Never {
            return trace;
        }
        let text = |text: &crate::plan::Text| render(scheduler, &assigner.renderer, Some(instance), text);
        let said = match step.cache.as_ref().and_then(|cache| cache.key.as_ref()).map(text).transpose() {
            Ok(said) => said,
            Err(why) => {
                tracing::warn!(step = step.path, why, "the `key:` of a cached step cannot be rendered");
                return trace;
            }
        };
        // An attempt with a file that cannot be named ends before its work anyway.
        trace.declared = step.files.iter().filter_map(|file| text(file).ok()).collect();
        let folder = assigner.folder.display().to_string();
        let Some(content) = content(&[&assigner.nonce, &folder]) else { return trace };
        let is_declared = matches!(rules, Rules::Declared { .. });
        let before = if is_declared { Some(Vec::new()) } else { upstream(scheduler, &known.traces, instance) };
        trace.key = before.map(|before| {
            derive(&Parts {
                workflow: &scheduler.plan().name,
                path: scheduler.path(instance).as_str(),
                content: &content,
                said: said.as_deref(),
                before: &before,
                rules: if is_declared { "declared" } else { "dev" },
            })
        });
        trace.is_fit = trace.key.is_some() && place.workspace == assigner.root;
        trace
    }

    fn rules(&self, step: &PlanStep, is_agent: bool) -> Rules {
        match (&step.cache, self.reuse.scope) {
            (Some(cache), _) => {
                Rules::Declared { sees_tree: cache.key.is_none(), ttl_ms: cache.ttl_ms.unwrap_or(self.reuse.ttl_ms) }
            }
            (None, Scope::Declared) => Rules::Never,
            (None, Scope::All) if is_agent => Rules::Own,
            (None, Scope::All) => Rules::All,
        }
    }

    /// A step has settled.
    pub(in crate::driver) fn settled(&self, scheduler: &Scheduler, instance: InstanceId, now: Timestamp) {
        let mut known = lock(&self.known);
        let base = known.base.clone();
        let Some(trace) = known.traces.get_mut(scheduler.path(instance).as_str()) else { return };
        let view = scheduler.view(instance);
        trace.settled = Some(view.state);
        if let (Some(base), Some(before)) = (base, trace.before.take()) {
            trace.then = Some(what_differs(&base, &before));
        }
        let contents = std::mem::take(&mut trace.contents);
        let is_proven = view.state == StepState::Succeeded && has_passed(view.history);
        let Some(envelope) = trace.envelope.clone() else { return };
        if envelope.reused.is_some() {
            if !is_proven {
                self.forget(trace);
            }
            return;
        }
        if let (true, true, Some(key)) = (trace.is_fit, is_proven, &trace.key) {
            let from = (trace.attempt.clone(), now);
            let entry = Entry::new(key.clone(), from, (envelope, trace.footprint.clone()));
            trace.entry = Some(Arc::new(entry.clone()));
            self.cache.put(Kept { entry, contents });
        }
    }

    fn forget(&self, trace: &mut Trace) {
        if let Some(entry) = trace.entry.take() {
            self.cache.forget(&entry);
        }
    }

    /// The run has ended, or nobody drives it for now: what it did behind a step is no change to that step.
    pub(in crate::driver) fn keep(&self, workspace: &Path) {
        let mut known = lock(&self.known);
        let Some(base) = known.base.clone() else { return self.cache.trim() };
        let is_kept = |trace: &Trace| trace.entry.is_some() && trace.then.is_some();
        if known.traces.values().any(is_kept)
            && let Some(last) = self.traces.all(workspace)
        {
            for trace in known.traces.values_mut() {
                let (Some(entry), Some(then)) = (&trace.entry, &trace.then) else { continue };
                let mut entry = (**entry).clone();
                let old = entry.footprint.later.clone();
                entry.footprint.left_behind(&again(&base, then), &last);
                if entry.footprint.later != old {
                    self.cache.renew(&entry);
                }
            }
        }
        self.cache.trim();
    }
}

/// Whether the gates behind the last work have passed: a step may also succeed although they have not.
fn has_passed(history: &[crate::scheduler::AttemptRecord]) -> bool {
    let behind = history.iter().rev().take_while(|record| record.purpose != Purpose::Work);
    let mut ends = behind.map(|record| record.end);
    !ends.any(|end| matches!(end, AttemptEnd::Judged(Verdict::Fail | Verdict::Error)))
}

/// One look as what differs from another: `None` for a file that is not there any more.
fn what_differs(base: &States, look: &States) -> States {
    let gone = base.keys().filter(|path| !look.contains_key(*path)).map(|path| (path.clone(), None));
    let other = look.iter().filter(|(path, state)| base.get(*path) != Some(state));
    other.map(|(path, state)| (path.clone(), state.clone())).chain(gone).collect()
}

/// The look that differs so from the other.
fn again(base: &States, differs: &States) -> States {
    let mut look = base.clone();
    for (path, state) in differs {
        if state.is_some() {
            look.insert(path.clone(), state.clone());
        } else {
            look.remove(path);
        }
    }
    look
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::{FileKind, FileState};

    #[test]
    fn a_look_comes_back_from_what_differs() {
        let state = |text: &str| Some(FileState { kind: FileKind::File, content: Digest::of(text.as_bytes()) });
        let look = |files: &[(&str, &str)]| -> States {
            files.iter().map(|(path, text)| ((*path).to_owned(), state(text))).collect()
        };
        let base = look(&[("same", "1"), ("other", "1"), ("gone", "1")]);
        let now = look(&[("same", "1"), ("other", "2"), ("new", "1")]);
        let differs = what_differs(&base, &now);
        assert_eq!(differs.len(), 3);
        assert_eq!(again(&base, &differs), now);
    }
}
