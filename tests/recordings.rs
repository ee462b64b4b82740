//! `orch run --record`: a real run is recorded, and replayed byte for byte in a fresh copy of its project. The same with
//! real agent programs is in `agents_fix_bug.rs`.

#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use orch::{
    driver::decode,
    journal::Store,
    plan::Plan,
    scheduler::{Event, Scheduler},
};
use serde_json::{Value, json};
use support::Project;

/// An agent that is a script: it writes, edits, deletes, fails once, and goes on in a second round after a failed gate.
const AGENT: &str = r#"#!/bin/sh
set -eu
order=$(cat "$ORCH_ORDER")
step=$(printf '%s' "$order" | sed -n 's/^ *"step": "\([^"]*\)",$/\1/p' | head -n 1)
attempt=$(printf '%s' "$order" | sed -n 's/^ *"attempt": \([0-9]*\),$/\1/p' | head -n 1)
case "$step-$attempt" in
write-1)
  mkdir -p out
  printf 'first\n' > out/a.txt
  printf 'no line end, tab\tand trailing  \r\n\n\n' > out/odd.txt
  printf '\000\001\377' > out/bytes.bin
  printf '#!/bin/sh\necho ran\n' > out/run.sh
  chmod 755 out/run.sh
  rm old.txt
  summary="one" ;;
write-2) printf 'second\n' >> out/a.txt; summary="two: $SOME_TOKEN" ;;
review-1) echo "not today" >&2; exit 1 ;;
review-2) printf 'reviewed by %s\n' "$HOME" > out/review.txt; summary="fine" ;;
*) echo "unexpected $step-$attempt" >&2; exit 1 ;;
esac
printf '{"status":"succeeded","summary":"%s","output":{"words":%s},"usage":{"input_tokens":7,"output_tokens":%s}}' \
  "$summary" "$attempt" "$attempt" > "$ORCH_OUTPUT"
"#;

const WORKFLOW: &str = r#"name: tale
inputs: { about: { type: string, required: true } }
steps:
  - id: write
    agent: writer
    prompt: "Write about {{ inputs.about }}."
    output: { words: integer }
    gate: [{ run: "test $(wc -l < out/a.txt) -eq 2" }]
    on_gate_fail: { feedback: true, tries: 1 }
  - id: review
    agent: writer
    prompt: "Review {{ write.words }} words."
    output: { words: integer }
    retry: { tries: 1, on: any, delay: 10ms }
  - { id: stamp, run: "sh out/run.sh > out/stamp.txt && cat out/a.txt >> out/stamp.txt" }
outputs: { words: "{{ write.words }}", review: "{{ review.result.summary }}" }
"#;

fn project() -> Project {
    let project = Project::new()
        .file("orch.toml", "[runtimes.shell]\ncommand = [\"./agents/shell.sh\"]\noutput = \"json\"\nenv = { SOME_TOKEN = \"hunter2-hunter2\" }\n")
        .file("workflows/tale.yaml", WORKFLOW)
        .file("agents/writer.md", "---\nname: writer\ndescription: Writes\n---\nYou write.\n")
        .file("old.txt", "old\n")
        .file("agents/shell.sh", AGENT);
    let script = project.root().join("agents/shell.sh");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    project
}

/// Every file but the store and the recordings: its mode and its content.
fn tree(root: &Path) -> BTreeMap<PathBuf, (bool, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let relative = path.strip_prefix(root).unwrap().to_owned();
            if relative.starts_with(".orch") || relative.ends_with("recordings") || relative.starts_with(".git") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let is_executable = path.metadata().unwrap().permissions().mode() & 0o111 != 0;
                found.insert(relative, (is_executable, fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// What the journal of the only run tells, without what is another one each time: ids, times, sessions, logs and runtimes.
fn journal(root: &Path) -> Vec<Value> {
    let store = Store::open(root).unwrap();
    let journal = store.journal();
    let run = journal.runs(10).unwrap().remove(0).run;
    let plan: Plan = serde_json::from_slice(&journal.plan_body(&run).unwrap().unwrap()).unwrap();
    let mut scheduler = Scheduler::new(Arc::new(plan));
    let mut told = Vec::new();
    for record in journal.read(&run, 1).unwrap() {
        let record = record.unwrap();
        let event = decode(&record).unwrap();
        let told_of = !matches!(
            event,
            Event::RunStarted { .. }
                | Event::SessionKnown { .. }
                | Event::Spent { .. }
                | Event::TimeReached
                | Event::Paced { .. }
        );
        let mut value = serde_json::to_value(&event).unwrap();
        scheduler.step(record.at, event);
        normalise(&mut value);
        if told_of {
            told.push(value);
        }
    }
    told
}

fn normalise(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in [
                "session",
                "evidence",
                "leaked",
                "dropped_bytes",
                "tree",
                "checkpoint",
                "usd_micros",
                "guessed_usd_micros",
            ] {
                map.shift_remove(key);
            }
            map.values_mut().for_each(normalise);
        }
        Value::Array(all) => all.iter_mut().for_each(normalise),
        Value::String(text) => *text = text.replace("hunter2-hunter2", "[redacted:SOME_TOKEN]"),
        _ => {}
    }
}

/// A fresh copy: the project as it was, with the recording.
fn copy_with(recording: &str) -> Project {
    project().file("workflows/recordings/tale.yaml", recording)
}

const RUN: [&str; 4] = ["run", "tale", "-i", "about=cats"];

fn recorded() -> (Project, String) {
    let project = project();
    let words: Vec<&str> = RUN.into_iter().chain(["--runtime", "shell", "--record"]).collect();
    let done = project.run(&words);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("recorded: 4 turns in workflows/recordings/tale.yaml"), "{}", done.stderr);
    assert!(done.stderr.contains("replay: orch run tale -i about=cats --runtime replay\n"), "{}", done.stderr);
    let text = project.read("workflows/recordings/tale.yaml");
    (project, text)
}

fn replayed(recording: &str) -> Project {
    let copy = copy_with(recording);
    let words: Vec<&str> = RUN.into_iter().chain(["--runtime", "replay"]).collect();
    let done = copy.run(&words);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(done.stdout, "words: 2\nreview: fine\n");
    copy
}

#[test]
fn a_recording_replays_byte_for_byte() {
    let (original, recording) = recorded();
    let first = replayed(&recording);
    let mut was = tree(&original.root());
    // The home folder is the one thing that is not the same: it was taken out.
    let home = original.home().display().to_string();
    let review = was.get_mut(Path::new("out/review.txt")).unwrap();
    assert_eq!(review.1, format!("reviewed by {home}\n").into_bytes());
    review.1 = b"reviewed by ~\n".to_vec();
    assert_eq!(tree(&first.root()), was);
    assert_eq!(journal(&first.root()), journal(&original.root()));
    let second = replayed(&recording);
    assert_eq!(tree(&second.root()), was);
    assert_eq!(journal(&second.root()), journal(&first.root()));
}

#[test]
fn nothing_secret_and_nothing_of_the_machine_is_recorded() {
    let (original, recording) = recorded();
    assert!(!recording.contains("hunter2"), "{recording}");
    assert!(recording.contains("two: [redacted:SOME_TOKEN]"), "{recording}");
    assert!(!recording.contains(original.root().to_str().unwrap()), "{recording}");
    assert!(!recording.contains(original.home().to_str().unwrap()), "{recording}");
    assert!(recording.contains("Doubt: step `review`, attempt 2: something was taken out of `out/review.txt`"));
}

#[test]
fn a_recording_is_not_replaced_by_chance() {
    let (project, recording) = recorded();
    let again: Vec<&str> = RUN.into_iter().chain(["--runtime", "shell", "--record"]).collect();
    let done = project.run(&again);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("E0330") && done.stderr.contains("--force"), "{}", done.stderr);
    assert_eq!(project.read("workflows/recordings/tale.yaml"), recording);
    project.write("old.txt", "old\n");
    fs::remove_dir_all(project.root().join("out")).unwrap();
    let forced: Vec<&str> = again.into_iter().chain(["--force"]).collect();
    assert_eq!(project.run(&forced).code, Some(0));
    assert_eq!(project.read("workflows/recordings/tale.yaml"), recording, "the same session gives the same recording");
}

#[test]
fn a_torn_recording_is_refused_wherever_it_is_cut() {
    let (_, recording) = recorded();
    let mut cut = 0;
    while cut < recording.len() - "\n".len() {
        if recording.is_char_boundary(cut) {
            let torn = orch::runtime::Recording::parse("torn.yaml", &recording[..cut]);
            assert!(torn.is_err(), "cut at {cut}: {}", &recording[..cut]);
        }
        cut += 1;
    }
    let copy = copy_with(&recording[..recording.len() / 2]);
    let words: Vec<&str> = RUN.into_iter().chain(["--runtime", "replay"]).collect();
    let done = copy.run(&words);
    assert_ne!(done.code, Some(0));
    assert!(done.stderr.contains("workflows/recordings/tale.yaml cannot be used"), "{}", done.stderr);
}

#[test]
fn a_run_that_waits_is_recorded_by_whoever_goes_on() {
    let workflow = WORKFLOW.replace("  - { id: stamp,", "  - { id: ok, approve: \"Go on?\" }\n  - { id: stamp,");
    let project = project().file("workflows/tale.yaml", &workflow);
    let words: Vec<&str> = RUN.into_iter().chain(["--runtime", "shell", "--record=mine"]).collect();
    let done = project.run(&words);
    assert_eq!(done.code, Some(20), "{}", done.stderr);
    assert!(done.stderr.contains("nothing is written to workflows/recordings/mine.yaml yet"), "{}", done.stderr);
    assert!(!project.root().join("workflows/recordings/mine.yaml").exists());
    let id = project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(project.run(&["approve", &id]).code, Some(0));
    let done = project.run(&["resume", &id]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("recorded: 4 turns in workflows/recordings/mine.yaml"), "{}", done.stderr);
}

/// Two agents at once: what both wrote is said, and what is declared is divided.
#[test]
fn who_wrote_what_is_not_guessed() {
    let agent = r#"#!/bin/sh
set -eu
name=$(sed -n 's/^ *"step": "both\/\([^"]*\)",$/\1/p' "$ORCH_ORDER" | head -n 1)
touch "here-$name"
while ! test -f here-one || ! test -f here-two; do sleep 0.02; done
echo "$name" > "own-$name"
echo same > shared
touch "done-$name"
while ! test -f done-one || ! test -f done-two; do sleep 0.02; done
printf '{"status":"succeeded","summary":"did"}' > "$ORCH_OUTPUT"
"#;
    let workflow = "name: tale\nsteps:\n  - id: both\n    parallel:\n      \
        - { id: one, agent: writer, prompt: One, files: [here-one, own-one, done-one] }\n      \
        - { id: two, agent: writer, prompt: Two, files: [here-two, own-two, done-two] }\n";
    let project = project().file("workflows/tale.yaml", workflow).file("agents/shell.sh", agent);
    let done = project.run(&["run", "tale", "--runtime", "shell", "--record"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("doubt: `shared` changed while more than one step worked"), "{}", done.stderr);
    let recording: Value = yaml(&project.read("workflows/recordings/tale.yaml"));
    for turn in recording["turns"].as_array().unwrap() {
        let name = turn["step"].as_str().unwrap().strip_prefix("both/").unwrap();
        let paths: Vec<_> = turn["writes"].as_array().unwrap().iter().map(|write| write["path"].clone()).collect();
        assert_eq!(json!(paths), json!([format!("done-{name}"), format!("here-{name}"), format!("own-{name}")]));
    }
}

fn yaml(text: &str) -> Value {
    orch::definition::load::value_of(Path::new("r.yaml"), text).unwrap()
}

/// A recording of an earlier version, with the project it was made in, must replay for ever.
#[test]
fn the_kept_recordings_replay() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut seen = 0;
    for sample in fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()) {
        let recording = fs::read_to_string(sample.join("tale.yaml")).unwrap();
        let copy = replayed(&recording);
        let told = fs::read_to_string(sample.join("journal.json")).unwrap();
        let now = serde_json::to_string_pretty(&journal(&copy.root())).unwrap() + "\n";
        assert_eq!(now, told, "{}", sample.display());
        seen += 1;
    }
    assert!(seen > 0, "there is no sample");
}

/// `ORCH_SAMPLE=tests/recordings/vN cargo test --test recordings a_sample`: a version that writes another form adds one.
#[test]
fn a_sample_is_written_where_one_is_asked_for() {
    let Some(folder) = std::env::var_os("ORCH_SAMPLE").map(PathBuf::from) else { return };
    let (_, recording) = recorded();
    let copy = replayed(&recording);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("tale.yaml"), recording).unwrap();
    let told = serde_json::to_string_pretty(&journal(&copy.root())).unwrap() + "\n";
    fs::write(folder.join("journal.json"), told).unwrap();
}
