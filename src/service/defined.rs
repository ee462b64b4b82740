//! Definitions as a board shows them: all of them with their trust and faults, and one with its text, what was read from
//! its frontmatter, what uses it, and what a run of it would do.
//!
//! Bounded, because a definition may be as long as a file may be. Runs nothing.

use serde::Serialize;

use crate::{
    base::{Diagnostic, Digest, Hasher},
    definition::{CommandBody, Library, Origin, Scope},
    plan::draw,
    service::{
        check,
        check::Checked,
        compile_all::compile_all,
        definitions::{Listed, list},
        fault::Fault,
        find::{Found, find_runnable},
        offer::{Offer, Outline, offers, outline},
        project::Project,
        refusal::Refusal,
        trust::TrustState,
    },
};

/// Definitions of which is asked whether they are trusted.
const OFFERS_MAX: usize = 2_000;
/// Lines of a text that are shown.
const LINES_MAX: usize = 4_000;
/// Characters of one of them.
const LINE_MAX: usize = 2_000;
/// Users that are named.
const USERS_MAX: usize = 100;
/// Steps of a plan that is drawn.
const STEPS_MAX: usize = 400;

/// One definition of a board.
#[derive(Debug, Clone, Serialize)]
pub struct DefinedLine {
    /// What it is.
    #[serde(flatten)]
    pub listed: Listed,
    /// Whether its commands are trusted; absent where it holds none that need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustState>,
    /// The first fault, where it cannot be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Something that was read from a frontmatter, and how it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The key.
    pub name: &'static str,
    /// What it says.
    pub value: String,
}

/// A definition that uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Use {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// One definition.
#[derive(Debug, Clone, Serialize)]
pub struct Defined {
    /// Its line in the list.
    #[serde(flatten)]
    pub line: DefinedLine,
    /// Its text, line by line.
    pub text: Vec<String>,
    /// Whether there is more of it.
    pub is_cut: bool,
    /// The lines of its frontmatter, the first and the last, from 1; none where it has none.
    pub frontmatter: Option<(usize, usize)>,
    /// What was read from it.
    pub facts: Vec<Fact>,
    /// What uses it.
    pub used_by: Vec<Use>,
    /// What a run of it takes.
    pub offer: Option<Offer>,
    /// What a run of it would do.
    pub plan: Option<Outline>,
    /// Faults in its file.
    #[serde(skip)]
    pub diagnostics: Vec<Diagnostic>,
}

/// All definitions of that kind with that word in them, and all faults of the project's files.
///
/// # Errors
/// When the files cannot be looked at.
pub fn definitions(project: &Project, kind: Option<&str>, word: &str) -> Result<(Vec<DefinedLine>, Checked), Fault> {
    let word = word.to_lowercase();
    let fits = |line: &Listed| {
        kind.is_none_or(|kind| kind == line.kind)
            && (line.name.to_lowercase().contains(&word) || line.description.to_lowercase().contains(&word))
    };
    let (offered, _) = offers(project, "", OFFERS_MAX);
    let lines = list(project, false).into_iter().filter(fits).map(|listed| with_offer(listed, &offered));
    let mut lines: Vec<_> = lines.collect();
    // What ships with `orch` comes behind what somebody wrote here.
    lines.sort_by_key(|line| line.listed.scope == Scope::Builtin);
    Ok((lines, check(project, &[])?))
}

fn with_offer(listed: Listed, offered: &[Offer]) -> DefinedLine {
    let offer = offered.iter().find(|offer| is_of(offer, &listed));
    DefinedLine {
        trust: offer.and_then(|offer| offer.trust),
        fault: offer.and_then(|offer| offer.fault.clone()),
        listed,
    }
}

fn is_of(offer: &Offer, listed: &Listed) -> bool {
    offer.kind == listed.kind && offer.name.trim_start_matches('/') == listed.name
}

/// What one is called as somebody types it to run it.
fn typed(kind: &str, name: &str) -> String {
    if kind == "command" { format!("/{name}") } else { name.to_owned() }
}

/// One definition.
///
/// # Errors
/// When there is none of that kind and name.
pub fn defined(project: &Project, kind: &str, name: &str) -> Result<Defined, Fault> {
    let library = project.library();
    let listed = list(project, false).into_iter().find(|line| line.kind == kind && line.name == name);
    let (Some(listed), Some(origin)) = (listed, origin(library, kind, name)) else {
        let message = format!("there is no {kind} `{name}`");
        return Err(Refusal::new(11, "E0511", message, "`orch list` names all definitions").into());
    };
    let runs = matches!(kind, "workflow" | "command");
    let offer = if runs { offers(project, name, OFFERS_MAX).0 } else { Vec::new() };
    let offer = offer.into_iter().find(|offer| is_of(offer, &listed));
    let runnable = offer.as_ref().and_then(|_| find_runnable(project, &typed(kind, name)).ok());
    let source = &origin.source;
    let mut text: Vec<String> =
        source.text.lines().take(LINES_MAX + 1).map(|line| line.chars().take(LINE_MAX).collect()).collect();
    let is_cut = text.len() > LINES_MAX;
    text.truncate(LINES_MAX);
    let front = origin.frontmatter;
    let at = |offset: usize| source.position(offset).line;
    let checked = check(project, &[])?;
    let own = checked.diagnostics.into_iter().filter(|fault| fault.source.path == source.path);
    Ok(Defined {
        line: with_offer(listed, offer.as_slice()),
        text,
        is_cut,
        frontmatter: (front.end > front.start).then(|| (at(front.start), at(front.end.saturating_sub(1)))),
        facts: facts(library, kind, name),
        used_by: used_by(project, kind, name, &origin.path.display().to_string()),
        plan: runnable.as_ref().map(|runnable| outline(project, &runnable.plan)),
        offer,
        diagnostics: own.collect(),
    })
}

/// The plan of something that runs, as a picture; none where it is too large for one.
///
/// # Errors
/// When there is none, or it has faults.
pub fn plan_picture(project: &Project, kind: &str, name: &str) -> Result<Option<String>, Fault> {
    let plan = find_runnable(project, &typed(kind, name))?.plan;
    Ok((plan.steps.len() <= STEPS_MAX).then(|| draw::svg(&plan)))
}

fn origin<'l>(library: &'l Library, kind: &str, name: &str) -> Option<&'l Origin> {
    Some(match kind {
        "workflow" => &library.workflows.get(name)?.origin,
        "command" => &library.commands.get(name)?.origin,
        "agent" => &library.agents.get(name)?.origin,
        "skill" => &library.skills.get(name)?.origin,
        "gate" => &library.gates.get(name)?.origin,
        _ => return None,
    })
}

/// What was read from the frontmatter, as it was understood.
fn facts(library: &Library, kind: &str, name: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut say = |name, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push(Fact { name, value: value.chars().take(LINE_MAX).collect() });
        }
    };
    let tools = |allowed: Option<Vec<String>>| match allowed {
        None => "all".to_owned(),
        Some(names) if names.is_empty() => "none".to_owned(),
        Some(names) => names.join(", "),
    };
    match kind {
        "agent" => {
            let Some(agent) = library.agents.get(name) else { return facts };
            say("model", agent.model.clone());
            say("runtime", agent.runtime.clone());
            say("tools", Some(tools(agent.tools.allowed())));
            say("skills", Some(agent.skills.join(", ")));
            say("capabilities", Some(agent.capabilities.join(", ")));
            say("constraints", Some(agent.constraints.join("; ")));
            say("context budget", agent.context_budget.map(|tokens| format!("{tokens} tokens")));
        }
        "skill" => {
            let Some(skill) = library.skills.get(name) else { return facts };
            say("triggers", Some(skill.triggers.join(", ")));
            say("allowed tools", Some(tools(skill.allowed_tools.allowed())));
        }
        "command" => {
            let Some(command) = library.commands.get(name) else { return facts };
            say("arguments", command.argument_hint.clone());
            match &command.body {
                CommandBody::Workflow(workflow) => say("workflow", Some(workflow.value.clone())),
                CommandBody::Inline(workflow) => say("steps", Some(workflow.steps.len().to_string())),
                CommandBody::Prose { agent, model, .. } => {
                    say("agent", agent.clone());
                    say("model", model.clone());
                }
            }
        }
        "workflow" => {
            let Some(entry) = library.workflows.get(name) else { return facts };
            let workflow = &entry.workflow;
            let named = |names: Vec<&str>| Some(names.join(", "));
            say("inputs", named(workflow.inputs.iter().map(|input| input.name.value.as_str()).collect()));
            say("steps", Some(workflow.steps.len().to_string()));
            say("outputs", named(workflow.outputs.iter().map(|(name, _)| name.value.as_str()).collect()));
        }
        "gate" => {
            let Some(gate) = library.gates.get(name) else { return facts };
            say("checks", Some(gate.checks.len().to_string()));
        }
        _ => {}
    }
    facts
}

/// What uses it: of agents and skills the plans say it, of others the word in the text.
fn used_by(project: &Project, kind: &str, name: &str, path: &str) -> Vec<Use> {
    let library = project.library();
    let workflows = library.workflows.iter().map(|entry| {
        let of = Use { kind: "workflow", name: entry.workflow.name.value.clone() };
        (of, Found::Workflow(entry), &entry.origin)
    });
    let commands = library.commands.iter().map(|command| {
        let of = Use { kind: "command", name: command.name.clone() };
        (of, Found::Command(command), &command.origin)
    });
    let all: Vec<_> = workflows.chain(commands).filter(|(of, ..)| of.kind != kind || of.name != name).collect();
    let mut users: Vec<Use> = if matches!(kind, "agent" | "skill") {
        let compiled = compile_all(project, &all.iter().map(|(_, found, _)| found).collect::<Vec<_>>());
        let uses = |plan: &crate::plan::Plan| match kind {
            "agent" => plan.agents.iter().any(|agent| agent.name == name && agent.path == path),
            _ => plan.skills.iter().any(|skill| skill.name == name),
        };
        let used = all.iter().zip(compiled).filter(|(_, made)| made.as_ref().is_ok_and(|made| uses(&made.plan)));
        used.map(|((of, ..), _)| of.clone()).collect()
    } else {
        let named = all.iter().filter(|(_, _, origin)| kind != "command" && is_named(&origin.source.text, name));
        named.map(|(of, ..)| of.clone()).collect()
    };
    if kind == "skill" {
        let agents = library.agents.iter().filter(|agent| agent.skills.iter().any(|skill| skill == name));
        users.extend(agents.map(|agent| Use { kind: "agent", name: agent.name.clone() }));
    }
    users.sort();
    users.truncate(USERS_MAX);
    users
}

/// Whether a text holds a name as the value of a key or of a list.
fn is_named(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim().trim_start_matches("- ");
        let value = line.split_once(':').map_or(line, |(_, value)| value);
        let words = value.split([',', '[', ']', '{', '}', ' ', '"', '\'']);
        value.len() < LINE_MAX && words.map(|word| word.trim_end_matches(',')).any(|word| word == name)
    })
}

/// By which a change of definitions is seen.
pub(super) fn mark_of(project: &Project) -> Digest {
    let library = project.library();
    let mut hasher = Hasher::default();
    let mut add = |origin: &Origin| {
        hasher.update(origin.path.as_os_str().as_encoded_bytes());
        hasher.update(origin.digest().as_str().as_bytes());
    };
    library.workflows.iter().for_each(|entry| add(&entry.origin));
    library.commands.iter().for_each(|command| add(&command.origin));
    library.agents.iter().for_each(|agent| add(&agent.origin));
    library.skills.iter().for_each(|skill| add(&skill.origin));
    library.gates.iter().for_each(|gate| add(&gate.origin));
    let reads = library.workflows.iter().flat_map(|entry| &entry.workflow.reads);
    reads.chain(library.gates.iter().flat_map(|gate| &gate.reads)).for_each(|read| {
        hasher.update(read.as_str().as_bytes());
    });
    for fault in &library.diagnostics {
        hasher.update(fault.source.digest().as_str().as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_value_and_not_in_a_longer_word() {
        for text in ["gates: [tests, lint]", "  - tests", "    gate: tests", "- { id: a, gates: [\"tests\"] }"] {
            assert!(is_named(text, "tests"), "{text}");
        }
        for text in ["tests:", "run: cargo-tests", "- my-tests", ""] {
            assert!(!is_named(text, "tests"), "{text}");
        }
    }
}
