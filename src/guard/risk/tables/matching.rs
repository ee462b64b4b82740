//! Whether a row is about a command.

use super::row::RuleRow;
use crate::guard::risk::{expand::UNKNOWN, programs::value_flags};

/// A command as the rows see it.
pub(in crate::guard::risk) struct Asked<'a> {
    pub program: &'a str,
    pub args: &'a [String],
    pub words: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    pub fn new(program: &'a str, args: &'a [String]) -> Self {
        Self { program, args, words: positionals(program, args) }
    }

    /// Whether the row is about this command.
    pub fn fits(&self, row: &RuleRow) -> bool {
        row.programs.contains(&self.program)
            && words_fit(row.words, &self.words)
            && (row.flags.is_empty() || row.flags.iter().any(|flag| self.has(flag)))
    }

    /// Whether a flag is there: `-f` also inside `-rf`, `--force` also as `--force=yes`, anything with `*` as a pattern.
    pub fn has(&self, flag: &str) -> bool {
        self.args.iter().any(|arg| {
            if flag == "--" {
                return arg == flag;
            }
            if flag.contains('*') {
                return glob(flag, arg);
            }
            if let Some(letter) = flag.strip_prefix('-').filter(|rest| rest.chars().count() == 1) {
                return arg.starts_with('-') && !arg.starts_with("--") && arg[1..].contains(letter);
            }
            arg == flag || arg.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))
        })
    }

    /// Whether nobody knows what the program is told to do.
    pub fn is_unknown(&self) -> bool {
        self.words.first().is_some_and(|word| word.starts_with(UNKNOWN))
    }
}

/// The words behind a program that are no flags and no values of its own flags.
pub(in crate::guard::risk) fn positionals<'a>(program: &str, args: &'a [String]) -> Vec<&'a str> {
    let takes = value_flags(program);
    let mut words = Vec::new();
    let mut skips = false;
    for arg in args {
        if std::mem::take(&mut skips) {
            continue;
        }
        if arg.starts_with('-') && arg.len() > 1 {
            // Behind the first word the same letters mean other things.
            skips = words.is_empty() && takes.contains(&arg.as_str());
            continue;
        }
        if program == "cargo" && arg.starts_with('+') {
            continue;
        }
        words.push(arg.as_str());
    }
    words
}

fn words_fit(pattern: &[&str], words: &[&str]) -> bool {
    match (pattern, words) {
        ([], _) => true,
        (["**", rest @ ..], words) => (0..=words.len()).any(|from| words_fit(rest, &words[from..])),
        ([first, rest @ ..], [word, more @ ..]) => {
            first.split('|').any(|one| glob(one, &word.to_lowercase())) && words_fit(rest, more)
        }
        ([_, ..], []) => false,
    }
}

/// A pattern with `*`.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(before) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_words() {
        assert!(glob("delete-*", "delete-bucket") && !glob("delete-*", "undelete") && glob("*:drop*", "db:drop:all"));
        assert!(glob("a", "a") && !glob("a", "ab") && glob("*", ""));
        let args: Vec<String> = ["-C", "dir", "push", "-f"].map(String::from).into();
        assert_eq!(positionals("git", &args), ["push"]);
        assert!(words_fit(&["**", "drop"], &["a", "b", "drop"]) && !words_fit(&["a", "drop"], &["a"]));
    }
}
