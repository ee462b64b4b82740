//! Stores of earlier versions: each sample still loads and replays to the end that it had, action by action.
//!
//! The store of a sample is never changed, and what is expected of it only where it was wrong: such a commit says why. A
//! version that writes another form adds one: `ORCH_SAMPLE=FOLDER`, with the `.orch` of a run that was killed and resumed,
//! writes the expectations beside a copy of its store.

#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{fmt::Write as _, fs, path::Path, sync::Arc};

use orch::{
    base::Timestamp,
    driver::{decode, load},
    journal::Store,
    plan::Plan,
    scheduler::Scheduler,
    service::status,
};

/// The state of a run and every action that its journal leads to, as text.
fn replay(store: &Store) -> (String, String) {
    let journal = store.journal();
    let (mut states, mut actions) = (String::new(), String::new());
    let mut runs = journal.runs(100).unwrap();
    runs.sort_by_key(|run| (run.started, run.run.to_string()));
    assert!(!runs.is_empty(), "the sample has no run");
    for run in runs {
        let plan: Plan = serde_json::from_slice(&journal.plan_body(&run.run).unwrap().unwrap()).unwrap();
        let mut scheduler = Scheduler::new(Arc::new(plan));
        for record in journal.read(&run.run, 1).unwrap() {
            let record = record.unwrap();
            writeln!(actions, "{} {} {}", run.run, record.seq, record.at.0).unwrap();
            for action in scheduler.step(record.at, decode(&record).unwrap()) {
                writeln!(actions, "  {action:?}").unwrap();
            }
        }
        let loaded = load(journal.as_ref(), &run.run, |_, _: Timestamp, _| {}).unwrap();
        assert_eq!(loaded.scheduler, scheduler, "two readings of one journal differ");
        assert_eq!(run.ended, scheduler.ended().map(|end| end.at), "the list and the journal differ");
        writeln!(states, "{}", serde_json::to_string_pretty(&status(&loaded, None)).unwrap()).unwrap();
    }
    (states, actions)
}

/// Opens a copy: opening may bring a store to the newest form, and a sample stays as it is.
fn open(sample: &Path, folder: &Path) -> Store {
    fs::create_dir_all(folder.join(".orch/state")).unwrap();
    fs::copy(sample.join("orch.db"), folder.join(".orch/state/orch.db")).unwrap();
    Store::open(folder).unwrap()
}

#[test]
fn every_released_form_of_the_store_replays_to_its_end() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let mut seen = 0;
    for sample in fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let folder = tempfile::tempdir().unwrap();
        let (states, actions) = replay(&open(&sample, folder.path()));
        let kept = |name: &str| fs::read_to_string(sample.join(name)).unwrap();
        for (name, now) in [("states.json", states), ("actions.txt", actions)] {
            let then = kept(name);
            let differs = then.lines().zip(now.lines()).find(|(then, now)| then != now);
            assert!(differs.is_none(), "{}/{name}: then and now: {differs:#?}", sample.display());
            assert_eq!(then.len(), now.len(), "{}/{name} has another length", sample.display());
        }
        seen += 1;
    }
    assert!(seen > 0, "there is no sample");
}

#[test]
fn a_sample_is_written_where_one_is_asked_for() {
    let Some(project) = std::env::var_os("ORCH_SAMPLE") else { return };
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/new");
    fs::create_dir_all(&target).unwrap();
    // The store is closed here, so that its log is in the database when it is copied.
    let (states, actions) = replay(&Store::open(Path::new(&project)).unwrap());
    fs::copy(Path::new(&project).join(".orch/state/orch.db"), target.join("orch.db")).unwrap();
    fs::write(target.join("states.json"), states).unwrap();
    fs::write(target.join("actions.txt"), actions).unwrap();
}
