//! Takes secrets out of what is kept for others: known values in every form in which they travel, and what looks like a key.
//!
//! Unaware of where secrets come from and of what is kept.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use regex::Regex;
use serde_json::Value;

use crate::guard::shapes::any_shape;

/// A shorter value stands in many words by chance.
const SECRET_BYTES_MIN: usize = 6;
/// The shortest piece of base64 that is looked for: six bytes of a secret.
const BASE64_CHARS_MIN: usize = 8;
/// A shorter name of a machine is a word.
const HOST_CHARS_MIN: usize = 4;

/// The alphabet of base64 (RFC 4648, section 4); the other one, for addresses, has `-_` at its end.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Takes out what nobody else may read.
#[derive(Clone)]
pub struct Redactor {
    /// What is looked for and what stands there instead; the longest first.
    forms: Vec<(String, String)>,
    /// Folders and what stands for them; the longest first.
    folders: Vec<(String, &'static str)>,
    host: Option<String>,
    shapes: Regex,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The forms are the secrets.
        f.write_str("Redactor")
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new([])
    }
}

impl Redactor {
    /// Knows these secrets, each with the name that people know it by.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut forms = Vec::new();
        for (name, value) in secrets {
            let value = value.trim();
            if value.len() >= SECRET_BYTES_MIN {
                let shown = format!("[redacted:{name}]");
                forms.extend(forms_of(value).into_iter().map(|form| (form, shown.clone())));
            }
        }
        forms.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        let shapes = Regex::new(&any_shape(false)).expect("the shapes are a constant, and a test compiles them");
        Self { forms, folders: Vec::new(), host: None, shapes }
    }

    /// Replaces a folder of this machine, with everything before what lies in it.
    #[must_use]
    pub fn folder(mut self, folder: &str, shown: &'static str) -> Self {
        let folder = folder.trim_end_matches('/');
        // The root of the file system, or nothing, stands in every path.
        if folder.len() > 1 {
            self.folders.push((folder.to_owned(), shown));
            self.folders.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.len()));
        }
        self
    }

    /// Replaces the name of this machine.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        let is_telling = host.len() >= HOST_CHARS_MIN && host != "localhost";
        self.host = is_telling.then(|| host.to_owned());
        self
    }

    /// A text without secrets, and without folders of this machine.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (form, shown) in &self.forms {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), shown);
            }
        }
        let mut text = self.shapes.replace_all(&text, "[redacted:key]").into_owned();
        for (folder, shown) in &self.folders {
            text = replace_whole(&text, folder, shown);
        }
        text
    }

    /// The same for what was said: also without the name of this machine, which in a file may be any word.
    #[must_use]
    pub fn said(&self, text: &str) -> String {
        let text = self.text(text);
        self.host.as_ref().map_or_else(|| text.clone(), |host| replace_whole(&text, host, "[host]"))
    }

    /// All texts of a value, names as well.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.said(text)),
            Value::Array(all) => all.iter().map(|one| self.value(one)).collect(),
            Value::Object(all) => {
                Value::Object(all.iter().map(|(name, one)| (self.said(name), self.value(one))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Whether bytes that are no text hold a known secret.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let holds = |form: &str| bytes.windows(form.len()).any(|window| window == form.as_bytes());
        self.forms.iter().any(|(form, _)| holds(form))
    }
}

/// Replaces what is neither the beginning nor the end of a longer name.
fn replace_whole(text: &str, wanted: &str, shown: &str) -> String {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(wanted) {
        let (before, from) = rest.split_at(place);
        let behind = &from[wanted.len()..];
        out.push_str(before);
        let is_inside = out.chars().next_back().is_some_and(is_part) || behind.chars().next().is_some_and(is_part);
        out.push_str(if is_inside { wanted } else { shown });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Every form in which a secret travels: plain, in JSON, in addresses, for a shell, in HTML, in hexadecimal, and in base64
/// wherever it begins in there.
fn forms_of(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([secret.to_owned()]);
    let json = Value::String(secret.to_owned()).to_string();
    forms.insert(json[1..json.len() - 1].to_owned());
    forms.insert(json[1..json.len() - 1].replace('/', "\\/"));
    let upper = percent(secret);
    forms.insert(upper.replace("%20", "+"));
    forms.insert(lower_percent(&upper));
    forms.insert(upper);
    forms.insert(secret.replace('\'', "'\\''"));
    forms.insert(escaped(secret));
    forms.insert(secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
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
    forms
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

/// For an address (RFC 3986, section 2.1).
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
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
mod tests {
    use super::*;

    /// As any program would write it.
    fn base64(bytes: &[u8]) -> String {
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
    fn a_known_secret_is_found_in_every_form() {
        let secret = "pä\"s's/w+rd? <4&2";
        let redactor = Redactor::new([("THE_KEY".to_owned(), secret.to_owned())]);
        let json = serde_json::to_string(secret).unwrap();
        let mut forms = vec![secret.to_owned(), json, percent(secret), lower_percent(&percent(secret))];
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        forms.extend([hex.to_uppercase(), hex]);
        forms.push("pä\"s'\\''s/w+rd? <4&2".to_owned());
        forms.push("pä\\\"s\\'s/w+rd\\?\\ \\<4\\&2".to_owned());
        forms.push("pä&quot;s's/w+rd? &lt;4&amp;2".to_owned());
        // Whatever stands before and behind it.
        for before in ["", "u", "us", "user:"] {
            for behind in ["", "x", "xy", "@host"] {
                let encoded = base64(format!("{before}{secret}{behind}").as_bytes());
                forms.push(encoded.replace('+', "-").replace('/', "_"));
                forms.push(encoded);
            }
        }
        for form in forms {
            let text = redactor.text(&format!("a {form} b"));
            assert!(text.contains("[redacted:THE_KEY]") && !text.contains(&form), "{form}: {text}");
            assert!(!text.contains("w+rd") && !text.contains("w%2Brd"), "{form}: {text}");
            assert!(redactor.is_in(form.as_bytes()), "{form}");
        }
        assert_eq!(redactor.text("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn what_looks_like_a_key_is_one() {
        let redactor = Redactor::default();
        let long = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6";
        for key in [
            format!("sk-ant-{long}"),
            format!("sk-{long}"),
            format!("ghp_{long}"),
            format!("github_pat_{long}"),
            format!("glpat-{long}"),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("AIza{long}"),
            format!("xoxb-{long}"),
            format!("eyJhbGciOiJI.{long}.{long}"),
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----\ncut off".to_owned(),
        ] {
            let text = redactor.text(&format!("x=\"{key}"));
            assert_eq!(text, "x=\"[redacted:key]", "{key}");
        }
        for harmless in ["sk-short", "task-1234567890123456789", "ghp_", "-----BEGIN CERTIFICATE-----", "AKIA"] {
            assert_eq!(redactor.text(harmless), harmless);
        }
    }

    #[test]
    fn folders_and_the_machine_are_replaced_as_whole_names() {
        let redactor = Redactor::default().folder("/home/ann/work/", ".").folder("/home/ann", "~").host("lathe");
        assert_eq!(redactor.said("/home/ann/work/src/a.rs and /home/ann/.x"), "./src/a.rs and ~/.x");
        assert_eq!(redactor.said("/home/anna on lathe, blather"), "/home/anna on [host], blather");
        assert_eq!(redactor.text("lathe"), "lathe");
        let value = serde_json::json!({ "at": ["/home/ann/x", 1, true], "lathe": null });
        assert_eq!(redactor.value(&value), serde_json::json!({ "at": ["~/x", 1, true], "[host]": null }));
    }

    #[test]
    fn a_short_value_is_no_secret() {
        assert_eq!(Redactor::new([("K".to_owned(), "true".to_owned())]).text("true story"), "true story");
        assert_eq!(Redactor::new([]).folder("/", "~").folder("", "~").text("/a"), "/a");
    }
}
