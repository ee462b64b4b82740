//! The door before programs that are to be confined: nothing starts where the machine cannot keep it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Network, SandboxMode},
    execute::process::{probe, surroundings},
    execute::{Engine, upstream_fault},
    guard::sandbox::Method,
    plan::{Plan, PlanGate, PlanSandbox, PlanStep, Work},
    runtime::Replay,
    scheduler::Scheduler,
    service::{container::ContainerWish, refusal::Refusal},
};

/// Steps that are named at once.
const SHOWN_MAX: usize = 5;

/// What runs are told of sandboxes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxWish {
    /// How far, where a step says nothing of it, and the least whatever it says; `None` where nobody has said so.
    pub modes: Option<PlanSandbox>,
    /// What `orch` keeps for itself outside of the project.
    pub own: Vec<PathBuf>,
    /// What containers are made from and by.
    pub container: ContainerWish,
}

impl SandboxWish {
    /// No step less than this, whatever it says.
    pub fn at_least(&mut self, word: &str) {
        if let Some(mode) = SandboxMode::of(word) {
            self.modes = Some(PlanSandbox { standard: mode, floor: mode, is_implied: false });
        }
    }

    /// How far the programs of a plan are confined. `old` is what holds for the run that this one goes on from;
    /// `is_live` tells whether a runtime starts something or talks to a model, rather than replay what was recorded.
    pub(super) fn of(
        &self,
        plan: &Plan,
        old: Option<PlanSandbox>,
        runtime: &str,
        is_live: impl Fn(&str) -> bool,
    ) -> PlanSandbox {
        let said = self.modes.or(old.filter(|old| !old.is_implied));
        said.unwrap_or_else(|| {
            let mut agents = plan.steps.iter().flat_map(PlanStep::agents);
            PlanSandbox::implied(agents.any(|agent| is_live(agent.runtime.as_deref().unwrap_or(runtime))))
        })
    }
}

/// By what the programs of a run are confined.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    /// By what, outside of containers.
    pub method: Method,
    /// What makes containers, where a step is to be in one.
    pub engine: Option<Arc<Engine>>,
}

/// By what the programs of a plan are confined; nothing where none is.
///
/// # Errors
/// With exit 41 where this machine or this version cannot keep what is asked for.
pub(super) fn check(plan: &Plan, wish: &ContainerWish, orch: &Path) -> Result<Option<Keeping>, Refusal> {
    let confined: Vec<(&PlanStep, SandboxMode)> = plan
        .steps
        .iter()
        .map(|step| (step, plan.sandbox.mode(step)))
        .filter(|(step, mode)| *mode != SandboxMode::Off && starts_programs(step))
        .collect();
    if confined.is_empty() {
        return Ok(None);
    }
    let (contained, confined): (Vec<_>, Vec<_>) =
        confined.into_iter().partition(|(_, mode)| *mode == SandboxMode::Container);
    let engine = if contained.is_empty() { None } else { Some(Arc::new(engine(plan, &contained, wish)?)) };
    // Where all are in containers, nothing else is needed.
    let method = if confined.is_empty() { Method::Namespaces } else { method(plan, &confined, orch)? };
    Ok(Some(Keeping { method, engine }))
}

/// Refuses a run whose steps reach lists of hosts where the user's own proxy is one that cannot be used for that.
pub(super) fn upstream(plan: &Plan, env: &[(OsString, OsString)]) -> Result<(), Refusal> {
    let lists = |step: &&PlanStep| matches!(plan.sandbox.network(step), Some(Network::Hosts(_)));
    let (Some(step), Some(why)) = (plan.steps.iter().find(lists), upstream_fault(env)) else { return Ok(()) };
    let message =
        format!("`{}` reaches a list of hosts, and the proxy of your environment cannot be used: {why}", step.path);
    let help =
        "name a proxy that speaks plain HTTP (`http://HOST:PORT`), unset the variable, or list nothing: `network: any`";
    Err(Refusal::new(41, "E0377", message, help))
}

/// What makes the containers of these steps.
fn engine(plan: &Plan, contained: &[(&PlanStep, SandboxMode)], wish: &ContainerWish) -> Result<Engine, Refusal> {
    let listed = contained.iter().find(|(step, _)| matches!(plan.sandbox.network(step), Some(Network::Hosts(_))));
    if let Some((step, _)) = listed {
        let message = format!("a container has none or all of the network, and `{}` names hosts", step.path);
        return Err(Refusal::new(
            41,
            "E0375",
            message,
            "`network: none`, or `sandbox: workspace-write` with the hosts",
        ));
    }
    wish.engine(&names(contained))
}

/// By what these steps are confined.
fn method(plan: &Plan, confined: &[(&PlanStep, SandboxMode)], orch: &Path) -> Result<Method, Refusal> {
    let steps = names(confined);
    match probe(orch).best() {
        Some(Method::Surroundings) => {
            let around = surroundings();
            let network = |step: &PlanStep| plan.sandbox.network(step).unwrap_or(standard_network(step));
            let wider = confined.iter().find_map(|(step, _)| {
                let why = around.as_ref()?.admits(&network(step)).err()?;
                Some(format!("`{}`: {why}", step.path))
            });
            match wider {
                None => Ok(Method::Surroundings),
                Some(why) => Err(refused(
                    format!("a step is to reach fewer hosts than what is around this run: {why}"),
                    "say `network: any` at that step, or give the outer step the network that this one has",
                )),
            }
        }
        Some(method) => Ok(method),
        None => {
            let message = format!("this machine cannot confine what is to be confined: {}", words(&probe(orch).tried));
            let is_asked_for = confined.iter().any(|(step, _)| step.sandbox.is_some());
            if plan.sandbox.is_implied && !is_asked_for {
                let message = format!("{message}; runs with agents are confined where nobody says otherwise");
                let help = format!(
                    "`orch run {} --sandbox off` runs it with all your rights, `sandbox = \"off\"` in orch.toml does so \
                     always; `orch doctor` says what is missing",
                    plan.name
                );
                return Err(refused(format!("{message} ({steps})"), &help));
            }
            let help = "`orch doctor` says what is missing; where there is no way, `sandbox: off` in the step runs \
                        it as you; so does `--sandbox off` where no step says anything of it";
            Err(refused(format!("{message} ({steps})"), help))
        }
    }
}

/// What was tried, for people.
pub(super) fn words(tried: &[(Method, Option<String>)]) -> String {
    let tried = tried.iter().filter(|(method, fault)| *method != Method::Surroundings || fault.is_none());
    let tried = tried.map(|(method, fault)| {
        let name = match method {
            Method::Namespaces => "own namespaces",
            Method::Bubblewrap => "bubblewrap",
            Method::Surroundings => return already(),
        };
        fault.as_ref().map_or_else(|| format!("{name} work{}", plural(*method)), |fault| format!("{name}: {fault}"))
    });
    tried.collect::<Vec<_>>().join("; ")
}

const fn plural(method: Method) -> &'static str {
    if matches!(method, Method::Bubblewrap) { "s" } else { "" }
}

/// That this is in the sandbox of another run.
fn already() -> String {
    let around = surroundings().map_or_else(|| "another run".to_owned(), |around| format!("`{}`", around.attempt));
    format!("already confined by {around}")
}

fn refused(message: String, help: &str) -> Refusal {
    Refusal::new(41, "E0344", message, help)
}

/// Whom a step reaches where nobody has said so.
fn standard_network(step: &PlanStep) -> Network {
    if matches!(step.work, Work::Agent(_)) { Network::Any } else { Network::None }
}

fn starts_programs(step: &PlanStep) -> bool {
    matches!(step.work, Work::Agent(_) | Work::Run { .. })
        || step.on_gate_fail.fixer.is_some()
        || step.gates.iter().any(|gate| matches!(gate, PlanGate::Run { .. } | PlanGate::Judge { .. }))
}

fn names(confined: &[(&PlanStep, SandboxMode)]) -> String {
    let mut shown: Vec<String> =
        confined.iter().take(SHOWN_MAX).map(|(step, mode)| format!("`{}` {}", step.path, mode.word())).collect();
    if confined.len() > SHOWN_MAX {
        shown.push(format!("and {} more", confined.len() - SHOWN_MAX));
    }
    shown.join(", ")
}

/// How far the programs of a run are confined, for its first line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxShown {
    /// In a few words.
    pub words: String,
    /// Whether an agent that is not replayed works with all rights of the user.
    pub is_open: bool,
}

/// How far the programs of a run are confined.
#[must_use]
pub fn sandbox_shown(scheduler: &Scheduler) -> SandboxShown {
    let (plan, default) = (scheduler.plan(), scheduler.default_runtime());
    let is_live = |name: Option<&str>| name.or(default) != Some(Replay::NAME);
    SandboxShown { words: sandbox_words(plan), is_open: !open_steps(plan, is_live).is_empty() }
}

/// The steps whose agents work with all rights of the user; `is_live` tells it of a runtime's name.
pub(super) fn open_steps(plan: &Plan, is_live: impl Fn(Option<&str>) -> bool) -> Vec<&str> {
    let open = plan.steps.iter().filter(|step| plan.sandbox.mode(step) == SandboxMode::Off);
    let live = open.filter(|step| step.agents().any(|agent| is_live(agent.runtime.as_deref())));
    live.map(|step| step.path.as_str()).collect()
}

fn sandbox_words(plan: &Plan) -> String {
    let steps: Vec<SandboxMode> =
        plan.steps.iter().filter(|step| starts_programs(step)).map(|step| plan.sandbox.mode(step)).collect();
    match steps.iter().min().zip(steps.iter().max()) {
        None => format!("sandbox {}", plan.sandbox.standard.max(plan.sandbox.floor).word()),
        Some((least, most)) if least == most => format!("sandbox {}", most.word()),
        Some(_) => {
            let count = steps.iter().filter(|mode| **mode != SandboxMode::Off).count();
            format!("sandbox in {count} of {} steps", steps.len())
        }
    }
}
