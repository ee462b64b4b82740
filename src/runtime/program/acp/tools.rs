//! The tools that an agent uses, as it tells them piece by piece. Decides nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::runtime::program::{
    json::{one_line, text},
    subject::subject,
};

/// Tools whose end is not known yet; more are not remembered.
const OPEN_TOOLS_MAX: usize = 1_000;
/// Paths of one tool that are remembered; one more makes it a tool that nobody can judge.
pub(super) const PATHS_MAX: usize = 200;
/// The longest text of a tool that is remembered, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Inputs that name a file.
const PATH_NAMES: [&str; 9] =
    ["path", "file_path", "filePath", "fileName", "file", "abs_path", "absolute_path", "notebook_path", "target_file"];

/// What is known of one use of a tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tool {
    /// All kinds that it was said to be of; more than one where the agent contradicts itself.
    pub kinds: Vec<String>,
    pub title: String,
    pub paths: Vec<PathBuf>,
    pub command: Option<String>,
    /// What it is used on, where that is neither a path nor a command.
    on: String,
    /// Whether we have allowed it; `None` if nobody has asked.
    pub allowed: Option<bool>,
    pub is_announced: bool,
}

/// The tools that work.
#[derive(Debug, Default)]
pub(super) struct Tools(BTreeMap<String, Tool>);

impl Tools {
    /// Adds what an update says, and gives all that is known of its tool.
    pub fn heard(&mut self, update: &Value) -> Tool {
        let id = text(update, "toolCallId");
        let mut tool = self.0.remove(id).unwrap_or_default();
        tool.hear(update);
        tool
    }

    /// Remembers a tool for its next update.
    pub fn keep(&mut self, update: &Value, tool: Tool) {
        let id = text(update, "toolCallId");
        if self.0.len() < OPEN_TOOLS_MAX && !id.is_empty() && id.len() <= 1_000 {
            self.0.insert(id.to_owned(), tool);
        }
    }
}

impl Tool {
    fn hear(&mut self, update: &Value) {
        let kind = text(update, "kind");
        if !kind.is_empty() && !self.kinds.iter().any(|known| known == kind) && self.kinds.len() < 8 {
            self.kinds.push(kind.chars().take(40).collect());
        }
        let title = text(update, "title");
        if !title.is_empty() {
            self.title = cut(title).to_owned();
        }
        let input = &update["rawInput"];
        let locations = update["locations"].as_array().into_iter().flatten().map(|place| text(place, "path"));
        let diffs = update["content"].as_array().into_iter().flatten().filter(|part| part["type"] == "diff");
        let inputs = PATH_NAMES.iter().map(|name| text(input, name));
        let more = input["paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for path in locations.chain(diffs.map(|diff| text(diff, "path"))).chain(inputs).chain(more) {
            let path = Path::new(cut(path));
            if !path.as_os_str().is_empty() && self.paths.len() <= PATHS_MAX && !self.paths.iter().any(|p| p == path) {
                self.paths.push(path.to_owned());
            }
        }
        if let Some(command) = command(input) {
            self.command = Some(command);
        }
        let on = subject(input);
        if !on.is_empty() {
            self.on = on;
        }
    }

    /// Its kind, for people.
    pub fn name(&self) -> String {
        one_line(self.kinds.last().map_or("tool", String::as_str))
    }

    /// What it is used on, for people.
    pub fn subject(&self, workspace: &Path) -> String {
        let path = self.paths.first().map(|path| path.strip_prefix(workspace).unwrap_or(path).display().to_string());
        let on = Some(self.on.clone()).filter(|on| !on.is_empty());
        one_line(&self.command.clone().or(path).or(on).unwrap_or_else(|| self.title.clone()))
    }

    /// Whether something is known that is worth telling.
    pub fn is_known(&self) -> bool {
        let is_command = self.kinds.iter().any(|kind| kind == "execute");
        self.command.is_some() || (!is_command && !self.paths.is_empty())
    }
}

/// The command that an input holds: a text, or words.
fn command(input: &Value) -> Option<String> {
    let value = ["command", "cmd"].iter().find_map(|name| input.get(name))?;
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(words) => words.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(" "),
        _ => return None,
    };
    Some(text).filter(|text| !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}
