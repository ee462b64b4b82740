//! Placeholders of other tools that an imported text keeps as they are: single words of the arguments, commands whose
//! output is put in, files. Nobody fills them in a workflow, so each one is marked.
//!
//! Knows nothing of phases: the marks belong to the whole file.

use crate::{
    base::{CodeKind, code_parts},
    definition::import::{draft::Draft, reader::Lines, text::excerpt},
};

/// Placeholders of one file with a mark of their own; the others are counted in one more.
const MARKS_MAX: usize = 20;

/// What the home tool does with a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `$1`, `$ARGUMENTS[1]`.
    Word,
    /// `` !`command` ``, `!{command}` and a fence that begins with `!`.
    Shell,
    /// `@path/of.file`, `@{path}`.
    File,
    /// `{{args}}`, `${input:name}`.
    Input,
}

/// One placeholder as it is written, and its place.
#[derive(Debug, PartialEq, Eq)]
struct Found<'a> {
    kind: Kind,
    text: &'a str,
    at: usize,
}

/// Marks every placeholder of the text from `start` on that stays text.
pub(super) fn mark(draft: &mut Draft, text: &str, start: usize, lines: &Lines) {
    let mut all: Vec<(Found<'_>, usize)> = Vec::new();
    let mut left = None;
    for found in placeholders(&text[start..]) {
        match all.iter().position(|(other, _)| other.text == found.text) {
            Some(place) => all[place].1 += 1,
            None if all.len() < MARKS_MAX => all.push((found, 1)),
            None => {
                let (_, count) = left.get_or_insert((found.at, 0));
                *count += 1;
            }
        }
    }
    for (found, count) in all {
        let (does, edit) = found.kind.words();
        let often = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let what = format!("`{}`{often}: the home tool {does}", excerpt(found.text).replace('`', "'"));
        draft.head(lines.line(start + found.at), what, "it stays text, nobody fills it", edit);
    }
    if let Some((at, count)) = left {
        let what = format!("{count} more placeholders of the home tool");
        let edit = "look for `$1`, `!` before backticks and `@` before paths";
        draft.head(lines.line(start + at), what, "they stay text, nobody fills them", edit);
    }
}

impl Kind {
    /// What the home tool does, and what to edit.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Word => (
                "puts one word of the arguments there",
                "declare an input for it under `inputs:` and write `{{ inputs.NAME }}`",
            ),
            Self::Shell => (
                "runs this command and puts its output there",
                "write a `run:` step before this one, and `{{ STEP.stdout }}` here; or let the agent run it",
            ),
            Self::File => {
                ("puts the file's text there", "let the agent read the file (it has the path), or write `prompt_file:`")
            }
            Self::Input => {
                ("puts what the user types there", "write `{{ inputs.NAME }}` and declare it under `inputs:`")
            }
        }
    }
}

/// All placeholders, by place. Those that are shown in code as examples of commands and files do not count; `$1` counts
/// there as well, because the home tool fills it everywhere.
fn placeholders(text: &str) -> Vec<Found<'_>> {
    let parts = code_parts(text);
    let mut found = Vec::new();
    let mut next = 0;
    let mut skip = 0;
    for (at, letter) in text.char_indices().filter(|(_, letter)| matches!(letter, '$' | '!' | '@' | '{' | '`')) {
        while parts.get(next).is_some_and(|part| part.whole.end <= at) {
            next += 1;
        }
        let part = parts.get(next).filter(|part| part.whole.start <= at);
        if at < skip {
            continue;
        }
        let one = match part {
            Some(part) if part.kind == CodeKind::Command && part.whole.start == at => {
                Some((Kind::Shell, part.whole.len()))
            }
            Some(_) => word(text, at),
            None if letter == '`' => None,
            None => word(text, at).or_else(|| other(text, at)),
        };
        if let Some((kind, length)) = one {
            skip = at + length;
            found.push(Found { kind, text: &text[at..at + length], at });
        }
    }
    found
}

/// `$1` and `$ARGUMENTS[1]`; not `$100`, `$1st` or `\$1`.
fn word(text: &str, at: usize) -> Option<(Kind, usize)> {
    let rest = text[at..].strip_prefix('$').filter(|_| !text[..at].ends_with(['\\', '$']))?;
    let digits = |text: &str| text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    if let Some(inner) = rest.strip_prefix("ARGUMENTS[") {
        let count = digits(inner);
        return (count > 0 && inner[count..].starts_with(']')).then_some((Kind::Word, "$ARGUMENTS[]".len() + count));
    }
    let count = digits(rest);
    let is_longer = rest[count..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
    ((1..=2).contains(&count) && !is_longer).then_some((Kind::Word, 1 + count))
}

fn other(text: &str, at: usize) -> Option<(Kind, usize)> {
    let rest = &text[at..];
    let is_free =
        text[..at].chars().next_back().is_none_or(|before| before.is_whitespace() || "(\"'*".contains(before));
    let closed = |open: &str, close: char, kind: Kind| {
        let inner = rest.strip_prefix(open)?;
        let end = inner.find(close).filter(|end| !inner[..*end].contains('\n') && !inner[..*end].trim().is_empty())?;
        Some((kind, open.len() + end + close.len_utf8()))
    };
    if rest.starts_with("!`") {
        return closed("!`", '`', Kind::Shell).filter(|_| is_free);
    }
    if let Some(inner) = rest.strip_prefix("{{") {
        let after = inner.trim_start().strip_prefix("args")?.trim_start().strip_prefix("}}")?;
        return Some((Kind::Input, rest.len() - after.len()));
    }
    closed("!{", '}', Kind::Shell)
        .or_else(|| closed("@{", '}', Kind::File))
        .or_else(|| closed("${input:", '}', Kind::Input))
        .or_else(|| path(rest).filter(|_| is_free).map(|length| (Kind::File, length)))
}

/// `@docs/guide.md`, `@./x`: a path behind the sign, which has an ending or says that it is one.
fn path(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('@')?;
    let end =
        inner.find(|letter: char| !(letter.is_alphanumeric() || "_-./~$".contains(letter))).unwrap_or(inner.len());
    let word = inner[..end].trim_end_matches('.');
    let ending = word.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let has_ending = ending.is_some_and(|ending| {
        (1..=8).contains(&ending.len()) && ending.chars().all(|letter| letter.is_ascii_alphanumeric())
    });
    let is_path = has_ending || ["./", "../", "~/", "/", "$"].iter().any(|start| word.starts_with(start));
    (is_path && word.len() > 1).then_some(1 + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        placeholders(text).into_iter().map(|found| found.text).collect()
    }

    #[test]
    fn what_the_home_tool_would_fill_is_found() {
        assert_eq!(found("Fix $1 and $ARGUMENTS[2], $ARGUMENTS."), ["$1", "$ARGUMENTS[2]"]);
        assert_eq!(found("- Status: !`git status --short`"), ["!`git status --short`"]);
        assert_eq!(found("See @docs/guide.md, @./x and (@src/a.rs)."), ["@docs/guide.md", "@./x", "@src/a.rs"]);
        assert_eq!(found("Gemini {{args}} !{ls} @{a/b} ${input:x}"), ["{{args}}", "!{ls}", "@{a/b}", "${input:x}"]);
        assert_eq!(found("```!\ngit log\n```\nx"), ["```!\ngit log\n```"]);
        assert_eq!(found("```sh\nawk '{ print $2 }'\n```"), ["$2"]);
    }

    #[test]
    fn what_it_would_leave_alone_is_not() {
        let plain = "$100 $1st \\$1 $$1 $HOME me@site.org @agent-x @Component @scope/pkg `@a.md` `` !`x` `` x!`y`";
        assert_eq!(found(plain), Vec::<&str>::new());
        assert_eq!(found("```\n!`rm x` @a.md\n```"), Vec::<&str>::new());
    }
}
