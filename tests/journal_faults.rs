//! The journal under kills, crowds, bit rot, a full disk and failing syncs.
//!
//! Tests that need another process run this program again: the ignored tests whose
//! names begin with `child_` do nothing unless they are told what to do.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use orch::{
    base::{Digest, RunId, Timestamp},
    journal::{
        Append, AppendError, ArtifactError, DecisionId, Journal, LockError, NewRecord, NewRun, RunLock, RunSummary,
        Sqlite, Store, StoreError, owner,
    },
};

const TOLD: &str = "ORCH_TEST_CHILD";

fn run_id(number: u8) -> RunId {
    RunId::from_random([9, 9, 9, 9, number])
}

fn summary(number: u8) -> RunSummary {
    RunSummary {
        run: run_id(number),
        workflow: "faults".to_owned(),
        status: "running".to_owned(),
        started: Timestamp(1),
        ended: None,
        waiting_for: None,
        exit_code: None,
    }
}

/// A body that says where it belongs and proves itself whole.
fn body(number: u8, seq: u64) -> Vec<u8> {
    let text = format!("run {number} seq {seq} ");
    let bytes = 40 + usize::try_from(seq * 37 % 400).expect("small");
    text.bytes().chain(Digest::of(text.as_bytes()).as_str().bytes().cycle().take(bytes)).collect()
}

fn records(number: u8, seqs: std::ops::RangeInclusive<u64>) -> Vec<NewRecord> {
    seqs.map(|seq| NewRecord { at: Timestamp(seq), version: 1, body: body(number, seq) }).collect()
}

fn create(journal: &dyn Journal, number: u8) {
    let new = NewRun { summary: summary(number), plan_body: b"plan".to_vec(), records: Vec::new() };
    journal.create_run(new).wait().expect("created");
}

/// Reads a run to its end and checks every record; how many there are, and the error that ended it.
fn check_run(journal: &dyn Journal, number: u8) -> (u64, Option<StoreError>) {
    let mut seq = 0;
    let read = match journal.read(&run_id(number), 1) {
        Ok(read) => read,
        Err(error) => return (0, Some(error)),
    };
    for record in read {
        match record {
            Ok(record) => {
                seq += 1;
                assert_eq!((record.seq, record.at, record.version), (seq, Timestamp(seq), 1));
                assert_eq!(record.body, body(number, seq), "record {seq} of run {number} is wrong");
            }
            Err(error) => return (seq, Some(error)),
        }
    }
    (seq, None)
}

fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("standard error takes text");
}

/// This program again, to run one test with its orders.
fn child(test: &str, told: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--ignored", "--exact", "--nocapture", test]).env(TOLD, told);
    command
}

/// The orders, in the child; elsewhere none.
fn told() -> Option<String> {
    env::var(TOLD).ok()
}

/// Writes a line the parent waits for.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that has gone takes the child with it soon enough.
    out.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| out.flush()).ok();
}

/// A small generator with a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("small")
    }
}

// --- kill -9 ---------------------------------------------------------------

#[test]
#[ignore = "the child of the kill test"]
fn child_appends_until_killed() {
    let Some(root) = told() else { return };
    let store = Store::open(Path::new(&root)).expect("a store");
    let journal = store.journal();
    let mut last = journal.last_seq(&run_id(1)).expect("read").expect("the run is there");
    let mut acks = std::collections::VecDeque::new();
    loop {
        let count = 1 + last % 3;
        let mut append = Append::new(run_id(1), last, records(1, last + 1..=last + count));
        last += count;
        if last.is_multiple_of(5) {
            let id = journal.leave_decision(&run_id(1), last.to_le_bytes().to_vec()).expect("left");
            tell(&format!("left {id}"));
            append = append.consumed(vec![id]).summary(RunSummary { status: format!("at {last}"), ..summary(1) });
        }
        acks.push_back(journal.append(append));
        if acks.len() == 8 {
            let oldest = acks.pop_front().expect("in flight").wait().expect("appended");
            tell(&format!("acknowledged {oldest}"));
        }
    }
}

/// Kills a writer `rounds` times; after each, everything acknowledged is there.
fn kill_rounds(rounds: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    create(&*Store::open(root).expect("a store").journal(), 1);
    let mut dice = Dice(0x5eed);
    let mut acknowledged = 0u64;
    let mut decisions = 0u64;
    for round in 0..rounds {
        let told = root.to_str().expect("a path");
        let mut child = child("child_appends_until_killed", told).stdout(Stdio::piped()).spawn().expect("a child");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        // The dice choose how many lines the child lives for, then how long it goes on unseen.
        let lifetime = dice.roll(120);
        let mut hear = |line: &str| {
            if let Some(seq) = line.strip_prefix("acknowledged ") {
                acknowledged = acknowledged.max(seq.trim().parse().expect("a number"));
            }
            if let Some(id) = line.strip_prefix("left ") {
                decisions = decisions.max(id.trim().parse().expect("a number"));
            }
        };
        let mut line = String::new();
        for _ in 0..lifetime {
            line.clear();
            assert!(lines.read_line(&mut line).expect("read") > 0, "the child ended by itself in round {round}");
            hear(&line);
        }
        thread::sleep(Duration::from_micros(dice.roll(3000) as u64));
        child.kill().expect("killed");
        child.wait().expect("reaped");
        let mut rest = String::new();
        lines.read_to_string(&mut rest).expect("read");
        // A line that was cut by the kill was not heard by anyone.
        rest.split_inclusive('\n').filter(|line| line.ends_with('\n')).for_each(&mut hear);
        let store = Store::open(root).expect("a store that was killed opens");
        let journal = store.journal();
        let (last, error) = check_run(&*journal, 1);
        assert!(error.is_none(), "round {round}: {error:?}");
        assert!(last >= acknowledged, "round {round}: {acknowledged} was acknowledged, {last} is there");
        assert_eq!(journal.last_seq(&run_id(1)).expect("read"), Some(last));
        check_decisions(&*journal, last, decisions, round);
    }
    assert!(acknowledged > u64::from(rounds), "only {acknowledged} records were acknowledged");
    say(&format!("{rounds} kills, {acknowledged} acknowledged records, 0 lost"));
    let check = rusqlite_check(&root.join(".orch/state/orch.db"));
    assert_eq!(check, "ok");
}

/// A decision waits exactly as long as the record that applies it is not there.
fn check_decisions(journal: &dyn Journal, last: u64, heard: u64, round: u32) {
    let waiting = journal.decisions_after(&run_id(1), DecisionId(0)).expect("read");
    for decision in &waiting {
        let applied_at = u64::from_le_bytes(decision.body.as_slice().try_into().expect("eight bytes"));
        assert!(applied_at > last, "round {round}: decision {} waits, yet record {applied_at} applied it", decision.id);
        // Killed before its append; cleared as an owner would, so that the next round begins clean.
        journal.append(Append::new(run_id(1), last, Vec::new()).consumed(vec![decision.id])).wait().expect("consumed");
    }
    assert!(waiting.len() <= 1, "round {round}: {} decisions wait", waiting.len());
    if let Some(decision) = waiting.first() {
        assert!(decision.id.0 >= heard, "round {round}: decision {} came back, {heard} was consumed", decision.id);
    }
    let again = journal.decisions_after(&run_id(1), DecisionId(0)).expect("read");
    assert!(again.is_empty());
}

fn rusqlite_check(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).expect("the file opens");
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict")
}

#[test]
fn nothing_acknowledged_is_lost_in_100_kills() {
    kill_rounds(100);
}

#[test]
#[ignore = "nightly: takes many minutes"]
fn nothing_acknowledged_is_lost_in_10_000_kills() {
    kill_rounds(10_000);
}

// --- crowds ----------------------------------------------------------------

const CROWD: u8 = 50;
const OPERATIONS: u64 = 200;

/// Appends, reads, lists and leaves decisions; every error is a failure.
fn crowd_member(journal: &dyn Journal, number: u8) {
    create(journal, number);
    let mut last = 0;
    for turn in 1..OPERATIONS {
        match turn % 5 {
            0 => {
                journal.leave_decision(&run_id(0), vec![number]).expect("left");
            }
            1 => assert_eq!(check_run(journal, number).0, last),
            2 => assert!(!journal.runs(10).expect("read").is_empty()),
            _ => {
                let ack = journal.append(Append::new(run_id(number), last, records(number, last + 1..=last + 2)));
                last = ack.wait().expect("appended");
            }
        }
    }
}

#[test]
#[ignore = "one of the crowd"]
fn child_joins_the_crowd() {
    let Some(told) = told() else { return };
    let (number, root) = told.split_once(' ').expect("a number and a path");
    let number: u8 = number.parse().expect("a number");
    tell("ready");
    std::io::stdin().read_line(&mut String::new()).expect("the parent says when");
    // All open the store at once, and there is none yet.
    let store = Store::open(Path::new(root)).expect("a store");
    let journal = store.journal();
    let new = NewRun { summary: summary(0), plan_body: Vec::new(), records: Vec::new() };
    match journal.create_run(new).wait() {
        Ok(_) | Err(AppendError::RunExists { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
    crowd_member(&*journal, number);
}

#[test]
fn fifty_processes_share_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let mut children: Vec<Child> = (1..=CROWD)
        .map(|number| {
            let mut command = child("child_joins_the_crowd", &format!("{number} {}", root.display()));
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("a child")
        })
        .collect();
    for child in &mut children {
        let lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "ready"));
    }
    let start = Instant::now();
    children.iter_mut().for_each(|child| drop(child.stdin.take()));
    for child in children {
        let output = child.wait_with_output().expect("reaped");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    say(&format!("50 processes x 200 operations: {:?}", start.elapsed()));
    check_crowd(&*Store::open(root).expect("a store").journal());
}

#[test]
fn a_new_store_is_opened_by_many_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().expect("a folder");
        let start = std::sync::Barrier::new(8);
        thread::scope(|scope| {
            for number in 0..8 {
                let (folder, start) = (folder.path(), &start);
                scope.spawn(move || {
                    start.wait();
                    create(&*Store::open(folder).expect("a store").journal(), number);
                });
            }
        });
        assert_eq!(Store::open(folder.path()).expect("a store").journal().runs(20).expect("read").len(), 8);
    }
}

#[test]
fn fifty_threads_share_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let journal = store.journal();
    create(&*journal, 0);
    let start = Instant::now();
    thread::scope(|scope| {
        for number in 1..=CROWD {
            let journal = Arc::clone(&journal);
            scope.spawn(move || crowd_member(&*journal, number));
        }
    });
    say(&format!("50 threads x 200 operations: {:?}", start.elapsed()));
    check_crowd(&*journal);
}

fn check_crowd(journal: &dyn Journal) {
    for number in 1..=CROWD {
        let (last, error) = check_run(journal, number);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(last, 2 * (1..OPERATIONS).filter(|turn| turn % 5 > 2).count() as u64);
    }
    let left = journal.decisions_after(&run_id(0), DecisionId(0)).expect("read");
    let each = (1..OPERATIONS).filter(|turn| turn % 5 == 0).count();
    let mut counts = BTreeMap::new();
    for decision in &left {
        *counts.entry(decision.body[0]).or_insert(0) += 1;
    }
    assert_eq!(counts, (1..=CROWD).map(|number| (number, each)).collect());
}

// --- bit rot ---------------------------------------------------------------

const ROTTEN_RUNS: u8 = 3;
const ROTTEN_RECORDS: u64 = 120;

/// A store's files with known records, and what lies in them.
fn sample(in_wal: bool) -> (tempfile::TempDir, Vec<(PathBuf, Vec<u8>)>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orch.db");
    let journal = Sqlite::open(&path).expect("a store");
    for number in 0..ROTTEN_RUNS {
        create(&journal, number);
    }
    for seq in (1..=ROTTEN_RECORDS).step_by(4) {
        for number in 0..ROTTEN_RUNS {
            journal
                .append(Append::new(run_id(number), seq - 1, records(number, seq..=seq + 3)))
                .wait()
                .expect("appended");
        }
    }
    // Copied while it is open, the records are in the write-ahead log, as after a kill.
    let copy = |folder: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        ["orch.db", "orch.db-wal"]
            .iter()
            .filter_map(|name| fs::read(folder.join(name)).ok().map(|bytes| (PathBuf::from(name), bytes)))
            .collect()
    };
    if in_wal {
        let files = copy(folder.path());
        assert_eq!(files.len(), 2);
        return (folder, files);
    }
    drop(journal);
    let files = copy(folder.path());
    (folder, files)
}

/// Damages one file in `mutations` ways. A damaged store may refuse; it never lies and never panics.
fn mutate(mutations: usize, in_wal: bool) {
    let (_folder, files) = sample(in_wal);
    let mut dice = Dice(0xdead_beef);
    let (mut noticed, mut shorter) = (0, 0);
    let folder = tempfile::tempdir().expect("a folder");
    for mutation in 0..mutations {
        for entry in fs::read_dir(folder.path()).expect("listed") {
            fs::remove_file(entry.expect("listed").path()).expect("removed");
        }
        let mut cut = false;
        let victim = if in_wal { 1 } else { 0 };
        for (index, (name, bytes)) in files.iter().enumerate() {
            let mut bytes = bytes.clone();
            if index == victim {
                damage(&mut bytes, &mut dice);
                cut = bytes.len() < files[index].1.len();
            }
            fs::write(folder.path().join(name), bytes).expect("written");
        }
        let journal = match Sqlite::open(&folder.path().join("orch.db")) {
            Ok(journal) => journal,
            Err(_) => {
                noticed += 1;
                continue;
            }
        };
        for number in 0..ROTTEN_RUNS {
            // `check_run` panics on a record that is not what was written.
            let (last, error) = check_run(&journal, number);
            match error {
                Some(StoreError::Corrupt { run, seq }) => {
                    assert_eq!((run, seq), (run_id(number), last + 1), "mutation {mutation} is named wrongly");
                    noticed += 1;
                }
                Some(_) => noticed += 1,
                // What cannot be told from a power cut: a log that was cut short, damage in the last commits.
                None if in_wal => {
                    let lost = ROTTEN_RECORDS - last;
                    assert!(cut || lost <= 4, "mutation {mutation} lost {lost} records of a run in silence");
                    shorter += u32::from(lost > 0);
                }
                None => assert_eq!(last, ROTTEN_RECORDS, "mutation {mutation} lost records in silence"),
            }
            journal.run(&run_id(number)).map(|found| assert!(found.is_none_or(|found| found == summary(number)))).ok();
            journal.plan_body(&run_id(number)).map(|plan| assert!(plan.is_none_or(|plan| plan == b"plan"))).ok();
        }
        journal.runs(10).map(|runs| assert!(runs.iter().all(|run| run.workflow == "faults"))).ok();
    }
    assert!(noticed + shorter > 0);
    say(&format!("{mutations} mutations (log: {in_wal}): {noticed} refusals, {shorter} shorter, 0 wrong"));
}

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let place = dice.roll(bytes.len());
    match dice.roll(4) {
        0 => bytes[place] ^= 1 << dice.roll(8),
        1 => bytes[place] = u8::try_from(dice.roll(256)).expect("a byte"),
        2 => {
            let end = (place + 1 + dice.roll(600)).min(bytes.len());
            bytes[place..end].fill(0);
        }
        _ => bytes.truncate(place),
    }
}

#[test]
fn bit_rot_is_named_500_mutations_of_the_database() {
    mutate(500, false);
}

#[test]
fn bit_rot_is_named_500_mutations_of_the_log() {
    mutate(500, true);
}

#[test]
#[ignore = "nightly: takes minutes"]
fn bit_rot_is_named_10_000_mutations() {
    mutate(7_000, false);
    mutate(3_000, true);
}

#[test]
fn a_changed_row_is_named_and_other_runs_are_not_affected() {
    for (column, change) in [
        ("payload", "UPDATE record SET payload = CAST(payload || x'00' AS BLOB) WHERE place = ?1"),
        ("payload", "UPDATE record SET payload = substr(payload, 1, length(payload) - 1) WHERE place = ?1"),
        ("payload", "UPDATE record SET payload = CAST(x'ff' || substr(payload, 2) AS BLOB) WHERE place = ?1"),
        ("count", "UPDATE record SET count = count + 1 WHERE place = ?1"),
        ("count", "UPDATE record SET count = -1 WHERE place = ?1"),
        ("sum", "UPDATE record SET sum = x'0000000000000000' WHERE place = ?1"),
        ("place", "UPDATE record SET place = place + 1 WHERE place = ?1"),
        ("all", "DELETE FROM record WHERE place = ?1"),
    ] {
        let (folder, _) = sample(false);
        let path = folder.path().join("orch.db");
        // The second run has number 2; its row of records 41 to 44.
        let changed = rusqlite::Connection::open(&path).expect("opens").execute(change, [2i64 << 40 | 41]);
        assert_eq!(changed.expect("changed"), 1, "{column}");
        let journal = Sqlite::open(&path).expect("a store");
        let (last, error) = check_run(&journal, 1);
        assert_eq!(last, 40, "{column}: {change}");
        let error = error.expect("noticed");
        assert_eq!(
            error.to_string(),
            format!("read record 41 of run {}: its bytes changed after they were written", run_id(1))
        );
        for number in [0, 2] {
            let (last, error) = check_run(&journal, number);
            assert!(last == ROTTEN_RECORDS && error.is_none(), "{error:?}");
            journal
                .append(Append::new(run_id(number), last, records(number, last + 1..=last + 1)))
                .wait()
                .expect("appended");
        }
    }
}

#[test]
fn a_changed_summary_plan_or_decision_is_not_used() {
    let (folder, _) = sample(false);
    let path = folder.path().join("orch.db");
    let journal = Sqlite::open(&path).expect("a store");
    journal.leave_decision(&run_id(2), b"yes".to_vec()).expect("left");
    drop(journal);
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection.execute_batch(
        "UPDATE run SET last_seq = 116 WHERE number = 1; UPDATE plan SET body = x'00' WHERE run = 2; UPDATE decision SET body = x'01'",
    ).expect("changed");
    drop(connection);
    let journal = Sqlite::open(&path).expect("a store");
    assert!(matches!(journal.run(&run_id(0)), Err(StoreError::Damaged { .. })));
    assert!(matches!(journal.read(&run_id(0), 1).err(), Some(StoreError::Damaged { .. })));
    let refused = journal.append(Append::new(run_id(0), 116, records(0, 117..=117))).wait();
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Damaged { .. }))));
    assert!(matches!(journal.plan_body(&run_id(1)), Err(StoreError::Damaged { .. })));
    assert!(matches!(journal.decisions_after(&run_id(2), DecisionId(0)), Err(StoreError::Damaged { .. })));
    let last = journal.append(Append::new(run_id(1), 120, records(1, 121..=121))).wait();
    assert_eq!(last.expect("other runs go on"), 121);
}

// --- the disk fails --------------------------------------------------------

#[test]
#[ignore = "runs on a small disk of its own"]
fn child_fills_the_disk() {
    let Some(disk) = told() else { return };
    let disk = PathBuf::from(disk);
    let (mut points, mut refused_open) = (0, 0);
    // Every 4 kB step of free space, from nothing to more than the store needs to begin.
    for step in 0..=250u64 {
        let root = disk.join("project");
        fs::create_dir(&root).expect("a folder");
        let free = fill(&disk, step * 4096);
        let mut acknowledged = 0;
        let mut created = false;
        match Store::open(&root) {
            Ok(store) => (created, acknowledged) = append_until_full(&*store.journal(), free),
            Err(StoreError::DiskFull { .. }) => refused_open += 1,
            Err(error) => panic!("step {step}: {error:?} is not a full disk"),
        }
        fs::remove_file(disk.join("ballast")).expect("space again");
        let store = Store::open(&root).expect("a store once there is space");
        let journal = store.journal();
        if created {
            let (last, error) = check_run(&*journal, 1);
            assert!(error.is_none() && last >= acknowledged, "step {step}: {acknowledged} acknowledged, {last} there");
            let next = journal.append(Append::new(run_id(1), last, records(1, last + 1..=last + 1))).wait();
            assert_eq!(next.expect("goes on"), last + 1);
        }
        drop((journal, store));
        assert_eq!(rusqlite_check(&root.join(".orch/state/orch.db")), "ok");
        fs::remove_dir_all(&root).expect("removed");
        points += 1;
    }
    tell(&format!("verdict {points} points, {refused_open} too small to open, 0 lost"));
}

/// Takes all space but `bytes`.
fn fill(disk: &Path, bytes: u64) -> u64 {
    let ballast = disk.join("ballast");
    let mut file = fs::File::create(&ballast).expect("a file");
    let block = [1u8; 4096];
    let mut size = 0u64;
    while file.write_all(&block).is_ok() {
        size += 4096;
    }
    file.set_len(size.saturating_sub(bytes)).expect("shorter");
    bytes
}

fn append_until_full(journal: &dyn Journal, free: u64) -> (bool, u64) {
    let new = NewRun { summary: summary(1), plan_body: b"plan".to_vec(), records: Vec::new() };
    match journal.create_run(new).wait() {
        Ok(_) => {}
        Err(AppendError::Store(StoreError::DiskFull { .. })) => return (false, 0),
        Err(error) => panic!("{error:?} is not a full disk"),
    }
    let mut last = 0;
    while last < 4 * free {
        match journal.append(Append::new(run_id(1), last, records(1, last + 1..=last + 8))).wait() {
            Ok(seq) => last = seq,
            Err(AppendError::Store(StoreError::DiskFull { .. })) => {
                // Stopped for good, and still readable.
                let again = journal.append(Append::new(run_id(1), last, Vec::new())).wait();
                assert!(matches!(again, Err(AppendError::Store(StoreError::DiskFull { .. }))), "{again:?}");
                let (there, error) = check_run(journal, 1);
                assert!(error.is_none() && there == last, "{error:?}");
                return (true, last);
            }
            Err(error) => panic!("{error:?} is not a full disk"),
        }
    }
    panic!("{last} records fit into {free} bytes");
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    if !Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success()) {
        say("SKIPPED: no user namespaces here, so no small disk to fill");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().to_str().expect("a path");
    let script = "mount -t tmpfs -o size=3m tmpfs \"$1\"; shift; exec \"$@\"";
    let inner = child("child_fills_the_disk", disk);
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-euc", script, "sh", disk])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(TOLD, disk)
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let verdict = text.lines().find(|line| line.starts_with("verdict")).expect("a verdict");
    assert!(verdict.starts_with("verdict 251 points"), "{verdict}");
    say(verdict);
}

#[test]
#[ignore = "runs under strace"]
fn child_appends_while_syncs_fail() {
    let Some(root) = told() else { return };
    let journal = match Store::open(Path::new(&root)) {
        Ok(store) => store.journal(),
        Err(error) => return tell(&format!("refused to open: {error}")),
    };
    let mut last = match journal.last_seq(&run_id(1)) {
        Ok(last) => last.expect("the run is there"),
        Err(error) => return tell(&format!("refused to read: {error}")),
    };
    for _ in 0..40 {
        match journal.append(Append::new(run_id(1), last, records(1, last + 1..=last + 1))).wait() {
            Ok(seq) => last = seq,
            Err(AppendError::Store(first)) => {
                tell(&format!("failed: {first}"));
                let again = journal.append(Append::new(run_id(1), last, records(1, last + 1..=last + 1))).wait();
                let Err(AppendError::Store(second)) = again else { panic!("it wrote after a failed sync: {again:?}") };
                assert_eq!(first.to_string(), second.to_string());
                return;
            }
            Err(error) => panic!("{error:?}"),
        }
        tell(&format!("acknowledged {last}"));
    }
    tell("clean");
}

/// Runs the child with its `when`-th call of `calls` failing; its lines.
fn under_strace(root: &Path, calls: &str, fault: &str, when: u32) -> String {
    let inner = child("child_appends_while_syncs_fail", root.to_str().expect("a path"));
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:{fault}:when={when}")])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(TOLD, root)
        .output()
        .expect("run");
    let killed = !output.status.success() && fault.contains("KILL");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() || killed, "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Fails the N-th call, for N from 1 until two runs are clean or `points` are done.
///
/// SQLite ignores some failures by design, such as the sync of its folder, so one clean run is no end.
fn failing_calls(calls: &str, fault: &str, points: u32) {
    let (mut failed, mut clean) = (0, 0);
    for when in 1..=points {
        let folder = tempfile::tempdir().expect("a folder");
        create(&*Store::open(folder.path()).expect("a store").journal(), 1);
        let text = under_strace(folder.path(), calls, fault, when);
        let acknowledged = text.lines().filter_map(|line| line.strip_prefix("acknowledged ")).next_back();
        let acknowledged: u64 = acknowledged.map_or(0, |seq| seq.parse().expect("a number"));
        let store = Store::open(folder.path()).expect("opens again");
        let (last, error) = check_run(&*store.journal(), 1);
        assert!(error.is_none(), "{calls} {when}: {error:?}");
        assert!((acknowledged..=acknowledged + 1).contains(&last), "{calls} {when}: {acknowledged}, {last} there");
        if text.contains("\nclean") {
            clean += 1;
        } else {
            (failed, clean) = (failed + 1, 0);
        }
        if clean == 2 {
            break;
        }
    }
    assert!(failed > 3, "only {failed} calls of {calls} failed");
    say(&format!("{calls} {fault}: {failed} points failed, then {clean} clean"));
}

fn can_inject() -> bool {
    let injected =
        Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO", "true"]).status();
    let can = injected.is_ok_and(|status| status.success());
    if !can {
        say("SKIPPED: strace cannot inject faults here");
    }
    can
}

#[test]
fn a_failed_sync_stops_the_writer_for_good() {
    if can_inject() {
        failing_calls("fdatasync,fsync", "error=EIO", 12);
    }
}

#[test]
fn a_kill_inside_a_write_loses_nothing() {
    if can_inject() {
        failing_calls("pwrite64", "signal=KILL", 12);
    }
}

#[test]
#[ignore = "nightly: every point until a run is clean"]
fn every_system_call_can_fail() {
    if can_inject() {
        failing_calls("fdatasync,fsync", "error=EIO", 1000);
        failing_calls("pwrite64", "error=EIO", 1000);
        failing_calls("pwrite64", "error=ENOSPC", 1000);
        failing_calls("pwrite64", "signal=KILL", 1000);
    }
}

// --- the store's folder, the owner's lock, artifacts ------------------------

#[test]
fn the_store_is_private_and_ignored_by_git() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(!Store::exists(folder.path()));
    let store = Store::open(folder.path()).expect("a store");
    create(&*store.journal(), 1);
    assert!(Store::exists(folder.path()));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let state = folder.path().join(".orch/state");
    let run_folder = store.run_folder(&run_id(1)).expect("a folder");
    assert_eq!(run_folder, state.join("runs").join(run_id(1).as_str()));
    for folder in [&state, &state.join("runs"), &state.join("artifacts"), &run_folder] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in ["orch.db", "orch.db-wal", "orch.db-shm"] {
        assert_eq!(mode(&state.join(file)), 0o600, "{file}");
    }
    assert_eq!(fs::read_to_string(state.join(".gitignore")).expect("there"), "*\n");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).expect("loosened");
    drop(store);
    Store::open(folder.path()).expect("the same store");
    assert_eq!(mode(&state), 0o700);
}

#[test]
fn a_newer_store_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Store::open(folder.path()).expect("a store"));
    let path = folder.path().join(".orch/state/orch.db");
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection.execute("INSERT INTO schema(version) VALUES (7)", []).expect("inserted");
    drop(connection);
    let before = fs::read(&path).expect("there");
    let error = Store::open(folder.path()).expect_err("refused");
    assert!(matches!(error, StoreError::NewerVersion { found: 7, known: 1 }));
    assert_eq!(
        error.to_string(),
        "open the store: it has version 7 and this orch knows versions up to 1; use the newer orch that made it"
    );
    assert_eq!(fs::read(&path).expect("there"), before, "a refused store is left as it is");
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orch.db");
    fs::write(&path, "this is not a database, and it is long enough to be read as one ".repeat(20)).expect("written");
    assert!(matches!(Sqlite::open(&path), Err(StoreError::Damaged { .. })));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a folder");
    assert!(matches!(Sqlite::open(&path), Err(StoreError::Io { .. })));
}

#[test]
#[ignore = "the owner of a run"]
fn child_owns_a_run() {
    let Some(folder) = told() else { return };
    let _lock = RunLock::acquire(Path::new(&folder), Timestamp(1_795_219_200_000)).expect("free");
    tell(&format!("owner {}", std::process::id()));
    std::io::stdin().read_line(&mut String::new()).expect("the parent ends it");
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().to_str().expect("a path");
    assert_eq!(owner(folder.path()).expect("read"), None);
    let mut child =
        child("child_owns_a_run", told).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let named = lines.find_map(|line| line.expect("read").strip_prefix("owner ").map(str::to_owned)).expect("it owns");
    let pid: u32 = named.parse().expect("a pid");
    for _ in 0..3 {
        let found = owner(folder.path()).expect("read").expect("an owner");
        assert_eq!((found.pid, found.started), (pid, Timestamp(1_795_219_200_000)));
        match RunLock::acquire(folder.path(), Timestamp(2)) {
            Err(error @ LockError::Locked { .. }) => assert_eq!(
                error.to_string(),
                format!("take the run: process {pid} has had it since 2026-11-21T00:00:00.000Z")
            ),
            other => panic!("expected a locked run, got {other:?}"),
        }
    }
    child.kill().expect("killed");
    child.wait().expect("reaped");
    assert_eq!(owner(folder.path()).expect("read"), None, "the name of a dead owner means nothing");
    let lock = RunLock::acquire(folder.path(), Timestamp(3)).expect("free after a kill");
    assert_eq!(owner(folder.path()).expect("read").map(|owner| owner.pid), Some(std::process::id()));
    drop(lock);
    assert_eq!(owner(folder.path()).expect("read"), None);
}

#[test]
fn probes_do_not_disturb_the_next_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(RunLock::acquire(folder.path(), Timestamp(1)).expect("free"));
    let stop = AtomicBool::new(false);
    let probes = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    owner(folder.path()).expect("read");
                    probes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut taken = Ok(());
        while taken.is_ok() && probes.load(Ordering::Relaxed) < 20_000 {
            // The name that a killed owner leaves.
            fs::write(folder.path().join("owner.lock"), "1 1\n").expect("written");
            taken = RunLock::acquire(folder.path(), Timestamp(1)).map(drop);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(taken.is_ok(), "{taken:?}");
    });
}

#[test]
fn artifacts_come_back_or_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let artifacts = store.artifacts();
    for bytes in [Vec::new(), b"evidence".to_vec(), vec![0; 1_000_000]] {
        let digest = artifacts.put(&bytes).expect("kept");
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(artifacts.put(&bytes).expect("kept again"), digest);
        assert_eq!(artifacts.get(&digest).expect("there"), bytes);
    }
    let digest = Digest::of(b"evidence");
    let (first, rest) = digest.as_str().split_at(2);
    let path = folder.path().join(".orch/state/artifacts").join(first).join(rest);
    let file = OpenOptions::new().write(true).open(&path).expect("there");
    file.write_at(b"E", 0).expect("changed");
    assert!(matches!(artifacts.get(&digest), Err(ArtifactError::Corrupt { .. })));
    artifacts.put(b"evidence").expect("kept anew");
    assert_eq!(artifacts.get(&digest).expect("there"), b"evidence");
    assert!(matches!(artifacts.get(&Digest::of(b"other")), Err(ArtifactError::Missing { .. })));
    let large = artifacts.put(&vec![0; orch::journal::ARTIFACT_BYTES_MAX + 1]);
    assert!(matches!(large, Err(ArtifactError::TooLarge { .. })));
    for text in ["", "../../../../etc/passwd", "a", "é", &"A".repeat(64)] {
        let forged: Digest = serde_json::from_value(serde_json::Value::String(text.to_owned())).expect("any text");
        assert!(matches!(artifacts.get(&forged), Err(ArtifactError::NotADigest { .. })), "{text}");
    }
    let left = fs::read_dir(folder.path().join(".orch/state/artifacts")).expect("listed");
    assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with("unfinished")));
}
