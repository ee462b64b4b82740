//! Makes text of strangers safe for a terminal: agents, commands and definitions cannot move the cursor, hide text,
//! change colours or turn the writing direction.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The text without control characters and escape sequences. Line ends stay, tabs become spaces.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' => clean.push('\n'),
            '\t' => clean.push(' '),
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_parameters(&mut rest),
            // Operating system commands and their relatives in one character, up to their end.
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            _ if character.is_control() || is_invisible(character) => {}
            _ => clean.push(character),
        }
    }
    clean
}

/// The text on one line, with runs of white space as one space.
#[must_use]
pub fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Columns that clean text takes.
#[must_use]
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of clean text that fits into so many columns, with `…` where something is left out.
#[must_use]
pub(super) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut taken = String::new();
    let mut used = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        taken.push(character);
    }
    if columns > 0 {
        taken.push('…');
    }
    taken
}

/// Clean text cut into lines of at most so many columns, at spaces where there are any.
#[must_use]
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(10);
    let mut lines = Vec::new();
    for line in text.lines() {
        // What is indented, such as JSON, stays so; a deep indent leaves half of the room.
        let rest = line.trim_start_matches(' ');
        let indent = " ".repeat((line.len() - rest.len()).min(columns / 2));
        let room = columns - indent.len();
        let mut current = String::new();
        for word in rest.split(' ') {
            let mut word = word.to_owned();
            if !current.is_empty() && current.width() + 1 + word.width() > room {
                lines.push(format!("{indent}{current}"));
                current.clear();
            }
            while word.width() > room {
                let head = fit(&word, room + 1).trim_end_matches('…').to_owned();
                let head = if head.is_empty() { word.chars().take(1).collect() } else { head };
                let tail = word.split_off(head.len());
                lines.push(format!("{indent}{head}"));
                word = tail;
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(&word);
        }
        lines.push(format!("{indent}{current}"));
    }
    lines
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_escape(rest: &mut Rest<'_>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_parameters(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        Some(' '..='/') => {
            while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            rest.next_if(|c| matches!(c, '0'..='~'));
        }
        Some('0'..='~') => {
            rest.next();
        }
        Some(_) | None => {}
    }
}

/// The rest of a control sequence: parameters, then one final character.
fn skip_parameters(rest: &mut Rest<'_>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    rest.next_if(|c| matches!(c, '@'..='~'));
}

/// A string for the terminal itself ends with BEL or ST; a line end ends it as well, so that it cannot hide a report.
fn skip_string(rest: &mut Rest<'_>) {
    while let Some(character) = rest.next_if(|c| *c != '\n') {
        match character {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Characters that turn the direction of writing or take no room: one text could pass for another.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_controls_are_gone() {
        for (hostile, safe) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("a\rb\u{8}c\u{0}", "abc"),
            ("\u{9b}2Jx", "x"),
            ("\u{9d}52;c;aGk=\u{9c}y", "y"),
            ("\u{1b}c\u{1b}(0z", "z"),
            ("\u{202e}evil\u{2066}", "evil"),
            ("\u{1b}]never ended\nnext", "\nnext"),
            ("\u{1b}", ""),
            ("tab\tbed", "tab bed"),
        ] {
            assert_eq!(clean(hostile), safe, "{hostile:?}");
        }
    }

    #[test]
    fn fitting_counts_columns() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn wrapping_keeps_every_character() {
        let text = "one two threefourfivesixseven eight";
        let lines = wrap(text, 12);
        assert!(lines.iter().all(|line| width(line) <= 12), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        assert_eq!(wrap("{\n  \"a\": one two", 10), ["{", "  \"a\": one", "  two"].map(str::to_owned));
    }

    proptest::proptest! {
        #[test]
        fn nothing_clean_steers_a_terminal(text in "(\\PC|[\u{0}-\u{1f}\u{7f}-\u{9f}]|\u{1b}\\[|\u{1b}\\]){0,60}") {
            let safe = clean(&text);
            proptest::prop_assert!(safe.chars().all(|c| c == '\n' || !c.is_control()), "{safe:?}");
            proptest::prop_assert_eq!(clean(&safe), safe);
        }
    }
}
