//! What a program that asks can run: names with their inputs, and plans in a form that a model reads.
//!
//! Everything here is bounded, because what is offered goes into somebody's context.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{Diagnostic, Severity},
    definition::Scope,
    plan::{Compiled, Plan, PlanEstimate, PlanInput, PlanStep, Work, draw},
    service::{
        compile_all::compile_all,
        find::Found,
        project::Project,
        trust::{TrustGate, TrustState},
    },
};

/// Characters of a description.
const DESCRIPTION_MAX: usize = 400;
/// Steps of an outline.
const STEPS_MAX: usize = 500;
/// Characters of a drawing.
const DRAWING_MAX: usize = 64 * 1024;

/// Something that can be run.
#[derive(Debug, Clone, Serialize)]
pub struct Offer {
    /// What names it: `new-project`, `/review`.
    pub name: String,
    /// `workflow` or `command`.
    pub kind: &'static str,
    /// One line.
    pub description: String,
    /// Its file.
    pub path: String,
    /// What a run is given.
    pub inputs: Vec<OfferedInput>,
    /// Whether the commands that it holds are trusted; absent where it holds none that need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustState>,
    /// The first fault, where it cannot be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One input.
#[derive(Debug, Clone, Serialize)]
pub struct OfferedInput {
    /// Its name.
    pub name: String,
    /// JSON Schema.
    pub schema: Value,
    /// Whether a run must give it.
    pub required: bool,
    /// Whether it takes words.
    pub positional: bool,
    /// The value where the run gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// One line of help.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// A plan in a few words for each step.
#[derive(Debug, Clone, Serialize)]
pub struct Outline {
    /// The plan as a tree.
    pub drawing: String,
    /// What a run is given.
    pub inputs: Vec<OfferedInput>,
    /// Its steps.
    pub steps: Vec<OutlineStep>,
    /// Steps that are not among them.
    pub steps_left_out: usize,
    /// What its agents are expected to spend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<PlanEstimate>,
    /// Whether the commands that it holds are trusted; absent where it holds none that need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustState>,
    /// What the plan was made from.
    pub digest: String,
}

/// One step of an outline.
#[derive(Debug, Clone, Serialize)]
pub struct OutlineStep {
    /// Its path.
    pub id: String,
    /// What it does: `agent`, `run`, `parallel`.
    pub kind: String,
    /// Who works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// On which runtime, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The steps that it waits for.
    pub needs: Vec<String>,
    /// The MCP servers that its agent gets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// How many gates it must pass.
    pub gates: usize,
}

/// The workflows and commands whose name or description holds `matching`, the nearest first, at most `limit`; and how
/// many more there are.
#[must_use]
pub fn offers(project: &Project, matching: &str, limit: usize) -> (Vec<Offer>, usize) {
    let library = project.library();
    let matching = matching.to_lowercase();
    let fits =
        |name: &str, about: &str| name.to_lowercase().contains(&matching) || about.to_lowercase().contains(&matching);
    let workflows =
        library.workflows.iter().filter(|entry| fits(&entry.workflow.name.value, &entry.workflow.description));
    let commands =
        library.commands.iter().filter(|command| !command.meta.hidden && fits(&command.name, &command.description));
    let mut found: Vec<Found<'_>> = workflows.map(Found::Workflow).chain(commands.map(Found::Command)).collect();
    // What ships with `orch` comes behind what somebody wrote here.
    found.sort_by_key(|found| about(found).4 == Scope::Builtin);
    let left_out = found.len().saturating_sub(limit);
    found.truncate(limit);
    let gate = TrustGate { folder: project.environment().trust_folder(), ..TrustGate::default() };
    let compiled = compile_all(project, &found.iter().collect::<Vec<_>>());
    let offer = |(found, compiled): (&Found<'_>, Result<Compiled, Vec<Diagnostic>>)| {
        let (kind, name, description, path, _) = about(found);
        let (inputs, trust, fault) = match &compiled {
            Ok(compiled) => (inputs(&compiled.plan.inputs), gate.state(project.root(), &compiled.plan), None),
            Err(faults) => {
                let first = faults.iter().find(|fault| fault.severity == Severity::Error);
                let words = first.map_or_else(String::new, |fault| format!("{}: {}", fault.code, fault.message));
                (Vec::new(), None, Some(words))
            }
        };
        Offer { name, kind, description: cut(description, DESCRIPTION_MAX), path, inputs, trust, fault }
    };
    (found.iter().zip(compiled).map(offer).collect(), left_out)
}

fn about<'f>(found: &'f Found<'_>) -> (&'static str, String, &'f str, String, Scope) {
    let path = |path: &Path| path.display().to_string();
    match found {
        Found::Workflow(entry) => {
            let workflow = &entry.workflow;
            let name = workflow.name.value.clone();
            ("workflow", name, &workflow.description, path(&entry.origin.path), entry.origin.scope)
        }
        Found::File(entry) => {
            let workflow = &entry.workflow;
            let name = workflow.name.value.clone();
            ("workflow", name, &workflow.description, path(&entry.origin.path), entry.origin.scope)
        }
        Found::Command(command) => {
            let name = format!("/{}", command.name);
            ("command", name, &command.description, path(&command.origin.path), command.origin.scope)
        }
        Found::Skill(skill) => {
            let name = format!("/{}", skill.name);
            ("skill", name, &skill.description, path(&skill.origin.path), skill.origin.scope)
        }
    }
}

/// A plan in a few words for each step.
#[must_use]
pub fn outline(project: &Project, plan: &Plan) -> Outline {
    let gate = TrustGate { folder: project.environment().trust_folder(), ..TrustGate::default() };
    let step = |step: &PlanStep| {
        let agent = match &step.work {
            Work::Agent(agent) => Some(agent),
            _ => None,
        };
        let pinned = agent.and_then(|agent| agent.agent).and_then(|place| plan.agents.get(place as usize));
        let servers = agent.into_iter().flat_map(|agent| &agent.servers);
        let servers = servers.filter_map(|place| plan.servers.get(*place as usize));
        OutlineStep {
            id: step.path.clone(),
            kind: draw::kind(plan, step),
            agent: pinned.map(|agent| agent.name.clone()),
            runtime: agent.and_then(|agent| agent.runtime.clone()),
            needs: step
                .needs
                .iter()
                .filter_map(|need| plan.steps.get(need.step.index()))
                .map(|of| of.path.clone())
                .collect(),
            servers: servers.map(|server| server.name.clone()).collect(),
            gates: step.gates.len(),
        }
    };
    Outline {
        drawing: cut(&draw::tree(plan), DRAWING_MAX),
        inputs: inputs(&plan.inputs),
        steps: plan.steps.iter().take(STEPS_MAX).map(step).collect(),
        steps_left_out: plan.steps.len().saturating_sub(STEPS_MAX),
        // What each step may spend is in the drawing.
        estimate: plan.estimate.clone().map(|estimate| PlanEstimate { steps: Vec::new(), ..estimate }),
        trust: gate.state(project.root(), plan),
        digest: plan.digest.as_str().to_owned(),
    }
}

fn inputs(inputs: &[PlanInput]) -> Vec<OfferedInput> {
    let offered = inputs.iter().map(|input| OfferedInput {
        name: input.name.clone(),
        schema: input.schema.clone(),
        required: input.required,
        positional: input.positional,
        default: input.default.clone(),
        description: cut(&input.description, DESCRIPTION_MAX),
    });
    offered.collect()
}

/// The beginning of a text, with a mark where there is more.
fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
