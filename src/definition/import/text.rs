//! Small work on texts: literal braces, excerpts, unique ids, indentation.

use std::collections::HashSet;

use crate::definition::load::{RESERVED, legal_id};

/// The longest excerpt in a mark, in characters.
const EXCERPT_CHARS_MAX: usize = 90;

/// Makes a text literal for the template engine.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match from.as_bytes().get(1) {
            Some(b'{' | b'%' | b'#') => {
                out.push_str("{{ \"");
                out.push_str(&from[..2]);
                out.push_str("\" }}");
                rest = &from[2..];
            }
            Some(_) | None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Makes a text literal, but for `$ARGUMENTS`, which becomes the input. Says whether it was there.
pub(super) fn with_arguments(text: &str) -> (String, bool) {
    let mut out = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find("$ARGUMENTS") {
        let after = &rest[at + "$ARGUMENTS".len()..];
        // `$ARGUMENTS_DIR` is another word, `$ARGUMENTS[1]` is one word of the arguments, `\$` is a dollar.
        let other = after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
            || after.strip_prefix('[').is_some_and(|inner| inner.starts_with(|digit: char| digit.is_ascii_digit()))
            || rest[..at].ends_with('\\');
        out.push_str(&literal(&rest[..at]));
        if other {
            out.push_str("$ARGUMENTS");
        } else {
            out.push_str("{{ inputs.arguments }}");
            found = true;
        }
        rest = after;
    }
    out.push_str(&literal(rest));
    (out, found)
}

/// Whether work is such that a run should not do it unasked, where nobody knows its condition.
pub(super) fn is_risky(title: &str) -> bool {
    let lower = title.to_lowercase();
    let words =
        ["rollback", "roll back", "revert", "emergency", "hotfix", "deploy", "publish", "release", "production"];
    words.iter().any(|word| lower.contains(word))
}

/// The beginning of a text on one line, for people.
pub(super) fn excerpt(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = words.chars().take(EXCERPT_CHARS_MAX).collect();
    if short.len() < words.len() {
        short.push('…');
    }
    short
}

/// Removes the indentation that all lines but the first share, and that the first one has.
pub(super) fn dedent(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let shared = text.lines().skip(1).filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let mut out = String::with_capacity(text.len());
    for (place, line) in text.lines().enumerate() {
        if place > 0 {
            out.push('\n');
            out.push_str(line.get(shared.min(indent(line))..).unwrap_or(line));
        } else {
            out.push_str(line.trim_start());
        }
    }
    out.trim().to_owned()
}

/// Hands out ids that are legal and different from each other.
#[derive(Debug, Default)]
pub(super) struct Ids(HashSet<String>);

impl Ids {
    /// A free id near to the text.
    pub fn make(&mut self, text: &str) -> String {
        let base = legal_id(&text.chars().take(200).collect::<String>());
        // Long titles make ids that nobody types.
        let base = if base.len() > 40 { base[..base[..40].rfind('_').unwrap_or(40)].to_owned() } else { base };
        let base = if RESERVED.contains(&base.as_str()) { format!("{base}_step") } else { base };
        let mut id = base.clone();
        let mut number = 2;
        while !self.0.insert(id.clone()) {
            id = format!("{base}_{number}");
            number += 1;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_literal_and_arguments_are_not() {
        assert_eq!(literal("a {{ b }} {x} {% y %}"), "a {{ \"{{\" }} b }} {x} {{ \"{%\" }} y %}");
        assert_eq!(with_arguments("do $ARGUMENTS!"), ("do {{ inputs.arguments }}!".to_owned(), true));
        for text in ["$ARGUMENTS_DIR", "\\$ARGUMENTS", "$ARGUMENTS[0]"] {
            assert_eq!(with_arguments(text), (text.to_owned(), false));
        }
    }

    #[test]
    fn ids_are_unique_short_and_not_reserved() {
        let mut ids = Ids::default();
        let made: Vec<String> =
            ["Review!", "review", "item", &"long word ".repeat(20)].map(|text| ids.make(text)).into();
        assert_eq!(made[..3], ["review", "review_2", "item_step"]);
        assert!(made[3].len() <= 40 && !made[3].ends_with('_'), "{}", made[3]);
    }

    #[test]
    fn a_block_keeps_its_inner_indentation() {
        assert_eq!(dedent("first\n   - a\n     b\n\n   c"), "first\n- a\n  b\n\nc");
    }
}
