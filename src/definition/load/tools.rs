//! Which tools a file allows, in one vocabulary: the names of Claude Code, with the words of other tools as aliases.

use crate::{
    base::{Diagnostic, codes::definition as codes},
    definition::{
        Dialect, ServerUse, TOOLS, ToolMode, ToolPolicy, ToolRule, ToolStatus,
        load::{
            node::{Entry, Kind},
            parts::What,
            quote,
            values::{Values, split_spaces},
        },
    },
};

/// Words of other tools and of older versions, in lower case, sorted.
const ALIASES: &[(&str, &str)] = &[
    ("activate_skill", "Skill"),
    ("agent", "Agent"),
    ("agent/runsubagent", "Agent"),
    ("apply_patch", "Edit"),
    ("ask_user", "AskUserQuestion"),
    ("codebase", "Grep"),
    ("create_file", "Write"),
    ("custom-agent", "Agent"),
    ("edit", "Edit"),
    ("edit/createfile", "Write"),
    ("edit/editfiles", "Edit"),
    ("editfiles", "Edit"),
    ("execute", "Bash"),
    ("execute_bash", "Bash"),
    ("fetch", "WebFetch"),
    ("fetch_webpage", "WebFetch"),
    ("filesearch", "Glob"),
    ("findfiles", "Glob"),
    ("fs_read", "Read"),
    ("fs_write", "Write"),
    ("glob", "Glob"),
    ("google_web_search", "WebSearch"),
    ("grep", "Grep"),
    ("grep_search", "Grep"),
    ("insert_edit_into_file", "Edit"),
    ("killbash", "KillShell"),
    ("list", "Glob"),
    ("list_directory", "Glob"),
    ("ls", "Glob"),
    ("multiedit", "Edit"),
    ("notebookread", "Read"),
    ("patch", "Edit"),
    ("question", "AskUserQuestion"),
    ("read", "Read"),
    ("read_file", "Read"),
    ("read_many_files", "Read"),
    ("readfile", "Read"),
    ("replace", "Edit"),
    ("run_in_terminal", "Bash"),
    ("run_shell_command", "Bash"),
    ("runcommands", "Bash"),
    ("runinterminal", "Bash"),
    ("search", "Grep"),
    ("search/codebase", "Grep"),
    ("search_file_content", "Grep"),
    ("shell", "Bash"),
    ("skill", "Skill"),
    ("slashcommand", "Skill"),
    ("task", "Agent"),
    ("terminalcommand", "Bash"),
    ("textsearch", "Grep"),
    ("todo", "TodoWrite"),
    ("todoread", "TodoWrite"),
    ("todos", "TodoWrite"),
    ("view", "Read"),
    ("web", "WebFetch"),
    ("web/fetch", "WebFetch"),
    ("web_fetch", "WebFetch"),
    ("web_search", "WebSearch"),
    ("webfetch", "WebFetch"),
    ("websearch", "WebSearch"),
    ("write", "Write"),
    ("write_file", "Write"),
    ("write_todos", "TodoWrite"),
];

/// One tool as it is written.
pub(super) fn rule(raw: &str) -> ToolRule {
    let raw = raw.trim();
    let (word, specifier) = match raw.split_once('(') {
        Some((word, rest)) => (word.trim_end(), Some(rest.strip_suffix(')').unwrap_or(rest).to_owned())),
        None => (raw, None),
    };
    let (name, status) = named(word);
    ToolRule { name: name.to_owned(), specifier, raw: raw.to_owned(), status }
}

/// Tools of a server that the file itself asks for, as Copilot (`server/tool`) and Gemini CLI (`mcp_server_tool`) name them.
fn of_server(rule: &mut ToolRule, servers: &[ServerUse]) {
    if rule.status != ToolStatus::Unknown {
        return;
    }
    let found = servers.iter().map(ServerUse::name).find_map(|server| {
        let copilot = rule.raw.strip_prefix(server).and_then(|rest| rest.strip_prefix('/'));
        let gemini = || rule.raw.strip_prefix("mcp_")?.strip_prefix(server)?.strip_prefix('_');
        let tool = copilot.or_else(gemini).filter(|tool| !tool.is_empty())?;
        Some(if tool == "*" { format!("mcp__{server}") } else { format!("mcp__{server}__{tool}") })
    });
    if let Some(name) = found {
        (rule.name, rule.status) = (name, ToolStatus::Alias);
    }
}

fn named(word: &str) -> (&str, ToolStatus) {
    // Tools of servers are named `mcp__server__tool`, in Copilot `server/tool`; nobody but the server knows them.
    if TOOLS.contains(&word) || word.starts_with("mcp__") || word == "*" {
        return (word, ToolStatus::Exact);
    }
    if let Some(exact) = TOOLS.iter().find(|exact| exact.eq_ignore_ascii_case(word)) {
        return (exact, ToolStatus::CaseFixed);
    }
    let lower = word.to_ascii_lowercase();
    match ALIASES.binary_search_by(|(alias, _)| (*alias).cmp(&lower)) {
        Ok(place) => (ALIASES[place].1, ToolStatus::Alias),
        Err(_) => (word, ToolStatus::Unknown),
    }
}

impl Values<'_, '_, '_> {
    /// The tools that an agent may use.
    pub fn agent_tools(&mut self, dialect: Dialect, servers: &[ServerUse]) -> ToolPolicy {
        let parts = self.parts;
        let deny = self.list("disallowedTools");
        let mut entry = parts.take_even_empty("tools", self.faults);
        if entry.is_none() {
            entry = parts.take_even_empty("allowed-tools", self.faults);
            if let Some(entry) = entry {
                self.other_key(entry);
            }
        }
        let mut policy = entry.map_or_else(ToolPolicy::default, |entry| self.policy(entry, dialect));
        policy.deny.extend(deny.iter().map(|raw| rule(raw)));
        policy.allow.iter_mut().chain(&mut policy.deny).for_each(|rule| of_server(rule, servers));
        self.unknown(&policy, entry);
        policy
    }

    /// The tools that a skill or command names under these keys.
    pub fn allowed_tools(&mut self, dialect: Dialect) -> ToolPolicy {
        let parts = self.parts;
        let deny = self.list("disallowed-tools");
        let entry = parts.take_even_empty("allowed-tools", self.faults);
        let mut policy = entry.map_or_else(ToolPolicy::default, |entry| self.policy(entry, dialect));
        policy.deny.extend(deny.iter().map(|raw| rule(raw)));
        self.unknown(&policy, entry);
        policy
    }

    fn policy(&mut self, entry: &Entry<'_>, dialect: Dialect) -> ToolPolicy {
        if let Kind::Map(tools) = entry.value.kind() {
            return tool_map(tools, dialect);
        }
        let allow = if entry.value.is_nothing() { Vec::new() } else { self.rules(entry, dialect) };
        if allow.iter().any(|rule| rule.raw == "*") || is_all(&allow) {
            return ToolPolicy { mode: ToolMode::All, ..ToolPolicy::default() };
        }
        if allow.is_empty() {
            self.no_tools(entry);
            return ToolPolicy { mode: ToolMode::None, ..ToolPolicy::default() };
        }
        ToolPolicy { mode: ToolMode::List, allow, deny: Vec::new() }
    }

    /// The tools of a list. Spaces separate as commas do, but not in Copilot, where a tool may be called
    /// `Microsoft Docs`. A hostile list has hundreds of thousands: each word is given up for its rule at once.
    fn rules(&mut self, entry: &Entry<'_>, dialect: Dialect) -> Vec<ToolRule> {
        let words = self.words_of(entry, true);
        let mut rules = Vec::with_capacity(words.len());
        for word in words {
            if dialect == Dialect::Copilot {
                rules.push(rule(&word));
            } else {
                rules.extend(split_spaces(&word).iter().map(|word| rule(word)));
            }
        }
        rules
    }

    fn no_tools(&mut self, entry: &Entry<'_>) {
        let span = if entry.value.span.start < entry.value.span.end { entry.value.span } else { entry.key_span };
        let fault = Diagnostic::error(
            codes::NO_TOOLS,
            self.faults.source(),
            span,
            format!("`{}` is empty", quote::shown(&entry.key)),
        )
        .cause("no tool is named")
        .assumed("no tools at all")
        .elsewhere("Claude Code", "lists all tools, but runs it with none")
        .help("name the tools, or remove the key to allow all")
        .info();
        self.faults.add(fault);
    }

    fn other_key(&mut self, entry: &Entry<'_>) {
        let message = format!("an agent lists its tools under `tools`, not `{}`", quote::shown(&entry.key));
        let mut fault = Diagnostic::error(codes::TOOLS_KEY, self.faults.source(), entry.key_span, message)
            .cause("this key belongs to skills and commands")
            .assumed("`tools`")
            .elsewhere("Claude Code", "ignores the key and gives the agent all tools")
            .help("rename the key to `tools`")
            .info();
        if self.parts.exact {
            fault = fault.fix("rename the key to `tools`", entry.key_span, "tools");
        }
        self.faults.add(fault);
    }

    fn unknown(&mut self, policy: &ToolPolicy, entry: Option<&Entry<'_>>) {
        let mut unknown = policy.allow.iter().chain(&policy.deny).filter(|rule| rule.status == ToolStatus::Unknown);
        let shown: Vec<String> =
            unknown.by_ref().take(8).map(|rule| format!("`{}`", quote::shown(&rule.raw))).collect();
        let (Some(entry), false) = (entry, shown.is_empty()) else { return };
        let more = unknown.count();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let mut fault = Diagnostic::error(
            codes::TOOL_UNKNOWN,
            self.faults.source(),
            entry.value.span,
            format!("unknown tools: {}{more}", shown.join(", ")),
        )
        .cause("not a tool of any program that is known here")
        .assumed("tools of a server or program, passed on as they are")
        .help("correct the names if they are misspelled")
        .info();
        if self.what == What::Agent {
            fault = fault.elsewhere("Claude Code", "leaves them out; if no tool is left, the agent does not start");
        }
        self.faults.add(fault);
    }
}

fn is_all(rules: &[ToolRule]) -> bool {
    if rules.len() > 2 {
        return false;
    }
    let text = rules.iter().map(|rule| rule.raw.as_str()).collect::<Vec<_>>().join(" ");
    text.eq_ignore_ascii_case("all tools") || text.eq_ignore_ascii_case("all")
}

/// `{ write: false }` of opencode, where all else stays allowed; `{ required: [Read], optional: [Bash] }`.
fn tool_map(tools: &[Entry<'_>], dialect: Dialect) -> ToolPolicy {
    let mut policy = ToolPolicy { mode: ToolMode::List, ..ToolPolicy::default() };
    let mut all_but = dialect == Dialect::OpenCode;
    for tool in tools {
        if let Some(items) = tool.value.as_list() {
            policy.allow.extend(items.iter().filter_map(|item| item.as_text()).map(rule));
            continue;
        }
        let off = matches!(tool.value.as_text(), Some("false" | "no" | "off" | "deny" | "0"));
        match (&*tool.key, off) {
            ("*", true) => all_but = false,
            ("*", false) => all_but = true,
            (name, true) => policy.deny.push(rule(name)),
            (name, false) => policy.allow.push(rule(name)),
        }
    }
    let only_denied = policy.allow.is_empty() && !policy.deny.is_empty() && !tools.iter().any(|tool| &*tool.key == "*");
    if all_but || only_denied {
        policy.mode = ToolMode::Inherit;
        policy.allow.clear();
    } else if policy.allow.is_empty() {
        policy.mode = ToolMode::None;
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_name_what_exists() {
        assert!(ALIASES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(TOOLS.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ALIASES.iter().all(|(alias, name)| TOOLS.contains(name) && *alias == alias.to_ascii_lowercase()));
    }

    #[test]
    fn names_are_recognised() {
        for (raw, shown, status) in [
            ("Read", "Read", ToolStatus::Exact),
            ("bash(git *)", "Bash(git *)", ToolStatus::CaseFixed),
            ("Task", "Agent", ToolStatus::Alias),
            ("run_shell_command", "Bash", ToolStatus::Alias),
            ("mcp__a__b", "mcp__a__b", ToolStatus::Exact),
            ("Foo(x", "Foo(x)", ToolStatus::Unknown),
        ] {
            let rule = rule(raw);
            assert_eq!((rule.shown().as_str(), rule.status, rule.raw.as_str()), (shown, status, raw));
        }
    }
}
