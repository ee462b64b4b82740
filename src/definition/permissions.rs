//! Rules on what tools may do, in the grammar of Claude Code: `Bash(git push:*)`, `Edit(src/**)`, `WebFetch(domain:x)`.
//!
//! Rules only ever narrow. What is denied wins over what is asked about, and that over what is allowed: nobody is there
//! to ask, so what would be asked about is denied. Knows no runtime; what a runtime can keep is its own to say.

use serde::{Deserialize, Serialize};

/// The tools of an agent that declares none. Agents of its own making are not among them: nobody could count them.
pub const INHERITED: [&str; 10] =
    ["Read", "Glob", "Grep", "Edit", "Write", "NotebookEdit", "Bash", "WebFetch", "WebSearch", "TodoWrite"];
/// Tools that change files without a command. A rule on one of them is a rule on all: programs do not tell them apart.
const EDITORS: [&str; 3] = ["Edit", "Write", "NotebookEdit"];
/// Tools that a path may narrow.
const LOOKERS: [&str; 3] = ["Read", "Glob", "Grep"];

/// What narrows the tools of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// All that is allowed, of what the tools give; absent where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// What a person would be asked about. Nobody is there, so it is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
    /// What is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// What a rule narrows its tool to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrowed<'a> {
    /// Nothing: it is a rule on the whole tool.
    Whole,
    /// A command: its first words, or all of them where no more may follow.
    Command {
        /// The words.
        words: &'a str,
        /// Whether more words may follow.
        is_open: bool,
    },
    /// Files that are changed.
    Written(&'a str),
    /// Files that are looked at.
    Looked(&'a str),
    /// Pages of a host.
    Host(&'a str),
}

/// The tool's name and what stands in parentheses behind it.
#[must_use]
pub fn parts(rule: &str) -> (&str, Option<&str>) {
    let rule = rule.trim();
    match rule.split_once('(') {
        Some((name, rest)) => (name.trim_end(), Some(rest.strip_suffix(')').unwrap_or(rest).trim())),
        None => (rule, None),
    }
}

/// What a rule says.
///
/// # Errors
/// Why it is no rule that everybody reads in the same way.
pub fn read_rule(rule: &str) -> Result<(&str, Narrowed<'_>), &'static str> {
    let (name, inside) = parts(rule);
    if name.is_empty() || rule.contains('(') != rule.trim_end().ends_with(')') || rule.chars().any(char::is_control) {
        return Err("a rule is the name of a tool, or `Tool(what)`");
    }
    let Some(inside) = inside else { return Ok((name, Narrowed::Whole)) };
    if name == "Bash" {
        return command(inside).map(|narrowed| (name, narrowed));
    }
    if name == "WebFetch" {
        let host = inside.strip_prefix("domain:").map(str::trim).filter(|host| is_host(host));
        return host.map(|host| (name, Narrowed::Host(host))).ok_or("pages are narrowed by `domain:HOST` only");
    }
    if !is_path(inside) {
        return Err("a path stands in the workspace: `src/**`, without `..`, `~` and a `/` at its beginning");
    }
    match name {
        _ if EDITORS.contains(&name) => Ok((name, Narrowed::Written(inside))),
        _ if LOOKERS.contains(&name) => Ok((name, Narrowed::Looked(inside))),
        _ => Err("this tool cannot be narrowed: name it alone"),
    }
}

/// `git push:*` and `git push *` may have more words, `cargo test` may not.
fn command(inside: &str) -> Result<Narrowed<'_>, &'static str> {
    let open = inside.strip_suffix(":*").or_else(|| inside.strip_suffix(" *")).map(str::trim_end);
    let words = open.unwrap_or(inside);
    if inside == "*" {
        return Ok(Narrowed::Whole);
    }
    // What else a shell reads in a text, or a program in its own rules, would mean another thing to each of them.
    let is_plain = |letter: char| letter.is_alphanumeric() || " -_./:=@+%~".contains(letter);
    if words.is_empty() || words.starts_with('-') || !words.chars().all(is_plain) {
        return Err("a command is plain words, with `:*` behind them where more may follow: `Bash(git push:*)`");
    }
    Ok(Narrowed::Command { words, is_open: open.is_some() })
}

fn is_host(host: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-.*".contains(letter);
    !host.is_empty() && !host.starts_with('-') && host.chars().all(is_plain)
}

fn is_path(path: &str) -> bool {
    let is_odd = |letter: char| letter.is_control() || ",()\"'\\`".contains(letter);
    !path.is_empty() && !path.starts_with(['/', '~', '-', '!']) && !path.contains(is_odd) && !path.contains("..")
}

impl Permissions {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_none() && self.ask.is_empty() && self.deny.is_empty()
    }

    /// All that is denied: what is denied, and what nobody is there to be asked about.
    pub fn denied(&self) -> impl Iterator<Item = &str> {
        self.deny.iter().chain(&self.ask).map(String::as_str)
    }

    /// Adds the rules of another layer. Both hold: what one of them does not allow is not allowed.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.allow = match (self.allow, &other.allow) {
            (Some(mine), Some(others)) => Some(both(&mine, others)),
            (mine, others) => mine.or_else(|| others.clone()),
        };
        for (mine, others) in [(&mut self.ask, &other.ask), (&mut self.deny, &other.deny)] {
            mine.extend(others.iter().filter(|rule| !mine.contains(rule)).cloned().collect::<Vec<_>>());
        }
        self
    }

    /// The tools that remain of those that are given; `None` for all. Denials of a part of a tool stay in the rules.
    #[must_use]
    pub fn narrow(&self, tools: Option<Vec<String>>) -> Option<Vec<String>> {
        let given = tools.filter(|tools| !tools.iter().any(|tool| tool.trim() == "*"));
        let allowed = match (given, &self.allow) {
            (Some(given), Some(allow)) => Some(both(&given, allow)),
            (None, Some(allow)) if allow.iter().any(|rule| rule == "*") => None,
            (None, Some(allow)) => Some(allow.clone()),
            (given, None) => given,
        };
        let whole: Vec<&str> = self.denied().filter(|rule| is_whole(rule)).collect();
        if whole.is_empty() {
            return allowed;
        }
        let all = || INHERITED.iter().map(|tool| (*tool).to_owned()).collect();
        let mut tools = allowed.unwrap_or_else(all);
        tools.retain(|tool| !whole.iter().any(|denied| takes_away(denied, tool)));
        Some(tools)
    }

    /// The denials that still narrow something of these tools; of all where there are none.
    pub fn partial<'a>(&'a self, tools: Option<&'a [String]>) -> impl Iterator<Item = &'a str> {
        let is_given = move |rule: &str| {
            let (name, _) = parts(rule);
            tools.is_none_or(|tools| tools.iter().any(|tool| touches(name, parts(tool).0)))
        };
        self.denied().filter(move |rule| (!is_whole(rule) || rule.starts_with("mcp__")) && is_given(rule))
    }
}

/// Whether a rule is on a whole tool.
fn is_whole(rule: &str) -> bool {
    matches!(read_rule(rule), Ok((_, Narrowed::Whole)) | Err(_))
}

/// Whether two names may mean the same tool, or the one a part of the other.
fn touches(one: &str, other: &str) -> bool {
    let server = |name: &str| name.strip_prefix("mcp__").and_then(|rest| rest.split("__").next()).map(str::to_owned);
    one == "*"
        || other == "*"
        || one.eq_ignore_ascii_case(other)
        || (EDITORS.contains(&one) && EDITORS.contains(&other))
        || (server(one).is_some() && server(one) == server(other))
}

/// Whether the denial of a whole tool takes this one away.
fn takes_away(denied: &str, tool: &str) -> bool {
    let (denied, tool) = (parts(denied).0, parts(tool).0);
    if denied.starts_with("mcp__") {
        return tool == denied || covers(denied, tool);
    }
    touches(denied, tool) && tool != "*"
}

/// What both lists allow. Where neither of two rules holds the other, what they share cannot be said, and is left out.
fn both(one: &[String], other: &[String]) -> Vec<String> {
    let mut shared: Vec<String> = Vec::new();
    for mine in one {
        for theirs in other {
            let narrower = match () {
                () if covers(mine, theirs) => theirs,
                () if covers(theirs, mine) => mine,
                () => continue,
            };
            if !shared.contains(narrower) {
                shared.push(narrower.clone());
            }
        }
    }
    shared
}

/// Whether a rule holds all that another one says.
#[must_use]
pub fn covers(rule: &str, other: &str) -> bool {
    let ((name, inside), (other_name, other_inside)) = (parts(rule), parts(other));
    if name == "*" || rule.trim() == other.trim() {
        return true;
    }
    if let (Some(server), true) = (name.strip_prefix("mcp__"), inside.is_none()) {
        let server = server.strip_suffix("__*").unwrap_or(server);
        let rest = other_name.strip_prefix("mcp__").and_then(|rest| rest.strip_prefix(server));
        return !server.contains("__") && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("__"));
    }
    if !name.eq_ignore_ascii_case(other_name) {
        return false;
    }
    let (Some(inside), Some(other_inside)) = (inside, other_inside) else { return inside.is_none() };
    match (read_rule(rule), read_rule(other)) {
        (Ok((_, Narrowed::Whole)), _) => true,
        (Ok((_, Narrowed::Command { words, is_open: true })), Ok((_, Narrowed::Command { words: more, .. }))) => {
            more.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        }
        _ => {
            let folder = inside.strip_suffix("/**").filter(|folder| !folder.contains(['*', '?', '[', '{']));
            folder.and_then(|folder| other_inside.strip_prefix(folder)).is_some_and(|rest| rest.starts_with('/'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[&str]) -> Vec<String> {
        rules.iter().map(|rule| (*rule).to_owned()).collect()
    }

    fn permissions(allow: Option<&[&str]>, ask: &[&str], deny: &[&str]) -> Permissions {
        Permissions { allow: allow.map(rules), ask: rules(ask), deny: rules(deny) }
    }

    #[test]
    fn rules_are_read_or_refused() {
        let command = |words, is_open| Narrowed::Command { words, is_open };
        for (rule, read) in [
            ("Bash", ("Bash", Narrowed::Whole)),
            ("Bash(*)", ("Bash", Narrowed::Whole)),
            ("Bash(git push:*)", ("Bash", command("git push", true))),
            ("Bash(npm run *)", ("Bash", command("npm run", true))),
            ("Bash(cargo test)", ("Bash", command("cargo test", false))),
            ("Edit(src/**)", ("Edit", Narrowed::Written("src/**"))),
            ("Read(.env)", ("Read", Narrowed::Looked(".env"))),
            ("WebFetch(domain:docs.rs)", ("WebFetch", Narrowed::Host("docs.rs"))),
            ("mcp__db__drop", ("mcp__db__drop", Narrowed::Whole)),
        ] {
            assert_eq!(read_rule(rule), Ok(read), "{rule}");
        }
        for rule in [
            "",
            "Bash()",
            "Bash(git",
            "Bash(a*b)",
            "Bash(a, b)",
            "Bash(a; b)",
            "Bash(-x)",
            "Bash(a?)",
            "Edit(/etc/**)",
            "Edit(~/x)",
            "Edit(../x)",
            "Edit(!x)",
            "WebFetch(docs.rs)",
            "WebFetch(domain:)",
            "Agent(x)",
            "Bash(a\nb)",
        ] {
            assert!(read_rule(rule).is_err(), "{rule}");
        }
    }

    #[test]
    fn layers_only_narrow() {
        let allow =
            |given: Option<&[&str]>, allow: &[&str]| permissions(Some(allow), &[], &[]).narrow(given.map(rules));
        assert_eq!(allow(None, &["Read", "Bash(git:*)"]), Some(rules(&["Read", "Bash(git:*)"])));
        assert_eq!(allow(Some(&["*"]), &["Read"]), Some(rules(&["Read"])));
        assert_eq!(allow(Some(&["Read", "Bash"]), &["Bash(git:*)", "Edit"]), Some(rules(&["Bash(git:*)"])));
        assert_eq!(allow(Some(&["Bash(git log:*)"]), &["Bash(git:*)"]), Some(rules(&["Bash(git log:*)"])));
        assert_eq!(allow(Some(&["Bash(git log:*)"]), &["Bash(gi:*)"]), Some(vec![]));
        assert_eq!(allow(Some(&["Edit(src/**)"]), &["Edit(src/a/**)"]), Some(rules(&["Edit(src/a/**)"])));
        assert_eq!(allow(Some(&["mcp__db"]), &["mcp__db__read", "mcp__dbx"]), Some(rules(&["mcp__db__read"])));
        assert_eq!(permissions(None, &[], &[]).narrow(None), None);
        let one = permissions(Some(&["Read", "Bash"]), &["WebFetch"], &["Bash(rm:*)"]);
        let other = permissions(Some(&["Bash(git:*)", "Edit"]), &[], &["Bash(rm:*)", "Edit"]);
        let both = permissions(Some(&["Bash(git:*)"]), &["WebFetch"], &["Bash(rm:*)", "Edit"]);
        assert_eq!(one.and(&other), both);
    }

    #[test]
    fn what_is_denied_or_asked_about_is_taken_away() {
        let left = permissions(None, &["WebFetch", "WebSearch"], &["Write"]).narrow(None).unwrap();
        assert_eq!(left, ["Read", "Glob", "Grep", "Bash", "TodoWrite"]);
        // Even where it is allowed.
        let rules_of = permissions(Some(&["Bash", "Edit"]), &["Edit"], &["Bash"]);
        assert_eq!(rules_of.narrow(Some(rules(&["Bash(git:*)", "Edit", "Read"]))), Some(vec![]));
        assert_eq!(permissions(None, &[], &["*"]).narrow(None), Some(vec![]));
        let servers = permissions(None, &[], &["mcp__db"]).narrow(Some(rules(&["mcp__db__read", "mcp__d"])));
        assert_eq!(servers, Some(rules(&["mcp__d"])));
    }

    #[test]
    fn a_denial_of_a_part_stays_where_its_tool_is_given() {
        let rules_of = permissions(None, &["Edit(ci/**)"], &["Bash(rm:*)", "Bash", "mcp__db__drop", "WebFetch"]);
        let partial = |tools: Option<&[&str]>| -> Vec<String> {
            let tools = tools.map(rules);
            rules_of.partial(tools.as_deref()).map(str::to_owned).collect()
        };
        assert_eq!(partial(None), ["Bash(rm:*)", "mcp__db__drop", "Edit(ci/**)"]);
        assert_eq!(partial(Some(&["Write", "mcp__db"])), ["mcp__db__drop", "Edit(ci/**)"]);
        assert_eq!(partial(Some(&["Read"])), [""; 0]);
    }
}
