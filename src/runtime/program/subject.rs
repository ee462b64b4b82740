//! What a tool is used on, in a few words, whatever its program calls its inputs. Knows no program.

use serde_json::Value;

use super::json::one_line;

/// Inputs that say what a tool is used on, the best one first.
const NAMES: [&str; 10] =
    ["command", "file_path", "filePath", "path", "dir_path", "pattern", "url", "query", "name", "description"];

/// What a tool is used on, one line.
pub(super) fn subject(input: &Value) -> String {
    match NAMES.iter().find_map(|name| input.get(name)?.as_str()).or(input.as_str()) {
        Some(words) => one_line(words),
        None if input.as_object().is_none_or(serde_json::Map::is_empty) => String::new(),
        None => one_line(&input.to_string()),
    }
}
