//! JSON as other tools' manifests have it: with a byte order mark, comments and trailing commas.
//!
//! What is taken away becomes spaces, so that places are places in the file.

use std::sync::Arc;

use serde_json::Value;

use crate::base::{Diagnostic, Source, Span, codes::definition as codes};

/// Reads a JSON text. A fault is a warning: `orch` works without a manifest.
pub(super) fn parse(source: &Arc<Source>) -> Result<Value, Box<Diagnostic>> {
    let plain = plain(&source.text);
    serde_json::from_str(&plain).map_err(|error| {
        let start = offset(&source.text, error.line(), error.column());
        let message = error.to_string();
        let cause = message.split(" at line ").next().unwrap_or_default().to_owned();
        Box::new(
            Diagnostic::error(codes::MANIFEST, source, Span::new(start..start + 1), "this manifest is not JSON")
                .cause(cause)
                .help("correct the marked place; comments and trailing commas are fine")
                .assumed("nothing: the folder is read as if it were not there")
                .warning(),
        )
    })
}

fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The text with comments and trailing commas as spaces. Bytes are only replaced by spaces of the same number, so
/// it stays UTF-8: a comment goes as a whole.
fn plain(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let bytes = text.as_bytes();
    // Where the last comma stands, as long as nothing but space has followed.
    let mut comma = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                comma = None;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'/' if matches!(bytes.get(at + 1), Some(b'/' | b'*')) => {
                let rest = &text[at..];
                let length = if rest.starts_with("//") {
                    rest.find('\n').unwrap_or(rest.len())
                } else {
                    rest[2..].find("*/").map_or(rest.len(), |end| end + 4)
                };
                blank(&mut out[at..at + length]);
                at += length;
                continue;
            }
            b',' => comma = Some(at),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    out[comma] = b' ';
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => comma = None,
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Lines stay lines, so that the parser's line numbers are right.
fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let read = |text: &str| parse(&Source::new("x.json", text)).map_err(|fault| (fault.span.start, fault.cause));
        let text = "{ // é: a comment\n \"a\": [1, 2,], /* b,\n } */ \"c\": \"// no, }\\\",\", \n}\n";
        assert_eq!(read(text).unwrap(), json!({"a": [1, 2], "c": "// no, }\","}));
        assert_eq!(read("[/**/]").unwrap(), json!([]));
        for (text, place) in
            [("{\n  \"a\" 1}", 8), ("", 0), ("{\"a\": 1", 6), ("/* open", 6), ("[1,,2]", 3), ("\"\\", 1)]
        {
            assert_eq!(read(text).unwrap_err().0, place, "{text:?}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
