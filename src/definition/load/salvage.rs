//! The last repair: the text is cut at lines that start with a known key, and each piece is read by itself. A piece that
//! cannot be read becomes the text of its key.

use std::ops::Range;

use crate::definition::load::{
    known,
    opener::Line,
    quote,
    repair::{Check, Value, is_block_header, without_quotes},
};

/// Rows of one key.
struct Segment<'a> {
    key: Option<&'a str>,
    rows: Range<usize>,
}

/// The values that must be written anew. `None` where there is no known key at all.
pub(super) fn salvage(text: &str, rows: &[Line<'_>], check: &mut Check<'_>) -> Option<Vec<Value>> {
    let segments = segments(rows);
    segments.iter().find_map(|segment| segment.key)?;
    let mut edits = Vec::new();
    for segment in &segments {
        let first = rows[segment.rows.start];
        let end = rows[segment.rows.end - 1].next;
        let piece = &text[first.start..end];
        let Some(key) = segment.key else {
            // Nothing says what these lines are: they are kept as comments.
            let loose = rows[segment.rows.clone()]
                .iter()
                .filter(|row| !row.is_blank() && !row.text.trim_start().starts_with('#'));
            edits.extend(loose.map(|row| edit(row.start..row.start, "# ".to_owned(), row.text)));
            continue;
        };
        if check(piece).is_ok() && !(known::is_free_text(key) && has_other_keys(rows, segment)) {
            continue;
        }
        let colon = first.start + first.text.find(':').map_or(0, |colon| colon + 1);
        let last = rows[segment.rows.clone()].iter().rev().find(|row| !row.is_blank()).unwrap_or(&first);
        let place = colon..last.start + last.text.trim_end().len();
        let value = &text[place.clone()];
        let written = list(value).unwrap_or_else(|| as_text(value));
        edits.push(edit(place, format!(" {written}"), key));
    }
    Some(edits)
}

fn edit(place: Range<usize>, text: String, key: &str) -> Value {
    Value { place, text, key: key.chars().take(40).collect(), claude: false }
}

/// Cuts at known keys. Inside prose only a known key that was not there yet ends the text; outside of it any key does.
fn segments<'a>(rows: &[Line<'a>]) -> Vec<Segment<'a>> {
    let mut segments: Vec<Segment<'a>> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let key = known::key_of(row.text).filter(|key| {
            let prose = segments.last().and_then(|segment| segment.key).is_some_and(known::is_free_text);
            if prose { known::is_known(key) && !seen.contains(key) } else { true }
        });
        match (key, segments.last_mut()) {
            (Some(key), _) => {
                if known::is_known(key) && !seen.contains(&key) {
                    seen.push(key);
                }
                segments.push(Segment { key: Some(key), rows: place..place + 1 });
            }
            (None, Some(segment)) => segment.rows.end = place + 1,
            (None, None) => segments.push(Segment { key: None, rows: place..place + 1 }),
        }
    }
    segments
}

/// Whether a row below the first one looks like a key of its own.
fn has_other_keys(rows: &[Line<'_>], segment: &Segment<'_>) -> bool {
    rows[segment.rows.clone()].iter().skip(1).any(|row| row.indent() == 0 && known::key_of(row.text).is_some())
}

/// `key: - a` with `- b` below it: a list.
fn list(value: &str) -> Option<String> {
    let items: Option<Vec<&str>> =
        value.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| line.strip_prefix("- ")).collect();
    let items = items.filter(|items| items.len() > 1)?;
    let written = items.iter().map(|item| format!("\n  - {}", quote::plain(without_quotes(item.trim()))));
    Some(written.collect())
}

/// The value as text: in quotes on one line, as a block on several.
fn as_text(value: &str) -> String {
    let mut value = value.trim();
    if let Some((first, rest)) = value.split_once('\n')
        && is_block_header(first.trim())
    {
        value = rest.trim_end();
    }
    let inner = without_quotes(value.trim_end());
    if !inner.contains('\n') {
        return quote::folded(inner.trim());
    }
    // Without an indicator, YAML takes the indentation of the first line for that of all.
    let indicator = if inner.starts_with([' ', '\n', '\r', '\t']) { "2-" } else { "-" };
    let mut written = format!("|{indicator}");
    for line in inner.lines() {
        written.push('\n');
        if !line.trim().is_empty() {
            written.push_str("  ");
            written.push_str(line);
        }
    }
    written
}
