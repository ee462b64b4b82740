//! What a plan asks of the runtimes of its steps, and which of them cannot do it.
//!
//! Invariant: what is refused here could never have worked; nothing is refused for what `orch` does itself (schemas,
//! feedback, retries, budgets).

use crate::{
    plan::{AgentWork, Plan, PlanContext, PlanStep, Work},
    runtime::{Capabilities, unkept},
    service::{
        project::Project,
        refusal::Refusal,
        runtimes::{declared, named},
    },
};

/// Faults that are shown at once.
const SHOWN_MAX: usize = 5;

/// Refuses a plan of which a step needs what its runtime lacks. `standard` is the runtime of agents that name none;
/// `of` says what a runtime can do.
///
/// # Errors
/// All such steps at once; exit 43.
pub(super) fn check(
    plan: &Plan,
    standard: Option<&str>,
    of: impl Fn(&str) -> Option<Capabilities>,
) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    for step in &plan.steps {
        let is_batched = step.parent.is_some_and(|parent| is_batched(plan.step(parent)));
        for agent in step.agents() {
            let Some(name) = agent.runtime.as_deref().or(standard) else { continue };
            let Some(can) = of(name).filter(|can| !can.replays) else { continue };
            faults.extend(
                lacking(agent, is_batched, can)
                    .map(|what| format!("`{}` {what}, and `{name}` cannot do that", step.path)),
            );
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let more = faults.len().saturating_sub(SHOWN_MAX);
    faults.truncate(SHOWN_MAX);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    let help =
        "name a runtime that can: `runtime:` at the step, or `--runtime`; `orch runtimes` shows what each can do";
    Err(Refusal::new(43, "E0316", faults.join("; "), help))
}

/// Refuses a plan for a project, before anybody wants to run it.
///
/// # Errors
/// See [`check`].
pub fn check_abilities(project: &Project, plan: &Plan) -> Result<(), Refusal> {
    let all = declared(project);
    let standard = named(project);
    check(plan, standard.as_deref(), |name| {
        let (_, found) = all.iter().find(|(other, _)| other == name)?;
        Some(found.adapter(name, project.root()).capabilities())
    })
}

/// Whether several items of an `each` go into one session.
fn is_batched(step: &PlanStep) -> bool {
    matches!(&step.work, Work::Each(each) if each.batch.is_some_and(|batch| batch > 1))
}

fn lacking(agent: &AgentWork, is_batched: bool, can: Capabilities) -> impl Iterator<Item = String> {
    let shares = matches!(agent.context, PlanContext::Share(_));
    let batch = (is_batched && !can.sessions).then_some("goes on with the session of another item");
    let named = agent.tools.iter().flatten().any(|tool| tool.starts_with("mcp__"));
    let serves = named || !agent.servers.is_empty();
    let session = (shares && !can.sessions).then_some("goes on with another step's session");
    let server = (serves && !can.mcp).then_some("uses an MCP server");
    let unlimited = (agent.danger && !can.unlimited).then_some("works without limits (`danger: true`)");
    let rules = unkept(&agent.permissions, agent.tools.as_deref(), agent.tools_only_read(), can);
    session.into_iter().chain(batch).chain(server).chain(unlimited).map(str::to_owned).chain(rules)
}
