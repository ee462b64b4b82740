//! Cuts a word into texts, variables and substitutions.

use std::ops::Range;

use super::{
    reader::{Reader, ShellFault},
    tree::{Piece, Word},
};

impl Word {
    /// Its texts without everything else.
    pub fn plain(&self) -> String {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text { text, .. } => Some(text.as_str()),
            Piece::Variable { .. } | Piece::Commands { .. } | Piece::Process { .. } | Piece::Number { .. } => None,
        });
        texts.collect()
    }

    fn push(&mut self, letter: &str, quoted: bool) {
        match self.pieces.last_mut() {
            Some(Piece::Text { text, quoted: same }) if *same == quoted => text.push_str(letter),
            _ => self.pieces.push(Piece::Text { text: letter.to_owned(), quoted }),
        }
    }
}

impl Reader<'_> {
    /// A word; there must be one.
    pub fn word(&mut self) -> Result<Word, ShellFault> {
        let start = self.at;
        let word = self.word_or_nothing()?;
        if self.at == start { Err(self.fault("a word is missing")) } else { Ok(word) }
    }

    /// The value of an assignment, which may be empty.
    pub fn word_or_nothing(&mut self) -> Result<Word, ShellFault> {
        let start = self.at;
        let mut word = Word::default();
        while let Some(byte) = self.byte() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b')' => break,
                b'<' | b'>' => {
                    if self.after(1) != Some(b'(') {
                        break;
                    }
                    self.at += 2;
                    let body = self.deeper(|reader| reader.list(&[")"]))?;
                    self.bracket()?;
                    word.pieces.push(Piece::Process { body });
                }
                b'(' => {
                    // An extended pattern: `!(a|b)`.
                    let is_pattern = self.at > start && b"?*+@!".contains(&self.text.as_bytes()[self.at - 1]);
                    if !is_pattern {
                        break;
                    }
                    let end = self.rest().find(')').ok_or_else(|| self.fault("a pattern without an end"))?;
                    word.push("*", false);
                    self.at += end + 1;
                }
                _ => self.piece(&mut word, false)?,
            }
        }
        word.span = self.span(start);
        Ok(word)
    }

    fn bracket(&mut self) -> Result<(), ShellFault> {
        if self.byte() != Some(b')') {
            return Err(self.fault("a substitution without an end"));
        }
        self.at += 1;
        Ok(())
    }

    /// The whole text as if it stood between double quotes.
    pub fn expanding(&mut self, span: Range<usize>) -> Result<Word, ShellFault> {
        let mut word = Word { pieces: Vec::new(), span };
        while let Some(byte) = self.byte() {
            match byte {
                b'"' => {
                    word.push("\"", true);
                    self.at += 1;
                }
                _ => self.piece(&mut word, true)?,
            }
        }
        Ok(word)
    }

    /// One character, quotation or substitution. `quoted`: between double quotes.
    fn piece(&mut self, word: &mut Word, quoted: bool) -> Result<(), ShellFault> {
        let Some(letter) = self.rest().chars().next() else { return Ok(()) };
        match letter {
            '\\' => {
                self.at += 1;
                let Some(next) = self.rest().chars().next() else {
                    word.push("\\", true);
                    return Ok(());
                };
                self.at += next.len_utf8();
                match next {
                    '\n' => {}
                    next if quoted && !"$`\"\\".contains(next) => word.push(&format!("\\{next}"), true),
                    next => word.push(next.encode_utf8(&mut [0; 4]), true),
                }
            }
            '\'' if !quoted => {
                let end = self.rest()[1..].find('\'').ok_or_else(|| self.fault("a quotation without an end"))?;
                let text = self.rest()[1..=end].to_owned();
                self.crosses_here(end + 2)?;
                word.push(&text, true);
                self.at += end + 2;
            }
            '"' if !quoted => {
                self.at += 1;
                word.push("", true);
                loop {
                    match self.byte() {
                        None => return Err(self.fault("a quotation without an end")),
                        Some(b'"') => break,
                        Some(_) => {
                            self.crosses_here(1)?;
                            self.piece(word, true)?;
                        }
                    }
                }
                self.at += 1;
            }
            '$' => self.dollar(word, quoted)?,
            '`' => {
                let text = self.backticks()?;
                let span = self.span(self.at);
                let body = self.inside(&text, span, |inner| {
                    let body = inner.list(&[])?;
                    if inner.at < inner.end { Err(inner.fault("a bracket without its beginning")) } else { Ok(body) }
                })?;
                self.node()?;
                word.pieces.push(Piece::Commands { body, quoted });
            }
            letter => {
                word.push(letter.encode_utf8(&mut [0; 4]), quoted);
                self.at += letter.len_utf8();
            }
        }
        Ok(())
    }

    /// A quotation that holds the lines of a here-document is read in another way by each shell.
    fn crosses_here(&self, bytes: usize) -> Result<(), ShellFault> {
        match self.here {
            Some((line, _)) if self.at <= line && line < self.at + bytes => {
                Err(self.fault("a quotation around a here-document"))
            }
            _ => Ok(()),
        }
    }

    /// The text between backticks.
    fn backticks(&mut self) -> Result<String, ShellFault> {
        let rest = &self.text[self.at + 1..self.end];
        let mut text = String::new();
        let mut letters = rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '`' => {
                    self.at += at + 2;
                    return Ok(text);
                }
                '\\' => match letters.next() {
                    Some((_, next @ ('`' | '\\' | '$'))) => text.push(next),
                    Some((_, next)) => text.extend(['\\', next]),
                    None => break,
                },
                letter => text.push(letter),
            }
        }
        Err(self.fault("a backtick without its second"))
    }

    fn dollar(&mut self, word: &mut Word, quoted: bool) -> Result<(), ShellFault> {
        self.node()?;
        let next = self.after(1);
        match next {
            Some(b'(') if self.after(2) == Some(b'(') => {
                if let Some(number) = self.arithmetic(3)? {
                    word.pieces.push(number);
                    return Ok(());
                }
                self.substitution(word, quoted)
            }
            Some(b'(') => self.substitution(word, quoted),
            Some(b'{') => self.braced(word, quoted),
            Some(b'\'') if !quoted => {
                let (text, length) = ansi(&self.rest()[2..]).ok_or_else(|| self.fault("a quotation without an end"))?;
                word.push(&text, true);
                self.at += 2 + length;
                Ok(())
            }
            // The translated form is the text itself.
            Some(b'"') if !quoted => {
                self.at += 1;
                Ok(())
            }
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                let rest = &self.rest()[1..];
                let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
                let name = rest[..end.unwrap_or(rest.len())].to_owned();
                self.at += 1 + name.len();
                word.pieces.push(Piece::Variable { name, default: None, is_altered: false, quoted });
                Ok(())
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?$!-".contains(&byte) => {
                let name = char::from(byte).to_string();
                self.at += 2;
                word.pieces.push(Piece::Variable { name, default: None, is_altered: false, quoted });
                Ok(())
            }
            _ => {
                word.push("$", true);
                self.at += 1;
                Ok(())
            }
        }
    }

    fn substitution(&mut self, word: &mut Word, quoted: bool) -> Result<(), ShellFault> {
        self.at += 2;
        // A here-document of the outer line is none of the inner commands'.
        let outer = self.here.take();
        let body = self.deeper(|reader| reader.list(&[")"]))?;
        self.bracket()?;
        self.here = outer;
        word.pieces.push(Piece::Commands { body, quoted });
        Ok(())
    }

    /// `((…))`, after as many characters as open it; nothing is taken where it is none.
    pub fn arithmetic(&mut self, opening: usize) -> Result<Option<Piece>, ShellFault> {
        let from = self.at + opening;
        let mut open = 2;
        for (at, byte) in self.text.as_bytes()[from.min(self.end)..self.end].iter().enumerate() {
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                _ => {}
            }
            if open == 1 && *byte == b')' && self.text.as_bytes().get(from + at + 1) != Some(&b')') {
                return Ok(None);
            }
            if open == 0 {
                let text = self.text.get(from..from + at - 1).unwrap_or("").to_owned();
                self.at = from + at + 1;
                let span = self.span(from);
                let inside = self.inside(&text, span.clone(), |inner| inner.expanding(span))?;
                return Ok(Some(Piece::Number { inside, text }));
            }
        }
        Ok(None)
    }

    /// `${…}`.
    fn braced(&mut self, word: &mut Word, quoted: bool) -> Result<(), ShellFault> {
        let start = self.at;
        self.at += 2;
        let end = self.brace_end().ok_or_else(|| self.fault("a `${` without an end"))?;
        let inside = self.text[self.at..end].to_owned();
        self.at = end + 1;
        let span = self.span(start);
        let (sign, rest) = match inside.strip_prefix(['#', '!']) {
            Some(rest) if !rest.is_empty() => (true, rest),
            _ => (false, inside.as_str()),
        };
        let cut = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(rest.len());
        let cut = if cut == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { cut };
        let (name, operation) = rest.split_at(cut);
        let defaults = operation.strip_prefix(':').unwrap_or(operation);
        let text = match defaults.strip_prefix(['-', '=', '+']) {
            Some(text) => text,
            // Whatever else is in there may be substituted as well.
            None => operation,
        };
        let has_default = defaults.starts_with(['-', '=', '+']);
        let inner = self.inside(text, span.clone(), |inner| inner.expanding(span))?;
        let runs = inner.pieces.iter().any(|piece| !matches!(piece, Piece::Text { .. }));
        let default = (has_default || runs).then_some(inner);
        let is_altered = sign || (!operation.is_empty() && !has_default);
        word.pieces.push(Piece::Variable { name: name.to_owned(), default, is_altered, quoted });
        Ok(())
    }

    /// The place of the `}` that closes what is open here.
    fn brace_end(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let (mut open, mut at) = (1, self.at);
        while at < self.end {
            match bytes[at] {
                b'\\' => at += 1,
                b'\'' => at += bytes[at + 1..self.end].iter().position(|byte| *byte == b'\'')? + 1,
                b'{' => open += 1,
                b'}' => {
                    open -= 1;
                    if open == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

/// The text of `$'…'` behind its first quote, and how many bytes it takes with the last one.
fn ansi(rest: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut letters = rest.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\'' {
            return Some((text, at + 1));
        }
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        let (_, kind) = letters.next()?;
        let (digits, radix) = match kind {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => (3, 8),
            _ => (0, 10),
        };
        if digits == 0 {
            match kind {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'e' | 'E' | 'a' | 'b' | 'f' | 'v' => text.push(' '),
                other => text.push(other),
            }
            continue;
        }
        let mut code = if radix == 8 { kind.to_digit(8)? } else { 0 };
        let mut taken = u32::from(radix == 8);
        while taken < digits
            && let Some((_, digit)) = letters.peek()
            && let Some(value) = digit.to_digit(radix)
        {
            code = code.saturating_mul(radix).saturating_add(value);
            letters.next();
            taken += 1;
        }
        text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
    }
    None
}
