//! How long the risk classifier takes for one command, and how fast an audit log is verified.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and may stop")]

use std::{fs, path::Path, time::Instant};

use orch::{
    base::Timestamp,
    definition::policy::Policy,
    guard::{
        audit::{AuditKey, AuditLog, Entry},
        risk::{RiskContext, assess_shell},
    },
};
use serde_json::json;

/// Entries of the log.
const ENTRIES: u32 = 200_000;

fn main() {
    classify();
    audit();
}

fn classify() {
    let context =
        RiskContext::new("/home/me/project", "/home/me", "/home/me/.local/state/orch", Policy::default()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/risk");
    let mut commands = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        commands.extend(text.lines().map(|line| line.replace('⏎', "\n")));
    }
    let mut times: Vec<u128> = Vec::new();
    for _ in 0..20 {
        for command in &commands {
            let started = Instant::now();
            std::hint::black_box(assess_shell(command, &context));
            times.push(started.elapsed().as_nanos());
        }
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000] / 1000;
    println!(
        "risk      {} commands: p50 {} µs, p99 {} µs, most {} µs (bar: p99 1000 µs)",
        commands.len(),
        at(500),
        at(990),
        at(1000)
    );
}

fn audit() {
    let folder = tempfile::tempdir().unwrap();
    let key = AuditKey::open(folder.path()).unwrap();
    let log = AuditLog::open(&folder.path().join("audit"), key, || Timestamp(1_700_000_000_000)).unwrap();
    let started = Instant::now();
    for number in 0..ENTRIES {
        let what = json!({ "start": "command", "argv": format!("{number:064x}") });
        log.append(&Entry {
            kind: "attempt",
            run: Some("7f3k2".into()),
            about: Some(format!("{number}-1")),
            by: None,
            what,
        })
        .unwrap();
    }
    let wrote = started.elapsed();
    let head = log.checkpoint().unwrap();
    let started = Instant::now();
    let found = log.verify(Some(&head)).unwrap();
    let read = started.elapsed();
    assert!(found.is_good());
    let each = |time: std::time::Duration| f64::from(ENTRIES) / time.as_secs_f64();
    println!("audit     append {:.0} entries/s, verify {:.0} entries/s (bar: 200000)", each(wrote), each(read));
}
