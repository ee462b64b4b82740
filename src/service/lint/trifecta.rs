//! One step that reads what strangers wrote and has two of three: it may write, it may speak to the network, it holds a
//! secret. Whoever writes the text can then take something out or put something in.
//!
//! Text of strangers is what a command fetches from the network, or an agent with tools for the web reads, and whatever is
//! made of it: what a prompt, an argument or a variable reads, item by item as well. Values without free text (numbers,
//! booleans, a choice of words) are no text. Gives nothing where it is not sure: neither what an agent without a list of
//! tools fetches by itself is counted, nor the one line about each step before it, nor what waits in files.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use crate::{
    base::{Diagnostic, Source, Span, codes::definition as codes},
    definition::policy::{Policy, RiskClass},
    guard::risk::{RiskContext, assess_argv, assess_shell},
    plan::{Command, Meaning, Plan, PlanContext, PlanStep, Read, StepIx, Work},
};

/// How far out what a name stands for is followed, and how deep schemas are.
const DEPTH_MAX: u8 = 8;
/// How many names of one text are followed further out.
const READS_MAX: usize = 64;

/// Tools by which an agent reads the web, or anything that a server tells it.
const FETCHING: &[&str] = &["webfetch", "websearch"];
/// Tools by which it changes files.
const WRITING: &[&str] = &["write", "edit", "multiedit", "notebookedit", "bash", "powershell", "agent", "task"];
/// Tools by which data can leave.
const SENDING: &[&str] = &["bash", "powershell", "webfetch", "agent", "task"];

/// What is wrong with the steps of one plan.
pub(in crate::service) fn lint_plan(source: &Arc<Source>, plan: &Plan) -> Vec<Diagnostic> {
    let Ok(context) = RiskContext::new("/project", "/home/user", "/home/user/.local/state/orch", Policy::default())
    else {
        return Vec::new();
    };
    let mut strange: BTreeSet<usize> = BTreeSet::new();
    // A chain of steps is as long as the plan at most.
    loop {
        let before = strange.len();
        for (place, step) in plan.steps.iter().enumerate() {
            if fetches(step, &context) || read_steps(plan, step, &strange).next().is_some() {
                strange.insert(place);
            }
            if strange.contains(&place) && is_free(step.output.as_ref(), 0) {
                // What a container gives is what its steps give.
                strange.extend(step.parent.map(StepIx::index));
            }
        }
        if strange.len() == before {
            break;
        }
    }
    plan.steps.iter().filter_map(|step| fault(step, plan, source, &strange)).collect()
}

/// Whether a step brings in what strangers wrote.
fn fetches(step: &PlanStep, context: &RiskContext) -> bool {
    match &step.work {
        Work::Run { command, .. } => {
            let assessment = match command {
                Command::Shell(text) => assess_shell(text, context),
                Command::Argv(words) => assess_argv(words, context),
            };
            let found = assessment.findings.iter();
            let mut found = found.filter(|one| one.class == RiskClass::Network);
            found.any(|one| one.rule != "network-here")
        }
        Work::Agent(agent) => agent.tools.as_ref().is_some_and(|tools| has(tools, FETCHING) || has_server(tools)),
        _ => false,
    }
}

fn has(tools: &[String], known: &[&str]) -> bool {
    tools.iter().any(|tool| {
        let name = tool.split('(').next().unwrap_or(tool).trim().to_lowercase();
        known.contains(&name.as_str())
    })
}

fn has_server(tools: &[String]) -> bool {
    tools.iter().any(|tool| tool.trim().starts_with("mcp__"))
}

/// The strange steps whose texts a step is told: an agent by its prompt, a command by its words and variables.
fn read_steps<'a>(
    plan: &'a Plan,
    step: &'a PlanStep,
    strange: &'a BTreeSet<usize>,
) -> impl Iterator<Item = usize> + 'a {
    let with =
        step.with.iter().flat_map(|(_, value)| value.reads.iter().map(move |read| (read, value.value.to_string())));
    let mut reads: Vec<(&Read, String)> = with.collect();
    let mut context = None;
    match &step.work {
        Work::Agent(agent) => {
            reads.extend(agent.prompt.reads.iter().map(|read| (read, agent.prompt.text.clone())));
            context = match agent.context {
                PlanContext::Fresh => None,
                PlanContext::Fork(ix) | PlanContext::Share(ix) => Some(ix.index()),
            };
        }
        Work::Run { .. } => {
            let env = step
                .env
                .iter()
                .flat_map(|(_, value)| value.reads.iter().map(move |read| (read, value.value.to_string())));
            reads.extend(env);
            reads
                .extend(step.args.iter().flat_map(|text| text.reads.iter().map(move |read| (read, text.text.clone()))));
        }
        _ => {}
    }
    let told = reads.into_iter().flat_map(move |(read, text)| sources(plan, read, &text, 0));
    told.chain(context).filter(|read| strange.contains(read))
}

/// The steps whose text stands behind a name; `text` is where the name is read.
fn sources(plan: &Plan, read: &Read, text: &str, depth: u8) -> Vec<usize> {
    // An item is one of a list, and an input of a called workflow was given to it: each stands further out.
    let behind = |reads: &[Read], text: &str| -> Vec<usize> {
        let within = reads.iter().take(READS_MAX).filter(|_| depth < DEPTH_MAX);
        within.flat_map(|read| sources(plan, read, text, depth + 1)).collect()
    };
    match read.means {
        Meaning::Step(ix) => {
            if let Some(named) = children(plan, ix, &read.name, text) {
                return named;
            }
            let is_text = plan
                .steps
                .get(ix.index())
                .is_none_or(|step| is_free(step.output.as_ref(), 0) || text.contains(&format!("{}.result", read.name)));
            if is_text { vec![ix.index()] } else { Vec::new() }
        }
        Meaning::Item(ix) => match plan.steps.get(ix.index()).map(|step| &step.work) {
            Some(Work::Each(each)) => behind(&each.items.reads, &each.items.text),
            _ => Vec::new(),
        },
        Meaning::Inputs(Some(ix)) => {
            let given = plan.steps.get(ix.index()).into_iter().flat_map(|step| &step.with);
            given.flat_map(|(_, value)| behind(&value.reads, &value.value.to_string())).collect()
        }
        _ => Vec::new(),
    }
}

/// The children of a container that a text reads, where it reads nothing else of it: `both.time` is not `both.page`.
fn children(plan: &Plan, container: StepIx, name: &str, text: &str) -> Option<Vec<usize>> {
    let all = plan.steps.iter().enumerate().filter(|(_, step)| step.parent == Some(container));
    let all: Vec<(usize, &PlanStep)> = all.collect();
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let mut named = Vec::new();
    for (at, _) in text.match_indices(name).filter(|(at, _)| !text[..*at].ends_with(is_part)) {
        let behind = text[at + name.len()..].strip_prefix('.')?;
        let field = behind.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
        let (place, child) = all.iter().find(|(_, child)| child.id == field)?;
        let is_text = is_free(child.output.as_ref(), 0) || behind[field.len()..].starts_with(".result");
        named.extend(is_text.then_some(*place));
    }
    (!all.is_empty()).then_some(named)
}

/// Whether a value of this JSON Schema may hold text that somebody else has chosen. A container has none of its own.
fn is_free(schema: Option<&Value>, depth: u8) -> bool {
    let Some(Value::Object(schema)) = schema else { return true };
    if depth > DEPTH_MAX || schema.contains_key("$ref") {
        return true;
    }
    if schema.contains_key("enum") || schema.contains_key("const") {
        return false;
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => return true,
    };
    types.iter().any(|name| match *name {
        "integer" | "number" | "boolean" | "null" => false,
        "array" => is_free(schema.get("items"), depth + 1),
        "object" => {
            let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
            let fields = schema.get("properties").and_then(Value::as_object);
            !is_closed || fields.is_none_or(|all| all.values().any(|one| is_free(Some(one), depth + 1)))
        }
        _ => true,
    })
}

fn fault(step: &PlanStep, plan: &Plan, source: &Arc<Source>, strange: &BTreeSet<usize>) -> Option<Diagnostic> {
    let Work::Agent(agent) = &step.work else { return None };
    let reads = read_steps(plan, step, strange).next();
    let own = agent.tools.as_ref().is_some_and(|tools| has(tools, FETCHING) || has_server(tools));
    let from = match reads {
        Some(read) => format!("what `{}` brings in was written by strangers", plan.steps[read].path),
        None if own => "its tools read what strangers wrote".to_owned(),
        None => return None,
    };
    let (writes, sends) = match &agent.tools {
        None => (true, true),
        Some(tools) => (has(tools, WRITING), has(tools, SENDING) || has_server(tools)),
    };
    let has: Vec<&str> =
        [(writes, "may write"), (sends, "may speak to the network"), (!step.secrets.is_empty(), "holds a secret")]
            .into_iter()
            .filter_map(|(is, words)| is.then_some(words))
            .collect();
    let (last, first) = has.split_last().filter(|(_, first)| !first.is_empty())?;
    let message = format!("`{}` reads untrusted text, {}, and {last}", step.path, first.join(", "));
    Some(
        Diagnostic::error(codes::LINT_TRIFECTA, source, line(source, step.line), message)
            .cause(format!("{from}, and whoever wrote it can tell the agent what to do"))
            .help("split it: one step reads with `tools: [Read]` and gives numbers, booleans or a choice of words by `output:`, another one writes; or take the network or the secret from it"),
    )
}

/// The text of a line, from 1.
fn line(source: &Source, number: u32) -> Span {
    let skipped = usize::try_from(number).unwrap_or(1).saturating_sub(1);
    let start: usize = source.text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let text = source.text.get(start..).unwrap_or("").lines().next().unwrap_or("");
    let indent = text.len() - text.trim_start().len();
    let start = (start + indent).min(source.text.len());
    Span::new(start..start + text.trim().len())
}
