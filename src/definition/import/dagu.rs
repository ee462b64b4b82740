//! Dagu: `steps:` that run commands and depend on each other by name.
//!
//! Best effort: commands, scripts, dependencies, retries and times are carried over, all else is marked.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    base::Source,
    definition::{
        import::{
            draft::{Draft, Input, Kind, Piece, Step},
            run::ImportError,
            text::{excerpt, literal},
        },
        load::{Lined, LinedKind, legal_id, lined},
    },
};

/// Keys that are used or say nothing about the work.
const USED: [&str; 16] = [
    "name",
    "id",
    "description",
    "command",
    "script",
    "run",
    "depends",
    "dir",
    "workingDir",
    "working_dir",
    "env",
    "continueOn",
    "continue_on",
    "retryPolicy",
    "retry_policy",
    "timeoutSec",
];

/// Reads a workflow of Dagu.
pub(super) fn read(source: &Arc<Source>, name: &str) -> Result<Draft, ImportError> {
    let root = lined(source).map_err(ImportError::Faults)?;
    let steps = root.get("steps").map(named).unwrap_or_default();
    if steps.is_empty() {
        return Err(ImportError::Unknown("the key `steps` is missing or empty".to_owned()));
    }
    let mut draft = Draft::default();
    let own = root.get("name").and_then(Lined::text).unwrap_or_else(|| name.to_owned());
    draft.name = legal_id(&own).replace('_', "-");
    draft.description = root.get("description").and_then(Lined::text).unwrap_or_default();
    let used = ["name", "description", "steps", "params", "env", "type"];
    for (key, line, value) in root.entries().iter().filter(|(key, ..)| !used.contains(&key.as_str())) {
        let what = format!("`{key}: {}` of the workflow", excerpt(&value.value().to_string()));
        draft.head(*line, what, "it is not carried over", "set the keys of `orch` that do the same, if there are any");
    }
    parameters(&mut draft, &root);
    let shared = pairs(root.get("env"));
    // Where nobody names a dependency, newer versions run the steps one after the other.
    let is_graph = root.get("type").and_then(Lined::text).as_deref() == Some("graph")
        || steps.iter().any(|(_, step)| step.get("depends").is_some());
    let ids: BTreeMap<String, String> = steps.iter().map(|(name, _)| (name.clone(), draft.id(name))).collect();
    for (name, step) in &steps {
        let made = one(&mut draft, name, step, &ids, is_graph, &shared);
        draft.pieces.push(Piece::Step(made));
    }
    Ok(draft)
}

/// The steps with their names, whichever way they are written.
fn named(steps: &Lined) -> Vec<(String, Lined)> {
    match &steps.kind {
        LinedKind::Map(entries) => entries.iter().map(|(name, _, step)| (name.clone(), step.clone())).collect(),
        LinedKind::List(items) => items.iter().enumerate().flat_map(|(place, item)| in_list(place, item)).collect(),
        LinedKind::Scalar(_) => Vec::new(),
    }
}

fn in_list(place: usize, item: &Lined) -> Vec<(String, Lined)> {
    if let LinedKind::List(items) = &item.kind {
        return items.iter().enumerate().flat_map(|(inner, one)| in_list(place * 100 + inner, one)).collect();
    }
    let name = item.get("name").or(item.get("id")).and_then(Lined::text);
    vec![(name.unwrap_or_else(|| format!("step {}", place + 1)), item.clone())]
}

/// `key: value` and `- key: value`, both.
fn pairs(holder: Option<&Lined>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for item in holder.map(Lined::items).unwrap_or_default() {
        for (key, _, value) in item.entries() {
            found.insert(key.clone(), value.text().unwrap_or_default());
        }
    }
    found
}

fn parameters(draft: &mut Draft, root: &Lined) {
    let Some(params) = root.get("params") else { return };
    let mut all = pairs(Some(params));
    if let Some(text) = params.text() {
        all.extend(
            text.split_whitespace()
                .filter_map(|word| word.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())),
        );
    }
    for (name, default) in all {
        draft.inputs.push(Input {
            name: legal_id(&name),
            kind: "string",
            positional: false,
            required: false,
            default: Some(Value::String(default)),
            description: format!("The parameter {name}"),
        });
    }
    let edit = "commands read them as variables of their old names, set in `env:`";
    draft.head(params.line, "the parameters of the workflow", "they are inputs", edit);
}

fn one(
    draft: &mut Draft,
    name: &str,
    step: &Lined,
    ids: &BTreeMap<String, String>,
    is_graph: bool,
    shared: &BTreeMap<String, String>,
) -> Step {
    let text = |key: &str| step.get(key).and_then(Lined::text);
    let mut marks = Vec::new();
    let script = script_of(draft, name, step, &mut marks);
    let mut made = Step::new(
        ids.get(name).cloned().unwrap_or_default(),
        &text("description").unwrap_or_default(),
        Kind::Run { program: Vec::new(), script },
    );
    if is_graph {
        let mut needs = Vec::new();
        for need in step.get("depends").map(Lined::items).unwrap_or_default().iter().filter_map(Lined::text) {
            match ids.get(&need).filter(|id| **id != made.id) {
                Some(id) if !needs.contains(&Value::String(id.clone())) => needs.push(Value::String(id.clone())),
                Some(_) => {}
                None => {
                    let what = format!("`{name}` depends on `{need}`, which is not there");
                    marks.push(draft.mark(
                        step.line,
                        what,
                        "it does not wait for it",
                        "name the step that it must wait for",
                    ));
                }
            }
        }
        made.set("needs", needs);
    }
    environment(draft, &mut made, shared, step);
    limits(&mut made, step);
    for (key, line, value) in step.entries().iter().filter(|(key, ..)| !USED.contains(&key.as_str())) {
        let what = format!("`{key}: {}` of `{name}`", excerpt(&value.value().to_string()));
        marks.push(draft.mark(
            *line,
            what,
            "it is not carried over",
            "say it in the command, or use the keys of `orch`",
        ));
    }
    made.marks = marks;
    made
}

/// What a step runs, in its folder.
fn script_of(draft: &mut Draft, name: &str, step: &Lined, marks: &mut Vec<usize>) -> String {
    let text = |key: &str| step.get(key).and_then(Lined::text);
    let mut script = step.text().or_else(|| text("command")).or_else(|| text("script")).unwrap_or_default();
    if script.is_empty()
        && let Some(workflow) = text("run").or_else(|| text("call"))
    {
        let what = format!("`{name}` runs another workflow: `{workflow}`");
        marks.push(draft.mark(
            step.line,
            what,
            "a command fails in its place",
            "import it too, and write `workflow: NAME`",
        ));
        script = format!("echo 'import the workflow {} first' >&2; exit 1", workflow.replace('\'', ""));
    }
    if script.is_empty() {
        marks.push(draft.mark(
            step.line,
            format!("`{name}` has no command"),
            "a command fails in its place",
            "write `run:`",
        ));
        script = "echo 'this step has no command yet' >&2; exit 1".to_owned();
    }
    let folder = ["dir", "workingDir", "working_dir"].into_iter().find_map(text);
    if let Some(folder) = folder {
        script = format!("cd '{}'\n{script}", folder.replace('\'', "'\\''"));
    }
    script
}

/// The variables of the workflow, of its parameters and of the step.
fn environment(draft: &Draft, made: &mut Step, shared: &BTreeMap<String, String>, step: &Lined) {
    let mut env = Map::new();
    for input in &draft.inputs {
        let name = input.description.strip_prefix("The parameter ").unwrap_or(&input.name).to_owned();
        env.insert(name, format!("{{{{ inputs.{} }}}}", input.name).into());
    }
    for (key, value) in shared.iter().chain(&pairs(step.get("env"))) {
        env.insert(key.clone(), literal(value).into());
    }
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    env.retain(|name, _| is_name(name));
    if !env.is_empty() {
        made.set("env", env);
    }
}

fn limits(made: &mut Step, step: &Lined) {
    let get = |one: &str, other: &str| step.get(one).or(step.get(other));
    if let Some(retry) = get("retryPolicy", "retry_policy") {
        let number =
            |one: &str, other: &str| retry.get(one).or(retry.get(other)).and_then(|value| value.value().as_u64());
        let mut ours = Map::new();
        ours.insert("tries".to_owned(), number("limit", "limit").unwrap_or(1).clamp(1, 10).into());
        if let Some(seconds) = number("intervalSec", "interval_sec").filter(|seconds| *seconds > 0) {
            ours.insert("delay".to_owned(), format!("{}s", seconds.min(3600)).into());
        }
        made.set("retry", ours);
        // A command without side effects is an assumption of its author, who asked for it to be repeated.
        made.set("recovery", "retry");
    }
    if let Some(seconds) =
        step.get("timeoutSec").and_then(|value| value.value().as_u64()).filter(|seconds| *seconds > 0)
    {
        made.set("timeout", format!("{}s", seconds.min(604_800)));
    }
    if let Some(on) = get("continueOn", "continue_on") {
        let goes_on = on.get("failure").or(on.get("failed")).map(Lined::value) == Some(Value::Bool(true))
            || on.text().is_some_and(|text| text == "failed" || text == "failure");
        if goes_on {
            made.set("optional", true);
        }
    }
}
