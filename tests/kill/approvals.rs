//! Questions that several people answer at the same moment, while the owner is killed, the files change, and work is pushed
//! back: each decision that was acknowledged counts, once, and for the attempt that was asked about; no other one does.
//!
//! `ORCH_APPROVALS=1000 cargo test --test kill approvals` is the figure that the project promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use orch::{
    base::{Digest, RunId},
    driver::decode,
    plan::Plan,
    scheduler::{AttemptId, Decision, Event, Scheduler, StepState, StepView, WaitingFor},
    service::Runs,
};

use crate::{
    number,
    owners::runs,
    trial::{self, Live, Rng, project},
};

/// Questions of one run.
const QUESTIONS: usize = 6;
/// Something must happen within this time, however busy the machine is.
const STUCK: Duration = Duration::from_secs(120);

/// With everybody's programs: what is shown of files needs a git that the system's own may be too old for.
fn orch(folder: &Path, args: &[&str]) -> Command {
    let mut command = trial::orch(folder, args);
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command
}

/// What the rounds have seen together.
#[derive(Debug, Default)]
struct Figures {
    rounds: u64,
    words: u64,
    counted: u64,
    second: u64,
    outdated: u64,
    unread: u64,
    kills: u64,
    pushbacks: u64,
}

/// Each word that was said: by whom, and with which exit code it was answered.
type Said = BTreeMap<String, i32>;

#[test]
fn a_decision_that_is_acknowledged_counts_once_and_no_other_does() {
    let wanted = number("ORCH_APPROVALS", 15);
    let (rounds, seed) = (AtomicU64::new(0), AtomicU64::new(number("ORCH_SEED", 1)));
    let began = Instant::now();
    let mut all = Figures::default();
    std::thread::scope(|scope| {
        let worker = || {
            let mut figures = Figures::default();
            while rounds.load(Ordering::Relaxed) < wanted {
                let seed = seed.fetch_add(1, Ordering::Relaxed);
                let before = figures.rounds;
                one_run(seed, &mut figures);
                rounds.fetch_add(figures.rounds - before, Ordering::Relaxed);
            }
            figures
        };
        let workers: Vec<_> = (0..number("ORCH_WORKERS", 2)).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            let one = worker.join().unwrap();
            all.rounds += one.rounds;
            all.words += one.words;
            all.counted += one.counted;
            all.second += one.second;
            all.outdated += one.outdated;
            all.unread += one.unread;
            all.kills += one.kills;
            all.pushbacks += one.pushbacks;
        }
    });
    println!("{all:?} in {:?}", began.elapsed());
    assert!(all.counted > 0 && all.second > 0, "the test has tested nothing: {all:?}");
}

fn one_run(seed: u64, figures: &mut Figures) {
    println!("seed {seed}");
    let mut rng = Rng(seed);
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let runs = runs(folder.path());
    let mut owner = Live::start(orch(folder.path(), &["run", "votes", "--json"]));
    assert!(owner.wait_for(STUCK, |line| line["type"] == "asking"), "{:?}", owner.seen);
    let run: RunId = owner.seen[0]["run"].as_str().unwrap().parse().unwrap();
    let mut said = Said::new();
    for round in 0.. {
        let Some(attempt) = open_question(&runs, &run) else { break };
        figures.rounds += 1;
        let kills = rng.below(100) < 40;
        if rng.below(100) < 15 {
            // What was shown is no longer there.
            fs::OpenOptions::new().append(true).open(folder.path().join("witness")).unwrap().write_all(b"x\n").unwrap();
        }
        let path = path_of(&runs, &run, attempt);
        let people: Vec<_> = (0..2 + rng.below(2)).map(|place| (format!("r{round}p{place}"), rng.below(100))).collect();
        let pause = Duration::from_millis(rng.below(250));
        let codes = std::thread::scope(|scope| {
            let people: Vec<_> = people
                .iter()
                .map(|(who, word)| {
                    let (folder, run, path) = (folder.path(), run.as_str(), path.as_str());
                    scope.spawn(move || (who.clone(), say(folder, who, run, path, *word)))
                })
                .collect();
            if kills {
                std::thread::sleep(pause);
                owner.signal(Signal::SIGKILL);
                let old = std::mem::replace(&mut owner, goes_on(folder.path(), &run));
                old.end();
            }
            people.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        figures.kills += u64::from(kills);
        said.extend(codes);
    }
    orch(folder.path(), &["cancel", run.as_str(), "--now"]).output().unwrap();
    owner.end();
    judge(&runs, &run, &said, figures);
}

/// A new owner; the old one's lock goes with its process.
fn goes_on(folder: &Path, run: &RunId) -> Live {
    let began = Instant::now();
    loop {
        let mut live = Live::start(orch(folder, &["resume", run.as_str(), "--json"]));
        if live.wait_for(STUCK, |_| true) {
            return live;
        }
        let (code, _, err) = live.end();
        assert!(code == Some(32) && began.elapsed() < STUCK, "{code:?} {err}");
    }
}

/// Says something under a name of one's own; a few click twice.
fn say(folder: &Path, who: &str, run: &str, path: &str, word: u64) -> i32 {
    let words: &[&str] = match word {
        0..40 => &["approve", run, path],
        40..60 => &["reject", run, path, "--comment", "no"],
        _ => &["pushback", run, path, "--comment", "otherwise"],
    };
    let output = orch(folder, words).env("USER", who).output().unwrap();
    let (code, err) = (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned());
    let known = [("E0307", 11), ("E0360", 11), ("E0361", 20), ("E0362", 30), ("E0364", 2)];
    let fits = known.iter().any(|(id, exit)| code == *exit && err.contains(id));
    assert!(code == 0 || fits, "{who}: {words:?} ends with {code}\n{err}");
    code
}

/// Waits for the next question; none when all are answered.
fn open_question(runs: &Runs, run: &RunId) -> Option<AttemptId> {
    let began = Instant::now();
    loop {
        let scheduler = runs.load(run, |_, _, _| {}).unwrap().scheduler;
        let asked = scheduler.waiting_for().into_iter().find_map(|waiting| match waiting {
            WaitingFor::Decision { attempt, .. } => Some(attempt),
            WaitingFor::Outcome { .. } | WaitingFor::Budget { .. } => None,
        });
        let is_done = |view: &StepView<'_>| view.path.as_str() != "slow" && view.state == StepState::Succeeded;
        let done = scheduler.views().into_iter().filter(is_done).count();
        if asked.is_some() || done == QUESTIONS {
            return asked;
        }
        assert!(began.elapsed() < STUCK, "nothing is asked: {:?}", scheduler.waiting_for());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn path_of(runs: &Runs, run: &RunId, attempt: AttemptId) -> String {
    runs.load(run, |_, _, _| {}).unwrap().scheduler.path(attempt.instance).as_str().to_owned()
}

/// The journal against what people were told, by rules of its own: a question is open from the record that puts it until
/// the first record that ends it.
fn judge(runs: &Runs, run: &RunId, said: &Said, figures: &mut Figures) {
    let journal = runs.journal();
    let plan: Plan = serde_json::from_slice(&journal.plan_body(run).unwrap().unwrap()).unwrap();
    let mut scheduler = Scheduler::new(std::sync::Arc::new(plan));
    let mut open: BTreeMap<AttemptId, Digest> = BTreeMap::new();
    let (mut counted, mut late, mut ended) = (BTreeMap::<String, u32>::new(), BTreeSet::new(), BTreeMap::new());
    for record in journal.read(run, 1).unwrap() {
        let record = record.unwrap();
        let event = decode(&record).unwrap();
        match &event {
            Event::Started { attempt, subject: Some(subject), .. } => {
                open.insert(*attempt, subject.clone());
            }
            Event::Decided { attempt, subject, decision, by, .. } => {
                let counts = open.get(attempt) == Some(subject);
                if counts {
                    open.remove(attempt);
                    *counted.entry(by.clone()).or_default() += 1;
                    assert!(ended.insert(*attempt, by.clone()).is_none(), "{attempt} is decided twice");
                    figures.pushbacks += u64::from(matches!(decision, Decision::Pushback { .. }));
                }
            }
            Event::Outdated { attempt, by, .. } => {
                open.remove(attempt);
                late.insert(by.clone());
            }
            _ => {}
        }
        scheduler.step(record.at, event);
        // The run itself goes on with a decision exactly where it counts.
        for attempt in open.keys() {
            assert!(scheduler.is_question(attempt.instance), "{attempt} has moved, and nobody has decided");
        }
    }
    for (who, code) in said {
        let times = counted.get(who).copied().unwrap_or(0);
        figures.words += 1;
        match code {
            0 => assert_eq!(times, 1, "{who} was told that it counts"),
            30 => assert!(times <= 1, "{who} counts {times} times"),
            _ => assert_eq!(times, 0, "{who} was told {code}, and it counts"),
        }
        match code {
            0 => figures.counted += 1,
            20 => figures.outdated += 1,
            30 => figures.unread += 1,
            _ => figures.second += 1,
        }
        assert!(*code != 20 || late.contains(who), "{who} was told that it was late");
    }
    for who in counted.keys() {
        assert!(said.contains_key(who), "{who} has said nothing, and it counts");
    }
}
