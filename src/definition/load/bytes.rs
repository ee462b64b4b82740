//! First stage of every file: bytes to text.
//!
//! Strict for what runs as it is written (workflows, gates, prompts); agents, skills and commands of other tools are decoded
//! whatever they are, with a warning.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::fcntl::OFlag;

use crate::base::{Diagnostic, Digest, Source, Span, codes::definition as codes};

/// The largest definition file, in bytes.
pub(super) const BYTES_MAX: u64 = 1024 * 1024;

/// A file's text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// The text, without a byte order mark, with lone CR as LF (so that offsets are those of the file).
    pub source: Arc<Source>,
    /// What had to be changed to get a text.
    pub notes: Vec<Diagnostic>,
}

impl Text {
    /// A text that is its file, byte for byte.
    fn plain(text: String, shown: &Path) -> Self {
        Self { source: Source::new(shown, text), notes: Vec::new() }
    }
}

/// Reads a file of at most [`BYTES_MAX`] bytes; no more than that is ever in memory. `shown` is its path for people.
pub(super) fn read(path: &Path, shown: &Path) -> Result<Text, Box<Diagnostic>> {
    decode(read_bytes(path, shown)?.0, shown)
}

/// Reads a file that a project brings along. A link may lead anywhere in its repository; one that leads out of it would show
/// what nobody has named, and send it to a model.
pub(super) fn read_within(root: &Path, path: &Path, shown: &Path) -> Result<Text, Box<Diagnostic>> {
    match within(root, path) {
        Ok(real) => read(&real, shown),
        Err(error) => Err(not_within(shown, &error)),
    }
}

/// The real path of what a project brings along.
///
/// # Errors
/// When it is not there, or a link leads out of the project's repository.
pub fn within(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let real = path.canonicalize()?;
    let root = root.canonicalize()?;
    let top = root.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&root);
    let is_inside = real.starts_with(&root) || real.starts_with(top);
    if is_inside { Ok(real) } else { Err(io::Error::other("a symbolic link leads out of the project")) }
}

/// What is told of a file that [`within`] does not give.
pub(super) fn not_within(shown: &Path, error: &io::Error) -> Box<Diagnostic> {
    let is_out = error.kind() == io::ErrorKind::Other;
    let (code, help) = if is_out {
        (codes::FILE_OUTSIDE, "put the file itself in the place of the link")
    } else {
        (codes::UNREADABLE, "check that it is a plain file and that you may read it")
    };
    let fault = Diagnostic::error(code, &Source::new(shown, ""), Span::default(), "cannot read this file");
    Box::new(fault.cause(plain_io(error)).help(help))
}

/// The bytes of such a file, and what the system said about it before they were read.
pub(super) fn read_bytes(path: &Path, shown: &Path) -> Result<(Vec<u8>, Metadata), Box<Diagnostic>> {
    let unreadable = |why: String| {
        let source = Source::new(shown, "");
        Box::new(
            Diagnostic::error(codes::UNREADABLE, &source, Span::default(), "cannot read this file")
                .cause(why)
                .help("check that it is a plain file and that you may read it"),
        )
    };
    let failed = |error: io::Error| unreadable(plain_io(&error));
    // A pipe would wait for a writer otherwise.
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(unreadable("it is not a plain file".to_owned()));
    }
    if found.len() > BYTES_MAX {
        return Err(too_large(shown, found.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes, found))
}

/// Turns bytes into text, or says why they are none.
pub(super) fn decode(bytes: Vec<u8>, shown: &Path) -> Result<Text, Box<Diagnostic>> {
    if bytes.len() as u64 > BYTES_MAX {
        return Err(too_large(shown, bytes.len() as u64));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(not_text(shown, "", 0, "it is UTF-16", "save it as UTF-8"));
    }
    let mut text = match String::from_utf8(bytes) {
        Ok(text) if is_plain(&text) => return Ok(Text::plain(text, shown)),
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            return Err(not_text(shown, &text, good, "this byte is not UTF-8", "save the file as UTF-8"));
        }
    };
    let digest = Digest::of(text.as_bytes());
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        text = rest.to_owned();
    }
    if let Some(place) = text.find('\0') {
        return Err(not_text(shown, &text, place, "a NUL character", "remove it: definitions are text"));
    }
    if has_lone_cr(&text) {
        text = lone_cr_to_lf(&text);
    }
    Ok(Text { source: Source::decoded(shown, text, digest), notes: Vec::new() })
}

/// Turns any bytes into text and notes what had to be changed. Places are places in the text that comes out.
pub(super) fn decode_lenient(bytes: Vec<u8>, shown: &Path) -> Result<Text, Box<Diagnostic>> {
    if bytes.len() as u64 > BYTES_MAX {
        return Err(too_large(shown, bytes.len() as u64));
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if is_plain(&text) => return Ok(Text::plain(text, shown)),
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let digest = Digest::of(&bytes);
    let mut odd: Vec<Odd> = Vec::new();
    let mut text = match bytes.get(..2) {
        Some([0xff, 0xfe]) => utf16(&bytes, u16::from_le_bytes, &mut odd),
        Some([0xfe, 0xff]) => utf16(&bytes, u16::from_be_bytes, &mut odd),
        _ => String::from_utf8(bytes).unwrap_or_else(|error| {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            odd.push(Odd::NotUtf8);
            text
        }),
    };
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
        if odd.is_empty() {
            odd.push(Odd::Mark);
        }
    }
    let nul = text.find('\0');
    if let Some(place) = nul {
        text.retain(|c| c != '\0');
        odd.push(Odd::Nul(place));
    }
    if has_lone_cr(&text) {
        let mended = lone_cr_to_lf(&text);
        let changed = mended.bytes().zip(text.bytes()).position(|(new, old)| new != old);
        odd.extend(changed.map(Odd::OldLines));
        text = mended;
    }
    let source = Source::decoded(shown, text, digest);
    let notes = odd.into_iter().map(|odd| odd.note(&source)).collect();
    Ok(Text { source, notes })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, odd: &mut Vec<Odd>) -> String {
    odd.push(Odd::Utf16);
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// What was wrong with the bytes.
enum Odd {
    Utf16,
    NotUtf8,
    Mark,
    Nul(usize),
    OldLines(usize),
}

impl Odd {
    fn note(self, source: &Arc<Source>) -> Diagnostic {
        let replaced = || source.text.find('\u{fffd}').unwrap_or(0);
        let (place, message, cause, assumed) = match self {
            Self::Utf16 => (0, "this file is UTF-16", "two bytes for each character", "its text, decoded"),
            Self::NotUtf8 => {
                (replaced(), "this file is not UTF-8 text", "the byte here is no text", "\u{fffd} instead of the byte")
            }
            Self::Mark => {
                (0, "this file starts with a byte order mark", "three bytes that nobody sees", "the text after it")
            }
            Self::Nul(place) => (place, "a NUL character in this file", "it stood here", "the text without it"),
            Self::OldLines(place) => {
                (place, "lines that end with a lone carriage return", "the first one stood here", "new lines")
            }
        };
        let width = source.text[place..].chars().next().map_or(0, char::len_utf8);
        let fault = Diagnostic::error(codes::ENCODING, source, Span::new(place..place + width), message)
            .cause(cause)
            .assumed(assumed)
            .help("save the file as UTF-8");
        let save = "save the file as UTF-8";
        match self {
            Self::Mark => fault.info().fix(save, Span::default(), ""),
            // Writing the text would lose the byte for good.
            Self::NotUtf8 => fault.warning(),
            Self::Utf16 | Self::Nul(_) | Self::OldLines(_) => {
                fault.elsewhere("Claude Code", "does not find the frontmatter").warning().fix(save, Span::default(), "")
            }
        }
    }
}

/// Whether nothing has to be changed in a text, which is so in almost all.
fn is_plain(text: &str) -> bool {
    !text.starts_with('\u{feff}') && !text.contains('\0') && !has_lone_cr(text)
}

/// Whether a carriage return stands somewhere without a new line behind it.
fn has_lone_cr(text: &str) -> bool {
    text.match_indices('\r').any(|(at, _)| text.as_bytes().get(at + 1) != Some(&b'\n'))
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
pub(super) fn plain_io(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
