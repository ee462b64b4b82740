//! Text from outside, made harmless for terminals. People decide by what they read here, so nothing with a meaning is
//! left out: what a terminal would obey, and what nobody would see, is shown as what it is.

use std::borrow::Cow;

/// One line: control characters as pictures, and characters that reorder or hide text as their numbers.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| show(c, &mut shown));
    shown
}

/// Several lines: line ends stay, tabs become spaces, colours are left out, and the rest is [`visible`].
#[must_use]
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = after_colour(rest) {
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\r' if rest.starts_with('\n') => {}
            // A line that shows progress overwrites itself; each state becomes a line.
            '\r' | '\n' => shown.push('\n'),
            '\t' => shown.push(' '),
            _ => show(c, &mut shown),
        }
    }
    shown
}

/// A text with our own colours: what only colours stays, and so do line ends and tabs; the rest is [`visible`]. The last
/// net before a terminal, below the places that know which of their words come from outside.
#[must_use]
pub fn coloured(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !steers(c) || matches!(c, '\n' | '\t');
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = after_colour(rest).filter(|after| rest[..rest.len() - after.len()].ends_with('m'));
        let next = after.unwrap_or(&rest[c.len_utf8()..]);
        match c {
            _ if after.is_some() => shown.push_str(&rest[..rest.len() - next.len()]),
            '\n' | '\t' => shown.push(c),
            '\r' if next.starts_with('\n') => {}
            _ => show(c, &mut shown),
        }
        rest = next;
    }
    Cow::Owned(shown)
}

/// Whether a character is shown as something else.
fn steers(c: char) -> bool {
    let mut shown = String::new();
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    show(c, &mut shown);
    !shown.starts_with(c)
}

fn show(c: char, shown: &mut String) {
    match u32::from(c) {
        code @ 0..=0x1f => shown.push(char::from_u32(0x2400 + code).unwrap_or('?')),
        0x7f => shown.push('\u{2421}'),
        code @ (0x80..=0x9f
        | 0xad
        | 0x61c
        | 0x180e
        | 0x200b..=0x200f
        | 0x2028..=0x202e
        | 0x2060..=0x206f
        | 0xfeff
        | 0xfff9..=0xfffb
        | 0xe0000..=0xe007f) => shown.push_str(&format!("<U+{code:04X}>")),
        _ => shown.push(c),
    }
}

/// What follows a sequence that only colours or moves the cursor: `ESC [`, numbers and a letter. Longer sequences could
/// hold a command.
fn after_colour(text: &str) -> Option<&str> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let letter = numbers.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ';' | '?'));
    letter.strip_prefix(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_and_nothing_hides() {
        for (hostile, lines) in [
            ("\u{1b}[31mred\u{1b}[0;1m \u{1b}[2K\u{1b}[?25lbold", "red bold"),
            ("\u{1b}]0;rm -rf ~\u{7}text", "␛]0;rm -rf ~␇text"),
            ("\u{9d}rm -rf ~\u{9c}y", "<U+009D>rm -rf ~<U+009C>y"),
            ("\u{1b}[rm -rf ~", "m -rf ~"),
            ("\u{1b}[1>x; rm", "␛[1>x; rm"),
            ("a\u{8}c\u{0}", "a␈c␀"),
            ("\u{202e}evil\u{2066}\u{ad}", "<U+202E>evil<U+2066><U+00AD>"),
            ("10%\r20%\r\nnext", "10%\n20%\nnext"),
            ("tab\tbed\u{1b}", "tab bed␛"),
        ] {
            assert_eq!(clean(hostile), lines, "{hostile:?}");
        }
        assert_eq!(visible("a\u{1b}[31m\t\r\n"), "a␛[31m␉␍␊");
    }

    #[test]
    fn colours_of_our_own_stay_and_nothing_else() {
        let own = "\u{1b}[1m\u{1b}[31mred\u{1b}[0m\ttab\nline\n";
        assert!(matches!(coloured("plain\ttext\n"), Cow::Borrowed(_)));
        assert_eq!(coloured(own), own);
        assert_eq!(coloured("a\u{1b}[2Kb\u{1b}]0;t\u{7}c\u{202e}d\r\ne\r"), "a␛[2Kb␛]0;t␇c<U+202E>d\ne␍");
    }

    proptest::proptest! {
        #[test]
        fn nothing_coloured_does_more_than_colour(text in "(\\PC|[\u{0}-\u{1f}\u{7f}-\u{9f}]|\u{1b}\\[|\u{1b}\\[1m|\u{1b}\\]]){0,60}") {
            let safe = coloured(&text).into_owned();
            proptest::prop_assert!(safe.chars().all(|c| matches!(c, '\n' | '\t' | '\u{1b}') || !steers(c)), "{safe:?}");
            for part in safe.split('\u{1b}').skip(1) {
                let end = part.find(|c: char| !c.is_ascii_digit() && !matches!(c, '[' | ';' | '?'));
                proptest::prop_assert!(end.is_some_and(|at| part[at..].starts_with('m')), "{safe:?}");
            }
            proptest::prop_assert_eq!(coloured(&safe).into_owned(), safe);
        }

        #[test]
        fn nothing_clean_steers_a_terminal(text in "(\\PC|[\u{0}-\u{1f}\u{7f}-\u{9f}]|\u{1b}\\[|\u{1b}\\]){0,60}") {
            let safe = clean(&text);
            proptest::prop_assert!(safe.chars().all(|c| c == '\n' || !c.is_control()), "{safe:?}");
            proptest::prop_assert_eq!(clean(&safe), safe);
            proptest::prop_assert!(visible(&text).chars().all(|c| !c.is_control()));
        }
    }
}
