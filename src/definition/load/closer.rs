//! Where the frontmatter ends: the first line that is `---`, or what its author took for one.
//!
//! Reads lines only. Whether the text above an end is YAML is asked of the caller, so that an end is taken further up
//! only where that gives keys.

use std::ops::Range;

use crate::definition::load::{
    known,
    opener::{Line, Oddity, Open, lines},
};

/// How the end was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// A line that is exactly `---`.
    Exact,
    /// A line that starts with `---` and goes on.
    Longer,
    /// A line `...`.
    Dots,
    /// `---` with spaces before it.
    Indented,
    /// No line: the text below a heading or a blank line is no YAML.
    Missing,
}

/// An end of the frontmatter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    /// How it was found.
    pub how: How,
    /// The closing line without its end; empty where there is none.
    pub line: Range<usize>,
    /// The first byte of the body.
    pub body: usize,
}

/// Ends in the order in which they are tried. There may be none.
pub(super) fn find(text: &str, open: &Open) -> Option<Close> {
    let marker = if open.oddity == Oddity::Toml { "+++" } else { "---" };
    let (mut longer, mut dots, mut indented) = (None, None, None);
    for line in lines(text, open.keys) {
        let Some(first) = line.text.as_bytes().first() else { continue };
        // Most lines are told apart by their first byte.
        if !matches!(first, b'-' | b'+' | b'.' | b' ' | b'\t' | b'`' | b'~') {
            continue;
        }
        let word = dedent(line.text, open.indent);
        if word.trim_end() == marker {
            if let Some(longer) = longer.filter(|longer| !keys_between(text, longer, line.start)) {
                return Some(end_longer(longer));
            }
            return Some(Close { how: How::Exact, line: line.range(), body: line.next });
        }
        if open.fence.is_some() && word.starts_with("```") {
            break;
        }
        if word.starts_with("---") {
            longer.get_or_insert(line);
        } else if word.trim_end() == "..." {
            dots.get_or_insert(line);
        } else if word.trim() == marker {
            indented.get_or_insert(line);
        }
    }
    let other = |how| move |line: Line<'_>| Close { how, line: line.range(), body: line.next };
    longer.map(end_longer).or(dots.map(other(How::Dots))).or(indented.map(other(How::Indented)))
}

/// The end of a block that no line closes: above the line that closes the code fence around it, else the text's end.
pub(super) fn missing(text: &str, open: &Open) -> Close {
    let closes = |line: &Line<'_>| open.fence.is_some() && dedent(line.text, open.indent).starts_with("```");
    let at = lines(text, open.keys).find(closes).map_or(text.len(), |line| line.start);
    Close { how: How::Missing, line: at..at, body: at }
}

/// A line without the spaces that all lines of its block have.
pub(super) fn dedent(line: &str, indent: usize) -> &str {
    let spaces = line.len() - line.trim_start_matches([' ', '\t']).len();
    &line[spaces.min(indent)..]
}

/// Whether keys go on below a line of dashes, so that it only separates them.
fn keys_between(text: &str, longer: &Line<'_>, end: usize) -> bool {
    let next = lines(text, longer.next).find(|line| !line.is_blank());
    next.is_some_and(|line| line.start < end && known::key_of(line.text).is_some_and(known::is_known))
}

fn end_longer(line: Line<'_>) -> Close {
    let dashes = line.text.len() - line.text.trim_start_matches([' ', '-']).len();
    // More dashes are still the end; other text belongs to the body.
    let body = if dashes == line.text.trim_end().len() {
        line.next
    } else {
        let after = line.text.find("---").map_or(0, |dashes| dashes + 3);
        line.start + after
    };
    Close { how: How::Longer, line: line.range(), body }
}

/// Whether prose stands below a heading that could be a comment of YAML, so that the keys are probably not closed.
pub(super) fn has_prose(block: &str) -> bool {
    if !(block.contains("\n\n#") || block.contains("\r\n\r\n#")) {
        return false;
    }
    let mut below = lines(block, 0).skip_while(|line| !line.is_blank()).skip_while(|line| !line.text.starts_with('#'));
    below.any(|line| {
        let first = line.text.chars().next().unwrap_or(' ');
        !" \t#-]}\"'".contains(first) && known::key_of(line.text).is_none()
    })
}

/// Ends further up, for a block that is not YAML down to `end`: an indented `---`, `...`, a heading below a blank line, or a
/// line below a blank line that is no key. `good` says whether the text down to a byte gives keys.
///
/// In a block that has an end (`closed`) only lines with no known key below them count, as prose may stand between keys.
pub(super) fn earlier(
    text: &str,
    open: &Open,
    end: usize,
    closed: bool,
    good: impl Fn(usize) -> bool,
) -> Option<Close> {
    let is_key = |line: &Line<'_>| known::key_of(dedent(line.text, open.indent)).is_some_and(known::is_known);
    let last_key = if closed {
        lines(text, open.keys).take_while(|line| line.start < end).filter(is_key).last().map_or(0, |line| line.start)
    } else {
        0
    };
    let mut blank = false;
    let mut tried = 0;
    for line in lines(text, open.keys).take_while(|line| line.start < end) {
        let word = line.text.trim();
        let other = match word {
            "" => {
                blank = true;
                continue;
            }
            "..." => Some(How::Dots),
            "---" if line.indent() > open.indent => Some(How::Indented),
            _ if !blank => None,
            _ if word.starts_with('#') => Some(How::Missing),
            _ if !closed && line.indent() <= open.indent && known::key_of(word).is_none() => Some(How::Missing),
            _ => None,
        };
        blank = false;
        let Some(how) = other.filter(|_| line.start > last_key) else { continue };
        tried += 1;
        if good(line.start) {
            let none = how == How::Missing;
            let (line, body) = if none { (line.start..line.start, line.start) } else { (line.range(), line.next) };
            return Some(Close { how, line, body });
        }
        // A block that gives no keys above its first few ends gives none above later ones.
        if tried >= 4 {
            return None;
        }
    }
    None
}
