//! Rust sources as a tidy check needs them: comments, texts and tests blanked out, every byte at its old place.
//!
//! Knows just enough of the language to tell code from what is not code; it is no parser.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// One file below `src/`.
pub struct File {
    /// Its path below the repository: `src/cli/run.rs`.
    pub path: String,
    /// As it is written.
    pub raw: String,
    /// Only code: comments, texts and tests are spaces.
    pub code: String,
    /// Code and texts: comments and tests are spaces.
    pub with_texts: String,
}

impl File {
    /// A file of that text.
    pub fn new(path: &str, raw: &str) -> Self {
        let mut code = blank(raw, true);
        let mut with_texts = blank(raw, false);
        for range in tests(&code) {
            erase(&mut code, range.clone());
            erase(&mut with_texts, range);
        }
        Self { path: path.to_owned(), raw: raw.to_owned(), code, with_texts }
    }

    /// The room: `cli` for `src/cli/run.rs`, nothing for the files beside the rooms.
    pub fn room(&self) -> Option<&str> {
        let mut parts = self.path.strip_prefix("src/")?.split('/');
        let room = parts.next()?;
        parts.next().map(|_| room)
    }

    /// The files of modules that only tests have: `#[cfg(test)] mod properties;`.
    fn test_modules(&self) -> Vec<String> {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let code = blank(&self.raw, true);
        tests(&code)
            .into_iter()
            .filter_map(|range| {
                code[range].strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name.trim().to_owned())
            })
            .map(|name| format!("{folder}/{name}.rs"))
            .collect()
    }

    /// The line of a byte, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        self.raw[..at].matches('\n').count() + 1
    }

    /// Lines before the tests at the end.
    pub fn lines(&self) -> usize {
        self.code.trim_end().lines().count()
    }
}

/// All files below `src/`, in order.
pub fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    rust_files(&root.join("src"), &mut paths);
    paths.sort();
    let mut files: Vec<_> = paths.iter().map(|path| read(root, path)).collect();
    let of_tests: Vec<_> = files.iter().flat_map(File::test_modules).collect();
    files.retain(|file| !of_tests.contains(&file.path));
    files
}

/// All files below `tests/` and `benches/`, unblanked tests and all.
pub fn tests_and_benches() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    rust_files(&root.join("tests"), &mut paths);
    rust_files(&root.join("benches"), &mut paths);
    paths.sort();
    paths.iter().map(|path| read(root, path)).collect()
}

fn read(root: &Path, path: &Path) -> File {
    let shown = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    File::new(&shown, &fs::read_to_string(path).expect("a source can be read"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Blanks comments, and texts as well where asked; lines stay where they are.
fn blank(raw: &str, texts: bool) -> String {
    let bytes = raw.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (end, is_text) = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => (line_end(bytes, at), false),
            b'/' if bytes.get(at + 1) == Some(&b'*') => (block_end(bytes, at), false),
            b'"' => (text_end(bytes, at), true),
            b'r' if !is_word_before(bytes, at) || bytes[at - 1] == b'b' => match raw_end(bytes, at) {
                Some(end) => (end, true),
                None => (at, false),
            },
            b'\'' => (character_end(bytes, at), true),
            _ => (at, false),
        };
        if end > at {
            if !is_text || texts {
                blank_range(&mut out, at..end);
            }
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8(out).expect("whole characters were replaced")
}

fn blank_range(out: &mut [u8], range: Range<usize>) {
    for byte in &mut out[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn erase(text: &mut String, range: Range<usize>) {
    let mut bytes = std::mem::take(text).into_bytes();
    blank_range(&mut bytes, range);
    *text = String::from_utf8(bytes).expect("whole characters were replaced");
}

fn is_word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(bytes[at - 1])
}

/// Whether a byte is part of a name.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut place) = (0, at);
    while place + 1 < bytes.len() {
        match &bytes[place..place + 2] {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return place + 2,
            b"*/" => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
    }
    bytes.len()
}

fn text_end(bytes: &[u8], at: usize) -> usize {
    let mut place = at + 1;
    while place < bytes.len() {
        match bytes[place] {
            b'\\' => place += 2,
            b'"' => return place + 1,
            _ => place += 1,
        }
    }
    bytes.len()
}

/// The end of `r"…"` or `r#"…"#`; nothing where it is no such text.
fn raw_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let start = at + 1 + hashes;
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let length = bytes[start + 1..].windows(close.len()).position(|window| window == close)?;
    Some(start + 1 + length + close.len())
}

/// The end of a character; the quote's own place where it begins a lifetime.
fn character_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at + 1..];
    if rest.first() == Some(&b'\\') {
        return rest[2..].iter().position(|byte| *byte == b'\'').map_or(at, |length| at + 1 + 2 + length + 1);
    }
    // One character is at most four bytes.
    let close = rest.iter().take(5).position(|byte| *byte == b'\'');
    let one = |length: usize| std::str::from_utf8(&rest[..length]).is_ok_and(|text| text.chars().count() == 1);
    close.filter(|length| one(*length)).map_or(at, |length| at + 1 + length + 1)
}

/// The items that only tests have: from `#[cfg(test)]` to the end of what it stands before.
fn tests(code: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(offset) = code[from..].find("#[cfg(test)]") {
        let start = from + offset;
        let end = item_end(code, start + "#[cfg(test)]".len());
        found.push(start..end);
        from = end;
    }
    found
}

/// The end of an item: its closing brace, or the semicolon before any brace.
pub fn item_end(code: &str, from: usize) -> usize {
    let (mut depth, mut square) = (0_usize, 0_usize);
    for (place, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'[' | b'(' => square += 1,
            b']' | b')' => square = square.saturating_sub(1),
            b'{' => depth += 1,
            b'}' if depth <= 1 => return place + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 && square == 0 => return place + 1,
            _ => {}
        }
    }
    code.len()
}

/// The places where a word stands by itself.
pub fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let bytes = code.as_bytes();
        !is_word_before(bytes, *at) && !bytes.get(at + word.len()).is_some_and(|byte| is_word(*byte))
    })
}

/// The paths behind `crate::`, in `use` trees and in code: `crate::a::{b, c::d}` gives `a::b` and `a::c::d`.
pub fn crate_paths(code: &str) -> Vec<(usize, String)> {
    paths(code, "crate")
}

/// The paths behind `root::`.
pub fn paths(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, root) {
        if let Some(rest) = code[at + root.len()..].trim_start().strip_prefix("::") {
            let from = code.len() - rest.len();
            tree(code, from, "", &mut found);
        }
    }
    found
}

/// Reads one branch of a `use` tree and gives the place behind it.
fn tree(code: &str, from: usize, before: &str, found: &mut Vec<(usize, String)>) -> usize {
    let bytes = code.as_bytes();
    let mut at = skip_space(bytes, from);
    let mut path = before.to_owned();
    loop {
        match bytes.get(at) {
            Some(b'{') => {
                at += 1;
                while !matches!(bytes.get(at), None | Some(b'}')) {
                    let end = tree(code, at, &path, found);
                    at = skip_space(bytes, end.max(at + 1));
                }
                return at + 1;
            }
            Some(byte) if is_word(*byte) => {
                let end = (at..bytes.len()).find(|place| !is_word(bytes[*place])).unwrap_or(bytes.len());
                if !path.is_empty() {
                    path.push_str("::");
                }
                path.push_str(&code[at..end]);
                let next = skip_space(bytes, end);
                if bytes[next..].starts_with(b"::") {
                    at = skip_space(bytes, next + 2);
                    continue;
                }
                found.push((at, path));
                return rest_of_branch(bytes, next);
            }
            Some(b'*' | b'<') => {
                found.push((at, path));
                return at + 1;
            }
            Some(_) | None => return at,
        }
    }
}

/// Skips ` as name`.
fn rest_of_branch(bytes: &[u8], from: usize) -> usize {
    if bytes[from..].starts_with(b"as ") {
        return (from + 3..bytes.len()).find(|place| !is_word(bytes[*place])).unwrap_or(bytes.len());
    }
    from
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    (from..bytes.len()).find(|place| !bytes[*place].is_ascii_whitespace()).unwrap_or(bytes.len())
}
