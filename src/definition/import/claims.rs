//! Agents that work at once must not write the same files. Sources rarely say what their agents write, so the output
//! says it for them, and marks that it does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::definition::{
    import::{
        draft::{Draft, Kind, Piece, Step},
        known::{Known, READING},
        text::excerpt,
    },
    normal_name,
};

/// Words of titles and ids of work that only looks.
const LOOKS: [&str; 15] = [
    "review",
    "audit",
    "analy",
    "research",
    "investigat",
    "explor",
    "check",
    "validat",
    "assess",
    "inspect",
    "scan",
    "verif",
    "evaluat",
    "search",
    "classif",
];

/// Gives every agent that may work beside another one its files, or tools that only read.
pub(super) fn claim(draft: &mut Draft, known: &Known) {
    let mut pieces = std::mem::take(&mut draft.pieces);
    let mut top: Vec<&mut Step> =
        pieces.iter_mut().filter_map(|piece| if let Piece::Step(step) = piece { Some(step) } else { None }).collect();
    let beside = beside_by_needs(&top, known);
    body(draft, &mut top, &beside, known);
    draft.pieces = pieces;
}

/// The steps of a list that may run beside another writer of it, by their needs; without needs they are a row.
fn beside_by_needs(steps: &[&mut Step], known: &Known) -> BTreeSet<usize> {
    let places: BTreeMap<&str, usize> =
        steps.iter().enumerate().map(|(place, step)| (step.id.as_str(), place)).collect();
    // What must end before each step, however far away.
    let mut before: Vec<BTreeSet<usize>> = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let needs = step.keys.iter().find(|(key, _)| *key == "needs").and_then(|(_, value)| value.as_array());
        let direct: Vec<usize> = match needs {
            Some(ids) => ids.iter().filter_map(|id| id.as_str().and_then(|id| places.get(id).copied())).collect(),
            None => place.checked_sub(1).into_iter().collect(),
        };
        let mut all: BTreeSet<usize> = direct.iter().copied().collect();
        for need in direct {
            if let Some(more) = before.get(need) {
                all.extend(more.iter().copied());
            }
        }
        before.push(all);
    }
    let writers: Vec<usize> = (0..steps.len()).filter(|place| holds_writer(steps[*place], known)).collect();
    let is_apart = |one: usize, other: usize| before[one].contains(&other) || before[other].contains(&one);
    writers.iter().copied().filter(|one| writers.iter().any(|other| one != other && !is_apart(*one, *other))).collect()
}

fn body(draft: &mut Draft, steps: &mut [&mut Step], beside: &BTreeSet<usize>, known: &Known) {
    for (place, step) in steps.iter_mut().enumerate() {
        inside(draft, step, beside.contains(&place), known);
    }
}

/// Claims for a step and what is in it; `shared` says that something runs beside it.
fn inside(draft: &mut Draft, step: &mut Step, shared: bool, known: &Known) {
    if shared && is_writer(step, known) {
        own_files(draft, step, known);
    }
    let at_once = step.kind.is_parallel();
    let writers = step.children.iter().filter(|child| holds_writer(child, known)).count();
    for child in &mut step.children {
        inside(draft, child, shared || at_once && writers > 1, known);
    }
}

fn holds_writer(step: &Step, known: &Known) -> bool {
    is_writer(step, known) || step.children.iter().any(|child| holds_writer(child, known))
}

fn is_writer(step: &Step, known: &Known) -> bool {
    let Kind::Agent { agent, .. } = &step.kind else { return false };
    let has = |key: &str| step.keys.iter().find(|(name, _)| *name == key).map(|(_, value)| value);
    let reads_only = has("tools").and_then(Value::as_array).is_some_and(|tools| {
        tools
            .iter()
            .all(|tool| tool.as_str().is_some_and(|tool| READING.iter().any(|known| known.eq_ignore_ascii_case(tool))))
    });
    let is_reader = agent.as_ref().is_some_and(|agent| known.readers.contains(&normal_name(agent)));
    !(reads_only || is_reader && has("tools").is_none() || has("files").is_some())
}

fn own_files(draft: &mut Draft, step: &mut Step, known: &Known) {
    let title = excerpt(if step.title.is_empty() { &step.id } else { &step.title });
    let words = format!("{} {}", step.id, step.title).to_lowercase();
    let named = matches!(&step.kind, Kind::Agent { agent: Some(agent), .. } if known.is_agent(agent));
    let what = format!("`{title}` works beside other agents, and the source does not say what it writes");
    let has_tools = step.keys.iter().any(|(key, _)| *key == "tools");
    let mark = if !named && !has_tools && LOOKS.iter().any(|word| words.contains(word)) {
        step.set("tools", json!(["Read", "Grep", "Glob"]));
        draft.mark(step.line, what, "it only reads", "remove `tools:` and name its `files:` if it writes")
    } else {
        let files = format!("{}/**", step.id);
        let assumed = format!("it writes below `{}/` only", step.id);
        step.set("files", json!([files]));
        draft.mark(step.line, what, &assumed, "name the files that it really writes, or let it run alone")
    };
    step.marks.push(mark);
}
