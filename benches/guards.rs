//! How long the risk classifier takes for one command, how fast an audit log is verified, and what it costs to take secrets
//! out of what commands print.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and may stop")]

use std::{fs, path::Path, time::Instant};

use orch::{
    base::Timestamp,
    definition::policy::Policy,
    guard::{
        Redactor,
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
    redact();
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

/// Bytes through the capture of a command's output, as a pipe gives them.
fn redact() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut text = Vec::new();
    let mut open = vec![folder];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if !path.to_string_lossy().contains("guard") {
                text.extend(fs::read(path).unwrap());
            }
        }
    }
    while text.len() < 64 << 20 {
        text.extend_from_within(..text.len().min((64 << 20) - text.len()));
    }
    let rate = |time: std::time::Duration| f64::from(u32::try_from(text.len() >> 20).unwrap()) / time.as_secs_f64();
    let mut kept = Vec::with_capacity(text.len() + 1024);
    let started = Instant::now();
    text.chunks(64 * 1024).for_each(|chunk| kept.extend_from_slice(std::hint::black_box(chunk)));
    let bare = started.elapsed();
    for count in [0, 10, 50] {
        let secret = |place: u32| {
            (format!("s{place}"), format!("npm+{:032x}", u128::from(place + 7) * 0x9e37_79b9_7f4a_7c15_f39c))
        };
        let redactor = Redactor::new((0..count).map(secret));
        let started = Instant::now();
        let mut stream = redactor.stream();
        let made = started.elapsed();
        kept.clear();
        let started = Instant::now();
        text.chunks(64 * 1024).for_each(|chunk| stream.push(chunk, |clean| kept.extend_from_slice(clean)));
        stream.finish(|clean| kept.extend_from_slice(clean));
        let time = started.elapsed();
        println!(
            "redact    {count} secrets: made in {} ms, {:.0} MB/s; copying alone {:.0} MB/s (bar: 300 MB/s)",
            made.as_millis(),
            rate(time),
            rate(bare)
        );
    }
}
