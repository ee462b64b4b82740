//! The audit log as a person asks for it: verified, exported, shortened.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::Timestamp,
    guard::audit::{AuditKey, AuditLog, Head, Verified, verify},
    service::{guards, project::Project, refusal::Refusal, trust::TrustGate},
};

/// The version of the JSON form of a verification.
pub const AUDIT_VERSION: u16 = 1;
/// The longest line of a log that is read, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Where a project's log and its key are; so that it can be read without holding the project.
#[derive(Debug, Clone)]
pub struct AuditFolder {
    log: PathBuf,
    keys: PathBuf,
}

/// Which entries are wanted; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only by somebody whose name holds this.
    pub by: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only about something that holds this.
    pub about: Option<String>,
    /// Only of this run.
    pub run: Option<String>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only before the entry of this number.
    pub before: Option<u64>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditLine {
    /// Its number, from 1.
    pub n: u64,
    /// When, as the log says it.
    pub at: String,
    /// What happened: `attempt`, `decision`, `trust`.
    pub kind: String,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The rest.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub what: Value,
}

/// Some entries, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AuditPage {
    /// They.
    pub entries: Vec<AuditLine>,
    /// Where the next page begins: `before` of the next question.
    pub next: Option<u64>,
}

impl AuditFolder {
    /// That of a project.
    ///
    /// # Errors
    /// When there is no folder for its key.
    pub fn of(project: &Project) -> Result<Self, Refusal> {
        let (log, keys) = places(project)?;
        Ok(Self { log, keys })
    }

    /// Goes through the whole log; `kept` is a head that somebody has kept. Changes nothing.
    ///
    /// # Errors
    /// When there is no log, or no key.
    pub fn verify(&self, kept: Option<&Head>) -> Result<Verified, Refusal> {
        let file = opened(&self.log)?;
        let help = "its key is audit.key in ~/.local/state/orch; without it only somebody with another head can tell";
        let key = AuditKey::find(&self.keys).map_err(|error| unusable(&format!("its key: {error}"), help))?;
        Ok(verify(BufReader::with_capacity(1 << 20, file), Some(&key.public()), kept))
    }

    /// The latest `limit` entries that are wanted. A log that nobody has begun has none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entries(&self, wanted: &AuditQuery, limit: usize) -> Result<AuditPage, Refusal> {
        if !AuditLog::file(&self.log).exists() {
            return Ok(AuditPage::default());
        }
        let mut log = BufReader::with_capacity(1 << 18, opened(&self.log)?);
        let since = wanted.since.map(|since| since.to_string());
        let (mut found, mut more) = (std::collections::VecDeque::new(), false);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = std::io::Read::take(&mut log, LINE_BYTES_MAX).read_until(b'\n', &mut line);
            match read.map_err(|error| unusable(&error.to_string(), "`orch audit verify` says where it is damaged"))? {
                0 => break,
                // What is no entry is for the verification to tell.
                _ => found.extend(line_of(&line).filter(|entry| fits(entry, wanted, since.as_deref()))),
            }
            if found.len() > limit {
                found.pop_front();
                more = true;
            }
        }
        let next = found.front().map(|first: &AuditLine| first.n).filter(|_| more);
        Ok(AuditPage { entries: found.into_iter().rev().collect(), next })
    }
}

fn line_of(line: &[u8]) -> Option<AuditLine> {
    let mut value: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Some(AuditLine {
        n: value["n"].as_u64()?,
        at: text("at")?,
        kind: text("kind")?,
        run: text("run"),
        about: text("about"),
        by: text("by"),
        what: value["what"].take(),
    })
}

fn fits(entry: &AuditLine, wanted: &AuditQuery, since: Option<&str>) -> bool {
    let holds = |wanted: &Option<String>, text: &Option<String>| {
        let wanted = wanted.as_deref().unwrap_or_default().to_lowercase();
        wanted.is_empty() || text.as_deref().is_some_and(|text| text.to_lowercase().contains(&wanted))
    };
    wanted.before.is_none_or(|before| entry.n < before)
        && since.is_none_or(|since| entry.at.as_str() >= since)
        && wanted.kind.as_ref().is_none_or(|kind| kind.is_empty() || *kind == entry.kind)
        && wanted.run.as_ref().is_none_or(|run| run.is_empty() || entry.run.as_ref() == Some(run))
        && holds(&wanted.by, &entry.by)
        && holds(&wanted.about, &entry.about)
}

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
    AuditFolder::of(project)?.verify(kept)
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
            serde_json::from_str::<Value>(&line)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn log(entries: u64) -> (tempfile::TempDir, AuditFolder) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut text = String::new();
        for n in 1..=entries {
            let by = if n % 2 == 0 { "Ada" } else { "bob" };
            let line = json!({ "n": n, "at": format!("2026-11-{n:02}T00:00:00Z"), "kind": "decision", "by": by, "run": "abcd1234" });
            text.push_str(&format!("{line}\n"));
        }
        text.push_str("no entry\n");
        std::fs::write(AuditLog::file(folder.path()), text).expect("it can be written");
        let found = AuditFolder { log: folder.path().to_owned(), keys: folder.path().to_owned() };
        (folder, found)
    }

    #[test]
    fn pages_lose_and_repeat_nothing() {
        let (_folder, log) = log(9);
        let mut numbers = Vec::new();
        let mut query = AuditQuery { by: Some("ADA".to_owned()), ..AuditQuery::default() };
        loop {
            let page = log.entries(&query, 3).expect("it can be read");
            numbers.extend(page.entries.iter().map(|entry| entry.n));
            query.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(numbers, [8, 6, 4, 2]);
    }

    #[test]
    fn entries_are_found_by_run_and_time() {
        let (_folder, log) = log(9);
        let count = |query: AuditQuery| log.entries(&query, 100).expect("it can be read").entries.len();
        assert_eq!(count(AuditQuery { run: Some("abcd1234".to_owned()), ..AuditQuery::default() }), 9);
        assert_eq!(count(AuditQuery { run: Some("other000".to_owned()), ..AuditQuery::default() }), 0);
        assert_eq!(count(AuditQuery { kind: Some("trust".to_owned()), ..AuditQuery::default() }), 0);
        let since = Timestamp(1_794_000_000_000);
        let late = count(AuditQuery { since: Some(since), ..AuditQuery::default() });
        assert_eq!(late as u64, 9 - since.to_string()[8..10].parse::<u64>().expect("a day"), "{since}");
    }
}
