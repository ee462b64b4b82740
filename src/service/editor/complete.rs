//! What can be written at a place.

use crate::{
    definition::Library,
    service::editor::{
        cursor::{Cursor, Role},
        grammar::Grammar,
        lookup::kind_of_value,
        outline::Outline,
    },
};

/// What a completion is, for its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// A key of a mapping.
    Key,
    /// One of a few words.
    Value,
    /// The name of a definition.
    Definition,
    /// A step, an input or a field.
    Name,
}

/// One thing that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is written.
    pub text: String,
    /// What it is.
    pub kind: CompletionKind,
    /// A few words about it.
    pub detail: String,
    /// Whether the mapping cannot do without it.
    pub required: bool,
}

/// Tools as agents name them.
const TOOLS: [&str; 12] = [
    "Read",
    "Write",
    "Edit",
    "Bash",
    "Grep",
    "Glob",
    "WebFetch",
    "WebSearch",
    "Agent",
    "Skill",
    "TodoWrite",
    "NotebookEdit",
];

/// All that can be written at a cursor; the editor narrows by what is there already.
pub(super) fn complete(
    cursor: &Cursor,
    grammar: &Grammar,
    library: &Library,
    runtimes: &[String],
    outline: Option<&Outline>,
) -> Vec<Completion> {
    match &cursor.role {
        Role::Key => keys(cursor, grammar),
        Role::Expression(before) => {
            let names = outline.map(|outline| outline.after(before)).unwrap_or_default();
            names.into_iter().map(|(text, detail)| one(text, CompletionKind::Name, detail)).collect()
        }
        Role::Value => {
            let mut all = values(cursor, grammar, library, runtimes, outline);
            // An item of a list of mappings starts with a key.
            let items = grammar.keys(&cursor.path);
            if !items.is_empty() && kind_of_value(&cursor.path) != Some("workflow") {
                all.extend(keys(cursor, grammar));
            }
            all
        }
        Role::Text => Vec::new(),
    }
}

fn one(text: impl Into<String>, kind: CompletionKind, detail: impl Into<String>) -> Completion {
    Completion { text: text.into(), kind, detail: detail.into(), required: false }
}

fn keys(cursor: &Cursor, grammar: &Grammar) -> Vec<Completion> {
    let keys = grammar.keys(&cursor.path).into_iter();
    keys.map(|key| Completion {
        text: format!("{}: ", key.name),
        kind: CompletionKind::Key,
        detail: key.description,
        required: key.required,
    })
    .collect()
}

fn values(
    cursor: &Cursor,
    grammar: &Grammar,
    library: &Library,
    runtimes: &[String],
    outline: Option<&Outline>,
) -> Vec<Completion> {
    let definition = |text: &str, detail: &str| one(text, CompletionKind::Definition, detail);
    match kind_of_value(&cursor.path) {
        Some("agent") => {
            return library.agents.iter().map(|agent| definition(&agent.name, &agent.description)).collect();
        }
        Some("skill") => {
            return library.skills.iter().map(|skill| definition(&skill.name, &skill.description)).collect();
        }
        Some("workflow") => {
            let all = library.workflows.iter();
            return all.map(|entry| definition(&entry.workflow.name.value, &entry.workflow.description)).collect();
        }
        Some("gate") => return library.gates.iter().map(|gate| definition(&gate.name, &gate.description)).collect(),
        Some(_) | None => {}
    }
    let steps = || outline.map(Outline::all).unwrap_or_default();
    let name = |text: String, detail: &str| one(text, CompletionKind::Name, detail);
    match cursor.path.last().map(String::as_str) {
        Some("needs") => steps().iter().map(|step| name(step.id.clone(), &step.what)).collect(),
        Some("context") => {
            let forks = steps()
                .into_iter()
                .flat_map(|step| ["fork", "share"].map(|how| name(format!("{how}:{}", step.id), &step.what)));
            std::iter::once(name("fresh".to_owned(), "nothing from other steps")).chain(forks).collect()
        }
        Some("model") => {
            let tiers = outline.map(|outline| outline.tiers.clone()).unwrap_or_default();
            tiers.into_iter().map(|tier| name(tier, "a tier of this workflow")).collect()
        }
        Some("runtime") => runtimes.iter().map(|runtime| name(runtime.clone(), "a runtime")).collect(),
        Some("tools" | "disallowedTools" | "allowed-tools") => {
            TOOLS.iter().map(|tool| one(*tool, CompletionKind::Value, "a tool")).collect()
        }
        Some(_) | None => {
            grammar.values(&cursor.path).into_iter().map(|word| one(word, CompletionKind::Value, "")).collect()
        }
    }
}
