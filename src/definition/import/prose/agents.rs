//! Which agents a text names: in quotes, as an argument of the task tool, in plain words, as a mention.
//!
//! A name that no agent has counts only where the text itself says that it is an agent.

use crate::definition::import::{draft::ReferenceForm, known::Known};

/// A name and its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub name: String,
    pub at: usize,
    pub form: ReferenceForm,
}

/// Words that begin an order to an agent.
const ORDERS: [&str; 9] =
    ["use ", "using ", "launch ", "invoke ", "delegate to ", "spawn ", "call ", "assign ", "deploy "];
/// Endings of names that are roles.
const ROLES: [&str; 16] = [
    "developer",
    "engineer",
    "architect",
    "reviewer",
    "auditor",
    "analyzer",
    "analyst",
    "expert",
    "specialist",
    "writer",
    "tester",
    "designer",
    "orchestrator",
    "coordinator",
    "documenter",
    "debugger",
];
/// Words that stand before `agent` without being a name.
const NO_NAMES: [&str; 14] = [
    "multi",
    "sub",
    "each",
    "this",
    "that",
    "single",
    "general",
    "coding",
    "specialized",
    "parallel",
    "per",
    "ai",
    "new",
    "multi-agent",
];

/// All agents that the text names, each once, in their order.
pub(super) fn agents(text: &str, known: &Known) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut fence: Option<&str> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let is_fence = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, is_fence) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_) | None, _) => {}
        }
        task_tool(line, at, &mut found);
        if fence.is_none() {
            quoted(line, at, known, &mut found);
            plain(line, at, known, &mut found);
            mentions(line, at, known, &mut found);
        }
        at += line.len();
    }
    tables(text, &mut found);
    found.sort_by_key(|named| named.at);
    let mut seen = std::collections::HashSet::new();
    found.retain(|named| seen.insert(crate::definition::normal_name(&named.name)));
    found
}

fn is_name(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))
        && !text.ends_with([':', '-'])
}

fn is_role(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.contains('-') && ROLES.iter().any(|role| lower.ends_with(role))
}

/// `subagent_type="x"`, `subagent_type: x`.
fn task_tool(line: &str, offset: usize, found: &mut Vec<Named>) {
    for (at, word) in line.match_indices("subagent_type") {
        let rest = line[at + word.len()..].trim_start_matches(['"', '\'', '`', ' ', '*']);
        let Some(rest) = rest.strip_prefix(['=', ':']) else { continue };
        let rest = rest.trim_start_matches([' ', '"', '\'', '`', '*']);
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches(':');
        if is_name(name) {
            found.push(Named { name: name.to_owned(), at: offset + at, form: ReferenceForm::TaskTool });
        }
    }
}

/// ``the `x` agent``, ``Use `x` and `y` to``.
fn quoted(line: &str, offset: usize, known: &Known, found: &mut Vec<Named>) {
    let lower = line.to_lowercase();
    let says_agent = lower.contains("agent");
    let head = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_order = ORDERS.iter().any(|order| head.starts_with(order));
    let mut parts = line.match_indices('`');
    while let (Some((open, _)), Some((close, _))) = (parts.next(), parts.next()) {
        let name = line[open + 1..close].trim_start_matches('@').trim_start_matches("agent-");
        let is_meant =
            known.is_agent(name) || is_role(name) && (says_agent || is_order) || says_agent_behind(&line[close + 1..]);
        if is_name(name) && is_meant && (says_agent || is_order || known.is_agent(name)) {
            found.push(Named { name: name.to_owned(), at: offset + open, form: ReferenceForm::Quoted });
        }
    }
}

/// Whether the next word, or the one behind other quoted names, is `agent`.
fn says_agent_behind(rest: &str) -> bool {
    let mut rest = rest;
    for _ in 0..8 {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | ',' | '/' | '&'));
        // Only the next word counts; a long line must not be read again for each of its quotes.
        let lower: String = rest.chars().take(10).map(|c| c.to_ascii_lowercase()).collect();
        if ["agent", "subagent", "sub-agent"].iter().any(|word| lower.starts_with(word)) {
            return true;
        }
        if let Some(inner) = rest.strip_prefix('`') {
            let Some(close) = inner.find('`') else { return false };
            rest = &inner[close + 1..];
        } else if let Some(word) = ["and ", "or "].into_iter().find(|word| lower.starts_with(word)) {
            rest = &rest[word.len()..];
        } else {
            return false;
        }
    }
    false
}

/// `the code-reviewer agent`, `**security-auditor**: …`.
fn plain(line: &str, offset: usize, known: &Known, found: &mut Vec<Named>) {
    let lower = line.to_ascii_lowercase();
    for (at, _) in lower.match_indices("agent") {
        let before = line[..at].trim_end_matches("sub").trim_end_matches("sub-");
        let Some(before) = before.strip_suffix([' ', '*', '"']) else { continue };
        let before = before.trim_end_matches(['*', '_', '"', ' ']);
        let start = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':')))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let name = &before[start..];
        let is_meant = known.is_agent(name) || is_role(name);
        if is_name(name) && is_meant && !NO_NAMES.contains(&name.to_lowercase().as_str()) {
            found.push(Named { name: name.to_owned(), at: offset + start, form: ReferenceForm::Plain });
        }
    }
    let lead =
        line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+' | '.') || c.is_ascii_digit());
    if let Some(inner) = lead.trim_start_matches(' ').strip_prefix("**").or_else(|| lead.strip_prefix("* **"))
        && let Some(close) = inner.find("**")
    {
        let name = inner[..close].trim_matches(|c: char| matches!(c, ':' | '`' | ' ' | '@'));
        if is_name(name) && known.is_agent(name) {
            found.push(Named {
                name: name.to_owned(),
                at: offset + line.len() - inner.len(),
                form: ReferenceForm::Plain,
            });
        }
    }
}

/// Names in the column of a table whose head says agent.
fn tables(text: &str, found: &mut Vec<Named>) {
    let mut column = None;
    let mut at = 0;
    let mut above: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let row = line.trim();
        let is_row = row.starts_with('|');
        let is_rule = is_row && row.contains('-') && row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
        if is_rule {
            let head = above.map(cells).unwrap_or_default();
            column = head.iter().position(|cell| cell.to_lowercase().contains("agent"));
        } else if !is_row {
            column = None;
        } else if let Some(name) = column.and_then(|column| cells(row).get(column).copied()) {
            for name in name.split([',', '+', '/']).map(|name| name.trim_matches([' ', '`', '*', '@'])) {
                if is_name(name) && (name.contains('-') || !name.contains(' ')) {
                    let inside = line.find(name).unwrap_or(1);
                    found.push(Named { name: name.to_owned(), at: at + inside, form: ReferenceForm::Table });
                }
            }
        }
        above = is_row.then_some(row);
        at += line.len();
    }
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// `@agent-x`, and `@x` where there is such an agent.
fn mentions(line: &str, offset: usize, known: &Known, found: &mut Vec<Named>) {
    for (at, _) in line.match_indices('@') {
        let is_start = line[..at].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric());
        let rest = &line[at + 1..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))).unwrap_or(rest.len());
        let (name, is_agent) = match rest[..end].strip_prefix("agent-") {
            Some(name) => (name, true),
            None => (&rest[..end], known.is_agent(&rest[..end])),
        };
        let is_path = rest[end..].starts_with(['/', '.']) && rest[end + 1..].starts_with(|c: char| c.is_alphanumeric());
        if is_start && is_agent && is_name(name) && !is_path {
            found.push(Named { name: name.to_owned(), at: offset + at, form: ReferenceForm::Mention });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let agents = ["code-reviewer", "architect", "test-engineer"].map(str::to_owned).into();
        let known = Known { agents, ..Known::default() };
        agents_of(text, &known)
    }

    fn agents_of(text: &str, known: &Known) -> Vec<String> {
        agents(text, known).into_iter().map(|named| named.name).collect()
    }

    #[test]
    fn agents_are_found_in_every_form() {
        for (text, expected) in [
            ("Use the `architect` agent to design.", vec!["architect"]),
            (
                "**Use `frontend-developer` and `backend-developer` to:**",
                vec!["frontend-developer", "backend-developer"],
            ),
            ("- Use Task tool with subagent_type=\"test-automator\"", vec!["test-automator"]),
            ("```\nTask:\n  subagent_type: \"x-y\"\n```", vec!["x-y"]),
            ("Launch the debug-helper and `log-reader` agents", vec!["log-reader"]),
            ("Ask the security-auditor agent.", vec!["security-auditor"]),
            ("- **code-reviewer**: looks at it", vec!["code-reviewer"]),
            ("1. **Test-Engineer**: tests", vec!["Test-Engineer"]),
            ("@agent-debugger and @architect, not me@architect", vec!["debugger", "architect"]),
            (
                "| Task | Agent |\n| --- | --- |\n| x-ray | `rust-pro` |\n| y | z-pro, `w-pro` |",
                vec!["rust-pro", "z-pro", "w-pro"],
            ),
            ("`code-reviewer` checks, then `code-reviewer` again", vec!["code-reviewer"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn other_words_are_no_agents() {
        for text in [
            "Use `git-log` to see what happened",
            "Use `npm test`",
            "every agent works alone",
            "a multi-agent system; the coding agent",
            "```\nthe `other-developer` agent\n```",
            "see @architect/readme.md",
            "`user_agent` is a header",
        ] {
            assert_eq!(names(text), Vec::<String>::new(), "{text}");
        }
    }
}
