//! One attempt behind the cache: its work is taken, or done and looked at.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    base::{Digest, Envelope, Outcome, Timestamp},
    driver::reuse::{
        entry::Kept,
        recall::{Rules, Shared, Trace, lock},
        tally,
        tiers::StepCache,
    },
    execute::{
        Assignment, Executor, FileKind, Fit, Footprint, Place, States, Traces, Wanted, process::StopToken, put_back,
        reused,
    },
    scheduler::Purpose,
};

/// Bytes of all files that one step may leave to be kept.
const CONTENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// An attempt whose work may be known, or is to be kept.
pub(in crate::driver) struct Attempted {
    pub(super) path: String,
    pub(super) purpose: Purpose,
    pub(super) rules: Rules,
    /// What to look for.
    pub(super) wanted: Option<Digest>,
    /// When it began.
    pub(super) now: Timestamp,
    pub(super) workspace: PathBuf,
    pub(super) cache: StepCache,
    pub(super) traces: Traces,
    pub(super) known: Shared,
}

impl Drop for Attempted {
    fn drop(&mut self) {
        lock(&self.known).live -= 1;
    }
}

impl Attempted {
    /// Performs the attempt, or takes its outcome from the cache.
    pub(in crate::driver) async fn perform(
        self,
        executor: Executor,
        assignment: Assignment,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        let this = Arc::new(self);
        if this.rules == Rules::Never || !matches!(this.purpose, Purpose::Work | Purpose::Fix) {
            return executor.perform(assignment, place, stop).await;
        }
        if stop.reason().is_none()
            && let Some(outcome) = this.taken(&place.attempt).await
        {
            return outcome;
        }
        let looker = Arc::clone(&this);
        tokio::task::spawn_blocking(move || looker.look()).await.ok();
        let outcome = executor.perform(assignment, place, stop).await;
        let envelope = match &outcome {
            Outcome::Succeeded(envelope) => Some((**envelope).clone()),
            Outcome::Failed(_) | Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => None,
        };
        let looker = Arc::clone(&this);
        tokio::task::spawn_blocking(move || looker.note(envelope)).await.ok();
        outcome
    }

    /// The outcome of the same work, where it is known and the files allow it; its files are put back.
    async fn taken(self: &Arc<Self>, attempt: &str) -> Option<Outcome> {
        let key = self.wanted.clone()?;
        let (this, attempt) = (Arc::clone(self), attempt.to_owned());
        let look = move || this.cache.find(&key).into_iter().find_map(|kept| this.take(&kept, &attempt));
        let envelope = tokio::task::spawn_blocking(look).await.ok().flatten();
        tally::count(envelope.is_some());
        Some(Outcome::Succeeded(Box::new(envelope?)))
    }

    fn take(&self, kept: &Arc<Kept>, attempt: &str) -> Option<Envelope> {
        let entry = &kept.entry;
        if !entry.is_fresh(self.now, self.rules) {
            self.cache.forget(entry);
            return None;
        }
        let Fit { missing, rest } = self.traces.fits(&self.workspace, &entry.footprint)?;
        let wanted: Vec<Wanted> = missing.iter().map(|path| self.wanted_file(kept, path)).collect::<Option<_>>()?;
        put_back(&self.workspace, &self.cache.aside(attempt), &wanted)
            .inspect_err(|why| tracing::warn!(step = self.path, why, "the files of earlier work cannot be put back"))
            .ok()?;
        self.cache.touch(entry);
        let envelope = reused(entry.envelope.clone(), entry.from.clone());
        let mut known = lock(&self.known);
        if matches!(self.rules, Rules::Declared { .. }) {
            let mut then = rest;
            let before = entry.footprint.changed.iter().map(|(path, change)| (path, change.before.clone()));
            then.extend(before.filter(|(_, state)| state.is_some()).map(|(path, state)| (path.clone(), state)));
            let then = Arc::new(then);
            known.base.get_or_insert_with(|| Arc::clone(&then));
            self.on_trace(&mut known.traces, |trace| trace.before = Some(then));
        }
        self.on_trace(&mut known.traces, |trace| {
            trace.envelope = Some(envelope.clone());
            trace.footprint = entry.footprint.clone();
            trace.entry = Some(Arc::new(entry.clone()));
        });
        Some(envelope)
    }

    /// A file as the work left it.
    fn wanted_file(&self, kept: &Kept, path: &str) -> Option<Wanted> {
        let after = &kept.entry.footprint.changed.get(path)?.after;
        let Some(state) = after else { return Some((path.to_owned(), None)) };
        let bytes = self.cache.content(kept, &state.content)?;
        Some((path.to_owned(), Some((state.kind, bytes))))
    }

    fn on_trace(&self, traces: &mut BTreeMap<String, Trace>, change: impl FnOnce(&mut Trace)) {
        if let Some(trace) = traces.get_mut(&self.path) {
            change(trace);
        }
    }

    /// Looks at the workspace before the first of the step's attempts works.
    fn look(&self) {
        let is_known = lock(&self.known).traces.get(&self.path).is_none_or(|trace| trace.before.is_some());
        if self.rules == Rules::Own || is_known {
            return;
        }
        let before = self.traces.all(&self.workspace).map(Arc::new);
        if before.is_none() {
            tracing::warn!(step = self.path, "the files are too many or cannot be read, so the step is not cached");
        }
        let mut known = lock(&self.known);
        if let Some(before) = &before {
            known.base.get_or_insert_with(|| Arc::clone(before));
        }
        self.on_trace(&mut known.traces, |trace| {
            trace.is_fit &= before.is_some();
            trace.before = before;
        });
    }

    /// Notes what the work has left, before anybody else can touch it.
    fn note(&self, envelope: Option<Envelope>) {
        let (before, declared, earlier) = {
            let known = lock(&self.known);
            let Some(trace) = known.traces.get(&self.path) else { return };
            (trace.before.clone(), trace.declared.clone(), trace.footprint.clone())
        };
        let noted = match (&envelope, self.rules) {
            (None, _) | (_, Rules::Never) => None,
            (Some(envelope), Rules::Own) => {
                // A later try, or the agent that mends, goes on with what the ones before it have left.
                let paths = envelope.files_changed.iter().chain(earlier.changed.keys());
                self.traces.some(&self.workspace, paths).map(|states| (Footprint::left(states), BTreeMap::new()))
            }
            (Some(_), Rules::All) => self.between(before.as_deref(), None).map(|all| (all.as_left(), BTreeMap::new())),
            (Some(_), Rules::Declared { sees_tree, .. }) => self.whole(before.as_deref(), &declared, sees_tree),
        };
        let mut known = lock(&self.known);
        self.on_trace(&mut known.traces, |trace| {
            trace.is_fit &= noted.is_some() || envelope.is_none();
            (trace.footprint, trace.contents) = noted.unwrap_or_default();
            if self.purpose == Purpose::Work {
                trace.envelope = envelope;
            }
        });
    }

    fn between(&self, before: Option<&States>, declared: Option<&[String]>) -> Option<Footprint> {
        let after = self.traces.all(&self.workspace)?;
        Footprint::between(before?, &after, declared).ok()
    }

    /// What the work has done to the files, with what it takes to do it again.
    fn whole(
        &self,
        before: Option<&States>,
        declared: &[String],
        sees_tree: bool,
    ) -> Option<(Footprint, BTreeMap<Digest, Vec<u8>>)> {
        let is_alone = {
            let known = lock(&self.known);
            known.was_alone(known.traces.get(&self.path)?)
        };
        if !is_alone && declared.is_empty() {
            let why = "other steps worked in the same folder at the same time; `files:` says which are its own";
            tracing::warn!(step = self.path, why, "the work of a step is not cached");
            return None;
        }
        // What a step declares is all that it may leave: another hand may have worked beside it.
        let mut footprint = self.between(before, (!declared.is_empty()).then_some(declared))?;
        if !sees_tree {
            footprint.rest = None;
        }
        let mut contents = BTreeMap::new();
        let mut bytes_left = CONTENT_BYTES_MAX;
        for (path, state) in footprint.contents() {
            let place = self.workspace.join(path);
            let bytes = match state.kind {
                FileKind::Special => return None,
                FileKind::Link => {
                    let target = std::fs::read_link(&place).ok()?;
                    target.into_os_string().into_encoded_bytes()
                }
                FileKind::File | FileKind::Program => {
                    let size = std::fs::symlink_metadata(&place).ok()?.len();
                    bytes_left = bytes_left.checked_sub(size).or_else(|| {
                        tracing::warn!(step = self.path, "the files of a step are too large to be cached");
                        None
                    })?;
                    std::fs::read(&place).ok()?
                }
            };
            // What has changed since the look is not what the work left.
            (Digest::of(&bytes) == state.content).then_some(())?;
            contents.insert(state.content.clone(), bytes);
        }
        Some((footprint, contents))
    }
}
