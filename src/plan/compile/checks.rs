//! Faults of one step or one value that need no graph: names of the library, empty texts, idle keys, schemas, inputs.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    base::{Source, Span, Spanned, did_you_mean},
    definition::{
        Agent,
        workflow::{Step, Workflow},
    },
    plan::{
        compile::{
            compiler::{Compiler, sole_path},
            faults::{self, Place, suggest},
            schema,
            scope::Reader,
        },
        told::PlanSkill,
        types::PlanAgent,
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
            body: agent.body.to_string(),
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
                let pin = || PlanSkill { name: skill.name.clone(), body: skill.body.to_string() };
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

    /// A schema must be one.
    pub(super) fn check_usable(&mut self, place: Place<'a>, value: &Value) {
        let fault = self
            .schema_faults
            .entry(value.to_string())
            .or_insert_with(|| jsonschema::validator_for(value).err().map(|error| error.to_string()))
            .clone();
        if let Some(fault) = fault {
            let fault = place.error(faults::BAD_SCHEMA, format!("the schema cannot be used: {fault}"));
            self.faults.push(fault.cause("not a JSON Schema").help("see https://json-schema.org/draft/2020-12"));
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
}

fn holds_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{") || text.contains("{%"),
        Value::Array(parts) => parts.iter().any(holds_text),
        Value::Object(parts) => parts.values().any(holds_text),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
