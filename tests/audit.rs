//! The audit log: whatever is done to it, one head that was kept elsewhere shows it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{fs, path::Path, time::Duration};

use orch::{
    base::Timestamp,
    guard::audit::{AuditKey, AuditLog, Entry, Head, verify},
};
use serde_json::json;
use support::Project;

fn clock() -> Timestamp {
    Timestamp(1_700_000_000_000)
}

fn entry(number: u64) -> Entry {
    let what = json!({ "argv": format!("{number:064x}"), "text": "a \"checkpoint\" in a text" });
    Entry { kind: "attempt", run: Some("7f3k2".to_owned()), about: Some(format!("{number}-1")), by: None, what }
}

fn log(folder: &Path, count: u64) -> (AuditLog, Head) {
    let key = AuditKey::open(&folder.join("keys")).unwrap();
    let log = AuditLog::open(&folder.join("audit"), key, clock).unwrap();
    for number in 0..count {
        log.append(&entry(number)).unwrap();
    }
    let head = log.checkpoint().unwrap();
    (log, head)
}

fn public(folder: &Path) -> String {
    AuditKey::find(&folder.join("keys")).unwrap().public()
}

struct Chance(u64);

impl Chance {
    fn next(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }
}

/// Makes every hash anew, as somebody would who knows the form and has no key.
fn restamped(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut before = "0".repeat(64);
    let seal = b",\"hash\":\"";
    lines
        .iter()
        .map(|line| {
            let at = line.windows(seal.len()).rposition(|part| part == seal).unwrap_or(line.len());
            let mut bytes = before.clone().into_bytes();
            bytes.extend(&line[..at]);
            before = orch::base::Digest::of(&bytes).as_str().to_owned();
            [&line[..at], seal, before.as_bytes(), b"\"}"].concat()
        })
        .collect()
}

/// One change; what it did, for the message.
fn tampered(lines: &[Vec<u8>], chance: &mut Chance) -> (Vec<Vec<u8>>, &'static str) {
    let mut now = lines.to_vec();
    let place = chance.next(now.len());
    let what = match chance.next(7) {
        0 => {
            let at = chance.next(now[place].len());
            now[place][at] = now[place][at].wrapping_add(1 + u8::try_from(chance.next(255)).unwrap());
            "edit"
        }
        1 => {
            now.remove(place);
            "delete"
        }
        2 => {
            let other = (place + 1 + chance.next(now.len() - 1)) % now.len();
            now.swap(place, other);
            "swap"
        }
        3 => {
            let copy = now[chance.next(now.len())].clone();
            now.insert(place, copy);
            "insert"
        }
        4 => {
            now.truncate(place);
            "cut"
        }
        5 => {
            let text = String::from_utf8_lossy(&now[place]).replace("attempt", "decision").replace("argv", "argw");
            let text = text.replace("checkpoint", "chockpoint");
            now[place] = text.into_bytes();
            now = restamped(&now);
            "re-stamp after an edit"
        }
        _ => {
            now.remove(place);
            now = restamped(&now);
            "re-stamp after a delete"
        }
    };
    (now, what)
}

#[test]
fn ten_thousand_changes_are_all_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (log, head) = log(folder.path(), 40);
    assert!(log.verify(Some(&head)).unwrap().is_good());
    let bytes = fs::read(AuditLog::file(&folder.path().join("audit"))).unwrap();
    let lines: Vec<Vec<u8>> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    assert_eq!(lines.len(), 41);
    let key = public(folder.path());
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    for round in 0..10_000 {
        let (now, what) = tampered(&lines, &mut chance);
        let mut text = now.join(&b'\n');
        text.push(b'\n');
        if text == bytes {
            continue;
        }
        let found = verify(text.as_slice(), Some(&key), Some(&head));
        assert!(!found.is_good(), "round {round}: {what} was not seen");
    }
}

#[test]
fn without_the_key_nothing_can_be_signed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _) = log(folder.path(), 120);
    let bytes = fs::read(AuditLog::file(&folder.path().join("audit"))).unwrap();
    let text = String::from_utf8(bytes).unwrap().replacen("\"7f3k2\"", "\"8f3k2\"", 1);
    let lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    let mut forged = restamped(&lines).join(&b'\n');
    forged.push(b'\n');
    // Even without a head from elsewhere: the checkpoints are signed.
    let found = verify(forged.as_slice(), Some(&public(folder.path())), None);
    assert!(found.faults.iter().any(|fault| fault.why.contains("signed")), "{found:?}");
}

#[test]
fn another_key_signs_nothing_here() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, _) = log(ours.path(), 3);
    let (_, _) = log(theirs.path(), 3);
    let forged = fs::read(AuditLog::file(&theirs.path().join("audit"))).unwrap();
    assert!(verify(forged.as_slice(), Some(&public(theirs.path())), None).is_good());
    let found = verify(forged.as_slice(), Some(&public(ours.path())), None);
    assert!(found.faults.iter().any(|fault| fault.why.contains("not signed with the key")), "{found:?}");
}

#[test]
fn an_entry_that_is_missing_behind_the_last_checkpoint_leaves_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = log(folder.path(), 3);
    (10..14).for_each(|number| drop(log.append(&entry(number)).unwrap()));
    let text = fs::read_to_string(AuditLog::file(&folder.path().join("audit"))).unwrap();
    let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    lines.remove(5);
    let mut forged = restamped(&lines).join(&b'\n');
    forged.push(b'\n');
    let found = verify(forged.as_slice(), Some(&public(folder.path())), None);
    assert!(found.faults.iter().any(|fault| fault.why.contains("entry 6 should stand here")), "{found:?}");
}

#[test]
fn a_shortened_log_can_still_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (log, head) = log(folder.path(), 250);
    let dropped = log.prune(clock().plus(Duration::from_secs(60))).unwrap();
    assert_eq!(dropped, head.count);
    let later = log.append(&entry(1)).unwrap();
    let found = log.verify(Some(&later)).unwrap();
    assert!(found.is_good(), "{found:?}");
    assert_eq!((found.dropped, found.head.count), (head.count, head.count + 2));
    assert!(log.verify(Some(&head)).unwrap().is_good(), "a head from before still holds");
    let path = AuditLog::file(&folder.path().join("audit"));
    let text = fs::read_to_string(&path).unwrap().replacen("\"count\":253", "\"count\":252", 1);
    assert_ne!(text, fs::read_to_string(&path).unwrap());
    fs::write(&path, text).unwrap();
    assert!(!log.verify(None).unwrap().is_good(), "nobody else can shorten it");
}

#[test]
fn half_a_line_is_kept_aside_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (first, head) = log(folder.path(), 3);
    drop(first);
    let path = AuditLog::file(&folder.path().join("audit"));
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"{\"n\":5,\"at\":\"20");
    fs::write(&path, bytes).unwrap();
    let key = AuditKey::open(&folder.path().join("keys")).unwrap();
    let second = AuditLog::open(&folder.path().join("audit"), key, clock).unwrap();
    second.append(&entry(9)).unwrap();
    let found = second.verify(Some(&head)).unwrap();
    assert!(found.is_good(), "{found:?}");
    assert!(fs::read_to_string(&path).unwrap().contains("\"kind\":\"repaired\""));
    assert_eq!(fs::read_dir(folder.path().join("audit")).unwrap().count(), 2);
}

#[test]
fn writers_at_once_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| log(folder.path(), 100));
        }
    });
    let (last, head) = log(folder.path(), 0);
    let found = last.verify(Some(&head)).unwrap();
    assert!(found.is_good() && found.head.count >= 405, "{found:?}");
}

#[test]
fn a_run_is_written_down_and_can_be_verified() {
    let project = Project::bare().file(
        "workflows/two.yaml",
        "name: two\nsteps:\n  - { id: one, run: \"true\" }\n  - { id: ok, approve: \"Go on?\" }\n",
    );
    let done = project.run(&["run", "two", "--on-approval", "approve"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let log = project.read(".orch/state/audit/log.jsonl");
    for part in [
        "\"kind\":\"run\"",
        "\"kind\":\"attempt\"",
        "\"argv\":",
        "\"kind\":\"decision\"",
        "\"by\":\"--on-approval\"",
        "\"kind\":\"checkpoint\"",
    ] {
        assert!(log.contains(part), "{part} is missing in {log}");
    }
    let head = project.run(&["audit", "export", "--head"]).stdout;
    let done = project.run(&["audit", "verify", "--head", head.trim()]);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    project.write(".orch/state/audit/log.jsonl", &log.replace("--on-approval", "somebody"));
    let done = project.run(&["audit", "verify", "--head", head.trim()]);
    assert_eq!(done.code, Some(31), "{}", done.stdout);
    assert!(done.stdout.contains("was changed, moved or taken out"), "{}", done.stdout);
}
