//! Text for an agent within a budget of tokens, and fences around text that an agent wrote.
//!
//! Pure; reads no file, only names them. Knows nothing of steps.

use std::fmt::Write as _;

/// How many bytes count as one token; a rough figure for English and code that rather over- than underestimates.
const TOKEN_BYTES: usize = 4;
/// A head shorter than this says nothing; the name of the file is worth more.
const HEAD_BYTES_MIN: usize = 80;

/// One section of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its heading.
    pub title: &'a str,
    /// Its whole text.
    pub text: &'a str,
    /// The higher, the earlier it gets its share of the budget; among equals the first.
    pub priority: u32,
    /// Where the whole text can be read.
    pub file: Option<&'a str>,
}

/// An estimate of the tokens of a text: four bytes a token, rounded up.
#[must_use]
pub fn estimate_tokens(text: &str) -> usize {
    text.len().div_ceil(TOKEN_BYTES)
}

/// The parts in their order, in at most `budget_tokens` by [`estimate_tokens`].
///
/// By priority each part gets its whole text, else its head and a line `… N more tokens in FILE`, else the line alone,
/// else nothing. Room for the line of every part with a file is kept before any part gets more, so that what does not
/// fit can still be found, as far as the budget allows.
#[must_use]
pub fn fork(parts: &[Part<'_>], budget_tokens: usize) -> String {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(parts[index].priority));
    let mut left = budget_tokens.saturating_mul(TOKEN_BYTES);
    let mut shown: Vec<Option<String>> = vec![None; parts.len()];
    for &index in &order {
        let line = cut(&parts[index], 0);
        if parts[index].file.is_some() && line.len() <= left {
            left -= line.len();
            shown[index] = Some(line);
        }
    }
    for index in order {
        let part = &parts[index];
        let room = left + shown[index].as_ref().map_or(0, String::len);
        let whole = section(part.title, part.text);
        let best = if whole.len() <= room { Some(whole) } else { head(part, room) };
        if let Some(best) = best {
            left = room - best.len();
            shown[index] = Some(best);
        }
    }
    shown.into_iter().flatten().collect()
}

fn section(title: &str, text: &str) -> String {
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    format!("## {title}\n{text}{end}\n")
}

/// The longest head that fits into `room` bytes, cut at the end of a line where that loses little.
fn head(part: &Part<'_>, room: usize) -> Option<String> {
    // The line about the rest is longest when nothing is shown, so what fits with it fits with any other.
    let around = cut(part, 0).len() + "\n more".len();
    let mut kept = part.text.floor_char_boundary(room.checked_sub(around)?);
    if let Some(newline) = part.text[..kept].rfind('\n')
        && newline * 2 > kept
    {
        kept = newline;
    }
    (kept >= HEAD_BYTES_MIN).then(|| cut(part, kept))
}

/// A part with the first `kept` bytes of its text and a line about the rest.
fn cut(part: &Part<'_>, kept: usize) -> String {
    let (head, rest) = part.text.split_at(kept);
    let mut text = format!("## {}\n{head}", part.title);
    if kept > 0 {
        text.push('\n');
    }
    let tokens = estimate_tokens(rest);
    let more = if kept > 0 { " more" } else { "" };
    let place = part.file.map_or_else(|| "left out".to_owned(), |file| format!("in {file}"));
    write!(text, "… {tokens}{more} tokens {place}\n\n").expect("writing to a string cannot fail");
    text
}

/// A secret of one run that marks the fences in its prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Takes at least 16 lower-case letters and digits, chosen at random by the caller.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        (plain && text.len() >= 16).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Puts text that an agent wrote between markers which it cannot close, because it cannot know the nonce, and where it
/// has seen it, the nonce is taken out of the text.
#[must_use]
pub fn fence(value: &str, nonce: &Nonce) -> String {
    // The replacement is no part of any nonce, so that nothing new can come together around it.
    let value = replace_ignoring_case(value, nonce.as_str(), "[…]");
    let end = if value.ends_with('\n') || value.is_empty() { "" } else { "\n" };
    format!("<<<data {nonce}\n{value}{end}data {nonce}>>>\n", nonce = nonce.as_str())
}

fn replace_ignoring_case(text: &str, what: &str, with: &str) -> String {
    // ASCII lower case keeps every byte in its place.
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(what) {
        out.push_str(&text[from..at]);
        out.push_str(with);
        from = at + what.len();
    }
    out.push_str(&text[from..]);
    out
}
