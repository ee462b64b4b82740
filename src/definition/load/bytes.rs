//! First stage of every file: bytes to text.
//!
//! Strict today; the tolerant decoding of other tools' files belongs here and nowhere else.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::base::{Diagnostic, Digest, Source, Span, codes::definition as codes};

/// The largest definition file, in bytes.
pub(super) const BYTES_MAX: u64 = 1024 * 1024;

/// A file's text and the digest of its bytes.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// The text, without a byte order mark, with lone CR as LF (so that offsets are those of the file).
    pub source: Arc<Source>,
    /// The digest of the bytes as they were.
    pub digest: Digest,
}

/// Reads a file of at most [`BYTES_MAX`] bytes; no more than that is ever in memory. `shown` is its path for people.
pub(super) fn read(path: &Path, shown: &Path) -> Result<Text, Box<Diagnostic>> {
    let unreadable = |why: String| {
        let source = Source::new(shown, "");
        Box::new(
            Diagnostic::error(codes::UNREADABLE, &source, Span::default(), "cannot read this file")
                .cause(why)
                .help("check that it is a plain file and that you may read it"),
        )
    };
    let found = path.metadata().map_err(|error| unreadable(plain_io(&error)))?;
    if !found.is_file() {
        return Err(unreadable("it is not a plain file".to_owned()));
    }
    if found.len() > BYTES_MAX {
        return Err(too_large(shown, found.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    let file = File::open(path).map_err(|error| unreadable(plain_io(&error)))?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(plain_io(&error)))?;
    decode(bytes, shown)
}

/// Turns bytes into text, or says why they are none.
pub(super) fn decode(bytes: Vec<u8>, shown: &Path) -> Result<Text, Box<Diagnostic>> {
    if bytes.len() as u64 > BYTES_MAX {
        return Err(too_large(shown, bytes.len() as u64));
    }
    let digest = Digest::of(&bytes);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(not_text(shown, "", 0, "it is UTF-16", "save it as UTF-8"));
    }
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            return Err(not_text(shown, &text, good, "this byte is not UTF-8", "save the file as UTF-8"));
        }
    };
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        text = rest.to_owned();
    }
    if let Some(place) = text.find('\0') {
        return Err(not_text(shown, &text, place, "a NUL character", "remove it: definitions are text"));
    }
    if text.contains('\r') {
        text = lone_cr_to_lf(&text);
    }
    Ok(Text { source: Source::new(shown, text), digest })
}

fn lone_cr_to_lf(text: &str) -> String {
    let mut rest = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = rest.next() {
        out.push(if c == '\r' && rest.peek() != Some(&'\n') { '\n' } else { c });
    }
    out
}

fn too_large(shown: &Path, length: u64) -> Box<Diagnostic> {
    let message = format!("this file has {length} bytes, {BYTES_MAX} are allowed");
    Box::new(
        Diagnostic::error(codes::TOO_LARGE, &Source::new(shown, ""), Span::default(), message)
            .cause("a definition may have 1 MB")
            .help("move long texts to files of their own (`prompt_file:`) or split the workflow"),
    )
}

fn not_text(shown: &Path, text: &str, place: usize, cause: &str, help: &str) -> Box<Diagnostic> {
    let source = Source::new(PathBuf::from(shown), text.replace('\0', "\u{2400}"));
    let span = Span::new(place..place + 1);
    Box::new(Diagnostic::error(codes::NOT_TEXT, &source, span, "this file is not UTF-8 text").cause(cause).help(help))
}

/// What the system says, as a lower-case fragment without its number.
pub(super) fn plain_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
