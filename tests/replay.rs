//! `orch replay`: the story of a run from its journal, and journals that do not fit.

#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

mod support;

use std::{fs, path::Path};

use orch::{
    base::RunId,
    driver::{RetraceError, encode, retrace},
    journal::{Journal as _, Memory, NewRecord, NewRun, Store},
    scheduler::Event,
};
use support::Project;

const WORKFLOW: &str = r#"name: story
steps:
  - id: one
    run: "test -f there || { touch there; exit 1; }"
    retry: { tries: 1, on: any, delay: 10ms }
    gate: [{ run: "true" }]
  - { id: two, when: "one.result.attempts == 2", run: "true" }
  - { id: ask, approve: "Go on?" }
outputs: { tries: "{{ one.result.attempts }}" }
"#;

fn story() -> (Project, RunId) {
    let project = Project::new().file("workflows/story.yaml", WORKFLOW);
    let done = project.run(&["run", "story", "--on-approval", "approve"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let id = project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().parse().unwrap();
    (project, id)
}

#[test]
fn a_run_is_told_record_by_record() {
    let (project, id) = story();
    let done = project.run(&["replay"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    // Times are other ones each time.
    let words: Vec<String> = done.stdout.lines().map(|line| line.chars().skip(21).collect()).collect();
    let told = words.join("\n");
    for expected in [
        "the run begins: ",
        "one, attempt 0-1 begins",
        "one, attempt 0-1 failed: ",
        "one, attempt 0-2 is done",
        "one, attempt 0-3 passed",
        "→ one succeeded",
        "`when` of two is true",
        "ask, attempt 2-1 asks a person",
        "--on-approval says yes to ask, attempt 2-1",
        "the outputs of the run is {\"tries\":2}",
        "→ the run has succeeded",
    ] {
        assert!(told.contains(expected), "{expected}\n{}", done.stdout);
    }
    assert!(done.stdout.ends_with(&format!("records fit, run {id}\n")), "{}", done.stdout);
    assert!(!done.stdout.contains("asks for") && project.run(&["replay", "-v"]).stdout.contains("asks for one"));
    assert_eq!(project.run(&["replay"]).stdout, done.stdout, "the same journal tells the same story");
}

#[test]
fn every_record_has_a_state() {
    let (project, id) = story();
    let lines: Vec<serde_json::Value> =
        project.run(&["replay", "--json"]).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect::<Vec<_>>(),
        (1..=lines.len() as u64).collect::<Vec<_>>()
    );
    let mut states = Vec::new();
    for place in 1..=lines.len() {
        let at = project.run(&["replay", id.as_str(), "--at", &place.to_string(), "--json"]).json(0);
        states.push(at["steps"][0]["status"].as_str().unwrap().to_owned());
        assert_eq!(at["status"] == "succeeded", place == lines.len(), "{at:#}");
    }
    states.dedup();
    assert_eq!(states, ["running", "sleeping", "running", "succeeded"]);
    let now = project.run(&["status", "--json"]).json(0);
    let last = project.run(&["replay", "--at", &lines.len().to_string(), "--json"]).json(0);
    assert_eq!(last, now);
    let beyond = project.run(&["replay", "--at", "1000"]);
    assert_eq!(beyond.code, Some(11), "{}", beyond.stderr);
    assert!(beyond.stderr.contains("E0333"), "{}", beyond.stderr);
}

/// The journal of a run as records that may be changed.
fn records(root: &Path, id: &RunId) -> (NewRun, Vec<NewRecord>) {
    let store = Store::open(root).unwrap();
    let journal = store.journal();
    let record =
        |record: orch::journal::Record| NewRecord { at: record.at, version: record.version, body: record.body };
    let records = journal.read(id, 1).unwrap().map(|one| record(one.unwrap())).collect();
    let summary = journal.run(id).unwrap().unwrap();
    let plan_body = journal.plan_body(id).unwrap().unwrap();
    (NewRun { summary, plan_body, records: Vec::new() }, records)
}

fn misfit(run: &NewRun, records: Vec<NewRecord>) -> Option<(u64, String)> {
    let journal = Memory::default();
    journal.create_run(NewRun { records, ..run.clone() }).wait().unwrap();
    match retrace(&journal, &run.summary.run, None, |_, _, _, _| {}) {
        Ok(_) => None,
        Err(RetraceError::Misfit { seq, reason }) => Some((seq, reason)),
        Err(RetraceError::Load(error)) => panic!("{error}"),
    }
}

#[test]
fn a_journal_that_does_not_fit_is_named_by_its_record() {
    let (project, id) = story();
    let (run, records) = records(&project.root(), &id);
    assert_eq!(misfit(&run, records.clone()), None);
    let event = |record: &NewRecord| -> Event { serde_json::from_slice(&record.body).unwrap() };
    let mut seen = 0;
    for (place, record) in records.iter().enumerate() {
        let seq = place as u64 + 1;
        let is_answer = matches!(
            event(record),
            Event::Started { .. } | Event::Finished { .. } | Event::Evaluated { .. } | Event::RunStarted { .. }
        );
        // Twice the same.
        let mut doubled = records.clone();
        doubled.insert(place, record.clone());
        if is_answer {
            assert_eq!(misfit(&run, doubled).map(|(at, _)| at), Some(seq + 1), "{:?}", event(record));
            seen += 1;
        }
        // One that was never asked for.
        let mut strange = records.clone();
        match event(record) {
            Event::Started { mut attempt, subject, shown, how, review } => {
                attempt.number += 7;
                strange[place] = encode(record.at, &Event::Started { attempt, subject, shown, how, review });
            }
            Event::Finished { mut attempt, outcome } => {
                attempt.instance.0 += 70;
                strange[place] = encode(record.at, &Event::Finished { attempt, outcome });
            }
            _ => continue,
        }
        assert_eq!(misfit(&run, strange).map(|(at, _)| at), Some(seq));
    }
    assert!(seen > 8, "{seen}");
    // One that is missing.
    for place in 0..records.len() {
        if matches!(event(&records[place]), Event::Started { .. } | Event::RunStarted { .. }) {
            let mut shorter = records.clone();
            shorter.remove(place);
            let (at, _) = misfit(&run, shorter).unwrap();
            assert!(at > place as u64, "{at} {place}");
        }
    }
    let mut spaced = records.clone();
    spaced[1].body.push(b' ');
    assert_eq!(misfit(&run, spaced).unwrap().0, 2);
    let mut late = records;
    late[0].at.0 += 1_000_000;
    assert_eq!(misfit(&run, late).unwrap().0, 2);
}

#[test]
fn a_changed_journal_ends_with_31() {
    let (project, id) = story();
    let (run, mut records) = records(&project.root(), &id);
    records.remove(1);
    let new: RunId = "zzzzzzz2".parse().unwrap();
    let mut summary = run.summary.clone();
    summary.run = new.clone();
    let store = Store::open(&project.root()).unwrap();
    store.journal().create_run(NewRun { summary, plan_body: run.plan_body, records }).wait().unwrap();
    drop(store);
    let done = project.run(&["replay", new.as_str()]);
    assert_eq!(done.code, Some(31), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("E0332") && done.stderr.contains("record 2 does not fit"), "{}", done.stderr);
}

/// The samples of earlier versions fit as well.
#[test]
fn the_journals_of_earlier_versions_fit() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let mut seen = 0;
    for sample in fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(".orch/state")).unwrap();
        fs::copy(sample.join("orch.db"), folder.path().join(".orch/state/orch.db")).unwrap();
        let store = Store::open(folder.path()).unwrap();
        for run in store.journal().runs(100).unwrap() {
            retrace(store.journal().as_ref(), &run.run, None, |_, _, _, _| {}).unwrap();
            seen += 1;
        }
    }
    assert!(seen > 0);
}
