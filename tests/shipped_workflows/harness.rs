//! Runs one shipped workflow on its sample, on a machine with `cargo`, `git` and `sh`. Knows no workflow.

use std::{
    env, fs,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A shipped workflow.
pub struct Shipped {
    /// Its name: that of the workflow, the command, the sample and the recording.
    pub name: &'static str,
    /// The gates that fail at first in the recorded session.
    pub repairs: &'static [Repair],
    /// Commands that must end with 0 in the project when the run is over.
    pub proof: &'static [&'static [&'static str]],
}

/// A gate that fails, and passes after its evidence has gone back.
pub struct Repair {
    /// The step that has the gate.
    pub step: &'static str,
    /// How the gate begins.
    pub gate: &'static str,
    /// The step and the attempt of the turn that mends it.
    pub turn: (&'static str, u32),
}

/// A test for each promise of each row.
macro_rules! shipped {
    ($($name:ident: $row:expr,)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn it_is_without_a_fault() {
                crate::harness::without_a_fault(&$row);
            }

            #[test]
            fn a_failed_gate_is_mended_and_the_run_is_green() {
                crate::harness::green(&$row);
            }

            #[test]
            fn without_the_turn_that_mends_it_the_gate_stays_red() {
                crate::harness::red(&$row);
            }
        }
    )*};
}
pub(crate) use shipped;

/// `orch check --strict` and `orch plan` have nothing to say against the workflow and its command.
#[track_caller]
pub fn without_a_fault(row: &Shipped) {
    let machine = Machine::new(row.name);
    let repository = env!("CARGO_MANIFEST_DIR");
    let (workflow, command) = (format!("workflows/{}.yaml", row.name), format!("commands/{}.md", row.name));
    let slash = format!("/{}", row.name);
    for words in [["check", "--strict", &workflow, &command].as_slice(), &["plan", &slash]] {
        let output = machine.orch(&[["-C", repository].as_slice(), words].concat());
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", told(&output));
    }
}

/// The command that `orch init --sample` prints ends with 0, and the journal shows each repair.
#[track_caller]
pub fn green(row: &Shipped) {
    let machine = Machine::new(row.name);
    machine.first(0);
    let status = machine.status();
    assert_eq!(status["status"], "succeeded");
    let output = machine.orch(&["watch", status["id"].as_str().unwrap()]);
    let story = told(&output);
    for repair in row.repairs {
        // What happened to the step, in the order of the journal.
        let mut lines = story.lines().filter(|line| line.split_whitespace().any(|word| word == repair.step));
        for mark in ["GATE ✗", "FEEDBACK", "GATE ok"] {
            assert!(lines.any(|line| line.contains(mark)), "{}: no {mark} in its place in\n{story}", repair.step);
        }
    }
    // A step that was not needed was not judged either.
    let done = status["steps"].as_array().unwrap().iter().filter(|step| step["status"] != "skipped");
    let gates: Vec<_> = done.flat_map(|step| step["gates"].as_array().unwrap()).collect();
    assert!(gates.iter().all(|gate| gate["verdict"] == "pass"), "{gates:?}");
    machine.prove(row);
}

/// Each repair is the doing of its turn alone.
#[track_caller]
pub fn red(row: &Shipped) {
    for repair in row.repairs {
        let machine = Machine::new(row.name);
        let mut text = machine.recording();
        text.replace_range(turn(&text, repair.turn.0, repair.turn.1), "");
        machine.record(&text);
        let told = machine.first(22);
        assert!(told.contains("GATE ✗"), "{told}");
        let status = machine.status();
        assert_eq!(gate(step(&status, repair.step), repair.gate).1["verdict"], "fail", "{}", repair.step);
    }
}

/// A new home, a sample that nobody has touched, and a PATH with `cargo`, `git` and `sh`.
pub struct Machine {
    folder: TempDir,
    name: &'static str,
    /// What `orch init` says to run, without `orch`.
    next: Vec<String>,
}

impl Machine {
    #[track_caller]
    pub fn new(name: &'static str) -> Self {
        let mut machine = Self { folder: TempDir::new().unwrap(), name, next: Vec::new() };
        for folder in ["home", "project", "tools"] {
            fs::create_dir(machine.folder.path().join(folder)).unwrap();
        }
        let toolchain = PathBuf::from(env::var_os("CARGO").unwrap());
        for program in ["cargo", "rustc", "rustdoc"] {
            let tool = machine.folder.path().join("tools").join(program);
            std::os::unix::fs::symlink(toolchain.with_file_name(program), tool).unwrap();
        }
        let output = machine.orch(&["init", "--sample", name, "--json"]);
        let done: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
        let next = shell_words::split(done["next"].as_str().unwrap()).unwrap();
        assert_eq!(next[0], "orch");
        machine.next = next[1..].to_vec();
        machine
    }

    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// A program in the project; the only `cargo` is the one in the tools.
    fn command(&self, program: &str) -> Command {
        let others = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
        let others = others.into_iter().filter(|folder| !folder.join("cargo").exists());
        let path = env::join_paths([self.folder.path().join("tools")].into_iter().chain(others)).unwrap();
        let mut command = Command::new(program);
        command.current_dir(self.project()).env_clear().env("PATH", path);
        command.env("HOME", self.folder.path().join("home")).stdin(Stdio::null());
        command
    }

    pub fn orch(&self, words: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_orch")).args(words).output().unwrap()
    }

    /// Runs what `orch init` says to run.
    #[track_caller]
    pub fn first(&self, code: i32) -> String {
        let words: Vec<&str> = self.next.iter().map(String::as_str).collect();
        self.ends(&words, code)
    }

    /// Runs `orch` with other words.
    #[track_caller]
    pub fn ends(&self, words: &[&str], code: i32) -> String {
        let output = self.orch(words);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        told
    }

    /// What a command of the project prints.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> String {
        let output = self.command(words[0]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub fn status(&self) -> Value {
        let output = self.orch(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)))
    }

    /// The shipped recording without its pauses.
    pub fn recording(&self) -> String {
        let path = format!("workflows/recordings/{}.yaml", self.name);
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        text.lines().filter(|line| !line.starts_with("    delay_ms:")).map(|line| format!("{line}\n")).collect()
    }

    /// Puts a recording into the project; it answers instead of the shipped one.
    pub fn record(&self, text: &str) {
        let folder = self.project().join("workflows/recordings");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{}.yaml", self.name)), text).unwrap();
    }

    #[track_caller]
    fn prove(&self, row: &Shipped) {
        for words in row.proof {
            self.says(words);
        }
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// Where the turn of a step and attempt stands in a recording.
#[track_caller]
pub fn turn(text: &str, step: &str, attempt: u32) -> Range<usize> {
    let starts: Vec<_> = text.match_indices("\n  - step: ").map(|(place, _)| place + 1).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut turns = starts.iter().zip(ends).map(|(start, end)| *start..end);
    let found = turns.find(|range| {
        let mut lines = text[range.clone()].lines();
        let name = lines.next().unwrap().trim_start_matches("  - step: ").trim_matches('"');
        let second = lines.next().and_then(|line| line.strip_prefix("    attempt: ")).unwrap_or("1");
        name == step && second == attempt.to_string()
    });
    found.unwrap_or_else(|| panic!("the recording has no {step}, attempt {attempt}"))
}

#[track_caller]
pub fn step<'a>(status: &'a Value, id: &str) -> &'a Value {
    status["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{status}"))
}

/// A gate of a step and its place.
#[track_caller]
pub fn gate<'a>(step: &'a Value, start: &str) -> (usize, &'a Value) {
    let mut gates = step["gates"].as_array().unwrap().iter().enumerate();
    gates.find(|(_, gate)| gate["gate"].as_str().unwrap().starts_with(start)).unwrap_or_else(|| panic!("{step}"))
}
