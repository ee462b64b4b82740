//! Turns each step of the draft into a step of the plan; its texts are resolved on the way.
//!
//! Knows nothing of order: edges are only collected here.

use std::{sync::Arc, time::Duration};

use crate::{
    base::{Sandbox, Source, Spanned},
    definition::workflow::{
        Cache, Context, OnFailure, Recovery, Retry, RunCommand, Step, StepKind, Wait, Workflow, Workspace,
    },
    definition::{Permissions, rule_parts},
    plan::{
        compile::{
            compiler::{Compiler, Edge, Spot},
            faults::{self, Place},
            scope::{Found, Reader, Sight, look_up},
        },
        defaults,
        policy::{PlanCache, RecoveryPolicy, RetryPolicy},
        text::Text,
        types::{AgentWork, Command, EachWork, EdgeKind, PlanContext, PlanInput, PlanStep, StepIx, Work},
    },
};

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn command(command: &RunCommand) -> Command {
    match command {
        RunCommand::Shell(text) => Command::Shell(text.value.clone()),
        RunCommand::Argv(words) => Command::Argv(words.iter().map(|word| word.value.clone()).collect()),
    }
}

pub(super) fn inputs(workflow: &Workflow) -> Vec<PlanInput> {
    let input = |input: &crate::definition::workflow::Input| PlanInput {
        name: input.name.value.clone(),
        schema: input.schema.clone(),
        required: input.required,
        positional: input.positional,
        default: input.default.as_ref().map(|default| default.value.clone()),
        description: input.description.clone(),
    };
    workflow.inputs.iter().map(input).collect()
}

impl<'a> Compiler<'a> {
    /// The plan's steps, without their needs.
    pub(super) fn lower_steps(&mut self) -> Vec<PlanStep> {
        let count = u32::try_from(self.draft.steps.len()).unwrap_or(u32::MAX);
        (0..count).map(|ix| self.lower_step(StepIx(ix))).collect()
    }

    fn lower_step(&mut self, ix: StepIx) -> PlanStep {
        let sketch = self.draft.sketch(ix);
        let step: &'a Step = sketch.step;
        let source = self.draft.source(ix);
        let (id, path, parent, line) = (step.id.value.clone(), sketch.path.clone(), sketch.parent, sketch.line);
        let plain = self.reader(ix, Sight::default());
        if let Some(output) = &step.output {
            self.check_usable(Place { source, span: output.span }, &output.value);
        }
        let when = step.when.as_ref().map(|when| self.expression(plain, source, when));
        self.merge_of(ix, step, source);
        let work = self.work(ix, step, source);
        let gates = self.gates(ix, step, source);
        let on_gate_fail = self.gate_fail(ix, step, source);
        let with = self.values(plain, source, &step.with);
        let env = self.values(plain, source, &step.env);
        let secrets = step.secrets.iter().filter_map(|one| self.secret(ix, one)).collect();
        let args = step.args.iter().map(|arg| self.template(plain, source, arg)).collect();
        let summary_sight = Sight { result: true, ..Sight::default() };
        let summary = step.summary.as_ref().map(|text| self.template(self.reader(ix, summary_sight), source, text));
        let files = step.files.iter().map(|file| self.template(plain, source, file)).collect();
        let cache = step.cache.as_ref().map(|cache| self.cache(ix, step, source, cache));
        let (timeout, idle) = attempt_times(&step.kind);
        PlanStep {
            id,
            path,
            parent,
            line,
            needs: Vec::new(),
            join: step.join.as_ref().map_or(crate::definition::workflow::Join::All, |join| join.value),
            when,
            gates,
            on_gate_fail,
            retry: retry(step),
            timeout_ms: step.timeout.or(timeout).map(millis),
            idle_timeout_ms: step.idle_timeout.or(idle).map(millis),
            recovery: recovery(step, &work),
            optional: step.optional,
            on_failure: self.on_failure(ix),
            output: step.output.as_ref().map(|output| output.value.clone()),
            with,
            env,
            secrets,
            args,
            files,
            summary,
            cache,
            sandbox: self.sandbox(ix),
            isolated: false,
            work,
        }
    }

    fn cache(&mut self, ix: StepIx, step: &'a Step, source: &'a Arc<Source>, cache: &'a Spanned<Cache>) -> PlanCache {
        let shares = matches!(step.context.as_ref().map(|context| &context.value), Some(Context::Share(_)));
        let why = if shares {
            Some(("`context: share:` goes on with a session, which every run has anew", "take `context: fork:`"))
        } else if self.workspace(ix) != Workspace::Shared {
            Some(("what is done in a place of its own is done anew", "let the step work in the project's folder"))
        } else {
            None
        };
        if let Some((cause, help)) = why {
            let fault = Place { source, span: cache.span }.error(faults::CACHE_IN_VAIN, "this step cannot be cached");
            self.faults.push(fault.cause(cause).help(format!("remove `cache:`, or {help}")));
        }
        let plain = self.reader(ix, Sight::default());
        let key = cache.value.key.as_ref().map(|key| self.template(plain, source, key));
        PlanCache { key, ttl_ms: cache.value.ttl.map(millis) }
    }

    pub(super) fn reader(&self, ix: StepIx, sight: Sight) -> Reader {
        Reader { unit: self.draft.sketch(ix).unit, step: Some(ix), sight }
    }

    fn work(&mut self, ix: StepIx, step: &'a Step, source: &'a Arc<Source>) -> Work {
        let plain = self.reader(ix, Sight::default());
        let children = self.draft.sketch(ix).children.clone();
        match &step.kind {
            StepKind::Agent { .. } => Work::Agent(self.agent_work(ix, step, source)),
            StepKind::Run(run) => Work::Run { command: command(run), workspace: self.workspace(ix), keeps_text: false },
            StepKind::Approve { text } => Work::Approve { text: self.template(plain, source, text) },
            StepKind::Ask { text } => Work::Ask { text: self.template(plain, source, text) },
            StepKind::Wait(Wait::For(delay)) => Work::Sleep { delay_ms: millis(*delay) },
            StepKind::Wait(Wait::Signal(signal)) => Work::Await { signal: signal.value.clone() },
            StepKind::Emit { signal } => Work::Emit { signal: signal.value.clone() },
            StepKind::Checkpoint { name } => Work::Checkpoint { name: name.value.clone() },
            StepKind::Stop { succeed, text } => {
                Work::Stop { succeed: *succeed, text: self.template(plain, source, text) }
            }
            StepKind::Parallel { max_parallel, .. } => Work::Parallel { children, max_parallel: *max_parallel },
            StepKind::Each { items, binding, max_parallel, max_items, batch, .. } => {
                let own = self.reader(ix, Sight { own_binding: true, ..Sight::default() });
                self.check_list(plain, source, items);
                Work::Each(EachWork {
                    items: self.expression(plain, source, items),
                    binding: binding.as_ref().map_or_else(|| "item".to_owned(), |name| name.value.clone()),
                    key: step.key.as_ref().map(|key| self.template(own, source, key)),
                    max_parallel: *max_parallel,
                    max_items: max_items.unwrap_or(defaults::ITEMS_MAX),
                    batch: *batch,
                    children,
                })
            }
            StepKind::Loop { max, until, on_max, .. } => {
                let inside = self.reader(ix, Sight { children: true, own_binding: true, ..Sight::default() });
                Work::Loop {
                    max: *max,
                    until: until.as_ref().map(|until| self.expression(inside, source, until)),
                    on_max: *on_max,
                    children,
                }
            }
            StepKind::Workflow { name } => self.call_work(ix, step, name, children),
        }
    }

    fn call_work(&mut self, ix: StepIx, step: &'a Step, name: &Spanned<String>, children: Vec<StepIx>) -> Work {
        let Some(callee) = self.draft.sketch(ix).callee else {
            return Work::Call { workflow: name.value.clone(), inputs: Vec::new(), children, outputs: Vec::new() };
        };
        let workflow = self.draft.units[callee].workflow;
        self.check_call(step, self.draft.source(ix), name, workflow);
        let outside = Reader { unit: callee, step: None, sight: Sight::default() };
        Work::Call {
            workflow: workflow.name.value.clone(),
            inputs: inputs(workflow),
            children,
            outputs: self.values(outside, &workflow.source, &workflow.outputs),
        }
    }

    fn agent_work(&mut self, ix: StepIx, step: &'a Step, source: &'a Arc<Source>) -> AgentWork {
        let StepKind::Agent { agent: name, prompt } = &step.kind else {
            return AgentWork::default_for(Workspace::Shared);
        };
        let pinned = name.as_ref().and_then(|name| self.agent(source, name));
        let agent = pinned.map(|(_, agent)| agent);
        let reader = self.reader(ix, Sight { with: !step.with.is_empty(), ..Sight::default() });
        let prompt = match prompt {
            Some(prompt) => {
                let file = prompt.file.as_ref().unwrap_or(source);
                self.template(reader, file, &prompt.text)
            }
            None => Text::default(),
        };
        if let Some(model) = &step.model {
            self.check_model(source, model);
        }
        let named = step.skills.as_deref().unwrap_or_default();
        let mut skills = self.skills(named, agent, source, name.as_ref());
        let context_budget = context_budget(step, agent);
        let activated = self.activate(step, context_budget, &mut skills);
        let is_left = |tool: &&str| agent.is_none_or(|agent| !agent.tools.takes_away(rule_parts(tool).0));
        let tools = match &step.tools {
            Some(tools) => {
                Some(tools.iter().map(|tool| tool.value.as_str()).filter(is_left).map(str::to_owned).collect())
            }
            None => agent.and_then(|agent| agent.tools.allowed()),
        };
        let permissions = step.permissions.clone().unwrap_or_default();
        let permissions =
            agent.map_or_else(|| permissions.clone(), |agent| permissions.clone().and(&agent.permissions));
        AgentWork {
            agent: pinned.map(|(index, _)| index),
            prompt,
            runtime: step
                .runtime
                .as_ref()
                .map(|one| one.value.clone())
                .or_else(|| agent.and_then(|one| one.runtime.clone())),
            model: step.model.as_ref().map(|one| one.value.clone()).or_else(|| own_model(agent)),
            servers: self.servers(agent, tools.as_deref(), source, name.as_ref()),
            tools: permissions.narrow(self.narrowed(tools, &skills)),
            context: self.context(ix, step, source),
            context_budget,
            skills,
            workspace: self.workspace(ix),
            activated,
            memory: Vec::new(),
            prose: None,
            permissions,
            danger: step.danger.is_some(),
            answer_files: step.answer_files,
        }
    }

    /// Where the step works: what it says, or the nearest container around it, across calls.
    pub(super) fn workspace(&self, ix: StepIx) -> Workspace {
        let mut here = Some(ix);
        while let Some(sketch) = here.map(|at| self.draft.sketch(at)) {
            if let Some(workspace) = &sketch.step.workspace {
                return workspace.value;
            }
            here = sketch.parent;
        }
        Workspace::Shared
    }

    /// How far its programs are confined: what it says, or the nearest container around it, across calls.
    fn sandbox(&self, ix: StepIx) -> Option<Sandbox> {
        let mut here = Some(ix);
        while let Some(sketch) = here.map(|at| self.draft.sketch(at)) {
            if let Some(sandbox) = &sketch.step.sandbox {
                return Some(sandbox.clone());
            }
            here = sketch.parent;
        }
        None
    }

    fn context(&mut self, ix: StepIx, step: &'a Step, source: &'a Arc<Source>) -> PlanContext {
        let Some(context) = &step.context else { return PlanContext::Fresh };
        match &context.value {
            Context::Fresh => PlanContext::Fresh,
            Context::Fork(target) => {
                self.context_step(ix, source, target).map_or(PlanContext::Fresh, PlanContext::Fork)
            }
            Context::Share(target) => {
                let Some(found) = self.context_step(ix, source, target) else { return PlanContext::Fresh };
                if !matches!(self.draft.sketch(found).step.kind, StepKind::Agent { .. }) {
                    self.faults.push(
                        Place { source, span: target.span }
                            .error(faults::SHARED_SESSION, format!("`{}` has no session", target.value))
                            .cause("only agent steps have sessions")
                            .help("share an agent step, or use `fork:` to get its summary and outputs"),
                    );
                }
                PlanContext::Share(found)
            }
        }
    }

    /// The step that a `context:` names, as a path; it becomes an edge.
    fn context_step(&mut self, ix: StepIx, source: &'a Arc<Source>, target: &'a Spanned<String>) -> Option<StepIx> {
        let spot = Spot::whole(source, target.span);
        let path: Vec<&str> = target.value.split('.').collect();
        let reader = self.reader(ix, Sight::default());
        let place = spot.place();
        let found = match look_up(&self.draft, reader, path[0]) {
            Found::Step { step, waits } => {
                if let Some(waits) = waits {
                    let edge = Edge { to: step, kind: EdgeKind::Inferred, reads: true, spot };
                    self.edges[waits.index()].push(edge);
                }
                step
            }
            Found::Around(_) => {
                let fault =
                    place.error(faults::NOT_VISIBLE, format!("`{}` is not done before this step", target.value));
                self.faults
                    .push(fault.cause("it contains this step, or is it").help("name a step that is done before"));
                return None;
            }
            Found::Meaning(_) | Found::Child(_) | Found::Misplaced(_) | Found::Unknown => {
                let fault = self.unknown_name(reader, spot, path[0]);
                self.faults.push(fault);
                return None;
            }
        };
        let mut at = found;
        for id in &path[1..] {
            let each = matches!(self.draft.sketch(at).step.kind, StepKind::Each { .. });
            match self.draft.child(Some(at), id).filter(|_| !each) {
                Some(child) => at = child,
                None => {
                    let name = &self.draft.sketch(at).step.id.value;
                    let why = if each { "there is one for each item" } else { "no step of that id in it" };
                    let fault = place.error(faults::NOT_VISIBLE, format!("`{name}` has no single step `{id}`"));
                    self.faults.push(fault.cause(why).help("name the container itself, or a step beside this one"));
                    return None;
                }
            }
        }
        Some(at)
    }

    fn on_failure(&self, ix: StepIx) -> OnFailure {
        let sketch = self.draft.sketch(ix);
        let callee = sketch.callee.and_then(|callee| self.draft.units[callee].workflow.on_failure);
        sketch.step.on_failure.or(callee).unwrap_or(OnFailure::Drain)
    }
}

impl AgentWork {
    /// The default agent with nothing asked for.
    pub(super) fn default_for(workspace: Workspace) -> Self {
        Self {
            agent: None,
            prompt: Text::default(),
            runtime: None,
            model: None,
            tools: None,
            context: PlanContext::Fresh,
            context_budget: defaults::CONTEXT_BUDGET,
            skills: Vec::new(),
            workspace,
            activated: Vec::new(),
            memory: Vec::new(),
            servers: Vec::new(),
            prose: None,
            permissions: Permissions::default(),
            danger: false,
            answer_files: false,
        }
    }
}

/// The model of an agent's file; `inherit` is the word of other tools for none.
pub(super) fn own_model(agent: Option<&crate::definition::Agent>) -> Option<String> {
    agent.and_then(|agent| agent.model.clone()).filter(|model| model != "inherit")
}

fn context_budget(step: &Step, agent: Option<&crate::definition::Agent>) -> u64 {
    step.context_budget.or_else(|| agent.and_then(|agent| agent.context_budget)).unwrap_or(defaults::CONTEXT_BUDGET)
}

fn retry(step: &Step) -> RetryPolicy {
    let standard = RetryPolicy::default();
    let Some(Spanned { value: Retry { tries, delay, max_delay, on }, .. }) = &step.retry else { return standard };
    let max_delay_ms = max_delay.map_or(standard.max_delay_ms, millis);
    let delay_ms = delay.map_or(standard.delay_ms.min(max_delay_ms), millis);
    // The longest delay is never shorter than the first.
    RetryPolicy { tries: *tries, delay_ms, max_delay_ms: max_delay_ms.max(delay_ms), on: *on }
}

/// How long an attempt may take and be silent where the step says nothing. Waiting for a person has no limit.
fn attempt_times(kind: &StepKind) -> (Option<Duration>, Option<Duration>) {
    match kind {
        StepKind::Agent { .. } => (Some(defaults::AGENT_TIMEOUT), Some(defaults::IDLE_TIMEOUT)),
        StepKind::Run(_) => (Some(defaults::COMMAND_TIMEOUT), Some(defaults::IDLE_TIMEOUT)),
        // A signal comes from an agent or a command of this run, so it is late where an agent would be.
        StepKind::Wait(Wait::Signal(_)) => (Some(defaults::AGENT_TIMEOUT), None),
        StepKind::Wait(Wait::For(_))
        | StepKind::Approve { .. }
        | StepKind::Ask { .. }
        | StepKind::Emit { .. }
        | StepKind::Checkpoint { .. }
        | StepKind::Stop { .. }
        | StepKind::Parallel { .. }
        | StepKind::Each { .. }
        | StepKind::Loop { .. }
        | StepKind::Workflow { .. } => (None, None),
    }
}

fn recovery(step: &Step, work: &Work) -> RecoveryPolicy {
    match (step.recovery.as_ref().map(|recovery| &recovery.value), work) {
        (Some(Recovery::Retry), _) => RecoveryPolicy::Retry,
        (Some(Recovery::Idempotent), _) => RecoveryPolicy::Idempotent,
        (Some(Recovery::Manual), _) => RecoveryPolicy::Manual,
        (Some(Recovery::Reconcile(command)), _) => RecoveryPolicy::Reconcile(command.clone()),
        (None, Work::Agent(agent)) if !agent.may_repeat() => RecoveryPolicy::Agent,
        (None, Work::Run { .. }) => RecoveryPolicy::Manual,
        // What has no attempt outside this process cannot be half done.
        (None, _) => RecoveryPolicy::Retry,
    }
}
