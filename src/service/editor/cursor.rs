//! What stands around a place in a definition that is being written: the keys that lead to it, and the word there.
//!
//! Works on lines and indentation, so that it answers while the YAML is broken. It does not know which keys are legal.
//! A mapping in braces is understood where it stands on one line.

use crate::base::Span;

/// What a file holds, told by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Agent,
    Skill,
    Command,
    Workflow,
    Gate,
}

impl FileKind {
    /// The kind of a file, if it is in a definition folder.
    pub fn of(path: &str) -> Option<Self> {
        let markdown = path.ends_with(".md");
        let yaml = path.ends_with(".yaml") || path.ends_with(".yml");
        let folder = |part: &str| match part {
            "agents" if markdown => Some(Self::Agent),
            "skills" if path.ends_with("SKILL.md") => Some(Self::Skill),
            "commands" if markdown => Some(Self::Command),
            "workflows" if markdown || yaml => Some(Self::Workflow),
            "gates" if yaml => Some(Self::Gate),
            _ => None,
        };
        path.split('/').rev().skip(1).find_map(folder)
    }

    /// The name of its schema.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Skill => "skill",
            Self::Command => "command",
            Self::Workflow => "workflow",
            Self::Gate => "gate",
        }
    }
}

/// What may be written at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// A key of the mapping at the path.
    Key,
    /// The value of the last key of the path, or an item of its list.
    Value,
    /// A name inside an expression; the parts before the last dot.
    Expression(Vec<String>),
    /// Nothing that is known here.
    Text,
}

/// A place and what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The keys that lead here, from the outside; lists are not told apart.
    pub path: Vec<String>,
    /// What may be written here.
    pub role: Role,
    /// The word at the place.
    pub word: Span,
    /// What of the word stands before the place.
    pub prefix: String,
}

/// Keys whose value is an expression.
const EXPRESSIONS: [&str; 6] = ["when", "until", "each", "check", "expect", "outputs"];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$')
}

/// The YAML part of a file: all of it, or what stands between the two lines of a Markdown file.
fn yaml_part(text: &str) -> Span {
    let Some(rest) = text.strip_prefix("---") else { return Span::new(0..text.len()) };
    let Some(line) = rest.find('\n') else { return Span::new(text.len()..text.len()) };
    let start = 3 + line + 1;
    let end = text[start..].split_inclusive('\n').scan(start, |at, line| {
        let here = *at;
        *at += line.len();
        Some((here, line))
    });
    let close = end.into_iter().find(|(_, line)| line.trim_end() == "---").map_or(text.len(), |(at, _)| at);
    Span::new(start..close)
}

/// Looks at a place, in bytes. `None` outside of YAML.
pub(super) fn look(text: &str, markdown: bool, offset: usize) -> Option<Cursor> {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let part = if markdown { yaml_part(text) } else { Span::new(0..text.len()) };
    if markdown && (!text.starts_with("---") || offset < part.start || offset > part.end) {
        return None;
    }
    let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1).max(part.start);
    let word = word_at(text, offset);
    let prefix = text[word.start..offset].to_owned();
    let before = &text[line_start..offset];
    let mut here = Line::of(before);
    let mut path = parents(&text[part.start..line_start], here.level);
    path.append(&mut here.keys);
    let last = path.last().map(String::as_str).unwrap_or_default();
    let in_braces = before.rfind("{{").is_some_and(|open| before[open..].find("}}").is_none());
    let is_expression =
        here.is_value && path.iter().any(|key| EXPRESSIONS.contains(&key.as_str())) && last != "outputs";
    let role = if in_braces || is_expression {
        Role::Expression(dotted(&text[line_start..word.start]))
    } else if here.is_value {
        Role::Value
    } else if here.is_text {
        Role::Text
    } else {
        Role::Key
    };
    Some(Cursor { path, role, word, prefix })
}

fn word_at(text: &str, offset: usize) -> Span {
    let start = text[..offset].char_indices().rev().find(|(_, c)| !is_word(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let end = text[offset..].find(|c| !is_word(c)).map_or(text.len(), |length| offset + length);
    Span::new(start..end)
}

/// The names before a dot that ends the text: `a.b.` gives `a` and `b`.
fn dotted(text: &str) -> Vec<String> {
    let mut rest = text;
    let mut names = Vec::new();
    while let Some(before) = rest.strip_suffix('.') {
        let start = before.rfind(|c: char| !is_word(c)).map_or(0, |at| at + 1);
        if start == before.len() {
            break;
        }
        names.push(before[start..].to_owned());
        rest = &before[..start];
    }
    names.reverse();
    names
}

/// What one line says about its place in the tree.
struct Line {
    /// Twice the column of its first key or word; one less than that of what a dash holds stands for the dash.
    level: usize,
    /// Keys on this line whose mapping or value is still open at its end.
    keys: Vec<String>,
    /// Whether a value, or an item of a list, is being written.
    is_value: bool,
    /// Whether plain text is being written that is neither key nor value.
    is_text: bool,
}

impl Line {
    fn of(before: &str) -> Self {
        let indent = before.len() - before.trim_start_matches(' ').len();
        let (mut column, mut rest) = (indent, &before[indent..]);
        let mut dashes = 0;
        while let Some(after) = rest.strip_prefix("- ") {
            let trimmed = after.trim_start_matches(' ');
            column += rest.len() - trimmed.len();
            rest = trimmed;
            dashes += 1;
        }
        let flow = Flow::of(rest);
        // `- wor` may become a key of the item or be the item itself, which the schema decides.
        let level = if dashes > 0 && flow.keys.is_empty() && !flow.nested { 2 * indent + 1 } else { 2 * column };
        Self {
            level,
            is_value: flow.is_value || (dashes > 0 && !flow.nested && flow.keys.is_empty()),
            is_text: flow.is_comment,
            keys: flow.keys,
        }
    }
}

/// What is open at the end of a piece of one line.
#[derive(Default)]
struct Flow {
    keys: Vec<String>,
    is_value: bool,
    is_comment: bool,
    /// Whether a bracket is open.
    nested: bool,
}

impl Flow {
    fn of(text: &str) -> Self {
        // Each frame: the bracket, and the key whose value is being written in it.
        let mut frames: Vec<(char, Option<String>)> = vec![('\0', None)];
        let (mut token, mut quote, mut previous) = (String::new(), None, ' ');
        for c in text.chars() {
            if let Some(open) = quote {
                if c == open {
                    quote = None;
                } else {
                    token.push(c);
                }
                previous = c;
                continue;
            }
            let nested = frames.len() > 1;
            let top = frames.last_mut().expect("the first frame is never taken off");
            match c {
                '"' | '\'' if token.trim().is_empty() => quote = Some(c),
                '#' if previous == ' ' => return Self { is_comment: true, ..Self::default() },
                '{' | '[' if token.trim().is_empty() => {
                    token.clear();
                    frames.push((c, None));
                }
                '}' | ']' if nested => {
                    token.clear();
                    frames.pop();
                }
                ',' if top.0 != '\0' => {
                    token.clear();
                    if top.0 == '{' {
                        top.1 = None;
                    }
                }
                ' ' if previous == ':' && top.1.is_none() && top.0 != '[' => {
                    top.1 = Some(token.trim().trim_end_matches(':').to_owned());
                    token.clear();
                }
                c => token.push(c),
            }
            previous = c;
        }
        let nested = frames.len() > 1;
        let is_value = frames.last().is_some_and(|(bracket, key)| *bracket == '[' || key.is_some());
        Self { keys: frames.into_iter().filter_map(|(_, key)| key).collect(), is_value, is_comment: false, nested }
    }
}

/// The keys above a line of that level, from the outside.
fn parents(above: &str, level: usize) -> Vec<String> {
    let mut level = level;
    let mut found = Vec::new();
    for line in above.lines().rev() {
        let trimmed = line.trim_start_matches(' ');
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let indent = line.len() - trimmed.len();
        let (mut column, mut rest) = (indent, trimmed);
        while let Some(after) = rest.strip_prefix("- ") {
            let inner = after.trim_start_matches(' ');
            column += rest.len() - inner.len();
            rest = inner;
        }
        let key = key_of(rest);
        if column > indent && 2 * column == level {
            // The first line of the item that the place is in.
            level = 2 * indent + 1;
        } else if let Some(key) = key.filter(|_| 2 * column < level) {
            found.push(key);
            level = if column > indent { 2 * indent + 1 } else { 2 * column };
        }
        if level == 0 {
            break;
        }
    }
    found.reverse();
    found
}

/// The key that a line starts with.
fn key_of(line: &str) -> Option<String> {
    let (key, rest) = line.split_once(':')?;
    let plain = !key.is_empty() && key.chars().all(|c| is_word(c) || matches!(c, '"' | '\''));
    (plain && (rest.is_empty() || rest.starts_with([' ', '\r']))).then(|| key.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// The place is where `|` stands.
    fn at(text: &str) -> (String, Role, String) {
        let offset = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        let cursor = look(&text, text.starts_with("---"), offset).unwrap();
        (cursor.path.join("/"), cursor.role, cursor.prefix)
    }

    fn seen(text: &str, path: &str, role: Role, prefix: &str) {
        assert_eq!(at(text), (path.to_owned(), role, prefix.to_owned()), "{text}");
    }

    #[test]
    fn blocks() {
        let top = "name: x\nsteps:\n  - id: a\n    agent: b\n";
        seen("na|", "", Role::Key, "na");
        seen("name: |", "name", Role::Value, "");
        seen(&format!("{top}    ti|"), "steps", Role::Key, "ti");
        seen(&format!("{top}    agent: co|de"), "steps/agent", Role::Value, "co");
        seen(&format!("{top}    gate:\n      - che|"), "steps/gate", Role::Value, "che");
        seen(&format!("{top}    gate:\n      - run: x\n        exp|"), "steps/gate", Role::Key, "exp");
        seen(&format!("{top}    gate:\n    - run: x\n      exp|"), "steps/gate", Role::Key, "exp");
        seen("steps:\n- id: a\n  ne|", "steps", Role::Key, "ne");
        seen(&format!("{top}    loop:\n      max: 3\n      on_max: |"), "steps/loop/on_max", Role::Value, "");
        seen(&format!("{top}  - parallel:\n      - id: c\n        ag|"), "steps/parallel", Role::Key, "ag");
        seen(&format!("{top}\n# note\nbud|"), "", Role::Key, "bud");
        seen(&format!("{top}bud|"), "", Role::Key, "bud");
    }

    #[test]
    fn braces_on_a_line() {
        seen("steps:\n  - { id: a, ag|", "steps", Role::Key, "ag");
        seen("steps:\n  - { id: a, agent: ba|", "steps/agent", Role::Value, "ba");
        seen("steps:\n  - id: a\n    gate: [{ che|", "steps/gate", Role::Key, "che");
        seen("steps:\n  - id: a\n    gate: [pro|", "steps/gate", Role::Value, "pro");
        seen("budget: { usd: 5, on_limit: |", "budget/on_limit", Role::Value, "");
        seen("x: { a: { b: 1 }, c|", "x", Role::Key, "c");
    }

    #[test]
    fn expressions() {
        let expression = |names: &[&str]| Role::Expression(names.iter().map(|name| (*name).to_owned()).collect());
        seen("steps:\n  - run: x\n    when: design.res|", "steps/when", expression(&["design"]), "res");
        seen("steps:\n  - prompt: \"Do {{ a.b.|", "steps/prompt", expression(&["a", "b"]), "");
        seen("steps:\n  - prompt: |", "steps/prompt", Role::Value, "");
        seen("steps:\n  - run: x\n    gate: [{ check: th|", "steps/gate/check", expression(&[]), "th");
    }

    #[test]
    fn frontmatter() {
        seen("---\nname: a\nto|\n---\nBody\n", "", Role::Key, "to");
        seen("---\nskills: [ev|\n---\n", "skills", Role::Value, "ev");
        seen("---\nskills:\n  - ev|\n---\n", "skills", Role::Value, "ev");
        assert_eq!(look("---\nname: a\n---\nBody", true, 18), None);
        assert_eq!(look("# No frontmatter", true, 4), None);
    }

    #[test]
    fn any_place_of_any_text_is_looked_at() {
        let text = "---\nä: [\"x, {a: 'b\n  - - é: {{ q. }}\n: :\n---\n{ [";
        for offset in 0..=text.len() + 2 {
            look(text, true, offset);
            look(text, false, offset);
        }
    }
}
