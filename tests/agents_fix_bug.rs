//! The shipped `/fix-bug`, unchanged, from its sample to its end, on each real agent program against a scripted model.
//!
//! A second workflow proves on each of them that an answer is mended within bounds or fails, and how steps fork.
//!
//! What the scripted model answers is made from the recording of the workflow, so the same test and the same fix go
//! wrong first and are mended by what the gate says. Needs `ORCH_CLIS` (folders with the programs, as in a PATH) and the
//! scripted model in `../shared/stub-model` (or `ORCH_STUB_MODEL`); says loudly what it skips.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop; skips are loud")]

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use scripted::Scripted;
use serde_json::{Value, json};
use support::path_without_agents;

/// A step of the workflow, and words that stand in its prompt and in no other.
const PROMPTS: &[(&str, &str)] = &[
    ("triage", "Read the report and the code that it is about"),
    ("reproduce", "is to be shown before anybody mends it"),
    ("cause", "Find its cause. Change nothing"),
    ("fix", "Change the cause, not the symptom"),
    ("quality/review", "does it mend the cause and not only the"),
    ("quality/security", "could the bug be"),
    ("record", "Write down what the next person needs"),
];
/// What every order says after a failed gate.
const AGAIN: &str = "What was wrong with the last attempt";

/// How a program is told of the scripted model: its name, its environment, and files in its home.
struct Wiring {
    name: &'static str,
    env: fn(&str) -> Vec<(&'static str, String)>,
    files: fn(&str) -> Vec<(&'static str, String)>,
    settings: &'static str,
}

const WIRING: &[Wiring] = &[
    Wiring { name: "claude", env: |base| scripted::environment("claude", base), files: |_| Vec::new(), settings: "" },
    Wiring { name: "codex", env: |base| scripted::environment("codex", base), files: |_| Vec::new(), settings: "" },
    Wiring {
        name: "gemini",
        env: |base| scripted::environment("gemini", base),
        files: |_| {
            let auth = json!({ "security": { "auth": { "selectedType": "gemini-api-key" } } });
            vec![(".gemini/settings.json", auth.to_string())]
        },
        // Without a model it asks a smaller one to choose, again and again where that answers in prose.
        settings: "model = \"gemini-2.5-pro\"\n",
    },
    Wiring {
        name: "copilot",
        env: |base| {
            let mut env = scripted::environment("copilot", base);
            env.push(("COPILOT_MODEL", "gpt-5.4".into()));
            env
        },
        files: |_| Vec::new(),
        settings: "",
    },
    Wiring {
        name: "opencode",
        env: |_| Vec::new(),
        files: |base| {
            let model = json!({ "name": "stub-model", "limit": { "context": 200_000, "output": 8_000 } });
            let models = json!({ "stub-model": model, "large": model, "medium": model });
            let provider = scripted::opencode_provider(base, &models);
            let config =
                json!({ "enabled_providers": ["stub"], "provider": { "stub": provider }, "model": "stub/stub-model" });
            vec![(".config/opencode/opencode.json", config.to_string())]
        },
        settings: "model = \"stub/stub-model\"\n",
    },
];

/// One rule for each recorded turn: later attempts first, because their prompts hold the words of the first as well.
fn scenario(program: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows/recordings/fix-bug.yaml");
    let recording: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut rules = Vec::new();
    for turn in recording["turns"].as_array().unwrap() {
        let step = turn["step"].as_str().unwrap();
        let words = PROMPTS.iter().find(|(name, _)| *name == step).unwrap().1;
        let is_again = turn["attempt"].as_u64().unwrap_or(1) > 1;
        let pattern = if is_again { format!("{words}.*{AGAIN}") } else { words.to_owned() };
        // Written by a command: tools of some programs refuse to replace a file that they have not read.
        let writes: Vec<Value> = turn["writes"].as_array().into_iter().flatten().map(|file| {
            let (path, text) = (file["path"].as_str().unwrap(), file["text"].as_str().unwrap());
            if program == "gemini" {
                // Its shell takes no text of several lines, and its tool replaces any file.
                return json!({ "do": "write", "path": path, "content": text });
            }
            let folder = Path::new(path).parent().unwrap().display().to_string();
            let folder = if folder.is_empty() { ".".to_owned() } else { folder };
            json!({ "do": "shell", "command": format!("mkdir -p {folder} && cat > {path} <<'END_OF_FILE'\n{text}END_OF_FILE") })
        }).collect();
        let said = &turn["says"];
        let output = &said["output"];
        let last = if output.is_null() {
            json!({ "text": said["summary"] })
        } else {
            json!({ "tools": [{ "do": "final_json", "value": output }] })
        };
        let mut turns: Vec<Value> = writes.into_iter().map(|write| json!({ "tools": [write] })).collect();
        turns.extend([last, json!({ "text": said["summary"] })]);
        let rule = json!({ "name": format!("{step} {is_again}"), "match": pattern, "turns": turns });
        if is_again { rules.insert(0, rule) } else { rules.push(rule) }
    }
    json!({ "rules": rules, "default": { "text": "ok" } })
}

fn told(output: &Output) -> String {
    format!(
        "{:?}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `orch` in a folder, with a home below it that holds nothing but what the wiring says.
struct Lab {
    folder: PathBuf,
    env: Vec<(String, String)>,
    path: std::ffi::OsString,
}

impl Lab {
    fn orch(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
        command.args(words).current_dir(self.folder.join("project")).env_clear().stdin(Stdio::null());
        command.env("PATH", &self.path).env("HOME", self.folder.join("home")).env("USER", "tester");
        for name in ["RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if std::env::var_os("RUSTUP_HOME").is_none() {
            let home = PathBuf::from(std::env::var_os("HOME").unwrap());
            command.env("RUSTUP_HOME", home.join(".rustup")).env("CARGO_HOME", home.join(".cargo"));
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value))).output().unwrap()
    }

    /// Names the program in the project's settings.
    fn settings(&self, wiring: &Wiring, program: &Path) {
        let program = program.display().to_string();
        let settings = format!("[runtimes.{}]\nprogram = {program:?}\n{}", wiring.name, wiring.settings);
        let file = self.folder.join("project/orch.toml");
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, format!("{before}\n{settings}")).unwrap();
    }

    /// What an attempt was told.
    fn order(&self, run: &str, attempt: &str) -> Value {
        let folder = self.folder.join("project/.orch/state/runs").join(run).join("attempts").join(attempt);
        serde_json::from_str(&fs::read_to_string(folder.join("order.json")).unwrap()).unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.orch(&["status", "--json"]).stdout).unwrap()
    }
}

/// A step whose first answer is not what it declares, one whose answer never is, and forks of a step.
const BOUNDS: &str = r#"
name: bounds
steps:
  - { id: mended, prompt: "alpha answers", output: { verdict: string, score: integer } }
  - { id: never, prompt: "omega answers", output: { verdict: string }, optional: true }
  - { id: source, prompt: "delta answers" }
  - parallel:
      - { id: one, prompt: "gamma answers", context: "fork:source", tools: [Read] }
      - { id: two, prompt: "gamma answers", context: "fork:source", tools: [Read] }
      - { id: small, prompt: "gamma answers", context: "fork:source", tools: [Read], context_budget: 100 }
"#;

fn bounds_scenario() -> Value {
    let text = |words: &str, text: &str| json!({ "match": words, "turns": [{ "text": text, "raw": true }] });
    let good = json!({ "tools": [{ "do": "final_json", "value": { "verdict": "pass", "score": 7 } }] });
    let rules = json!([
        { "match": format!("alpha answers[\\s\\S]*{AGAIN}"), "turns": [good, { "text": "done" }] },
        text("alpha answers", "{\"verdict\": 3}"),
        text("omega answers", "It is done, and all is well."),
        text("delta answers", "Delta."),
        text("gamma answers", "Gamma."),
    ]);
    json!({ "rules": rules, "default": { "text": "ok" } })
}

fn keeps_its_bounds(wiring: &Wiring, folder: &Path, program: &Path, lab: &Path) -> Result<(), String> {
    let (lab, _model) = set_up(wiring, folder, lab, &bounds_scenario());
    fs::create_dir_all(lab.folder.join("project/workflows")).unwrap();
    fs::write(lab.folder.join("project/workflows/bounds.yaml"), BOUNDS).unwrap();
    lab.settings(wiring, program);
    let run = lab.orch(&["run", "bounds", "--runtime", wiring.name]);
    if run.status.code() != Some(0) {
        return Err(told(&run));
    }
    let status = lab.status();
    let need =
        |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}\n{status:#}\n{}", told(&run))) };
    let steps = status["steps"].as_array().unwrap();
    let of = |id: &str| steps.iter().find(|step| step["id"].as_str().unwrap().ends_with(id)).unwrap();
    let tries = |id: &str| of(id)["history"].as_array().unwrap().len();
    need(of("mended")["status"] == "succeeded" && tries("mended") == 2, "the second answer did not mend the first")?;
    need(of("never")["status"] == "failed", "an answer that is never valid is a success")?;
    need(tries("never") == 3, "the tries to mend it are not two")?;
    let order = |id: &str| {
        let attempt = of(id)["history"][0]["id"].as_str().unwrap().to_owned();
        lab.order(status["id"].as_str().unwrap(), &attempt)
    };
    let is_copy = |id: &str| order(id)["forks"] == true && order(id)["session"].is_string();
    let can = ["claude", "codex", "opencode"].contains(&wiring.name);
    need(is_copy("one") == can && is_copy("two") == can, "the session was not copied, or by one that cannot")?;
    need(!is_copy("small"), "a session larger than the context budget was copied")?;
    let knows = |id: &str| order(id)["context"].as_str().unwrap().contains("Delta.");
    need(knows("small") && knows("one") != can, "what is not copied is not told, or twice")?;
    let spent = status["spent"]["usage"]["input_tokens"].as_u64().unwrap();
    // Nine answers, of a hundred tokens each; one program asks again by itself for an answer by a schema.
    let most = if wiring.name == "claude" { 1_400 } else { 900 };
    need(spent <= most, "what was spent before a copy is charged again")?;
    for id in ["one", "two", "small"] {
        need(of(id)["status"] == "succeeded", "a fork failed")?;
    }
    Ok(())
}

/// A project with nothing in it, a home that knows the scripted model, and that model.
fn set_up(wiring: &Wiring, folder: &Path, lab: &Path, scenario: &Value) -> (Lab, Scripted) {
    fs::create_dir_all(lab.join("home")).unwrap();
    fs::create_dir_all(lab.join("project")).unwrap();
    let model = Scripted::start(folder, scenario, lab).unwrap();
    for (path, text) in (wiring.files)(&model.address) {
        let path = lab.join("home").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let env = (wiring.env)(&model.address).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    (Lab { folder: lab.to_owned(), env, path: path_without_agents() }, model)
}

fn fixes_the_bug(wiring: &Wiring, folder: &Path, program: &Path, lab: &Path) -> Result<(), String> {
    let (lab, _model) = set_up(wiring, folder, lab, &scenario(wiring.name));
    let made = lab.orch(&["init", "--sample", "fix-bug", "."]);
    if made.status.code() != Some(0) {
        return Err(told(&made));
    }
    lab.settings(wiring, program);
    let words = ["run", "/fix-bug", "newest prints v1.9.0 although v1.10.0 is out", "--runtime"];
    let approving = ["--on-approval", "approve", "-v"];
    let run = lab.orch(&[words.as_slice(), &[wiring.name], &approving, &["--record=real"]].concat());
    if run.status.code() != Some(0) {
        return Err(told(&run));
    }
    let status = lab.status();
    let need =
        |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}\n{status:#}\n{}", told(&run))) };
    let steps = status["steps"].as_array().unwrap();
    let gates: Vec<_> = steps.iter().flat_map(|step| step["gates"].as_array().unwrap()).collect();
    need(status["status"] == "succeeded", "it did not succeed")?;
    need(
        gates.len() > 8 && gates.iter().filter(|gate| !gate["verdict"].is_null()).all(|gate| gate["verdict"] == "pass"),
        "gates",
    )?;
    need(status["spent"]["usage"]["input_tokens"].as_u64() > Some(0), "no usage was recorded")?;
    let fixed = fs::read_to_string(lab.folder.join("project/src/lib.rs")).unwrap();
    need(
        fixed
            != fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows/samples/fix-bug/src/lib.rs"))
                .unwrap_or_default(),
        "the code is as it was",
    )?;
    need(lab.folder.join("project/checks/reproduce.sh").is_file(), "there is no check")?;
    for name in ["reproduce", "fix"] {
        let step = steps.iter().find(|step| step["id"] == name).unwrap();
        let again = step["gates"].as_array().unwrap().iter().map(|gate| gate["failed_before"].as_u64().unwrap());
        need(again.sum::<u64>() >= 1, &format!("no gate of {name} failed first"))?;
        // What was wrong went back to the session that had done it.
        let works: Vec<_> = step["history"].as_array().unwrap().iter().filter(|one| one["purpose"] == "work").collect();
        let order = lab.order(status["id"].as_str().unwrap(), works.last().unwrap()["id"].as_str().unwrap());
        need(order["session"].is_string() && order["feedback"].is_string(), &format!("{name}: {order:#}"))?;
    }
    let recording = fs::read_to_string(lab.folder.join("project/workflows/recordings/real.yaml")).unwrap();
    need(!recording.contains(scripted::KEY), "the key is in the recording")?;
    let live = lab.folder.join("live");
    fs::rename(lab.folder.join("project"), &live).unwrap();
    replays(&lab, &live, &recording, &[words.as_slice(), &["replay"], &approving].concat())
}

/// What was recorded on a real program gives the same files in a fresh sample, twice.
fn replays(lab: &Lab, live: &Path, recording: &str, words: &[&str]) -> Result<(), String> {
    let mut told = Vec::new();
    for round in ["first", "second"] {
        let project = lab.folder.join("project");
        fs::create_dir_all(&project).unwrap();
        let made = lab.orch(&["init", "--sample", "fix-bug", "."]);
        fs::create_dir_all(project.join("workflows/recordings")).unwrap();
        fs::write(project.join("workflows/recordings/real.yaml"), recording).unwrap();
        let run = lab.orch(words);
        if made.status.code() != Some(0) || run.status.code() != Some(0) {
            return Err(format!("the {round} replay:\n{}{}\n{recording}", self::told(&made), self::told(&run)));
        }
        let (was, now) = (tree(live), tree(&project));
        let differs: Vec<_> = was
            .iter()
            .chain(&now)
            .filter(|(path, text)| was.get(*path) != now.get(*path) && !text.is_empty())
            .map(|(path, _)| path)
            .collect();
        if !differs.is_empty() {
            return Err(format!("the {round} replay gives other files: {differs:?}\n{recording}"));
        }
        told.push(lab.status()["outputs"].clone());
        fs::rename(&project, lab.folder.join(round)).unwrap();
    }
    if told[0] == told[1] { Ok(()) } else { Err(format!("two replays give two results: {told:?}")) }
}

/// Every file that somebody wrote: not what tools build, not the store, and not what names the runtime.
fn tree(root: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let relative = path.strip_prefix(root).unwrap().to_owned();
            let left_out = [".git", ".orch", "target", "orch.toml", "workflows/recordings"];
            if left_out.iter().any(|name| relative.starts_with(name)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(relative, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_shipped_fix_bug_runs_on_every_agent_program() {
    on_every_program("/fix-bug", fixes_the_bug);
}

#[test]
fn answers_are_mended_within_bounds_and_steps_fork() {
    on_every_program("bounds", keeps_its_bounds);
}

fn on_every_program(what: &str, check: fn(&Wiring, &Path, &Path, &Path) -> Result<(), String>) {
    let (Some(folder), Some(programs)) = (scripted::folder(), std::env::var_os("ORCH_CLIS")) else {
        println!("SKIPPED: {what} on real agent programs needs ORCH_CLIS=/path/to/bin and ../shared/stub-model");
        return;
    };
    // Not below the system's folder for temporary files: one of the programs cannot make its sandbox there.
    let lab = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let only = std::env::var("ORCH_ONLY_CLI").ok();
    let mut wrong = Vec::new();
    for wiring in WIRING.iter().filter(|wiring| only.as_deref().is_none_or(|only| only == wiring.name)) {
        let found = std::env::split_paths(&programs).map(|folder| folder.join(wiring.name)).find(|path| path.exists());
        let Some(program) = found else {
            println!("SKIPPED: {} is in no folder of ORCH_CLIS", wiring.name);
            continue;
        };
        let result = check(wiring, &folder, &program, &lab.path().join(wiring.name));
        println!("{} {what}: {}", wiring.name, result.as_ref().err().map_or("green", |_| "RED"));
        if let Err(fault) = result {
            wrong.push(format!("==== {}\n{fault}", wiring.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
