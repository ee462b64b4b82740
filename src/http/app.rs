//! What one server holds: its projects, who may ask, how often, what it counts.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    base::{RunId, Timestamp},
    config::Environment,
    http::{access::Access, metrics::Metrics, problem::Problem, spec::Checks},
    service::{
        Role, State, now,
        serve::{Place, Workers},
    },
};

/// Streams of events that are open at once.
const LISTENERS_MAX: usize = 200;
/// How long what a deep look has found is given again.
const LOOK_LIFE: Duration = Duration::from_secs(10);

/// What a server is told to do.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Requests a minute of one key.
    pub rate: u32,
    /// Requests a minute of all together.
    pub rate_all: u32,
    /// Requests a minute of one address that do not say who asks.
    pub failures: u32,
    /// Names under which it is asked, with their ports where they have one.
    pub hosts: Vec<String>,
    /// Whether the browser sees it by TLS.
    pub is_secure: bool,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// How tokens of somebody else's making are checked.
    pub jwt: Option<crate::http::access::JwtSettings>,
}

struct Inner {
    places: Vec<Arc<Place>>,
    workers: Arc<Workers>,
    access: Access,
    serving: Serving,
    metrics: Metrics,
    checks: Checks,
    environment: Environment,
    started: Instant,
    is_ready: AtomicBool,
    listeners: Arc<tokio::sync::Semaphore>,
    /// How each check stands, and since when.
    since: Mutex<BTreeMap<String, (State, Timestamp)>>,
    /// What the last deep look at everything has found, and when.
    looked: Mutex<Option<(Instant, Value)>>,
    /// Held by whoever looks.
    looking: Mutex<()>,
}

/// One server; a clone is the same server.
#[derive(Clone)]
pub struct App(Arc<Inner>);

impl App {
    /// A server of these projects.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub fn new(
        environment: Environment,
        serving: Serving,
        workers: Arc<Workers>,
        places: Vec<Arc<Place>>,
        metrics: Metrics,
    ) -> Result<Self, crate::service::Refusal> {
        let access = Access::new(&environment, &serving)?;
        Ok(Self(Arc::new(Inner {
            places,
            workers,
            access,
            serving,
            metrics,
            checks: Checks::new(),
            environment,
            started: Instant::now(),
            is_ready: AtomicBool::new(false),
            listeners: Arc::new(tokio::sync::Semaphore::new(LISTENERS_MAX)),
            since: Mutex::default(),
            looked: Mutex::default(),
            looking: Mutex::default(),
        })))
    }

    /// A link that begins one session of the dashboard, for somebody who is known.
    #[must_use]
    pub fn link(&self, who: &str, role: Role) -> Option<String> {
        let code = self.access().sessions.link(who, role)?;
        let scheme = if self.serving().is_secure { "https" } else { "http" };
        let host = self.serving().hosts.first().map_or("YOUR-HOST", String::as_str);
        Some(format!("{scheme}://{host}/login?once={code}"))
    }

    /// Its projects.
    #[must_use]
    pub fn places(&self) -> &[Arc<Place>] {
        &self.0.places
    }

    /// Those who drive its runs.
    #[must_use]
    pub fn workers(&self) -> &Arc<Workers> {
        &self.0.workers
    }

    pub(super) fn access(&self) -> &Access {
        &self.0.access
    }

    pub(super) fn serving(&self) -> &Serving {
        &self.0.serving
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn checks(&self) -> &Checks {
        &self.0.checks
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.0.environment
    }

    pub(super) fn uptime_s(&self) -> u64 {
        self.0.started.elapsed().as_secs()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.0.is_ready.load(Ordering::Relaxed)
    }

    /// Says whether it takes work.
    pub fn set_ready(&self, is_ready: bool) {
        self.0.is_ready.store(is_ready, Ordering::Relaxed);
    }

    /// What a deep look finds: a new one only where the last is old, as it asks programs. While somebody looks, the others
    /// are told what was found before.
    pub(super) fn looked(&self, look: impl FnOnce() -> Result<Value, Problem>) -> Result<Value, Problem> {
        let last = || self.0.looked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fresh =
            |last: Option<(Instant, Value)>| last.filter(|(at, _)| at.elapsed() < LOOK_LIFE).map(|(_, found)| found);
        if let Some(found) = fresh(last()) {
            return Ok(found);
        }
        let looking = self.0.looking.try_lock();
        let _looking = match (looking, last()) {
            (Ok(looking), _) => looking,
            (Err(TryLockError::WouldBlock), Some((_, found))) => return Ok(found),
            (Err(TryLockError::Poisoned(looking)), _) => looking.into_inner(),
            (Err(TryLockError::WouldBlock), None) => self.0.looking.lock().unwrap_or_else(PoisonError::into_inner),
        };
        // Whoever has waited finds what the other one has seen.
        if let Some(found) = fresh(last()) {
            return Ok(found);
        }
        let found = look()?;
        *self.0.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// Since when a check stands so. The names are those of the table and of the server's projects, so they are few.
    pub(super) fn since(&self, name: &str, state: State) -> Timestamp {
        let mut all = self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(name) {
            Some((before, since)) if *before == state => *since,
            _ => {
                let now = now();
                all.insert(name.to_owned(), (state, now));
                now
            }
        }
    }

    /// A place among the listeners.
    pub(super) fn listener(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0.listeners).try_acquire_owned().map_err(|_| {
            let message = format!("{LISTENERS_MAX} streams of events are open already");
            let mut problem =
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "E0619", message, "close some, or ask again later");
            problem.retry_after = Some(5);
            problem
        })
    }

    /// The project of that name; the only one where no name is given.
    pub(super) fn place(&self, name: Option<&str>) -> Result<&Arc<Place>, Problem> {
        let names = || self.places().iter().map(|place| place.name()).collect::<Vec<_>>().join(", ");
        match name {
            Some(name) => self.places().iter().find(|place| place.name() == name).ok_or_else(|| {
                Problem::missing(format!("there is no project `{name}`"), format!("there are: {}", names()))
            }),
            None => match self.places() {
                [place] => Ok(place),
                _ => Err(Problem::field(format!("`project` is missing; it is one of: {}", names()))),
            },
        }
    }

    /// The project that has that run.
    pub(super) fn place_of(&self, run: &RunId) -> Result<&Arc<Place>, Problem> {
        for place in self.places() {
            if place.has(run)? {
                return Ok(place);
            }
        }
        Err(Problem::missing(format!("there is no run {run}"), "GET /api/v1/runs lists the runs"))
    }
}
