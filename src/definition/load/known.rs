//! Keys that some tool documents for agents, skills, commands or rules. A line that starts with one is a key even where
//! the text around it is broken.

use std::{collections::HashSet, sync::LazyLock};

/// Every key of every dialect that stands at the top of a frontmatter.
const KNOWN: &[&str] = &[
    "agent",
    "agent_description",
    "agent_name",
    "agents",
    "aliases",
    "allowed-tools",
    "allowedTools",
    "alwaysApply",
    "applyTo",
    "argument-base",
    "argument-hint",
    "argumentHint",
    "argument_hint",
    "arguments",
    "author",
    "background",
    "capabilities",
    "category",
    "color",
    "compatibility",
    "complexity",
    "constraints",
    "context",
    "context_budget",
    "date",
    "dependencies",
    "description",
    "disable",
    "disable-model-invocation",
    "disallowed-tools",
    "disallowedTools",
    "effort",
    "enabled",
    "excludeAgent",
    "expertise_level",
    "force-for-plugin",
    "globs",
    "handoffs",
    "hidden",
    "hooks",
    "icon",
    "id",
    "infer",
    "initialPrompt",
    "inputs",
    "is_background",
    "isolation",
    "keep-coding-instructions",
    "keywords",
    "kind",
    "license",
    "maxSteps",
    "maxTurns",
    "max_turns",
    "mcp-servers",
    "mcpServers",
    "memory",
    "metadata",
    "mode",
    "model",
    "name",
    "outputs",
    "paths",
    "permission",
    "permissionMode",
    "permissions",
    "personas",
    "priority",
    "prompt",
    "readonly",
    "related",
    "runtime",
    "scripts",
    "shell",
    "skills",
    "steps",
    "subtask",
    "tags",
    "target",
    "temperature",
    "timeout",
    "timeout_mins",
    "title",
    "tools",
    "top_p",
    "triggers",
    "type",
    "useWhen",
    "user-invocable",
    "user-invokable",
    "version",
    "whenToUse",
    "when_to_use",
    "workflow",
];

/// The keys that most files have, which a misspelled one was probably meant to be.
pub(super) const FIRST: [&str; 8] =
    ["name", "description", "tools", "model", "skills", "arguments", "argument-hint", "allowed-tools"];

/// Keys whose value is prose, in which lines may look like anything.
const FREE_TEXT: [&str; 6] = ["description", "when_to_use", "whenToUse", "useWhen", "prompt", "agent_description"];

/// Whether some tool documents the key, written in any of the usual ways.
pub(super) fn is_known(key: &str) -> bool {
    static FOLDED: LazyLock<HashSet<String>> =
        LazyLock::new(|| KNOWN.iter().map(|known| letters(known).collect()).collect());
    FOLDED.contains(&letters(key).collect::<String>())
}

/// Whether some tool documents the key exactly as it is written. In prose `Context:` is more likely a word.
pub(super) fn is_exact(key: &str) -> bool {
    KNOWN.contains(&key)
}

/// Whether the value of the key is prose.
pub(super) fn is_free_text(key: &str) -> bool {
    FREE_TEXT.iter().any(|free| alike(free, key))
}

/// All keys, for suggestions.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().copied()
}

/// What counts of a key when two are compared, see [`alike`].
fn letters(key: &str) -> impl Iterator<Item = char> {
    key.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')).map(|letter| letter.to_ascii_lowercase())
}

/// Whether two keys differ in capitals, `_` and `-` only.
pub(super) fn alike(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

/// The key of a line `key: value`, `key:` or `"key": value`; `None` for a line of any other form.
pub(super) fn key_of(line: &str) -> Option<&str> {
    let line = line.trim_end();
    if let Some(quote @ ('"' | '\'')) = line.chars().next() {
        let (key, rest) = line[1..].split_once(quote)?;
        return (is_word(key) && rest.trim_start().starts_with(':')).then_some(key);
    }
    let (key, rest) = line.split_once(':')?;
    let key = key.trim_end();
    (is_word(key) && (rest.is_empty() || rest.starts_with([' ', '\t', '\u{a0}']))).then_some(key)
}

/// Whether a text has the form of a key.
pub(super) fn is_word(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == '$')
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$'))
}
