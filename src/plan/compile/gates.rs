//! Gates: named ones are expanded into their checks, texts are resolved.
//!
//! Knows nothing of running them. Invariant: a named gate reads nothing of the workflow but `this`.

use std::sync::Arc;

use crate::{
    base::{Source, Spanned},
    definition::{
        NamedGate,
        workflow::{AllowedSecret, Gate, Step, StepKind, Workspace},
    },
    plan::{
        compile::{
            compiler::Compiler,
            faults::{self, Place, suggest},
            lower::{command, millis, own_model},
            scope::Sight,
        },
        defaults,
        policy::{AllowedLeak, GateFail, PlanGate},
        text::Text,
        types::{AgentWork, PlanContext, StepIx},
    },
};

/// Checks of one step with all named gates in place.
const CHECKS_MAX: usize = 256;

/// Where a gate is written.
#[derive(Clone)]
struct Home<'a> {
    source: &'a Arc<Source>,
    sight: Sight,
    /// The named gates around it, outermost first.
    names: Vec<&'a NamedGate>,
}

impl<'a> Compiler<'a> {
    pub(super) fn gates(&mut self, ix: StepIx, step: &'a Step, source: &'a Arc<Source>) -> Vec<PlanGate> {
        // After an `each` there is one child of each name for each item, so its gate reads the list: `this`.
        let children = matches!(step.kind, StepKind::Parallel { .. } | StepKind::Loop { .. });
        let sight = Sight { this: true, children, ..Sight::default() };
        let mut gates = Vec::new();
        self.expand(ix, &step.gate, &Home { source, sight, names: Vec::new() }, &mut gates);
        gates
    }

    fn expand(&mut self, ix: StepIx, checks: &'a [Spanned<Gate>], home: &Home<'a>, gates: &mut Vec<PlanGate>) {
        for check in checks {
            let place = Place { source: home.source, span: check.span };
            if gates.len() >= CHECKS_MAX {
                let fault = place.error(faults::TOO_LARGE, format!("more than {CHECKS_MAX} checks on one step"));
                self.faults.push(fault.cause("one too many").help("put the checks into one script"));
                return;
            }
            if let Gate::Named(name) = &check.value {
                self.expand_named(ix, name, home, gates);
            } else {
                let gate = self.gate(ix, check, home);
                gates.extend(gate);
            }
        }
    }

    fn expand_named(&mut self, ix: StepIx, name: &'a Spanned<String>, home: &Home<'a>, gates: &mut Vec<PlanGate>) {
        let place = Place { source: home.source, span: name.span };
        let Some(gate) = self.library.gates.get(&name.value) else {
            let help = suggest(
                &name.value,
                self.library.gates.names(),
                "gates",
                "write a check: `run`, `check`, `schema`, `files`, `changed`, `secrets`, `judge` or `approve`",
            );
            let fault = place.error(faults::UNKNOWN_GATE, format!("there is no gate `{}`", name.value));
            self.faults.push(fault.cause("not found in any `gates/` folder").help(help));
            return;
        };
        if home.names.iter().any(|outer| std::ptr::eq(*outer, gate)) {
            let circle: Vec<&str> = home.names.iter().map(|outer| outer.name.as_str()).collect();
            let fault = place.error(faults::CONTAINS_ITSELF, format!("gate `{}` contains itself", gate.name));
            let cause = format!("{} -> {}", circle.join(" -> "), gate.name);
            self.faults.push(fault.cause(cause).help("write the checks out"));
            return;
        }
        let files = std::iter::once(gate.origin.digest()).chain(&gate.reads);
        self.pins.gates.extend(files.cloned());
        let mut names = home.names.clone();
        names.push(gate);
        let sight = Sight { this: true, closed: true, ..Sight::default() };
        self.expand(ix, &gate.checks, &Home { source: &gate.origin.source, sight, names }, gates);
    }

    fn gate(&mut self, ix: StepIx, check: &'a Spanned<Gate>, home: &Home<'a>) -> Option<PlanGate> {
        let source = home.source;
        let names: Vec<&str> = home.names.iter().map(|gate| gate.name.as_str()).collect();
        let from = (!names.is_empty()).then(|| names.join(" > "));
        let reader = self.reader(ix, home.sight);
        Some(match &check.value {
            Gate::Run { command: run, expect, timeout } => {
                let over_command = self.reader(ix, Sight { command: true, ..home.sight });
                PlanGate::Run {
                    command: command(run),
                    expect: expect.as_ref().map(|expect| self.expression(over_command, source, expect)),
                    timeout_ms: millis(timeout.unwrap_or(defaults::COMMAND_TIMEOUT)),
                    from,
                }
            }
            Gate::Check(expression) => {
                PlanGate::Check { expression: self.expression(reader, source, expression), from }
            }
            Gate::Schema { schema } => {
                self.check_usable(Place { source, span: schema.span }, &schema.value);
                PlanGate::Schema { schema: schema.value.clone(), from }
            }
            Gate::Files { paths } => PlanGate::Files { paths: self.globs(source, paths), from },
            Gate::Changed { max_files, allow, deny } => PlanGate::Changed {
                max_files: *max_files,
                allow: self.globs(source, allow),
                deny: self.globs(source, deny),
                from,
            },
            Gate::Secrets { paths, all, allow } => PlanGate::Secrets {
                paths: self.globs(source, paths),
                all: *all,
                allow: allow.iter().map(|allowed| self.allowed(source, allowed)).collect(),
                from,
            },
            Gate::Judge(judge) => PlanGate::Judge { judge: Box::new(self.judge(ix, judge, source)?), from },
            Gate::Approve { text } => PlanGate::Approve { text: self.template(reader, source, text), from },
            Gate::Named(_) => return None,
        })
    }

    fn allowed(&mut self, source: &'a Arc<Source>, allowed: &'a AllowedSecret) -> AllowedLeak {
        let path = allowed.path.as_ref().and_then(|path| self.globs(source, std::slice::from_ref(path)).pop());
        let digest = allowed.digest.as_ref().map(|digest| digest.value.to_ascii_lowercase());
        AllowedLeak { path, digest, why: allowed.why.clone() }
    }

    fn globs(&mut self, source: &'a Arc<Source>, globs: &'a [Spanned<String>]) -> Vec<String> {
        for glob in globs {
            let place = Place { source, span: glob.span };
            if glob.value.contains("{{") {
                let fault = place.error(faults::BAD_TEXT, "the paths of a gate take no `{{ }}`");
                self.faults.push(fault.cause("it would be taken as it is").help("write a glob, or use a `run:` gate"));
            } else if let Err(error) = globset::Glob::new(&glob.value) {
                let fault = place.error(faults::BAD_TEXT, format!("`{}` is no glob", glob.value));
                self.faults
                    .push(fault.cause(error.kind().to_string()).help("`*` is a part of a name, `**` any folders"));
            }
        }
        globs.iter().map(|glob| glob.value.clone()).collect()
    }

    /// The checks of a merge. They see the merged files, not the result of a step.
    pub(super) fn merge_gates(
        &mut self,
        ix: StepIx,
        checks: &'a [Spanned<Gate>],
        source: &'a Arc<Source>,
    ) -> Vec<PlanGate> {
        let mut gates = Vec::new();
        let sight = Sight { own_binding: true, ..Sight::default() };
        self.expand(ix, checks, &Home { source, sight, names: Vec::new() }, &mut gates);
        gates
    }

    pub(super) fn gate_fail(&mut self, ix: StepIx, step: &'a Step, source: &'a Arc<Source>) -> GateFail {
        let Some(fail) = &step.on_gate_fail else { return GateFail::default() };
        let workspace = self.workspace(ix);
        let fixer = fail.value.agent.as_ref().and_then(|name| self.fixer(step, source, name, workspace));
        GateFail { feedback: fail.value.feedback, fixer, tries: fail.value.tries, then: fail.value.then }
    }

    /// An agent that mends what another one did.
    pub(super) fn fixer(
        &mut self,
        step: &'a Step,
        source: &'a Arc<Source>,
        name: &'a Spanned<String>,
        workspace: Workspace,
    ) -> Option<AgentWork> {
        let (index, agent) = self.agent(source, name)?;
        let skills = self.skills(&[], Some(agent), source, Some(name));
        // What the step may not do, nobody may do for it.
        let permissions = step.permissions.clone().unwrap_or_default().and(&agent.permissions);
        let tools = permissions.narrow(agent.tools.allowed());
        Some(AgentWork {
            agent: Some(index),
            prompt: Text::default(),
            // `model:` and `runtime:` of the step are for its own agent.
            runtime: agent.runtime.clone(),
            model: own_model(Some(agent)),
            servers: self.servers(Some(agent), tools.as_deref(), source, Some(name)),
            tools,
            context: PlanContext::Fresh,
            context_budget: agent.context_budget.unwrap_or(defaults::CONTEXT_BUDGET),
            skills,
            workspace,
            activated: Vec::new(),
            memory: Vec::new(),
            prose: None,
            permissions,
            danger: false,
            answer_files: false,
        })
    }
}
