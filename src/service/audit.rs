//! The audit log as a person asks for it: verified, exported, shortened.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    time::Duration,
};

use crate::{
    base::Timestamp,
    guard::audit::{AuditKey, AuditLog, Head, Verified, verify},
    service::{guards, project::Project, refusal::Refusal, trust::TrustGate},
};

/// The version of the JSON form of a verification.
pub const AUDIT_VERSION: u16 = 1;
/// The longest line of a log that is read, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

fn places(project: &Project) -> Result<(PathBuf, PathBuf), Refusal> {
    let keys = project.environment().trust_folder().and_then(|folder| folder.parent().map(PathBuf::from));
    let help = "set HOME or XDG_STATE_HOME to a folder of yours";
    let keys = keys.ok_or_else(|| unusable("there is no folder for its key", help))?;
    Ok((project.root().join(".orch/state/audit"), keys))
}

fn unusable(why: &str, help: &str) -> Refusal {
    Refusal::new(31, "E0592", format!("the audit log cannot be used: {why}"), help)
}

/// Goes through the whole log; `kept` is a head that somebody has kept.
///
/// # Errors
/// When there is no log, or no key.
pub fn verify_audit(project: &Project, kept: Option<&Head>) -> Result<Verified, Refusal> {
    let (folder, keys) = places(project)?;
    let file = opened(&folder)?;
    let help = "its key is audit.key in ~/.local/state/orch; without it only somebody with another head can tell";
    let key = AuditKey::find(&keys).map_err(|error| unusable(&format!("its key: {error}"), help))?;
    Ok(verify(BufReader::with_capacity(1 << 20, file), Some(&key.public()), kept))
}

fn opened(folder: &std::path::Path) -> Result<File, Refusal> {
    let path = AuditLog::file(folder);
    File::open(&path)
        .map_err(|error| unusable(&format!("{}: {error}", path.display()), "the first run of a project begins one"))
}

/// Every line of the log from some time on, as it stands.
///
/// # Errors
/// When it cannot be read.
pub fn export_audit(
    project: &Project,
    since: Option<Duration>,
    mut told: impl FnMut(&str) -> std::io::Result<()>,
) -> Result<(), Refusal> {
    let (folder, _) = places(project)?;
    let mut log = BufReader::new(opened(&folder)?);
    let now = guards::now();
    let since =
        since.map(|since| Timestamp(now.0.saturating_sub(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))));
    let since = since.map(|since| since.to_string());
    let mut line = String::new();
    loop {
        line.clear();
        let read = std::io::Read::take(&mut log, LINE_BYTES_MAX).read_line(&mut line);
        let read =
            read.map_err(|error| unusable(&error.to_string(), "`orch audit verify` says where it is damaged"))?;
        if read == 0 {
            return Ok(());
        }
        let is_new = since.as_ref().is_none_or(|since| {
            serde_json::from_str::<serde_json::Value>(&line)
                .is_ok_and(|value| value["at"].as_str().is_some_and(|at| at >= since.as_str()))
        });
        if is_new {
            told(&line).map_err(|error| Refusal::new(1, "E0518", error.to_string(), "is there space for it?"))?;
        }
    }
}

/// Signs where the log stands, for somebody to keep elsewhere.
///
/// # Errors
/// When it cannot be written.
pub fn audit_head(project: &Project) -> Result<Head, Refusal> {
    let (folder, _) = places(project)?;
    opened(&folder)?;
    log(project)?.checkpoint().map_err(|error| unusable(&error.to_string(), "correct the log's permissions"))
}

/// Drops entries older than that; what is left can still be verified. How many there were.
///
/// # Errors
/// When the log cannot be written, or has been changed: then nothing of it may go.
pub fn prune_audit(project: &Project, keep: Duration) -> Result<u64, Refusal> {
    let found = verify_audit(project, None)?;
    if let Some(fault) = found.faults.first() {
        let help = "nothing was dropped; `orch audit verify` shows all faults";
        return Err(Refusal::new(
            31,
            "E0593",
            format!("the audit log was changed: line {}: {}", fault.line, fault.why),
            help,
        ));
    }
    let limit = guards::now().0.saturating_sub(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
    let help = "correct the log's permissions";
    log(project)?.prune(Timestamp(limit)).map_err(|error| unusable(&error.to_string(), help))
}

fn log(project: &Project) -> Result<std::sync::Arc<AuditLog>, Refusal> {
    let gate = TrustGate { guards: guards::Guards::of(project), ..TrustGate::default() };
    gate.guards.audit()?.ok_or_else(|| unusable("there is no folder for its key", "set HOME"))
}
