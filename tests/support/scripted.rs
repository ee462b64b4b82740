//! The scripted model as a process, and how agent programs and model services find it. Knows no test.
//!
//! It lies beside the repository, in `../shared/stub-model`, or where `ORCH_STUB_MODEL` says.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// What programs and services show it as their key.
pub const KEY: &str = "sk-stub-0000";
const PROGRAM: &str = "stub_model.py";
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// The folder of the scripted model; `None` where there is none.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("ORCH_STUB_MODEL").map(PathBuf::from);
    let named = named.map(|path| if path.is_file() { path.with_file_name("") } else { path });
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/stub-model");
    [named, Some(beside)].into_iter().flatten().find(|folder| folder.join(PROGRAM).is_file())
}

/// The cases that it comes with.
pub fn cases(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("scenarios/cases.json")).unwrap()).unwrap()
}

/// A scripted model that answers; it ends with this value.
pub struct Scripted {
    process: Child,
    log: PathBuf,
    /// `http://127.0.0.1:PORT`.
    pub address: String,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Scripted {
    /// Starts it with a scenario; its own files stand in `lab`. `None` where there is no `python3`.
    pub fn start(folder: &Path, scenario: &Value, lab: &Path) -> Option<Self> {
        let place = |name: &str| lab.join(name);
        let (log, port) = (place("requests.jsonl"), place("port"));
        fs::write(place("scenario.json"), scenario.to_string()).unwrap();
        let mut command = Command::new("python3");
        command.arg(folder.join(PROGRAM)).arg(place("scenario.json")).arg("--port-file").arg(&port);
        command.arg("--log").arg(&log).arg("--log-bodies").stdout(Stdio::null());
        let mut scripted = Self { process: command.spawn().ok()?, log, address: String::new() };
        let late = Instant::now() + STARTS_WITHIN;
        while Instant::now() < late {
            if let Some(port) = fs::read_to_string(&port).ok().and_then(|text| text.trim().parse::<u16>().ok()) {
                scripted.address = format!("http://127.0.0.1:{port}");
                return Some(scripted);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the scripted model does not begin");
    }

    /// The requests that have ended.
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The requests that have ended, once no more of them come: a request is noted after its answer.
    pub fn settled(&self) -> Vec<Value> {
        let mut before = self.log();
        loop {
            thread::sleep(Duration::from_millis(250));
            let now = self.log();
            if now.len() == before.len() {
                return now;
            }
            before = now;
        }
    }
}

/// The environment in which an agent program finds it. opencode is told by a configuration instead.
pub fn environment(program: &str, address: &str) -> Vec<(&'static str, String)> {
    match program {
        "claude" => vec![("ANTHROPIC_BASE_URL", address.into()), ("ANTHROPIC_API_KEY", KEY.into())],
        "codex" => vec![("OPENAI_BASE_URL", format!("{address}/v1")), ("OPENAI_API_KEY", KEY.into())],
        "gemini" => vec![("GOOGLE_GEMINI_BASE_URL", address.into()), ("GEMINI_API_KEY", KEY.into())],
        "copilot" => vec![
            ("COPILOT_OFFLINE", "true".into()),
            ("COPILOT_PROVIDER_BASE_URL", format!("{address}/v1")),
            ("COPILOT_PROVIDER_TYPE", "openai".into()),
            ("COPILOT_PROVIDER_WIRE_API", "completions".into()),
            ("COPILOT_PROVIDER_API_KEY", KEY.into()),
        ],
        _ => Vec::new(),
    }
}

/// The provider that opencode's configuration names `stub`.
pub fn opencode_provider(address: &str, models: &Value) -> Value {
    serde_json::json!({
        "npm": "@ai-sdk/openai-compatible", "name": "stub",
        "options": { "baseURL": format!("{address}/v1"), "apiKey": KEY },
        "models": models
    })
}
