//! What runs are given of the settings, of the machine and of the person who starts them. Knows no run.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    base::Prices,
    guard::Redactor,
    runtime::{Declared, Policy, Resilience},
    service::{
        cached::CacheSettings, danger::Danger, notices::Notices, runtimes::FoundRuntime, sandbox::SandboxWish,
        secrets::SecretValues, servers::ServerValues, traces::Traces, trust::TrustGate,
    },
};

/// What runs need to know of the settings.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Attempts at once.
    pub parallel: u32,
    /// The runtime of agents that name none, where somebody has named one.
    pub runtime: Option<String>,
    /// The program that would do it where nobody has.
    pub found: Option<FoundRuntime>,
    /// All runtimes but `replay`.
    pub runtimes: Vec<(String, Declared)>,
    /// The allow-listed environment of children.
    pub env: Vec<(OsString, OsString)>,
    /// Bytes of one stream that are kept.
    pub stream_bytes_max: u64,
    /// Free bytes on the store's disk below which nothing starts.
    pub disk_floor_bytes: u64,
    /// Who decides, for the record: the user's name.
    pub who: String,
    /// How often an owner looks for what other processes left.
    pub inbox: Duration,
    /// The longest silence of a run that is shown without a terminal.
    pub heartbeat: Duration,
    /// The program that keeper and renderer children are started from.
    pub program: PathBuf,
    /// What models cost.
    pub prices: Arc<Prices>,
    /// The workflows of the runs around this process, the outermost first: it may be part of a run itself.
    pub chain: Vec<String>,
    /// Takes out of recordings what nobody else may read.
    pub redactor: Arc<Redactor>,
    /// Which definitions may run their commands.
    pub trust: TrustGate,
    /// What a person has said about work without limits.
    pub danger: Danger,
    /// How far programs are confined.
    pub sandbox: SandboxWish,
    /// Where the values of secrets are.
    pub secrets: SecretValues,
    /// Takes out of everything that is kept what is a secret on this machine, whatever the run.
    pub machine: Redactor,
    /// Where the values of MCP servers' variables are.
    pub servers: ServerValues,
    /// How hard runtimes may be used.
    pub policy: Policy,
    /// What all runs of this process share of the runtimes.
    pub resilience: Arc<Resilience>,
    /// Where traces go.
    pub traces: Option<Arc<Traces>>,
    /// The trace that whoever starts a run is a part of, as the W3C writes it.
    pub trace_parent: Option<String>,
    /// Who is told what runs need.
    pub notices: Notices,
    /// How the step cache is used.
    pub cache: CacheSettings,
}
