//! Text of strangers on one line, and cut to the room that there is. `base::clean` has made it harmless before.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub use crate::base::clean;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
