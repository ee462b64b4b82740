//! Cuts a text into pipelines and simple commands.

use std::ops::Range;

use super::tree::{Command, Pipeline, Redirect, RedirectKind, Simple, Word};

/// The longest text, in bytes: as long as an argument of a program can be.
const BYTES_MAX: usize = 128 * 1024;
/// The most words, pieces and commands of a text with everything inside it.
const NODES_MAX: u32 = 20_000;
/// How deep substitutions and blocks may nest.
const DEPTH_MAX: u8 = 24;

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::guard::risk) enum ShellFault {
    /// It is no command of a shell, as far as this reader knows.
    Unreadable {
        /// What is wrong.
        why: &'static str,
        /// Where.
        at: Range<usize>,
    },
    /// It is longer or deeper than anybody would write.
    TooComplex,
}

/// Reads a whole text. `fixed` is the place of all that is inside, for a text that does not stand in the source as it is.
pub(in crate::guard::risk) fn read(text: &str, fixed: Option<Range<usize>>) -> Result<Vec<Pipeline>, ShellFault> {
    if text.len() > BYTES_MAX {
        return Err(ShellFault::TooComplex);
    }
    let mut reader = Reader { text, at: 0, end: text.len(), fixed, nodes: 0, depth: 0, here: None };
    let body = reader.list(&[])?;
    if reader.at < reader.end {
        return Err(reader.fault("an end of a block that was not begun"));
    }
    Ok(body)
}

pub(super) struct Reader<'t> {
    pub text: &'t str,
    pub at: usize,
    pub end: usize,
    pub fixed: Option<Range<usize>>,
    pub nodes: u32,
    pub depth: u8,
    /// The line break after which the bodies of here-documents stand, and where they end.
    pub here: Option<(usize, usize)>,
}

impl Reader<'_> {
    pub fn fault(&self, why: &'static str) -> ShellFault {
        ShellFault::Unreadable { why, at: self.span(self.at.min(self.text.len())) }
    }

    /// The span from `start` to here.
    pub fn span(&self, start: usize) -> Range<usize> {
        self.fixed.clone().unwrap_or(start..self.at.max(start))
    }

    pub fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied().filter(|_| self.at < self.end)
    }

    pub fn after(&self, more: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + more).copied().filter(|_| self.at + more < self.end)
    }

    pub fn rest(&self) -> &str {
        self.text.get(self.at..self.end).unwrap_or("")
    }

    pub fn node(&mut self) -> Result<(), ShellFault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX { Err(ShellFault::TooComplex) } else { Ok(()) }
    }

    /// Does something one level deeper.
    pub fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, ShellFault>) -> Result<T, ShellFault> {
        if self.depth >= DEPTH_MAX {
            return Err(ShellFault::TooComplex);
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    /// Reads a text of its own with what is left of the limits.
    pub fn inside<T>(
        &mut self,
        text: &str,
        fixed: Range<usize>,
        work: impl FnOnce(&mut Reader<'_>) -> Result<T, ShellFault>,
    ) -> Result<T, ShellFault> {
        let (nodes, depth) = (self.nodes, self.depth + 1);
        if depth >= DEPTH_MAX {
            return Err(ShellFault::TooComplex);
        }
        let mut inner = Reader { text, at: 0, end: text.len(), fixed: Some(fixed), nodes, depth, here: None };
        let done = work(&mut inner);
        self.nodes = inner.nodes;
        done
    }

    /// Takes the line break, and with it the bodies of here-documents.
    pub fn line_break(&mut self) {
        self.at = match self.here {
            Some((at, resume)) if at == self.at => {
                self.here = None;
                resume
            }
            _ => self.at + 1,
        };
    }

    /// Skips spaces and continued lines; with `lines` also line breaks, comments and empty commands.
    pub fn blank(&mut self, lines: bool) {
        while let Some(byte) = self.byte() {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.after(1) == Some(b'\n') => self.at += 2,
                b'\n' if lines => self.line_break(),
                b'#' if lines || self.at == 0 || self.text.as_bytes()[self.at - 1].is_ascii_whitespace() => {
                    while self.byte().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// The plain word that begins here, without taking it.
    pub fn peek(&self) -> &str {
        let rest = self.rest();
        let end = rest.find(|letter: char| letter.is_whitespace() || ";&|()<>".contains(letter));
        &rest[..end.unwrap_or(rest.len())]
    }

    /// Whether a block or a substitution ends here. A bare `)` ends only what a `(` has begun.
    fn ends(&self, until: &[&str]) -> bool {
        let Some(byte) = self.byte() else { return true };
        if byte == b')' {
            return until.contains(&")");
        }
        if byte == b';' && matches!(self.after(1), Some(b';' | b'&')) {
            return until.contains(&";;");
        }
        until.iter().any(|word| *word == self.peek())
    }

    /// Pipelines until one of these words, which is not taken.
    pub fn list(&mut self, until: &[&str]) -> Result<Vec<Pipeline>, ShellFault> {
        let mut all = Vec::new();
        let (mut after_success, mut may_not_run) = (false, false);
        loop {
            self.blank(true);
            if self.ends(until) {
                return Ok(all);
            }
            let before = self.at;
            let stages = self.pipeline()?;
            let mut pipeline = Pipeline { stages, after_success, may_not_run };
            (after_success, may_not_run) = (false, false);
            self.blank(false);
            match (self.byte(), self.after(1)) {
                (Some(b'&'), Some(b'&')) => {
                    self.at += 2;
                    after_success = true;
                    may_not_run = pipeline.may_not_run;
                }
                (Some(b'|'), Some(b'|')) => {
                    self.at += 2;
                    may_not_run = true;
                }
                (Some(b'&'), _) => {
                    self.at += 1;
                    pipeline.may_not_run = true;
                }
                (Some(b';'), next) if !matches!(next, Some(b';' | b'&')) => self.at += 1,
                _ => {}
            }
            if self.at == before {
                return Err(self.fault("a character that no command begins with"));
            }
            all.push(pipeline);
        }
    }

    fn pipeline(&mut self) -> Result<Vec<Command>, ShellFault> {
        let mut stages = Vec::new();
        loop {
            self.blank(!stages.is_empty());
            while matches!(self.peek(), "!" | "time") {
                self.at += self.peek().len();
                self.blank(false);
            }
            self.node()?;
            stages.push(self.deeper(Self::command)?);
            self.blank(false);
            match (self.byte(), self.after(1)) {
                (Some(b'|'), Some(b'|')) => return Ok(stages),
                (Some(b'|'), Some(b'&')) => self.at += 2,
                (Some(b'|'), _) => self.at += 1,
                _ => return Ok(stages),
            }
        }
    }

    /// A program with its words, or the definition of a function.
    pub fn simple(&mut self) -> Result<Command, ShellFault> {
        let start = self.at;
        let mut simple = Simple::default();
        let mut stop = self.at;
        loop {
            self.blank(false);
            let Some(byte) = self.byte() else { break };
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
                stop = self.at;
                continue;
            }
            match byte {
                b'\n' | b';' | b'&' | b'|' | b')' => break,
                b'(' => {
                    let [name] = simple.words.as_slice() else { return Err(self.fault("a bracket inside a command")) };
                    let name = name.plain();
                    self.at += 1;
                    self.blank(false);
                    if self.byte() != Some(b')') {
                        return Err(self.fault("a bracket inside a command"));
                    }
                    self.at += 1;
                    return self.function(name);
                }
                _ => {}
            }
            self.node()?;
            let word = if simple.words.is_empty() { self.assignment(&mut simple)? } else { Some(self.word()?) };
            simple.words.extend(word);
            stop = self.at;
        }
        simple.span = self.fixed.clone().unwrap_or(start..stop.max(start));
        Ok(Command::Simple(simple))
    }

    /// A word, where it is no assignment.
    fn assignment(&mut self, simple: &mut Simple) -> Result<Option<Word>, ShellFault> {
        let Some(name) = assigned(self.rest()) else { return self.word().map(Some) };
        let name = name.to_owned();
        let start = self.at;
        self.at += name.len();
        if self.byte() == Some(b'[') {
            self.at += self.rest().find("]").map_or(0, |end| end + 1);
        }
        self.at += usize::from(self.byte() == Some(b'+')) + 1;
        if self.byte() == Some(b'(') {
            self.at += 1;
            loop {
                self.blank(true);
                match self.byte() {
                    None => return Err(self.fault("a list without an end")),
                    Some(b')') => break,
                    Some(b';' | b'&' | b'|' | b'<' | b'>' | b'(') => {
                        return Err(self.fault("a character that no list has"));
                    }
                    Some(_) => {}
                }
                self.node()?;
                let item = self.word()?;
                simple.assignments.push((name.clone(), item));
            }
            self.at += 1;
            return Ok(None);
        }
        let mut value = self.word_or_nothing()?;
        value.span = self.span(start);
        simple.assignments.push((name, value));
        Ok(None)
    }

    /// `2>&1`, `> file`, `<<EOF`, where one begins here.
    pub fn redirect(&mut self) -> Result<Option<Redirect>, ShellFault> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let named = rest.strip_prefix('{').and_then(|rest| {
            let end = rest.find('}')?;
            rest[..end].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then_some(end + 2)
        });
        let skipped = if digits > 0 { digits } else { named.unwrap_or(0) };
        let operator = &rest[skipped..];
        const OPERATORS: &[(&str, RedirectKind)] = &[
            ("&>>", RedirectKind::Append),
            ("&>", RedirectKind::Write),
            ("<<<", RedirectKind::Here),
            ("<&", RedirectKind::Duplicate),
            (">&", RedirectKind::Duplicate),
            ("<>", RedirectKind::Append),
            (">>", RedirectKind::Append),
            (">|", RedirectKind::Write),
        ];
        if operator.starts_with("<(") || operator.starts_with(">(") {
            return Ok(None);
        }
        if operator.starts_with("<<") && !operator.starts_with("<<<") {
            self.at += skipped + 2;
            return self.here_document().map(Some);
        }
        let found = OPERATORS.iter().find(|(sign, _)| operator.starts_with(sign)).copied();
        let (sign, kind) = match (found, operator.as_bytes().first()) {
            (Some(found), _) => found,
            (None, Some(b'<')) => ("<", RedirectKind::Read),
            (None, Some(b'>')) => (">", RedirectKind::Write),
            (None, _) => return Ok(None),
        };
        if skipped > 0 && sign.starts_with('&') {
            return Ok(None);
        }
        self.at += skipped + sign.len();
        self.blank(false);
        let target = self.word()?;
        // `>&file` writes a file; `>&2` does not.
        let plain = target.plain();
        let is_number = plain.trim_end_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        let kind = match kind {
            RedirectKind::Duplicate if !is_number => {
                if sign == "<&" {
                    RedirectKind::Read
                } else {
                    RedirectKind::Write
                }
            }
            kind => kind,
        };
        Ok(Some(Redirect { kind, target }))
    }

    /// The rest of `<<EOF`: the word, and the lines up to it.
    fn here_document(&mut self) -> Result<Redirect, ShellFault> {
        let strips = self.byte() == Some(b'-');
        self.at += usize::from(strips);
        self.blank(false);
        let start = self.at;
        let word = self.word()?;
        let is_quoted = self.text[start..self.at].contains(['\'', '"', '\\']);
        let mark = word.plain();
        let (line, body) = match self.here {
            Some((line, resume)) => (line, resume),
            None => match self.rest().find('\n') {
                Some(line) => (self.at + line, self.at + line + 1),
                None => return Err(self.fault("a here-document without its lines")),
            },
        };
        let (mut at, mut end, mut closed) = (body, self.end, false);
        while at < self.end {
            let stop = self.text[at..self.end].find('\n').map_or(self.end, |found| at + found);
            let text = &self.text[at..stop];
            if (if strips { text.trim_start_matches('\t') } else { text }).trim_end_matches('\r') == mark {
                (end, at, closed) = (at, (stop + 1).min(self.end), true);
                break;
            }
            at = stop + 1;
        }
        if !closed {
            (end, at) = (self.end, self.end);
        }
        self.here = Some((line, at));
        let text = self.text[body.min(end)..end].to_owned();
        let span = self.fixed.clone().unwrap_or(body.min(end)..end);
        let target = if is_quoted {
            Word::text(text, span)
        } else {
            self.inside(&text, span.clone(), |inner| inner.expanding(span))?
        };
        Ok(Redirect { kind: RedirectKind::Here, target })
    }
}

/// The name before `=`, where a word is an assignment.
fn assigned(rest: &str) -> Option<&str> {
    let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
    let name = &rest[..end];
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let mut after = &rest[end..];
    if after.starts_with('[')
        && let Some(close) = after.find(']')
        && !after[..close].contains(char::is_whitespace)
    {
        after = &after[close + 1..];
    }
    (is_name && (after.starts_with('=') || after.starts_with("+="))).then_some(name)
}
