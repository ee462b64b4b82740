//! What `echo`, `printf`, `base64 -d` and their kin make of a text that stands in the command.

/// The bytes of a Base64 text, as text; `None` where it is none.
pub(super) fn base64(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap_or_default());
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes of hexadecimal digits, as text.
pub(super) fn hex(text: &str) -> Option<String> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    Some(String::from_utf8_lossy(&pairs.collect::<Option<Vec<u8>>>()?).into_owned())
}

/// The escapes of `echo -e` and `printf`.
pub(super) fn escapes(text: &str) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.extend(letter.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let (radix, most, mut code, mut taken) = match letters.next() {
            Some('n') => {
                out.push(b'\n');
                continue;
            }
            Some('t') => {
                out.push(b'\t');
                continue;
            }
            Some('x') => (16, 2, 0, 0),
            Some('0') => (8, 3, 0, 0),
            Some(digit @ '1'..='7') => (8, 3, digit.to_digit(8).unwrap_or_default(), 1),
            Some(other) => {
                out.extend(other.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
            None => break,
        };
        while taken < most
            && let Some(value) = letters.peek().and_then(|digit| digit.to_digit(radix))
        {
            code = code * radix + value;
            taken += 1;
            letters.next();
        }
        out.push(u8::try_from(code & 0xff).unwrap_or_default());
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What `printf FORMAT WORDS…` prints, as far as texts go.
pub(super) fn printf(format: &str, words: &[String]) -> String {
    let mut out = String::new();
    let mut words = words.iter();
    loop {
        let (mut took, mut letters) = (false, format.chars().peekable());
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            while letters.peek().is_some_and(|mark| mark.is_ascii_digit() || "-+ .#*".contains(*mark)) {
                letters.next();
            }
            match letters.next() {
                Some('%') | None => out.push('%'),
                Some(_) => {
                    took = true;
                    out.push_str(words.next().map_or("", String::as_str));
                }
            }
        }
        if !took || words.len() == 0 || out.len() > 64 * 1024 {
            return escapes(&out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded() {
        assert_eq!(base64("cm0gLXJmIC8K").as_deref(), Some("rm -rf /\n"));
        assert_eq!(base64("no base64!"), None);
        assert_eq!(hex("726d").as_deref(), Some("rm"));
        assert_eq!(escapes(r"\x72\155\040-rf"), "rm -rf");
        assert_eq!(printf("%s %s\\n", &["rm".to_owned(), "-rf".to_owned(), "/".to_owned()]), "rm -rf\n/ \n");
    }
}
