//! Cuts prose at the placeholders of its tool. Knows nothing of templates, steps or shells.

use std::ops::Range;

use crate::{
    base::{CodeKind, CodePart, code_parts},
    definition::{Arguments, Base, Style},
};

/// A command in a text is at most so long; what is longer stays text.
const COMMAND_BYTES_MAX: usize = 8_192;

/// A part of the prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// As it is.
    Text(String),
    /// All words after the command.
    All,
    /// One of them, counted from 0, and the placeholder as it was written.
    Word(usize, String),
    /// That one and all behind it.
    Rest(usize),
    /// A word with a name, by its place.
    Named(usize),
    /// `${CLAUDE_…}`, by the name between the braces.
    Variable(String),
    /// `${input:name:hint}` and the like: the name and the hint.
    Input(String, String),
    /// `@{path}`.
    File(String),
    /// A command whose output stands here.
    Shell(Vec<Token>),
}

/// A token and its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: Range<usize>,
    /// The code around it, if it stands in code.
    pub(super) code: Option<Range<usize>>,
}

/// How a text is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutter<'a> {
    pub(super) arguments: &'a Arguments,
    /// The names that `${…}` gives here.
    pub(super) variables: &'a [&'a str],
}

impl Cutter<'_> {
    /// All tokens of a text, in order.
    pub(super) fn cut(self, text: &str) -> Vec<Placed> {
        let parts = code_parts(text);
        let mut tokens = Vec::new();
        let mut next_part = 0;
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            while parts.get(next_part).is_some_and(|part| part.whole.end <= at) {
                next_part += 1;
            }
            let part = parts.get(next_part).filter(|part| part.whole.start <= at);
            let found = self.injection(text, at, part).or_else(|| self.placeholder(&text[at..]));
            match found {
                Some((token, length)) if length > 0 => {
                    push_text(text, start..at, &mut tokens);
                    tokens.push(Placed { token, at: at..at + length, code: part.map(|part| part.whole.clone()) });
                    at += length;
                    start = at;
                }
                Some(_) | None => at += text[at..].chars().next().map_or(1, char::len_utf8),
            }
        }
        push_text(text, start..at, &mut tokens);
        if self.arguments.style == Style::OpenCode {
            last_takes_the_rest(&mut tokens);
        }
        tokens
    }

    /// The tokens of a command; commands do not stand inside commands.
    fn command(self, text: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            match self.placeholder(&text[at..]) {
                Some((token, length)) => {
                    tokens.extend((start < at).then(|| Token::Text(text[start..at].to_owned())));
                    tokens.push(token);
                    at += length;
                    start = at;
                }
                None => at += text[at..].chars().next().map_or(1, char::len_utf8),
            }
        }
        tokens.extend((start < at).then(|| Token::Text(text[start..].to_owned())));
        tokens
    }

    /// A command whose output stands here, as each tool writes it.
    fn injection(self, text: &str, at: usize, part: Option<&CodePart>) -> Option<(Token, usize)> {
        let rest = &text[at..];
        match self.arguments.style {
            Style::Claude => {
                if let Some(part) = part.filter(|part| part.kind == CodeKind::Command && part.whole.start == at) {
                    let command = text[part.inner.clone()].trim();
                    let runs = !command.is_empty() && command.len() <= COMMAND_BYTES_MAX;
                    return runs.then(|| (Token::Shell(self.command(command)), part.whole.len()));
                }
                // The backticks of the command itself are a span; what stands in a longer span or a fence is shown.
                let free = part.is_none() && (at == 0 || text[..at].ends_with(char::is_whitespace));
                let command = rest.strip_prefix("!`").filter(|_| free)?;
                self.ticked(command)
            }
            Style::OpenCode => self.ticked(rest.strip_prefix("!`")?),
            Style::Gemini => {
                let inner = balanced(rest.strip_prefix("!{")?)?;
                let command = inner.trim();
                (!command.is_empty()).then(|| (Token::Shell(self.command(command)), inner.len() + 3))
            }
            Style::Codex | Style::Copilot => None,
        }
    }

    fn ticked(self, rest: &str) -> Option<(Token, usize)> {
        let end = rest.find('`').filter(|end| *end <= COMMAND_BYTES_MAX)?;
        let command = rest[..end].trim();
        (!command.is_empty()).then(|| (Token::Shell(self.command(command)), end + 3))
    }

    /// The placeholder at the beginning of a text, and its length.
    fn placeholder(self, text: &str) -> Option<(Token, usize)> {
        match self.arguments.style {
            Style::Claude => self.claude(text),
            Style::Codex => match text.strip_prefix("$$") {
                Some(_) => Some((Token::Text("$".to_owned()), 2)),
                None => self.dollar(text, 1),
            },
            Style::OpenCode => self.dollar(text, 2),
            Style::Gemini => {
                if let Some(rest) = text.strip_prefix("{{") {
                    let inner = rest.trim_start();
                    let after = inner.strip_prefix("args")?.trim_start().strip_prefix("}}")?;
                    return Some((Token::All, text.len() - after.len()));
                }
                let inner = balanced(text.strip_prefix("@{")?)?;
                let path = inner.trim();
                (!path.is_empty()).then(|| (Token::File(path.to_owned()), inner.len() + 3))
            }
            Style::Copilot => copilot(text),
        }
    }

    fn claude(self, text: &str) -> Option<(Token, usize)> {
        if let Some(escaped) = text.strip_prefix('\\') {
            // Only what would be a placeholder needs the backslash; every other one is the author's.
            let (_, length) = self.claude(escaped).filter(|_| escaped.starts_with('$'))?;
            return Some((Token::Text(escaped[..length].to_owned()), length + 1));
        }
        if let Some(rest) = text.strip_prefix("${") {
            let name = &rest[..brace(rest, 100)?];
            let known = self.variables.contains(&name);
            return known.then(|| (Token::Variable(name.to_owned()), name.len() + 3));
        }
        let rest = text.strip_prefix('$')?;
        for (place, name) in self.arguments.named.iter().enumerate() {
            if let Some(after) = rest.strip_prefix(name.as_str())
                && !name.is_empty()
                && !after.starts_with(|next: char| next == '[' || is_word(next))
            {
                return Some((Token::Named(place), 1 + name.len()));
            }
        }
        if let Some(inner) = rest.strip_prefix("ARGUMENTS[") {
            let (number, digits) = number(inner)?;
            // `$ARGUMENTS[0]` is the first word, whatever the file says of `$1`.
            return inner[digits..].starts_with(']').then(|| {
                (
                    self.word(number, &text[..text.len() - inner.len() + digits + 1]),
                    text.len() - inner.len() + digits + 1,
                )
            });
        }
        self.dollar(text, 2)
    }

    /// `$ARGUMENTS` and `$N`, where numbers have at most so many digits.
    fn dollar(self, text: &str, digits_max: usize) -> Option<(Token, usize)> {
        let rest = text.strip_prefix('$')?;
        if let Some(after) = rest.strip_prefix("ARGUMENTS") {
            return (!after.starts_with(is_word)).then_some((Token::All, 1 + "ARGUMENTS".len()));
        }
        let (number, digits) = number(rest).filter(|(_, digits)| *digits <= digits_max)?;
        let longer = rest[digits..].starts_with(is_word) && self.arguments.style == Style::Claude;
        let impossible = number == 0 && self.arguments.base == Base::One;
        (!longer && !impossible).then(|| (self.word(number, &text[..=digits]), 1 + digits))
    }

    fn word(self, number: usize, written: &str) -> Token {
        let place = match self.arguments.base {
            Base::Zero => number,
            Base::One => number.saturating_sub(1),
        };
        Token::Word(place, written.to_owned())
    }
}

fn push_text(text: &str, range: Range<usize>, tokens: &mut Vec<Placed>) {
    if !range.is_empty() {
        tokens.push(Placed { token: Token::Text(text[range.clone()].to_owned()), at: range, code: None });
    }
}

/// In opencode the highest number stands for its word and for all that follow.
fn last_takes_the_rest(tokens: &mut [Placed]) {
    fn each(tokens: &mut [Placed], act: &mut impl FnMut(&mut Token)) {
        for placed in tokens {
            match &mut placed.token {
                Token::Shell(inner) => inner.iter_mut().for_each(&mut *act),
                token => act(token),
            }
        }
    }
    let mut highest = None;
    each(tokens, &mut |token| {
        if let Token::Word(place, _) = token {
            highest = highest.max(Some(*place));
        }
    });
    each(tokens, &mut |token| {
        if let Token::Word(place, _) = token
            && Some(*place) == highest
        {
            *token = Token::Rest(*place);
        }
    });
}

/// `${input:name}`, `${input:name:hint}`, and what an editor knows: the selection and the file.
fn copilot(text: &str) -> Option<(Token, usize)> {
    let rest = text.strip_prefix("${")?;
    let end = brace(rest, 1_000)?;
    let inner = &rest[..end];
    let (name, hint) = match inner.strip_prefix("input:") {
        Some(named) => named.split_once(':').unwrap_or((named, "")),
        None if matches!(inner, "selection" | "selectedText") => ("selection", "the selected text"),
        None if inner == "file" => ("file", "the path of a file"),
        None => return None,
    };
    let name = input_name(name)?;
    Some((Token::Input(name, hint.trim().to_owned()), end + 3))
}

/// A name as inputs have it: `[a-z][a-z0-9_]*`.
fn input_name(name: &str) -> Option<String> {
    let mut made = String::new();
    for letter in name.trim().chars().take(60) {
        if letter.is_ascii_uppercase() && made.ends_with(|before: char| before.is_ascii_lowercase()) {
            made.push('_');
        }
        made.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    let made = made.trim_matches('_');
    made.starts_with(|first: char| first.is_ascii_lowercase()).then(|| made.to_owned())
}

/// The first closing brace, if it is near.
fn brace(text: &str, near: usize) -> Option<usize> {
    text.bytes().take(near).position(|byte| byte == b'}')
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn number(text: &str) -> Option<(usize, usize)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=2).contains(&digits).then(|| text[..digits].parse().ok().map(|number| (number, digits))).flatten()
}

/// The text up to the brace that closes one which is already open.
fn balanced(text: &str) -> Option<&str> {
    let mut depth = 1_usize;
    for (at, byte) in text.bytes().enumerate().take(COMMAND_BYTES_MAX) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&text[..at]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(style: Style, base: Base, named: &[&str]) -> Arguments {
        Arguments { style, base, named: named.iter().map(|name| (*name).to_owned()).collect() }
    }

    /// The tokens as one line: text as it is, everything else in angle brackets.
    fn shown(arguments: &Arguments, text: &str) -> String {
        fn word(token: &Token) -> String {
            match token {
                Token::Text(text) => text.clone(),
                Token::All => "<all>".to_owned(),
                Token::Word(place, _) => format!("<{place}>"),
                Token::Rest(place) => format!("<{place}..>"),
                Token::Named(place) => format!("<named {place}>"),
                Token::Variable(name) => format!("<{name}>"),
                Token::Input(name, hint) => format!("<input {name} {hint}>"),
                Token::File(path) => format!("<file {path}>"),
                Token::Shell(inner) => format!("<run {}>", inner.iter().map(word).collect::<String>()),
            }
        }
        let cutter = Cutter { arguments, variables: &["CLAUDE_SESSION_ID"] };
        cutter.cut(text).iter().map(|placed| word(&placed.token)).collect()
    }

    #[track_caller]
    fn check(arguments: &Arguments, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(shown(arguments, text), *expected, "{text}");
        }
    }

    #[test]
    fn claude_code() {
        check(
            &style(Style::Claude, Base::Zero, &["issue", "id"]),
            &[
                ("Fix $ARGUMENTS now", "Fix <all> now"),
                ("$0 $1 $ARGUMENTS[2]", "<0> <1> <2>"),
                ("$ARGUMENTS.0 $ARGUMENTSX $ARGUMENTS_2", "<all>.0 $ARGUMENTSX $ARGUMENTS_2"),
                ("$1st $123 $12 $1.00", "$1st $123 <12> <1>.00"),
                ("${ARGUMENTS} ${1} ${1:-x} {{x}}", "${ARGUMENTS} ${1} ${1:-x} {{x}}"),
                ("\\$1 \\$ARGUMENTS \\$HOME \\n", "$1 $ARGUMENTS \\$HOME \\n"),
                ("$issue $issues $issue[0] $id", "<named 0> $issues $issue[0] <named 1>"),
                ("${CLAUDE_SESSION_ID} ${CLAUDE_OTHER}", "<CLAUDE_SESSION_ID> ${CLAUDE_OTHER}"),
                ("$HOME $ $$", "$HOME $ $$"),
            ],
        );
    }

    #[test]
    fn commands_of_claude_code() {
        check(
            &style(Style::Claude, Base::Zero, &[]),
            &[
                ("!`git status` and\n!`git log -$0`", "<run git status> and\n<run git log -<0>>"),
                ("- Status: !`git status`", "- Status: <run git status>"),
                ("KEY=!`date` a!`b`", "KEY=!`date` a!`b`"),
                ("```!\ngit log\ngit diff\n```\nrest", "<run git log\ngit diff>\nrest"),
                ("```\n!`rm x`\n```", "```\n!`rm x`\n```"),
                ("write `` !`cmd` `` so", "write `` !`cmd` `` so"),
                ("!`` !`  `", "!`` !`  `"),
            ],
        );
    }

    #[test]
    fn other_tools() {
        check(
            &style(Style::Codex, Base::One, &[]),
            &[("$1 $9 $0 $10 $$1 $ARGUMENTS !`x`", "<0> <8> $0 $10 $1 <all> !`x`")],
        );
        check(
            &style(Style::OpenCode, Base::One, &[]),
            &[("$1 $2 $2 !`a $1 $2`x!`b`", "<0> <1..> <1..> <run a <0> <1..>>x<run b>"), ("$0", "$0")],
        );
        check(
            &style(Style::Gemini, Base::Zero, &[]),
            &[
                ("{{args}} {{ args }} {{x}}", "<all> <all> {{x}}"),
                ("!{grep {{args}} .} $1 !{a", "<run grep <all> .> $1 !{a"),
                ("@{docs/{a}.md} @{} !{awk '{print}' x}", "<file docs/{a}.md> @{} <run awk '{print}' x>"),
            ],
        );
        check(
            &style(Style::Copilot, Base::Zero, &[]),
            &[
                ("${input:userName:who?} ${input:x}", "<input user_name who?> <input x >"),
                (
                    "${selection} ${file} ${workspaceFolder} $1",
                    "<input selection the selected text> <input file the path of a file> ${workspaceFolder} $1",
                ),
            ],
        );
    }

    #[test]
    fn any_text_is_cut_without_loss_of_place() {
        for kind in [Style::Claude, Style::Codex, Style::OpenCode, Style::Gemini, Style::Copilot] {
            let arguments = style(kind, Base::Zero, &["é"]);
            for text in ["é$é$", "!`é", "${é}", "!{é}@{", "\\", "\\$", "$ARGUMENTS[", "{{args", "```!\né", "`!`"]
            {
                let cut = Cutter { arguments: &arguments, variables: &[] }.cut(text);
                let joined: String = cut.iter().map(|placed| &text[placed.at.clone()]).collect();
                assert_eq!(joined, text);
            }
        }
    }
}
