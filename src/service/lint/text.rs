//! Places in a body: its prose without code, its lines, the names in backticks. Knows nothing of definitions.

use crate::base::{CodeKind, code_parts};

/// The text with all code as spaces, so that places stay what they are.
pub(super) fn without_code(text: &str) -> String {
    blank(text, true)
}

/// The text with fences as spaces; what stands between backticks stays.
pub(super) fn without_fences(text: &str) -> String {
    blank(text, false)
}

fn blank(text: &str, spans: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for part in code_parts(text).into_iter().filter(|part| spans || part.kind != CodeKind::Span) {
        out.push_str(&text[at..part.whole.start]);
        out.extend(text[part.whole.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        at = part.whole.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Lines with the place where each begins.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        at += line.len();
        (at - line.len(), line.trim_end())
    })
}

/// A line without what Markdown puts before its words, and where they begin.
pub(super) fn words_of(at: usize, line: &str) -> (usize, &str) {
    let words = line.trim_start_matches(|letter: char| {
        letter.is_whitespace()
            || letter.is_ascii_digit()
            || matches!(letter, '-' | '*' | '+' | '.' | ')' | '>' | '#' | '_')
    });
    (at + line.len() - words.len(), words)
}

/// A name in backticks that a word beside it calls an agent or a skill.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mention<'a> {
    pub name: &'a str,
    pub at: usize,
    pub is_agent: bool,
}

/// ``the `x` agent``, ``agent `some-x` ``, and the same with skills. A name behind the word needs a hyphen, because keys and
/// tools of an agent are often written so.
pub(super) fn mentions(text: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    for (start, line) in lines(text) {
        let mut ticks = line.match_indices('`').map(|(at, _)| at);
        while let (Some(open), Some(close)) = (ticks.next(), ticks.next()) {
            let name = line[open + 1..close].trim_start_matches("@agent-").trim_start_matches('@');
            let after = line[close + 1..].trim_start_matches(['*', '"']);
            let before = line[..open].trim_end_matches(['*', '"', ' ', ':']).to_lowercase();
            let next = after.strip_prefix(' ').map(first_word).unwrap_or_default();
            let behind = role(&next).filter(|_| !is_part(after));
            let last = before.rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            let ahead = role(last).filter(|_| {
                let is_plain = before.len() < line[..open].len() && !line[..open].trim_end().ends_with(':');
                is_plain && name.contains('-') && !is_thing(&next)
            });
            if let Some(is_agent) = behind.or(ahead)
                && is_name(name)
            {
                found.push(Mention { name, at: start + open + 1, is_agent });
            }
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
}

fn role(word: &str) -> Option<bool> {
    match word {
        "agent" | "subagent" => Some(true),
        "skill" => Some(false),
        _ => None,
    }
}

/// Whether `` `x` agent file`` speaks of something of an agent and not of the agent.
fn is_part(after: &str) -> bool {
    let next = after.split_whitespace().nth(1).map(first_word).unwrap_or_default();
    is_thing(&next)
}

fn is_thing(word: &str) -> bool {
    const THINGS: [&str; 22] = [
        "field",
        "key",
        "parameter",
        "param",
        "property",
        "tool",
        "command",
        "file",
        "files",
        "option",
        "flag",
        "folder",
        "directory",
        "type",
        "types",
        "name",
        "definition",
        "frontmatter",
        "attribute",
        "section",
        "block",
        "argument",
    ];
    THINGS.contains(&word)
}

/// A name that a definition may have, and that is not an example of one.
fn is_name(name: &str) -> bool {
    const EXAMPLES: [&str; 12] = [
        "my-",
        "your-",
        "example",
        "some-",
        "other-",
        "agent-name",
        "skill-name",
        "new-",
        "foo",
        "bar",
        "the-",
        "target-",
    ];
    (3..=64).contains(&name.len())
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | ':'))
        && !EXAMPLES.iter().any(|example| name.starts_with(example))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_blank_and_places_stay() {
        let text = "a `NAME: x` b\n```\n{{ x }}\n```\nc";
        let plain = without_code(text);
        assert_eq!(plain.len(), text.len());
        assert!(!plain.contains("NAME") && !plain.contains('{') && plain.ends_with("\nc"));
        assert!(without_fences(text).contains("NAME"));
    }

    #[test]
    fn names_count_where_a_word_says_what_they_are() {
        let names =
            |text: &str| mentions(text).iter().map(|one| (one.name.to_owned(), one.is_agent)).collect::<Vec<_>>();
        assert_eq!(
            names("Use the `code-sage` agent, then skill `wise-words`."),
            [("code-sage".to_owned(), true), ("wise-words".to_owned(), false)]
        );
        let none =
            "an agent `model`, the `tools` agent field, agent `x-y` file, `my-x` agent, `A B` agent, `x-y` agents";
        assert_eq!(names(none), []);
    }
}
