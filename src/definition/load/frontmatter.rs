//! Second stage of Markdown files: the opener and the closer of the frontmatter.
//!
//! Well-formed frontmatter is found by `gray_matter`, with an engine that parses nothing (the crate's own YAML engine
//! has no limits and no places). Where it finds none, the rules that repair other tools' files belong here.

use std::ops::Range;

use gray_matter::{Matter, ParsedEntity, Pod, engine::Engine};

/// Hands the text through; the one hardened YAML parser reads it later.
struct Raw;

impl Engine for Raw {
    fn parse(content: &str) -> gray_matter::Result<Pod> {
        Ok(Pod::String(content.to_owned()))
    }
}

/// The parts of a Markdown file, as byte ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Split {
    /// Frontmatter and body.
    Found {
        /// Between the two `---` lines.
        yaml: Range<usize>,
        /// After the second.
        body: Range<usize>,
    },
    /// All is body.
    None,
    /// It starts with `---` and has no second `---` line.
    Unclosed,
}

/// Splits a Markdown file.
pub(super) fn split(text: &str) -> Split {
    let mut lines = text.split_inclusive('\n');
    let Some(opener) = lines.next().filter(|line| line.trim_end() == "---" && line.ends_with('\n')) else {
        return Split::None;
    };
    let start = opener.len();
    let mut at = start;
    for line in lines {
        if line.trim_end() == "---" {
            let split = Split::Found { yaml: start..at, body: at + line.len()..text.len() };
            return if agrees(&text[..at + line.len()], &text[start..at]) { split } else { Split::None };
        }
        at += line.len();
    }
    Split::Unclosed
}

/// Whether `gray_matter` sees the same frontmatter. It cannot tell an empty one from none.
fn agrees(head: &str, yaml: &str) -> bool {
    let parsed: gray_matter::Result<ParsedEntity<String>> = Matter::<Raw>::new().parse(head);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    parsed.is_ok_and(|parsed| yaml.trim().is_empty() || words(&parsed.matter) == words(yaml))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_places_in_the_file() {
        for (text, yaml, body) in [
            ("---\nname: x\n---\nBody\n", "name: x\n", "Body\n"),
            ("---\r\nname: é\r\n---\r\n\r\nBody", "name: é\r\n", "\r\nBody"),
            ("---\n---\n", "", ""),
            ("---  \nd: |\n  a\n  --- b\n---\n---\nx", "d: |\n  a\n  --- b\n", "---\nx"),
        ] {
            match split(text) {
                Split::Found { yaml: found, body: rest } => assert_eq!((&text[found], &text[rest]), (yaml, body)),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        for text in ["", "---", "# x\n---\na: b\n---\n", "----\na: b\n----\n", " ---\na: b\n---\n"] {
            assert_eq!(split(text), Split::None, "{text:?}");
        }
        assert_eq!(split("---\nname: x\n"), Split::Unclosed);
    }
}
