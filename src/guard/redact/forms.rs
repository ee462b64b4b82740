//! Every form in which a secret travels: the forms that programs give to a value when they print, quote or encode it.
//!
//! Unaware of where the forms are looked for.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

/// The shortest piece of base64 that is looked for: six bytes of a secret.
const BASE64_CHARS_MIN: usize = 8;

/// The alphabet of base64 (RFC 4648, section 4); the other one, for addresses, has `-_` at its end.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Plain, in JSON, in addresses, for a shell, in HTML, in hexadecimal, and in base64 wherever it begins in there.
pub(super) fn forms_of(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([secret.to_owned()]);
    let json = json_inside(secret);
    forms.insert(json.replace('/', "\\/"));
    forms.insert(ascii_json(&json));
    forms.insert(json);
    for upper in [percent(secret, b"-._~"), percent(secret, b"-._~!*'();:@&=+$,/?#[]"), percent_all(secret)] {
        let plus = upper.replace("%20", "+");
        forms.extend([lower_percent(&upper), lower_percent(&plus), plus]);
        forms.insert(upper);
    }
    forms.insert(secret.replace('\'', "'\\''"));
    forms.insert(secret.replace('\'', "'\"'\"'"));
    forms.insert(escaped(secret));
    forms.insert(dollar_quoted(secret));
    forms.insert(double_quoted(secret));
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = html.replace('"', "&quot;");
    for apostrophe in ["&#39;", "&#x27;", "&#039;", "&apos;"] {
        forms.insert(quoted.replace('\'', apostrophe));
    }
    forms.insert(html.replace('"', "&#34;").replace('\'', "&#39;"));
    forms.extend([html, quoted]);
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.insert(hex.to_uppercase());
    forms.insert(hex);
    for offset in 0..3 {
        let standard = inner_base64(secret.as_bytes(), offset);
        if standard.len() >= BASE64_CHARS_MIN {
            forms.insert(standard.replace('+', "-").replace('/', "_"));
            forms.insert(standard);
        }
    }
    // Programs say what they do in lines of JSON: a command with a quoted value in it stands there escaped once more.
    let again: Vec<String> = forms.iter().map(|form| json_inside(form)).collect();
    forms.extend(again);
    forms
}

/// The inside of a JSON string.
fn json_inside(text: &str) -> String {
    let json = Value::String(text.to_owned()).to_string();
    json[1..json.len() - 1].to_owned()
}

/// JSON text with nothing but ASCII in it, as many programs write it.
fn ascii_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// As `printf %q` writes it for a shell.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"_-./:=@%+,".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// The inside of `$'…'`, as `printf %q` writes what holds control characters or is no ASCII.
fn dollar_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            0x1b => out.push_str("\\E"),
            b'\'' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
    out
}

/// The inside of `"…"` in a shell.
fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// For an address (RFC 3986, section 2.1); these bytes and letters and digits stay.
fn percent(text: &str, stays: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || stays.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn percent_all(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn lower_percent(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(part.len().min(2));
        let _ = write!(out, "%{}{rest}", code.to_ascii_lowercase());
    }
    out
}

/// The letters of base64 that these bytes alone decide, where `offset` other bytes stand before them.
fn inner_base64(bytes: &[u8], offset: usize) -> String {
    let first = (offset * 8).div_ceil(6);
    let last = (offset + bytes.len()) * 8 / 6;
    let bit = |place: usize| {
        let (byte, bit) = (place / 8, place % 8);
        byte.checked_sub(offset).and_then(|byte| bytes.get(byte)).is_some_and(|byte| byte >> (7 - bit) & 1 == 1)
    };
    let digit = |place: usize| (0..6).fold(0, |digit, one| digit << 1 | usize::from(bit(place * 6 + one)));
    (first..last).map(|place| char::from(ALPHABET[digit(place)])).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As any program would write it.
    pub(in crate::guard::redact) fn base64(bytes: &[u8]) -> String {
        let mut out = String::new();
        for group in bytes.chunks(3) {
            let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            for place in 0..=group.len() {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
            }
            out.push_str(&"="[..].repeat(3 - group.len()));
        }
        out
    }

    #[test]
    fn the_forms_are_what_programs_write() {
        let forms = forms_of("pä\"s's/w+rd? <4&2");
        for form in [
            "pä\"s's/w+rd? <4&2",
            "pä\\\"s's/w+rd? <4&2",
            "p\\u00e4\\\"s's/w+rd? <4&2",
            "p%C3%A4%22s%27s%2Fw%2Brd%3F%20%3C4%262",
            "p%c3%a4%22s%27s%2fw%2brd%3f+%3c4%262",
            "p%C3%A4%22s's/w+rd?%20%3C4&2",
            "%70%C3%A4%22%73%27%73%2F%77%2B%72%64%3F%20%3C%34%26%32",
            "pä\"s'\\''s/w+rd? <4&2",
            "pä\\\"s\\'s/w+rd\\?\\ \\<4\\&2",
            "p\\303\\244\"s\\'s/w+rd? <4&2",
            "pä&quot;s's/w+rd? &lt;4&amp;2",
            "pä\\\"s'\\\\''s/w+rd? <4&2",
            "pä&quot;s&#x27;s/w+rd? &lt;4&amp;2",
            "70c3a422732773",
        ] {
            assert!(forms.iter().any(|one| one.starts_with(form)), "{form}: {forms:#?}");
        }
    }
}
