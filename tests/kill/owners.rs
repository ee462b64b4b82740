//! Who may do what with a run that another process drives, and with one that nobody drives.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use orch::{
    base::RunId,
    scheduler::{Decision, Event},
    service::{Refusal, RunSettings, Runs, Verdict, status as status_of},
};
use serde_json::Value;

use crate::trial::{Live, Victim, ask, keeper_of, orch, project, status, wait_gone};

/// A decision reaches the journal of an owner within this time.
const DELIVERED: Duration = Duration::from_millis(100);

pub fn runs(folder: &Path) -> Runs {
    let settings = RunSettings {
        servers: orch::service::ServerValues::default(),
        prices: std::sync::Arc::default(),
        chain: Vec::new(),
        traces: None,
        trace_parent: None,
        parallel: 4,
        runtime: None,
        found: None,
        runtimes: Vec::new(),
        env: Vec::new(),
        stream_bytes_max: 1_000_000,
        disk_floor_bytes: 0,
        who: "tester".to_owned(),
        inbox: Duration::from_millis(40),
        heartbeat: Duration::from_secs(30),
        program: env!("CARGO_BIN_EXE_orch").into(),
        policy: orch::runtime::Policy::default(),
        resilience: std::sync::Arc::default(),
        redactor: std::sync::Arc::default(),
        machine: orch::guard::Redactor::default(),
        secrets: orch::service::SecretValues::default(),
        trust: orch::service::TrustGate::default(),
        notices: orch::service::Notices::default(),
        cache: orch::service::CacheSettings::off(),
        danger: orch::service::Danger::default(),
        sandbox: orch::service::SandboxWish::default(),
    };
    Runs::open(folder, settings).unwrap()
}

/// An owner that works and waits for six answers.
fn owner(folder: &Path, seconds: u32) -> (Live, RunId) {
    let seconds = format!("seconds={seconds}");
    let mut live = Live::start(orch(folder, &["run", "asks", "-i", &seconds, "--json"]));
    let mut asked = 0;
    let all = live.wait_for(Duration::from_secs(20), |line| {
        asked += usize::from(line["type"] == "asking" || line["step"] == "both/slow");
        asked == 7
    });
    assert!(all, "{:?}", live.seen);
    let run = live.seen[0]["run"].as_str().unwrap().parse().unwrap();
    (live, run)
}

/// Runs until it asks, then parks. Gives the run's id.
fn parked(folder: &Path) -> String {
    let (code, out, err) = ask(folder, &["run", "parks", "--json"]);
    assert_eq!(code, 20, "{out}{err}");
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    first["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_owner_is_refused_with_the_name_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let (live, run) = owner(folder.path(), 50);
    for verb in [&["resume", run.as_str()][..], &["retry", run.as_str(), "--failed"]] {
        let (code, _, err) = ask(folder.path(), verb);
        assert_eq!(code, 32, "{err}");
        assert!(err.contains(&format!("process {} since 20", live.pid())), "{err}");
    }
    live.signal(Signal::SIGKILL);
    live.end();
    wait_gone(run.as_str(), "none");
}

#[test]
fn the_words_of_others_reach_the_owner_at_once() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let (live, run) = owner(folder.path(), 50);
    let runs = runs(folder.path());
    let mut took = Vec::new();
    for number in 1..=5 {
        let step = format!("both/q{number}");
        let decision = if number == 5 {
            Decision::Reject { comment: "not like this".to_owned(), is_final: true }
        } else {
            Decision::Approve { fields: Value::Null, comment: String::new() }
        };
        let began = Instant::now();
        runs.decide(&run, Verdict { step: Some(step), decision, subject: None }).unwrap();
        let left = Instant::now();
        let decided = || {
            let records = runs.journal().read(&run, 1).unwrap();
            let is_decided = |body: &[u8]| String::from_utf8_lossy(body).contains("tester");
            records.filter(|record| is_decided(&record.as_ref().unwrap().body)).count()
        };
        while decided() < number {
            assert!(left.elapsed() < Duration::from_secs(5), "the owner does not hear");
            std::thread::sleep(Duration::from_millis(1));
        }
        took.push((left.elapsed(), began.elapsed()));
    }
    took.sort();
    println!("in the owner's journal after (since it was left, since it was said): {took:?}");
    // The median: a machine that is busy with other things may hold up a single one.
    assert!(took[2].0 < DELIVERED, "{took:?}");
    let (code, out, err) = ask(folder.path(), &["cancel", run.as_str(), "--now"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("cancelled"), "{out}");
    let (code, _, _) = live.end();
    // The rejection was there first, and it is what failed the run.
    assert!(matches!(code, Some(21 | 130)), "{code:?}");
    wait_gone(run.as_str(), "none");
}

#[test]
fn without_an_owner_the_word_is_written_and_resume_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let run = parked(folder.path());
    let (done, out, err) = ask(folder.path(), &["approve", &run]);
    assert_eq!(done, 0, "{err}");
    assert!(out.contains(&format!("next: orch resume {run}")), "{out}");
    let (ended, _, err) = ask(folder.path(), &["resume", &run]);
    assert_eq!(ended, 0, "{err}");
    // A no may end the run at once; then there is nothing to resume.
    let run = parked(folder.path());
    let (done, out, err) = ask(folder.path(), &["reject", &run]);
    assert_eq!(done, 0, "{err}");
    assert!(out.contains(&format!("next: orch status {run}")), "{out}");
    let now = status(folder.path(), &run);
    assert_eq!((&now["status"], &now["exit_code"]), (&"failed".into(), &21.into()), "{now:#}");
    let run = parked(folder.path());
    let (done, out, err) = ask(folder.path(), &["cancel", &run]);
    assert_eq!((done, out.lines().next()), (0, Some("cancelled")), "{err}");
    assert_eq!(status(folder.path(), &run)["status"], "cancelled");
}

#[test]
fn an_open_question_takes_the_answer_of_the_next_owner() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    for (word, code) in [("approve", 0), ("fail", 21)] {
        let run = parked(folder.path());
        let (ended, _, err) = ask(folder.path(), &["resume", &run, "--on-approval", word]);
        assert_eq!(ended, code, "{word}: {err}");
    }
}

#[test]
fn a_run_that_gets_a_second_chance_is_not_called_ended() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    // Rejected at first; at the second try the question waits.
    let (code, out, err) = ask(folder.path(), &["run", "parks", "--json", "--on-approval", "fail"]);
    assert_eq!(code, 21, "{out}{err}");
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    let run = first["run"].as_str().unwrap();
    let (code, _, err) = ask(folder.path(), &["retry", run, "--failed"]);
    assert_eq!(code, 20, "{err}");
    let (_, out, _) = ask(folder.path(), &["runs", "--json"]);
    let runs: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&runs[0]["status"], &runs[0]["ended"]), (&"waiting".into(), &Value::Null), "{runs:#}");
    let (_, out, _) = ask(folder.path(), &["inbox", "--json"]);
    assert!(out.contains(run), "{out}");
}

#[test]
fn a_lost_keeper_takes_its_work_with_it_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let mark = format!("650.{}", std::process::id());
    let mut live = Live::start(orch(folder.path(), &["run", "steady", "-i", &format!("mark={mark}"), "--json"]));
    for _ in 0..3 {
        assert!(live.wait_for(Duration::from_secs(20), |line| line["type"] == "attempt_started"), "{:?}", live.seen);
        let keeper = keeper_of(live.pid());
        live.kill(Victim::Keeper);
        let began = Instant::now();
        while keeper_of(live.pid()) == keeper {
            assert!(began.elapsed() < Duration::from_secs(2), "no new keeper");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let run = live.seen[0]["run"].as_str().unwrap().to_owned();
    let (code, seen, err) = live.end();
    assert_eq!(code, Some(0), "{err} {seen:?}");
    let lost = seen.iter().filter(|line| line["end"] == "lost").count();
    assert!((1..=3).contains(&lost), "{seen:?}");
    wait_gone(&run, &mark);
}

#[test]
fn a_word_that_a_dead_owner_did_not_read_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let (live, run) = owner(folder.path(), 2);
    // Stopped, it still has the run, and reads nothing any more.
    live.signal(Signal::SIGSTOP);
    let (code, out, err) = ask(folder.path(), &["reject", run.as_str(), "both/q1", "--comment", "no"]);
    // It is no acknowledgement: nobody knows yet whether another word comes first.
    assert_eq!(code, 30, "{out}{err}");
    assert!(err.contains(&format!("process {} has not taken the decision yet", live.pid())), "{err}");
    live.signal(Signal::SIGKILL);
    live.end();
    wait_gone(run.as_str(), "none");
    let (code, out, err) = ask(folder.path(), &["resume", run.as_str(), "--on-approval", "approve"]);
    assert_eq!(code, 21, "{out}{err}");
}

#[test]
fn fifty_clients_are_never_told_that_the_store_is_locked() {
    const CLIENTS: usize = 50;
    const OPERATIONS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let (live, run) = owner(folder.path(), 50);
    let began = Instant::now();
    let faults: Vec<String> = std::thread::scope(|scope| {
        let client = |client: usize| {
            let (runs, run) = (runs(folder.path()), run.clone());
            let mut faults = Vec::new();
            for operation in 0..OPERATIONS {
                let fault = match (client + operation) % 5 {
                    // The owner writes each of these into its journal.
                    4 => {
                        let agents = Some(1_000);
                        let event = Event::BudgetRaised { usd_micros: None, tokens: None, time_ms: None, agents };
                        let body = serde_json::to_vec(&event).unwrap();
                        runs.journal().leave_decision(&run, body).err().map(Refusal::from)
                    }
                    0 => runs.list(20).err(),
                    1 => runs.owner(&run).err(),
                    2 => runs.load(&run, |_, _, _| {}).map(|loaded| drop(status_of(&loaded, None))).err(),
                    // About a question that is long answered, or is being answered: refused with words or heard.
                    _ => {
                        let step = Some(format!("both/q{}", 1 + operation % 5));
                        let decision = Decision::Approve { fields: Value::Null, comment: String::new() };
                        let refusal = runs.decide(&run, Verdict { step, decision, subject: None }).err();
                        refusal.filter(|refusal| !matches!(refusal.id, "E0307" | "E0360" | "E0362"))
                    }
                };
                faults.extend(fault.map(|fault| fault.to_string()));
            }
            faults
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    println!("{CLIENTS} clients x {OPERATIONS} operations in {:?}: {} faults", began.elapsed(), faults.len());
    assert!(faults.is_empty(), "{} faults, the first: {}", faults.len(), faults[0]);
    live.signal(Signal::SIGKILL);
    live.end();
    wait_gone(run.as_str(), "none");
}
