//! What the tests of tolerant reading share: what a definition says, and whether a fix keeps it.

use std::path::Path;

use orch::{
    base::{Diagnostic, Fix, Severity},
    definition::{
        CommandBody, Dialect, ToolMode, ToolPolicy,
        load::{Definition, FileKind, read_definition},
    },
};

/// Reads a file from memory.
pub fn read(kind: FileKind, dialect: Dialect, path: &Path, bytes: &[u8]) -> (Option<Definition>, Vec<Diagnostic>) {
    read_definition(kind, dialect, path, bytes.to_vec())
}

/// What a definition says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    pub description: String,
    /// As they are written; empty for none.
    pub tools: String,
    pub model: String,
    pub body: String,
}

/// What a definition says.
pub fn seen(definition: &Definition) -> Seen {
    match definition {
        Definition::Agent(agent) => Seen {
            name: agent.meta.display_name.clone(),
            description: agent.description.clone(),
            tools: tools(&agent.tools),
            model: agent.model.clone().unwrap_or_default(),
            body: agent.body.to_string(),
        },
        Definition::Skill(skill) => Seen {
            name: skill.meta.display_name.clone(),
            description: skill.description.clone(),
            tools: tools(&skill.allowed_tools),
            model: String::new(),
            body: skill.body.to_string(),
        },
        Definition::Command(command) => {
            let (model, body) = match &command.body {
                CommandBody::Prose { text, model, .. } => (model.clone().unwrap_or_default(), text.value.to_string()),
                CommandBody::Inline(_) | CommandBody::Workflow(_) => Default::default(),
            };
            Seen {
                name: command.meta.display_name.clone(),
                description: command.description.clone(),
                tools: String::new(),
                model,
                body,
            }
        }
        Definition::Document => Seen::default(),
    }
}

fn tools(policy: &ToolPolicy) -> String {
    match policy.mode {
        ToolMode::Inherit | ToolMode::All => "All tools".to_owned(),
        ToolMode::None => String::new(),
        ToolMode::List => policy.allow.iter().map(|rule| rule.raw.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// The text with a fix in it.
pub fn applied(text: &str, fix: &Fix) -> String {
    let mut edits = fix.edits.clone();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut out = String::new();
    let mut at = 0;
    for edit in edits {
        assert!(edit.span.start >= at, "edits overlap: {fix:?}");
        out.push_str(&text[at..edit.span.start]);
        out.push_str(&edit.text);
        at = edit.span.end;
    }
    out + &text[at..]
}

/// Tries each fix of a file, then all of them one after another. Each must remove its diagnostic, keep what the file
/// says, and bring no new fault. Returns how many there were.
pub fn check_fixes(kind: FileKind, dialect: Dialect, path: &Path, bytes: &[u8], wrong: &mut Vec<String>) -> usize {
    let (definition, faults) = read(kind, dialect, path, bytes);
    let Some(definition) = definition else { return 0 };
    let before = seen(&definition);
    let mut tried = 0;
    for fault in &faults {
        let Some(fix) = &fault.fix else { continue };
        tried += 1;
        let text = applied(&fault.source.text, fix);
        let (after, left) = read(kind, dialect, path, text.as_bytes());
        let shown = || format!("{}: {} {}\n{:?}\n", path.display(), fault.code, fault.message, head(&text));
        match after {
            None => wrong.push(format!("{}does not load any more", shown())),
            Some(after) if seen(&after) != before => {
                wrong.push(format!("{}changed\n  {before:?}\n  {:?}", shown(), seen(&after)));
            }
            Some(_) => {}
        }
        let count = |all: &[Diagnostic]| all.iter().filter(|one| one.code == fault.code).count();
        if count(&left) >= count(&faults) {
            wrong.push(format!("{}is still there", shown()));
        }
        let worst = |all: &[Diagnostic]| all.iter().filter(|one| one.severity >= Severity::Warning).count();
        if worst(&left) > worst(&faults) {
            wrong.push(format!(
                "{}brings new ones: {:?}",
                shown(),
                left.iter().map(|one| &one.message).collect::<Vec<_>>()
            ));
        }
    }
    // One after another until none is left, as `orch check --fix` does it.
    let mut text = faults.first().map(|fault| fault.source.text.clone()).unwrap_or_default();
    let mut left = faults;
    for round in 0.. {
        let Some(fix) = left.iter().find_map(|fault| fault.fix.as_ref()) else { break };
        text = applied(&text, fix);
        let (after, faults) = read(kind, dialect, path, text.as_bytes());
        if after.is_none_or(|after| seen(&after) != before) || round > 200 {
            wrong.push(format!("{}: changed in round {round}, by {}\n{:?}", path.display(), fix.title, head(&text)));
            break;
        }
        left = faults;
    }
    tried
}

fn head(text: &str) -> String {
    text.chars().take(400).collect()
}

/// The keys that nobody used.
#[allow(dead_code, reason = "not every test that shares this looks at unknown keys")]
pub fn extra(definition: &Definition) -> &[orch::definition::Extra] {
    match definition {
        Definition::Agent(agent) => &agent.meta.extra,
        Definition::Skill(skill) => &skill.meta.extra,
        Definition::Command(command) => &command.meta.extra,
        Definition::Document => &[],
    }
}
