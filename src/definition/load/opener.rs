//! Where the frontmatter of other tools' files starts when it is not simply the line `---` at the top.
//!
//! Rules, in their order: blank lines and comments above it, the whole block indented, a code fence around it, more in
//! the line than `---`, TOML between `+++`, a heading with a fenced block right below it, no opening line at all. A
//! fenced example further down is no frontmatter. Reads lines only; knows nothing of keys but their form.

use std::ops::Range;

use crate::definition::load::known;

/// What makes an opener odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// Nothing: it is `---` at the top.
    None,
    /// Blank lines or comments above it.
    Lead,
    /// Spaces before it.
    Indented,
    /// A code fence around it.
    Fenced,
    /// More dashes.
    Dashes,
    /// A word after the dashes.
    Word,
    /// TOML.
    Toml,
    /// A heading and a code fence above it.
    Heading,
    /// It is missing.
    Missing,
}

/// An opener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    /// The opening line, without its end; empty where it is missing.
    pub line: Range<usize>,
    /// The first byte of the keys.
    pub keys: usize,
    /// Spaces before each line.
    pub indent: usize,
    /// What is odd about it.
    pub oddity: Oddity,
    /// The text of a heading above.
    pub title: Option<Range<usize>>,
    /// The line of the code fence above, with its end.
    pub fence: Option<Range<usize>>,
}

/// One line: its range without the line's end, and where the next one starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub start: usize,
    pub text: &'a str,
    pub next: usize,
}

impl Line<'_> {
    /// The range without the line's end.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// Spaces and tabs at its start.
    pub fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start_matches([' ', '\t']).len()
    }

    /// Whether nothing but space stands in it.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// The lines of a text from a byte on; places are places in the whole text.
pub(super) fn lines(text: &str, from: usize) -> impl Iterator<Item = Line<'_>> {
    let mut at = from;
    text[from..].split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        let body = line.strip_suffix('\n').unwrap_or(line);
        Line { start, text: body.strip_suffix('\r').unwrap_or(body), next: at }
    })
}

/// The opener at the top of a file. Cheap where there is none.
pub(super) fn find(text: &str) -> Option<Open> {
    let first = lines(text, 0).next()?;
    if first.text.trim_end() == "---" {
        return Some(open(first, 0, Oddity::None));
    }
    odd(text)
}

fn open(line: Line<'_>, indent: usize, oddity: Oddity) -> Open {
    Open { line: line.range(), keys: line.next, indent, oddity, title: None, fence: None }
}

fn odd(text: &str) -> Option<Open> {
    let lead = lead(text);
    let mut rest = lines(text, lead).filter(|line| !line.is_blank());
    let line = rest.next()?;
    let word = line.text.trim();
    let indent = line.indent();
    let led = |oddity| if lead > 0 { Oddity::Lead } else { oddity };
    if word == "---" {
        return Some(open(line, indent, if indent > 0 { Oddity::Indented } else { Oddity::Lead }));
    }
    if word == "+++" {
        return Some(open(line, 0, Oddity::Toml));
    }
    let second = rest.next()?;
    if let Some(after) = word.strip_prefix("---") {
        let dashes = after.bytes().all(|byte| byte == b'-');
        let lang = matches!(after.trim().to_ascii_lowercase().as_str(), "yaml" | "yml" | "json");
        let oddity = if dashes { Oddity::Dashes } else { Oddity::Word };
        let next = std::iter::once(second).chain(rest).find(|line| !line.text.trim_start().starts_with('#'))?;
        return ((dashes || lang) && (known::key_of(next.text.trim()).is_some() || next.text.trim() == "{"))
            .then(|| open(line, indent, oddity));
    }
    if is_fence(word) && second.text.trim() == "---" {
        return Some(Open { fence: Some(line.start..line.next), ..open(second, second.indent(), led(Oddity::Fenced)) });
    }
    if line.text.starts_with('#') && is_fence(second.text.trim()) {
        let third = rest.next().filter(|third| third.text.trim() == "---")?;
        let fence = Some(second.start..second.next);
        return Some(Open { title: Some(line.range()), fence, ..open(third, third.indent(), Oddity::Heading) });
    }
    let key = known::key_of(line.text).filter(|key| indent == 0 && known::is_known(key));
    key?;
    let closed = lines(text, line.next).take(400).any(|line| line.text.trim_end() == "---");
    closed.then(|| Open { line: line.start..line.start, keys: line.start, ..open(line, 0, Oddity::Missing) })
}

/// Whether a line opens a fenced block that may hold a whole file or its keys.
fn is_fence(word: &str) -> bool {
    let Some(info) = word.strip_prefix("```").or_else(|| word.strip_prefix("~~~")) else { return false };
    matches!(info.trim().to_ascii_lowercase().as_str(), "" | "yaml" | "yml" | "md" | "markdown" | "text" | "txt")
}

/// The end of the blank lines and comments at the top.
fn lead(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if let Some(line) = lines(text, at).next().filter(Line::is_blank) {
            at = line.next;
        } else if let Some(end) = rest.trim_start().strip_prefix("<!--").and_then(|inside| inside.find("-->")) {
            let start = text.len() - rest.trim_start().len();
            let end = start + 4 + end + 3;
            match lines(text, end).next() {
                Some(line) if line.is_blank() => at = line.next,
                _ => return at,
            }
        } else {
            return at;
        }
        if at >= text.len() {
            return text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity_is_seen_and_examples_are_not() {
        for (text, oddity) in [
            ("---\nname: x\n", Oddity::None),
            ("---  \r\nname: x\n", Oddity::None),
            ("\n\n---\n", Oddity::Lead),
            ("<!-- a\nb -->\n\n---\n", Oddity::Lead),
            ("\n   ---\n   name: x\n", Oddity::Indented),
            ("```yaml\n---\nname: x\n", Oddity::Fenced),
            ("-----\nname: x\n", Oddity::Dashes),
            ("---yaml\nname: x\n", Oddity::Word),
            ("+++\nname = 'x'\n", Oddity::Toml),
            ("# X\n\n```yaml\n---\nname: x\n", Oddity::Heading),
            ("name: x\n---\n", Oddity::Missing),
        ] {
            assert_eq!(find(text).map(|open| open.oddity), Some(oddity), "{text:?}");
        }
        for text in [
            "",
            "# X\n\nText\n\n```yaml\n---\nname: x\n---\n```\n",
            "-----\nA line\n",
            "---- text\nname: x\n",
            "Note: x\n---\n",
            "name: x\n\nno end\n",
            "<!-- never closed\n---\nname: x\n---\n",
            "```rust\n---\n",
        ] {
            assert_eq!(find(text), None, "{text:?}");
        }
    }
}
