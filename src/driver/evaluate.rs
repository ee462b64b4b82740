//! Evaluates what the scheduler asks for: conditions, lists, inputs and outputs.
//!
//! The result goes into the journal, and a replay uses it instead of evaluating again.

use serde_json::{Map, Value};

use crate::{
    execute::render::Renderer,
    plan::{EachWork, Meaning, PlanInput, Text, ValueText, Work},
    scheduler::{Evaluation, InstanceId, Scheduler, Site},
    template::{Expression, Template},
};

/// The value of a site, or what is wrong with it.
#[must_use]
pub fn evaluate(scheduler: &Scheduler, renderer: &Renderer, site: Site) -> Evaluation {
    match value(scheduler, renderer, site) {
        Ok(value) => Evaluation::Value(value),
        Err(reason) => Evaluation::Fault(reason),
    }
}

fn value(scheduler: &Scheduler, renderer: &Renderer, site: Site) -> Result<Value, String> {
    match site {
        Site::When(instance) => match &scheduler.plan_step(instance).1.when {
            Some(text) => condition(scheduler, renderer, instance, text, "when").map(Value::Bool),
            None => Ok(Value::Bool(true)),
        },
        Site::Until(instance) => match &scheduler.plan_step(instance).1.work {
            Work::Loop { until: Some(text), .. } => {
                condition(scheduler, renderer, instance, text, "until").map(Value::Bool)
            }
            _ => Ok(Value::Bool(true)),
        },
        Site::Items(instance) => match &scheduler.plan_step(instance).1.work {
            Work::Each(each) => items(scheduler, renderer, instance, each),
            _ => Ok(Value::Array(Vec::new())),
        },
        Site::CallInputs(instance) => {
            let step = scheduler.plan_step(instance).1;
            let given = object(scheduler, renderer, Some(instance), &step.with)?;
            match &step.work {
                Work::Call { inputs, .. } => complete_inputs(inputs, given).map(Value::Object),
                _ => Ok(Value::Object(given)),
            }
        }
        Site::CallOutputs(instance) => match &scheduler.plan_step(instance).1.work {
            Work::Call { outputs, .. } => object(scheduler, renderer, Some(instance), outputs).map(Value::Object),
            _ => Ok(Value::Object(Map::new())),
        },
        Site::StopText(instance) => match &scheduler.plan_step(instance).1.work {
            Work::Stop { text, .. } => render(scheduler, renderer, Some(instance), text).map(Value::String),
            _ => Ok(Value::String(String::new())),
        },
        Site::RunOutputs => object(scheduler, renderer, None, &scheduler.plan().outputs).map(Value::Object),
    }
}

fn condition(
    scheduler: &Scheduler,
    renderer: &Renderer,
    instance: InstanceId,
    text: &Text,
    key: &str,
) -> Result<bool, String> {
    let expression = Expression::parse(&text.text).map_err(|error| format!("`{key}`: {}", error.message))?;
    renderer
        .evaluate_bool(&expression, &scheduler.scope(Some(instance), &text.reads))
        .map_err(|error| format!("`{key}: {}`: {error}", text.text))
}

/// The list of an `each` as `[key, item]` pairs; the key is the index, from 0, where the step names none.
fn items(scheduler: &Scheduler, renderer: &Renderer, instance: InstanceId, each: &EachWork) -> Result<Value, String> {
    let expression = Expression::parse(&each.items.text).map_err(|error| format!("`each`: {}", error.message))?;
    let scope = scheduler.scope(Some(instance), &each.items.reads);
    let list =
        renderer.evaluate(&expression, &scope).map_err(|error| format!("`each: {}`: {error}", each.items.text))?;
    let Value::Array(list) = list else {
        return Err(format!("`each: {}` is no list, it is {}", each.items.text, kind(&list)));
    };
    let Some(key) = &each.key else {
        return Ok(list.into_iter().enumerate().map(|(index, item)| pair(index.to_string(), item)).collect());
    };
    let template = Template::parse(&key.text).map_err(|error| format!("`key`: {}", error.message))?;
    let mut scope = scheduler.scope(Some(instance), &key.reads);
    list.into_iter()
        .map(|item| {
            scope.insert(each.binding.clone(), item.clone());
            let name = renderer.render(&template, &scope).map_err(|error| format!("`key: {}`: {error}", key.text))?;
            Ok(pair(path_word(&name), item))
        })
        .collect()
}

fn pair(key: String, item: Value) -> Value {
    Value::Array(vec![Value::String(key), item])
}

/// A key as it stands in a step path: no brackets, slashes, control characters or spaces, at most 64 characters.
fn path_word(name: &str) -> String {
    let word: String = name
        .trim()
        .chars()
        .map(|c| if c.is_control() || c.is_whitespace() || "[]/#@".contains(c) { '-' } else { c })
        .take(64)
        .collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// Renders one text for a step, or for the run itself.
///
/// # Errors
/// What is wrong with the text or the values it reads, one line.
pub fn render(
    scheduler: &Scheduler,
    renderer: &Renderer,
    reader: Option<InstanceId>,
    text: &Text,
) -> Result<String, String> {
    let template = Template::parse(&text.text).map_err(|error| error.message)?;
    renderer.render(&template, &scheduler.scope(reader, &text.reads)).map_err(|error| error.to_string())
}

/// Renders the prompt of a step, which may read the step's own `with` besides what every text may read.
///
/// # Errors
/// What is wrong, one line.
pub fn render_prompt(
    scheduler: &Scheduler,
    renderer: &Renderer,
    instance: InstanceId,
    text: &Text,
) -> Result<String, String> {
    let template = Template::parse(&text.text).map_err(|error| error.message)?;
    let mut scope = scheduler.scope(Some(instance), &text.reads);
    if text.reads.iter().any(|read| read.means == Meaning::With) {
        let with = object(scheduler, renderer, Some(instance), &scheduler.plan_step(instance).1.with)
            .map_err(|reason| format!("`with`: {reason}"))?;
        scope.insert("with".to_owned(), Value::Object(with));
    }
    renderer.render(&template, &scope).map_err(|error| error.to_string())
}

/// Renders the texts of a mapping; a text that is exactly one `{{ }}` keeps its type.
///
/// # Errors
/// What is wrong, with the name of the entry, one line.
pub fn object(
    scheduler: &Scheduler,
    renderer: &Renderer,
    reader: Option<InstanceId>,
    entries: &[(String, ValueText)],
) -> Result<Map<String, Value>, String> {
    entries
        .iter()
        .map(|(name, entry)| {
            let scope = scheduler.scope(reader, &entry.reads);
            let value = render_value(renderer, &entry.value, &scope).map_err(|reason| format!("`{name}`: {reason}"))?;
            Ok((name.clone(), value))
        })
        .collect()
}

fn render_value(renderer: &Renderer, value: &Value, scope: &Map<String, Value>) -> Result<Value, String> {
    match value {
        Value::String(text) => {
            let template = Template::parse(text).map_err(|error| error.message)?;
            renderer.render_value(&template, scope).map_err(|error| error.to_string())
        }
        Value::Array(list) => list.iter().map(|item| render_value(renderer, item, scope)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| render_value(renderer, item, scope).map(|item| (key.clone(), item)))
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

/// Fills in defaults and checks every value against its schema: all faults at once.
///
/// # Errors
/// Every missing, unknown or invalid input, joined by `; `.
pub fn complete_inputs(inputs: &[PlanInput], mut given: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut faults = Vec::new();
    for name in given.keys() {
        if !inputs.iter().any(|input| &input.name == name) {
            let known: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
            let hint = crate::base::did_you_mean(name, known.iter().copied()).map_or_else(
                || format!("the inputs are: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            faults.push(format!("there is no input `{name}`; {hint}"));
        }
    }
    let mut complete = Map::new();
    for input in inputs {
        match given.remove(&input.name).or_else(|| input.default.clone()) {
            Some(value) => {
                match jsonschema::validator_for(&input.schema) {
                    Ok(validator) => faults
                        .extend(validator.iter_errors(&value).map(|error| format!("input `{}`: {error}", input.name))),
                    Err(error) => faults.push(format!("input `{}` has a schema that is none: {error}", input.name)),
                }
                complete.insert(input.name.clone(), value);
            }
            None if input.required => {
                let words =
                    if input.description.is_empty() { String::new() } else { format!(": {}", input.description) };
                faults.push(format!("input `{}` is missing{words}", input.name));
            }
            None => {
                complete.insert(input.name.clone(), Value::Null);
            }
        }
    }
    if faults.is_empty() { Ok(complete) } else { Err(faults.join("; ")) }
}
