//! Text from definitions, made harmless for each format.

pub(super) use crate::base::visible;

/// How many columns a character takes on a terminal: 2 for East Asian wide characters and emoji, else 1.
fn columns(c: char) -> usize {
    let wide = matches!(u32::from(c),
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60
        | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd);
    if wide { 2 } else { 1 }
}

/// The first line that says something, made visible.
pub(super) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let more = text.trim().lines().count() > 1;
    let shown = visible(line);
    if more { format!("{shown} …") } else { shown }
}

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The text cut to so many columns, with `…` where something is missing.
pub(super) fn clip(text: &str, columns_max: usize) -> String {
    if width(text) <= columns_max {
        return text.to_owned();
    }
    let mut left = columns_max.saturating_sub(1);
    let mut cut = String::new();
    for c in text.chars() {
        match left.checked_sub(columns(c)) {
            Some(rest) => left = rest,
            None => break,
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// For text and attributes of XML. Characters that XML 1.0 has no form for are gone already: see [`visible`].
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// For a quoted string of DOT; `\` is doubled, so that `\N`, `\G` and the like stay as written.
pub(super) fn dot(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// For a quoted label of Mermaid: everything that could mean something becomes its number.
pub(super) fn mermaid(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | ',' | ':' | '/' | '(' | ')' | '=' | '+' | '…') {
            escaped.push(c);
        } else {
            escaped.push_str(&format!("#{};", u32::from(c)));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_dangerous_is_sent() {
        let hostile = "a\u{1b}[31mred\r\n\u{202e}x</text><script>\"]; end \\N %%{init}%%";
        let shown = visible(hostile);
        assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{shown}");
        assert!(!xml(&shown).contains("</text>"));
        assert_eq!(dot("\\N\""), "\\\\N\\\"");
        assert!(!mermaid(&shown).contains(['"', ']', '%', '<', '{', '`', '\\']), "{}", mermaid(&shown));
        assert_eq!(mermaid("a;b"), "a#59;b");
    }

    #[test]
    fn cut_texts_fit() {
        for (text, columns) in [("abc", 2), ("日本語", 4), ("日本語", 5), ("", 0), ("x", 1)] {
            assert!(width(&clip(text, columns)) <= columns.max(1), "{text}");
        }
        assert_eq!(clip("abcdef", 4), "abc…");
    }
}
