//! Frontmatter that is not YAML, turned into YAML that says what its author most likely meant.
//!
//! First what needs no guess: tabs that indent, a known key without the space after its colon, a no-break space. Then, up
//! to 60 times, the value at the parser's fault is put into quotes. If that is not enough, `salvage` cuts the text at its
//! known keys. Each change is a replacement in the text, so the repair can be shown and written. Bounded: the text is
//! read again only while that costs less than [`BYTES_READ_MAX`].

use std::{collections::BTreeMap, ops::Range};

use crate::definition::load::{
    known,
    opener::{Line, lines},
    patch::Patch,
    quote, salvage,
};

/// Values that are quoted one after another.
const ROUNDS_MAX: usize = 60;
/// Bytes that may be parsed while looking for a repair.
const BYTES_READ_MAX: usize = 4 * 1024 * 1024;

/// Repaired values that are told apart; more of them nobody reads.
const PLACES_MAX: usize = 100;

/// A repaired text.
#[derive(Debug)]
pub(super) struct Repaired {
    /// The text that is YAML.
    pub text: String,
    /// From the text as written to one without tabs and with spaces after colons, and from that to `text`.
    pub patches: [Patch; 2],
    /// What was repaired: keys in the order of the text, each once.
    pub keys: Vec<String>,
    /// Where the repaired values stand in the text as written.
    pub places: Vec<Range<usize>>,
    /// Whether each repair is one that Claude Code makes too.
    pub claude: bool,
}

/// Where reading failed, in bytes; a text that is no mapping fails at its start.
pub(super) type Check<'c> = dyn FnMut(&str) -> Result<(), usize> + 'c;

/// Repairs a text. `check` says whether a text is a mapping in YAML. `None` if nothing helps.
pub(super) fn repair(text: &str, check: &mut Check<'_>) -> Option<Repaired> {
    let Small { patch: first, mut keys, mut places } = small(text);
    let tabs_only = keys.is_empty();
    let base = first.apply(text);
    let rows: Vec<Line<'_>> = lines(&base, 0).collect();
    // Lines that are no keys belong to a text; quoting line by line would tear it apart.
    let prose = rows.iter().any(is_prose);
    let mut edits = if prose { salvaged(&base, &rows, check) } else { None };
    if edits.is_none() {
        let (quoted, done) = requote(&base, &rows, check);
        edits = done.then(|| quoted.into_values().collect());
    }
    if edits.is_none() && !prose {
        edits = salvaged(&base, &rows, check);
    }
    let edits: Vec<Value> = edits?;
    let second = patch(&edits);
    let repaired = second.apply(&base);
    let crlf = text.contains('\r');
    let claude = tabs_only && (edits.is_empty() || !crlf) && edits.iter().all(|edit| edit.claude);
    for edit in edits.into_iter().take(PLACES_MAX) {
        places.push(first.back(edit.place.start)..first.back(edit.place.end));
        keys.push(edit.key);
    }
    places.sort_by_key(|place| place.start);
    let mut once = Vec::new();
    for key in keys {
        if !once.contains(&key) {
            once.push(key);
        }
    }
    Some(Repaired { text: repaired, patches: [first, second], keys: once, places, claude })
}

fn patch(edits: &[Value]) -> Patch {
    Patch::of(edits.iter().map(|edit| (edit.place.clone(), edit.text.as_str())))
}

fn salvaged(base: &str, rows: &[Line<'_>], check: &mut Check<'_>) -> Option<Vec<Value>> {
    let edits = salvage::salvage(base, rows, check)?;
    check(&patch(&edits).apply(base)).is_ok().then_some(edits)
}

/// Whether a row at the margin is no key, no item, no comment and no part of a bracket.
fn is_prose(row: &Line<'_>) -> bool {
    let first = row.text.chars().next().unwrap_or(' ');
    !" \t#-]}{[\"'?&!*|>".contains(first) && !row.text.contains(':') && known::key_of(row.text).is_none()
}

/// Changes that need no guess.
#[derive(Default)]
struct Small {
    patch: Patch,
    /// The keys, where they are ones that other tools do not mend; and the places. The first ones of each.
    keys: Vec<String>,
    places: Vec<Range<usize>>,
}

impl Small {
    fn add(&mut self, place: Range<usize>, text: &str, key: Option<&str>) {
        if let Some(key) = key.filter(|_| self.keys.len() < PLACES_MAX) {
            self.keys.push(quote::shown(key));
        }
        if self.places.len() < PLACES_MAX {
            self.places.push(place.clone());
        }
        self.patch.push(place, text);
    }
}

fn small(text: &str) -> Small {
    let mut found = Small::default();
    for line in lines(text, 0) {
        let indent = line.indent();
        if line.text[..indent].contains('\t') && !line.is_blank() {
            let spaces = line.text[..indent].replace('\t', "  ");
            found.add(line.start..line.start + indent, &spaces, None);
        }
        let word = line.text.trim_end();
        if word.len() > 3 && word.bytes().all(|byte| byte == b'-') {
            found.add(line.start..line.start, "# ", Some(word));
        }
        let Some((key, rest)) = line.text.split_once(':').filter(|_| indent == 0) else { continue };
        if !known::is_known(key) || rest.is_empty() {
            continue;
        }
        let at = line.start + key.len() + 1;
        let width = rest.len() - rest.trim_start_matches([' ', '\u{a0}']).len();
        if rest[..width].contains('\u{a0}') {
            found.add(at..at + width, " ", Some(key));
        } else if !rest.starts_with([' ', '\t']) {
            found.add(at..at, " ", Some(key));
        }
    }
    found
}

/// A value that is written anew.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// Where it stands.
    pub place: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
    /// Its key; of an item of a list, the item's start.
    pub key: String,
    /// Whether Claude Code quotes it too.
    pub claude: bool,
}

/// Quotes the value at the fault until the text can be read. The flag says whether it can.
fn requote(text: &str, rows: &[Line<'_>], check: &mut Check<'_>) -> (BTreeMap<usize, Value>, bool) {
    let mut quoted: BTreeMap<usize, Value> = BTreeMap::new();
    let mut bytes = 0;
    for _ in 0..=ROUNDS_MAX {
        let patch = Patch::of(quoted.values().map(|value| (value.place.clone(), value.text.as_str())));
        let now = patch.apply(text);
        let Err(at) = check(&now) else { return (quoted, true) };
        bytes += now.len();
        if bytes > BYTES_READ_MAX {
            break;
        }
        let at = patch.back(at);
        let row = rows.partition_point(|line| line.start <= at).saturating_sub(1);
        let Some(value) = candidate(text, rows, row, &quoted) else { break };
        quoted.insert(value.place.start, value);
    }
    (quoted, false)
}

/// The value that is most likely at fault: the one that goes on into this row, the row's own, the one above, the one in
/// which all of them stand.
fn candidate(text: &str, rows: &[Line<'_>], row: usize, quoted: &BTreeMap<usize, Value>) -> Option<Value> {
    let above = (0..row).rev().find(|above| !rows[*above].is_blank());
    let context = (0..row).rev().find(|above| !rows[*above].is_blank() && rows[*above].indent() < rows[row].indent());
    let rows_tried = [owner(rows, row), Some(row), above.and_then(|above| owner(rows, above)), above, context];
    rows_tried.into_iter().flatten().find_map(|row| {
        let entry = entry(rows[row])?;
        let fresh = !quoted.values().any(|value| value.place.contains(&entry.value.start));
        fresh.then(|| value(text, rows, row, &entry))
    })
}

/// A row `key: value` or `- value`.
struct Entry {
    /// Where the key or the dash stands in its row: lines of the value are further right.
    indent: usize,
    key: Option<String>,
    value: Range<usize>,
}

fn entry(line: Line<'_>) -> Option<Entry> {
    let mut indent = line.indent();
    let mut rest = &line.text[indent..];
    let mut dash = false;
    while let Some(item) = rest.strip_prefix("- ") {
        dash = true;
        let spaces = item.len() - item.trim_start().len();
        if item.trim().is_empty() {
            return None;
        }
        rest = item.trim_start();
        indent = indent + 2 + spaces;
    }
    let start = line.start + line.text.len() - rest.len();
    if let Some(key) = known::key_of(rest) {
        let colon = rest.find(key)? + key.len();
        let after = colon + rest[colon..].find(':')? + 1;
        let value = rest[after..].trim_matches([' ', '\t', '\u{a0}']);
        if value.is_empty() || value.starts_with('#') {
            return None;
        }
        let from = start + after + rest[after..].find(value)?;
        return Some(Entry { indent, key: Some(key.to_owned()), value: from..from + value.len() });
    }
    let value = rest.trim_end();
    (dash && !value.is_empty()).then(|| Entry {
        indent: indent.saturating_sub(1),
        key: None,
        value: start..start + value.len(),
    })
}

/// The row whose value goes on into this one.
fn owner(rows: &[Line<'_>], row: usize) -> Option<usize> {
    if rows[row].is_blank() {
        return None;
    }
    let mut indent = rows[row].indent();
    // Far above, nothing is a value that could go on down to here.
    for above in (row.saturating_sub(400)..row).rev() {
        let line = rows[above];
        if line.is_blank() || line.indent() >= indent {
            continue;
        }
        indent = line.indent();
        if let Some(entry) = entry(line) {
            let value = &line.text[entry.value.start - line.start..entry.value.end - line.start];
            return (entry.indent < rows[row].indent() && !is_block_header(value)).then_some(above);
        }
        if indent == 0 {
            return None;
        }
    }
    None
}

/// Whether a value only says that a block of text follows: `|`, `>-`, `|2`.
pub(super) fn is_block_header(value: &str) -> bool {
    let value = value.split(" #").next().unwrap_or_default().trim_end();
    let mut chars = value.chars();
    matches!(chars.next(), Some('|' | '>'))
        && chars.all(|c| matches!(c, '+' | '-') || c.is_ascii_digit())
        && value.len() <= 3
}

/// The value of an entry, with the lines that it goes on into, written so that it can be read.
fn value(text: &str, rows: &[Line<'_>], row: usize, entry: &Entry) -> Value {
    let below = rows[row + 1..].iter();
    let more: Vec<&Line<'_>> = below.take_while(|line| line.is_blank() || line.indent() > entry.indent).collect();
    let last = more.iter().rposition(|line| !line.is_blank()).map(|last| last + 1).unwrap_or(0);
    let more = &more[..last];
    let end = more.last().map_or(entry.value.end, |line| line.start + line.text.trim_end().len());
    let place = entry.value.start..end;
    let whole = &text[place.clone()];
    let claude = more.is_empty() && entry.indent == 0 && entry.key.is_some() && claude_quotes(whole);
    let shown = entry
        .key
        .as_deref()
        .map(quote::shown)
        .unwrap_or_else(|| format!("- {}", whole.chars().take(20).collect::<String>()));
    let inner = without_quotes(whole);
    let written = if more.iter().any(|line| line.is_blank()) {
        let indent = more.iter().filter(|line| !line.is_blank()).map(|line| line.indent()).min().unwrap_or(2);
        block(inner, indent)
    } else {
        quote::folded(inner)
    };
    Value { place, text: written, key: shown, claude }
}

/// A text of several lines as a block below its key. The lines below the first one are indented already.
fn block(text: &str, indent: usize) -> String {
    let spaces = " ".repeat(indent);
    format!("|-\n{spaces}{}", text.trim_start())
}

/// Drops one outer pair of quotes, or an opening quote that is never closed. Quotes inside and backslashes stay.
pub(super) fn without_quotes(text: &str) -> &str {
    for quote in ['"', '\''] {
        let Some(inner) = text.strip_prefix(quote) else { continue };
        if let Some(inner) = inner.strip_suffix(quote) {
            return inner;
        }
        if !inner.contains(quote) {
            return inner;
        }
    }
    text
}

/// Whether Claude Code puts quotes around this value of a line `key: value` before it reads the YAML.
fn claude_quotes(value: &str) -> bool {
    let quoted =
        ['"', '\''].iter().any(|quote| value.len() > 1 && value.starts_with(*quote) && value.ends_with(*quote));
    !quoted
        && (value.contains(": ") || value.contains(['{', '}', '[', ']', '*', '&', '#', '!', '|', '>', '%', '@', '`']))
}
