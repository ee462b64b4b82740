//! Compares three stories of one run: what was acknowledged, what the journal says, what the steps wrote themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

use crate::trial::{Trial, ask};

/// What the commands of one attempt wrote.
#[derive(Debug, Default)]
struct Marks {
    begun: usize,
    ended: usize,
    keys: BTreeSet<String>,
}

/// Attempt to marks, in the form `instance-number` that the journal uses.
fn witness(folder: &Path) -> BTreeMap<String, Marks> {
    let mut marks = BTreeMap::<String, Marks>::new();
    for line in fs::read_to_string(folder.join("witness")).unwrap_or_default().lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [what, attempt, key] = words[..] else { panic!("a torn line of the witness: {line:?}") };
        let at = marks.entry(attempt.to_owned()).or_default();
        match what {
            "B" => at.begun += 1,
            "E" => at.ended += 1,
            other => panic!("{other}"),
        }
        at.keys.insert(key.to_owned());
    }
    marks
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What the journal tells of the work of one step.
#[derive(Debug, Default)]
struct Story {
    /// The attempts in their order, each with its end where it has one.
    attempts: Vec<(String, Option<String>)>,
    /// Whether a `step_settled` says that it was done.
    settled: bool,
}

/// Whether a person must answer before this step may run a second time.
fn is_manual(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap();
    ["asked", "silent", "writer", "b", "w2", "w4", "last"].contains(&last)
}

/// Whether a command finds out that the step was done.
fn is_reconciled(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap();
    ["looked", "c", "w5"].contains(&last)
}

/// The run as `orch watch` tells it from the journal.
fn told(folder: &Path, run: &str) -> Vec<Value> {
    let (_, out, _) = ask(folder, &["watch", run, "--json"]);
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stories(told: &[Value]) -> BTreeMap<&str, Story> {
    let mut stories = BTreeMap::<&str, Story>::new();
    for event in told.iter().filter(|event| event["step"].is_string()) {
        let story = stories.entry(text(&event["step"])).or_default();
        let is_work = event["purpose"] == "work";
        match text(&event["type"]) {
            "attempt_started" if is_work => story.attempts.push((text(&event["attempt"]).to_owned(), None)),
            "attempt_finished" if is_work => {
                let attempt = story.attempts.iter_mut().find(|(id, _)| *id == text(&event["attempt"]));
                attempt.unwrap_or_else(|| panic!("it ended and never began: {event}")).1 =
                    Some(text(&event["end"]).to_owned());
            }
            "step_settled" => {
                assert!(!story.settled, "settled a second time after it was done: {event}");
                story.settled = event["state"] == "succeeded";
            }
            _ => {}
        }
    }
    stories
}

/// Holds what was acknowledged, the journal and the witness against each other.
pub fn verify(folder: &Path, trial: &Trial<'_>, now: &Value) {
    let marks = witness(folder);
    let told = told(folder, text(&now["id"]));
    let kept: BTreeSet<String> = told.iter().map(ToString::to_string).collect();
    // That a run goes on under a new owner is said to those who are there, and is no part of the story.
    for ack in trial.acks.iter().filter(|ack| ack["type"].is_string() && ack["resumed"] != true) {
        assert!(kept.contains(&ack.to_string()), "acknowledged and lost: {ack}");
    }
    let stories = stories(&told);
    let mut known = BTreeSet::new();
    let mut owners = BTreeMap::<&str, &str>::new();
    for (path, story) in &stories {
        known.extend(story.attempts.iter().map(|(id, _)| id.as_str()));
        let ran: Vec<_> = story.attempts.iter().filter_map(|(id, end)| Some((marks.get(id)?, end))).collect();
        for (place, (marks, end)) in ran.iter().enumerate() {
            assert!(marks.begun == 1 && marks.ended <= 1, "{path}: one attempt ran twice: {marks:?}");
            let is_done = end.as_deref() == Some("succeeded");
            assert!(!is_done || marks.ended == 1, "{path} is said to be done and never ended: {story:?}");
            assert!(!is_done || place + 1 == ran.len(), "{path} ran again after it was done: {story:?}");
        }
        let keys: BTreeSet<_> = ran.iter().flat_map(|(marks, _)| &marks.keys).collect();
        assert!(keys.len() <= 1, "{path} changed its key: {keys:?}");
        for key in keys.into_iter().filter(|key| *key != "-") {
            let other = owners.entry(key).or_insert(path);
            assert!(other == path, "{other} and {path} share the key {key}");
        }
        let ended: usize = ran.iter().map(|(marks, _)| marks.ended).sum();
        let again = trial.again.get(*path).copied().unwrap_or_default() + trial.retries;
        let called_done = trial.called_done.iter().any(|step| step == path);
        let is_work = !story.attempts.is_empty() && !["agree", "pause"].contains(path);
        assert!(!is_manual(path) || ran.len() <= 1 + again, "{path} ran again after {again} answers: {story:?}");
        assert!(!(is_work && story.settled) || ended > 0 || called_done, "{path} never ended: {story:?}");
        assert!(!is_reconciled(path) || ended <= 1, "{path} was done {ended} times: {story:?}");
    }
    let unknown: Vec<_> = marks.keys().filter(|attempt| !known.contains(attempt.as_str())).collect();
    assert!(unknown.is_empty(), "ran without being written down: {unknown:?}");
    for step in now["steps"].as_array().unwrap() {
        assert_ne!(step["status"], "running", "{now:#}");
        let settled = stories.get(text(&step["id"])).is_some_and(|story| story.settled);
        assert!(!settled || step["status"] == "succeeded", "done, and not any more: {step:#}");
    }
}
