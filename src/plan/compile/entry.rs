//! From a workflow to a plan, or to all its faults.

use std::collections::BTreeMap;

use crate::{
    base::{Diagnostic, Digest},
    definition::{
        Dialect, Library, Scope,
        workflow::{OnFailure, OnLimit, Workflow},
    },
    plan::{
        compile::{
            compiler::Compiler,
            draft::outline,
            faults::Faults,
            lower::{inputs, millis},
            memory,
            scope::{Reader, Sight},
            secrets, servers,
        },
        defaults,
        models::ModelChain,
        sandbox::PlanSandbox,
        types::{Budget, Limits, PLAN_VERSION, Plan, PlanStep, StepIx, Work},
    },
};

/// A plan, and what was assumed to make it.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// Faults that do not stop a run.
    pub warnings: Vec<Diagnostic>,
    /// The files that it was made from.
    pub made_from: MadeFrom,
}

/// The files that a plan was made from, for whoever is asked to trust it.
#[derive(Debug, Clone, Default)]
pub struct MadeFrom {
    /// The digest of each, byte for byte.
    pub digests: Vec<Digest>,
    /// Where the skills are, but for those in the binary.
    pub skills: Vec<String>,
}

/// Compiles a workflow.
///
/// # Errors
/// All faults at once, warnings among them, in the order of files and places; the workflow's own file first.
pub fn compile(library: &Library, workflow: &Workflow) -> Result<Compiled, Vec<Diagnostic>> {
    let mut faults = Faults::default();
    let Some(draft) = outline(library, workflow, &mut faults) else { return Err(faults.finish(&workflow.source)) };
    let mut compiler = Compiler::new(library, draft, faults);
    let mut steps = compiler.lower_steps();
    let outside = Reader { unit: 0, step: None, sight: Sight::default() };
    let outputs = compiler.values(outside, &workflow.source, &workflow.outputs);
    let needs = compiler.wire();
    compiler.check_joins(&needs);
    if compiler.check_cycles(&needs) {
        compiler.check_conflicts(&steps, &needs);
    }
    if compiler.faults.has_errors() {
        return Err(compiler.faults.finish(&workflow.source));
    }
    for (step, needs) in steps.iter_mut().zip(needs) {
        step.needs = needs;
    }
    let mut roots = compiler.draft.units[0].roots.clone();
    compiler.add_merges(&mut steps, &mut roots);
    Ok(compiler.plan(workflow, steps, roots, outputs))
}

/// Gives a plan its digest. It holds everything it was made from, so its own text is what the digest is of.
pub(super) fn seal(plan: &mut Plan) {
    plan.digest = Digest::of(&[]);
    let text = serde_json::to_vec(plan).expect("a plan has text keys only, so it always has a JSON form");
    plan.digest = Digest::of(&text);
}

/// What a person has to trust before steps work without limits or get secrets.
fn of_the_plan(plan: &Plan) -> Vec<String> {
    let is_dangerous = |step: &&PlanStep| matches!(&step.work, Work::Agent(agent) if agent.danger);
    let steps = plan.steps.iter().filter(is_dangerous);
    let mut commands: Vec<String> = steps
        .map(|step| format!("# the agent of the step {} works without limits (danger: true)", step.path))
        .collect();
    commands.extend(plan.secrets.iter().map(secrets::shown));
    commands
}

impl Compiler<'_> {
    fn plan(
        self,
        workflow: &Workflow,
        steps: Vec<PlanStep>,
        roots: Vec<StepIx>,
        outputs: Vec<(String, crate::plan::text::ValueText)>,
    ) -> Compiled {
        let made_from = self.made_from();
        let mut plan = Plan {
            version: PLAN_VERSION,
            name: workflow.name.value.clone(),
            description: workflow.description.clone(),
            digest: Digest::of(&[]),
            inputs: inputs(workflow),
            models: self.models(),
            budget: budget(workflow),
            limits: limits(workflow),
            on_failure: workflow.on_failure.unwrap_or(OnFailure::Drain),
            steps,
            roots,
            outputs,
            agents: self.pins.agents,
            skills: self.pins.skills,
            servers: self.pins.servers,
            secrets: self.pins.secrets,
            folder: workflow.folder.strip_prefix(&self.library.root).unwrap_or(&workflow.folder).display().to_string(),
            memory: Vec::new(),
            trust: None,
            danger: None,
            sandbox: PlanSandbox::default(),
            estimate: None,
        };
        memory::pin(self.library, &mut plan, Dialect::Orch);
        seal(&mut plan);
        let path = workflow.source.path.display().to_string();
        let mut compiled = Compiled { plan, warnings: self.faults.finish(&workflow.source), made_from };
        let commands = of_the_plan(&compiled.plan);
        compiled.plan.trust = servers::trust(&compiled, (&compiled.plan.name, &path), commands);
        compiled
    }

    /// The files that the plan was made from, byte for byte: also what changes nothing in the plan may not change unseen
    /// where a person has said yes to it.
    fn made_from(&self) -> MadeFrom {
        let mut digests: Vec<Digest> = Vec::new();
        for unit in &self.draft.units {
            digests.push(unit.workflow.source.digest().clone());
            digests.extend(unit.workflow.reads.iter().cloned());
        }
        digests.extend(self.pins.gates.iter().cloned());
        let agents = self.pins.agents.iter().filter_map(|agent| self.library.agents.get(&agent.name));
        digests.extend(agents.map(|agent| agent.origin.digest().clone()));
        let skills: Vec<_> = self.pins.skills.iter().filter_map(|skill| self.library.skills.get(&skill.name)).collect();
        digests.extend(skills.iter().map(|skill| skill.origin.digest().clone()));
        let own = skills.iter().filter(|skill| skill.origin.scope != Scope::Builtin);
        MadeFrom { digests, skills: own.map(|skill| skill.origin.path.display().to_string()).collect() }
    }

    /// The tiers of all workflows; where two define the same, the one further out wins.
    fn models(&self) -> BTreeMap<String, BTreeMap<String, ModelChain>> {
        let mut models = BTreeMap::new();
        for tier in self.draft.units.iter().flat_map(|unit| &unit.workflow.models) {
            let entries = tier.models.iter().map(|(runtime, models)| {
                let models = models.iter().map(|model| model.value.clone()).collect();
                (runtime.value.clone(), ModelChain::new(models))
            });
            models.entry(tier.name.value.clone()).or_insert_with(|| entries.collect());
        }
        models
    }
}

fn budget(workflow: &Workflow) -> Budget {
    let budget = &workflow.budget;
    Budget {
        usd_micros: budget.usd.map(usd_micros),
        tokens: budget.tokens,
        time_ms: budget.time.map(millis),
        agents: budget.agents.unwrap_or(defaults::AGENTS_MAX),
        on_limit: budget.on_limit.unwrap_or(OnLimit::Pause),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits; not-a-number gives 0"
)]
fn usd_micros(usd: f64) -> u64 {
    (usd * 1e6).round().clamp(0.0, 1e18) as u64
}

fn limits(workflow: &Workflow) -> Limits {
    let per_runtime = &workflow.limits.per_runtime;
    Limits {
        parallel: workflow.limits.parallel,
        per_runtime: per_runtime.iter().map(|(runtime, count)| (runtime.value.clone(), *count)).collect(),
    }
}
