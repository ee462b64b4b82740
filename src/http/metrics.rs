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
    base::{RunId, Timestamp, Usage},
    driver::{RunEvent, What},
    http::{
        app::App,
        system_figures::{System, plain},
    },
    scheduler::StepState,
    service::{
        RunQuery, now,
        serve::{Counted, MachineFigures, leaked_processes, take_commit_times},
    },
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
    runtime: String,
    direction: &'static str,
}

/// What is counted, for dashboards and alerts: each name, its kind, and its labels.
pub const FIGURES: &[(&str, &str, &[&str])] = &[
    ("orchestrator_tasks_total", "counter", &["status"]),
    ("orchestrator_task_duration_seconds", "histogram", &[]),
    ("orchestrator_task_failures_total", "counter", &["reason"]),
    ("orchestrator_agent_calls_total", "counter", &["runtime"]),
    ("orchestrator_agent_errors_total", "counter", &["runtime", "kind"]),
    ("orchestrator_agent_response_time_seconds", "histogram", &["runtime"]),
    ("orchestrator_cache_hits_total", "counter", &[]),
    ("orchestrator_cache_misses_total", "counter", &[]),
    ("orchestrator_active_sessions", "gauge", &[]),
    ("orch_runs_total", "counter", &["status"]),
    ("orch_step_duration_seconds", "histogram", &[]),
    ("orch_steps_running", "gauge", &[]),
    ("orch_queue_wait_seconds", "histogram", &[]),
    ("orch_retries_total", "counter", &["reason"]),
    ("orch_agent_tokens_total", "counter", &["runtime", "direction"]),
    ("orch_cost_usd_total", "counter", &["runtime"]),
    ("orch_approvals_pending", "gauge", &[]),
    ("orch_breaker_state", "gauge", &["runtime"]),
    ("orch_journal_fsync_seconds", "histogram", &[]),
    ("orch_leaked_processes_total", "counter", &[]),
    ("orch_sse_dropped_total", "counter", &[]),
    ("orch_disk_free_bytes", "gauge", &[]),
    ("orch_disk_bytes", "gauge", &[]),
    ("orch_runs_driving", "gauge", &[]),
    ("orch_runs_queued", "gauge", &[]),
    ("orch_machine_cpu_ratio", "gauge", &[]),
    ("orch_machine_load", "gauge", &[]),
    ("orch_machine_cores", "gauge", &[]),
    ("orch_machine_memory_bytes", "gauge", &[]),
    ("orch_machine_memory_free_bytes", "gauge", &[]),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
];

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
    cost: Family<Runtime, Counter<f64, AtomicU64>>,
    step_seconds: Histogram,
    queue_wait: Histogram,
    fsync: Histogram,
    leaked: Counter,
    disk_free: Gauge,
    system: System,
    waiting: Gauge,
    breakers: Family<Runtime, Gauge>,
    dropped: Counter,
    known: Mutex<BTreeSet<String>>,
    /// Until when runtimes take nothing.
    held: Mutex<BTreeMap<String, Timestamp>>,
    /// Attempts that go on and have begun under this server; those of agents with their runtimes.
    working: Mutex<BTreeMap<(RunId, String), Option<String>>>,
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
            cost: Family::default(),
            step_seconds: seconds(),
            queue_wait: seconds(),
            fsync: Histogram::new(exponential_buckets(0.0001, 4.0, 9)),
            leaked: Counter::default(),
            disk_free: Gauge::default(),
            system: System::default(),
            waiting: Gauge::default(),
            breakers: Family::default(),
            dropped: Counter::default(),
            known: Mutex::default(),
            held: Mutex::default(),
            working: Mutex::default(),
        };
        all.register();
        Self(Arc::new(all))
    }

    /// Counts what has happened.
    pub fn count(&self, counted: Counted<'_>) {
        match counted {
            Counted::Event(event) => self.0.count(event),
            Counted::Spent { runtime, usage } => self.0.spent(runtime, &usage),
        }
    }

    /// A listener was too slow.
    pub(super) fn dropped(&self) {
        self.0.dropped.inc();
    }

    /// What the machine and this process use now.
    pub(super) fn machine(&self, app: &App) -> MachineFigures {
        self.0.system.look(app.places().first().map_or(std::path::Path::new("/"), |place| place.root()))
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
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        // Counted from what is there: an attempt that began before this server was never added.
        let (working, agents) = all.at_work();
        set(&all.steps_running, working);
        set(&all.sessions, agents);
        set(&all.waiting, waiting as u64);
        set(&all.disk_free, app.places().iter().filter_map(|place| place.disk_free()).min().unwrap_or_default());
        app.workers().take_waits().iter().for_each(|wait| all.queue_wait.observe(wait.as_secs_f64()));
        take_commit_times().iter().for_each(|took| all.fsync.observe(took.as_secs_f64()));
        all.leaked.inc_by(leaked_processes().saturating_sub(all.leaked.get()));
        all.hold();
        let busy = app.workers().busy();
        set(&all.system.driving, busy.driving as u64);
        set(&all.system.queued, busy.queued as u64);
        self.machine(app);
        all.written()
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of runs are far below 2^52")]
fn as_seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

impl Inner {
    /// All of it in the text form that Prometheus reads without being asked for another.
    fn written(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# the figures cannot be written");
        }
        plain(&text)
    }

    fn count(&self, event: &RunEvent) {
        match &event.what {
            What::AttemptStarted { runtime, attempt, .. } => {
                self.working().insert((event.run.clone(), attempt.clone()), runtime.clone());
                let Some(runtime) = runtime else { return };
                self.calls.get_or_create(&Runtime { runtime: self.label(runtime) }).inc();
            }
            What::AttemptFinished { attempt, end, duration_ms, purpose, .. } => {
                self.finished((event.run.clone(), attempt.clone()), end, *duration_ms, purpose);
            }
            What::Held { runtime, until, .. } => drop(self.held().insert(self.label(runtime), *until)),
            What::Retrying { .. } => self.again("transient"),
            What::Feedback { .. } => self.again("gate"),
            What::PushedBack { .. } => self.again("person"),
            What::StepSettled { container: false, state, duration_ms, .. } => {
                self.tasks.get_or_create(&Status { status: state.word() }).inc();
                self.task_seconds.observe(as_seconds(*duration_ms));
                if *state == StepState::Failed {
                    self.failures.get_or_create(&Reason { reason: "step" }).inc();
                }
            }
            What::RunEnded { status, cache, .. } => {
                // What a killed process had begun has no end of its own.
                self.working().retain(|(run, _), _| *run != event.run);
                self.runs.get_or_create(&Status { status }).inc();
                if let Some(cache) = cache {
                    self.hits.inc_by(cache.hits);
                    self.misses.inc_by(cache.misses);
                }
            }
            _ => {}
        }
    }

    fn finished(&self, attempt: (RunId, String), end: &'static str, duration_ms: u64, purpose: &str) {
        let seconds = as_seconds(duration_ms);
        self.step_seconds.observe(seconds);
        let Some(runtime) = self.working().remove(&attempt).flatten() else { return };
        let runtime = self.label(&runtime);
        self.response.get_or_create(&Runtime { runtime: runtime.clone() }).observe(seconds);
        if matches!(end, "failed" | "lost" | "error") {
            let kind = if purpose.starts_with("gate") { "judge" } else { end };
            self.errors.get_or_create(&Error { runtime, kind }).inc();
        }
    }

    /// Says which runtimes take nothing now: those that were held and whose time has not come.
    fn hold(&self) {
        let now = now();
        for (runtime, until) in &*self.held() {
            self.breakers.get_or_create(&Runtime { runtime: runtime.clone() }).set(i64::from(*until > now));
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn again(&self, reason: &'static str) {
        self.retries.get_or_create(&Reason { reason }).inc();
    }

    /// Attempts that go on, and how many of them are of agents.
    fn at_work(&self) -> (u64, u64) {
        let working = self.working();
        (working.len() as u64, working.values().flatten().count() as u64)
    }

    fn working(&self) -> MutexGuard<'_, BTreeMap<(RunId, String), Option<String>>> {
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
    fn spent(&self, runtime: &str, usage: &Usage) {
        let runtime = self.label(runtime);
        for (direction, count) in [("in", usage.input_tokens), ("out", usage.output_tokens)] {
            self.tokens.get_or_create(&Tokens { runtime: runtime.clone(), direction }).inc_by(count);
        }
        self.cost.get_or_create(&Runtime { runtime }).inc_by(usage.usd_micros as f64 / 1_000_000.0);
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
        registry.register("orch_steps_running", "Attempts that go on", self.steps_running.clone());
        registry.register_with_unit(
            "orch_step_duration",
            "How long attempts took",
            Unit::Seconds,
            self.step_seconds.clone(),
        );
        registry.register_with_unit(
            "orch_queue_wait",
            "How long runs waited in line",
            Unit::Seconds,
            self.queue_wait.clone(),
        );
        registry.register_with_unit(
            "orch_journal_fsync",
            "How long commits of the journal took",
            Unit::Seconds,
            self.fsync.clone(),
        );
        registry.register("orch_leaked_processes", "Processes that commands left behind", self.leaked.clone());
        registry.register_with_unit(
            "orch_disk_free",
            "Free bytes of the store's disk",
            Unit::Bytes,
            self.disk_free.clone(),
        );
        self.system.register(registry);
        registry.register("orch_retries", "Attempts after a failure, by what they followed", self.retries.clone());
        registry.register("orch_agent_tokens", "Tokens of runs that have ended", self.tokens.clone());
        registry.register("orch_cost_usd", "Dollars of runs that have ended", self.cost.clone());
        registry.register("orch_approvals_pending", "Runs that wait for a person", self.waiting.clone());
        registry.register("orch_breaker_state", "1 where a runtime has been held", self.breakers.clone());
        registry.register("orch_sse_dropped", "Listeners that were too slow", self.dropped.clone());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_counted_is_counted() {
        let metrics = Metrics::new();
        // A family is not written before it has a member.
        metrics.0.again("gate");
        metrics.0.spent("sh", &Usage::default());
        let (status, runtime) = (Status { status: "x" }, Runtime { runtime: "sh".to_owned() });
        metrics.0.runs.get_or_create(&status).inc();
        metrics.0.tasks.get_or_create(&status).inc();
        metrics.0.failures.get_or_create(&Reason { reason: "x" }).inc();
        metrics.0.calls.get_or_create(&runtime).inc();
        metrics.0.errors.get_or_create(&Error { runtime: "sh".to_owned(), kind: "x" }).inc();
        metrics.0.response.get_or_create(&runtime).observe(1.0);
        metrics.0.breakers.get_or_create(&runtime).set(1);
        let text = metrics.0.written();
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let mut counted: Vec<_> = kinds.map(|(name, kind)| format!("{name} {kind}")).collect();
        let mut said: Vec<_> = FIGURES.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
        counted.sort();
        said.sort();
        assert_eq!(counted, said);
    }

    /// Names that people, agents and repositories might choose.
    fn hostile(number: usize) -> String {
        format!("n{number}\"}}\n# TYPE evil counter\nevil{{a=\"b\u{1b}[2J\\é{}", "x".repeat(number % 300))
    }

    fn feed(metrics: &Metrics, number: usize) {
        let name = hostile(number);
        let run = RunId::of_text(&name);
        let tell = |what: What| {
            let event = RunEvent { v: 1, at: Timestamp(1), run: run.clone(), what };
            metrics.count(Counted::Event(&event));
        };
        let (step, attempt) = (name.clone(), format!("{number}-1"));
        tell(What::RunStarted { workflow: name.clone(), steps: 3, resumed: false });
        let runtime = Some(name.clone());
        let (purpose, danger) = (name.clone(), None);
        tell(What::AttemptStarted { step: step.clone(), attempt: attempt.clone(), purpose, runtime, danger });
        let end = ["succeeded", "failed", "lost", "error", "pass", "fail", "stopped"][number % 7];
        let (purpose, reason) = (format!("gate 1: {name}"), name.clone());
        tell(What::AttemptFinished { step: step.clone(), attempt, purpose, end, reason, duration_ms: 5 });
        tell(What::Retrying { step: step.clone(), delay_ms: 1, reason: name.clone() });
        tell(What::Held { runtime: name.clone(), until: Timestamp(u64::MAX), reason: name.clone() });
        let state = if number.is_multiple_of(2) { StepState::Failed } else { StepState::Succeeded };
        tell(What::StepSettled {
            step,
            container: false,
            state,
            reason: name.clone(),
            summary: name.clone(),
            duration_ms: 7,
            attempts: 1,
            tokens: 5,
            reused: None,
            saved: Usage::default(),
        });
        metrics.count(Counted::Spent { runtime: &name, usage: Usage { input_tokens: 1, ..Usage::default() } });
    }

    #[test]
    fn ten_thousand_runs_with_hostile_names_make_few_series() {
        let metrics = Metrics::new();
        (0..10_000).for_each(|number| feed(&metrics, number));
        metrics.0.hold();
        let text = metrics.0.written();
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(series > 200 && series <= 2_000, "{series}");
        let known: BTreeSet<_> = FIGURES.iter().map(|(name, ..)| *name).collect();
        for line in text.lines() {
            let name = line.split([' ', '{']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(name == "#" || known.contains(base), "{line}");
        }
        // Each run had one attempt, and each is over.
        assert!(text.contains("orch_step_duration_seconds_count 10000"), "{text}");
        assert!(text.contains("orch_steps_running 0"), "{text}");
    }

    #[test]
    fn runtimes_have_a_bounded_number_of_labels() {
        let metrics = Metrics::new();
        let labels: BTreeSet<_> = (0..1_000).map(|number| metrics.0.label(&format!("runtime{number}"))).collect();
        assert_eq!(labels.len(), RUNTIMES_MAX + 1);
    }
}
