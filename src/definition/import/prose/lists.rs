//! Items of lists as texts of their own.

use std::ops::Range;

use crate::definition::import::text::dedent;

/// An item without its mark.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its place in the source.
    pub range: Range<usize>,
    /// Its text, as far to the left as it goes.
    pub text: String,
    /// The words that name it: what is bold at its beginning, else its first words.
    pub title: String,
}

/// The item at a place of the source.
pub(super) fn item(source: &str, range: Range<usize>) -> Item {
    let written = source[range.clone()].trim_end();
    let inner = written.trim_start();
    let digits = inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mark = if digits > 0 { digits + 1 } else { 1 };
    let text = dedent(inner.get(mark..).unwrap_or_default());
    // A box to tick is not part of the text that an agent needs, but it is a word that must not get lost.
    let first = text.lines().next().unwrap_or_default();
    let name = match first.trim_start_matches("[ ] ").strip_prefix("**") {
        Some(bold) => bold.split("**").next().unwrap_or(bold).trim_end_matches([':', ' ']).to_owned(),
        None => first
            .split([':', '.', '—', '–'])
            .next()
            .unwrap_or(first)
            .split_whitespace()
            .take(6)
            .collect::<Vec<_>>()
            .join(" "),
    };
    // The number is a word of the source, and people refer to it.
    let title = if digits > 0 { format!("{} {name}", &inner[..mark]) } else { name };
    Item { range, text, title }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_inner_lists_stay() {
        let source = "x\n10. **Build it** (parallel)\n    - a\n      b\n- plain words: more\n";
        let one = item(source, 2..source.find("- plain").unwrap());
        assert_eq!((one.text.as_str(), one.title.as_str()), ("**Build it** (parallel)\n- a\n  b", "10. Build it"));
        let two = item(source, source.find("- plain").unwrap()..source.len());
        assert_eq!((two.text.as_str(), two.title.as_str()), ("plain words: more", "plain words"));
    }
}
