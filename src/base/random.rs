//! Random bytes of the system, and bytes as people can type them. Knows nothing of what they are for.

use std::io;

/// Bytes that nobody could have known.
///
/// # Errors
/// When the system has none to give: a container without `getrandom`.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

/// Bytes as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal as bytes; `None` where it is none.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks(2).map(pair).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{hex, random, unhex};

    #[test]
    fn bytes_come_back() {
        let bytes = random::<16>().ok();
        assert_ne!(bytes, random::<16>().ok());
        let text = bytes.map(|bytes| hex(&bytes));
        assert_eq!(text.as_deref().and_then(unhex).as_deref(), bytes.as_ref().map(<[u8; 16]>::as_slice));
        assert_eq!((unhex("0"), unhex("zz"), unhex("é")), (None, None, None));
    }
}
