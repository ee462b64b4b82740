//! One attempt at a time on any service, in a workspace of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use orch::{
    base::{Envelope, Failure, Outcome},
    execute::{
        Assignment, Executor, Live, Place, Watch,
        process::{Keeper, Limits, StopToken, allow_list_env},
        render::Renderer,
    },
    runtime::{Access, Adapter, Order, OrderAgent, Seen},
};
use serde_json::Map;
use tempfile::TempDir;

/// What no file and no text may hold.
pub const KEY: &str = "sk-stub-0123456789";

pub struct Bench {
    root: TempDir,
    executor: Executor,
    pub place: Place,
    seen: Arc<Mutex<Vec<Seen>>>,
    attempts: u32,
}

impl Bench {
    pub fn with(adapters: Vec<Arc<dyn Adapter>>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().canonicalize().unwrap();
        for name in ["work", "outside"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        fs::write(folder.join("outside/secret"), "hidden").unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_orch"));
        let executor = Executor::new(Keeper::start(program).unwrap(), Renderer::new(program), adapters);
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let heard = Arc::clone(&seen);
        let place = Place {
            secrets: Vec::new(),
            workspace: folder.join("work"),
            attempt_dir: folder.join("state/attempts/1-1"),
            env: allow_list_env(std::env::vars_os()),
            run: "run".into(),
            attempt: "run/1-1".into(),
            sandbox: None,
            live: Live::new(move |seen| heard.lock().unwrap().push(seen)),
        };
        Self { root, executor, place, seen, attempts: 1 }
    }

    /// Lets guards watch over it.
    pub fn watched(mut self, watch: impl Fn(&Self) -> Watch) -> Self {
        let watch = watch(&self);
        self.executor = self.executor.watched(watch);
        self
    }

    pub fn next_attempt(&mut self) {
        self.attempts += 1;
        self.place.attempt = format!("run/1-{}", self.attempts);
        self.place.attempt_dir.set_file_name(format!("1-{}", self.attempts));
    }

    pub async fn agent(&self, runtime: &str, order: Order) -> Outcome {
        self.agent_within(runtime, order, limits()).await
    }

    pub async fn agent_within(&self, runtime: &str, order: Order, limits: Limits) -> Outcome {
        self.agent_until(runtime, order, limits, StopToken::never()).await
    }

    pub async fn agent_until(&self, runtime: &str, order: Order, limits: Limits, stop: StopToken) -> Outcome {
        let assignment = Assignment::Agent { order: Box::new(order), runtime: runtime.into(), limits };
        self.executor.perform(assignment, &self.place, stop).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.place.workspace.join(path)
    }

    pub fn outside(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap().join("outside")
    }

    pub fn outside_names(&self) -> Vec<String> {
        let names = fs::read_dir(self.outside()).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Waits until something holds that others bring about.
    pub async fn until(&self, holds: impl Fn() -> bool) {
        for _ in 0..2_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came");
    }

    /// No file of the attempts or the workspace holds the key, and nothing that was told does.
    pub fn nothing_holds_the_key(&self) {
        let mut folders = vec![self.root.path().to_owned()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else if entry.file_type().unwrap().is_file() {
                    files += 1;
                    let bytes = fs::read(&path).unwrap();
                    assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{}", path.display());
                }
            }
        }
        assert!(files > 1, "there are files");
        assert!(!format!("{:?}", self.seen()).contains(KEY));
    }
}

pub fn limits() -> Limits {
    Limits { timeout: Some(Duration::from_secs(60)), grace: Duration::from_millis(200), ..Limits::default() }
}

pub fn order(task: &str) -> Order {
    Order {
        workflow: "w".into(),
        step: "s".into(),
        attempt: 1,
        turn: 1,
        agent: OrderAgent { name: "coder".into(), instructions: "You write code.".into() },
        task: task.into(),
        requirements: String::new(),
        constraints: vec![],
        context: String::new(),
        context_files: vec![],
        expected_output: None,
        feedback: None,
        session: None,
        session_usage: orch::base::Usage::default(),
        forks: false,
        model: Some("stub-model".into()),
        tools: None,
        files: vec![],
        answer_files: false,
        access: Access::Edit,
        permissions: orch::definition::Permissions::default(),
        mcp_servers: vec![],
        attached: vec![],
        inputs: Map::new(),
    }
}

pub fn success(outcome: Outcome, case: &str) -> Envelope {
    match outcome {
        Outcome::Succeeded(envelope) => *envelope,
        other => panic!("{case}: {other:?}"),
    }
}

pub fn failure(outcome: Outcome, case: &str) -> Failure {
    match outcome {
        Outcome::Failed(failure) => *failure,
        other => panic!("{case}: {other:?}"),
    }
}
