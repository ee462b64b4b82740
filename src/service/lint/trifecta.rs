//! One step that reads what strangers wrote, may write, and may speak to the network: whoever writes the text can then
//! take the project's data out or put something in.
//!
//! Text of strangers is what a command fetches from the network, or an agent with tools for the web reads, and whatever is
//! made of it. Gives nothing where it is not sure: what an agent without a list of tools fetches by itself is not counted.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    base::{Diagnostic, Source, Span, codes::definition as codes},
    definition::policy::{Policy, RiskClass},
    guard::risk::{RiskContext, assess_argv, assess_shell},
    plan::{Command, Meaning, Plan, PlanContext, PlanStep, Work},
};

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
            if fetches(step, &context) || read_steps(step).iter().any(|read| strange.contains(read)) {
                strange.insert(place);
                // What a container gives is what its steps give.
                strange.extend(step.parent.map(crate::plan::StepIx::index));
            } else if strange.contains(&place) {
                strange.extend(step.parent.map(crate::plan::StepIx::index));
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

/// The steps whose values an agent is told.
fn read_steps(step: &PlanStep) -> Vec<usize> {
    let Work::Agent(agent) = &step.work else { return Vec::new() };
    let steps = agent.prompt.reads.iter().filter_map(|read| match read.means {
        Meaning::Step(ix) => Some(ix.index()),
        _ => None,
    });
    let context = match agent.context {
        PlanContext::Fresh => None,
        PlanContext::Fork(ix) | PlanContext::Share(ix) => Some(ix.index()),
    };
    steps.chain(context).collect()
}

fn fault(step: &PlanStep, plan: &Plan, source: &Arc<Source>, strange: &BTreeSet<usize>) -> Option<Diagnostic> {
    let Work::Agent(agent) = &step.work else { return None };
    let reads = read_steps(step).into_iter().find(|read| strange.contains(read));
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
    if !(writes && sends) {
        return None;
    }
    let message = format!("`{}` reads untrusted text, may write, and may speak to the network", step.path);
    Some(
        Diagnostic::error(codes::LINT_TRIFECTA, source, line(source, step.line), message)
            .cause(format!("{from}, and whoever wrote it can tell the agent what to do"))
            .help("split it: one step reads with `tools: [Read]` and gives values by `output:`, another one writes; or take the network from it"),
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
