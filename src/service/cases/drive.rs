//! Drives one case: a run of the stubbed plan in a temporary project, with the answers of the case for whoever is asked.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, sync::mpsc};

use crate::{
    definition::cases::{Approval, Case},
    driver::{Finish, Loaded, OnApproval, exit_code, parked_exit_code},
    journal::Store,
    plan::{Plan, PlanSandbox},
    runtime::Replay,
    scheduler::{Decision, Notice, Purpose, WaitingFor},
    service::{
        cases::{
            names::static_path,
            stubs::{form, stubbed},
        },
        decisions::{Delivered, Verdict},
        owned::Owned,
        refusal::Refusal,
        run_settings::RunSettings,
        runs::{DriveOptions, Runs},
        sandbox::SandboxWish,
        secrets::SecretValues,
        servers::ServerValues,
        trust::TrustGate,
    },
};

/// The longest that one case may take.
pub(super) const TIME_MAX: Duration = Duration::from_secs(60);
/// Attempts at once, unless the workflow wants fewer. Not the cores of this machine: which branches have begun when one of
/// them fails must be the same everywhere.
const PARALLEL: u32 = 64;
/// How often the people of one case may be asked before it ends.
const ROUNDS_MAX: usize = 200;

/// Why a case has come to no end.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoEnd {
    /// It took too long.
    #[error("it did not end within {} s", TIME_MAX.as_secs())]
    Late,
    /// People were asked again and again.
    #[error("people were asked {ROUNDS_MAX} times, and it has not ended")]
    Rounds,
    /// It could not be run.
    #[error("{0}")]
    Refused(Refusal),
    /// Its folder cannot be written.
    #[error("the temporary project cannot be made: {0}")]
    Scratch(#[from] io::Error),
}

impl From<Refusal> for NoEnd {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// How a case has ended.
pub(super) struct Ended {
    /// The run.
    pub loaded: Loaded,
    /// Its exit code.
    pub exit: u8,
    /// The path of every try of a step, also in rounds of a loop that are over.
    pub tries: Vec<String>,
}

/// Runs a case to its end. Nothing outlives it: the folder is removed, and the keeper ends what still runs.
pub(super) fn run(plan: &Plan, case: &Case, settings: &RunSettings) -> Result<Ended, NoEnd> {
    let folder = tempfile::tempdir()?;
    let (root, answers) = (folder.path().join("project"), folder.path().join("answers"));
    std::fs::create_dir_all(&root)?;
    let root = root.canonicalize()?;
    let stubbed = stubbed(plan, case, &answers, &root)?;
    let settings = RunSettings {
        servers: ServerValues::default(),
        secrets: SecretValues::default(),
        runtime: None,
        found: None,
        runtimes: stubbed.runtimes,
        trust: TrustGate::default(),
        inbox: Duration::from_secs(1),
        parallel: PARALLEL,
        // Scripts of `orch` stand in for agents; there is nobody to be kept from anything.
        sandbox: SandboxWish { modes: Some(PlanSandbox::implied(false)), ..settings.sandbox.clone() },
        // What stands in for an agent costs what it says, and nothing else.
        prices: Arc::default(),
        // What a case plays must not be felt by the next one.
        resilience: Arc::default(),
        // Nobody wants to see what is only played.
        traces: None,
        ..settings.clone()
    };
    // Nobody resumes a case, so its journal waits for no disk.
    let store = Store::passing(&root).map_err(Refusal::from)?;
    let runs = Runs { store: Arc::new(store), root, settings, reuse: None };
    let owned = runs.start(&stubbed.plan, case.inputs.value.clone(), Replay::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = to_the_end(&runtime, &runs, owned, plan, case);
    runtime.shutdown_background();
    ended
}

fn to_the_end(runtime: &Runtime, runs: &Runs, owned: Owned, plan: &Plan, case: &Case) -> Result<Ended, NoEnd> {
    let id = owned.run().clone();
    let late = Instant::now() + TIME_MAX;
    let mut next = Some(owned);
    let mut answered = HashMap::new();
    for _ in 0..ROUNDS_MAX {
        let mut exit = None;
        if let Some(owned) = next.take() {
            // Nobody watches and nobody types; the channels only have to be there.
            let (watchers, _events) = mpsc::unbounded_channel();
            let (_inputs, inputs) = mpsc::unbounded_channel();
            let options = DriveOptions { on_approval: OnApproval::Wait, park: true };
            let left = late.saturating_duration_since(Instant::now());
            let driving = async { tokio::time::timeout(left, runs.drive(owned, options, watchers, inputs)).await };
            let driven = runtime.block_on(driving);
            exit = Some(match driven.map_err(|_| NoEnd::Late)?? {
                Finish::Ended(end) => exit_code(&end),
                Finish::Parked(waiting) => parked_exit_code(&waiting),
            });
        }
        let mut tries = Vec::new();
        let loaded = runs.load(&id, |scheduler, _, notice| {
            if let Notice::Starting { attempt, purpose: Purpose::Work } = notice {
                tries.push(scheduler.path(attempt.instance).to_string());
            }
        })?;
        if let Some(end) = loaded.scheduler.ended() {
            let exit = exit_code(end);
            return Ok(Ended { loaded, exit, tries });
        }
        match decide(runs, &loaded, plan, case, &mut answered)? {
            None => {
                let exit = exit.unwrap_or_else(|| parked_exit_code(&loaded.scheduler.waiting_for()));
                return Ok(Ended { loaded, exit, tries });
            }
            Some(Delivered::Ended) => {}
            Some(Delivered::Written | Delivered::ToOwner(_)) => {
                next = Some(runs.resume(&id, Replay::default(), Vec::new())?)
            }
        }
    }
    Err(NoEnd::Rounds)
}

/// Answers the first question that the case answers; `None` where it answers none. `answered` counts the answers about
/// each step: items of one step are about one step, as with stubs.
fn decide(
    runs: &Runs,
    loaded: &Loaded,
    plan: &Plan,
    case: &Case,
    answered: &mut HashMap<String, usize>,
) -> Result<Option<Delivered>, NoEnd> {
    for waiting in loaded.scheduler.waiting_for() {
        let WaitingFor::Decision { step, .. } = waiting else { continue };
        let path = static_path(step.as_str());
        let own = case.approvals_of.iter().find(|(key, _)| key.value == path);
        let answers = own.map_or(&case.approvals, |(_, approvals)| approvals);
        let given = answered.entry(path.clone()).or_default();
        let decision = match answers.get(*given).or(answers.last()).unwrap_or(&Approval::Approve) {
            Approval::Wait => continue,
            Approval::Pushback(comments) => runs.pushback(&loaded.summary.run, Some(step.as_str()), comments, &[])?,
            Approval::Reject => Decision::Reject { comment: "rejected by the case".to_owned(), is_final: true },
            Approval::Approve => {
                let asked = plan.steps.iter().find(|step| step.path == path);
                let fields = asked.map(|step| form(plan, case, step)).unwrap_or_default();
                Decision::Approve { fields, comment: String::new() }
            }
        };
        *given += 1;
        let verdict = Verdict { step: Some(step.as_str().to_owned()), decision, subject: None };
        return Ok(Some(runs.decide(&loaded.summary.run, verdict)?));
    }
    Ok(None)
}
