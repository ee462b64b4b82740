//! The documentation standard of the shipped library, as rules over texts: each gives the faults it finds.
//!
//! Knows neither files nor the loader, so that every kind of definition can be held to the same rules.

use std::collections::{BTreeMap, BTreeSet};

/// What a reader needs of an agent, in this order; its purpose is the first paragraph.
pub const AGENT_HEADINGS: &[&str] = &["When to use", "Inputs", "How you work", "Output", "Example", "Limits"];
/// What a reader needs of a skill, in this order; the knowledge itself stands between them.
pub const SKILL_HEADINGS: &[&str] = &["When to use", "Inputs", "Output", "Example", "Limits"];

/// Characters of a description that every tool accepts.
const DESCRIPTION_MAX: usize = 1024;
/// Characters of a name that every tool accepts.
const NAME_MAX: usize = 64;
/// How a description says when to use it.
const WHEN: [&str; 3] = ["Use ", "use when", "Applies "];
/// Words that stand in almost every task: as triggers they would fire always.
const BLUNT: &[&str] = &[
    "api",
    "app",
    "audit",
    "build",
    "bug",
    "change",
    "check",
    "code",
    "data",
    "docs",
    "error",
    "feature",
    "file",
    "fix",
    "go",
    "implement",
    "measure",
    "new",
    "project",
    "report",
    "review",
    "run",
    "service",
    "test",
    "tests",
    "update",
    "verify",
    "write",
];
const KNOWN_TOOLS: &[&str] = &[
    "Agent",
    "Bash",
    "Edit",
    "Glob",
    "Grep",
    "MultiEdit",
    "NotebookEdit",
    "Read",
    "Skill",
    "TodoWrite",
    "WebFetch",
    "WebSearch",
    "Write",
];
const WRITING_TOOLS: &[&str] = &["Edit", "MultiEdit", "NotebookEdit", "Write"];
/// How a role that changes nothing says so.
const READS_ONLY: [&str; 4] = ["read-only", "change nothing", "Change nothing", "cannot write"];

/// The headings of level 2 with the text below each, code blocks left alone.
pub fn sections(text: &str) -> Vec<(&str, String)> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        match (line.strip_prefix("## "), sections.last_mut()) {
            (Some(heading), _) if !fenced => sections.push((heading.trim(), String::new())),
            (_, Some((_, below))) => {
                below.push_str(line);
                below.push('\n');
            }
            _ => {}
        }
    }
    sections
}

/// Every required heading is there once, in that order, with something below it.
pub fn headings(required: &[&str], text: &str) -> Vec<String> {
    let sections = sections(text);
    let mut faults = Vec::new();
    let mut places = Vec::new();
    for heading in required {
        let found: Vec<usize> = (0..sections.len()).filter(|place| sections[*place].0 == *heading).collect();
        match found.as_slice() {
            [] => faults.push(format!("no heading `## {heading}`")),
            [place] if sections[*place].1.trim().is_empty() => faults.push(format!("nothing below `## {heading}`")),
            [place] => places.push(*place),
            _ => faults.push(format!("`## {heading}` twice")),
        }
    }
    if !places.is_sorted() {
        faults.push(format!("the headings stand in another order than {required:?}"));
    }
    faults
}

/// Before the first heading of level 2 stands what it is for. `titled` texts begin with a title.
pub fn purpose(text: &str, titled: bool) -> Vec<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut first = lines.next().unwrap_or_default();
    if titled {
        if !first.starts_with("# ") {
            return vec!["no title".to_owned()];
        }
        first = lines.next().unwrap_or_default();
    }
    if first.is_empty() || first.starts_with(['#', '-', '|', '>']) {
        return vec!["no purpose before the first heading".to_owned()];
    }
    Vec::new()
}

/// A description says what and when, in a length that every tool takes.
pub fn description(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.chars().count() > DESCRIPTION_MAX {
        faults.push(format!("the description is longer than {DESCRIPTION_MAX} characters"));
    }
    if !WHEN.iter().any(|word| text.contains(word)) {
        faults.push("the description does not say when to use it".to_owned());
    }
    faults
}

/// The name that is written is that of the file or folder, in the form that every tool takes.
pub fn name(written: Option<&str>, expected: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if written != Some(expected) {
        faults.push(format!("the name is {written:?}, the file's is `{expected}`"));
    }
    let legal = expected.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    let whole = !expected.starts_with('-') && !expected.ends_with('-') && !expected.contains("--");
    if !legal || !whole || expected.is_empty() || expected.len() > NAME_MAX {
        faults.push(format!("`{expected}` is not kebab-case"));
    }
    faults
}

/// A text that a model reads on every call is short.
pub fn lines(text: &str, max: usize) -> Vec<String> {
    let lines = text.lines().count();
    if lines > max { vec![format!("{lines} lines, {max} at most")] } else { Vec::new() }
}

/// Tools are listed, each once, and exist.
pub fn tools(tools: Option<&[String]>) -> Vec<String> {
    let Some(tools) = tools.filter(|tools| !tools.is_empty()) else { return vec!["no list of tools".to_owned()] };
    let unknown = tools.iter().filter(|tool| !KNOWN_TOOLS.contains(&bare(tool)));
    let mut faults: Vec<_> = unknown.map(|tool| format!("there is no tool `{tool}`")).collect();
    if tools.iter().collect::<BTreeSet<_>>().len() < tools.len() {
        faults.push("a tool is listed twice".to_owned());
    }
    faults
}

/// A role that judges has no tool that writes, no command without a pattern, and says so in `words`.
pub fn changes_nothing(tools: &[String], words: &str) -> Vec<String> {
    let writing = tools.iter().filter(|tool| WRITING_TOOLS.contains(&bare(tool)) || *tool == "Bash");
    let mut faults: Vec<_> = writing.map(|tool| format!("a reader has the tool `{tool}`")).collect();
    if !READS_ONLY.iter().any(|word| words.contains(word)) {
        faults.push("it does not say that it changes nothing".to_owned());
    }
    faults
}

fn bare(tool: &str) -> &str {
    tool.split('(').next().unwrap_or(tool)
}

/// Triggers are there and fire for the subject only.
pub fn triggers(triggers: &[String]) -> Vec<String> {
    if triggers.is_empty() {
        return vec!["no triggers".to_owned()];
    }
    let blunt = |trigger: &&String| {
        let letters = trigger.chars().filter(|letter| letter.is_alphanumeric()).count();
        letters < 2 || BLUNT.contains(&trigger.to_lowercase().as_str())
    };
    let mut faults: Vec<_> =
        triggers.iter().filter(blunt).map(|trigger| format!("`{trigger}` fires on everything")).collect();
    let globs = triggers.iter().filter(|trigger| trigger.contains('*'));
    faults.extend(globs.filter_map(|glob| globset::Glob::new(glob).err()).map(|error| error.to_string()));
    faults
}

/// No two of these have the same text.
pub fn each_its_own(texts: &[(&str, &str)]) -> Vec<String> {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, text) in texts {
        match first.get(&text.to_lowercase()) {
            Some(other) => faults.push(format!("`{name}` has the description of `{other}`")),
            None => drop(first.insert(text.to_lowercase(), name)),
        }
    }
    faults
}

/// Every name that others rely on is there.
pub fn complete(required: &[&str], found: &BTreeSet<&str>) -> Vec<String> {
    required.iter().filter(|name| !found.contains(*name)).map(|name| format!("`{name}` is missing")).collect()
}

/// A table has one row for each name, ``| [`name`](link) | words |``, and no other.
pub fn table(text: &str, link: impl Fn(&str) -> String, names: &BTreeSet<&str>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rows = BTreeSet::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("| [`")) {
        let name = row.split('`').next().unwrap_or_default();
        let (head, words) = row.split_once(" | ").unwrap_or((row, ""));
        if !rows.insert(name) {
            faults.push(format!("`{name}` has two rows"));
        }
        if !names.contains(name) {
            faults.push(format!("the table names `{name}`, which is not there"));
        }
        if head != format!("{name}`]({})", link(name)) {
            faults.push(format!("the row of `{name}` leads to another file"));
        }
        if words.trim_end_matches('|').trim().is_empty() {
            faults.push(format!("the row of `{name}` is empty"));
        }
    }
    faults.extend(names.difference(&rows).map(|name| format!("`{name}` has no row")));
    faults
}
