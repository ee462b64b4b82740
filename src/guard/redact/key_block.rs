//! A private key in its block, `-----BEGIN … PRIVATE KEY-----` to `-----END … PRIVATE KEY-----`, whole or cut off.
//!
//! Invariant: a block that never ends takes away no more than a key can be long, and nothing behind the first byte that
//! stands in no key.

/// What a block begins with.
pub(super) const BEGIN: &[u8] = b"-----BEGIN ";
/// What its last line begins with.
pub(super) const END: &[u8] = b"-----END ";
const TITLE: &[u8] = b"PRIVATE KEY-----";
/// The longest first or last line, in bytes.
const LINE_BYTES_MAX: usize = 80;
/// The longest key, in bytes: four times that of RSA with 16,384 bits.
const KEY_BYTES_MAX: usize = 64 * 1024;

/// What is known of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyBlock {
    /// It is none.
    None,
    /// More must be seen of its first line.
    Undecided,
    /// It goes until `end`.
    Until {
        end: usize,
        /// From here on more must be seen.
        hold: Option<usize>,
        /// It goes on behind what was seen, with at most so many bytes.
        left: Option<usize>,
    },
}

impl KeyBlock {
    /// Looks at what begins with [`BEGIN`] at `start`.
    pub(super) fn begin(bytes: &[u8], start: usize, at_end: bool) -> Self {
        let line = &bytes[start..bytes.len().min(start + LINE_BYTES_MAX)];
        let title = &line[BEGIN.len()..];
        let kind =
            title.iter().position(|byte| !matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' ')).unwrap_or(title.len());
        match find(&title[..title.len().min(kind + 5)], TITLE) {
            Some(place) => Self::go_on(bytes, start + BEGIN.len() + place + TITLE.len(), KEY_BYTES_MAX, at_end),
            None if !at_end && line.len() < LINE_BYTES_MAX && title[kind..].iter().all(|byte| *byte == b'-') => {
                Self::Undecided
            }
            None => Self::None,
        }
    }

    /// Looks how far a block goes of which `from` is inside.
    pub(super) fn go_on(bytes: &[u8], from: usize, left: usize, at_end: bool) -> Self {
        let most = bytes.len().min(from + left);
        let inside = bytes[from..most].iter().position(|byte| !is_inside(*byte)).map_or(most, |length| from + length);
        let until = |end: usize| Self::Until { end, hold: None, left: None };
        if let Some(last) = find(&bytes[from..inside], END).map(|place| from + place) {
            let line = &bytes[last + END.len()..bytes.len().min(last + LINE_BYTES_MAX)];
            if let Some(place) = find(line, b"-----") {
                return until(last + END.len() + place + 5);
            }
            if !at_end && bytes.len() - last < LINE_BYTES_MAX {
                return Self::Until { end: last, hold: Some(last), left: Some(left.saturating_sub(last - from)) };
            }
        }
        if inside < bytes.len() || at_end {
            return until(inside);
        }
        Self::Until { end: inside, hold: None, left: Some(left.saturating_sub(inside - from)) }
    }
}

/// The bytes of base64, of line ends in any form, and of the lines that some keys have before it.
fn is_inside(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-:,\\ \n\r\t".contains(&byte)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
