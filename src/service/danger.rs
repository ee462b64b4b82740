//! The door before steps that work without limits: `danger: true` in a file is not enough, a person says so too.
//!
//! Two acts are asked for: trust in the definition as it stands, for this project, and the word, on the command line or in the
//! user's own settings. A project's settings cannot give it. Recordings and stubs do nothing, so they need no word.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    plan::{Plan, PlanStep, Work},
    runtime::Capabilities,
    service::refusal::Refusal,
};

/// Steps that are named at once.
const SHOWN_MAX: usize = 5;

/// What a person has said about work without limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Danger {
    /// `--allow-danger`, for this one command.
    pub is_allowed: bool,
    /// Runtimes for which the user's own settings say so, and where.
    pub runtimes: BTreeMap<String, String>,
}

/// By whose word the dangerous steps of a plan may work; nothing where it has none. `standard` is the runtime of agents
/// that name none; `of` says what a runtime can do.
///
/// # Errors
/// With exit 40 where nobody has said so, with 43 where the program would refuse.
pub(super) fn check(
    plan: &Plan,
    said: &Danger,
    (who, root): (&str, bool),
    standard: &str,
    of: impl Fn(&str) -> Option<Capabilities>,
) -> Result<Option<String>, Refusal> {
    let runtime = |step: &PlanStep| match &step.work {
        Work::Agent(agent) if agent.danger => Some(agent.runtime.clone().unwrap_or_else(|| standard.to_owned())),
        _ => None,
    };
    let steps = plan.steps.iter().filter_map(|step| Some((step, runtime(step)?)));
    let steps: Vec<_> = steps.filter(|(_, runtime)| of(runtime).is_none_or(|can| !can.replays)).collect();
    if steps.is_empty() {
        return Ok(None);
    }
    if root && let Some((step, runtime)) = steps.iter().find(|(_, name)| of(name).is_some_and(|can| can.refuses_root)) {
        let message =
            format!("`{}` says `danger: true`, and `{runtime}` refuses to work without limits as root", step.path);
        let help = "run `orch` as another user; where the machine is only for this: IS_SANDBOX = \"1\" in `env` of the runtime";
        return Err(Refusal::new(43, "E0316", message, help));
    }
    if said.is_allowed {
        return Ok(Some(format!("{who}: --allow-danger")));
    }
    let unsaid: Vec<_> = steps.iter().filter(|(_, runtime)| !said.runtimes.contains_key(runtime)).collect();
    if unsaid.is_empty() {
        let places: BTreeSet<&str> =
            steps.iter().filter_map(|(_, name)| said.runtimes.get(name)).map(String::as_str).collect();
        return Ok(Some(format!("{who}: danger = true in {}", places.into_iter().collect::<Vec<_>>().join(", "))));
    }
    let file = plan.trust.as_ref().map_or("", |trust| trust.path.as_str());
    let mut shown: Vec<String> =
        unsaid.iter().take(SHOWN_MAX).map(|(step, _)| format!("`{}` ({file}:{})", step.path, step.line)).collect();
    if unsaid.len() > SHOWN_MAX {
        shown.push(format!("and {} more", unsaid.len() - SHOWN_MAX));
    }
    let names: BTreeSet<&str> = unsaid.iter().map(|(_, name)| name.as_str()).collect();
    let first = names.first().copied().unwrap_or_default();
    let message = format!("`danger: true` wants work without limits, and no person has said so: {}", shown.join(", "));
    let help = format!(
        "add `--allow-danger` to this command, or write danger = true under [runtimes.{first}] in your own \
         ~/.config/orch/orch.toml; better, take `danger: true` away"
    );
    Err(Refusal::new(40, "E0324", message, help))
}
