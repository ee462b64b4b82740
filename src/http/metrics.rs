//! What the server counts, in the form of Prometheus.
//!
//! Invariant: no label holds a name that people or agents choose without bound; a run, a step or a task never is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{
    base::{RunId, Usage},
    driver::{RunEvent, What},
    http::app::App,
    scheduler::StepState,
    service::RunQuery,
};

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Runtime {
    runtime: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Error {
    runtime: String,
    kind: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Tokens {
    direction: &'static str,
}

/// Runtimes that have a label of their own; all others share one.
const RUNTIMES_MAX: usize = 20;

/// The counters of one server.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    runs: Family<Status, Counter>,
    tasks: Family<Status, Counter>,
    task_seconds: Histogram,
    failures: Family<Reason, Counter>,
    calls: Family<Runtime, Counter>,
    errors: Family<Error, Counter>,
    response: Family<Runtime, Histogram>,
    hits: Counter,
    misses: Counter,
    sessions: Gauge,
    steps_running: Gauge,
    retries: Family<Reason, Counter>,
    tokens: Family<Tokens, Counter>,
    cost: Counter<f64, AtomicU64>,
    waiting: Gauge,
    breakers: Family<Runtime, Gauge>,
    dropped: Counter,
    queued: Gauge,
    known: Mutex<BTreeSet<String>>,
    /// Attempts of agents that go on, with their runtimes.
    working: Mutex<BTreeMap<(RunId, String), String>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.05, 2.5, 12))
}

impl Metrics {
    /// All at nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut all = Inner {
            registry: Registry::default(),
            runs: Family::default(),
            tasks: Family::default(),
            task_seconds: seconds(),
            failures: Family::default(),
            calls: Family::default(),
            errors: Family::default(),
            response: Family::new_with_constructor(seconds),
            hits: Counter::default(),
            misses: Counter::default(),
            sessions: Gauge::default(),
            steps_running: Gauge::default(),
            retries: Family::default(),
            tokens: Family::default(),
            cost: Counter::default(),
            waiting: Gauge::default(),
            breakers: Family::default(),
            dropped: Counter::default(),
            queued: Gauge::default(),
            known: Mutex::default(),
            working: Mutex::default(),
        };
        all.register();
        Self(Arc::new(all))
    }

    /// Counts an event.
    pub fn count(&self, event: &RunEvent) {
        let all = &*self.0;
        match &event.what {
            What::AttemptStarted { runtime: Some(runtime), attempt, .. } => {
                all.working().insert((event.run.clone(), attempt.clone()), runtime.clone());
                all.calls.get_or_create(&Runtime { runtime: all.label(runtime) }).inc();
                all.sessions.inc();
            }
            What::AttemptFinished { attempt, end, duration_ms, purpose, .. } => {
                let Some(runtime) = all.working().remove(&(event.run.clone(), attempt.clone())) else { return };
                let runtime = all.label(&runtime);
                all.sessions.dec();
                let seconds = as_seconds(*duration_ms);
                all.response.get_or_create(&Runtime { runtime: runtime.clone() }).observe(seconds);
                if matches!(*end, "failed" | "lost" | "error") {
                    let kind = if purpose.starts_with("gate") { "judge" } else { end };
                    all.errors.get_or_create(&Error { runtime, kind }).inc();
                }
            }
            What::Retrying { .. } => drop(all.retries.get_or_create(&Reason { reason: "transient" }).inc()),
            What::Feedback { .. } => drop(all.retries.get_or_create(&Reason { reason: "gate" }).inc()),
            What::PushedBack { .. } => drop(all.retries.get_or_create(&Reason { reason: "person" }).inc()),
            What::StepSettled { container: false, state, duration_ms, .. } => {
                let status = state.word();
                all.tasks.get_or_create(&Status { status }).inc();
                all.task_seconds.observe(as_seconds(*duration_ms));
                if *state == StepState::Failed {
                    all.failures.get_or_create(&Reason { reason: "step" }).inc();
                }
            }
            What::Held { runtime, .. } => {
                all.breakers.get_or_create(&Runtime { runtime: all.label(runtime) }).set(1);
            }
            What::RunEnded { status, spent, cache, .. } => {
                all.runs.get_or_create(&Status { status }).inc();
                all.spent(&spent.usage);
                if let Some(cache) = cache {
                    all.hits.inc_by(cache.hits);
                    all.misses.inc_by(cache.misses);
                }
            }
            _ => {}
        }
    }

    /// A listener was too slow.
    pub(super) fn dropped(&self) {
        self.0.dropped.inc();
    }

    /// All of them as text.
    pub(super) fn text(&self, app: &App) -> String {
        let all = &*self.0;
        let live = RunQuery { live: true, ..RunQuery::default() };
        let mut waiting = 0;
        for place in app.places() {
            let runs = place.list(&live, 10_000).map(|page| page.runs).unwrap_or_default();
            waiting += runs.iter().filter(|run| run.waiting_for.is_some()).count();
        }
        let set = |gauge: &Gauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&all.waiting, waiting);
        set(&all.queued, app.workers().busy().queued);
        set(&all.steps_running, app.workers().busy().driving);
        let mut text = String::new();
        if encode(&mut text, &all.registry).is_err() {
            let _ = writeln!(text, "# the figures cannot be written");
        }
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of runs are far below 2^52")]
fn as_seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

impl Inner {
    fn working(&self) -> MutexGuard<'_, BTreeMap<(RunId, String), String>> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The label of a runtime: its name, as long as there are not too many.
    fn label(&self, runtime: &str) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(runtime) || known.len() < RUNTIMES_MAX {
            known.insert(runtime.to_owned());
            return runtime.to_owned();
        }
        "other".to_owned()
    }

    #[expect(clippy::cast_precision_loss, reason = "micro-dollars of a run are far below 2^52")]
    fn spent(&self, usage: &Usage) {
        for (direction, count) in [("in", usage.input_tokens), ("out", usage.output_tokens)] {
            self.tokens.get_or_create(&Tokens { direction }).inc_by(count);
        }
        self.cost.inc_by(usage.usd_micros as f64 / 1_000_000.0);
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("orch_runs", "Runs that have ended", self.runs.clone());
        registry.register("orchestrator_tasks", "Steps that have settled", self.tasks.clone());
        registry.register_with_unit(
            "orchestrator_task_duration",
            "From the first attempt of a step to its end",
            Unit::Seconds,
            self.task_seconds.clone(),
        );
        registry.register("orchestrator_task_failures", "Steps that have failed", self.failures.clone());
        registry.register("orchestrator_agent_calls", "Attempts of agents that have begun", self.calls.clone());
        registry.register("orchestrator_agent_errors", "Attempts of agents that have failed", self.errors.clone());
        registry.register_with_unit(
            "orchestrator_agent_response_time",
            "How long attempts of agents took",
            Unit::Seconds,
            self.response.clone(),
        );
        registry.register("orchestrator_cache_hits", "Steps that the cache has answered", self.hits.clone());
        registry.register("orchestrator_cache_misses", "Steps that it could not", self.misses.clone());
        registry.register("orchestrator_active_sessions", "Agents that work now", self.sessions.clone());
        registry.register("orch_runs_driving", "Runs that this server drives now", self.steps_running.clone());
        registry.register("orch_runs_queued", "Runs that wait in line", self.queued.clone());
        registry.register("orch_retries", "Attempts after a failure, by what they followed", self.retries.clone());
        registry.register("orch_agent_tokens", "Tokens of runs that have ended", self.tokens.clone());
        registry.register("orch_cost_usd", "Dollars of runs that have ended", self.cost.clone());
        registry.register("orch_approvals_pending", "Runs that wait for a person", self.waiting.clone());
        registry.register("orch_breaker_state", "1 where a runtime has been held", self.breakers.clone());
        registry.register("orch_sse_dropped", "Listeners that were too slow", self.dropped.clone());
    }
}
