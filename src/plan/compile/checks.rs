//! Faults of one step or one value that need no graph: names of the library, empty texts, idle keys, schemas, inputs.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    base::{Source, Span, Spanned, did_you_mean},
    definition::{
        Agent,
        workflow::{RunCommand, Step, StepKind, Workflow},
    },
    plan::{
        compile::{
            compiler::{Compiler, sole_path},
            draft::RESERVED,
            faults::{self, Place, suggest},
            schema,
            scope::Reader,
        },
        types::{PlanAgent, PlanSkill},
    },
    template::Expression,
};

impl<'a> Compiler<'a> {
    /// The agent of that name, pinned.
    pub(super) fn agent(&mut self, source: &'a Arc<Source>, name: &Spanned<String>) -> Option<(u32, &'a Agent)> {
        let library = self.library;
        let Some(agent) = library.agents.get(&name.value) else {
            let help =
                suggest(&name.value, library.agents.names(), "agents", "there are no agents: `orch init` writes one");
            let fault = Place { source, span: name.span }
                .error(faults::UNKNOWN_AGENT, format!("there is no agent `{}`", name.value));
            self.faults.push(fault.cause("not found in any folder").help(help));
            return None;
        };
        let pin = || PlanAgent {
            name: agent.name.clone(),
            description: agent.description.clone(),
            body: agent.body.clone(),
            constraints: agent.constraints.clone(),
            path: agent.origin.path.display().to_string(),
        };
        Some((self.pins.agent(&agent.name, pin), agent))
    }

    /// The skills of a step and of its agent, pinned, each once.
    pub(super) fn skills(
        &mut self,
        own: &[Spanned<String>],
        agent: Option<&'a Agent>,
        source: &'a Arc<Source>,
        agent_name: Option<&Spanned<String>>,
    ) -> Vec<u32> {
        let library = self.library;
        let mut found = Vec::new();
        let asked = own.iter().map(|skill| (skill.value.as_str(), skill.span, true));
        let place = agent_name.map_or(Span::default(), |name| name.span);
        let inherited = agent.iter().flat_map(|agent| &agent.skills).map(|skill| (skill.as_str(), place, false));
        for (name, span, by_step) in asked.chain(inherited) {
            if let Some(skill) = library.skills.get(name) {
                let pin = || PlanSkill { name: skill.name.clone(), body: skill.body.clone() };
                let index = self.pins.skill(&skill.name, pin);
                if !found.contains(&index) {
                    found.push(index);
                }
                continue;
            }
            let help = suggest(name, library.skills.names(), "skills", "there are no skills");
            let fault = Place { source, span }.error(faults::UNKNOWN_SKILL, format!("there is no skill `{name}`"));
            // An agent's file may come from another tool, so it works without.
            let fault = if by_step {
                fault.cause("not found in any folder")
            } else {
                fault.cause("this agent asks for it").warning()
            };
            self.faults.push(fault.help(help));
        }
        found
    }

    pub(super) fn check_not_empty(&mut self, place: Place<'a>, text: &str, what: &str) {
        if text.trim().is_empty() {
            let fault = place.error(faults::EMPTY_TEXT, format!("the {what} is empty"));
            self.faults.push(fault.cause("nothing to do").help(format!("write the {what}")));
        }
    }

    pub(super) fn check_command(&mut self, command: &'a RunCommand, source: &'a Arc<Source>, around: Span) {
        let words = match command {
            RunCommand::Shell(text) => std::slice::from_ref(text),
            RunCommand::Argv(words) => words.as_slice(),
        };
        let first = words.first().map_or(("", around), |word| (word.value.as_str(), word.span));
        self.check_not_empty(Place { source, span: first.1 }, first.0, "command");
        for word in words {
            if word.value.contains("{{") || word.value.contains("{%") {
                self.faults.push(
                    Place { source, span: word.span }
                        .error(faults::BAD_TEXT, "a command takes no `{{ }}`")
                        .cause("a value could be read as shell code")
                        .help("hand values in with `env:` or `args:`; inputs are there as `$ORCH_INPUT_NAME`"),
                );
            }
        }
    }

    /// A model that is nearly a tier is a slip of the fingers.
    pub(super) fn check_model(&mut self, source: &'a Arc<Source>, model: &'a Spanned<String>) {
        let tiers = self.draft.units.iter().flat_map(|unit| &unit.workflow.models).map(|tier| tier.name.value.as_str());
        let tiers: Vec<&str> = tiers.collect();
        if tiers.contains(&model.value.as_str()) {
            return;
        }
        if let Some(near) = did_you_mean(&model.value, tiers) {
            let fault = Place { source, span: model.span }
                .error(faults::NEAR_TIER, format!("`{}` is no tier of `models:`", model.value));
            self.faults
                .push(fault.cause("taken as the name of a model").help(format!("did you mean `{near}`?")).warning());
        }
    }

    pub(super) fn check_list(&mut self, reader: Reader, source: &'a Arc<Source>, items: &'a Spanned<String>) {
        let Ok(expression) = Expression::parse(&items.value) else { return };
        let Some(path) = sole_path(&expression) else { return };
        if let Some(is) = self.path_shape(reader, &path).and_then(|shape| shape.no_list()) {
            let name = path.join(".");
            self.faults.push(
                Place { source, span: items.span }
                    .error(faults::NO_LIST, format!("`{name}` is no list"))
                    .cause(format!("it is {is}"))
                    .help("name a field that is a list; for the pairs of a mapping write `x | items`"),
            );
        }
    }

    pub(super) fn check_schema(&mut self, step: &'a Step, source: &'a Arc<Source>) {
        let Some(output) = &step.output else { return };
        let place = Place { source, span: output.span };
        if let Some(kind) = schema::only_type(&output.value).filter(|kind| *kind != "object") {
            self.faults.push(
                place
                    .error(faults::BAD_OUTPUT, format!("the output of `{}` is of type {kind}", step.id.value))
                    .cause("an output is a mapping with named fields")
                    .help(format!("give it a name: `output: {{ value: {kind} }}`")),
            );
            return;
        }
        let fields = output.value.get("properties").and_then(Value::as_object);
        for name in fields.into_iter().flat_map(|fields| fields.keys()) {
            let why = if name == "result" {
                "`STEP.result` is the envelope"
            } else if is_name(name) {
                continue;
            } else {
                "names match [a-z][a-z0-9_]{0,62}"
            };
            let fault = place.error(faults::BAD_OUTPUT, format!("an output field cannot be called `{name}`"));
            self.faults.push(fault.cause(why).help("choose another name"));
        }
        self.check_usable(place, &output.value);
    }

    /// A schema must be one.
    pub(super) fn check_usable(&mut self, place: Place<'a>, value: &Value) {
        let fault = self
            .schema_faults
            .entry(value.to_string())
            .or_insert_with(|| jsonschema::validator_for(value).err().map(|error| error.to_string()))
            .clone();
        if let Some(fault) = fault {
            let fault = place.error(faults::BAD_OUTPUT, format!("the schema cannot be used: {fault}"));
            self.faults.push(fault.cause("not a JSON Schema").help("see https://json-schema.org/draft/2020-12"));
        }
    }

    pub(super) fn check_inputs(&mut self, workflow: &'a Workflow) {
        for input in &workflow.inputs {
            let place = Place { source: &workflow.source, span: input.name.span };
            if RESERVED.contains(&input.name.value.as_str()) && input.name.value != "result" {
                let fault =
                    place.error(faults::NAME_TAKEN, format!("`{}` cannot be an input's name", input.name.value));
                self.faults.push(fault.cause("it has a meaning of its own in every text").help("choose another name"));
            }
            self.check_usable(place, &input.schema);
            let Some(default) = &input.default else { continue };
            if let Some(why) = schema::refuses(&input.schema, &default.value) {
                self.faults.push(
                    Place { source: &workflow.source, span: default.span }
                        .error(
                            faults::BAD_DEFAULT,
                            format!("the default of `{}` does not fit its type", input.name.value),
                        )
                        .cause(why)
                        .help("change the default or the type"),
                );
            }
        }
    }

    pub(super) fn check_call(
        &mut self,
        step: &'a Step,
        source: &'a Arc<Source>,
        name: &Spanned<String>,
        callee: &'a Workflow,
    ) {
        for (key, value) in &step.with {
            let place = Place { source, span: key.span };
            let Some(input) = callee.inputs.iter().find(|input| input.name.value == key.value) else {
                let names = callee.inputs.iter().map(|input| input.name.value.as_str());
                let help = suggest(&key.value, names, "its inputs", "it declares no inputs");
                let message = format!("workflow `{}` has no input `{}`", callee.name.value, key.value);
                self.faults.push(place.error(faults::BAD_INPUTS, message).cause("not declared there").help(help));
                continue;
            };
            // Values with `{{ }}` are known only in a run.
            let refused = Some(&value.value).filter(|value| !holds_text(value));
            if let Some(why) = refused.and_then(|value| schema::refuses(&input.schema, value)) {
                let message = format!("the value of `{}` does not fit its type", key.value);
                let place = Place { source, span: value.span };
                self.faults.push(place.error(faults::BAD_INPUTS, message).cause(why).help("change the value"));
            }
        }
        let missing = callee.inputs.iter().filter(|input| {
            input.required && input.default.is_none() && step.with.iter().all(|(key, _)| key.value != input.name.value)
        });
        let missing: Vec<String> = missing.map(|input| format!("`{}`", input.name.value)).collect();
        if !missing.is_empty() {
            self.faults.push(
                Place { source, span: name.span }
                    .error(faults::BAD_INPUTS, format!("workflow `{}` needs {}", callee.name.value, missing.join(", ")))
                    .cause("a required input is not given")
                    .help("add it under `with:`"),
            );
        }
        if callee.budget != crate::definition::workflow::Budget::default()
            || callee.limits != crate::definition::workflow::Limits::default()
        {
            let fault = Place { source, span: name.span }.error(
                faults::CALLEE_BOUNDS,
                format!("the budget and limits of `{}` do not apply here", callee.name.value),
            );
            self.faults
                .push(fault.cause("a run has one budget").help("set them in the workflow that is started").warning());
        }
    }

    /// Keys that would be read by nobody.
    pub(super) fn check_keys(&mut self, ix: crate::plan::types::StepIx, step: &'a Step, source: &'a Arc<Source>) {
        let kind = Kind::of(&step.kind);
        for (key, given, span, kinds) in keys(step) {
            if given && !kinds.contains(&kind) {
                let place = Place { source, span: span.unwrap_or(self.draft.place(ix).span) };
                let on: Vec<&str> = kinds.iter().map(|kind| kind.words()).collect();
                self.faults.push(
                    place
                        .error(faults::IDLE_KEY, format!("`{key}` means nothing on {}", kind.words()))
                        .cause("nothing would read it")
                        .help(format!("remove it; `{key}` belongs on {}", on.join(", "))),
                );
            }
        }
        let zero = match &step.kind {
            StepKind::Parallel { max_parallel: Some(0), .. } | StepKind::Each { max_parallel: Some(0), .. } => {
                "max_parallel"
            }
            StepKind::Each { max_items: Some(0), .. } => "max_items",
            StepKind::Loop { max: 0, .. } => "max",
            _ => return,
        };
        let fault = self.draft.place(ix).error(faults::OUT_OF_RANGE, format!("`{zero}` is 0"));
        self.faults.push(fault.cause("nothing inside would ever run").help("write 1 or more, or remove the step"));
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn holds_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{") || text.contains("{%"),
        Value::Array(parts) => parts.iter().any(holds_text),
        Value::Object(parts) => parts.values().any(holds_text),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Kinds of steps, as far as keys differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Agent,
    Run,
    Person,
    Wait,
    Emit,
    Stop,
    Parallel,
    Each,
    Loop,
    Call,
}

impl Kind {
    fn of(kind: &StepKind) -> Self {
        match kind {
            StepKind::Agent { .. } => Self::Agent,
            StepKind::Run(_) => Self::Run,
            StepKind::Approve { .. } | StepKind::Ask { .. } => Self::Person,
            StepKind::Wait(_) => Self::Wait,
            StepKind::Emit { .. } => Self::Emit,
            StepKind::Stop { .. } => Self::Stop,
            StepKind::Parallel { .. } => Self::Parallel,
            StepKind::Each { .. } => Self::Each,
            StepKind::Loop { .. } => Self::Loop,
            StepKind::Workflow { .. } => Self::Call,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Agent => "an agent step",
            Self::Run => "a `run` step",
            Self::Person => "an `approve` or `ask` step",
            Self::Wait => "a `wait` step",
            Self::Emit => "an `emit` step",
            Self::Stop => "a `stop` step",
            Self::Parallel => "a `parallel`",
            Self::Each => "an `each`",
            Self::Loop => "a `loop`",
            Self::Call => "a `workflow` step",
        }
    }
}

/// Each key that not every step takes: whether it is given, where, and who takes it.
fn keys(step: &Step) -> [(&'static str, bool, Option<Span>, &'static [Kind]); 18] {
    use Kind::{Agent, Call, Each, Loop, Parallel, Person, Run, Wait};
    const WORKERS: &[Kind] = &[Agent, Run];
    const CONTAINERS: &[Kind] = &[Parallel, Each, Loop, Call];
    const WORKING: &[Kind] = &[Agent, Run, Parallel, Each, Loop, Call];
    const WITH_AGENTS: &[Kind] = &[Agent, Parallel, Each, Loop, Call];
    const GATED: &[Kind] = &[Agent, Run, Person, Wait, Parallel, Each, Loop, Call];
    let first = |texts: &[Spanned<String>]| texts.first().map(|text| text.span);
    let pair = |pairs: &[(Spanned<String>, Spanned<Value>)]| pairs.first().map(|(name, _)| name.span);
    [
        ("key", step.key.is_some(), step.key.as_ref().map(|key| key.span), &[Each]),
        ("args", !step.args.is_empty(), first(&step.args), &[Run]),
        ("files", !step.files.is_empty(), first(&step.files), WORKING),
        ("env", !step.env.is_empty(), pair(&step.env), WORKERS),
        ("with", !step.with.is_empty(), pair(&step.with), &[Agent, Person, Call]),
        ("output", step.output.is_some(), step.output.as_ref().map(|output| output.span), &[Agent, Run, Person]),
        ("tools", step.tools.is_some(), step.tools.as_deref().and_then(first), &[Agent]),
        ("context", step.context.is_some(), step.context.as_ref().map(|context| context.span), &[Agent]),
        ("context_budget", step.context_budget.is_some(), None, &[Agent]),
        ("skills", !step.skills.is_empty(), first(&step.skills), &[Agent]),
        ("model", step.model.is_some(), step.model.as_ref().map(|model| model.span), WITH_AGENTS),
        ("runtime", step.runtime.is_some(), step.runtime.as_ref().map(|runtime| runtime.span), WITH_AGENTS),
        ("workspace", step.workspace.is_some(), step.workspace.as_ref().map(|workspace| workspace.span), WORKING),
        ("retry", step.retry.is_some(), step.retry.as_ref().map(|retry| retry.span), WORKERS),
        ("idle_timeout", step.idle_timeout.is_some(), None, WORKERS),
        ("recovery", step.recovery.is_some(), step.recovery.as_ref().map(|recovery| recovery.span), WORKERS),
        ("on_failure", step.on_failure.is_some(), None, CONTAINERS),
        ("gate", !step.gate.is_empty(), step.gate.first().map(|gate| gate.span), GATED),
    ]
}
