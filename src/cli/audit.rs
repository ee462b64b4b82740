//! `orch audit`: is the log of what was done whole, and what stands in it.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    base::parse_duration,
    cli::{
        clean::one_line,
        exit::Exit,
        failure::Failure,
        session::Session,
        style::{BAD, GOOD, paint},
        values::text_of,
    },
    service::{AUDIT_VERSION, AuditHead, Refusal, audit_head, export_audit, prune_audit, verify_audit},
};

/// Arguments of `orch audit`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch audit verify\n  orch audit export --head > head.txt\n  orch audit verify --head head.txt\n  orch audit export --since 7d\n  orch audit prune --keep 90d"
)]
pub struct AuditArgs {
    /// What to do
    #[command(subcommand)]
    pub what: AuditVerb,
}

/// What to do with the log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditVerb {
    /// Look whether any entry was changed, moved, taken out or cut off
    Verify {
        /// A head that was kept elsewhere, as `export --head` prints it, or a file with it; without one a cut tail cannot
        /// be seen
        #[arg(long, value_name = "COUNT:HASH|FILE")]
        head: Option<String>,
    },
    /// Print the entries, one JSON object a line
    Export {
        /// Only the entries of this last time
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        since: Option<Duration>,
        /// Sign where the log stands, and print only that, to be kept elsewhere
        #[arg(long, conflicts_with = "since")]
        head: bool,
    },
    /// Drop old entries; what is left can still be verified
    Prune {
        /// How old entries may be
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        keep: Duration,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|_| "write a duration with its unit: 7d, 12h".to_owned())
}

/// The longest file with a head.
const HEAD_BYTES_MAX: u64 = 4096;

/// A head, or the one in a file.
fn head(session: &Session, given: &str) -> Result<AuditHead, Failure> {
    let file = session.environment.folder().join(given);
    let text = if given.contains(':') { given.to_owned() } else { text_of(&file, HEAD_BYTES_MAX).unwrap_or_default() };
    parsed(&text).ok_or_else(|| {
        let message = format!("`{}` is no head and no file with one", one_line(given));
        let help = "write it as `orch audit export --head` prints it: COUNT:HASH";
        Refusal::new(2, "E0520", message, help).into()
    })
}

fn parsed(text: &str) -> Option<AuditHead> {
    let (count, hash) = text.trim().split_once(':')?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let count = count.parse().ok().filter(|_| is_hash)?;
    Some(AuditHead { count, head: hash.to_lowercase() })
}

pub(super) fn run(session: &mut Session, args: &AuditArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    match &args.what {
        AuditVerb::Verify { head: given } => {
            let kept = given.as_ref().map(|given| head(session, given)).transpose()?;
            verify(session, &project, kept.as_ref())
        }
        AuditVerb::Export { head: true, .. } => {
            let head = audit_head(&project)?;
            if session.global.json {
                session.out.json(&json!({ "version": AUDIT_VERSION, "count": head.count, "head": head.head }))?;
            } else {
                session.out.data(&format!("{}:{}\n", head.count, head.head))?;
            }
            Ok(0)
        }
        AuditVerb::Export { since, head: false } => {
            export_audit(&project, *since, |line| {
                session.out.data(line).map_err(|_| std::io::Error::other("the output cannot be written"))
            })?;
            Ok(0)
        }
        AuditVerb::Prune { keep } => {
            let dropped = prune_audit(&project, *keep)?;
            session.out.talk(&format!("dropped {dropped} entries\n"));
            Ok(0)
        }
    }
}

fn verify(session: &mut Session, project: &crate::service::Project, kept: Option<&AuditHead>) -> Result<u8, Failure> {
    let found = verify_audit(project, kept)?;
    if session.global.json {
        let mut value = json!(found);
        value["version"] = json!(AUDIT_VERSION);
        session.out.json(&value)?;
    } else {
        let mut text = String::new();
        for fault in &found.faults {
            let place = if fault.line == 0 { "the whole log".to_owned() } else { format!("line {}", fault.line) };
            text.push_str(&format!("{place}: {}\n", one_line(&fault.why)));
        }
        let verdict = if found.is_good() { paint(GOOD, "PASS") } else { paint(BAD, "FAIL") };
        text.push_str(&format!(
            "{verdict} {} entries, {} of them signed, head {}:{}\n",
            found.head.count - found.dropped.min(found.head.count),
            found.signed.saturating_sub(found.dropped),
            found.head.count,
            found.head.head,
        ));
        session.out.data(&text)?;
    }
    Ok(if found.is_good() { 0 } else { Exit::Store.code() })
}
