//! What the author of a prose command may not have meant: another number of the first word, money, fields of awk.
//!
//! Knows nothing of steps.

use std::{ops::Range, sync::Arc};

use crate::{
    base::{Diagnostic, Source, Span, Spanned},
    definition::{Arguments, Base, Origin, Style},
    plan::compile::{
        faults::{self, Place, place_in},
        prose::{
            tokens::{Placed, Token},
            translate::Prose,
        },
    },
};

/// A text and what was found in it.
pub(super) struct Read<'a> {
    pub(super) origin: &'a Origin,
    pub(super) text: &'a Spanned<String>,
    pub(super) arguments: &'a Arguments,
    pub(super) tokens: &'a [Placed],
    pub(super) prose: &'a Prose,
    /// What to type to run it.
    pub(super) name: &'a str,
}

/// All remarks, in the order of the text.
pub(super) fn lint(read: &Read<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(read.base());
    found.extend(read.tokens.iter().filter_map(|placed| read.accident(placed)));
    if read.origin.plugin.is_some() && read.arguments.style == Style::Claude {
        found.extend(read.settings());
    }
    found
}

impl<'a> Read<'a> {
    fn source(&self) -> &'a Arc<Source> {
        &self.origin.source
    }

    fn place(&self, at: &Range<usize>) -> Place<'a> {
        let scalar = Place { source: self.source(), span: self.text.span };
        place_in(scalar, &self.text.value, Span::new(at.clone()))
    }

    /// `$1` without `$0` where `$0` is the first word.
    fn base(&self) -> Option<Diagnostic> {
        if self.arguments.style != Style::Claude || self.arguments.base == Base::One {
            return None;
        }
        let free = |placed: &&Placed| placed.code.is_none() && self.accident(placed).is_none();
        let mut words = self.tokens.iter().filter(free).filter_map(|placed| match &placed.token {
            Token::Word(number, written) => Some((*number, written, placed)),
            _ => None,
        });
        let shell = |name: &str| {
            let mut env = self.prose.commands.iter().flat_map(|command| &command.env);
            env.any(|(other, _)| other == name)
        };
        let zeroth = words.clone().any(|(number, ..)| number == 0) || shell("ORCH_WORD_0");
        let (_, written, placed) = words.find(|(number, ..)| *number == 1).filter(|_| !zeroth)?;
        let fault = self
            .place(&placed.at)
            .error(faults::ARGUMENT_BASE, format!("`{written}` is the second word here, and the first is never used"))
            .cause(format!("for `{} one two` this is `two`; counted from 1 it would be `one`", self.name))
            .help("write `$0` for the first word, or say `argument-base: 1` in the frontmatter")
            .assumed("words are counted from 0")
            .elsewhere("Claude Code", "counts from 0: `two`")
            .elsewhere("Codex", "counts from 1: `one`")
            .warning();
        Some(match self.frontmatter_end() {
            Some((at, text)) => fault.fix("count the words of this file from 1", Span::new(at..at), text),
            None => fault,
        })
    }

    /// Where a key is added to the frontmatter, and the text with it.
    fn frontmatter_end(&self) -> Option<(usize, String)> {
        let text = &self.source().text;
        let key = "argument-base: 1\n";
        if !text.starts_with("---") {
            // TOML and JSON hold no such key.
            let markdown = self.origin.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("md"));
            return markdown.then(|| (0, format!("---\n{key}---\n")));
        }
        let opener = text.find('\n')?;
        let closer = text[opener..].find("\n---")? + opener + 1;
        Some((closer, key.to_owned()))
    }

    /// A number that is money, or a field of awk.
    fn accident(&self, placed: &Placed) -> Option<Diagnostic> {
        let Token::Word(_, written) = &placed.token else { return None };
        let (escaped, how) = match self.arguments.style {
            Style::Claude => (format!("\\{written}"), "a backslash keeps it"),
            Style::Codex => (format!("${written}"), "two dollars keep it"),
            Style::OpenCode | Style::Gemini | Style::Copilot => return None,
        };
        let why = self.looks_like(placed, written)?;
        let place = self.place(&placed.at);
        let fault = place
            .error(faults::ACCIDENTAL, format!("`{written}` is taken as a word of the arguments"))
            .cause(why)
            .help(format!("{how}: `{escaped}`"));
        let exact = self.source().text.get(place.span.start..place.span.end) == Some(written.as_str());
        let fault = if exact { fault.fix(format!("write `{escaped}`"), place.span, escaped) } else { fault };
        Some(fault.info())
    }

    fn looks_like(&self, placed: &Placed, written: &str) -> Option<&'static str> {
        let text = &self.text.value;
        let mut behind = text[placed.at.end..].chars();
        let digits = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
        let amount = matches!(behind.next(), Some('.' | ',')) && digits(behind.next());
        if amount || (written.len() > 2 && written.len() < 4 && placed.code.is_none()) {
            return Some("it looks like an amount of money");
        }
        let code = placed.code.as_ref()?;
        let line = text[code.start..placed.at.start].rfind('\n').map_or(code.start, |end| code.start + end + 1);
        let before = &text[line..placed.at.start];
        let quoted = [b'\'', b'"'].iter().any(|mark| before.bytes().filter(|byte| byte == mark).count() % 2 == 1);
        quoted.then_some("it stands between quotes of shell code, as a field of awk does")
    }

    /// `${user_config.K}`: nothing here asks for the settings of a plugin.
    fn settings(&self) -> Option<Diagnostic> {
        let at = self.text.value.find("${user_config.")?;
        let length = self.text.value[at..].bytes().take(100).position(|byte| byte == b'}')? + 1;
        let written = &self.text.value[at..at + length];
        let fault = self
            .place(&(at..at + length))
            .error(faults::LEFT, format!("`{written}` has no value"))
            .cause("the settings of plugins are not read")
            .help("write the value itself")
            .assumed("it stays as it is")
            .elsewhere("Claude Code", "puts in what the user has configured for the plugin");
        Some(fault.warning())
    }
}
