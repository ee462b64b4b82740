//! Looks at the tokens of a text before it is parsed: nesting, statements, and the names of filters, tests, functions.
//!
//! Knows nothing of values. Invariant: a text that passes cannot overflow the stack of the parser, of the walks over
//! its syntax tree or of the compiler, because the depth of every expression and block is bounded here; the parser
//! itself bounds brackets only, not chains of operators.

use std::ops::Range;

use minijinja::{
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
};

use crate::{
    base::{Span, did_you_mean},
    template::{TEXT_BYTES_MAX, TemplateError, allowed},
};

/// How many brackets may stand inside each other.
const BRACKETS_MAX: usize = 32;
/// How deep one expression may be: operators, dots, filters and brackets on the way to a leaf.
const DEPTH_MAX: usize = 200;
/// How many blocks may stand inside each other; each `elif` counts as one.
const BLOCKS_MAX: usize = 50;

/// What the tokens say about the text.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The inside of the one `{{ }}`, if the text is nothing else.
    pub whole: Option<Range<usize>>,
}

/// The part of a token that later tokens are judged by.
#[derive(Clone, Copy, PartialEq)]
enum Seen<'a> {
    Nothing,
    Word(&'a str),
    Statement,
    Dot,
    Pipe,
    /// The end of a value that is not a name.
    Value,
    Other,
}

/// One open bracket, or the expression outside all of them.
#[derive(Default, Clone, Copy)]
struct Level {
    depth: usize,
    deepest: usize,
}

struct Scanner<'a> {
    /// The last three tokens, the newest first.
    seen: [Seen<'a>; 3],
    levels: Vec<Level>,
    /// Open blocks and, for each, how many branches it nests.
    blocks: Vec<(&'a str, usize)>,
    /// The `{% set x %}` that is a block unless `=` follows.
    open_set: bool,
}

/// Checks the tokens of `text`; `bare` says that the whole text is one expression.
pub(super) fn scan(text: &str, bare: bool, syntax: &SyntaxConfig) -> Result<Scan, TemplateError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(TemplateError {
            message: format!("the text is {} bytes long, more than {TEXT_BYTES_MAX}", text.len()),
            span: Span::new(0..0),
            help: "put long material into a file and name the file".to_owned(),
        });
    }
    let mut scanner =
        Scanner { seen: [Seen::Nothing; 3], levels: vec![Level::default()], blocks: Vec::new(), open_set: false };
    let (mut first, mut last, mut ends) = (None, None, 0);
    for token in tokenize(text, bare, syntax.clone()) {
        let (token, at) = token.map_err(|error| TemplateError::from_engine(text, &error))?;
        let span = at.start_offset as usize..at.end_offset as usize;
        ends += usize::from(matches!(token, Token::VariableEnd));
        let edge = match token {
            Token::VariableStart if span.start == 0 => Some((true, span.end)),
            Token::VariableEnd if span.end == text.len() => Some((false, span.start)),
            _ => None,
        };
        match edge {
            Some((true, end)) => first = first.or(Some(end)),
            Some((false, start)) => last = Some(start),
            None => {}
        }
        scanner.take(&token, Span::new(span))?;
    }
    let whole = match (first, last) {
        (Some(start), Some(end)) if ends == 1 && !bare => Some(start..end),
        (Some(_) | None, Some(_) | None) => None,
    };
    Ok(Scan { whole })
}

impl<'a> Scanner<'a> {
    fn take(&mut self, token: &Token<'a>, span: Span) -> Result<(), TemplateError> {
        let mut seen = Seen::Other;
        match token {
            Token::VariableStart | Token::BlockStart => {
                self.levels = vec![Level::default()];
                seen = if matches!(token, Token::BlockStart) { Seen::Statement } else { Seen::Other };
            }
            Token::BlockEnd => {
                if std::mem::take(&mut self.open_set) {
                    self.open_block("set", span)?;
                }
            }
            Token::Ident(word) => {
                self.word(word, span)?;
                seen = Seen::Word(word);
            }
            Token::ParenOpen => {
                self.call(span)?;
                self.open_bracket(span)?;
            }
            Token::BracketOpen | Token::BraceOpen => self.open_bracket(span)?,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                self.close_bracket(span)?;
                seen = Seen::Value;
            }
            Token::Comma => {
                if let Some(level) = self.levels.last_mut() {
                    level.deepest = level.deepest.max(level.depth);
                    level.depth = 0;
                }
            }
            Token::Assign => self.open_set &= self.levels.len() > 1,
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => {
                seen = Seen::Value;
            }
            Token::Dot => {
                self.deeper(1, span)?;
                seen = Seen::Dot;
            }
            Token::Pipe => {
                self.deeper(1, span)?;
                seen = Seen::Pipe;
            }
            Token::TemplateData(_) | Token::VariableEnd | Token::Colon => {}
            // Everything else is an operator.
            _ => self.deeper(1, span)?,
        }
        self.seen = [seen, self.seen[0], self.seen[1]];
        Ok(())
    }

    fn word(&mut self, word: &'a str, span: Span) -> Result<(), TemplateError> {
        match self.seen {
            [Seen::Statement, ..] => return self.statement(word, span),
            [Seen::Pipe, ..] | [Seen::Word("filter"), Seen::Statement, _] => {
                return known("filter", word, allowed::FILTERS, span);
            }
            [Seen::Word("is"), before, _] if before != Seen::Dot && word != "not" => {
                return known("test", word, allowed::TESTS, span);
            }
            [Seen::Word("not"), Seen::Word("is"), before] if before != Seen::Dot => {
                return known("test", word, allowed::TESTS, span);
            }
            [Seen::Dot, ..] => return Ok(()),
            _ => {}
        }
        if matches!(word, "and" | "or" | "not" | "in" | "is" | "if" | "else") {
            self.deeper(1, span)?;
        }
        Ok(())
    }

    fn statement(&mut self, word: &'a str, span: Span) -> Result<(), TemplateError> {
        if !allowed::STATEMENTS.contains(&word) {
            return Err(TemplateError {
                message: format!("`{word}` is not a statement of templates here"),
                span,
                help: match word {
                    "include" | "import" | "from" | "extends" => {
                        "write the text where it is used, or use `prompt_file`"
                    }
                    "macro" | "call" | "block" => "write the text out, or use a `for` loop",
                    _ => "use `if`, `for`, `set`, `with` or `filter`",
                }
                .to_owned(),
            });
        }
        match word {
            "if" | "for" | "with" | "filter" => self.open_block(word, span)?,
            "set" => self.open_set = true,
            "elif" => {
                if let Some(block) = self.blocks.last_mut() {
                    block.1 += 1;
                }
                self.check_blocks(span)?;
            }
            "endif" | "endfor" | "endwith" | "endfilter" | "endset" => {
                self.blocks.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn open_block(&mut self, word: &'a str, span: Span) -> Result<(), TemplateError> {
        self.blocks.push((word, 1));
        self.check_blocks(span)
    }

    fn check_blocks(&self, span: Span) -> Result<(), TemplateError> {
        if self.blocks.iter().map(|(_, branches)| branches).sum::<usize>() > BLOCKS_MAX {
            return Err(too_deep("blocks", BLOCKS_MAX, span));
        }
        Ok(())
    }

    /// Refuses to call anything but a filter, a test or a function that is known.
    fn call(&self, span: Span) -> Result<(), TemplateError> {
        let refused = |message: String| {
            Err(TemplateError { message, span, help: "use a filter, for example `x | upper`".to_owned() })
        };
        match self.seen {
            [Seen::Value, ..] => refused("only functions can be called".to_owned()),
            [Seen::Word(name), Seen::Dot, _] => {
                refused(format!("values have no methods, so `{name}` cannot be called"))
            }
            [Seen::Word(_), Seen::Pipe | Seen::Statement | Seen::Word("is"), _]
            | [Seen::Word(_), Seen::Word("filter"), Seen::Statement]
            | [Seen::Word(_), Seen::Word("not"), Seen::Word("is")] => Ok(()),
            [Seen::Word(name), ..] if allowed::KEYWORDS.contains(&name) => Ok(()),
            [Seen::Word(name), ..] => known("function", name, allowed::FUNCTIONS, span),
            _ => Ok(()),
        }
    }

    fn open_bracket(&mut self, span: Span) -> Result<(), TemplateError> {
        self.levels.push(Level::default());
        if self.levels.len() > BRACKETS_MAX {
            return Err(too_deep("brackets", BRACKETS_MAX, span));
        }
        Ok(())
    }

    fn close_bracket(&mut self, span: Span) -> Result<(), TemplateError> {
        // The outermost level stays: an unmatched bracket is the parser's to report.
        if self.levels.len() < 2 {
            return Ok(());
        }
        let inner = self.levels.pop().unwrap_or_default();
        self.deeper(inner.deepest.max(inner.depth) + 1, span)
    }

    fn deeper(&mut self, by: usize, span: Span) -> Result<(), TemplateError> {
        if let Some(level) = self.levels.last_mut() {
            level.depth += by;
        }
        if self.levels.iter().map(|level| level.depth).sum::<usize>() > DEPTH_MAX {
            return Err(too_deep("operators", DEPTH_MAX, span));
        }
        Ok(())
    }
}

fn too_deep(what: &str, max: usize, span: Span) -> TemplateError {
    TemplateError {
        message: format!("more than {max} {what} inside each other"),
        span,
        help: "split the text, or compute the value in a step".to_owned(),
    }
}

fn known(kind: &str, word: &str, names: &[&'static str], span: Span) -> Result<(), TemplateError> {
    if names.contains(&word) {
        return Ok(());
    }
    let help = did_you_mean(word, names.iter().copied())
        .map_or_else(|| format!("these are known: {}", names.join(" ")), |near| format!("did you mean `{near}`?"));
    Err(TemplateError { message: format!("there is no {kind} `{word}`"), span, help })
}
