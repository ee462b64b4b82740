//! The rules of Gemini CLI's policy engine for one order: what is not allowed is denied, and a tool that is denied is
//! not even shown to the model.
//!
//! The same file is given as the policy of the user and of the administrator: the first replaces the user's own rules,
//! the second stands above what settings allow.

use std::path::Path;

use crate::runtime::program::rights::{Command, Commands, Right, Rights};

/// Above every rule that settings make (950), so that no settings file widens what the order says.
const DENY: u32 = 960;
const ALLOW: u32 = 980;
const NEVER: u32 = 990;

/// The tools of a right, as this program names them.
const TOOLS: [(Right, &[&str]); 7] = [
    (Right::Read, &["read_file", "read_many_files", "list_directory"]),
    (Right::Find, &["glob"]),
    (Right::Search, &["grep_search", "search_file_content"]),
    (Right::Edit, &["replace", "write_file"]),
    (Right::Fetch, &["web_fetch"]),
    (Right::Web, &["google_web_search"]),
    (Right::Todo, &["write_todos"]),
];

/// The rules as a file. Nothing below `untouched` may be edited.
pub(super) fn policy(rights: &Rights, untouched: &[&Path]) -> String {
    let mut rules = rule("toolName = \"*\"", "deny", DENY);
    for (right, tools) in TOOLS {
        if rights.has(right) {
            let names: Vec<String> = tools.iter().map(|tool| quoted(tool)).collect();
            rules.push_str(&rule(&format!("toolName = [{}]", names.join(", ")), "allow", ALLOW));
        }
    }
    match &rights.commands {
        Commands::All => {
            rules.push_str(&rule("toolName = \"run_shell_command\"\nallowRedirection = true", "allow", ALLOW));
        }
        Commands::These(commands) => {
            commands.iter().for_each(|command| rules.push_str(&rule(&condition(command), "allow", ALLOW)));
        }
    }
    for (server, tool) in &rights.mcp {
        let tool = tool.as_deref().unwrap_or("*");
        let condition = format!("mcpName = {}\ntoolName = {}", quoted(server), quoted(tool));
        rules.push_str(&rule(&condition, "allow", ALLOW));
    }
    for command in &rights.no_commands {
        rules.push_str(&rule(&condition(command), "deny", NEVER));
    }
    for (server, tool) in &rights.no_mcp {
        let condition = format!("mcpName = {}\ntoolName = {}", quoted(server), quoted(tool.as_deref().unwrap_or("*")));
        rules.push_str(&rule(&condition, "deny", NEVER));
    }
    for folder in untouched {
        let begin = format!("\"file_path\":\"{}", regex(&inside_json(&folder.display().to_string())));
        let condition = format!("toolName = [\"replace\", \"write_file\"]\nargsPattern = {}", quoted(&begin));
        rules.push_str(&rule(&condition, "deny", NEVER));
    }
    rules
}

fn rule(condition: &str, decision: &str, priority: u32) -> String {
    format!("[[rule]]\n{condition}\ndecision = \"{decision}\"\npriority = {priority}\n\n")
}

/// A command may be followed by more words, or it is the whole: then the quote that ends the argument follows.
fn condition(command: &Command) -> String {
    if command.is_open {
        format!("toolName = \"run_shell_command\"\ncommandPrefix = {}", quoted(&command.words))
    } else {
        format!(
            "toolName = \"run_shell_command\"\ncommandRegex = {}",
            quoted(&format!("{}\"", regex(&inside_json(&command.words))))
        )
    }
}

/// A text as a basic string of TOML. JSON escapes all that TOML wants escaped but one control character.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// A text as it stands between the quotes of JSON.
fn inside_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A text as a regular expression that matches only it.
fn regex(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if "\\^$.|?*+()[]{}/-".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
