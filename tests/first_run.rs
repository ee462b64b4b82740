//! The first command of the README on a fresh machine: it ends well, the project it makes is a real one, and nothing
//! of it is a film.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const FIRST: &[&str] = &["-C", "./demo", "run", "/new-project", "a word counter", "--on-approval", "approve"];
const RECORDING: &str = include_str!("../workflows/recordings/new-project.yaml");

/// An empty folder, a new home, and a PATH with `cargo`, `git` and `sh`.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: TempDir::new().unwrap() };
        for name in ["home", "work", "tools"] {
            fs::create_dir(machine.folder.path().join(name)).unwrap();
        }
        let toolchain = PathBuf::from(env::var_os("CARGO").unwrap());
        for name in ["cargo", "rustc", "rustdoc"] {
            std::os::unix::fs::symlink(toolchain.with_file_name(name), machine.tools().join(name)).unwrap();
        }
        machine
    }

    /// A machine whose project has that recording beside its workflow, and does not wait where the agents thought.
    fn with_recording(text: &str) -> Self {
        let machine = Self::new();
        let folder = machine.demo().join("workflows/recordings");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("new-project.yaml"), text).unwrap();
        machine
    }

    fn tools(&self) -> PathBuf {
        self.folder.path().join("tools")
    }

    fn demo(&self) -> PathBuf {
        self.folder.path().join("work/demo")
    }

    /// A program in the empty folder; the only `cargo` is the one in the tools.
    fn command(&self, program: &str, words: &[&str]) -> Command {
        let others = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
        let others = others.into_iter().filter(|folder| !folder.join("cargo").exists());
        let path = env::join_paths([self.tools()].into_iter().chain(others)).unwrap();
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path().join("work")).env_clear().env("PATH", path);
        command.env("HOME", self.folder.path().join("home")).stdin(Stdio::null());
        command
    }

    fn orch(&self, words: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_orch"), words).output().unwrap()
    }

    #[track_caller]
    fn first(&self, code: i32) -> String {
        let output = self.orch(FIRST);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    }

    fn status(&self) -> Value {
        let output = self.orch(&["-C", "./demo", "status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Every file that the run has made, without what was built and what `orch` keeps.
    fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.demo()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path.strip_prefix(self.demo()).unwrap().to_owned();
                if path.is_dir() {
                    let kept = ["target", ".orch", "workflows"].iter().all(|other| entry.file_name() != *other);
                    folders.extend(kept.then_some(path));
                } else {
                    tree.insert(name, fs::read(path).unwrap());
                }
            }
        }
        tree
    }
}

/// The recording without its pauses.
fn quick() -> String {
    let line =
        |line: &str| if line.trim_start().starts_with("delay_ms:") { "    delay_ms: 0" } else { line }.to_owned();
    RECORDING.lines().map(line).map(|line| line + "\n").collect()
}

/// Where the turn of a step and attempt stands in a recording.
fn turn(text: &str, step: &str, attempt: u32) -> std::ops::Range<usize> {
    let head = format!("  - step: {step}\n    attempt: {attempt}\n");
    let start = text.find(&head).unwrap_or_else(|| panic!("the recording has no {step}, attempt {attempt}"));
    let end = text[start + 1..].find("\n  - step: ").map_or(text.len(), |place| start + 1 + place + 1);
    start..end
}

/// The pause of the first attempt of a step, in milliseconds.
fn pause(text: &str, step: &str) -> (std::ops::Range<usize>, String) {
    let turn = turn(text, step, 1);
    let start = turn.start + text[turn.clone()].find("delay_ms: ").unwrap() + "delay_ms: ".len();
    let end = start + text[start..].find('\n').unwrap();
    (start..end, text[start..end].to_owned())
}

fn step<'a>(status: &'a Value, id: &str) -> &'a Value {
    status["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{status}"))
}

#[test]
fn the_first_command_makes_a_project_that_passes_its_own_tests() {
    let machine = Machine::new();
    let text = machine.first(0);
    for words in ["sandbox off", "agents are replayed from recordings", "FEEDBACK            implement/core", "PASSED"]
    {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }

    let status = machine.status();
    assert_eq!(status["status"], "succeeded");
    let core = step(&status, "implement/core");
    let gate = &core["gates"][0];
    assert_eq!((&gate["verdict"], &gate["failed_before"], &core["attempts"]), (&"pass".into(), &1.into(), &2.into()));
    let ends: Vec<_> = core["history"].as_array().unwrap().iter().map(|attempt| attempt["end"].clone()).collect();
    assert_eq!(ends, ["succeeded", "fail", "succeeded", "pass"], "work, gate, work with the feedback, gate");
    let logs = machine.orch(&["-C", "./demo", "logs", status["id"].as_str().unwrap(), "implement/core"]);
    assert!(String::from_utf8_lossy(&logs.stdout).contains("test result: FAILED"), "the evidence is kept");

    for words in [["build", "--offline"], ["test", "--offline"]] {
        let output = machine.command("cargo", &words).current_dir(machine.demo()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    // Who of two that work at once is done first makes no difference to what is made.
    let (_, core) = pause(RECORDING, "implement/core");
    let (_, formats) = pause(RECORDING, "implement/formats");
    assert_ne!(core, formats);
    let mut swapped = quick();
    for (step, delay) in [("implement/core", &formats), ("implement/formats", &core)] {
        let (place, _) = pause(&swapped, step);
        swapped.replace_range(place, delay);
    }
    let other = Machine::with_recording(&swapped);
    other.first(0);
    let (one, two) = (machine.tree(), other.tree());
    let different: Vec<_> = one.keys().chain(two.keys()).filter(|name| one.get(*name) != two.get(*name)).collect();
    assert!(different.is_empty() && one.len() > 15, "{different:?}");
}

#[test]
fn without_the_turn_that_fixes_it_the_gate_stays_red() {
    let mut text = quick();
    text.replace_range(turn(&text, "implement/core", 2), "");
    let machine = Machine::with_recording(&text);
    let text = machine.first(22);
    assert!(text.contains("GATE ✗") && text.contains("a gate failed or had no verdict"), "{text}");
    assert_eq!(step(&machine.status(), "implement/core")["gates"][0]["verdict"], "fail");
}

#[test]
fn a_source_file_that_does_not_compile_is_noticed() {
    for (step, path) in [("implement/formats", "formats/src/text.rs"), ("quality/tests", "app/tests/cli.rs")] {
        let mut text = quick();
        let turn = turn(&text, step, 1);
        let file = turn.start + text[turn].find(&format!("path: {path}\n        text: |\n")).unwrap();
        let body = file + text[file..].find("text: |\n").unwrap() + "text: |\n".len();
        text.insert_str(body, "          this is no Rust;\n");
        let told = Machine::with_recording(&text).first(22);
        assert!(told.contains("GATE ✗"), "{step}: {told}");
    }
}

#[test]
fn without_cargo_nothing_begins() {
    let machine = Machine::new();
    fs::remove_file(machine.tools().join("cargo")).unwrap();
    let text = machine.first(22);
    assert!(text.contains("verdict error before the start") && text.contains("`cargo`"), "{text}");
    assert!(!machine.demo().join("docs").exists());
}

#[test]
fn cargo_that_vanishes_during_the_run_is_an_error_and_no_pass() {
    let mut text = quick();
    let (place, _) = pause(&text, "implement/core");
    text.replace_range(place, "3000");
    let machine = Machine::with_recording(&text);
    let mut command = machine.command(env!("CARGO_BIN_EXE_orch"), FIRST);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !machine.demo().join("docs/design.md").exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "no design");
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::remove_file(machine.tools().join("cargo")).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(22), "{text}");
    assert!(text.contains("GATE ERR"), "{text}");
    assert_eq!(step(&machine.status(), "implement/core")["gates"][0]["verdict"], "error");
}

/// What the program knows of the shipped project it knows from its definitions and recordings alone.
#[test]
fn nothing_in_the_sources_knows_the_project() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            files += 1;
            // The command line's help may show the first command of the README as an example.
            let is_help = path.ends_with("cli/args.rs");
            for word in ["wordcount", "scan.rs", "core-tests", "measure.sh", "acceptance.sh", "word counter"] {
                assert!(!text.contains(word) || (is_help && word == "word counter"), "{} knows {word}", path.display());
            }
        }
    }
    assert!(files > 100, "{files}");
}

/// A project of `orch init`, whose workflow a person has edited.
#[track_caller]
fn edited(machine: &Machine, before: &str, after: &str) {
    let path = machine.demo().join("workflows/hello.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(before), "{text}");
    fs::write(path, text.replacen(before, after, 1)).unwrap();
}

fn initialised() -> Machine {
    let machine = Machine::new();
    assert_eq!(machine.orch(&["init", "demo"]).status.code(), Some(0));
    machine
}

#[track_caller]
fn hello(machine: &Machine, words: &[&str], code: i32) -> String {
    let output = machine.orch(&[["-C", "demo"].as_slice(), words].concat());
    let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn a_new_project_is_green_within_ten_seconds() {
    let machine = initialised();
    let start = Instant::now();
    let text = hello(&machine, &["run", "hello"], 0);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(text.contains("proof: 1 gate passed"), "{text}");
    assert_eq!(fs::read_to_string(machine.demo().join("hello.txt")).unwrap(), "Hello, world!\n");
}

#[test]
fn the_three_edits_that_a_new_project_names_work() {
    let machine = initialised();
    edited(&machine, "grep -q Hello", "grep -q Goodbye");
    assert!(hello(&machine, &["run", "hello"], 22).contains("GATE ✗"));

    let machine = initialised();
    edited(
        &machine,
        "  - { id: show",
        "  - parallel: [{ id: day, run: date }, { id: place, run: pwd }]\n  - { id: show",
    );
    let text = hello(&machine, &["run", "hello"], 0);
    assert!(text.contains("parallel/day") && text.contains("parallel/place"), "{text}");

    let machine = initialised();
    edited(&machine, "hello.txt\n", "hello.txt\n      - approve: \"Is this the right greeting?\"\n");
    let text = hello(&machine, &["run", "hello"], 20);
    let command = text.lines().find_map(|line| line.trim().strip_prefix("next: orch ")).unwrap();
    hello(&machine, &command.split(' ').collect::<Vec<_>>(), 0);
    hello(&machine, &["resume"], 0);
}
