//! `orch runtimes test`: one real attempt that asks for nothing but an answer.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::Map;

use crate::{
    base::{FailureClass, Outcome, Usage, did_you_mean},
    execute::{
        Assignment, Executor, Live, Place,
        process::{Keeper, Limits, StopToken},
        render::Renderer,
    },
    runtime::{Access, Order, OrderAgent, Seen},
    service::{fault::Fault, project::Project, refusal::Refusal, runtimes::declared},
};

/// How long the answer may take: some programs try a service that is down for more than a minute by themselves.
const TIME: Duration = Duration::from_secs(180);

/// What came of the attempt.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    /// The runtime.
    pub runtime: String,
    /// Whether it answered.
    pub is_good: bool,
    /// What it said, or why it did not.
    pub words: String,
    /// What kind of failure it is; absent where it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The models that answered.
    pub models: Vec<String>,
    /// What it cost.
    pub usage: Usage,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Lets one runtime answer one question, in an empty folder, with leave to read only.
///
/// # Errors
/// When there is no such runtime, or nothing can be started at all.
pub fn test_runtime(project: &Project, program: &Path, name: &str) -> Result<Tested, Fault> {
    let all = declared(project);
    let Some((_, found)) = all.iter().find(|(other, _)| other == name) else {
        let names = all.iter().map(|(name, _)| name.as_str());
        let help = did_you_mean(name, names)
            .map_or_else(|| "`orch runtimes` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
        return Err(Refusal::new(43, "E0311", format!("there is no runtime `{name}`"), help).into());
    };
    let adapter = found.adapter(name, project.root());
    let broken = |reason: String| {
        let help = "free the disk, or look at the folder for temporary files; then try again";
        Fault::from(Refusal::new(70, "E0306", reason, help))
    };
    let folder = tempfile::tempdir().map_err(|error| broken(format!("no folder for the test: {error}")))?;
    let workspace = folder.path().join("work");
    std::fs::create_dir(&workspace).map_err(|error| broken(format!("no folder for the test: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| broken(format!("nothing can be started: {error}")))?;
    let models = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&models);
    let live = Live::new(move |what| {
        if let Seen::Spent(_, Some(model)) = what {
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(model);
        }
    });
    let place = Place {
        secrets: Vec::new(),
        workspace,
        attempt_dir: folder.path().join("attempt"),
        env: project.environment().child_variables(),
        run: "test".to_owned(),
        attempt: format!("test/{}", std::process::id()),
        live,
        sandbox: None,
    };
    let began = Instant::now();
    let outcome = runtime.block_on(async {
        let keeper =
            Keeper::start(program).map_err(|error| broken(format!("the keeper cannot be started: {error}")))?;
        let executor = Executor::new(keeper.clone(), Renderer::new(program), [adapter]);
        let limits = Limits { timeout: Some(TIME), ..Limits::default() };
        let assignment = Assignment::Agent { order: Box::new(question()), runtime: name.to_owned(), limits };
        let outcome = executor.perform(assignment, &place, StopToken::never()).await;
        keeper.shutdown().await;
        Ok::<_, Fault>(outcome)
    })?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let models = models.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    let (is_good, words, class, session, usage) = match outcome {
        Outcome::Succeeded(envelope) => (true, envelope.text, None, envelope.session, envelope.usage),
        Outcome::Failed(failure) => (false, failure.reason, Some(failure.class), failure.session, failure.usage),
        Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {
            (false, "it ended without an answer".to_owned(), Some(FailureClass::Permanent), None, Usage::default())
        }
    };
    Ok(Tested { runtime: name.to_owned(), is_good, words, class, session, models, usage, took_ms })
}

fn question() -> Order {
    Order {
        workflow: "runtime-test".to_owned(),
        step: "test".to_owned(),
        attempt: 1,
        turn: 1,
        agent: OrderAgent {
            name: "test".to_owned(),
            instructions: "You answer in as few words as you can.".to_owned(),
        },
        task: "Reply with the single word: ready".to_owned(),
        requirements: String::new(),
        constraints: Vec::new(),
        context: String::new(),
        context_files: Vec::new(),
        expected_output: None,
        feedback: None,
        session: None,
        session_usage: Usage::default(),
        forks: false,
        model: None,
        tools: None,
        files: Vec::new(),
        answer_files: false,
        access: Access::Read,
        permissions: crate::definition::Permissions::default(),
        mcp_servers: Vec::new(),
        attached: Vec::new(),
        inputs: Map::new(),
    }
}
