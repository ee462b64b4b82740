//! The tools of an agent on a model service, by the names that definitions use: what it may call, and what a call asks.
//!
//! Pure: whether a path may be touched is the executor's to find out. A tool that an agent was not given is denied even
//! where the model knows its name.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    definition::{Narrowed, Permissions, read_rule},
    runtime::{
        order::Access,
        service::conversation::{ToolCall, ToolSpec},
    },
};

/// Seconds that a command may take where the model does not say.
const RUN_SECONDS: u64 = 120;
/// Seconds that a model may ask for.
const RUN_SECONDS_MAX: u64 = 1_800;
/// Lines of a file that are read at once.
const LINES_MAX: u64 = 2_000;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Edit,
    List,
    Search,
    Run,
}

/// One tool: its name for the model, and what else definitions and models call it.
struct Row {
    kind: Kind,
    name: &'static str,
    also: &'static [&'static str],
    changes: bool,
    description: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        kind: Kind::Read,
        name: "Read",
        also: &["read_file", "view", "NotebookRead"],
        changes: false,
        description: "Reads a text file. Gives its lines from `offset` (the first is 1), at most `limit` of them.",
    },
    Row {
        kind: Kind::Write,
        name: "Write",
        also: &["write_file", "create"],
        changes: true,
        description: "Writes a whole file; makes its folders, replaces what was there.",
    },
    Row {
        kind: Kind::Edit,
        name: "Edit",
        also: &["MultiEdit", "replace", "str_replace"],
        changes: true,
        description: "Replaces `old` by `new` in a file. `old` must stand there exactly once, with all its white space, \
                      unless `all` is true.",
    },
    Row {
        kind: Kind::List,
        name: "Glob",
        also: &["list", "LS", "list_files"],
        changes: false,
        description: "Lists files below a folder, those that match `pattern` if one is given: `**/*.rs`.",
    },
    Row {
        kind: Kind::Search,
        name: "Grep",
        also: &["search", "grep_search"],
        changes: false,
        description: "Finds the lines of files that match a regular expression.",
    },
    Row {
        kind: Kind::Run,
        name: "Bash",
        also: &["run", "shell", "run_shell_command"],
        changes: true,
        description: "Runs a command with `sh -eu -c` in the working directory and gives what it prints, at the end its exit \
                      code. What it leaves running is ended.",
    },
];

/// The tools that an agent was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toolset {
    kinds: Vec<Kind>,
    /// Patterns of commands, where only some may run.
    commands: Option<Vec<String>>,
    /// Commands that may not run, whatever else is said: their words, and whether more may follow.
    denied: Vec<(Vec<String>, bool)>,
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolUse {
    /// Lines of a file.
    Read {
        /// Which.
        path: PathBuf,
        /// The first line, from 1.
        offset: u64,
        /// Lines at most.
        limit: u64,
    },
    /// A whole file.
    Write {
        /// Which.
        path: PathBuf,
        /// What stands in it then.
        content: String,
    },
    /// A change in a file.
    Edit {
        /// Which.
        path: PathBuf,
        /// What stands there.
        old: String,
        /// What stands there then.
        new: String,
        /// Wherever it stands.
        all: bool,
    },
    /// Names of files.
    List {
        /// The folder.
        path: PathBuf,
        /// A glob.
        pattern: Option<String>,
    },
    /// Lines of files.
    Search {
        /// The folder or file.
        path: PathBuf,
        /// A regular expression.
        pattern: String,
        /// A glob of the files.
        glob: Option<String>,
    },
    /// A command.
    Run {
        /// For `sh -eu -c`.
        command: String,
        /// How long it may take.
        seconds: u64,
    },
}

/// Why a call is not performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The agent was not given this; the attempt has failed.
    Denied(String),
    /// The call makes no sense; the model is told.
    Wrong(String),
}

impl Toolset {
    /// What an order gives: what its access allows of the tools that it names; of all where it names none.
    #[must_use]
    pub fn of(access: Access, tools: Option<&[String]>, permissions: &Permissions) -> Self {
        let tools = tools.filter(|tools| !tools.iter().any(|tool| tool.trim() == "*"));
        let denied = permissions.partial(tools).filter_map(|rule| match read_rule(rule) {
            Ok((_, Narrowed::Command { words, is_open })) => {
                Some((words.split_whitespace().map(str::to_owned).collect(), is_open))
            }
            _ => None,
        });
        let mut given = Self { denied: denied.collect(), ..Self::default() };
        for row in ROWS.iter().filter(|row| access != Access::Read || !row.changes) {
            let Some(tools) = tools else {
                given.kinds.push(row.kind);
                continue;
            };
            let rules =
                tools.iter().map(|tool| split(tool)).filter(|(name, _)| row.is_called(name)).collect::<Vec<_>>();
            if !rules.is_empty() {
                given.kinds.push(row.kind);
            }
            // A pattern narrows commands here; those of paths are kept where files are touched.
            if row.kind == Kind::Run && rules.iter().all(|(_, pattern)| pattern.is_some()) {
                given.commands =
                    Some(rules.into_iter().filter_map(|(_, pattern)| pattern.map(str::to_owned)).collect());
            }
        }
        given
    }

    /// The tools as the model is told of them.
    #[must_use]
    pub fn specs(&self) -> Vec<ToolSpec> {
        let rows = ROWS.iter().filter(|row| self.kinds.contains(&row.kind));
        rows.map(|row| {
            let mut description = row.description.to_owned();
            if let (Kind::Run, Some(patterns)) = (row.kind, &self.commands) {
                description.push_str(&format!(" Only these commands, alone: {}.", patterns.join(", ")));
            }
            ToolSpec { name: row.name, description, schema: row.schema() }
        })
        .collect()
    }

    /// What a call asks for, if the agent may ask for it.
    ///
    /// # Errors
    /// A tool that was not given or does not exist; arguments that make no sense.
    pub fn read(&self, call: &ToolCall) -> Result<ToolUse, Refusal> {
        let Some(row) = ROWS.iter().find(|row| row.is_called(&call.name)) else {
            let names: Vec<_> = self.specs().iter().map(|spec| spec.name).collect();
            return Err(Refusal::Wrong(format!("there is no tool of this name; there are: {}", names.join(", "))));
        };
        if !self.kinds.contains(&row.kind) {
            return Err(Refusal::Denied(format!("the tool `{}` was not given to this agent", row.name)));
        }
        let arguments = Arguments(&call.input);
        if !call.input.is_object() {
            return Err(Refusal::Wrong("the arguments are not a JSON object".to_owned()));
        }
        Ok(match row.kind {
            Kind::Read => ToolUse::Read {
                path: arguments.path()?,
                offset: arguments.number("offset").unwrap_or(1).max(1),
                limit: arguments.number("limit").unwrap_or(LINES_MAX).clamp(1, LINES_MAX),
            },
            Kind::Write => {
                ToolUse::Write { path: arguments.path()?, content: arguments.text(&["content", "file_text"])? }
            }
            Kind::Edit => ToolUse::Edit {
                path: arguments.path()?,
                old: arguments.text(&["old", "old_string", "oldString"])?,
                new: arguments.text(&["new", "new_string", "newString"])?,
                all: ["all", "replace_all"].iter().any(|name| call.input[name] == true),
            },
            Kind::List => {
                ToolUse::List { path: arguments.folder(), pattern: arguments.text(&["pattern", "glob"]).ok() }
            }
            Kind::Search => ToolUse::Search {
                path: arguments.folder(),
                pattern: arguments.text(&["pattern"])?,
                glob: arguments.text(&["glob", "include"]).ok(),
            },
            Kind::Run => {
                let command = arguments.text(&["command", "cmd"])?;
                self.check_command(&command)?;
                let seconds = arguments.number("timeout_seconds").unwrap_or(RUN_SECONDS);
                ToolUse::Run { command, seconds: seconds.clamp(1, RUN_SECONDS_MAX) }
            }
        })
    }

    /// Where patterns name the commands, a command is one of them and nothing more: no second one, no redirection.
    fn check_command(&self, command: &str) -> Result<(), Refusal> {
        let shown: String = command.chars().filter(|letter| !letter.is_control()).take(120).collect();
        if let Some((words, _)) = self.denied.iter().find(|(words, is_open)| runs(command, words, *is_open)) {
            return Err(Refusal::Denied(format!("the command `{shown}` runs `{}`, which is denied", words.join(" "))));
        }
        let Some(patterns) = &self.commands else { return Ok(()) };
        let is_alone = !command.contains([';', '&', '|', '<', '>', '$', '`', '(', ')', '\n', '\r', '\\', '{']);
        let command = command.trim();
        let fits = |pattern: &String| match pattern.trim().strip_suffix('*') {
            Some(begin) => {
                let begin = begin.trim_end_matches([':', ' ']);
                command
                    .strip_prefix(begin)
                    .is_some_and(|rest| begin.is_empty() || rest.is_empty() || rest.starts_with(' '))
            }
            None => command == pattern.trim(),
        };
        if is_alone && patterns.iter().any(fits) {
            return Ok(());
        }
        Err(Refusal::Denied(format!("the command `{shown}` is none of those that this agent was given")))
    }
}

/// Words that run what stands behind them.
const WRAPPERS: &[&str] = &[
    "builtin", "command", "doas", "env", "exec", "nice", "noglob", "nohup", "setsid", "stdbuf", "sudo", "time",
    "timeout", "xargs", "eval", "then", "do", "else", "if", "while", "until", "!", "{",
];

/// Whether a text for the shell runs a command anywhere: behind any sign or quote, and behind what runs others. It
/// rather finds one that is not there than misses one; what builds its words at run time it cannot see.
fn runs(text: &str, words: &[String], is_open: bool) -> bool {
    let parts = text.split(|letter: char| ";&|\n\r()`{}<>'\"$".contains(letter));
    parts.into_iter().any(|part| {
        let mut rest: Vec<&str> = part.split_whitespace().collect();
        loop {
            let first = rest.first().map(|word| word.trim_start_matches('\\').rsplit('/').next().unwrap_or(word));
            let begins = first.is_some_and(|first| first == words[0])
                && rest.len() >= words.len()
                && rest[1..words.len()].iter().zip(&words[1..]).all(|(one, other)| one == other);
            if begins && (is_open || rest.len() == words.len()) {
                return true;
            }
            // Options and numbers of what runs others, and variables that are set for one command.
            match first {
                Some(word) if WRAPPERS.contains(&word) => rest.remove(0),
                Some(word) if word.starts_with('-') || word.contains('=') => rest.remove(0),
                Some(word) if word.starts_with(|letter: char| letter.is_ascii_digit()) => rest.remove(0),
                _ => return false,
            };
        }
    })
}

impl Row {
    fn is_called(&self, name: &str) -> bool {
        std::iter::once(&self.name).chain(self.also).any(|known| known.eq_ignore_ascii_case(name))
    }

    fn schema(&self) -> Value {
        let text = |description: &str| json!({ "type": "string", "description": description });
        let path = || text("relative to the working directory");
        let (fields, required) = match self.kind {
            Kind::Read => (
                json!({ "path": path(), "offset": { "type": "integer" }, "limit": { "type": "integer" } }),
                json!(["path"]),
            ),
            Kind::Write => (json!({ "path": path(), "content": text("the whole file") }), json!(["path", "content"])),
            Kind::Edit => (
                json!({ "path": path(), "old": text("what stands there"), "new": text("what stands there then"),
                        "all": { "type": "boolean" } }),
                json!(["path", "old", "new"]),
            ),
            Kind::List => (json!({ "path": path(), "pattern": text("a glob, relative to the path") }), json!([])),
            Kind::Search => (
                json!({ "pattern": text("a regular expression"), "path": path(), "glob": text("which files") }),
                json!(["pattern"]),
            ),
            Kind::Run => {
                (json!({ "command": text("for sh"), "timeout_seconds": { "type": "integer" } }), json!(["command"]))
            }
        };
        json!({ "type": "object", "properties": fields, "required": required })
    }
}

/// `Bash(git log:*)` is a name and a pattern.
fn split(rule: &str) -> (&str, Option<&str>) {
    let rule = rule.trim();
    match rule.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.trim_end().strip_suffix(')').unwrap_or(rest))),
        None => (rule, None),
    }
}

/// Arguments by the names that models use.
struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn text(&self, names: &[&str]) -> Result<String, Refusal> {
        let found = names.iter().find_map(|name| self.0[name].as_str());
        found
            .map(str::to_owned)
            .ok_or_else(|| Refusal::Wrong(format!("the argument `{}` is missing or no text", names[0])))
    }

    fn path(&self) -> Result<PathBuf, Refusal> {
        self.text(&["path", "file_path", "filePath"]).map(PathBuf::from)
    }

    fn folder(&self) -> PathBuf {
        self.path().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, input: Value) -> ToolCall {
        ToolCall { id: "1".into(), name: name.into(), input, signature: None }
    }

    fn names(access: Access, tools: Option<&[&str]>) -> Vec<&'static str> {
        let tools: Option<Vec<String>> = tools.map(|tools| tools.iter().map(|tool| (*tool).to_owned()).collect());
        Toolset::of(access, tools.as_deref(), &Permissions::default()).specs().iter().map(|spec| spec.name).collect()
    }

    #[test]
    fn access_and_list_both_narrow() {
        let all = ["Read", "Write", "Edit", "Glob", "Grep", "Bash"];
        assert_eq!(names(Access::Full, None), all);
        assert_eq!(names(Access::Edit, None), all);
        assert_eq!(names(Access::Read, None), ["Read", "Glob", "Grep"]);
        assert_eq!(names(Access::Read, Some(&["Read", "Write", "Bash"])), ["Read"]);
        assert_eq!(names(Access::Edit, Some(&["write", "LS", "WebFetch", "mcp__a__b"])), ["Write", "Glob"]);
        assert_eq!(names(Access::Edit, Some(&["Read(src/**)", "Bash(git log:*)"])), ["Read", "Bash"]);
        assert_eq!(names(Access::Edit, Some(&[])), [""; 0]);
    }

    #[test]
    fn what_was_not_given_is_denied() {
        let reader = Toolset::of(Access::Read, None, &Permissions::default());
        for name in ["Write", "write_file", "Edit", "Bash", "run"] {
            let refused = reader.read(&call(name, json!({ "path": "a", "content": "", "command": "true" })));
            assert!(matches!(refused, Err(Refusal::Denied(_))), "{name}: {refused:?}");
        }
        let refused = reader.read(&call("WebFetch", json!({})));
        assert!(matches!(refused, Err(Refusal::Wrong(_))), "{refused:?}");
        for input in [json!({}), json!("x"), json!({ "path": 3 }), json!(null)] {
            let refused = reader.read(&call("Read", input));
            assert!(matches!(refused, Err(Refusal::Wrong(_))), "{refused:?}");
        }
        let read = reader.read(&call("read_file", json!({ "filePath": "a", "limit": 9_000_000 })));
        assert_eq!(read, Ok(ToolUse::Read { path: "a".into(), offset: 1, limit: LINES_MAX }));
    }

    #[test]
    fn a_pattern_lets_one_command_through() {
        let tools = ["Bash(git log:*)".to_owned(), "Bash(cargo test)".to_owned(), "Bash(npm run *)".to_owned()];
        let given = Toolset::of(Access::Edit, Some(&tools), &Permissions::default());
        let may = |command: &str| given.read(&call("Bash", json!({ "command": command }))).is_ok();
        for command in ["git log", "git log --oneline", "cargo test", "npm run build"] {
            assert!(may(command), "{command}");
        }
        for command in [
            "git logs",
            "git status",
            "cargo test x",
            "git log; rm -rf .",
            "git log && x",
            "git log > a",
            "git log $(x)",
            "git log `x`",
            "git log\nrm x",
            "rm",
            "",
        ] {
            assert!(!may(command), "{command}");
        }
        let free = Toolset::of(Access::Edit, Some(&["Bash".into(), "Bash(git log:*)".into()]), &Permissions::default());
        assert!(free.read(&call("Bash", json!({ "command": "rm x; ls" }))).is_ok());
    }

    #[test]
    fn a_denied_command_is_found_wherever_it_stands() {
        let permissions = Permissions {
            deny: vec!["Bash(git push:*)".into(), "Bash(make)".into()],
            ask: vec!["Bash(rm:*)".into()],
            ..Permissions::default()
        };
        let given = Toolset::of(Access::Edit, Some(&["Bash".into()]), &permissions);
        let refused = |command: &str| given.read(&call("Bash", json!({ "command": command }))).is_err();
        for command in [
            "git push",
            "git push origin main",
            "cd x && git push",
            "true; rm x",
            "sh -c 'git push'",
            "echo $(rm x)",
            "echo `rm x`",
            "A=1 sudo -E /usr/bin/rm -rf x",
            "timeout 5 rm x",
            "find . | xargs rm",
            "if true; then rm x; fi",
            "make",
            "\\rm x",
        ] {
            assert!(refused(command), "{command}");
        }
        for command in ["git pull", "git pushx", "make test", "echo rm", "git status && ls", "rmdir x"] {
            assert!(!refused(command), "{command}");
        }
    }
}
